"""A pinned image is named by digests and by a repository that says which registry holds it."""

from dataclasses import replace

import pytest

from polyfleet_shared.images import InvalidImageError, PinnedImage, check_digest, check_repository
from polyfleet_shared.platforms import Platform

PINNED = PinnedImage(
    repository="registry.example.com/team/hello",
    index=f"sha256:{'a' * 64}",
    child=f"sha256:{'b' * 64}",
    config=f"sha256:{'c' * 64}",
    platform=Platform.parse("linux/arm/v7"),
    size=1,
)


def test_what_is_pulled_is_the_child() -> None:
    assert PINNED.reference == f"registry.example.com/team/hello@sha256:{'b' * 64}"


@pytest.mark.parametrize(
    "text",
    ["", "a" * 64, f"sha256:{'a' * 63}", f"sha256:{'a' * 65}", f"sha256:{'A' * 64}", f"sha512:{'a' * 128}"],
)
def test_a_digest_has_one_form(text: str) -> None:
    with pytest.raises(InvalidImageError, match="no digest"):
        check_digest(text)
    for field in ("index", "child", "config"):
        with pytest.raises(InvalidImageError, match="no digest"):
            replace(PINNED, **{field: text})  # type: ignore[arg-type] # the field's name varies


@pytest.mark.parametrize(
    "text",
    [
        "docker.io/library/nginx",
        "localhost/a",
        "localhost:5000/a",
        "127.0.0.1:5000/a/b_c/d.e-f",
        "[::1]:5000/a",
        "[2001:db8::1]/a",
        "xn--bcher-kva.example/a",
    ],
)
def test_a_repository_is_registry_and_path(text: str) -> None:
    assert check_repository(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nginx",
        "a.example/",
        "/a",
        "a.example/A",
        "a.example/a:1",
        f"a.example/a@sha256:{'a' * 64}",
        "a.example//a",
        "a.example/../a",
        "a.example/a/",
        "a..example/a",
        "-a.example/a",
        f"{'a' * 64}.example/a",
        "a.example:/a",
        "a.example:123456/a",
        "user:password@a.example/a",
        "https://a.example/a",
        "a.example/a\n",
        f"a.example/{'a' * 255}",
    ],
)
def test_anything_else_is_no_repository(text: str) -> None:
    with pytest.raises(InvalidImageError, match="no repository"):
        check_repository(text)


def test_a_size_is_not_negative() -> None:
    with pytest.raises(InvalidImageError, match="size"):
        replace(PINNED, size=-1)
