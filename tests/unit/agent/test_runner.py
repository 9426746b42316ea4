"""The loop between the core and the world, on fakes that pass the adapters' own contract suites."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from polyfleet_agent.composer import Composer
from polyfleet_agent.core.containers import ObservedContainer
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.state import Settings
from polyfleet_agent.ports import World
from polyfleet_agent.runner import Runner, View
from polyfleet_agent.testing import (
    FakeBroker,
    FakeClock,
    FakeHost,
    FakeRegistry,
    FakeRuntime,
    FakeSupervisor,
    FakeTransport,
    MemoryDisk,
    MemorySpool,
    MemoryState,
)
from polyfleet_agent.testing.probes import FakeProbes
from polyfleet_shared.desired import read_desired
from polyfleet_shared.messages import (
    Acknowledgement,
    Event,
    EventKind,
    Inventory,
    Phase,
    Presence,
    Reported,
    WorkloadReport,
)
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel
from polyfleet_shared.wire import decode_message, encode_message
from simulation import asks, image, payload, workload
from waiting import wait_until

DEVICE = "dev-1"


@dataclass
class Bench:
    """A device on fakes; `running` starts its agent, as often as a test likes."""

    broker: FakeBroker = field(default_factory=FakeBroker)
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry(image("1"), image("2")))
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    clock: FakeClock = field(default_factory=FakeClock)
    supervisor: FakeSupervisor = field(default_factory=FakeSupervisor)
    views: list[View] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runtime: FakeRuntime = FakeRuntime(DEVICE, self.registry)

    @contextmanager
    def running(self) -> Iterator[None]:
        state = MemoryState(self.disk)
        recovered = state.recover()
        identity = recovered.identity
        world = World(
            runtime=self.runtime,
            transport=FakeTransport(self.broker, DEVICE),
            state=state,
            spool=MemorySpool(self.disk, identity.incarnation, identity.boot),
            host=FakeHost(),
            supervisor=self.supervisor,
            clock=self.clock,
        )
        runner = Runner(world, Composer(identity, {}), Settings(device=DEVICE), self.views.append)
        known = recovered.desired and read_desired(recovered.desired, features=frozenset())
        thread = threading.Thread(target=runner.run, args=(known or None, recovered.notices))
        thread.start()
        try:
            yield
        finally:
            runner.stop()
            thread.join(10)
            state.close()
        assert not thread.is_alive()

    def send(self, document: bytes) -> None:
        self.broker.send(DEVICE, Channel.DESIRED, document)

    def report(self) -> Reported | None:
        found = self.broker.messages(DEVICE, Channel.REPORTED)
        return decode_message(Reported, found[-1]) if found else None

    def workload(self) -> WorkloadReport | None:
        report = self.report()
        return report.workloads[0] if report is not None and report.workloads else None

    def events(self) -> list[EventKind]:
        found = self.broker.messages(DEVICE, Channel.EVENT)
        return [decode_message(Event, item).kind for item in found]

    def wait(self, condition: Callable[[], object]) -> None:
        wait_until(condition, describe=lambda: f"{self.report()} {self.events()}")

    def is_in(self, phase: Phase) -> bool:
        found = self.workload()
        return found is not None and found.phase is phase


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_document_is_carried_out_and_reported_with_proof(bench: Bench) -> None:
    with bench.running():
        bench.send(payload(1, workload()))
        bench.wait(lambda: bench.is_in(Phase.RUNNING))
        found = bench.workload()
        assert found is not None
        assert [item.child for item in found.containers] == [image("1").child]
        assert bench.disk.desired == payload(1, workload())
        assert "READY=1" in bench.supervisor.told
    last = decode_message(Presence, bench.broker.messages(DEVICE, Channel.PRESENCE)[-1])
    assert not last.online
    assert bench.views[-1].published.workloads[0].phase is Phase.RUNNING


def test_a_start_without_a_broker_runs_what_is_on_the_disk(bench: Bench) -> None:
    with bench.running():
        bench.send(payload(1, workload()))
        bench.wait(lambda: bench.is_in(Phase.RUNNING))
    (container,) = bench.runtime.list_containers()
    bench.runtime.crash(container.container_id)
    bench.broker.stop()
    with bench.running():
        wait_until(lambda: _runs(bench.runtime.list_containers()), describe="the container runs again")


def test_a_cleared_document_is_no_news_and_an_unreadable_one_is_told(bench: Bench) -> None:
    with bench.running():
        bench.send(payload(1, workload()))
        bench.wait(lambda: bench.is_in(Phase.RUNNING))
        bench.send(b"")
        bench.send(b"{")
        bench.wait(lambda: EventKind.DOCUMENT_REFUSED in bench.events())
        report = bench.report()
        assert report is not None
        assert [item.reason for item in report.conditions] == [Reason.INVALID_DOCUMENT]
        assert bench.is_in(Phase.RUNNING)


def test_events_are_sent_again_on_every_connect_until_they_are_acknowledged(bench: Bench) -> None:
    with bench.running():
        bench.wait(lambda: bench.events() == [EventKind.AGENT_STARTED])
        bench.broker.stop()
        bench.broker.start()
        bench.wait(lambda: bench.events() == [EventKind.AGENT_STARTED] * 2)
        first = decode_message(Event, bench.broker.messages(DEVICE, Channel.EVENT)[0]).stamp
        answer = Acknowledgement(incarnation=first.incarnation, seq=first.seq)
        bench.broker.send(DEVICE, Channel.ACK, encode_message(answer))
        bench.send(payload(1))
        bench.wait(lambda: bench.report() is not None and EventKind.DOCUMENT_ACCEPTED in bench.events())
        bench.broker.stop()
        bench.broker.start()
        bench.wait(lambda: bench.events()[2:] == [EventKind.DOCUMENT_ACCEPTED] * 2)


def test_the_inventory_is_published_with_podmans_version_once_it_is_known(bench: Bench) -> None:
    def told() -> bool:
        found = bench.broker.messages(DEVICE, Channel.INVENTORY)
        return bool(found) and decode_message(Inventory, found[-1]).host.podman_version != ""

    with bench.running():
        bench.wait(told)


def test_an_error_in_the_agent_itself_ends_a_pull_and_not_the_agent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(bench.runtime, "pull", broken)
    with bench.running():
        bench.send(payload(1, workload()))
        bench.wait(lambda: bench.is_in(Phase.BACKING_OFF))
        found = bench.workload()
        assert found is not None
        assert found.message == "ZeroDivisionError in the agent itself: a mistake of ours"
        monkeypatch.undo()
        bench.clock.advance(10)
        bench.wait(lambda: bench.is_in(Phase.RUNNING))


def test_probes_are_answered_reported_and_shown_only_where_they_say_something_new(bench: Bench) -> None:
    probed = workload()
    ready = replace(asks("ready"), period_seconds=1, failure_threshold=1)
    probed = replace(probed, containers=(replace(probed.containers[0], readiness_probe=ready),))
    refused = Answer(succeeded=False, message="refused")
    bench.runtime.machine.probes.let_answer(image("1"), {"/ready": refused})
    with bench.running():
        bench.send(payload(1, probed))
        bench.wait(lambda: bench.is_in(Phase.STARTING) and _message(bench) == "readiness probe: refused")
        shown, probes = len(bench.views), bench.runtime.machine.probes
        for _ in range(2):
            next_answer = partial(_has_answered, probes, probes.asked)
            bench.clock.advance(1)
            bench.wait(next_answer)
        assert len(bench.views) <= shown + 1
        bench.runtime.machine.probes.let_answer(image("1"), {"/ready": Answer(succeeded=True)})
        bench.clock.advance(1)
        bench.wait(lambda: bench.is_in(Phase.RUNNING))
        assert _message(bench) == ""


def test_an_error_in_the_agent_itself_ends_a_probe_and_not_the_agent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    probed = workload()
    main = replace(probed.containers[0], readiness_probe=asks("ready"))
    bench.runtime.machine.probes.let_answer(image("1"), {"/ready": Answer(succeeded=True)})
    monkeypatch.setattr(bench.runtime, "probe", broken)
    with bench.running():
        bench.send(payload(1, replace(probed, containers=(main,))))
        words = "readiness probe: ZeroDivisionError in the agent itself: a mistake of ours"
        bench.wait(lambda: _message(bench) == words)
        monkeypatch.undo()
        bench.clock.advance(10)
        bench.wait(lambda: bench.is_in(Phase.RUNNING))


def test_a_full_disk_keeps_no_events_and_stops_nothing(bench: Bench) -> None:
    with bench.running():
        bench.send(payload(1, workload()))
        bench.wait(lambda: bench.is_in(Phase.RUNNING))
        bench.disk.full = True
        (container,) = bench.runtime.list_containers()
        bench.runtime.crash(container.container_id)
        bench.wait(lambda: bench.is_in(Phase.BACKING_OFF))
        bench.clock.advance(10)
        bench.wait(lambda: bench.is_in(Phase.RUNNING))


def _has_answered(probes: FakeProbes, before: int) -> bool:
    return probes.asked > before


def _message(bench: Bench) -> str:
    found = bench.workload()
    return "" if found is None else found.message


def _runs(containers: tuple[ObservedContainer, ...]) -> bool:
    return [item.status.value for item in containers] == ["running"]
