"""How the controller is, as its parts tell it."""

from polyfleet_controller.server.rounds import Rounds
from polyfleet_controller.services.health import ComponentHealth, Health
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.errors import StoreError
from polyfleet_controller.transport.exchange import Exchange


class Monitor:
    """Answers for the API's `GET /v1/health`, and for systemd's status line."""

    def __init__(
        self, database: Database, exchange: Exchange, *, resolver: Rounds, scheduler: Rounds, rollouts: Rounds
    ) -> None:
        self._database = database
        self._exchange = exchange
        self._resolver = resolver
        self._scheduler = scheduler
        self._rollouts = rollouts

    def check(self) -> Health:
        """Look now, with one small question to the database."""
        database = self._check_database()
        broker = self._exchange.check_broker()
        ingest = self._exchange.check_ingest()
        outbox = self._exchange.check_outbox()
        resolver = self._resolver.check()
        scheduler = self._scheduler.check()
        rollouts = self._rollouts.check()
        parts = (database, broker, ingest, outbox, resolver, scheduler, rollouts)
        return Health(
            healthy=all(part.healthy for part in parts),
            database=database,
            broker=broker,
            ingest=ingest,
            outbox=outbox,
            resolver=resolver,
            scheduler=scheduler,
            rollouts=rollouts,
        )

    def describe(self) -> str:
        """One line, without asking the database."""
        parts = (self._exchange.check_broker(), self._exchange.check_ingest(), self._exchange.check_outbox())
        troubles = [part.message for part in parts if not part.healthy]
        ingest = self._exchange.check_ingest()
        return troubles[0] if troubles else f"{ingest.committed} messages taken, {ingest.queued} waiting"

    def _check_database(self) -> ComponentHealth:
        try:
            self._database.check()
        except StoreError as error:
            return ComponentHealth(healthy=False, message=str(error))
        return ComponentHealth(healthy=True)
