from datetime import UTC, datetime, timedelta

import pytest

from polyfleet_controller.domain.taints import (
    Effect,
    InvalidTolerationError,
    Taint,
    Toleration,
    TolerationOperator,
    find_next_end,
    find_untolerated,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = frozenset(Effect)


def taint(text: str = "disk=slow:NoSchedule", *, age: int = 0) -> Taint:
    pair, _, effect = text.partition(":")
    key, _, value = pair.partition("=")
    return Taint(key=key, value=value, effect=Effect(effect), since=NOW - timedelta(seconds=age))


def exists(key: str | None = None, effect: Effect | None = None, seconds: int | None = None) -> Toleration:
    return Toleration(key=key, operator=TolerationOperator.EXISTS, effect=effect, toleration_seconds=seconds)


@pytest.mark.parametrize(
    ("toleration", "covered"),
    [
        (Toleration(key="disk", value="slow"), True),
        (Toleration(key="disk", value="slow", effect=Effect.NO_SCHEDULE), True),
        (Toleration(key="disk", value="slow", effect=Effect.NO_EXECUTE), False),
        (Toleration(key="disk", value="fast"), False),
        (Toleration(key="disk"), False),
        (Toleration(key="site", value="slow"), False),
        (exists("disk"), True),
        (exists("site"), False),
        (exists(), True),
        (exists(effect=Effect.NO_EXECUTE), False),
    ],
)
def test_a_toleration_covers_a_taint_by_key_value_and_effect(
    toleration: Toleration, *, covered: bool
) -> None:
    found = find_untolerated([taint()], (toleration,), ALL, now=NOW)
    assert found == (None if covered else taint())


def test_a_toleration_without_a_value_covers_a_taint_without_one() -> None:
    assert find_untolerated([taint("lab:NoSchedule")], (Toleration(key="lab"),), ALL, now=NOW) is None


def test_only_the_effects_that_are_asked_for_count() -> None:
    found = [taint("a:PreferNoSchedule"), taint("b:NoSchedule"), taint("c:NoExecute")]
    assert find_untolerated(found, (), frozenset({Effect.NO_EXECUTE}), now=NOW) == found[2]
    assert find_untolerated(found, (), ALL, now=NOW) == found[0]


@pytest.mark.parametrize(
    ("seconds", "age", "tolerated"),
    [(None, 10**9, True), (60, 59, True), (60, 60, False), (0, 0, False), (-5, 0, False)],
)
def test_tolerating_no_execute_ends_after_its_seconds(
    seconds: int | None, age: int, *, tolerated: bool
) -> None:
    mark = taint("gone:NoExecute", age=age)
    toleration = exists("gone", Effect.NO_EXECUTE, seconds)
    assert (find_untolerated([mark], (toleration,), ALL, now=NOW) is None) == tolerated


def test_the_next_end_is_the_earliest_that_is_still_to_come() -> None:
    marks = [taint("a:NoExecute", age=50), taint("b:NoExecute", age=10), taint("c:NoExecute", age=90)]
    each = tuple(exists(key, Effect.NO_EXECUTE, 60) for key in "abc")
    assert find_next_end(marks, each, after=NOW) == NOW + timedelta(seconds=10)
    assert find_next_end(marks, (exists(),), after=NOW) is None


def test_a_taint_is_written_as_kubectl_writes_it() -> None:
    assert str(taint()) == "disk=slow:NoSchedule"
    assert str(taint("lab:NoExecute")) == "lab:NoExecute"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "without a key has the operator Exists"),
        ({"key": "a", "operator": TolerationOperator.EXISTS, "value": "x"}, "has no value"),
        ({"key": "a", "effect": Effect.NO_SCHEDULE, "toleration_seconds": 5}, "NoExecute only"),
    ],
)
def test_tolerations_that_kubernetes_refuses_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidTolerationError, match=words):
        Toleration(**fields)  # type: ignore[arg-type]
