"""`polyfleet` itself: its global option and its sub-commands, each loaded when it is run."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from polyfleet_controller.cli.failures import CommandError, tell
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubCommand:
    """Where a sub-command is: the module's `app`, a typer.Typer."""

    module: str
    summary: str


SUB_COMMANDS: Final[dict[str, SubCommand]] = {
    "apply": SubCommand(
        module="polyfleet_controller.cli.apply",
        summary="Create or change workloads from manifests.",
    ),
    "device": SubCommand(
        module="polyfleet_controller.cli.device",
        summary="List devices; show what one runs, and why not.",
    ),
    "workload": SubCommand(
        module="polyfleet_controller.cli.workload",
        summary="List, show and delete workloads and their releases.",
    ),
    "rollout": SubCommand(
        module="polyfleet_controller.cli.rollout",
        summary="Watch and steer how releases come to devices; go back.",
    ),
    "image": SubCommand(
        module="polyfleet_controller.cli.image",
        summary="Build images of many platforms; see what a registry holds.",
    ),
    "export": SubCommand(
        module="polyfleet_controller.cli.export",
        summary="Write a workload as Kubernetes YAML or a Quadlet unit.",
    ),
    "schema": SubCommand(
        module="polyfleet_controller.cli.schema",
        summary="Print the JSON Schema of workloads, for editors.",
    ),
    "demo": SubCommand(
        module="polyfleet_controller.cli.demo",
        summary="Run a whole fleet on this machine, to see it work.",
    ),
    "version": SubCommand(
        module="polyfleet_controller.cli.version",
        summary="Show this program's version and the controller's.",
    ),
}


class LazyGroup(TyperGroup):
    """Knows the name and summary of each sub-command, so that help and errors load none of them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's own signature
        """All names, in the order of the table."""
        return list(SUB_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - typer's own signature
        """A stand-in with the name and the summary."""
        known = SUB_COMMANDS.get(cmd_name)
        return None if known is None else TyperCommand(name=cmd_name, help=known.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own signature
        """The sub-command that is run, itself."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        if name is None or stand_in is None:
            return name, stand_in, rest
        loaded = typer.main.get_command(import_module(SUB_COMMANDS[name].module).app)
        loaded.name = name
        return name, loaded, rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own signature
        """Run the sub-command; what it cannot do is one message and the exit code."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            tell(f"polyfleet: {error}")
            raise typer.Exit(error.exit_code) from None


_HELP: Final = teach(
    "Run containers on a fleet of devices, in the variant that each device's processor needs.",
    (
        ("polyfleet apply -f hello.yaml --wait", "run a workload; see devices prove it"),
        ("polyfleet image check IMAGE", "which device gets which variant of it"),
        ("polyfleet device list", "what devices there are, and how they stand"),
        ("polyfleet device show edge-7", "all about one: what it runs, and why not"),
        ("polyfleet workload show hello", "one workload on all of its devices"),
        ("polyfleet rollout watch hello", "how its newest release comes to devices"),
        ("polyfleet device list -o json", "the same, exact, for programs"),
    ),
    "Exit codes: 0 done, 1 not done (the message says why), 2 wrong usage or input.",
)

app = typer.Typer(
    cls=LazyGroup,
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


@app.callback(help=_HELP)
def polyfleet(
    ctx: typer.Context,
    server: Annotated[
        str,
        typer.Option(
            "--server", "-s", envvar="POLYFLEET_SERVER", metavar="URL", help="The controller to ask."
        ),
    ] = DEFAULT_SERVER,
) -> None:
    ctx.obj = server


def main() -> None:
    """Run the command line on this process's arguments."""
    app(prog_name="polyfleet")
