"""What the agent does, told as stories. `Device.tell` checks the invariants at every step."""

from dataclasses import replace

from polyfleet_agent.core import machine
from polyfleet_agent.core.actions import (
    CreateContainer,
    ListContainers,
    PublishInventory,
    PublishPresence,
    PublishReported,
    PublishTelemetry,
    PullImage,
    RemoveContainer,
    ReplayEvents,
    SaveDesired,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus
from polyfleet_agent.core.events import (
    DesiredReceived,
    DesiredRefused,
    InventoryChanged,
    TransportConnected,
    Woken,
)
from polyfleet_shared.desired import read_desired, write_desired
from polyfleet_shared.messages import Condition, EventKind, Phase, WorkloadReport
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, EnvironmentVariable, HeldWorkload, RestartPolicy
from simulation import Device, digest, document, hint, image, payload, workload


def receive(device: Device, generation: int, *workloads: DesiredWorkload) -> None:
    sent = payload(generation, *workloads)
    device.tell(DesiredReceived(document=read_desired(sent, features=frozenset()), payload=sent))


def connected_device() -> Device:
    device = Device()
    device.tell(TransportConnected(connection=1))
    return device


def deployed(*workloads: DesiredWorkload) -> Device:
    device = connected_device()
    receive(device, 1, *workloads)
    device.settle(seconds=60)
    return device


def last_report(device: Device, uid: str = "w1") -> WorkloadReport:
    return next(item for item in device.reports[-1].workloads if item.uid == uid)


def conditions(device: Device) -> tuple[Condition, ...]:
    return device.reports[-1].conditions


def pull_of(device: Device) -> int:
    return next(at for at, action in enumerate(device.pending) if isinstance(action, PullImage))


def test_a_connect_publishes_everything_that_is_retained() -> None:
    device = Device()
    actions = device.tell(TransportConnected(connection=1))
    assert [type(action) for action in actions] == [
        PublishPresence,
        PublishInventory,
        ReplayEvents,
        ListContainers,
        PublishReported,
        PublishTelemetry,
    ]


def test_an_inventory_that_changed_is_published_when_somebody_listens() -> None:
    device = Device()
    device.tell(Woken())
    assert device.tell(InventoryChanged()) == ()
    device.tell(TransportConnected(connection=1))
    assert device.tell(InventoryChanged()) == (PublishInventory(),)


def test_a_document_is_saved_before_anything_is_done_for_it() -> None:
    device = connected_device()
    device.answer()
    sent = payload(1, workload())
    received = DesiredReceived(document=read_desired(sent, features=frozenset()), payload=sent)
    actions = device.tell(received)
    assert actions == (SaveDesired(version=document(1, workload()).version, payload=sent),)
    assert device.reports[-1].observed is None


def test_a_workload_is_pulled_created_and_proven() -> None:
    device = deployed(workload())
    report = last_report(device)
    assert (report.phase, report.reason, report.release) == (Phase.RUNNING, None, "release-1")
    assert [item.child for item in report.containers] == [image("1").child]
    assert [item.kind for item in device.happenings] == [
        EventKind.DOCUMENT_ACCEPTED,
        EventKind.PULL_FINISHED,
        EventKind.STARTED,
    ]


def test_an_update_of_the_environment_is_proven_by_its_own_containers_only() -> None:
    device = deployed(workload())
    [before] = last_report(device).containers
    [main] = workload().containers
    louder = replace(main, env=(EnvironmentVariable(name="LEVEL", value="debug"),))
    receive(device, 2, replace(workload(), containers=(louder,)))
    device.answer()
    [same] = last_report(device).containers
    assert (before.child, before.running) == (main.image.child, True)
    assert (same.child, same.running, same.image_id) == (None, True, main.image.config)
    device.settle()
    assert [(item.child, item.running) for item in last_report(device).containers] == [
        (main.image.child, True)
    ]


def test_an_old_document_changes_nothing() -> None:
    device = deployed(workload(version="1"))
    receive(device, 3, workload(version="3"))
    receive(device, 2, workload(version="2"))
    device.settle(seconds=60)
    assert device.running() == {"w1": image("3").config}


def test_an_absent_workload_is_stopped_and_removed_but_an_unreadable_document_stops_nothing() -> None:
    device = deployed(workload())
    device.tell(DesiredRefused(message="workloads: missing"))
    device.settle(seconds=60)
    assert device.running() == {"w1": image("1").config}
    assert conditions(device) == (Condition(reason=Reason.INVALID_DOCUMENT, message="workloads: missing"),)
    receive(device, 2)
    device.settle(seconds=60)
    assert (device.containers, device.reports[-1].workloads) == ({}, ())
    assert conditions(device) == ()


def test_a_successor_is_fetched_before_its_predecessor_stops() -> None:
    device = deployed(workload(version="1"))
    receive(device, 2, workload(version="2"))
    while not any(isinstance(action, PullImage) for action in device.pending):
        device.answer()
    assert device.running() == {"w1": image("1").config}
    assert last_report(device).phase is Phase.PULLING
    device.settle(seconds=5)
    assert device.running() == {"w1": image("2").config}
    kept = [item.status for item in device.containers.values() if item.image_id == image("1").config]
    assert kept == [ContainerStatus.EXITED]
    device.settle(seconds=60)
    assert [item.image_id for item in device.containers.values()] == [image("2").config]


def test_a_predecessor_that_ends_while_its_successor_cannot_be_had_is_started_again() -> None:
    device = deployed(workload(version="1"))
    device.unpullable[image("2").child] = Reason.REGISTRY_UNREACHABLE
    receive(device, 2, workload(version="2"))
    device.settle(seconds=60)
    (running,) = device.containers
    device.crash(running)
    hint(device)
    device.settle(seconds=30)
    assert device.running() == {"w1": image("1").config}
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.BACKING_OFF, Reason.REGISTRY_UNREACHABLE)
    assert report.container == ""
    assert [item.child for item in report.containers] == [None]


