"""The requests that one question to a registry takes (OCI distribution-spec, "Pull")."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar

from polyfleet_controller.registry.authorization import Authorization, Authorizer
from polyfleet_controller.registry.channel import Answer, Channel, Wanted
from polyfleet_controller.registry.documents import CONFIG_LIMIT, MANIFEST_LIMIT, MEDIA_TYPES
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

T = TypeVar("T")
R = TypeVar("R")

_THREADS: Final = 4
# From no authorization to one that was good a while ago, and from that to a fresh one.
_RENEWALS: Final = 2
_DIGEST_HEADER: Final = "Docker-Content-Digest"
_SHA256: Final = "sha256:"
# What a HEAD may meet where a GET is answered, or says better what is missing.
_SILENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A document as it came, and the digest of its bytes."""

    digest: str
    content: bytes


class Session:
    """Asks one repository, a few requests at a time over one pool of connections.

    When its time is up it fails, even if a resolver or a registry that sends a byte now and then keeps a
    request busy for ever.
    """

    def __init__(self, channel: Channel, authorizer: Authorizer) -> None:
        self.reference = channel.reference
        self._channel = channel
        self._authorizer = authorizer
        self._authorization: Authorization | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="registry")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._channel.close()  # cuts what is still under way

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Call the function for every item, in threads; the results are in the order of the items.

        Raises:
            RegistryFailure: of the first item that failed, or because the time is up.
        """
        futures = [self._threads.submit(function, item) for item in items]
        try:
            return [future.result(timeout=self._channel.remaining) for future in futures]
        except TimeoutError:
            raise self._channel.out_of_time() from None

    def fetch_manifest(self, name: str) -> Content:
        """Fetch what a tag or a digest names; its bytes are those that the digest promises.

        Raises:
            RegistryFailure: it is not there or cannot be had, or is not what the digest promises.
        """
        is_digest = name.startswith(_SHA256)
        what = f"{'manifest' if is_digest else 'tag'} {name}"
        answer = self._fetch(f"manifests/{name}", what, limit=MANIFEST_LIMIT)
        return self._check(what, answer.content, name if is_digest else answer.headers.get(_DIGEST_HEADER))

    def find_digest(self, name: str) -> str | None:
        """Ask for the digest alone of what a tag names; None where only the document itself can tell.

        No registry must send the digest, and what it says of a tag that is gone `fetch_manifest` words.

        Raises:
            RegistryFailure: it refuses, or does not answer.
        """
        wanted = Wanted(
            what=f"tag {name}", limit=MANIFEST_LIMIT, reason=Reason.IMAGE_INVALID, media_types=MEDIA_TYPES
        )
        answer, authorization = self._ask("HEAD", f"manifests/{name}", wanted)
        if answer.status in _SILENT:
            return None
        self._accept(answer, wanted, authorization)
        return answer.headers.get(_DIGEST_HEADER)

    def fetch_config(self, digest: str) -> bytes:
        """Fetch an image's config; raises as `fetch_manifest` does."""
        what = f"config {digest}"
        answer = self._fetch(f"blobs/{digest}", what, limit=CONFIG_LIMIT)
        return self._check(what, answer.content, digest).content

    def _fetch(self, path: str, what: str, *, limit: int) -> Answer:
        wanted = Wanted(what=what, limit=limit, reason=Reason.IMAGE_INVALID, media_types=MEDIA_TYPES)
        answer, authorization = self._ask("GET", path, wanted)
        self._accept(answer, wanted, authorization)
        return answer

    def _ask(self, method: str, path: str, wanted: Wanted) -> tuple[Answer, Authorization | None]:
        """Ask, and again with what the registry wants to see; whatever it answers then is the answer."""
        url = self._channel.url.join(path)
        authorization = self._authorization or self._authorizer.recall(self._channel)
        answer = self._channel.get(url, wanted, authorization=_header(authorization), method=method)
        for _ in range(_RENEWALS):
            is_asking = answer.status == HTTPStatus.UNAUTHORIZED and answer.is_registrys
            if not is_asking or (authorization is not None and authorization.fresh):
                break
            authorization = self._authorizer.answer(self._channel, answer, rejected=authorization)
            if authorization is None:
                break
            answer = self._channel.get(url, wanted, authorization=_header(authorization), method=method)
        return answer, authorization

    def _accept(self, answer: Answer, wanted: Wanted, authorization: Authorization | None) -> None:
        """Refuse any status but success, and remember what opened the door."""
        self._check_status(answer, wanted.what, authorization)
        if authorization is not None:
            self._authorizer.remember(self.reference, authorization)
            self._authorization = replace(authorization, fresh=False)

    def _check_status(self, answer: Answer, what: str, authorization: Authorization | None) -> None:
        match answer.status:
            case HTTPStatus.NOT_FOUND:
                raise RegistryFailure(
                    Reason.IMAGE_NOT_FOUND,
                    f"{self.reference.registry} has no {what} in the repository {self.reference.path}",
                )
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise self._channel.failure(
                    Reason.REGISTRY_DENIED,
                    f"the registry refuses to give the {what} (HTTP {answer.status}){_whose(authorization)}",
                )
            case _:
                self._channel.require_success(answer)

    def _check(self, what: str, content: bytes, promised: str | None) -> Content:
        digest = _SHA256 + hashlib.sha256(content).hexdigest()
        if promised is not None and promised.startswith(_SHA256) and promised != digest:
            raise self._channel.failure(
                Reason.DIGEST_MISMATCH, f"the registry promised {promised} for the {what} and sent {digest}"
            )
        return Content(digest=digest, content=content)


def _whose(authorization: Authorization | None) -> str:
    if authorization is None:
        return ""
    if authorization.has_credentials:
        return " with the credentials that are configured for it"
    return ", and no credentials for it are configured"


def _header(authorization: Authorization | None) -> str | None:
    return None if authorization is None else authorization.header
