"""`polyfleet rollout`, and what other commands say while a release is on its way: over the real API."""

import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from fixtures.api import Api, FakeDevice
from fixtures.commandline import PROGRAM, environment, run
from fixtures.rolling import HELLO, ROLLOUT, advance, bring_on, release, versioned
from polyfleet_controller.lab.push import PushedImage
from terminal import open_terminal
from waiting import wait_until

Polyfleet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def polyfleet(api: Api) -> Polyfleet:
    return lambda *arguments, **options: run(api.url, *arguments, **options)


def releases(api: Api) -> list[str]:
    """Newest first."""
    return [item["release"] for item in api.ask("GET", f"{HELLO}/releases").json()["items"]]


def find_canary(api: Api) -> str:
    newest, _ = releases(api)
    placements = api.ask("GET", HELLO).json()["placements"]
    (canary,) = [each["device"] for each in placements if each["release"] == newest]
    found: str = canary
    return found


@pytest.mark.usefixtures("updating")
def test_rollouts_are_listed_and_shown(api: Api, polyfleet: Polyfleet) -> None:
    newest, before = releases(api)
    canary = find_canary(api)
    code, text, _ = polyfleet("rollout", "list")
    assert (code, text.splitlines()[1].split()[:7]) == (
        0,
        ["default", "hello", "2", "progressing", "0", "of", "2"],
    )
    assert polyfleet("rollout", "list", "hello", "-o", "name") == (
        0,
        "rollout.polyfleet.io/hello/2\nrollout.polyfleet.io/hello/1\n",
        "",
    )
    code, text, _ = polyfleet("rollout", "show", "hello")
    assert (
        text
        == f"""\
default/hello, rollout 2
status   progressing
release  {newest}
begun    ##### d ago (1990-05-01 10:00:00Z) by ada@laptop
wave 2   needs an approval before it begins

linux/amd64: advancing, wave 1 of 2
  devices       2 devices: 1 starting, 1 waiting
  waits for     1 device to prove the release: {canary}
  goes back to  {before}

History
  TIME                  BY       PLATFORM     WHAT
  1990-05-01 10:00:00Z  rollout  linux/amd64  wave 1 of 2 begins
"""
    )
    assert polyfleet("rollout", "show", "hello", "--number", "9") == (
        1,
        "",
        "polyfleet: there is no rollout 'default/hello 9'\n",
    )


def test_an_operator_steers_a_rollout_under_his_name(
    api: Api, polyfleet: Polyfleet, updating: tuple[FakeDevice, ...]
) -> None:
    def steer(*arguments: str) -> tuple[int, str, str]:
        code, text, errors = polyfleet("rollout", *arguments, POLYFLEET_OPERATOR="eve@desk")
        return code, text.partition("\n")[0].rpartition(": ")[2], errors

    assert steer("approve", "hello") == (
        2,
        "",
        (
            "polyfleet: no wave of rollout 2 waits for an approval now; name one with --wave "
            "(still to be approved: 2)\n"
        ),
    )
    assert [steer("pause", "hello"), steer("resume", "hello")] == [(0, "paused", ""), (0, "progressing", "")]
    bring_on(api, *updating)
    assert steer("approve", "hello") == (0, "progressing", "")
    assert steer("rollback", "hello", "-p", "linux/amd64") == (0, "rolled back", "")
    assert steer("retry", "hello", "--number", "2") == (0, "progressing", "")
    assert steer("abort", "hello") == (0, "aborted", "")
    assert steer("pause", "hello", "--number", "1") == (
        1,
        "",
        "polyfleet: rollout 1 of default/hello is over: ada@laptop began rollout 2; look at that first\n",
    )
    records = api.ask("GET", ROLLOUT).json()["records"]
    expected = [
        "paused",
        "resumed",
        "wave 2 is approved",
        "rolled back",
        "retried",
        "aborted: devices stay where they are",
    ]
    found = [line["what"] for line in records if line["by"] == "eve@desk" and line["what"] in expected]
    assert list(dict.fromkeys(found)) == expected


