"""What is exported, whole, and what is told of what the format cannot say."""

from typing import Final

import pytest
import yaml

from polyfleet_controller.domain.kubernetes.documents import read_documents, read_workload
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.manifest import WorkloadManifest, read_manifest
from polyfleet_controller.domain.quadlet import export_quadlet
from polyfleet_shared.json_text import JsonValue, Problem

TILL: Final = """\
apiVersion: polyfleet.io/v1
kind: Workload
metadata:
  name: till
  namespace: shop
  labels: {example.com/team: tills}
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: main
          image: registry.example.com/shop/till:1.0
          command: [/bin/sh, -c]
          args: ['echo "$HOME" 100% $$(NAME)', plain]
          workingDir: /srv/till data
          env:
            - {name: LEVEL, value: debug}
            - {name: TEXT, value: "two\\nlines \\\\ $(LEVEL)"}
          ports:
            - {containerPort: 80, hostPort: 8080, name: http}
            - {containerPort: 53, hostPort: 53, protocol: UDP}
            - {containerPort: 9000}
          resources:
            limits: {cpu: 1500m, memory: 64Mi}
            requests: {memory: 32Mi}
      restartPolicy: Always
      terminationGracePeriodSeconds: 120
      nodeSelector: {kubernetes.io/arch: arm64}
      topologySpreadConstraints:
        - {topologyKey: polyfleet.io/site}
        - {topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {tier: edge}}}
        - {topologyKey: rack, labelSelector: {matchLabels: {tier: core}}}
"""

DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: till
  namespace: shop
  labels: {example.com/team: tills}
spec:
  replicas: 2
  minReadySeconds: 10
  selector:
    matchLabels: {app.kubernetes.io/name: till}
  template:
    metadata:
      labels: {example.com/team: tills, app.kubernetes.io/name: till, tier: edge}
    spec:
      containers:
        - name: main
          image: registry.example.com/shop/till:1.0
          command: [/bin/sh, -c]
          args: ['echo "$HOME" 100% $$$$(NAME)', plain]
          workingDir: /srv/till data
          env:
            - {name: LEVEL, value: debug}
            - {name: TEXT, value: "two\\nlines \\\\ $$(LEVEL)"}
          ports:
            - {containerPort: 80, hostPort: 8080, name: http}
            - {containerPort: 53, hostPort: 53, protocol: UDP}
            - {containerPort: 9000}
          resources:
            limits: {cpu: 1500m, memory: 64Mi}
            requests: {memory: 32Mi}
      terminationGracePeriodSeconds: 120
      nodeSelector: {kubernetes.io/arch: arm64}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: polyfleet.io/site
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {matchLabels: {app.kubernetes.io/name: till}}
        - maxSkew: 1
          topologyKey: zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {tier: edge}}
        - maxSkew: 1
          topologyKey: rack
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {matchLabels: {app.kubernetes.io/name: till}}
"""

UNIT: Final = r"""[Unit]
Description=shop/till
Wants=network-online.target
After=network-online.target

[Container]
ContainerName=shop-till
Image=registry.example.com/shop/till:1.0
Label=example.com/team=tills
Environment=LEVEL=debug
Environment="TEXT=two\nlines \\ $$(LEVEL)"
PublishPort=8080:80
PublishPort=53:53/udp
ExposeHostPort=9000
Exec="echo \"$$HOME\" 100%% $$$$(NAME)" plain
PodmanArgs=--stop-timeout=120
PodmanArgs="--entrypoint=[\"/bin/sh\", \"-c\"]"
PodmanArgs="--workdir=/srv/till data"
PodmanArgs=--memory=67108864b
PodmanArgs=--cpus=1.5

[Service]
Restart=always
TimeoutStopSec=130

