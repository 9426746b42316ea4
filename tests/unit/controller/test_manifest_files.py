"""Manifest files: everything is read before anything is applied; a mistake has file, line and document."""

from pathlib import Path

import pytest

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.manifests import read_manifests

GOOD = """\
apiVersion: polyfleet.io/v1
kind: Workload
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - name: main
          image: registry.example.com/{name}:1.0
"""


def refused(*places: Path) -> tuple[str, ExitCode]:
    with pytest.raises(CommandError) as caught:
        read_manifests([str(place) for place in places])
    return str(caught.value), caught.value.exit_code


def write(place: Path, text: str) -> Path:
    place.write_text(text, encoding="utf-8")
    return place


def test_files_documents_and_directories_are_read_in_order(tmp_path: Path) -> None:
    several = write(tmp_path / "several.txt", f"{GOOD.format(name='two')}---\n---\n{GOOD.format(name='one')}")
    directory = tmp_path / "directory"
    directory.mkdir()
    write(directory / "b.yml", GOOD.format(name="b"))
    write(directory / "a.yaml", GOOD.format(name="a"))
    write(directory / "notes.txt", "no manifest: [")
    (directory / "deeper.yaml").mkdir()
    documents = read_manifests([str(several), str(directory)])
    assert [(each.file, each.number, each.manifest.metadata.name) for each in documents] == [
        (str(several), 1, "two"),
        (str(several), 3, "one"),
        (str(directory / "a.yaml"), 1, "a"),
        (str(directory / "b.yml"), 1, "b"),
    ]


def test_every_mistake_of_every_file_is_told(tmp_path: Path) -> None:
    first = write(
        tmp_path / "first.yaml",
        GOOD.format(name="one") + "---\n" + GOOD.format(name="two").replace("image:", "imag:"),
    )
    second = write(tmp_path / "second.yaml", "a: 1\na: 2\n")
    third = write(tmp_path / "third.yaml", GOOD.format(name="yes").replace("main", "7"))
    missing = tmp_path / "fourth.yaml"
    write(missing, GOOD.format(name="one"))
    path = "spec.template.spec.containers[0]"
    assert refused(first, second, third, missing) == (
        (
            "nothing was applied:\n"
            f"{first}:21: document 2: {path}.imag: unknown field\n"
            f"{first}:20: document 2: {path}.image: missing\n"
            f"{second}:2: document 1: a: the key is there already\n"
            f"{third}:4: document 1: metadata.name: expected a text, got the boolean true\n"
            f"{third}:9: document 1: {path}.name: expected a text, got the number 7\n"
            f"{missing}:4: document 1: metadata.name: the workload is in {first}, document 1, too"
        ),
        ExitCode.INPUT,
    )


def test_what_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    missing, empty, directory = tmp_path / "missing.yaml", tmp_path / "empty.yaml", tmp_path / "directory"
    write(empty, "# nothing\n")
    directory.mkdir()
    assert [refused(place) for place in (missing, empty, directory)] == [
        (f"{missing} cannot be read: No such file or directory", ExitCode.INPUT),
        (f"no manifest in {empty}", ExitCode.INPUT),
        (f"{directory} holds no file that ends in .yaml, .yml, .json", ExitCode.INPUT),
    ]
