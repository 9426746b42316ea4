"""The one loop that joins the pure core with the world: takes events, carries out actions, keeps time."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never

from polyfleet_agent import executor
from polyfleet_agent.composer import FEATURES, Composer
from polyfleet_agent.core import machine
from polyfleet_agent.core.actions import (
    Action,
    CreateContainer,
    ListContainers,
    PublishInventory,
    PublishPresence,
    PublishReported,
    PublishTelemetry,
    PullImage,
    RecordEvent,
    RemoveContainer,
    ReplayEvents,
    RunProbe,
    SaveDesired,
    SaveRecords,
    StartContainer,
    Step,
    StopContainer,
)
from polyfleet_agent.core.backoff import delay
from polyfleet_agent.core.events import (
    AgentEvent,
    ContainersNotListed,
    DesiredReceived,
    DesiredRefused,
    InventoryChanged,
    ProbeAnswered,
    PullFailed,
    RuntimeChanged,
    StepFailed,
    TransportConnected,
    TransportDisconnected,
    Woken,
)
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.memory import Record
from polyfleet_agent.core.report import is_news, report
from polyfleet_agent.core.state import Settings
from polyfleet_agent.lanes import Lane
from polyfleet_agent.ports import (
    Connected,
    Disconnected,
    Received,
    RuntimeFailure,
    StateFailure,
    TransportEvent,
    World,
)
from polyfleet_shared.desired import DesiredDocument, read_desired
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.messages import Acknowledgement, EventKind
from polyfleet_shared.reasons import Reason, explain
from polyfleet_shared.topics import Channel
from polyfleet_shared.wire import decode_message, encode_message

_LOG: Final = logging.getLogger(__name__)
_REPLAYED_AT_ONCE: Final = 500  # events; the oldest are acknowledged first
_PATIENCE: Final = 5.0  # seconds: the longest wait of the loop, so that the watchdog is fed in time


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the runner shows of itself after each event, for the status file."""

    connected: bool
    problem: str
    published: PublishReported


class _Stop:
    """Asks the loop to end."""


_Item = AgentEvent | Acknowledgement | Disconnected | _Stop


Work = Callable[[], None]


