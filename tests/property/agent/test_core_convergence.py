"""Whatever order events come in, whatever is lost, repeated or restarted: the core ends where it should.

The invariants are checked by `Device.tell` at every single step.
"""

from dataclasses import replace

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from polyfleet_agent.core.actions import CreateContainer
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.events import (
    DesiredReceived,
    DesiredRefused,
    StepSucceeded,
    TransportConnected,
    TransportDisconnected,
    Woken,
)
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.memory import read_memory
from polyfleet_agent.core.state import Settings
from polyfleet_shared.desired import DesiredDocument, read_desired
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, RestartPolicy, UpdateMethod
from simulation import Device, asks, hint, image, payload, workload

UIDS = ("w1", "w2", "w3")
VERSIONS = ("1", "2", "3")

ASKED = ("started", "alive", "ready")


def with_probes(item: DesiredWorkload, asked: set[str]) -> DesiredWorkload:
    """Probes of its first container; rare ones, so that a device comes to rest between them."""
    probes = {about: replace(asks(about), period_seconds=100, failure_threshold=1) for about in asked}
    main = replace(
        item.containers[0],
        startup_probe=probes.get("started"),
        liveness_probe=probes.get("alive"),
        readiness_probe=probes.get("ready"),
    )
    return replace(item, containers=(main, *item.containers[1:]))


desired_workloads = st.lists(
    st.builds(
        with_probes,
        st.builds(
            workload,
            uid=st.sampled_from(UIDS),
            version=st.sampled_from(VERSIONS),
            policy=st.sampled_from(RestartPolicy),
            method=st.sampled_from(UpdateMethod),
            sides=st.integers(0, 2),
            inits=st.integers(0, 2),
        ),
        st.sets(st.sampled_from(ASKED)),
    ),
    max_size=3,
    unique_by=lambda item: item.uid,
)


