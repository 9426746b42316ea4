"""Devices with a real Podman: they run every architecture, and leave nothing behind."""

import json
from pathlib import Path

import pytest

from fixtures.lab import DeviceYard, ImageShelf
from polyfleet_controller.lab.binfmt import enable_foreign_programs, is_enabled
from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import PLATFORMS, SERVER_PORT, ImageRecipe
from polyfleet_controller.lab.push import PushedImage

SECONDS = 20
NATIVE = "linux/amd64"


def answer(device: Device, port: int = SERVER_PORT) -> object:
    """Return what the device's container answers, once it does."""
    answers: list[object] = []

    def answered() -> bool:
        try:
            answers.append(json.loads(device.get(port)))
        except LabError:
            return False
        return True

    assert wait_until(answered, seconds=SECONDS)
    return answers[0]


def run_container(device: Device, image: str, *options: str) -> str:
    return device.podman.run("run", "--detach", *(options or ("--network=host",)), image).strip()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_device_runs_the_image_of_each_platform(platform: str, device: Device, image: PushedImage) -> None:
    run_container(device, image.pinned(platform))
    assert answer(device) == {"platform": platform, "version": "1"}
    inspected = json.loads(device.podman.run("image", "inspect", image.pinned(platform)))
    assert [f"sha256:{each['Id']}" for each in inspected] == [image.configs[platform]]


def test_a_container_on_a_bridge_publishes_its_port_on_the_device(device: Device, image: PushedImage) -> None:
    run_container(device, image.pinned(NATIVE), f"--publish=127.0.0.1:9000:{SERVER_PORT}")
    assert answer(device, 9000) == {"platform": NATIVE, "version": "1"}


def test_what_conmon_leaves_lies_with_the_device(device: Device, image: PushedImage) -> None:
    service = ("--remote", "--url", f"unix://{device.podman.store.socket}")
    container = device.podman.run(*service, "run", "--detach", "--network=host", image.pinned(NATIVE)).strip()
    state = json.loads(device.podman.run("container", "inspect", container))[0]["State"]
    assert Path("/proc", str(state["ConmonPid"]), "cwd").readlink() == device.podman.store.directory


def test_devices_do_not_share_ports_or_containers(devices: DeviceYard, image: PushedImage) -> None:
    one, two = devices.create("one"), devices.create("two")
    run_container(one, image.pinned("linux/arm64"))
    run_container(two, image.pinned("linux/riscv64"))
    assert answer(one) == {"platform": "linux/arm64", "version": "1"}
    assert answer(two) == {"platform": "linux/riscv64", "version": "1"}
    assert len(one.podman.run("ps", "--quiet").split()) == 1


def test_a_device_serves_nothing_to_this_machine(device: Device) -> None:
    with pytest.raises(LabError, match=f"port {SERVER_PORT} of the device device does not answer"):
        device.get(SERVER_PORT)


def test_an_image_may_end_with_a_code_of_choice(device: Device, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(platforms=[NATIVE], exit_code=3), name="ends")
    container = run_container(device, image.pinned(NATIVE))
    assert device.podman.run("wait", container).strip() == "3"


def test_containers_outlive_a_killed_podman(device: Device, image: PushedImage) -> None:
    container = run_container(device, image.pinned(NATIVE))
    device.podman.kill()
    assert answer(device) == {"platform": NATIVE, "version": "1"}
    device.podman.start()
    assert device.podman.run("ps", "--quiet", "--no-trunc").strip() == container


def test_a_program_started_on_a_device_is_in_its_network(device: Device, tmp_path: Path) -> None:
    process = device.start(["ip", "-brief", "link"], log=tmp_path / "log")
    assert process.wait(seconds=SECONDS) == 0
    assert [line.split()[0] for line in process.log.read_text().splitlines()] == ["lo"]


def test_an_enabled_architecture_is_enabled_once(foreign_programs: None) -> None:
    assert [is_enabled(f"qemu-{name}") for name in ("aarch64", "arm", "riscv64")] == [True] * 3
    assert enable_foreign_programs(PLATFORMS) == ()
