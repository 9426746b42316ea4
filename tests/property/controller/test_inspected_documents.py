"""Whatever a registry sends can be shown, or is refused as what nobody can read."""

import json

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.cli.image_page import draw_inspection
from polyfleet_controller.cli.output import render
from polyfleet_controller.domain.inspection import DocumentKind, InspectedEntry, Inspection
from polyfleet_controller.registry.documents import ImageIndex, read_manifest
from polyfleet_controller.registry.inspected_documents import (
    StatedDocument,
    read_details,
    read_stated_document,
    read_stated_platform,
)
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError, JsonValue
from strategies import json_values, paths_within, replace_within

INDEX = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "annotations": {"a": "b"},
    "manifests": [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": f"sha256:{'a' * 64}",
            "platform": {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1"},
            "annotations": {"vnd.docker.reference.type": "x"},
        },
        {"digest": f"sha256:{'b' * 64}", "platform": {"os": "linux", "architecture": "arm64"}},
    ],
}
CONFIG = {
    "os": "linux",
    "architecture": "arm",
    "created": "now",
    "config": {
        "Env": ["A=b", "C"],
        "Entrypoint": ["/x"],
        "Labels": {"l": "m"},
        "ExposedPorts": {"1/tcp": {}},
    },
}
ENTRY = InspectedEntry(kind=DocumentKind.IMAGE, digest=f"sha256:{'a' * 64}", media_type="")


def read(document: object) -> StatedDocument | None:
    try:
        return read_stated_document(json.dumps(document).encode())
    except DecodeError:
        return None


def show(document: StatedDocument) -> None:
    entries = tuple(
        InspectedEntry(
            kind=DocumentKind.IMAGE,
            digest=listed.digest,
            media_type=listed.media_type,
            platform=listed.platform,
            annotations=listed.annotations,
        )
        for listed in document.manifests
    )
    inspection = Inspection(
        name="x", digest=ENTRY.digest, kind=document.kind, media_type=document.media_type, entries=entries
    )
    text = "".join(render(draw_inspection(inspection), width=80, colours=False))
    assert text.isprintable()
    assert encode(inspection)["name"] == "x"


@given(replacement=json_values, data=st.data())
def test_an_index_with_anything_in_it_is_shown(replacement: JsonValue, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(paths_within(INDEX))))
    document = read(replace_within(INDEX, path, replacement))
    if document is not None:
        show(document)


@given(document=json_values)
def test_arbitrary_json_is_refused_or_shown(document: JsonValue) -> None:
    found = read(document)
    if found is not None:
        show(found)


@given(replacement=json_values, data=st.data())
def test_a_config_with_anything_in_it_is_shown(replacement: JsonValue, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(paths_within(CONFIG))))
    content = json.dumps(replace_within(CONFIG, path, replacement)).encode()
    try:
        details, platform = read_details(ENTRY, content), read_stated_platform(content)
    except DecodeError:
        return
    assert encode(details)["entry"]
    assert platform is None or platform.os or platform.architecture
    assert all("=" not in name for name in details.environment_names)


@given(replacement=json_values, data=st.data())
def test_what_the_controller_takes_of_an_index_is_among_what_is_shown(
    replacement: JsonValue, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(paths_within(INDEX))))
    changed = replace_within(INDEX, path, replacement)
    try:
        taken = read_manifest(json.dumps(changed).encode())
    except DecodeError:
        return
    if isinstance(taken, ImageIndex):
        shown = read(changed)
        assert shown is not None
        assert {entry.digest for entry in taken.entries} <= {listed.digest for listed in shown.manifests}
