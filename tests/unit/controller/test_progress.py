"""`apply --wait` ends when devices prove it, and says why it does not end."""

from dataclasses import replace

from polyfleet_controller.cli.progress import Progress, judge_progress
from polyfleet_controller.services.views import DevicePlacement, Standing, WorkloadDetail
from polyfleet_shared.messages import Phase
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
    assert judge_progress(make_detail(OFFLINE_RUNNING, UNCOVERED_DEVICE), 3) == Progress(
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
    assert judge_progress(make_detail(PULLING_DEVICE, CRASHING_DEVICE, silent), 3) == Progress(
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
    progress = judge_progress(make_detail(OFFLINE_RUNNING, failed), 3)
    assert (progress.settled, progress.done) == (True, False)


def test_an_older_release_that_runs_proves_nothing() -> None:
    progress = judge_progress(replace(WORKLOAD_DETAIL, placements=(OFFLINE_RUNNING,)), 3)
    assert progress == Progress(
        done=False,
        settled=False,
        lines={
            "": "waiting for its release: image_not_found: The registry does not have this image "
            "(registry.example.com:5000/team/hello:1.1: manifest unknown). "
            "Next step: Check the name and the tag, or push the image.",
            "edge-1": f"edge-1 (linux/amd64): running {digest('1')}",
        },
        reasons=(
            (
                "image_not_found: The registry does not have this image "
                "(registry.example.com:5000/team/hello:1.1: manifest unknown). "
                "Next step: Check the name and the tag, or push the image."
            ),
        ),
    )


def test_without_a_covered_device_nothing_is_proven() -> None:
    progress = judge_progress(make_detail(UNCOVERED_DEVICE), 3)
    assert (progress.done, progress.settled, progress.reasons[0]) == (
        False,
        False,
        "no device is covered: see `polyfleet device list` and the platforms of the image",
    )
