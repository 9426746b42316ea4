"""Whatever is said is understood as it was meant; whatever else arrives is refused, and nothing crashes."""

import json
from typing import Final, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import strategies
from polyfleet_shared.codec import UnknownFields, decode, encode
from polyfleet_shared.desired import digest_desired, read_desired, write_desired
from polyfleet_shared.json_text import DecodeError, JsonValue, dump_json, parse_json
from polyfleet_shared.messages import (
    Acknowledgement,
    Event,
    Inventory,
    Presence,
    Reported,
    Telemetry,
)
from polyfleet_shared.topics import DELIVERY, Channel
from polyfleet_shared.wire import CHANNEL_OF, UpwardMessage, decode_message, decode_stamp, encode_message
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload

Message: TypeAlias = UpwardMessage | Acknowledgement
Content: TypeAlias = tuple[tuple[DesiredWorkload, ...], tuple[HeldWorkload, ...]]

KINDS: Final[tuple[type, ...]] = (Presence, Inventory, Reported, Event, Telemetry, Acknowledgement)
FEATURES: Final = frozenset({"gpu", "volumes"})

messages = st.one_of(strategies.upward_messages, strategies.acknowledgements)
payloads = st.one_of(
    st.binary(max_size=200),
    strategies.json_values.map(lambda document: json.dumps(document).encode()),
    st.dictionaries(st.text(max_size=10), strategies.json_values, max_size=4).map(
        lambda document: json.dumps({**document, "version": 1}).encode()
    ),
)


@given(message=messages)
def test_every_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode_message(type(message), encode_message(message)) == message


@given(workload=strategies.desired_workloads, omit_defaults=st.booleans())
def test_every_workload_is_read_as_it_was_written(workload: DesiredWorkload, *, omit_defaults: bool) -> None:
    assert decode(DesiredWorkload, encode(workload, omit_defaults=omit_defaults)) == workload


@given(content=strategies.desired_contents(), epoch=strategies.ordinals, generation=strategies.ordinals)
def test_a_desired_document_is_read_as_it_was_written(content: Content, epoch: int, generation: int) -> None:
    workloads, held = content
    payload = write_desired(epoch=epoch, generation=generation, workloads=workloads, held=held)
    document = read_desired(payload, features=FEATURES)
    assert (document.version.order, document.version.digest) == (
        (epoch, generation),
        digest_desired(workloads, held),
    )
    assert (document.workloads, document.held) == (workloads, held)


@given(message=strategies.upward_messages, addition=strategies.json_values)
def test_a_newer_device_may_say_more(message: UpwardMessage, addition: JsonValue) -> None:
    document = json.loads(encode_message(message))
    payload = json.dumps({**document, "fromTheFuture": addition}).encode()
    assume(len(payload) <= DELIVERY[CHANNEL_OF[type(message)]].limit)
    assert decode_message(type(message), payload) == message


@given(kind=st.sampled_from(KINDS), payload=payloads)
def test_what_is_no_message_is_refused(kind: type, payload: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_message(kind, payload)
    assert is_safe_to_keep(caught.value)


@given(payload=payloads)
def test_what_is_no_desired_document_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read_desired(payload, features=FEATURES)
    assert is_safe_to_keep(caught.value)


@given(
    kind=st.sampled_from([*KINDS, DesiredWorkload, HeldWorkload]),
    unknown=st.sampled_from(UnknownFields),
    document=strategies.json_values,
)
def test_arbitrary_json_raises_nothing_but_the_refusal(
    kind: type, unknown: UnknownFields, document: JsonValue
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(kind, document, unknown=unknown)
    assert is_safe_to_keep(caught.value)


@given(message=messages, replacement=strategies.json_values, data=st.data())
def test_a_changed_message_is_read_or_refused_where_it_changed(
    message: Message, replacement: JsonValue, data: st.DataObject
) -> None:
    document = json.loads(encode_message(message))
    path = data.draw(st.sampled_from(strategies.paths_within(document)[1:]))
    payload = json.dumps(strategies.replace_within(document, path, replacement)).encode()
    refusal = refusal_of_message(type(message), payload)
    assert refusal is None or is_safe_to_keep(refusal)
    assert refusal is None or all(
        problem.path.startswith((str(path[0]), "[")) or problem.path == "" for problem in refusal.problems
    )


@given(content=strategies.desired_contents(), replacement=strategies.json_values, data=st.data())
def test_a_changed_entry_delays_no_other(
    content: Content, replacement: JsonValue, data: st.DataObject
) -> None:
    """All but the entry that changed is read as if nothing had happened, or the document is refused whole."""
    workloads, held = content
    document = json.loads(write_desired(epoch=1, generation=1, workloads=workloads, held=held))
    inside = [path for path in strategies.paths_within(document) if len(path) > 2]
    assume(inside)
    path = data.draw(st.sampled_from(inside))
    changed = strategies.replace_within(document, path, replacement)
    read = read_or_refuse(seal_again(changed))
    if isinstance(read, DecodeError):
        assert is_safe_to_keep(read)
    else:
        positions = range(len(workloads))
        untouched = {workloads[at] for at in positions if path[:2] != ("workloads", at)}
        assert untouched <= set(read[0])


@given(
    message=st.one_of(strategies.inventories, strategies.reports, strategies.events, strategies.telemetries),
    data=st.data(),
)
def test_the_stamp_outlives_whatever_else_is_unreadable(
    message: Inventory | Reported | Event | Telemetry, data: st.DataObject
) -> None:
    document = json.loads(encode_message(message))
    key = data.draw(st.sampled_from(sorted({*document, "another"} - {"stamp", "version"})))
    payload = json.dumps({**document, key: {"no": "sense"}}).encode()
    assert decode_stamp(CHANNEL_OF[type(message)], payload) == message.stamp


@given(payload=payloads, channel=st.sampled_from(Channel))
def test_no_stamp_is_found_where_none_is(payload: bytes, channel: Channel) -> None:
    assert decode_stamp(channel, payload) is None


@given(document=strategies.json_values)
def test_equal_documents_have_equal_bytes(document: JsonValue) -> None:
    assume(strategies.is_encodable(document))
    payload = dump_json(document)
    read = parse_json(payload, limit=len(payload))
    assert (read, dump_json(read)) == (document, payload)


def refusal_of_message(kind: type, payload: bytes) -> DecodeError | None:
    try:
        decode_message(kind, payload)
    except DecodeError as error:
        return error
    return None


def read_or_refuse(payload: bytes) -> Content | DecodeError:
    try:
        document = read_desired(payload, features=FEATURES)
    except DecodeError as error:
        return error
    return document.workloads, document.held


def is_safe_to_keep(error: DecodeError) -> bool:
    """Say whether a refusal can be logged and stored: bounded text that UTF-8 and databases take."""
    text = str(error)
    text.encode()
    return 0 < len(text) < 20_000 and "\0" not in text and bool(error.problems)


def seal_again(document: object) -> bytes:
    """Put the right digest on a document whose content was changed, where such content has one."""
    match document:
        case {"document": dict(version), "workloads": list(workloads), "held": list(held)}:
            content: JsonValue = {"workloads": workloads, "held": held}
            if strategies.is_encodable(content):
                version["digest"] = strategies.digest_of(dump_json(content))
    return json.dumps(document).encode()
