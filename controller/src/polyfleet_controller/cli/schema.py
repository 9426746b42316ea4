"""`polyfleet schema`."""

import json
import sys
from typing import Final

import typer

from polyfleet_controller.api.workload_schema import describe_workload
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


@app.command(
    help=teach(
        "Print the JSON Schema of the Workload kind, for editors and for checks.",
        (("polyfleet schema > workload.schema.json", "what this version takes"),),
        "An editor with yaml-language-server then completes and checks a file that begins with\n"
        "# yaml-language-server: $schema=workload.schema.json",
    ),
)
def schema() -> None:
    sys.stdout.write(json.dumps(describe_workload(), indent=2) + "\n")
