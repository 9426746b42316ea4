"""What comes of one event, while it is worked out."""

from dataclasses import dataclass, field
from datetime import datetime

from polyfleet_controller.domain.rollout.instructions import (
    ITSELF,
    Instruction,
    Prefetch,
    Record,
    Release,
    Return,
)
from polyfleet_shared.platforms import Platform


@dataclass(slots=True)
class Minutes:
    """What each device is given in the end, and the lines of the history in their order."""

    target: int
    now: datetime
    by: str = ITSELF
    given: dict[str, int | None] = field(default_factory=dict)
    prefetching: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def note(self, platform: Platform | None, what: str) -> None:
        """Write a line of the history."""
        self.records.append(Record(at=self.now, by=self.by, platform=platform, what=what))

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """All of it; no device stands in two of them."""
        by_revision: dict[int | None, list[str]] = {}
        for device, revision in self.given.items():
            by_revision.setdefault(revision, []).append(device)
        released = by_revision.pop(self.target, [])
        prefetching = tuple(device for device in self.prefetching if device not in self.given)
        return (
            *((Release(devices=tuple(released)),) if released else ()),
            *(Return(devices=tuple(devices), revision=revision) for revision, devices in by_revision.items()),
            *((Prefetch(devices=prefetching),) if prefetching else ()),
            *self.records,
        )
