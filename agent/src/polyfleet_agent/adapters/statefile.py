"""The state directory: who this device is, what it was last told to run, and which releases were any good."""

import fcntl
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polyfleet_agent.adapters.durable import (
    TornFileError,
    read_sealed,
    seal_content,
    set_aside,
    state_failure,
    write_file,
)
from polyfleet_agent.ports import Identity, Recovered, StateFailure
from polyfleet_shared.codec import UnknownFields, decode, encode
from polyfleet_shared.json_text import DecodeError, dump_json, parse_json
from polyfleet_shared.names import check_name
from polyfleet_shared.reasons import Reason

_IDENTITY: Final = "identity.json"
_DESIRED: Final = "desired.json"
_RECORDS: Final = "releases.json"
_LOCK: Final = "lock"
_PREVIOUS_SUFFIX: Final = ".previous"
_LARGEST_IDENTITY: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdentityRecord:
    """What is kept of the identity. `machine` is a hash: a machine ID is not to be spread (machine-id(5))."""

    incarnation: str
    boot: int
    machine: str

    def __post_init__(self) -> None:
        check_name("incarnation", self.incarnation)


class DirectoryState:
    """One agent's state directory. A lock keeps a second agent out for as long as this one lives."""

    def __init__(self, path: Path, *, machine_id: str) -> None:
        """An empty `machine_id` is unknown, and then a copied directory is not noticed."""
        self._path = path
        self._machine = hashlib.sha256(f"polyfleet {machine_id}".encode()).hexdigest() if machine_id else ""
        self._lock: int | None = None

    def recover(self) -> Recovered:
        """Lock the directory, count the start and give what is there.

        Raises:
            StateFailure: another agent uses the directory, or it cannot be read or written.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            notices: list[str] = []
            record = self._next_identity(notices)
            write_file(self._path / _IDENTITY, seal_content(dump_json(encode(record))))
            desired = self._read_kept(_DESIRED, notices)
            records = self._read_kept(_RECORDS, notices)
        except OSError as error:
            raise state_failure(Path(error.filename or self._path), error) from error
        identity = Identity(incarnation=record.incarnation, boot=record.boot)
        return Recovered(identity=identity, desired=desired, notices=tuple(notices), records=records)

    def save_desired(self, payload: bytes) -> None:
        self._save(_DESIRED, payload)

    def save_records(self, payload: bytes) -> None:
        self._save(_RECORDS, payload)

    def _save(self, name: str, payload: bytes) -> None:
        path = self._path / name
        try:
            write_file(path, seal_content(payload), keep=_previous(path))
        except OSError as error:
            raise state_failure(path, error) from error

    def close(self) -> None:
        """Let another agent have the directory; so does the end of the process. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        path = self._path / _LOCK
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StateFailure(
                Reason.STATE_UNUSABLE,
                f"{self._path} is in use by another agent (process {holder}); stop it, or give this agent "
                "a state directory of its own",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor

    def _next_identity(self, notices: list[str]) -> _IdentityRecord:
        known = self._read_identity(notices)
        if known is None:
            return self._mint()
        if self._machine and known.machine and known.machine != self._machine:
            notices.append(
                f"{self._path} was copied from another machine: this device begins a new history; "
                "what it runs stays"
            )
            return self._mint()
        return _IdentityRecord(
            incarnation=known.incarnation, boot=known.boot + 1, machine=self._machine or known.machine
        )

    def _mint(self) -> _IdentityRecord:
        return _IdentityRecord(incarnation=str(uuid.uuid4()), boot=1, machine=self._machine)

    def _read_identity(self, notices: list[str]) -> _IdentityRecord | None:
        """The kept identity. No earlier copy stands in for a torn one: it would count a start twice."""
        path = self._path / _IDENTITY
        try:
            payload = read_sealed(path)
            if payload is None:
                return None
            document = parse_json(payload, limit=_LARGEST_IDENTITY)
            return decode(_IdentityRecord, document, unknown=UnknownFields.IGNORE)
        except (TornFileError, DecodeError) as error:
            aside = set_aside(path)
            notices.append(
                f"{path} was torn ({error}) and is now {aside.name}: this device begins a new history"
            )
            return None

    def _read_kept(self, name: str, notices: list[str]) -> bytes | None:
        path = self._path / name
        torn = False
        for candidate in (path, _previous(path)):
            try:
                payload = read_sealed(candidate)
            except TornFileError as error:
                aside = set_aside(candidate)
                notices.append(f"{candidate} was torn ({error}) and is now {aside.name}")
                torn = True
                continue
            if payload is not None:
                if torn and candidate != path:
                    notices.append(f"{candidate} is used instead")
                return payload
        return None


def _previous(path: Path) -> Path:
    return path.with_name(path.name + _PREVIOUS_SUFFIX)
