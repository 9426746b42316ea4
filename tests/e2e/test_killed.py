"""kill -9 in the middle of a deploy: of the agent, the controller, the broker, Podman. All end the same."""

from collections.abc import Callable

import pytest

from fixtures.fleet import FleetOfTest, assert_no_event_lost
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

NAMES = ("dev-1", "dev-2")
# Large enough that a pull takes its time: something is always in the middle.
PADDING = 48 * 1024 * 1024


@pytest.fixture(scope="session")
def large_image(images: ImageShelf) -> PushedImage:
    recipe = ImageRecipe(version="large", platforms=("linux/amd64",), padding=PADDING)
    return images.push(recipe, name="large", tag="1")


def kill_agents(_fleet: FleetOfTest, agents: tuple[Agent, ...]) -> None:
    for agent in agents:
        agent.kill()
    for agent in agents:
        agent.start()


def kill_controller(fleet: FleetOfTest, _agents: tuple[Agent, ...]) -> None:
    fleet.controller.kill()
    fleet.controller.start()


def kill_broker(fleet: FleetOfTest, _agents: tuple[Agent, ...]) -> None:
    fleet.broker.kill()
    fleet.broker.start()


def kill_podman(_fleet: FleetOfTest, agents: tuple[Agent, ...]) -> None:
    for agent in agents:
        agent.device.podman.kill()
    for agent in agents:
        agent.device.podman.start()


def kill_everything(fleet: FleetOfTest, agents: tuple[Agent, ...]) -> None:
    for kill in (kill_podman, kill_broker, kill_controller, kill_agents):
        kill(fleet, agents)


@pytest.mark.parametrize(
    "kill",
    [
        kill_agents,
        pytest.param(kill_controller, marks=pytest.mark.slow),
        pytest.param(kill_broker, marks=pytest.mark.slow),
        pytest.param(kill_podman, marks=pytest.mark.slow),
        kill_everything,
    ],
    ids=("agents", "controller", "broker", "podman", "everything"),
)
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("applied", marks=pytest.mark.slow),
        "pulling",
        pytest.param("starting", marks=pytest.mark.slow),
    ],
)
def test_a_deploy_ends_with_everything_running_and_no_event_lost(
    fleet: FleetOfTest,
    large_image: PushedImage,
    kill: Callable[[FleetOfTest, tuple[Agent, ...]], None],
    moment: str,
) -> None:
    agents = fleet.add_agents(*NAMES)
    fleet.wait_until_known(*NAMES)
    fleet.apply(large_image)
    _wait_for(moment, fleet, agents)
    kill(fleet, agents)
    fleet.wait_until_running(large_image, *NAMES)
    for agent in agents:
        assert_no_event_lost(fleet, agent)


def _wait_for(moment: str, fleet: FleetOfTest, agents: tuple[Agent, ...]) -> None:
    """Until the first device has come so far; the others are somewhere before or after it."""
    if moment == "applied":
        return
    phases = {"pulling": {"pulling", "starting", "running"}, "starting": {"starting", "running"}}[moment]

    def reached() -> bool:
        for agent in agents:
            status = agent.status() or {}
            if any(item["phase"] in phases for item in status.get("workloads", [])):
                return True
        return False

    wait_until(reached, timeout=30, describe=lambda: fleet.describe("dev-1"))