def test_a_stuck_pull_delays_no_other_workload() -> None:
    device = deployed(workload("w1"))
    receive(device, 2, workload("w1"), workload("w2", version="2"))
    while not any(isinstance(action, PullImage) for action in device.pending):
        device.answer()
    stuck = device.pending.pop(pull_of(device))
    (running,) = device.containers
    device.crash(running)
    hint(device)
    device.settle(seconds=10)
    assert device.running() == {"w1": image("1").config}
    assert last_report(device, "w2").phase is Phase.PULLING
    assert isinstance(stuck, PullImage)


def test_a_release_that_changes_nothing_here_restarts_nothing() -> None:
    device = deployed(workload())
    before = dict(device.containers)
    receive(device, 2, replace(workload(), release="release-9", revision=2))
    device.settle(seconds=60)
    assert (device.containers, last_report(device).release) == (before, "release-9")
    assert last_report(device).phase is Phase.RUNNING


def test_a_crash_is_counted_once_and_backs_off_until_it_is_a_crash_loop() -> None:
    device = deployed(workload())
    (container,) = device.containers
    phases = []
    for _ in range(4):
        device.crash(container, 3)
        hint(device)
        hint(device)
        device.settle(seconds=0)
        phases.append((last_report(device).phase, last_report(device).reason))
        device.settle(seconds=20)
    assert phases == [
        (Phase.BACKING_OFF, Reason.EXITED),
        (Phase.BACKING_OFF, Reason.EXITED),
        (Phase.FAILED, Reason.CRASH_LOOP),
        (Phase.FAILED, Reason.CRASH_LOOP),
    ]
    exits = [item for item in device.happenings if item.kind is EventKind.EXITED]
    assert len(exits) == 4
    assert exits[0].message.startswith("ended with exit code 3 after ")
    assert last_report(device).restarts == 4
    assert last_report(device).phase is Phase.RUNNING


def test_a_long_good_run_forgives_earlier_failures() -> None:
    device = deployed(workload())
    (container,) = device.containers
    for _ in range(2):
        device.crash(container)
        hint(device)
        device.settle(seconds=20)
    device.settle(seconds=1000)
    device.crash(container)
    hint(device)
    device.settle(seconds=0)
    assert last_report(device).reason is Reason.EXITED


