"""The API over a real HTTP server and a real SQLite file: what it answers, whole."""

from typing import Any

import pytest

from fixtures.api import Api, FakeDevice, manifest
from polyfleet_controller.api.workload_schema import describe_workload
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.registry import Registry
from polyfleet_shared.messages import EventKind, Phase, WorkloadReport
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel, format_topic

TIME = "1990-05-01T10:00:00Z"
RESERVED = "is reserved, as all under polyfleet.io/ is but for polyfleet.io/site"
HELLO = "/v1/workloads/default/hello"


def names(api: Api, path: str) -> list[str]:
    return [item["name"] for item in api.ask("GET", path).json()["items"]]


def listed(name: str = "edge-1", **changes: object) -> dict[str, object]:
    """A device as a list shows it, before it was given anything."""
    return {
        "name": name,
        "admission": "admitted",
        "connectivity": "online",
        "since": TIME,
        "lastSeen": TIME,
        "platform": "linux/amd64",
        "platformSource": "configured",
        "agentVersion": "0.1.0",
        "labels": {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
        },
        "epoch": 1,
        "generation": 1,
        "sync": "behind",
        "conditions": [],
        "taints": [],
        **changes,
    }


# -- devices


def test_an_empty_fleet_is_an_empty_list(api: Api) -> None:
    answer = api.ask("GET", "/v1/devices")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        200,
        "application/json",
        {"items": []},
    )


def test_a_device_is_shown_with_everything_that_is_known(api: Api, image: PushedImage) -> None:
    device = api.add_device()
    applied = api.ask("PUT", HELLO, manifest(image.reference)).json()["workload"]
    device.obey()
    device.tell(EventKind.STARTED, "as it should")
    api.backend.hear_raw((format_topic("edge-1", Channel.REPORTED), b"[]"))
    child, config = image.children["linux/amd64"], image.configs["linux/amd64"]
    assert api.ask("GET", "/v1/devices/edge-1").json() == {
        "device": listed(generation=2, observedEpoch=1, observedGeneration=2, sync="in_sync"),
        "platforms": [{"platform": "linux/amd64", "fit": "native", "found": ""}],
        "host": {
            "hostname": "edge-1",
            "machine": "x86_64",
            "cpuModel": "",
            "cpuCount": 2,
            "memoryTotal": 2**30,
            "diskTotal": 2**34,
            "osName": "Debian GNU/Linux",
            "osVersion": "12",
            "kernel": "6.1.0",
            "podmanVersion": "4.3.1",
            "bootId": "b",
            "timeZone": "",
        },
        "incarnations": [{"incarnation": device.incarnation, "firstSeen": TIME}],
        "assignments": [
            {
                "uid": applied["uid"],
                "namespace": "default",
                "name": "hello",
                "release": applied["release"],
                "platform": "linux/amd64",
                "child": child,
                "otherChildren": [],
                "standing": "running",
                "report": {
                    "uid": applied["uid"],
                    "namespace": "default",
                    "name": "hello",
                    "release": applied["release"],
                    "phase": "running",
                    "message": "",
                    "container": "",
                    "readySeconds": 61,
                    "restarts": 0,
                    "containers": [
                        {
                            "name": "main",
                            "containerId": "hello-main",
                            "running": True,
                            "imageId": config,
                            "child": child,
                        }
                    ],
                    "fallback": "",
                    "prefetched": [],
                },
            }
        ],
        "events": [
            {
                "device": "edge-1",
                "seq": 4,
                "kind": "started",
                "at": TIME,
                "receivedAt": TIME,
                "message": "as it should",
            }
        ],
        "refusals": ["up/reported: expected an object"],
        "labels": [
            {"key": "kubernetes.io/arch", "value": "amd64", "source": "inventory"},
            {"key": "kubernetes.io/hostname", "value": "edge-1", "source": "inventory"},
            {"key": "kubernetes.io/os", "value": "linux", "source": "inventory"},
        ],
        "ignoredLabels": [],
    }


def test_devices_are_filtered_by_all_that_is_given(api: Api) -> None:
    api.add_device("edge-1", "linux/amd64", site="north")
    api.add_device("edge-2", "linux/arm64", site="north")
    api.add_device("edge-3", "linux/arm64", site="south").connect(online=False)
    assert {
        query: names(api, f"/v1/devices?{query}")
        for query in (
            "platform=linux/arm64",
            "platform=linux/aarch64",
            "label=site=north",
            "label=site=north&label=kubernetes.io/arch=arm64",
            "connectivity=offline",
            "sync=behind&platform=linux/amd64",
            "sync=in_sync",
            "admission=pending",
        )
    } == {
        "platform=linux/arm64": ["edge-2", "edge-3"],
        "platform=linux/aarch64": ["edge-2", "edge-3"],
        "label=site=north": ["edge-1", "edge-2"],
        "label=site=north&label=kubernetes.io/arch=arm64": ["edge-2"],
        "connectivity=offline": ["edge-3"],
        "sync=behind&platform=linux/amd64": ["edge-1"],
        "sync=in_sync": [],
        "admission=pending": [],
    }


