"""The device's own gate, told as stories: what fails it is undone without asking, and not tried again."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

import pytest

from polyfleet_agent.core.actions import CreateContainer, PullImage, SaveDesired, StopContainer
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import DesiredReceived, TransportConnected, Woken
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.memory import read_memory
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import EventKind, Phase, WorkloadReport
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerPort, DesiredWorkload, RestartPolicy, UpdateMethod
from simulation import Device, asks, hint, image, payload, workload

OLD, NEW = image("1"), image("2")


def receive(device: Device, generation: int, *workloads: DesiredWorkload) -> None:
    sent = payload(generation, *workloads)
    device.tell(DesiredReceived(document=read_desired(sent, features=frozenset(Feature)), payload=sent))


def deployed(*workloads: DesiredWorkload) -> Device:
    """A device on which these run, and have passed the gate."""
    device = Device()
    device.tell(TransportConnected(connection=1))
    receive(device, 1, *workloads)
    device.settle(seconds=100)
    device.happenings.clear()
    return device


def live(device: Device, seconds: float) -> None:
    """Let just so much time pass."""
    end = device.now + seconds
    device.settle(seconds=seconds)
    device.now = max(device.now, end)
    device.tell(Woken())
    device.settle(seconds=0)


def last_report(device: Device) -> WorkloadReport:
    return device.reports[-1].workloads[0]


def returns(device: Device) -> list[tuple[str | None, Reason | None, str]]:
    return [
        (item.release, item.reason, item.message)
        for item in device.happenings
        if item.kind is EventKind.ROLLED_BACK
    ]


def lies(device: Device) -> None:
    device.lying.add(NEW.config)


def cannot_start(device: Device) -> None:
    device.unstartable.add(NEW.config)


def needs_another_processor(device: Device) -> None:
    device.ending[NEW.config] = 132


def crashes(device: Device) -> None:
    device.ending[NEW.config] = 3


FLAWS: dict[Callable[[Device], None], tuple[Reason, str]] = {
    lies: (Reason.PLATFORM_MISMATCH, "/server is built for …"),
    cannot_start: (Reason.EXEC_FORMAT, "exec format error"),
    needs_another_processor: (Reason.ILLEGAL_INSTRUCTION, "ended with exit code 132 (SIGILL)"),
    crashes: (Reason.CRASH_LOOP, "ended with exit code 3, 3 times in a row"),
}


@pytest.mark.parametrize("flaw", list(FLAWS))
@pytest.mark.parametrize("method", UpdateMethod)
@pytest.mark.parametrize("sides", [0, 1])
def test_a_release_that_fails_is_undone_and_the_one_before_runs_again(
    flaw: Callable[[Device], None], method: UpdateMethod, sides: int
) -> None:
    device = deployed(workload(sides=sides))
    before = {key for key, item in device.containers.items() if item.container}
    flaw(device)
    receive(device, 2, workload(version="2", method=method, sides=sides))
    device.settle(seconds=100)
    reason, message = FLAWS[flaw]
    report = last_report(device)
    assert (report.phase, report.reason, report.release, report.fallback) == (
        Phase.ROLLED_BACK,
        reason,
        "release-2",
        "release-1",
    )
    assert message in report.message
    assert report.ready_seconds == 0
    assert [(item.running, item.image_id, item.child) for item in report.containers] == [
        (True, OLD.config, None)
    ] * (sides + 1)
    assert {key for key, item in device.containers.items() if item.container} == before
    assert [(release, why) for release, why, _ in returns(device)] == [("release-2", reason)]
    assert returns(device)[0][2].endswith("; back to release-1")


@pytest.mark.parametrize("flaw", list(FLAWS))
def test_what_failed_is_not_tried_again_by_a_restart_a_reboot_or_the_same_document(
    flaw: Callable[[Device], None],
) -> None:
    device = deployed(workload())
    flaw(device)
    receive(device, 2, workload(version="2"))
    device.settle(seconds=100)
    device.lying.clear()  # it would be seen to run
    device.unstartable.clear()
    device.ran.clear()
    device.unpullable[NEW.child] = Reason.REGISTRY_UNREACHABLE
    told = last_report(device)
    for again in (device.kill, device.reboot):
        again()
        device.settle(seconds=2000)
        device.tell(TransportConnected(connection=2))
        receive(device, 3, replace(workload(version="2"), release="release-3", revision=3))
        device.settle(seconds=2000)
        report = last_report(device)
        assert (report.phase, report.reason, report.message) == (told.phase, told.reason, told.message)
        assert (report.release, report.fallback) == ("release-3", "release-1")
        assert NEW.config not in device.ran
        assert device.running() == {"w1": OLD.config}
    assert len(returns(device)) == 1


def test_another_spec_and_a_higher_attempt_are_tried_anew() -> None:
    device = deployed(workload())
    device.ending[NEW.config] = 132
    receive(device, 2, workload(version="2"))
    device.settle(seconds=100)
    receive(device, 3, workload(version="3"))
    device.settle(seconds=100)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": image("3").config})
    device.ending.clear()
    receive(device, 4, replace(workload(version="2"), attempt=2))
    device.settle(seconds=100)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": NEW.config})


def test_the_first_release_has_nothing_to_go_back_to() -> None:
    device = Device()
    device.tell(TransportConnected(connection=1))
    device.ending[OLD.config] = 132
    receive(device, 1, workload())
    device.settle(seconds=100)
    assert (last_report(device).phase, last_report(device).reason) == (
        Phase.FAILED,
        Reason.ILLEGAL_INSTRUCTION,
    )
    assert returns(device) == []


def test_it_goes_back_past_a_release_that_had_no_time_to_prove_itself() -> None:
    device = deployed(workload(version="1"))
    receive(device, 2, workload(version="3"))
    device.settle(seconds=5)
    assert device.running() == {"w1": image("3").config}
    device.ending[NEW.config] = 132
    receive(device, 3, workload(version="2"))
    device.settle(seconds=100)
    assert (device.running(), last_report(device).fallback) == ({"w1": OLD.config}, "release-1")


def slow(*, min_ready: int = 0, deadline: int) -> DesiredWorkload:
    """Version 2, with a gate of its own."""
    wanted = workload(version="2")
    return replace(wanted, min_ready_seconds=min_ready, progress_deadline_seconds=deadline)


def test_what_is_not_ready_for_long_enough_by_its_deadline_is_undone() -> None:
    device = deployed(workload())
    receive(device, 2, slow(min_ready=60, deadline=150))
    live(device, 50)
    for _ in range(2):
        (running,) = [key for key, item in device.containers.items() if item.image_id == NEW.config]
        assert last_report(device).phase is Phase.RUNNING
        device.crash(running, 0)
        hint(device)
        live(device, 45)
    assert device.running() == {"w1": NEW.config}
    live(device, 30)
    report = last_report(device)
    assert (report.phase, report.reason, report.fallback) == (
        Phase.ROLLED_BACK,
        Reason.START_TIMEOUT,
        "release-1",
    )
    assert report.message == "not ready for 60 s within 150 s of its start"
    device.kill()
    device.settle(seconds=1000)
    assert device.running() == {"w1": OLD.config}


def probed(about: str, probe: Probe) -> DesiredWorkload:
    """Version 2, whose container is asked."""
    wanted = slow(min_ready=60, deadline=100)
    [main] = wanted.containers
    asked = replace(
        main,
        startup_probe=probe if about == "startup" else None,
        liveness_probe=probe if about == "liveness" else None,
        readiness_probe=probe if about == "readiness" else None,
    )
    return replace(wanted, containers=(asked,))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ("startup", "stopped after"),
        ("liveness", "stopped after"),
        ("readiness", "not ready for 60 s within 100 s of its start"),
    ],
)
@pytest.mark.parametrize("method", UpdateMethod)
def test_what_a_probe_says_does_not_work_is_undone(about: str, words: str, method: UpdateMethod) -> None:
    device = deployed(workload())
    device.answers["new"] = Answer(succeeded=False, message="no answer")
    receive(device, 2, replace(probed(about, asks("new")), update_method=method))
    live(device, 200)
    report = last_report(device)
    assert (report.phase, report.reason, report.fallback) == (
        Phase.ROLLED_BACK,
        Reason.PROBE_FAILED,
        "release-1",
    )
    assert words in report.message
    assert device.running() == {"w1": OLD.config}


def test_a_predecessor_stays_until_its_successor_was_ready_for_as_long_as_it_must() -> None:
    device = deployed(workload())
    receive(device, 2, slow(min_ready=60, deadline=600))
    live(device, 55)
    statuses = {item.image_id: item.status for item in device.containers.values()}
    assert statuses == {OLD.config: ContainerStatus.EXITED, NEW.config: ContainerStatus.RUNNING}
    live(device, 10)
    assert [item.image_id for item in device.containers.values()] == [NEW.config]


def test_a_predecessor_stays_while_the_disk_does_not_know_its_successor() -> None:
    device = deployed(workload())
    receive(device, 2, workload(version="2"))
    device.answer()
    device.disk_full = True
    device.settle(seconds=1000)
    assert {item.image_id for item in device.containers.values()} == {OLD.config, NEW.config}
    assert [item.reason for item in device.reports[-1].conditions] == [Reason.DISK_FULL]
    device.disk_full = False
    device.settle(seconds=400)
    assert {item.image_id for item in device.containers.values()} == {NEW.config}
    assert device.records is not None
    assert read_memory(device.records).records["w1"].good == workload(version="2")
    assert device.reports[-1].conditions == ()


def test_a_full_disk_keeps_no_device_from_going_back() -> None:
    device = deployed(workload())
    device.ending[NEW.config] = 132
    receive(device, 2, workload(version="2"))
    device.answer()
    device.disk_full = True
    device.settle(seconds=100)
    assert (last_report(device).phase, device.running()) == (Phase.ROLLED_BACK, {"w1": OLD.config})


@pytest.mark.parametrize("pruned", [False, True])
def test_a_predecessor_that_somebody_removed_is_made_anew(*, pruned: bool) -> None:
    device = deployed(workload())
    receive(device, 2, workload(version="2"))
    device.settle(seconds=5)
    (old,) = [key for key, item in device.containers.items() if item.image_id == OLD.config]
    del device.containers[old]
    if pruned:
        device.store.discard(OLD.child)
    (new,) = device.containers
    device.crash(new, 132)
    hint(device)
    device.settle(seconds=100)
    assert device.running() == {"w1": OLD.config}
    assert [item.image_id for item in device.containers.values()] == [OLD.config]
    assert (last_report(device).phase, last_report(device).fallback) == (Phase.ROLLED_BACK, "release-1")


@pytest.mark.parametrize(
    "reason", [Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_DENIED, Reason.IMAGE_NOT_FOUND]
)
def test_what_cannot_be_pulled_stops_and_undoes_nothing(reason: Reason) -> None:
    device = deployed(workload())
    device.unpullable[NEW.child] = reason
    receive(device, 2, slow(deadline=100))
    device.settle(seconds=2000)
    assert device.running() == {"w1": OLD.config}
    assert (last_report(device).phase, last_report(device).reason) == (Phase.BACKING_OFF, reason)
    assert returns(device) == []
    device.unpullable.clear()
    device.settle(seconds=400)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": NEW.config})


def test_a_runtime_that_is_away_past_the_deadline_is_no_fault_of_the_release() -> None:
    device = deployed(workload())
    receive(device, 2, slow(min_ready=60, deadline=100))
    device.settle(seconds=5)
    (new,) = [key for key, item in device.containers.items() if item.image_id == NEW.config]
    device.crash(new, 0)
    device.runtime_up = False
    hint(device)
    device.settle(seconds=1000)
    device.runtime_up = True
    device.settle(seconds=400)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": NEW.config})
    assert returns(device) == []


def test_a_lie_and_what_cannot_be_made_stop_nothing_for_a_moment() -> None:
    device = deployed(workload())
    device.lying.add(NEW.config)
    receive(device, 2, workload(version="2"))
    while device.pending:
        assert not isinstance(device.pending[0], StopContainer)
        device.answer()
        assert device.running() == {"w1": OLD.config}
    assert last_report(device).phase is Phase.ROLLED_BACK


def test_the_successor_is_started_the_moment_its_predecessor_has_ended() -> None:
    device = deployed(workload(sides=1))
    receive(device, 2, workload(version="2", sides=1))
    while not any(isinstance(action, StopContainer) for action in device.pending):
        device.answer()
    created = [item for item in device.containers.values() if item.status is ContainerStatus.CREATED]
    assert sorted(item.container for item in created) == ["", "main", "side-0"]
    kinds = []
    while "StartContainer" not in kinds:
        kinds += [type(action).__name__ for action in device.pending]
        device.answer()
    assert kinds == ["StopContainer", "StopContainer", "StopContainer", "StartContainer"]


def test_a_document_that_comes_while_the_old_one_stops_keeps_the_new_one_from_starting() -> None:
    device = deployed(workload(version="1"))
    receive(device, 2, workload(version="2"))
    while not any(isinstance(action, StopContainer) for action in device.pending):
        device.answer()
    receive(device, 3, workload(version="1"))
    device.answer(1)
    device.settle(seconds=100)
    assert (device.running(), NEW.config in device.ran) == ({"w1": OLD.config}, False)


def test_what_failed_while_another_document_came_is_not_held_against_that() -> None:
    device = deployed(workload(version="1"))
    device.lying.add(NEW.config)
    receive(device, 2, workload(version="2"))
    while not any(isinstance(action, CreateContainer) for action in device.pending):
        device.answer()
    receive(device, 3, workload(version="3"))
    saving = next(at for at, action in enumerate(device.pending) if isinstance(action, SaveDesired))
    device.answer(saving)
    assert [action.uid for action in device.pending if isinstance(action, CreateContainer)] == ["w1"]
    device.settle(seconds=0)
    assert (device.running(), returns(device)) == ({"w1": image("3").config}, [])


def test_a_lie_that_cannot_be_removed_is_not_taken_for_ready() -> None:
    device = Device()
    device.tell(TransportConnected(connection=1))
    receive(device, 1, workload())
    device.settle(seconds=5)  # too short a time to be called good
    device.lying.add(NEW.config)
    device.unremovable = True
    receive(device, 2, workload(version="2"))
    device.settle(seconds=1000)
    assert device.running() == {"w1": OLD.config}
    assert (last_report(device).phase, last_report(device).reason) == (
        Phase.FAILED,
        Reason.PLATFORM_MISMATCH,
    )


@pytest.mark.parametrize("method", UpdateMethod)
def test_trouble_of_the_device_brings_the_old_one_back_only_if_that_had_to_stop(
    method: UpdateMethod,
) -> None:
    device = deployed(workload())
    device.refused[NEW.config] = Reason.PORT_CONFLICT
    receive(device, 2, replace(slow(deadline=100), update_method=method))
    live(device, 500)
    assert device.running() == {"w1": OLD.config}
    report = last_report(device)
    if method is UpdateMethod.START_FIRST:
        assert (report.phase, report.reason) == (Phase.BACKING_OFF, Reason.PORT_CONFLICT)
        assert returns(device) == []
    else:
        assert (report.phase, report.reason) == (Phase.ROLLED_BACK, Reason.PORT_CONFLICT)
        assert device.records is not None
        assert read_memory(device.records).records["w1"].failed == ()
    device.refused.clear()
    device.kill()
    device.tell(TransportConnected(connection=2))
    live(device, 500)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": NEW.config})


def first(version: str = "2", *, port: int | None = None, host_network: bool = False) -> DesiredWorkload:
    """A workload that would like to be started before its predecessor stops."""
    wanted = workload(version=version, method=UpdateMethod.START_FIRST)
    [main] = wanted.containers
    ports = (ContainerPort(container_port=80, host_port=port),)
    return replace(wanted, containers=(replace(main, ports=ports),), host_network=host_network)


def both_ran(device: Device) -> bool:
    """Whether old and new ran at once until the new one had passed the gate."""
    together = []
    end = device.now + 100
    while device.now < end and (device.pending or len(device.containers) > 1):
        if device.pending:
            device.answer()
        else:
            device.now += 1
            device.tell(Woken())
        running = {
            item.image_id
            for item in device.containers.values()
            if item.status is ContainerStatus.RUNNING and item.container
        }
        assert running, "nothing ran for a moment"
        together.append(len(running) == 2)
    return any(together)


def test_a_successor_that_may_runs_beside_its_predecessor_until_it_has_passed() -> None:
    device = deployed(first("1"))
    device.reports.clear()
    receive(device, 2, first("2"))
    assert both_ran(device)
    phases = [item.workloads[0].phase for item in device.reports]
    assert device.running() == {"w1": NEW.config}
    assert last_report(device).phase is Phase.RUNNING
    assert [phase for phase, _ in groupby(phases)][-2:] == [Phase.STARTING, Phase.RUNNING]


def test_a_bad_successor_that_runs_beside_its_predecessor_costs_no_moment() -> None:
    device = deployed(first("1"))
    device.ending[NEW.config] = 132
    receive(device, 2, first("2"))
    while device.pending:
        device.answer()
        assert OLD.config in device.running().values()
    assert (last_report(device).phase, device.running()) == (Phase.ROLLED_BACK, {"w1": OLD.config})


@pytest.mark.parametrize("wanted", [first(port=8080), first(host_network=True)])
def test_two_that_would_want_the_same_port_never_run_at_once(wanted: DesiredWorkload) -> None:
    device = deployed(replace(wanted, containers=workload().containers, release="release-1"))
    receive(device, 2, wanted)
    device.answer()
    device.beside.clear()
    device.settle(seconds=100)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": NEW.config})


@pytest.mark.parametrize("policy", RestartPolicy)
def test_a_job_that_had_to_give_way_is_begun_again(policy: RestartPolicy) -> None:
    device = deployed(workload(policy=policy))
    device.ending[NEW.config] = 132
    receive(device, 2, workload(version="2", policy=policy))
    device.settle(seconds=100)
    assert (last_report(device).phase, last_report(device).fallback) == (Phase.ROLLED_BACK, "release-1")
    assert device.running() == {"w1": OLD.config}


def test_a_fallback_that_does_not_run_either_is_told() -> None:
    device = deployed(workload())
    device.ending[NEW.config] = 132
    receive(device, 2, workload(version="2"))
    while not any(isinstance(action, PullImage) for action in device.pending):
        device.answer()
    device.unstartable.add(OLD.config)
    device.settle(seconds=100)
    report = last_report(device)
    assert (report.phase, report.reason, report.fallback) == (
        Phase.ROLLED_BACK,
        Reason.ILLEGAL_INSTRUCTION,
        "",
    )
    assert report.message.endswith(
        "; release-1, to which it went back, does not run either: exec_format, exec format error"
    )


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    device = deployed(workload(), workload("w2"))
    receive(device, 2, workload("w2"))
    device.settle(seconds=100)
    assert device.records is not None
    assert list(read_memory(device.records).records) == ["w2"]
