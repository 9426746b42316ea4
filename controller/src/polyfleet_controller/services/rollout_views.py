"""What is shown of rollouts. Times are UTC; sizes in bytes."""

from dataclasses import dataclass
from datetime import datetime

from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform

# Of the devices of a platform that failed; their number says how many more there are.
MAX_FAILURES = 10
MAX_RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyView:
    """How far the devices of one platform are: each of `devices` counts once in the others.

    `waiting`: not their turn yet; `offline` instead, where they are out of reach. Released and not proven:
    `pulling`, with `pulled` of `to_pull` bytes; `soaking`, which run it and are not ready for long enough;
    `starting` before that, also where nothing is known yet.
    """

    devices: int
    waiting: int
    offline: int
    pulling: int
    starting: int
    soaking: int
    succeeded: int
    failed: int
    pulled: int
    to_pull: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedDevice:
    """A device that failed, and why."""

    device: str
    condition: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumView:
    """One platform of a rollout. `base` is the release that it falls back to, None if there is none.

    `wave` of `waves`. `waits_for` says in plain words what keeps it, empty where nothing does; `reason` why
    it failed or ended. `tally` is None of a rollout that decides nothing any more.
    """

    platform: Platform
    status: StratumStatus
    base: str | None
    wave: int
    waves: int
    waits_for: str
    reason: str
    tally: TallyView | None
    failures: tuple[FailedDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A rollout in a list: to which release, by whom, and how far it is.

    With `in_effect` it still decides what devices are given; only the newest of a workload can be.
    """

    namespace: str
    name: str
    number: int
    revision: int
    release: str
    status: RolloutStatus
    in_effect: bool
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    strata: tuple[StratumView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumGlance:
    """One platform of a rollout, without its devices; see `StratumView`."""

    platform: Platform
    status: StratumStatus
    wave: int
    waits_for: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGlance:
    """The rollout in effect of a workload, beside other things that are shown of it."""

    number: int
    status: RolloutStatus
    waves: int
    strata: tuple[StratumGlance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedRelease:
    """The newest release, which a rollout has not given to a device; `stratum` is the device's platform."""

    release: str
    rollout: int
    stratum: StratumGlance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A line of a rollout's history; `platform` is None where it is about all."""

    at: datetime
    by: str
    platform: Platform | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDetail:
    """A rollout with the newest lines of its history, the oldest of them first.

    `approvals` are the waves that an operator has to approve, `approved` those that one has.
    """

    rollout: RolloutView
    records: tuple[RecordView, ...]
    approvals: tuple[int, ...]
    approved: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """Of which rollout an operator wants something: that of this `number`, else whichever is in effect."""

    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Steering):
    """Which wave may begin, counted from 1."""

    wave: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSteering(Steering):
    """Of which platforms the devices are meant; none of them: all."""

    platforms: tuple[Platform, ...] = ()
