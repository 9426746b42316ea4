"""An update that does not pass its gate is undone by the device itself, whoever else is away."""

from pathlib import Path
from typing import Any, Final

from fixtures import commandline
from fixtures.fleet import NATIVE, FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

PORT: Final = 18092
NEVER_READY: Final = {"name": "ready", "value": "503"}


def write_manifest(image: PushedImage, *environment: dict[str, str]) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 20}
    container = {
        "name": "main",
        "image": image.reference,
        "env": list(environment),
        "ports": [{"containerPort": 8080, "hostPort": PORT}],
        "readinessProbe": probe,
    }
    return {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "hello"},
        "spec": {
            "minReadySeconds": 1,
            "progressDeadlineSeconds": 8,
            "template": {"spec": {"containers": [container], "terminationGracePeriodSeconds": 2}},
        },
    }


def apply(fleet: FleetOfTest, manifest: dict[str, Any]) -> None:
    fleet.controller.ask("PUT", "/v1/workloads/default/hello", manifest)


def answers_ready(agent: Agent) -> bool:
    try:
        agent.device.get(PORT, "/ready")
    except LabError:
        return False
    return True


def told(agent: Agent) -> tuple[str | None, str | None]:
    """What a technician reads at the device of the one workload."""
    (workload,) = (agent.status() or {}).get("workloads", ({},))
    return workload.get("phase"), workload.get("reason")


def running(agent: Agent) -> list[str]:
    return agent.device.podman.run("ps", "--quiet", "--no-trunc").split()


def test_an_update_that_never_gets_ready_is_undone_on_the_device_while_the_broker_is_away(
    fleet: FleetOfTest, images: ImageShelf, tmp_path: Path
) -> None:
    image = images.push(ImageRecipe(program="probed", platforms=(NATIVE,)), name="probed")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    apply(fleet, write_manifest(image))
    fleet.wait_until_running(image, "dev-1")
    # Only what has been ready for long enough is worth going back to.
    wait_until(lambda: fleet.assignment("dev-1")["report"]["readySeconds"] >= 1, timeout=30)
    (first,) = container_ids(agent)

    apply(fleet, write_manifest(image, NEVER_READY))
    wait_until(
        lambda: len(running(agent)) == 1 and first not in running(agent),
        timeout=60,
        describe=lambda: fleet.describe("dev-1"),
    )
    fleet.broker.stop()
    wait_until(
        lambda: running(agent) == [first] and answers_ready(agent),
        timeout=60,
        describe=lambda: f"{agent.status()}",
    )
    wait_until(lambda: container_ids(agent) == [first], timeout=30)
    wait_until(lambda: told(agent) == ("rolled_back", "probe_failed"), timeout=30)

    fleet.broker.start()
    fleet.wait_until_running(image, "dev-1", timeout=90)
    assert container_ids(agent) == [first]
    rollout = fleet.controller.ask("GET", "/v1/workloads/default/hello/rollout")["rollout"]
    assert rollout["status"] == "rolled_back"
    code, page, errors = commandline.run(fleet.controller.url, "device", "events", "dev-1", COLUMNS="200")
    assert (code, errors) == (0, "")
    assert "rolled back" in page
