"""Asks a registry for all that stands behind a name, attestations and artifacts included."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from polyfleet_controller.domain.images import DEFAULT_TAG, ImageReference
from polyfleet_controller.domain.inspection import DocumentKind, ImageDetails, InspectedEntry, Inspection
from polyfleet_controller.registry.authorization import Authorizer
from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.channel import Channel
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.documents import MAX_ENTRIES
from polyfleet_controller.registry.inspected_documents import (
    ListedManifest,
    StatedDocument,
    read_details,
    read_stated_document,
    read_stated_platform,
)
from polyfleet_controller.registry.session import Content, Session
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

DEFAULT_TIMEOUT: Final = 30.0
_MAX_DEPTH: Final = 4
# What is wrong with one document; all else is wrong with the registry.
_OF_ONE_ENTRY: Final = frozenset({Reason.IMAGE_NOT_FOUND, Reason.IMAGE_INVALID, Reason.DIGEST_MISMATCH})


class NoSuchPlatformError(PolyfleetError):
    """An image without the platform that was asked for; the text lists those that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What an index lists, and what came for it: no document if it cannot be read.

    `within` are the digests of the nested indexes around it, the innermost last.
    """

    listed: ListedManifest
    within: tuple[str, ...]
    document: StatedDocument | None
    problem: str | None = None

    @property
    def kind(self) -> DocumentKind:
        if self.document is None:
            return DocumentKind.UNREADABLE
        if self.listed.is_attestation:
            return DocumentKind.ATTESTATION
        return self.document.kind


class Inspector:
    """Shows one reference at a time, with the credentials and CAs of whoever runs it.

    With `plain_http` the reference's registry is spoken to without TLS.
    """

    def __init__(
        self,
        *,
        plain_http: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        credentials: CredentialStore | None = None,
        certificates: CertificateStore | None = None,
    ) -> None:
        self._plain_http = plain_http
        self._timeout = timeout
        self._authorizer = Authorizer(credentials or CredentialStore())
        self._certificates = certificates or CertificateStore()

    def fetch(self, reference: ImageReference) -> Content:
        """Fetch the document that the reference names, as the registry sends it.

        Raises:
            RegistryFailure: it has no such image, or no answer.
        """
        with self._open(reference) as session:
            return _fetch_root(session, reference)

    def inspect(self, reference: ImageReference) -> Inspection:
        """Read the document and everything that it lists.

        An entry that is missing or malformed is told as such.

        Raises:
            RegistryFailure: it has no such image or no answer, or the document is nothing that can be read.
        """
        with self._open(reference) as session:
            return _inspect(session, reference)

    def describe(self, reference: ImageReference, platform: Platform) -> ImageDetails:
        """Read one platform's image in full.

        Raises:
            RegistryFailure: as `inspect`.
            NoSuchPlatformError: there is none for this platform.
        """
        with self._open(reference) as session:
            inspection = _inspect(session, reference)
            entry = inspection.find(platform)
            if entry is None or entry.config is None:
                raise _no_platform(reference, platform, inspection)
            [content] = session.map(session.fetch_config, [entry.config])
        try:
            return read_details(entry, content)
        except DecodeError as error:
            raise _invalid(reference, f"config {entry.config}: {error}") from None

    def _open(self, reference: ImageReference) -> Session:
        channel = Channel(
            reference,
            plain_http=self._plain_http,
            certificates=self._certificates,
            seconds=self._timeout,
        )
        return Session(channel, self._authorizer)


def _inspect(session: Session, reference: ImageReference) -> Inspection:
    root = _fetch_root(session, reference)
    try:
        document = read_stated_document(root.content)
    except DecodeError as error:
        raise _invalid(reference, f"{root.digest}: {error}") from None
    if document.kind is DocumentKind.INDEX:
        found = _unfold(session, document.manifests, within=())
    else:
        found = [_Read(listed=_as_listed(root, document), within=(), document=document)]
    return Inspection(
        name=str(reference),
        digest=root.digest,
        kind=document.kind,
        media_type=document.media_type,
        annotations=document.annotations,
        entries=_mark_repeats(session.map(partial(_look_into, session), found)),
    )


def _fetch_root(session: Session, reference: ImageReference) -> Content:
    name = reference.digest or reference.tag or DEFAULT_TAG
    [content] = session.map(session.fetch_manifest, [name])
    return content


def _as_listed(root: Content, document: StatedDocument) -> ListedManifest:
    return ListedManifest(
        digest=root.digest,
        media_type=document.media_type,
        artifact_type=document.artifact_type,
        platform=None,
        annotations=document.annotations,
    )


def _unfold(
    session: Session, manifests: tuple[ListedManifest, ...], *, within: tuple[str, ...]
) -> list[_Read]:
    """Read what an index lists; after an index in it comes what that one lists."""
    found: list[_Read] = []
    for read in session.map(partial(_read_listed, session, within), manifests):
        found.append(read)
        if read.document is not None and read.kind is DocumentKind.INDEX:
            if len(within) == _MAX_DEPTH:
                raise _invalid(session.reference, f"its indexes are nested more than {_MAX_DEPTH} deep")
            found += _unfold(session, read.document.manifests, within=(*within, read.listed.digest))
        if len(found) > MAX_ENTRIES:
            raise _invalid(session.reference, f"it lists more than the {MAX_ENTRIES} manifests allowed")
    return found


def _read_listed(session: Session, within: tuple[str, ...], listed: ListedManifest) -> _Read:
    if listed.problem is not None:
        return _Read(listed=listed, within=within, document=None, problem=listed.problem)
    try:
        document = read_stated_document(session.fetch_manifest(listed.digest).content)
    except DecodeError as error:
        return _Read(listed=listed, within=within, document=None, problem=str(error))
    except RegistryFailure as failure:
        if failure.reason not in _OF_ONE_ENTRY:
            raise
        return _Read(listed=listed, within=within, document=None, problem=failure.message)
    return _Read(listed=listed, within=within, document=document)


def _look_into(session: Session, read: _Read) -> InspectedEntry:
    """Put together what the index, the manifest and the config say of one entry."""
    listed, document = read.listed, read.document
    entry = InspectedEntry(
        kind=read.kind,
        digest=listed.digest,
        media_type=listed.media_type or ("" if document is None else document.media_type),
        within=read.within[-1] if read.within else None,
        platform=listed.platform,
        artifact_type=listed.artifact_type,
        attests=listed.attests,
        annotations=listed.annotations,
        problem=read.problem,
    )
    if document is None:
        return entry
    entry = replace(
        entry,
        config=document.config,
        layers=document.layers,
        artifact_type=listed.artifact_type or document.artifact_type,
        attests=listed.attests or document.subject,
        predicates=document.predicates,
    )
    if read.kind is not DocumentKind.IMAGE or document.config is None:
        return entry
    try:
        return replace(entry, config_platform=read_stated_platform(session.fetch_config(document.config)))
    except DecodeError as error:
        return replace(entry, problem=f"config {document.config}: {error}")
    except RegistryFailure as failure:
        if failure.reason not in _OF_ONE_ENTRY:
            raise
        return replace(entry, problem=failure.message)


def _mark_repeats(entries: Iterable[InspectedEntry]) -> tuple[InspectedEntry, ...]:
    """Windows' images differ by `os.version` alone, and engines tell them apart by it."""
    seen: set[tuple[Platform | None, str | None]] = set()
    marked: list[InspectedEntry] = []
    for entry in entries:
        meant = entry.meant_for if entry.kind is DocumentKind.IMAGE else None
        if meant is not None:
            key = (meant.normalised, meant.os_version)
            marked.append(replace(entry, repeats=key in seen))
            seen.add(key)
        else:
            marked.append(entry)
    return tuple(marked)


def _no_platform(
    reference: ImageReference, platform: Platform, inspection: Inspection
) -> NoSuchPlatformError:
    there = ", ".join(str(entry.meant_for) for entry in inspection.images if entry.meant_for is not None)
    return NoSuchPlatformError(
        f"{reference} has no image for {platform}; it has some for {there or 'no platform at all'}"
    )


def _invalid(reference: ImageReference, message: str) -> RegistryFailure:
    return RegistryFailure(Reason.IMAGE_INVALID, f"{reference}: {message}")
