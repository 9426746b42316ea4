"""A workload of several containers, from its manifest to what it answers, and back to nothing."""

from typing import Any

from fixtures.fleet import NATIVE, FleetOfTest
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.fleet import workload_manifest
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

PORT = 18090


def greeter(image: PushedImage, greeting: str) -> dict[str, Any]:
    """An init container copies a configMap's file to where one serves it, and another relays that."""
    manifest = workload_manifest(image.reference)
    common = {"image": image.reference, "securityContext": {"readOnlyRootFilesystem": True}}
    shared = {"name": "shared", "mountPath": "/shared"}
    manifest["spec"]["template"]["spec"] = {
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True},
        "terminationGracePeriodSeconds": 2,
        "volumes": [
            {"name": "shared", "emptyDir": {}},
            {"name": "config", "configMap": {"items": [{"key": "greeting", "text": greeting}]}},
        ],
        "initContainers": [
            common
            | {
                "name": "first",
                "args": ["copy", "/config/greeting", "/shared/greeting"],
                "volumeMounts": [{"name": "config", "mountPath": "/config"}, shared],
            }
        ],
        "containers": [
            common
            | {
                "name": "main",
                "args": ["serve", "8080", "/shared/greeting"],
                "volumeMounts": [shared | {"readOnly": True}],
            },
            common
            | {
                "name": "side",
                "args": ["relay", "9090", "8080"],
                "ports": [{"containerPort": 9090, "hostPort": PORT}],
            },
        ],
    }
    return manifest


def apply(fleet: FleetOfTest, manifest: dict[str, Any]) -> None:
    fleet.controller.ask("PUT", "/v1/workloads/default/hello", manifest)


def wait_for_answer(agent: Agent, greeting: str) -> None:
    def answer() -> str:
        try:
            return agent.device.get(PORT).decode()
        except LabError as error:
            return str(error)

    wait_until(lambda: answer() == greeting, timeout=60, describe=answer)


def what_is_left(agent: Agent) -> tuple[int, int, int]:
    """How many containers, pods and volumes there are on the device."""
    podman = agent.device.podman
    commands = (("ps", "--all", "--quiet"), ("pod", "ls", "--quiet"), ("volume", "ls", "--quiet"))
    containers, pods, volumes = (len(podman.run(*command).split()) for command in commands)
    return containers, pods, volumes


def wait_until_left(fleet: FleetOfTest, agent: Agent, *expected: int) -> None:
    wait_until(
        lambda: what_is_left(agent) == expected,
        timeout=60,
        describe=lambda: f"{what_is_left(agent)}, {fleet.describe('dev-1')}",
    )


def test_a_pod_runs_is_proven_is_replaced_and_goes(fleet: FleetOfTest, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(program="podmate", platforms=(NATIVE,)), name="podmate")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    apply(fleet, greeter(image, "good morning\n"))
    fleet.wait_until_running(image, "dev-1")
    wait_for_answer(agent, "good morning\n")
    report = fleet.assignment("dev-1")["report"]
    assert {item["name"]: (item["running"], item["child"]) for item in report["containers"]} == {
        "first": (False, image.children[NATIVE]),
        "main": (True, image.children[NATIVE]),
        "side": (True, image.children[NATIVE]),
    }
    apply(fleet, greeter(image, "good evening\n"))
    wait_for_answer(agent, "good evening\n")
    # Three containers and Podman's own, with a shared volume and one for the file: nothing of the first.
    wait_until_left(fleet, agent, 4, 1, 2)
    fleet.delete()
    wait_until_left(fleet, agent, 0, 0, 0)


def test_a_pod_whose_network_was_killed_comes_back_whole(fleet: FleetOfTest, images: ImageShelf) -> None:
    image = images.push(ImageRecipe(program="podmate", platforms=(NATIVE,)), name="podmate")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    apply(fleet, greeter(image, "good morning\n"))
    wait_for_answer(agent, "good morning\n")
    podman = agent.device.podman
    pod = podman.run("pod", "ls", "--quiet").strip()
    infra = podman.run("pod", "inspect", "--format", "{{.InfraContainerID}}", pod).strip()
    podman.run("kill", "--signal=KILL", infra)
    wait_until(
        lambda: podman.run("inspect", "--format", "{{.State.Status}}", infra).strip() == "running",
        timeout=60,
        describe=lambda: fleet.describe("dev-1"),
    )
    wait_for_answer(agent, "good morning\n")
    fleet.wait_until_running(image, "dev-1")
