"""Where workloads run, on real devices: labels, taints, and replicas off a device that is gone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from fixtures.fleet import FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.fleet import workload_manifest
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

DEVICES = ("dev-1", "dev-2", "dev-3")
QUICK = {
    "key": "node.kubernetes.io/unreachable",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 2,
}


def polyfleet(fleet: FleetOfTest, *arguments: str) -> str:
    """What the command prints, in one line."""
    program = str(Path(sys.executable).with_name("polyfleet"))
    command = [program, "--server", fleet.controller.url, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return " ".join(ended.stdout.split())


def apply(fleet: FleetOfTest, image: PushedImage, *, replicas: int | None = None, **pod: Any) -> None:  # noqa: ANN401 - fields of a PodSpec
    manifest = workload_manifest(image.reference)
    manifest["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=1, **pod)
    if replicas is not None:
        manifest["spec"]["replicas"] = replicas
    fleet.controller.ask("PUT", "/v1/workloads/default/hello", manifest)


def meant_for(fleet: FleetOfTest) -> list[str]:
    return [name for name in DEVICES if fleet.assignment(name)]


def wait_until_only_on(fleet: FleetOfTest, image: PushedImage, *names: str) -> None:
    """Until these prove that they run it, and no other device is to."""
    fleet.wait_until_running(image, *names)
    wait_until(
        lambda: meant_for(fleet) == list(names),
        timeout=30,
        describe=lambda: polyfleet(fleet, "device", "list"),
    )


def wait_for_containers(fleet: FleetOfTest, agent: Agent, number: int) -> None:
    wait_until(
        lambda: len(container_ids(agent)) == number,
        timeout=30,
        describe=lambda: fleet.describe(agent.device.name),
    )


def test_a_workload_follows_labels_and_gives_way_to_taints(fleet: FleetOfTest, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(), name="placed", tag="1")
    agents = dict(zip(DEVICES, fleet.add_agents(*DEVICES), strict=True))
    fleet.wait_until_known(*DEVICES)
    polyfleet(fleet, "device", "label", "dev-2", "site=north")
    apply(fleet, image, nodeSelector={"site": "north"})
    wait_until_only_on(fleet, image, "dev-2")
    why = polyfleet(fleet, "workload", "why", "hello", "--device", "dev-1")
    assert "refused by node_selector" in why
    assert "nodeSelector wants site=north; the device has no such label" in why

    polyfleet(fleet, "device", "label", "dev-2", "site-")
    polyfleet(fleet, "device", "label", "dev-3", "site=north")
    wait_until_only_on(fleet, image, "dev-3")
    wait_for_containers(fleet, agents["dev-2"], 0)
    assert "refused" in polyfleet(fleet, "workload", "why", "hello", "--device", "dev-2")

    polyfleet(fleet, "device", "taint", "dev-3", "service=oil:NoExecute")
    wait_for_containers(fleet, agents["dev-3"], 0)
    assert meant_for(fleet) == []
    why = polyfleet(fleet, "workload", "why", "hello", "--device", "dev-3")
    assert "refused by taints" in why
    assert "the device has the taint service=oil:NoExecute, which is not tolerated" in why

    polyfleet(fleet, "device", "taint", "dev-3", "service-")
    wait_until_only_on(fleet, image, "dev-3")


def test_a_replica_leaves_a_device_that_is_gone_and_does_not_return_with_it(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    image = images.push(ImageRecipe(), name="placed", tag="1")
    agents = dict(zip(DEVICES, fleet.add_agents(*DEVICES), strict=True))
    fleet.wait_until_known(*DEVICES)
    apply(fleet, image, replicas=1, tolerations=[QUICK])
    wait_until(lambda: len(meant_for(fleet)) == 1, describe=lambda: f"one of {meant_for(fleet)}")
    (first,) = meant_for(fleet)
    wait_until_only_on(fleet, image, first)

    agents[first].kill()
    agents[first].device.relay.cut()
    wait_until(
        lambda: meant_for(fleet) not in ([first], []), timeout=40, describe=lambda: fleet.describe(first)
    )
    (second,) = meant_for(fleet)
    wait_until_only_on(fleet, image, second)
    why = polyfleet(fleet, "workload", "why", "hello", "--device", first)
    assert "refused by reach" in why
    assert "the device has been out of reach for" in why

    agents[first].device.relay.mend()
    agents[first].start()
    wait_for_containers(fleet, agents[first], 0)
    wait_until_only_on(fleet, image, second)
    assert f"chosen 1: {second} " in polyfleet(fleet, "workload", "why", "hello")
    assert "could have it, and is not needed" in polyfleet(
        fleet, "workload", "why", "hello", "--device", first
    )
