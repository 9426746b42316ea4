"""How the builds of an image get on: a table that is drawn anew on a terminal, lines elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyfleet_controller.cli.failures import printable, tell
from polyfleet_controller.cli.humanized import humanize_duration
from polyfleet_controller.cli.layout import BAD, GOOD, make_table, styled
from polyfleet_controller.domain.image_builds import BuildStep, read_step
from polyfleet_shared.platforms import Platform


class BuildState(StrEnum):
    """Where one platform's build is."""

    WAITING = "waiting"
    BUILDING = "building"
    BUILT = "built"
    FAILED = "failed"


_COLOURS: Final = {BuildState.BUILT: GOOD, BuildState.FAILED: BAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    state: BuildState = BuildState.WAITING
    step: BuildStep | None = None
    began: float = 0.0
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return 0.0 if self.state is BuildState.WAITING else (self.ended or monotonic()) - self.began


class BuildBoard:
    """What is known of each platform's build. Builds write to it in their threads."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._lock = threading.Lock()
        self._rows = {platform: _Row() for platform in platforms}
        self._news: list[str] = []

    def start(self, platform: Platform) -> None:
        with self._lock:
            self._rows[platform] = _Row(state=BuildState.BUILDING, began=monotonic())
            self._news.append(f"{platform}: building")

    def note(self, platform: Platform, line: str) -> None:
        """Take a line of the build's log."""
        step = read_step(line)
        if step is not None:
            with self._lock:
                self._rows[platform] = replace(self._rows[platform], step=step)
                self._news.append(f"{platform}: {step}")

    def finish(self, platform: Platform, state: BuildState) -> None:
        with self._lock:
            row = replace(self._rows[platform], state=state, ended=monotonic())
            self._rows[platform] = row
            self._news.append(f"{platform}: {state} after {humanize_duration(row.seconds)}")

    def take_news(self) -> list[str]:
        """What happened since it was asked last, a line each."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def draw(self) -> Table:
        """One line for each platform, however long its step is: what is drawn anew must fit the screen."""
        with self._lock:
            rows = list(self._rows.items())
        return make_table(
            ("PLATFORM", "STATE", "TIME", "STEP"),
            (
                (
                    str(platform),
                    styled(row.state, _COLOURS.get(row.state, "")),
                    humanize_duration(row.seconds),
                    _say_step(row),
                )
                for platform, row in rows
            ),
            wrapped=("STEP",),  # the column that gives way
        )


@contextmanager
def displaying(board: BuildBoard) -> Iterator[Callable[[], None]]:
    """Show the board on stderr, anew with each call."""
    console = Console(stderr=True)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        with Live(console=console, refresh_per_second=8) as live:
            yield lambda: live.update(board.draw())
            live.update(board.draw())
        return
    yield lambda: _tell_news(board)
    _tell_news(board)


def _say_step(row: _Row) -> Text:
    """Where it is, or where it failed."""
    step = "" if row.step is None or row.state is BuildState.BUILT else str(row.step)
    return Text(printable(step), no_wrap=True, overflow="ellipsis")


def _tell_news(board: BuildBoard) -> None:
    for line in board.take_news():
        tell(line)
