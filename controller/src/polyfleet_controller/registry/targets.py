"""Where a registry may send its clients: for a token to its realm, for a document to wherever it lies."""

from dataclasses import dataclass
from typing import Final

import httpx2

from polyfleet_controller.registry.addresses import scope_of_name
from polyfleet_shared.errors import PolyfleetError

_PLAIN: Final = "http"
_ENCRYPTED: Final = "https"
_SHOWN: Final = 120


class UnsafeTargetError(PolyfleetError):
    """Why a client does not go where it was sent; the text goes on after the registry's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The registry itself: its host's name, and whether it is configured to be spoken to without TLS."""

    host: str
    plain_http: bool


def read_realm(realm: str, home: Home) -> httpx2.URL:
    """Read the address of the token server that a challenge names.

    Raises:
        UnsafeTargetError: it is no address, or one without TLS where the registry itself is not.
    """
    url = _check(_parse(realm))
    if url.scheme == _PLAIN and not (home.plain_http and is_same_host(url, home)):
        raise UnsafeTargetError(
            f"sends its clients for a token to {url.host[:_SHOWN]} without TLS, which only an insecure "
            "registry's own host may do"
        )
    return url


def follow(source: httpx2.URL, location: str) -> httpx2.URL:
    """Read the address that a redirect names.

    Raises:
        UnsafeTargetError: it is no address, or gives up TLS.
    """
    try:
        url = _check(source.join(location))
    except httpx2.InvalidURL:
        raise UnsafeTargetError("sends its clients to what is no address") from None
    if source.scheme == _ENCRYPTED and url.scheme == _PLAIN:
        raise UnsafeTargetError(f"sends its clients on to {url.host[:_SHOWN]} without TLS")
    return url


def may_carry_credentials(realm: httpx2.URL, home: Home) -> bool:
    """Say whether a token server gets the registry's credentials.

    A registry has its token server wherever it likes (Docker Hub: auth.docker.io), and it is the registry
    that names it. Over TLS that is the registry's word, and it could ask for the password itself. Without
    TLS it may be anybody's: then no host but the registry's own gets them.
    """
    return is_same_host(realm, home) or (realm.scheme == _ENCRYPTED and not home.plain_http)


def is_same_host(url: httpx2.URL, home: Home) -> bool:
    return url.host == home.host


def is_same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def _parse(text: str) -> httpx2.URL:
    try:
        return httpx2.URL(text)
    except httpx2.InvalidURL:
        raise UnsafeTargetError("sends its clients to what is no address") from None


def _check(url: httpx2.URL) -> httpx2.URL:
    host = url.raw_host.decode("ascii")
    if url.scheme not in (_PLAIN, _ENCRYPTED) or url.userinfo:
        raise UnsafeTargetError("sends its clients to an address that is not https://host/path")
    try:
        scope_of_name(host)
    except ValueError:
        raise UnsafeTargetError(f"sends its clients to {host[:_SHOWN]!r}, which is no host") from None
    return url
