"""Builds that cannot run here: told for what they are, before they start or at their first end."""

import json
from typing import Any

import pytest

from fixtures.fleet import FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

# A label, and what the image really holds. QEMU would run either here.
LIES = [("linux/arm64", "linux/amd64"), ("linux/amd64", "linux/arm64")]
IN_WORDS = {
    "linux/amd64": "linux/amd64 (ELF 64-bit x86-64)",
    "linux/arm64": "linux/arm64 (ELF 64-bit AArch64)",
}


def started(agent: Agent) -> list[str]:
    """The containers that Podman ever started on the device."""
    log = (agent.device.podman.store.directory / "events.log").read_text(encoding="utf-8")
    events = [json.loads(line) for line in log.splitlines()]
    return [event["ID"] for event in events if event["Type"] == "container" and event["Status"] == "start"]


def refused_since_boot(agent: Agent, boot: int) -> bool:
    status = agent.status() or {"boot": 0}
    return bool(status["boot"] == boot and status["workloads"][0].get("reason") == "platform_mismatch")


def report_of(fleet: FleetOfTest, reason: str) -> dict[str, Any]:
    fleet.wait_for_reason("dev-1", reason)
    report: dict[str, Any] = fleet.assignment("dev-1")["report"]
    return report


@pytest.mark.parametrize(("label", "truth"), LIES)
def test_a_mislabelled_image_is_refused_before_it_starts(
    fleet: FleetOfTest, images: ImageShelf, label: str, truth: str
) -> None:
    agent = fleet.add_agent(platform=label)
    fleet.wait_until_known("dev-1")
    lie = images.push(
        ImageRecipe(platforms=(label,), lies={label: truth}), name="lie", tag=label.split("/")[1]
    )
    fleet.apply(lie)
    report = report_of(fleet, "platform_mismatch")
    assert report["message"] == f"/server is built for {IN_WORDS[truth]}, the image claims {label}"
    assert (report["phase"], report["restarts"], report["containers"]) == ("failed", 0, [])
    assert fleet.device("dev-1")["device"]["sync"] == "failing"
    assert (container_ids(agent), started(agent)) == ([], [])


def test_a_lie_stays_refused_after_the_agent_was_killed_and_the_truth_runs(
    fleet: FleetOfTest, images: ImageShelf, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    lie = ImageRecipe(platforms=("linux/amd64",), lies={"linux/amd64": "linux/riscv64"})
    fleet.apply(images.push(lie, name="lie", tag="killed"))
    report_of(fleet, "platform_mismatch")
    agent.kill()
    agent.start()
    wait_until(lambda: refused_since_boot(agent, 2), timeout=60, describe=lambda: f"{agent.status()}")
    assert started(agent) == []
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")


def test_an_illegal_instruction_is_no_crash_loop(fleet: FleetOfTest, images: ImageShelf) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(images.push(ImageRecipe(platforms=("linux/amd64",), program="illegal"), name="illegal"))
    report = report_of(fleet, "illegal_instruction")
    assert report["message"].startswith("ended with exit code 132 (SIGILL)")
    assert report["message"].endswith("without a word in its log")
    assert (report["phase"], report["restarts"]) == ("failed", 0)
    assert len(started(agent)) == 1


def test_a_crash_is_told_with_the_last_line_of_its_log(fleet: FleetOfTest, images: ImageShelf) -> None:
    fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(images.push(ImageRecipe(version="crash", exit_code=3), name="crash"))
    report = report_of(fleet, "crash_loop")
    assert report["message"].endswith("3 times in a row, log: linux/amd64 version crash")
