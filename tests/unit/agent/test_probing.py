"""What probes make of a workload, told as stories. `Device.tell` checks the invariants at every step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from polyfleet_agent.core.actions import PullImage, RunProbe, StopContainer
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import DesiredReceived, ProbeAnswered, TransportConnected, Woken
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.state import Settings
from polyfleet_shared.desired import read_desired
from polyfleet_shared.messages import EventKind, Phase, WorkloadReport
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, RestartPolicy, UpdateMethod
from simulation import Device, asks, hint, image, payload, workload

BAD: Final = Answer(succeeded=False, message="answered 503")


def probed(
    uid: str = "w1",
    *,
    policy: RestartPolicy = RestartPolicy.ALWAYS,
    sides: int = 0,
    **probes: Probe,
) -> DesiredWorkload:
    """A workload whose first container has these probes."""
    plain = workload(uid, policy=policy, sides=sides)
    main = replace(
        plain.containers[0],
        startup_probe=probes.get("startup"),
        liveness_probe=probes.get("liveness"),
        readiness_probe=probes.get("readiness"),
    )
    return replace(plain, containers=(main, *plain.containers[1:]))


def receive(device: Device, generation: int, *workloads: DesiredWorkload) -> None:
    sent = payload(generation, *workloads)
    device.tell(DesiredReceived(document=read_desired(sent, features=frozenset()), payload=sent))


def deployed(*workloads: DesiredWorkload, seconds: float = 60, **answers: Answer) -> Device:
    device = Device(answers=answers)
    device.tell(TransportConnected(connection=1))
    receive(device, 1, *workloads)
    device.settle(seconds=seconds)
    return device


def last_report(device: Device, uid: str = "w1") -> WorkloadReport:
    device.settle(seconds=30)
    return next(item for item in device.reports[-1].workloads if item.uid == uid)


def step_until(device: Device, reached: Callable[[], bool]) -> None:
    """One answer, or one wake, after the other."""
    for _ in range(1000):
        if reached():
            return
        device.settle(steps=1)
    raise AssertionError(device.state)


def starts(device: Device) -> list[str]:
    return [item.message for item in device.happenings if item.kind is EventKind.STARTED]


def ends(device: Device) -> list[tuple[Reason | None, str]]:
    return [(item.reason, item.message) for item in device.happenings if item.kind is EventKind.EXITED]


def test_it_is_starting_and_says_what_it_waits_for_until_it_is_ready() -> None:
    device = deployed(probed(readiness=asks("ready")), ready=BAD)
    report = last_report(device)
    assert (report.phase, report.reason, report.ready_seconds) == (Phase.STARTING, None, 0)
    assert report.message == "readiness probe: answered 503"
    assert device.running() == {"w1": image("1").config}
    device.answers.clear()
    device.settle(seconds=100)
    report = last_report(device)
    assert (report.phase, report.reason, report.message) == (Phase.RUNNING, None, "")
    assert 90 <= report.ready_seconds <= 130
    assert len(starts(device)) == 1


def test_one_that_is_ready_no_more_runs_on_and_is_counted_anew_when_it_is() -> None:
    device = deployed(probed(readiness=asks("ready")), seconds=1000)
    assert last_report(device).ready_seconds > 900
    device.answers["ready"] = BAD
    device.settle(seconds=60)
    report = last_report(device)
    assert (report.phase, report.reason, report.ready_seconds) == (Phase.RUNNING, Reason.PROBE_FAILED, 0)
    assert report.message == "readiness probe: answered 503"
    device.answers.clear()
    device.settle(seconds=60)
    report = last_report(device)
    assert (report.phase, report.reason, report.message) == (Phase.RUNNING, None, "")
    assert 50 <= report.ready_seconds <= 90
    assert (len(starts(device)), ends(device)) == (1, [])


def test_that_it_is_ready_or_no_more_is_reported_at_once_and_further_words_are_not() -> None:
    device = deployed(probed(readiness=replace(asks("ready"), period_seconds=1, failure_threshold=1)))
    reported = len(device.reports)
    device.answers["ready"] = BAD
    device.settle(seconds=2)
    assert [item.workloads[0].reason for item in device.reports[reported:]] == [Reason.PROBE_FAILED]
    for number in range(10):
        device.answers["ready"] = Answer(succeeded=False, message=f"answered 50{number}")
        device.settle(seconds=1)
    assert len(device.reports) <= reported + 2  # the second is the report that comes every half minute
    device.answers.clear()
    device.settle(seconds=2)
    assert device.reports[-1].workloads[0].reason is None


def test_one_that_is_alive_no_more_is_stopped_and_started_again_with_back_off() -> None:
    device = deployed(probed(liveness=asks("alive")), seconds=100)
    device.answers["alive"] = BAD
    device.settle(seconds=30)
    assert ends(device) == [(Reason.PROBE_FAILED, "liveness probe: answered 503, stopped after 130 s")]
    device.settle(seconds=300)
    assert {reason for reason, _ in ends(device)} == {Reason.PROBE_FAILED}
    assert len(ends(device)) >= 4
    device.answers.clear()
    device.settle(seconds=600)
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.RUNNING, None)
    assert len(device.containers) == 1


def test_between_its_starts_it_has_failed_for_its_probe() -> None:
    device = deployed(probed(liveness=asks("alive")), seconds=15, alive=BAD)
    step_until(device, lambda: bool(ends(device)) and not device.pending)
    report = device.reports[-1].workloads[0]
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.PROBE_FAILED)
    assert report.message == "liveness probe: answered 503, stopped after 20 s"


def test_nothing_else_is_asked_until_it_has_started_and_one_that_does_not_is_started_again() -> None:
    wanted = probed(startup=asks("started"), liveness=asks("alive"), readiness=asks("ready"))
    device = deployed(wanted, seconds=25, started=BAD, alive=BAD, ready=BAD)
    report = last_report(device)
    assert report.message.startswith("startup probe: answered 503")
    assert {message.partition(":")[0] for _, message in ends(device)} == {"startup probe"}
    device.answers.clear()
    device.settle(seconds=300)
    assert last_report(device).phase is Phase.RUNNING


def test_one_that_is_never_started_again_has_failed_however_well_it_obeyed() -> None:
    device = deployed(probed(policy=RestartPolicy.NEVER, liveness=asks("alive")), seconds=100, alive=BAD)
    (ended,) = device.containers.values()
    assert ended.status is ContainerStatus.EXITED
    device.containers[ended.container_id] = replace(ended, exit_code=0)
    hint(device)
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.FAILED, Reason.PROBE_FAILED)
    assert len(ends(device)) == 1


def test_what_obeys_is_not_taken_for_done_where_only_a_failure_is_started_again() -> None:
    device = deployed(probed(policy=RestartPolicy.ON_FAILURE, liveness=asks("alive")), seconds=10)
    device.obedient = True
    device.answers["alive"] = BAD
    step_until(device, lambda: not device.containers)
    device.kill()
    device.answers.clear()
    device.tell(TransportConnected(connection=2))
    device.settle(seconds=60)
    assert last_report(device).phase is Phase.RUNNING


def test_of_several_containers_only_the_one_that_failed_is_started_again() -> None:
    device = deployed(probed(sides=1, liveness=asks("alive")))
    side = next(item for item in device.containers.values() if item.container == "side-0")
    device.answers["alive"] = BAD
    device.settle(seconds=30)
    device.answers.clear()
    device.settle(seconds=60)
    assert device.containers[side.container_id] == side
    assert [message.partition(", ")[0] for _, message in ends(device)] == [
        "main: liveness probe: answered 503"
    ]
    assert last_report(device).phase is Phase.RUNNING


def test_several_containers_are_ready_when_the_last_of_them_is() -> None:
    device = deployed(probed(sides=1, readiness=asks("ready")), seconds=100, ready=BAD)
    report = last_report(device)
    assert (report.phase, report.message) == (Phase.STARTING, "main: readiness probe: answered 503")
    device.answers.clear()
    device.settle(seconds=30)
    assert last_report(device).ready_seconds < 70
    device.answers["ready"] = BAD
    device.settle(seconds=60)
    report = last_report(device)
    assert (report.phase, report.reason, report.ready_seconds) == (Phase.RUNNING, Reason.PROBE_FAILED, 0)
    assert report.container == "main"


def test_a_restarted_agent_asks_anew() -> None:
    device = deployed(probed(readiness=asks("ready")), seconds=1000)
    device.answers["ready"] = BAD
    device.kill()
    device.tell(TransportConnected(connection=2))
    report = last_report(device)
    assert (report.phase, report.reason, report.ready_seconds) == (Phase.STARTING, None, 0)


def test_a_predecessor_is_kept_until_its_successor_is_ready() -> None:
    device = deployed(workload())
    receive(device, 2, probed(readiness=asks("ready")))
    device.answers["ready"] = BAD
    device.settle(seconds=300)
    assert len(device.containers) == 2
    device.answers.clear()
    device.settle(seconds=60)
    assert len(device.containers) == 1


def test_what_cannot_be_asked_counts_as_nothing() -> None:
    nothing = Answer(succeeded=None, message="no socket")
    device = deployed(probed(liveness=asks("alive"), readiness=asks("ready")), seconds=300, alive=nothing)
    device.answers["ready"] = nothing
    device.settle(seconds=300)
    assert (last_report(device).phase, ends(device)) == (Phase.RUNNING, [])


def test_an_answer_about_an_earlier_run_says_nothing_about_this_one() -> None:
    device = deployed(probed(liveness=replace(asks("alive"), failure_threshold=1)), seconds=15)
    while not device.pending:
        device.now += 1
        device.tell(Woken())
    (asked,) = device.pending
    assert isinstance(asked, RunProbe)
    device.pending.clear()
    device.crash(asked.container_id)
    hint(device)
    device.settle(seconds=5)
    device.tell(ProbeAnswered(number=asked.number, answer=BAD))
    device.tell(ProbeAnswered(number=asked.number, answer=BAD))
    device.settle(seconds=5)
    assert [reason for reason, _ in ends(device)] == [Reason.EXITED]


def test_a_container_that_is_being_stopped_is_asked_nothing() -> None:
    device = deployed(probed(liveness=replace(asks("alive"), period_seconds=1)), seconds=5)
    receive(device, 2)
    step_until(device, lambda: any(isinstance(action, StopContainer) for action in device.pending))
    device.now += 10
    assert not [action for action in device.tell(Woken()) if isinstance(action, RunProbe)]


def test_probes_that_never_answer_delay_nothing_but_probes() -> None:
    device = Device(settings=Settings(device="dev-1", probes_at_once=2))
    device.tell(TransportConnected(connection=1))
    receive(device, 1, *(probed(f"w{number}", readiness=asks("ready")) for number in range(4)))
    hung: list[RunProbe] = []
    for _ in range(400):
        hung += [action for action in device.pending if isinstance(action, RunProbe)]
        device.pending[:] = [action for action in device.pending if not isinstance(action, RunProbe)]
        if device.pending:
            device.answer()
    assert len(hung) == 2
    crashed = next(iter(device.containers))
    device.crash(crashed)
    hint(device)
    receive(
        device,
        2,
        *(probed(f"w{number}", readiness=asks("ready")) for number in range(4)),
        workload("w9", "2"),
    )
    pulled = 0
    for _ in range(50):
        hung += [action for action in device.pending if isinstance(action, RunProbe)]
        pulled += sum(isinstance(action, PullImage) for action in device.pending[:1])
        device.pending[:] = [action for action in device.pending if not isinstance(action, RunProbe)]
        if device.pending:
            device.answer()
        else:
            device.now += 1
            device.tell(Woken())
    assert (len(hung), pulled) == (2, 1)
    assert device.running().keys() == {"w0", "w1", "w2", "w3", "w9"}
    device.tell(ProbeAnswered(number=hung[0].number, answer=Answer(succeeded=True)))
    assert [type(action) for action in device.pending] == [RunProbe]


def test_what_ran_before_it_was_its_turn_alone_is_not_asked_anew_when_its_predecessor_ends() -> None:
    device = deployed(workload(), seconds=100)
    successor = replace(probed(readiness=asks("ready")), update_method=UpdateMethod.START_FIRST)
    receive(device, 2, replace(successor, release="release-2"))
    device.settle(seconds=300)
    report = last_report(device)
    assert (report.phase, report.release) == (Phase.RUNNING, "release-2")
    assert report.ready_seconds > 290
    assert len(starts(device)) == 2
    assert len(device.containers) == 1


def test_a_predecessor_that_is_alive_no_more_is_started_again_while_its_successor_cannot_be_had() -> None:
    device = deployed(probed(liveness=asks("alive")), seconds=100)
    device.unpullable[image("2").child] = Reason.REGISTRY_UNREACHABLE
    receive(device, 2, workload(version="2"))
    device.answers["alive"] = BAD
    step_until(device, lambda: bool(ends(device)))
    assert ends(device)[0][1].startswith("liveness probe: answered 503, stopped after")
    device.answers.clear()
    device.settle(seconds=100)
    assert device.running() == {"w1": image("1").config}
    report = last_report(device)
    assert (report.phase, report.reason) == (Phase.BACKING_OFF, Reason.REGISTRY_UNREACHABLE)
    device.unpullable.clear()
    device.settle(seconds=600)
    assert (last_report(device).phase, device.running()) == (Phase.RUNNING, {"w1": image("2").config})


def test_what_a_predecessor_answers_is_not_said_of_its_successor() -> None:
    device = deployed(probed(readiness=asks("ready")), seconds=100)
    device.unpullable[image("2").child] = Reason.REGISTRY_UNREACHABLE
    device.answers["ready"] = BAD
    receive(device, 2, workload(version="2"))
    device.settle(seconds=100)
    assert "probe" not in last_report(device).message
    assert ends(device) == []
