"""Which of a workload's releases each device is given, while a rollout has not brought all to the newest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyfleet_shared.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Revisions: of each of the `members`, by device; of any other device by its stratum, else `fallback`.

    None is none yet. `prefetching` are the devices that are to have the newest release's images ready.
    """

    members: Mapping[str, int | None] = field(default_factory=dict)
    strata: Mapping[Platform, int | None] = field(default_factory=dict)
    fallback: int | None = None
    prefetching: frozenset[str] = frozenset()

    def choose(self, device: str, platform: Platform) -> int | None:
        """The revision for a device of this platform."""
        if device in self.members:
            return self.members[device]
        return self.strata.get(platform, self.fallback)

    @property
    def revisions(self) -> frozenset[int]:
        """All that devices may be given."""
        named = {*self.members.values(), *self.strata.values(), self.fallback}
        return frozenset(revision for revision in named if revision is not None)
