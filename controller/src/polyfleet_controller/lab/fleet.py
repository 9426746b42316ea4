"""A whole fleet on this machine: a registry, a controller, and one device with its agent per platform."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.binfmt import enable_foreign_programs
from polyfleet_controller.lab.controller import Controller
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import PLATFORMS, SERVER_PORT, ImageRecipe, build_image
from polyfleet_controller.lab.push import PushedImage, push_image
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace

WORKLOAD = "hello"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What `start_fleet` made. `agents` is by device name."""

    registry: Registry
    controller: Controller
    agents: Mapping[str, Agent]
    platforms: Mapping[str, str]


def start_fleet(workspace: Workspace, report: Callable[[str], None]) -> Fleet:
    """Start everything but the workload; `report` is told each step, in words.

    Raises:
        LabError: something did not start.
    """
    for line in enable_foreign_programs(PLATFORMS):
        report(line)
    registry = workspace.create_registry()
    report(f"registry on {registry.address}")
    controller = workspace.create_controller(registry=registry.address)
    report(f"controller on {controller.url}, with its own broker on port {controller.broker_port}")
    platforms = {name_device(platform): platform for platform in PLATFORMS}

    def create(name: str) -> Device:
        ports = (registry.port, controller.broker_port)
        return workspace.create_device(name, registry=registry.address, ports=ports)

    with ThreadPoolExecutor(max_workers=len(platforms)) as pool:
        devices = list(pool.map(create, platforms))
    agents = {
        device.name: workspace.create_agent(
            device, platform=platforms[device.name], broker_port=controller.broker_port
        )
        for device in devices
    }
    report(f"{len(agents)} devices, each with an agent and a Podman of its own")
    return Fleet(registry=registry, controller=controller, agents=agents, platforms=platforms)


def publish_image(registry: Registry, *, tag: str = "1") -> PushedImage:
    """Build the image of all platforms, and push it.

    Raises:
        LabError: a compiler failed, or the registry refused it.
    """
    image = build_image(ImageRecipe(version=tag))
    return push_image(image, registry=registry.address, name=WORKLOAD, tag=tag)


def workload_manifest(image: str, *, on_uncovered: str = "refuse") -> dict[str, Any]:
    """The manifest that runs the image on every device, on port 8080 of each."""
    container = {
        "name": WORKLOAD,
        "image": image,
        "ports": [{"containerPort": SERVER_PORT, "hostPort": SERVER_PORT}],
    }
    return {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": WORKLOAD},
        "spec": {"onUncovered": on_uncovered, "template": {"spec": {"containers": [container]}}},
    }


def ask_device(device: Device) -> str:
    """Return the platform that the device's container says it was compiled for.

    Raises:
        LabError: it does not answer, or says something else.
    """
    body = device.get(SERVER_PORT)
    try:
        answer = json.loads(body)["platform"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"the container on {device.name} answered {body[:200]!r}") from error
    return str(answer)


def name_device(platform: str) -> str:
    """`linux/arm/v7` as a device's name: `demo-arm-v7`."""
    return "demo-" + platform.removeprefix("linux/").replace("/", "-")
