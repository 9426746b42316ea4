"""Whatever is asked of whatever fleet: no filter is broken, and nothing moves without need."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from image_examples import name_image
from polyfleet_controller.domain.images import IndexChild
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.candidates import Candidate, HostPort, Resources
from polyfleet_controller.domain.scheduling.filters import FilterName, find_refusal
from polyfleet_controller.domain.scheduling.requests import (
    Everywhere,
    Preference,
    Replicas,
    Request,
    Spread,
    Term,
    WhenUnsatisfiable,
)
from polyfleet_controller.domain.scheduling.selection import Selection, select
from polyfleet_controller.domain.taints import Effect, Taint, Toleration, TolerationOperator
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

NOW = datetime(2026, 1, 1, tzinfo=UTC)

KEYS = st.sampled_from(["site", "disk", "zone"])
VALUES = st.sampled_from(["a", "b", "1", "20"])
LABELS = st.dictionaries(KEYS, VALUES)
PLATFORMS = [Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/riscv64")]


def child(platform: Platform) -> IndexChild:
    number = PLATFORMS.index(platform)
    digest = f"sha256:{number:064x}"
    return IndexChild(platform=platform, child=digest, config=digest, size=100)


taints = st.builds(
    Taint,
    key=KEYS,
    value=st.sampled_from(["", "a"]),
    effect=st.sampled_from(Effect),
    since=st.integers(0, 100).map(lambda seconds: NOW - timedelta(seconds=seconds)),
)
tolerations = st.one_of(
    st.builds(Toleration, operator=st.just(TolerationOperator.EXISTS), key=st.none() | KEYS),
    st.builds(Toleration, key=KEYS, value=st.sampled_from(["", "a"])),
    st.builds(
        Toleration,
        key=KEYS,
        operator=st.just(TolerationOperator.EXISTS),
        effect=st.just(Effect.NO_EXECUTE),
        toleration_seconds=st.integers(-1, 100),
    ),
)
requirements = st.one_of(
    st.builds(
        Requirement,
        key=KEYS,
        operator=st.sampled_from([Operator.IN, Operator.NOT_IN]),
        values=st.lists(VALUES, min_size=1, max_size=2).map(tuple),
    ),
    st.builds(Requirement, key=KEYS, operator=st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
    st.builds(
        Requirement, key=KEYS, operator=st.sampled_from([Operator.GT, Operator.LT]), values=st.just(("7",))
    ),
)
terms = st.builds(Term, requirements=st.lists(requirements, max_size=2).map(tuple))
resources = st.builds(Resources, cpu=st.integers(0, 4), memory=st.integers(0, 4))
ports = st.frozensets(st.builds(HostPort, port=st.integers(1, 3)), max_size=2)
runnable = st.builds(RunnablePlatform, platform=st.sampled_from(PLATFORMS), fit=st.sampled_from(Fit))


@st.composite
def fleets(draw: st.DrawFn, max_size: int = 8) -> list[Candidate]:
    candidates = st.builds(
        Candidate,
        name=st.just("x"),
        labels=LABELS,
        taints=st.lists(taints, max_size=1).map(tuple),
        platforms=st.lists(runnable, max_size=2).map(tuple),
        capacity=resources,
        used=resources,
        ports=ports,
        placed=st.booleans(),
        gone_for=st.none() | st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds)),
    )
    found = draw(st.lists(candidates, max_size=max_size))
    return [replace(candidate, name=f"dev-{number}") for number, candidate in enumerate(found)]


replicas = st.builds(Replicas, count=st.integers(0, 5))
spreads = st.builds(
    Spread,
    topology_key=KEYS,
    max_skew=st.integers(1, 2),
    when_unsatisfiable=st.sampled_from(WhenUnsatisfiable),
)
requests = st.builds(
    Request,
    uid=st.sampled_from(["one", "two"]),
    extent=st.builds(Everywhere) | replicas,
    node_selector=st.dictionaries(KEYS, VALUES, max_size=1),
    affinity=st.none() | st.lists(terms, max_size=2).map(tuple),
    preferences=st.lists(st.builds(Preference, weight=st.integers(1, 100), term=terms), max_size=2).map(
        tuple
    ),
    tolerations=st.lists(tolerations, max_size=2).map(tuple),
    resources=resources,
    ports=ports,
    spreads=st.lists(spreads, max_size=2).map(tuple),
    images=st.lists(
        st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True).map(
            lambda found: name_image(*map(child, found))
        ),
        max_size=2,
    ).map(tuple),
)
# What takes no part in who may: so that a fleet has devices that can.
easy_requests = st.builds(
    Request,
    uid=st.just("one"),
    extent=replicas,
    spreads=st.lists(spreads, max_size=1).map(tuple),
    resources=st.builds(Resources, memory=st.integers(0, 4)),
    images=st.just((name_image(*map(child, PLATFORMS)),)),
)


def able(request: Request, fleet: Sequence[Candidate]) -> list[Candidate]:
    return [item for item in fleet if find_refusal(request, item, now=NOW) is None]


def settle(fleet: Sequence[Candidate], selection: Selection) -> list[Candidate]:
    return [replace(item, placed=item.name in selection.chosen) for item in fleet]


@given(request=requests, fleet=fleets())
def test_every_device_is_chosen_spare_or_refused_and_none_that_is_chosen_breaks_a_filter(
    request: Request, fleet: list[Candidate]
) -> None:
    selection = select(request, fleet, now=NOW)
    names = {item.name for item in able(request, fleet)}
    lingering = selection.chosen - names
    assert selection.chosen | selection.spare == names | lingering
    assert not selection.chosen & selection.spare
    assert selection.refused.keys() == {item.name for item in fleet} - names
    assert {selection.refused[name].filter for name in lingering} <= {FilterName.REACH}
    assert len(lingering) <= selection.missing


@given(request=easy_requests, fleet=fleets())
def test_replicas_are_met_whenever_any_choice_of_devices_meets_them(
    request: Request, fleet: list[Candidate]
) -> None:
    fresh = [replace(item, placed=False) for item in fleet]
    selection = select(request, fresh, now=NOW)
    assert isinstance(request.extent, Replicas)
    assert len(selection.chosen) == _most(request, able(request, fresh), request.extent.count)
    assert selection.missing == request.extent.count - len(selection.chosen)


def _most(request: Request, candidates: Sequence[Candidate], count: int) -> int:
    """How many devices the largest choice has that keeps to the constraints, tried one after the other."""
    for size in range(min(count, len(candidates)), 0, -1):
        for choice in itertools.combinations(candidates, size):
            if all(_keeps(spread, choice, candidates) for spread in request.spreads):
                return size
    return 0


def _keeps(spread: Spread, choice: Sequence[Candidate], candidates: Sequence[Candidate]) -> bool:
    if spread.when_unsatisfiable is WhenUnsatisfiable.SCHEDULE_ANYWAY:
        return True
    counts = Counter({item.labels.get(spread.topology_key): 0 for item in candidates})
    counts.update(item.labels.get(spread.topology_key) for item in choice)
    return max(counts.values()) - min(counts.values()) <= spread.max_skew


@given(request=requests, fleet=fleets(), data=st.data())
def test_the_order_in_which_devices_are_listed_changes_nothing(
    request: Request, fleet: list[Candidate], data: st.DataObject
) -> None:
    assert select(request, data.draw(st.permutations(fleet)), now=NOW) == select(request, fleet, now=NOW)


@given(request=requests, fleet=fleets())
def test_what_is_settled_stays(request: Request, fleet: list[Candidate]) -> None:
    first = select(request, fleet, now=NOW)
    assert select(request, settle(fleet, first), now=NOW).chosen >= first.chosen - first.refused.keys()


@given(request=requests, fleet=fleets(), newcomers=fleets(max_size=3))
def test_a_device_that_joins_evicts_none(
    request: Request, fleet: list[Candidate], newcomers: list[Candidate]
) -> None:
    settled = settle(fleet, select(request, fleet, now=NOW))
    before = select(request, settled, now=NOW)
    kept = before.chosen - before.refused.keys()
    joined = [replace(item, name=f"new-{item.name}", placed=False) for item in newcomers]
    assert select(request, settled + joined, now=NOW).chosen >= kept


@given(request=requests, fleet=fleets(), data=st.data())
def test_when_a_device_goes_only_its_own_replica_moves(
    request: Request, fleet: list[Candidate], data: st.DataObject
) -> None:
    settled = settle(fleet, select(request, fleet, now=NOW))
    before = select(request, settled, now=NOW)
    gone = data.draw(st.sampled_from(settled)).name if settled else ""
    after = select(request, [item for item in settled if item.name != gone], now=NOW)
    kept = (before.chosen - before.refused.keys()) & {item.name for item in settled if item.placed} - {gone}
    assert after.chosen >= kept


@given(request=requests.filter(lambda item: isinstance(item.extent, Replicas)), fleet=fleets())
def test_fewer_replicas_take_away_exactly_as_many_as_are_too_many(
    request: Request, fleet: list[Candidate]
) -> None:
    selection = select(request, fleet, now=NOW)
    placed = {item.name for item in able(request, fleet) if item.placed}
    assert isinstance(request.extent, Replicas)
    assert len(selection.chosen & placed) == min(len(placed), request.extent.count)
    assert len(selection.chosen) <= request.extent.count
