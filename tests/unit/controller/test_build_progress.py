"""What a terminal shows while an image is built, and what a log does."""

import sys

import pytest

from polyfleet_controller.cli.build_progress import BuildBoard, BuildState, displaying
from polyfleet_controller.cli.failures import tell
from polyfleet_shared.platforms import Platform
from terminal import open_terminal, read_screen

AMD, ARM, RISCV = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm/v7", "riscv64"))


def build_three(monkeypatch: pytest.MonkeyPatch, *, kind: str) -> str:
    """What a terminal of this kind is sent while one is built, one fails and one is under way."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", kind)
    board = BuildBoard((AMD, ARM, RISCV))
    with open_terminal() as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal.file)
        with displaying(board) as update:
            board.start(AMD)
            board.note(AMD, "STEP 1/2: FROM scratch")
            update()
            board.finish(AMD, BuildState.BUILT)
            board.start(ARM)
            board.note(ARM, f"STEP 2/2: RUN {'make everything && ' * 40}")
            tell("pushing hello:1")
            board.finish(ARM, BuildState.FAILED)
            board.start(RISCV)
            update()
    return terminal.text


def test_a_terminal_shows_one_line_for_each_platform_below_what_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_screen(build_three(monkeypatch, kind="xterm-256color")) == [
        "pushing hello:1",
        "PLATFORM       STATE     TIME  STEP",
        "linux/amd64    built     0 s",
        "linux/arm/v7   failed    0 s   step 2/2: RUN make everything && make everything…",
        "linux/riscv64  building  0 s",
        "",
    ]


def test_a_terminal_that_cannot_draw_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = build_three(monkeypatch, kind="dumb").splitlines()
    assert lines[:3] == ["linux/amd64: building", "linux/amd64: step 1/2: FROM scratch", "pushing hello:1"]
    assert lines[-1] == "linux/riscv64: building"
