"""`polyfleet image build` with real Podman and a real registry."""

import hashlib
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.builds import CROSS, PROGRAM, Workshop, make_base, write_programs
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.image import PLATFORMS, Image, compile_program, pack
from polyfleet_controller.lab.push import push_image
from polyfleet_controller.registry.inspection import Inspector
from polyfleet_shared.platforms import Platform
from waiting import wait_until


def labels(workshop: Workshop, image: str, platforms: tuple[str, ...]) -> dict[str, Any]:
    """Every platform's own label, read from the registry."""
    inspector = Inspector(plain_http=True)
    reference = ImageReference.parse(workshop.name(image))
    return {
        platform: inspector.describe(reference, Platform.parse(platform)).labels.get("built-for")
        for platform in platforms
    }


def configs(workshop: Workshop, image: str) -> list[tuple[str, str]]:
    """What the index and what each config says, in the index's order."""
    found = Inspector(plain_http=True).inspect(ImageReference.parse(workshop.name(image)))
    return [(str(entry.platform), str(entry.config_platform)) for entry in found.entries]


def program_digests(workshop: Workshop, images: list[dict[str, str]], path: str) -> dict[str, str]:
    """The file at this path in each image that was built, as a digest."""
    digests = {}
    for built in images:
        root = Path(workshop.podman("image", "mount", built["image"]).strip())
        digests[built["platform"]] = hashlib.sha256((root / path).read_bytes()).hexdigest()
        workshop.podman("image", "unmount", built["image"])
    return digests


def expected_programs(*platforms: str) -> dict[str, str]:
    return {
        platform: hashlib.sha256(compile_program("httpserver", platform)).hexdigest()
        for platform in platforms
    }


def test_an_image_is_cross_built_pushed_and_verified_for_every_platform(workshop: Workshop) -> None:
    platforms = (*PLATFORMS, "linux/amd64/v3")
    write_programs(workshop.context / "programs")
    workshop.write(CROSS)
    ended = workshop.build("cross:1", platforms, "--push")
    assert ended.code == 0, ended.errors
    assert configs(workshop, "cross:1") == [(platform, platform) for platform in platforms]
    # The cache of Podman 4.3 would give all of them the first one's label.
    assert labels(workshop, "cross:1", platforms) == {platform: platform for platform in platforms}
    images = ended.document["images"]
    assert [each["platform"] for each in images] == list(platforms)
    assert program_digests(workshop, images, "server") == {
        **expected_programs(*PLATFORMS),
        "linux/amd64/v3": expected_programs("linux/amd64")["linux/amd64"],
    }
    inspected = workshop.image("inspect", "--plain-http", "-o", "json", workshop.name("cross:1"))
    assert inspected.document["digest"] == ended.document["digest"]
    # The environment that keeps the cache apart is not in the image.
    details = Inspector(plain_http=True).describe(
        ImageReference.parse(workshop.name("cross:1")), Platform.parse("linux/arm/v7")
    )
    assert details.environment_names == ("PATH",)
    assert workshop.lists() == []
    again = workshop.build("cross:1", platforms, "--push")
    assert (again.code, again.document["digest"]) == (0, ended.document["digest"])


def test_each_stage_without_a_platform_has_the_targets_base(workshop: Workshop) -> None:
    """Podman 4.3 gives all stages the platform of the first stage that names one."""
    workshop.write(
        "FROM --platform=$BUILDPLATFORM {registry}/bases:1 AS native\n"
        "FROM {registry}/bases:1\n"
        "COPY --from=native /server /native\n"
    )
    ended = workshop.build("based:1", PLATFORMS)
    assert ended.code == 0, ended.errors
    images = ended.document["images"]
    assert program_digests(workshop, images, "server") == expected_programs(*PLATFORMS)
    native = expected_programs(native_platform())[native_platform()]
    assert set(program_digests(workshop, images, "native").values()) == {native}
    assert "digest" not in ended.document


def test_a_variant_that_podman_gets_wrong_is_put_right(workshop: Workshop) -> None:
    """From scratch, Podman 4.3 calls every image of 32-bit ARM v7; a base of amd64 stays without a level."""
    workshop.write("FROM scratch\nCOPY Containerfile /\n")
    platforms = ("linux/arm/v6", "linux/arm/v7", "linux/arm/v5", "linux/arm64", "linux/riscv64")
    ended = workshop.build("data:1", platforms, "--push")
    assert ended.code == 0, ended.errors
    assert configs(workshop, "data:1") == [(platform, platform) for platform in platforms]
    workshop.write("FROM {registry}/bases:1\nCOPY Containerfile /\n")
    ended = workshop.build("levels:1", ("linux/amd64", "linux/amd64/v3"), "--push")
    assert ended.code == 0, ended.errors
    assert configs(workshop, "levels:1") == [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
    ]


def test_a_foreign_step_runs_in_qemu(workshop: Workshop) -> None:
    foreign = next(platform for platform in PLATFORMS[1:] if platform != native_platform())
    workshop.write('FROM {registry}/bases:1\nARG EXIT_CODE\nRUN ["/server"]\n')
    assert workshop.build("emulated:1", [foreign], "--build-arg", "EXIT_CODE=0").code == 0
    ended = workshop.build("emulated:1", [foreign], "--build-arg", "EXIT_CODE=7")
    assert (ended.code, "exit status 7" in ended.errors) == (1, True)


