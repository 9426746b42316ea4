"""Images, pinned: what a device pulls is named by digests alone, so a moved tag changes nothing that runs."""

import re
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.platforms import Platform

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# Host labels as in RFC 1123, section 2.1: a resolver fails in its own way on others.
_LABEL: Final = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_REPOSITORY: Final = re.compile(
    rf"(?P<registry>({_LABEL}([.]{_LABEL})*|\[[0-9a-fA-F:.]+\])(:[0-9]{{1,5}})?)"
    r"/(?P<path>[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)"
)
_MAX_REPOSITORY_LENGTH: Final = 255


class InvalidImageError(PolyfleetError, ValueError):
    """Text that is no digest, or no repository."""


def check_digest(text: str) -> str:
    """Give text back if it is a digest as OCI image-spec descriptor.md has it, in sha256; else raise."""
    if _DIGEST.fullmatch(text) is None:
        raise InvalidImageError(f"{text[:80]!r} is no digest: sha256: and 64 hexadecimal digits")
    return text


def check_repository(text: str) -> str:
    """Give text back if it is `registry/path`, fully qualified; else raise InvalidImageError."""
    if len(text) > _MAX_REPOSITORY_LENGTH or _REPOSITORY.fullmatch(text) is None:
        raise InvalidImageError(f"{text[:80]!r} is no repository: write registry/path, without tag or digest")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """One platform's child of an image index.

    `index` is the digest of the index that the release was cut from (of the manifest itself where the
    reference names a single manifest). `child` is the manifest's digest and `config` its config's: a
    container runs the child when its image ID equals `config` and `child` is among the repository's
    digests. `size` is the sum of the compressed layers, in bytes.
    """

    repository: str
    index: str
    child: str
    config: str
    platform: Platform
    size: int

    def __post_init__(self) -> None:
        check_repository(self.repository)
        for digest in (self.index, self.child, self.config):
            check_digest(digest)
        if self.size < 0:
            raise InvalidImageError(f"an image's size is at least 0, not {self.size}")

    @property
    def reference(self) -> str:
        """What is pulled: `repository@child`."""
        return f"{self.repository}@{self.child}"
