"""What went wrong between here and a registry, in words. What a server sent is not in them."""

import re
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx2

# Of X509_STORE_CTX_get_error(3): what a CA that is added here would heal.
_UNKNOWN_AUTHORITY: Final = (18, 19, 20, 21)
_NO_TLS: Final = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER|HTTP_REQUEST|PACKET_LENGTH")
_UNITS: Final = ((3600, "h"), (60, "min"), (1, "s"))
_MAX_WAIT: Final = 7 * 24 * 3600


def describe_error(error: Exception, *, authority_place: str) -> str:
    """Say why there was no answer; goes on after the host's name.

    `authority_place` tells where the certificate of an unknown CA is to be put.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _describe_tls(cause, authority_place)
    match error:
        case httpx2.TimeoutException():
            return "does not answer"
        case httpx2.ConnectError():
            return f"cannot be reached: {error}"
        case httpx2.ProxyError():
            return "cannot be reached: the proxy refuses to connect to it"
        case _:
            return f"broke off or sent no proper answer ({type(error).__name__})"


def describe_status(status: int, retry_after: str | None) -> str:
    """Say what an answer's status means; goes on after the host's name."""
    wait = describe_wait(retry_after)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"takes no more requests for now (HTTP 429){f' and asks to wait {wait}' if wait else ''}"
    return f"answered HTTP {status}{f' and asks to wait {wait}' if wait else ''}"


def describe_wait(retry_after: str | None) -> str:
    """Put a Retry-After header (RFC 9110, section 10.2.3) into words; nothing if it has no sense."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_WAIT)):
        return _describe_seconds(min(int(text), _MAX_WAIT))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return ""
    return "" if moment.utcoffset() else f"until {moment:%Y-%m-%d %H:%M:%S} UTC"  # HTTP has no other zone


def _describe_tls(error: ssl.SSLError, authority_place: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        is_unknown = error.verify_code in _UNKNOWN_AUTHORITY
        hint = f"; put its CA's certificate into {authority_place}" if is_unknown else ""
        return f"has a certificate that is not trusted here: {error.verify_message}{hint}"
    if _NO_TLS.search(str(error)):
        return (
            "does not speak TLS; if it is meant to be plain HTTP, say so: --insecure-registry for the "
            "controller, --plain-http for `polyfleet image`"
        )
    return f"and this machine cannot agree on TLS: {error.reason or 'it broke off'}"


def _describe_seconds(seconds: int) -> str:
    parts: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
