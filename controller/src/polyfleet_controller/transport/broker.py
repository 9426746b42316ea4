"""Mosquitto as a child of the controller: started, restarted when it dies, stopped, never left behind."""

import contextlib
import logging
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from polyfleet_controller.transport.messages import BrokerAddress, BrokerError
from polyfleet_controller.transport.mosquitto import (
    ACCESS_FILE,
    CONFIGURATION_FILE,
    CONTROLLER_USER,
    MEMORY_FILE,
    PASSWORD_FILE,
    SALT_BYTES,
    render_access_list,
    render_configuration,
    render_password_file,
)

_log = logging.getLogger(__name__)
_broker_log = logging.getLogger("mosquitto")

_PROGRAM: Final = "mosquitto"
_SHORTEST_RETRY_SECONDS: Final = 0.2
_LONGEST_RETRY_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 0.02
# Debian's mosquitto is in a directory that is not on every user's path.
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
_KEPT_LINES: Final = 5
# SIGTERM, because the broker then saves what it has. It must not change its user itself: that would clear the
# signal. The shell, because no signal comes from an owner that was dead before it was asked for.
_TIED_TO_OWNER: Final = (
    "setpriv",
    "--pdeathsig",
    "TERM",
    "--",
    "sh",
    "-c",
    '[ "$PPID" = "$0" ] && exec "$@"',
)
_LASTING_SECONDS: Final = 30.0
_UNREADABLE_MEMORY: Final = "Couldn't open database"  # Mosquitto's words
_ACCOUNTS: Final = ("mosquitto", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the broker runs as, when the controller is root."""

    name: str
    uid: int
    gid: int


class Broker:
    """A broker on loopback with its files in `directory`; each has a new password for the controller."""

    def __init__(
        self,
        directory: Path,
        *,
        host: str,
        port: int,
        ready_seconds: float = 10.0,
        rng: Random | None = None,
    ) -> None:
        self._directory = directory
        self._password = secrets.token_urlsafe(32)
        self.address = BrokerAddress(host=host, port=port, username=CONTROLLER_USER, password=self._password)
        self._ready_seconds = ready_seconds
        self._rng = rng or Random()  # noqa: S311 - spreads restarts, guards nothing
        self._account = _find_account()
        self._process: subprocess.Popen[str] | None = None
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._failure: BrokerError | None = None
        # One thread starts every child and outlives it: a child gets its parent-death signal when the
        # *thread* that forked it ends (prctl(2), PR_SET_PDEATHSIG).
        self._thread = threading.Thread(target=self._run, name="broker")

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start it and return once it listens.

        Raises:
            BrokerError: it cannot be started, or the port is taken.
        """
        self._write_files()
        self._thread.start()
        self._first.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Stop it and wait for its end. Idempotent."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _write_files(self) -> None:
        address = self.address
        files = {
            # Relative to the working directory: an account that may not enter the directories above it still
            # reads its own.
            CONFIGURATION_FILE: render_configuration(host=address.host, port=address.port, directory="."),
            ACCESS_FILE: render_access_list(),
            PASSWORD_FILE: render_password_file(
                CONTROLLER_USER, self._password, salt=secrets.token_bytes(SALT_BYTES)
            ),
        }
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, text in files.items():
                path = self._directory / name
                path.unlink(missing_ok=True)
                path.touch(mode=0o600)
                path.write_text(text, encoding="utf-8")
            if self._account is not None:
                for path in (self._directory, *self._directory.iterdir()):
                    os.chown(path, self._account.uid, self._account.gid)
        except OSError as error:
            raise BrokerError(
                f"the broker's directory {self._directory} cannot be prepared: {error}; "
                "name another with --data"
            ) from error

    def _run(self) -> None:
        try:
            self._await_free_port()
            process = self._start_listening()
        except BrokerError as error:
            self._failure = error
            return
        finally:
            self._first.set()
        attempt = 0
        while True:
            started = time.monotonic()
            self._follow(process)
            if self._stopping.is_set():
                return
            self._set_memory_aside()
            attempt = 0 if time.monotonic() - started >= _LASTING_SECONDS else attempt + 1
            _log.error("the broker ended with exit code %s; it is started again", process.returncode)
            longest = min(_LONGEST_RETRY_SECONDS, _SHORTEST_RETRY_SECONDS * 2.0**attempt)
            if self._stopping.wait(self._rng.uniform(0, longest)):
                return
            process = self._spawn()
            if self._stopping.is_set():  # it was too late for `stop` to see this one
                process.terminate()

    def _start_listening(self) -> subprocess.Popen[str]:
        process = self._spawn()
        if not self._await_listening(process) and self._set_memory_aside():
            process = self._spawn()
            self._await_listening(process)
        if process.returncode is not None:
            raise BrokerError(f"mosquitto does not start: {' / '.join(self._last_lines)}")
        return process

    def _set_memory_aside(self) -> bool:
        """Whether the broker ended because it cannot read its own file, which is then put out of its way.

        What was in it comes again: devices and controller send all that a broker forgot.
        """
        if not any(_UNREADABLE_MEMORY in line for line in self._last_lines):
            return False
        memory = self._directory / MEMORY_FILE
        aside = memory.with_suffix(".unreadable")
        with contextlib.suppress(FileNotFoundError):
            memory.replace(aside)
        _log.warning("the broker cannot read %s: it is set aside as %s", memory, aside.name)
        return True

    def _await_free_port(self) -> None:
        """The broker of a controller that was killed a moment ago may still be about to end."""
        deadline = time.monotonic() + self._ready_seconds
        while self._is_listening():
            if time.monotonic() >= deadline or self._stopping.wait(_PROBE_SECONDS):
                address = self.address
                raise BrokerError(
                    f"port {address.port} of {address.host} is taken by another program: if that is the "
                    f"broker to use, say --broker {address}; otherwise choose another with --broker-listen"
                )

    def _spawn(self) -> subprocess.Popen[str]:
        program = shutil.which(_PROGRAM, path=_PATH)
        if program is None:
            raise BrokerError(
                "mosquitto is not installed: install Debian's package of that name, "
                "or name a broker with --broker"
            )
        account = self._account
        self._process = process = subprocess.Popen(
            [*_TIED_TO_OWNER, str(os.getpid()), program, "-c", CONFIGURATION_FILE],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        return process

    def _await_listening(self, process: subprocess.Popen[str]) -> bool:
        """Wait until it listens; False if it has ended instead."""
        deadline = time.monotonic() + self._ready_seconds
        while not self._is_listening():
            if process.poll() is not None:
                self._follow(process)
                return False
            if time.monotonic() >= deadline or self._stopping.wait(_PROBE_SECONDS):
                process.kill()
                self._follow(process)
                raise BrokerError(f"mosquitto did not listen within {self._ready_seconds:g} s")
        return True

    def _follow(self, process: subprocess.Popen[str]) -> None:
        """Copy the broker's log until it ends."""
        self._last_lines.clear()
        with process:
            for line in process.stderr or ():
                text = line.rstrip()
                self._last_lines.append(text)
                _broker_log.log(_level_of(text), "%s", text)

    def _is_listening(self) -> bool:
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(1)
            return client.connect_ex((self.address.host, self.address.port)) == 0


def _level_of(line: str) -> int:
    if line.startswith("Error"):
        return logging.ERROR
    return logging.WARNING if line.startswith("Warning") else logging.INFO


def _find_account() -> Account | None:
    """Root hands the broker to another account, as Debian's service does; anyone else keeps it."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise BrokerError(f"none of the accounts {', '.join(_ACCOUNTS)} exists to run the broker as")
