"""What is secret stays on the device: a workload names it, waits for it, and goes on once it is there."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.fleet import NATIVE, FleetOfTest
from fixtures.lab import DeviceYard, ImageShelf
from fixtures.registries import Access, DoorMaker
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.fleet import workload_manifest
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.workspace import Workspace
from waiting import wait_until

PORT = 18091
CONTENT = "swordfish"


def message(fleet: FleetOfTest) -> str:
    """What the device says about the workload."""
    report = fleet.assignment("dev-1").get("report") or {}
    return str(report.get("message", ""))


def put_secret(agent: Agent, name: str, content: str = CONTENT) -> None:
    file = agent.directory / "content"
    file.write_text(content, encoding="utf-8")
    agent.device.podman.run("secret", "create", name, str(file))
    file.unlink()


def hold(path: Path, text: str) -> list[str]:
    """The files below a directory that have the text in them."""
    files = [file for file in path.rglob("*") if file.is_file()]
    return [str(file) for file in files if text.encode() in file.read_bytes()]


def secretive(image: PushedImage) -> dict[str, Any]:
    """It serves a secret's file, and has others as variables."""
    manifest = workload_manifest(image.reference)
    manifest["spec"]["template"]["spec"] = {
        "terminationGracePeriodSeconds": 2,
        "containers": [
            {
                "name": "main",
                "image": image.reference,
                "args": ["serve", "8080", "/run/db/file"],
                "ports": [{"containerPort": 8080, "hostPort": PORT}],
                "envFrom": [{"prefix": "ALL_", "secretRef": {"name": "all"}}],
                "env": [
                    {"name": "USER", "valueFrom": {"secretKeyRef": {"name": "db", "key": "user"}}},
                    {
                        "name": "NOTHING",
                        "valueFrom": {"secretKeyRef": {"name": "db", "key": "nothing", "optional": True}},
                    },
                ],
                "volumeMounts": [{"name": "files", "mountPath": "/run/db"}],
            }
        ],
        "volumes": [
            {"name": "files", "secret": {"secretName": "db", "items": [{"key": "password", "path": "file"}]}}
        ],
    }
    return manifest


def wait_for_message(fleet: FleetOfTest, text: str) -> None:
    wait_until(lambda: text in message(fleet), timeout=60, describe=lambda: fleet.describe("dev-1"))


def test_a_workload_waits_for_its_secrets_and_goes_on_by_itself(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    image = images.push(ImageRecipe(program="podmate", platforms=(NATIVE,)), name="secretive")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.controller.ask("PUT", "/v1/workloads/default/hello", secretive(image))
    fleet.wait_for_reason("dev-1", "secret_missing")
    wait_for_message(fleet, "podman secret create default.db_password FILE")
    put_secret(agent, "default.db_password")
    put_secret(agent, "default.db_user", "root")
    wait_for_message(fleet, "podman secret create default.all_KEY FILE")
    put_secret(agent, "default.all_A", "1")
    put_secret(agent, "default.all_B", "2")
    fleet.wait_until_running(image, "dev-1", timeout=120)

    def served() -> str:
        try:
            return agent.device.get(PORT).decode()
        except LabError as error:
            return str(error)

    wait_until(lambda: served() == CONTENT, describe=served)
    (container,) = agent.device.podman.run("ps", "--quiet").split()
    variables = agent.device.podman.run("inspect", "--format", "{{json .Config.Env}}", container)
    assert [name for name in ('"ALL_A=1"', '"ALL_B=2"', '"USER=root"') if name not in variables] == []
    assert "NOTHING" not in variables

    changed = secretive(image)
    changed["spec"]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "MORE", "valueFrom": {"secretKeyRef": {"name": "db", "key": "more"}}}
    )
    fleet.controller.ask("PUT", "/v1/workloads/default/hello", changed)
    fleet.wait_for_reason("dev-1", "secret_missing")
    assert agent.device.podman.run("ps", "--quiet").split() == [container]
    put_secret(agent, "default.db_more", "3")
    fleet.wait_until_running(image, "dev-1", timeout=120)
    assert agent.device.podman.run("ps", "--quiet").split() != [container]
    assert [hold(path, CONTENT) for path in (agent.directory, fleet.controller.directory)] == [[], []]


def test_a_secret_in_a_file_is_refused_with_the_command_and_without_its_content(fleet: FleetOfTest) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db"},
        "stringData": {"password": CONTENT},
    }
    with pytest.raises(LabError) as refused:
        fleet.controller.ask("PUT", "/v1/workloads/default/db", secret)
    assert "podman secret create default.db_password FILE" in str(refused.value)
    assert CONTENT not in str(refused.value)
    assert hold(fleet.controller.directory, CONTENT) == []


def test_an_image_behind_a_password_is_pulled_with_the_credentials_that_the_workload_names(
    workspace: Workspace,
    devices: DeviceYard,
    doors: DoorMaker,
    images: ImageShelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = doors.make(Access.INSECURE_BASIC)
    assert door.auth_file is not None
    pushed = images.push(ImageRecipe(platforms=(NATIVE,), version="locked"), name="locked")
    monkeypatch.setenv("POLYFLEET_REGISTRY_AUTH_FILE", str(door.auth_file))
    broker = workspace.create_broker(persistent=True)
    controller = workspace.create_controller(registry=door.address, broker=broker.address)
    ports = (int(door.address.rpartition(":")[2]), controller.broker_port)
    device = workspace.create_device("dev-1", registry=door.address, ports=ports)
    agent = workspace.create_agent(device, platform=NATIVE, broker_port=controller.broker_port)
    fleet = FleetOfTest(workspace, devices, controller, broker)
    fleet.wait_until_known("dev-1")
    manifest = workload_manifest(f"{door.address}/locked:{pushed.tag}")
    manifest["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "team"}]
    controller.ask("PUT", "/v1/workloads/default/hello", manifest)
    fleet.wait_for_reason("dev-1", "secret_missing")
    wait_for_message(fleet, f"podman login --authfile {agent.pull_secrets}/team.json {door.address}")
    agent.pull_secrets.mkdir()
    (agent.pull_secrets / "team.json").write_bytes(door.auth_file.read_bytes())
    fleet.wait_until_running(pushed, "dev-1", timeout=120)
