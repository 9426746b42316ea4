"""`polyfleet image check`."""

from typing import Annotated

import typer

from polyfleet_controller.cli.failures import ExitCode
from polyfleet_controller.cli.image_check_page import draw_image_check
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, name_device, utc_now
from polyfleet_controller.services.image_views import ImageCheck, OnUncovered


def check_image(
    ctx: typer.Context,
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="[IMAGE]", help="registry/path[:tag][@digest]; without it, all of the workload's."
        ),
    ] = None,
    *,
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload", "-w", metavar="[NAMESPACE/]NAME", help="The devices that its placement chooses."
        ),
    ] = None,
    selector: Annotated[
        str | None,
        typer.Option("--selector", "-l", metavar="SELECTOR", help="Devices by labels, as kubectl takes it."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    given = {"reference": reference, "workload": workload, "selector": selector}
    with connect(ctx) as client:
        query = {name: value for name, value in given.items() if value is not None}
        document = client.get("/v1/images/check", query)
        check = client.read(ImageCheck, document)
    show(
        output,
        document=document,
        names=(name_device(name) for each in check.uncovered for name in each.names),
        page=lambda: draw_image_check(check, utc_now()),
    )
    if check.uncovered and check.on_uncovered is not OnUncovered.EXCLUDE:
        raise typer.Exit(ExitCode.FAILED)
