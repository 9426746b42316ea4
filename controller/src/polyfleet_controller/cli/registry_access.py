"""How `polyfleet image` gets at a registry: as whoever runs it, and not as the controller."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.words import explain_condition
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.registry.auth_files import find_auth_file
from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.credentials import CredentialError
from polyfleet_controller.registry.inspection import Inspector, NoSuchPlatformError
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.images import InvalidImageError
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import InvalidPlatformError, Platform

DEFAULT_CERTIFICATES: Final = Path("/etc/containers/certs.d")

ReferenceArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="REF", help="The image: registry/path[:tag][@digest].")
]
AuthFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--authfile",
        metavar="FILE",
        help="Credentials, as `podman login` writes them.  [default: its own file, or Docker's]",
    ),
]
CertificatesOption: TypeAlias = Annotated[
    Path,
    typer.Option("--cert-dir", metavar="DIR", help="Registries' private CAs: HOST[:PORT]/*.crt in it."),
]
PlainHttpOption: TypeAlias = Annotated[
    bool, typer.Option("--plain-http", help="Speak to the registry without TLS.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccess:
    """What a command was told about the registry; without `auth_file` everybody's images can be had."""

    auth_file: Path | None
    certificates: Path
    plain_http: bool

    def make_inspector(self) -> Inspector:
        return Inspector(
            plain_http=self.plain_http,
            credentials=CredentialStore(self.auth_file),
            certificates=CertificateStore(self.certificates),
        )


def read_access(auth_file: Path | None, certificates: Path, *, plain_http: bool) -> RegistryAccess:
    """Read the options that say how to get at a registry.

    Raises:
        CommandError: the credentials cannot be read.
    """
    chosen = auth_file or find_auth_file(os.environ, os.geteuid())
    try:
        CredentialStore(chosen).check()
    except CredentialError as error:
        raise CommandError(f"credentials: {error}", ExitCode.INPUT) from None
    return RegistryAccess(auth_file=chosen, certificates=certificates, plain_http=plain_http)


def read_reference(text: str) -> ImageReference:
    """Read an image's name; raises CommandError for what is none."""
    try:
        return ImageReference.parse(text)
    except InvalidImageError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None


def read_platform(text: str) -> Platform:
    """Read a platform; raises CommandError for what is none."""
    try:
        return Platform.parse(text)
    except InvalidPlatformError as error:
        raise CommandError(f"--platform: {error}", ExitCode.INPUT) from None


@contextmanager
def registry_failures_told() -> Iterator[None]:
    """Turn what a registry cannot give into the command's failure."""
    try:
        yield
    except RegistryFailure as failure:
        condition = Condition(reason=failure.reason, message=failure.message)
        raise CommandError(explain_condition(condition)) from None
    except NoSuchPlatformError as error:
        raise CommandError(str(error)) from None
