"""Whatever is sent as a manifest is read or refused with places; what is read is written and read alike."""

from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.manifest import (
    ContainerTemplate,
    Metadata,
    Name,
    OnUncovered,
    PodSpec,
    PodTemplate,
    WorkloadManifest,
    WorkloadSpec,
    read_manifest,
)
from polyfleet_controller.domain.pod_resources import ResourceList, ResourceRequirements
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError, Problem
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

LIMIT: Final = 2**63 - 1

labels = st.dictionaries(
    st.from_regex(r"([a-z]{1,5}\.[a-z]{1,5}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?", fullmatch=True),
    st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?)?", fullmatch=True),
    max_size=3,
)
amounts = st.integers(1, LIMIT).map(lambda units: Quantity(nanos=units * 10**9))
arguments = st.none() | st.lists(texts, max_size=3).map(tuple)
containers = st.builds(
    ContainerTemplate,
    name=names.map(Name),
    image=repositories.map(ImageReference.parse),
    command=arguments,
    args=arguments,
    working_dir=st.none() | texts.map("/{}".format),
    env=st.lists(environment_variables, max_size=2, unique_by=lambda each: each.name).map(tuple),
    ports=st.lists(container_ports, max_size=1).map(tuple),
    resources=st.builds(
        ResourceRequirements,
        limits=st.builds(ResourceList, cpu=st.none() | amounts, memory=st.none() | amounts),
    ),
)
manifests = st.builds(
    WorkloadManifest,
    metadata=st.builds(Metadata, name=names.map(Name), namespace=names.map(Name), labels=labels),
    spec=st.builds(
        PodSpec,
        containers=containers.map(lambda container: (container,)),
        restart_policy=st.sampled_from(RestartPolicy),
        termination_grace_period_seconds=st.integers(0, 86400),
        host_network=st.booleans(),
    ).flatmap(
        lambda pod: st.builds(
            WorkloadSpec, template=st.just(PodTemplate(spec=pod)), on_uncovered=st.sampled_from(OnUncovered)
        )
    ),
)


@given(manifests)
def test_a_manifest_round_trips(manifest: WorkloadManifest) -> None:
    assert read_manifest(encode(manifest)) == manifest


@given(json_values)
@example({"kind": {}, "apiVersion": []})
def test_any_json_is_a_manifest_or_is_refused(document: object) -> None:
    read_or_refuse(document)


@given(st.data())
def test_a_manifest_with_any_value_replaced_is_read_or_refused(data: st.DataObject) -> None:
    document = encode(data.draw(manifests))
    path = data.draw(st.sampled_from(paths_within(document)))
    read_or_refuse(replace_within(document, path, data.draw(json_values)))


def read_or_refuse(document: object) -> None:
    """Read a document; the only error is one with at least one problem."""
    problems: tuple[Problem, ...] = ()
    manifest = None
    try:
        manifest = read_manifest(document)
    except DecodeError as error:
        problems = error.problems
    assert (manifest is None) == bool(problems)
    assert manifest is None or read_manifest(encode(manifest)) == manifest
