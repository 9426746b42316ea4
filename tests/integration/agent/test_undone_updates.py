"""An update that fails on a real device, with a real agent, and nobody to ask."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest

from fixtures.lab import DeviceYard, ImageShelf
from fixtures.peers import Peer
from fixtures.pinning import pin
from polyfleet_agent import cli
from polyfleet_agent.status import read_status
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.broker import Broker
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.desired import write_desired
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.probes import HttpGetAction, Probe
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload, EnvironmentVariable
from waiting import wait_until

RECIPE: Final = ImageRecipe(platforms=(native_platform(),), program="probed")
NAME: Final = "dev-1"
PORT: Final = 18080


@pytest.fixture(scope="module")
def probed(images: ImageShelf) -> PinnedImage:
    return pin(RECIPE, images.push(RECIPE, name="probed-updates"))


@pytest.fixture
def agent(workspace: Workspace, devices: DeviceYard, broker: Broker) -> Agent:
    device = devices.create(NAME, ports=[broker.port])
    return workspace.create_agent(device, platform=None, broker_port=broker.port)


@pytest.fixture
def controller(broker: Broker) -> Iterator[Peer]:
    with Peer("controller", broker.port) as peer:
        yield peer


def release(image: PinnedImage, number: int, *, ready: int = 200) -> DesiredWorkload:
    """A release that answers its readiness probe so."""
    return DesiredWorkload(
        uid="uid-1",
        namespace="default",
        name="till",
        release=f"till-{number}",
        revision=number,
        requires=("probes", "updates"),
        termination_grace_seconds=1,
        min_ready_seconds=2,
        progress_deadline_seconds=8,
        containers=(
            ContainerSpec(
                name="till",
                image=image,
                env=(
                    EnvironmentVariable(name="ready", value=str(ready)),
                    EnvironmentVariable(name="release", value=str(200 + number)),
                ),
                ports=(ContainerPort(container_port=8080, host_port=PORT),),
                readiness_probe=Probe(
                    http_get=HttpGetAction(path="/ready", port=8080), period_seconds=1, timeout_seconds=5
                ),
            ),
        ),
    )


def send(controller: Peer, generation: int, *workloads: DesiredWorkload) -> None:
    payload = write_desired(epoch=1, generation=generation, workloads=workloads, held=())
    controller.publish(format_topic(NAME, Channel.DESIRED), payload, retain=True)


def told(agent: Agent) -> dict[str, Any]:
    """The workload as the agent tells of it; empty before it does."""
    status = agent.status()
    return next(iter((status or {}).get("workloads", [])), {})


def wait_for(agent: Agent, **wanted: object) -> None:
    """Wait until the agent tells this of the workload."""
    wait_until(
        lambda: wanted.items() <= told(agent).items(), timeout=60, describe=lambda: json.dumps(told(agent))
    )


def containers(agent: Agent, *filters: str) -> list[str]:
    return agent.device.podman.run("ps", "--all", "--quiet", "--no-trunc", *filters).split()


def remembers(agent: Agent) -> str:
    path = agent.state / "releases.json"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def answers(agent: Agent, number: int) -> bool:
    """Whether what answers on the published port is this release: it says so by its status."""
    try:
        agent.device.get(PORT, "/release")
    except LabError as error:
        return f"answered {200 + number} " in str(error)
    return number == 0


def wait_for_good(agent: Agent, number: int) -> None:
    """Until the device knows that the release is good, and what gave way to it is gone."""
    wait_until(lambda: f'"release":"till-{number}"' in remembers(agent), timeout=60)
    wait_until(lambda: len(containers(agent)) == 1, timeout=60)
    wait_until(partial(answers, agent, number))


def test_a_bad_update_is_undone_while_the_broker_is_stopped_and_not_tried_again(
    agent: Agent, broker: Broker, controller: Peer, probed: PinnedImage
) -> None:
    send(controller, 1, release(probed, 1))
    wait_for_good(agent, 1)
    before = containers(agent)
    send(controller, 2, release(probed, 2, ready=503))
    wait_until(lambda: ((agent.status() or {}).get("observed") or {}).get("generation") == 2)
    broker.stop()
    wait_for(agent, phase="rolled_back", reason="probe_failed", release="till-2", fallback="till-1")
    wait_until(lambda: containers(agent) == before)
    wait_until(partial(answers, agent, 1))
    page = cli.format_status(
        read_status(agent.directory / "status.json"), running=True, now=datetime.now(tz=UTC)
    )
    assert "  back to   till-1, which runs: till-2 failed here and is not tried again\n" in page

    agent.kill()
    agent.device.podman.run("stop", "--time", "1", *before)  # as after a reboot without network
    agent.start()
    wait_until(lambda: (agent.status() or {}).get("pid") == agent.process.pid, timeout=60)
    wait_for(agent, phase="rolled_back", reason="probe_failed", release="till-2", fallback="till-1")
    wait_until(partial(answers, agent, 1))
    assert containers(agent) == before

    broker.start()
    with Peer("controller", broker.port) as listener:
        listener.subscribe(format_topic(NAME, Channel.EVENT))
        events = [json.loads(listener.hear()[1])]
        while events[-1]["kind"] != "rolled_back":
            events.append(json.loads(listener.hear()[1]))
    undone = events[-1]
    assert (undone["release"], undone["reason"]) == ("till-2", "probe_failed")
    assert "answered 503" in undone["message"]
    assert undone["message"].endswith("; back to till-1")


def test_a_predecessor_that_somebody_removed_meanwhile_is_made_anew(
    agent: Agent, controller: Peer, probed: PinnedImage
) -> None:
    send(controller, 1, release(probed, 1))
    wait_for_good(agent, 1)
    (old,) = containers(agent)
    send(controller, 2, release(probed, 2, ready=503))
    wait_until(partial(answers, agent, 2), timeout=60)
    agent.device.podman.run("rm", "--force", old)
    wait_for(agent, phase="rolled_back", release="till-2", fallback="till-1")
    wait_until(partial(answers, agent, 1))
    assert old not in containers(agent)


def test_a_container_that_somebody_removed_comes_back_and_one_of_his_own_is_left_alone(
    agent: Agent, controller: Peer, probed: PinnedImage
) -> None:
    send(controller, 1, release(probed, 1))
    wait_for_good(agent, 1)
    (ours,) = containers(agent)
    his = agent.device.podman.run(
        "run", "--detach", "--name", "polyfleet-till", "--network", "none", probed.reference
    ).strip()
    agent.device.podman.run("rm", "--force", ours)
    wait_until(lambda: ours not in containers(agent) and len(containers(agent)) == 2, timeout=60)
    wait_until(partial(answers, agent, 1))
    send(controller, 2)
    wait_until(lambda: containers(agent) == [his], timeout=60)
    assert containers(agent, "--filter", "status=running") == [his]


def test_images_of_releases_to_come_are_fetched_while_the_present_one_runs(
    agent: Agent, controller: Peer, probed: PinnedImage, images: ImageShelf
) -> None:
    recipe = replace(RECIPE, version="2", padding=100_000)
    later = pin(recipe, images.push(recipe, name="probed-later"))
    lost = replace(later, repository=f"{later.repository}-lost", child=f"sha256:{'0' * 64}")
    wanted = release(probed, 1)
    wanted = replace(wanted, requires=(*wanted.requires, "prefetch"), prefetch=(lost, later))
    send(controller, 1, wanted)
    wait_for_good(agent, 1)
    wait_for(agent, phase="running", prefetched=[later.child])
    agent.device.podman.run("image", "exists", later.config.removeprefix("sha256:"))
