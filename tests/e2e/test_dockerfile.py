"""The controller's image: built of a Debian without a network, run, and asked how it is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.processes import run
from polyfleet_controller.lab.workspace import Workspace
from waiting import wait_until

pytestmark = pytest.mark.xdist_group("dockerfile")

ROOT = Path(__file__).resolve().parents[2]
BASE, IMAGE, NAME = "localhost/debian", "localhost/polyfleet-controller", "polyfleet"
PIP_CONFIG = "[global]\nno-index = true\nfind-links = /wheels\n"
HEALTH = "http://127.0.0.1:8080/v1/health"


class Host:
    """A machine with Podman and no network."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def podman(self, *arguments: str, seconds: float = 60) -> str:
        return self._run("podman", *arguments, seconds=seconds)

    def logs(self) -> str:
        return self._run("sh", "-c", f"podman logs {NAME} 2>&1")

    def _run(self, *command: str, seconds: float = 60) -> str:
        environment = self._device.podman.store.environment
        return run(self._device.command(*command), environment=environment, seconds=seconds)


@pytest.fixture(scope="module")
def host(debian_tree: Path, dependency_wheels: Path) -> Iterator[Host]:
    """A host that has the image, built as docs/install.md says, but of a base and packages that are here."""
    with Workspace() as workspace:
        device = workspace.create_device("host", registry="127.0.0.1:1", ports=())
        host = Host(device)
        base = device.directory / "base.tar"
        run(["tar", "--create", f"--file={base}", f"--directory={debian_tree}", "."])
        host.podman("import", "--quiet", str(base), BASE)
        pip_config = device.directory / "pip.conf"
        pip_config.write_text(PIP_CONFIG, encoding="ascii")
        host.podman(
            *("build", "--format", "docker", "--tag", IMAGE, "--build-arg", f"BASE={BASE}"),
            *("--secret", f"id=pip.conf,src={pip_config}", "--volume", f"{dependency_wheels}:/wheels:ro"),
            *("--network", "host", str(ROOT)),
            seconds=300,
        )
        yield host


@pytest.fixture
def container(host: Host) -> Iterator[str]:
    """A controller that runs as the image says."""
    host.podman("run", "--detach", "--name", NAME, "--network", "host", IMAGE)
    yield NAME
    host.podman("rm", "--force", "--volumes", NAME)


def is_healthy(host: Host) -> bool:
    try:
        host.podman("healthcheck", "run", NAME)
    except LabError:
        return False
    return True


def ask(host: Host, *command: str) -> str:
    return host.podman("exec", NAME, *command)


def test_the_container_is_healthy(host: Host, container: str) -> None:
    wait_until(lambda: is_healthy(host), timeout=60, describe=lambda: f"healthy:\n{host.logs()}")
    answer = ask(
        host,
        "python3",
        "-c",
        f"from urllib.request import urlopen as u; print(u('{HEALTH}').read().decode())",
    )
    assert json.loads(answer)["healthy"] is True
    assert json.loads(ask(host, "polyfleet", "device", "list", "-o", "json"))["items"] == []


def test_it_is_not_root_and_stops_in_good_order(host: Host, container: str) -> None:
    wait_until(lambda: is_healthy(host), timeout=60, describe=host.logs)
    assert ask(host, "id", "--user", "--name").strip() == "polyfleet-controller"
    host.podman("stop", NAME)
    assert host.podman("inspect", "--format", "{{.State.ExitCode}}", NAME).strip() == "0"


def test_the_image_carries_nothing_that_only_built_it(host: Host) -> None:
    listed = host.podman(
        "run", "--rm", "--no-healthcheck", "--entrypoint", "find", IMAGE, "/opt", "-maxdepth", "3"
    )
    assert {line for line in listed.splitlines() if line.count("/") == 2} == {"/opt/polyfleet"}
    assert "/opt/polyfleet/bin/polyfleet-controller" in listed.splitlines()
    assert "/opt/polyfleet/bin/pip" not in listed.splitlines()
