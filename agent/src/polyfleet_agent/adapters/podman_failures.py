"""What Podman says when it fails, as a reason that a person can act on.

Podman's errors are sentences, nested outermost first; their HTTP status says nothing (Podman 4 answers 500
to nearly everything). The patterns are of messages seen from Podman 4.3 (runc) and 5.4 (crun), and of those
that containers/image and containers/storage are known to give.
"""

import re
from typing import Final

from polyfleet_shared.reasons import Reason


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# In this order, because messages nest: a full disk shows itself inside a failed pull, and the certificate
# inside a failed connection.
_PATTERNS: Final[tuple[tuple[Reason, re.Pattern[str]], ...]] = (
    (Reason.DISK_FULL, _any_of(r"no space left on device", r"disk quota exceeded", r"not enough free space")),
    (
        Reason.SIGNATURE_REJECTED,
        _any_of(
            r"source image rejected",
            r"is rejected by policy",
            r"a signature was required",
            r"signature by key .* is not accepted",
            r"invalid GPG signature",
            r"cryptographic signature verification failed",
        ),
    ),
    (
        Reason.DIGEST_MISMATCH,
        _any_of(r"does not match provided manifest digest", r"digest did not match", r"digest mismatch"),
    ),
    (
        Reason.NO_MATCHING_PLATFORM,
        _any_of(r"no image found in (image index|manifest list) for architecture", r"no matching manifest"),
    ),
    (
        Reason.IMAGE_INVALID,
        _any_of(
            r"unsupported MIME type",
            r"unsupported image-specific operation on artifact",
            r"unsupported schema version",
            r"unknown image config version",
            r"unrecognized (manifest|image) format",
            r"invalid tar header",
            r"gzip: invalid",
            r"unexpected end of JSON input",
            r"invalid character .* looking for",
        ),
    ),
    (
        Reason.REGISTRY_DENIED,
        _any_of(
            r"\bunauthorized\b",
            r"authentication required",
            r"requested access to the resource is denied",
            r"access denied",
            r"invalid username/password",
            r"unable to retrieve auth token",
            r"(status|code from registry):? 40[13]\b",
            r"(?<!permission )denied: ",
        ),
    ),
    (
        Reason.IMAGE_NOT_FOUND,
        _any_of(
            r"manifest unknown",
            r"name unknown",
            r"repository name not known",
            r"repository .* not found",
            r"(status|code from registry):? 404\b",
            r"image not known",
            r"no such image",
        ),
    ),
    (Reason.SECRET_MISSING, _any_of(r"no such secret", r"no secret with name or id")),
    (Reason.PORT_CONFLICT, _any_of(r"address already in use", r"port is already allocated")),
    (Reason.NAME_CONFLICT, _any_of(r"that name is already in use", r"name .* is already in use")),
    (Reason.EXEC_FORMAT, _any_of(r"exec format error")),
    # crun, of a program that is there: its loader is not, or a script's interpreter.
    (Reason.LOADER_MISSING, _any_of(r"missing dynamic library\?")),
    (
        Reason.COMMAND_NOT_FOUND,
        # Not Podman's own "attempted to invoke a command that was not found": it says so of every missing
        # file, a cgroup's included.
        _any_of(
            r"executable file [`\"']?.*[`\"']? ?not found",
            r"exec: \"[^\"]*\": (stat [^:]*: )?no such file or directory",
        ),
    ),
    (
        Reason.PODMAN_UNAVAILABLE,
        _any_of(r"unable to make connection to UDS", r"UDSConnectionPool", r"database is locked"),
    ),
    (
        Reason.REGISTRY_UNREACHABLE,
        _any_of(
            r"pinging container registry",
            r"connection refused",
            r"connection reset",
            r"connection timed out",
            r"no such host",
            r"server misbehaving",
            r"temporary failure in name resolution",
            r"network is unreachable",
            r"no route to host",
            r"i/o timeout",
            r"TLS handshake",
            r"x509: ",
            r"tls: ",
            r"server gave HTTP response to HTTPS client",
            r"context deadline exceeded",
            r"client\.timeout exceeded",
            r"unexpected EOF",
            r"received unexpected HTTP status",
            r"toomanyrequests",
            r"too many requests",
            r"(status|code from registry):? (429|5\d\d)\b",
        ),
    ),
)


_MISSING_SECRET: Final = re.compile(r"no secret with name or id \"(?P<name>[^\"]+)\"")


def find_missing_secret(text: str) -> str | None:
    """The secret that a failure is for want of, as Podman names it."""
    found = _MISSING_SECRET.search(text)
    return None if found is None else found["name"]


def classify_failure(text: str, *, otherwise: Reason = Reason.START_FAILED) -> Reason:
    """Give the reason that Podman's words stand for, `otherwise` where they are not known here."""
    for reason, pattern in _PATTERNS:
        if pattern.search(text):
            return reason
    return otherwise