class AgentUnderFire(RuleBasedStateMachine):
    """A device to which anything may happen; at the end it is left in peace and must converge."""

    def __init__(self) -> None:
        super().__init__()
        self.device = Device(settings=Settings(device="dev-1", probes_at_once=2))
        self.device.tell(Woken())
        self.generation = 0
        self.sent: list[bytes] = []
        self.connection = 0

    @rule(wanted=desired_workloads)
    def the_controller_publishes(self, wanted: list[DesiredWorkload]) -> None:
        self.generation += 1
        self.sent.append(payload(self.generation, *wanted))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def any_document_arrives(self, data: st.DataObject) -> None:
        self._receive(data.draw(st.sampled_from(self.sent)))

    @rule()
    def an_unreadable_document_arrives(self) -> None:
        self.device.tell(DesiredRefused(message="document: missing"))

    @precondition(lambda self: self.device.pending)
    @rule(data=st.data())
    def any_action_is_answered(self, data: st.DataObject) -> None:
        self.device.answer(data.draw(st.integers(0, len(self.device.pending) - 1)))

    @precondition(lambda self: self.device.pending)
    @rule()
    def the_first_action_is_answered(self) -> None:
        self.device.answer()

    @precondition(lambda self: self.device.containers)
    @rule(
        data=st.data(),
        exit_code=st.sampled_from([0, 1, 132, 137, 139]),
        output=st.sampled_from([None, b"", b"exec format error"]),
        told=st.booleans(),
    )
    def a_container_ends(
        self, data: st.DataObject, exit_code: int, output: bytes | None, *, told: bool
    ) -> None:
        container_id = data.draw(st.sampled_from(sorted(self.device.containers)))
        if self.device.containers[container_id].status is ContainerStatus.RUNNING:
            self.device.crash(container_id, exit_code, output)
        if told:
            hint(self.device)

    @precondition(lambda self: self.device.containers)
    @rule(data=st.data(), told=st.booleans())
    def somebody_removes_a_container(self, data: st.DataObject, *, told: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.device.containers)))
        assume(self.device.containers[key].kind is not ContainerKind.INFRA)  # Podman refuses that
        del self.device.containers[key]
        if told:
            hint(self.device)

    @precondition(lambda self: self.device.containers)
    @rule(data=st.data())
    def a_container_breaks(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.device.containers)))
        item = self.device.containers[key]
        self.device.containers[key] = ObservedContainer(
            container_id=item.container_id,
            uid=item.uid,
            release=item.release,
            container=item.container,
            spec_hash=item.spec_hash,
            status=ContainerStatus.BROKEN,
            image_id=item.image_id,
            kind=item.kind,
        )
        hint(self.device)

    @rule(exit_code=st.sampled_from([0, 0, 1]))
    def init_containers_end_well_or_not(self, exit_code: int) -> None:
        self.device.init_exit_code = exit_code

    @rule(version=st.sampled_from(VERSIONS))
    def somebody_prunes_an_image(self, version: str) -> None:
        self.device.store.discard(image(version).child)

    @rule(
        version=st.sampled_from(VERSIONS),
        reason=st.sampled_from([None, Reason.REGISTRY_UNREACHABLE, Reason.DIGEST_MISMATCH]),
    )
    def the_registry_changes(self, version: str, reason: Reason | None) -> None:
        child = image(version).child
        if reason is None:
            self.device.unpullable.pop(child, None)
        else:
            self.device.unpullable[child] = reason

    @rule(version=st.sampled_from(VERSIONS), broken=st.booleans())
    def an_image_can_or_cannot_start(self, version: str, *, broken: bool) -> None:
        config = image(version).config
        (self.device.unstartable.add if broken else self.device.unstartable.discard)(config)

    @rule(version=st.sampled_from(VERSIONS))
    def an_image_turns_out_to_be_a_lie(self, version: str) -> None:
        config = image(version).config
        if config not in self.device.ran:  # what ran was no lie
            self.device.lying.add(config)

    @precondition(lambda self: any(isinstance(item, CreateContainer) for item in self.device.pending))
    @rule()
    def the_agent_is_killed_in_the_middle_of_a_creation(self) -> None:
        found = (at for at, item in enumerate(self.device.pending) if isinstance(item, CreateContainer))
        self.device.die_between_create_and_start(next(found))

    @invariant()
    def no_lie_ever_runs(self) -> None:
        assert not self.device.ran & self.device.lying

    @rule(about=st.sampled_from(ASKED), succeeded=st.sampled_from([None, True, False]))
    def programs_answer_their_probes_otherwise(self, about: str, *, succeeded: bool | None) -> None:
        self.device.answers[about] = Answer(succeeded=succeeded, message="answered 503")

    @rule(up=st.booleans())
    def the_runtime_goes_or_comes(self, *, up: bool) -> None:
        self.device.runtime_up = up
        hint(self.device)

    @rule(late=st.booleans())
    def listings_show_the_past_or_the_present(self, *, late: bool) -> None:
        self.device.lists_late = late

    @rule(stuck=st.booleans())
    def containers_can_or_cannot_be_removed(self, *, stuck: bool) -> None:
        self.device.unremovable = stuck

    @rule(full=st.booleans())
    def the_disk_fills_or_empties(self, *, full: bool) -> None:
        self.device.disk_full = full

    @rule(up=st.booleans())
    def the_connection_goes_or_comes(self, *, up: bool) -> None:
        if up:
            self.connection += 1
            self.device.tell(TransportConnected(connection=self.connection))
        else:
            self.device.tell(TransportDisconnected())

    @rule(uid=st.sampled_from(UIDS))
    def an_answer_comes_that_nobody_waits_for(self, uid: str) -> None:
        waited_for = {getattr(action, "uid", None) for action in self.device.pending}
        if uid not in waited_for:
            self.device.tell(StepSucceeded(uid=uid))

    @rule()
    def the_agent_is_killed(self) -> None:
        self.device.kill()

    @rule()
    def the_machine_loses_power(self) -> None:
        self.device.reboot()

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.device.now += seconds
        self.device.tell(Woken())

    def teardown(self) -> None:
        device = self.device
        device.runtime_up, device.disk_full, device.unremovable = True, False, False
        device.lists_late = False
        device.init_exit_code = 0
        device.answers.clear()
        # What happened last may have been shown to nobody: the watch that stands again hints at it.
        hint(device)
        device.unpullable.clear()
        device.unstartable.clear()
        self.connection += 1
        device.tell(TransportConnected(connection=self.connection))
        if not self.sent:
            return
        newest = read_desired(self.sent[-1], features=frozenset())
        self._receive(self.sent[-1])
        device.settle()
        self.no_lie_ever_runs()
        _assert_converged(device, newest)

    def _receive(self, document: bytes) -> None:
        read = read_desired(document, features=frozenset())
        self.device.tell(DesiredReceived(document=read, payload=document))


