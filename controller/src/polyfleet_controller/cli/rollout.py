"""`polyfleet rollout`."""

from typing import Annotated, Final, TypeAlias

import typer

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.rollout_history import show_history, undo
from polyfleet_controller.cli.rollout_page import draw_rollout, draw_rollout_list
from polyfleet_controller.cli.rollout_reading import NOT_FOUND, read_rollout
from polyfleet_controller.cli.rollout_watch import draw_board, watch_rollout
from polyfleet_controller.cli.session import connect, name_rollout, utc_now, workload_path
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_controller.domain.rollout.states import StratumStatus
from polyfleet_controller.services.rollout_views import RolloutDetail, RolloutView
from polyfleet_shared.json_text import JsonValue

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")]
NamespaceOption: TypeAlias = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
]
NumberOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--number", metavar="N", min=1, help="Only if rollout N is the one in effect."),
]
PlatformOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--platform", "-p", metavar="PLATFORM", help="Only these devices; repeatable."),
]

app: Final = typer.Typer(
    help=teach(
        "How releases come to devices: in waves, on each platform by itself.",
        (
            ("polyfleet rollout list", "what is under way"),
            ("polyfleet rollout watch hello", "one, live, until it ends"),
            ("polyfleet rollout show hello", "how far it is, what it waits for, what failed"),
            ("polyfleet rollout pause hello", "nothing moves until `resume`"),
            ("polyfleet rollout rollback hello", "give all devices back what they had"),
            ("polyfleet rollout undo hello --to-revision 3", "go back to any earlier release"),
        ),
        "The history keeps who asked: user@host, or what POLYFLEET_OPERATOR says. That is a claim: until "
        "there are tokens, nothing proves it.",
    ),
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)


