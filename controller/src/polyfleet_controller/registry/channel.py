"""HTTP requests to a registry, and to where it sends its clients: bounded, and only where that is allowed."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.addresses import Scope, may_reach, scope_of, scope_of_name
from polyfleet_controller.registry.certificates import CertificateError, CertificateStore
from polyfleet_controller.registry.failures import describe_error, describe_status
from polyfleet_controller.registry.targets import (
    Home,
    UnsafeTargetError,
    follow,
    is_same_host,
    is_same_origin,
)
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason

_MAX_REDIRECTS: Final = 5
_SILENCE_SECONDS: Final = 10.0
_CONNECTED: Final = "connection.connect_tcp.complete"
_CONNECTING: Final = "connection.connect_tcp.started"

# Docker Hub's name in references is not the name of the host that answers for it.
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}

# No proxy that the environment names can reach what listens on this machine.
_DIRECT: Final = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

# Both log addresses, and an address that a registry hands out may hold a signature that opens it.
logging.getLogger("httpx2").setLevel(logging.WARNING)
logging.getLogger("httpcore2").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, in words, and the bytes that it may have; what has more fails with `reason`."""

    what: str
    limit: int
    reason: Reason
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `content` is empty unless the status is 200.

    `is_registrys` says that the registry itself gave it, and not somebody it sent its client to.
    """

    status: int
    headers: httpx2.Headers
    content: bytes
    is_registrys: bool


class Channel:
    """Speaks with one registry about one image, until `seconds` have passed. Threads may share it."""

    def __init__(
        self, reference: ImageReference, *, plain_http: bool, certificates: CertificateStore, seconds: float
    ) -> None:
        self.reference = reference
        host = _HOSTS.get(reference.registry, reference.registry)
        self.url = httpx2.URL(f"{'http' if plain_http else 'https'}://{host}/v2/{reference.path}/")
        self.home = Home(host=self.url.host, plain_http=plain_http)
        self._certificates = certificates
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._scope: Scope | None = None
        self._lock = threading.Lock()
        self._clients: dict[str, httpx2.Client] = {}
        self._closed = False

    def close(self) -> None:
        """Cut what is under way."""
        with self._lock:
            self._closed = True
            for client in self._clients.values():
                client.close()

    @property
    def remaining(self) -> float:
        """How many seconds are left."""
        return max(0.0, self._deadline - time.monotonic())

    def get(
        self, url: httpx2.URL, wanted: Wanted, *, authorization: str | None, method: str = "GET"
    ) -> Answer:
        """Ask for a document, wherever it lies; `authorization` is for the host that is asked first.

        The method HEAD asks for its headers alone.

        Raises:
            RegistryFailure: there is no answer, it is too long, or it lies where nobody may be sent.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            headers = {"Accept": ", ".join(wanted.media_types)}
            if authorization is not None:
                headers["Authorization"] = authorization
            with self._stream(method, url, headers, None) as response:
                if not response.has_redirect_location:
                    return self._read(response, wanted, is_registrys=is_same_origin(url, self.url))
                target = self._follow(url, response.headers["Location"])
            if not is_same_origin(url, target):
                authorization = None
            url = target
        raise self.unreachable("sends its clients round in circles")

    def post(self, url: httpx2.URL, form: Mapping[str, str], wanted: Wanted) -> Answer:
        """Send a form, and follow nobody elsewhere with it. Raises as `get` does."""
        with self._stream("POST", url, {"Accept": ", ".join(wanted.media_types)}, form) as response:
            return self._read(response, wanted, is_registrys=is_same_origin(url, self.url))

    def failure(self, reason: Reason, message: str) -> RegistryFailure:
        return RegistryFailure(reason, f"{self.reference}: {message}")

    def unreachable(self, message: str, url: httpx2.URL | None = None) -> RegistryFailure:
        """Make the failure whose message goes on after the name of the registry, or of the URL's host."""
        registry = self.reference.registry
        if url is None or is_same_host(url, self.home):
            subject = f"the registry {registry}"
        else:
            subject = f"{_name_of(url)}, to which the registry {registry} sends its clients,"
        return self.failure(Reason.REGISTRY_UNREACHABLE, f"{subject} {message}")

    def out_of_time(self) -> RegistryFailure:
        return self.unreachable(f"gave no full answer within {self._seconds:g} s")

    def require_success(self, answer: Answer, url: httpx2.URL | None = None) -> None:
        """Take any status but 200 for a registry, or a host it names, that does not work."""
        if answer.status != HTTPStatus.OK:
            description = describe_status(answer.status, answer.headers.get("Retry-After"))
            raise self.unreachable(description, url)

    @contextlib.contextmanager
    def _stream(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Iterator[httpx2.Response]:
        self._check_name(url)
        client = self._client_for(url)
        try:
            with client.stream(
                method,
                url,
                headers=headers,
                data=form,
                timeout=max(0.001, min(self.remaining, _SILENCE_SECONDS)),
                extensions={"trace": self._watch(url)},
            ) as response:
                yield response
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self.unreachable(self._describe(error, url), url) from error

    def _read(self, response: httpx2.Response, wanted: Wanted, *, is_registrys: bool) -> Answer:
        content = bytearray()
        if response.status_code == HTTPStatus.OK:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > wanted.limit:
                    raise self.failure(
                        wanted.reason, f"{wanted.what} has more than the {wanted.limit} bytes allowed"
                    )
                if not self.remaining:
                    raise self.out_of_time()
        return Answer(
            status=response.status_code,
            headers=response.headers,
            content=bytes(content),
            is_registrys=is_registrys,
        )

    def _follow(self, source: httpx2.URL, location: str) -> httpx2.URL:
        try:
            return follow(source, location)
        except UnsafeTargetError as error:
            raise self.unreachable(str(error)) from None

    def _client_for(self, url: httpx2.URL) -> httpx2.Client:
        host = self._certificate_name(url)
        with self._lock:
            if self._closed:
                raise self.out_of_time()
            if host not in self._clients:
                self._clients[host] = self._make_client(host)
            return self._clients[host]

    def _make_client(self, host: str) -> httpx2.Client:
        try:
            context = self._certificates.context_for(host, registry=self.reference.registry)
        except CertificateError as error:
            raise self.unreachable(f"is not asked: {error}") from error
        return httpx2.Client(
            verify=context,
            mounts=_DIRECT,
            headers={"User-Agent": "polyfleet", "Accept-Encoding": "identity"},
        )

    def _certificate_name(self, url: httpx2.URL) -> str:
        """The directory's name in a certs.d: for the registry's own, what references call it."""
        return self.reference.registry if is_same_origin(url, self.url) else _name_of(url)

    def _check_name(self, url: httpx2.URL) -> None:
        """Refuse what needs no resolver to be told from the Internet."""
        if not is_same_host(url, self.home):
            scope = scope_of_name(url.raw_host.decode("ascii"))
            if scope is not None:
                self._check_scope(scope, url)

    def _check_scope(self, scope: Scope, url: httpx2.URL) -> None:
        if not may_reach(scope, registry=self._scope):
            raise self.unreachable(
                f"sends its clients to {_name_of(url)}, a {scope} address, where it is not itself"
            )

    def _watch(self, url: httpx2.URL) -> Callable[[str, Mapping[str, Any]], None]:
        """Look at the address of each new connection, before anything is sent over it.

        What a name resolves to is looked at nowhere else: a second look could see another address.
        """
        to_host = False

        def note(event: str, info: Mapping[str, Any]) -> None:
            nonlocal to_host
            if event == _CONNECTING:
                to_host = info["host"] == url.raw_host.decode("ascii")  # else it is a proxy's
            elif event == _CONNECTED and to_host:
                stream = info["return_value"]
                scope = scope_of(stream.get_extra_info("server_addr")[0])
                if is_same_host(url, self.home):
                    self._scope = scope
                    return
                try:
                    self._check_scope(scope, url)
                except RegistryFailure:
                    stream.close()
                    raise

        return note

    def _describe(self, error: Exception, url: httpx2.URL) -> str:
        directory = self._certificates.directory
        name = self._certificate_name(url)
        place = "the system's" if directory is None else str(directory / name / "ca.crt")
        return describe_error(error, authority_place=place)


def _name_of(url: httpx2.URL) -> str:
    return url.netloc.decode("ascii")
