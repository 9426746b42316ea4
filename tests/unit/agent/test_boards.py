"""Real machines, by what they say of themselves: the texts, and their sources, are in fixtures/boards/."""

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from polyfleet_agent.core.platforms.facts import MachineFacts
from polyfleet_agent.core.platforms.listing import list_platforms

BOARDS: Final = sorted((Path(__file__).parents[2] / "fixtures/boards").glob("*.toml"))


def read_board(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_runs_these_platforms_and_no_others(path: Path) -> None:
    board = read_board(path)
    facts = MachineFacts(
        machine=board["machine"],
        bits=board["bits"],
        cpuinfo=board["cpuinfo"],
        abi=frozenset(board.get("abi", ())),
        command_line=board.get("command_line", ""),
        kernel_config=board.get("kernel_config", ""),
    )
    listed = [[str(entry.platform), entry.fit, entry.found] for entry in list_platforms(facts)]
    assert listed == board["platforms"]


def test_every_board_says_where_its_facts_come_from() -> None:
    boards = [read_board(path) for path in BOARDS]
    assert [board["name"] for board in boards if not board["source"].strip()] == []
    assert len({board["name"] for board in boards}) == len(boards)
