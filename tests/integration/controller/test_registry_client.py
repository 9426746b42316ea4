"""The registry client against a real registry, behind every kind of door that there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fixtures.oci import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    expected,
    listed,
    make_child,
    make_index,
)
from fixtures.registries import Door
from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.lab.image import (
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Blob,
    Child,
    Image,
    ImageRecipe,
    build_image,
    platform_document,
)
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason


@pytest.fixture
def client(door: Door) -> RegistryClient:
    return door.make_client()


@contextmanager
def storing(door: Door, blob: Blob, content: bytes | None) -> Iterator[None]:
    """Let the registry hold other content under a blob's digest, or none, for a while."""
    name = blob.digest.removeprefix("sha256:")
    path = door.shelf.storage / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    assert path.read_bytes() == blob.content
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    yield
    path.write_bytes(blob.content)


def failure_of(client: RegistryClient, reference: ImageReference) -> RegistryFailure:
    with pytest.raises(RegistryFailure) as caught:
        client.resolve(reference)
    return caught.value


# -- what is there


def test_an_image_is_resolved_to_every_platform_with_its_digests(door: Door, client: RegistryClient) -> None:
    image = build_image(ImageRecipe())
    reference = door.push(image, "resolved", "1")
    resolved = ResolvedImage(
        repository=f"{door.address}/resolved",
        index=image.index.digest,
        children=tuple(map(expected, image.children)),
    )
    assert client.resolve(reference) == resolved
    by_digest = ImageReference(repository=reference.repository, digest=image.index.digest)
    assert client.resolve(by_digest) == resolved


def test_a_digest_decides_over_the_tag_beside_it(door: Door, client: RegistryClient) -> None:
    old, new = (make_index(listed(make_child("linux/amd64", content=content))) for content in (b"1", b"22"))
    door.push(old, "moved", "1")
    reference = door.push(new, "moved", "1")
    pinned = ImageReference(repository=reference.repository, tag="1", digest=old.index.digest)
    assert client.resolve(pinned).children == (expected(old.children[0]),)
    assert client.resolve(reference).children == (expected(new.children[0]),)


def test_a_moved_tag_is_seen_at_once(door: Door, client: RegistryClient) -> None:
    first = make_index(listed(make_child("linux/amd64")))
    reference = door.push(first, "gaining", "1")
    assert len(client.resolve(reference).children) == 1
    second = make_index(listed(make_child("linux/amd64")), listed(make_child("linux/riscv64")))
    door.push(second, "gaining", "1")
    assert client.resolve(reference).children == tuple(map(expected, second.children))


def test_what_is_known_is_the_answer_while_the_tag_has_its_digest(door: Door, client: RegistryClient) -> None:
    child = make_child("linux/amd64", content=b"known")
    image = make_index(listed(child))
    reference = door.push(image, "known")
    known = client.resolve(reference)
    with storing(door, child.manifest, None):
        assert door.make_client().resolve(reference, known=known) is known
    moved = make_index(listed(child), listed(make_child("linux/riscv64")))
    door.push(moved, "known")
    assert client.resolve(reference, known=known).index == moved.index.digest


def test_a_single_image_is_an_index_of_one(door: Door, client: RegistryClient) -> None:
    child = make_child("linux/arm/v6")
    reference = door.push(Image(index=child.manifest, children=[child]), "single")
    assert client.resolve(reference) == ResolvedImage(
        repository=f"{door.address}/single", index=child.manifest.digest, children=(expected(child),)
    )


def test_a_docker_manifest_list_is_an_index_too(door: Door, client: RegistryClient) -> None:
    types = {MANIFEST_TYPE: DOCKER_MANIFEST, CONFIG_TYPE: DOCKER_CONFIG}
    children = [make_child(platform, types=types) for platform in ("linux/amd64", "linux/arm/v7")]
    image = make_index(*map(listed, children), media_type=DOCKER_LIST)
    reference = door.push(image, "docker-list")
    assert client.resolve(reference).children == tuple(map(expected, children))


def test_a_platform_that_the_index_leaves_out_is_read_from_the_config(
    door: Door, client: RegistryClient
) -> None:
    bare, plain = make_child("linux/arm64/v8"), make_child("linux/amd64")
    reference = door.push(make_index((bare, {}), listed(plain)), "bare")
    assert client.resolve(reference).children == (expected(bare), expected(plain))


