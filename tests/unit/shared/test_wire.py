"""Messages are bounded, versioned and strict, downward more than upward."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.messages import (
    Acknowledgement,
    ContainerReport,
    DocumentVersion,
    Event,
    EventKind,
    InvalidMessageError,
    Phase,
    Presence,
    PullProgress,
    Reported,
    Stamp,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.names import InvalidNameError
from polyfleet_shared.topics import DELIVERY, Channel
from polyfleet_shared.wire import OversizedMessageError, decode_message, decode_stamp, encode_message

STAMP: Final = Stamp(incarnation="i-1", boot=1, seq=1)
NOON: Final = datetime(2024, 2, 29, 12, tzinfo=UTC)
PRESENCE: Final = Presence(incarnation="i-1", boot=1, connection=1, online=True, since=NOON)
EVENT: Final = Event(stamp=STAMP, kind=EventKind.STARTED, at=NOON)
ACKNOWLEDGEMENT: Final = Acknowledgement(incarnation="i-1", seq=5)
WORKLOAD: Final = WorkloadReport(
    uid="w-1", namespace="default", name="hello", release="r-1", phase=Phase.RUNNING
)


def refusal_of(kind: type, payload: bytes) -> list[str]:
    with pytest.raises(DecodeError) as caught:
        decode_message(kind, payload)
    return [str(problem) for problem in caught.value.problems]


def test_a_message_says_its_wire_version() -> None:
    assert json.loads(encode_message(ACKNOWLEDGEMENT)) == {"version": 1, "incarnation": "i-1", "seq": 5}


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (None, "version: missing; this side speaks 1"),
        (2, "version: the number 2 is not spoken here; this side speaks 1"),
        ("1", 'version: the text "1" is not spoken here; this side speaks 1'),
        (True, "version: the boolean true is not spoken here; this side speaks 1"),
        (1.0, "version: the number 1.0 is not spoken here; this side speaks 1"),
        (["x" * 3000], "version: a list is not spoken here; this side speaks 1"),
    ],
)
def test_another_wire_version_is_refused(version: object, problem: str) -> None:
    document = json.loads(encode_message(PRESENCE)) | {"version": version}
    assert refusal_of(Presence, json.dumps(document).encode()) == [problem]


def test_unknown_fields_are_ignored_upward_and_refused_downward() -> None:
    event = json.loads(encode_message(EVENT)) | {"mood": "good"}
    event["stamp"] |= {"mood": "good"}
    assert decode_message(Event, json.dumps(event).encode()) == EVENT
    acknowledgement = json.loads(encode_message(ACKNOWLEDGEMENT)) | {"mood": "good"}
    assert refusal_of(Acknowledgement, json.dumps(acknowledgement).encode()) == ["mood: unknown field"]


def test_a_message_over_the_bound_of_its_channel_is_not_sent() -> None:
    limit = DELIVERY[Channel.EVENT].limit
    fits = replace(EVENT, message="x" * (limit - len(encode_message(EVENT))))
    assert decode_message(Event, encode_message(fits)) == fits
    with pytest.raises(OversizedMessageError, match=f"up/event: {limit + 1} bytes are more than the {limit}"):
        encode_message(replace(fits, message=fits.message + "x"))


def test_a_message_over_the_bound_of_its_channel_is_not_read() -> None:
    limit = DELIVERY[Channel.PRESENCE].limit
    payload = encode_message(PRESENCE)
    padding = b" " * (limit - len(payload))
    assert decode_message(Presence, payload + padding) == PRESENCE
    assert refusal_of(Presence, payload + padding + b" ") == [
        f"{limit + 1} bytes are more than the {limit} allowed"
    ]


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"version"', b"1"])
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    assert len(refusal_of(Event, payload)) == 1


def test_a_field_is_refused_with_its_path() -> None:
    document = json.loads(encode_message(Reported(stamp=STAMP, workloads=(WORKLOAD,))))
    document["workloads"][0] |= {"phase": "walking", "restarts": "7"}
    document["stamp"]["boot"] = True
    phases = ", ".join(Phase)
    assert refusal_of(Reported, json.dumps(document).encode()) == [
        "stamp.boot: expected a whole number, got the boolean true",
        f'workloads[0].phase: expected one of {phases}, got the text "walking"',
        'workloads[0].restarts: expected a whole number, got the text "7"',
    ]


@pytest.mark.parametrize("seconds", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_figure_that_no_database_takes_is_refused(seconds: str) -> None:
    payload = encode_message(replace(EVENT, seconds=0.125)).replace(b"0.125", seconds.encode())
    [problem] = refusal_of(Event, payload)
    assert problem.startswith("not JSON: ")


def test_the_stamp_of_a_refused_event_can_still_be_read() -> None:
    payload = encode_message(EVENT).replace(b'"started"', b'"levitated"')
    assert len(refusal_of(Event, payload)) == 1
    assert decode_stamp(Channel.EVENT, payload) == STAMP


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"version":1}', b'{"version":1,"stamp":{"boot":1}}'])
def test_without_a_stamp_there_is_none(payload: bytes) -> None:
    assert decode_stamp(Channel.EVENT, payload) is None


def test_a_message_is_newer_by_boot_and_then_by_number() -> None:
    orders = [Stamp(incarnation="i", boot=boot, seq=seq).order for boot, seq in ((1, 1), (1, 9), (2, 1))]
    assert orders == sorted(orders)


def test_offline_comes_after_online_of_its_own_connection_alone() -> None:
    def order(boot: int, connection: int, *, online: bool) -> tuple[int, int, int]:
        return replace(PRESENCE, boot=boot, connection=connection, online=online).order

    orders = [
        order(1, 1, online=True),
        order(1, 1, online=False),
        order(1, 2, online=True),
        order(2, 1, online=True),
        order(2, 1, online=False),
    ]
    assert orders == sorted(orders)


def test_a_document_is_newer_by_epoch_and_then_by_generation() -> None:
    digest = f"sha256:{'a' * 64}"
    orders = [
        DocumentVersion(epoch=epoch, generation=generation, digest=digest).order
        for epoch, generation in ((1, 1), (1, 9), (2, 1))
    ]
    assert orders == sorted(orders)


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (STAMP, {"boot": 0}),
        (STAMP, {"seq": 0}),
        (PRESENCE, {"boot": 0}),
        (PRESENCE, {"connection": 0}),
        (ACKNOWLEDGEMENT, {"seq": 0}),
        (WORKLOAD, {"ready_seconds": -1}),
        (WORKLOAD, {"restarts": -1}),
        (PullProgress(done=0, total=0), {"done": -1}),
        (PullProgress(done=0, total=0), {"total": -1}),
        (
            Telemetry(
                stamp=STAMP,
                at=NOON,
                cpu_percent=0.0,
                memory_used=0,
                memory_total=0,
                disk_used=0,
                disk_total=0,
            ),
            {"disk_used": -1},
        ),
        (Reported(stamp=STAMP), {"workloads": (WORKLOAD, WORKLOAD)}),
    ],
)
def test_values_that_contradict_themselves_are_refused(value: object, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError):
        replace(value, **changes)  # type: ignore[type-var] # each is a dataclass


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (STAMP, {"incarnation": "A B"}),
        (PRESENCE, {"incarnation": ""}),
        (ACKNOWLEDGEMENT, {"incarnation": "+"}),
    ],
)
def test_names_that_are_none_are_refused(value: object, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidNameError):
        replace(value, **changes)  # type: ignore[type-var] # each is a dataclass


def test_a_workload_known_by_its_container_alone_has_no_name() -> None:
    orphan = replace(WORKLOAD, uid="Not Ours", namespace="", name="", release="", phase=Phase.STOPPING)
    report = Reported(stamp=STAMP, workloads=(orphan,))
    assert decode_message(Reported, encode_message(report)) == report


def test_a_report_without_proof_says_so() -> None:
    container = ContainerReport(name="main", container_id="c", running=True, image_id="sha256:x")
    report = Reported(stamp=STAMP, workloads=(replace(WORKLOAD, containers=(container,)),))
    assert decode_message(Reported, encode_message(report)).workloads[0].containers[0].child is None
