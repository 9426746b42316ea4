"""Nothing stays on the machine: not after a device is removed, not after its owner was killed."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.lab import DeviceYard, ImageShelf
from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.device import Device, remove_device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import SERVER_PORT, ImageRecipe
from polyfleet_controller.lab.leftovers import container_ids, container_namespaces
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace

SECONDS = 20
NATIVE = "linux/amd64"


@pytest.fixture
def device(devices: DeviceYard, images: ImageShelf, image: PushedImage) -> Device:
    """A device with containers in its own network, on a bridge, restarting for ever, and never started."""
    device = devices.create("busy")
    ends = images.push(ImageRecipe(platforms=[NATIVE], exit_code=3), name="ends")
    start_container(device, "--network=host", image.pinned(NATIVE))
    start_container(device, f"--publish=127.0.0.1:9000:{SERVER_PORT}", image.pinned("linux/arm64"))
    start_container(device, "--network=host", "--restart=always", ends.pinned(NATIVE))
    device.podman.run("create", image.pinned(NATIVE))
    return device


def start_container(device: Device, *arguments: str) -> None:
    device.podman.run("run", "--detach", *arguments)


def names_of(device: Device) -> set[str]:
    """Return the names under which this machine knows a device."""
    graph_root = device.podman.store.graph_root
    containers = set(container_ids(graph_root))
    namespaces = {path.name for each in containers for path in container_namespaces(graph_root, each)}
    return {str(device.directory), device.namespace.name} | containers | namespaces


def traces(names: set[str]) -> set[str]:
    """Return every process, mount, cgroup, network namespace and runtime state that has one of the names."""
    lines = [path.name for place in ("/run/netns", "/run/runc") for path in Path(place).iterdir()]
    # os.walk, unlike Path.rglob, does not mind what others remove meanwhile.
    lines += [directory for directory, _, _ in os.walk("/sys/fs/cgroup")]
    lines += Path("/proc/self/mountinfo").read_text().splitlines()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(command.read_text())
    return {line for line in lines if any(name in line for name in names)}


def test_a_removed_device_leaves_nothing(device: Device) -> None:
    names = names_of(device)
    assert len(names) == len(["directory", "namespace", "its bridge's", "and", "4", "container", "ids"])
    assert {name for name in names if traces({name})} >= {str(device.directory), device.namespace.name}
    device.remove()
    assert (device.directory.exists(), traces(names)) == (False, set())
    device.remove()


def test_a_device_is_removed_when_podman_is_broken(device: Device) -> None:
    names = names_of(device)
    device.podman.kill()
    (device.podman.store.directory / "containers.conf").write_text("[")
    device.remove()
    assert (device.directory.exists(), traces(names)) == (False, set())


def test_a_device_of_which_only_the_directory_is_known_is_removed(device: Device) -> None:
    names = names_of(device)
    remove_device(device.directory)
    assert (device.directory.exists(), traces(names)) == (False, set())


def test_a_device_that_could_not_be_made_leaves_nothing(workspace: Workspace) -> None:
    directory = workspace.directory / ("long" * 30)
    with pytest.raises(LabError, match="is too long for a socket: choose a shorter directory"):
        Device.create("unmade", directory=directory, registry="127.0.0.1:1", ports=[])
    assert (directory.exists(), traces({str(directory), "polyfleet-unmade-"})) == (False, set())


OWNER = """
import sys
from polyfleet_controller.lab.workspace import Workspace

workspace = Workspace()
broker = workspace.create_broker()
device = workspace.create_device("orphan", registry=sys.argv[1], ports=[int(sys.argv[1].split(":")[1])])
device.podman.run("run", "--detach", "--network=host", sys.argv[2])
print(workspace.directory, device.directory, device.namespace.name, flush=True)
sys.stdin.read()
"""


def test_a_fleet_goes_with_its_killed_owner(registry: Registry, image: PushedImage) -> None:
    command = [sys.executable, "-c", OWNER, registry.address, image.pinned(NATIVE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        workspace, directory, namespace = owner.stdout.readline().split()
        names = {workspace, namespace, *container_ids(Path(directory, "podman/storage"))}
        assert {name for name in names if traces({name})} == names
        owner.kill()
    assert wait_until(lambda: not traces(names), seconds=SECONDS), traces(names)
    assert wait_until(lambda: not Path(workspace).exists(), seconds=SECONDS)
