"""`image inspect` for people."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_bytes
from polyfleet_controller.cli.layout import (
    BAD,
    HEADING,
    WEAK,
    make_digests,
    make_facts,
    make_section,
    make_table,
    styled,
)
from polyfleet_controller.cli.words import NOTHING
from polyfleet_controller.domain.inspection import DocumentKind, ImageDetails, InspectedEntry, Inspection

_KINDS = {
    DocumentKind.IMAGE: "a single image, without an index",
    DocumentKind.INDEX: "an index",
    DocumentKind.ATTESTATION: "an attestation, and no image",
    DocumentKind.ARTIFACT: "an artifact, and no container image",
    DocumentKind.UNREADABLE: "unreadable",
}
_UNSTATED = "not stated"


def draw_inspection(inspection: Inspection) -> RenderableType:
    """The document, then each manifest that it lists."""
    facts = [
        ("media type", inspection.media_type or _UNSTATED),
        ("holds", _summarize(inspection)),
        *_draw_pairs("annotation", inspection.annotations),
    ]
    return Group(
        styled(inspection.name, HEADING),
        make_digests((("digest", inspection.digest),)),
        make_facts(facts),
        *(_draw_entry(entry, inspection) for entry in inspection.entries),
    )


def draw_details(name: str, details: ImageDetails) -> RenderableType:
    """One image in full."""
    entry = details.entry
    parts: list[RenderableType] = [
        styled(f"{name} for {entry.meant_for}", HEADING),
        make_digests((("digest", entry.digest), ("config", entry.config or NOTHING))),
        make_facts(_describe(details)),
    ]
    if details.labels:
        parts.append(make_section("Labels", make_facts(sorted(details.labels.items()))))
    if entry.annotations:
        parts.append(make_section("Annotations", make_facts(sorted(entry.annotations.items()))))
    layers: list[RenderableType] = []
    for layer in entry.layers:
        layers.append(make_digests((("layer", layer.digest),)))
        layers.append(styled(f"{humanize_bytes(layer.size)}, {layer.media_type or _UNSTATED}"))
    parts.append(make_section(_count_layers(entry).capitalize(), *layers))
    return Group(*parts)


def draw_built(name: str, images: Mapping[str, str], digest: str | None) -> RenderableType:
    """What a build gave: images in Podman's storage by platform, and the digest if it was pushed."""
    parts: list[RenderableType] = [styled(name, HEADING)]
    if digest is not None:
        parts.append(make_digests((("digest", digest),)))
    table = make_table(("PLATFORM", "IMAGE"), ((platform, image[:12]) for platform, image in images.items()))
    return Group(*parts, make_section("Images that stay in Podman's storage", table))


def _describe(details: ImageDetails) -> Iterator[tuple[str, str | Text]]:
    entry = details.entry
    yield "created", details.created or NOTHING
    yield "os.version", details.os_version or NOTHING
    yield "size", f"{humanize_bytes(entry.size)} compressed"
    yield "entrypoint", _say_command(details.entrypoint)
    yield "command", _say_command(details.command)
    yield "user", details.user or NOTHING
    yield "directory", details.working_directory or NOTHING
    yield "environment", " ".join(details.environment_names) or NOTHING
    yield "ports", " ".join(details.ports) or NOTHING
    yield "media type", entry.media_type or _UNSTATED
    yield from _tell_odd(entry)


def _say_command(words: tuple[str, ...]) -> str:
    return f"[{', '.join(map(repr, words))}]" if words else NOTHING


def _summarize(inspection: Inspection) -> str:
    if inspection.kind is not DocumentKind.INDEX:
        return _KINDS[inspection.kind]
    counts = {kind: sum(entry.kind is kind for entry in inspection.entries) for kind in DocumentKind}
    words = {
        DocumentKind.IMAGE: ("image", "images"),
        DocumentKind.INDEX: ("nested index", "nested indexes"),
        DocumentKind.ATTESTATION: ("attestation", "attestations"),
        DocumentKind.ARTIFACT: ("artifact", "artifacts"),
        DocumentKind.UNREADABLE: ("entry that cannot be read", "entries that cannot be read"),
    }
    told = [f"{count} {words[kind][count != 1]}" for kind, count in counts.items() if count]
    return ", ".join(told) or "nothing"


def _draw_entry(entry: InspectedEntry, inspection: Inspection) -> RenderableType:
    digests = [("digest", entry.digest or NOTHING)]
    if entry.attests is not None:
        digests.append(("about", entry.attests))
    if entry.within is not None:
        digests.append(("within", entry.within))
    return make_section(
        _head(entry, inspection), make_digests(digests), make_facts(_facts(entry, inspection))
    )


def _head(entry: InspectedEntry, inspection: Inspection) -> str:
    match entry.kind:
        case DocumentKind.IMAGE:
            return "platform unknown" if entry.meant_for is None else str(entry.meant_for)
        case DocumentKind.INDEX:
            return "nested index"
        case DocumentKind.ATTESTATION | DocumentKind.ARTIFACT:
            about = {each.digest: str(each.meant_for) for each in inspection.images if each.meant_for}
            return f"{entry.kind} of {about[entry.attests]}" if entry.attests in about else str(entry.kind)
        case DocumentKind.UNREADABLE:
            return f"{entry.platform or 'an entry'}, which cannot be read"


def _facts(entry: InspectedEntry, inspection: Inspection) -> Iterator[tuple[str, str | Text]]:
    if entry.kind is DocumentKind.IMAGE:
        yield "size", f"{humanize_bytes(entry.size)} compressed, in {_count_layers(entry)}"
    if entry.meant_for is not None and entry.meant_for.os_version:
        yield "os.version", entry.meant_for.os_version
    yield "media type", entry.media_type or _UNSTATED
    if entry.artifact_type and entry.kind is not DocumentKind.IMAGE:
        yield "type", entry.artifact_type
    for predicate in entry.predicates:
        yield "states", predicate
    if entry.annotations != inspection.annotations or inspection.kind is DocumentKind.INDEX:
        yield from _draw_pairs("annotation", entry.annotations)
    yield from _tell_odd(entry)
    has_own_word = entry.platform is None and entry.config_platform is not None
    if has_own_word and inspection.kind is DocumentKind.INDEX:
        yield "note", styled("the platform is its config's word: the index says none", WEAK)


def _tell_odd(entry: InspectedEntry) -> Iterator[tuple[str, Text]]:
    if entry.problem is not None:
        yield "problem", styled(entry.problem, BAD)
    if entry.contradicts_itself:
        yield "problem", styled(f"its own config says {entry.config_platform}: one of the two is wrong", BAD)
    if entry.repeats:
        yield "note", styled("an earlier entry is for the same platform, and engines take that one", WEAK)


def _count_layers(entry: InspectedEntry) -> str:
    return "1 layer" if len(entry.layers) == 1 else f"{len(entry.layers)} layers"


def _draw_pairs(name: str, pairs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in sorted(pairs.items()):
        yield name, f"{key}={value}"