def test_attestations_are_skipped_and_of_duplicates_the_first_is_taken(
    door: Door, client: RegistryClient
) -> None:
    first, second = make_child("linux/amd64", content=b"1"), make_child("linux/amd64", content=b"2")
    hidden = make_child("linux/amd64", content=b"3")
    attestation, nameless = make_child("unknown/unknown"), make_child("unknown/unknown", content=b"x")
    image = make_index(listed(attestation), listed(first), (nameless, {}), listed(second), (hidden, {}))
    reference = door.push(image, "attested")
    assert client.resolve(reference).children == (expected(first),)


def entry(blob: Blob, platform: str | None = None) -> dict[str, Any]:
    """An index's entry for a manifest or for another index."""
    return blob.descriptor | ({} if platform is None else {"platform": platform_document(platform)})


def push_index(door: Door, name: str, tag: str, *entries: dict[str, Any]) -> tuple[Blob, ImageReference]:
    """Push an index of what the registry has already."""
    blob = Blob.from_document(
        INDEX_TYPE, {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(entries)}
    )
    return blob, door.push(Image(index=blob, children=[]), name, tag)


def test_an_index_in_an_index_is_unfolded_where_it_stands(door: Door, client: RegistryClient) -> None:
    amd64, arm, riscv = (make_child(f"linux/{name}") for name in ("amd64", "arm/v7", "riscv64"))
    silent = make_child("linux/arm64", content=b"silent")
    inner = make_index(listed(arm), listed(riscv))
    door.push(inner, "nested", "inner")
    door.push(make_index(listed(amd64), (silent, {})), "nested", "rest")
    deeper, _ = push_index(door, "nested", "deeper", entry(silent.manifest))
    _, reference = push_index(
        door,
        "nested",
        "1",
        entry(inner.index),
        entry(deeper, "linux/arm64/v9"),  # the entry's word for what says nothing of itself
        entry(amd64.manifest, "linux/amd64"),
    )
    assert client.resolve(reference).children == (
        expected(arm),
        expected(riscv),
        replace(expected(silent), platform=Platform.parse("linux/arm64/v9")),
        expected(amd64),
    )


def test_indexes_are_not_unfolded_without_end(door: Door, client: RegistryClient) -> None:
    image = make_index(listed(make_child("linux/amd64")))
    references = [door.push(image, "deep", "0")]
    blob = image.index
    for depth in range(1, 5):
        blob, reference = push_index(door, "deep", str(depth), entry(blob))
        references.append(reference)
    assert client.resolve(references[3]).children == (expected(image.children[0]),)
    failure = failure_of(client, references[4])
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{references[4]}: its indexes are nested more than 4 deep",
    )


def test_indexes_do_not_multiply_without_end(door: Door, client: RegistryClient) -> None:
    child = make_child("linux/amd64")
    inner = make_index(*[listed(child)] * 20)
    door.push(inner, "wide", "inner")
    _, reference = push_index(door, "wide", "1", *[entry(inner.index)] * 13)
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: it lists more than the 256 images allowed",
    )


def test_of_an_os_in_several_versions_the_first_is_taken(door: Door, client: RegistryClient) -> None:
    newer, older = (make_child("windows/amd64", content=content) for content in (b"22", b"19"))
    linux, freebsd = make_child("linux/amd64"), make_child("freebsd/amd64")
    platform = platform_document("windows/amd64")
    image = make_index(
        (newer, {"platform": platform | {"os.version": "10.0.20348.1", "os.features": ["win32k"]}}),
        (older, {"platform": platform | {"os.version": "10.0.17763.1"}}),
        listed(freebsd),
        listed(linux),
    )
    assert client.resolve(door.push(image, "windows")).children == tuple(
        map(expected, (newer, freebsd, linux))
    )


def test_an_artifact_hides_no_image_of_its_platform(door: Door, client: RegistryClient) -> None:
    signature = make_child(
        "linux/amd64", content=b"{}", types={LAYER_TYPE: "application/vnd.dev.cosign.simplesigning.v1+json"}
    )
    bill = make_child("linux/amd64", types={CONFIG_TYPE: "application/vnd.oci.empty.v1+json"})
    child = make_child("linux/amd64", content=b"real")
    reference = door.push(make_index(listed(signature), listed(bill), listed(child)), "signed")
    assert client.resolve(reference).children == (expected(child),)


def test_more_children_than_are_asked_for_at_once_keep_their_order(
    door: Door, client: RegistryClient
) -> None:
    children = [make_child(f"linux/amd64/v{number}", content=b"x" * number) for number in range(2, 40)]
    reference = door.push(make_index(*map(listed, children)), "many")
    assert client.resolve(reference).children == tuple(map(expected, children))


