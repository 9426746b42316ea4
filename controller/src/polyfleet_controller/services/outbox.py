"""What is to be published to devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from polyfleet_controller.domain.documents import Content, render
from polyfleet_controller.store.contents import load_contents
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.epochs import load_epoch
from polyfleet_controller.store.outbox import Waiting, finish, load_due, send_all_desired
from polyfleet_shared.topics import DELIVERY, Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message to publish; an empty `payload` with `retain` clears the topic."""

    id: int
    device: str
    channel: Channel
    payload: bytes
    retain: bool


class Outbox:
    """Messages wait here from the transaction that caused them until the broker has them.

    Of a device's documents only the newest ever waits. Whoever publishes keeps in mind what is under way:
    a message stays pending until it is delivered.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, limit: int, *, now: datetime) -> tuple[OutboxMessage, ...]:
        """What is due, oldest first.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            waiting = load_due(connection, limit=limit, now=now)
            contents = load_contents(connection, {item.digest for item in waiting if item.digest is not None})
            epoch = load_epoch(connection)
        return tuple(
            OutboxMessage(
                id=item.id,
                device=item.device,
                channel=item.channel,
                payload=b"" if item.clears else _render(item, contents, epoch),
                retain=DELIVERY[item.channel].retain,
            )
            for item in waiting
        )

    def delivered(self, ids: Sequence[int], *, now: datetime) -> None:
        """The broker has confirmed these; one that was replaced in the meantime counts for nothing.

        Raises:
            StoreError: the database does not answer; they stay pending.
        """
        if ids:
            with self._database.begin() as connection:
                finish(connection, ids, now=now)

    def republish_all(self, *, now: datetime) -> None:
        """The broker lost what it kept for us: send every document again.

        Raises:
            StoreError: the database does not answer; call again.
        """
        with self._database.begin() as connection:
            send_all_desired(connection, now=now)


def _render(waiting: Waiting, contents: dict[str, Content], epoch: int) -> bytes:
    return render(contents[waiting.digest or ""], epoch=epoch, generation=waiting.generation or 0)
