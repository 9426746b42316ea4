"""Where on the network an address is.

Whoever answers for a registry chooses where its clients go for tokens and for blobs. Without a rule it could
send the controller to what only the controller reaches: a cloud's metadata, a neighbour's database (SSRF).
"""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

# RFC 6052, section 2.1: IPv4 behind a translator.
_NAT64: Final = IPv6Network("64:ff9b::/96")

# Labels as in RFC 1123, section 2.1, and "_", which some clusters' internal names have.
_NAME: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*[.]?"
)
# Resolvers read "127.1", "2130706433" and "0x7f.1" as addresses (inet_aton(3)); no name ends like these.
_ENDS_IN_NUMBER: Final = re.compile(r"(.*[.])?([0-9]+|0x[0-9a-f]*)[.]?")


class Scope(StrEnum):
    """How far an address reaches."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC = "public"


def scope_of(address: str) -> Scope:
    """Place an IP address; an IPv6 one that holds an IPv4 one, by the latter.

    Raises:
        ValueError: it is no IP address.
    """
    return _place(ip_address(address.partition("%")[0]))


def scope_of_name(host: str) -> Scope | None:
    """Place a host by its name alone; None if only a resolver can tell.

    Raises:
        ValueError: it is neither a name nor an IP address in its usual form.
    """
    try:
        return scope_of(host)
    except ValueError:
        if _NAME.fullmatch(host) is None or _ENDS_IN_NUMBER.fullmatch(host) is not None:
            raise
    is_localhost = host.rstrip(".").rpartition(".")[2] == "localhost"  # RFC 6761, section 6.3
    return Scope.LOOPBACK if is_localhost else None


def may_reach(target: Scope, *, registry: Scope | None) -> bool:
    """Say whether a registry may send its clients there: to the Internet, or to where it is itself.

    `registry` is None if it is reached through a proxy, and nobody here knows where it is.
    """
    return target is Scope.PUBLIC or target is registry


def _place(address: IPv4Address | IPv6Address) -> Scope:
    if isinstance(address, IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            return _place(embedded)
    if address.is_loopback or address.is_unspecified:  # connecting to 0.0.0.0 reaches this machine
        return Scope.LOOPBACK
    if address.is_link_local:
        return Scope.LINK_LOCAL
    is_local = isinstance(address, IPv6Address) and address.is_site_local
    if not address.is_global or address.is_multicast or address.is_reserved or is_local:
        return Scope.PRIVATE
    return Scope.PUBLIC


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (None if teredo is None else teredo[1])
