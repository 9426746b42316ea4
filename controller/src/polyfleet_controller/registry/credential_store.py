"""Where the controller's credentials for registries are kept: one file, and the helpers that it names."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polyfleet_controller.registry.credentials import (
    AUTH_FILE_LIMIT,
    AuthFile,
    CredentialError,
    Credentials,
    Entry,
    Helper,
    decode_entry,
    read_auth_file,
)
from polyfleet_shared.json_text import DecodeError, parse_json

_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HELPER_LIMIT: Final = 64 * 1024
_HELPER_SECONDS: Final = 5.0
# Of docker-credential-helpers: the helper's answer where it has none, and the user of an identity token.
_NOT_FOUND: Final = b"credentials not found in native keychain"
_IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 - a name that stands for one


@dataclass(frozen=True, slots=True)
class CredentialStore:
    """An auth.json, or none. It is read whenever it is needed: `podman login` needs no restart."""

    path: Path | None = None

    def check(self) -> None:
        """Read the file.

        Raises:
            CredentialError: it cannot be read.
        """
        self._read()

    def find(self, registry: str, path: str, *, seconds: float) -> Credentials | None:
        """Find the credentials for a repository, in at most `seconds`; None if it has none.

        Raises:
            CredentialError: the file or a helper cannot be read.
        """
        match self._read().find(registry, path):
            case Helper() as helper:
                return ask_helper(helper, seconds=min(seconds, _HELPER_SECONDS))
            case Entry() as entry:
                try:
                    return decode_entry(entry)
                except CredentialError as error:
                    raise CredentialError(f"{self.path}: {error}") from None
            case None:
                return None

    def _read(self) -> AuthFile:
        if self.path is None:
            return AuthFile(entries={}, helpers={})
        try:
            with self.path.open("rb") as file:
                content = file.read(AUTH_FILE_LIMIT + 1)
        except OSError as error:
            raise CredentialError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            return read_auth_file(content)
        except CredentialError as error:
            raise CredentialError(f"{self.path}: {error}") from None


def ask_helper(helper: Helper, *, seconds: float) -> Credentials | None:
    """Run `docker-credential-NAME get`; None if it knows none.

    What a helper prints is shown to nobody: it may be a secret.

    Raises:
        CredentialError: there is no such program, it failed, or it took more than `seconds`.
    """
    if _HELPER.fullmatch(helper.name) is None:
        raise CredentialError(f"credHelpers[{helper.key[:120]!r}]: {helper.name[:80]!r} is no helper's name")
    program = f"docker-credential-{helper.name}"
    code, output = _run(program, helper.key, seconds=seconds)
    if code != 0:
        if _NOT_FOUND in output:
            return None
        raise CredentialError(
            f"{program} failed with exit code {code}: see what `echo {helper.key} | {program} get` says, "
            "as the controller's user"
        )
    try:
        document = parse_json(output, limit=_HELPER_LIMIT)
    except DecodeError:
        document = None
    match document:
        case {"Username": str(username), "Secret": str(secret)} if username == _IDENTITY_TOKEN:
            return Credentials(username="", password="", identity_token=secret)
        case {"Username": str(username), "Secret": str(secret)}:
            return Credentials(username=username, password=secret)
        case _:
            raise CredentialError(f"{program} printed no credentials")


def _run(program: str, key: str, *, seconds: float) -> tuple[int, bytes]:
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise CredentialError(f"{program} cannot be run: {error.strerror}") from None
    with process:
        try:
            output, _ = process.communicate(key.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            # All of its group: what it started may hold its output open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise CredentialError(f"{program} did not answer within {seconds:g} s") from None
    return process.returncode, output