def test_what_a_digest_names_is_asked_for_once(door: Door, client: RegistryClient) -> None:
    child = make_child("linux/amd64", content=b"remembered")
    reference = door.push(make_index(listed(child)), "remembered")
    resolved = client.resolve(reference)
    with storing(door, child.manifest, None):
        assert client.resolve(reference) == resolved
        assert failure_of(door.make_client(), reference).reason is Reason.IMAGE_NOT_FOUND


# -- what is not there, or not what it should be


def test_a_missing_tag_is_named_with_its_repository(door: Door, client: RegistryClient) -> None:
    door.push(make_index(listed(make_child("linux/amd64"))), "tagged", "1")
    failure = failure_of(client, ImageReference.parse(f"{door.address}/tagged:2"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{door.address} has no tag 2 in the repository tagged",
    )


def test_a_missing_repository_is_named(door: Door, client: RegistryClient) -> None:
    failure = failure_of(client, ImageReference.parse(f"{door.address}/team/nothing"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{door.address} has no tag latest in the repository team/nothing",
    )


def test_a_missing_digest_is_named(door: Door, client: RegistryClient) -> None:
    door.push(make_index(listed(make_child("linux/amd64"))), "digested", "1")
    digest = f"sha256:{'0' * 64}"
    failure = failure_of(client, ImageReference.parse(f"{door.address}/digested@{digest}"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{door.address} has no manifest {digest} in the repository digested",
    )


def test_an_index_without_one_of_its_images_names_that_and_its_platform(
    door: Door, client: RegistryClient
) -> None:
    there, missing = make_child("linux/amd64"), make_child("linux/arm64/v9", content=b"missing")
    listing = door.push(make_index(listed(there), listed(missing)), "incomplete")
    silent = door.push(make_index(listed(there), (missing, {})), "incomplete", "2")
    with storing(door, missing.manifest, None):
        failures = [failure_of(client, reference) for reference in (listing, silent)]
    where = f"which {door.address} does not have in the repository incomplete: push the whole image again"
    assert [(failure.reason, failure.message) for failure in failures] == [
        (
            Reason.IMAGE_NOT_FOUND,
            f"{listing} lists linux/arm64/v9 as {missing.manifest.digest}, {where}",
        ),
        (Reason.IMAGE_NOT_FOUND, f"{silent} lists an image as {missing.manifest.digest}, {where}"),
    ]


def test_an_index_of_attestations_alone_is_no_image(door: Door, client: RegistryClient) -> None:
    reference = door.push(make_index(listed(make_child("unknown/unknown"))), "unknown")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: it holds no container image for any platform",
    )


def test_an_artifact_is_no_image(door: Door, client: RegistryClient) -> None:
    chart = make_child("linux/amd64", types={CONFIG_TYPE: "application/vnd.cncf.helm.config.v1+json"})
    reference = door.push(Image(index=chart.manifest, children=[chart]), "chart")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: it is no container image but 'application/vnd.cncf.helm.config.v1+json'",
    )


def test_a_tampered_manifest_is_told_from_the_one_that_the_index_names(
    door: Door, client: RegistryClient
) -> None:
    child = make_child("linux/amd64", content=b"genuine")
    reference = door.push(make_index(listed(child)), "tampered")
    tampered = child.manifest.content.replace(b'"size": 7', b'"size": 8')
    with storing(door, child.manifest, tampered):
        failure = failure_of(client, reference)
    assert failure.reason is Reason.DIGEST_MISMATCH
    assert f"the registry promised {child.manifest.digest}" in failure.message


def test_a_tampered_config_is_told_from_the_one_that_the_manifest_names(
    door: Door, client: RegistryClient
) -> None:
    child = make_child("linux/arm/v7", content=b"configured")
    reference = door.push(Image(index=child.manifest, children=[child]), "tampered-config")
    with storing(door, child.config, child.config.content.replace(b"v7", b"v6")):
        failure = failure_of(client, reference)
    assert failure.reason is Reason.DIGEST_MISMATCH
    assert f"the registry promised {child.config.digest}" in failure.message


def test_a_manifest_that_its_digest_names_and_that_is_garbage_is_refused(
    door: Door, client: RegistryClient
) -> None:
    broken = Blob(media_type=CONFIG_TYPE, content=b'{"os": "linux", "architecture": 64}')
    child = make_child("linux/amd64")
    manifest = Blob.from_document(
        MANIFEST_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": broken.descriptor,
            "layers": [layer.descriptor for layer in child.layers],
        },
    )
    single = Child(platform="linux/amd64", manifest=manifest, config=broken, layers=child.layers)
    reference = door.push(Image(index=manifest, children=[single]), "garbage")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: {broken.digest}: architecture: expected a text, got the number 64",
    )
