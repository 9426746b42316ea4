"""`polyfleet image`."""

from typing import Final

import typer

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
        "Images of many platforms: see what a registry really holds.",
        (
            ("polyfleet image inspect registry.example/hello:1", "every platform in it"),
            ("polyfleet image inspect registry.example/hello:1 --raw", "the bytes themselves"),
        ),
        "The registry is asked directly, with your own credentials: those of `podman login`.",
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
