"""Taints as operators set and remove them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError
from polyfleet_controller.domain.taint_changes import TaintChange, TaintRemoval, TaintSetting, change_taints
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_shared.json_text import Problem

THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOW: Final = THEN + timedelta(hours=1)

STAYS: Final = Taint(key="dedicated", value="till", effect=Effect.NO_SCHEDULE, since=THEN)
LEAVES: Final = Taint(key="dedicated", value="till", effect=Effect.NO_EXECUTE, since=THEN)
BROKEN: Final = Taint(key="example.com/broken", effect=Effect.NO_EXECUTE, since=THEN)
ALL: Final = (LEAVES, STAYS, BROKEN)


def setting(key: str, value: str = "", effect: Effect = Effect.NO_SCHEDULE) -> TaintSetting:
    return TaintSetting(key=key, value=value, effect=effect)


def removal(key: str, effect: Effect | None = None) -> TaintRemoval:
    return TaintRemoval(key=key, effect=effect)


def change(*taints: Taint, **asked: Any) -> tuple[Taint, ...]:  # noqa: ANN401 - the fields of TaintChange
    return change_taints(taints, TaintChange(**asked), now=NOW)


def test_a_taint_is_set_from_now_on_and_one_that_is_there_since_it_was() -> None:
    asked = (setting("dedicated", "till"), setting("dedicated", "till", Effect.PREFER_NO_SCHEDULE))
    assert change(STAYS, set=asked) == (
        STAYS,
        Taint(key="dedicated", value="till", effect=Effect.PREFER_NO_SCHEDULE, since=NOW),
    )
    assert change(set=asked[:1]) == (
        Taint(key="dedicated", value="till", effect=Effect.NO_SCHEDULE, since=NOW),
    )


def test_taints_go_by_key_and_effect_or_by_key_alone() -> None:
    assert change(*ALL, remove=(removal("dedicated", Effect.NO_EXECUTE),)) == (STAYS, BROKEN)
    assert change(*ALL, remove=(removal("dedicated"),)) == (BROKEN,)
    assert change(*ALL, remove=(removal("dedicated", Effect.PREFER_NO_SCHEDULE), removal("x"))) == ALL


def test_another_value_is_a_conflict_and_counts_from_now_on_where_it_is_meant() -> None:
    asked = (setting("dedicated", "scale"),)
    with pytest.raises(MarkConflictError) as raised:
        change(STAYS, set=asked)
    assert raised.value.problems == (
        Problem(
            path="set[0]", message="dedicated:NoSchedule is till already: overwrite it if scale is meant"
        ),
    )
    assert change(STAYS, set=asked, overwrite=True) == (
        Taint(key="dedicated", value="scale", effect=Effect.NO_SCHEDULE, since=NOW),
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(MarkRefusedError) as raised:
        change(
            STAYS,
            set=(
                setting("a b", "-"),
                setting("polyfleet.io/site", "x"),
                setting("dedicated", "scale"),
                setting("rack", "1"),
                setting("rack", "2"),
            ),
            remove=(removal("rack"), removal("c d")),
        )
    form = "a taint's key and value have the form of a label's"
    letters = "letters, digits, '-', '_' and '.'"
    assert raised.value.problems == (
        Problem(path="set[0].key", message=f"a b: {form}: a label's key is 1 to 63 of {letters}"),
        Problem(path="set[0].value", message=f"a b=-: {form}: a label's value is up to 63 of {letters}"),
        Problem(
            path="set[1].key",
            message="polyfleet.io/site is reserved, as all under polyfleet.io/ is for taints",
        ),
        Problem(path="set[4]", message="rack:NoSchedule is set twice: a key has one value for an effect"),
        Problem(path="remove[0]", message="rack:NoSchedule is to be set as well: do one of both"),
        Problem(path="remove[1].key", message=f"c d: {form}: a label's key is 1 to 63 of {letters}"),
        Problem(
            path="set[2]", message="dedicated:NoSchedule is till already: overwrite it if scale is meant"
        ),
    )
