"""The documents that a registry holds, read from their bytes (OCI image-spec; Docker Image Manifest V2).

What a document is, its content decides: registries and mirrors send wrong media types, builders leave them
out. Whatever these documents hold beyond what is read here is left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.images import Layer
from polyfleet_shared.codec import UnknownFields, decode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.images import check_digest
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, parse_json
from polyfleet_shared.platforms import Platform

# distribution-spec, "Pushing Manifests", asks registries for at least 4 MiB.
MANIFEST_LIMIT: Final = 4 * 1024 * 1024
CONFIG_LIMIT: Final = 8 * 1024 * 1024

_INDEX_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MEDIA_TYPES: Final = (*_INDEX_TYPES, *_MANIFEST_TYPES)

_CONFIG_TYPES: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",  # Docker before 1.11
)

# What holds a root file system's files; a signature or a module calls its layers otherwise.
_LAYER_PREFIXES: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
)

# BuildKit's attestation storage: such an entry describes another entry and is no image.
_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_UNKNOWN: Final = "unknown"

# The largest public indexes have some thirty; each costs a request.
MAX_ENTRIES: Final = 256
# No engine mounts more: containers/storage stops at 500, Docker at 128.
MAX_LAYERS: Final = 500
# image-spec, descriptor.md, "Digests": a layer may be named by another hash than sha256.
_LAYER_DIGEST: Final = re.compile(r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]{32,128}")
_MAX_SIZE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """An image that an index lists, or an index in its turn; `platform` is None where it names none."""

    digest: str
    platform: Platform | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIndex:
    """An OCI image index or a Docker manifest list, less what cannot be an image.

    There may be several for one platform: by `os.version`, or by mistake.
    """

    entries: tuple[IndexEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageManifest:
    """One platform's image: its config's digest, and its layers, each once however often it is listed."""

    config: str
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """What is pulled, in bytes: the sum of the layers."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something else that registries keep as if it were an image: a chart, a signature, a module."""

    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlatformDocument:
    os: str = ""
    architecture: str = ""
    variant: str | None = None

    @property
    def is_missing(self) -> bool:
        return not self.os and not self.architecture

    @property
    def is_unknown(self) -> bool:
        return _UNKNOWN in (self.os, self.architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Descriptor:
    digest: str
    media_type: str | None = None
    artifact_type: str | None = None
    platform: _PlatformDocument | None = None
    annotations: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_digest(self.digest)

    @property
    def may_be_image(self) -> bool:
        return (
            (self.media_type or MEDIA_TYPES[0]) in MEDIA_TYPES
            and (self.artifact_type or _CONFIG_TYPES[0]) in _CONFIG_TYPES
            and _REFERENCE_TYPE not in (self.annotations or {})
            and not (self.platform and self.platform.is_unknown)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _IndexDocument:
    manifests: tuple[_Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    digest: str
    size: int
    media_type: str | None = None

    def __post_init__(self) -> None:
        if _LAYER_DIGEST.fullmatch(self.digest) is None:
            raise PolyfleetError(f"{self.digest[:80]!r} is no digest")
        if self.size < 0:
            raise PolyfleetError(f"a size is at least 0, not {self.size}")

    @property
    def may_hold_files(self) -> bool:
        return self.media_type is None or self.media_type.startswith(_LAYER_PREFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ManifestDocument:
    config: _Descriptor
    layers: tuple[_Layer, ...]
    artifact_type: str | None = None


def read_manifest(content: bytes) -> ImageIndex | ImageManifest | Artifact:
    """Read what a registry answers for a tag or a manifest's digest.

    Raises:
        DecodeError: it is neither an index nor a manifest, or a part of it is malformed.
    """
    document = parse_json(content, limit=MANIFEST_LIMIT)
    if not isinstance(document, dict):
        raise _problem("", "expected an object")
    is_index, is_manifest = "manifests" in document, "config" in document or "layers" in document
    if is_index and is_manifest:  # GHSA-77vh-xpmg-72qh: two readers would see two images
        raise _problem("", "it claims to be an index and a manifest at once")
    _check_media_type(document.get("mediaType"), _INDEX_TYPES if is_index else _MANIFEST_TYPES)
    if is_index:
        return _read_index(decode(_IndexDocument, document, unknown=UnknownFields.IGNORE))
    if is_manifest:
        return _read_image(decode(_ManifestDocument, document, unknown=UnknownFields.IGNORE))
    artifact_type = document.get("artifactType")
    if isinstance(artifact_type, str):  # image-spec 1.1-rc's artifact manifest
        return Artifact(media_type=artifact_type)
    if document.get("schemaVersion") == 1:
        raise _problem("schemaVersion", "Docker's schema 1 is read by no engine today; push the image again")
    raise _problem("", "it is neither an image index nor an image manifest")


def read_config(content: bytes) -> Platform | None:
    """Read the platform from an image's config; None if the config itself calls it unknown.

    Raises:
        DecodeError: it is no image config, or names no platform.
    """
    document = decode(
        _PlatformDocument, parse_json(content, limit=CONFIG_LIMIT), unknown=UnknownFields.IGNORE
    )
    if document.is_missing:
        raise _problem("", "it names no platform: os and architecture are missing")
    return None if document.is_unknown else _normalise(document, "")


def _read_index(document: _IndexDocument) -> ImageIndex:
    entries: list[IndexEntry] = []
    for position, descriptor in enumerate(document.manifests):
        if not descriptor.may_be_image:
            continue
        platform = descriptor.platform
        if platform is None or platform.is_missing:
            entries.append(IndexEntry(digest=descriptor.digest, platform=None))
        else:
            normalised = _normalise(platform, f"manifests[{position}].platform")
            entries.append(IndexEntry(digest=descriptor.digest, platform=normalised))
    if len(entries) > MAX_ENTRIES:
        raise _problem("manifests", f"{len(entries)} images are more than the {MAX_ENTRIES} allowed")
    return ImageIndex(entries=tuple(entries))


def _read_image(document: _ManifestDocument) -> ImageManifest | Artifact:
    config = document.config
    if (config.media_type or _CONFIG_TYPES[0]) not in _CONFIG_TYPES:
        return Artifact(media_type=document.artifact_type or config.media_type or "")
    # A signature by cosign, for one, has an image's config and not one layer of files.
    if document.layers and not any(layer.may_hold_files for layer in document.layers):
        return Artifact(media_type=document.artifact_type or document.layers[0].media_type or "")
    if len(document.layers) > MAX_LAYERS:
        raise _problem("layers", f"{len(document.layers)} layers are more than the {MAX_LAYERS} allowed")
    first: dict[str, Layer] = {}
    for layer in document.layers:
        first.setdefault(layer.digest, Layer(digest=layer.digest, size=layer.size))
    image = ImageManifest(config=config.digest, layers=tuple(first.values()))
    if image.size > _MAX_SIZE:
        raise _problem("layers", "their sizes add up to more than 64 bits hold")
    return image


def _check_media_type(media_type: JsonValue, expected: tuple[str, ...]) -> None:
    if media_type is not None and media_type in MEDIA_TYPES and media_type not in expected:
        raise _problem("mediaType", f"{media_type} contradicts what the document holds")


def _normalise(document: _PlatformDocument, path: str) -> Platform:
    try:
        return Platform(
            os=document.os.lower(),
            architecture=document.architecture.lower(),
            variant=(document.variant or "").lower() or None,
        )
    except PolyfleetError as error:
        raise _problem(path, str(error)) from None


def _problem(path: str, message: str) -> DecodeError:
    return DecodeError((Problem(path=path, message=message),))
