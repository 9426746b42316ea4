"""The whole path of a multi-architecture image without Docker: build, push, inspect, apply, run."""

from fixtures.builds import CROSS, Workshop, write_programs
from fixtures.fleet import FleetOfTest
from polyfleet_controller.lab.fleet import ask_device
from polyfleet_controller.lab.image import PLATFORMS
from polyfleet_controller.lab.push import PushedImage

DEVICES = {"dev-amd64": "linux/amd64", "dev-riscv64": "linux/riscv64"}


def inspect(workshop: Workshop, image: str) -> PushedImage:
    """What `polyfleet image inspect` says that the registry holds."""
    document = workshop.image("inspect", "--plain-http", "-o", "json", workshop.name(image)).document
    repository, _, tag = workshop.name(image).rpartition(":")
    entries = {
        "/".join(entry["platform"].values()): entry
        for entry in document["entries"]
        if entry["kind"] == "image"
    }
    return PushedImage(
        repository=repository,
        tag=tag,
        index=document["digest"],
        children={platform: entry["digest"] for platform, entry in entries.items()},
        configs={platform: entry["config"] for platform, entry in entries.items()},
    )


def test_an_image_that_is_built_here_runs_on_devices_of_each_platform(
    fleet: FleetOfTest, workshop: Workshop
) -> None:
    agents = {name: fleet.add_agent(name, platform=platform) for name, platform in DEVICES.items()}
    write_programs(workshop.context / "programs")
    workshop.write(CROSS)
    built = workshop.build("path:1", PLATFORMS, "--push")
    assert built.code == 0, built.errors
    image = inspect(workshop, "path:1")
    assert (image.index, tuple(image.children)) == (built.document["digest"], PLATFORMS)
    fleet.wait_until_known(*DEVICES)
    fleet.apply(image)
    for name, platform in DEVICES.items():
        fleet.wait_until_running(image, name, platform=platform)
    assert {name: ask_device(agent.device) for name, agent in agents.items()} == DEVICES
