"""A disk in memory: it outlives the agents that a test starts on it."""

from dataclasses import dataclass, field
from datetime import datetime

from polyfleet_agent.core.eventlog import EventLog, SpoolLimits
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.ports import Identity, Recovered, StateFailure
from polyfleet_shared.messages import Acknowledgement, Event
from polyfleet_shared.reasons import Reason


@dataclass
class MemoryDisk:
    """What survives a restart. `full` makes every write fail, `held` says that an agent uses it."""

    incarnations: int = 0
    boot: int = 0
    machine_id: str = ""
    desired: bytes | None = None
    records: bytes | None = None
    notices: list[str] = field(default_factory=list)
    spool: EventLog | None = None
    full: bool = False
    held: bool = False

    def write(self) -> None:
        """Fail if a write would.

        Raises:
            StateFailure: the disk is full.
        """
        if self.full:
            raise StateFailure(Reason.DISK_FULL, "memory: No space left on device")

    def tear_identity(self) -> None:
        """Damage the identity, as a power loss might."""
        self.boot = 0
        self.notices.append("memory/identity.json was torn: this device begins a new history")

    def tear_desired(self) -> None:
        """Damage the desired document and the copy before it."""
        self.desired = None
        self.notices.append("memory/desired.json was torn")

    def tear_records(self) -> None:
        """Damage what is remembered of releases, and the copy before it."""
        self.records = None
        self.notices.append("memory/releases.json was torn")


class MemoryState:
    """The state directory port on a MemoryDisk."""

    def __init__(self, disk: MemoryDisk | None = None, *, machine_id: str = "machine") -> None:
        self.disk = disk or MemoryDisk()
        self._machine_id = machine_id
        self._open = False

    def recover(self) -> Recovered:
        disk = self.disk
        if disk.held and not self._open:
            raise StateFailure(Reason.STATE_UNUSABLE, "memory is in use by another agent")
        disk.write()
        disk.held = self._open = True
        notices, disk.notices = disk.notices, []
        if disk.boot and disk.machine_id and self._machine_id and disk.machine_id != self._machine_id:
            notices.append("memory was copied from another machine: this device begins a new history")
            disk.boot = 0
        if disk.boot == 0:
            disk.incarnations += 1
        disk.boot += 1
        disk.machine_id = self._machine_id or disk.machine_id
        identity = Identity(incarnation=f"incarnation-{disk.incarnations}", boot=disk.boot)
        return Recovered(
            identity=identity, desired=disk.desired, notices=tuple(notices), records=disk.records
        )

    def save_desired(self, payload: bytes) -> None:
        self.disk.write()
        self.disk.desired = payload

    def save_records(self, payload: bytes) -> None:
        self.disk.write()
        self.disk.records = payload

    def close(self) -> None:
        if self._open:
            self.disk.held = self._open = False


class MemorySpool:
    """The spool port on a MemoryDisk."""

    def __init__(
        self, disk: MemoryDisk, incarnation: str, boot: int, *, limits: SpoolLimits | None = None
    ) -> None:
        self._disk = disk
        before = disk.spool
        disk.spool = self._log = EventLog(incarnation, boot, limits or SpoolLimits())
        if before is not None and before.incarnation == incarnation:
            self._continue(before)
        elif before is not None:
            self._log.count_drops(len(before.pending()))

    def append(self, happening: Happening, at: datetime) -> Event:
        try:
            self._disk.write()
        except StateFailure:
            self._log.count_drops(1)
            raise
        event = self._log.draw(happening, at)
        self._log.keep(event)
        if self._log.trim() or self._log.untold:
            self._log.keep(self._log.draw_drops(at))
            self._log.untold = 0
        return event

    def pending(self) -> tuple[Event, ...]:
        return self._log.pending()

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        if acknowledgement.incarnation == self._log.incarnation:
            self._log.forget(acknowledgement.seq)

    def _continue(self, before: EventLog) -> None:
        self._log.last = self._log.forgotten = before.forgotten
        self._log.dropped = before.dropped
        for event in before.pending():
            self._log.keep(event)
        self._log.last = before.last
