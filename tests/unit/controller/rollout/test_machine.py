"""The rollout machine, one situation at a time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from polyfleet_controller.domain.rollout.beginning import begin_rollout
from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Looked,
    Paused,
    Resumed,
    Retried,
    RolledBack,
    Superseded,
    Verb,
)
from polyfleet_controller.domain.rollout.instructions import Prefetch, Record, Release, Return
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import MemberState, RolloutStatus, StratumStatus
from polyfleet_controller.domain.rollout.strategy import Strategy
from polyfleet_controller.domain.rollout.verbs import find_refusal
from polyfleet_shared.codec import decode
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from rollout_world import BASE, DEADLINE, MIN_READY, TARGET, Device, Fate, World

AMD64, RISCV64 = Platform.parse("linux/amd64"), Platform.parse("linux/riscv64")
ALL_AT_ONCE: Final[dict[str, Any]] = {"waves": [{"devices": "100%"}], "maxUnavailable": "100%"}


def world(count: int = 4, *, platform: Platform = AMD64, **strategy: Any) -> World:  # noqa: ANN401 - JSON
    """Devices a, b, c … of one platform, before the first look."""
    made = World(strategy=decode(Strategy, strategy))
    for letter in "abcdefghijklmnopqrstuvwxyz"[:count]:
        made.join(Device(name=letter, platform=platform))
    return made


def released(fleet: World) -> set[str]:
    return {name for name, device in fleet.devices.items() if device.assigned.revision == TARGET}


def states(fleet: World) -> dict[str, MemberState]:
    return {name: member.state for name, member in sorted(fleet.rollout.members.items())}


def stratum(fleet: World, platform: Platform = AMD64) -> tuple[StratumStatus, int, str]:
    found = fleet.rollout.strata[str(platform)]
    return (found.status, found.wave, found.waits_for)


def hear_all(fleet: World, *, seconds: float = 0) -> None:
    """Devices take what they are given, and after so long say how they are; the rollout looks."""
    fleet.speak()
    fleet.now += timedelta(seconds=seconds)
    fleet.speak()
    while fleet.network:
        fleet.deliver()
    fleet.look()


def history(fleet: World) -> list[str]:
    return [item.what for item in fleet.history if isinstance(item, Record)]


def test_waves_come_one_after_the_other_each_when_the_one_before_has_succeeded() -> None:
    fleet = world(10, maxUnavailable="100%")
    sizes = []
    for _ in range(4):
        fleet.look()
        sizes.append(len(released(fleet)))
        hear_all(fleet, seconds=MIN_READY)
    assert sizes == [1, 5, 10, 10]
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    assert history(fleet) == [
        "wave 1 of 4 begins",
        "wave 1 of 4 is done: 1 of 1 succeeded",
        "wave 3 of 4 begins",
        "wave 3 of 4 is done: 4 of 4 succeeded",
        "wave 4 of 4 begins",
        "succeeded: wave 4 of 4 is done: 5 of 5 succeeded",
        "completed",
    ]


def test_a_platform_of_one_device_has_no_wave_after_its_canarys() -> None:
    fleet = world(1)
    fleet.look()
    hear_all(fleet, seconds=MIN_READY)
    assert history(fleet) == [
        "wave 1 of 4 begins",
        "wave 1 of 4 is done: 1 of 1 succeeded",
        "succeeded: its earlier waves were all of it",
        "completed",
    ]


def test_a_device_that_runs_the_target_has_not_succeeded_before_it_was_ready_for_long_enough() -> None:
    fleet = world()
    fleet.look()
    hear_all(fleet, seconds=MIN_READY - 1)
    (canary,) = released(fleet)
    assert states(fleet)[canary] is MemberState.UPDATING
    assert stratum(fleet) == (StratumStatus.ADVANCING, 1, f"1 device to prove the release: {canary}")
    hear_all(fleet, seconds=1)
    assert states(fleet)[canary] is MemberState.SUCCEEDED


def test_a_report_about_something_else_than_a_device_is_given_now_proves_nothing() -> None:
    fleet = world(1)
    seen = Looked(sightings={"a": fleet.devices["a"].sight(fleet.now)})
    before = replace(seen.sightings["a"], available=True)
    first = react(fleet.rollout, seen, fleet.now).rollout
    again = react(first, Looked(sightings={"a": before}), fleet.now).rollout
    assert again.members["a"].state is MemberState.UPDATING


def test_who_falls_silent_after_the_release_has_failed_at_the_deadline_and_not_before() -> None:
    fleet = world(3)
    for device in fleet.devices.values():
        device.fate = Fate.FALLS_SILENT
    fleet.look()
    (canary,) = released(fleet)
    fleet.speak()
    assert fleet.rollout.wake_at == fleet.now + timedelta(seconds=DEADLINE)
    fleet.now += timedelta(seconds=DEADLINE - 1)
    fleet.look()
    assert states(fleet)[canary] is MemberState.UPDATING
    fleet.now += timedelta(seconds=1)
    fleet.look()
    member = fleet.rollout.members[canary]
    assert member.condition is not None
    assert (member.state, member.condition.reason) == (MemberState.FAILED, Reason.DEADLINE_EXCEEDED)
    assert stratum(fleet) == (StratumStatus.ROLLED_BACK, 1, "")
    assert released(fleet) == set()
    assert fleet.rollout.strata["linux/amd64"].reason == (
        f"wave 1: 1 of 1 failed, 95% must succeed: {canary} (deadline_exceeded)"
    )


def test_a_stratum_that_fails_stops_no_other() -> None:
    fleet = world(3)
    for name in "xyz":
        fleet.join(Device(name=name, platform=RISCV64, fate=Fate.FAILS))
    fleet.settle()
    assert released(fleet) == {"a", "b", "c"}
    assert stratum(fleet)[0] is StratumStatus.SUCCEEDED
    assert stratum(fleet, RISCV64)[0] is StratumStatus.ROLLED_BACK
    assert fleet.rollout.status is RolloutStatus.PARTIAL
    failed = [name for name, state in states(fleet).items() if state is MemberState.FAILED]
    assert len(failed) == 1


def test_a_failure_that_may_pass_counts_at_the_deadline_only() -> None:
    fleet = world(1)
    fleet.devices["a"].fate = Fate.STRUGGLES
    fleet.look()
    hear_all(fleet, seconds=DEADLINE - 1)
    assert states(fleet) == {"a": MemberState.UPDATING}
    fleet.devices["a"].fate = Fate.RUNS
    hear_all(fleet, seconds=1)
    assert states(fleet) == {"a": MemberState.SUCCEEDED}


def test_some_may_fail_where_the_threshold_allows_it() -> None:
    fleet = world(10, **{**ALL_AT_ONCE, "successThreshold": "80%"})
    fleet.devices["a"].fate = fleet.devices["b"].fate = Fate.GOES_BACK
    fleet.settle()
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    fleet = world(10, **{**ALL_AT_ONCE, "successThreshold": "80%"})
    for name in "abc":
        fleet.devices[name].fate = Fate.GOES_BACK
    fleet.settle()
    assert fleet.rollout.status is RolloutStatus.ROLLED_BACK


def test_as_many_that_are_down_as_may_be_is_a_failure_as_well() -> None:
    fleet = world(4, waves=[{"devices": "100%"}], maxUnavailable="1", successThreshold="50%")
    fleet.look()
    (first,) = released(fleet)
    fleet.devices[first].fate = Fate.FAILS
    fleet.settle()
    assert fleet.rollout.strata["linux/amd64"].reason == (
        f"1 device is down, and no more may be: {first} (exec_format)"
    )


def test_a_success_that_comes_to_fail_is_none_while_the_outcome_is_open() -> None:
    fleet = world(4)
    fleet.look()
    (canary,) = released(fleet)
    hear_all(fleet, seconds=MIN_READY)
    fleet.devices[canary].fate = Fate.FAILS
    hear_all(fleet)
    assert stratum(fleet)[0] is StratumStatus.ROLLED_BACK


def test_a_wave_with_approval_waits_for_an_operator() -> None:
    fleet = world(2, waves=[{"devices": "1"}, {"devices": "100%", "approval": True}])
    fleet.settle()
    assert (len(released(fleet)), fleet.rollout.status) == (1, RolloutStatus.AWAITING_APPROVAL)
    assert stratum(fleet) == (StratumStatus.AWAITING_APPROVAL, 2, "an operator to approve wave 2")
    assert find_refusal(fleet.rollout, Approved(by="ann", wave=1)) == (
        "wave 1 needs no approval; of 2 waves need one: 2"
    )
    fleet.tell(Approved(by="ann", wave=2))
    fleet.settle()
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    assert find_refusal(fleet.rollout, Approved(by="ann", wave=2)) == "the rollout has ended: completed"


def test_nothing_moves_while_it_is_paused() -> None:
    fleet = world(4)
    fleet.look()
    fleet.tell(Paused(by="ann"))
    fleet.devices[next(iter(released(fleet)))].fate = Fate.FAILS
    hear_all(fleet, seconds=MIN_READY)
    assert (len(released(fleet)), fleet.rollout.status) == (1, RolloutStatus.PAUSED)
    assert stratum(fleet)[0] is StratumStatus.ADVANCING
    assert stratum(fleet)[2].startswith("an operator to resume the rollout")
    fleet.tell(Resumed(by="ann"))
    fleet.look()
    assert stratum(fleet)[0] is StratumStatus.ROLLED_BACK


def test_the_time_of_a_pause_is_no_part_of_a_waves_time() -> None:
    fleet = world(2, waveDeadlineSeconds=100)
    fleet.devices["a"].fate = fleet.devices["b"].fate = Fate.STRUGGLES
    fleet.look()
    fleet.tell(Paused(by="ann"))
    fleet.now += timedelta(seconds=200)
    fleet.tell(Resumed(by="ann"))
    hear_all(fleet, seconds=99)
    assert stratum(fleet)[0] is StratumStatus.ADVANCING
    hear_all(fleet, seconds=1)
    assert fleet.rollout.strata["linux/amd64"].reason == "wave 1 is not done after 100 seconds"


def test_what_is_halted_goes_on_when_it_is_resumed_and_what_had_failed_counts_no_more() -> None:
    fleet = world(4, onFailure="pause")
    fleet.look()
    (canary,) = released(fleet)
    fleet.devices[canary].fate = Fate.GOES_BACK
    fleet.settle()
    assert stratum(fleet) == (
        StratumStatus.HALTED,
        1,
        "an operator to resume, retry, roll back or abort",
    )
    assert (released(fleet), fleet.rollout.status) == ({canary}, RolloutStatus.PROGRESSING)
    fleet.tell(Resumed(by="ann"))
    fleet.settle()
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    assert states(fleet) == {
        name: MemberState.FAILED if name == canary else MemberState.SUCCEEDED for name in "abcd"
    }


def test_a_lone_device_that_failed_is_no_success_by_being_resumed() -> None:
    fleet = world(1, onFailure="pause")
    fleet.devices["a"].fate = Fate.FAILS
    fleet.settle()
    fleet.tell(Resumed(by="ann"))
    fleet.settle()
    assert stratum(fleet) == (
        StratumStatus.ADVANCING,
        1,
        "what failed to prove the release after all: a",
    )
    fleet.devices["a"].fate = Fate.RUNS
    hear_all(fleet, seconds=MIN_READY)
    assert fleet.rollout.status is RolloutStatus.COMPLETED


def test_a_retry_is_another_attempt_and_a_way_back_the_one_before() -> None:
    fleet = world(2)
    for device in fleet.devices.values():
        device.fate = Fate.GOES_BACK
        device.assigned = device.works_by = replace(device.assigned, attempt=3)
    fleet.look()
    (canary,) = released(fleet)
    assert fleet.devices[canary].assigned.attempt == 1
    fleet.settle()
    assert (fleet.devices[canary].assigned.revision, fleet.devices[canary].assigned.attempt) == (BASE, 3)
    fleet.tell(Retried(by="ann"))
    fleet.devices[canary].fate = Fate.RUNS
    fleet.look()
    assert (released(fleet), fleet.devices[canary].assigned.attempt) == ({canary}, 2)
    assert fleet.rollout.status is RolloutStatus.PROGRESSING


def test_who_comes_in_the_middle_has_the_base_and_is_the_last() -> None:
    fleet = world(3, waves=[{"devices": "2"}, {"devices": "100%"}])
    fleet.look()
    for letter in "mnopqrstuvwxyz":
        fleet.join(Device(name=letter, platform=AMD64))
    fleet.look()
    assert released(fleet) <= {"a", "b", "c"}
    fleet.settle()
    assert len(released(fleet)) == len(fleet.devices)
    fleet.join(Device(name="late", platform=AMD64))
    assert fleet.devices["late"].assigned.revision == TARGET


def test_who_becomes_another_platform_has_what_is_proven_there() -> None:
    fleet = world(3)
    fleet.settle()
    fleet.join(Device(name="x", platform=RISCV64, online=False))
    fleet.look()
    fleet.devices["a"].platform = RISCV64
    instructions = fleet.tell(
        Looked(sightings={name: device.sight(fleet.now) for name, device in fleet.devices.items()})
    )
    # It is the canary of its new platform now.
    assert Release(devices=("a",)) in instructions
    assert fleet.rollout.members["a"].origin == BASE
    assert fleet.rollout.status is RolloutStatus.PROGRESSING


def test_nobody_has_the_target_before_the_first_look() -> None:
    fleet = world(2)
    fleet.devices["a"].assigned = fleet.devices["b"].assigned = replace(
        fleet.devices["a"].assigned, revision=TARGET
    )
    fleet.devices["a"].online = fleet.devices["b"].online = False
    assert fleet.look() == (Return(devices=("a", "b"), revision=BASE),)


def test_a_platform_that_is_offline_keeps_nobody_waiting_and_comes_by_its_own_canary() -> None:
    fleet = world(2)
    fleet.join(Device(name="x", platform=RISCV64, fate=Fate.FAILS, online=False))
    fleet.settle()
    assert (fleet.rollout.status, fleet.rollout.wake_at) == (RolloutStatus.COMPLETED, None)
    assert stratum(fleet, RISCV64) == (StratumStatus.ADVANCING, 1, "1 device to come online")
    fleet.devices["x"].online = True
    fleet.look()
    assert fleet.rollout.status is RolloutStatus.PROGRESSING
    fleet.settle()
    assert (fleet.rollout.status, released(fleet)) == (RolloutStatus.PARTIAL, {"a", "b"})


def test_devices_to_which_nothing_changes_have_the_release_at_once() -> None:
    fleet = world(4)
    for name in "ab":
        fleet.devices[name].unaffected = True
        fleet.devices[name].online = False
    fleet.look()
    assert {"a", "b"} < released(fleet)
    assert len(released(fleet)) == 3
    fleet = world(2)
    for device in fleet.devices.values():
        device.unaffected = True
    fleet.look()
    assert fleet.rollout.status is RolloutStatus.COMPLETED


def test_a_workload_without_devices_has_nothing_to_wait_for() -> None:
    fleet = world(0)
    fleet.look()
    assert fleet.rollout.status is RolloutStatus.COMPLETED
    fleet.join(Device(name="a", platform=AMD64))
    assert fleet.devices["a"].assigned.revision == BASE
    fleet.settle()
    assert released(fleet) == {"a"}


def test_downloads_are_limited_for_all_and_for_each_place() -> None:
    fleet = world(6, **ALL_AT_ONCE, pulls={"perRegistry": 3, "perTopology": 2, "topologyKey": "site"})
    for name, device in fleet.devices.items():
        device.topology = "north" if name in "abcd" else None
    fleet.look()
    assert len(released(fleet)) == 3
    assert len(released(fleet) & set("abcd")) <= 2
    assert "downloads to end, before 3 devices may begin" in stratum(fleet)[2]
    busy = Looked(
        sightings={name: device.sight(fleet.now) for name, device in fleet.devices.items()},
        pulls_elsewhere=3,
    )
    assert fleet.tell(busy) == ()
    hear_all(fleet)
    assert len(released(fleet)) == 6


def test_a_device_is_released_in_its_own_window_and_time_alone_brings_it_on() -> None:
    window = [{"schedule": "0 2 * * *", "durationSeconds": 3600}]
    fleet = world(2, **ALL_AT_ONCE, windows={"switch": window})
    fleet.devices["a"].time_zone = "Asia/Tokyo"  # two o'clock is at 17:00 in UTC
    fleet.look()
    assert released(fleet) == set()
    assert fleet.rollout.wake_at == fleet.now + timedelta(hours=2)
    assert stratum(fleet)[2] == (
        "maintenance windows: 2 devices outside, the first opens at 2026-01-01T02:00:00Z"
    )
    fleet.now += timedelta(hours=2)
    fleet.look()
    assert released(fleet) == {"b"}
    fleet.settle()
    assert fleet.rollout.status is RolloutStatus.COMPLETED


def test_the_next_wave_gets_its_images_ready_while_this_one_is_watched() -> None:
    fleet = world(10, waves=[{"devices": "1"}, {"devices": "50%"}, {"devices": "100%"}])
    (prefetch,) = (item for item in fleet.look() if isinstance(item, Prefetch))
    (canary,) = released(fleet)
    assert len(prefetch.devices) == 4
    assert canary not in prefetch.devices
    fleet.devices[canary].fate = Fate.FAILS
    fleet.speak()
    while fleet.network:
        fleet.deliver()
    (stopped,) = (item for item in fleet.look() if isinstance(item, Prefetch))
    assert sorted(stopped.devices) == sorted(prefetch.devices)
    assert not any(device.prefetching for device in fleet.devices.values())


def test_those_that_got_ready_are_those_that_are_released() -> None:
    fleet = world(
        10, waves=[{"devices": "1"}, {"devices": "20%"}, {"devices": "100%"}], maxUnavailable="100%"
    )
    fleet.look()
    ready = {name for name, device in fleet.devices.items() if device.prefetching}
    before = released(fleet)
    hear_all(fleet, seconds=MIN_READY)
    assert released(fleet) - before == ready


def test_what_is_aborted_stays_where_it_is_and_what_is_rolled_back_goes_back() -> None:
    fleet = world(4)
    fleet.look()
    hear_all(fleet, seconds=MIN_READY)
    had = released(fleet)
    fleet.tell(Aborted(by="ann"))
    fleet.settle()
    assert (released(fleet), fleet.rollout.status) == (had, RolloutStatus.ABORTED)
    assert fleet.rollout.find_default(AMD64) == BASE
    fleet.tell(RolledBack(by="bob"))
    assert (released(fleet), fleet.rollout.status) == (set(), RolloutStatus.ROLLED_BACK)
    assert fleet.rollout.strata["linux/amd64"].reason == "rolled back by bob"


def test_what_was_aborted_before_it_began_never_begins() -> None:
    fleet = world(4)
    assert find_refusal(fleet.rollout, RolledBack(by="ann")) is not None
    fleet.tell(Aborted(by="ann"))
    fleet.settle()
    assert (released(fleet), fleet.rollout.status) == (set(), RolloutStatus.ABORTED)


@pytest.mark.parametrize(
    ("verb", "refusal"),
    [
        (Paused(by="ann"), None),
        (Resumed(by="ann"), "the rollout is neither paused nor halted"),
        (Retried(by="ann"), "nothing of it has failed"),
        (Retried(by="ann", platforms=frozenset({RISCV64})), "the rollout has no devices of linux/riscv64"),
        (RolledBack(by="ann", platforms=frozenset({AMD64})), None),
        (Aborted(by="ann"), None),
    ],
)
def test_a_verb_that_means_nothing_now_is_refused_with_the_reason(verb: Verb, refusal: str | None) -> None:
    fleet = world()
    fleet.look()
    assert find_refusal(fleet.rollout, verb) == refusal
    before = fleet.rollout
    fleet.tell(verb)
    assert (fleet.rollout == before) is (refusal is not None)


def test_a_newer_release_begins_from_what_each_platform_is_proven_on() -> None:
    fleet = world(2)
    fleet.join(Device(name="x", platform=RISCV64, fate=Fate.FAILS))
    fleet.settle()
    after = begin_rollout(
        workload="w",
        revision=TARGET + 1,
        strategy=Strategy(),
        min_ready_seconds=MIN_READY,
        progress_deadline_seconds=DEADLINE,
        previous=fleet.rollout,
        base=BASE,
        at=fleet.now,
        by="ann",
    )
    assert (after.number, after.find_base(AMD64), after.find_base(RISCV64)) == (2, TARGET, BASE)
    assert after.find_base(Platform.parse("linux/arm64")) == BASE


def test_a_superseded_rollout_moves_nobody_any_more() -> None:
    fleet = world(4)
    fleet.look()
    fleet.tell(Superseded(by="ann", revision=TARGET + 1))
    before = fleet.rollout
    assert fleet.look() == ()
    assert (fleet.rollout, before.status) == (before, RolloutStatus.SUPERSEDED)
    assert find_refusal(before, Retried(by="ann")) == "a newer release has superseded this rollout"
