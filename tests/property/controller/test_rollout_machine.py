"""Whatever happens to a fleet in whatever order, a rollout keeps what it promises."""

from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Paused,
    Resumed,
    Retried,
    RolledBack,
    Superseded,
)
from polyfleet_controller.domain.rollout.states import MemberState, RolloutStatus, StratumStatus
from polyfleet_controller.domain.rollout.strategy import (
    Amount,
    OnFailure,
    Percentage,
    Pulls,
    Schedule,
    Strategy,
    Wave,
    Window,
    Windows,
)
from polyfleet_shared.platforms import Platform
from rollout_world import BASE, TARGET, Device, Fate, World

PLATFORMS: Final = [Platform.parse(text) for text in ("linux/amd64", "linux/arm/v7", "linux/riscv64")]
NAMES: Final = [f"dev-{number}" for number in range(10)]

platforms = st.sampled_from(PLATFORMS)
names = st.sampled_from(NAMES)
fates = st.sampled_from([Fate.RUNS, Fate.RUNS, *Fate])
windows = st.just(()) | st.lists(
    st.builds(
        Window,
        schedule=st.sampled_from(["0 2 * * *", "30 * * * *"]).map(Schedule.parse),
        duration_seconds=st.sampled_from([60, 7200]),
    ),
    min_size=1,
    max_size=1,
).map(tuple)
sizes = st.sampled_from(["1", "2", "10%", "34%", "50%"]).map(Amount.parse)


@st.composite
def waves(draw: st.DrawFn) -> tuple[Wave, ...]:
    counts = sorted(draw(st.sets(st.integers(1, 3), max_size=2)))
    percents = sorted({*draw(st.sets(st.sampled_from([10, 34, 50]), max_size=2)), 100})
    amounts = [*(Amount(count=count) for count in counts), *(Amount(percent=each) for each in percents)]
    return tuple(Wave(devices=each, approval=draw(st.sampled_from([False, False, True]))) for each in amounts)


strategies = st.builds(
    Strategy,
    waves=waves(),
    success_threshold=st.sampled_from([1, 50, 95, 100]).map(lambda percent: Percentage(percent=percent)),
    max_unavailable=sizes,
    wave_deadline_seconds=st.none() | st.sampled_from([300, 7200]),
    on_failure=st.sampled_from(OnFailure),
    windows=st.builds(Windows, download=windows, switch=windows),
    pulls=st.just(Pulls())
    | st.builds(
        Pulls, per_registry=st.none() | st.integers(1, 3), per_topology=st.just(1), topology_key=st.just("s")
    ),
    prefetch=st.booleans(),
)
devices = st.builds(
    Device,
    name=names,
    platform=platforms,
    fate=fates,
    online=st.sampled_from([True, True, False]),
    unaffected=st.sampled_from([False, False, False, True]),
    topology=st.none() | st.sampled_from(["north", "south"]),
    time_zone=st.sampled_from(["", "Asia/Tokyo"]),
)
fleets = st.lists(devices, max_size=len(NAMES), unique_by=lambda device: device.name)
chosen = st.none() | st.frozensets(platforms, min_size=1, max_size=2)