def test_an_image_for_another_processor_fails_with_its_reason_and_is_tried_rarely() -> None:
    device = connected_device()
    device.unstartable.add(image("1").config)
    receive(device, 1, workload())
    device.settle(seconds=60)
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.EXEC_FORMAT)
    assert report.container == "main"
    made = device.made
    device.settle(seconds=200)
    assert device.made == made
    device.unstartable.clear()
    device.settle(seconds=400)
    assert last_report(device).phase is Phase.RUNNING


def test_a_lie_runs_never_and_is_tried_rarely_while_the_truth_runs() -> None:
    device = connected_device()
    device.lying.add(image("1").config)
    receive(device, 1, workload(), workload("w2", version="2"))
    device.settle(seconds=60)
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.PLATFORM_MISMATCH)
    assert (report.restarts, report.containers) == (0, ())
    assert device.running() == {"w2": image("2").config}
    made = device.made
    device.settle(seconds=200)
    assert device.made == made
    assert [item.reason for item in device.happenings if item.kind is EventKind.START_FAILED] == [
        Reason.PLATFORM_MISMATCH
    ]


def test_a_container_that_was_left_unstarted_is_examined_before_it_runs() -> None:
    device = connected_device()
    device.lying.add(image("1").config)
    receive(device, 1, workload())
    while not isinstance(device.pending[0], CreateContainer):
        device.answer()
    device.die_between_create_and_start(0)
    assert [item.status for item in device.containers.values()] == [ContainerStatus.CREATED]
    device.settle(seconds=60)
    assert (device.containers, device.ran) == ({}, set())


def fail_at_once(device: Device, exit_code: int, output: bytes) -> WorkloadReport:
    (container,) = device.containers
    device.crash(container, exit_code, output)
    hint(device)
    device.settle(seconds=0)
    return last_report(device)


def test_a_build_that_cannot_run_here_is_told_at_its_first_end_and_tried_rarely() -> None:
    device = deployed(workload())
    report = fail_at_once(device, 132, b"")
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.ILLEGAL_INSTRUCTION)
    assert report.message is not None
    assert report.message.startswith("ended with exit code 132 (SIGILL) after ")
    assert report.message.endswith(" s, without a word in its log")
    device.settle(seconds=200)
    assert (device.running(), last_report(device).restarts) == ({}, 0)
    device.settle(seconds=400)
    assert (device.running(), last_report(device).restarts) == ({"w1": image("1").config}, 1)


def test_a_build_that_ran_well_for_long_is_started_again_soon() -> None:
    device = deployed(workload())
    device.settle(seconds=1000)
    report = fail_at_once(device, 132, b"Illegal instruction")
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.ILLEGAL_INSTRUCTION)
    device.settle(seconds=2)
    assert last_report(device).phase is Phase.RUNNING
    fail_at_once(device, 132, b"Illegal instruction")
    device.settle(seconds=200)
    assert last_report(device).phase is Phase.FAILED


def test_a_crash_loop_is_told_with_the_last_line_of_its_log() -> None:
    device = deployed(workload())
    told = []
    for _ in range(3):
        report = fail_at_once(device, 3, b"starting\nno database: connection refused\n")
        told.append((report.reason, (report.message or "").partition(" s, ")[2]))
        device.settle(seconds=20)
    assert told == [
        (Reason.EXITED, "log: no database: connection refused"),
        (Reason.EXITED, "log: no database: connection refused"),
        (Reason.CRASH_LOOP, "3 times in a row, log: no database: connection refused"),
    ]


def test_what_says_more_than_a_crash_loop_is_told_instead() -> None:
    device = deployed(workload())
    reasons = []
    for _ in range(4):
        reasons.append(fail_at_once(device, 139, b"").reason)
        device.settle(seconds=20)
    assert reasons == [Reason.SEGMENTATION_FAULT] * 4
    assert last_report(device).restarts == 4


def test_a_registry_that_is_down_for_long_is_told_once_and_heals_by_itself() -> None:
    device = connected_device()
    device.unpullable[image("1").child] = Reason.REGISTRY_UNREACHABLE
    receive(device, 1, workload())
    device.settle(seconds=7200)
    assert [item.kind for item in device.happenings] == [EventKind.DOCUMENT_ACCEPTED, EventKind.PULL_FAILED]
    device.unpullable.clear()
    device.settle(seconds=400)
    assert last_report(device).phase is Phase.RUNNING


