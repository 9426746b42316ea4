"""`apply --wait` ends when devices prove it, and says why it does not end."""

from dataclasses import replace

import pytest

from polyfleet_controller.cli.progress import Progress, judge_progress
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.services.views import DevicePlacement, Standing, WorkloadDetail
from polyfleet_shared.messages import Phase
from rollout_examples import ROLLOUT
from view_examples import (
    CRASHING,
    PLACEMENTS,
    WORKLOAD,
    WORKLOAD_DETAIL,
    digest,
)

OFFLINE_RUNNING, PULLING_DEVICE, CRASHING_DEVICE, UNCOVERED_DEVICE = PLACEMENTS


def make_detail(*placements: DevicePlacement) -> WorkloadDetail:
    released = replace(WORKLOAD, observed_generation=WORKLOAD.generation, condition=None)
    return replace(WORKLOAD_DETAIL, workload=released, placements=placements)


def test_it_is_done_when_every_covered_device_proves_it() -> None:
    assert judge_progress(make_detail(OFFLINE_RUNNING, UNCOVERED_DEVICE), 3, None) == Progress(
        done=True,
        settled=True,
        lines={
            "": "release hello-2 runs on 1 of 1 devices",
            "edge-1": f"edge-1 (linux/amd64): running {digest('1')}",
            "edge-9": "edge-9 (platform unknown): held: no_matching_platform",
        },
        reasons=(
            (
                "edge-9: held: no_matching_platform: The image has no variant that this device can run "
                "(the image has linux/amd64 and linux/arm64). Next step: Publish the image for this device's "
                "platform, or take the device out of the workload's targets."
            ),
        ),
    )


def test_it_goes_on_while_a_device_may_still_come_to_it() -> None:
    silent = replace(OFFLINE_RUNNING, standing=Standing.PENDING, report=None, device="edge-3")
    assert judge_progress(make_detail(PULLING_DEVICE, CRASHING_DEVICE, silent), 3, None) == Progress(
        done=False,
        settled=False,
        lines={
            "": "release hello-2 runs on 0 of 3 devices",
            "edge-2": "edge-2 (linux/amd64): pulling 11.8 MiB of 43.6 MiB (27 %)",
            "edge-7": "edge-7 (linux/arm/v7): backing off: crash_loop",
            "edge-3": "edge-3 (linux/amd64): not reported yet, offline",
        },
        reasons=(
            "edge-2: pulling 11.8 MiB of 43.6 MiB (27 %)",
            (
                "edge-7: crash_loop: The container ends again and again soon after it starts "
                "(exit code 1, five times in 2 minutes \x1b[31m). "
                "Next step: Read the container's log on the device with `podman logs`."
            ),
            "edge-3: offline: it goes on by itself when it is back",
        ),
    )


def test_it_does_not_wait_for_devices_that_have_given_up() -> None:
    failed = replace(CRASHING_DEVICE, report=replace(CRASHING, phase=Phase.FAILED))
    progress = judge_progress(make_detail(OFFLINE_RUNNING, failed), 3, None)
    assert (progress.settled, progress.done) == (True, False)


def test_an_older_release_that_runs_proves_nothing() -> None:
    older = replace(OFFLINE_RUNNING, release="hello-1")
    assert judge_progress(make_detail(older), 3, None) == Progress(
        done=False,
        settled=False,
        lines={
            "": "release hello-2 runs on 0 of 1 devices",
            "edge-1": "edge-1 (linux/amd64): running, offline",
        },
        reasons=("edge-1: offline: it goes on by itself when it is back",),
    )


def test_a_manifest_without_a_release_proves_nothing() -> None:
    progress = judge_progress(replace(WORKLOAD_DETAIL, placements=(OFFLINE_RUNNING,)), 3, None)
    reason = (
        "image_not_found: The registry does not have this image "
        "(registry.example.com:5000/team/hello:1.1: manifest unknown). "
        "Next step: Check the name and the tag, or push the image."
    )
    assert progress == Progress(
        done=False, settled=False, lines={"": f"waiting for its release: {reason}"}, reasons=(reason,)
    )


