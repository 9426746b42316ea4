"""Podman as a builder: one build for each platform, then an index of what they gave.

It is spoken to through its command line: see docs/decisions/ for what was measured.
"""

import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from polyfleet_controller.builder.children import BuilderError, Children
from polyfleet_controller.builder.relabelling import relabel
from polyfleet_controller.domain.containerfile import MARK, adapt_containerfile
from polyfleet_controller.domain.image_builds import explain_build_failure, platform_arguments
from polyfleet_controller.domain.images import ImageReference
from polyfleet_shared.json_text import DecodeError, parse_json
from polyfleet_shared.platforms import InvalidPlatformError, Platform

_PODMAN: Final = "podman"
_LIST_LIMIT: Final = 4 * 1024 * 1024
_SHA256: Final = "sha256:"
_KEPT_LINES: Final = 20
_SCRATCH: Final = Path("/var/tmp")  # noqa: S108 - each use makes a directory of its own in it


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What is built. `arguments` are `NAME=VALUE`, or a name that the environment has."""

    context: Path
    containerfile: Path
    arguments: tuple[str, ...] = ()
    target: str | None = None
    no_cache: bool = False
    auth_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A platform's image in Podman's storage."""

    platform: Platform
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAccess:
    """How the registry is reached. `certificates` is a certs.d; None means Podman's own."""

    auth_file: Path | None = None
    certificates: Path | None = None
    plain_http: bool = False


class BuildFailedError(BuilderError):
    """One platform's build failed: the end of its log, and what heals it, if that is known."""

    def __init__(self, platform: Platform, lines: Sequence[str]) -> None:
        self.platform = platform
        self.lines = tuple(lines)
        self.hint = explain_build_failure(lines, platform)
        super().__init__(f"{platform} failed")


