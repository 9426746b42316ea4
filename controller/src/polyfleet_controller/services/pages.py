"""Pages of a list by keyset: a page stays right while rows come and go before it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from polyfleet_controller.services.errors import InvalidPageError
from polyfleet_controller.services.views import Page
from polyfleet_shared.json_text import DecodeError, JsonValue, dump_json, parse_json

Row = TypeVar("Row")
View = TypeVar("View")

MAX_LIMIT: Final = 1000
_MAX_CURSOR: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """At most `limit` items after `cursor`, which the page before gave."""

    limit: int = 100
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidPageError(f"limit is between 1 and {MAX_LIMIT}, not {self.limit}")

    def text_key(self, length: int) -> tuple[str, ...] | None:
        """The cursor as the `length` texts that it was made from, None for the first page."""
        key = self._key(length, str)
        return None if key is None else tuple(str(part) for part in key)

    def number_key(self) -> int | None:
        """The cursor as the number that it was made from, None for the first page."""
        key = self._key(1, int)
        return None if key is None else int(str(key[0]))

    def _key(self, length: int, kind: type) -> list[JsonValue] | None:
        if self.cursor is None:
            return None
        try:
            text = base64.urlsafe_b64decode(self.cursor.encode())
            key = parse_json(text, limit=_MAX_CURSOR)
        except (binascii.Error, DecodeError, UnicodeEncodeError):
            raise _foreign_cursor() from None
        if not isinstance(key, list) or len(key) != length or any(type(part) is not kind for part in key):
            raise _foreign_cursor()
        return key


def cut_page(
    rows: Sequence[Row],
    request: PageRequest,
    *,
    key: Callable[[Row], list[JsonValue]],
    view: Callable[[Row], View],
) -> Page[View]:
    """Make a page of rows, of which one more than the limit was read; `key` is what they are sorted by."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(
        items=tuple(view(row) for row in shown), next_cursor=_cursor(key(shown[-1])) if more else None
    )


def _cursor(key: list[JsonValue]) -> str:
    return base64.urlsafe_b64encode(dump_json(key)).decode()


def _foreign_cursor() -> InvalidPageError:
    return InvalidPageError("the cursor is none of ours: use the nextCursor of the page before, or none")