def test_devices_are_selected_by_their_labels(api: Api) -> None:
    api.add_device("edge-1", "linux/amd64", site="north")
    api.add_device("edge-2", "linux/arm64", site="north", retired="")
    api.add_device("edge-3", "linux/arm/v7", site="south")
    assert {
        selector: [
            item["name"]
            for item in api.ask("GET", "/v1/devices", params={"selector": selector, **more}).json()["items"]
        ]
        for selector, more in {
            "": {},
            "site=north,!retired": {},
            "kubernetes.io/arch in (arm, arm64)": {},
            "polyfleet.io/variant": {},
            "site!=south": {"label": "kubernetes.io/arch=amd64", "connectivity": "online"},
        }.items()
    } == {
        "": ["edge-1", "edge-2", "edge-3"],
        "site=north,!retired": ["edge-1"],
        "kubernetes.io/arch in (arm, arm64)": ["edge-2", "edge-3"],
        "polyfleet.io/variant": ["edge-3"],
        "site!=south": ["edge-1"],
    }


def test_a_device_is_labelled(api: Api) -> None:
    device = api.add_device(tier="edge", site="paris")
    change = {"set": {"site": "berlin", "rack": "3"}, "remove": ["never-there"], "overwrite": True}
    answers = [api.ask("PATCH", "/v1/devices/edge-1/labels", change) for _ in range(2)]
    own = listed()["labels"]
    assert isinstance(own, dict)
    expected = listed(labels={**own, "site": "berlin", "rack": "3", "tier": "edge"})
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, expected)] * 2
    device.labels["polyfleet.io/tier"] = "gold"
    device.describe()
    shown = api.ask("GET", "/v1/devices/edge-1").json()
    assert shown["device"] == expected
    assert shown["labels"] == [
        {"key": "kubernetes.io/arch", "value": "amd64", "source": "inventory"},
        {"key": "kubernetes.io/hostname", "value": "edge-1", "source": "inventory"},
        {"key": "kubernetes.io/os", "value": "linux", "source": "inventory"},
        {"key": "rack", "value": "3", "source": "operator"},
        {"key": "site", "value": "berlin", "source": "operator", "configured": "paris"},
        {"key": "tier", "value": "edge", "source": "device"},
    ]
    assert shown["ignoredLabels"] == [
        {
            "key": "polyfleet.io/tier",
            "value": "gold",
            "message": f"polyfleet.io/tier {RESERVED}",
        }
    ]
    removed = api.ask("PATCH", "/v1/devices/edge-1/labels", {"remove": ["site", "rack"]})
    assert removed.json() == listed(labels={**own, "site": "paris", "tier": "edge"})


def test_a_device_is_tainted(api: Api) -> None:
    api.add_device()
    dedicated = {"key": "dedicated", "value": "till", "effect": "NoSchedule"}
    broken = {"key": "example.com/broken", "effect": "NoExecute"}
    answers = [
        api.ask("PATCH", "/v1/devices/edge-1/taints", change)
        for change in (
            {"set": [dedicated, broken]},
            {"set": [{**dedicated, "value": "scale"}], "overwrite": True},
            {"set": [broken], "remove": [{"key": "dedicated", "effect": "NoSchedule"}]},
            {"remove": [{"key": "example.com/broken"}, {"key": "dedicated"}]},
            {},
        )
    ]
    first = {"key": "dedicated", "value": "till", "effect": "NoSchedule", "since": TIME}
    second = {"key": "example.com/broken", "value": "", "effect": "NoExecute", "since": TIME}
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, listed(taints=taints))
        for taints in ([first, second], [{**first, "value": "scale"}, second], [second], [], [])
    ]
    assert api.ask("GET", "/v1/devices").json() == {"items": [listed(taints=[])]}


