"""What a rollout is told: how the fleet is now, and what operators want."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """How one device is now that is to have the workload, and for which the target has an image.

    `online` unless it is known to be offline. It is assigned `revision` at `attempt`, and of these speak
    `standing`, `available` (proven, and ready for minReadySeconds), `condition` and `rolled_back` (the device
    went back by itself). It is `unaffected` if the target means the same to it as what it is assigned, and
    `prefetched` if the target's child is on its disk. `time_zone` is an IANA name, empty for UTC; `topology`
    the value of its label `topologyKey`.
    """

    platform: Platform
    online: bool
    revision: int | None
    attempt: int = 1
    unaffected: bool = False
    standing: Standing | None = None
    available: bool = False
    condition: Condition | None = None
    rolled_back: bool = False
    prefetched: bool = False
    time_zone: str = ""
    topology: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The workload's whole fleet, by device.

    `pulls_elsewhere` counts what other rollouts make devices pull from the same registry.
    """

    sightings: Mapping[str, Sighting]
    pulls_elsewhere: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Nothing is to move."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Paused or halted, it is to go on as it is; what has failed until now counts no more."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The wave, counted from 1, may begin on every platform."""

    by: str
    wave: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """It ends here; devices stay where they are."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """The devices of these platforms, None: of all, go back to what their platform is proven on."""

    by: str
    platforms: frozenset[Platform] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The devices of these platforms, None: of all, that failed get the target once more."""

    by: str
    platforms: frozenset[Platform] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A newer release, `revision`, begins a rollout of its own."""

    by: str
    revision: int


Verb: TypeAlias = Paused | Resumed | Approved | Aborted | RolledBack | Retried
RolloutEvent: TypeAlias = Looked | Superseded | Verb
