"""`polyfleet version`."""

from typing import Annotated, Final

import typer

import polyfleet_controller
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.layout import make_facts
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_shared.json_text import JsonValue

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


@app.command(
    help=teach(
        "Show the version of this program, and of the controller.",
        (("polyfleet version", ""), ("polyfleet version --client", "without asking a controller")),
    ),
)
def version(
    ctx: typer.Context,
    *,
    client: Annotated[bool, typer.Option("--client", help="Only this program's.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    document: dict[str, JsonValue] = {"client": {"polyfleet": polyfleet_controller.__version__}}
    failure: CommandError | None = None
    if not client:
        try:
            with connect(ctx) as controller:
                document["server"] = controller.get("/v1/version")
        except CommandError as error:
            if error.exit_code is ExitCode.INPUT:
                raise
            failure = error
    facts = [
        (f"{side} {key}", str(value))
        for side, versions in document.items()
        if isinstance(versions, dict)
        for key, value in versions.items()
    ]
    show(
        output,
        document=document,
        names=(f"{name} {value}" for name, value in facts),
        page=lambda: make_facts(facts),
        wraps=False,
    )
    if failure is not None:
        tell(f"polyfleet: {failure}")
        raise typer.Exit(ExitCode.FAILED)
