"""Platforms are equal when they mean the same machine."""

import pytest

from polyfleet_shared.platforms import InvalidPlatformError, Platform


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v8.2", "linux/arm64/v8.2"),
        ("linux/arm64/v9.0", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/5", "linux/arm/v5"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armv6l", "linux/arm/v6"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/armv8l", "linux/arm/v7"),
        ("linux/riscv64", "linux/riscv64"),
        ("linux/riscv64/rva20u64", "linux/riscv64"),
        ("linux/riscv64/rva22u64", "linux/riscv64/rva22u64"),
        ("linux/ppc64le/power8", "linux/ppc64le"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_a_platform_is_normalised(text: str, normalised: str) -> None:
    platform = Platform.parse(text)
    assert str(platform) == normalised
    assert Platform.parse(normalised) == platform


def test_an_explicit_variant_wins_over_the_one_that_an_alias_implies() -> None:
    assert Platform.parse("linux/armhf/v6") == Platform.parse("linux/arm/v6")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/arm/v7/x",
        "linux/AMD64",
        "linux/arm/ v7",
        "linux/arm/",
        "a b/c",
    ],
)
def test_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlatformError, match="os/architecture"):
        Platform.parse(text)


def test_platforms_sort_with_a_baseline_before_its_variants() -> None:
    texts = [
        "linux/arm64/v9",
        "linux/riscv64",
        "linux/arm64",
        "linux/amd64/v3",
        "linux/amd64",
        "linux/arm/v6",
    ]
    assert [str(platform) for platform in sorted(map(Platform.parse, texts))] == [
        "linux/amd64",
        "linux/amd64/v3",
        "linux/arm/v6",
        "linux/arm64",
        "linux/arm64/v9",
        "linux/riscv64",
    ]
