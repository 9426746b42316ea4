"""The registry and the broker: stopped, killed, started again."""

import http.client
from collections.abc import Iterator

import pytest
from paho.mqtt import publish, subscribe

from polyfleet_controller.lab.broker import Broker
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe, build_image
from polyfleet_controller.lab.ports import LOOPBACK, is_listening
from polyfleet_controller.lab.push import PushedImage, push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace

RECIPE = ImageRecipe(platforms=["linux/amd64"])


@pytest.fixture
def own_registry(workspace: Workspace) -> Registry:
    return workspace.create_registry()


@pytest.fixture
def pushed(own_registry: Registry) -> PushedImage:
    return push_image(build_image(RECIPE), registry=own_registry.address, name="some/name", tag="1")


@pytest.fixture
def connection(own_registry: Registry) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(own_registry.address)
    yield connection
    connection.close()


def fetch(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection.request(method, path, headers={"Accept": "application/vnd.oci.image.index.v1+json"})
    response = connection.getresponse()
    return response.status, response.read()


def test_a_pushed_tag_names_the_index(
    own_registry: Registry, pushed: PushedImage, connection: http.client.HTTPConnection
) -> None:
    image = build_image(RECIPE)
    assert fetch(connection, "/v2/some/name/manifests/1") == (200, image.index.content)
    child = image.child("linux/amd64")
    assert pushed == PushedImage(
        repository=f"{own_registry.address}/some/name",
        tag="1",
        index=image.index.digest,
        children={"linux/amd64": child.manifest.digest},
        configs={"linux/amd64": child.config.digest},
    )


def test_a_registry_keeps_its_content_and_its_port(
    own_registry: Registry, pushed: PushedImage, connection: http.client.HTTPConnection
) -> None:
    before = fetch(connection, f"/v2/some/name/manifests/{pushed.index}")
    connection.close()
    own_registry.stop()
    assert not is_listening(own_registry.port)
    own_registry.start()
    assert fetch(connection, f"/v2/some/name/manifests/{pushed.index}") == before
    assert before[0] == http.HTTPStatus.OK


def test_a_registry_lets_a_manifest_be_deleted(
    pushed: PushedImage, connection: http.client.HTTPConnection
) -> None:
    path = f"/v2/some/name/manifests/{pushed.index}"
    assert fetch(connection, path, "DELETE") == (http.HTTPStatus.ACCEPTED, b"")
    assert fetch(connection, path)[0] == http.HTTPStatus.NOT_FOUND


def test_a_push_to_a_stopped_registry_is_an_error(own_registry: Registry) -> None:
    own_registry.stop()
    with pytest.raises(LabError, match=f"the registry {own_registry.address} does not answer"):
        push_image(build_image(RECIPE), registry=own_registry.address, name="a", tag="1")


def retain(broker: Broker, payload: str) -> None:
    publish.single("topic", payload, qos=1, retain=True, hostname=LOOPBACK, port=broker.port)


def retained(broker: Broker) -> bytes:
    message = subscribe.simple("topic", hostname=LOOPBACK, port=broker.port)  # type: ignore[no-untyped-call]  # paho's
    return bytes(message.payload)


def test_a_killed_broker_comes_back_on_its_port(broker: Broker) -> None:
    broker.kill()
    assert not is_listening(broker.port)
    broker.start()
    retain(broker, "again")
    assert retained(broker) == b"again"


def test_a_persistent_broker_keeps_what_it_retains_when_stopped(workspace: Workspace) -> None:
    broker = workspace.create_broker(persistent=True)
    retain(broker, "kept")
    broker.stop()
    broker.start()
    assert retained(broker) == b"kept"


def test_a_port_that_is_taken_is_an_error(broker: Broker) -> None:
    with pytest.raises(LabError, match=f"port {broker.port} is taken"):
        broker.start()


def test_a_broker_that_cannot_start_says_why(broker: Broker) -> None:
    broker.stop()
    (broker.directory / "mosquitto.conf").write_text("no_such_option 1\n")
    with pytest.raises(LabError, match=r"ended with exit code 3:\n(.*\n)*.*no_such_option"):
        broker.start()
