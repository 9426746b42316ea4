"""Rollouts as the services show them, for the pages and words that tell of them."""

from dataclasses import replace
from typing import Final

from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.services.rollout_views import (
    FailedDevice,
    RecordView,
    RolloutDetail,
    RolloutGlance,
    RolloutView,
    StratumGlance,
    StratumView,
    TallyView,
)
from polyfleet_controller.services.views import PlatformCount, ReleaseCount, ReleaseDetail, ReleaseStatus
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from view_examples import AMD, PLACEMENTS, RELEASE, WORKLOAD, WORKLOAD_DETAIL, ago

RISCV: Final = Platform.parse("linux/riscv64")
NOBODY: Final = TallyView(
    devices=0,
    waiting=0,
    offline=0,
    pulling=0,
    starting=0,
    soaking=0,
    succeeded=0,
    failed=0,
    pulled=0,
    to_pull=0,
)

ROLLOUT: Final = RolloutView(
    namespace="default",
    name="hello",
    number=2,
    revision=2,
    release="hello-2",
    status=RolloutStatus.PROGRESSING,
    in_effect=True,
    created_at=ago(minutes=6),
    created_by="ada@laptop",
    ended_at=None,
    strata=(
        StratumView(
            platform=AMD,
            status=StratumStatus.ADVANCING,
            base="hello-1",
            wave=2,
            waves=3,
            waits_for="4 devices to prove the release: edge-1, edge-2, edge-3 and 1 more",
            reason="",
            tally=replace(
                NOBODY,
                devices=10,
                succeeded=3,
                soaking=1,
                starting=1,
                pulling=2,
                waiting=2,
                offline=1,
                pulled=12_345_678,
                to_pull=45_678_901,
            ),
        ),
        StratumView(
            platform=RISCV,
            status=StratumStatus.ROLLED_BACK,
            base=None,
            wave=1,
            waves=3,
            waits_for="",
            reason="wave 1 failed: 1 of 1 devices",
            tally=replace(NOBODY, devices=2, waiting=1, failed=1),
            failures=(
                FailedDevice(
                    device="edge-7",
                    condition=Condition(
                        reason=Reason.ILLEGAL_INSTRUCTION, message="ended with exit code 132"
                    ),
                ),
            ),
        ),
    ),
)
ENDED: Final = replace(
    ROLLOUT,
    number=1,
    release="hello-1",
    status=RolloutStatus.COMPLETED,
    in_effect=False,
    ended_at=ago(minutes=3),
    strata=tuple(
        replace(stratum, status=StratumStatus.SUCCEEDED, tally=None, waits_for="", reason="", failures=())
        for stratum in ROLLOUT.strata
    ),
)
ROLLOUT_DETAIL: Final = RolloutDetail(
    rollout=ROLLOUT,
    records=(
        RecordView(at=ago(minutes=5), by="rollout", platform=AMD, what="wave 1 of 3 begins"),
        RecordView(at=ago(minutes=4), by="ada@laptop", platform=None, what="wave 3 is approved"),
        RecordView(at=ago(minutes=3), by="eve\x1b[31m", platform=RISCV, what="wave 1 failed: rolled back"),
    ),
    approvals=(2, 3),
    approved=(3,),
)

ROLLING: Final = replace(
    WORKLOAD,
    condition=None,
    alarm=None,
    platforms=(PlatformCount(platform=AMD, devices=5, running=3, completed=0, failing=0, held=0, earlier=2),),
    earlier=(ReleaseCount(release="hello-1", devices=2),),
    rollout=RolloutGlance(
        number=ROLLOUT.number,
        status=ROLLOUT.status,
        waves=3,
        strata=tuple(
            StratumGlance(
                platform=stratum.platform,
                status=stratum.status,
                wave=stratum.wave,
                waits_for=stratum.waits_for,
                reason=stratum.reason,
            )
            for stratum in ROLLOUT.strata
        ),
    ),
)
ROLLING_DETAIL: Final = replace(
    WORKLOAD_DETAIL,
    workload=ROLLING,
    failures=(),
    placements=(
        PLACEMENTS[0],
        replace(PLACEMENTS[0], device="edge-4", release="hello-1"),
        replace(PLACEMENTS[2], device="edge-5", release="hello-1"),
    ),
)

OLD_RELEASE: Final = replace(
    RELEASE,
    release="hello-1",
    revision=1,
    created_at=ago(days=3),
    created_by="",
    status=ReleaseStatus.ROLLED_OUT,
)
RELEASE_DETAIL: Final = ReleaseDetail(
    release=replace(RELEASE, status=ReleaseStatus.ROLLING_OUT),
    manifest='{"kind": "Workload", "spec": {"replicas": 3, "image": "hello:2"}}',
    previous="hello-1",
    previous_manifest='{"kind": "Workload", "spec": {"replicas": 3, "image": "hello:1"}}',
)
