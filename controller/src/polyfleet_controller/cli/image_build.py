"""`polyfleet image build`."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from polyfleet_controller.builder.children import BuilderError
from polyfleet_controller.builder.engine import (
    BuildEngine,
    BuildFailedError,
    BuildOrder,
    BuiltImage,
    PushAccess,
)
from polyfleet_controller.cli.build_progress import BuildBoard, BuildState, displaying
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.image_page import draw_built
from polyfleet_controller.cli.interrupts import interruptible
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.registry_access import (
    DEFAULT_CERTIFICATES,
    AuthFileOption,
    CertificatesOption,
    PlainHttpOption,
    RegistryAccess,
    read_access,
    read_platform,
    read_reference,
    registry_failures_told,
)
from polyfleet_controller.cli.teaching import teach
from polyfleet_controller.domain.image_verification import find_differences
from polyfleet_controller.domain.images import ImageReference
from polyfleet_shared.json_text import JsonValue
from polyfleet_shared.platforms import Platform

BUILD_HELP: Final = teach(
    "Build an image for many platforms with Podman, and push it as one.",
    (
        ("polyfleet image build -t registry.example/hello:1 --push \\", ""),
        ("    --platform linux/amd64,linux/arm64,linux/arm/v7,linux/riscv64 .", "build, push, verify"),
        ("polyfleet image build -t hello.example/hello:1 --platform linux/arm/v7 .", "build only"),
        ("polyfleet image build -t localhost:5000/hello:1 --push --plain-http \\", ""),
        ("    --platform linux/amd64,linux/amd64/v3 -f Containerfile .", "a registry without TLS"),
    ),
    "A Containerfile compiles on this machine for the others in a stage that starts with FROM "
    "--platform=$BUILDPLATFORM, and has ARG TARGETPLATFORM, TARGETOS, TARGETARCH, TARGETVARIANT. A RUN in a "
    "foreign stage needs QEMU (qemu-user-static), and takes its time.",
    "After a push the registry is read back. Exit code 0: it holds these platforms and no other, and each "
    "image's own config agrees.",
    "One platform that fails does not stop the others. The images stay in Podman's storage, without a name.",
)

_LOOK_SECONDS: Final = 0.2
_NAMES: Final = ("Containerfile", "Dockerfile")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What was asked for."""

    reference: ImageReference
    platforms: tuple[Platform, ...]
    order: BuildOrder
    jobs: int
    access: RegistryAccess | None
    push_access: PushAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What was built, and pushed if `digest` is there. `differences` is what the registry holds otherwise."""

    images: tuple[BuiltImage, ...]
    digest: str | None = None
    differences: tuple[str, ...] = ()


def build_image(
    context: Annotated[Path, typer.Argument(metavar="CONTEXT", help="The directory that is built from.")],
    *,
    tag: Annotated[str, typer.Option("--tag", "-t", metavar="REF", help="What the image is called.")],
    platform: Annotated[
        list[str],
        typer.Option("--platform", metavar="OS/ARCH[/VARIANT],…", help="What it is built for; repeatable."),
    ],
    push: Annotated[bool, typer.Option("--push", help="Push it, and verify what the registry has.")] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="[default: Containerfile or Dockerfile in CONTEXT]"
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None, typer.Option("--build-arg", metavar="NAME=VALUE", help="For an ARG; repeatable.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="STAGE", help="Build this stage, not the last.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step again.")] = False,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", metavar="N", min=0, help="Builds at a time; 0: one for each processor."),
    ] = 0,
    authfile: AuthFileOption = None,
    cert_dir: CertificatesOption = DEFAULT_CERTIFICATES,
    plain_http: PlainHttpOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    reference = _read_name(tag)
    plan = _Plan(
        reference=reference,
        platforms=_read_platforms(platform),
        order=BuildOrder(
            context=_check_context(context),
            containerfile=_find_containerfile(context, file),
            arguments=tuple(build_arg or ()),
            target=target,
            no_cache=no_cache,
            auth_file=authfile,
        ),
        jobs=jobs or len(os.sched_getaffinity(0)),
        access=read_access(authfile, cert_dir, plain_http=plain_http) if push else None,
        push_access=PushAccess(
            auth_file=authfile, certificates=_find_certificates(cert_dir, reference), plain_http=plain_http
        ),
    )
    result = _run(plan)
    show(
        output,
        document=_document(reference, result),
        names=[f"{reference.repository}@{result.digest}"]
        if result.digest
        else [each.image for each in result.images],
        page=lambda: draw_built(
            str(reference), {str(each.platform): each.image for each in result.images}, result.digest
        ),
    )
    if result.differences:
        raise CommandError(
            f"{reference} is not what was asked for:\n"
            + "\n".join(f"  {difference}" for difference in result.differences)
        )


def _run(plan: _Plan) -> _Result:
    """Let a thread do the work, while this one shows how it gets on and hears the signals."""
    engine, board = BuildEngine(), BuildBoard(plan.platforms)
    with interruptible() as interrupted, displaying(board) as update, ThreadPoolExecutor(1) as thread:
        work = thread.submit(_work, plan, engine, board)
        while True:
            update()
            if interrupted.is_set():
                engine.stop()
            done, _ = wait([work], timeout=_LOOK_SECONDS)
            if done:
                break
    try:
        return work.result()
    except BuilderError as error:
        raise CommandError(str(error)) from None


def _work(plan: _Plan, engine: BuildEngine, board: BuildBoard) -> _Result:
    built, failures = _build_all(plan, engine, board)
    if failures:
        raise CommandError(_say_failures(failures, len(plan.platforms)))
    images = tuple(map(engine.settle, built))
    if plan.access is None:
        return _Result(images=images)
    tell(f"pushing {plan.reference}")
    digest = engine.push(images, plan.reference, plan.push_access)
    return _Result(images=images, digest=digest, differences=_verify(plan, plan.access, digest))


def _build_all(
    plan: _Plan, engine: BuildEngine, board: BuildBoard
) -> tuple[list[BuiltImage], list[BuildFailedError]]:
    """The first alone: what all platforms share is built once then, and the others find it in the cache."""
    machine = engine.find_machine_platform()
    build = partial(_build_one, plan.order, machine, engine, board)
    first, *others = plan.platforms
    outcomes = [build(first)]
    with ThreadPoolExecutor(plan.jobs, thread_name_prefix="build") as pool:
        outcomes += pool.map(build, others)
    return (
        [each for each in outcomes if isinstance(each, BuiltImage)],
        [each for each in outcomes if isinstance(each, BuildFailedError)],
    )


def _build_one(
    order: BuildOrder, machine: Platform, engine: BuildEngine, board: BuildBoard, platform: Platform
) -> BuiltImage | BuildFailedError:
    board.start(platform)
    try:
        built = engine.build(order, platform, machine, partial(board.note, platform))
    except BuildFailedError as error:
        board.finish(platform, BuildState.FAILED)
        return error
    board.finish(platform, BuildState.BUILT)
    return built


def _verify(plan: _Plan, access: RegistryAccess, digest: str) -> tuple[str, ...]:
    with registry_failures_told():
        inspection = access.make_inspector().inspect(plan.reference)
    if inspection.digest != digest:
        return (f"the tag names {inspection.digest} now: somebody else pushed it at the same time",)
    return find_differences(inspection, plan.platforms)


def _say_failures(failures: Sequence[BuildFailedError], asked: int) -> str:
    lines: list[str] = []
    for failure in failures:
        lines += [f"{failure.platform} failed; its log ends with:", *(f"  {line}" for line in failure.lines)]
        if failure.hint is not None:
            lines.append(f"{failure.platform}: {failure.hint}")
    return "\n".join((*lines, f"{len(failures)} of {asked} platforms failed; nothing was pushed"))


def _document(reference: ImageReference, result: _Result) -> dict[str, JsonValue]:
    images: list[JsonValue] = [
        {"platform": str(each.platform), "image": each.image} for each in result.images
    ]
    document: dict[str, JsonValue] = {"name": str(reference), "images": images}
    if result.digest is not None:
        document |= {"digest": result.digest, "differences": list(result.differences)}
    return document


def _read_name(text: str) -> ImageReference:
    reference = read_reference(text)
    if reference.digest is not None:
        raise CommandError(
            f"--tag {text!r} has a digest, which the build decides: leave it out", ExitCode.INPUT
        )
    return reference


def _read_platforms(texts: Sequence[str]) -> tuple[Platform, ...]:
    platforms = [read_platform(part.strip()) for text in texts for part in text.split(",")]
    for platform in platforms:
        if platforms.count(platform) > 1:
            raise CommandError(f"--platform names {platform} twice", ExitCode.INPUT)
    return tuple(platforms)


def _check_context(context: Path) -> Path:
    if not context.is_dir():
        raise CommandError(f"{context} is no directory: name the one to build from", ExitCode.INPUT)
    return context.resolve()


def _find_containerfile(context: Path, named: Path | None) -> Path:
    """Relative to where one is, or else to the context, as Podman does."""
    candidates = [context / name for name in _NAMES] if named is None else [named, context / named]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    if named is None:
        raise CommandError(
            f"{context} has neither a Containerfile nor a Dockerfile: name one with --file", ExitCode.INPUT
        )
    raise CommandError(f"--file {named}: there is no such file", ExitCode.INPUT)


def _find_certificates(directory: Path, reference: ImageReference) -> Path | None:
    place = directory / reference.registry
    return place if place.is_dir() else None
