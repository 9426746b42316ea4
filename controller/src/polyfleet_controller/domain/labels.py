"""Kubernetes' rules for labels: its documentation, "Labels and Selectors", "Syntax and character set"."""

import re
from typing import Final

_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MAX_PREFIX: Final = 253


def find_key_problems(key: str) -> tuple[str, ...]:
    """What is wrong with a label's key, `[prefix/]name`; empty if nothing is."""
    problems = []
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _MAX_PREFIX or _PREFIX.fullmatch(prefix) is None):
        problems.append("what stands before '/' in a label's key is a domain name in lower case")
    if _NAME.fullmatch(name) is None:
        problems.append("a label's key is 1 to 63 of letters, digits, '-', '_' and '.'")
    return tuple(problems)


def find_value_problems(value: str) -> tuple[str, ...]:
    """What is wrong with a label's value; empty if nothing is."""
    if value and _NAME.fullmatch(value) is None:
        return ("a label's value is up to 63 of letters, digits, '-', '_' and '.'",)
    return ()
