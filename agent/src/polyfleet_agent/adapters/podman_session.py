"""podman-py's HTTP session on Podman's socket, made to clean up after itself."""

import socket
from typing import Any
from urllib.parse import unquote, urlsplit

from podman.api.client import APIClient
from podman.api.uds import UDSAdapter, UDSConnection, UDSConnectionPool


class _Connection(UDSConnection):
    """podman-py's own leaves the socket open when nobody listens."""

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(unquote(urlsplit(self.uds).netloc))
        except OSError:
            connection.close()
            raise
        self.sock = connection


class _ConnectionPool(UDSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(UDSAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call]  # it has no types
        if self.poolmanager is not None:
            self.poolmanager.pool_classes_by_scheme = {"http": _ConnectionPool}


def open_session(address: str) -> APIClient:
    """A session for one thread; `address` is `unix:///path/of/the.sock`."""
    session = APIClient(address)
    session.mount("http://", _Adapter(session.base_url.geturl()))
    return session
