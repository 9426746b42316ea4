"""Credentials for registries, from a file as `podman login` writes it (containers-auth.json(5))."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, JsonValue, parse_json

AUTH_FILE_LIMIT: Final = 1024 * 1024

_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_HOSTS: Final = ("index.docker.io", "registry-1.docker.io")
_SHOWN: Final = 120


class CredentialError(PolyfleetError):
    """Why credentials cannot be read. The text names the key; nothing in it is secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and password, or an identity token that a token server takes in their place."""

    username: str
    password: str = field(repr=False)
    identity_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            "".join((self.username, self.password, self.identity_token or "")).encode()
        except UnicodeEncodeError:
            raise CredentialError("they hold half a surrogate pair, which no text does") from None

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the file holds for one key, not yet decoded: a mistake in it concerns nobody else."""

    key: str
    auth: JsonValue = field(repr=False)
    identity_token: JsonValue = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A program that knows a registry's credentials: `docker-credential-NAME`."""

    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFile:
    """`entries` by registry or registry/namespace, `helpers` by registry; both as Podman spells them."""

    entries: Mapping[str, Entry]
    helpers: Mapping[str, Helper]

    def find(self, registry: str, path: str) -> Entry | Helper | None:
        """Find what is for a repository: a helper for its registry, else the entry with the longest key."""
        registry = _spell_registry(registry)
        if registry in self.helpers:
            return self.helpers[registry]
        for key in _keys(registry, path):
            if key in self.entries:
                return self.entries[key]
        return None


def read_auth_file(content: bytes) -> AuthFile:
    """Read an auth.json.

    Raises:
        CredentialError: it is no such file.
    """
    try:
        document = parse_json(content, limit=AUTH_FILE_LIMIT)
    except DecodeError as error:
        raise CredentialError(str(error)) from None
    if not isinstance(document, dict):
        raise CredentialError("it is no JSON object")
    if document.get("credsStore"):
        raise CredentialError("credsStore is Docker's alone: name a helper for each registry in credHelpers")
    auths, helpers = _read_object(document, "auths"), _read_object(document, "credHelpers")
    # An exact key wins over one that only means the same (https://index.docker.io/v1/).
    entries: dict[str, Entry] = {}
    for key in sorted(auths, key=lambda key: key != _spell_key(key)):
        entries.setdefault(_spell_key(key), _read_entry(key, auths[key]))
    return AuthFile(
        entries=entries,
        helpers={_spell_registry(key): _read_helper(key, name) for key, name in helpers.items()},
    )


def decode_entry(entry: Entry) -> Credentials | None:
    """Read the credentials in an entry; None if it is empty, and its repositories are for everyone.

    Raises:
        CredentialError: they are malformed.
    """
    token = entry.identity_token or None
    if token is not None and not isinstance(token, str):
        raise _malformed(entry, "identitytoken", "a text")
    if not entry.auth:
        return None if token is None else Credentials(username="", password="", identity_token=token)
    username, password = _decode_pair(entry)
    return Credentials(username=username, password=password, identity_token=token)


def _decode_pair(entry: Entry) -> tuple[str, str]:
    try:
        text = base64.b64decode(str(entry.auth), validate=True).decode()
    except ValueError:
        raise _malformed(entry, "auth", "USER:PASSWORD in base64") from None
    username, colon, password = text.partition(":")
    if not colon:
        raise _malformed(entry, "auth", "USER:PASSWORD in base64")
    return username, password.strip("\0")


def _malformed(entry: Entry, name: str, expected: str) -> CredentialError:
    return CredentialError(f"auths[{entry.key[:_SHOWN]!r}].{name}: expected {expected}")


def _read_object(document: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CredentialError(f"{name}: expected an object")
    return value


def _read_entry(key: str, value: JsonValue) -> Entry:
    if not isinstance(value, dict):
        raise CredentialError(f"auths[{key[:_SHOWN]!r}]: expected an object")
    return Entry(key=key, auth=value.get("auth"), identity_token=value.get("identitytoken"))


def _read_helper(key: str, name: JsonValue) -> Helper:
    if not isinstance(name, str):
        raise CredentialError(f"credHelpers[{key[:_SHOWN]!r}]: expected the name of a helper")
    return Helper(key=key, name=name)


def _keys(registry: str, path: str) -> Iterator[str]:
    """Yield what may name a repository's credentials, the longest first."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:length]))
    yield registry


def _spell_key(key: str) -> str:
    """Docker's own files name registries as `https://HOST/v1/`: what is meant is the host."""
    for scheme in ("https://", "http://"):
        if key.startswith(scheme):
            return _spell_registry(key.removeprefix(scheme).partition("/")[0])
    registry, slash, rest = key.partition("/")
    return _spell_registry(registry) + slash + rest


def _spell_registry(registry: str) -> str:
    return _DOCKER_HUB if registry in _DOCKER_HUB_HOSTS else registry
