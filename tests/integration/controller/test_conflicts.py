"""Two operators at the command line: none overwrites the other unknowingly, nor loses what he wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.api import Api, manifest
from fixtures.commandline import PROGRAM, run
from polyfleet_controller.lab.push import PushedImage

HELLO = "/v1/workloads/default/hello"

Polyfleet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def polyfleet(api: Api) -> Polyfleet:
    return lambda *arguments, **options: run(api.url, *arguments, **options)


def write(place: Path, document: dict[str, Any]) -> str:
    place.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return str(place)


def edit(file: Path, replicas: int) -> str:
    """Change the replicas in an exported manifest."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["spec"]["replicas"] = replicas
    return write(file, document)


def test_of_two_operators_the_second_is_told_what_the_first_has_changed(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", manifest(image.reference)))
    export = ("export", "hello", "-o", "workload")
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    for file in (first, second):
        file.write_text(polyfleet(*export)[1], encoding="utf-8")
    seen = yaml.safe_load(first.read_text(encoding="utf-8"))["metadata"]["resourceVersion"]
    configured = (0, "workload.polyfleet.io/hello configured\n", "")
    assert polyfleet("apply", "-f", edit(first, 3)) == configured
    now = api.ask("GET", HELLO).json()["workload"]["resourceVersion"]
    refused = (
        1,
        "",
        (
            f"polyfleet: {second}: workload.polyfleet.io/hello is not changed: since you read it "
            f"(resourceVersion {seen}, now {now}) somebody has changed it:\n"
            "  spec.replicas: is there now: 3\n"
            "Next step: read it anew, `polyfleet export hello -n default -o workload`, and make your change "
            "there; or give --force to overwrite what others did\n"
        ),
    )
    assert polyfleet("apply", "-f", edit(second, 5)) == refused
    assert polyfleet("apply", "-f", str(second), "--dry-run") == refused
    assert yaml.safe_load(polyfleet(*export)[1])["spec"]["replicas"] == 3
    assert polyfleet("apply", "-f", str(second), "--force") == configured
    assert yaml.safe_load(polyfleet(*export)[1])["spec"]["replicas"] == 5


def test_the_same_file_twice_is_no_conflict_with_oneself(
    polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", manifest(image.reference)))
    file = tmp_path / "exported.yaml"
    file.write_text(polyfleet("export", "hello", "-o", "workload")[1], encoding="utf-8")
    assert [polyfleet("apply", "-f", place) for place in (edit(file, 3), str(file))] == [
        (0, "workload.polyfleet.io/hello configured\n", ""),
        (0, "workload.polyfleet.io/hello unchanged\n", ""),
    ]


def test_a_deleted_workload_does_not_come_back_by_an_old_file(
    polyfleet: Polyfleet, image: PushedImage, tmp_path: Path
) -> None:
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", manifest(image.reference)))
    file = tmp_path / "exported.yaml"
    file.write_text(polyfleet("export", "hello", "-o", "workload")[1], encoding="utf-8")
    seen = yaml.safe_load(file.read_text(encoding="utf-8"))["metadata"]["resourceVersion"]
    polyfleet("workload", "delete", "hello")
    assert polyfleet("apply", "-f", str(file)) == (
        1,
        "",
        (
            f"polyfleet: {file}: workload.polyfleet.io/hello is not changed: it was deleted since you read "
            f"it (resourceVersion {seen})\nNext step: give --force to create it anew\n"
        ),
    )
    assert polyfleet("apply", "-f", str(file), "--force")[1] == "workload.polyfleet.io/hello created\n"


@pytest.fixture
def editor(tmp_path: Path) -> Callable[[str], str]:
    """A program that does to the file what a line of shell says."""

    def make(line: str) -> str:
        program = tmp_path / "editor"
        program.write_text(f"#!/bin/sh -e\n{line.replace('FILE', chr(34) + '$1' + chr(34))}\n")
        program.chmod(0o755)
        return str(program)

    return make


def test_a_workload_is_edited(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path, editor: Callable[[str], str]
) -> None:
    polyfleet("apply", "-f", write(tmp_path / "hello.yaml", manifest(image.reference)))
    texts = tmp_path / "texts"
    texts.mkdir()
    command = ("workload", "edit", "hello")
    edits = [
        polyfleet(*command, TMPDIR=str(texts), EDITOR=editor(line))
        for line in (
            "sed -i 's/^spec:/spec:\\n  replicas: 3/' FILE",
            "true",
            "sed -i /resourceVersion/d FILE",
        )
    ]
    called = "workload.polyfleet.io/hello"
    assert edits == [(0, f"{called} {done}\n", "") for done in ("configured", "unchanged", "unchanged")]
    assert json.loads(api.ask("GET", HELLO).json()["manifest"])["spec"]["replicas"] == 3
    assert list(texts.iterdir()) == []


def test_what_cannot_be_applied_of_an_edit_is_kept(
    api: Api, polyfleet: Polyfleet, image: PushedImage, tmp_path: Path, editor: Callable[[str], str]
) -> None:
    document = manifest(image.reference)
    seen = api.ask("PUT", HELLO, document).json()["workload"]["resourceVersion"]
    document["spec"]["replicas"] = 7
    other = write(tmp_path / "other.yaml", document)
    program = f"{PROGRAM[0]} -c '{PROGRAM[2]}' -s {api.url} apply -f {other}"
    texts = tmp_path / "texts"
    texts.mkdir()

    def edit_with(line: str) -> tuple[int, str, str]:
        """Run it; give its exit code, what it said, and the text that it kept."""
        code, out, errors = polyfleet(
            "workload", "edit", "hello", TMPDIR=str(texts), VISUAL=editor(line), EDITOR="false"
        )
        (kept,) = texts.iterdir()
        text = kept.read_text(encoding="utf-8")
        kept.unlink()
        assert out == ""
        assert errors.endswith(f"\nYour text is kept in {kept}, for `polyfleet apply -f {kept}`\n")
        return (
            code,
            errors.removeprefix("polyfleet: ").rpartition("\nYour text")[0].replace(str(kept), "TEXT"),
            text,
        )

    change = "sed -i 's/^spec:/spec:\\n  replicas: 3/' FILE"
    code, told, text = edit_with(f"{change}; {program} >/dev/null")
    now = api.ask("GET", HELLO).json()["workload"]["resourceVersion"]
    assert (code, told, yaml.safe_load(text)["spec"]["replicas"]) == (
        1,
        (
            f"workload.polyfleet.io/hello is not changed: since you read it (resourceVersion {seen}, now "
            f"{now}) somebody has changed it:\n"
            "  spec.replicas: is there now: 7\n"
            "Next step: read it anew, `polyfleet export hello -n default -o workload`, and make your change "
            "there; or give --force to overwrite what others did"
        ),
        3,
    )
    assert edit_with("sed -i 's/^spec:/spec:\\n  colour: 3/' FILE")[:2] == (
        2,
        "nothing was applied:\nTEXT:7: document 1: spec.colour: unknown field",
    )
    assert edit_with("sed -i 's/name: hello/name: other/' FILE")[:2] == (
        2,
        "the text is of another workload, or of several: a workload keeps its name and namespace",
    )
    assert edit_with("exit 3")[1] == f"the editor '{tmp_path}/editor' ended with 3: nothing is changed"
    assert json.loads(api.ask("GET", HELLO).json()["manifest"])["spec"]["replicas"] == 7
