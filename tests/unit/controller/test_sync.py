"""Never in sync without proof."""

from dataclasses import replace

import pytest

from controlroom import digest
from polyfleet_controller.domain.observation import Lag
from polyfleet_controller.domain.sync import ImagePin, Pin, Standing, Sync, judge_device, judge_workload
from polyfleet_shared.messages import ContainerReport, Phase, WorkloadReport
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

IMAGE = ImagePin(platform=Platform.parse("linux/amd64"), child=digest("child"), config=digest("config"))
PIN = Pin(release="hello-1", images=(IMAGE,))
CONTAINER = ContainerReport(
    name="main", container_id="c1", running=True, image_id=digest("config"), child=digest("child")
)
REPORT = WorkloadReport(
    uid="w1",
    namespace="default",
    name="hello",
    release="hello-1",
    phase=Phase.RUNNING,
    containers=(CONTAINER,),
)
ENDED = replace(CONTAINER, running=False, exit_code=0)
OLD = replace(CONTAINER, container_id="c0", image_id=digest("old"), child=None)
FAILED = replace(REPORT, phase=Phase.BACKING_OFF, reason=Reason.EXITED, containers=())


@pytest.mark.parametrize(
    ("report", "standing"),
    [
        (None, Standing.PENDING),
        (REPORT, Standing.RUNNING),
        (replace(REPORT, phase=Phase.STARTING), Standing.PENDING),
        (replace(REPORT, phase=Phase.STARTING, message="readiness probe: refused"), Standing.PENDING),
        (replace(REPORT, reason=Reason.PROBE_FAILED), Standing.FAILING),
        (replace(REPORT, reason=Reason.PROBE_FAILED, release="hello-0"), Standing.PENDING),
        (replace(REPORT, release="hello-0"), Standing.PENDING),
        (replace(REPORT, containers=()), Standing.PENDING),
        (replace(REPORT, containers=(ENDED,)), Standing.PENDING),
        (replace(REPORT, containers=(OLD,)), Standing.PENDING),
        (replace(REPORT, containers=(CONTAINER, OLD)), Standing.PENDING),
        (replace(REPORT, containers=(CONTAINER, replace(OLD, running=False))), Standing.RUNNING),
        (replace(REPORT, containers=(replace(CONTAINER, child=None),)), Standing.PENDING),
        (replace(REPORT, containers=(replace(CONTAINER, image_id=digest("x")),)), Standing.PENDING),
        (replace(REPORT, phase=Phase.COMPLETED, containers=(ENDED,)), Standing.COMPLETED),
        (
            replace(REPORT, phase=Phase.COMPLETED, containers=(replace(ENDED, exit_code=1),)),
            Standing.PENDING,
        ),
        (
            replace(REPORT, phase=Phase.COMPLETED, containers=(replace(OLD, running=False, exit_code=0),)),
            Standing.PENDING,
        ),
        (replace(REPORT, phase=Phase.ROLLED_BACK, reason=Reason.CRASH_LOOP), Standing.FAILING),
        (replace(REPORT, phase=Phase.ROLLED_BACK), Standing.FAILING),
        (replace(REPORT, phase=Phase.ROLLED_BACK, release="hello-0"), Standing.PENDING),
        (FAILED, Standing.FAILING),
        (replace(FAILED, release="hello-0"), Standing.PENDING),
        (replace(FAILED, containers=(CONTAINER,)), Standing.RUNNING),
    ],
)
def test_a_workload_stands_by_what_its_containers_prove(
    report: WorkloadReport | None, standing: Standing
) -> None:
    assert judge_workload(PIN, report) is standing


TWO = replace(PIN, images=(replace(IMAGE, containers=frozenset({"main", "side"})),))
SIDE = replace(CONTAINER, name="side", container_id="c2")


@pytest.mark.parametrize(
    ("report", "standing"),
    [
        (REPORT, Standing.PENDING),
        (replace(REPORT, containers=(CONTAINER, SIDE)), Standing.RUNNING),
        (replace(REPORT, containers=(CONTAINER, replace(SIDE, child=None))), Standing.PENDING),
        (replace(REPORT, containers=(CONTAINER, replace(SIDE, running=False))), Standing.PENDING),
        (replace(REPORT, containers=(replace(ENDED, name="side"), CONTAINER)), Standing.RUNNING),
        (
            replace(REPORT, phase=Phase.STARTING, containers=(replace(ENDED, name="side"), CONTAINER)),
            Standing.PENDING,
        ),
        (replace(REPORT, phase=Phase.COMPLETED, containers=(ENDED,)), Standing.PENDING),
        (
            replace(REPORT, phase=Phase.COMPLETED, containers=(ENDED, replace(ENDED, name="side"))),
            Standing.COMPLETED,
        ),
    ],
)
def test_a_workload_of_several_containers_is_proven_by_all_of_them(
    report: WorkloadReport, standing: Standing
) -> None:
    assert judge_workload(TWO, report) is standing


OTHER = ImagePin(
    platform=Platform.parse("linux/arm64"),
    child=digest("other"),
    config=digest("other config"),
    containers=frozenset({"side"}),
)
MIXED = Pin(release="hello-1", images=(replace(IMAGE, containers=frozenset({"main"})), OTHER))
OTHERS = replace(SIDE, image_id=OTHER.config, child=OTHER.child)


@pytest.mark.parametrize(
    ("containers", "standing"),
    [
        ((CONTAINER, OTHERS), Standing.RUNNING),
        ((CONTAINER, SIDE), Standing.PENDING),
        ((replace(OTHERS, name="main"), OTHERS), Standing.PENDING),
        ((CONTAINER,), Standing.PENDING),
        ((CONTAINER, OTHERS, replace(CONTAINER, name="late")), Standing.PENDING),
        ((CONTAINER, OTHERS, replace(OLD, name="first", running=False, exit_code=0)), Standing.RUNNING),
    ],
)
def test_each_container_proves_its_own_image(
    containers: tuple[ContainerReport, ...], standing: Standing
) -> None:
    assert judge_workload(MIXED, replace(REPORT, containers=containers)) is standing


def test_a_held_workload_is_held_whatever_the_device_says() -> None:
    assert judge_workload(None, REPORT) is Standing.HELD


@pytest.mark.parametrize(
    ("lag", "standings", "impeded", "sync"),
    [
        (Lag.UNASSIGNED, [], False, Sync.UNASSIGNED),
        (Lag.UNASSIGNED, [], True, Sync.UNASSIGNED),
        (Lag.BEHIND, [Standing.RUNNING], False, Sync.BEHIND),
        (Lag.AHEAD, [Standing.RUNNING], False, Sync.BEHIND),
        (Lag.CURRENT, [], False, Sync.IN_SYNC),
        (Lag.CURRENT, [Standing.RUNNING, Standing.COMPLETED], False, Sync.IN_SYNC),
        (Lag.CURRENT, [Standing.RUNNING, Standing.PENDING], False, Sync.WORKING),
        (Lag.CURRENT, [Standing.HELD, Standing.PENDING], False, Sync.WORKING),
        (Lag.CURRENT, [Standing.HELD, Standing.RUNNING], False, Sync.HELD),
        (Lag.CURRENT, [Standing.FAILING, Standing.PENDING, Standing.HELD], False, Sync.FAILING),
        (Lag.CURRENT, [Standing.RUNNING], True, Sync.FAILING),
    ],
)
def test_a_device_stands_by_its_document_and_its_workloads(
    lag: Lag, standings: list[Standing], *, impeded: bool, sync: Sync
) -> None:
    assert judge_device(lag, standings, impeded=impeded) is sync
