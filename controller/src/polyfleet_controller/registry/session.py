"""The requests that one question to a registry takes (OCI distribution-spec, "Pull")."""

import hashlib
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.documents import CONFIG_LIMIT, MANIFEST_LIMIT, MEDIA_TYPES
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

T = TypeVar("T")
R = TypeVar("R")

_THREADS: Final = 4
_MAX_REDIRECTS: Final = 5
_SILENCE_SECONDS: Final = 10.0
_DIGEST_HEADER: Final = "Docker-Content-Digest"
_SHA256: Final = "sha256:"

# Docker Hub's name in references is not the name of the host that answers for it.
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}

# No proxy that the environment names can reach what listens on this machine.
_DIRECT: Final = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}


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

    def __init__(
        self, reference: ImageReference, *, plain_http: bool, context: ssl.SSLContext, seconds: float
    ) -> None:
        self.reference = reference
        host = _HOSTS.get(reference.registry, reference.registry)
        self._url = f"{'http' if plain_http else 'https'}://{host}/v2/{reference.path}"
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="registry")
        self._http = httpx2.Client(
            verify=context,
            timeout=min(seconds, _SILENCE_SECONDS),
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            mounts=_DIRECT,
            headers={"User-Agent": "polyfleet", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()  # cuts what is still under way

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Call the function for every item, in threads; the results are in the order of the items.

        Raises:
            RegistryFailure: of the first item that failed, or because the time is up.
        """
        futures = [self._threads.submit(function, item) for item in items]
        try:
            return [future.result(timeout=max(0.0, self._deadline - time.monotonic())) for future in futures]
        except TimeoutError:
            raise self._unreachable(f"gave no full answer within {self._seconds:g} s") from None

    def fetch_manifest(self, name: str) -> Content:
        """Fetch what a tag or a digest names; its bytes are those that the digest promises.

        Raises:
            RegistryFailure: it is not there or cannot be had, or is not what the digest promises.
        """
        is_digest = name.startswith(_SHA256)
        what = f"{'manifest' if is_digest else 'tag'} {name}"
        fetched, promised = self._fetch(f"manifests/{name}", what, limit=MANIFEST_LIMIT)
        return self._check(what, fetched, name if is_digest else promised)

    def fetch_config(self, digest: str) -> bytes:
        """Fetch an image's config; raises as `fetch_manifest` does."""
        what = f"config {digest}"
        fetched, _ = self._fetch(f"blobs/{digest}", what, limit=CONFIG_LIMIT)
        return self._check(what, fetched, digest).content

    def _fetch(self, path: str, what: str, *, limit: int) -> tuple[bytes, str | None]:
        try:
            with self._http.stream(
                "GET", f"{self._url}/{path}", headers={"Accept": ", ".join(MEDIA_TYPES)}
            ) as response:
                self._check_status(response.status_code, what)
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > limit:
                        raise self._failure(
                            Reason.IMAGE_INVALID, f"{what} has more than the {limit} bytes allowed"
                        )
                    if time.monotonic() > self._deadline:
                        raise self._unreachable("is too slow")
                return bytes(content), response.headers.get(_DIGEST_HEADER)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(_describe(error)) from error

    def _check_status(self, status: int, what: str) -> None:
        match status:
            case HTTPStatus.OK:
                return
            case HTTPStatus.NOT_FOUND:
                raise RegistryFailure(
                    Reason.IMAGE_NOT_FOUND,
                    f"{self.reference.registry} has no {what} in the repository {self.reference.path}",
                )
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise self._failure(
                    Reason.REGISTRY_DENIED, f"the registry refuses to give the {what} (HTTP {status})"
                )
            case _:
                raise self._unreachable(f"answered HTTP {status}")

    def _check(self, what: str, content: bytes, promised: str | None) -> Content:
        digest = _SHA256 + hashlib.sha256(content).hexdigest()
        if promised is not None and promised.startswith(_SHA256) and promised != digest:
            raise self._failure(
                Reason.DIGEST_MISMATCH, f"the registry promised {promised} for the {what} and sent {digest}"
            )
        return Content(digest=digest, content=content)

    def _failure(self, reason: Reason, message: str) -> RegistryFailure:
        return RegistryFailure(reason, f"{self.reference}: {message}")

    def _unreachable(self, message: str) -> RegistryFailure:
        return self._failure(Reason.REGISTRY_UNREACHABLE, f"the registry {self.reference.registry} {message}")


def _describe(error: Exception) -> str:
    text = str(error)
    if isinstance(error, httpx2.TimeoutException):
        return "does not answer"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"has a certificate that is not trusted here; add its CA to the system's: {text}"
    if "[SSL" in text:
        return f"does not speak TLS; if it is meant to be plain HTTP, name it as insecure: {text}"
    if isinstance(error, httpx2.ConnectError):
        return f"cannot be reached: {text}"
    return f"broke off or sent no proper answer: {text}"
