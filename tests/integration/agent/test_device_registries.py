"""What docs/images.md tells of a device's own Podman, its mirrors and credentials, as the agent pulls."""

import json
from pathlib import Path
from typing import Final

import pytest

from fixtures.pinning import pin
from fixtures.registries import Access, Door, DoorMaker
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe, build_image
from polyfleet_controller.lab.push import PushedImage, push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.reasons import Reason

MIRRORED: Final = """\
[[registry]]
location = "{upstream}"
insecure = true

[[registry.mirror]]
location = "{mirror}"
insecure = true
pull-from-mirror = "digest-only"
"""
INSECURE: Final = '[[registry]]\nlocation = "{registry}"\ninsecure = true\n'


def recipe(version: str) -> ImageRecipe:
    return ImageRecipe(platforms=(native_platform(),), version=version)


def push(registry: Registry, name: str) -> tuple[PinnedImage, PushedImage]:
    made = push_image(build_image(recipe(name)), registry=registry.address, name=name, tag="1")
    return pin(recipe(name), made), made


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def configure(device: Device, registries: str) -> PodmanRuntime:
    """Give the device's Podman another registries.conf."""
    device.podman.stop()
    path = Path(device.podman.store.environment["CONTAINERS_REGISTRIES_CONF"])
    path.write_text(registries, encoding="utf-8")
    device.podman.start()
    return PodmanRuntime(
        f"unix://{device.podman.store.socket}", "dev-1", pull_secrets=device.directory / "pull-secrets"
    )


def failure_of(runtime: PodmanRuntime, image: PinnedImage) -> Reason:
    with pytest.raises(RuntimeFailure) as caught:
        runtime.pull(image, ignore)
    return caught.value.reason


def repository_digests(device: Device, image: PinnedImage) -> list[str]:
    [document] = json.loads(device.podman.run("image", "inspect", image.config))
    digests: list[str] = document["RepoDigests"]
    return digests


def test_a_mirror_serves_digests_alone_and_the_proof_names_the_registry(workspace: Workspace) -> None:
    upstream, mirror = workspace.create_registry(), workspace.create_registry()
    image, pushed = push(upstream, "mirrored")
    push(mirror, "mirrored")
    device = workspace.create_device(
        "mirrored", registry=upstream.address, ports=(upstream.port, mirror.port)
    )
    runtime = configure(device, MIRRORED.format(upstream=upstream.address, mirror=mirror.address))
    upstream.stop()
    runtime.pull(image, ignore)
    assert image.reference in repository_digests(device, image)
    with pytest.raises(LabError, match=r"connection refused|connection reset|EOF"):
        device.podman.run("pull", "--quiet", pushed.reference)
    upstream.start()
    mirror.stop()
    other, _ = push(upstream, "unmirrored")
    runtime.pull(other, ignore)


@pytest.fixture
def guarded(doors: DoorMaker) -> Door:
    return doors.make(Access.INSECURE_BASIC)


@pytest.fixture
def locked(guarded: Door) -> PinnedImage:
    """An image behind a door that asks for a password."""
    _, pushed = push(guarded.shelf, "guarded")
    return pin(
        recipe("guarded"),
        PushedImage(
            repository=f"{guarded.address}/guarded",
            tag="1",
            index=pushed.index,
            children=pushed.children,
            configs=pushed.configs,
        ),
    )


def test_a_workload_brings_the_name_of_the_credentials_and_the_device_has_them(
    workspace: Workspace, guarded: Door, locked: PinnedImage
) -> None:
    port = int(guarded.address.rpartition(":")[2])
    device = workspace.create_device("guarded", registry=guarded.address, ports=(port,))
    runtime = configure(device, INSECURE.format(registry=guarded.address))
    directory = device.directory / "pull-secrets"
    directory.mkdir()
    file = directory / "team.json"
    with pytest.raises(RuntimeFailure) as missing:
        runtime.pull(locked, ignore, ("team",))
    assert missing.value.reason is Reason.SECRET_MISSING
    assert f"podman login --authfile {file} {guarded.address}" in missing.value.message
    assert guarded.auth_file is not None
    file.write_bytes(guarded.auth_file.read_bytes())
    assert failure_of(runtime, locked) is Reason.REGISTRY_DENIED  # not for those that do not name it
    runtime.pull(locked, ignore, ("team",))
    assert locked.reference in repository_digests(device, locked)
    device.podman.run("rmi", "--all", "--force")
    assert failure_of(runtime, locked) is Reason.REGISTRY_DENIED  # Podman keeps nothing of them


def test_a_device_logs_in_with_the_file_in_the_home_of_podmans_user(
    workspace: Workspace, guarded: Door, locked: PinnedImage
) -> None:
    port = int(guarded.address.rpartition(":")[2])
    device = workspace.create_device("guarded", registry=guarded.address, ports=(port,))
    runtime = configure(device, INSECURE.format(registry=guarded.address))
    assert failure_of(runtime, locked) is Reason.REGISTRY_DENIED
    home = Path(device.podman.store.environment["HOME"])
    assert guarded.auth_file is not None
    place = home / ".config/containers/auth.json"
    place.write_bytes(guarded.auth_file.read_bytes())
    runtime.pull(locked, ignore)  # and no restart was needed
    assert locked.reference in repository_digests(device, locked)