@app.command(
    "list",
    help=teach(
        "List the rollouts in effect of all workloads; of one workload, all that it ever had.",
        (
            ("polyfleet rollout list", "what is under way, or still waits for devices"),
            ("polyfleet rollout list hello", "all of one, newest first"),
            ("polyfleet rollout list -o json", "exact, for programs"),
        ),
    ),
)
def list_rollouts(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A workload's name.")] = None,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        items = _list(client, None if name is None else f"{workload_path(namespace, name)}/rollouts")
        rollouts = [client.read(RolloutView, item) for item in items]
    show(
        output,
        document={"items": items},
        names=(name_rollout(each.namespace, each.name, each.number) for each in rollouts),
        page=lambda: draw_rollout_list(rollouts),
        wraps=False,
    )


def _list(client: Client, path: str | None) -> list[JsonValue]:
    if path is not None:
        return list(client.items(path))
    document = client.get("/v1/rollouts")
    items = document.get("items") if isinstance(document, dict) else None
    return items if isinstance(items, list) else []


@app.command(
    "show",
    help=teach(
        "Show how far a rollout is on each platform, what it waits for, what failed, and its history.",
        (
            ("polyfleet rollout show hello", "the newest"),
            ("polyfleet rollout show hello --number 3", "an earlier one"),
        ),
    ),
)
def show_rollout(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    number: Annotated[int | None, typer.Option(metavar="N", min=1, help="Which; the newest without.")] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        document, detail = read_rollout(client, namespace, name, number)
    _show(output, document, detail)


@app.command(
    "watch",
    help=teach(
        "Watch a rollout until it ends: a live bar for each platform; without a terminal, a line per change.",
        (
            ("polyfleet rollout watch hello", ""),
            ("polyfleet rollout watch hello | tee log", "lines, for a log"),
        ),
        "Exit code 0 if it completed, 1 if not, with the reasons. Ctrl-C ends the watching, not the rollout.",
    ),
)
def watch(ctx: typer.Context, name: NameArgument, *, namespace: NamespaceOption = DEFAULT_NAMESPACE) -> None:
    with connect(ctx) as client:
        _, detail = read_rollout(client, namespace, name)
        watch_rollout(client, workload_path(namespace, name), detail)


@app.command(
    "pause",
    help=teach(
        "Pause a rollout: no further device is given the release until it is resumed.",
        (("polyfleet rollout pause hello", ""),),
        "Devices that have been given it go on.",
    ),
)
def pause(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        _steer(client, (namespace, name), "pause", {"number": number}, output)


@app.command(
    "resume",
    help=teach(
        "Resume a rollout that is paused, or halted on a platform; what has failed until now counts no more.",
        (("polyfleet rollout resume hello", ""),),
    ),
)
def resume(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        _steer(client, (namespace, name), "resume", {"number": number}, output)


@app.command(
    "approve",
    help=teach(
        "Approve a wave whose `approval` the manifest asks for, on all platforms.",
        (
            ("polyfleet rollout approve hello", "the wave that waits for it"),
            ("polyfleet rollout approve hello --wave 3", "this one, now or before its time"),
        ),
    ),
)
def approve(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    wave: Annotated[int | None, typer.Option(metavar="K", min=1, help="Which wave, from 1.")] = None,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        if wave is None:
            seen = read_rollout(client, namespace, name, number)[1]
            number, wave = seen.rollout.number, _find_waiting_wave(seen)
        _steer(client, (namespace, name), "approve", {"number": number, "wave": wave}, output)


@app.command(
    "abort",
    help=teach(
        "End a rollout; every device stays where it is.",
        (("polyfleet rollout abort hello", ""),),
        "To bring devices back as well, use `polyfleet rollout rollback`.",
    ),
)
def abort(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        _steer(client, (namespace, name), "abort", {"number": number}, output)


@app.command(
    "rollback",
    help=teach(
        "Give devices back the release that their platform was proven on before the rollout.",
        (
            ("polyfleet rollout rollback hello", "on all platforms"),
            ("polyfleet rollout rollback hello -p linux/riscv64", "on one; the others go on"),
        ),
        "To go to any earlier release, use `polyfleet rollout undo`.",
    ),
)
def roll_back(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    platform: PlatformOption = None,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        _steer(client, (namespace, name), "rollback", {"number": number, **_choose(platform)}, output)


@app.command(
    "retry",
    help=teach(
        "Give devices that failed the release once more; a platform that was rolled back begins anew.",
        (
            ("polyfleet rollout retry hello", "all that failed"),
            ("polyfleet rollout retry hello -p linux/riscv64", "on one platform"),
        ),
    ),
)
def retry(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    platform: PlatformOption = None,
    number: NumberOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        _steer(client, (namespace, name), "retry", {"number": number, **_choose(platform)}, output)


app.command(
    "history",
    help=teach(
        "List a workload's releases, newest first: who cut them, when, and what has become of them.",
        (
            ("polyfleet rollout history hello", ""),
            ("polyfleet rollout history hello --revision 3", "what the third changed, as a diff"),
        ),
    ),
)(show_history)


app.command(
    "undo",
    help=teach(
        "Go back to an earlier release: its manifest, with the images that it named then.",
        (
            ("polyfleet rollout undo hello", "to the last one before the newest that all devices had"),
            ("polyfleet rollout undo hello --to-revision 3", "to any"),
        ),
        "It becomes a new release, and comes to devices by an ordinary rollout. No registry is asked.",
    ),
)(undo)


def _choose(platforms: list[str] | None) -> dict[str, JsonValue]:
    return {"platforms": list[JsonValue](platforms)} if platforms else {}


def _find_waiting_wave(detail: RolloutDetail) -> int:
    waves = [
        stratum.wave for stratum in detail.rollout.strata if stratum.status is StratumStatus.AWAITING_APPROVAL
    ]
    if not waves:
        gates = ", ".join(str(wave) for wave in detail.approvals if wave not in detail.approved) or "none"
        raise CommandError(
            f"no wave of rollout {detail.rollout.number} waits for an approval now; name one with --wave "
            f"(still to be approved: {gates})",
            ExitCode.INPUT,
        )
    return min(waves)


def _steer(
    client: Client, place: tuple[str, str], verb: str, wanted: dict[str, JsonValue], output: OutputFormat
) -> None:
    """Only what was seen is steered: if another rollout has begun meanwhile, nothing is done."""
    namespace, name = place
    if wanted["number"] is None:
        seen = read_rollout(client, namespace, name)[1]
        wanted = {**wanted, "number": seen.rollout.number}
    try:
        document = client.post(f"{workload_path(namespace, name)}/rollout/{verb}", wanted)
    except RefusedError as error:
        if error.code != NOT_FOUND:
            raise
        raise CommandError(
            f"rollout {wanted['number']} is over, and every device has its release: "
            f"`polyfleet rollout undo {name} -n {namespace}` goes back to an earlier one"
        ) from None
    rollout = client.read(RolloutDetail, document).rollout
    show(
        output,
        document=document,
        names=(name_rollout(rollout.namespace, rollout.name, rollout.number),),
        page=lambda: draw_board(rollout),
    )


def _show(output: OutputFormat, document: JsonValue, detail: RolloutDetail) -> None:
    rollout = detail.rollout
    show(
        output,
        document=document,
        names=(name_rollout(rollout.namespace, rollout.name, rollout.number),),
        page=lambda: draw_rollout(detail, utc_now()),
    )