def test_a_reboot_without_network_starts_what_ran_and_counts_no_crash() -> None:
    device = deployed(workload())
    device.reboot()
    device.settle(seconds=5)
    assert device.running() == {"w1": image("1").config}
    assert not [item for item in device.happenings if item.kind is EventKind.EXITED]


def test_without_any_document_nothing_is_taken_away() -> None:
    device = deployed(workload())
    device.disk = None
    device.kill()
    device.settle(seconds=300)
    assert device.running() == {"w1": image("1").config}


def test_a_silent_runtime_is_a_condition_of_the_device_and_decides_nothing() -> None:
    device = deployed(workload())
    device.runtime_up = False
    hint(device)
    device.settle(seconds=300)
    assert conditions(device) == (Condition(reason=Reason.PODMAN_UNAVAILABLE, message="no socket"),)
    assert last_report(device).ready_seconds == 0
    lost = [item.kind for item in device.happenings if item.kind is EventKind.RUNTIME_LOST]
    assert lost == [EventKind.RUNTIME_LOST]
    device.runtime_up = True
    device.settle(seconds=400)
    assert conditions(device) == ()
    assert device.happenings[-1].kind is EventKind.RUNTIME_FOUND


def test_a_full_disk_holds_back_the_document_until_there_is_room() -> None:
    device = deployed(workload(version="1"))
    device.disk_full = True
    receive(device, 2, workload(version="2"))
    device.settle(seconds=60)
    assert device.running() == {"w1": image("1").config}
    assert conditions(device) == (Condition(reason=Reason.DISK_FULL, message="no space"),)
    device.disk_full = False
    device.settle(seconds=400)
    assert device.running() == {"w1": image("2").config}


def test_a_job_that_ended_well_is_completed_and_one_that_did_not_has_failed() -> None:
    ends = {}
    for exit_code in (0, 7):
        device = deployed(workload(policy=RestartPolicy.NEVER))
        (container,) = device.containers
        device.crash(container, exit_code)
        hint(device)
        device.settle(seconds=600)
        ends[exit_code] = (last_report(device).phase, last_report(device).reason)
    assert ends == {0: (Phase.COMPLETED, None), 7: (Phase.FAILED, Reason.EXITED)}


def test_a_held_workload_keeps_what_it_ran_and_says_why() -> None:
    device = deployed(workload())
    hold = HeldWorkload(
        uid="w1",
        namespace="default",
        name="w1",
        reason=Reason.NO_MATCHING_PLATFORM,
        message="the index has linux/amd64",
    )
    sent = write_desired(epoch=1, generation=2, workloads=(), held=(hold,))
    device.tell(DesiredReceived(document=read_desired(sent, features=frozenset()), payload=sent))
    device.settle(seconds=60)
    assert device.running() == {"w1": image("1").config}
    assert (last_report(device).phase, last_report(device).reason) == (
        Phase.RUNNING,
        Reason.NO_MATCHING_PLATFORM,
    )


def test_a_container_of_ours_that_nobody_wants_is_removed() -> None:
    device = deployed(workload("w1"), workload("w2"))
    receive(device, 2, workload("w2"))
    device.settle(seconds=60)
    assert device.running() == {"w2": image("1").config}
    assert len(device.containers) == 1


def test_an_image_pruned_between_pull_and_start_is_pulled_again() -> None:
    device = connected_device()
    receive(device, 1, workload())
    while not any(isinstance(action, PullImage) for action in device.pending):
        device.answer()
    device.answer(pull_of(device))
    device.store.clear()
    device.settle(seconds=60)
    assert last_report(device).phase is Phase.RUNNING


def test_a_listing_that_began_before_our_own_step_is_not_believed() -> None:
    device = deployed(workload())
    receive(device, 2)
    device.answer()
    while not any(isinstance(action, StopContainer) for action in device.pending):
        device.answer()
    hint(device)
    kinds = [type(action) for action in device.pending]
    assert kinds == [StopContainer, ListContainers]
    device.answer(0)
    device.lists_late = True
    device.answer(0)
    device.lists_late = False
    assert [type(action) for action in device.pending] == [ListContainers]
    device.settle(seconds=60)
    assert device.containers == {}


