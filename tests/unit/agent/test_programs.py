"""Which programs a start would run, and which of them are lies."""

import posixpath

import pytest

from elf_files import elf
from polyfleet_agent.core.programs import (
    Examination,
    FileHead,
    Gap,
    Invocation,
    LookUp,
    MissingFile,
    examine,
    find_lie,
)
from polyfleet_shared.platforms import Platform

ARM64 = elf("arm64")
FILES = {
    "/bin/app": ARM64,
    "/bin/sh": elf("arm"),
    "/usr/bin/env": ARM64,
    "/usr/bin/python3": ARM64,
    "/opt/dynamic": elf("arm64", loader="/lib/ld-linux-aarch64.so.1"),
    "/opt/script": b"#!/bin/sh -e\necho\n",
    "/opt/env": b"#!/usr/bin/env python3\n",
    "/opt/env-s": b"#! /usr/bin/env\t-S LANG=C -i python3 -u\n",
    "/opt/nested": b"#!/opt/script",
    "/opt/dos": b"#!/bin/sh\r\necho\r\n",
    "/opt/no-name": b"#!\n/bin/sh",
    "/opt/circle": b"#!/opt/circle\n",
    "/opt/lost": b"#!/usr/bin/env ruby\n",
    "/opt/text": b"hello",
}


def look_into(files: dict[str, bytes], *unknown: str, data: tuple[str, ...] = ()) -> LookUp:
    def look(path: str) -> FileHead | Gap:
        path = posixpath.normpath(path)
        if path in unknown:
            return Gap.UNKNOWN
        content = files.get(path)
        return Gap.ABSENT if content is None else FileHead(content=content, executable=path not in data)

    return look


def invoke(*arguments: str, path: str = "/usr/bin:/bin", directory: str = "/") -> Invocation:
    return Invocation(arguments=arguments, search_path=path, working_directory=directory)


def ran(examination: Examination) -> list[str]:
    return [program.path for program in examination.programs]


@pytest.mark.parametrize(
    ("invocation", "paths"),
    [
        (invoke("/bin/app"), ["/bin/app"]),
        (invoke("app"), ["/bin/app"]),
        (invoke("./app", directory="/bin"), ["/bin/./app"]),
        (invoke("app", path=":/usr/bin", directory="/bin"), ["/bin/app"]),
        (invoke("app", path="../bin", directory="/usr"), ["/usr/../bin/app"]),
        (invoke("/opt/script"), ["/bin/sh"]),
        (invoke("/opt/nested"), ["/bin/sh"]),
        (invoke("/opt/env"), ["/usr/bin/env", "/usr/bin/python3"]),
        (invoke("/opt/env-s"), ["/usr/bin/env", "/usr/bin/python3"]),
        (invoke("/opt/no-name"), []),
        (invoke("/opt/circle"), []),
        (invoke("/opt/text"), []),
        (invoke("/nowhere"), []),
        (invoke("nowhere"), []),
        (invoke("app", path=""), []),
        (invoke(), []),
    ],
)
def test_programs_are_found_as_the_kernel_finds_them(invocation: Invocation, paths: list[str]) -> None:
    assert ran(examine(invocation, look_into(FILES))) == paths


def test_a_file_in_the_search_path_that_cannot_be_executed_is_passed_over() -> None:
    files = {"/usr/bin/app": b"data", "/bin/app": ARM64}
    assert ran(examine(invoke("app"), look_into(files, data=("/usr/bin/app",)))) == ["/bin/app"]


def test_behind_what_is_unknown_in_the_search_path_nothing_is_found() -> None:
    assert examine(invoke("app"), look_into(FILES, "/usr/bin/app")) == Examination()


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("/opt/dos", MissingFile(path="/bin/sh\r", needed_by="/opt/dos", is_loader=False)),
        ("/opt/lost", MissingFile(path="ruby", needed_by="/opt/lost", is_loader=False)),
        (
            "/opt/dynamic",
            MissingFile(path="/lib/ld-linux-aarch64.so.1", needed_by="/opt/dynamic", is_loader=True),
        ),
        ("/opt/script", None),
        ("/nowhere", None),
    ],
)
def test_what_a_start_needs_and_does_not_find_is_named(name: str, missing: MissingFile | None) -> None:
    assert examine(invoke(name), look_into(FILES), loaders=True).missing == missing


def test_a_loader_is_looked_for_only_on_demand_and_not_missed_where_it_may_come_later() -> None:
    assert examine(invoke("/opt/dynamic"), look_into(FILES)).missing is None
    loader = "/lib/ld-linux-aarch64.so.1"
    assert examine(invoke("/opt/dynamic"), look_into(FILES, loader), loaders=True).missing is None
    assert examine(invoke("/opt/dynamic"), look_into({**FILES, loader: b""}), loaders=True).missing is None


def judge(name: str, claimed: str) -> str | None:
    return find_lie(examine(invoke(name), look_into(FILES)), Platform.parse(claimed))


def test_a_program_for_another_machine_is_a_lie_and_told_with_its_evidence() -> None:
    assert judge("/bin/app", "linux/amd64/v3") == (
        "/bin/app is built for linux/arm64 (ELF 64-bit AArch64), the image claims linux/amd64/v3"
    )
    assert judge("/opt/nested", "linux/riscv64") == (
        "/bin/sh, which runs /opt/script, is built for linux/arm (ELF 32-bit ARM), "
        "the image claims linux/riscv64"
    )
    strange = {"/app": ARM64[:18] + b"\xef\xbe" + ARM64[20:]}
    examination = examine(invoke("/app"), look_into(strange))
    assert find_lie(examination, Platform.parse("linux/arm64")) == (
        "/app is built for another machine (ELF 64-bit machine 48879), the image claims linux/arm64"
    )


def test_an_interpreter_of_a_script_may_be_the_lie() -> None:
    files = {**FILES, "/usr/bin/python3": elf("amd64")}
    examination = examine(invoke("/opt/env"), look_into(files))
    assert find_lie(examination, Platform.parse("linux/arm64")) == (
        "/usr/bin/python3, which runs /opt/env, is built for linux/amd64 (ELF 64-bit x86-64), "
        "the image claims linux/arm64"
    )


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("/bin/app", "linux/arm64"),
        ("/opt/script", "linux/arm64"),  # a 32-bit shell in a 64-bit image
        ("/opt/script", "linux/arm/v6"),
        ("/opt/text", "linux/amd64"),
        ("/nowhere", "linux/amd64"),
        ("/bin/app", "linux/an-architecture-of-tomorrow"),
        ("/bin/app", "freebsd/amd64"),
    ],
)
def test_what_may_run_and_what_is_not_known_is_no_lie(name: str, claimed: str) -> None:
    assert judge(name, claimed) is None
