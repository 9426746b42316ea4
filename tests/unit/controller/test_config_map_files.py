"""Files of ConfigMaps: what is wrong with one is told where it was written."""

from typing import Any

import pytest

from polyfleet_controller.domain.kubernetes.documents import read_documents
from polyfleet_shared.json_text import JsonValue
from polyfleet_shared.pods import ConfigFile

TOO_MUCH = "above the 16384 that a document takes: put it into the image, or use a hostPath"


def read(source: dict[str, JsonValue], data: dict[str, str]) -> tuple[list[ConfigFile], list[str]]:
    """The files of a Pod's one volume, and what is wrong with it, without the path of the volume."""
    pod: Any = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "game"},
        "spec": {
            "containers": [{"name": "main", "image": "ghcr.io/example/game:1"}],
            "volumes": [{"name": "files", "configMap": source}],
        },
    }
    config_map: Any = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "game"},
        "data": data,
        "binaryData": {"logo": "AAAA"} if "items" in source else {},
    }
    reading, _ = read_documents([pod, config_map])
    volumes = [item for found in reading.workloads for item in found.manifest.spec.template.spec.volumes]
    files = [file for volume in volumes if volume.config_map for file in volume.config_map.items]
    return files, [str(problem).removeprefix("spec.volumes[0].configMap.") for problem in reading.problems]


def items(*pairs: tuple[str, str], **last: JsonValue) -> list[JsonValue]:
    found: list[Any] = [{"key": key, "path": path} for key, path in pairs]
    found[-1] |= last
    return found


def test_every_key_is_a_file_or_those_that_are_chosen_are() -> None:
    data = {"b": "2", "a": "1"}
    assert read({"name": "game"}, data) == (
        [ConfigFile(key="a", text="1"), ConfigFile(key="b", text="2")],
        [],
    )
    chosen = items(("b", "second"), mode=0o400)
    assert read({"name": "game", "items": chosen, "defaultMode": 0o600}, data) == (
        [ConfigFile(key="second", text="2", mode=0o400)],
        [],
    )
    missing = items(("none", "first"), ("a", "second"))
    assert read({"name": "game", "items": missing, "optional": True}, data) == (
        [ConfigFile(key="second", text="1")],
        [],
    )
    assert read({"name": "other", "optional": True}, data) == ([], [])


@pytest.mark.parametrize(
    ("source", "data", "problems"),
    [
        (
            {"name": "other"},
            {},
            [
                (
                    "name: there is no ConfigMap 'other' in the namespace default here: apply it in the same "
                    "command, `polyfleet apply -f`"
                )
            ],
        ),
        (
            {
                "name": "game",
                "items": items(("none", "x"), ("a", "y/z"), ("logo", "l"), ("a", "w"), mode=512),
            },
            {"a": "1"},
            [
                "items[0].key: the ConfigMap game has no key 'none'",
                "items[1].path: 'y/z' is no name for a file: 1 to 253 letters, digits, '-', '_' and '.'",
                "items[2].key: 'logo' is binary: files of text alone travel in a document",
                "items[3].mode: a mode is between 0 and 511 (0777), not 512",
            ],
        ),
        (
            {"name": "game", "items": items(("a", "x"), ("a", "x"))},
            {"a": "1"},
            ["items[1].path: a file 'x' is there already"],
        ),
        (
            {"name": "game", "defaultMode": 1024},
            {"a": "1", "b": "2"},
            ["defaultMode: a mode is between 0 and 511 (0777), not 1024"],
        ),
        (
            {"name": "game"},
            {"a": "1" * 10_000, "b": "2" * 10_000, "c": "3"},
            [f"name: with this file a workload's files are 20000 bytes, {TOO_MUCH}"],
        ),
        (
            {"name": "game", "items": items(("a", "x"), ("b", "y"))},
            {"a": "1" * 10_000, "b": "2" * 6_385},
            [f"items[1].key: with this file a workload's files are 16385 bytes, {TOO_MUCH}"],
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_was_written(
    source: dict[str, JsonValue], data: dict[str, str], problems: list[str]
) -> None:
    assert read(source, data) == ([], problems)
