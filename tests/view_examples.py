"""A small fleet as the API would answer it: one of everything that a page shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from polyfleet_controller.domain.platforms import Lack, Mismatch
from polyfleet_controller.domain.scheduling.filters import FilterName
from polyfleet_controller.domain.scheduling.scorers import ScorerName
from polyfleet_controller.services.image_views import (
    CoveredDevices,
    ImageCheck,
    OnUncovered,
    PullSize,
    UncoveredDevices,
)
from polyfleet_controller.services.placement_reasons import (
    DeviceReason,
    RefusedDevices,
    Score,
    Verdict,
    Why,
)
from polyfleet_controller.services.views import (
    Admission,
    Alarm,
    Applied,
    AssignmentView,
    Change,
    Child,
    Connectivity,
    DeviceDetail,
    DeviceLabel,
    DevicePlacement,
    DeviceView,
    DryRun,
    Effect,
    EventView,
    FieldChange,
    IgnoredLabel,
    ImageFailure,
    Incarnation,
    LabelSource,
    PlannedPull,
    PlatformCount,
    ReleaseView,
    SomeDevices,
    Standing,
    Sync,
    Taint,
    WorkloadDetail,
    WorkloadView,
)
from polyfleet_shared.messages import (
    Condition,
    ContainerReport,
    HostFacts,
    Phase,
    PlatformSource,
    PullProgress,
    Stamp,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason

NOW: Final = datetime(2024, 5, 1, 10, tzinfo=UTC)

ARM: Final = Platform.parse("linux/arm/v7")
AMD: Final = Platform.parse("linux/amd64")


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


DEVICE: Final = DeviceView(
    name="edge-7",
    admission=Admission.ADMITTED,
    connectivity=Connectivity.ONLINE,
    since=ago(minutes=3),
    last_seen=ago(seconds=4),
    platform=ARM,
    platform_source=PlatformSource.CONFIGURED,
    agent_version="0.1.0",
    labels={"site": "north", "kubernetes.io/arch": "arm", "tier": "edge", "spare": ""},
    epoch=1,
    generation=5,
    observed_epoch=1,
    observed_generation=4,
    sync=Sync.FAILING,
    conditions=(Condition(reason=Reason.DUPLICATE_DEVICE, message="incarnation 3f0c is online too"),),
    taints=(
        Taint(key="dedicated", value="till", effect=Effect.NO_SCHEDULE, since=ago(days=3)),
        Taint(key="example.com/broken", effect=Effect.NO_EXECUTE, since=ago(minutes=5)),
    ),
)
STRANGER: Final = DeviceView(
    name="a-rather-long-name-42",
    admission=Admission.PENDING,
    connectivity=Connectivity.UNKNOWN,
    since=None,
    last_seen=None,
    platform=None,
    platform_source=None,
    agent_version=None,
    labels={},
    epoch=1,
    generation=0,
    observed_epoch=None,
    observed_generation=None,
    sync=Sync.UNASSIGNED,
    conditions=(),
)

CRASHING: Final = WorkloadReport(
    uid="u1",
    namespace="default",
    name="hello",
    release="hello-1",
    phase=Phase.BACKING_OFF,
    reason=Reason.CRASH_LOOP,
    message="exit code 1, five times in 2 minutes \x1b[31m",
    restarts=5,
    containers=(
        ContainerReport(
            name="main",
            container_id="c1",
            running=False,
            image_id=digest("9"),
            child=digest("b"),
            exit_code=1,
        ),
    ),
)
RUNNING: Final = WorkloadReport(
    uid="u2",
    namespace="shop",
    name="till",
    release="till-3",
    phase=Phase.RUNNING,
    ready_seconds=7300,
    restarts=1,
    containers=(
        ContainerReport(
            name="main", container_id="c2", running=True, image_id=digest("9"), child=digest("c")
        ),
    ),
)
PULLING: Final = WorkloadReport(
    uid="u3",
    namespace="shop",
    name="scale",
    release="scale-2",
    phase=Phase.PULLING,
    pull=PullProgress(done=12_345_678, total=45_678_901),
)
UNCOVERED: Final = Condition(
    reason=Reason.NO_MATCHING_PLATFORM, message="the image has linux/amd64 and linux/arm64"
)

ASSIGNMENTS: Final = (
    AssignmentView(
        uid="u1",
        namespace="default",
        name="hello",
        release="hello-2",
        platform=ARM,
        child=digest("a"),
        held=None,
        standing=Standing.FAILING,
        report=CRASHING,
    ),
    AssignmentView(
        uid="u2",
        namespace="shop",
        name="till",
        release="till-3",
        platform=ARM,
        child=digest("c"),
        held=None,
        standing=Standing.RUNNING,
        report=RUNNING,
    ),
    AssignmentView(
        uid="u3",
        namespace="shop",
        name="scale",
        release="scale-2",
        platform=ARM,
        child=digest("d"),
        held=None,
        standing=Standing.PENDING,
        report=PULLING,
    ),
    AssignmentView(
        uid="u4",
        namespace="shop",
        name="safe",
        release="safe-1",
        platform=None,
        child=None,
        held=UNCOVERED,
        standing=Standing.HELD,
        report=None,
    ),
)

EVENTS: Final = (
    EventView(
        device="edge-7",
        seq=3,
        kind="exited",
        at=ago(minutes=1),
        received_at=ago(minutes=1),
        workload="u1",
        release="hello-1",
        reason=Reason.EXITED,
        message="exit code 1",
        size=None,
        seconds=None,
    ),
    EventView(
        device="edge-7",
        seq=2,
        kind="pull_finished",
        at=ago(hours=3),
        received_at=ago(hours=1),
        workload="u9",
        release="hello-1",
        reason=None,
        message="",
        size=4_000_000,
        seconds=4.25,
    ),
    EventView(
        device="edge-7",
        seq=1,
        kind="agent_started",
        at=ago(hours=1),
        received_at=ago(hours=4),
        workload=None,
        release=None,
        reason=None,
        message="",
        size=None,
        seconds=None,
    ),
)

DEVICE_DETAIL: Final = DeviceDetail(
    device=DEVICE,
    platforms=(
        RunnablePlatform(platform=ARM, fit=Fit.NATIVE, found="configured in agent.toml"),
        RunnablePlatform(
            platform=Platform.parse("linux/arm/v6"), fit=Fit.COMPATIBLE, found="below linux/arm/v7"
        ),
        RunnablePlatform(
            platform=Platform.parse("linux/arm/v5"), fit=Fit.COMPATIBLE, found="below linux/arm/v7"
        ),
        RunnablePlatform(platform=AMD, fit=Fit.EMULATED, found="binfmt_misc handler qemu-x86_64"),
    ),
    host=HostFacts(
        hostname="edge-7",
        machine="armv7l",
        cpu_model="Cortex-A7",
        cpu_count=4,
        memory_total=2**30,
        disk_total=29 * 2**30,
        os_name="Debian GNU/Linux",
        os_version="12",
        kernel="6.1.0",
        podman_version="4.3.1",
        boot_id="b",
    ),
    telemetry=Telemetry(
        stamp=Stamp(incarnation="i", boot=1, seq=1),
        at=ago(seconds=20),
        cpu_percent=12.4,
        memory_used=300 * 2**20,
        memory_total=2**30,
        disk_used=4 * 2**30,
        disk_total=29 * 2**30,
        temperature=51.2,
    ),
    incarnations=(
        Incarnation(
            incarnation="3f0c1a34-0000-4000-8000-1234567890ab",
            first_seen=ago(days=30),
            superseded_at=ago(days=2),
        ),
        Incarnation(
            incarnation="4f0c1a34-0000-4000-8000-1234567890ab", first_seen=ago(days=2), superseded_at=None
        ),
    ),
    assignments=ASSIGNMENTS,
    events=EVENTS,
    refusals=('up/reported: workloads[0].phase: expected one of pending, pulling, got the text "dancing"',),
    labels=(
        DeviceLabel(key="kubernetes.io/arch", value="arm", source=LabelSource.INVENTORY),
        DeviceLabel(key="site", value="north", source=LabelSource.OPERATOR, configured="south"),
        DeviceLabel(key="spare", value="", source=LabelSource.OPERATOR),
        DeviceLabel(key="tier", value="edge", source=LabelSource.DEVICE),
    ),
    ignored_labels=(
        IgnoredLabel(
            key="kubernetes.io/arch",
            value="mips",
            message="kubernetes.io/arch is arm by edge-7's inventory, and cannot be set to mips",
        ),
    ),
)
STRANGER_DETAIL: Final = DeviceDetail(
    device=STRANGER,
    platforms=(),
    host=None,
    telemetry=None,
    incarnations=(),
    assignments=(),
    events=(),
    refusals=(),
)

RELEASE: Final = ReleaseView(
    release="hello-2",
    workload="hello",
    revision=2,
    created_at=ago(minutes=6),
    image="registry.example.com:5000/team/hello:1.0",
    index=digest("f"),
    children=(
        Child(platform=AMD, child=digest("1"), config=digest("2"), size=12_345_678),
        Child(platform=ARM, child=digest("a"), config=digest("9"), size=11_345_678),
    ),
    created_by="ada@laptop",
)
WORKLOAD: Final = WorkloadView(
    uid="u1",
    namespace="default",
    name="hello",
    generation=3,
    resource_version="3-0123456789abcdef",
    observed_generation=2,
    created_at=ago(days=3),
    updated_at=ago(minutes=5),
    image="registry.example.com:5000/team/hello:1.1",
    release="hello-2",
    condition=Condition(
        reason=Reason.IMAGE_NOT_FOUND, message="registry.example.com:5000/team/hello:1.1: manifest unknown"
    ),
    platforms=(
        PlatformCount(platform=AMD, devices=2, running=1, completed=0, failing=0, held=0),
        PlatformCount(platform=ARM, devices=1, running=0, completed=0, failing=1, held=0),
        PlatformCount(
            platform=Platform.parse("linux/riscv64"), devices=1, running=0, completed=0, failing=0, held=1
        ),
    ),
    alarm=Alarm(
        reason=Reason.PLATFORM_LOST,
        message="registry.example.com:5000/team/hello:1.0 no longer has linux/arm/v7 (1 device)",
        since=ago(hours=2),
    ),
)
PLACEMENTS: Final = (
    DevicePlacement(
        device="edge-1",
        connectivity=Connectivity.OFFLINE,
        platform=AMD,
        child=digest("1"),
        held=None,
        standing=Standing.RUNNING,
        report=RUNNING,
        release="hello-2",
    ),
    DevicePlacement(
        device="edge-2",
        connectivity=Connectivity.ONLINE,
        platform=AMD,
        child=digest("1"),
        held=None,
        standing=Standing.PENDING,
        report=PULLING,
        release="hello-2",
    ),
    DevicePlacement(
        device="edge-7",
        connectivity=Connectivity.ONLINE,
        platform=ARM,
        child=digest("a"),
        held=None,
        standing=Standing.FAILING,
        report=CRASHING,
        release="hello-2",
    ),
    DevicePlacement(
        device="edge-9",
        connectivity=Connectivity.UNKNOWN,
        platform=None,
        child=None,
        held=UNCOVERED,
        standing=Standing.HELD,
        report=None,
    ),
)
FAILURES: Final = (
    ImageFailure(
        child=digest("1"),
        platform=Platform.parse("linux/amd64/v2"),
        reason=Reason.ILLEGAL_INSTRUCTION,
        message="ended with exit code 132 (signal 4) after 0 s \x1b[31m",
        device="edge-3",
        workload="u1",
        seen_at=ago(days=2),
    ),
)
WORKLOAD_DETAIL: Final = WorkloadDetail(
    workload=WORKLOAD,
    manifest="{}",
    release=RELEASE,
    placements=PLACEMENTS,
    next_cursor=None,
    failures=FAILURES,
)

CHECK: Final = ImageCheck(
    image="registry.example.com:5000/team/hello:1.0",
    index=digest("f"),
    offers=(AMD, Platform.parse("linux/amd64/v3"), Platform.parse("linux/arm/v6")),
    devices=4340,
    covered=(
        CoveredDevices(
            platform=AMD,
            devices=3,
            image_platform=AMD,
            child=digest("1"),
            fit=Fit.NATIVE,
            size=12_345_678,
            pull=PullSize(total=37_037_034, least=12_345_678, most=12_345_678),
        ),
        CoveredDevices(
            platform=Platform.parse("linux/amd64/v4"),
            devices=4012,
            image_platform=Platform.parse("linux/amd64/v3"),
            child=digest("3"),
            fit=Fit.COMPATIBLE,
            size=12_345_678,
            pull=PullSize(total=49_530_000_000, least=0, most=12_345_678),
        ),
        CoveredDevices(
            platform=ARM,
            devices=310,
            image_platform=Platform.parse("linux/arm/v6"),
            child=digest("a"),
            fit=Fit.COMPATIBLE,
            size=11_345_678,
            pull=PullSize(total=0, least=0, most=0),
        ),
        CoveredDevices(
            platform=Platform.parse("linux/arm64"),
            devices=1,
            image_platform=AMD,
            child=digest("1"),
            fit=Fit.EMULATED,
            size=12_345_678,
            pull=PullSize(total=12_345_678, least=12_345_678, most=12_345_678),
        ),
    ),
    uncovered=(
        UncoveredDevices(
            platform=Platform.parse("linux/arm/v5"),
            devices=12,
            runs=(Platform.parse("linux/arm/v5"),),
            reason=Reason.NO_MATCHING_PLATFORM,
            message=str(Mismatch(lack=Lack.VARIANT, nearest=(Platform.parse("linux/arm/v6"),))),
            names=tuple(f"till-{n:03}" for n in range(10)),
        ),
        UncoveredDevices(
            platform=Platform.parse("linux/riscv64/rva22u64"),
            devices=2,
            runs=(Platform.parse("linux/riscv64/rva22u64"), Platform.parse("linux/riscv64")),
            reason=Reason.NO_MATCHING_PLATFORM,
            message=str(
                Mismatch(
                    lack=Lack.ARCHITECTURE,
                    nearest=(AMD, Platform.parse("linux/amd64/v3"), Platform.parse("linux/arm/v6")),
                )
            ),
            names=("star-1", "star-2"),
        ),
    ),
    unjudged=1,
    on_uncovered=None,
    warnings=(
        ImageFailure(
            child=digest("3"),
            platform=Platform.parse("linux/amd64/v3"),
            reason=Reason.ILLEGAL_INSTRUCTION,
            message="/server: exit code 132",
            device="edge-3",
            workload="u1",
            seen_at=ago(hours=5),
        ),
    ),
)
APPLIED: Final = Applied(
    workload=WORKLOAD,
    change=Change.CHANGED,
    preflight=replace(CHECK, on_uncovered=OnUncovered.HOLD),
    unanswered=None,
)
DRY_RUN: Final = DryRun(
    namespace="default",
    name="hello",
    change=Change.CHANGED,
    preflight=replace(CHECK, on_uncovered=OnUncovered.HOLD),
    unanswered=None,
    gained=SomeDevices(devices=4310, names=tuple(f"gate-{number:04}" for number in range(1, 11))),
    lost=SomeDevices(devices=1, names=("shed-7",)),
    changed=SomeDevices(devices=2, names=("till-1", "till-2")),
    missing=0,
    restarted=SomeDevices(devices=1, names=("till-3",)),
    pulls=(
        PlannedPull(
            platform=AMD,
            devices=3,
            children=(digest("1"),),
            pull=PullSize(total=37_037_034, least=12_345_678, most=12_345_678),
        ),
        PlannedPull(
            platform=Platform.parse("linux/amd64/v4"),
            devices=4012,
            children=(digest("3"),),
            pull=PullSize(total=49_530_000_000, least=0, most=12_345_678),
        ),
        PlannedPull(
            platform=ARM,
            devices=310,
            children=(digest("a"),),
            pull=PullSize(total=0, least=0, most=0),
        ),
    ),
    stored='{"metadata":{"name":"hello"},"spec":{"replicas":3}}',
    manifest='{"metadata":{"name":"hello"},"spec":{"onUncovered":"hold","replicas":4}}',
    differences=(
        FieldChange(path="spec.replicas", before="3", after="4"),
        FieldChange(path="spec.onUncovered", before=None, after='"hold"'),
    ),
)
DRY_RUN_NOTHING: Final = DryRun(
    namespace="default",
    name="hello",
    change=Change.UNCHANGED,
    preflight=None,
    unanswered=None,
    gained=SomeDevices(devices=0, names=()),
    lost=SomeDevices(devices=0, names=()),
    changed=SomeDevices(devices=0, names=()),
    missing=2,
    restarted=SomeDevices(devices=0, names=()),
    pulls=(),
    stored="{}",
    manifest="{}",
    differences=(),
)
CHECK_COVERED: Final = replace(CHECK, devices=4326, uncovered=(), unjudged=0, warnings=())
CHECK_NOBODY: Final = replace(CHECK_COVERED, devices=0, covered=())

WHY = Why(
    namespace="default",
    name="hello",
    replicas=4,
    missing=1,
    chosen=3,
    chosen_names=("edge-1", "edge-2", "edge-3"),
    spare=0,
    refused=(
        RefusedDevices(
            filter=FilterName.NODE_SELECTOR,
            message="nodeSelector wants site=berlin; the device has site=paris",
            devices=12,
            names=tuple(f"edge-{number}" for number in range(20, 30)),
        ),
        RefusedDevices(
            filter=FilterName.MEMORY,
            message="needs 512 MiB of memory, 310 MiB free",
            devices=1,
            names=("edge-7",),
        ),
    ),
)
WHY_DEVICE = DeviceReason(
    device="edge-7",
    verdict=Verdict.REFUSED,
    filter=FilterName.MEMORY,
    message="needs 512 MiB of memory, 310 MiB free",
    scores=(Score(scorer=ScorerName.FIT, points=10.0), Score(scorer=ScorerName.ROOM, points=0.25)),
)
