"""What a registry holds under a name, as it is: nothing is left out, corrected, or refused for being odd."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from polyfleet_shared.platforms import InvalidPlatformError, Platform


class DocumentKind(StrEnum):
    """What a manifest turns out to be; `unreadable` is one that is missing or malformed."""

    IMAGE = "image"
    INDEX = "index"
    ATTESTATION = "attestation"
    ARTIFACT = "artifact"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPlatform:
    """A platform as a document spells it (image-spec, image-index.md)."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    @property
    def normalised(self) -> Platform | None:
        """The platform that is meant; None if none is."""
        try:
            return Platform(
                os=self.os.lower(),
                architecture=self.architecture.lower(),
                variant=(self.variant or "").lower() or None,
            )
        except InvalidPlatformError:
            return None

    def __str__(self) -> str:
        return "/".join((self.os, self.architecture, *([self.variant] if self.variant else [])))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedLayer:
    """A layer as a manifest names it; `size` in bytes, compressed."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedEntry:
    """One manifest of an index, or the one that the reference itself names.

    `within` is the digest of the nested index that lists it, None for what the first one lists. `platform`
    is what the index says and `config_platform` what the image's own config says. `attests` is the digest
    of the manifest that an attestation or an artifact is about, and `predicates` are the types of its
    statements (in-toto).
    `repeats` tells that an earlier entry is for the same platform, so that no engine takes this one.
    """

    kind: DocumentKind
    digest: str
    media_type: str
    within: str | None = None
    platform: StatedPlatform | None = None
    config_platform: StatedPlatform | None = None
    config: str | None = None
    layers: tuple[StatedLayer, ...] = ()
    artifact_type: str | None = None
    attests: str | None = None
    predicates: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False
    problem: str | None = None

    @property
    def size(self) -> int:
        """The bytes of all layers, compressed."""
        return sum(layer.size for layer in self.layers)

    @property
    def meant_for(self) -> StatedPlatform | None:
        """What engines go by: the index's word, and the config's where the index says nothing."""
        return self.platform or self.config_platform

    @property
    def contradicts_itself(self) -> bool:
        """Whether index and config name different platforms; a variant that one leaves out is no lie."""
        listed, own = self.platform, self.config_platform
        if self.kind is not DocumentKind.IMAGE or listed is None or own is None:
            return False
        if not listed.variant or not own.variant:
            return (listed.os, listed.architecture) != (own.os, own.architecture)
        return listed.normalised != own.normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A reference's document. `entries` are in the index's order, each nested index before what it lists."""

    name: str
    digest: str
    kind: DocumentKind
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[InspectedEntry, ...] = ()

    @property
    def images(self) -> tuple[InspectedEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is DocumentKind.IMAGE)

    def find(self, platform: Platform) -> InspectedEntry | None:
        """Find the image that engines take for a platform: the first."""
        for entry in self.images:
            if entry.meant_for is not None and entry.meant_for.normalised == platform:
                return entry
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetails:
    """One platform's image in full. Of the environment only the names: values may be secrets."""

    entry: InspectedEntry
    created: str | None = None
    os_version: str | None = None
    user: str | None = None
    working_directory: str | None = None
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment_names: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
