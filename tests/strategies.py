"""Hypothesis strategies for every value of the wire contract."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from polyfleet_shared.images import PinnedImage
from polyfleet_shared.json_text import JsonValue, dump_json
from polyfleet_shared.messages import (
    Acknowledgement,
    Condition,
    ContainerReport,
    DocumentVersion,
    Event,
    EventKind,
    HostFacts,
    Inventory,
    Phase,
    PlatformSource,
    Presence,
    PullProgress,
    Reported,
    Stamp,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.pods import (
    Capabilities,
    ConfigFile,
    ConfigMapVolume,
    EmptyDirVolume,
    HostPathType,
    HostPathVolume,
    Medium,
    SecurityContext,
    Volume,
    VolumeMount,
)
from polyfleet_shared.probes import (
    ExecAction,
    HttpGetAction,
    HttpHeader,
    Probe,
    Scheme,
    TcpSocketAction,
)
from polyfleet_shared.reasons import Reason
from polyfleet_shared.secrets import (
    EnvFromSource,
    EnvVarSource,
    SecretEnvSource,
    SecretFile,
    SecretKeySelector,
    SecretVolume,
)
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    HeldWorkload,
    Protocol,
    ResourceLimits,
    RestartPolicy,
    UpdateMethod,
)

INT64_MAX = 2**63 - 1

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
digests = st.binary(min_size=32, max_size=32).map(lambda content: f"sha256:{content.hex()}")
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
counters = st.integers(0, INT64_MAX)
ordinals = st.integers(1, INT64_MAX)
reasons = st.sampled_from(Reason)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the offset
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.one_of(st.just(UTC), offsets),
)
fractions = st.floats(allow_nan=False, allow_infinity=False)

platforms = st.one_of(
    st.sampled_from(
        [
            "linux/amd64",
            "linux/amd64/v2",
            "linux/amd64/v3",
            "linux/arm64",
            "linux/arm64/v9",
            "linux/arm/v5",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/riscv64",
            "linux/386",
            "windows/amd64",
        ]
    ).map(Platform.parse),
    st.builds(
        Platform,
        os=st.sampled_from(["linux", "windows"]),
        architecture=names,
        variant=st.none() | names,
    ),
)
runnable_platforms = st.builds(RunnablePlatform, platform=platforms, fit=st.sampled_from(Fit))

stamps = st.builds(Stamp, incarnation=names, boot=ordinals, seq=ordinals)

presences = st.builds(
    Presence, incarnation=names, boot=ordinals, connection=ordinals, online=st.booleans(), since=moments
)

host_facts = st.builds(
    HostFacts,
    hostname=texts,
    machine=texts,
    cpu_model=texts,
    cpu_count=counters,
    memory_total=counters,
    disk_total=counters,
    os_name=texts,
    os_version=texts,
    kernel=texts,
    podman_version=texts,
    boot_id=texts,
    time_zone=texts,
)

inventories = st.builds(
    Inventory,
    stamp=stamps,
    agent_version=texts,
    wire_versions=st.lists(ordinals, min_size=1, max_size=3).map(tuple),
    features=st.lists(texts, max_size=3).map(tuple),
    platform=platforms,
    platform_source=st.sampled_from(PlatformSource),
    platforms=st.lists(runnable_platforms, min_size=1, max_size=4).map(tuple),
    host=host_facts,
    labels=st.dictionaries(texts, texts, max_size=3),
)

document_versions = st.builds(DocumentVersion, epoch=ordinals, generation=ordinals, digest=digests)

container_reports = st.builds(
    ContainerReport,
    name=texts,
    container_id=texts,
    running=st.booleans(),
    image_id=st.one_of(digests, texts),
    child=st.none() | digests,
    exit_code=st.none() | st.integers(-255, 255),
)

workload_reports = st.builds(
    WorkloadReport,
    uid=names | texts,
    namespace=names | texts,
    name=names | texts,
    release=texts,
    phase=st.sampled_from(Phase),
    reason=st.none() | reasons,
    message=texts,
    ready_seconds=counters,
    restarts=counters,
    pull=st.none() | st.builds(PullProgress, done=counters, total=counters),
    containers=st.lists(container_reports, max_size=2).map(tuple),
    fallback=texts,
    prefetched=st.lists(digests, max_size=2).map(tuple),
)

conditions = st.builds(Condition, reason=reasons, message=texts)

reports = st.builds(
    Reported,
    stamp=stamps,
    observed=st.none() | document_versions,
    conditions=st.lists(conditions, max_size=2).map(tuple),
    workloads=st.lists(workload_reports, max_size=3, unique_by=lambda report: report.uid).map(tuple),
)

events = st.builds(
    Event,
    stamp=stamps,
    after=counters,
    kind=st.sampled_from(EventKind),
    at=moments,
    workload=st.none() | names,
    release=st.none() | names,
    reason=st.none() | reasons,
    message=texts,
    size=st.none() | counters,
    seconds=st.none() | fractions,
)

telemetries = st.builds(
    Telemetry,
    stamp=stamps,
    at=moments,
    cpu_percent=fractions,
    memory_used=counters,
    memory_total=counters,
    disk_used=counters,
    disk_total=counters,
    temperature=st.none() | fractions,
)

acknowledgements = st.builds(Acknowledgement, incarnation=names, seq=ordinals)

upward_messages = st.one_of(presences, inventories, reports, events, telemetries)

repositories = st.builds(
    "{}/{}".format,
    st.sampled_from(["docker.io", "localhost:5000", "registry.example.com", "[2001:db8::1]:5000"]),
    st.lists(
        st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?", fullmatch=True), min_size=1, max_size=3
    ).map("/".join),
)

pinned_images = st.builds(
    PinnedImage,
    repository=repositories,
    index=digests,
    child=digests,
    config=digests,
    platform=platforms,
    size=counters,
)

_variable_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,9}", fullmatch=True)
environment_variables = st.builds(EnvironmentVariable, name=_variable_names, value=texts)

port_numbers = st.integers(1, 65535)
container_ports = st.builds(
    ContainerPort,
    container_port=port_numbers,
    host_port=st.none() | port_numbers,
    protocol=st.sampled_from(Protocol),
    name=st.none() | names,
)

resource_limits = st.builds(ResourceLimits, memory=st.none() | ordinals, cpu=st.none() | ordinals)

_paths = st.from_regex(r"(/[a-z]{1,5}){1,3}", fullmatch=True)

host_path_volumes = st.builds(HostPathVolume, path=_paths, type=st.none() | st.sampled_from(HostPathType))
empty_dir_volumes = st.builds(EmptyDirVolume) | st.builds(
    EmptyDirVolume, medium=st.just(Medium.MEMORY), size_limit=st.none() | ordinals
)
config_map_volumes = st.builds(
    ConfigMapVolume,
    items=st.lists(
        st.builds(
            ConfigFile,
            key=st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True),
            text=texts,
            mode=st.integers(0, 0o777),
        ),
        max_size=2,
        unique_by=lambda item: item.key,
    ).map(tuple),
)
# Short enough for Podman to have a name for every key.
_secret_names = st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True)
_secret_keys = st.from_regex(r"[A-Za-z_.-]{0,5}[A-Za-z0-9]", fullmatch=True)
_modes = st.integers(0, 0o777)

secret_volumes = st.builds(
    SecretVolume,
    secret_name=_secret_names,
    items=st.lists(
        st.builds(SecretFile, key=_secret_keys, path=_secret_keys, mode=st.none() | _modes),
        max_size=2,
        unique_by=lambda item: item.path,
    ).map(tuple),
    default_mode=_modes,
    optional=st.booleans(),
)
secret_variables = st.builds(
    EnvironmentVariable,
    name=_variable_names,
    value_from=st.builds(
        EnvVarSource,
        secret_key_ref=st.builds(
            SecretKeySelector, name=_secret_names, key=_secret_keys, optional=st.booleans()
        ),
    ),
)
secret_imports = st.builds(
    EnvFromSource,
    prefix=st.sampled_from(["", "DB_", "1-"]),
    secret_ref=st.builds(SecretEnvSource, name=_secret_names, optional=st.booleans()),
)

volumes = st.one_of(
    st.builds(Volume, name=names, secret=secret_volumes),
    st.builds(Volume, name=names, host_path=host_path_volumes),
    st.builds(Volume, name=names, empty_dir=empty_dir_volumes),
    st.builds(Volume, name=names, config_map=config_map_volumes),
)

_ids = st.none() | st.integers(1, 2**31 - 1)
_capabilities = st.lists(st.sampled_from(["ALL", "NET_ADMIN", "CHOWN"]), max_size=2).map(tuple)
security_contexts = st.builds(
    SecurityContext,
    run_as_user=_ids,
    run_as_group=_ids,
    run_as_non_root=st.none() | st.booleans(),
    read_only_root_filesystem=st.none() | st.booleans(),
    allow_privilege_escalation=st.none() | st.booleans(),
    capabilities=st.builds(Capabilities, add=_capabilities, drop=_capabilities),
)

hosts = st.none() | st.sampled_from(["127.0.0.1", "::1", "db.example.com"])
request_paths = st.from_regex(r"/[!-~]{0,9}", fullmatch=True)
http_headers = st.lists(
    st.builds(
        HttpHeader,
        name=st.from_regex(r"[A-Za-z-]{1,9}", fullmatch=True),
        value=st.from_regex(r"[\t -~]{0,9}", fullmatch=True),
    ),
    max_size=2,
).map(tuple)
exec_actions = st.builds(ExecAction, command=st.lists(texts, min_size=1, max_size=3).map(tuple))
_http_get_actions = st.builds(
    HttpGetAction,
    path=request_paths,
    port=port_numbers,
    host=hosts,
    scheme=st.sampled_from(Scheme),
    http_headers=http_headers,
)
_tcp_socket_actions = st.builds(TcpSocketAction, port=port_numbers, host=hosts)
_spans = st.integers(1, 100)


@st.composite
def probes_of(draw: st.DrawFn, success_thresholds: st.SearchStrategy[int]) -> Probe:
    """A probe of any kind."""
    probe = draw(
        st.one_of(
            st.builds(Probe, exec=exec_actions),
            st.builds(Probe, http_get=_http_get_actions),
            st.builds(Probe, tcp_socket=_tcp_socket_actions),
        )
    )
    return replace(
        probe,
        initial_delay_seconds=draw(st.integers(0, 100)),
        period_seconds=draw(_spans),
        timeout_seconds=draw(_spans),
        success_threshold=draw(success_thresholds),
        failure_threshold=draw(_spans),
    )


probes = probes_of(st.just(1))  # as a startup or liveness probe must be

_arguments = st.none() | st.lists(texts, max_size=3).map(tuple)

container_specs = st.builds(
    ContainerSpec,
    name=names,
    image=pinned_images,
    command=_arguments,
    args=_arguments,
    working_dir=st.none() | texts,
    env=st.lists(environment_variables | secret_variables, max_size=2).map(tuple),
    env_from=st.lists(secret_imports, max_size=2).map(tuple),
    ports=st.lists(container_ports, max_size=2).map(tuple),
    limits=resource_limits,
    security_context=security_contexts,
)


@st.composite
def desired_workloads_of(draw: st.DrawFn) -> DesiredWorkload:
    """A workload of a few containers; each disk volume may be mounted by any of them."""
    containers = draw(st.lists(container_specs, min_size=1, max_size=3, unique_by=lambda item: item.name))
    shared = draw(st.lists(volumes, max_size=2, unique_by=lambda item: item.name))
    mountable = [item.name for item in shared if item.empty_dir is None or item.empty_dir.medium is None]
    mounted = [
        replace(
            container,
            volume_mounts=tuple(
                VolumeMount(name=name, mount_path=f"/mnt/{name}", read_only=draw(st.booleans()))
                for name in mountable
                if draw(st.booleans())
            ),
        )
        for container in containers
    ]
    inits = draw(st.integers(0, len(mounted) - 1))
    mains = [
        replace(
            container,
            startup_probe=draw(st.none() | probes),
            liveness_probe=draw(st.none() | probes),
            readiness_probe=draw(st.none() | probes_of(_spans)),
        )
        for container in mounted[inits:]
    ]
    min_ready_seconds = draw(st.integers(0, INT64_MAX - 1))
    return draw(
        st.builds(
            DesiredWorkload,
            uid=names,
            namespace=names,
            name=names,
            release=names,
            revision=counters,
            attempt=ordinals,
            restarted_at=st.none() | moments,
            requires=st.lists(st.sampled_from(["gpu", "volumes"]), unique=True).map(tuple),
            restart_policy=st.sampled_from(RestartPolicy),
            termination_grace_seconds=counters,
            host_network=st.booleans(),
            min_ready_seconds=st.just(min_ready_seconds),
            progress_deadline_seconds=st.integers(min_ready_seconds + 1, INT64_MAX),
            update_method=st.sampled_from(UpdateMethod),
            prefetch=st.lists(pinned_images, max_size=2).map(tuple),
            image_pull_secrets=st.lists(_secret_names, max_size=2).map(tuple),
            volumes=st.just(tuple(shared)),
            init_containers=st.just(tuple(mounted[:inits])),
            containers=st.just(tuple(mains)),
        )
    )


desired_workloads = desired_workloads_of()

held_workloads = st.builds(
    HeldWorkload, uid=names, namespace=names, name=names, reason=reasons, message=texts
)


@st.composite
def desired_contents(
    draw: st.DrawFn,
) -> tuple[tuple[DesiredWorkload, ...], tuple[HeldWorkload, ...]]:
    """What one device is to run, and what is held from it; every uid once."""
    workloads = draw(st.lists(desired_workloads, max_size=3))
    held = draw(st.lists(held_workloads, max_size=2))
    uids = draw(
        st.lists(names, min_size=len(workloads) + len(held), max_size=len(workloads) + len(held), unique=True)
    )
    return (
        tuple(replace(item, uid=uid) for item, uid in zip(workloads, uids, strict=False)),
        tuple(replace(item, uid=uid) for item, uid in zip(held, uids[len(workloads) :], strict=True)),
    )


json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    fractions,
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc"]), max_size=5),
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def replace_within(document: object, path: tuple[object, ...], replacement: object) -> object:
    """Return a copy of a JSON document with the value at the path replaced."""
    if not path:
        return replacement
    step, rest = path[0], path[1:]
    if isinstance(document, Mapping):
        return {
            key: replace_within(value, rest, replacement) if key == step else value
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [
            replace_within(value, rest, replacement) if position == step else value
            for position, value in enumerate(document)
        ]
    return document


def paths_within(document: object) -> list[tuple[object, ...]]:
    """Return the path of every value in a JSON document, the document's own included."""
    inner: list[tuple[object, object]] = []
    if isinstance(document, Mapping):
        inner = list(document.items())
    elif isinstance(document, list):
        inner = list(enumerate(document))
    return [(), *((step, *rest) for step, value in inner for rest in paths_within(value))]


def digest_of(content: bytes) -> str:
    """Return the digest by which OCI and the wire contract name these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_encodable(document: JsonValue) -> bool:
    """Say whether UTF-8 can write a drawn document: hypothesis also draws half surrogate pairs."""
    try:
        dump_json(document)
    except UnicodeEncodeError:
        return False
    return True