def test_pages_go_on_where_the_one_before_ended(api: Api) -> None:
    for number in range(5):
        api.add_device(f"edge-{number}")
    found: list[list[str]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = api.ask("GET", "/v1/devices", params=query).json()
        found.append([item["name"] for item in page["items"]])
        if "nextCursor" not in page:
            break
        query["cursor"] = page["nextCursor"]
    assert found == [["edge-0", "edge-1"], ["edge-2", "edge-3"], ["edge-4"]]


def test_a_deleted_device_is_gone_and_pending_when_it_is_back(api: Api) -> None:
    device = api.add_device()
    deleted = api.ask("DELETE", "/v1/devices/edge-1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [api.ask(method, "/v1/devices/edge-1").status_code for method in ("GET", "DELETE")] == [404, 404]
    device.describe()
    assert names(api, "/v1/devices?admission=pending") == ["edge-1"]
    answers = [api.ask("POST", "/v1/devices/edge-1/admit") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["admission"] for answer in answers] == ["admitted", "admitted"]


def test_two_machines_of_one_name_are_shown_until_an_operator_resolves_it(api: Api) -> None:
    first = api.add_device()
    rebuilt = FakeDevice(api.backend, "edge-1", incarnation="22222222-2222-4222-8222-222222222222")
    rebuilt.connect()
    first.connect(connection=2)
    shown = api.ask("GET", "/v1/devices/edge-1").json()["device"]["conditions"]
    assert [condition["reason"] for condition in shown] == ["duplicate_device"]
    resolved = api.ask("POST", "/v1/devices/edge-1/resolve")
    assert (resolved.status_code, resolved.json()["conditions"]) == (200, [])


def test_events_are_listed_newest_first(api: Api) -> None:
    device = api.add_device()
    for message in ("one", "two", "three"):
        device.tell(EventKind.STARTED, message)
    first = api.ask("GET", "/v1/devices/edge-1/events", params={"limit": 2}).json()
    second = api.ask(
        "GET", "/v1/devices/edge-1/events", params={"limit": 2, "cursor": first["nextCursor"]}
    ).json()
    assert [[event["message"] for event in page["items"]] for page in (first, second)] == [
        ["three", "two"],
        ["one"],
    ]
    assert "nextCursor" not in second


# -- workloads


def test_a_workload_is_created_once_and_changed_when_its_manifest_is(api: Api, image: PushedImage) -> None:
    first = manifest(image.reference)
    second = manifest(image.reference)
    second["spec"]["template"]["spec"]["containers"][0]["args"] = ["--verbose"]
    answers = [api.ask("PUT", HELLO, document) for document in (first, first, second)]
    assert [
        (
            answer.status_code,
            answer.json()["change"],
            answer.json()["workload"]["generation"],
            answer.json()["workload"]["observedGeneration"],
        )
        for answer in answers
    ] == [(201, "created", 1, 1), (200, "unchanged", 1, 1), (200, "changed", 2, 2)]
    releases = api.ask("GET", f"{HELLO}/releases").json()["items"]
    assert [release["revision"] for release in releases] == [2, 1]


def test_a_workload_is_shown_with_its_release_and_its_devices(api: Api, image: PushedImage) -> None:
    api.add_device("edge-1", "linux/amd64").report()
    api.add_device("edge-2", "linux/s390x")
    applied = api.ask("PUT", HELLO, manifest(image.reference, on_uncovered="hold")).json()["workload"]
    shown = api.ask("GET", HELLO).json()
    assert shown["workload"] == {
        "uid": applied["uid"],
        "namespace": "default",
        "name": "hello",
        "generation": 1,
        "resourceVersion": applied["resourceVersion"],
        "observedGeneration": 1,
        "createdAt": TIME,
        "updatedAt": TIME,
        "image": image.reference,
        "otherImages": [],
        "earlier": [],
        "release": applied["release"],
        "platforms": [
            {
                "platform": platform,
                "devices": 1,
                "running": 0,
                "completed": 0,
                "earlier": 0,
                "failing": 0,
                "held": held,
            }
            for platform, held in (("linux/amd64", 0), ("linux/s390x", 1))
        ],
    }
    assert shown["release"]["index"] == image.index
    assert {child["platform"]: child["child"] for child in shown["release"]["children"]} == image.children
    assert [
        (each["device"], each["standing"], each.get("child"), each.get("held", {}).get("reason"))
        for each in shown["placements"]
    ] == [
        ("edge-1", "pending", image.children["linux/amd64"], None),
        ("edge-2", "held", None, "no_matching_platform"),
    ]
    assert "nextCursor" not in shown


def test_what_is_known_against_a_child_is_shown_with_the_workload(api: Api, image: PushedImage) -> None:
    device = api.add_device("edge-7")
    applied = api.ask("PUT", HELLO, manifest(image.reference)).json()["workload"]
    failing = WorkloadReport(
        uid=applied["uid"],
        namespace="default",
        name="hello",
        release=applied["release"],
        phase=Phase.FAILED,
        reason=Reason.CPU_TOO_OLD,
        message="CPU does not support x86-64-v2",
    )
    device.report(failing, observed=api.backend.desired("edge-7").version)
    assert api.ask("GET", HELLO).json()["failures"] == [
        {
            "child": image.children["linux/amd64"],
            "platform": "linux/amd64",
            "reason": "cpu_too_old",
            "message": "CPU does not support x86-64-v2",
            "device": "edge-7",
            "workload": applied["uid"],
            "seenAt": TIME,
        }
    ]


def test_the_devices_of_a_workload_are_a_page(api: Api, image: PushedImage) -> None:
    for number in range(3):
        api.add_device(f"edge-{number}")
    api.ask("PUT", HELLO, manifest(image.reference))
    first = api.ask("GET", HELLO, params={"limit": 2}).json()
    second = api.ask("GET", HELLO, params={"limit": 2, "cursor": first["nextCursor"]}).json()
    assert [[each["device"] for each in page["placements"]] for page in (first, second)] == [
        ["edge-0", "edge-1"],
        ["edge-2"],
    ]


def test_a_tag_that_is_not_there_is_accepted_and_said(api: Api, registry: Registry) -> None:
    answer = api.ask("PUT", HELLO, manifest(f"{registry.address}/nothing/here:1.0"))
    workload = answer.json()["workload"]
    assert (answer.status_code, workload["generation"], workload["observedGeneration"]) == (201, 1, 0)
    assert workload["condition"] == {
        "reason": "image_not_found",
        "message": f"{registry.address} has no tag 1.0 in the repository nothing/here",
    }


def test_a_deleted_workload_is_gone(api: Api, image: PushedImage) -> None:
    api.ask("PUT", HELLO, manifest(image.reference))
    assert names(api, "/v1/workloads") == ["hello"]
    assert [api.ask("DELETE", HELLO).status_code for _ in range(2)] == [204, 404]
    assert names(api, "/v1/workloads") == []


def test_namespaces_keep_workloads_apart(api: Api, image: PushedImage) -> None:
    for namespace in ("shop", "default"):
        document = manifest(image.reference, namespace=namespace)
        assert api.ask("PUT", f"/v1/workloads/{namespace}/hello", document).status_code == 201
    listed_ones = api.ask("GET", "/v1/workloads").json()["items"]
    assert [(item["namespace"], item["name"]) for item in listed_ones] == [
        ("default", "hello"),
        ("shop", "hello"),
    ]


# -- the controller


@pytest.mark.parametrize(("healthy", "status"), [(True, 200), (False, 503)])
def test_health_is_told_with_every_part(api: Api, *, healthy: bool, status: int) -> None:
    api.backend.health.healthy = healthy
    api.backend.health.message = "" if healthy else "no connection: is it running?"
    answer = api.ask("GET", "/v1/health")
    well = {"healthy": True, "message": ""}
    assert (answer.status_code, answer.json()) == (
        status,
        {
            "healthy": healthy,
            "database": well,
            "broker": {"healthy": healthy, "message": api.backend.health.message},
            "ingest": {**well, "queued": 0, "lagSeconds": 0.0, "committed": 0, "refused": 0},
            "outbox": {**well, "pending": 0},
            "resolver": well,
            "scheduler": well,
            "rollouts": well,
        },
    )


def test_versions_are_told(api: Api) -> None:
    assert api.ask("GET", "/v1/version").json() == {"controller": "0.1.0", "wire": 1, "api": "v1"}


def test_a_pod_of_kubernetes_is_taken_as_it_is(api: Api, image: PushedImage) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello"},
        "spec": {"containers": [{"name": "main", "image": image.reference, "tty": False}]},
    }
    assert api.ask("PUT", HELLO, pod).json()["change"] == "created"
    assert api.ask("PUT", HELLO, pod).json()["change"] == "unchanged"
    pod["spec"] = {"containers": [{"name": "main", "image": image.reference, "tty": True}]}
    answer = api.ask("PUT", HELLO, pod)
    assert (answer.status_code, answer.json()["problems"]) == (
        422,
        [
            {
                "path": "spec.containers[0].tty",
                "message": "only false is taken: nobody types into a container",
            }
        ],
    )


def test_the_schema_of_workloads_is_served(api: Api) -> None:
    answer = api.ask("GET", "/v1/schemas/workload")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        200,
        "application/schema+json",
        describe_workload(),
    )
