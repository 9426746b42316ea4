"""`polyfleet image`."""

from typing import Final

import typer

from polyfleet_controller.cli.image_build import BUILD_HELP, build_image
from polyfleet_controller.cli.image_check import check_image
from polyfleet_controller.cli.image_inspect import INSPECT_HELP, inspect_image
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach

app: Final = typer.Typer(
    help=teach(
        "Images of many platforms: build and push them, see what a registry really holds, and which devices "
        "can run it.",
        (
            ("polyfleet image build -t registry.example/hello:1 --push \\", ""),
            ("    --platform linux/amd64,linux/arm64,linux/arm/v7,linux/riscv64 .", "build, push, verify"),
            ("polyfleet image inspect registry.example/hello:1", "every platform in it"),
            ("polyfleet image check registry.example/hello:1", "which device gets what, or nothing"),
        ),
        "`build` and `inspect` need no controller: they use Podman on this machine, and ask the registry "
        "with your own credentials, those of `podman login`.",
    ),
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)

app.command("build", help=BUILD_HELP)(build_image)
app.command("inspect", help=INSPECT_HELP)(inspect_image)
app.command(
    "check",
    help=teach(
        "Tell which device gets which variant of an image, how much it has to pull, and which gets none.",
        (
            ("polyfleet image check registry.example/hello:2", "for all admitted devices"),
            (
                "polyfleet image check registry.example/hello:2 --workload hello",
                "for those of a workload",
            ),
            ("polyfleet image check --workload hello", "all of its images, as their tags are now"),
            (
                "polyfleet image check registry.example/hello:2 -l 'site=north,!spare'",
                "for those so labelled",
            ),
        ),
        "Nothing is changed and no device is asked: the controller asks the registry and compares.",
        "EACH PULLS and IN ALL leave out the layers of images that a device is proven to run.",
        "-o name lists the uncovered devices that the answer names.",
        "Exit code 1 if a device is uncovered; those that the workload's onUncovered excludes do not count.",
    ),
)(check_image)
