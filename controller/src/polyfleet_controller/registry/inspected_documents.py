"""The documents of a registry, read for people: what is odd or malformed is told, not refused.

`documents.py` reads the same for decisions, and is strict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from polyfleet_controller.domain.inspection import (
    DocumentKind,
    ImageDetails,
    InspectedEntry,
    StatedLayer,
    StatedPlatform,
)
from polyfleet_controller.registry.documents import CONFIG_LIMIT, MANIFEST_LIMIT, Artifact, read_manifest
from polyfleet_shared.images import InvalidImageError, check_digest
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, parse_json

# BuildKit's attestation storage, and in-toto's own type of a statement within it.
_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
_ATTESTATION: Final = "attestation-manifest"
_PREDICATE: Final = "in-toto.io/predicate-type"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedManifest:
    """A descriptor in an index."""

    digest: str
    media_type: str
    artifact_type: str | None
    platform: StatedPlatform | None
    annotations: Mapping[str, str]
    problem: str | None = None

    @property
    def attests(self) -> str | None:
        return self.annotations.get(_REFERENCE_DIGEST)

    @property
    def is_attestation(self) -> bool:
        return self.annotations.get(_REFERENCE_TYPE) == _ATTESTATION


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedDocument:
    """A manifest or an index: what it is, and what it names."""

    kind: DocumentKind
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[ListedManifest, ...] = ()
    config: str | None = None
    layers: tuple[StatedLayer, ...] = ()
    artifact_type: str | None = None
    subject: str | None = None
    predicates: tuple[str, ...] = ()


def read_stated_document(content: bytes) -> StatedDocument:
    """Read an index or a manifest.

    Raises:
        DecodeError: it is neither, or so malformed that nothing can be said of it.
    """
    document = parse_json(content, limit=MANIFEST_LIMIT)
    if not isinstance(document, dict):
        raise _problem("expected an object")
    media_type, annotations = _text(document, "mediaType"), _texts(document, "annotations")
    manifests = document.get("manifests")
    if isinstance(manifests, list):
        return StatedDocument(
            kind=DocumentKind.INDEX,
            media_type=media_type,
            annotations=annotations,
            manifests=tuple(map(_read_listed, manifests)),
        )
    read = read_manifest(content)
    layers = _objects(document, "layers")
    artifact_type = (
        (_text(document, "artifactType") or read.media_type) if isinstance(read, Artifact) else None
    )
    return StatedDocument(
        kind=DocumentKind.ARTIFACT if artifact_type is not None else DocumentKind.IMAGE,
        media_type=media_type,
        annotations=annotations,
        config=_text(_object(document, "config"), "digest") or None,
        layers=tuple(map(_read_layer, layers)),
        artifact_type=artifact_type,
        subject=_text(_object(document, "subject"), "digest") or None,
        predicates=tuple(
            dict.fromkeys(filter(None, (_texts(layer, "annotations").get(_PREDICATE) for layer in layers)))
        ),
    )


def read_stated_platform(content: bytes) -> StatedPlatform | None:
    """Read the platform that an image's config names; None if it names none.

    Raises:
        DecodeError: it is no JSON object.
    """
    return _read_platform(_parse_config(content))


def read_details(entry: InspectedEntry, content: bytes) -> ImageDetails:
    """Read an image's config (image-spec, config.md).

    Raises:
        DecodeError: it is no JSON object.
    """
    document = _parse_config(content)
    config = _object(document, "config")
    return ImageDetails(
        entry=entry,
        created=_text(document, "created") or None,
        os_version=_text(document, "os.version") or None,
        user=_text(config, "User") or None,
        working_directory=_text(config, "WorkingDir") or None,
        entrypoint=_list(config, "Entrypoint"),
        command=_list(config, "Cmd"),
        environment_names=tuple(name.partition("=")[0] for name in _list(config, "Env")),
        ports=tuple(_object(config, "ExposedPorts")),
        labels=_texts(config, "Labels"),
    )


def _parse_config(content: bytes) -> dict[str, JsonValue]:
    document = parse_json(content, limit=CONFIG_LIMIT)
    if not isinstance(document, dict):
        raise _problem("expected an object")
    return document


def _read_listed(value: JsonValue) -> ListedManifest:
    descriptor = value if isinstance(value, dict) else {}
    digest = _text(descriptor, "digest")
    platform = descriptor.get("platform")
    problem = None
    try:
        check_digest(digest)
    except InvalidImageError as error:
        problem = str(error)
    return ListedManifest(
        digest=digest,
        media_type=_text(descriptor, "mediaType"),
        artifact_type=_text(descriptor, "artifactType") or None,
        platform=_read_platform(platform) if isinstance(platform, dict) else None,
        annotations=_texts(descriptor, "annotations"),
        problem=problem,
    )


def _read_platform(document: Mapping[str, JsonValue]) -> StatedPlatform | None:
    os, architecture = _text(document, "os"), _text(document, "architecture")
    if not os and not architecture:
        return None
    return StatedPlatform(
        os=os,
        architecture=architecture,
        variant=_text(document, "variant") or None,
        os_version=_text(document, "os.version") or None,
    )


def _read_layer(document: Mapping[str, JsonValue]) -> StatedLayer:
    size = document.get("size")
    return StatedLayer(
        digest=_text(document, "digest"),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else 0,
        media_type=_text(document, "mediaType"),
    )


def _text(document: Mapping[str, JsonValue], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _object(document: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _objects(document: Mapping[str, JsonValue], name: str) -> list[dict[str, JsonValue]]:
    value = document.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(document: Mapping[str, JsonValue], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _texts(document: Mapping[str, JsonValue], name: str) -> dict[str, str]:
    return {key: value for key, value in _object(document, name).items() if isinstance(value, str)}


def _problem(message: str) -> DecodeError:
    return DecodeError((Problem(path="", message=message),))