class Runner:
    """Owns the loop, the lanes and the watch. `show` is called whenever the view may have changed."""

    def __init__(
        self, world: World, composer: Composer, settings: Settings, show: Callable[[View], None]
    ) -> None:
        self._world = world
        self._composer = composer
        self._settings = settings
        self._show = show
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._listing = Lane("list", 1)
        self._pulls = Lane("pull", 4)
        self._steps = Lane("step", 8)
        self._probes = Lane("probe", settings.probes_at_once)
        self._shown: View | None = None
        self._problem = "not connected yet"
        self._connection = 1
        self._podman_version = ""
        self._replayed = 0

    def stop(self) -> None:
        """End the loop soon. Safe from a signal handler and from any thread."""
        self._stopping.set()
        self._inbox.put(_Stop())

    def run(
        self,
        desired: DesiredDocument | None,
        notices: tuple[str, ...],
        recorded: Mapping[str, Record] | None = None,
    ) -> None:
        """Run until `stop`, with what the disk knows. Containers keep running after it."""
        self._state = machine.start(self._settings, desired, recorded)
        self._record(Happening(kind=EventKind.AGENT_STARTED, message="; ".join(notices)))
        self._world.transport.open(self._deliver, self._make_will)
        watch = threading.Thread(target=self._watch, name="watch", daemon=True)
        watch.start()
        self._world.supervisor.ready()
        self._handle(Woken())
        try:
            self._loop()
        finally:
            self._world.supervisor.stopping()
            self._stopping.set()
            farewell = self._composer.presence(self._connection, self._world.clock.now(), online=False)
            self._world.transport.close(farewell)

    # -- the loop

    def _loop(self) -> None:
        while not self._stopping.is_set():
            patience = min(_PATIENCE, (self._world.supervisor.watchdog_interval or _PATIENCE) / 2)
            wait = machine.next_wake(self._state) - self._world.clock.monotonic()
            item = self._next_item(max(0.0, min(wait, patience)))
            self._world.supervisor.alive()
            match item:
                case _Stop():
                    return
                case Acknowledgement():
                    self._world.spool.acknowledge(item)
                case Disconnected():
                    self._note_disconnection(item)
                    self._handle(TransportDisconnected())
                case _:
                    self._handle(item)

    def _next_item(self, wait: float) -> _Item:
        try:
            return self._inbox.get(timeout=wait)
        except queue.Empty:
            return Woken()

    def _handle(self, event: AgentEvent) -> None:
        if isinstance(event, TransportConnected):
            _LOG.info("connected to the broker")
            self._problem, self._connection = "", event.connection
        before = self._state
        transition = machine.react(before, event, self._world.clock.monotonic())
        self._state = transition.state
        for action in transition.actions:
            self._carry_out(action)
        if transition.state is not before:
            self._show_changes(transition.actions)

    def _show_changes(self, actions: tuple[Action, ...]) -> None:
        """Probes come and go by the second, and most of them change nothing that anybody reads."""
        view = self._view()
        known, self._shown = self._shown, view
        quiet = all(isinstance(action, RunProbe) for action in actions)
        if known is None or not quiet or _is_news(known, view):
            self._show(view)

    def _view(self) -> View:
        published = report(self._state, self._world.clock.monotonic())
        return View(connected=self._state.connection is not None, problem=self._problem, published=published)

    def _note_disconnection(self, event: Disconnected) -> None:
        if event.cause != self._problem:
            _LOG.warning("no connection to the broker: %s; trying again", event.cause)
        self._problem = event.cause

    # -- actions

    def _carry_out(self, action: Action) -> None:  # noqa: C901, PLR0912 - the table of actions
        world, publish = self._world, self._world.transport.publish
        match action:
            case SaveDesired():
                self._inbox.put(executor.save_desired(world, action))
            case SaveRecords():
                self._inbox.put(executor.save_records(world, action))
            case ListContainers():
                self._listing.submit(self._listing_work(action))
            case PullImage():
                self._pulls.submit(self._pull_work(action))
            case CreateContainer() | StartContainer() | StopContainer() | RemoveContainer():
                self._steps.submit(self._step_work(action))
            case RunProbe():
                self._probes.submit(self._probe_work(action))
            case PublishPresence(connection=connection):
                now = world.clock.now()
                publish(Channel.PRESENCE, self._composer.presence(connection, now, online=True))
            case PublishInventory():
                publish(Channel.INVENTORY, self._inventory())
            case PublishReported():
                publish(Channel.REPORTED, self._composer.reported(action))
            case PublishTelemetry():
                usage = world.host.usage()
                publish(Channel.TELEMETRY, self._composer.telemetry(usage, world.clock.now()))
            case ReplayEvents(overdue_only=overdue_only):
                self._replay(overdue_only=overdue_only)
            case RecordEvent(happening=happening):
                self._record(happening)
            case _:
                assert_never(action)

    def _replay(self, *, overdue_only: bool) -> None:
        pending = self._world.spool.pending()
        overdue = [event for event in pending if event.stamp.seq <= self._replayed][:_REPLAYED_AT_ONCE]
        for event in overdue if overdue_only else pending:
            self._world.transport.publish(Channel.EVENT, encode_message(event))
        # What is published from now on has until the next replay to be acknowledged.
        self._replayed = pending[-1].stamp.seq if pending else 0

    def _inventory(self) -> bytes:
        host = self._world.host
        return self._composer.inventory(host.platform(), host.facts(self._podman_version))

    def _record(self, happening: Happening) -> None:
        happening = replace(happening, message=executor.shorten(happening.message))
        _log_happening(happening)
        try:
            event = self._world.spool.append(happening, self._world.clock.now())
        except StateFailure as failure:
            _LOG.error("event not kept: %s", failure)
            return
        self._world.transport.publish(Channel.EVENT, encode_message(event))

    # -- slow work, on the lanes; whatever goes wrong there becomes an event

    def _listing_work(self, action: ListContainers) -> Work:
        def failed(message: str) -> AgentEvent:
            reason = Reason.PODMAN_UNAVAILABLE
            return ContainersNotListed(number=action.number, reason=reason, message=message)

        return self._guard(lambda: executor.list_containers(self._world, action), failed)

    def _pull_work(self, action: PullImage) -> Work:
        def failed(message: str) -> AgentEvent:
            child, reason = action.image.child, Reason.START_FAILED
            return PullFailed(uid=action.uid, child=child, reason=reason, message=message)

        return self._guard(lambda: executor.pull_image(self._world, action, self._inbox.put), failed)

    def _step_work(self, step: Step) -> Work:
        def failed(message: str) -> AgentEvent:
            return StepFailed(uid=step.uid, reason=Reason.START_FAILED, message=message)

        return self._guard(lambda: executor.take_step(self._world, step), failed)

    def _probe_work(self, action: RunProbe) -> Work:
        def failed(message: str) -> AgentEvent:
            return ProbeAnswered(number=action.number, answer=Answer(succeeded=None, message=message))

        return self._guard(lambda: executor.run_probe(self._world, action), failed)

    def _guard(self, work: Callable[[], AgentEvent], failed: Callable[[str], AgentEvent]) -> Work:
        """Turn work into something a lane can run: its answer, or its unexpected end, reaches the core."""

        def run() -> None:
            try:
                event = work()
            except Exception as error:  # noqa: BLE001 - the loop must learn of it, whatever it is
                _LOG.exception("an error in the agent itself")
                event = failed(executor.shorten(f"{type(error).__name__} in the agent itself: {error}"))
            self._inbox.put(event)

        return run

    def _watch(self) -> None:
        """Pass on the runtime's hints. What is wrong with it, the listing that follows tells, once."""
        failures = 0
        while not self._stopping.is_set():
            try:
                for _ in self._world.runtime.watch(self._stopping.is_set):
                    failures = 0
                    self._note_podman()
                    self._inbox.put(RuntimeChanged())
            except RuntimeFailure as failure:
                _LOG.debug("the watch ended: %s", failure)
                failures += 1
            except Exception:  # noqa: BLE001 - without a watch the agent would be blind
                _LOG.exception("an error in the agent itself")
                failures += 1
            self._inbox.put(RuntimeChanged())
            self._stopping.wait(delay(max(1, failures), seed=f"{self._settings.device}/watch"))

    def _note_podman(self) -> None:
        if not self._podman_version:
            try:
                self._podman_version = self._world.runtime.version()
            except RuntimeFailure:
                return
            self._inbox.put(InventoryChanged())

    # -- what the transport delivers, on its thread

    def _make_will(self, connection: int) -> bytes:
        return self._composer.presence(connection, self._world.clock.now(), online=False)

    def _deliver(self, event: TransportEvent) -> None:
        match event:
            case Connected(connection=connection):
                self._inbox.put(TransportConnected(connection=connection))
            case Disconnected():
                self._inbox.put(event)
            case Received(channel=Channel.DESIRED, payload=payload):
                if payload:  # an absent document is no news
                    self._inbox.put(_read_desired(payload))
            case Received(channel=Channel.ACK, payload=payload):
                self._read_acknowledgement(payload)
            case Received(channel=channel):
                _LOG.warning("a message on %s is not for a device", channel)
            case _:
                assert_never(event)

    def _read_acknowledgement(self, payload: bytes) -> None:
        try:
            self._inbox.put(decode_message(Acknowledgement, payload))
        except DecodeError as error:
            _LOG.warning("an acknowledgement is unreadable: %s", error)


def _read_desired(payload: bytes) -> AgentEvent:
    try:
        return DesiredReceived(document=read_desired(payload, features=FEATURES), payload=payload)
    except DecodeError as error:
        return DesiredRefused(message=executor.shorten(str(error)))


def _is_news(before: View, after: View) -> bool:
    linked = (before.connected, before.problem) == (after.connected, after.problem)
    return not linked or is_news(before.published, after.published)


def _log_happening(happening: Happening) -> None:
    words = [happening.kind.value.replace("_", " ")]
    if happening.workload is not None:
        words.append(f"[workload {happening.workload}]")
    if happening.message:
        words.append(happening.message)
    if happening.reason is None:
        _LOG.info(" ".join(words))
        return
    explanation = explain(happening.reason)
    _LOG.warning(
        "%s (%s) %s %s", " ".join(words), happening.reason, explanation.sentence, explanation.next_step
    )
