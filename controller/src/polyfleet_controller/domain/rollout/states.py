"""What is kept of a rollout. A rollout is written as JSON, each of its members as a row of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from polyfleet_controller.domain.rollout.strategy import Strategy
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform


class MemberState(StrEnum):
    """How far one device has come."""

    WAITING = "waiting"  # its turn has not come
    UPDATING = "updating"  # it has been given the target, and has neither proven it nor failed
    SUCCEEDED = "succeeded"  # it has proven that it runs the target, for minReadySeconds
    FAILED = "failed"  # it said so, went back by itself, or its deadline passed


class StratumStatus(StrEnum):
    """How far the devices of one platform have come."""

    ADVANCING = "advancing"
    AWAITING_APPROVAL = "awaiting_approval"
    HALTED = "halted"  # it has failed, and an operator is to say what becomes of it
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to come."""
        return self in _OPEN_STRATA


_OPEN_STRATA = frozenset({StratumStatus.ADVANCING, StratumStatus.AWAITING_APPROVAL, StratumStatus.HALTED})


class RolloutStatus(StrEnum):
    """How far a rollout has come as a whole."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    AWAITING_APPROVAL = "awaiting_approval"  # nothing goes on until an operator approves a wave
    COMPLETED = "completed"
    PARTIAL = "partial"  # some platforms have succeeded, others have not
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"  # a newer release has a rollout of its own

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self in _OPEN

    @property
    def is_followed(self) -> bool:
        """Whether devices are still looked at: those that come late get the verdict of their platform."""
        return self is not RolloutStatus.SUPERSEDED


_OPEN = frozenset({RolloutStatus.PROGRESSING, RolloutStatus.PAUSED, RolloutStatus.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A device that is to have the workload. It is given `revision`, None: none yet, at `attempt`.

    `origin` is what it was given when it became a member, which was during the rollout if it `joined`. The
    target was given to it `tries` times, last at `released_at`, in that wave, counted from 1; a wave of None
    counts for no wave. `prefetching` if it is to have the target's image ready on its disk.
    """

    device: str
    platform: Platform
    revision: int | None
    attempt: int = 1
    origin: int | None
    origin_attempt: int = 1
    joined: bool = False
    state: MemberState = MemberState.WAITING
    wave: int | None = None
    tries: int = 0
    released_at: datetime | None = None
    prefetching: bool = False
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """The devices of one own platform. `base` is the revision that it is proven on, None: nothing yet.

    `wave` is the one under way, counted from 1; it began when its first device was released. While it is
    `dormant`, nothing can happen until one of its devices comes online, and it keeps nobody waiting.
    `waits_for` says in plain words what it waits for, `reason` why it has failed or ended.
    """

    platform: Platform
    base: int | None
    status: StratumStatus = StratumStatus.ADVANCING
    wave: int = 1
    wave_began_at: datetime | None = None
    dormant: bool = False
    waits_for: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Moves the devices of the workload with the uid `workload` to the release `revision`, its target.

    It `is_begun` once its fleet was looked at. `strata` are by platform. A platform that has none yet is
    proven on what `bases` says of it, else on `base`. `approved` are waves, counted from 1. At `wake_at` time
    alone changes something.
    """

    workload: str
    number: int
    revision: int
    strategy: Strategy
    min_ready_seconds: int
    progress_deadline_seconds: int
    created_at: datetime
    created_by: str
    base: int | None = None
    bases: Mapping[str, int] = field(default_factory=dict)
    status: RolloutStatus = RolloutStatus.PROGRESSING
    is_begun: bool = False
    strata: Mapping[str, Stratum] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    approved: tuple[int, ...] = ()
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    wake_at: datetime | None = None

    def without_members(self) -> Self:
        """What is written as one piece: the members have rows of their own."""
        return replace(self, members={})

    def with_members(self, members: Mapping[str, Member]) -> Self:
        """The rollout as it was before its members were written apart."""
        return replace(self, members=members)

    def find_base(self, platform: Platform) -> int | None:
        """The revision that a platform is proven on; None: nothing yet."""
        stratum = self.strata.get(str(platform))
        return self.bases.get(str(platform), self.base) if stratum is None else stratum.base

    def find_default(self, platform: Platform) -> int | None:
        """The revision for a device of this platform that is no member: the target only once it is proven."""
        stratum = self.strata.get(str(platform))
        if stratum is not None and stratum.status is StratumStatus.SUCCEEDED:
            return self.revision
        return self.find_base(platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanges:
    """What has become of the members: those to write, new or changed, and the devices that left."""

    written: tuple[Member, ...]
    removed: tuple[str, ...]


def find_changes(before: Rollout, after: Rollout) -> MemberChanges:
    """What is to be written of the members, so that a look costs no more than what has changed."""
    return MemberChanges(
        written=tuple(
            member for device, member in after.members.items() if before.members.get(device) != member
        ),
        removed=tuple(device for device in before.members if device not in after.members),
    )
