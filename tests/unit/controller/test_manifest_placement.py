"""Where a manifest's workload belongs, in Kubernetes' words."""

from datetime import timedelta
from typing import Any, Final

import pytest

from polyfleet_controller.domain.manifest import read_manifest
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.scheduling.candidates import HostPort, Resources
from polyfleet_controller.domain.scheduling.requests import (
    Preference,
    Replicas,
    Request,
    Spread,
    Term,
    WhenUnsatisfiable,
)
from polyfleet_controller.domain.taints import Effect, Toleration, TolerationOperator
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.workloads import Protocol


def manifest() -> dict[str, Any]:
    return {
        "apiVersion": "polyfleet.io/v1",
        "kind": "Workload",
        "metadata": {"name": "hello"},
        "spec": {
            "template": {"spec": {"containers": [{"name": "main", "image": "registry.example.com/hello"}]}}
        },
    }


def problems_of(document: object) -> list[str]:
    with pytest.raises(DecodeError) as raised:
        read_manifest(document)
    return [str(problem) for problem in raised.value.problems]


PLACED: Final = {
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "priority": 7,
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "site", "operator": "In", "values": ["berlin", "paris"]}]}
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 10,
                    "preference": {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["3"]}]},
                }
            ],
        }
    },
    "tolerations": [
        {"key": "lab", "operator": "Exists"},
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ],
    "topologySpreadConstraints": [
        {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
    ],
}


def placed(**fields: object) -> dict[str, Any]:
    document = manifest()
    document["spec"]["template"]["spec"].update(fields)
    return document


def test_what_a_pod_asks_of_its_node_is_asked_of_devices() -> None:
    document = placed(**PLACED)
    document["spec"]["replicas"] = 3
    container = document["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi", "cpu": "1"}}
    container["ports"] = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]
    assert read_manifest(document).request("uid", ()) == Request(
        uid="uid",
        priority=7,
        extent=Replicas(count=3, patience=timedelta(seconds=60)),
        node_selector={"kubernetes.io/arch": "arm64"},
        affinity=(
            Term(requirements=(Requirement(key="site", operator=Operator.IN, values=("berlin", "paris")),)),
        ),
        preferences=(
            Preference(
                weight=10,
                term=Term(requirements=(Requirement(key="cores", operator=Operator.GT, values=("3",)),)),
            ),
        ),
        tolerations=(
            Toleration(key="lab", operator=TolerationOperator.EXISTS),
            Toleration(
                key="node.kubernetes.io/unreachable",
                operator=TolerationOperator.EXISTS,
                effect=Effect.NO_EXECUTE,
                toleration_seconds=60,
            ),
        ),
        resources=Resources(cpu=1000, memory=64 * 2**20),
        ports=frozenset({HostPort(port=8080)}),
        spreads=(
            Spread(topology_key="zone", max_skew=2, when_unsatisfiable=WhenUnsatisfiable.DO_NOT_SCHEDULE),
        ),
    )


def test_a_workload_that_asks_nothing_runs_everywhere() -> None:
    assert read_manifest(manifest()).request("uid", ()) == Request(uid="uid")


def test_on_the_hosts_network_every_port_is_the_devices_own() -> None:
    document = placed(hostNetwork=True)
    document["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"containerPort": 53, "protocol": "UDP"}
    ]
    assert read_manifest(document).request("uid", ()).ports == {HostPort(port=53, protocol=Protocol.UDP)}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "tolerations[0]: a toleration with the operator Exists has no value",
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 0}]},
            "topologySpreadConstraints[0].maxSkew: expected at least 1, got 0",
        ),
        (
            {"affinity": {"podAntiAffinity": {}}},
            "affinity.podAntiAffinity: has no meaning here: a device runs a workload once at most",
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
                    }
                }
            },
            (
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
                "needs at least one term"
            ),
        ),
    ],
)
def test_a_placement_that_cannot_be_taken_is_refused_with_its_path(
    fields: dict[str, object], problem: str
) -> None:
    assert problems_of(placed(**fields)) == [f"spec.template.spec.{problem}"]


def test_a_request_above_its_limit_is_refused() -> None:
    document = manifest()
    document["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"memory": "2Gi"},
        "limits": {"memory": "1Gi"},
    }
    assert problems_of(document) == [
        "spec.template.spec.containers[0].resources.requests.memory: 2Gi is above the limit of 1Gi"
    ]


def test_a_number_of_replicas_below_nought_is_refused() -> None:
    document = manifest()
    document["spec"]["replicas"] = -1
    assert problems_of(document) == ["spec.replicas: expected 0 to 1000000, got -1"]