[Install]
WantedBy=multi-user.target default.target
"""

POD: Final = "spec.template.spec"
BY_HAND: Final = "a unit runs on the machine that has it"


def variant(*changes: tuple[str, str]) -> str:
    text = TILL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_a_workload_with_replicas_is_a_deployment() -> None:
    document, unsaid = export_kubernetes(read_manifest(yaml.safe_load(TILL)))
    assert document == yaml.safe_load(DEPLOYMENT)
    assert unsaid == (
        Problem(
            path=f"{POD}.topologySpreadConstraints[2].labelSelector",
            message="these labels cannot be the pod's beside the others",
        ),
    )


@pytest.mark.parametrize(
    ("changes", "kind", "unsaid"),
    [
        ((("  replicas: 2\n", ""),), "DaemonSet", []),
        ((("replicas: 2", "replicas: 1"), ("restartPolicy: Always", "restartPolicy: Never")), "Pod", []),
        (
            (("restartPolicy: Always", "restartPolicy: OnFailure"),),
            "Deployment",
            [f"{POD}.restartPolicy: OnFailure: pods of a Deployment are always started again"],
        ),
        (
            (("command: [/bin/sh, -c]", "command: []"),),
            "Deployment",
            [f"{POD}.containers[0].command: an empty list is as good as left out in Kubernetes"],
        ),
    ],
)
def test_the_kind_fits_where_and_for_how_long_it_runs(
    changes: tuple[tuple[str, str], ...], kind: str, unsaid: list[str]
) -> None:
    text = variant(*changes)
    text = text[: text.index("      topologySpread")]
    manifest = read_manifest(yaml.safe_load(text))
    document, problems = export_kubernetes(manifest)
    assert (document["kind"], [str(problem) for problem in problems]) == (kind, unsaid)
    assert (read_workload(document) == manifest) is not bool(unsaid)


def test_a_workload_is_a_quadlet_unit() -> None:
    text, unsaid = export_quadlet(read_manifest(yaml.safe_load(TILL)))
    assert text == UNIT
    assert [str(problem) for problem in unsaid] == [
        f"spec.replicas: {BY_HAND}",
        f"{POD}.nodeSelector: {BY_HAND}",
        f"{POD}.topologySpreadConstraints: {BY_HAND}",
        f"{POD}.containers[0].ports[0].name: a unit has no key for it",
        f"{POD}.containers[0].resources.requests: {BY_HAND}",
    ]


def test_a_unit_on_the_hosts_network_publishes_nothing() -> None:
    host = "terminationGracePeriodSeconds: 120\n      hostNetwork: true"
    text, unsaid = export_quadlet(
        read_manifest(
            yaml.safe_load(
                variant(
                    ("terminationGracePeriodSeconds: 120", host),
                    ("command: [/bin/sh, -c]", "command: []"),
                    ("restartPolicy: Always", "restartPolicy: OnFailure"),
                )
            )
        )
    )
    lines = text.splitlines()
    assert [line for line in lines if line.startswith(("Network", "Publish", "Expose", "Restart"))] == [
        "Network=host",
        "Restart=on-failure",
    ]
    assert [str(problem) for problem in unsaid if "containers" in problem.path] == [
        f"{POD}.containers[0].command: a unit cannot empty what the image has",
        *(
            f"{POD}.containers[0].ports[{position}]: the host's network has all ports open"
            for position in range(3)
        ),
        f"{POD}.containers[0].resources.requests: {BY_HAND}",
    ]


PROBED: Final = """\
apiVersion: polyfleet.io/v1
kind: Workload
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: main
          image: registry.example.com/web
          ports: [{containerPort: 8080, name: http}]
          startupProbe: {tcpSocket: {port: http}}
          livenessProbe:
            exec: {command: [/bin/check, "it's 100% $HOME"]}
            initialDelaySeconds: 5
            periodSeconds: 20
            timeoutSeconds: 2
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
"""


def test_probes_are_the_same_in_kubernetes_with_numbers_for_ports() -> None:
    manifest = read_manifest(yaml.safe_load(PROBED))
    document, unsaid = export_kubernetes(manifest)
    assert isinstance(document["spec"], dict)
    exported = yaml.safe_load(yaml.safe_dump(document))["spec"]["template"]["spec"]["containers"][0]
    assert exported["startupProbe"] == {"tcpSocket": {"port": "http"}}
    assert exported["readinessProbe"] == {"httpGet": {"path": "/ready", "port": 8080}}
    assert (unsaid, read_workload(document)) == ((), manifest)


def test_a_unit_has_one_health_check_which_runs_a_command() -> None:
    manifest = read_manifest(yaml.safe_load(PROBED))
    text, unsaid = export_quadlet(manifest)
    assert [line for line in text.splitlines() if "health" in line] == [
        r"""PodmanArgs="--health-cmd=[\"/bin/check\", \"it's 100%% $$HOME\"]" """.strip(),
        "PodmanArgs=--health-interval=20s",
        "PodmanArgs=--health-timeout=2s",
        "PodmanArgs=--health-retries=3",
        "PodmanArgs=--health-start-period=5s",
        "PodmanArgs=--health-on-failure=kill",
    ]
    told = {problem.path.rpartition(".")[2]: problem.message for problem in unsaid}
    assert told == {
        "name": "a unit has no key for it",
        "startupProbe": "a unit has one health check, which is for livenessProbe",
        "readinessProbe": "nothing asks whether a unit is ready",
    }


def test_a_unit_makes_no_requests_for_its_health() -> None:
    text = PROBED.replace("""exec: {command: [/bin/check, "it's 100% $HOME"]}""", "tcpSocket: {port: 8080}")
    unit, unsaid = export_quadlet(read_manifest(yaml.safe_load(text)))
    assert "health" not in unit
    assert [problem.message for problem in unsaid if problem.path.endswith("livenessProbe")] == [
        "Podman's health checks run commands only"
    ]


def pod_of_two() -> WorkloadManifest:
    """A pod with everything that a single container has not."""
    return read_manifest(
        yaml.safe_load(
            """\
