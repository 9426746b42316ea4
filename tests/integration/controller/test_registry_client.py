"""The registry client against a real registry, and against servers that are none."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.answers import Answer, answering, response
from polyfleet_controller.domain.images import ImageReference, IndexChild, ResolvedImage
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
from polyfleet_controller.lab.push import push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.registry.documents import MANIFEST_LIMIT
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from waiting import wait_until

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"


@pytest.fixture
def client(registry: Registry) -> RegistryClient:
    return RegistryClient(insecure=frozenset({registry.address}))


def make_child(platform: str, *, content: bytes = b"layer", types: Mapping[str, str] | None = None) -> Child:
    """Make an image of one layer that nothing can run; `types` replaces media types."""
    types = types or {}
    layer = Blob(media_type=LAYER_TYPE, content=content)
    config = Blob.from_document(types.get(CONFIG_TYPE, CONFIG_TYPE), platform_document(platform))
    manifest_type = types.get(MANIFEST_TYPE, MANIFEST_TYPE)
    manifest = Blob.from_document(
        manifest_type,
        {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": config.descriptor,
            "layers": [layer.descriptor],
        },
    )
    return Child(platform=platform, manifest=manifest, config=config, layers=[layer])


def make_index(*entries: tuple[Child, Mapping[str, Any]], media_type: str = INDEX_TYPE) -> Image:
    """Make an index whose entries are the children's descriptors with these fields."""
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [child.manifest.descriptor | dict(fields) for child, fields in entries],
    }
    return Image(index=Blob.from_document(media_type, document), children=[child for child, _ in entries])


def listed(child: Child) -> tuple[Child, Mapping[str, Any]]:
    return child, {"platform": platform_document(child.platform)}


def expected(child: Child) -> IndexChild:
    return IndexChild(
        platform=Platform.parse(child.platform),
        child=child.manifest.digest,
        config=child.config.digest,
        size=sum(len(layer.content) for layer in child.layers),
    )


def push(registry: Registry, image: Image, name: str, tag: str = "1") -> ImageReference:
    return ImageReference.parse(push_image(image, registry=registry.address, name=name, tag=tag).reference)


def stored(registry: Registry, blob: Blob) -> Path:
    """Return the file in which the registry keeps a blob."""
    name = blob.digest.removeprefix("sha256:")
    path = registry.directory / "storage/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    assert path.read_bytes() == blob.content
    return path


def failure_of(client: RegistryClient, reference: ImageReference) -> RegistryFailure:
    with pytest.raises(RegistryFailure) as caught:
        client.resolve(reference)
    return caught.value


def failure_against(answer: Answer, *, timeout: float = 20) -> RegistryFailure:
    """Resolve `hello:1` at a server that answers like this, and return why it failed."""
    with answering(answer) as address:
        client = RegistryClient(insecure=frozenset({address}), timeout=timeout)
        failure = failure_of(client, ImageReference.parse(f"{address}/hello:1"))
        wait_until(lambda: not busy_threads(), describe="the client's threads have ended")
    return failure


def busy_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("registry_")]


def always(content: bytes) -> Answer:
    def answer(_: bytes, send: Callable[[bytes], None], __: threading.Event) -> None:
        send(content)

    return answer


# -- what is there


def test_an_image_is_resolved_to_every_platform_with_its_digests(
    registry: Registry, client: RegistryClient
) -> None:
    image = build_image(ImageRecipe())
    reference = push(registry, image, "resolved", "1")
    resolved = ResolvedImage(
        repository=f"{registry.address}/resolved",
        index=image.index.digest,
        children=tuple(map(expected, image.children)),
    )
    assert client.resolve(reference) == resolved
    by_digest = ImageReference(repository=reference.repository, digest=image.index.digest)
    assert client.resolve(by_digest) == resolved


def test_a_digest_decides_over_the_tag_beside_it(registry: Registry, client: RegistryClient) -> None:
    old, new = (make_index(listed(make_child("linux/amd64", content=content))) for content in (b"1", b"22"))
    push(registry, old, "moved", "1")
    reference = push(registry, new, "moved", "1")
    pinned = ImageReference(repository=reference.repository, tag="1", digest=old.index.digest)
    assert client.resolve(pinned).children == (expected(old.children[0]),)
    assert client.resolve(reference).children == (expected(new.children[0]),)


