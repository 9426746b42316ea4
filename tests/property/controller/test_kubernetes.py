"""Kubernetes manifests: any JSON is read or refused, and what is exported is read back as it was."""

import json

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from polyfleet_controller.cli.yaml_documents import read_yaml
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.kubernetes.documents import read_documents, read_workload
from polyfleet_controller.domain.kubernetes.expansion import escape, expand
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.manifest import (
    ContainerTemplate,
    Metadata,
    Name,
    PodSpec,
    PodTemplate,
    ResourceList,
    ResourceRequirements,
    WorkloadManifest,
    WorkloadSpec,
)
from polyfleet_controller.domain.pod_placement import (
    Affinity,
    LabelSelector,
    NodeAffinity,
    NodeSelector,
    NodeSelectorTerm,
    PreferredSchedulingTerm,
    TopologySpreadConstraint,
)
from polyfleet_controller.domain.quadlet import export_quadlet
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.requests import WhenUnsatisfiable
from polyfleet_controller.domain.taints import Effect, Toleration, TolerationOperator
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.workloads import RestartPolicy
from strategies import (
    container_ports,
    environment_variables,
    json_values,
    names,
    paths_within,
    replace_within,
    repositories,
    texts,
)

LIMIT = 2**63 - 1

label_keys = st.from_regex(
    r"([a-z]{1,3}\.[a-z]{1,3}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?", fullmatch=True
)
label_values = st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?)?", fullmatch=True)
labels = st.dictionaries(label_keys, label_values, max_size=3)
requirements = st.one_of(
    st.builds(
        Requirement,
        key=label_keys,
        operator=st.sampled_from([Operator.IN, Operator.NOT_IN]),
        values=st.lists(label_values, min_size=1, max_size=2).map(tuple),
    ),
    st.builds(
        Requirement, key=label_keys, operator=st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])
    ),
)
terms = st.builds(NodeSelectorTerm, match_expressions=st.lists(requirements, max_size=2).map(tuple))
affinities = st.builds(
    Affinity,
    node_affinity=st.builds(
        NodeAffinity,
        required_during_scheduling_ignored_during_execution=st.none()
        | st.builds(NodeSelector, node_selector_terms=st.lists(terms, min_size=1, max_size=2).map(tuple)),
        preferred_during_scheduling_ignored_during_execution=st.lists(
            st.builds(PreferredSchedulingTerm, weight=st.integers(1, 100), preference=terms), max_size=2
        ).map(tuple),
    ),
)
tolerations = st.one_of(
    st.builds(Toleration, key=texts, value=st.none() | texts, effect=st.none() | st.sampled_from(Effect)),
    st.builds(
        Toleration,
        key=st.none() | texts,
        operator=st.just(TolerationOperator.EXISTS),
        effect=st.just(Effect.NO_EXECUTE),
        toleration_seconds=st.none() | st.integers(-1, LIMIT),
    ),
)
spreads = st.builds(
    TopologySpreadConstraint,
    topology_key=texts,
    max_skew=st.integers(1, LIMIT),
    when_unsatisfiable=st.sampled_from(WhenUnsatisfiable),
    label_selector=st.none() | st.builds(LabelSelector, match_labels=labels | st.dictionaries(texts, texts)),
)
arguments = st.none() | st.lists(texts | st.text("$()AB", max_size=8), max_size=3).map(tuple)
amounts = st.integers(1, LIMIT).map(lambda units: Quantity(nanos=units * 10**9))


@st.composite
def resources(draw: st.DrawFn) -> ResourceRequirements:
    limits = draw(st.builds(ResourceList, cpu=st.none() | amounts, memory=st.none() | amounts))
    return ResourceRequirements(
        limits=limits,
        requests=ResourceList(
            cpu=draw(st.none() | (st.just(limits.cpu) if limits.cpu else amounts)),
            memory=draw(st.none() | (st.just(limits.memory) if limits.memory else amounts)),
        ),
    )


containers = st.builds(
    ContainerTemplate,
    name=names.map(Name),
    image=repositories.map(ImageReference.parse),
    command=arguments,
    args=arguments,
    working_dir=st.none() | texts.map("/{}".format),
    env=st.lists(environment_variables, max_size=3, unique_by=lambda each: each.name).map(tuple),
    ports=st.lists(container_ports, max_size=1).map(tuple),
    resources=resources(),
)
manifests = st.builds(
    WorkloadManifest,
    metadata=st.builds(Metadata, name=names.map(Name), namespace=names.map(Name), labels=labels),
    spec=st.builds(
        WorkloadSpec,
        template=st.builds(
            PodTemplate,
            spec=st.builds(
                PodSpec,
                containers=containers.map(lambda container: (container,)),
                restart_policy=st.sampled_from(RestartPolicy),
                termination_grace_period_seconds=st.integers(0, 86400),
                host_network=st.booleans(),
                node_selector=st.dictionaries(texts, texts, max_size=2),
                affinity=affinities,
                tolerations=st.lists(tolerations, max_size=2).map(tuple),
                topology_spread_constraints=st.lists(spreads, max_size=2).map(tuple),
                priority=st.integers(-LIMIT, LIMIT),
            ),
        ),
        replicas=st.none() | st.integers(0, 3),
    ),
)


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
