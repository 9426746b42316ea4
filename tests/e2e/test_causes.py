"""Causes: each is told in `device show` and on the agent's log, and heals by itself when it is gone."""

from fixtures.fleet import FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.agent import Agent
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry
from waiting import wait_until


def wait_for_log(agent: Agent, text: str) -> None:
    wait_until(
        lambda: text in agent.log.read_text(encoding="utf-8"),
        timeout=30,
        describe=lambda: f"{text!r} in {agent.log.read_text(encoding='utf-8')}",
    )


def test_a_tag_that_is_not_there(fleet: FleetOfTest, registry: Registry, images: ImageShelf) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(f"{registry.address}/late:1")
    fleet.wait_for_reason("dev-1", "image_not_found")
    wait_for_log(agent, "image_not_found")
    late = images.push(ImageRecipe(version="late"), name="late", tag="1")
    fleet.wait_until_running(late, "dev-1", timeout=120)


def test_an_image_without_the_devices_platform(fleet: FleetOfTest, images: ImageShelf) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    poor = images.push(ImageRecipe(platforms=("linux/riscv64",)), name="poor", tag="1")
    fleet.apply(poor, on_uncovered="hold")
    fleet.wait_for_reason("dev-1", "no_matching_platform")
    held = fleet.assignment("dev-1")["held"]
    assert "linux/amd64" in held["message"]
    assert "linux/riscv64" in held["message"]
    wait_for_log(agent, "no_matching_platform")
    rich = images.push(ImageRecipe(), name="poor", tag="1")
    assert rich.children["linux/riscv64"] == poor.children["linux/riscv64"]
    fleet.wait_until_running(rich, "dev-1", timeout=120)


def test_a_registry_that_is_down_when_a_workload_is_applied(
    fleet: FleetOfTest, registry: Registry, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    registry.stop()
    try:
        fleet.apply(image)
        fleet.wait_for_reason("dev-1", "registry_unreachable")
        wait_for_log(agent, "registry_unreachable")
    finally:
        registry.start()
    fleet.wait_until_running(image, "dev-1", timeout=120)


def test_a_registry_that_the_device_does_not_reach(
    fleet: FleetOfTest, registry: Registry, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    agent.device.relay.cut(registry.port)
    fleet.apply(image)
    fleet.wait_for_reason("dev-1", "registry_unreachable")
    wait_for_log(agent, "registry_unreachable")
    agent.device.relay.mend()
    fleet.wait_until_running(image, "dev-1", timeout=120)


def test_a_broker_that_is_down_when_the_agent_starts(fleet: FleetOfTest, image: PushedImage) -> None:
    fleet.broker.stop()
    agent = fleet.add_agent()
    wait_for_log(agent, "no connection to the broker")
    status = agent.status() or {}
    assert (status["connected"], status["brokerProblem"] != "") == (False, True)
    fleet.apply(image)
    fleet.broker.start()
    fleet.wait_until_known("dev-1")
    fleet.wait_until_running(image, "dev-1", timeout=120)


def test_a_device_that_is_cut_off_keeps_running_is_shown_offline_and_catches_up(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    old = images.push(ImageRecipe(version="old"), name="cutoff", tag="old")
    new = images.push(ImageRecipe(version="new"), name="cutoff", tag="new")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(old)
    fleet.wait_until_running(old, "dev-1")
    agent.device.relay.cut()
    wait_until(
        lambda: fleet.device("dev-1")["device"]["connectivity"] == "offline",
        describe=lambda: fleet.describe("dev-1"),
    )
    (container,) = container_ids(agent)
    agent.device.podman.run("kill", container)
    wait_until(
        lambda: agent.device.podman.run("ps", "--quiet", "--no-trunc").split() == [container],
        describe="it is started again without the network",
    )
    fleet.apply(new)
    agent.device.relay.mend()
    fleet.wait_until_running(new, "dev-1", timeout=120)


def test_a_device_that_restarts_without_network_runs_what_it_ran(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    agent.kill()
    agent.device.relay.cut()
    (container,) = container_ids(agent)
    agent.device.podman.run("kill", container)
    agent.start()
    wait_until(
        lambda: agent.device.podman.run("ps", "--quiet", "--no-trunc").split() == [container],
        describe=lambda: agent.log.read_text(encoding="utf-8"),
    )


def test_a_torn_state_file(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    agent.kill()
    kept = agent.state / "desired.json"
    kept.write_bytes(kept.read_bytes()[:100])
    agent.start()
    wait_for_log(agent, "desired.json")
    fleet.wait_until_running(image, "dev-1")
    wait_until(
        lambda: any("desired.json" in item["message"] for item in fleet.device("dev-1")["events"]),
        describe=lambda: fleet.describe("dev-1"),
    )


def test_a_podman_that_is_down(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    agent.device.podman.stop()
    fleet.wait_for_condition("dev-1", "podman_unavailable")
    wait_for_log(agent, "podman_unavailable")
    fleet.apply(image)
    agent.device.podman.start()
    fleet.wait_until_running(image, "dev-1", timeout=120)
    fleet.wait_for_condition("dev-1")


def test_a_port_that_another_program_uses(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    with agent.device.namespace.listen(8080):
        fleet.apply(image)
        fleet.wait_for_reason("dev-1", "port_conflict")
    fleet.wait_until_running(image, "dev-1", timeout=120)
