"""Tags in a real registry: pushed anew, deleted, and out of reach."""

import contextlib
import http.client
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from fixtures.api import NOW, Api, manifest
from fixtures.oci import listed, make_child, make_index
from polyfleet_controller.lab.push import PushedImage, push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.services.moved_tags import MovedTags

HELLO = "/v1/workloads/default/hello"
BOTH = ("linux/amd64", "linux/arm64")


class Watcher:
    """Looks at the tag, every time an interval later."""

    def __init__(self, api: Api, registry: Registry) -> None:
        self._api = api
        self._tags = MovedTags(
            api.backend.database,
            RegistryClient(insecure=frozenset({registry.address})),
            lambda: None,
            interval=timedelta(minutes=1),
        )
        self._now: datetime = NOW
        self._tags.look(now=self._now)

    def look(self) -> str:
        """The workload's alarm after the next look; empty without any."""
        self._now += timedelta(minutes=1)
        self._tags.look(now=self._now)
        alarm = self._api.ask("GET", HELLO).json()["workload"].get("alarm", {})
        return " ".join(alarm[key] for key in ("reason", "message", "since") if key in alarm)


def push(registry: Registry, *platforms: str, name: str) -> PushedImage:
    image = make_index(*(listed(make_child(platform)) for platform in platforms))
    return push_image(image, registry=registry.address, name=name, tag="1")


def count_counted(registry: Registry) -> int:
    """The requests for manifests that a registry with a quota counts (Docker Hub: each GET)."""
    return (registry.directory / "registry.log").read_text(encoding="utf-8").count('"GET /v2/')


def delete(registry: Registry, image: PushedImage) -> None:
    """Delete what the tag names, and the tag with it (distribution-spec, "Content Management")."""
    connection = http.client.HTTPConnection(registry.address, timeout=30)
    path = image.repository.removeprefix(f"{registry.address}/")
    connection.request("DELETE", f"/v2/{path}/manifests/{image.index}")
    assert connection.getresponse().status == HTTPStatus.ACCEPTED
    connection.close()


@contextlib.contextmanager
def stopped(registry: Registry) -> Iterator[None]:
    registry.stop()
    try:
        yield
    finally:
        registry.start()


@pytest.fixture
def running(api: Api, registry: Registry) -> PushedImage:
    """A workload on a device of each platform."""
    image = push(registry, *BOTH, name="watched")
    devices = [api.add_device(f"edge-{number}", platform) for number, platform in enumerate(BOTH)]
    api.ask("PUT", HELLO, manifest(image.reference))
    for device in devices:
        device.obey()
    return image


def test_an_alarm_follows_the_tag_and_not_the_registrys_failures(
    api: Api, registry: Registry, running: PushedImage
) -> None:
    watcher = Watcher(api, registry)
    documents = [api.backend.desired(f"edge-{number}") for number in range(2)]
    lost = f"platform_lost {running.reference} no longer has linux/arm64 (1 device)"
    path = running.repository.removeprefix(f"{registry.address}/")
    gone = (
        f"platform_lost {running.reference} no longer has linux/amd64 (1 device), linux/arm64 (1 device): "
        f"{registry.address} has no tag 1 in the repository {path}"
    )
    before = count_counted(registry)
    assert [watcher.look(), watcher.look()] == ["", ""]
    assert count_counted(registry) == before
    poor = push(registry, "linux/amd64", name=path)
    assert watcher.look() == f"{lost} 1990-05-01T10:03:00Z"
    with stopped(registry):
        assert watcher.look() == f"{lost} 1990-05-01T10:03:00Z"
    delete(registry, poor)
    assert watcher.look() == f"{gone} 1990-05-01T10:03:00Z"
    push(registry, *BOTH, name=path)
    assert watcher.look() == ""
    with stopped(registry):
        assert watcher.look() == ""
    assert [api.backend.desired(f"edge-{number}") for number in range(2)] == documents
    assert api.ask("GET", f"{HELLO}/releases").json()["items"][1:] == []
