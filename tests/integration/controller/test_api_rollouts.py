"""Rollouts over the API: what it shows of them, and how operators steer them."""

from typing import Any

import pytest

from fixtures.api import Api, FakeDevice, manifest
from fixtures.rolling import ADA, HELLO, ROLLOUT, advance, bring_on
from polyfleet_controller.lab.push import PushedImage

TIME = "1990-05-01T10:00:00Z"


def steer(api: Api, verb: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    answer = api.ask("POST", f"{ROLLOUT}/{verb}", body, headers=headers)
    return answer.status_code, answer.json()


def tally(**counts: int) -> dict[str, int]:
    places = ("waiting", "offline", "pulling", "starting", "soaking", "succeeded", "failed")
    zeros = dict.fromkeys((*places, "pulled", "toPull"), 0)
    return {**zeros, **counts, "devices": sum(counts.values())}


def test_a_rollout_is_shown_by_platform_with_its_history(api: Api, updating: tuple[FakeDevice, ...]) -> None:
    (canary,) = [device.name for device in updating if assigned(api, device.name).startswith("hello-2-")]
    shown = api.ask("GET", ROLLOUT).json()
    releases = [item["release"] for item in api.ask("GET", f"{HELLO}/releases").json()["items"]]
    assert shown["rollout"] == {
        "namespace": "default",
        "name": "hello",
        "number": 2,
        "revision": 2,
        "release": releases[0],
        "status": "progressing",
        "inEffect": True,
        "createdAt": TIME,
        "createdBy": "ada@laptop",
        "strata": [
            {
                "platform": "linux/amd64",
                "status": "advancing",
                "base": releases[1],
                "wave": 1,
                "waves": 2,
                "waitsFor": f"1 device to prove the release: {canary}",
                "reason": "",
                "tally": tally(waiting=1, starting=1),
                "failures": [],
            }
        ],
    }
    assert (shown["approvals"], shown["approved"]) == ([2], [])
    assert {record["by"] for record in shown["records"]} == {"rollout"}
    assert api.ask("GET", f"{HELLO}/rollouts/2").json() == shown
    assert api.ask("GET", "/v1/rollouts").json() == {"items": [shown["rollout"]]}
    listed = api.ask("GET", f"{HELLO}/rollouts", params={"limit": 1}).json()
    assert (listed["items"], api.ask("GET", f"{HELLO}/rollouts/1").json()["rollout"]["inEffect"]) == (
        [shown["rollout"]],
        False,
    )
    following = api.ask("GET", f"{HELLO}/rollouts", params={"cursor": listed["nextCursor"]}).json()
    assert [(item["number"], item["status"]) for item in following["items"]] == [(1, "completed")]


def assigned(api: Api, device: str) -> str:
    (assignment,) = api.ask("GET", f"/v1/devices/{device}").json()["assignments"]
    found: str = assignment["release"]
    return found


def test_an_operator_steers_a_rollout_and_the_history_says_who(
    api: Api, updating: tuple[FakeDevice, ...]
) -> None:
    found = [
        (status, answer["rollout"]["status"])
        for status, answer in (
            steer(api, "pause", {"number": 2}, **ADA),
            steer(api, "resume", {}, **ADA),
        )
    ]
    assert found == [(200, "paused"), (200, "progressing")]
    bring_on(api, *updating)
    assert api.ask("GET", ROLLOUT).json()["rollout"]["status"] == "awaiting_approval"
    steer(api, "approve", {"number": 2, "wave": 2})
    advance(api)
    bring_on(api, *updating)
    shown = api.ask("GET", ROLLOUT).json()
    assert (shown["rollout"]["status"], shown["approved"]) == ("completed", [2])
    by_operators = [
        (line["by"], line["what"]) for line in shown["records"] if line["by"] in ("ada@laptop", "operator")
    ]
    assert by_operators == [
        ("ada@laptop", "paused"),
        ("ada@laptop", "resumed"),
        ("operator", "wave 2 is approved"),
    ]


def test_devices_go_back_to_what_their_platform_is_proven_on(
    api: Api, updating: tuple[FakeDevice, ...]
) -> None:
    status, answer = steer(api, "rollback", {"platforms": ["linux/amd64"]}, **ADA)
    assert (status, answer["rollout"]["status"]) == (200, "rolled_back")
    assert {assigned(api, device.name)[:8] for device in updating} == {"hello-1-"}
    assert steer(api, "retry", {"platforms": ["linux/amd64"]})[1]["rollout"]["status"] == "progressing"
    assert steer(api, "abort", {})[1]["rollout"]["status"] == "aborted"


@pytest.mark.parametrize(
    ("verb", "body", "detail"),
    [
        (
            "pause",
            {"number": 1},
            "rollout 1 of default/hello is over: ada@laptop began rollout 2; look at that first",
        ),
        ("resume", {}, "default/hello, rollout 2: the rollout is neither paused nor halted"),
        (
            "approve",
            {"wave": 1},
            "default/hello, rollout 2: wave 1 needs no approval; of 2 waves need one: 2",
        ),
        (
            "rollback",
            {"platforms": ["linux/s390x"]},
            "default/hello, rollout 2: the rollout has no devices of linux/s390x",
        ),
    ],
)
@pytest.mark.usefixtures("updating")
def test_what_cannot_be_done_with_a_rollout_is_a_conflict(
    api: Api, verb: str, body: dict[str, Any], detail: str
) -> None:
    status, answer = steer(api, verb, body)
    assert (status, answer["code"], answer["detail"]) == (409, "rollout_conflict", detail)


def test_what_is_wrong_with_a_wish_is_said(api: Api) -> None:
    wishes: dict[str, dict[str, Any]] = {
        "approve": {"number": 1},
        "pause": {"wave": 2},
        "retry": {"platforms": ["linux"]},
    }
    answers = [steer(api, verb, body) for verb, body in wishes.items()]
    assert [(status, answer["code"], answer["detail"]) for status, answer in answers] == [
        (422, "steering_refused", "wave: missing"),
        (422, "steering_refused", "wave: unknown field"),
        (
            422,
            "steering_refused",
            (
                "platforms[0]: 'linux' is no platform: write os/architecture[/variant], "
                "for example linux/arm/v7"
            ),
        ),
    ]


def test_a_claim_that_cannot_be_shown_is_refused(api: Api) -> None:
    claim = [(b"polyfleet-operator", b"\xe9")]
    for method, path in (("POST", f"{ROLLOUT}/pause"), ("PUT", HELLO)):
        answer = api.ask(method, path, {}, headers=claim)
        assert (answer.status_code, answer.json()["problems"]) == (
            400,
            [
                {
                    "path": "Polyfleet-Operator",
                    "message": "expected 1 to 128 printable ASCII characters, got 'é'",
                }
            ],
        )


@pytest.mark.parametrize(
    ("path", "code", "detail"),
    [
        (ROLLOUT, "rollout_not_found", "there is no rollout 'default/hello'"),
        (f"{HELLO}/rollouts/7", "rollout_not_found", "there is no rollout 'default/hello 7'"),
        (
            f"{HELLO}/rollouts/first",
            "invalid_parameter",
            "number: expected a whole number from 1, got 'first'",
        ),
        (
            "/v1/workloads/default/other/rollouts",
            "workload_not_found",
            "there is no workload 'default/other'",
        ),
    ],
)
def test_a_rollout_that_is_not_there_is_a_problem(
    api: Api, image: PushedImage, path: str, code: str, detail: str
) -> None:
    api.ask("PUT", HELLO, manifest(image.reference))
    answer = api.ask("GET", path).json()
    assert (answer["code"], answer["detail"]) == (code, detail)
    wished = api.ask("POST", f"{ROLLOUT}/pause", {}).json()
    assert (wished["code"], wished["detail"]) == (
        "rollout_not_found",
        "there is no rollout in effect 'default/hello'",
    )
