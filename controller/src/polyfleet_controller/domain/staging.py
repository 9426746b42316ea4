"""Which of a workload's releases each device is given, while a rollout has not brought all to the newest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyfleet_controller.domain.rollout.states import Member, Rollout
from polyfleet_shared.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a device is given: the revision, None if none yet, and at which attempt."""

    revision: int | None
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """What each of the `members` is given, by device; any other by its stratum, else the revision `fallback`.

    `prefetching` are the devices that are to have the newest release's images ready.
    """

    members: Mapping[str, Stage] = field(default_factory=dict)
    strata: Mapping[Platform, int | None] = field(default_factory=dict)
    fallback: int | None = None
    prefetching: frozenset[str] = frozenset()

    def choose(self, device: str, platform: Platform) -> Stage:
        """What a device of this platform is given."""
        member = self.members.get(device)
        return Stage(revision=self.strata.get(platform, self.fallback)) if member is None else member

    @property
    def revisions(self) -> frozenset[int]:
        """All that devices may be given."""
        members = {stage.revision for stage in self.members.values()}
        return frozenset(
            revision for revision in (*members, *self.strata.values(), self.fallback) if revision is not None
        )


def describe_staging(rollout: Rollout, members: Mapping[str, Member]) -> Staging:
    """What a rollout gives to devices, of which these members are known."""
    platforms = [Platform.parse(text) for text in {*rollout.strata, *rollout.bases}]
    return Staging(
        members={
            device: Stage(revision=member.revision, attempt=member.attempt)
            for device, member in members.items()
        },
        strata={platform: rollout.find_default(platform) for platform in platforms},
        fallback=rollout.base,
        prefetching=frozenset(device for device, member in members.items() if member.prefetching),
    )