def test_a_rollout_is_watched_line_by_line(api: Api, updating: tuple[FakeDevice, ...]) -> None:
    newest, canary = releases(api)[0], find_canary(api)
    with ExitStack() as stack:
        process = subprocess.Popen(
            [*PROGRAM, "rollout", "watch", "hello"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(api.url),
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [
            f"rollout 2 to {newest}: progressing\n",
            (
                "linux/amd64: advancing, wave 1 of 2; 2 devices: 1 starting, 1 waiting; "
                f"waits for 1 device to prove the release: {canary}\n"
            ),
        ]
        bring_on(api, *updating)
        assert [process.stdout.readline() for _ in range(2)] == [
            f"rollout 2 to {newest}: awaiting approval\n",
            (
                "linux/amd64: awaiting approval, wave 2 of 2; 2 devices: 1 done, 1 waiting; "
                "waits for an operator to approve wave 2\n"
            ),
        ]
        api.ask("POST", f"{ROLLOUT}/approve", {"wave": 2})
        advance(api)
        bring_on(api, *updating)
        text, errors = process.communicate(timeout=60)
    assert (process.returncode, text.splitlines()[-2:], errors) == (
        0,
        [f"rollout 2 to {newest}: completed", "linux/amd64: succeeded"],
        "",
    )


@pytest.mark.usefixtures("updating")
def test_watching_ends_with_the_reasons_where_a_rollout_fails(api: Api, polyfleet: Polyfleet) -> None:
    api.ask("POST", f"{ROLLOUT}/rollback", {})
    advance(api)
    code, _, errors = polyfleet("rollout", "watch", "hello")
    assert (code, errors.splitlines()[0]) == (
        1,
        "polyfleet: rollout 2 of default/hello has not completed: rolled back",
    )
    assert "  linux/amd64: rolled back; 2 devices: 2 waiting; rolled back by operator" in errors


def test_a_terminal_shows_a_bar_for_each_platform(api: Api, updating: tuple[FakeDevice, ...]) -> None:
    api.ask("POST", f"{ROLLOUT}/approve", {"wave": 2})
    with open_terminal() as terminal:
        process = subprocess.Popen(
            [*PROGRAM, "rollout", "watch", "hello"],
            stdout=terminal.file,
            stderr=subprocess.STDOUT,
            env={**environment(api.url), "TERM": "xterm"},
        )
        try:

            def go_on() -> bool:
                bring_on(api, *updating)
                return process.poll() is not None

            wait_until(go_on, timeout=60, describe="the watching to end")
        finally:
            process.kill()
            process.wait()
    assert process.returncode == os.EX_OK
    assert "█" * 24 in terminal.text
    assert "linux/amd64: " in terminal.text


def test_devices_of_an_earlier_release_are_not_counted_as_running_the_newest(
    api: Api, polyfleet: Polyfleet, updating: tuple[FakeDevice, ...]
) -> None:
    bring_on(api, *updating)
    newest, before = releases(api)
    canary = find_canary(api)
    (other,) = {"edge-1", "edge-2"} - {canary}
    shown = api.ask("GET", HELLO).json()["workload"]
    assert (shown["platforms"][0]["running"], shown["platforms"][0]["earlier"], shown["earlier"]) == (
        1,
        1,
        [{"release": before, "devices": 1}],
    )
    text = polyfleet("workload", "show", "hello")[1]
    assert f"running on  1 of 2 devices; 1 device still on {before}\n" in text
    assert "rollout     2, awaiting approval; linux/amd64 awaiting approval: waits for an operator" in text
    assert "1 of 2" in polyfleet("workload", "list")[1]
    page = " ".join(polyfleet("device", "show", other, COLUMNS="200")[1].split())
    assert f"release {before}" in page
    assert (
        f"awaits release {newest}, the newest: rollout 2 is awaiting approval on linux/amd64, wave 2; "
        "it waits for an operator to approve wave 2" in page
    )
    assert "awaits" not in polyfleet("device", "show", canary)[1]


def test_apply_waits_for_the_rollout_and_not_for_who_is_offline(
    api: Api, image: PushedImage, updating: tuple[FakeDevice, ...], tmp_path: Path
) -> None:
    silent = api.add_device("edge-3", "linux/arm64")
    bring_on(api, *updating)
    silent.connect(online=False, connection=2)
    api.ask("POST", f"{ROLLOUT}/approve", {"wave": 2})
    file = tmp_path / "hello.yaml"
    file.write_text(yaml.safe_dump(versioned(image, "3")), encoding="utf-8")
    process = subprocess.Popen(
        [*PROGRAM, "apply", "-f", str(file), "--wait", "--timeout", "60s"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(api.url),
    )
    try:

        def go_on() -> bool:
            bring_on(api, *updating)
            api.ask("POST", f"{ROLLOUT}/approve", {"wave": 2})
            return process.poll() is not None

        wait_until(go_on, timeout=60, describe="the waiting to end")
        _, errors = process.communicate()
    finally:
        process.kill()
    told = [line.removeprefix("workload.polyfleet.io/hello: ") for line in errors.splitlines()]
    assert process.returncode == 0, errors
    assert {
        f"rollout 3 to {releases(api)[0]}: completed",
        "linux/amd64: succeeded; 2 devices: 2 done",
    } <= set(told)
    assert [line for line in told if line.startswith("linux/arm64") and "1 offline" in line] != []


def test_apply_fails_with_the_reasons_where_the_rollout_does(
    api: Api, polyfleet: Polyfleet, image: PushedImage, updating: tuple[FakeDevice, ...], tmp_path: Path
) -> None:
    api.ask("POST", f"{ROLLOUT}/rollback", {})
    bring_on(api, *updating)
    file = tmp_path / "hello.yaml"
    file.write_text(yaml.safe_dump(versioned(image, "2")), encoding="utf-8")
    code, text, errors = polyfleet("apply", "-f", str(file), "--wait")
    called = "workload.polyfleet.io/hello"
    assert (code, text.splitlines()[0]) == (1, f"{called} unchanged")
    assert errors.splitlines()[-3:] == [
        f"polyfleet: {called} does not run on every device that it is for, and waiting does not help:",
        f"  rollout 2 to {releases(api)[0]}: rolled back",
        "  linux/amd64: rolled back; 2 devices: 2 waiting; rolled back by operator",
    ]


def test_a_first_release_without_a_strategy_has_no_rollout(
    api: Api, polyfleet: Polyfleet, image: PushedImage
) -> None:
    api.add_device()
    document = versioned(image, "1")
    spec = document["spec"]
    assert isinstance(spec, dict)
    del spec["rollout"]
    api.ask("PUT", HELLO, document)
    assert polyfleet("rollout", "watch", "hello") == (
        1,
        "",
        "polyfleet: there is no rollout 'default/hello'\n",
    )
    assert polyfleet("rollout", "list") == (0, "no rollout is in effect\n", "")
    assert release(api, image, "2") != ""


def test_of_a_rollout_that_is_over_the_way_back_is_told(
    api: Api, polyfleet: Polyfleet, updating: tuple[FakeDevice, ...]
) -> None:
    api.ask("POST", f"{ROLLOUT}/approve", {"wave": 2})
    bring_on(api, *updating)
    bring_on(api, *updating)
    assert api.ask("GET", "/v1/rollouts").json() == {"items": []}
    assert polyfleet("rollout", "rollback", "hello") == (
        1,
        "",
        (
            "polyfleet: rollout 2 is over, and every device has its release: "
            "`polyfleet rollout undo hello -n default` goes back to an earlier one\n"
        ),
    )


def test_a_release_is_undone_from_the_history(
    api: Api, polyfleet: Polyfleet, updating: tuple[FakeDevice, ...]
) -> None:
    newest, before = releases(api)
    code, text, _ = polyfleet("rollout", "history", "hello", COLUMNS="200")
    lines = [line.split() for line in text.splitlines()[1:]]
    assert (code, [line[:3] for line in lines]) == (0, [["2", newest, "rolling"], ["1", before, "rolled"]])
    text = polyfleet("rollout", "history", "hello", "--revision", "2")[1]
    assert (
        f"Changes since {before}" in text,
        "-          value: '1'" in text,
        "+          value: '2'" in text,
    ) == (
        True,
        True,
        True,
    )
    code, text, errors = polyfleet("rollout", "undo", "hello", POLYFLEET_OPERATOR="eve@desk")
    restored = releases(api)[0]
    assert (code, text.splitlines()[-1], errors) == (
        0,
        f"revision 1 is restored as release {restored}",
        "",
    )
    bring_on(api, *updating)
    again = polyfleet("rollout", "undo", "hello", "--to-revision", "1")[1]
    assert again.splitlines()[-1] == (
        f"revision 1 is what release {restored} is already: nothing was changed"
    )
    shown = api.ask("GET", f"{HELLO}/releases").json()["items"]
    assert [(item["revision"], item["createdBy"], item["status"]) for item in shown[1:]] == [
        (2, "ada@laptop", "superseded"),
        (1, "operator", "rolled_out"),
    ]
    assert shown[0]["createdBy"] == "eve@desk"
    assert polyfleet("rollout", "undo", "hello", "--to-revision", "9") == (
        1,
        "",
        "polyfleet: there is no release 'default/hello 9'\n",
    )
