"""The right variant for every device, or a clear reason: with real agents, Podman and a registry."""

import pytest

from fixtures.fleet import FleetOfTest
from fixtures.lab import DeviceYard, ImageShelf
from polyfleet_controller.lab.agent import Interpreter
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe
from waiting import wait_until

V1, V3 = "linux/amd64", "linux/amd64/v3"
# The program is the same: what differs is for whom the image says that it is built.
BUILT = {V3: V1}
PATIENCE = 120


@pytest.fixture
def mixed(fleet: FleetOfTest) -> FleetOfTest:
    """A fleet of an old and a newer PC."""
    fleet.add_agent("old", platform=V1)
    fleet.add_agent("new", platform=V3)
    fleet.wait_until_known("old", "new")
    return fleet


def test_an_image_for_newer_processors_only_runs_on_those_and_is_refused_for_the_others(
    mixed: FleetOfTest, images: ImageShelf
) -> None:
    image = images.push(ImageRecipe(platforms=(V3,), lies=BUILT), name="newer", tag="1")
    with pytest.raises(LabError, match="old"):
        mixed.apply(image)
    mixed.apply(image, on_uncovered="hold")
    mixed.wait_until_running(image, "new", platform=V3, timeout=PATIENCE)
    held = mixed.assignment("old")["held"]
    assert held["reason"] == "no_matching_platform"
    assert V3 in held["message"]


def test_podman_alone_cannot_run_such_an_image_anywhere(devices: DeviceYard, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(platforms=(V3,), lies=BUILT), name="newer", tag="1")
    podman = devices.create("by-hand").podman
    with pytest.raises(LabError, match="no image found in image index for architecture amd64"):
        podman.run("pull", image.reference)


def test_each_device_gets_the_best_variant_that_it_runs(mixed: FleetOfTest, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(platforms=(V1, V3), lies=BUILT), name="both", tag="1")
    mixed.apply(image)
    mixed.wait_until_running(image, "new", platform=V3, timeout=PATIENCE)
    mixed.wait_until_running(image, "old", platform=V1, timeout=PATIENCE)


def test_a_device_with_a_32_bit_userland_gets_the_32_bit_child(
    fleet: FleetOfTest, images: ImageShelf, arm_python: Interpreter
) -> None:
    image = images.push(ImageRecipe(platforms=("linux/arm64", "linux/arm/v7")), name="arm", tag="1")
    fleet.add_agent("pi", platform=None, interpreter=arm_python)
    wait_until(
        lambda: any(item.get("platform") == "linux/arm/v7" for item in fleet.devices()),
        timeout=120,
        describe=lambda: f"{fleet.devices()}",
    )
    assert fleet.device("pi")["device"]["platformSource"] == "detected"
    fleet.apply(image)
    fleet.wait_until_running(image, "pi", platform="linux/arm/v7", timeout=180)