def test_ready_seconds_count_on_the_monotonic_clock_and_are_reported_at_the_interval() -> None:
    device = deployed(workload())
    device.reports.clear()
    device.settle(seconds=90)
    assert [last.workloads[0].ready_seconds > 0 for last in device.reports] == [True, True, True]


def test_the_moment_at_which_a_workload_was_ready_for_long_enough_is_told_at_once() -> None:
    device = connected_device()
    device.now += 0.3
    receive(device, 1, replace(workload(), min_ready_seconds=17))
    device.settle(seconds=5)
    began = next(item for item in device.state.workloads.values()).ready_since
    assert began is not None
    device.reports.clear()
    device.settle(seconds=20)
    [told] = [item.workloads[0] for item in device.reports]
    assert (told.phase, told.ready_seconds, device.now) == (Phase.RUNNING, 17, began + 17)


def test_a_container_that_somebody_removed_comes_back() -> None:
    device = deployed(workload())
    (removed,) = device.containers
    del device.containers[removed]
    hint(device)
    device.settle(seconds=20)
    assert (device.running(), list(device.containers) != [removed]) == ({"w1": image("1").config}, True)
    assert last_report(device).phase is Phase.RUNNING


def test_events_that_nobody_acknowledges_are_published_again_at_the_interval() -> None:
    device = deployed(workload())
    replays: list[ReplayEvents] = []
    for _ in range(4):
        while device.pending:
            device.answer()
        device.now = machine.next_wake(device.state)
        actions = device.tell(Woken())
        replays += [action for action in actions if isinstance(action, ReplayEvents)]
    assert replays[0] == ReplayEvents(overdue_only=True)


def test_a_container_that_cannot_be_removed_is_tried_ever_more_rarely() -> None:
    device = deployed(workload())
    receive(device, 2)
    device.unremovable = True
    began, tried = device.now, 0
    while device.now < began + 1000:
        if not device.pending:
            device.now = machine.next_wake(device.state)
            device.tell(Woken())
            continue
        tried += isinstance(device.pending[0], RemoveContainer)
        device.answer()
    assert 8 <= tried <= 16
    assert (last_report(device).phase, last_report(device).reason) == (Phase.STOPPING, Reason.START_FAILED)


def parts(device: Device) -> dict[str, ContainerStatus]:
    """How each container of the workload does."""
    return {
        item.container: item.status
        for item in device.containers.values()
        if item.kind is not ContainerKind.INFRA
    }


def named(device: Device, name: str) -> str:
    (container_id,) = (key for key, item in device.containers.items() if item.container == name)
    return container_id


def test_init_containers_run_one_after_the_other_before_all_others() -> None:
    device = deployed(workload(sides=1, inits=2))
    assert device.containers[named(device, "init-0")].started_at < (
        device.containers[named(device, "init-1")].started_at
    )
    assert parts(device) == {
        "init-0": ContainerStatus.EXITED,
        "init-1": ContainerStatus.EXITED,
        "main": ContainerStatus.RUNNING,
        "side-0": ContainerStatus.RUNNING,
    }
    report = last_report(device)
    assert (report.phase, report.reason, report.restarts) == (Phase.RUNNING, None, 0)
    assert {item.name: (item.running, item.child) for item in report.containers} == {
        "init-0": (False, image("1").child),
        "init-1": (False, image("1").child),
        "main": (True, image("1").child),
        "side-0": (True, image("1").child),
    }


def test_an_init_container_that_fails_is_tried_again_and_keeps_the_others_from_starting() -> None:
    device = connected_device()
    device.init_exit_code = 1
    receive(device, 1, workload(inits=2))
    device.settle(seconds=20)
    assert parts(device) == {"init-0": ContainerStatus.EXITED}
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.CRASH_LOOP)
    assert report.message.startswith("init-0: ended with exit code 1")
    device.init_exit_code = 0
    device.settle(seconds=300)
    assert last_report(device).phase is Phase.RUNNING


def test_an_init_container_that_fails_for_good_fails_the_workload() -> None:
    device = connected_device()
    device.init_exit_code = 1
    receive(device, 1, workload(inits=1, policy=RestartPolicy.NEVER))
    device.settle(seconds=300)
    assert parts(device) == {"init-0": ContainerStatus.EXITED}
    assert (last_report(device).phase, last_report(device).reason) == (Phase.FAILED, Reason.EXITED)


