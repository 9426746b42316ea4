"""Whatever a registry sends and whatever an operator types is read, or refused as what it is."""

import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.documents import ImageIndex, read_config, read_manifest
from polyfleet_shared.images import InvalidImageError
from polyfleet_shared.json_text import DecodeError, JsonValue
from strategies import digests, json_values, paths_within, replace_within, repositories

VALID = {
    "index": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": f"sha256:{'a' * 64}",
                "size": 500,
                "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
                "annotations": {"a": "b"},
            }
        ],
    },
    "manifest": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": f"sha256:{'b' * 64}",
            "size": 200,
        },
        "layers": [{"digest": f"sha256:{'c' * 64}", "size": 1000}],
    },
    "config": {"os": "linux", "architecture": "arm", "variant": "v7"},
}


@given(document=json_values)
def test_arbitrary_json_is_no_image(document: JsonValue) -> None:
    content = json.dumps(document).encode()
    assert refused(lambda: read_manifest(content))
    assert refused(lambda: read_config(content))


@given(content=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_image(content: bytes) -> None:
    assert refused(lambda: read_manifest(content))
    assert refused(lambda: read_config(content))


@given(name=st.sampled_from(sorted(VALID)), replacement=json_values, data=st.data())
def test_a_changed_document_is_read_or_refused(
    name: str, replacement: JsonValue, data: st.DataObject
) -> None:
    document = VALID[name]
    path = data.draw(st.sampled_from(paths_within(document)))
    content = json.dumps(replace_within(document, path, replacement)).encode()
    read = read_config if name == "config" else read_manifest
    try:
        result = read(content)
    except DecodeError as error:
        str(error).encode()
    else:
        assert not isinstance(result, ImageIndex) or len(result.entries) <= 1


@given(text=st.text(max_size=60) | st.from_regex(r"[a-z.:/@\[\]-]{0,40}", fullmatch=True))
def test_arbitrary_text_is_a_reference_or_refused(text: str) -> None:
    read = read_reference(text)
    assert isinstance(read, InvalidImageError) or ImageReference.parse(str(read)) == read
    assert len(str(read)) < 500


@given(
    repository=repositories,
    tag=st.none() | st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True),
    digest=st.none() | digests,
)
def test_a_reference_is_read_as_it_was_written(repository: str, tag: str | None, digest: str | None) -> None:
    text = repository + ("" if tag is None else f":{tag}") + ("" if digest is None else f"@{digest}")
    reference = ImageReference.parse(text)
    assert (reference.tag, reference.digest) == ("latest" if tag is digest is None else tag, digest)
    assert ImageReference.parse(str(reference)) == reference


def refused(read: Callable[[], object]) -> bool:
    """Say whether a document is refused, with a text that can be logged."""
    try:
        read()
    except DecodeError as error:
        return len(str(error).encode()) > 0
    return False


def read_reference(text: str) -> ImageReference | InvalidImageError:
    try:
        return ImageReference.parse(text)
    except InvalidImageError as error:
        return error
