"""Kubernetes manifests: any JSON is read or refused, and what is exported is read back as it was."""

import json

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from manifest_strategies import manifests
from polyfleet_controller.cli.yaml_documents import read_yaml
from polyfleet_controller.domain.kubernetes.documents import read_documents, read_workload
from polyfleet_controller.domain.kubernetes.expansion import escape, expand
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.domain.quadlet import export_quadlet
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from strategies import json_values, paths_within, replace_within, texts


@given(manifests)
def test_what_is_exported_to_kubernetes_is_read_back_as_it_was(manifest: WorkloadManifest) -> None:
    document, unsaid = export_kubernetes(manifest)
    ((_, written),) = read_yaml(yaml.safe_dump(document, sort_keys=False).encode())
    (reading,) = read_documents([written.document])
    assert reading.problems == []
    (found,) = reading.workloads
    if not unsaid:
        assert found.manifest == manifest
    assert export_kubernetes(found.manifest) == (document, ())


@given(manifests)
def test_a_unit_has_one_line_for_each_key_and_tells_what_it_leaves_out(manifest: WorkloadManifest) -> None:
    text, unsaid = export_quadlet(manifest)
    lines = [line for line in text.split("\n") if line]
    assert all(line.startswith("[") or line.partition("=")[0].isalpha() for line in lines)
    paths = [problem.path for problem in unsaid]
    assert sorted(set(paths)) == sorted(paths)
    assert ("spec.replicas" in paths) == (manifest.spec.replicas is not None)


@given(texts | st.text("$()AB", max_size=12), st.dictionaries(st.sampled_from(["A", "B", ""]), texts))
def test_what_is_escaped_expands_to_itself(text: str, variables: dict[str, str]) -> None:
    assert expand(escape(text), variables) == text


@given(st.lists(json_values, max_size=2), json_values)
@example([{"apiVersion": "v1", "kind": "ConfigMap"}], {"apiVersion": "v1", "kind": "Pod", "spec": {}})
def test_any_json_is_read_or_refused(documents: list[JsonValue], last: JsonValue) -> None:
    readings = read_documents([*documents, last])
    assert all(reading.workloads or reading.problems for reading in readings)


@given(st.data())
def test_a_manifest_with_any_value_replaced_is_read_or_refused(data: st.DataObject) -> None:
    document, _ = export_kubernetes(data.draw(manifests))
    path = data.draw(st.sampled_from(paths_within(document)))
    changed = json.loads(json.dumps(replace_within(document, path, data.draw(json_values))))
    problems: tuple[Problem, ...] = ()
    found = None
    try:
        found = read_workload(changed)
    except DecodeError as error:
        problems = error.problems
    assert (found is None) == bool(problems)