def _assert_converged(device: Device, wanted: DesiredDocument) -> None:
    """Everything runs as wanted, or as before where that failed the gate, or has ended, or is a lie."""
    last = device.reports[-1]
    assert last.observed == wanted.version
    assert last.conditions == ()
    reports = {item.uid: item for item in last.workloads}
    assert reports.keys() == wanted.uids
    for item in wanted.workloads:
        known, report = device.state.workloads[item.uid], reports[item.uid]
        assert (report.phase is Phase.ROLLED_BACK) == (known.failure is not None)
        if known.failure is None:
            _assert_runs(device, item, report.phase)
            continue
        good = known.record.good
        assert good is not None
        assert known.failure.spec_hash == item.spec_hash
        assert (report.reason, report.release) == (known.failure.reason, item.release)
        assert [one.child for one in report.containers if one.child is not None] == []
        _assert_runs(device, good, known.phase)
        assert report.fallback == (good.release if known.phase is Phase.RUNNING else "")
    assert {one.uid for one in device.containers.values()} <= wanted.uids
    assert device.records is None or read_memory(device.records).records.keys() <= wanted.uids


def _assert_runs(device: Device, item: DesiredWorkload, phase: Phase) -> None:
    config = item.containers[0].image.config
    ours = [one for one in device.containers.values() if one.uid == item.uid]
    mine = [one for one in ours if one.kind is not ContainerKind.INFRA]
    if config in device.lying:
        assert phase is Phase.FAILED
        assert not [one for one in mine if one.image_id == config]
        return
    if item.restart_policy is RestartPolicy.ALWAYS:
        assert phase is Phase.RUNNING
    current = [one for one in mine if one.spec_hash == item.spec_hash]
    mains = [one for one in current if one.kind is ContainerKind.MAIN]
    if phase is Phase.RUNNING:
        assert mine == current
        assert [one for one in mains if one.status is ContainerStatus.RUNNING]
        assert [one for one in mains if one.status is not ContainerStatus.RUNNING and one.exit_code] == []
    else:
        assert phase in {Phase.COMPLETED, Phase.FAILED}
    if item.restart_policy is RestartPolicy.ALWAYS:
        assert {one.status for one in mains} == {ContainerStatus.RUNNING}
    if phase is not Phase.FAILED:
        assert sorted(one.container for one in mains) == sorted(one.name for one in item.containers)
    assert {one.image_id for one in current} == {config}
    _assert_infra_fits(ours, item)


def _assert_infra_fits(ours: list[ObservedContainer], item: DesiredWorkload) -> None:
    """A pod has one infra container, which runs if anything of it does."""
    infra = [one for one in ours if one.kind is ContainerKind.INFRA and one.spec_hash == item.spec_hash]
    assert len(infra) <= item.is_pod
    if item.is_pod and any(one.status is ContainerStatus.RUNNING for one in ours if one not in infra):
        assert [one.status for one in infra] == [ContainerStatus.RUNNING]


AgentUnderFire.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAgentUnderFire = AgentUnderFire.TestCase
