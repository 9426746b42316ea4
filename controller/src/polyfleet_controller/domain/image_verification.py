"""Whether an index holds exactly the platforms that were asked for."""

from collections.abc import Iterator, Sequence

from polyfleet_controller.domain.inspection import DocumentKind, InspectedEntry, Inspection
from polyfleet_shared.platforms import Platform


def find_differences(inspection: Inspection, platforms: Sequence[Platform]) -> tuple[str, ...]:
    """Compare what was pushed with what was asked for, a sentence for each difference."""
    return (*_find_missing(inspection, platforms), *_find_surplus(inspection, platforms))


def _find_missing(inspection: Inspection, platforms: Sequence[Platform]) -> Iterator[str]:
    there = {entry.meant_for.normalised for entry in inspection.images if entry.meant_for is not None}
    for platform in platforms:
        if platform not in there:
            yield f"{platform} is missing"


def _find_surplus(inspection: Inspection, platforms: Sequence[Platform]) -> Iterator[str]:
    for entry in inspection.entries:
        platform = None if entry.meant_for is None else entry.meant_for.normalised
        if entry.problem is not None:
            yield f"{entry.meant_for or entry.digest}: {entry.problem}"
        elif entry.kind is not DocumentKind.IMAGE:
            yield f"{entry.digest} is no image but an {entry.kind}"
        elif platform not in platforms:
            yield f"{entry.meant_for or entry.digest} was not asked for"
        elif entry.repeats:
            yield f"{platform} is there twice"
        else:
            yield from _find_lies(entry, platform)


def _find_lies(entry: InspectedEntry, platform: Platform | None) -> Iterator[str]:
    own = entry.config_platform
    if own is None:
        yield f"{platform}: its config names no platform"
    elif own.normalised != platform:
        yield f"{platform}: its config says {own}"
