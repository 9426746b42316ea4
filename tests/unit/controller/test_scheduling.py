from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from image_examples import name_image
from polyfleet_controller.domain.images import IndexChild, Layer
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.candidates import Candidate, HostPort, Resources
from polyfleet_controller.domain.scheduling.filters import FilterName, Refusal
from polyfleet_controller.domain.scheduling.requests import (
    Everywhere,
    Preference,
    Replicas,
    Request,
    Spread,
    Term,
    WhenUnsatisfiable,
)
from polyfleet_controller.domain.scheduling.scorers import ScorerName, score_parts
from polyfleet_controller.domain.scheduling.selection import Selection, select
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1024 * 1024
AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
DIGEST = "sha256:" + "0" * 64
LAYER = "sha256:" + "1" * 64
IMAGE = (
    IndexChild(platform=AMD64, child=DIGEST, config=DIGEST, size=100, layers=(Layer(digest=LAYER, size=80),)),
)


def runs(platform: Platform = AMD64, fit: Fit = Fit.NATIVE) -> tuple[RunnablePlatform, ...]:
    return (RunnablePlatform(platform=platform, fit=fit),)


ROOMY = Candidate(name="edge-1", platforms=runs(), capacity=Resources(cpu=4000, memory=1024 * MIB))
ANY = Request(uid="w", images=(name_image(*IMAGE),))
ONE = replace(ANY, extent=Replicas(count=1))
SSD = Term(requirements=(Requirement(key="disk", operator=Operator.IN, values=("ssd",)),))


def refusal(request: Request, candidate: Candidate) -> Refusal | None:
    return select(request, [candidate], now=NOW).refused.get(candidate.name)


def mark(effect: Effect) -> tuple[Taint, ...]:
    return (Taint(key="lab", effect=effect, since=NOW),)


@pytest.mark.parametrize(
    ("request_", "candidate", "name", "message"),
    [
        (
            replace(ANY, node_selector={"site": "berlin"}),
            ROOMY,
            FilterName.NODE_SELECTOR,
            "nodeSelector wants site=berlin; the device has no such label",
        ),
        (
            replace(ANY, node_selector={"site": "berlin"}),
            replace(ROOMY, labels={"site": "paris"}),
            FilterName.NODE_SELECTOR,
            "nodeSelector wants site=berlin; the device has site=paris",
        ),
        (replace(ANY, affinity=(SSD,)), ROOMY, FilterName.AFFINITY, "nodeAffinity wants disk=ssd"),
        (
            ANY,
            replace(ROOMY, taints=mark(Effect.NO_SCHEDULE)),
            FilterName.TAINTS,
            "the device has the taint lab:NoSchedule, which is not tolerated",
        ),
        (
            ONE,
            replace(ROOMY, platforms=runs(ARM64)),
            FilterName.PLATFORM,
            "the image has nothing for this kind of processor, only linux/amd64",
        ),
        (
            replace(
                ONE,
                spreads=(Spread(topology_key="zone", when_unsatisfiable=WhenUnsatisfiable.DO_NOT_SCHEDULE),),
            ),
            ROOMY,
            FilterName.TOPOLOGY,
            "replicas are spread by zone, which the device has no label of",
        ),
        (
            replace(ANY, ports=frozenset({HostPort(port=80), HostPort(port=81)})),
            replace(ROOMY, ports=frozenset({HostPort(port=81)})),
            FilterName.PORTS,
            "another workload on the device has its port 81/TCP",
        ),
        (
            replace(ANY, resources=Resources(memory=512 * MIB)),
            replace(ROOMY, used=Resources(memory=714 * MIB)),
            FilterName.MEMORY,
            "needs 512 MiB of memory, 310 MiB free",
        ),
        (
            replace(ANY, resources=Resources(cpu=1500)),
            replace(ROOMY, used=Resources(cpu=5000)),
            FilterName.CPU,
            "needs 1.5 CPU, 0 CPU free",
        ),
        (
            ONE,
            replace(ROOMY, gone_for=timedelta(seconds=5)),
            FilterName.REACH,
            "the device has been out of reach for 5 s",
        ),
        (
            ONE,
            replace(ROOMY, gone_for=timedelta(seconds=301), placed=True),
            FilterName.REACH,
            "the device has been out of reach for 301 s; replicas are moved after 300 s",
        ),
    ],
)
def test_a_device_is_refused_with_the_reason_and_the_figures(
    request_: Request, candidate: Candidate, name: FilterName, message: str
) -> None:
    assert refusal(request_, candidate) == Refusal(filter=name, message=message)


