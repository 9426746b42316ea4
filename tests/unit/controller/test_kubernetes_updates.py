"""How a Deployment and a DaemonSet are updated, read as a rollout and written from one."""

from typing import Any, Final

import pytest

from polyfleet_controller.domain.kubernetes.documents import read_workload
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.manifest import WorkloadManifest, read_manifest
from polyfleet_controller.domain.rollout.strategy import Amount, Strategy
from polyfleet_shared.json_text import DecodeError, JsonValue

TEMPLATE: Final[JsonObject] = {
    "metadata": {"labels": {"app": "till"}},
    "spec": {"containers": [{"name": "main", "image": "registry.example.com/till:1"}]},
}


def kubernetes(kind: str, **spec: JsonValue) -> WorkloadManifest:
    return read_workload(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "till"},
            "spec": {"selector": {"matchLabels": {"app": "till"}}, "template": TEMPLATE, **spec},
        }
    )


def ours(**spec: JsonValue) -> WorkloadManifest:
    return read_manifest(
        {
            "apiVersion": "polyfleet.io/v1",
            "kind": "Workload",
            "metadata": {"name": "till"},
            "spec": {"replicas": 1, "template": {"spec": TEMPLATE["spec"]}, **spec},
        }
    )


@pytest.mark.parametrize(
    ("kind", "spec", "rollout"),
    [
        ("Deployment", {}, None),
        ("Deployment", {"strategy": {"type": "Recreate"}}, None),
        ("Deployment", {"strategy": {"type": "RollingUpdate", "rollingUpdate": None}}, None),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}},
            None,
        ),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxUnavailable": 3, "maxSurge": 0}}},
            Strategy(max_unavailable=Amount(count=3)),
        ),
        (
            "DaemonSet",
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "25%"}}},
            Strategy(max_unavailable=Amount(percent=25)),
        ),
        (
            "DaemonSet",
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}},
            Strategy(max_unavailable=Amount(count=1)),
        ),
    ],
)
def test_what_may_be_down_at_a_time_is_a_rollouts(
    kind: str, spec: dict[str, Any], rollout: Strategy | None
) -> None:
    assert kubernetes(kind, **spec).spec.rollout == rollout


def test_the_pace_is_read_under_its_own_names() -> None:
    spec = kubernetes("Deployment", minReadySeconds=0, progressDeadlineSeconds=60).spec
    assert (spec.min_ready_seconds, spec.progress_deadline_seconds) == (0, 60)
    spec = kubernetes("DaemonSet").spec
    assert (spec.min_ready_seconds, spec.progress_deadline_seconds) == (10, 600)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"strategy": "Recreate"}, "spec.strategy: expected an object"),
        ({"strategy": {"rollingUpdate": []}}, "spec.strategy.rollingUpdate: expected an object"),
        (
            {
                "strategy": {"rollingUpdate": {"maxUnavailable": 1}},
                "rollout": {"successThreshold": "50%"},
            },
            "spec.rollout: say how it is updated here or in strategy",
        ),
        (
            {"progressDeadlineSeconds": 10},
            "spec.progressDeadlineSeconds: is to be above minReadySeconds, 10",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(spec: dict[str, Any], problem: str) -> None:
    with pytest.raises(DecodeError) as raised:
        kubernetes("Deployment", **spec)
    assert [str(found) for found in raised.value.problems] == [problem]


@pytest.mark.parametrize(
    ("spec", "written", "unsaid"),
    [
        ({}, {"minReadySeconds": 10}, []),
        (
            {"minReadySeconds": 0, "progressDeadlineSeconds": 60},
            {"minReadySeconds": 0, "progressDeadlineSeconds": 60},
            [],
        ),
        (
            {"rollout": {"maxUnavailable": 2, "waves": [5, "100%"], "prefetch": False}},
            {"minReadySeconds": 10, "strategy": {"rollingUpdate": {"maxUnavailable": 2}}},
            [
                "spec.rollout.waves: there is no such field in Kubernetes",
                "spec.rollout.prefetch: there is no such field in Kubernetes",
            ],
        ),
        (
            {"rollout": {}},
            {"minReadySeconds": 10},
            ["spec.rollout: a Deployment cannot say that there is one"],
        ),
        (
            {"replicas": None, "progressDeadlineSeconds": 60, "rollout": {}},
            {"minReadySeconds": 10, "updateStrategy": {"rollingUpdate": {"maxUnavailable": "25%"}}},
            ["spec.progressDeadlineSeconds: there is no such field in Kubernetes"],
        ),
    ],
)
def test_what_kubernetes_has_no_field_for_is_told(
    spec: dict[str, Any], written: dict[str, Any], unsaid: list[str]
) -> None:
    document, problems = export_kubernetes(ours(**spec))
    found = object_at(document, "spec")
    for name in ("replicas", "selector", "template"):
        found.pop(name, None)
    assert (found, [str(problem) for problem in problems]) == (written, unsaid)
