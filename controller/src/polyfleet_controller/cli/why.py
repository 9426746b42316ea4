"""`polyfleet workload why`."""

from typing import Annotated

import typer

from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, name_device, workload_path
from polyfleet_controller.cli.why_page import draw_device_reason, draw_why
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_controller.services.placement_reasons import DeviceReason, Why


def explain_workload(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")],
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
    ] = DEFAULT_NAMESPACE,
    device: Annotated[
        str | None, typer.Option("--device", "-d", metavar="DEVICE", help="About one device only.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    path = f"{workload_path(namespace, name)}/why"
    with connect(ctx) as client:
        if device is None:
            document = client.get(path)
            why = client.read(Why, document)
            names, page = tuple(map(name_device, why.chosen_names)), draw_why(why)
        else:
            document = client.get(f"{path}/{device}")
            reason = client.read(DeviceReason, document)
            names, page = (name_device(device),), draw_device_reason(reason)
    show(output, document=document, names=names, page=lambda: page)