def test_a_platform_that_fails_is_told_with_its_log_while_the_others_finish(workshop: Workshop) -> None:
    workshop.write(
        "FROM --platform=$BUILDPLATFORM {registry}/toolbox:1\n"
        "ARG TARGETARCH\n"
        'RUN test "$TARGETARCH" != arm64 || { echo this one breaks; exit 3; }\n'
    )
    ended = workshop.build("half-broken:1", ("linux/arm64", "linux/amd64", "linux/riscv64"), "--push")
    assert (ended.code, ended.output) == (1, "")
    assert "linux/amd64: built after" in ended.errors
    assert "linux/riscv64: built after" in ended.errors
    assert "linux/arm64 failed; its log ends with:\n" in ended.errors
    assert "  this one breaks\n" in ended.errors
    assert ended.errors.endswith("1 of 3 platforms failed; nothing was pushed\n")
    assert workshop.image("inspect", "--plain-http", workshop.name("half-broken:1")).code == 1
    assert workshop.lists() == []


def test_a_foreign_step_without_a_handler_names_the_package(workshop: Workshop) -> None:
    program = bytearray(compile_program("httpserver", native_platform()))
    program[18:20] = (0x5A5A).to_bytes(2, "little")  # e_machine, of no machine that there is
    child = make_base("linux/s390x", pack({"program": bytes(program)}))
    push_image(
        Image(index=child.manifest, children=[child]),
        registry=workshop.registry.address,
        name="alien",
        tag="1",
    )
    workshop.write('FROM {registry}/alien:1\nRUN ["/program"]\n')
    ended = workshop.build("alien-child:1", ["linux/s390x"])
    assert ended.code == 1
    assert "linux/s390x: a step runs a program of linux/s390x, and this machine runs none" in ended.errors
    assert "qemu-user-static" in ended.errors


def test_a_base_without_the_platform_is_explained(workshop: Workshop) -> None:
    workshop.write("FROM {registry}/bases:1\n")
    ended = workshop.build("nobase:1", ["linux/s390x"])
    assert (ended.code, "a base image has nothing for linux/s390x" in ended.errors) == (1, True)


def test_file_target_and_arguments_reach_podman(workshop: Workshop) -> None:
    workshop.write(
        "FROM scratch AS wanted\nARG WORD\nLABEL built-for=$WORD\nCOPY Other /\nFROM {registry}/none:1\n",
        "Other",
    )
    ended = workshop.build(
        "target:1", ["linux/amd64"], "-f", "Other", "--target", "wanted", "--build-arg", "WORD=x", "--push"
    )
    assert ended.code == 0, ended.errors
    assert labels(workshop, "target:1", ("linux/amd64",)) == {"linux/amd64": "x"}


def test_an_interrupted_build_ends_podman_and_leaves_nothing(workshop: Workshop) -> None:
    workshop.write('FROM {registry}/bases:1\nENV PORT=4000\nRUN ["/server"]\n')
    arguments = ("build", "-t", workshop.name("hanging:1"), "--platform", native_platform())
    process = subprocess.Popen(
        workshop.command(*arguments, str(workshop.context)),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **workshop.environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "RUN" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (1, "polyfleet: interrupted")
    wait_until(lambda: json.loads(workshop.podman("ps", "--all", "--external", "--format", "json")) == [])
    assert workshop.lists() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "hello", "--platform", "linux/amd64", "."), "'hello' does not say which registry holds it"),
        (("-t", "r.example/a:1", "--platform", "arm", "."), "--platform: 'arm' is no platform"),
        (
            ("-t", "r.example/a:1", "--platform", "linux/arm64,linux/arm64/v8", "."),
            "--platform names linux/arm64 twice",
        ),
        (
            ("-t", f"r.example/a@sha256:{'0' * 64}", "--platform", "linux/arm64", "."),
            "--tag 'r.example/a@sha",
        ),
        (("-t", "r.example/a:1", "--platform", "linux/arm64", "/none"), "/none is no directory"),
        (("-t", "r.example/a:1", "--platform", "linux/arm64", "/proc/1/task"), "/proc/1/task has neither a"),
        (
            ("-t", "r.example/a:1", "--platform", "linux/arm64", "-f", "Nofile", "."),
            "--file Nofile: there is no such file",
        ),
    ],
)
def test_wrong_input_is_exit_code_2_before_anything_is_built(
    workshop: Workshop, arguments: tuple[str, ...], message: str
) -> None:
    ended = workshop.image("build", *arguments)
    assert (ended.code, ended.output) == (2, "")
    assert ended.errors.startswith(f"polyfleet: {message}")


def test_without_podman_the_package_is_named(workshop: Workshop, tmp_path: Path) -> None:
    workshop.write("FROM scratch\n")
    arguments = ("build", "-t", "r.example/a:1", "--platform", "linux/amd64", str(workshop.context))
    ended = subprocess.run(
        [*PROGRAM, "image", *arguments],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        "polyfleet: there is no podman on PATH: apt-get install podman\n",
    )
