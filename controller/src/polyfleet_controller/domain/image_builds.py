"""What a build is told about platforms, and what its log tells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.platforms import Platform

_STEP: Final = re.compile(
    r"(\[(?P<stage>[0-9]+)/(?P<stages>[0-9]+)\] )?STEP (?P<step>[0-9]+)/(?P<steps>[0-9]+): (?P<text>.*)"
)
_PULL: Final = re.compile(r"Trying to pull (?P<image>\S+?)(\.\.\.)?")
_COMMIT: Final = re.compile(r"(\[[0-9]+/[0-9]+\] )?COMMIT\b.*")

_QEMU: Final = (
    "a step runs a program of {platform}, and this machine runs none: install QEMU's handlers "
    "(apt-get install qemu-user-static binfmt-support), or compile on the machine's own platform, in a stage "
    "that starts with FROM --platform=$BUILDPLATFORM"
)
_NO_BASE: Final = (
    "a base image has nothing for {platform}: `polyfleet image inspect` shows what it has; choose another, "
    "or leave the platform out"
)
_HINTS: Final = (
    (re.compile(r"exec format error", re.IGNORECASE), _QEMU),
    (re.compile(r"no image found in (image index|manifest list)"), _NO_BASE),
    (
        re.compile(r"no space left on device"),
        "the disk is full: `podman image prune` frees what no image uses",
    ),
    (
        re.compile(r"unauthorized|authentication required|denied: "),
        "a registry wants other credentials: `podman login`, or --authfile",
    ),
    (
        re.compile(r"server gave HTTP response to HTTPS client"),
        "a registry does not speak TLS: say insecure in registries.conf(5); --plain-http is for the push",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """How far a build is. `text` is the instruction, or what is done beside one."""

    text: str
    stage: int = 1
    stages: int = 1
    step: int | None = None
    steps: int | None = None

    def __str__(self) -> str:
        if self.step is None:
            return self.text
        stage = f"stage {self.stage}/{self.stages}, " if self.stages > 1 else ""
        return f"{stage}step {self.step}/{self.steps}: {self.text}"


def platform_arguments(*, machine: Platform, target: Platform) -> dict[str, str]:
    """Name both platforms as BuildKit does, which Containerfiles expect ("Automatic platform ARGs")."""
    return {
        name: value
        for side, platform in (("BUILD", machine), ("TARGET", target))
        for name, value in (
            (f"{side}PLATFORM", str(platform)),
            (f"{side}OS", platform.os),
            (f"{side}ARCH", platform.architecture),
            (f"{side}VARIANT", platform.variant or ""),
        )
    }


def read_step(line: str) -> BuildStep | None:
    """Read a line of Podman's log; None if it tells of no progress."""
    found = _STEP.fullmatch(line)
    if found is not None:
        return BuildStep(
            text=found["text"],
            stage=int(found["stage"] or 1),
            stages=int(found["stages"] or 1),
            step=int(found["step"]),
            steps=int(found["steps"]),
        )
    pull = _PULL.fullmatch(line)
    if pull is not None:
        return BuildStep(text=f"pulling {pull['image']}")
    return BuildStep(text="committing") if _COMMIT.fullmatch(line) else None


def explain_build_failure(lines: Sequence[str], platform: Platform) -> str | None:
    """Say what heals a failed build, by the end of its log; None if that is not known here."""
    for pattern, hint in _HINTS:
        if any(pattern.search(line) for line in lines):
            return hint.format(platform=platform)
    return None
