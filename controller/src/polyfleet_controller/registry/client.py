"""The registry client: from an image's name to the digests of every platform."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from polyfleet_controller.domain.images import DEFAULT_TAG, ImageReference, IndexChild, ResolvedImage
from polyfleet_controller.registry.authorization import Authorizer
from polyfleet_controller.registry.cache import BoundedCache
from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.channel import Channel
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.documents import (
    MAX_ENTRIES,
    Artifact,
    ImageIndex,
    ImageManifest,
    IndexEntry,
    read_config,
    read_manifest,
)
from polyfleet_controller.registry.session import Session
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 30.0
_CACHED: Final = 1024
# Nobody is known to nest more than once; each level is a round of requests.
_MAX_DEPTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """A document for ever: what a digest names never changes, but not every repository holds it."""

    repository: str
    digest: str


class RegistryClient:
    """Resolves references. Threads may share it.

    `insecure` names the registries (`host[:port]`) that are spoken to in plain HTTP; `timeout` is how many
    seconds one resolve may take.
    """

    def __init__(
        self,
        *,
        insecure: frozenset[str] = frozenset(),
        timeout: float = DEFAULT_TIMEOUT,
        credentials: CredentialStore | None = None,
        certificates: CertificateStore | None = None,
    ) -> None:
        self._insecure = insecure
        self._timeout = timeout
        self._authorizer = Authorizer(credentials or CredentialStore())
        self._certificates = certificates or CertificateStore()
        self._manifests: BoundedCache[_Address, ImageIndex | ImageManifest | Artifact] = BoundedCache(_CACHED)
        self._platforms: BoundedCache[_Address, Platform] = BoundedCache(_CACHED)

    def resolve(self, reference: ImageReference, *, known: ResolvedImage | None = None) -> ResolvedImage:
        """Ask the registry what the reference names now; first, whether that is what is `known`.

        Raises:
            RegistryFailure: it has no such image or no answer, or lists an image that it does not have.
        """
        with self._open(reference) as session:
            if known is not None and session.map(session.find_digest, [_name(reference)]) == [known.index]:
                return known
            [(index, document)] = session.map(partial(self._read_root, session), [reference])
            entries = self._unfold(session, _entries(reference, index, document))
            found = session.map(partial(self._read_child, session), entries)
        children = _first_of_each(child for child in found if child is not None)
        if not children:
            raise _invalid(reference, "it holds no container image for any platform")
        return ResolvedImage(repository=reference.repository, index=index, children=children)

    def _open(self, reference: ImageReference) -> Session:
        channel = Channel(
            reference,
            plain_http=reference.registry in self._insecure,
            certificates=self._certificates,
            seconds=self._timeout,
        )
        return Session(channel, self._authorizer)

    def _read_root(
        self, session: Session, reference: ImageReference
    ) -> tuple[str, ImageIndex | ImageManifest | Artifact]:
        if reference.digest is not None:
            return reference.digest, self._read_manifest(session, reference.digest)
        fetched = session.fetch_manifest(_name(reference))
        document = _parse(session, fetched.digest, read_manifest, fetched.content)
        self._manifests.put(_Address(repository=reference.repository, digest=fetched.digest), document)
        return fetched.digest, document

    def _unfold(self, session: Session, entries: tuple[IndexEntry, ...]) -> tuple[IndexEntry, ...]:
        """Replace each entry that is an index itself by what it lists (image-spec, image-index.md)."""
        for _ in range(_MAX_DEPTH):
            documents = session.map(partial(self._read_entry, session), entries)
            if not any(isinstance(document, ImageIndex) for document in documents):
                return entries
            entries = tuple(
                unfolded
                for entry, document in zip(entries, documents, strict=True)
                for unfolded in (_inherit(entry, document) if isinstance(document, ImageIndex) else (entry,))
            )
            if len(entries) > MAX_ENTRIES:
                raise _invalid(session.reference, f"it lists more than the {MAX_ENTRIES} images allowed")
        raise _invalid(session.reference, f"its indexes are nested more than {_MAX_DEPTH} deep")

    def _read_entry(self, session: Session, entry: IndexEntry) -> ImageIndex | ImageManifest | Artifact:
        try:
            return self._read_manifest(session, entry.digest)
        except RegistryFailure as failure:
            if failure.reason is not Reason.IMAGE_NOT_FOUND:
                raise
            raise _incomplete(session.reference, entry) from failure

    def _read_child(self, session: Session, entry: IndexEntry) -> IndexChild | None:
        """Read one image; None where the entry turns out to be none."""
        manifest = self._read_manifest(session, entry.digest)
        if not isinstance(manifest, ImageManifest):
            return None
        platform = entry.platform or self._read_platform(session, manifest.config)
        if platform is None:
            return None
        return IndexChild(
            platform=platform,
            child=entry.digest,
            config=manifest.config,
            size=manifest.size,
            layers=manifest.layers,
        )

    def _read_manifest(self, session: Session, digest: str) -> ImageIndex | ImageManifest | Artifact:
        address = _Address(repository=session.reference.repository, digest=digest)
        document = self._manifests.get(address)
        if document is None:
            document = _parse(session, digest, read_manifest, session.fetch_manifest(digest).content)
            self._manifests.put(address, document)
        return document

    def _read_platform(self, session: Session, config: str) -> Platform | None:
        address = _Address(repository=session.reference.repository, digest=config)
        platform = self._platforms.get(address)
        if platform is None:
            platform = _parse(session, config, read_config, session.fetch_config(config))
            if platform is not None:
                self._platforms.put(address, platform)
        return platform


def _name(reference: ImageReference) -> str:
    """What a registry is asked for: the digest, which decides, or else the tag."""
    return reference.digest or reference.tag or DEFAULT_TAG


def _entries(
    reference: ImageReference, index: str, document: ImageIndex | ImageManifest | Artifact
) -> tuple[IndexEntry, ...]:
    match document:
        case ImageIndex():
            return document.entries
        case ImageManifest():
            return (IndexEntry(digest=index, platform=None),)
        case Artifact():
            raise _invalid(reference, f"it is no container image but {document.media_type[:80]!r}")


def _inherit(outer: IndexEntry, index: ImageIndex) -> tuple[IndexEntry, ...]:
    """What an index's own entry says of its platform holds for those in it that say nothing."""
    return tuple(replace(entry, platform=entry.platform or outer.platform) for entry in index.entries)


def _first_of_each(children: Iterable[IndexChild]) -> tuple[IndexChild, ...]:
    first: dict[Platform, IndexChild] = {}
    for child in children:
        first.setdefault(child.platform, child)
    return tuple(first.values())


def _parse(session: Session, digest: str, read: Callable[[bytes], T], content: bytes) -> T:
    try:
        return read(content)
    except DecodeError as error:
        raise _invalid(session.reference, f"{digest}: {error}") from error


def _incomplete(reference: ImageReference, entry: IndexEntry) -> RegistryFailure:
    """The failure for an index without one of its images: whoever pushed or mirrored it left that out.

    It is no image without that platform: nobody has said that devices are to go without.
    """
    what = "an image" if entry.platform is None else f"{entry.platform}"
    return RegistryFailure(
        Reason.IMAGE_NOT_FOUND,
        f"{reference} lists {what} as {entry.digest}, which {reference.registry} does not have in the "
        f"repository {reference.path}: push the whole image again",
    )


def _invalid(reference: ImageReference, message: str) -> RegistryFailure:
    return RegistryFailure(Reason.IMAGE_INVALID, f"{reference}: {message}")