class BuildEngine:
    """Builds with this machine's Podman, in its own storage. Threads may share it.

    `environment` adds to this process's own.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._children = Children(environment)

    def stop(self) -> None:
        """End whatever runs; nothing more is started."""
        self._children.stop()

    def find_machine_platform(self) -> Platform:
        """Ask Podman for the machine's own platform, which BUILDPLATFORM is.

        Raises:
            BuilderError: there is no Podman, or it does not work.
        """
        answer = self._podman("version", "--format", "{{.Client.OsArch}}")
        try:
            return Platform.parse(answer)
        except InvalidPlatformError as error:
            raise BuilderError(f"`podman version` names no platform: {error}") from None

    def build(
        self, order: BuildOrder, platform: Platform, machine: Platform, tell: Callable[[str], None]
    ) -> BuiltImage:
        """Build one platform's image; each line of the log is told.

        Raises:
            BuildFailedError: Podman gave up.
            BuilderError: it cannot be run, or was stopped.
        """
        last: deque[str] = deque(maxlen=_KEPT_LINES)

        def note(line: str) -> None:
            last.append(line)
            tell(line)

        with TemporaryDirectory(prefix="polyfleet-build-") as directory:
            adapted = Path(directory) / order.containerfile.name
            adapted.write_text(
                adapt_containerfile(_read(order.containerfile), platform, target=order.target),
                encoding="utf-8",
            )
            answer = Path(directory) / "image-id"
            command = _build_command(order, platform, machine, containerfile=adapted, answer=answer)
            code = self._children.run(command, note)
            if code != 0 or not answer.exists():
                if self._children.stopped:
                    raise BuilderError("interrupted")
                raise BuildFailedError(platform, last)
            image = answer.read_text(encoding="ascii").strip().removeprefix(_SHA256)
        return BuiltImage(platform=platform, image=image)

    def settle(self, built: BuiltImage) -> BuiltImage:
        """Have the image's own config name the platform that it was built for.

        Podman 4.3 calls every image of 32-bit ARM that starts from scratch v7, for one.

        Raises:
            BuilderError: Podman built for another processor.
        """
        stated = self._read_platform(built.image)
        wanted = built.platform
        if stated == wanted:
            return built
        if (stated.os, stated.architecture) != (wanted.os, wanted.architecture):
            raise BuilderError(
                f"Podman was asked for {wanted} and built for {stated}: build it again with --no-cache"
            )
        with _make_nameable_directory() as directory:
            place = directory / "image"
            self._podman("save", "--quiet", "--format", "oci-dir", "--output", str(place), built.image)
            relabel(place, wanted)
            image = self._podman("pull", "--quiet", f"oci:{place}").splitlines()[-1].removeprefix(_SHA256)
        return BuiltImage(platform=wanted, image=image)

    def push(self, images: Sequence[BuiltImage], reference: ImageReference, access: PushAccess) -> str:
        """Push an index of the images, and them; give the digest of the index.

        Raises:
            BuilderError: Podman could not; the text has what it said.
        """
        with self._manifest_list(images) as name, TemporaryDirectory(prefix="polyfleet-push-") as directory:
            answer = Path(directory) / "digest"
            command = ["manifest", "push", "--all", "--format", "oci", "--digestfile", str(answer)]
            if access.auth_file is not None:
                command.append(f"--authfile={access.auth_file}")
            if access.certificates is not None:
                command.append(f"--cert-dir={access.certificates}")
            if access.plain_http:
                command.append("--tls-verify=false")
            self._podman(*command, name, f"docker://{reference.repository}:{reference.tag}")
            return answer.read_text(encoding="ascii").strip()

    @contextmanager
    def _manifest_list(self, images: Sequence[BuiltImage], *, is_stated: bool = True) -> Iterator[str]:
        """Make a list for a moment: while there is one, Podman 4.3 cannot list the images of its store."""
        name = f"localhost/polyfleet-{secrets.token_hex(8)}"
        identity = self._podman("manifest", "create", name)
        try:
            for built in images:
                platform = _say_platform(built.platform) if is_stated else ()
                # Without the transport, Podman would look for an ID at Docker Hub.
                self._podman("manifest", "add", *platform, name, f"containers-storage:{built.image}")
            yield name
        finally:
            Children(self._environment).ask((_PODMAN, "manifest", "rm", identity))

    def _read_platform(self, image: str) -> Platform:
        """Read the platform in an image's config: `podman inspect` leaves out the variant, a list has it."""
        unstated = BuiltImage(platform=Platform(os="linux", architecture="amd64"), image=image)
        with self._manifest_list([unstated], is_stated=False) as name:
            answer = self._podman("manifest", "inspect", name)
        try:
            match parse_json(answer.encode(), limit=_LIST_LIMIT):
                case {
                    "manifests": [{"platform": {"os": str(os), "architecture": str(architecture), **rest}}]
                }:
                    variant = rest.get("variant")
                    return Platform(
                        os=os,
                        architecture=architecture,
                        variant=variant if isinstance(variant, str) and variant else None,
                    )
                case _:
                    raise BuilderError(f"Podman does not tell for which platform {image} is")
        except (DecodeError, InvalidPlatformError) as error:
            raise BuilderError(f"Podman does not tell for which platform {image} is: {error}") from None

    def _podman(self, *arguments: str) -> str:
        return self._children.ask((_PODMAN, *arguments))


def _build_command(
    order: BuildOrder, platform: Platform, machine: Platform, *, containerfile: Path, answer: Path
) -> list[str]:
    command = [_PODMAN, "build", *_say_platform(platform), f"--file={containerfile}", f"--iidfile={answer}"]
    command.append(f"--unsetenv={MARK}")
    for name, value in platform_arguments(machine=machine, target=platform).items():
        command.append(f"--build-arg={name}={value}")
    command += [f"--build-arg={argument}" for argument in order.arguments]
    if order.target is not None:
        command.append(f"--target={order.target}")
    if order.no_cache:
        command.append("--no-cache")
    if order.auth_file is not None:
        command.append(f"--authfile={order.auth_file}")
    return [*command, "--", str(order.context)]


def _say_platform(platform: Platform) -> tuple[str, ...]:
    """In three options: `--platform` gives an image with a base of a lower variant that one's variant."""
    variant = () if platform.variant is None else (f"--variant={platform.variant}",)
    return (f"--os={platform.os}", f"--arch={platform.architecture}", *variant)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuilderError(f"{path} cannot be read: {error}") from None


@contextmanager
def _make_nameable_directory() -> Iterator[Path]:
    """A directory for the while, whose path Podman can make an image's name of, as it does of a layout's.

    A name must not have two separators in a row, as random names of temporary files may.
    """
    directory = _SCRATCH / f"polyfleet-{secrets.token_hex(8)}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
