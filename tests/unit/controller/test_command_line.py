"""The command line without a controller: help, wrong usage, and nobody there."""

import json
import subprocess
import sys
from typing import Final

import pytest

from polyfleet_controller.api.workload_schema import describe_workload
from polyfleet_controller.cli.root import SUB_COMMANDS

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
# A port below 1024 that nobody listens on here, and that no test is given by chance.
NOBODY: Final = "http://127.0.0.1:9"


def polyfleet(*arguments: str) -> tuple[int, str, str]:
    """Run the command line as its own process; return exit code, stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-c", "from polyfleet_controller.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_help_loads_nothing_that_is_slow() -> None:
    program = (
        "import sys; sys.argv = ['polyfleet', '--help']\n"
        "from polyfleet_controller.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sorted({'httpx2', 'rich', 'sqlalchemy', 'yaml'} & sys.modules.keys()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert ended.stdout.splitlines()[-1] == ""


def test_help_teaches_by_example() -> None:
    assert polyfleet("--help") == (
        0,
        """\
Usage: polyfleet [OPTIONS] COMMAND [ARGS]...

  Run containers on a fleet of devices, in the variant that each device's
  processor needs.

  Examples:
    polyfleet apply -f hello.yaml --wait  run a workload; see devices prove it
    polyfleet image check IMAGE           which device gets which variant of it
    polyfleet device list                 what devices there are, and how they stand
    polyfleet device show edge-7          all about one: what it runs, and why not
    polyfleet workload show hello         one workload on all of its devices
    polyfleet rollout watch hello         how its newest release comes to devices
    polyfleet device list -o json         the same, exact, for programs

  Exit codes: 0 done, 1 not done (the message says why), 2 wrong usage or
  input.

Options:
  -s, --server URL  The controller to ask.  [env var: POLYFLEET_SERVER;
                    default: http://127.0.0.1:8080]
  -h, --help        Show this message and exit.

Commands:
  apply     Create or change workloads from manifests.
  device    List devices; show what one runs, and why not.
  workload  List, show and delete workloads and their releases.
  rollout   Watch and steer how releases come to devices; go back.
  image     Build images of many platforms; see what a registry holds.
  export    Write a workload as Kubernetes YAML or a Quadlet unit.
  schema    Print the JSON Schema of workloads, for editors.
  demo      Run a whole fleet on this machine, to see it work.
  version   Show this program's version and the controller's.
""",
        "",
    )


@pytest.mark.parametrize("command", SUB_COMMANDS)
def test_every_sub_command_has_help_with_an_example(command: str) -> None:
    code, text, errors = polyfleet(command, "--help")
    assert (code, errors) == (0, "")
    assert text.startswith(f"Usage: polyfleet {command} ")
    assert "Examples:\n" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("aply",), "No such command 'aply'."),
        (("device", "shw"), "No such command 'shw'."),
        (("device", "show"), "Missing argument 'NAME'."),
        (("apply",), "Missing option '--filename' / '-f'."),
        (("device", "list", "--sync", "broken"), "Invalid value for '--sync'"),
        (("--server",), "Option '--server' requires an argument."),
    ],
)
def test_wrong_usage_is_exit_code_2_on_stderr(arguments: tuple[str, ...], message: str) -> None:
    code, text, errors = polyfleet(*arguments)
    assert (code, text) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--server", "controller", "device", "list"),
            (
                "'controller' is no address of a controller (it needs http:// or https://): "
                "write http://HOST:PORT"
            ),
        ),
        (
            ("device", "show", "Edge_7"),
            (
                "'Edge_7' is no device name: use 1 to 63 of a-z, 0-9 and '-', starting and ending with a "
                "letter or digit"
            ),
        ),
        (("apply", "-f", "/missing.yaml"), "/missing.yaml cannot be read: No such file or directory"),
        (
            ("apply", "-f", "/missing.yaml", "--timeout", "soon"),
            "--timeout 'soon' is no duration: write 90s, 5m or 1h",
        ),
    ],
)
def test_wrong_input_is_exit_code_2_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert polyfleet(*arguments) == (2, "", f"polyfleet: {message}\n")


@pytest.mark.parametrize("arguments", [("device", "list"), ("workload", "delete", "hello")])
def test_nobody_there_is_one_line_with_the_next_step(arguments: tuple[str, ...]) -> None:
    assert polyfleet("--server", NOBODY, *arguments) == (
        1,
        "",
        (
            f"polyfleet: no controller answers at {NOBODY} ([Errno 111] Connection refused): start one with "
            "`polyfleet-controller serve`, or name another with --server or POLYFLEET_SERVER\n"
        ),
    )


def test_the_version_of_this_program_is_told_even_if_nobody_is_there() -> None:
    code, text, errors = polyfleet("--server", NOBODY, "version", "-o", "json")
    assert (code, text) == (1, '{\n  "client": {\n    "polyfleet": "0.1.0"\n  }\n}\n')
    assert errors.startswith(f"polyfleet: no controller answers at {NOBODY} ")


def test_the_schema_is_printed_without_a_controller() -> None:
    code, text, errors = polyfleet("--server", NOBODY, "schema")
    assert (code, json.loads(text), errors) == (0, describe_workload(), "")
