"""What rows of answers mean, by Kubernetes' rules. One letter is one answer: + success, - failure, ? none."""

from dataclasses import replace
from typing import Final

import pytest

from polyfleet_agent.core import health
from polyfleet_agent.core.health import Answer, Health
from polyfleet_shared.probes import Probe, ProbeKind, TcpSocketAction
from polyfleet_shared.workloads import ContainerSpec
from simulation import image

PROBE: Final = Probe(tcp_socket=TcpSocketAction(port=80), period_seconds=5)
SPEC: Final = ContainerSpec(name="main", image=image("1"))
STARTUP: Final = replace(SPEC, startup_probe=PROBE)
LIVENESS: Final = replace(SPEC, liveness_probe=PROBE)
READINESS: Final = replace(SPEC, readiness_probe=replace(PROBE, success_threshold=2))
ALL: Final = replace(STARTUP, liveness_probe=PROBE, readiness_probe=PROBE)

ANSWERS: Final = {
    "+": Answer(succeeded=True),
    "-": Answer(succeeded=False, message="refused"),
    "?": Answer(succeeded=None, message="no socket"),
}


def begin(spec: ContainerSpec) -> Health:
    return health.begin(spec, ("c1", "t1"), 100.0)


def take(known: Health, kind: ProbeKind, answers: str) -> Health:
    """Answers one after the other, each five seconds later, from 105 on."""
    for number, letter in enumerate(answers, 1):
        now = 100.0 + 5 * number
        known = health.take(known, kind, ANSWERS[letter], asked_at=now - 0.5, now=now)
    return known


def test_without_probes_a_container_is_ready_as_soon_as_it_runs() -> None:
    known = begin(SPEC)
    assert (known.ready_since, known.was_ready, known.in_turn, known.unanswered) == (100.0, True, (), None)


def test_with_a_liveness_probe_alone_it_is_ready_as_soon_as_it_runs_too() -> None:
    known = begin(LIVENESS)
    assert (known.ready_since, known.in_turn) == (100.0, (ProbeKind.LIVENESS,))


@pytest.mark.parametrize(
    ("answers", "ready_since", "was_ready"),
    [
        ("", None, False),
        ("+", None, False),
        ("+-+", None, False),
        ("+?+", 115.0, True),
        ("++", 110.0, True),
        ("++--", 110.0, True),
        ("++--+-", 110.0, True),
        ("++---", None, True),
        ("++---+", None, True),
        ("++---++", 135.0, True),
        ("++++++", 110.0, True),
        ("---------", None, False),
    ],
)
def test_readiness_turns_with_as_many_answers_in_a_row_as_its_thresholds_say(
    answers: str, ready_since: float | None, *, was_ready: bool
) -> None:
    known = take(begin(READINESS), ProbeKind.READINESS, answers)
    assert (known.ready_since, known.was_ready, known.failed) == (ready_since, was_ready, None)


@pytest.mark.parametrize(
    ("answers", "failed"),
    [("--", False), ("--+--", False), ("?????", False), ("--?-", True), ("+---", True), ("---", True)],
)
def test_a_liveness_probe_fails_with_as_many_failures_in_a_row_as_its_threshold_says(
    answers: str, *, failed: bool
) -> None:
    known = take(begin(LIVENESS), ProbeKind.LIVENESS, answers)
    assert known.failed is (ProbeKind.LIVENESS if failed else None)
    assert known.ready_since == (None if failed else 100.0)
    assert known.in_turn == (() if failed else (ProbeKind.LIVENESS,))


def test_until_it_has_started_nothing_else_is_asked() -> None:
    known = begin(ALL)
    assert (known.in_turn, known.unanswered) == ((ProbeKind.STARTUP,), ProbeKind.STARTUP)
    known = take(known, ProbeKind.STARTUP, "--+")
    assert (known.in_turn, known.unanswered) == (
        (ProbeKind.LIVENESS, ProbeKind.READINESS),
        ProbeKind.READINESS,
    )
    assert take(known, ProbeKind.READINESS, "+").ready_since == 105.0


def test_a_container_that_has_started_is_ready_from_then_on() -> None:
    assert take(begin(STARTUP), ProbeKind.STARTUP, "-+").ready_since == 110.0


def test_a_container_that_does_not_start_in_time_has_failed() -> None:
    known = take(begin(ALL), ProbeKind.STARTUP, "---")
    assert (known.failed, known.in_turn, known.was_ready) == (ProbeKind.STARTUP, (), False)


def test_a_probe_is_due_after_its_delay_and_then_by_its_period() -> None:
    known = begin(replace(SPEC, liveness_probe=replace(PROBE, initial_delay_seconds=30)))
    assert known.tallies[ProbeKind.LIVENESS].due == 130.0
    known = health.take(known, ProbeKind.LIVENESS, ANSWERS["+"], asked_at=131.0, now=139.0)
    assert known.tallies[ProbeKind.LIVENESS].due == 136.0


def test_what_a_probe_has_against_a_container_is_told() -> None:
    known = begin(READINESS)
    assert known.explain(ProbeKind.READINESS) == ""
    known = take(known, ProbeKind.READINESS, "-")
    assert known.explain(ProbeKind.READINESS) == "readiness probe: refused"
    known = take(known, ProbeKind.READINESS, "?")
    assert known.explain(ProbeKind.READINESS) == "readiness probe: no socket"
