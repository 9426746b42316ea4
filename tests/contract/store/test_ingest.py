"""What devices send ends in the right state."""

from dataclasses import replace

from controlroom import PLATFORMS, ControlRoom, Voice, digest, index, manifest, retained
from polyfleet_controller.services.ingest import Arrival, Outcome, Refusal
from polyfleet_controller.services.views import (
    Admission,
    Connectivity,
    DeviceView,
    Standing,
    Sync,
)
from polyfleet_shared.messages import (
    Condition,
    ContainerReport,
    DocumentVersion,
    Phase,
    PlatformSource,
    WorkloadReport,
)
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel

FOREIGN = DocumentVersion(epoch=3, generation=8, digest=digest("foreign"))


def test_a_new_device_without_a_document_is_admitted_and_given_an_empty_one(room: ControlRoom) -> None:
    voice = Voice(labels={"site": "roof", "kubernetes.io/arch": "mips"})
    assert room.receive(*voice.introduce()) == Outcome(acknowledgements=(), refusals=(), outbox_changed=True)
    voice.obey(room.deliver_documents()["dev-1"])
    room.receive(voice.report())
    assert room.show(voice).device == DeviceView(
        name="dev-1",
        admission=Admission.ADMITTED,
        connectivity=Connectivity.ONLINE,
        since=room.now,
        last_seen=room.now,
        platform=Platform.parse("linux/amd64"),
        platform_source=PlatformSource.CONFIGURED,
        agent_version="0.1.0",
        labels={
            "site": "roof",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": "board",
        },
        epoch=1,
        generation=1,
        observed_epoch=1,
        observed_generation=1,
        sync=Sync.IN_SYNC,
        conditions=(),
    )


def test_a_new_device_with_a_document_that_is_none_of_ours_waits_for_an_operator(room: ControlRoom) -> None:
    voice = Voice()
    outcome = room.receive(voice.connect(), voice.describe(), voice.report(observed=FOREIGN))
    assert not outcome.outbox_changed
    assert room.deliver() == ()
    view = room.show(voice).device
    assert (view.admission, view.sync, view.generation) == (Admission.PENDING, Sync.UNASSIGNED, 0)


