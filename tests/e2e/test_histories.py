"""Histories that contradict each other: a restored database, a rebuilt device, a clone, a forgotten fleet."""

import shutil

from fixtures.fleet import FleetOfTest, container_ids, copy_database, restore_database
from fixtures.lab import ImageShelf
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until


def test_a_restored_older_database_begins_a_new_epoch_and_what_it_says_is_done(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    old = images.push(ImageRecipe(version="old"), name="restored", tag="old")
    new = images.push(ImageRecipe(version="new"), name="restored", tag="new")
    fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(old)
    fleet.wait_until_running(old, "dev-1")
    fleet.controller.stop()
    copy_database(fleet.controller)
    fleet.controller.start()
    fleet.apply(new)
    fleet.wait_until_running(new, "dev-1")
    before = fleet.device("dev-1")["device"]
    fleet.controller.stop()
    restore_database(fleet.controller)
    fleet.controller.start()
    # At first the restored database tells what it was told then; the device knows better.
    wait_until(
        lambda: fleet.device("dev-1")["device"]["epoch"] == 2, describe=lambda: fleet.describe("dev-1")
    )
    fleet.wait_until_running(old, "dev-1")
    after = fleet.device("dev-1")["device"]
    assert (before["epoch"], after["epoch"]) == (1, 2)
    assert (after["observedEpoch"], after["observedGeneration"]) == (2, after["generation"])
    assert after["sync"] == "in_sync"


def test_a_rebuilt_device_supersedes_its_former_self_and_keeps_what_it_runs(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    before = container_ids(agent)
    (first,) = fleet.device("dev-1")["incarnations"]
    agent.kill()
    shutil.rmtree(agent.state)
    agent.start()
    wait_until(
        lambda: len(fleet.device("dev-1")["incarnations"]) == 2, describe=lambda: fleet.describe("dev-1")
    )
    fleet.wait_until_running(image, "dev-1")
    by_id = {item["incarnation"]: item for item in fleet.device("dev-1")["incarnations"]}
    assert "supersededAt" in by_id.pop(first["incarnation"])
    (current,) = by_id.values()
    assert "supersededAt" not in current
    assert container_ids(agent) == before
    assert fleet.device("dev-1")["device"]["conditions"] == []


def test_a_clone_is_shown_gets_nothing_new_and_is_resolved_by_an_operator(
    fleet: FleetOfTest, images: ImageShelf
) -> None:
    old = images.push(ImageRecipe(version="old"), name="cloned", tag="old")
    new = images.push(ImageRecipe(version="new"), name="cloned", tag="new")
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(old)
    fleet.wait_until_running(old, "dev-1")
    clone = fleet.add_agent()  # another machine that says it is dev-1
    fleet.wait_for_condition("dev-1", "duplicate_device")
    fleet.apply(new)
    wait_until(
        lambda: (
            fleet.reason("dev-1") == "duplicate_device"
            or fleet.assignment("dev-1")["child"] != new.children["linux/amd64"]
        ),
        describe=lambda: fleet.describe("dev-1"),
    )
    assert not fleet.runs("dev-1", new)
    clone.stop()
    fleet.controller.ask("POST", "/v1/devices/dev-1/resolve")
    agent.stop()
    agent.start()
    fleet.wait_for_condition("dev-1")
    fleet.wait_until_running(new, "dev-1")


def test_a_controller_that_lost_everything_stops_nothing_until_an_operator_admits_the_device(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    before = container_ids(agent)
    fleet.controller.stop()
    shutil.rmtree(fleet.controller.data)
    fleet.controller.start()
    fleet.wait_until_known("dev-1")
    wait_until(
        lambda: fleet.device("dev-1")["device"]["admission"] == "pending",
        describe=lambda: fleet.describe("dev-1"),
    )
    assert container_ids(agent) == before
    fleet.controller.ask("POST", "/v1/devices/dev-1/admit")
    wait_until(lambda: container_ids(agent) == [], timeout=30, describe=lambda: fleet.describe("dev-1"))


def test_a_deleted_device_that_comes_back_is_pending(fleet: FleetOfTest) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    agent.stop()
    fleet.controller.ask("DELETE", "/v1/devices/dev-1")
    assert fleet.devices() == []
    agent.start()
    wait_until(lambda: [item["admission"] for item in fleet.devices()] == ["pending"], describe="it is back")
