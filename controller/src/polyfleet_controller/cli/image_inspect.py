"""`polyfleet image inspect`."""

import sys
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.image_page import draw_details, draw_inspection
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.registry_access import (
    DEFAULT_CERTIFICATES,
    AuthFileOption,
    CertificatesOption,
    PlainHttpOption,
    ReferenceArgument,
    read_access,
    read_platform,
    read_reference,
    registry_failures_told,
)
from polyfleet_controller.cli.teaching import teach
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.inspection import Inspection
from polyfleet_controller.registry.inspection import Inspector
from polyfleet_shared.codec import encode
from polyfleet_shared.platforms import Platform

INSPECT_HELP: Final = teach(
    "Show what a registry holds under a name.",
    (
        ("polyfleet image inspect registry.example/hello:1", "every platform, size and attestation"),
        ("polyfleet image inspect docker.io/debian:12 --platform linux/arm/v7", "one child in full"),
        ("polyfleet image inspect registry.example/hello:1 -o json", "exact, for programs"),
        ("polyfleet image inspect localhost:5000/hello:1 --plain-http", "a registry without TLS"),
        ("polyfleet image inspect registry.example/hello:1 --raw | sha256sum", "gives the digest"),
    ),
    "Sizes are those of the compressed layers: what a device without any of them pulls.",
)


def inspect_image(
    ref: ReferenceArgument,
    *,
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="OS/ARCH[/VARIANT]", help="Show this one's image in full."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the manifest's bytes exactly as the registry sends them.")
    ] = False,
    authfile: AuthFileOption = None,
    cert_dir: CertificatesOption = DEFAULT_CERTIFICATES,
    plain_http: PlainHttpOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    if raw and output is not OutputFormat.TABLE:
        raise CommandError("--raw prints the registry's own bytes: it goes with no --output", ExitCode.INPUT)
    reference = read_reference(ref)
    wanted = None if platform is None else read_platform(platform)
    inspector = read_access(authfile, cert_dir, plain_http=plain_http).make_inspector()
    with registry_failures_told():
        if raw:
            _write_raw(inspector, reference, wanted)
        elif wanted is not None:
            _show_one(inspector, reference, wanted, output)
        else:
            _show_all(inspector, reference, output)


def _write_raw(inspector: Inspector, reference: ImageReference, platform: Platform | None) -> None:
    if platform is not None:
        child = inspector.describe(reference, platform).entry.digest
        reference = ImageReference(repository=reference.repository, digest=child)
    sys.stdout.buffer.write(inspector.fetch(reference).content)
    sys.stdout.buffer.flush()


def _show_one(
    inspector: Inspector, reference: ImageReference, platform: Platform, output: OutputFormat
) -> None:
    details = inspector.describe(reference, platform)
    show(
        output,
        document=dict(encode(details)),
        names=(f"{reference.repository}@{details.entry.digest}",),
        page=lambda: draw_details(str(reference), details),
    )


def _show_all(inspector: Inspector, reference: ImageReference, output: OutputFormat) -> None:
    inspection = inspector.inspect(reference)
    show(
        output,
        document=dict(encode(inspection)),
        names=_names(reference, inspection),
        page=lambda: draw_inspection(inspection),
    )


def _names(reference: ImageReference, inspection: Inspection) -> Iterator[str]:
    """What each image can be pulled by."""
    for entry in inspection.images:
        yield f"{reference.repository}@{entry.digest}"