class Rollouts(RuleBasedStateMachine):
    """Each step checks the invariants, and that a second look comes to nothing: see `rollout_world`."""

    @initialize(strategy=strategies, fleet=fleets, base=st.sampled_from([BASE, None]))
    def begin(self, strategy: Strategy, fleet: list[Device], base: int | None) -> None:
        self.world = World(strategy=strategy, base=base)
        for device in fleet:
            self.world.join(device)

    @rule()
    def look(self) -> None:
        self.world.look()

    @rule(seconds=st.sampled_from([1, 10, 300, 600, 3600, 86400]))
    def wait(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule()
    def speak(self) -> None:
        self.world.speak()

    @precondition(lambda self: self.world.network)
    @rule(data=st.data(), keep=st.booleans())
    def deliver(self, data: st.DataObject, keep: bool) -> None:  # noqa: FBT001 - drawn by name
        self.world.deliver(data.draw(st.integers(0, len(self.world.network) - 1)), keep=keep)

    @precondition(lambda self: self.world.network)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        del self.world.network[data.draw(st.integers(0, len(self.world.network) - 1))]

    @rule(device=devices)
    def join_or_leave(self, device: Device) -> None:
        if self.world.devices.pop(device.name, None) is None:
            self.world.join(device)

    @rule(name=names, platform=platforms)
    def become_another_platform(self, name: str, platform: Platform) -> None:
        if name in self.world.devices:
            self.world.devices[name].platform = platform

    @rule(name=names, fate=fates)
    def change(self, name: str, fate: Fate) -> None:
        if name in self.world.devices:
            device = self.world.devices[name]
            device.fate, device.online = fate, not device.online

    @rule()
    def pause(self) -> None:
        self.world.tell(Paused(by="ann"))

    @rule()
    def resume(self) -> None:
        self.world.tell(Resumed(by="ann"))

    @rule(wave=st.integers(1, 4))
    def approve(self, wave: int) -> None:
        self.world.tell(Approved(by="ann", wave=wave))

    @rule()
    def abort(self) -> None:
        self.world.tell(Aborted(by="ann"))

    @rule(chosen=chosen)
    def roll_back(self, chosen: frozenset[Platform] | None) -> None:
        self.world.tell(RolledBack(by="ann", platforms=chosen))

    @rule(chosen=chosen)
    def retry(self, chosen: frozenset[Platform] | None) -> None:
        self.world.tell(Retried(by="ann", platforms=chosen))

    @rule()
    def supersede(self) -> None:
        self.world.tell(Superseded(by="ann", revision=TARGET + 1))

    @invariant()
    def devices_have_what_their_members_say(self) -> None:
        if hasattr(self, "world") and self.world.rollout.is_begun:
            given = {device.assigned.revision for device in self.world.devices.values()}
            assert given <= {None, BASE, TARGET}

    def teardown(self) -> None:
        """Left alone, it comes to rest: it has ended, or says what it waits for."""
        if not hasattr(self, "world") or self.world.rollout.status is RolloutStatus.SUPERSEDED:
            return
        self.world.settle()
        rollout = self.world.rollout
        waits = [stratum.waits_for for stratum in rollout.strata.values() if stratum.status.is_open]
        assert not rollout.status.is_open or (waits and all(waits))


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(
    fleets,
    st.sampled_from(["1", "25%", "100%"]).map(Amount.parse),
    st.frozensets(platforms),
    windows,
    st.booleans(),
)
def test_good_platforms_come_to_the_target_and_bad_ones_back_to_their_base(
    fleet: list[Device],
    most: Amount,
    bad: frozenset[Platform],
    opened: tuple[Window, ...],
    prefetch: bool,  # noqa: FBT001 - drawn
) -> None:
    """Those that are offline stay where they are, and keep nobody waiting."""
    strategy = Strategy(max_unavailable=most, windows=Windows(switch=opened), prefetch=prefetch)
    world = World(strategy=strategy)
    for device in fleet:
        device.unaffected = False
        device.fate = Fate.FAILS if device.platform in bad else Fate.RUNS
        world.join(device)
    world.settle()
    online = {device.platform for device in fleet if device.online}
    assert {device.name: device.works_by.revision for device in fleet} == {
        device.name: TARGET if device.online and device.platform not in bad else BASE for device in fleet
    }
    assert {
        stratum.platform: stratum.status for stratum in world.rollout.strata.values() if not stratum.dormant
    } == {
        platform: StratumStatus.ROLLED_BACK if platform in bad else StratumStatus.SUCCEEDED
        for platform in online
    }
    assert world.rollout.status.is_open is bool(fleet and not online)


@given(fleets, st.integers(0, 9))
def test_a_device_that_was_away_throughout_catches_up(fleet: list[Device], position: int) -> None:
    world = World(strategy=Strategy())
    for device in fleet:
        device.unaffected, device.fate, device.online = False, Fate.RUNS, True
        world.join(device)
    if fleet:
        fleet[position % len(fleet)].online = False
    world.settle()
    for device in fleet:
        device.online = True
    world.settle()
    assert world.rollout.status is RolloutStatus.COMPLETED
    assert {member.state for member in world.rollout.members.values()} <= {MemberState.SUCCEEDED}
    assert {device.works_by.revision for device in fleet} <= {TARGET}
