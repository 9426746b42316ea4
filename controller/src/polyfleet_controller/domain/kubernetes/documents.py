"""Documents of all kinds that are taken, as workloads: what belongs to one file or one request together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from polyfleet_controller.domain.kubernetes.config_maps import ConfigMaps
from polyfleet_controller.domain.kubernetes.conversion import Origin, convert, find_pod_spec
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.kubernetes.kinds import (
    COMPANIONS,
    CONFIG_MAP,
    KINDS,
    LIST,
    refuse_document,
)
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, KIND, WorkloadManifest, read_manifest
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem

_UNUSED = "nothing that is applied with it refers to this ConfigMap, and none is kept by itself; leave it out"
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWorkload:
    """A workload, and where in its document it stood."""

    manifest: WorkloadManifest
    origin: Origin


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one document came to."""

    workloads: list[FoundWorkload] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A document, or an item of a List; `reading` is that of the document around it."""

    document: JsonObject
    prefix: str
    reading: Reading

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    def refuse(self, problems: Sequence[Problem]) -> None:
        self.reading.problems += DecodeError(tuple(problems)).under(self.prefix).problems


def read_documents(documents: Sequence[JsonValue]) -> tuple[Reading, ...]:
    """Read documents that are applied together, of all kinds; the answer has one reading for each."""
    readings = tuple(Reading() for _ in documents)
    items = [
        item
        for document, reading in zip(documents, readings, strict=True)
        for item in _unpack(document, "", reading)
    ]
    config_maps = ConfigMaps()
    places = {_name(item): item for item in items if item.kind == CONFIG_MAP and _add(config_maps, item)}
    for item in items:
        if item.kind != CONFIG_MAP:
            _read(item, config_maps)
    for key in config_maps.unused():
        if key in places:
            places[key].refuse([Problem(path="metadata.name", message=_UNUSED)])
    return readings


def read_workload(document: JsonValue) -> WorkloadManifest:
    """Read one document that is a workload: our own kind, or one of Kubernetes'.

    Raises:
        DecodeError: everything that is wrong in it; of another kind or version, only that.
    """
    problems = refuse_document(document, KINDS)
    if problems:
        raise DecodeError(problems)
    (reading,) = read_documents([document])
    if reading.problems:
        raise DecodeError(tuple(reading.problems))
    return reading.workloads[0].manifest


def _unpack(document: JsonValue, prefix: str, reading: Reading, depth: int = 0) -> Iterator[_Item]:
    problems = refuse_document(document, {**KINDS, **COMPANIONS})
    if problems or not isinstance(document, dict):
        reading.problems += DecodeError(problems).under(prefix).problems
        return
    item = _Item(document=document, prefix=prefix, reading=reading)
    if item.kind != LIST:
        yield item
        return
    items = document.get("items", [])
    item.refuse([*_refuse_list(document, items, depth)])
    for position, each in enumerate(items if isinstance(items, list) and depth < _MAX_DEPTH else ()):
        yield from _unpack(each, f"{prefix}.items[{position}]".strip("."), reading, depth + 1)


def _refuse_list(document: JsonObject, items: JsonValue, depth: int) -> Iterator[Problem]:
    if not isinstance(items, list):
        yield Problem(path="items", message="expected a list")
    if depth >= _MAX_DEPTH:
        yield Problem(path="kind", message=f"Lists within Lists, more than {_MAX_DEPTH} deep")
    for key in document:
        # A List's metadata is about the answer that it was, not about what is in it.
        if key not in ("apiVersion", "kind", "items", "metadata"):
            yield Problem(path=key[:80], message="unknown field")


def _add(config_maps: ConfigMaps, item: _Item) -> bool:
    try:
        config_maps.add(item.document)
    except DecodeError as error:
        item.refuse(error.problems)
        return False
    return True


def _name(item: _Item) -> tuple[str, str]:
    metadata = object_at(item.document, "metadata")
    return str(metadata.get("namespace", DEFAULT_NAMESPACE)), str(metadata.get("name"))


def _read(item: _Item, config_maps: ConfigMaps) -> None:
    try:
        is_ours = item.kind == KIND
        manifest = read_manifest(item.document) if is_ours else convert(item.document, config_maps)
    except DecodeError as error:
        item.refuse(error.problems)
    else:
        origin = Origin(prefix=item.prefix, pod=find_pod_spec(item.kind))
        item.reading.workloads.append(FoundWorkload(manifest=manifest, origin=origin))
