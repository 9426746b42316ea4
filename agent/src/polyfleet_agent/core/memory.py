"""What a device remembers of a workload's releases: the last that was good, and those that failed its gate.

It outlives the agent and the machine's power: without it a reboot would try again what has just been undone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from polyfleet_shared.codec import decode, encode
from polyfleet_shared.json_text import DecodeError, describe, dump_json, parse_json
from polyfleet_shared.names import check_name
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload

_REMEMBERED: Final = 8  # failed specs of one workload; the newest
_LARGEST_PAYLOAD: Final = 16 * 1024 * 1024  # far above what documents of 256 KiB can add up to


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRelease:
    """A spec that failed the gate, and why; `container` is the one at fault, empty if it is none alone.

    If it is not `lasting` it may go well another time, so the disk does not keep it.
    """

    spec_hash: str
    release: str
    reason: Reason
    message: str
    container: str = ""
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is remembered of one workload; `good_hash` is the hash of the spec of `good`."""

    good: DesiredWorkload | None = None
    good_hash: str = ""
    failed: tuple[FailedRelease, ...] = ()

    def failure(self, spec_hash: str) -> FailedRelease | None:
        return next((item for item in self.failed if item.spec_hash == spec_hash), None)

    def with_good(self, workload: DesiredWorkload, spec_hash: str) -> "Record":
        """`workload` has passed. What it wanted to be prefetched says nothing about it."""
        failed = tuple(item for item in self.failed if item.spec_hash != spec_hash)
        return Record(good=replace(workload, prefetch=()), good_hash=spec_hash, failed=failed)

    def with_failed(self, failure: FailedRelease) -> "Record":
        others = [item for item in self.failed if item.spec_hash != failure.spec_hash]
        return replace(self, failed=(*others, failure)[-_REMEMBERED:])

    @property
    def lasting(self) -> "Record":
        """The part of it that belongs on the disk."""
        return replace(self, failed=tuple(item for item in self.failed if item.lasting))


NOTHING_REMEMBERED: Final = Record()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    uid: str
    good: DesiredWorkload | None = None
    failed: tuple[FailedRelease, ...] = ()

    def __post_init__(self) -> None:
        check_name("workload uid", self.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMemory:
    """`problems` tell in plain words what of it could not be read."""

    records: dict[str, Record]
    problems: tuple[str, ...] = ()


def write_memory(records: Iterable[tuple[str, Record]]) -> bytes:
    """What is kept on disk of the records, each with its workload's uid."""
    kept = [_Kept(uid=uid, good=record.good, failed=record.failed) for uid, record in records]
    return dump_json({"records": [encode(item, omit_defaults=True) for item in kept]})


def read_memory(payload: bytes) -> ReadMemory:
    """Read what `write_memory` wrote. What another agent wrote otherwise is left out, and told."""
    try:
        document = parse_json(payload, limit=_LARGEST_PAYLOAD)
    except DecodeError as error:
        return ReadMemory(records={}, problems=(str(error),))
    entries = document.get("records") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ReadMemory(records={}, problems=(f"records: expected a list, got {describe(entries)}",))
    records: dict[str, Record] = {}
    problems: list[str] = []
    for position, entry in enumerate(entries):
        try:
            kept = decode(_Kept, entry)
        except DecodeError as error:
            problems.append(str(error.under(f"records[{position}]")))
            continue
        good_hash = "" if kept.good is None else kept.good.spec_hash
        records[kept.uid] = Record(good=kept.good, good_hash=good_hash, failed=kept.failed)
    return ReadMemory(records=records, problems=tuple(problems))