def test_a_moved_tag_is_seen_at_once(registry: Registry, client: RegistryClient) -> None:
    first = make_index(listed(make_child("linux/amd64")))
    reference = push(registry, first, "gaining", "1")
    assert len(client.resolve(reference).children) == 1
    second = make_index(listed(make_child("linux/amd64")), listed(make_child("linux/riscv64")))
    push(registry, second, "gaining", "1")
    assert client.resolve(reference).children == tuple(map(expected, second.children))


def test_a_single_image_is_an_index_of_one(registry: Registry, client: RegistryClient) -> None:
    child = make_child("linux/arm/v6")
    reference = push(registry, Image(index=child.manifest, children=[child]), "single")
    assert client.resolve(reference) == ResolvedImage(
        repository=f"{registry.address}/single", index=child.manifest.digest, children=(expected(child),)
    )


def test_a_docker_manifest_list_is_an_index_too(registry: Registry, client: RegistryClient) -> None:
    types = {MANIFEST_TYPE: DOCKER_MANIFEST, CONFIG_TYPE: DOCKER_CONFIG}
    children = [make_child(platform, types=types) for platform in ("linux/amd64", "linux/arm/v7")]
    image = make_index(*map(listed, children), media_type=DOCKER_LIST)
    reference = push(registry, image, "docker-list")
    assert client.resolve(reference).children == tuple(map(expected, children))


def test_a_platform_that_the_index_leaves_out_is_read_from_the_config(
    registry: Registry, client: RegistryClient
) -> None:
    bare, plain = make_child("linux/arm64/v8"), make_child("linux/amd64")
    reference = push(registry, make_index((bare, {}), listed(plain)), "bare")
    assert client.resolve(reference).children == (expected(bare), expected(plain))


def test_attestations_are_skipped_and_of_duplicates_the_first_is_taken(
    registry: Registry, client: RegistryClient
) -> None:
    first, second = make_child("linux/amd64", content=b"1"), make_child("linux/amd64", content=b"2")
    hidden = make_child("linux/amd64", content=b"3")
    attestation, nameless = make_child("unknown/unknown"), make_child("unknown/unknown", content=b"x")
    image = make_index(listed(attestation), listed(first), (nameless, {}), listed(second), (hidden, {}))
    reference = push(registry, image, "attested")
    assert client.resolve(reference).children == (expected(first),)


def test_more_children_than_are_asked_for_at_once_keep_their_order(
    registry: Registry, client: RegistryClient
) -> None:
    children = [make_child(f"linux/amd64/v{number}", content=b"x" * number) for number in range(2, 40)]
    reference = push(registry, make_index(*map(listed, children)), "many")
    assert client.resolve(reference).children == tuple(map(expected, children))


def test_what_a_digest_names_is_asked_for_once(registry: Registry, client: RegistryClient) -> None:
    child = make_child("linux/amd64", content=b"remembered")
    reference = push(registry, make_index(listed(child)), "remembered")
    resolved = client.resolve(reference)
    stored(registry, child.manifest).unlink()
    assert client.resolve(reference) == resolved
    another = RegistryClient(insecure=frozenset({registry.address}))
    assert failure_of(another, reference).reason is Reason.IMAGE_NOT_FOUND


# -- what is not there, or not what it should be


def test_a_missing_tag_is_named_with_its_repository(registry: Registry, client: RegistryClient) -> None:
    push(registry, make_index(listed(make_child("linux/amd64"))), "tagged", "1")
    failure = failure_of(client, ImageReference.parse(f"{registry.address}/tagged:2"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{registry.address} has no tag 2 in the repository tagged",
    )


def test_a_missing_repository_is_named(registry: Registry, client: RegistryClient) -> None:
    failure = failure_of(client, ImageReference.parse(f"{registry.address}/team/nothing"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{registry.address} has no tag latest in the repository team/nothing",
    )


def test_a_missing_digest_is_named(registry: Registry, client: RegistryClient) -> None:
    push(registry, make_index(listed(make_child("linux/amd64"))), "digested", "1")
    digest = f"sha256:{'0' * 64}"
    failure = failure_of(client, ImageReference.parse(f"{registry.address}/digested@{digest}"))
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_NOT_FOUND,
        f"{registry.address} has no manifest {digest} in the repository digested",
    )


def test_an_index_of_attestations_alone_is_no_image(registry: Registry, client: RegistryClient) -> None:
    reference = push(registry, make_index(listed(make_child("unknown/unknown"))), "unknown")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: it holds no container image for any platform",
    )


