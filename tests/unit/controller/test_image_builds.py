"""What a build is told about platforms, and what its log tells."""

import pytest

from polyfleet_controller.domain.image_builds import (
    BuildStep,
    explain_build_failure,
    platform_arguments,
    read_step,
)
from polyfleet_shared.platforms import Platform

ARM = Platform.parse("linux/arm/v7")


def test_both_platforms_are_named_as_containerfiles_expect() -> None:
    assert platform_arguments(machine=Platform.parse("linux/amd64"), target=ARM) == {
        "BUILDPLATFORM": "linux/amd64",
        "BUILDOS": "linux",
        "BUILDARCH": "amd64",
        "BUILDVARIANT": "",
        "TARGETPLATFORM": "linux/arm/v7",
        "TARGETOS": "linux",
        "TARGETARCH": "arm",
        "TARGETVARIANT": "v7",
    }


@pytest.mark.parametrize(
    ("line", "step", "text"),
    [
        (
            "[2/3] STEP 4/5: RUN make [1/2]",
            BuildStep(text="RUN make [1/2]", stage=2, stages=3, step=4, steps=5),
            "stage 2/3, step 4/5: RUN make [1/2]",
        ),
        (
            "STEP 1/5: FROM scratch",
            BuildStep(text="FROM scratch", step=1, steps=5),
            "step 1/5: FROM scratch",
        ),
        (
            "Trying to pull registry.example/a:1...",
            BuildStep(text="pulling registry.example/a:1"),
            "pulling registry.example/a:1",
        ),
        ("[2/2] COMMIT", BuildStep(text="committing"), "committing"),
        ("COMMIT localhost/x", BuildStep(text="committing"), "committing"),
    ],
)
def test_a_line_of_progress_is_read(line: str, step: BuildStep, text: str) -> None:
    assert (read_step(line), str(step)) == (step, text)


@pytest.mark.parametrize("line", ["", "--> 9d84d21b44e", "say: STEP 1/2: x", "Storing signatures"])
def test_other_lines_tell_of_none(line: str) -> None:
    assert read_step(line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exec container process `/bin/sh`: Exec format error", "apt-get install qemu-user-static"),
        ("choosing an image: no image found in image index for architecture", "has nothing for linux/arm/v7"),
        ("write /x: no space left on device", "podman image prune"),
        ("reading manifest: unauthorized: authentication required", "podman login"),
        ("http: server gave HTTP response to HTTPS client", "registries.conf(5)"),
    ],
)
def test_a_known_failure_has_its_remedy(line: str, words: str) -> None:
    assert words in (explain_build_failure(["before", line, "after"], ARM) or "")


def test_an_unknown_failure_has_none() -> None:
    assert explain_build_failure(["make: *** [all] Error 1"], ARM) is None
