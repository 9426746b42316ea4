"""Hypothesis strategies for rollouts and what is kept of them."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from polyfleet_controller.domain.rollout.states import (
    Member,
    MemberState,
    Rollout,
    RolloutStatus,
    Stratum,
    StratumStatus,
)
from polyfleet_controller.domain.rollout.strategy import (
    Amount,
    Method,
    OnFailure,
    Percentage,
    Pulls,
    Schedule,
    Strategy,
    Wave,
    Window,
    Windows,
)
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from strategies import names, texts

percents = st.integers(1, 100)
amounts = st.builds(Amount, count=st.integers(1, 1_000_000)) | st.builds(Amount, percent=percents)
windows = st.builds(
    Window,
    schedule=st.sampled_from(["0 2 * * *", "*/15 8-17 * * 1-5", "30 1 1,15 * *"]).map(Schedule.parse),
    duration_seconds=st.integers(60, 7 * 24 * 60 * 60),
)
window_lists = st.lists(windows, max_size=2).map(tuple)
limits = st.integers(1, 1_000_000)
pulls = st.builds(Pulls, per_registry=st.none() | limits) | st.builds(
    Pulls, per_registry=st.none() | limits, per_topology=limits, topology_key=texts
)


@st.composite
def waves(draw: st.DrawFn) -> tuple[Wave, ...]:
    """Numbers that grow, then percentages that grow, the last of them all."""
    counts = sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=3)))
    percents = sorted({*draw(st.sets(st.integers(1, 99), max_size=3)), 100})
    sizes = [*(Amount(count=count) for count in counts), *(Amount(percent=percent) for percent in percents)]
    return tuple(Wave(devices=size, approval=draw(st.booleans())) for size in sizes)


strategies = st.builds(
    Strategy,
    waves=waves(),
    success_threshold=st.builds(Percentage, percent=percents),
    max_unavailable=amounts,
    wave_deadline_seconds=st.none() | st.integers(1, 10**6),
    on_failure=st.sampled_from(OnFailure),
    windows=st.builds(Windows, download=window_lists, switch=window_lists),
    pulls=pulls,
    method=st.sampled_from(Method),
    prefetch=st.booleans(),
)
platforms = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64"]).map(
    Platform.parse
)
revisions = st.integers(1, 2**63 - 1)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy wants it without a zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
members = st.builds(
    Member,
    device=names,
    platform=platforms,
    revision=st.none() | revisions,
    attempt=st.integers(1, 9),
    origin=st.none() | revisions,
    origin_attempt=st.integers(1, 9),
    joined=st.booleans(),
    state=st.sampled_from(MemberState),
    wave=st.none() | st.integers(1, 32),
    tries=st.integers(0, 9),
    released_at=st.none() | moments,
    prefetching=st.booleans(),
    condition=st.none() | st.builds(Condition, reason=st.sampled_from(Reason), message=texts),
)
strata = st.builds(
    Stratum,
    platform=platforms,
    base=st.none() | revisions,
    status=st.sampled_from(StratumStatus),
    wave=st.integers(1, 32),
    wave_began_at=st.none() | moments,
    dormant=st.booleans(),
    waits_for=texts,
    reason=texts,
)
rollouts = st.builds(
    Rollout,
    workload=names,
    number=st.integers(1, 10**6),
    revision=revisions,
    strategy=strategies,
    min_ready_seconds=st.integers(0, 100),
    progress_deadline_seconds=st.integers(101, 1000),
    created_at=moments,
    created_by=texts,
    base=st.none() | revisions,
    bases=st.dictionaries(platforms.map(str), revisions, max_size=3),
    status=st.sampled_from(RolloutStatus),
    strata=st.lists(strata, max_size=3).map(
        lambda found: {str(stratum.platform): stratum for stratum in found}
    ),
    members=st.lists(members, max_size=4).map(lambda found: {member.device: member for member in found}),
    approved=st.lists(st.integers(1, 32), max_size=2).map(tuple),
    paused_at=st.none() | moments,
    ended_at=st.none() | moments,
    wake_at=st.none() | moments,
)
