"""Manifests: everything that is wrong at once, each with its place and what to do."""

import copy
from typing import Any, Final

import pytest

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.manifest import (
    ContainerTemplate,
    Metadata,
    Name,
    PodSpec,
    PodTemplate,
    WorkloadManifest,
    WorkloadSpec,
    read_manifest,
)
from polyfleet_controller.domain.pod_resources import ResourceList, ResourceRequirements
from polyfleet_controller.domain.quantities import Quantity
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.workloads import (
    ContainerPort,
    EnvironmentVariable,
    Protocol,
    ResourceLimits,
    RestartPolicy,
)

MINIMAL: Final[dict[str, Any]] = {
    "apiVersion": "polyfleet.io/v1",
    "kind": "Workload",
    "metadata": {"name": "hello"},
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.example.com/hello"}]}}},
}
FULL: Final[dict[str, Any]] = {
    "apiVersion": "polyfleet.io/v1",
    "kind": "Workload",
    "metadata": {"name": "till", "namespace": "shop", "labels": {"example.com/team": "tills", "tier": ""}},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "registry.example.com/shop/till:1.0",
                        "command": ["/till"],
                        "args": ["--port", "80"],
                        "workingDir": "/srv",
                        "env": [{"name": "LEVEL", "value": "debug"}, {"name": "EMPTY"}],
                        "ports": [
                            {"containerPort": 80, "hostPort": 8080, "name": "http"},
                            {"containerPort": 80, "hostPort": 8080, "protocol": "UDP"},
                        ],
                        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}},
                    }
                ],
                "restartPolicy": "OnFailure",
                "terminationGracePeriodSeconds": 5,
                "hostNetwork": True,
            }
        }
    },
}


