"""A pod of two images that cover different platforms, on devices of different platforms."""

from typing import Any

import pytest

from fixtures.fleet import NATIVE, FleetOfTest
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.fleet import workload_manifest
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

OTHER = "linux/arm64"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controllers look at tags every second."""
    monkeypatch.setenv("POLYFLEET_TAG_INTERVAL", "1")


def apply(fleet: FleetOfTest, main: PushedImage, side: PushedImage) -> dict[str, Any]:
    manifest = workload_manifest(main.reference, on_uncovered="hold")
    containers = manifest["spec"]["template"]["spec"]["containers"]
    containers[0] = {"name": "main", "image": main.reference, "args": ["serve", "8080", "/etc/hostname"]}
    containers.append({"name": "side", "image": side.reference, "args": ["relay", "9090", "8080"]})
    answer: dict[str, Any] = fleet.controller.ask("PUT", "/v1/workloads/default/hello", manifest)
    return answer


def proofs(fleet: FleetOfTest, device: str) -> dict[str, tuple[bool, str | None]]:
    """What each container of a workload proves, once the controller calls it running."""
    assignment = fleet.assignment(device)
    if assignment.get("standing") != "running":
        return {}
    containers = assignment["report"]["containers"]
    return {item["name"]: (item["running"], item.get("child")) for item in containers}


def wait_for_proofs(fleet: FleetOfTest, device: str, **children: str) -> None:
    expected = {name: (True, child) for name, child in children.items()}
    wait_until(lambda: proofs(fleet, device) == expected, timeout=90, describe=lambda: fleet.describe(device))


def test_a_device_runs_both_images_or_waits_for_the_one_that_it_lacks(
    fleet: FleetOfTest, images: ImageShelf, foreign_programs: None
) -> None:
    main = images.push(ImageRecipe(program="podmate", platforms=(NATIVE, OTHER)), name="pair-main")
    side = images.push(ImageRecipe(program="podmate", platforms=(NATIVE,), version="2"), name="pair-side")
    fleet.add_agent("dev-1")
    fleet.add_agent("dev-2", platform=OTHER)
    fleet.wait_until_known("dev-1", "dev-2")
    apply(fleet, main, side)
    wait_for_proofs(fleet, "dev-1", main=main.children[NATIVE], side=side.children[NATIVE])
    assert fleet.reason("dev-2") == "no_matching_platform"
    assert fleet.assignment("dev-2")["held"]["message"].startswith(
        f"{side.reference}: the image has nothing for this kind of processor, only {NATIVE}"
    )
    both = ImageRecipe(program="podmate", platforms=(NATIVE, OTHER), version="2")
    wider = images.push(both, name="pair-side")
    assert wider.children[NATIVE] == side.children[NATIVE]
    wait_for_proofs(fleet, "dev-2", main=main.children[OTHER], side=wider.children[OTHER])
    wait_for_proofs(fleet, "dev-1", main=main.children[NATIVE], side=side.children[NATIVE])


def test_a_pod_may_have_a_native_and_an_emulated_container(
    fleet: FleetOfTest, images: ImageShelf, foreign_programs: None
) -> None:
    main = images.push(ImageRecipe(program="podmate", platforms=(NATIVE,)), name="mixed-main")
    side = images.push(ImageRecipe(program="podmate", platforms=(OTHER,)), name="mixed-side")
    agent = fleet.add_agent("dev-1", platform=None)
    fleet.wait_until_known("dev-1")
    agent.stop()
    config = agent.config.read_text(encoding="utf-8")
    agent.config.write_text(config.replace("[device]\n", "[device]\nemulation = true\n"), encoding="utf-8")
    agent.start()
    wait_until(
        lambda: any(item["fit"] == "emulated" for item in fleet.device("dev-1")["platforms"]),
        timeout=30,
        describe=lambda: fleet.describe("dev-1"),
    )
    (covered,) = apply(fleet, main, side)["preflight"]["covered"]
    assert covered["fit"] != "emulated"
    assert [other["fit"] for other in covered["others"]] == ["emulated"]
    wait_for_proofs(fleet, "dev-1", main=main.children[NATIVE], side=side.children[OTHER])
