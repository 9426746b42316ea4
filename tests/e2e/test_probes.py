"""Probes from a manifest to a container that answers them, and what the commands say of it."""

from pathlib import Path
from typing import Any, Final

import pytest

from fixtures import commandline
from fixtures.fleet import NATIVE, FleetOfTest
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

PORT: Final = 18091
DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hello
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: main
          image: IMAGE
          env: [{name: ready, value: "503"}]
          ports: [{name: http, containerPort: 8080, hostPort: 18091}]
          startupProbe:
            tcpSocket: {port: http}
            periodSeconds: 1
            timeoutSeconds: 20
            failureThreshold: 60
          livenessProbe:
            exec: {command: [/server, check, alive]}
            periodSeconds: 1
            timeoutSeconds: 20
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 1
            timeoutSeconds: 20
            failureThreshold: 2
"""


@pytest.fixture
def probed(images: ImageShelf) -> PushedImage:
    return images.push(ImageRecipe(program="probed", platforms=(NATIVE,)), name="probed")


@pytest.fixture
def agent(fleet: FleetOfTest) -> Agent:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    return agent


def apply(fleet: FleetOfTest, directory: Path, image: PushedImage, text: str = DEPLOYMENT) -> None:
    path = directory / "hello.yaml"
    path.write_text(text.replace("IMAGE", image.reference), encoding="utf-8")
    exit_code, _, errors = commandline.run(fleet.controller.url, "apply", "-f", str(path))
    assert exit_code == 0, errors


def show(fleet: FleetOfTest, *arguments: str) -> str:
    """What a command prints, in words with one space between them."""
    exit_code, printed, errors = commandline.run(fleet.controller.url, *arguments, COLUMNS="200")
    assert exit_code == 0, errors
    return " ".join(printed.split())


def wait_for(fleet: FleetOfTest, standing: str, phase: str, message: str) -> dict[str, Any]:
    """Until the controller says all that of the workload; give the report."""

    def stands() -> bool:
        found = fleet.assignment("dev-1")
        report = found.get("report") or {}
        said = (found.get("standing"), report.get("phase"))
        return said == (standing, phase) and message in report.get("message", "")

    wait_until(stands, timeout=90, describe=lambda: fleet.describe("dev-1"))
    report: dict[str, Any] = fleet.assignment("dev-1")["report"]
    return report


def let_answer(agent: Agent, name: str, status: int) -> None:
    """Tell the program, as soon as it listens."""

    def told() -> bool:
        try:
            agent.device.get(PORT, f"/set/{name}/{status}")
        except LabError:
            return False
        return True

    wait_until(told, timeout=30)


def test_what_runs_is_not_called_running_before_it_is_ready_nor_when_it_is_no_more(
    fleet: FleetOfTest, agent: Agent, probed: PushedImage, tmp_path: Path
) -> None:
    apply(fleet, tmp_path, probed)
    refused = "/ready: answered 503"
    report = wait_for(fleet, "pending", "starting", refused)
    assert (report.get("reason"), report["readySeconds"]) == (None, 0)
    for command in (("workload", "show", "hello"), ("device", "show", "dev-1")):
        page = show(fleet, *command)
        assert "starting" in page
        assert "readiness probe: GET http://" in page
        assert refused in page
    assert "which runs, and the workload is not ready" in show(fleet, "device", "show", "dev-1")
    let_answer(agent, "ready", 200)
    wait_for(fleet, "running", "running", "")
    let_answer(agent, "ready", 503)
    report = wait_for(fleet, "failing", "running", refused)
    assert (report["reason"], report["readySeconds"], report["restarts"]) == ("probe_failed", 0, 0)
    page = show(fleet, "device", "show", "dev-1")
    assert "probe_failed: The container runs but does not answer its probe." in page
    assert "probe_failed: readiness probe: GET http://" in show(fleet, "workload", "show", "hello")
    let_answer(agent, "ready", 200)
    wait_for(fleet, "running", "running", "")
    assert fleet.assignment("dev-1")["report"]["restarts"] == 0


def test_what_is_alive_no_more_is_started_again_and_its_history_says_why(
    fleet: FleetOfTest, agent: Agent, probed: PushedImage, tmp_path: Path
) -> None:
    apply(fleet, tmp_path, probed, DEPLOYMENT.replace('value: "503"', 'value: "200"'))
    fleet.wait_until_running(probed, "dev-1")
    let_answer(agent, "alive", 500)
    report = wait_for(fleet, "failing", "failed", "liveness probe: /server: exit code 1: alive is 500")
    assert report["reason"] == "probe_failed"
    told = show(fleet, "device", "events", "dev-1")
    assert "liveness probe: /server: exit code 1: alive is 500, stopped after" in told
    let_answer(agent, "alive", 200)
    fleet.wait_until_running(probed, "dev-1")
    assert fleet.assignment("dev-1")["report"]["restarts"] >= 1


def test_what_does_not_start_is_given_up_for_its_probe_also_by_an_agent_that_was_killed(
    fleet: FleetOfTest, agent: Agent, probed: PushedImage, tmp_path: Path
) -> None:
    startup = """exec: {command: [/server, check, started]}
            periodSeconds: 1
            timeoutSeconds: 20
            failureThreshold: 2"""
    begin = DEPLOYMENT.index("tcpSocket: {port: http}")
    end = DEPLOYMENT.index("failureThreshold: 60") + len("failureThreshold: 60")
    text = DEPLOYMENT[:begin] + startup + DEPLOYMENT[end:]
    apply(fleet, tmp_path, probed, text.replace("name: ready", "name: started"))
    refused = "startup probe: /server: exit code 1: started is 503"
    report = wait_for(fleet, "failing", "failed", refused)
    assert report["reason"] == "probe_failed"
    agent.kill()
    agent.start()
    let_answer(agent, "started", 200)
    fleet.wait_until_running(probed, "dev-1")
