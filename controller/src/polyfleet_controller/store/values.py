"""Values that stand in columns as text or JSON, read once for many rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from polyfleet_shared.codec import decode, encode
from polyfleet_shared.json_text import JsonValue, dump_json, parse_json
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform, RunnablePlatform

# Hardly two devices have the same labels, and placement looks at those of all: some kilobytes for each.
_DEVICES: Final = 20_000
# What we wrote ourselves from what was within bounds.
OWN: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Platforms:
    platforms: tuple[RunnablePlatform, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conditions:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labels:
    labels: Mapping[str, str]


def write_json(value: object) -> str:
    """A dataclass value as JSON text."""
    return dump_json(encode(value)).decode()


def read_json(text: str) -> JsonValue:
    """Parse JSON text of our own."""
    return parse_json(text.encode(), limit=OWN)


@lru_cache(maxsize=1024)
def read_platform(text: str) -> Platform:
    """A platform from its text."""
    return Platform.parse(text)


def write_platforms(platforms: tuple[RunnablePlatform, ...]) -> str:
    """An ordered list of platforms as JSON text: the same for all devices that run the same."""
    return write_json(_Platforms(platforms=tuple(replace(item, found="") for item in platforms)))


@lru_cache(maxsize=1024)
def read_platforms(text: str) -> tuple[RunnablePlatform, ...]:
    """The list that `write_platforms` wrote."""
    return decode(_Platforms, read_json(text)).platforms


def name_platforms(text: str) -> str:
    """The name under which a list of platforms is kept: short, whatever a device lists."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_conditions(conditions: tuple[Condition, ...]) -> str:
    """Conditions as JSON text."""
    return write_json(_Conditions(conditions=conditions))


@lru_cache(maxsize=1024)
def read_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions that `write_conditions` wrote."""
    return decode(_Conditions, read_json(text)).conditions


def write_labels(labels: Mapping[str, str]) -> str:
    """Labels as JSON text."""
    return write_json(_Labels(labels=labels))


@lru_cache(maxsize=_DEVICES)
def read_labels(text: str) -> Mapping[str, str]:
    """The labels that `write_labels` wrote."""
    return decode(_Labels, read_json(text)).labels