@pytest.mark.parametrize(
    ("request_", "candidate"),
    [
        (ANY, ROOMY),
        (ANY, replace(ROOMY, gone_for=timedelta(days=9))),
        (ANY, replace(ROOMY, platforms=runs(ARM64))),
        (ONE, replace(ROOMY, gone_for=timedelta(seconds=299), placed=True)),
        (ONE, replace(ROOMY, taints=mark(Effect.NO_SCHEDULE), placed=True)),
        (ANY, replace(ROOMY, taints=mark(Effect.PREFER_NO_SCHEDULE))),
        (replace(ANY, resources=Resources(cpu=4000, memory=1024 * MIB)), ROOMY),
        (replace(ANY, affinity=(Term(requirements=()), SSD)), replace(ROOMY, labels={"disk": "ssd"})),
    ],
)
def test_what_speaks_against_a_device_only_in_part_does_not_refuse_it(
    request_: Request, candidate: Candidate
) -> None:
    assert refusal(request_, candidate) is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (Resources(cpu=4001), "needs 4.001 CPU, 4 CPU free"),
        (Resources(memory=1024 * MIB + 1), "needs 1024.000001 MiB of memory, 1024 MiB free"),
    ],
)
def test_the_least_bit_more_than_is_free_is_too_much(more: Resources, message: str) -> None:
    found = refusal(replace(ANY, resources=more), ROOMY)
    assert found is not None
    assert found.message == message


def test_no_execute_drives_out_what_is_there() -> None:
    found = refusal(ONE, replace(ROOMY, taints=mark(Effect.NO_EXECUTE), placed=True))
    assert found is not None
    assert found.filter is FilterName.TAINTS


BETTER: Mapping[ScorerName, tuple[Request, Candidate, Candidate]] = {
    ScorerName.FIT: (ONE, ROOMY, replace(ROOMY, platforms=runs(fit=Fit.EMULATED))),
    ScorerName.TAINTS: (ONE, ROOMY, replace(ROOMY, taints=mark(Effect.PREFER_NO_SCHEDULE))),
    ScorerName.PREFERENCES: (
        replace(ONE, preferences=(Preference(weight=1, term=SSD),)),
        replace(ROOMY, labels={"disk": "ssd"}),
        ROOMY,
    ),
    ScorerName.LAYERS: (ONE, replace(ROOMY, layers=frozenset({LAYER})), ROOMY),
    ScorerName.ROOM: (ONE, ROOMY, replace(ROOMY, used=Resources(memory=MIB))),
}


@pytest.mark.parametrize("name", ScorerName)
def test_each_scorer_prefers_the_better_device_and_decides_where_all_else_is_equal(name: ScorerName) -> None:
    request, good, bad = BETTER[name]
    good, bad = replace(good, name="good"), replace(bad, name="bad")
    assert score_parts(request, good, now=NOW)[name] > score_parts(request, bad, now=NOW)[name]
    assert select(request, [bad, good], now=NOW).chosen == {"good"}


def test_a_native_device_beats_an_emulating_one_that_has_everything_else() -> None:
    request = replace(ONE, preferences=(Preference(weight=100, term=SSD),))
    native = replace(ROOMY, name="native", taints=mark(Effect.PREFER_NO_SCHEDULE))
    emulating = replace(
        ROOMY,
        name="emulating",
        platforms=runs(fit=Fit.EMULATED),
        labels={"disk": "ssd"},
        layers=frozenset({LAYER}),
    )
    assert select(request, [emulating, native], now=NOW).chosen == {"native"}


def test_replicas_that_find_no_device_are_counted() -> None:
    fleet = [ROOMY, replace(ROOMY, name="edge-2", platforms=runs(ARM64))]
    selection = select(replace(ANY, extent=Replicas(count=3)), fleet, now=NOW)
    assert selection == Selection(
        chosen=frozenset({"edge-1"}),
        refused={
            "edge-2": Refusal(
                filter=FilterName.PLATFORM,
                message="the image has nothing for this kind of processor, only linux/amd64",
            )
        },
        spare=frozenset(),
        missing=2,
    )


def test_replicas_are_spread_before_they_crowd() -> None:
    fleet = [
        replace(ROOMY, name=f"{zone}-{number}", labels={"zone": zone})
        for zone, size in (("a", 5), ("b", 2), ("c", 1))
        for number in range(size)
    ]
    request = replace(ANY, extent=Replicas(count=6), spreads=(Spread(topology_key="zone"),))
    chosen = sorted(name[0] for name in select(request, fleet, now=NOW).chosen)
    assert "".join(chosen) == "aaabbc"


def test_workloads_that_ask_alike_do_not_crowd_onto_one_device() -> None:
    fleet = [replace(ROOMY, name=f"edge-{number}") for number in range(20)]
    chosen = {min(select(replace(ONE, uid=str(number)), fleet, now=NOW).chosen) for number in range(20)}
    assert len(chosen) > 10


def test_everywhere_takes_a_device_that_the_image_does_not_cover_to_hold_it_there() -> None:
    selection = select(replace(ANY, extent=Everywhere()), [replace(ROOMY, platforms=runs(ARM64))], now=NOW)
    assert selection.chosen == {"edge-1"}
