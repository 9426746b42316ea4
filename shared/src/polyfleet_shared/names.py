"""Names that go into topics, certificates, labels and container names: one strict pattern for all."""

import re
from typing import Final

from polyfleet_shared.errors import PolyfleetError

MAX_NAME_LENGTH: Final = 63

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class InvalidNameError(PolyfleetError, ValueError):
    """A name that could shift an access rule, a topic or a label."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is no {kind}: use 1 to {MAX_NAME_LENGTH} of a-z, 0-9 and '-', "
            "starting and ending with a letter or digit"
        )


def is_name(text: str) -> bool:
    """Whether text is an RFC 1123 label in lower case, as devices, workloads and namespaces are called."""
    return _NAME.fullmatch(text) is not None


def check_name(kind: str, text: str) -> str:
    """Give text back if it is a name, else raise InvalidNameError; kind is the word for the message."""
    if not is_name(text):
        raise InvalidNameError(kind, text)
    return text
