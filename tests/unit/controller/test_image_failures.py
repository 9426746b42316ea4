"""Which report says something about an image's build."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from polyfleet_controller.domain.image_failures import BUILD_REASONS, ImageFailure, find_failure
from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.domain.sync import ImagePin, Standing
from polyfleet_shared.messages import ContainerReport, Phase, WorkloadReport
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
V2 = Platform.parse("linux/amd64/v2")
CHILD, OTHER, CONFIG, FIRST = (f"sha256:{letter * 64}" for letter in "abcf")
GIVEN = Assignment(
    workload="u1",
    platform=V2,
    release="hello-1",
    images=(ImagePin(platform=Platform.parse("linux/amd64"), child=CHILD, config=CONFIG),),
    held=None,
    standing=Standing.FAILING,
)
CONTAINER = ContainerReport(
    name="main", container_id="c1", running=False, image_id=CONFIG, child=CHILD, exit_code=132
)
REPORT = WorkloadReport(
    uid="u1",
    namespace="default",
    name="hello",
    release="hello-1",
    phase=Phase.BACKING_OFF,
    reason=Reason.ILLEGAL_INSTRUCTION,
    message="ended with exit code 132",
    containers=(CONTAINER,),
)
FAILURE = ImageFailure(
    child=CHILD,
    platform=V2,
    reason=Reason.ILLEGAL_INSTRUCTION,
    message="ended with exit code 132",
    device="edge-7",
    workload="u1",
    seen_at=NOW,
)


def find(assignment: Assignment = GIVEN, **changes: Any) -> ImageFailure | None:  # noqa: ANN401 - of the report
    return find_failure("edge-7", assignment, replace(REPORT, **changes), now=NOW)


def test_a_failure_names_the_child_and_the_devices_own_platform() -> None:
    assert find() == FAILURE


@pytest.mark.parametrize("reason", Reason)
def test_only_a_reason_that_lies_in_the_build_says_something_about_the_image(reason: Reason) -> None:
    expected = replace(FAILURE, reason=reason) if reason in BUILD_REASONS else None
    assert find(reason=reason) == expected


def test_the_reasons_of_a_build_are_no_fault_of_the_configuration_or_of_the_moment() -> None:
    assert {
        "exec_format",
        "illegal_instruction",
        "cpu_too_old",
        "platform_mismatch",
        "loader_missing",
        "page_size_unsupported",
    } == BUILD_REASONS


def test_a_device_without_a_reason_says_nothing() -> None:
    assert find(reason=None) is None


def test_a_report_about_another_release_says_nothing_about_this_one() -> None:
    assert find(release="hello-0") is None


def test_a_container_of_another_child_says_nothing_about_this_one() -> None:
    assert find(containers=(replace(CONTAINER, child=OTHER),)) is None


def test_a_container_that_proves_nothing_and_none_at_all_contradict_nothing() -> None:
    before = replace(CONTAINER, image_id=OTHER, child=None, running=True)
    assert (find(containers=()), find(containers=(before, CONTAINER))) == (FAILURE, FAILURE)


def test_what_is_held_was_never_given() -> None:
    assert find(replace(GIVEN, release=None, images=())) is None


def test_of_several_images_the_one_is_meant_whose_container_the_report_names() -> None:
    side_config, first_config = f"sha256:{'d' * 64}", f"sha256:{'e' * 64}"
    side = ImagePin(platform=V2, child=OTHER, config=side_config, containers=frozenset({"side"}))
    first = ImagePin(platform=V2, child=FIRST, config=first_config, containers=frozenset())
    (main,) = GIVEN.images
    given = replace(GIVEN, images=(replace(main, containers=frozenset({"main"})), side, first))
    containers = (
        CONTAINER,
        replace(CONTAINER, name="side", image_id=side_config, child=OTHER),
        replace(CONTAINER, name="first", image_id=first_config, child=FIRST),
    )
    before = replace(CONTAINER, name="side", image_id=CHILD, child=None)
    assert [
        find(given, containers=containers, container="main"),
        find(given, containers=containers, container="side"),
        find(given, containers=containers, container="first"),
        find(given, containers=containers, container=""),
        find(given, containers=(CONTAINER, before), container="side"),
        find(given, containers=(CONTAINER,), container="side"),
        find(given, containers=(CONTAINER,), container="first"),
        find(given, containers=(replace(before, child=CHILD),), container="side"),
    ] == [
        FAILURE,
        replace(FAILURE, child=OTHER),
        replace(FAILURE, child=FIRST),
        None,
        replace(FAILURE, child=OTHER),
        replace(FAILURE, child=OTHER),
        None,
        None,
    ]


def test_a_long_message_is_cut() -> None:
    assert find(message="x" * 10_000) == replace(FAILURE, message="x" * 500)
