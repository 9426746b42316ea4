"""Devices come to a new release in waves, each platform by itself, whatever happens to the controller."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from controlroom import ControlRoom, Voice, digest, manifest
from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Paused,
    Resumed,
    Retried,
    RolledBack,
)
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.services.errors import NotFoundError, NotSteerableError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.rollout_views import RolloutView
from polyfleet_controller.store.database import Database
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import Phase, WorkloadReport
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def fleet(room: ControlRoom) -> dict[str, Voice]:
    """Three devices of each of two platforms that run release 1."""
    voices = [
        *(Voice(name=f"amd-{number}") for number in range(3)),
        *(Voice(name=f"arm-{number}", platform="linux/arm64") for number in range(3)),
    ]
    room.enrol(*voices)
    room.apply(tag="1")
    room.settle(*voices)
    return {voice.name: voice for voice in voices}


def obey(room: ControlRoom, fleet: dict[str, Voice], documents: dict[str, DesiredDocument]) -> None:
    """Devices do as they are told, and say so."""
    for name, document in documents.items():
        fleet[name].obey(document)
    room.receive(*(fleet[name].report() for name in documents))


def refuse(fleet: dict[str, Voice], name: str, document: DesiredDocument) -> None:
    """The device goes back by itself to what it ran before."""
    voice = fleet[name]
    voice.document = document
    (old,), (wanted,) = voice.workloads, document.workloads
    voice.workloads = (
        WorkloadReport(
            uid=wanted.uid,
            namespace=wanted.namespace,
            name=wanted.name,
            release=wanted.release,
            phase=Phase.ROLLED_BACK,
            reason=Reason.ILLEGAL_INSTRUCTION,
            message="it died",
            fallback=old.release,
            containers=tuple(replace(item, child=None) for item in old.containers),
        ),
    )


TAGS = {digest(f"{tag} {platform}"): tag for tag in "123" for platform in (AMD64, ARM64)}


def tags(room: ControlRoom) -> str:
    """The tag of the image that each device is given, by the devices' names, platform by platform."""
    given = [TAGS.get(item.child or "", "-") for item in room.workload().placements]
    return f"{''.join(given[:3])} {''.join(given[3:])}"


def show(room: ControlRoom) -> RolloutView:
    return room.rollouts.show("default", "hello").rollout


def strata(room: ControlRoom) -> list[StratumStatus]:
    return [stratum.status for stratum in show(room).strata]


def with_rollout(tag: str, **rollout: object) -> dict[str, Any]:
    document = manifest(tag=tag)
    document["spec"]["rollout"] = rollout
    return document


