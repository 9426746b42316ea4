"""Kubernetes manifests as they are, running in Podman on devices of two architectures."""

import json
import re
from functools import partial
from pathlib import Path

from fixtures import commandline
from fixtures.fleet import FleetOfTest
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

MANIFESTS = Path(__file__).parents[1] / "unit" / "controller" / "kubernetes"
IMAGE = re.compile(r"(?<=image: ).*")

# Where each of the manifests' workloads belongs; of those that one of the two devices runs, how many do.
PLACES: dict[str, set[str] | int] = {
    "default/sensor": {"board"},
    "monitoring/collector": {"pc"},
    "default/nginx-deployment": {"board", "pc"},
    "default/game": 1,
    "kube-system/log-agent": {"board", "pc"},
    "default/spread": {"board", "pc"},
    "default/with-node-affinity": 1,
    "default/one": 1,
    "default/two": {"board", "pc"},
    "default/resolver": 1,
    "default/node-exporter": {"board", "pc"},
    "default/hello": {"board", "pc"},
}
FILES = (
    "pod-arm64",
    "daemonset-amd64",
    "deployment-nginx",
    "pod-configmap",
    "daemonset-tolerations",
    "deployment-spread",
    "pod-affinity",
    "list",
    "pod-hostport",
    "daemonset-hostnetwork",
    "kubectl-get-deployment",
)


def test_manifests_in_the_forms_of_kubernetes_guides_run_where_they_say(
    fleet: FleetOfTest, image: PushedImage, tmp_path: Path
) -> None:
    agents = {
        "pc": fleet.add_agent("pc", platform="linux/amd64"),
        "board": fleet.add_agent("board", platform="linux/arm64"),
    }
    fleet.wait_until_known(*agents)
    for device, zone in (("pc", "north"), ("board", "south")):
        _run(fleet, "device", "label", device, f"topology.kubernetes.io/zone={zone}")
    for name in FILES:
        text = (MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(IMAGE.sub(image.reference, text), encoding="utf-8")
    _run(fleet, "apply", "-f", str(tmp_path))
    for name, expected in PLACES.items():
        wait_until(
            partial(_stands, fleet, name, expected), timeout=240, describe=partial(_describe, fleet, name)
        )
    (game,) = _find_running(fleet, "default/game")
    podman = agents[game].device.podman
    (container,) = podman.run("ps", "--quiet", "--filter", "name=polyfleet-game-").split()
    (inspected,) = json.loads(podman.run("inspect", container))
    environment = set(inspected["Config"]["Env"])
    assert {"LIVES=3", "GAME_theme=dark", "theme=light", "player_initial_lives=3"} <= environment
    assert inspected["Args"] == ["--lives", "3"]


def _run(fleet: FleetOfTest, *arguments: str) -> None:
    exit_code, _, errors = commandline.run(fleet.controller.url, *arguments)
    assert exit_code == 0, errors


def _stands(fleet: FleetOfTest, name: str, expected: set[str] | int) -> bool:
    running = _find_running(fleet, name)
    return running == expected if isinstance(expected, set) else len(running) == expected


def _find_running(fleet: FleetOfTest, name: str) -> set[str]:
    placements = fleet.controller.ask("GET", f"/v1/workloads/{name}")["placements"]
    return {item["device"] for item in placements if item["standing"] == "running"}


def _describe(fleet: FleetOfTest, name: str) -> str:
    return json.dumps(fleet.controller.ask("GET", f"/v1/workloads/{name}"), indent=1)