apiVersion: polyfleet.io/v1
kind: Workload
metadata: {name: site}
spec:
  template:
    spec:
      securityContext: {runAsUser: 101}
      volumes:
        - {name: conf, configMap: {items: [{key: a, text: b}]}}
        - {name: data, emptyDir: {}}
      initContainers:
        - {name: first, image: registry.example.com/site, args: ["$(A)"]}
      containers:
        - name: main
          image: registry.example.com/site
          volumeMounts: [{name: conf, mountPath: /conf}]
        - name: side
          image: registry.example.com/site
          securityContext: {capabilities: {drop: [ALL]}}
"""
        )
    )


def test_a_pod_of_several_containers_is_one_in_kubernetes_and_its_files_are_told() -> None:
    manifest = pod_of_two()
    document, unsaid = export_kubernetes(manifest)
    assert [str(problem) for problem in unsaid] == [
        (
            f"{POD}.volumes[0].configMap.items: a volume has no files of its own there: "
            "put them into a ConfigMap site-conf"
        )
    ]
    files: JsonValue = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "site-conf"},
        "data": {"a": "b"},
    }
    _, reading = read_documents([files, document])
    assert (reading.problems, [found.manifest for found in reading.workloads]) == ([], [manifest])


def test_a_unit_tells_what_of_a_pod_it_leaves_out() -> None:
    _, unsaid = export_quadlet(pod_of_two())
    assert [str(problem) for problem in unsaid] == [
        f"{POD}.initContainers: a unit has no key for it",
        f"{POD}.volumes: a unit has no key for it",
        f"{POD}.securityContext: a unit has no key for it",
        f"{POD}.containers[1]: a unit is one container: export does not write the others of a pod",
        f"{POD}.containers[0].volumeMounts: a unit has no key for it",
    ]


def test_secrets_are_named_in_kubernetes_and_in_a_unit() -> None:
    document = {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "site", "namespace": "shop"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "registry.example.com/site:1",
                            "envFrom": [{"prefix": "DB_", "secretRef": {"name": "db"}}],
                            "env": [
                                {
                                    "name": "PASSWORD",
                                    "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}},
                                }
                            ],
                            "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
                        }
                    ],
                    "volumes": [{"name": "tls", "secret": {"secretName": "tls", "optional": True}}],
                    "imagePullSecrets": [{"name": "registry"}],
                }
            }
        },
    }
    manifest = read_manifest(document)
    exported, unsaid = export_kubernetes(manifest)
    assert unsaid == ()
    (reading,) = read_documents([exported])
    assert [found.manifest.spec.template for found in reading.workloads] == [manifest.spec.template]
    text, unsaid = export_quadlet(manifest)
    assert "PodmanArgs=--secret=shop.db_password,type=env,target=PASSWORD" in text.splitlines()
    assert [problem.path for problem in unsaid] == [
        f"{POD}.volumes",
        f"{POD}.imagePullSecrets",
        f"{POD}.containers[0].envFrom",
        f"{POD}.containers[0].volumeMounts",
    ]
