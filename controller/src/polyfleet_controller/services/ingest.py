"""What devices send, committed by the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.services.arrivals import Arrival, Read, Unreadable, read_arrival
from polyfleet_controller.services.history import count_events, find_fresh, keep
from polyfleet_controller.services.intake import Intake, fold
from polyfleet_controller.services.knowledge import Facts, Knowledge
from polyfleet_controller.services.labelling import count_labels, find_facts, find_moved
from polyfleet_controller.services.lives import renew_lives
from polyfleet_controller.services.refusals import Refusal, note_refusals
from polyfleet_controller.services.settlement import Change, Settled, settle
from polyfleet_controller.store.contents import save_platform_sets
from polyfleet_controller.store.database import Connection, Database, transaction_number
from polyfleet_controller.store.devices import load_tombstones
from polyfleet_controller.store.lives import Life, attach_lives, delete_lives, save_lives
from polyfleet_controller.store.messages import save_inventories, save_reports, save_telemetry
from polyfleet_shared.messages import Acknowledgement, Event, Presence

__all__ = ["Arrival", "Ingest", "Outcome", "Refusal"]

_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a committed batch asks for.

    Each acknowledgement goes to the device beside it. `refusals` are those that were not refused alike
    before. `outbox_changed` if something is to be published now.
    """

    acknowledgements: tuple[tuple[str, Acknowledgement], ...]
    refusals: tuple[Refusal, ...]
    outbox_changed: bool


class Ingest:
    """Takes messages in the order in which the broker sent them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # What was refused and belongs to no device: the latest, oldest first.
        self._told: dict[Refusal, None] = {}
        self._knowledge = Knowledge()

    def apply(self, batch: Sequence[Arrival]) -> Outcome:
        """Commit a batch, in one transaction and in a number of statements that does not grow with it.

        A message that cannot be read is refused, and delays nothing else.

        Raises:
            StoreError: nothing was committed; try the same batch again.
            UnstorableError: nothing was committed; the database does not take what is in it.
        """
        reads = [read for arrival in batch if (read := read_arrival(arrival)) is not None]
        if not reads:
            return Outcome(acknowledgements=(), refusals=(), outbox_changed=False)
        with self._database.begin() as connection:
            number = transaction_number(connection)
            self._knowledge.begin(connection)
            committed = _commit(connection, reads, self._knowledge)
        if committed.others_changed:
            self._knowledge.forget()
        else:
            self._knowledge.keep(committed.facts, number=number)
        outcome = committed.outcome
        return replace(outcome, refusals=self._tell_once(outcome.refusals))

    def _tell_once(self, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
        told = tuple(item for item in refusals if item not in self._told)
        self._told.update({item: None for item in told if item.device is None})
        for oldest in list(self._told)[: max(0, len(self._told) - _REMEMBERED)]:
            del self._told[oldest]
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Committed:
    """A batch as it is once its transaction is committed; `others_changed` if facts are not all of it."""

    outcome: Outcome
    facts: Facts
    others_changed: bool


def _commit(connection: Connection, reads: Sequence[Read], knowledge: Knowledge) -> _Committed:
    now = max(read.received_at for read in reads)
    names = {read.device for read in reads if read.device is not None}
    known = knowledge.find_devices(connection, names)
    lives = knowledge.find_lives(connection, _find_concerned(reads, known))
    known |= {name: attach_lives(known[name], found) for name, found in lives.items()}
    unknown = names - known.keys()
    intake = fold(reads, known, load_tombstones(connection, unknown) if unknown else frozenset())
    fresh = count_events(intake.devices, find_fresh(intake.events, lives))
    settled = _save(connection, known, intake, knowledge, now)

    renewed = _renew_lives(intake, known, lives, now)
    history = keep(connection, intake.events, fresh, renewed)
    lives_after = _merge(renewed, history.lives)
    _save_lives(connection, lives, lives_after)
    unreadable = [read for read in reads if isinstance(read, Unreadable)]
    outcome = Outcome(
        acknowledgements=history.acknowledgements,
        refusals=note_refusals(connection, unreadable, intake.devices),
        outbox_changed=settled.outbox_changed,
    )
    facts = Facts(devices=settled.devices, lives=lives_after, assignments=settled.assignments)
    return _Committed(outcome=outcome, facts=facts, others_changed=settled.others_changed)


def _find_concerned(reads: Sequence[Read], known: Mapping[str, Device]) -> set[str]:
    """The devices from which came an event, or anything that is not of the life in force."""
    names: set[str] = set()
    for read in reads:
        device = None if read.device is None else known.get(read.device)
        if device is not None and _concerns_lives(read, device):
            names.add(device.name)
    return names


def _concerns_lives(read: Read, device: Device) -> bool:
    if isinstance(read, Unreadable):
        return read.stamp is not None
    message = read.message
    if isinstance(message, Event):
        return True
    incarnation = message.incarnation if isinstance(message, Presence) else message.stamp.incarnation
    return incarnation != device.lives.current


def _save(
    connection: Connection,
    known: Mapping[str, Device],
    intake: Intake,
    knowledge: Knowledge,
    now: datetime,
) -> Settled:
    save_platform_sets(connection, {item.inventory.platforms for item in intake.inventories.values()})
    labels = count_labels(connection, intake.inventories)
    facts = find_facts(intake.inventories, labels)
    moved = find_moved(connection, facts)
    reports = {name: stored.report for name, stored in intake.reports.items()}
    changes = [
        Change(
            before=known.get(name),
            after=device,
            report=reports.get(name),
            derive=name in moved,
            facts=facts.get(name),
        )
        for name, device in intake.devices.items()
    ]
    settled = settle(connection, changes, now=now, find_assignments=knowledge.find_assignments)
    save_inventories(connection, list(intake.inventories.values()), labels)
    save_reports(connection, list(intake.reports.values()))
    save_telemetry(connection, intake.telemetry)
    return settled


def _renew_lives(
    intake: Intake, known: Mapping[str, Device], lives: Mapping[str, Mapping[str, Life]], now: datetime
) -> dict[str, dict[str, Life]]:
    """The lives of all devices that were looked up for them, or are new."""
    return {
        name: renew_lives(lives.get(name, {}), device.lives, now=now)
        for name, device in intake.devices.items()
        if name in lives or name not in known
    }


def _merge(
    renewed: Mapping[str, Mapping[str, Life]], acknowledged: Mapping[str, Sequence[Life]]
) -> dict[str, dict[str, Life]]:
    return {
        name: {**found, **{life.incarnation: life for life in acknowledged.get(name, ())}}
        for name, found in renewed.items()
    }


def _save_lives(
    connection: Connection, before: Mapping[str, Mapping[str, Life]], after: Mapping[str, Mapping[str, Life]]
) -> None:
    none: Mapping[str, Life] = {}
    save_lives(
        connection,
        {
            name: [life for key, life in found.items() if before.get(name, none).get(key) != life]
            for name, found in after.items()
        },
    )
    gone = [(name, key) for name, found in before.items() for key in found if key not in after[name]]
    delete_lives(connection, gone)
