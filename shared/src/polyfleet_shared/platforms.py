"""Platforms in OCI terms (image-spec, image-index.md, "platform"): `os/architecture[/variant]`."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from polyfleet_shared.errors import PolyfleetError

_PART: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")

# What people and kernels write, and GOARCH, which OCI uses.
_ARCHITECTURE_ALIASES: Final = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "i386": ("386", None),
    "i686": ("386", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5l": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),
}

# A variant that says nothing beyond the architecture: absent and these are the same platform.
BASELINE_VARIANT: Final = {
    "amd64": "v1",
    "arm64": "v8",
    "arm": "v7",
    "riscv64": "rva20u64",
    "ppc64le": "power8",
}

# Written without their letter, or with a minor version of nought, by some builders.
_ARM_VERSION: Final = re.compile(r"v?(?P<version>[0-9]+([.][1-9][0-9]*)?)([.]0)?")


class InvalidPlatformError(PolyfleetError, ValueError):
    """Text that is no platform."""


class Fit(StrEnum):
    """How well a device runs a platform, best first."""

    NATIVE = "native"
    COMPATIBLE = "compatible"
    EMULATED = "emulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Normalised when made: aliases resolved, and the baseline of an architecture has no variant.

    Only `linux/arm` is kept as `linux/arm/v7`, the reading of every container engine.
    """

    os: str
    architecture: str
    variant: str | None = None

    def __post_init__(self) -> None:
        for part in (self.os, self.architecture, self.variant):
            if part is not None and _PART.fullmatch(part) is None:
                raise InvalidPlatformError(
                    f"{part[:40]!r} is no part of a platform: os/architecture[/variant]"
                )
        architecture, implied = _ARCHITECTURE_ALIASES.get(self.architecture, (self.architecture, None))
        variant = _spell_variant(architecture, self.variant or implied)
        if architecture == "arm":
            variant = variant or "v7"
        elif variant == BASELINE_VARIANT.get(architecture):
            variant = None
        object.__setattr__(self, "architecture", architecture)
        object.__setattr__(self, "variant", variant)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/architecture[/variant]`.

        Raises:
            InvalidPlatformError: text has another form.
        """
        parts = text.split("/")
        match parts:
            case [os, architecture]:
                return cls(os=os, architecture=architecture)
            case [os, architecture, variant]:
                return cls(os=os, architecture=architecture, variant=variant)
            case _:
                raise InvalidPlatformError(
                    f"{text[:80]!r} is no platform: write os/architecture[/variant], for example linux/arm/v7"
                )

    def __lt__(self, other: "Platform") -> bool:
        """Sort lists for people: by their text's parts, a baseline before its variants."""
        return self._parts < other._parts

    @property
    def _parts(self) -> tuple[str, str, str]:
        return (self.os, self.architecture, self.variant or "")

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part is not None)


def _spell_variant(architecture: str, variant: str | None) -> str | None:
    version = _ARM_VERSION.fullmatch(variant or "")
    if architecture in ("arm", "arm64") and version is not None:
        return f"v{version['version']}"
    return variant


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnablePlatform:
    """A platform that a device can run. Devices list these in order of preference, native first.

    `found` says in a few words how the device knows; it informs people, and tells no two platforms apart.
    """

    platform: Platform
    fit: Fit
    found: str = field(default="", compare=False)
