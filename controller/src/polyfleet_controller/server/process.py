"""The controller's process: its parts in order, the API in the main thread, then the parts in reverse."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.credentials import CredentialError
from polyfleet_controller.server.config import ConfigurationError, Endpoint, ExternalBroker, ServeOptions
from polyfleet_controller.server.monitor import Monitor
from polyfleet_controller.server.notify import Notifier
from polyfleet_controller.server.parts import Parts
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.errors import StoreError
from polyfleet_controller.transport.broker import Broker
from polyfleet_controller.transport.messages import BrokerAddress
from polyfleet_shared.errors import PolyfleetError

_log = logging.getLogger(__name__)

# An apply waits no longer than this for a registry; the resolver goes on trying.
_REGISTRY_SECONDS: Final = 10.0
# The default, 5 ms, is what the connection's thread waits for its turn whenever another computes.
_SWITCH_SECONDS: Final = 0.0005
_SHUTDOWN_SECONDS: Final = 5
_TICK_SECONDS: Final = 5.0
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class ServerError(PolyfleetError):
    """The controller cannot run, for a reason that may pass."""


def serve(options: ServeOptions) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: it can never run like this.
        PolyfleetError: it cannot run now, or a part of it failed.
    """
    _set_up_logging(options.log_level)
    sys.setswitchinterval(_SWITCH_SECONDS)
    notifier = Notifier(os.environ)
    with contextlib.ExitStack() as stack:
        _on_stop_signals(_leave)
        _take(options.data, stack)
        registry = _make_registry(options)
        listener = stack.enter_context(_listen(options.listen))
        database = _open_database(options.database_url, stack)
        address = _find_broker(options, stack)
        parts = Parts(database, address, registry, tag_interval=options.tag_interval)
        _spare_the_collector()
        # From here on a signal is uvicorn's, and once it has stopped, everything stops anyway.
        _on_stop_signals(_stay)
        parts.start()
        stack.callback(parts.stop)
        stack.callback(notifier.stopping)
        _serve_api(parts, listener, notifier)


def _set_up_logging(level: int) -> None:
    journal = "JOURNAL_STREAM" in os.environ  # which has the time already
    form = "%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level, format=form if journal else f"%(asctime)s {form}")


def _spare_the_collector() -> None:
    """A batch of ingest makes thousands of objects, none in a cycle, and all that is loaded stays anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _on_stop_signals(handler: "signal._HANDLER") -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _stay(_number: int, _frame: FrameType | None) -> None:
    pass


def _take(data: Path, stack: contextlib.ExitStack) -> None:
    """Make the data directory, and hold it: two controllers in one would undo each other's work."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = stack.enter_context((data / "lock").open("a", encoding="ascii"))
    except OSError as error:
        raise ConfigurationError(f"--data: {data} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ServerError(
            f"another controller runs in {data}: stop it, or name another with --data"
        ) from error


def _listen(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        return socket.create_server((endpoint.host, endpoint.port), family=family)
    except OSError as error:
        raise ServerError(
            f"nothing can listen on {endpoint}: {error.strerror}; choose another port with --listen"
        ) from error


def _make_registry(options: ServeOptions) -> RegistryClient:
    credentials = CredentialStore(options.registry_auth_file)
    try:
        credentials.check()
    except CredentialError as error:
        raise ConfigurationError(f"--registry-auth-file: {error}") from error
    return RegistryClient(
        insecure=options.insecure_registries,
        timeout=_REGISTRY_SECONDS,
        credentials=credentials,
        certificates=CertificateStore(options.registry_certs),
    )


def _open_database(url: str, stack: contextlib.ExitStack) -> Database:
    try:
        database = Database(url)
    except StoreError as error:
        raise ConfigurationError(f"--database-url: {error}") from error
    stack.callback(database.close)
    database.migrate()
    return database


def _find_broker(options: ServeOptions, stack: contextlib.ExitStack) -> BrokerAddress:
    if options.broker is not None:
        return _describe(options.broker)
    endpoint = options.broker_listen
    broker = Broker(options.data / "broker", host=endpoint.host, port=endpoint.port)
    broker.start()
    stack.callback(broker.stop)
    return broker.address


def _describe(broker: ExternalBroker) -> BrokerAddress:
    password = None
    if broker.password_file is not None:
        try:
            password = broker.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--broker-password-file: {broker.password_file}: {error}") from error
    return BrokerAddress(
        host=broker.endpoint.host, port=broker.endpoint.port, username=broker.username, password=password
    )


def _serve_api(parts: Parts, listener: socket.socket, notifier: Notifier) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            parts.make_app(),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
    failure = _stop_when_a_thread_fails(server)
    asyncio.run(_serve(server, listener, notifier, parts.monitor))
    if failure:
        raise ServerError(f"the thread {failure[0]} failed; its error is above")


def _stop_when_a_thread_fails(server: uvicorn.Server) -> list[str]:
    """Whoever starts this process again gets a working one: half a controller helps nobody."""
    failed: list[str] = []

    def note(hook: threading.ExceptHookArgs) -> None:
        name = hook.thread.name if hook.thread is not None else "?"
        error = hook.exc_value
        _log.critical("the thread %s failed", name, exc_info=error)
        failed.append(name)
        server.should_exit = True

    threading.excepthook = note
    return failed


async def _serve(
    server: uvicorn.Server, listener: socket.socket, notifier: Notifier, monitor: Monitor
) -> None:
    telling = asyncio.create_task(_tell(notifier, monitor))
    await server.serve(sockets=[listener])
    telling.cancel()


async def _tell(notifier: Notifier, monitor: Monitor) -> None:
    """Tell systemd that this runs; in the loop that serves requests, so that only a living one is alive."""
    # The socket listens already: whoever comes before uvicorn takes it over only waits.
    notifier.ready(monitor.describe())
    seconds = min(_TICK_SECONDS, (notifier.watchdog_seconds or _TICK_SECONDS) / 3)
    while True:
        notifier.alive()
        notifier.status(monitor.describe())
        await asyncio.sleep(seconds)
