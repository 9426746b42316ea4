"""When an index and an image's own config contradict each other."""

import pytest

from inspection_examples import entry
from polyfleet_controller.domain.inspection import StatedPlatform


def stated(text: str) -> StatedPlatform:
    os, architecture, *variant = text.split("/")
    return StatedPlatform(os=os, architecture=architecture, variant=variant[0] if variant else None)


@pytest.mark.parametrize(
    ("listed", "own", "contradicts"),
    [
        ("linux/arm64", "linux/arm64/v8", False),
        ("linux/arm/v7", "linux/arm", False),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/7", "linux/arm/v7", False),
        ("linux/arm64", "linux/amd64", True),
        ("windows/amd64", "linux/amd64", True),
    ],
)
def test_only_what_both_say_can_contradict(listed: str, own: str, contradicts: bool) -> None:  # noqa: FBT001 - an example
    assert entry("1", platform=stated(listed), config_platform=stated(own)).contradicts_itself is contradicts