def test_a_new_release_comes_to_one_device_of_each_platform_first(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    documents = room.deliver_documents()
    given = tags(room)
    assert sorted(given.split()[0]) == sorted(given.split()[1]) == ["1", "1", "2"]
    assert sorted(name[:3] for name in documents) == ["amd", "arm"]
    assert show(room).status is RolloutStatus.PROGRESSING
    obey(room, fleet, documents)
    room.settle(*fleet.values())
    assert tags(room) == "222 222"
    assert show(room).status is RolloutStatus.COMPLETED
    assert strata(room) == [StratumStatus.SUCCEEDED] * 2
    assert not show(room).in_effect


def test_the_next_waves_devices_download_while_the_first_are_watched(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.workloads.apply(with_rollout("2", waves=[1, "100%"]), now=room.now)
    documents = room.deliver_documents()
    ahead = {
        name: [image.child for image in document.workloads[0].prefetch]
        for name, document in documents.items()
        if document.workloads[0].prefetch
    }
    assert documents.keys() == fleet.keys()
    assert len(ahead) == 4
    assert ahead == {name: [digest(f"2 {fleet[name].platform}")] for name in ahead}


def test_what_runs_is_not_soaked_until_it_is_ready_for_long_enough(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    documents = room.deliver_documents()
    for name, document in documents.items():
        fleet[name].obey(document)
        fleet[name].workloads = tuple(replace(item, ready_seconds=9) for item in fleet[name].workloads)
    room.receive(*(fleet[name].report() for name in documents))
    assert room.advance() == {}
    tallies = [stratum.tally for stratum in show(room).strata]
    assert [(each.soaking, each.waiting) for each in tallies if each is not None] == [(1, 2), (1, 2)]
    for voice in fleet.values():
        voice.workloads = tuple(replace(item, ready_seconds=10) for item in voice.workloads)
    room.receive(*(fleet[name].report() for name in documents))
    room.settle(*fleet.values())
    assert tags(room) == "222 222"


def test_what_changes_nothing_that_runs_comes_to_all_at_once(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    document = manifest(tag="1")
    document["spec"]["rollout"] = {"onFailure": "pause"}
    room.workloads.apply(document, now=room.now)
    documents = room.deliver_documents()
    assert documents.keys() == fleet.keys()
    with pytest.raises(NotFoundError):
        show(room)


def test_a_release_that_fails_on_one_platform_goes_back_there_and_on_elsewhere(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    while documents := room.advance():
        for name, document in documents.items():
            wants_2 = document.workloads[0].containers[0].image.child == digest("2 linux/arm64")
            if wants_2:
                refuse(fleet, name, document)
            else:
                fleet[name].obey(document)
        room.receive(*(fleet[name].report() for name in documents))
    assert tags(room) == "222 111"
    assert strata(room) == [StratumStatus.SUCCEEDED, StratumStatus.ROLLED_BACK]
    assert show(room).status is RolloutStatus.PARTIAL
    assert show(room).strata[1].reason
    late = Voice(name="arm-late", platform="linux/arm64")
    early = Voice(name="amd-late")
    room.enrol(late, early)
    assert {item.device: item.child for item in room.workload().placements if "late" in item.device} == {
        "amd-late": digest("2 linux/amd64"),
        "arm-late": digest("1 linux/arm64"),
    }


def test_each_platform_goes_back_to_what_it_was_proven_on_by_the_rollouts_before(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    room.rollouts.steer("default", "hello", RolledBack(by="ada", platforms=frozenset({ARM64})), now=room.now)
    room.settle(*fleet.values())
    assert tags(room) == "222 111"
    room.apply(tag="3")
    obey(room, fleet, room.deliver_documents())
    room.rollouts.steer("default", "hello", RolledBack(by="ada"), now=room.now)
    room.settle(*fleet.values())
    assert tags(room) == "222 111"


def test_a_device_that_is_offline_blocks_nobody_and_catches_up(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.receive(fleet["arm-1"].disconnect())
    room.apply(tag="2")
    room.settle(*fleet.values())
    assert tags(room) == "222 212"
    assert show(room).status is RolloutStatus.COMPLETED
    (tally,) = (stratum.tally for stratum in show(room).strata if stratum.platform == ARM64)
    assert tally is not None
    assert (tally.offline, tally.succeeded) == (1, 2)
    room.receive(*fleet["arm-1"].introduce())
    room.settle(*fleet.values())
    assert tags(room) == "222 222"
    assert not show(room).in_effect


def test_a_device_that_never_proves_the_release_fails_at_its_deadline(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    room.deliver_documents()
    room.pass_time(seconds=599)
    assert room.advance() == {}
    room.pass_time(seconds=2)
    room.settle(*fleet.values())
    assert tags(room) == "111 111"
    assert show(room).status is RolloutStatus.ROLLED_BACK


def test_a_first_release_goes_in_waves_if_its_manifest_says_so(room: ControlRoom) -> None:
    voices = {f"amd-{number}": Voice(name=f"amd-{number}") for number in range(3)}
    room.enrol(*voices.values())
    room.workloads.apply(with_rollout("1", waves=[1, "100%"]), now=room.now)
    documents = room.deliver_documents()
    given = {name: (len(item.workloads), len(item.held)) for name, item in documents.items()}
    assert sorted(given.values()) == [(0, 1), (0, 1), (1, 0)]
    assert {held.reason for item in documents.values() for held in item.held} == {Reason.AWAITS_ROLLOUT}
    obey(room, voices, documents)
    room.settle(*voices.values())
    assert {item.standing for item in room.workload().placements} == {Standing.RUNNING}
    assert show(room).status is RolloutStatus.COMPLETED


def test_a_newer_release_supersedes_a_rollout_and_sends_nobody_back(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    obey(room, fleet, room.deliver_documents())
    room.apply(tag="3")
    assert set(tags(room)) <= {"1", "2", "3", " "}
    room.settle(*fleet.values())
    assert tags(room) == "333 333"
    assert [item.status for item in room.rollouts.list("default", "hello", PageRequest()).items] == [
        RolloutStatus.COMPLETED,
        RolloutStatus.SUPERSEDED,
    ]


def test_operators_pause_resume_roll_back_and_retry(room: ControlRoom, fleet: dict[str, Voice]) -> None:
    room.apply(tag="2")
    steer = room.rollouts.steer
    steer("default", "hello", Paused(by="ada"), now=room.now)
    obey(room, fleet, room.deliver_documents())
    assert room.advance() == {}
    assert show(room).status is RolloutStatus.PAUSED
    with pytest.raises(NotSteerableError, match="paused already"):
        steer("default", "hello", Paused(by="bob"), now=room.now)
    steer("default", "hello", Resumed(by="ada"), now=room.now)
    steer("default", "hello", RolledBack(by="ada", platforms=frozenset({ARM64})), now=room.now)
    room.settle(*fleet.values())
    assert tags(room) == "222 111"
    steer("default", "hello", Retried(by="ada"), number=1, now=room.now)
    room.settle(*fleet.values())
    assert tags(room) == "222 222"
    records = room.rollouts.show("default", "hello").records
    assert {record.by for record in records} >= {"ada"}
    with pytest.raises(NotSteerableError, match="rollout 7"):
        steer("default", "hello", Aborted(by="ada"), number=7, now=room.now)


def test_a_retry_that_fails_again_is_seen_although_the_device_says_the_same(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.receive(*(fleet[name].disconnect() for name in ("amd-1", "amd-2", "arm-0", "arm-1", "arm-2")))
    room.workloads.apply(with_rollout("2", onFailure="pause"), now=room.now)
    running = fleet["amd-0"].workloads
    for attempt in (1, 2):
        (document,) = room.advance().values()
        assert document.workloads[0].attempt == attempt
        fleet["amd-0"].workloads = running
        refuse(fleet, "amd-0", document)
        room.receive(fleet["amd-0"].report())
        assert room.advance() == {}
        assert strata(room)[0] is StratumStatus.HALTED
        if attempt == 1:
            room.rollouts.steer("default", "hello", Retried(by="ada"), now=room.now)


def test_a_wave_that_needs_an_approval_waits_for_it(room: ControlRoom, fleet: dict[str, Voice]) -> None:
    room.workloads.apply(with_rollout("2", waves=[1, {"devices": "100%", "approval": True}]), now=room.now)
    room.settle(*fleet.values())
    assert show(room).status is RolloutStatus.AWAITING_APPROVAL
    assert [stratum.waits_for for stratum in show(room).strata] == ["an operator to approve wave 2"] * 2
    room.rollouts.steer("default", "hello", Approved(by="ada", wave=2), now=room.now)
    room.settle(*fleet.values())
    assert tags(room) == "222 222"


def test_of_two_operators_at_once_one_is_told_that_the_other_was_there(
    room: ControlRoom, fleet: dict[str, Voice]
) -> None:
    room.apply(tag="2")
    start = Barrier(2)

    def pause(by: str) -> str:
        start.wait(timeout=20)
        try:
            room.rollouts.steer("default", "hello", Paused(by=by), number=1, now=room.now)
        except NotSteerableError as error:
            return str(error)
        return "paused"

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(pause, ("ada", "bob")))
    assert answers == ["default/hello, rollout 1: the rollout is paused already", "paused"]
    told = [record.by for record in room.rollouts.show("default", "hello").records]
    assert len({"ada", "bob"} & set(told)) == 1


def test_another_controller_on_the_same_database_goes_on(
    room: ControlRoom, fleet: dict[str, Voice], database: Database
) -> None:
    room.apply(tag="2")
    later = ControlRoom(database)
    later.now = room.now + timedelta(minutes=1)
    later.settle(*fleet.values())
    assert tags(later) == "222 222"
