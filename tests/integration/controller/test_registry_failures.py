"""The registry client against registries that fail, and against servers that are none."""

import threading
from collections.abc import Callable

import pytest

from fixtures.answers import Answer, answering, response
from fixtures.oci import expected, listed, make_child, make_index
from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.lab.image import Image
from polyfleet_controller.lab.push import push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.registry.documents import MANIFEST_LIMIT
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.reasons import Reason
from waiting import wait_until


@pytest.fixture
def client(registry: Registry) -> RegistryClient:
    return RegistryClient(insecure=frozenset({registry.address}))


def push(registry: Registry, image: Image, name: str, tag: str = "1") -> ImageReference:
    return ImageReference.parse(push_image(image, registry=registry.address, name=name, tag=tag).reference)


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
    assert (
        "does not speak TLS; if it is meant to be plain HTTP, say so: --insecure-registry" in failure.message
    )


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


def test_a_registry_that_is_asked_too_often_says_for_how_long() -> None:
    failure = failure_against(always(response(429, b"", "Retry-After: 21600")))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert failure.message.endswith("takes no more requests for now (HTTP 429) and asks to wait 6 h")


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


@pytest.mark.parametrize(
    "head", [response(200), response(404), response(405), response(501)], ids=["silent", "404", "405", "501"]
)
def test_a_registry_that_tells_no_digest_is_asked_for_the_document(head: bytes) -> None:
    single = make_child("linux/amd64")
    methods: list[bytes] = []

    def answer(request: bytes, send: Callable[[bytes], None], _: threading.Event) -> None:
        method, path = request.split()[:2]
        methods.append(method)
        document = single.config if b"/blobs/" in path else single.manifest
        send(head if method == b"HEAD" else response(200, document.content))

    with answering(answer) as address:
        reference = ImageReference.parse(f"{address}/hello:1")
        known = RegistryClient(insecure=frozenset({address})).resolve(reference)
        methods.clear()
        found = RegistryClient(insecure=frozenset({address})).resolve(reference, known=known)
    assert (found, methods) == (known, [b"HEAD", b"GET", b"GET"])


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_registry_that_refuses_to_tell_a_digest_is_not_asked_again(status: int) -> None:
    single = make_child("linux/amd64")
    known = ResolvedImage(
        repository="127.0.0.1/hello", index=single.manifest.digest, children=(expected(single),)
    )
    methods: list[bytes] = []

    def answer(request: bytes, send: Callable[[bytes], None], _: threading.Event) -> None:
        methods.append(request.split()[0])
        send(response(status))

    with answering(answer) as address:
        client = RegistryClient(insecure=frozenset({address}))
        reference = ImageReference.parse(f"{address}/hello:1")
        with pytest.raises(RegistryFailure):
            client.resolve(reference, known=known)
    assert methods == [b"HEAD"]


def test_a_registry_may_send_its_clients_elsewhere(registry: Registry) -> None:
    image = make_index(listed(make_child("linux/amd64")))
    push(registry, image, "elsewhere")

    def redirect(head: bytes, send: Callable[[bytes], None], _: threading.Event) -> None:
        path = head.split()[1].decode()
        send(response(307, b"", f"Location: http://{registry.address}{path}"))

    with answering(redirect) as address:
        client = RegistryClient(insecure=frozenset({address}))
        resolved = client.resolve(ImageReference.parse(f"{address}/elsewhere:1"))
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
