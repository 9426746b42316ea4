"""The main job, seen from outside: apply, run, prove, change, delete."""

from fixtures.fleet import FleetOfTest, container_ids
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.fleet import ask_device
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until


def test_a_workload_runs_and_is_proven_and_goes_when_it_is_deleted(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    answer = fleet.apply(image)
    assert (answer["change"], answer["workload"]["name"]) == ("created", "hello")
    fleet.wait_until_running(image, "dev-1")
    assert ask_device(agent.device) == "linux/amd64"
    device = fleet.device("dev-1")["device"]
    assert (device["sync"], device["connectivity"]) == ("in_sync", "online")
    assert device["observedGeneration"] == device["generation"]
    fleet.delete()
    wait_until(lambda: not container_ids(agent), timeout=30, describe=lambda: fleet.describe("dev-1"))
    wait_until(lambda: fleet.device("dev-1")["assignments"] == [], describe=lambda: fleet.describe("dev-1"))


def test_the_same_manifest_again_changes_nothing(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    before = container_ids(agent)
    generation = fleet.device("dev-1")["device"]["generation"]
    assert fleet.apply(image)["change"] == "unchanged"
    assert (container_ids(agent), fleet.device("dev-1")["device"]["generation"]) == (before, generation)


def test_a_new_image_replaces_the_old_and_a_child_that_stays_the_same_is_not_restarted(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    first = images.push(ImageRecipe(version="1"), name="replaced", tag="1")
    second = images.push(ImageRecipe(version="2"), name="replaced", tag="2")
    # The same amd64 child in another index: for this device nothing changes.
    same = images.push(ImageRecipe(version="2", platforms=("linux/amd64",)), name="replaced", tag="3")
    assert same.children["linux/amd64"] == second.children["linux/amd64"]
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(first)
    fleet.wait_until_running(first, "dev-1")
    fleet.apply(second)
    fleet.wait_until_running(second, "dev-1")
    assert b'"version": "2"' in agent.device.get(8080)
    wait_until(lambda: len(container_ids(agent)) == 1, timeout=30, describe="the predecessor is removed")
    before = container_ids(agent)
    release = fleet.assignment("dev-1")["release"]
    fleet.apply(same)
    wait_until(
        lambda: (
            fleet.assignment("dev-1")["release"] != release
            and fleet.assignment("dev-1")["report"]["release"] == fleet.assignment("dev-1")["release"]
        ),
        describe=lambda: fleet.describe("dev-1"),
    )
    assert (fleet.runs("dev-1", same), container_ids(agent)) == (True, before)


def test_a_container_that_is_killed_or_removed_by_hand_comes_back(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    (container,) = container_ids(agent)
    agent.device.podman.run("kill", container)
    wait_until(
        lambda: fleet.assignment("dev-1")["report"]["restarts"] == 1,
        describe=lambda: fleet.describe("dev-1"),
    )
    fleet.wait_until_running(image, "dev-1")
    agent.device.podman.run("rm", "--force", container)
    wait_until(
        lambda: container_ids(agent) not in ([], [container]), describe=lambda: fleet.describe("dev-1")
    )
    fleet.wait_until_running(image, "dev-1")


def test_a_container_that_ends_at_once_is_a_crash_loop_with_its_exit_code(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    broken = images.push(ImageRecipe(version="broken", exit_code=3), name="broken", tag="1")
    fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(broken)
    fleet.wait_for_reason("dev-1", "crash_loop")
    report = fleet.assignment("dev-1")["report"]
    assert "exit code 3" in report["message"]
    assert fleet.device("dev-1")["device"]["sync"] == "failing"


def test_every_setting_of_a_container_reaches_podman(fleet: FleetOfTest, image: PushedImage) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(
        image,
        env=[{"name": "PORT", "value": "9000"}],
        ports=[{"containerPort": 9000, "hostPort": 18080}],
        resources={"limits": {"memory": "64Mi", "cpu": "500m"}},
    )
    fleet.wait_until_running(image, "dev-1")
    assert b"linux/amd64" in agent.device.get(18080)
    (container,) = container_ids(agent)
    limits = agent.device.podman.run(
        "inspect",
        container,
        "--format",
        "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}/{{.HostConfig.CpuPeriod}}",
    )
    assert limits.split() == [str(64 * 1024 * 1024), "50000/100000"]
