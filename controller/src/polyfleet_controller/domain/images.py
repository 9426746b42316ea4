"""Images as operators name them, and as a registry resolves them."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self

from polyfleet_shared.images import InvalidImageError, check_digest, check_repository
from polyfleet_shared.platforms import Platform

DEFAULT_TAG: Final = "latest"

# distribution-spec, "Pulling manifests".
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_MAX_PORT: Final = 65535
_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_ALIAS: Final = "index.docker.io"
_SHOWN: Final = 120


class InvalidReferenceError(InvalidImageError):
    """Text that names no image, or not which registry holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """`registry/path[:tag][@digest]`: what an operator writes. A digest decides; a tag beside it informs.

    `repository` is spelled as container engines list it (`docker.io/nginx` is `docker.io/library/nginx`).
    """

    repository: str
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        check_repository(self.repository)
        if self.tag is not None and _TAG.fullmatch(self.tag) is None:
            raise InvalidReferenceError(
                f"{self.tag[:_SHOWN]!r} is no tag: use up to 128 of letters, digits, '_', '.' and '-'"
            )
        if self.digest is not None:
            check_digest(self.digest)
        if self.tag is None and self.digest is None:
            raise InvalidReferenceError(f"{self.repository} has neither tag nor digest")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; without tag and digest it means the tag `latest`.

        Raises:
            InvalidImageError: text names no image; InvalidReferenceError where it does not say which
                registry holds it, or its tag or port is malformed.
        """
        name, at, digest = text.partition("@")
        registry, slash, rest = name.partition("/")
        path, colon, tag = rest.partition(":")
        if not slash or not _is_registry(registry):
            raise _unqualified(text)
        _check_host(registry)
        if not colon and not at:
            tag = DEFAULT_TAG
        return cls(
            repository=_spell_repository(registry, path),
            tag=tag if tag or colon else None,
            digest=digest if at else None,
        )

    @property
    def registry(self) -> str:
        """The registry's `host[:port]`."""
        return self.repository.partition("/")[0]

    @property
    def path(self) -> str:
        """The repository's name within its registry."""
        return self.repository.partition("/")[2]

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.repository}{tag}{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A part of an image that images share; `size` in bytes, compressed."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChild:
    """One platform of an image: its manifest's and its config's digest, and its layers' bytes, compressed.

    `layers` are empty in releases that were cut by versions that did not look at them.
    """

    platform: Platform
    child: str
    config: str
    size: int
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """What a reference named when the registry was asked.

    `index` is the digest of the index, or of the manifest where the reference names a single image.
    `children` are in the index's order, one for each platform: of duplicates, the first.
    """

    repository: str
    index: str
    children: tuple[IndexChild, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """A reference, and what it named when the registry was asked."""

    reference: ImageReference
    image: ResolvedImage


def qualify_image(text: str) -> str:
    """The same image, its registry said: where none is, Kubernetes and Docker mean Docker Hub."""
    registry, slash, _ = text.partition("/")
    return text if not text or (slash and _is_registry(registry)) else f"{_DOCKER_HUB}/{text}"


def _is_registry(text: str) -> bool:
    """Tell a registry from the first part of a path, as every container engine does."""
    return text == "localhost" or any(mark in text for mark in ".:[")


def _check_host(registry: str) -> None:
    host, colon, port = registry.rpartition(":")
    if registry.endswith("]") or not colon:
        host, port = registry, ""
    if port and (not port.isdecimal() or not 1 <= int(port) <= _MAX_PORT):
        raise InvalidReferenceError(f"{registry[:_SHOWN]!r}: a port is between 1 and {_MAX_PORT}")
    try:
        if host.startswith("["):
            IPv6Address(host.removeprefix("[").removesuffix("]"))
        elif host.rpartition(".")[2].isdecimal():
            IPv4Address(host)
    except ValueError:
        raise InvalidReferenceError(
            f"{registry[:_SHOWN]!r} is no registry: write an address as 192.0.2.1:5000 or [2001:db8::1]:5000"
        ) from None


def _spell_repository(registry: str, path: str) -> str:
    if registry == _DOCKER_HUB_ALIAS:
        registry = _DOCKER_HUB
    if registry == _DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return f"{registry}/{path}"


def _unqualified(text: str) -> InvalidReferenceError:
    example = f"docker.io/{text}" if "/" in text else f"docker.io/library/{text}"
    return InvalidReferenceError(
        f"{text[:_SHOWN]!r} does not say which registry holds it: write registry/path[:tag][@digest], "
        f"for example {example[:_SHOWN]}"
    )