def test_a_newer_manifest_ends_the_waiting() -> None:
    progress = judge_progress(make_detail(OFFLINE_RUNNING), 2, None)
    assert progress == Progress(
        done=False,
        settled=True,
        lines={"": "a newer manifest, number 3, has taken its place"},
        reasons=("a newer manifest, number 3, has taken its place",),
    )


def test_nobody_waits_for_a_device_that_is_offline_and_nothing_is_proven_by_such_alone() -> None:
    silent = replace(OFFLINE_RUNNING, standing=Standing.PENDING, report=None, device="edge-3")
    found = [judge_progress(make_detail(*each), 3, None) for each in ((OFFLINE_RUNNING, silent), (silent,))]
    assert [(progress.done, progress.settled, progress.lines["edge-3"]) for progress in found] == [
        (True, True, "edge-3 (linux/amd64): not reported yet, offline"),
        (False, False, "edge-3 (linux/amd64): not reported yet, offline"),
    ]


def test_without_a_covered_device_nothing_is_proven() -> None:
    progress = judge_progress(make_detail(UNCOVERED_DEVICE), 3, None)
    assert (progress.done, progress.settled, progress.reasons[0]) == (
        False,
        False,
        "no device is covered: see `polyfleet device list` and the platforms of the image",
    )


def test_a_rollout_decides_and_tells_by_platform() -> None:
    progress = judge_progress(make_detail(OFFLINE_RUNNING, UNCOVERED_DEVICE), 3, ROLLOUT)
    assert progress == Progress(
        done=False,
        settled=False,
        lines={
            "": "rollout 2 to hello-2: progressing",
            "linux/amd64": (
                "linux/amd64: advancing, wave 2 of 3; 10 devices: 3 done, 1 soaking, 1 starting, "
                "2 pulling 11.8 MiB of 43.6 MiB, 2 waiting, 1 offline; "
                "waits for 4 devices to prove the release: edge-1, edge-2, edge-3 and 1 more"
            ),
            "linux/riscv64": (
                "linux/riscv64: rolled back; 2 devices: 1 waiting, 1 failed; wave 1 failed: 1 of 1 devices"
            ),
            "edge-7": (
                "linux/riscv64: edge-7: illegal_instruction: The program used an instruction that this "
                "processor does not have (ended with exit code 132). Next step: Build it for an older "
                "processor level, or publish a variant for this one."
            ),
            "edge-9": "edge-9 (platform unknown): held: no_matching_platform",
        },
        reasons=(
            "rollout 2 to hello-2: progressing",
            progress.lines["linux/amd64"],
            progress.lines["linux/riscv64"],
            progress.lines["edge-7"],
        ),
    )


@pytest.mark.parametrize(
    ("status", "strata", "expected"),
    [
        (RolloutStatus.COMPLETED, (StratumStatus.SUCCEEDED, StratumStatus.ADVANCING), (True, True)),
        (RolloutStatus.PARTIAL, (StratumStatus.SUCCEEDED, StratumStatus.ROLLED_BACK), (False, True)),
        (RolloutStatus.PROGRESSING, (StratumStatus.SUCCEEDED, StratumStatus.HALTED), (False, True)),
        (RolloutStatus.PROGRESSING, (StratumStatus.ADVANCING, StratumStatus.HALTED), (False, False)),
        (RolloutStatus.PAUSED, (StratumStatus.ADVANCING, StratumStatus.SUCCEEDED), (False, False)),
        (RolloutStatus.SUPERSEDED, (StratumStatus.ADVANCING, StratumStatus.ADVANCING), (False, True)),
    ],
)
def test_it_waits_as_long_as_a_platform_may_go_on(
    status: RolloutStatus, strata: tuple[StratumStatus, ...], expected: tuple[bool, bool]
) -> None:
    changed = zip(ROLLOUT.strata, strata, strict=True)
    rollout = replace(
        ROLLOUT, status=status, strata=tuple(replace(each, status=found) for each, found in changed)
    )
    progress = judge_progress(make_detail(OFFLINE_RUNNING), 3, rollout)
    assert (progress.done, progress.settled) == expected


def test_a_rollout_to_another_release_says_nothing_of_this_one() -> None:
    progress = judge_progress(make_detail(OFFLINE_RUNNING), 3, replace(ROLLOUT, revision=1))
    assert progress.lines[""] == "release hello-2 runs on 1 of 1 devices"
