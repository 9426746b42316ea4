"""A tag that loses a platform that devices run: an alarm, and not a container is touched."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.fleet import FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.image import ImageRecipe
from waiting import wait_until

BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controllers look at tags every second."""
    monkeypatch.setenv("POLYFLEET_TAG_INTERVAL", "1")


def alarm(fleet: FleetOfTest) -> dict[str, Any]:
    """The workload's alarm as the API has it; empty without any."""
    workload = fleet.controller.ask("GET", "/v1/workloads/default/hello")["workload"]
    found: dict[str, Any] = workload.get("alarm", {})
    return found


def show(fleet: FleetOfTest, *arguments: str) -> str:
    """What `polyfleet workload` prints, in one line."""
    program = str(Path(sys.executable).with_name("polyfleet"))
    command = [program, "--server", fleet.controller.url, "workload", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return " ".join(ended.stdout.split())


def documents(fleet: FleetOfTest, *names: str) -> list[tuple[int, int, str]]:
    """What each device is to run, by number, and which release of the workload that is."""
    devices = [fleet.device(name) for name in names]
    return [
        (item["device"]["epoch"], item["device"]["generation"], item["assignments"][0]["release"])
        for item in devices
    ]


def test_a_tag_that_loses_a_platform_in_use_raises_an_alarm_until_it_has_it_again(
    fleet: FleetOfTest, images: ImageShelf, foreign_programs: None
) -> None:
    image = images.push(ImageRecipe(platforms=BOTH), name="moving", tag="1")
    agents = [fleet.add_agent("dev-1"), fleet.add_agent("dev-2", platform="linux/arm64")]
    fleet.wait_until_known("dev-1", "dev-2")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    fleet.wait_until_running(image, "dev-2", platform="linux/arm64")
    before = ([container_ids(agent) for agent in agents], documents(fleet, "dev-1", "dev-2"))

    images.push(ImageRecipe(platforms=("linux/amd64",), version="2"), name="moving", tag="1")
    wait_until(lambda: alarm(fleet), timeout=30, describe=lambda: fleet.describe("dev-2"))
    assert (alarm(fleet)["reason"], alarm(fleet)["message"]) == (
        "platform_lost",
        f"{image.reference} no longer has linux/arm64 (1 device)",
    )
    assert "platform_lost" in show(fleet, "list")
    assert alarm(fleet)["message"] in show(fleet, "show", "hello")
    told = [line for line in fleet.controller.log.read_text().splitlines() if "platform_lost" in line]
    assert len(told) == 1
    assert ([container_ids(agent) for agent in agents], documents(fleet, "dev-1", "dev-2")) == before

    images.push(ImageRecipe(platforms=BOTH, version="3"), name="moving", tag="1")
    wait_until(lambda: not alarm(fleet), timeout=30, describe=lambda: json.dumps(alarm(fleet)))
    assert "platform_lost" not in show(fleet, "list") + show(fleet, "show", "hello")
    assert ([container_ids(agent) for agent in agents], documents(fleet, "dev-1", "dev-2")) == before
    assert (fleet.runs("dev-1", image), fleet.runs("dev-2", image, platform="linux/arm64")) == (True, True)
