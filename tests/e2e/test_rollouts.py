"""A release that is bad on one platform: it is undone there, and nowhere else; who was off catches up."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fixtures.fleet import FleetOfTest
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.fleet import workload_manifest
from polyfleet_controller.lab.image import ImageRecipe
from waiting import wait_until

PROGRAM: Final = str(Path(sys.executable).with_name("polyfleet"))
DEVICES: Final = {
    "amd-1": "linux/amd64",
    "amd-2": "linux/amd64",
    "arm64-1": "linux/arm64",
    "armv7-1": "linux/arm/v7",
    "riscv-1": "linux/riscv64",
    "riscv-2": "linux/riscv64",
}


def polyfleet(fleet: FleetOfTest, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [PROGRAM, "--server", fleet.controller.url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def write(directory: Path, reference: str) -> str:
    manifest = workload_manifest(reference)
    manifest["spec"] |= {
        "minReadySeconds": 2,
        "progressDeadlineSeconds": 90,
        "rollout": {"waves": [1, "100%"]},
    }
    file = directory / "hello.yaml"
    file.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return str(file)


def outcome(fleet: FleetOfTest) -> tuple[str, dict[str, str]]:
    """The newest rollout's status, and that of each of its platforms."""
    rollout = fleet.controller.ask("GET", "/v1/workloads/default/hello/rollout")["rollout"]
    return rollout["status"], {stratum["platform"]: stratum["status"] for stratum in rollout["strata"]}


def proven(fleet: FleetOfTest) -> dict[str, str]:
    """The release that each device is given and proves."""
    answer: dict[str, Any] = fleet.controller.ask("GET", "/v1/workloads/default/hello")
    return {each["device"]: each["release"] for each in answer["placements"] if each["standing"] == "running"}


@pytest.mark.usefixtures("foreign_programs")
def test_a_release_that_dies_on_one_platform_is_undone_there_and_completes_elsewhere(
    fleet: FleetOfTest, images: ImageShelf, tmp_path: Path
) -> None:
    agents = {name: fleet.add_agent(name, platform=platform) for name, platform in DEVICES.items()}
    fleet.wait_until_known(*DEVICES)
    good = images.push(ImageRecipe(version="good"), name="rolled", tag="good")
    first = polyfleet(fleet, "apply", "-f", write(tmp_path, good.reference), "--wait", "--timeout", "4m")
    assert first.returncode == 0, first.stderr
    before = set(proven(fleet).values())

    agents["amd-2"].stop()
    wait_until(
        lambda: fleet.device("amd-2")["device"]["connectivity"] == "offline",
        timeout=60,
        describe=lambda: fleet.describe("amd-2"),
    )
    bad = ImageRecipe(version="bad", programs={"linux/riscv64": "illegalchild"})
    reference = images.push(bad, name="rolled", tag="bad").reference
    second = polyfleet(fleet, "apply", "-f", write(tmp_path, reference), "--wait", "--timeout", "4m")
    assert second.returncode == 1, second.stderr
    assert "illegal_instruction" in second.stderr
    assert "linux/amd64: succeeded" in second.stderr
    assert outcome(fleet) == (
        "partial",
        {
            "linux/amd64": "succeeded",
            "linux/arm64": "succeeded",
            "linux/arm/v7": "succeeded",
            "linux/riscv64": "rolled_back",
        },
    )
    watched = polyfleet(fleet, "rollout", "watch", "hello")
    assert (watched.returncode, "illegal_instruction" in watched.stderr) == (1, True)

    agents["amd-2"].start()
    (old,) = before
    newest = fleet.controller.ask("GET", "/v1/workloads/default/hello")["release"]["release"]
    expected = {name: old if name.startswith("riscv") else newest for name in DEVICES}
    wait_until(lambda: proven(fleet) == expected, timeout=120, describe=lambda: f"{proven(fleet)}")
