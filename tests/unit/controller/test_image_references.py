"""A reference says which registry holds the image, or is refused with what to write instead."""

import pytest

from polyfleet_controller.domain.images import ImageReference, InvalidReferenceError
from polyfleet_shared.images import InvalidImageError

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("registry.example.com/hello", "registry.example.com/hello", "latest", None),
        ("registry.example.com/team/hello:1.2", "registry.example.com/team/hello", "1.2", None),
        (f"registry.example.com/hello@{DIGEST}", "registry.example.com/hello", None, DIGEST),
        (f"registry.example.com/hello:1@{DIGEST}", "registry.example.com/hello", "1", DIGEST),
        ("localhost/hello:1", "localhost/hello", "1", None),
        ("localhost:5000/a/b/c:1", "localhost:5000/a/b/c", "1", None),
        ("127.0.0.1:5000/hello", "127.0.0.1:5000/hello", "latest", None),
        ("host:80/hello", "host:80/hello", "latest", None),
        ("[::1]:5000/hello:1", "[::1]:5000/hello", "1", None),
        ("[2001:db8::1]/hello", "[2001:db8::1]/hello", "latest", None),
        ("docker.io/nginx", "docker.io/library/nginx", "latest", None),
        ("index.docker.io/team/app:1", "docker.io/team/app", "1", None),
    ],
)
def test_a_qualified_reference_is_read(
    text: str, repository: str, tag: str | None, digest: str | None
) -> None:
    reference = ImageReference.parse(text)
    assert reference == ImageReference(repository=repository, tag=tag, digest=digest)
    assert ImageReference.parse(str(reference)) == reference
    assert f"{reference.registry}/{reference.path}" == repository


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        (f"nginx@{DIGEST}", "docker.io/library/nginx@sha256:"),
        ("team/app:1", "docker.io/team/app:1"),
    ],
)
def test_an_unqualified_name_is_refused_with_the_next_step(text: str, example: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        ImageReference.parse(text)
    message = str(caught.value)
    assert "does not say which registry holds it" in message
    assert f"for example {example}" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not say which registry"),
        ("localhost:5000", "does not say which registry"),
        ("/hello", "does not say which registry"),
        ("a.example/", "no repository"),
        ("a.example/Hello:1", "no repository"),
        ("a.example/hel lo", "no repository"),
        ("a.example/../hello", "no repository"),
        ("https://a.example/hello", "no repository"),
        ("me:secret@a.example/hello", "does not say which registry"),
        ("a..example/hello", "no repository"),
        ("a.example/hello:", "no tag"),
        ("a.example/hello:a/b", "no tag"),
        ("a.example/hello:-1", "no tag"),
        (f"a.example/hello:{'x' * 129}", "no tag"),
        ("a.example/hello@", "no digest"),
        ("a.example/hello@sha256:abc", "no digest"),
        (f"a.example/hello@sha512:{'a' * 128}", "no digest"),
        (f"a.example/hello@{DIGEST}@{DIGEST}", "no digest"),
        ("a.example:0/hello", "a port is between 1 and 65535"),
        ("a.example:99999/hello", "a port is between 1 and 65535"),
        ("a.example:x/hello", "a port is between 1 and 65535"),
        ("a.example:/hello", "no repository"),
        ("[::zz]:5000/hello", "is no registry: write an address"),
        ("[::1/hello", "is no registry: write an address"),
        ("::1/hello", "no repository"),
        ("999.1.1.1/hello", "is no registry"),
    ],
)
def test_a_malformed_reference_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidImageError, match=message):
        ImageReference.parse(text)


def test_a_long_reference_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidImageError) as caught:
        ImageReference.parse("x" * 100_000)
    assert len(str(caught.value)) < 500
