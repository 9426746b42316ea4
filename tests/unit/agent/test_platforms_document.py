"""docs/platforms.md lists the levels as the code has them."""

import re
from pathlib import Path
from typing import Final

import pytest

from polyfleet_agent.core.platforms import arm64, riscv, x86
from polyfleet_agent.core.platforms.levels import Level

DOCUMENT: Final = (Path(__file__).parents[3] / "docs/platforms.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| ((?:v[0-9.]+|rva[0-9]+u64)) \| (`.*) \|$", re.MULTILINE)
# Told in the table as another way to have Zfhmin.
ALTERNATIVES: Final = {"zfh"}


@pytest.mark.parametrize(
    "levels", [x86.LEVELS, arm64.LEVELS, riscv.LEVELS], ids=["amd64", "arm64", "riscv64"]
)
def test_a_levels_words_stand_in_its_line(levels: tuple[Level, ...]) -> None:
    told = {
        variant: set(re.findall(r"`([a-z0-9_]+)`", words)) - ALTERNATIVES
        for variant, words in ROW.findall(DOCUMENT)
    }
    assert {level.variant: set(level.needs) for level in levels[1:]} == {
        level.variant: told[level.variant] for level in levels[1:]
    }
