"""Whatever history of good and bad releases a device is given, it ends on the last good one.

Never do two of them run at once, unless they ask for it. `Device.tell` checks the invariants at every single
step, and its runtime what may run at once.
"""

from dataclasses import replace
from enum import StrEnum

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from polyfleet_agent.core.actions import CreateContainer
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import DesiredReceived, TransportConnected, Woken
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import EventKind, Phase
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, UpdateMethod
from simulation import Device, hint, image, payload, workload

VERSIONS = tuple("12345678")
UID = "w1"


class Flaw(StrEnum):
    """What can be wrong with a release, from the first start on and for ever."""

    LIE = "lie"
    CANNOT_START = "cannot start"
    ILLEGAL_INSTRUCTION = "illegal instruction"
    ENDS = "ends"


class DeviceOfHistories(RuleBasedStateMachine):
    """A device that is given one release after the other, and to which anything may happen meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.device = Device()
        self.device.tell(TransportConnected(connection=1))
        self.flaws: dict[str, Flaw | None] = {}
        self.sent: list[bytes] = []
        self.newest: DesiredWorkload | None = None
        # The releases that may be the last good one; where `certain`, one of them is.
        self.good: set[str] = set()
        self.certain = False
        self.unpullable: set[str] = set()

    @rule(
        version=st.sampled_from(VERSIONS),
        flaw=st.none() | st.sampled_from(Flaw),
        method=st.sampled_from(UpdateMethod),
        sides=st.integers(0, 1),
        ahead=st.lists(st.sampled_from(VERSIONS), max_size=2, unique=True),
    )
    def a_release_comes(
        self, version: str, flaw: Flaw | None, method: UpdateMethod, sides: int, ahead: list[str]
    ) -> None:
        self.unpullable.discard(image(version).child)
        self.device.unpullable.pop(image(version).child, None)
        if version not in self.flaws:
            self.flaws[version] = flaw
            self._spoil(version, flaw)
        wanted = workload(UID, version, method=method, sides=sides)
        self.newest = replace(wanted, prefetch=tuple(image(other) for other in ahead))
        if self.flaws[version] is None:
            self.good.add(version)
        self.sent.append(payload(len(self.sent) + 1, self.newest))
        self._receive(self.sent[-1])

    def _spoil(self, version: str, flaw: Flaw | None) -> None:
        config = image(version).config
        match flaw:
            case Flaw.LIE:
                self.device.lying.add(config)
            case Flaw.CANNOT_START:
                self.device.unstartable.add(config)
            case Flaw.ILLEGAL_INSTRUCTION:
                self.device.ending[config] = 132
            case Flaw.ENDS:
                self.device.ending[config] = 1
            case None:
                pass

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_document_comes_again(self, data: st.DataObject) -> None:
        self._receive(data.draw(st.sampled_from(self.sent)))

    @precondition(lambda self: self.device.pending)
    @rule(data=st.data())
    def any_action_is_answered(self, data: st.DataObject) -> None:
        self.device.answer(data.draw(st.integers(0, len(self.device.pending) - 1)))

    @rule(answers=st.integers(1, 12))
    def some_actions_are_answered(self, answers: int) -> None:
        for _ in range(min(answers, len(self.device.pending))):
            if self.device.pending:
                self.device.answer()

    @rule(seconds=st.sampled_from([0.5, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.device.now += seconds
        self.device.tell(Woken())

    @rule()
    def the_registry_loses_an_image_that_nobody_runs_yet(self) -> None:
        lost = {image(version).child for version in VERSIONS if version not in self.flaws}
        self.unpullable |= set(sorted(lost)[-1:])
        self.device.unpullable.update(dict.fromkeys(self.unpullable, Reason.IMAGE_NOT_FOUND))

    @precondition(lambda self: self.device.containers)
    @rule(data=st.data(), told=st.booleans())
    def somebody_removes_a_container(self, data: st.DataObject, *, told: bool) -> None:
        mains = [key for key, item in self.device.containers.items() if item.container]
        if mains:
            del self.device.containers[data.draw(st.sampled_from(sorted(mains)))]
        if told:
            hint(self.device)

    @rule(version=st.sampled_from(VERSIONS))
    def somebody_prunes_an_image(self, version: str) -> None:
        self.device.store.discard(image(version).child)

    @rule(up=st.booleans())
    def the_runtime_goes_or_comes(self, *, up: bool) -> None:
        self.device.runtime_up = up
        hint(self.device)

    @rule(late=st.booleans())
    def listings_show_the_past_or_the_present(self, *, late: bool) -> None:
        self.device.lists_late = late

    @rule(full=st.booleans())
    def the_disk_fills_or_empties(self, *, full: bool) -> None:
        self.device.disk_full = full

    @precondition(lambda self: any(isinstance(item, CreateContainer) for item in self.device.pending))
    @rule()
    def the_agent_is_killed_in_the_middle_of_a_creation(self) -> None:
        found = (at for at, item in enumerate(self.device.pending) if isinstance(item, CreateContainer))
        self.device.die_between_create_and_start(next(found))

    @rule()
    def the_agent_is_killed(self) -> None:
        self.device.kill()

    @rule()
    def the_machine_loses_power(self) -> None:
        self.device.reboot()

    @precondition(lambda self: self.newest is not None)
    @rule()
    def it_is_left_in_peace(self) -> None:
        device, newest = self.device, self.newest
        assert newest is not None
        device.runtime_up, device.disk_full, device.lists_late = True, False, False
        device.tell(TransportConnected(connection=2))
        hint(device)
        self._receive(self.sent[-1])
        device.settle(seconds=1200)
        running = self._running()
        [report] = device.reports[-1].workloads
        assert report.release == newest.release
        ahead = {item.child for item in newest.prefetch}
        assert ahead - self.unpullable <= set(report.prefetched) <= ahead
        assert device.state.prefetching is None
        if self.flaws[_version_of(newest)] is None:
            assert (report.phase, running) == (Phase.RUNNING, {_version_of(newest)})
            self.good, self.certain = running, True
        elif self.certain:
            assert report.phase is Phase.ROLLED_BACK
            assert report.reason is not None
            assert running <= self.good
            assert report.fallback == f"release-{next(iter(running))}"
            self.good = running

    def teardown(self) -> None:
        if self.newest is not None:
            self.it_is_left_in_peace()

    @invariant()
    def no_lie_ever_runs(self) -> None:
        assert not self.device.ran & self.device.lying

    @invariant()
    def every_return_is_told_with_a_reason(self) -> None:
        told = [item for item in self.device.happenings if item.kind is EventKind.ROLLED_BACK]
        assert all(item.reason is not None and "back to release-" in item.message for item in told)

    def _running(self) -> set[str]:
        configs = {
            item.image_id
            for item in self.device.containers.values()
            if item.status is ContainerStatus.RUNNING and item.container
        }
        return {version for version in VERSIONS if image(version).config in configs}

    def _receive(self, sent: bytes) -> None:
        self.device.tell(
            DesiredReceived(document=read_desired(sent, features=frozenset(Feature)), payload=sent)
        )


def _version_of(item: DesiredWorkload) -> str:
    return item.release.removeprefix("release-")


DeviceOfHistories.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestDeviceOfHistories = DeviceOfHistories.TestCase
