"""Child processes: how they end, and that they end with us."""

import subprocess
import sys
from pathlib import Path

import pytest

from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.processes import ChildProcess, run

SECONDS = 10


def start_shell(script: str, log: Path) -> ChildProcess:
    process = ChildProcess.start(["bash", "-c", script], log=log)
    if "ready" in script:
        process.wait_until_ready(lambda: "ready" in log.read_text(), seconds=SECONDS)
    return process


def test_a_stopped_process_has_ended(tmp_path: Path) -> None:
    process = ChildProcess.start(["cat", "/dev/zero"], log=Path("/dev/null"))
    assert process.alive
    process.stop(seconds=SECONDS)
    assert (process.alive, process.exit_code) == (False, -15)
    process.stop()


def test_a_process_works_in_its_directory(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    process = ChildProcess.start(["sh", "-c", "pwd; : >mark"], log=tmp_path / "log", directory=place)
    assert process.wait(seconds=SECONDS) == 0
    assert (process.log.read_text().strip(), (place / "mark").exists()) == (str(place), True)


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    process = start_shell("trap '' TERM; echo ready; exec sleep 60", tmp_path / "log")
    process.stop(seconds=0.01)
    assert process.exit_code == -9


def test_the_whole_group_is_killed(tmp_path: Path) -> None:
    process = start_shell("sleep 60 & echo $!; echo ready; wait", tmp_path / "log")
    child = Path("/proc", process.log.read_text().split()[0])
    assert child.exists()
    process.kill()
    assert wait_until(lambda: not is_running(child), seconds=SECONDS)


def is_running(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_process_that_ends_before_it_is_ready_says_why(tmp_path: Path) -> None:
    process = start_shell("echo no such thing; exit 4", tmp_path / "log")
    with pytest.raises(LabError, match=r"ended with exit code 4:\nno such thing"):
        process.wait_until_ready(lambda: False, seconds=SECONDS)


def test_a_process_that_is_never_ready_is_an_error(tmp_path: Path) -> None:
    process = start_shell("echo ready; exec sleep 60", tmp_path / "log")
    with pytest.raises(LabError, match=r"was not ready after 0\.01 s:\nready"):
        process.wait_until_ready(lambda: False, seconds=0.01)
    with pytest.raises(LabError, match=r"still runs after 0\.01 s"):
        process.wait(seconds=0.01)
    process.kill()


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    process = ChildProcess.start(["no-such-program"], log=tmp_path / "log")
    with pytest.raises(LabError, match=r"`no-such-program` .* ended with exit code 127"):
        process.wait_until_ready(lambda: False, seconds=SECONDS)


OWNER = """
import sys
from pathlib import Path
from polyfleet_controller.lab.processes import ChildProcess

print(ChildProcess.start(["sleep", "60"], log=Path("/dev/null")).pid, flush=True)
sys.stdin.read()
"""


def test_a_process_goes_with_its_killed_owner() -> None:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = Path("/proc", owner.stdout.readline().strip())
        assert is_running(child)
        owner.kill()
    assert wait_until(lambda: not is_running(child), seconds=SECONDS)


def test_a_command_returns_what_it_printed() -> None:
    assert run(["echo", "said"]) == "said\n"
    assert run(["printenv", "SAID"], environment={"SAID": "this"}) == "this\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["ls", "/no/such"], "`ls /no/such` failed with exit code 2: .*No such file"),
        (["no-such-program"], "cannot start `no-such-program`"),
        (["sleep", "60"], "`sleep 60` did not end within 0.05 s"),
    ],
)
def test_a_command_that_fails_says_how(command: list[str], message: str) -> None:
    with pytest.raises(LabError, match=message):
        run(command, seconds=0.05 if command[0] == "sleep" else SECONDS)