def test_an_artifact_is_no_image(registry: Registry, client: RegistryClient) -> None:
    chart = make_child("linux/amd64", types={CONFIG_TYPE: "application/vnd.cncf.helm.config.v1+json"})
    reference = push(registry, Image(index=chart.manifest, children=[chart]), "chart")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: it is no container image but 'application/vnd.cncf.helm.config.v1+json'",
    )


def test_a_tampered_manifest_is_told_from_the_one_that_the_index_names(
    registry: Registry, client: RegistryClient
) -> None:
    child = make_child("linux/amd64", content=b"genuine")
    reference = push(registry, make_index(listed(child)), "tampered")
    tampered = child.manifest.content.replace(b'"size": 7', b'"size": 8')
    stored(registry, child.manifest).write_bytes(tampered)
    failure = failure_of(client, reference)
    assert failure.reason is Reason.DIGEST_MISMATCH
    assert f"the registry promised {child.manifest.digest}" in failure.message


def test_a_tampered_config_is_told_from_the_one_that_the_manifest_names(
    registry: Registry, client: RegistryClient
) -> None:
    child = make_child("linux/arm/v7", content=b"configured")
    reference = push(registry, Image(index=child.manifest, children=[child]), "tampered-config")
    stored(registry, child.config).write_bytes(child.config.content.replace(b"v7", b"v6"))
    failure = failure_of(client, reference)
    assert failure.reason is Reason.DIGEST_MISMATCH
    assert f"the registry promised {child.config.digest}" in failure.message


def test_a_manifest_that_its_digest_names_and_that_is_garbage_is_refused(
    registry: Registry, client: RegistryClient
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
    reference = push(registry, Image(index=manifest, children=[single]), "garbage")
    failure = failure_of(client, reference)
    assert (failure.reason, failure.message) == (
        Reason.IMAGE_INVALID,
        f"{reference}: {broken.digest}: architecture: expected a text, got the number 64",
    )


# -- registries that fail


def test_a_registry_that_is_down_is_unreachable_until_it_is_back(workspace: Workspace) -> None:
    registry = workspace.create_registry()
    image = make_index(listed(make_child("linux/amd64")))
    reference = push(registry, image, "hello")
    client = RegistryClient(insecure=frozenset({registry.address}))
    registry.stop()
    failure = failure_of(client, reference)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert f"the registry {registry.address} cannot be reached: " in failure.message
    registry.start()
    assert client.resolve(reference).children == tuple(map(expected, image.children))


def test_plain_http_is_not_spoken_unless_it_is_allowed(registry: Registry) -> None:
    reference = push(registry, make_index(listed(make_child("linux/amd64"))), "plain")
    failure = failure_of(RegistryClient(), reference)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert "does not speak TLS; if it is meant to be plain HTTP, name it as insecure" in failure.message


def test_a_registry_on_this_machine_is_reached_past_any_proxy(
    registry: Registry, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_index(listed(make_child("linux/amd64")))
    reference = push(registry, image, "direct")
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert client.resolve(reference).children == tuple(map(expected, image.children))


def hang(_: bytes, __: Callable[[bytes], None], ended: threading.Event) -> None:
    ended.wait()


def drip_a_head(_: bytes, send: Callable[[bytes], None], ended: threading.Event) -> None:
    send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not ended.wait(0.01):
        send(b"x")


def drip_a_body(_: bytes, send: Callable[[bytes], None], ended: threading.Event) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not ended.wait(0.01):
        send(b"x")


@pytest.mark.parametrize("answer", [hang, drip_a_head, drip_a_body])
def test_a_registry_that_comes_to_no_end_is_unreachable(answer: Answer) -> None:
    failure = failure_against(answer, timeout=0.5)
    assert failure.reason is Reason.REGISTRY_UNREACHABLE


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        (401, Reason.REGISTRY_DENIED, "the registry refuses to give the tag 1 (HTTP 401)"),
        (403, Reason.REGISTRY_DENIED, "the registry refuses to give the tag 1 (HTTP 403)"),
        (404, Reason.IMAGE_NOT_FOUND, "has no tag 1 in the repository hello"),
        (405, Reason.REGISTRY_UNREACHABLE, "answered HTTP 405"),
        (429, Reason.REGISTRY_UNREACHABLE, "takes no more requests for now (HTTP 429)"),
        (500, Reason.REGISTRY_UNREACHABLE, "answered HTTP 500"),
        (503, Reason.REGISTRY_UNREACHABLE, "answered HTTP 503"),
    ],
)
def test_a_refusal_says_what_was_answered(status: int, reason: Reason, message: str) -> None:
    failure = failure_against(always(response(status)))
    assert failure.reason is reason
    assert message in failure.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Please log in</html>", "not JSON"),
        (b"", "not JSON"),
        (b"{}", "it is neither an image index nor an image manifest"),
        (b'{"manifests": [{"digest": "../../etc/passwd"}]}', "is no digest"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (MANIFEST_LIMIT + 1), f"tag 1 has more than the {MANIFEST_LIMIT} bytes allowed"),
    ],
)
def test_garbage_is_no_image(content: bytes, message: str) -> None:
    failure = failure_against(always(response(200, content)))
    assert failure.reason is Reason.IMAGE_INVALID
    assert message in failure.message


