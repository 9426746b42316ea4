"""Whose message it is."""

import pytest

from polyfleet_controller.domain.incarnations import Lives, Verdict, judge

BORN = Lives()
ONE = Lives(current="a")
REBUILT = Lives(current="b", former={"a": (3, 7)})
RESOLVED = Lives(current=None, former={"a": (3, 8), "b": (1, 2)})


@pytest.mark.parametrize(
    ("lives", "incarnation", "live", "online", "verdict"),
    [
        (BORN, "a", True, None, Verdict.SUPERSEDES),
        (BORN, "a", False, None, Verdict.SUPERSEDES),
        (ONE, "a", True, (1, 1), Verdict.SAME),
        (ONE, "a", False, None, Verdict.SAME),
        (ONE, "b", True, None, Verdict.SUPERSEDES),
        (REBUILT, "a", True, (3, 8), Verdict.CLONE),
        (REBUILT, "a", True, (4, 1), Verdict.CLONE),
        (REBUILT, "a", True, (3, 7), Verdict.STALE),  # delivered twice
        (REBUILT, "a", True, (2, 9), Verdict.STALE),
        (REBUILT, "a", False, (3, 8), Verdict.STALE),  # the broker's stored copy
        (REBUILT, "a", True, None, Verdict.STALE),  # a will, a report, an event
        (REBUILT, "c", False, None, Verdict.SUPERSEDES),
        (RESOLVED, "a", True, None, Verdict.SUPERSEDES),
        (RESOLVED, "b", True, (1, 1), Verdict.SUPERSEDES),
        (RESOLVED, "a", False, (9, 9), Verdict.STALE),
        (RESOLVED, "c", True, None, Verdict.SUPERSEDES),
    ],
)
def test_a_message_is_judged_by_its_incarnation(
    lives: Lives, incarnation: str, *, live: bool, online: tuple[int, int] | None, verdict: Verdict
) -> None:
    assert judge(lives, incarnation, live=live, online=online) is verdict