def change(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the document with the value at a dotted path set; numbers are positions."""
    changed = copy.deepcopy(document)
    place: Any = changed
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return changed


def problems_of(document: object) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        read_manifest(document)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_left_out_has_kubernetes_defaults() -> None:
    assert read_manifest(MINIMAL) == WorkloadManifest(
        metadata=Metadata(name=Name("hello"), namespace=Name("default"), labels={}),
        spec=WorkloadSpec(
            template=PodTemplate(
                spec=PodSpec(
                    containers=(
                        ContainerTemplate(
                            name=Name("main"),
                            image=ImageReference(repository="registry.example.com/hello", tag="latest"),
                        ),
                    ),
                    restart_policy=RestartPolicy.ALWAYS,
                    termination_grace_period_seconds=30,
                    host_network=False,
                )
            )
        ),
    )


def test_everything_that_is_written_is_read() -> None:
    assert read_manifest(FULL) == WorkloadManifest(
        metadata=Metadata(
            name=Name("till"), namespace=Name("shop"), labels={"example.com/team": "tills", "tier": ""}
        ),
        spec=WorkloadSpec(
            template=PodTemplate(
                spec=PodSpec(
                    containers=(
                        ContainerTemplate(
                            name=Name("main"),
                            image=ImageReference(repository="registry.example.com/shop/till", tag="1.0"),
                            command=("/till",),
                            args=("--port", "80"),
                            working_dir="/srv",
                            env=(
                                EnvironmentVariable(name="LEVEL", value="debug"),
                                EnvironmentVariable(name="EMPTY"),
                            ),
                            ports=(
                                ContainerPort(container_port=80, host_port=8080, name="http"),
                                ContainerPort(container_port=80, host_port=8080, protocol=Protocol.UDP),
                            ),
                            resources=ResourceRequirements(
                                limits=ResourceList(cpu=Quantity.parse("500m"), memory=Quantity.parse("1Gi"))
                            ),
                        ),
                    ),
                    restart_policy=RestartPolicy.ON_FAILURE,
                    termination_grace_period_seconds=5,
                    host_network=True,
                )
            )
        ),
    )


def test_limits_are_given_in_the_units_of_the_wire() -> None:
    assert read_manifest(FULL).container.limits == ResourceLimits(cpu=500, memory=2**30)


def test_manifests_that_mean_the_same_are_the_same_document() -> None:
    limits = "spec.template.spec.containers.0.resources.limits"
    other = change(FULL, limits, {"memory": "1Gi", "cpu": "0.5"})
    assert encode(read_manifest(other)) == encode(read_manifest(FULL))


def test_numbers_of_devices_are_written_as_numbers_or_as_text() -> None:
    plain = change(MINIMAL, "spec.rollout", {"waves": [1, "10%", "100%"], "maxUnavailable": 2})
    spelled_out = change(
        MINIMAL,
        "spec.rollout",
        {
            "waves": [{"devices": "1"}, {"devices": "10%", "approval": False}, {"devices": "100%"}],
            "maxUnavailable": "2",
        },
    )
    assert read_manifest(plain) == read_manifest(spelled_out)


def test_all_problems_are_told_at_once() -> None:
    document = {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "My_App", "labels": {"tier": 3}, "annotations": {}},
        "spec": {
            "selector": {},
            "template": {
                "metadata": {},
                "spec": {
                    "nodeName": "edge-7",
                    "colour": "red",
                    "terminationGracePeriodSeconds": -1,
                    "containers": [
                        {
                            "name": "main",
                            "image": "nginx",
                            "workingDir": "srv",
                            "livenessProbe": {},
                            "resources": {"claims": [], "limits": {"cpu": 0, "memory": "64m"}},
                            "ports": [{"containerPort": 0, "hostIP": "0.0.0.0"}],  # noqa: S104 - refused
                            "env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": 1}],
                        }
                    ],
                },
            },
        },
    }
    assert problems_of(document) == [
        "metadata.annotations: not supported in this version; leave it out",
        (
            "metadata.name: 'My_App' is no name: use 1 to 63 of a-z, 0-9 and '-', "
            "starting and ending with a letter or digit"
        ),
        'metadata.labels["tier"]: expected a text, got the number 3',
        "spec.selector: has no meaning here: a workload knows its own containers",
        "spec.template.metadata: has no meaning here: labels stand in the workload's own metadata",
        (
            "spec.template.spec.nodeName: has no meaning here: write nodeSelector, "
            "for example kubernetes.io/hostname: edge-7"
        ),
        "spec.template.spec.colour: unknown field",
        (
            "spec.template.spec.containers[0].image: 'nginx' does not say which registry holds it: "
            "write registry/path[:tag][@digest], for example docker.io/library/nginx"
        ),
        (
            "spec.template.spec.containers[0].livenessProbe: "
            "a probe has exactly one of exec, httpGet and tcpSocket"
        ),
        "spec.template.spec.containers[0].resources.claims: not supported in this version; leave it out",
        "spec.template.spec.containers[0].resources.limits.cpu: a limit is above 0; leave it out to set none",
        (
            "spec.template.spec.containers[0].resources.limits.memory: 64m is a fraction of a byte: "
            "M and Mi are millions of bytes, m is thousandths"
        ),
        "spec.template.spec.containers[0].ports[0].hostIP: not supported in this version; leave it out",
        "spec.template.spec.containers[0].ports[0]: a port is between 1 and 65535, not 0",
        "spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef: missing",
        "spec.template.spec.containers[0].env[1].value: expected a text, got the number 1",
    ]


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (None, ["expected an object, got null"]),
        ([], ["expected an object, got a list"]),
        ({}, ["kind: missing; write kind: Workload", "apiVersion: missing; write polyfleet.io/v1"]),
        (
            {"kind": ["Workload"], "apiVersion": "v1"},
            ["kind: expected a text; write kind: Workload"],
        ),
        (
            {"kind": "Werkload", "apiVersion": "polyfleet.io/v1"},
            [
                (
                    "kind: 'Werkload' is not known; Workload is taken, and of Kubernetes' Pod, Deployment "
                    "and DaemonSet"
                )
            ],
        ),
        (
            {"kind": "Workload", "apiVersion": "polyfleet.io/v2"},
            ["apiVersion: 'polyfleet.io/v2' is not known; write polyfleet.io/v1"],
        ),
        (
            {"kind": "Workload", "apiVersion": 1},
            ["apiVersion: '1' is not known; write polyfleet.io/v1"],
        ),
        (
            {"kind": "Workload", "apiVersion": "polyfleet.io/v1"},
            ["metadata: missing", "spec: missing"],
        ),
    ],
)
def test_another_kind_of_document_is_told_as_that_and_nothing_more(
    document: object, problems: list[str]
) -> None:
    assert problems_of(document) == problems


POD: Final = "spec.template.spec"
CONTAINER: Final = f"{POD}.containers.0"


def test_a_pod_of_several_containers_is_checked_as_one() -> None:
    (main,) = MINIMAL["spec"]["template"]["spec"]["containers"]
    ports = [{"containerPort": 80, "hostPort": 80}]
    pod = {
        "initContainers": [main | {"name": "first", "volumeMounts": [{"name": "www", "mountPath": "/www"}]}],
        "containers": [
            main | {"ports": ports},
            main | {"name": "side", "ports": ports, "securityContext": {"runAsUser": 0}},
        ],
        "securityContext": {"runAsNonRoot": True},
    }
    assert problems_of(change(MINIMAL, POD, pod)) == [
        f"{POD}.containers[1].ports[0]: the hostPort 80/TCP is there already",
        f"{POD}.containers[1].securityContext: runAsUser 0 is root, which runAsNonRoot forbids",
        f"{POD}.initContainers[0].volumeMounts[0].name: the workload has no volume www",
    ]


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            f"{POD}.containers",
            [],
            f"{POD}.containers: a workload has at least one container",
        ),
        (
            f"{POD}.containers",
            MINIMAL["spec"]["template"]["spec"]["containers"] * 2,
            f"{POD}.containers[1].name: a container main is there already",
        ),
        (
            f"{POD}.volumes",
            [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}, "emptyDir": {}}],
            (
                f"{POD}.volumes[0].persistentVolumeClaim: has no meaning here: a device has its own disk; "
                "mount it there and use hostPath"
            ),
        ),
        (
            f"{POD}.volumes",
            [{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}],
            (
                f"{POD}.volumes[0].emptyDir.sizeLimit: sizeLimit is only kept with medium: Memory; "
                "leave it out"
            ),
        ),
        (
            f"{POD}.volumes",
            [{"name": "data", "configMap": {"items": [{"key": "a", "text": "x" * 16385}]}}],
            (
                f"{POD}.volumes[0].configMap.items[0].text: with this file a workload's files are 16385 "
                "bytes, above the 16384 that a document takes: put it into the image, or use a hostPath"
            ),
        ),
        (
            f"{CONTAINER}.volumeMounts",
            [{"name": "data", "mountPath": "/data"}],
            f"{POD}.containers[0].volumeMounts[0].name: the workload has no volume data",
        ),
        (
            f"{CONTAINER}.volumeMounts",
            [{"name": "data", "mountPath": "data"}],
            (
                f"{POD}.containers[0].volumeMounts[0]: a mountPath is absolute, without '..' and ':', "
                "not 'data'"
            ),
        ),
        (
            f"{CONTAINER}.securityContext",
            {"seccompProfile": {"type": "RuntimeDefault"}},
            (
                f"{POD}.containers[0].securityContext.seccompProfile: not supported in this version; "
                "leave it out"
            ),
        ),
        (
            f"{POD}.securityContext",
            {"fsGroup": 1000},
            f"{POD}.securityContext.fsGroup: not supported in this version; leave it out",
        ),
        (
            f"{POD}.terminationGracePeriodSeconds",
            86401,
            f"{POD}.terminationGracePeriodSeconds: expected 0 to 86400, got 86401",
        ),
        (
            f"{POD}.restartPolicy",
            "always",
            f'{POD}.restartPolicy: expected one of Always, OnFailure, Never, got the text "always"',
        ),
        (f"{POD}.hostNetwork", "yes", f'{POD}.hostNetwork: expected true or false, got the text "yes"'),
        (
            f"{CONTAINER}.workingDir",
            "srv",
            f"{POD}.containers[0].workingDir: expected an absolute path",
        ),
        (
            f"{CONTAINER}.env",
            [{"name": "A"}, {"name": "B"}, {"name": "A"}],
            f"{POD}.containers[0].env[2]: the variable A is there already",
        ),
        (
            f"{CONTAINER}.ports",
            [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}],
            f"{POD}.containers[0].ports[1]: a port called a is there already",
        ),
        (
            f"{CONTAINER}.ports",
            [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}],
            f"{POD}.containers[0].ports[1]: the hostPort 80/TCP is there already",
        ),
        (
            f"{CONTAINER}.resources",
            {"limits": {"memory": True}},
            f"{POD}.containers[0].resources.limits.memory: expected a text, got the boolean true",
        ),
        (
            f"{CONTAINER}.imagePullPolicy",
            "Always",
            (
                f"{POD}.containers[0].imagePullPolicy: has no meaning here: every device pulls the digest "
                "that the release pins, if it lacks it"
            ),
        ),
        (
            "metadata.labels",
            {"a b": "1"},
            "metadata.labels[\"a b\"]: a label's key is 1 to 63 of letters, digits, '-', '_' and '.'",
        ),
        (
            "metadata.labels",
            {"Example.com/a": "1"},
            (
                "metadata.labels[\"Example.com/a\"]: what stands before '/' in a label's key is a domain "
                "name in lower case"
            ),
        ),
        (
            "metadata.labels",
            {"a": "-"},
            "metadata.labels[\"a\"]: a label's value is up to 63 of letters, digits, '-', '_' and '.'",
        ),
        (
            "spec.rollout",
            {"waves": [0, "100%"]},
            ("spec.rollout.waves[0].devices: '0' is no number of devices: write 1 to 1000000, or 1% to 100%"),
        ),
        (
            "spec.rollout",
            {"waves": [{"devices": 1, "approvals": 2}, "100%"]},
            "spec.rollout.waves[0].approvals: unknown field",
        ),
        (
            "spec.rollout",
            {"onFailure": "stop"},
            ('spec.rollout.onFailure: expected one of rollback, pause, got the text "stop"'),
        ),
        (
            "spec.progressDeadlineSeconds",
            10,
            "spec.progressDeadlineSeconds: is to be above minReadySeconds, 10",
        ),
        (
            "spec.strategy",
            {"type": "Recreate"},
            "spec.strategy: has no meaning here: write rollout, with its maxUnavailable",
        ),
        ("status", {}, "status: has no meaning here: Polyfleet keeps this itself; leave it out"),
    ],
)
def test_a_mistake_is_told_with_its_place(path: str, value: object, problem: str) -> None:
    assert problems_of(change(MINIMAL, path, value)) == [problem]
