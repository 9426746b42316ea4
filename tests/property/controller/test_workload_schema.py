"""The schema of workloads takes what the codec takes, and refuses what nobody knows."""

import copy
import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from manifest_strategies import manifests
from polyfleet_controller.api.workload_schema import describe_workload
from polyfleet_controller.domain.manifest import WorkloadManifest, read_manifest
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError

ROOT: Final = Path(__file__).parents[3]
VALIDATOR: Final = jsonschema_rs.validator_for(describe_workload())


def objects_in(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Return the paths of objects that the schema knows the fields of."""
    found = []
    if isinstance(document, dict):
        if path and path[-1] not in ("labels", "nodeSelector", "matchLabels"):
            found.append(path)
        for key, item in document.items():
            found += objects_in(item, (*path, key))
    if isinstance(document, list):
        for position, item in enumerate(document):
            found += objects_in(item, (*path, position))
    return found


@given(manifests)
def test_every_manifest_that_can_be_written_is_valid(manifest: WorkloadManifest) -> None:
    for omit_defaults in (False, True):
        document = {
            "apiVersion": manifest.api_version,
            "kind": manifest.kind,
            **encode(manifest, omit_defaults=omit_defaults),
        }
        assert read_manifest(document) == manifest
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@given(st.data())
def test_a_field_that_nobody_knows_is_refused_wherever_it_stands(data: st.DataObject) -> None:
    document = json.loads(json.dumps(encode(data.draw(manifests))))
    path = data.draw(st.sampled_from(objects_in(document)))
    place = document
    for step in path:
        place = place[step]
    place["colour"] = "red"
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("page", ["README.md", "docs/kubernetes.md", "docs/rollouts.md"])
def test_the_examples_of_the_documents_are_valid(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ours = [
        document
        for block in blocks
        for document in yaml.safe_load_all(block)
        if document["kind"] == "Workload"
    ]
    assert ours
    assert [document for document in ours if not VALIDATOR.is_valid(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kind",), "Pod"),
        (("apiVersion",), "v1"),
        (("metadata", "name"), "My_App"),
        (("spec", "replicas"), -1),
        (("spec", "template", "spec", "containers"), []),
        (("spec", "template", "spec", "containers", 0, "livenessProbe"), {}),
        (
            ("spec", "template", "spec", "containers", 0, "livenessProbe"),
            {"tcpSocket": {"port": 80}, "exec": {"command": ["true"]}},
        ),
        (("spec", "template", "spec", "containers", 0, "startupProbe"), {"exec": {"command": []}}),
        (("spec", "template", "spec", "containers", 0, "startupProbe"), {"tcpSocket": {"port": 0}}),
        (
            ("spec", "template", "spec", "containers", 0, "readinessProbe"),
            {"httpGet": {"port": 80, "path": "ready"}},
        ),
        (
            ("spec", "template", "spec", "containers", 0, "readinessProbe"),
            {"httpGet": {"port": 80}, "periodSeconds": 0},
        ),
        (("spec", "template", "spec", "restartPolicy"), "always"),
        (("spec", "template", "spec", "topologySpreadConstraints"), [{"topologyKey": "a", "maxSkew": 0}]),
        (("spec", "template", "spec", "hostNetwork"), "yes"),
        (("spec", "minReadySeconds"), -1),
        (("spec", "rollout"), {"waves": []}),
        (("spec", "rollout"), {"waves": ["0%", "100%"]}),
        (("spec", "rollout"), {"maxUnavailable": 0}),
        (("spec", "rollout"), {"successThreshold": 95}),
        (("spec", "rollout"), {"windows": {"switch": [{"schedule": "0 2 * *", "durationSeconds": 60}]}}),
    ],
)
def test_what_the_codec_refuses_the_schema_refuses(path: tuple[str | int, ...], value: object) -> None:
    document: dict[str, Any] = {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "hello"},
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "example.com/hello"}]}}},
    }
    assert VALIDATOR.is_valid(document)
    changed: dict[str, Any] = copy.deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(DecodeError):
        read_manifest(changed)
    assert not VALIDATOR.is_valid(changed)


def test_several_containers_are_valid_and_ports_of_probes_are_numbers_or_names() -> None:
    container = {"image": "example.com/hello", "ports": [{"containerPort": 80, "name": "http"}]}
    probes = {
        "startupProbe": {"tcpSocket": {"port": "http"}},
        "livenessProbe": {"exec": {"command": ["true"]}},
        "readinessProbe": {"httpGet": {"port": 80}},
    }
    containers = [container | {"name": "main"} | probes, container | {"name": "side"}]
    document = {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "hello"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    read_manifest(document)
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_waves_are_written_as_numbers_percentages_or_objects() -> None:
    rollout = {"waves": [1, "10%", {"devices": 50, "approval": True}, "100%"], "maxUnavailable": 2}
    spec = {"template": {"spec": {"containers": [{"name": "main", "image": "example.com/hello"}]}}}
    document = {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "hello"},
        "spec": {**spec, "rollout": rollout},
    }
    read_manifest(document)
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_the_schema_is_a_schema_and_complete_in_itself() -> None:
    schema = describe_workload()
    assert jsonschema_rs.meta.is_valid(schema)
    assert "#/components" not in json.dumps(schema)