@pytest.mark.parametrize(
    "content", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"]
)
def test_what_is_no_http_is_no_registry(content: bytes) -> None:
    failure = failure_against(always(content))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert "broke off or sent no proper answer" in failure.message


def test_a_tag_is_not_believed_if_the_registry_contradicts_itself() -> None:
    content = make_index(listed(make_child("linux/amd64"))).index.content
    promised = f"sha256:{'0' * 64}"
    failure = failure_against(always(response(200, content, f"Docker-Content-Digest: {promised}")))
    assert failure.reason is Reason.DIGEST_MISMATCH
    assert f"the registry promised {promised} for the tag 1" in failure.message


def test_a_registry_may_send_its_clients_elsewhere(registry: Registry) -> None:
    image = make_index(listed(make_child("linux/amd64")))
    push(registry, image, "hello")

    def redirect(head: bytes, send: Callable[[bytes], None], _: threading.Event) -> None:
        path = head.split()[1].decode()
        send(response(307, b"", f"Location: http://{registry.address}{path}"))

    with answering(redirect) as address:
        client = RegistryClient(insecure=frozenset({address}))
        resolved = client.resolve(ImageReference.parse(f"{address}/hello:1"))
    assert resolved.children == tuple(map(expected, image.children))


def test_a_registry_that_sends_its_clients_round_in_circles_is_unreachable() -> None:
    failure = failure_against(always(response(307, b"", "Location: /v2/hello/manifests/1")))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE


def test_one_registry_that_hangs_delays_no_other(registry: Registry) -> None:
    image = make_index(listed(make_child("linux/amd64")))
    reference = push(registry, image, "undelayed")
    asked = threading.Event()

    def answer(_: bytes, __: Callable[[bytes], None], ended: threading.Event) -> None:
        asked.set()
        ended.wait()

    with answering(answer) as address:
        slow = RegistryClient(insecure=frozenset({address, registry.address}), timeout=30)
        thread = threading.Thread(target=slow_resolve, args=(slow, address))
        thread.start()
        assert asked.wait(20)
        assert slow.resolve(reference).children == tuple(map(expected, image.children))
        assert thread.is_alive()
    thread.join()


def slow_resolve(client: RegistryClient, address: str) -> None:
    failure_of(client, ImageReference.parse(f"{address}/hello:1"))
