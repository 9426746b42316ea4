"""A rollout as it goes: on a terminal one live bar for each platform, elsewhere a line per change."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from polyfleet_controller.cli.client import Client, UnreachableError
from polyfleet_controller.cli.failures import CommandError, printable, tell
from polyfleet_controller.cli.layout import BAD, GOOD, HEADING, WEAK, styled
from polyfleet_controller.cli.rollout_words import (
    explain_failures,
    say_failed_device,
    say_places,
    say_status,
    say_stratum,
    say_stratum_status,
)
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.services.rollout_views import RolloutDetail, RolloutView, StratumView, TallyView

_INTERVAL_SECONDS: Final = 0.5
_BAR: Final = 24
# What is drawn anew must fit the screen; `rollout show` names more.
_SHOWN_FAILURES: Final = 3


def watch_rollout(client: Client, path: str, detail: RolloutDetail) -> None:
    """Show it until it ends.

    Raises:
        CommandError: it did not complete, with the reasons; or a newer release has taken its place.
    """
    path = f"{path}/rollouts/{detail.rollout.number}"
    console = Console()
    if sys.stdout.isatty() and not console.is_dumb_terminal:
        last = _watch_live(client, path, detail.rollout, console)
    else:
        last = _watch_lines(client, path, detail.rollout)
    if last.status is not RolloutStatus.COMPLETED:
        raise CommandError(explain_end(last))


def explain_end(rollout: RolloutView) -> str:
    """Why a rollout that has ended has not completed."""
    called = f"rollout {rollout.number} of {rollout.namespace}/{rollout.name}"
    lines = [f"{called} has not completed: {rollout.status.replace('_', ' ')}"]
    return "\n  ".join((*lines, *explain_failures(rollout)))


def draw_board(rollout: RolloutView) -> RenderableType:
    """A heading, and a bar for each platform; what it waits for and why devices failed below it."""
    heading = Text.assemble(
        styled(
            f"{rollout.namespace}/{rollout.name}, rollout {rollout.number} to {rollout.release}: ", HEADING
        ),
        say_status(rollout.status),
    )
    parts: list[RenderableType] = [heading]
    for stratum in rollout.strata:
        line = Text.assemble(_draw_stratum(stratum), f"  {stratum.platform}: ", say_stratum_status(stratum))
        parts += [line, *(Padding(each, (0, 0, 0, 4)) for each in _list_rest(stratum))]
    return Group(*parts)


def list_lines(rollout: RolloutView) -> dict[str, str]:
    """What is told line by line, each again when it changes: the rollout, its platforms, what failed."""
    lines = {"": f"rollout {rollout.number} to {rollout.release}: {rollout.status.replace('_', ' ')}"}
    for stratum in rollout.strata:
        lines[str(stratum.platform)] = say_stratum(stratum)
        for failure in stratum.failures:
            lines[f"{stratum.platform} {failure.device}"] = (
                f"{stratum.platform}: {say_failed_device(failure)}"
            )
    return lines


def _draw_stratum(stratum: StratumView) -> Text:
    """Of a rollout that decides nothing any more devices are not counted, only the verdict is kept."""
    if stratum.tally is not None and stratum.tally.devices:
        return _draw_bar(stratum.tally)
    if stratum.status is StratumStatus.SUCCEEDED:
        return Text("█" * _BAR, GOOD)
    return Text("░" * _BAR)


def _draw_bar(tally: TallyView) -> Text:
    """Done, on the way, failed, and what is left; what there is at all has a cell."""
    under_way = tally.soaking + tally.starting + tally.pulling
    cells = [
        max(1, _BAR * count // tally.devices) if count else 0
        for count in (tally.succeeded, under_way, tally.failed)
    ]
    while sum(cells) > _BAR:
        cells[cells.index(max(cells))] -= 1
    done, moving, failed = cells
    return Text.assemble(
        ("█" * done, GOOD), ("▒" * moving, WEAK), ("█" * failed, BAD), "░" * (_BAR - done - moving - failed)
    )


def _list_rest(stratum: StratumView) -> Iterator[Text]:
    if stratum.tally is not None and stratum.tally.devices:
        yield styled(say_places(stratum.tally))
    if stratum.reason:
        yield styled(stratum.reason, BAD)
    if stratum.waits_for:
        yield styled(f"waits for {stratum.waits_for}")
    for failure in stratum.failures[:_SHOWN_FAILURES]:
        yield styled(say_failed_device(failure), BAD)


def _watch_live(client: Client, path: str, rollout: RolloutView, console: Console) -> RolloutView:
    with Live(draw_board(rollout), console=console, refresh_per_second=4) as live:
        while rollout.status.is_open:
            time.sleep(_INTERVAL_SECONDS)
            rollout = _look(client, path, rollout)
            live.update(draw_board(rollout))
    return rollout


def _watch_lines(client: Client, path: str, rollout: RolloutView) -> RolloutView:
    told: dict[str, str] = {}
    while True:
        lines = list_lines(rollout)
        _write(line for key, line in lines.items() if told.get(key) != line)
        told |= lines
        if not rollout.status.is_open:
            return rollout
        time.sleep(_INTERVAL_SECONDS)
        rollout = _look(client, path, rollout)


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.flush()


def _look(client: Client, path: str, before: RolloutView) -> RolloutView:
    """A controller that is away for a moment is waited for."""
    try:
        return client.read(RolloutDetail, client.get(path)).rollout
    except UnreachableError as error:
        tell(f"polyfleet: {error}")
        return before
