"""What every router shares."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import Path

from polyfleet_controller.api.contract import NAME_PATTERN, NUMBER_PATTERN, Contract
from polyfleet_controller.services.devices import Devices
from polyfleet_controller.services.events import Events
from polyfleet_controller.services.health import HealthSource
from polyfleet_controller.services.marks import Marks
from polyfleet_controller.services.placement_reasons import PlacementReasons
from polyfleet_controller.services.preflight import Preflights
from polyfleet_controller.services.release_history import ReleaseHistory
from polyfleet_controller.services.releases import Releases
from polyfleet_controller.services.rollouts import Rollouts
from polyfleet_controller.services.workloads import Workloads

Clock: TypeAlias = Callable[[], datetime]
NameInPath: TypeAlias = Annotated[str, Path(pattern=NAME_PATTERN)]
NumberInPath: TypeAlias = Annotated[str, Path(pattern=NUMBER_PATTERN)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the API serves."""

    devices: Devices
    marks: Marks
    events: Events
    workloads: Workloads
    releases: Releases
    rollouts: Rollouts
    release_history: ReleaseHistory
    preflights: Preflights
    placement_reasons: PlacementReasons
    health: HealthSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a router is made from; `clock` gives aware UTC times."""

    services: Services
    contract: Contract
    clock: Clock
