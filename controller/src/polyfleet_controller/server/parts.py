"""The parts of a running controller, put together."""

from datetime import UTC, datetime, timedelta

from fastapi import FastAPI

from polyfleet_controller.api.app import create_app
from polyfleet_controller.api.routes import Services
from polyfleet_controller.server.monitor import Monitor
from polyfleet_controller.server.resolver import make_resolver
from polyfleet_controller.server.rollouts import make_rollout_rounds
from polyfleet_controller.server.scheduler import make_scheduler
from polyfleet_controller.services.devices import Devices
from polyfleet_controller.services.events import Events
from polyfleet_controller.services.ingest import Ingest
from polyfleet_controller.services.marks import Marks
from polyfleet_controller.services.moved_tags import MovedTags
from polyfleet_controller.services.outbox import Outbox
from polyfleet_controller.services.placement_reasons import PlacementReasons
from polyfleet_controller.services.ports import Registry
from polyfleet_controller.services.preflight import Preflights
from polyfleet_controller.services.release_history import ReleaseHistory
from polyfleet_controller.services.releases import Releases
from polyfleet_controller.services.rescheduling import Rescheduling
from polyfleet_controller.services.rollouts import Rollouts
from polyfleet_controller.services.workloads import Workloads
from polyfleet_controller.store.database import Database
from polyfleet_controller.transport.exchange import Exchange
from polyfleet_controller.transport.messages import BrokerAddress


class Parts:
    """Everything but the broker and the HTTP server, on a database whose schema is up to date."""

    def __init__(
        self, database: Database, broker: BrokerAddress, registry: Registry, *, tag_interval: timedelta
    ) -> None:
        self._exchange = Exchange(broker, Ingest(database), Outbox(database))
        wake = self._exchange.wake
        releases = Releases(database, registry, wake)
        moved_tags = MovedTags(database, registry, wake, interval=tag_interval)
        rollouts = Rollouts(database, wake)
        self._resolver = make_resolver(releases, moved_tags, _now)
        self._scheduler = make_scheduler(Rescheduling(database, wake), _now)
        self._rollouts = make_rollout_rounds(rollouts, _now)
        self.monitor = Monitor(
            database,
            self._exchange,
            resolver=self._resolver,
            scheduler=self._scheduler,
            rollouts=self._rollouts,
        )
        self._services = Services(
            devices=Devices(database, wake),
            marks=Marks(database, wake),
            events=Events(database),
            workloads=Workloads(database, registry, wake),
            releases=releases,
            rollouts=rollouts,
            release_history=ReleaseHistory(database, wake),
            placement_reasons=PlacementReasons(database),
            preflights=Preflights(database, registry),
            health=self.monitor,
        )

    def make_app(self) -> FastAPI:
        return create_app(self._services)

    def start(self) -> None:
        """Start the threads, and return at once."""
        self._exchange.start()
        self._resolver.start()
        self._scheduler.start()
        self._rollouts.start()

    def stop(self) -> None:
        """End them; what is not committed stays with the broker."""
        self._rollouts.stop()
        self._scheduler.stop()
        self._resolver.stop()
        self._exchange.stop()


def _now() -> datetime:
    return datetime.now(UTC)
