"""Kubernetes manifests as they are, what becomes of each, whole, and what is refused, each with its path."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.kubernetes.documents import read_documents, read_workload
from polyfleet_controller.domain.kubernetes.fields import ANNOTATIONS, CONTAINER, POD_SPEC
from polyfleet_controller.domain.kubernetes.kinds import REFUSED_KINDS
from polyfleet_controller.domain.manifest import (
    ContainerTemplate,
    Metadata,
    Name,
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
from polyfleet_controller.domain.pod_volumes import (
    EmptyDirTemplate,
    LocalObjectReference,
    PodSecurityContext,
    VolumeTemplate,
)
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.candidates import Resources
from polyfleet_controller.domain.scheduling.requests import WhenUnsatisfiable
from polyfleet_controller.domain.taints import Effect, Toleration, TolerationOperator
from polyfleet_shared.codec import json_name
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.pods import (
    Capabilities,
    ConfigFile,
    ConfigMapVolume,
    HostPathVolume,
    Medium,
    SecurityContext,
    VolumeMount,
)
from polyfleet_shared.probes import ExecAction, HttpHeader
from polyfleet_shared.secrets import (
    EnvFromSource,
    EnvVarSource,
    SecretEnvSource,
    SecretFile,
    SecretKeySelector,
    SecretVolume,
)
from polyfleet_shared.workloads import ContainerPort, EnvironmentVariable, Protocol, RestartPolicy

FILES: Final = Path(__file__).parent / "kubernetes"
LATER: Final = "not supported in this version; leave it out"
STAYS: Final = "stays on the device: nothing that is written in the manifest can have its value"
NOT_TAKEN: Final = (
    "Secret is not taken: what is secret stays on the devices, and travels in no document; on each run"
)
DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"


def container(name: str, image: str, **fields: Any) -> ContainerTemplate:  # noqa: ANN401 - a field has any type
    return ContainerTemplate(name=Name(name), image=ImageReference.parse(image), **fields)


def workload(
    name: str,
    *containers: ContainerTemplate,
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    replicas: int | None = None,
    **pod: Any,  # noqa: ANN401 - a field has any type
) -> WorkloadManifest:
    return WorkloadManifest(
        metadata=Metadata(name=Name(name), namespace=Name(namespace), labels=labels or {}),
        spec=WorkloadSpec(
            template=PodTemplate(spec=PodSpec(containers=containers, **pod)),
            replicas=replicas,
        ),
    )


def variables(**values: str) -> tuple[EnvironmentVariable, ...]:
    return tuple(EnvironmentVariable(name=name, value=value) for name, value in values.items())


def read(file: str) -> tuple[list[WorkloadManifest], list[str]]:
    """Read a file of documents; problems have the number of their document, from 1."""
    documents = list(yaml.safe_load_all((FILES / file).read_text(encoding="utf-8")))
    readings = read_documents(documents)
    found = [each.manifest for reading in readings for each in reading.workloads]
    problems = [
        f"{number}: {problem}"
        for number, reading in enumerate(readings, start=1)
        for problem in reading.problems
    ]
    return found, problems


PORT_8080 = PortReference.parse("8080")
PREPARE = ResourceRequirements(requests=ResourceList(memory=Quantity.parse("256Mi")))
SERVE = ResourceRequirements(requests=ResourceList(memory=Quantity.parse("64Mi"), cpu=Quantity.parse("100m")))
NGINX: Final = "docker.io/library/nginx:1.27"
SITE: Final = WorkloadManifest(
    metadata=Metadata(name=Name("site")),
    spec=WorkloadSpec(
        replicas=1,
        template=PodTemplate(
            spec=PodSpec(
                security_context=PodSecurityContext(run_as_user=101, run_as_non_root=True),
                volumes=(
                    VolumeTemplate(
                        name="pages",
                        config_map=ConfigMapVolume(
                            items=(ConfigFile(key="home.html", text="<p>hello</p>\n"),)
                        ),
                    ),
                    VolumeTemplate(
                        name="all",
                        config_map=ConfigMapVolume(
                            items=(
                                ConfigFile(key="index.html", text="<p>hello</p>\n", mode=0o400),
                                ConfigFile(key="nginx.conf", text="events {}\n", mode=0o400),
                            )
                        ),
                    ),
                    VolumeTemplate(name="absent", config_map=ConfigMapVolume()),
                    VolumeTemplate(
                        name="cache",
                        empty_dir=EmptyDirTemplate(medium=Medium.MEMORY, size_limit=Quantity.parse("64Mi")),
                    ),
                    VolumeTemplate(name="shared", empty_dir=EmptyDirTemplate()),
                    VolumeTemplate(name="certificates", host_path=HostPathVolume(path="/etc/ssl/certs")),
                ),
                init_containers=(
                    container(
                        "prepare",
                        NGINX,
                        command=("cp", "/pages/home.html", "/shared/"),
                        volume_mounts=(
                            VolumeMount(name="pages", mount_path="/pages"),
                            VolumeMount(name="shared", mount_path="/shared"),
                        ),
                        resources=PREPARE,
                    ),
                ),
                containers=(
                    container(
                        "web",
                        NGINX,
                        volume_mounts=(
                            VolumeMount(name="shared", mount_path="/usr/share/nginx/html", read_only=True),
                            VolumeMount(name="cache", mount_path="/var/cache/nginx"),
                        ),
                        security_context=SecurityContext(
                            allow_privilege_escalation=False, capabilities=Capabilities(drop=("ALL",))
                        ),
                        resources=SERVE,
                    ),
                    container(
                        "reload",
                        NGINX,
                        volume_mounts=(
                            VolumeMount(name="certificates", mount_path="/certificates", read_only=True),
                        ),
                        resources=SERVE,
                    ),
                ),
            )
        ),
    ),
)

TAKEN: Final[dict[str, list[WorkloadManifest]]] = {
    "pod-arm64.yaml": [
        workload(
            "sensor",
            container("sensor", "registry.example.com/lab/sensor:2.1"),
            labels={"app": "sensor"},
            replicas=1,
            node_selector={"kubernetes.io/arch": "arm64"},
        )
    ],
    "daemonset-amd64.yaml": [
        workload(
            "collector",
            container("collector", f"quay.io/example/collector@{DIGEST}"),
            namespace="monitoring",
            node_selector={"kubernetes.io/arch": "amd64"},
        )
    ],
    "deployment-nginx.yaml": [
        workload(
            "nginx-deployment",
            container("nginx", "docker.io/library/nginx:1.27", ports=(ContainerPort(container_port=80),)),
            labels={"app": "nginx"},
            replicas=3,
        )
    ],
    "daemonset-tolerations.yaml": [
        workload(
            "log-agent",
            container(
                "log-agent",
                "docker.io/fluent/fluent-bit:3.1",
                resources=ResourceRequirements(
                    limits=ResourceList(memory=Quantity.parse("200Mi")),
                    requests=ResourceList(cpu=Quantity.parse("100m"), memory=Quantity.parse("200Mi")),
                ),
            ),
            namespace="kube-system",
            labels={"k8s-app": "log-agent"},
            tolerations=(
                Toleration(
                    key="node-role.kubernetes.io/control-plane",
                    operator=TolerationOperator.EXISTS,
                    effect=Effect.NO_SCHEDULE,
                ),
                Toleration(
                    key="node.kubernetes.io/not-ready",
                    operator=TolerationOperator.EXISTS,
                    effect=Effect.NO_EXECUTE,
                    toleration_seconds=300,
                ),
            ),
        )
    ],
    "pod-affinity.yaml": [
        workload(
            "with-node-affinity",
            container("with-node-affinity", "registry.k8s.io/pause:3.9"),
            replicas=1,
            affinity=Affinity(
                node_affinity=NodeAffinity(
                    required_during_scheduling_ignored_during_execution=NodeSelector(
                        node_selector_terms=(
                            NodeSelectorTerm(
                                match_expressions=(
                                    Requirement(
                                        key="topology.kubernetes.io/zone",
                                        operator=Operator.IN,
                                        values=("north", "south"),
                                    ),
                                    Requirement(
                                        key="kubernetes.io/arch",
                                        operator=Operator.NOT_IN,
                                        values=("riscv64",),
                                    ),
                                )
                            ),
                        )
                    ),
                    preferred_during_scheduling_ignored_during_execution=(
                        PreferredSchedulingTerm(
                            weight=1,
                            preference=NodeSelectorTerm(
                                match_expressions=(
                                    Requirement(key="example.com/camera", operator=Operator.EXISTS),
                                )
                            ),
                        ),
                    ),
                )
            ),
        )
    ],
    "pod-command.yaml": [
        workload(
            "command-demo",
            container(
                "command-demo",
                "docker.io/library/busybox:latest",
                command=("/bin/echo",),
                args=("hello, world", "$(GREETING)", "$(MISSING)", "$HOME"),
                working_dir="/tmp",  # noqa: S108 - of a container
                env=variables(WHO="world", GREETING="hello, world", EMPTY=""),
                resources=ResourceRequirements(
                    limits=ResourceList(cpu=Quantity.parse("1"), memory=Quantity.parse("128Mi")),
                    requests=ResourceList(cpu=Quantity.parse("250m"), memory=Quantity.parse("64Mi")),
                ),
            ),
            replicas=1,
            restart_policy=RestartPolicy.ON_FAILURE,
        )
    ],
    "pod-volumes.yaml": [SITE],
    "pod-hostport.yaml": [
        workload(
            "resolver",
            container(
                "resolver",
                "docker.io/example/resolver:latest",
                ports=(
                    ContainerPort(container_port=53, host_port=53, protocol=Protocol.UDP, name="dns"),
                    ContainerPort(container_port=53, host_port=53, name="dns-tcp"),
                ),
            ),
            replicas=1,
        )
    ],
    "daemonset-hostnetwork.yaml": [
        workload(
            "node-exporter",
            container(
                "node-exporter",
                "quay.io/prometheus/node-exporter:v1.8.2",
                args=("--web.listen-address=:9100",),
                ports=(ContainerPort(container_port=9100),),
            ),
            host_network=True,
        )
    ],
    "deployment-spread.yaml": [
        workload(
            "spread",
            container("pause", "registry.k8s.io/pause:3.9"),
            replicas=4,
            topology_spread_constraints=(
                TopologySpreadConstraint(topology_key="topology.kubernetes.io/zone"),
                TopologySpreadConstraint(
                    topology_key="kubernetes.io/hostname",
                    max_skew=2,
                    when_unsatisfiable=WhenUnsatisfiable.SCHEDULE_ANYWAY,
                    label_selector=LabelSelector(match_labels={"tier": "edge"}),
                ),
            ),
        )
    ],
    "pod-configmap.yaml": [
        workload(
            "game",
            container(
                "game",
                "ghcr.io/example/game:7",
                args=("--lives", "3"),
                env=variables(
                    LIVES="3",
                    theme="light",
                    LEVEL="one",
                    player_initial_lives="3",
                    GAME_LEVEL="one",
                    GAME_player_initial_lives="3",
                    GAME_theme="dark",
                ),
            ),
            replicas=1,
        )
    ],
    "deployment-secrets.yaml": [
        workload(
            "mysql",
            container(
                "mysql",
                "docker.io/library/mysql:8.4",
                args=("--user", "root", "--note", "$(PASSWORD)"),
                env=(
                    EnvironmentVariable(name="USER", value="root"),
                    EnvironmentVariable(
                        name="PASSWORD",
                        value_from=EnvVarSource(
                            secret_key_ref=SecretKeySelector(name="mysql-pass", key="password")
                        ),
                    ),
                    EnvironmentVariable(name="LEVEL", value="3"),
                ),
                env_from=(
                    EnvFromSource(prefix="DB_", secret_ref=SecretEnvSource(name="mysql-all", optional=True)),
                ),
                volume_mounts=(VolumeMount(name="tls", mount_path="/etc/mysql/tls", read_only=True),),
            ),
            namespace="shop",
            replicas=1,
            volumes=(
                VolumeTemplate(
                    name="tls",
                    secret=SecretVolume(
                        secret_name="mysql-tls",  # noqa: S106 - a name
                        items=(
                            SecretFile(key="tls.crt", path="server.crt"),
                            SecretFile(key="tls.key", path="server.key", mode=0o600),
                        ),
                        default_mode=0o400,
                    ),
                ),
            ),
            image_pull_secrets=(LocalObjectReference(name="regcred"),),
        )
    ],
    "pod-two-containers.yaml": [
        workload(
            "two-containers",
            container("main", "ghcr.io/example/main:1"),
            container("sidecar", "docker.io/library/busybox:1.28"),
            replicas=1,
        )
    ],
    "deployment-probes.yaml": [
        workload(
            "probes",
            container(
                "liveness",
                "registry.k8s.io/e2e-test-images/agnhost:2.40",
                args=("liveness",),
                ports=(ContainerPort(container_port=8080, host_port=8080, name="liveness-port"),),
                startup_probe=ProbeTemplate(
                    http_get=HttpGetTemplate(path="/healthz", port=PortReference.parse("liveness-port")),
                    failure_threshold=30,
                ),
                liveness_probe=ProbeTemplate(
                    http_get=HttpGetTemplate(
                        path="/healthz",
                        port=PORT_8080,
                        http_headers=(HttpHeader(name="Custom-Header", value="Awesome"),),
                    ),
                    initial_delay_seconds=3,
                    period_seconds=3,
                ),
                readiness_probe=ProbeTemplate(
                    tcp_socket=TcpSocketTemplate(port=PORT_8080), success_threshold=2
                ),
            ),
            container(
                "busybox",
                "registry.k8s.io/busybox:1.27.2",
                liveness_probe=ProbeTemplate(
                    exec=ExecAction(command=("cat", "/tmp/healthy")),  # noqa: S108 - in a container
                    initial_delay_seconds=5,
                    period_seconds=5,
                ),
            ),
            replicas=1,
        )
    ],
    "list.yaml": [
        workload(
            "one", container("one", "docker.io/example/one:1", env=variables(COLOUR="green")), replicas=1
        ),
        workload("two", container("two", "docker.io/example/two:2")),
    ],
    "kubectl-get-deployment.yaml": [
        workload(
            "hello",
            container("hello", "ghcr.io/example/hello:1.0", ports=(ContainerPort(container_port=8080),)),
            labels={"app": "hello"},
            replicas=2,
        )
    ],
}

REFUSED: Final[dict[str, list[str]]] = {
    "service.yaml": [
        "1: kind: Service is not taken: devices have no cluster network; use hostPort",
        "2: kind: Ingress is not taken: devices have no cluster network; use hostPort",
        "3: apiVersion: 'extensions/v1beta1' is not known; write apps/v1",
    ],
    "job.yaml": [
        (
            "1: kind: Job is not taken: write a Pod with restartPolicy: OnFailure or Never, which runs to "
            "its end on one device"
        )
    ],
    "statefulset.yaml": [
        (
            "1: kind: StatefulSet is not taken: replicas have no names and claims of their own; write a "
            "Deployment, or one Pod for each"
        )
    ],
    "deployment-contradictions.yaml": [
        (
            "1: spec.paused: only false is taken: `polyfleet rollout pause` pauses a rollout, its manifest "
            "does not; leave it out"
        ),
        (
            '1: spec.strategy.type: only "RollingUpdate" or "Recreate" is taken: devices come to a release '
            "in waves, and each stops the old before it starts the new"
        ),
        (
            '1: spec.strategy.rollingUpdate.maxSurge: only "25%" or 0 or "0%" is taken: a device runs a '
            "workload once at most, so nothing surges; in our own kind, rollout.method: startFirst"
        ),
        (
            '1: spec.template.spec.dnsPolicy: only "ClusterFirst" or "ClusterFirstWithHostNet" or "Default" '
            "is taken: names are resolved as the device resolves them"
        ),
        (
            '1: spec.template.spec.containers[0].imagePullPolicy: only "IfNotPresent" is taken: a device '
            "pulls the digest that the release pins, if it lacks it"
        ),
        "1: spec.template.spec.containers[0].tty: only false is taken: nobody types into a container",
        f'1: metadata.annotations["example.com/owner"]: {LATER}',
        "1: spec.template.metadata.name: has no meaning here: pods have no names of their own",
        "1: spec.selector: it does not select the labels of its own pod: they must agree",
        (
            "1: spec.template.spec.restartPolicy: only Always is possible in a Deployment; write a Pod "
            "for Never"
        ),
        "1: spec.strategy.rollingUpdate.partition: unknown field",
        (
            '1: spec.template.spec.nodeSelector["beta.kubernetes.io/arch"]: it contradicts '
            "kubernetes.io/arch, which is its name of today"
        ),
        (
            "1: spec.template.spec.topologySpreadConstraints[0].labelSelector: missing; write matchLabels "
            "with labels of the pod"
        ),
        (
            "1: spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.name: there is no "
            "ConfigMap 'gone' in the namespace default here: apply it in the same command, "
            "`polyfleet apply -f`"
        ),
        '1: spec.replicas: expected a whole number, got the text "3"',
        "1: spec.template.spec.containers[0].colour: unknown field",
        (
            "1: spec.template.spec.containers[0].image: '' is no tag: use up to 128 of letters, digits, '_', "
            "'.' and '-'"
        ),
        "1: spec.template.spec.containers[0].env[1]: '9' is no name for an environment variable",
        (
            "1: spec.strategy.rollingUpdate.maxUnavailable: '0' is no number of devices: write 1 to 1000000, "
            "or 1% to 100%"
        ),
    ],
    "daemonset-configmap-mistakes.yaml": [
        '1: data["port"]: expected a text, got the number 8080',
        (
            "3: metadata.name: nothing that is applied with it refers to this ConfigMap, and none is kept "
            "by itself; leave it out"
        ),
        "4: spec.replicas: a DaemonSet runs on every device; write a Deployment to say how many",
        (
            '4: spec.updateStrategy.type: only "RollingUpdate" is taken: nobody deletes a device\'s '
            "containers by hand; a wave with approval waits for an operator"
        ),
        (
            "4: spec.template.spec.containers[0].envFrom[1].configMapRef: of the key '9lives': '9lives' is "
            "no name for an environment variable; write another prefix"
        ),
        (
            "4: spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.key: the ConfigMap mixed "
            "has no key 'absent'"
        ),
        (
            "4: spec.template.spec.containers[0].env[1].valueFrom.configMapKeyRef.key: 'logo' is binary: no "
            "variable can hold it"
        ),
        "4: spec.template.spec.containers[0].env[2].valueFrom: there is a value, too: write one of them",
        "4: spec.template.spec.containers[0].env[3].valueFrom.configMapKeyRef: missing",
    ],
    "pod-probe-mistakes.yaml": [
        "1: spec.containers[0].startupProbe.grpc: not supported: use httpGet, tcpSocket or exec",
        "1: spec.containers[0].startupProbe: a probe has exactly one of exec, httpGet and tcpSocket",
        (
            "1: spec.containers[0].livenessProbe.terminationGracePeriodSeconds: not supported in this "
            "version: that of the pod holds; leave it out"
        ),
        (
            "1: spec.containers[0].readinessProbe.httpGet: '/a b' is no path: it begins with '/', and what is"
            " not printable ASCII, spaces too, is written as %XX"
        ),
        (
            "1: spec.containers[1].startupProbe.tcpSocket.port: 'Client_Port' is no port: write a number from"
            " 1 to 65535, or the name of one of the container's ports"
        ),
        "1: spec.containers[1].livenessProbe.exec: exec has a command of at least one word",
        "1: spec.containers[1].readinessProbe: periodSeconds is between 1 and 2147483647, not -1",
        "2: spec.containers[0].livenessProbe.httpGet.port: no port of the container is called clients",
        "2: spec.containers[0].readinessProbe.tcpSocket.port: no port of the container is called clients",
        (
            "3: spec.initContainers[0].readinessProbe: an init container has no probes: that it ended well is"
            " its proof"
        ),
        (
            "3: spec.containers[0].startupProbe.successThreshold: of this probe it is 1, not 2: one success "
            "is enough"
        ),
        (
            "3: spec.containers[0].livenessProbe.successThreshold: of this probe it is 1, not 2: one success "
            "is enough"
        ),
    ],
    # The three below name what comes with volumes, secrets and lifecycles.
    "kubectl-get-pod.yaml": [
        (
            '1: spec.containers[0].imagePullPolicy: only "IfNotPresent" is taken: a device pulls the digest '
            "that the release pins, if it lacks it"
        ),
        "1: metadata.generateName: not supported: give the workload a name",
        "1: metadata.ownerReferences: has no meaning here: Polyfleet keeps this itself; leave it out",
        (
            "1: spec.nodeName: has no meaning here: write nodeSelector, for example "
            "kubernetes.io/hostname: edge-7"
        ),
        (
            "1: spec.volumes[0].projected: not supported in this version: use hostPath, emptyDir, configMap "
            "or secret"
        ),
        "1: spec.volumes[0]: a volume is exactly one of hostPath, emptyDir, configMap and secret",
    ],
    "pod-secret.yaml": [
        f"1: kind: {NOT_TAKEN}: podman secret create default.password_password FILE",
        (
            "2: spec.containers[0].env[1].valueFrom.fieldRef: a device's own values are not known when the "
            "manifest is applied; write the value"
        ),
    ],
    "pod-secret-mistakes.yaml": [
        (f"1: kind: {NOT_TAKEN}: podman login --authfile /etc/polyfleet/pull-secrets/regcred.json REGISTRY"),
        (
            f"2: kind: {NOT_TAKEN}: podman secret create NAMESPACE.NAME_KEY FILE, for each key "
            "(default.a-name-that-is-so-long-that-podman-has-no-room-left-for-any-key_password cannot be "
            "the name of a secret of Podman, which has up to 64 letters, digits, '-', '_' and '.' and ends "
            "with a letter or digit: choose a shorter or another name or key)"
        ),
        (
            "3: spec.containers[0].envFrom[0].secretRef: 'Settings' is no name of a Secret: use a-z, 0-9, "
            "'-' and '.'"
        ),
        (
            "3: spec.containers[0].envFrom[1]: write one of configMapRef and secretRef, the other in an item "
            "of its own"
        ),
        f"3: spec.containers[0].env[1].value: $(PASSWORD) is of a secret, which {STAYS}",
        f"3: spec.containers[0].command[1]: $(PASSWORD) is of a secret, which {STAYS}",
        (
            f"3: spec.containers[0].args[0]: $(OTHER) may be of a secret, which {STAYS}; "
            "write $$(OTHER) for the text"
        ),
        "3: spec.containers[0].env[2]: a variable has either value or valueFrom",
        (
            "3: spec.volumes[0].secret.items[0]: 'b/c' is no key: 1 to 253 letters, digits, '-', '_' and "
            "'.', and not '.' or '..'"
        ),
    ],
    "pod-unsupported.yaml": [
        (
            "1: spec.volumes[1].configMap.name: there is no ConfigMap 'settings' in the namespace default "
            "here: apply it in the same command, `polyfleet apply -f`"
        ),
        f"1: spec.containers[0].lifecycle: {LATER}",
    ],
}


def test_every_file_is_expected() -> None:
    assert {path.name for path in FILES.iterdir()} == {*TAKEN, *REFUSED}


@pytest.mark.parametrize("file", TAKEN)
def test_what_kubernetes_takes_becomes_a_workload(file: str) -> None:
    assert read(file) == (TAKEN[file], [])


@pytest.mark.parametrize("file", REFUSED)
def test_what_has_no_meaning_here_is_refused_with_every_path(file: str) -> None:
    assert read(file) == ([], REFUSED[file])


def test_a_pod_asks_for_what_its_containers_take_together_or_an_init_container_alone() -> None:
    request = SITE.request("w1", ())
    assert request.resources == Resources(cpu=200, memory=256 << 20)


# -- details


def pod(**spec: JsonValue) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello"},
        "spec": {"containers": [{"name": "main", "image": "nginx"}], **spec},
    }


def problems_of(document: JsonValue) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        read_workload(document)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("image", "meant"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("localhost/nginx:1", "localhost/nginx:1"),
        ("registry:5000/nginx:1", "registry:5000/nginx:1"),
    ],
)
def test_an_image_without_a_registry_is_docker_hubs(image: str, meant: str) -> None:
    document = pod(containers=[{"name": "main", "image": image}])
    assert str(read_workload(document).container.image) == meant


def test_nulls_and_empty_lists_are_as_good_as_left_out() -> None:
    written = pod(
        volumes=[],
        tolerations=None,
        containers=[{"name": "main", "image": "nginx", "env": None, "command": [], "args": []}],
    )
    assert read_workload(written) == read_workload(pod())


def test_what_is_dropped_is_only_what_the_tables_list() -> None:
    every = {name: next(iter(rule.values or [None])) for name, rule in POD_SPEC.items()}
    inner: dict[str, Any] = {
        name: rule.values[0] for name, rule in CONTAINER.items() if rule.values and "." not in name
    }
    document = pod(**every, containers=[{"name": "main", "image": "nginx", **inner}])
    document["metadata"]["annotations"] = dict.fromkeys(ANNOTATIONS, "x")
    document["status"] = {"phase": "Running"}
    assert read_workload(document) == read_workload(pod())


def test_no_table_drops_a_field_that_has_a_meaning() -> None:
    taken = {json_name(name) for name in PodSpec.__slots__}
    assert {name for name, rule in POD_SPEC.items() if name in taken and not rule.others_go_on} == set()
    taken = {json_name(name) for name in ContainerTemplate.__slots__}
    assert {name for name, rule in CONTAINER.items() if name in taken and not rule.others_go_on} == set()


@pytest.mark.parametrize("field", ["hostPID", "shareProcessNamespace"])
def test_a_number_is_no_boolean(field: str) -> None:
    assert problems_of(pod(**{field: 0})) == [
        f"spec.{field}: only false is taken: every container has a PID namespace of its own"
    ]


@pytest.mark.parametrize("kind", REFUSED_KINDS)
def test_a_kind_that_is_not_taken_is_told_what_to_do(kind: str) -> None:
    assert problems_of({"apiVersion": "v1", "kind": kind}) == [
        f"kind: {kind} is not taken: {REFUSED_KINDS[kind]}"
    ]


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (None, ["expected an object, got null"]),
        (
            {"apiVersion": "v1", "kind": "ConfigMap"},
            [
                (
                    "kind: ConfigMap is no workload: apply the file that has all documents with "
                    "`polyfleet apply -f`"
                )
            ],
        ),
        ({"apiVersion": "v2", "kind": "Pod"}, ["apiVersion: 'v2' is not known; write v1"]),
        ({"kind": "Pod"}, ["apiVersion: missing; write v1"]),
        ({"apiVersion": "v1", "kind": "Pod"}, ["metadata: missing", "spec: missing"]),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": []},
            ["spec: expected an object, got a list"],
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {}},
            ["spec.selector: missing; write matchLabels with labels of the pod", "spec.template: missing"],
        ),
        (
            {**pod(), "metadata": {"name": "a", "annotations": [], "labels": {"a b": "c"}}},
            [
                "metadata.annotations: expected an object",
                "metadata.labels[\"a b\"]: a label's key is 1 to 63 of letters, digits, '-', '_' and '.'",
            ],
        ),
        (
            pod(containers=[{"name": "main", "image": "nginx", "env": {}}]),
            ["spec.containers[0].env: expected a list, got an object"],
        ),
        (
            pod(containers=[{"name": "main", "image": "nginx", "envFrom": {}}]),
            ["spec.containers[0].envFrom: expected a list"],
        ),
    ],
)
def test_another_shape_is_told_with_its_path(document: JsonValue, problems: list[str]) -> None:
    assert problems_of(document) == problems


def test_what_nests_too_deeply_is_refused() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = {"a": deep}
    assert problems_of(pod(nodeSelector=deep)) == ["nested too deeply"]


def test_a_configmap_is_of_its_namespace() -> None:
    config_map: JsonValue = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"A": "1"},
    }
    document = pod(
        containers=[{"name": "main", "image": "nginx", "envFrom": [{"configMapRef": {"name": "settings"}}]}]
    )
    first, second = read_documents([config_map, document])
    assert [str(problem) for problem in (*first.problems, *second.problems)] == [
        (
            "metadata.name: nothing that is applied with it refers to this ConfigMap, and none is kept by "
            "itself; leave it out"
        ),
        (
            "spec.containers[0].envFrom[0].configMapRef.name: there is no ConfigMap 'settings' in the "
            "namespace default here: apply it in the same command, `polyfleet apply -f`"
        ),
    ]
    document["metadata"]["namespace"] = "shop"
    first, second = read_documents([config_map, document])
    assert [each.manifest.container.env for each in second.workloads] == [variables(A="1")]
    again = read_documents([config_map, config_map, document])
    assert [str(problem) for reading in again for problem in reading.problems] == [
        "metadata.name: the ConfigMap is there already"
    ]


def test_a_list_says_which_item_is_meant() -> None:
    broken = pod(hostNetwork="yes")
    del broken["spec"]["containers"]
    inner: JsonValue = {"apiVersion": "v1", "kind": "List", "items": [pod(), broken]}
    (reading,) = read_documents([{"apiVersion": "v1", "kind": "List", "items": [inner, 7], "colour": 1}])
    assert [str(problem) for problem in reading.problems] == [
        "colour: unknown field",
        "items[1]: expected an object, got the number 7",
        "items[0].items[1].spec.containers: missing",
        'items[0].items[1].spec.hostNetwork: expected true or false, got the text "yes"',
    ]
    (found,) = reading.workloads
    beyond = (Problem(path="spec.template.spec.containers[0].image", message="gone"),)
    assert found.origin.locate(beyond) == (
        Problem(path="items[0].items[0].spec.containers[0].image", message="gone"),
    )