def test_a_device_that_never_said_what_it_runs_is_given_nothing(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(voice.connect(), voice.describe())
    assert room.deliver() == ()
    assert room.show(voice).device.admission is Admission.PENDING


def test_a_device_of_unknown_platforms_is_given_nothing_yet(room: ControlRoom) -> None:
    voice = Voice()
    room.apply()
    room.receive(voice.report())
    assert room.deliver() == ()
    room.receive(voice.describe())
    assert [item.name for item in room.deliver_documents()["dev-1"].workloads] == ["hello"]


def test_a_stale_message_changes_nothing(room: ControlRoom) -> None:
    voice = Voice()
    old = [*voice.introduce(), voice.disconnect(), voice.measure()]
    voice.boot = 2
    room.receive(*voice.introduce(), voice.measure())
    before = room.show(voice)
    room.pass_time(seconds=5)
    assert not room.receive(*old).outbox_changed
    assert room.show(voice) == before


def test_offline_comes_after_online_of_the_same_connection_and_before_the_next(room: ControlRoom) -> None:
    voice = Voice()
    first, will = voice.connect(), voice.disconnect()
    second = voice.connect()
    room.receive(first)
    room.receive(will)
    assert room.show(voice).device.connectivity is Connectivity.OFFLINE
    room.receive(second)
    room.receive(will)
    assert room.show(voice).device.connectivity is Connectivity.ONLINE


def test_a_workload_runs_only_by_proof(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    voice.obey(room.deliver_documents()["dev-1"])
    (proven,) = voice.workloads

    def shown(**container: object) -> tuple[Standing, Sync]:
        claimed = tuple(replace(item, **container) for item in proven.containers)  # type: ignore[arg-type]
        room.receive(voice.report(workloads=(replace(proven, containers=claimed),)))
        detail = room.show(voice)
        return detail.assignments[0].standing, detail.device.sync

    assert shown(child=digest("another")) == (Standing.PENDING, Sync.WORKING)
    assert shown(child=None) == (Standing.PENDING, Sync.WORKING)
    assert shown(image_id=digest("another")) == (Standing.PENDING, Sync.WORKING)
    assert shown(running=False) == (Standing.PENDING, Sync.WORKING)
    assert shown() == (Standing.RUNNING, Sync.IN_SYNC)


def test_a_device_says_why_a_workload_does_not_run(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    uid = room.apply().workload.uid
    document = room.deliver_documents()["dev-1"]
    failing = WorkloadReport(
        uid=uid,
        namespace="default",
        name="hello",
        release=document.workloads[0].release,
        phase=Phase.BACKING_OFF,
        reason=Reason.REGISTRY_UNREACHABLE,
        message="no route to host",
    )
    room.receive(voice.report(observed=document.version, workloads=(failing,)))
    detail = room.show(voice)
    assert (detail.device.sync, detail.assignments[0].standing) == (Sync.FAILING, Standing.FAILING)
    assert detail.assignments[0].report == failing
    assert room.workload().placements[0].report == failing
    assert [(count.devices, count.failing) for count in room.workload().workload.platforms] == [(1, 1)]


def test_a_report_of_another_workload_or_release_proves_nothing(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    voice.obey(room.deliver_documents()["dev-1"])
    (proven,) = voice.workloads
    room.receive(voice.report(workloads=(replace(proven, release="hello-0-older"),)))
    assert room.show(voice).assignments[0].standing is Standing.PENDING
    room.receive(voice.report(workloads=(replace(proven, uid="w0"), proven)))
    assert room.show(voice).assignments[0].standing is Standing.RUNNING


def test_a_new_container_beside_a_running_old_one_is_no_proof(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    voice.obey(room.deliver_documents()["dev-1"])
    (proven,) = voice.workloads
    old = ContainerReport(name="main", container_id="old", running=True, image_id=digest("old"))
    room.receive(voice.report(workloads=(replace(proven, containers=(old, *proven.containers)),)))
    assert room.show(voice).assignments[0].standing is Standing.PENDING
    stopped = replace(old, running=False, exit_code=0)
    room.receive(voice.report(workloads=(replace(proven, containers=(stopped, *proven.containers)),)))
    assert room.show(voice).assignments[0].standing is Standing.RUNNING


def test_a_workload_of_several_containers_runs_only_if_all_of_them_do(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    document = manifest()
    pod = document["spec"]["template"]["spec"]
    pod["containers"].append(pod["containers"][0] | {"name": "side"})
    room.workloads.apply(document, now=room.now)
    room.settle(voice)
    (proven,) = voice.workloads
    main, side = proven.containers
    for containers, standing in (
        ((main,), Standing.PENDING),
        ((main, replace(side, running=False)), Standing.PENDING),
        ((main, side), Standing.RUNNING),
        ((side,), Standing.PENDING),
    ):
        room.receive(voice.report(workloads=(replace(proven, containers=containers),)))
        assert room.show(voice).assignments[0].standing is standing


def test_what_the_device_itself_complains_of_is_shown(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    trouble = Condition(reason=Reason.PODMAN_UNAVAILABLE, message="no such socket")
    room.receive(voice.report(conditions=(trouble,)))
    assert room.show(voice).device.conditions == (trouble,)
    room.receive(voice.report())
    assert room.show(voice).device.conditions == ()


def test_another_platform_gets_another_child(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    voice.platform = "linux/riscv64"
    assert room.receive(voice.describe()).outbox_changed
    assert room.show(voice).device.sync is Sync.BEHIND
    room.settle(voice)
    detail = room.show(voice)
    assert (detail.device.sync, detail.assignments[0].child) == (Sync.IN_SYNC, digest("1 linux/riscv64"))
    assert [count.platform for count in room.workload().workload.platforms] == [
        Platform.parse("linux/riscv64")
    ]


def test_a_device_is_given_the_first_of_its_platforms_that_the_image_has(room: ControlRoom) -> None:
    voice = Voice(platform="linux/arm/v7", platforms=("linux/arm/v7", "linux/arm64", "linux/amd64"))
    room.shelf.answers["1"] = index("1", "linux/amd64", "linux/arm64")
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    (assignment,) = room.show(voice).assignments
    assert (assignment.platform, assignment.standing) == (Platform.parse("linux/arm64"), Standing.RUNNING)


def test_telemetry_is_the_newest(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.receive(*reversed([voice.measure(), voice.measure()]))
    telemetry = room.show(voice).telemetry
    assert telemetry is not None
    assert telemetry.stamp.seq == 2


def test_bad_messages_are_refused_with_their_path_and_delay_nothing(room: ControlRoom) -> None:
    good, bad = Voice(name="good"), Voice(name="bad")
    room.enrol(bad)
    outcome = room.receive(
        bad.send(Channel.REPORTED, b"{"),
        bad.send(Channel.PRESENCE, b'{"version":1,"online":"yes"}'),
        bad.send(Channel.INVENTORY, b"x" * 70_000),
        bad.send(Channel.TELEMETRY, b'{"version":2}'),
        bad.send(Channel.DESIRED, b"{}"),
        Arrival(topic="polyfleet/v1/BAD/up/event", payload=b"{}", retained=False, received_at=room.now),
        *good.introduce(),
    )
    refused = {refusal.topic.rpartition("/")[2]: refusal.message for refusal in outcome.refusals[1:]}
    assert outcome.refusals[0] == Refusal(
        device="bad",
        topic="polyfleet/v1/bad/up/reported",
        message="up/reported: not JSON: Expecting property name enclosed in double quotes at line 1 column 2",
    )
    assert refused == {
        "presence": "up/presence: incarnation: missing; boot: missing; connection: missing; since: missing; "
        'online: expected true or false, got the text "yes"',
        "inventory": "up/inventory: 70000 bytes are more than the 65536 allowed",
        "telemetry": "up/telemetry: version: the number 2 is not spoken here; this side speaks 1",
        "desired": "is no topic that devices write to",
        "event": "is no topic that devices write to",
    }
    assert room.show(good).device.admission is Admission.ADMITTED
    assert room.show(bad).device.connectivity is Connectivity.ONLINE


def test_a_refusal_is_told_once_and_the_latest_are_kept(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)

    def garbage(number: int) -> Arrival:
        return voice.send(Channel.TELEMETRY, b'{"version":1}' + b" " * number + b"x")

    first = room.receive(garbage(0), garbage(0))
    assert len(first.refusals) == 1
    assert room.receive(garbage(0)).refusals == ()
    for number in range(1, 13):
        room.pass_time(seconds=1)
        room.receive(garbage(number))
    kept = room.show(voice).refusals
    assert [message.rpartition(" ")[2] for message in kept] == [str(14 + n) for n in range(12, 2, -1)]


def test_what_nobody_sent_is_told_once_too(room: ControlRoom) -> None:
    stranger = Arrival(topic="polyfleet/v1/A/up/event", payload=b"{}", retained=False, received_at=room.now)
    assert len(room.receive(stranger, stranger).refusals) == 1
    assert room.receive(stranger).refusals == ()


def test_a_device_that_only_sends_garbage_is_listed_with_its_refusals(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(voice.send(Channel.PRESENCE, b"?"))
    detail = room.show(voice)
    assert detail.device.admission is Admission.PENDING
    assert len(detail.refusals) == 1


def test_labels_beyond_what_an_index_holds_are_refused(room: ControlRoom) -> None:
    voice = Voice(labels={"k" * 400: "v", "short": "w" * 100})
    outcome = room.receive(voice.connect(), voice.describe())
    assert len(outcome.refusals) == 1
    assert "labels" in outcome.refusals[0].message
    assert room.show(voice).device.platform is None


def test_the_clearing_of_a_topic_says_nothing(room: ControlRoom) -> None:
    assert room.receive(Voice().send(Channel.PRESENCE, b"")) == Outcome(
        acknowledgements=(), refusals=(), outbox_changed=False
    )


def test_a_retained_copy_counts_as_a_message_but_not_as_a_sign_of_life(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(*map(retained, voice.introduce()))
    view = room.show(voice).device
    assert (view.admission, view.connectivity) == (Admission.ADMITTED, Connectivity.ONLINE)
    assert view.last_seen is None


def test_many_devices_in_one_batch_stand_beside_each_other(room: ControlRoom) -> None:
    voices = [Voice(name=f"dev-{n}", platform=PLATFORMS[n % 4]) for n in range(8)]
    room.enrol(*voices)
    room.apply()
    room.settle(*voices)
    assert [(item.devices, item.running) for item in room.workload().workload.platforms] == [(2, 2)] * 4
    assert {room.show(voice).device.sync for voice in voices} == {Sync.IN_SYNC}