def test_a_container_that_ends_is_started_by_itself_and_the_others_stay() -> None:
    device = deployed(workload(sides=1, inits=1))
    before = device.containers[named(device, "main")]
    init = device.containers[named(device, "init-0")]
    for _ in range(3):
        device.crash(named(device, "side-0"), 3)
        hint(device)
        device.settle(seconds=0)
        report = last_report(device)
        assert report.phase in {Phase.BACKING_OFF, Phase.FAILED}
        assert report.message.startswith("side-0: ended with exit code 3")
        device.settle(seconds=20)
        assert last_report(device).phase is Phase.RUNNING
    assert device.containers[named(device, "main")] == before
    assert device.containers[named(device, "init-0")] == init
    assert last_report(device).restarts == 3


def test_what_one_container_suffers_makes_no_other_wait() -> None:
    device = deployed(workload(sides=1))
    for _ in range(4):
        device.crash(named(device, "side-0"), 3)
        hint(device)
        device.settle(seconds=20)
    device.crash(named(device, "side-0"), 3)
    device.crash(named(device, "main"), 1)
    hint(device)
    device.settle(seconds=2)
    assert parts(device) == {"main": ContainerStatus.RUNNING, "side-0": ContainerStatus.EXITED}


def test_the_containers_of_a_new_spec_replace_all_of_the_old_ones_and_the_pod_goes_last() -> None:
    device = deployed(workload(version="1", sides=1))
    old = {item.kind for item in device.containers.values()}
    receive(device, 2, workload(version="2", sides=1))
    device.settle(seconds=5)
    assert {
        (item.container, item.image_id) for item in device.containers.values() if item.exit_code == 143
    } == {("main", image("1").config), ("side-0", image("1").config), ("", digest("pause"))}
    device.settle(seconds=60)
    assert parts(device) == {"main": ContainerStatus.RUNNING, "side-0": ContainerStatus.RUNNING}
    assert {item.kind for item in device.containers.values()} == old
    assert len(device.containers) == 3


def test_a_pod_whose_network_ended_is_started_as_a_whole() -> None:
    device = deployed(workload(sides=1))
    device.crash(named(device, ""), 137)
    hint(device)
    device.settle(seconds=20)
    assert parts(device) == {"main": ContainerStatus.RUNNING, "side-0": ContainerStatus.RUNNING}
    assert device.containers[named(device, "")].status is ContainerStatus.RUNNING
    assert last_report(device).restarts == 2


def test_a_pod_that_is_not_wanted_any_more_goes_with_all_that_it_had() -> None:
    device = deployed(workload(sides=1, inits=1))
    receive(device, 2)
    device.settle(seconds=60)
    assert (device.containers, device.reports[-1].workloads) == ({}, ())


def test_a_workload_is_complete_when_all_of_its_containers_are() -> None:
    device = deployed(workload(sides=1, policy=RestartPolicy.ON_FAILURE))
    device.crash(named(device, "side-0"), 0)
    hint(device)
    device.settle(seconds=20)
    assert last_report(device).phase is Phase.RUNNING
    device.crash(named(device, "main"), 0)
    hint(device)
    device.settle(seconds=20)
    assert last_report(device).phase is Phase.COMPLETED


def test_a_stop_of_ours_is_no_end_of_the_containers_even_when_it_comes_back() -> None:
    device = deployed(workload(version="1", sides=1))
    receive(device, 2, workload(version="2"))
    device.settle(seconds=5)
    assert device.running() == {"w1": image("2").config}
    receive(device, 3, workload(version="1", sides=1))
    device.settle(seconds=5)
    assert parts(device)["side-0"] is ContainerStatus.RUNNING
    assert [item.message for item in device.happenings if item.kind is EventKind.EXITED] == []


def test_a_pod_whose_infra_container_is_broken_is_made_anew_as_a_whole() -> None:
    device = deployed(workload(sides=1))
    before = set(device.containers)
    broken = named(device, "")
    device.containers[broken] = replace(device.containers[broken], status=ContainerStatus.BROKEN)
    hint(device)
    device.settle(seconds=20)
    assert parts(device) == {"main": ContainerStatus.RUNNING, "side-0": ContainerStatus.RUNNING}
    assert not before & set(device.containers)
