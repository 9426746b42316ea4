"""`polyfleet device`."""

from typing import Annotated, Final, TypeAlias

import typer

from polyfleet_controller.cli.device_marks import LABEL_HELP, TAINT_HELP, label_device, taint_device
from polyfleet_controller.cli.device_page import draw_device
from polyfleet_controller.cli.device_table import draw_device_list
from polyfleet_controller.cli.event_table import draw_events
from polyfleet_controller.cli.layout import styled
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, device_path, name_device, utc_now
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.services.views import (
    Admission,
    Connectivity,
    DeviceDetail,
    DeviceView,
    EventView,
    Sync,
)
from polyfleet_shared.json_text import JsonValue

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The device's name.")]

app: Final = typer.Typer(
    help=teach(
        "Devices: what there is, what each runs, and why it does not run the rest.",
        (
            ("polyfleet device list", "one line each"),
            ("polyfleet device show edge-7", "all about one, each reason with its next step"),
            ("polyfleet device admit edge-7", "let a pending device have work"),
            ("polyfleet device label edge-7 site=north", "for workloads to choose it by"),
            ("polyfleet device taint edge-7 broken:NoExecute", "keep workloads off it"),
        ),
    ),
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)


@app.command(
    "list",
    help=teach(
        "List devices, by name. What is given must all hold.",
        (
            ("polyfleet device list --connectivity offline", "who does not answer"),
            ("polyfleet device list --sync failing", "who needs somebody"),
            ("polyfleet device list -l 'site in (north,east),!retired'", "by labels, as kubectl's -l"),
            ("polyfleet device list --platform linux/arm/v7 -l site=north", ""),
            ("polyfleet device list --admission pending -o name", "who waits to be admitted"),
        ),
        "GEN is the generation of the document that the device has confirmed / that it should have.",
    ),
)
def list_devices(
    ctx: typer.Context,
    *,
    platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Of this platform.")
    ] = None,
    connectivity: Annotated[Connectivity | None, typer.Option(help="That are so connected.")] = None,
    sync: Annotated[Sync | None, typer.Option(help="That stand so.")] = None,
    admission: Annotated[Admission | None, typer.Option(help="That are, or are not, admitted.")] = None,
    selector: Annotated[
        list[str] | None,
        typer.Option(
            "--selector",
            "-l",
            "--label",
            metavar="SELECTOR",
            help="Whose labels meet this, as for `kubectl get nodes`; repeatable.",
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    given = {
        "platform": platform,
        "connectivity": connectivity,
        "sync": sync,
        "admission": admission,
        "selector": ",".join(each for each in selector or () if each.strip()),
    }
    with connect(ctx) as client:
        items = list(client.items("/v1/devices", {key: value for key, value in given.items() if value}))
        devices = [client.read(DeviceView, item) for item in items]
    show(
        output,
        document={"items": items},
        names=(name_device(device.name) for device in devices),
        page=lambda: draw_device_list(devices, utc_now()),
        wraps=False,
    )


@app.command(
    "show",
    help=teach(
        "Show all about a device. What it should run, what it proves to run, and why not the rest.",
        (
            ("polyfleet device show edge-7", "for people"),
            ("polyfleet device show edge-7 -o json", "the same, exact, for programs"),
        ),
        "A workload runs only when the device proves the digest that it was given: `wanted` and `proven`.",
    ),
)
def show_device(ctx: typer.Context, name: NameArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    with connect(ctx) as client:
        document = client.get(device_path(name))
        detail = client.read(DeviceDetail, document)
    show(
        output,
        document=document,
        names=(name_device(detail.device.name),),
        page=lambda: draw_device(detail, utc_now()),
    )


@app.command(
    "events",
    help=teach(
        "List what happened on a device, newest first.",
        (("polyfleet device events edge-7 --limit 50", "the newest fifty"),),
    ),
)
def list_events(
    ctx: typer.Context,
    name: NameArgument,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        detail = client.read(DeviceDetail, client.get(device_path(name)))
        document = client.get(f"{device_path(name)}/events", {"limit": limit})
        items = document.get("items", []) if isinstance(document, dict) else []
        events = [client.read(EventView, item) for item in items] if isinstance(items, list) else []
    names = {each.uid: f"{each.namespace}/{each.name}" for each in detail.assignments}
    show(
        output,
        document=document,
        names=(f"{name_device(name)}/events/{event.seq}" for event in events),
        page=lambda: draw_events(events, utc_now(), names) if events else styled("no events"),
        wraps=False,
    )


app.command("label", help=LABEL_HELP)(label_device)
app.command("taint", help=TAINT_HELP)(taint_device)


@app.command(
    "admit",
    help=teach(
        "Let a pending device have work. Pending is one that this controller does not know, or deleted.",
        (
            ("polyfleet device list --admission pending", "who waits"),
            ("polyfleet device admit edge-7", "no change if it is admitted"),
        ),
    ),
)
def admit_device(ctx: typer.Context, name: NameArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    _change(ctx, name, "admit", "admitted", output)


@app.command(
    "resolve",
    help=teach(
        "Say that a name is one machine's again. The device then gets new releases.",
        (("polyfleet device resolve edge-7", "after giving one of the two another name"),),
    ),
)
def resolve_device(ctx: typer.Context, name: NameArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    _change(ctx, name, "resolve", "resolved", output)


@app.command(
    "delete",
    help=teach(
        "Forget a device. If it comes back, it waits for `admit`, and keeps running what it ran.",
        (("polyfleet device delete edge-7", ""),),
    ),
)
def delete_device(ctx: typer.Context, name: NameArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    with connect(ctx) as client:
        client.delete(device_path(name))
    _show_change(name, "deleted", {"name": name, "change": "deleted"}, output)


def _change(ctx: typer.Context, name: str, verb: str, done: str, output: OutputFormat) -> None:
    with connect(ctx) as client:
        document = client.post(f"{device_path(name)}/{verb}")
    _show_change(name, done, document, output)


def _show_change(name: str, done: str, document: JsonValue, output: OutputFormat) -> None:
    show(
        output,
        document=document,
        names=(name_device(name),),
        page=lambda: styled(f"{name_device(name)} {done}"),
        wraps=False,
    )
