"""What an index holds, against what was asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection_examples import MANIFEST, digest
from polyfleet_controller.domain.image_verification import find_differences
from polyfleet_controller.domain.inspection import DocumentKind, InspectedEntry, Inspection, StatedPlatform
from polyfleet_shared.platforms import Platform
from strategies import platforms

AMD64, ARM6, ARM7, LEVEL3 = map(
    Platform.parse, ("linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/amd64/v3")
)


def stated(platform: Platform) -> StatedPlatform:
    return StatedPlatform(os=platform.os, architecture=platform.architecture, variant=platform.variant)


def entry(listed: Platform, own: Platform | None, **fields: Any) -> InspectedEntry:  # noqa: ANN401 - the fields' own types
    return InspectedEntry(
        **{
            "kind": DocumentKind.IMAGE,
            "digest": digest("a"),
            "media_type": MANIFEST,
            "platform": stated(listed),
            "config_platform": None if own is None else stated(own),
            **fields,
        }
    )


def differences(*entries: InspectedEntry, asked: tuple[Platform, ...]) -> tuple[str, ...]:
    inspection = Inspection(
        name="x", digest=digest("0"), kind=DocumentKind.INDEX, media_type="", entries=entries
    )
    return find_differences(inspection, asked)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((entry(AMD64, AMD64), entry(ARM6, ARM6)), ()),
        ((entry(AMD64, AMD64),), ("linux/arm/v6 is missing",)),
        (
            (entry(AMD64, AMD64), entry(ARM7, ARM7)),
            ("linux/arm/v6 is missing", "linux/arm/v7 was not asked for"),
        ),
        (
            (entry(AMD64, AMD64), entry(ARM6, ARM7)),
            ("linux/arm/v6: its config says linux/arm/v7",),
        ),
        (
            (entry(AMD64, LEVEL3), entry(ARM6, ARM6)),
            ("linux/amd64: its config says linux/amd64/v3",),
        ),
        (
            (entry(AMD64, AMD64), entry(ARM6, ARM6), entry(AMD64, AMD64, repeats=True)),
            ("linux/amd64 is there twice",),
        ),
        (
            (entry(AMD64, None), entry(ARM6, ARM6)),
            ("linux/amd64: its config names no platform",),
        ),
        (
            (entry(AMD64, AMD64), entry(ARM6, ARM6), entry(ARM7, None, kind=DocumentKind.ATTESTATION)),
            (f"{digest('a')} is no image but an attestation",),
        ),
        (
            (entry(AMD64, AMD64), entry(ARM6, None, kind=DocumentKind.UNREADABLE, problem="gone")),
            ("linux/arm/v6 is missing", "linux/arm/v6: gone"),
        ),
    ],
)
def test_each_difference_is_a_sentence(found: tuple[InspectedEntry, ...], expected: tuple[str, ...]) -> None:
    assert differences(*found, asked=(AMD64, ARM6)) == expected


@given(asked=st.lists(platforms, unique=True, max_size=6), held=st.lists(platforms, unique=True, max_size=6))
def test_exactly_what_was_asked_for_is_right(asked: list[Platform], held: list[Platform]) -> None:
    found = differences(*(entry(each, each) for each in held), asked=tuple(asked))
    assert (found == ()) == (set(asked) == set(held))
