"""Indexes, manifests and configs as registries, mirrors and builders really write them."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from polyfleet_controller.domain.images import Layer
from polyfleet_controller.registry.documents import (
    MANIFEST_LIMIT,
    Artifact,
    ImageIndex,
    ImageManifest,
    IndexEntry,
    read_config,
    read_manifest,
)
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def number(n: int) -> str:
    return f"sha256:{n:064}"


def image_of(*sizes: int) -> ImageManifest:
    """What `manifest` with these sizes describes."""
    layers = tuple(Layer(digest=number(n), size=size) for n, size in enumerate(sizes))
    return ImageManifest(config=digest("c"), layers=layers)


def entry(letter: str, platform: str | None, **more: object) -> dict[str, Any]:
    document: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": digest(letter), "size": 500}
    if platform is not None:
        parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        document["platform"] = parts
    return document | more


def index(*entries: dict[str, Any], media_type: str | None = OCI_INDEX) -> bytes:
    document: dict[str, Any] = {"schemaVersion": 2, "manifests": list(entries)}
    if media_type is not None:
        document["mediaType"] = media_type
    return json.dumps(document).encode()


def manifest(
    *sizes: int, media_type: str | None = OCI_MANIFEST, config_type: str | None = OCI_CONFIG
) -> bytes:
    config = {"mediaType": config_type, "digest": digest("c"), "size": 200}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "config": {key: value for key, value in config.items() if value is not None},
        "layers": [{"digest": number(n), "size": size} for n, size in enumerate(sizes)],
    }
    if media_type is not None:
        document["mediaType"] = media_type
    return json.dumps(document).encode()


def listed(*pairs: tuple[str, str | None]) -> ImageIndex:
    return ImageIndex(
        entries=tuple(
            IndexEntry(digest=digest(letter), platform=None if platform is None else Platform.parse(platform))
            for letter, platform in pairs
        )
    )


def refusal_of(read: Callable[[bytes], object], content: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        read(content)
    return str(caught.value)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST, None, "text/plain"])
def test_an_index_is_read_whatever_it_calls_itself(media_type: str | None) -> None:
    content = index(
        entry("a", "linux/amd64"),
        entry("b", "linux/arm64/v8"),
        entry("d", "linux/arm/v7", mediaType=DOCKER_MANIFEST),
        entry("e", "linux/riscv64", annotations={"org.opencontainers.image.version": "1"}),
        media_type=media_type,
    )
    assert read_manifest(content) == listed(
        ("a", "linux/amd64"), ("b", "linux/arm64"), ("d", "linux/arm/v7"), ("e", "linux/riscv64")
    )


def test_an_absent_variant_is_the_baseline() -> None:
    content = index(entry("a", "linux/arm"), entry("b", "linux/amd64/v1"), entry("d", "linux/arm64"))
    assert read_manifest(content) == listed(
        ("a", "linux/arm/v7"), ("b", "linux/amd64"), ("d", "linux/arm64/v8")
    )


def test_two_entries_for_one_platform_are_kept_in_order_as_the_first_may_turn_out_to_be_no_image() -> None:
    content = index(entry("a", "linux/arm64/v8"), entry("b", "linux/arm64"))
    assert read_manifest(content) == listed(("a", "linux/arm64"), ("b", "linux/arm64"))


@pytest.mark.parametrize(
    "platform",
    [None, {}, {"os": "", "architecture": ""}, {"os.version": "10.0.17763.1"}],
    ids=["absent", "empty", "blank", "other keys"],
)
def test_an_entry_without_platform_is_left_to_its_config(platform: dict[str, str] | None) -> None:
    nameless = entry("a", None) | ({} if platform is None else {"platform": platform})
    content = index(nameless, entry("b", "linux/amd64"))
    assert read_manifest(content) == listed(("a", None), ("b", "linux/amd64"))


@pytest.mark.parametrize("media_type", [None, DOCKER_MANIFEST])
def test_an_entry_may_lack_its_media_type(media_type: str | None) -> None:
    plain = entry("a", "linux/amd64")
    plain["mediaType"] = media_type
    assert read_manifest(index(plain)) == listed(("a", "linux/amd64"))


@pytest.mark.parametrize(
    "attestation",
    [
        entry("b", "unknown/unknown"),
        entry("b", "unknown/unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        entry("b", "linux/arm64", annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        entry("b", None, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        entry("b", "linux/arm64", mediaType="application/vnd.in-toto+json"),
        entry("b", "linux/arm64", artifactType="application/spdx+json"),
        entry("b", "linux/arm64", mediaType="application/vnd.oci.artifact.manifest.v1+json"),
    ],
)
def test_what_is_no_image_is_skipped(attestation: dict[str, Any]) -> None:
    content = index(attestation, entry("a", "linux/amd64"), attestation)
    assert read_manifest(content) == listed(("a", "linux/amd64"))


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_in_an_index_is_kept_to_be_read_in_its_turn(media_type: str) -> None:
    content = index(entry("a", "linux/arm64", mediaType=media_type), entry("b", None, mediaType=media_type))
    assert read_manifest(content) == listed(("a", "linux/arm64"), ("b", None))


@pytest.mark.parametrize("artifact_type", [OCI_CONFIG, DOCKER_CONFIG, None])
def test_an_entry_that_gives_its_configs_type_is_an_image(artifact_type: str | None) -> None:
    content = index(entry("a", "linux/amd64", artifactType=artifact_type))
    assert read_manifest(content) == listed(("a", "linux/amd64"))


def test_platforms_of_other_systems_and_their_versions_are_kept() -> None:
    versions = [entry(letter, "windows/amd64") for letter in "ab"]
    versions[0]["platform"] |= {"os.version": "10.0.20348.1", "os.features": ["win32k"]}
    versions[1]["platform"] |= {"os.version": "10.0.17763.1"}
    others = [entry("d", "freebsd/arm64"), entry("e", "wasip1/wasm"), entry("f", "darwin/arm64")]
    assert read_manifest(index(*versions, *others)) == listed(
        ("a", "windows/amd64"),
        ("b", "windows/amd64"),
        ("d", "freebsd/arm64"),
        ("e", "wasip1/wasm"),
        ("f", "darwin/arm64"),
    )


def test_platforms_in_capitals_are_read() -> None:
    assert read_manifest(index(entry("a", "Linux/ARM64/V8"))) == listed(("a", "linux/arm64"))


def test_an_index_of_nothing_is_an_index() -> None:
    assert read_manifest(index()) == ImageIndex(entries=())


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, None, "application/json"])
@pytest.mark.parametrize("config_type", [OCI_CONFIG, DOCKER_CONFIG, None, "application/octet-stream"])
def test_a_manifest_is_read_whatever_it_calls_itself(media_type: str | None, config_type: str | None) -> None:
    content = manifest(1000, 0, 234, media_type=media_type, config_type=config_type)
    assert read_manifest(content) == image_of(1000, 0, 234)


def test_an_image_without_layers_has_no_size() -> None:
    assert read_manifest(manifest()) == image_of()


def test_a_layer_that_is_listed_twice_is_pulled_once() -> None:
    document = json.loads(manifest(1000, 30, 200))
    document["layers"][2]["digest"] = document["layers"][0]["digest"]
    image = read_manifest(json.dumps(document).encode())
    assert image == image_of(1000, 30)
    assert isinstance(image, ImageManifest)
    assert image.size == 1030


def test_a_layer_may_be_named_by_another_hash() -> None:
    name = f"sha512:{'a' * 128}"
    content = manifest(7).replace(number(0).encode(), name.encode())
    layers = (Layer(digest=name, size=7),)
    assert read_manifest(content) == ImageManifest(config=digest("c"), layers=layers)


@pytest.mark.parametrize(
    "config_type", ["application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json"]
)
def test_an_artifact_is_told_from_an_image(config_type: str) -> None:
    assert read_manifest(manifest(5, config_type=config_type)) == Artifact(media_type=config_type)


def test_an_artifact_is_called_by_its_own_type_if_it_has_one() -> None:
    document = json.loads(manifest(5, config_type="application/vnd.oci.empty.v1+json"))
    document["artifactType"] = "application/spdx+json"
    assert read_manifest(json.dumps(document).encode()) == Artifact(media_type="application/spdx+json")


def test_a_signature_with_an_images_config_is_no_image() -> None:
    document = json.loads(manifest(5))
    signature = "application/vnd.dev.cosign.simplesigning.v1+json"
    document["layers"][0]["mediaType"] = signature
    assert read_manifest(json.dumps(document).encode()) == Artifact(media_type=signature)


@pytest.mark.parametrize(
    "layer_type",
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_an_image_may_carry_other_things_beside_its_files(layer_type: str) -> None:
    document = json.loads(manifest(5, 6))
    for layer, media_type in zip(document["layers"], (layer_type, "text/plain"), strict=True):
        layer["mediaType"] = media_type
    assert read_manifest(json.dumps(document).encode()) == image_of(5, 6)


def test_an_artifact_manifest_is_an_artifact() -> None:
    document = {
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "artifactType": "application/example",
        "blobs": [],
    }
    assert read_manifest(json.dumps(document).encode()) == Artifact(media_type="application/example")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"<html>Log in</html>", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "expected an object"),
        (b"{}", "neither an image index nor an image manifest"),
        (b'{"errors": []}', "neither an image index nor an image manifest"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "schemaVersion: Docker's schema 1"),
        (b'{"manifests": [], "layers": []}', "an index and a manifest at once"),
        (b'{"manifests": [], "config": {}}', "an index and a manifest at once"),
        (index(media_type=OCI_MANIFEST), f"mediaType: {OCI_MANIFEST} contradicts"),
        (manifest(media_type=DOCKER_LIST), f"mediaType: {DOCKER_LIST} contradicts"),
        (b'{"manifests": null}', "manifests: expected a list, got null"),
        (b'{"manifests": [5]}', "manifests[0]: expected an object, got the number 5"),
        (index({"size": 5}), "manifests[0].digest: missing"),
        (index(entry("a", None, digest="sha256:abc")), "manifests[0]: 'sha256:abc' is no digest"),
        (index(entry("a", "linux/../x")), "manifests[0].platform: '..' is no part of a platform"),
        (index(entry("a", "linux")), "manifests[0].platform: '' is no part of a platform"),
        (index(entry("a", None) | {"platform": {"os": 5}}), "manifests[0].platform.os: expected a text"),
        (b'{"layers": []}', "config: missing"),
        (b'{"config": {"digest": "sha256:%s"}}' % (b"a" * 64), "layers: missing"),
        (manifest(-1), "layers[0]: a size is at least 0, not -1"),
        (manifest(*[1] * 501), "layers: 501 layers are more than the 500 allowed"),
        (manifest(1).replace(b"sha256:0", b"../:0"), "layers[0]: '../:0000"),
        (manifest(2**62, 2**62), "layers: their sizes add up to more than 64 bits hold"),
        (b" " * (MANIFEST_LIMIT + 1), f"{MANIFEST_LIMIT + 1} bytes are more than the {MANIFEST_LIMIT}"),
    ],
)
def test_a_malformed_document_is_refused_where_it_is_wrong(content: bytes, message: str) -> None:
    assert message in refusal_of(read_manifest, content)


def test_an_index_of_hundreds_of_images_is_refused() -> None:
    entries = [entry("a", f"linux/amd64/v{number}") for number in range(257)]
    assert refusal_of(read_manifest, index(*entries)) == "manifests: 257 images are more than the 256 allowed"
    assert read_manifest(index(*entries[:256])) == listed(
        *(("a", f"linux/amd64/v{number}") for number in range(256))
    )


@pytest.mark.parametrize(
    ("document", "platform"),
    [
        ({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm", "variant": "v6"}, "linux/arm/v6"),
        ({"os": "linux", "architecture": "arm64", "variant": ""}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm64", "variant": None}, "linux/arm64"),
    ],
)
def test_a_config_tells_the_platform(document: dict[str, object], platform: str) -> None:
    assert read_config(json.dumps(document).encode()) == Platform.parse(platform)


def test_the_config_of_an_attestation_tells_none() -> None:
    assert read_config(b'{"os": "unknown", "architecture": "unknown"}') is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "names no platform"),
        (b"[]", "expected an object"),
        (b"nonsense", "not JSON"),
        (b'{"os": "linux"}', "'' is no part of a platform"),
        (b'{"os": "linux", "architecture": 64}', "architecture: expected a text, got the number 64"),
    ],
)
def test_a_config_without_a_platform_is_refused(content: bytes, message: str) -> None:
    assert message in refusal_of(read_config, content)
