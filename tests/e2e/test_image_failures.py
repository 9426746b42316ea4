"""A child that a device cannot run is known for it: shown, warned of, and not forgotten with the workload."""

import pytest

from fixtures.fleet import FleetOfTest
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.image import ImageRecipe
from waiting import wait_until

AMD64 = "linux/amd64"


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (ImageRecipe(platforms=(AMD64,), program="illegal"), "illegal_instruction"),
        (ImageRecipe(platforms=(AMD64,), lies={AMD64: "linux/arm64"}), "platform_mismatch"),
    ],
    ids=["an instruction that no processor has", "a program for another processor"],
)
def test_what_one_device_found_out_about_a_child_is_told_wherever_it_is_to_run(
    fleet: FleetOfTest, images: ImageShelf, recipe: ImageRecipe, reason: str
) -> None:
    image = images.push(recipe, name=reason.replace("_", "-"), tag="1")
    known = [(image.children[AMD64], AMD64, reason, "dev-1")]

    def failures(path: str, field: str) -> list[tuple[str, str, str, str]]:
        found = fleet.controller.ask("GET", path)[field]
        return [(item["child"], item["platform"], item["reason"], item["device"]) for item in found]

    fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    wait_until(
        lambda: failures("/v1/workloads/default/hello", "failures") == known,
        timeout=60,
        describe=lambda: fleet.describe("dev-1"),
    )
    assert failures(f"/v1/images/check?reference={image.reference}", "warnings") == known
    fleet.delete()
    wait_until(lambda: fleet.device("dev-1")["assignments"] == [], describe=lambda: fleet.describe("dev-1"))
    fleet.apply(image, name="again")
    assert failures("/v1/workloads/default/again", "failures") == known
