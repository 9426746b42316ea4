"""The transport as one thing: the broker on one side, ingest and outbox on the other."""

from collections.abc import Sequence

from polyfleet_controller.services.health import ComponentHealth, IngestHealth, OutboxHealth
from polyfleet_controller.services.ingest import Ingest
from polyfleet_controller.services.outbox import Outbox
from polyfleet_controller.transport.connection import Connection
from polyfleet_controller.transport.ingest import IngestWorker
from polyfleet_controller.transport.messages import BrokerAddress, Confirmation, Received
from polyfleet_controller.transport.outbox import OutboxPublisher


class Exchange:
    """Runs until it is stopped, whatever the broker and the database do meanwhile."""

    def __init__(self, address: BrokerAddress, ingest: Ingest, outbox: Outbox) -> None:
        self._connection = Connection(address, self)
        self._outbox = OutboxPublisher(outbox, self._connection)
        self._ingest = IngestWorker(ingest, self._connection, on_change=self._outbox.wake)

    def start(self) -> None:
        """Begin, and return at once; the broker may be away."""
        self._ingest.start()
        self._outbox.start()
        self._connection.open()

    def stop(self) -> None:
        """Finish the batch at hand, tell the broker what is committed, disconnect."""
        self._outbox.stop()
        self._ingest.stop()
        self._connection.close()

    def wake(self) -> None:
        """Something was put into the outbox. Any thread may say so."""
        self._outbox.wake()

    def check_broker(self) -> ComponentHealth:
        trouble = self._connection.trouble
        return ComponentHealth(healthy=not trouble, message=trouble)

    def check_ingest(self) -> IngestHealth:
        return self._ingest.check()

    def check_outbox(self) -> OutboxHealth:
        return self._outbox.check()

    # -- what the connection tells

    def on_connected(self, *, session_present: bool) -> None:
        self._outbox.connect(session_present=session_present)

    def on_disconnected(self) -> None:
        self._outbox.disconnect()

    def on_received(self, received: Received) -> None:
        self._ingest.offer(received)

    def on_confirmed(self, confirmations: Sequence[Confirmation]) -> None:
        self._outbox.confirm(confirmations)

    def wants_more(self) -> bool:
        return self._ingest.has_room()
