"""Hypothesis strategies for manifests with all that they can say."""

from dataclasses import replace

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
from polyfleet_controller.domain.pod_probes import (
    HttpGetTemplate,
    PortReference,
    ProbeTemplate,
    TcpSocketTemplate,
)
from polyfleet_controller.domain.pod_resources import ResourceList, ResourceRequirements
from polyfleet_controller.domain.pod_volumes import LocalObjectReference
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.requests import WhenUnsatisfiable
from polyfleet_controller.domain.taints import Effect, Toleration, TolerationOperator
from polyfleet_shared.probes import Scheme
from polyfleet_shared.workloads import RestartPolicy
from rollout_strategies import strategies as rollout_strategies
from strategies import (
    container_ports,
    environment_variables,
    exec_actions,
    hosts,
    http_headers,
    names,
    repositories,
    request_paths,
    secret_imports,
    secret_variables,
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


port_references = st.integers(1, 65535).map(str).map(PortReference.parse)
probe_templates = st.builds(
    replace,
    st.one_of(
        st.builds(ProbeTemplate, exec=exec_actions),
        st.builds(
            ProbeTemplate,
            http_get=st.builds(
                HttpGetTemplate,
                path=request_paths,
                port=port_references,
                host=hosts,
                scheme=st.sampled_from(Scheme),
                http_headers=http_headers,
            ),
        ),
        st.builds(ProbeTemplate, tcp_socket=st.builds(TcpSocketTemplate, port=port_references, host=hosts)),
    ),
    initial_delay_seconds=st.integers(0, 100),
    period_seconds=st.integers(1, 100),
    timeout_seconds=st.integers(1, 100),
    failure_threshold=st.integers(1, 100),
)
pull_secrets = st.sampled_from(["registry", "team.registry"]).map(
    lambda name: LocalObjectReference(name=name)
)
containers = st.builds(
    ContainerTemplate,
    name=names.map(Name),
    image=repositories.map(ImageReference.parse),
    command=arguments,
    args=arguments,
    working_dir=st.none() | texts.map("/{}".format),
    env_from=st.lists(secret_imports, max_size=2).map(tuple),
    env=st.lists(environment_variables | secret_variables, max_size=3, unique_by=lambda each: each.name).map(
        tuple
    ),
    ports=st.lists(container_ports, max_size=1).map(tuple),
    resources=resources(),
    startup_probe=st.none() | probe_templates,
    liveness_probe=st.none() | probe_templates,
    readiness_probe=st.none() | probe_templates,
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
                image_pull_secrets=st.lists(pull_secrets, max_size=2).map(tuple),
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
        on_uncovered=st.sampled_from(OnUncovered),
        min_ready_seconds=st.just(10) | st.integers(0, 100),
        progress_deadline_seconds=st.just(600) | st.integers(101, 1000),
        rollout=st.none() | rollout_strategies,
    ),
)
