"""The devices of one stratum while they are looked at, and how many of them are where."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyfleet_controller.domain.rollout.events import Sighting
from polyfleet_controller.domain.rollout.states import Member, MemberState, Stratum


@dataclass(slots=True)
class Share:
    """How many of one wave's devices are where."""

    succeeded: int = 0
    failed: int = 0
    updating: int = 0

    @property
    def total(self) -> int:
        """All that were released in the wave and are members still."""
        return self.succeeded + self.failed + self.updating


@dataclass(slots=True)
class Tally:
    """How many devices of a stratum are where.

    `counted` are those that waves are reckoned from; `proven` were given the target and proved it. `down`
    were given the target and do not run it now, `lost` of them have failed in a wave. `online` are those that
    wait for their turn and can be released.
    """

    waves: dict[int, Share] = field(default_factory=dict)
    counted: int = 0
    waiting: int = 0
    updating: int = 0
    failed: int = 0
    proven: int = 0
    down: int = 0
    lost: int = 0
    online: list[str] = field(default_factory=list)

    def wave(self, number: int) -> Share:
        """The share of this wave; nobody's if nobody was released in it."""
        return self.waves.get(number) or Share()

    @property
    def in_waves(self) -> int:
        """All that were released in any wave."""
        return sum(share.total for share in self.waves.values())


@dataclass(slots=True)
class Crowd:
    """A stratum, its members, and how they are. `members` change while it is looked at, by `put` alone.

    `places` remembers where in the order devices have been drawn.
    """

    stratum: Stratum
    target: int
    members: dict[str, Member]
    sightings: Mapping[str, Sighting]
    places: dict[str, tuple[bool, bytes, str]] = field(default_factory=dict)
    _tally: Tally | None = None

    def put(self, member: Member) -> None:
        """Something about one of the members has changed."""
        self.members[member.device] = member
        self._tally = None

    def count(self) -> Tally:
        """How many are where, now."""
        if self._tally is None:
            self._tally = self._count()
        return self._tally

    def _count(self) -> Tally:
        tally = Tally()
        for device, member in self.members.items():
            self._count_state(tally, device, member)
            if self.is_down(device, member):
                tally.down += 1
                tally.lost += member.state is MemberState.FAILED and member.wave is not None
        return tally

    def is_down(self, device: str, member: Member) -> bool:
        """Whether it was updated to the target, and runs neither that nor what it went back to."""
        if member.revision != self.target or member.origin == self.target or not member.tries:
            return False
        sighting = self.sightings[device]
        return not is_about(sighting, member) or not (sighting.available or sighting.rolled_back)

    def _count_state(self, tally: Tally, device: str, member: Member) -> None:
        state = member.state
        if state is MemberState.WAITING:
            tally.counted += 1
            tally.waiting += 1
            if self.sightings[device].online:
                tally.online.append(device)
            return
        tally.updating += state is MemberState.UPDATING
        tally.failed += state is MemberState.FAILED
        tally.proven += state is MemberState.SUCCEEDED and bool(member.tries)
        if member.wave is None:
            return
        tally.counted += 1
        share = tally.waves.setdefault(member.wave, Share())
        share.succeeded += state is MemberState.SUCCEEDED
        share.failed += state is MemberState.FAILED
        share.updating += state is MemberState.UPDATING


def is_about(sighting: Sighting, member: Member) -> bool:
    """Whether what was seen of a device is about what the member is given: a report may be of an older."""
    return sighting.revision == member.revision and sighting.attempt == member.attempt
