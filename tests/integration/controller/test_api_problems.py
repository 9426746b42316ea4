"""Whatever is wrong with a request, the answer says what, where, and under a code that stays."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from fixtures.answers import answering, response
from fixtures.api import Api, Backend, manifest, serving_backend
from polyfleet_controller.api.app import create_app
from polyfleet_controller.api.problems import STATUS, TITLES, ProblemCode
from polyfleet_controller.api.requests import BODY_LIMIT
from polyfleet_controller.api.routes import Services
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.registry.client import RegistryClient
from polyfleet_controller.services.health import Health
from waiting import wait_until

HELLO = "/v1/workloads/default/hello"
KNOWN = "limit, cursor, admission, connectivity, platform, sync, label, selector"
IS_NO_NAME = "is no name: use 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit"
JSON = {"content-type": "application/json"}


def problem(code: str, detail: str, *problems: tuple[str, str]) -> dict[str, Any]:
    known = ProblemCode(code)
    return {
        "type": f"urn:polyfleet:problem:{code}",
        "title": TITLES[known],
        "status": STATUS[known],
        "detail": detail,
        "code": code,
        "problems": [{"path": path, "message": message} for path, message in problems],
    }


def invalid(code: str, *problems: tuple[str, str]) -> dict[str, Any]:
    """A problem whose detail is all of them in one line."""
    return problem(code, "; ".join(f"{path}: {message}" for path, message in problems), *problems)


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(STATUS) == set(TITLES) == set(ProblemCode)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", problem("route_not_found", "GET /: /v1/openapi.json lists what there is")),
        (
            "GET",
            "/v1/devices/",
            problem("route_not_found", "GET /v1/devices/: /v1/openapi.json lists what there is"),
        ),
        ("GET", "/docs", problem("route_not_found", "GET /docs: /v1/openapi.json lists what there is")),
        (
            "PATCH",
            "/v1/devices",
            problem("method_not_allowed", "PATCH /v1/devices: this path takes GET"),
        ),
        ("GET", "/v1/devices/nobody", problem("device_not_found", "there is no device 'nobody'")),
        ("DELETE", "/v1/devices/nobody", problem("device_not_found", "there is no device 'nobody'")),
        ("POST", "/v1/devices/nobody/admit", problem("device_not_found", "there is no device 'nobody'")),
        ("POST", "/v1/devices/nobody/resolve", problem("device_not_found", "there is no device 'nobody'")),
        ("GET", "/v1/devices/nobody/events", problem("device_not_found", "there is no device 'nobody'")),
        (
            "GET",
            "/v1/devices?selector=site+in+north",
            invalid(
                "invalid_parameter",
                (
                    "selector",
                    (
                        "'site in north' is no selector: expected '(', got 'north'; write key=value, "
                        "key!=value, key in (a,b), key notin (a,b), key or !key, separated by commas"
                    ),
                ),
            ),
        ),
        ("GET", HELLO, problem("workload_not_found", "there is no workload 'default/hello'")),
        ("DELETE", HELLO, problem("workload_not_found", "there is no workload 'default/hello'")),
        (
            "GET",
            f"{HELLO}/releases",
            problem("workload_not_found", "there is no workload 'default/hello'"),
        ),
        (
            "GET",
            "/v1/devices/Edge%201",
            invalid("invalid_parameter", ("name", f"'Edge 1' {IS_NO_NAME}")),
        ),
        (
            "DELETE",
            "/v1/workloads/a.b/%2B",
            invalid("invalid_parameter", ("namespace", f"'a.b' {IS_NO_NAME}"), ("name", f"'+' {IS_NO_NAME}")),
        ),
        (
            "GET",
            "/v1/devices?page=2&limit=1&limit=2",
            invalid(
                "invalid_parameter",
                ("page", f"unknown parameter; known: {KNOWN}"),
                ("limit", "given more than once"),
            ),
        ),
        (
            "GET",
            "/v1/devices/edge-1?verbose=1",
            invalid("invalid_parameter", ("verbose", "unknown parameter; known: none")),
        ),
        (
            "GET",
            "/v1/devices?limit=ten&platform=linux&connectivity=up&label=x",
            invalid(
                "invalid_parameter",
                ("limit", 'expected a whole number, got the text "ten"'),
                (
                    "platform",
                    "'linux' is no platform: write os/architecture[/variant], for example linux/arm/v7",
                ),
                ("connectivity", 'expected one of online, offline, unknown, got the text "up"'),
            ),
        ),
        (
            "GET",
            "/v1/devices?label=x&label=a=b",
            invalid("invalid_parameter", ("label[0]", "expected key=value, got 'x'")),
        ),
        (
            "GET",
            "/v1/workloads?limit=0",
            invalid("invalid_parameter", ("limit", "expected 1 to 1000, got 0")),
        ),
        (
            "GET",
            "/v1/workloads?limit=1001",
            invalid("invalid_parameter", ("limit", "expected 1 to 1000, got 1001")),
        ),
        (
            "GET",
            "/v1/workloads?cursor=x%F0",
            problem(
                "invalid_parameter",
                "the cursor is none of ours: use the nextCursor of the page before, or none",
                ("cursor", "the cursor is none of ours: use the nextCursor of the page before, or none"),
            ),
        ),
        ("GET", "/v1/health?x", invalid("invalid_parameter", ("x", "unknown parameter; known: none"))),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    api: Api, method: str, path: str, expected: dict[str, Any]
) -> None:
    answer = api.ask(method, path)
    assert (answer.headers["content-type"], answer.json()) == ("application/problem+json", expected)
    assert answer.status_code == expected["status"]


def test_a_method_that_is_not_allowed_comes_with_those_that_are(api: Api) -> None:
    paths = (HELLO, "/v1/devices/edge-1/admit", "/v1/openapi.json")
    assert [api.ask("PATCH", path).headers["allow"] for path in paths] == ["DELETE, GET, PUT", "POST", "GET"]


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (
            {},
            b"{}",
            problem("unsupported_media_type", "send application/json, and say so in Content-Type"),
        ),
        (
            {"content-type": "application/yaml"},
            b"{}",
            problem("unsupported_media_type", "send application/json, not application/yaml"),
        ),
        (JSON, b"", problem("invalid_json", "not JSON: Expecting value at line 1 column 1")),
        (
            JSON,
            b'{"a": \xff}',
            problem("invalid_json", "not UTF-8 at byte 6"),
        ),
        (JSON, b'{"a": NaN}', problem("invalid_json", "not JSON: NaN is no JSON number")),
        (JSON, b"[" * 100_000, problem("invalid_json", "nested too deeply")),
        (
            {"content-type": "Application/JSON; charset=utf-8"},
            b"[]",
            problem(
                "invalid_manifest", "expected an object, got a list", ("", "expected an object, got a list")
            ),
        ),
        (
            JSON,
            b'{"apiVersion": "polyfleet.io/v1", "kind": "Workload", "metadata": {"name": "other"}}',
            invalid("invalid_manifest", ("metadata.name", "the path names hello, the manifest 'other'")),
        ),
        (
            JSON,
            b'{"apiVersion": "polyfleet.io/v1", "kind": "Workload", "metadata": {"namespace": 7}}',
            invalid("invalid_manifest", ("metadata.namespace", "the path names default, the manifest 7")),
        ),
        (
            JSON,
            b'{"apiVersion": "polyfleet.io/v1", "kind": "Workload", "metadata": {}, "spec": {"colour": 1}}',
            invalid(
                "invalid_manifest",
                ("metadata.name", "missing"),
                ("spec.colour", "unknown field"),
                ("spec.template", "missing"),
            ),
        ),
    ],
)
def test_a_body_that_cannot_be_taken_is_a_problem(
    api: Api, headers: dict[str, str], body: bytes, expected: dict[str, Any]
) -> None:
    answer = api.http.put(HELLO, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (expected["status"], expected)
    assert api.ask("GET", "/v1/workloads").json() == {"items": []}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "labels",
            {"set": {"kubernetes.io/arch": "arm64", "site": "a b"}, "remove": ["tier"]},
            invalid(
                "mark_refused",
                (
                    'set["kubernetes.io/arch"]',
                    "kubernetes.io/arch is amd64 by edge-1's inventory, and cannot be set to arm64",
                ),
                (
                    'set["site"]',
                    "site=a b: a label's value is up to 63 of letters, digits, '-', '_' and '.'",
                ),
                (
                    "remove[0]",
                    (
                        "tier is edge by edge-1's own configuration: "
                        "remove it from [device.labels] in its agent.toml"
                    ),
                ),
            ),
        ),
        (
            "labels",
            {"set": {"tier": "core"}},
            invalid(
                "mark_conflict",
                (
                    'set["tier"]',
                    "tier is edge already, set by the device's configuration: overwrite it if core is meant",
                ),
            ),
        ),
        (
            "labels",
            {"set": {"tier": 7}, "force": True},
            invalid(
                "mark_refused",
                ("force", "unknown field"),
                ('set["tier"]', "expected a text, got the number 7"),
            ),
        ),
        (
            "taints",
            {"set": [{"key": "dedicated", "value": "scale", "effect": "NoSchedule"}]},
            invalid(
                "mark_conflict",
                ("set[0]", "dedicated:NoSchedule is till already: overwrite it if scale is meant"),
            ),
        ),
        (
            "taints",
            {"set": [{"key": "dedicated", "effect": "Never"}], "remove": [{}]},
            invalid(
                "mark_refused",
                (
                    "set[0].effect",
                    'expected one of NoSchedule, PreferNoSchedule, NoExecute, got the text "Never"',
                ),
                ("remove[0].key", "missing"),
            ),
        ),
    ],
)
def test_marks_that_cannot_be_set_are_a_problem(
    api: Api, path: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    api.add_device(tier="edge")
    taint = {"key": "dedicated", "value": "till", "effect": "NoSchedule"}
    before = api.ask("PATCH", "/v1/devices/edge-1/taints", {"set": [taint]}).json()
    answer = api.ask("PATCH", f"/v1/devices/edge-1/{path}", body)
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        expected["status"],
        "application/problem+json",
        expected,
    )
    assert api.ask("GET", "/v1/devices/edge-1").json()["device"] == before


def chunks() -> Iterator[bytes]:
    """Yield more than a body may have, without saying before how much it is."""
    for _ in range(BODY_LIMIT // 65536 + 1):
        yield b" " * 65536


@pytest.mark.parametrize("body", [b" " * (BODY_LIMIT + 1), "chunks"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(backend: Backend, body: bytes | str) -> None:
    with TestClient(backend.make_app()) as client:
        content = chunks() if isinstance(body, str) else body
        answer = client.put(HELLO, content=content, headers=JSON)
    assert (answer.status_code, answer.json()) == (
        413,
        problem("body_too_large", f"a body has at most {BODY_LIMIT} bytes"),
    )


def test_the_largest_body_is_taken(api: Api) -> None:
    document = b'{"kind": "Pod"}'
    answer = api.http.put(HELLO, content=document + b" " * (BODY_LIMIT - len(document)), headers=JSON)
    assert answer.json()["code"] == "invalid_manifest"


def test_a_database_that_fails_is_a_problem_and_no_end(api: Api) -> None:
    sound = api.backend.file.read_bytes()
    api.backend.database.close()
    api.backend.file.unlink()
    api.backend.file.mkdir()
    answer = api.ask("GET", "/v1/devices")
    assert (answer.status_code, answer.json()) == (
        503,
        problem(
            "store_unavailable",
            f"the database sqlite:///{api.backend.file} failed: unable to open database file; "
            "check that it is up",
        ),
    )
    api.backend.file.rmdir()
    api.backend.file.write_bytes(sound)
    assert api.ask("GET", "/v1/devices").json() == {"items": []}


class BrokenHealth:
    """Fails as nobody foresaw."""

    def check(self) -> Health:
        raise RuntimeError("a secret of the inside")


def test_a_failure_of_ours_tells_the_client_nothing_of_our_insides(backend: Backend) -> None:
    services = backend.services
    app = create_app(
        Services(
            devices=services.devices,
            marks=services.marks,
            events=services.events,
            workloads=services.workloads,
            releases=services.releases,
            rollouts=services.rollouts,
            release_history=services.release_history,
            preflights=services.preflights,
            placement_reasons=services.placement_reasons,
            health=BrokenHealth(),
        )
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/v1/health")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        500,
        "application/problem+json",
        problem("internal_error", "the controller's log says what happened"),
    )


def test_dry_runs_of_several_manifests_answer_for_each(api: Api, image: PushedImage) -> None:
    api.add_device("edge-1")
    hello, wrong = manifest(image.reference), manifest(image.reference, name="wrong")
    wrong["spec"]["colour"] = "red"
    stale = manifest(image.reference, name="stale")
    stale["metadata"]["resourceVersion"] = "1-0"
    answer = api.ask("POST", "/v1/dry-runs", {"manifests": [hello, wrong, stale]})
    first, *refused = answer.json()["items"]
    assert answer.status_code == 200
    assert (first["dryRun"]["gained"], "problem" in first) == ({"devices": 1, "names": ["edge-1"]}, False)
    assert [(set(each), each["problem"]["code"]) for each in refused] == [
        ({"problem"}, "invalid_manifest"),
        ({"problem"}, "conflict"),
    ]
    assert api.ask("GET", "/v1/workloads").json() == {"items": []}


@pytest.mark.parametrize(
    "body", [{}, [], {"manifests": []}, {"manifests": [{}] * 101}, {"manifests": "x"}], ids=str
)
def test_dry_runs_of_nothing_or_too_much_are_refused(api: Api, body: object) -> None:
    answer = api.ask("POST", "/v1/dry-runs", body)
    assert (answer.status_code, answer.json()) == (
        422,
        invalid("invalid_manifest", ("manifests", "expected a list of 1 to 100 manifests")),
    )


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_manifest_of_an_old_state_is_refused(api: Api, image: PushedImage, dry_run: str) -> None:
    document = manifest(image.reference)
    seen = api.ask("PUT", HELLO, document).json()["workload"]["resourceVersion"]
    document["spec"]["replicas"] = 5
    now = api.ask("PUT", HELLO, document).json()["workload"]["resourceVersion"]
    before = api.ask("GET", HELLO).json()
    document["spec"]["replicas"] = 2
    document["metadata"]["resourceVersion"] = seen
    answers = [
        api.ask("PUT", HELLO, document, params={"dryRun": dry_run}),
        api.ask("DELETE", HELLO, params={"resourceVersion": seen}),
    ]
    detail = (
        f"the workload default/hello is at resourceVersion {now}, not {seen}: it was changed meanwhile, last "
        "at 1990-05-01 10:00:00Z. Nothing is done; read it anew and make your change there, or leave "
        "resourceVersion out to do it all the same"
    )
    changed = problem("conflict", detail, ("spec.replicas", "is there now: 5"))
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (409, {**changed, "resourceVersion": now})
    ] * 2
    assert api.ask("GET", HELLO).json() == before
    assert api.ask("DELETE", HELLO, params={"resourceVersion": now}).status_code == 204


def test_one_of_many_at_once_creates_and_the_others_change_nothing(api: Api, image: PushedImage) -> None:
    document = manifest(image.reference)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.ask("PUT", HELLO, document).json(), range(16)))
    assert sorted(answer["change"] for answer in answers) == ["created"] + ["unchanged"] * 15
    assert {answer["workload"]["generation"] for answer in answers} == {1}
    assert len(api.ask("GET", f"{HELLO}/releases").json()["items"]) == 1


def test_a_registry_that_does_not_answer_delays_nobody_who_reads(tmp_path: Path) -> None:
    asked, released = threading.Semaphore(0), threading.Event()

    def hang(_head: bytes, send: Any, _ended: threading.Event) -> None:  # noqa: ANN401 - what answering gives
        asked.release()
        released.wait(timeout=60)
        send(response(HTTPStatus.NOT_FOUND))

    with answering(hang) as registry:
        backend = Backend(tmp_path / "polyfleet.db", RegistryClient(insecure=frozenset({registry})))
        with serving_backend(backend) as api, ThreadPoolExecutor(6) as pool:
            applying = [
                pool.submit(
                    api.ask,
                    "PUT",
                    f"/v1/workloads/default/w{number}",
                    manifest(f"{registry}/x", name=f"w{number}"),
                )
                for number in range(6)
            ]
            assert asked.acquire(timeout=20)
            assert api.ask("GET", "/v1/devices").json() == {"items": []}
            assert [each.done() for each in applying] == [False] * 6
            released.set()
            wait_until(lambda: all(each.done() for each in applying), timeout=60)
            assert [each.result().status_code for each in applying] == [201] * 6
        backend.database.close()
