"""Which certificates are trusted: of the system's CAs, and for a host those of its directory in a certs.d."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from polyfleet_controller.registry.cache import BoundedCache
from polyfleet_shared.errors import PolyfleetError

_CACHED: Final = 64


class CertificateError(PolyfleetError):
    """A file that is no certificate or no key; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    modified: int
    size: int


class CertificateStore:
    """A directory as containers-certs.d(5) has it: below it, one for each `host[:port]`.

    In there `*.crt` are CAs, `*.cert` and `*.key` the client's own. Without a directory only the system's CAs
    count. Files that change count from the next time on. Threads may share it.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._contexts: BoundedCache[tuple[_File, ...], ssl.SSLContext] = BoundedCache(_CACHED)

    def context_for(self, host: str, *, registry: str) -> ssl.SSLContext:
        """Make what a connection to `host` needs, to which `registry` sent its client, or which it is.

        The registry's CAs count there as well, as they do for container engines: who runs a registry with a
        CA of their own, runs its token server with it. The client's certificate is shown to no other host.

        Raises:
            CertificateError: a file cannot be read.
        """
        authorities = self._list(dict.fromkeys((host, registry)), ".crt")
        certificates = self._list([host], ".cert")
        keys = self._list([host], ".key")
        files = (*authorities, *certificates, *keys)
        context = self._contexts.get(files)
        if context is None:
            context = _make_context([file.path for file in authorities], [file.path for file in certificates])
            self._contexts.put(files, context)
        return context

    def _list(self, hosts: Iterable[str], suffix: str) -> tuple[_File, ...]:
        if self.directory is None:
            return ()
        try:
            return tuple(
                _File(path=path, modified=status.st_mtime_ns, size=status.st_size)
                for host in hosts
                for path in sorted((self.directory / host).glob(f"*{suffix}"))
                for status in [path.stat()]
            )
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}") from None


def _make_context(authorities: Iterable[Path], certificates: Iterable[Path]) -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    for path in authorities:
        try:
            context.load_verify_locations(path)
        except OSError as error:  # ssl.SSLError is one
            raise CertificateError(
                f"{path} cannot be read as a CA's certificate in PEM form: {error}"
            ) from None
    for path in certificates:
        key = path.with_suffix(".key")
        try:
            context.load_cert_chain(path, key, password="")  # without one OpenSSL would ask on the terminal
        except OSError as error:
            raise CertificateError(
                f"{path} and {key} cannot be read as certificate and key: {error}"
            ) from None
    return context
