"""`polyfleet device label` and `polyfleet device taint`."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import typer

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.layout import join_lines, styled
from polyfleet_controller.cli.many_marks import Choice, mark_devices, show_marked
from polyfleet_controller.cli.mark_arguments import read_label_change, read_taint_change, split_names
from polyfleet_controller.cli.mark_lines import say_labels, say_taints
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, device_path, name_device, utc_now
from polyfleet_controller.cli.teaching import teach
from polyfleet_controller.services.views import DeviceDetail, DeviceView
from polyfleet_shared.json_text import JsonValue

SelectorOption: TypeAlias = Annotated[
    str,
    typer.Option("--selector", "-l", metavar="SELECTOR", help="Devices whose labels meet this."),
]
AllOption: TypeAlias = Annotated[bool, typer.Option("--all", help="Every device.")]

_CONFLICT: Final = "mark_conflict"
_REFUSED: Final = frozenset({_CONFLICT, "mark_refused"})

_SEVERAL: Final = (
    "Several devices are changed each by itself, all of it or nothing: one that is refused keeps none of the "
    "others back, and the exit code is 1 then. Up to 500 are changed in one transaction."
)

LABEL_HELP: Final = teach(
    "Set and remove labels of devices, as `kubectl label node` does. All of them change, or none.",
    (
        ("polyfleet device label edge-7 site=north rack=3", "set two"),
        ("polyfleet device label edge-7 site=south --overwrite", "replace another value"),
        ("polyfleet device label edge-7 rack-", "remove one"),
        ("polyfleet device label edge-7 --list", "show all, and whose each is"),
        ("polyfleet device label edge-7 edge-8 tier=gold", "several devices"),
        ("polyfleet device label -l site=north tier=gold", "all whose labels meet a selector"),
        ("polyfleet device label --all tier-", "every device"),
    ),
    "Labels come from the device's inventory (kubernetes.io/arch, /os, /hostname, polyfleet.io/variant), "
    "which nobody overwrites, from operators, and from [device.labels] in its agent.toml. An operator's "
    "counts before the device's own; removing it gives the device's own back.",
    _SEVERAL,
)
TAINT_HELP: Final = teach(
    "Set and remove taints of devices, as `kubectl taint node` does. All of them change, or none.",
    (
        (
            "polyfleet device taint edge-7 dedicated=till:NoSchedule",
            "keeps new work off",
        ),
        ("polyfleet device taint edge-7 broken:NoExecute", "sends work away, too"),
        ("polyfleet device taint edge-7 dedicated:NoSchedule-", "remove it"),
        ("polyfleet device taint edge-7 dedicated-", "whatever the effect"),
        ("polyfleet device taint edge-7 --list", "show all"),
        ("polyfleet device taint -l site=north broken:NoExecute", "several, as with label"),
    ),
    _SEVERAL,
    "The effects are NoSchedule, PreferNoSchedule (only where nothing better is to be had) and NoExecute.",
)


def label_device(
    ctx: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]... [KEY=VALUE|KEY-]...", help="Devices, then what to set and remove."),
    ] = None,
    *,
    selector: SelectorOption = "",
    everything: AllOption = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of other values.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show all labels, after any change.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    names, asked = split_names(arguments or ())
    choice = Choice(names=names, selector=selector, everything=everything)
    _check_asked(asked, choice, listed=listed, form="KEY=VALUE or KEY-")
    change = read_label_change(asked, overwrite=overwrite)
    with connect(ctx) as client:
        if not choice.is_one:
            marked = mark_devices(client, "/v1/device-labels", choice.find(client), change)
            show_marked(marked, "labelled", output)
            return
        (name,) = names
        document = _change(client, name, "labels", change) if asked else None
        if document is not None:
            _tell_restored(name, asked, client.read(DeviceView, document))
        if not listed:
            _show_changed(name, "labelled", document, output)
            return
        document = client.get(device_path(name))
        detail = client.read(DeviceDetail, document)
    show(
        output,
        document={"items": document.get("labels") if isinstance(document, dict) else None},
        names=(name_device(name),),
        page=lambda: join_lines(say_labels(detail.labels)),
        wraps=False,
    )


def taint_device(
    ctx: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]... [KEY[=VALUE]:EFFECT|KEY[:EFFECT]-]...",
            help="Devices, then what to set and remove.",
        ),
    ] = None,
    *,
    selector: SelectorOption = "",
    everything: AllOption = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of other values.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show all taints, after any change.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    names, asked = split_names(arguments or ())
    choice = Choice(names=names, selector=selector, everything=everything)
    _check_asked(asked, choice, listed=listed, form="KEY=VALUE:EFFECT, KEY:EFFECT- or KEY-")
    change = read_taint_change(asked, overwrite=overwrite)
    with connect(ctx) as client:
        if not choice.is_one:
            marked = mark_devices(client, "/v1/device-taints", choice.find(client), change)
            show_marked(marked, _say_done(asked), output)
            return
        (name,) = names
        document = _change(client, name, "taints", change) if asked else None
        if not listed:
            _show_changed(name, "tainted" if _is_tainted(document) else "untainted", document, output)
            return
        document = client.get(device_path(name))
        detail = client.read(DeviceDetail, document)
    device = document.get("device") if isinstance(document, dict) else None
    show(
        output,
        document={"items": device.get("taints") if isinstance(device, dict) else None},
        names=(name_device(name),),
        page=lambda: (
            join_lines(say_taints(detail.device.taints, utc_now()))
            if detail.device.taints
            else styled("no taints")
        ),
        wraps=False,
    )


def _check_asked(asked: Sequence[str], choice: Choice, *, listed: bool, form: str) -> None:
    if not asked and not listed:
        raise CommandError(f"nothing to set or to remove: write {form}, or --list to see all", ExitCode.INPUT)
    if listed and not choice.is_one:
        raise CommandError("--list shows one device, by its name", ExitCode.INPUT)


def _change(client: Client, name: str, kind: str, change: JsonValue) -> JsonValue:
    try:
        return client.patch(f"{device_path(name)}/{kind}", change)
    except RefusedError as error:
        if error.code not in _REFUSED or not error.problems:
            raise
        told = "".join(f"\n  {problem.message}" for problem in error.problems)
        hint = "\nGive --overwrite where that is meant." if error.code == _CONFLICT else ""
        raise CommandError(f"{name_device(name)} is not changed:{told}{hint}", error.exit_code) from None


def _tell_restored(name: str, asked: Sequence[str], device: DeviceView) -> None:
    """A label that is there after it was removed is the device's own."""
    for argument in asked:
        key = argument.removesuffix("-")
        if "=" not in argument and key in device.labels:
            value = device.labels[key] or "''"
            tell(f"{name_device(name)}: {key} is {value} now, as the device's own configuration says")


def _say_done(asked: Sequence[str]) -> str:
    return "untainted" if all(argument.endswith("-") for argument in asked) else "tainted"


def _is_tainted(document: JsonValue) -> bool:
    return isinstance(document, dict) and bool(document.get("taints"))


def _show_changed(name: str, done: str, document: JsonValue, output: OutputFormat) -> None:
    show(
        output,
        document=document,
        names=(name_device(name),),
        page=lambda: styled(f"{name_device(name)} {done}"),
        wraps=False,
    )
