"""Tokens, as registries' token servers give them (distribution, "Token Authentication Specification")."""

import re
from dataclasses import dataclass, field
from typing import Final

from polyfleet_controller.registry.cache import BoundedCache
from polyfleet_controller.registry.credentials import Credentials
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, JsonValue, parse_json

TOKEN_LIMIT: Final = 64 * 1024

# The specification's own, where the server does not say.
_DEFAULT_SECONDS: Final = 60.0
_MAX_SECONDS: Final = 12 * 3600.0
# A token that ends on its way to the registry is of no use.
_MARGIN_SECONDS: Final = 5.0

# RFC 6750, section 2.1, has fewer characters; these are all that a header may carry as one word.
_VALUE: Final = re.compile(r"[\x21-\x7e]+")
_PULL: Final = "pull"
_CACHED: Final = 1024


class TokenError(PolyfleetError):
    """An answer that holds no token. The text has nothing of the answer in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What opens a registry, until `expires_at` on the monotonic clock."""

    value: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """What a token was given for.

    The registry is part of it, so that none hands over the token of another; so are the credentials, so that
    changed ones count at once.
    """

    registry: str
    realm: str
    service: str
    scopes: tuple[str, ...]
    credentials: Credentials | None


class TokenCache:
    """Tokens that are still good. Threads may share it."""

    def __init__(self) -> None:
        self._tokens: BoundedCache[TokenKey, Token] = BoundedCache(_CACHED)

    def get(self, key: TokenKey, *, now: float, rejected: str | None = None) -> Token | None:
        """Find a token that has not expired, and is not the one that was `rejected`."""
        token = self._tokens.get(key)
        if token is None or token.value == rejected or token.expires_at - _MARGIN_SECONDS <= now:
            return None
        return token

    def put(self, key: TokenKey, token: Token) -> None:
        self._tokens.put(key, token)


def read_token(content: bytes, *, now: float) -> Token:
    """Read a token server's answer; `token` and `access_token` mean the same.

    Raises:
        TokenError: there is no token in it.
    """
    try:
        document = parse_json(content, limit=TOKEN_LIMIT)
    except DecodeError:
        raise TokenError("sent something else than a token") from None
    if not isinstance(document, dict):
        raise TokenError("sent something else than a token")
    for name in ("token", "access_token"):
        value = document.get(name)
        if isinstance(value, str) and _VALUE.fullmatch(value):
            return Token(value=value, expires_at=now + _read_seconds(document.get("expires_in")))
    raise TokenError("sent something else than a token")


def choose_scopes(asked_for: str, path: str) -> tuple[str, ...]:
    """Choose what to ask the token server for: what the registry says, as far as it is about pulling.

    `asked_for` is a challenge's scope, `path` the repository's name. Public ECR's `aws` is left as it is.
    """
    chosen = dict.fromkeys(filter(None, map(_narrow, asked_for.split())))
    return tuple(chosen) or (f"repository:{path}:{_PULL}",)


def _narrow(scope: str) -> str | None:
    """Take the right to pull out of `type:name:action,action`; the name may have a port's colon."""
    resource, colon, actions = scope.rpartition(":")
    if not colon:
        return scope
    return f"{resource}:{_PULL}" if _PULL in actions.split(",") else None


def _read_seconds(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _DEFAULT_SECONDS
    return float(max(0, min(value, _MAX_SECONDS)))
