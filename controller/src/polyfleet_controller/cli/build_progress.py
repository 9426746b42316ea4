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

from polyfleet_controller.cli.failures import tell
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
        with self._lock:
            rows = list(self._rows.items())
        return make_table(
            ("PLATFORM", "STATE", "TIME", "STEP"),
            (
                (
                    str(platform),
                    styled(row.state, _COLOURS.get(row.state, "")),
                    humanize_duration(row.seconds),
                    str(row.step or ""),
                )
                for platform, row in rows
            ),
            wrapped=("STEP",),
        )


@contextmanager
def displaying(board: BuildBoard) -> Iterator[Callable[[], None]]:
    """Show the board on stderr, anew with each call."""
    if sys.stderr.isatty():
        with Live(console=Console(stderr=True), refresh_per_second=8) as live:
            yield lambda: live.update(board.draw())
            live.update(board.draw())
        return
    yield lambda: _tell_news(board)
    _tell_news(board)


def _tell_news(board: BuildBoard) -> None:
    for line in board.take_news():
        tell(line)
