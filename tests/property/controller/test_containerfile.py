"""Whatever a Containerfile holds, platforms are put in and nothing else changes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.containerfile import MARK, adapt_containerfile
from polyfleet_shared.platforms import Platform
from strategies import platforms

INSTRUCTIONS = (
    "FROM a\n",
    "FROM a AS x\n",
    "FROM x\n",
    "from \\\n  b\n",
    "FROM --platform=$BUILDPLATFORM c AS y\n",
    "FROM --platform=$TARGETPLATFORM c\n",
    "RUN d \\\n  # e\n  f\n",
    "RUN <<E\nFROM g\nE\n",
    "# FROM h\n",
    "\n",
    "COPY i /\n",
)


def undo(text: str, platform: Platform) -> str:
    without = text.replace(f"ENV {MARK}={platform}\n", "")
    return re.sub(rf"(?i)(from) --platform={re.escape(str(platform))}(?=\s)", r"\1", without)


@given(lines=st.lists(st.sampled_from(INSTRUCTIONS), max_size=8), platform=platforms)
def test_nothing_is_changed_but_platforms_put_in(lines: list[str], platform: Platform) -> None:
    text = "".join(lines)
    assert undo(adapt_containerfile(text, platform), platform) == text


@given(text=st.text(alphabet="FROMRUN aA\\\n#<`=$", max_size=60), platform=platforms)
def test_arbitrary_text_is_kept(text: str, platform: Platform) -> None:
    kept = undo(adapt_containerfile(text, platform), platform)
    assert kept.rstrip("\n") == text.rstrip("\n")


@given(lines=st.lists(st.sampled_from(INSTRUCTIONS), max_size=8), one=platforms, other=platforms)
def test_the_last_stage_has_a_step_of_its_own_platform_unless_it_is_one_of_an_earlier_stage(
    lines: list[str], one: Platform, other: Platform
) -> None:
    stages = [line for line in lines if line.lower().startswith("from")]
    if one == other or not stages or stages[-1] == "FROM x\n":
        return
    text = "".join(lines)
    assert adapt_containerfile(text, one) != adapt_containerfile(text, other)
