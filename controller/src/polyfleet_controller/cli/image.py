"""`polyfleet image`."""

from typing import Final

import typer

from polyfleet_controller.cli.image_check import check_image
from polyfleet_controller.cli.image_inspect import inspect_image
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach

app: Final = typer.Typer(
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)


@app.callback(
    help=teach(
        "Images of many platforms: see what a registry really holds, and which devices can run it.",
        (
            ("polyfleet image check registry.example/hello:1", "which device gets what, and which nothing"),
            ("polyfleet image inspect registry.example/hello:1", "every platform in it"),
            ("polyfleet image inspect registry.example/hello:1 --raw", "the bytes themselves"),
        ),
        "`inspect` asks the registry directly, with your own credentials: those of `podman login`.",
    )
)
def image() -> None:
    pass


app.command(
    "inspect",
    help=teach(
        "Show what a registry holds under a name: every platform, size and attestation.",
        (
            ("polyfleet image inspect registry.example/hello:1", "all of it"),
            ("polyfleet image inspect docker.io/debian:12 --platform linux/arm/v7", "one child in full"),
            ("polyfleet image inspect registry.example/hello:1 -o json", "exact, for programs"),
            ("polyfleet image inspect localhost:5000/hello:1 --plain-http", "a registry without TLS"),
            ("polyfleet image inspect registry.example/hello:1 --raw | sha256sum", "gives the digest"),
        ),
        "Sizes are those of the compressed layers: what a device without any of them pulls.",
        "A device takes the first image that fits: `polyfleet image check` tells which device takes which.",
    ),
)(inspect_image)

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
