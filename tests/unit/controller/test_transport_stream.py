"""The packets that the controller reads and writes beside paho, byte by byte as MQTT 5 has them."""

import socket
from collections.abc import Iterator

import pytest

from polyfleet_controller.transport.stream import Answer, Intake, ProtocolError, Publication, Stream

PUBLISH_QOS_1 = bytes.fromhex("33 0c 0003 612f62 0102 00 6869 2121".replace(" ", ""))
PUBLISH_QOS_0 = bytes.fromhex("30 08 0003 612f62 00 6869".replace(" ", ""))
PUBLISH_WITH_PROPERTIES = bytes.fromhex("32 0d 0001 61 0001 05 02 0000000a 6869".replace(" ", ""))
PINGRESP = bytes.fromhex("d000")
PUBACK_SHORT = bytes.fromhex("40020007")
PUBACK_REFUSED = bytes.fromhex("400400088700")


@pytest.fixture
def ends() -> Iterator[tuple[Stream, socket.socket]]:
    """The controller's end of a connection, and the broker's."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(5)
    with ours, theirs:
        yield Stream(ours, packet_limit=1000), theirs


def test_publications_and_answers_are_taken_out_and_the_rest_is_left_to_paho(
    ends: tuple[Stream, socket.socket],
) -> None:
    stream, broker = ends
    broker.sendall(PUBLISH_QOS_1 + PINGRESP + PUBACK_SHORT + PUBLISH_QOS_0 + PUBACK_REFUSED)
    assert stream.receive() == Intake(
        publications=[
            Publication(topic=b"a/b", payload=b"hi!!", qos=1, retained=True, packet=0x0102),
            Publication(topic=b"a/b", payload=b"hi", qos=0, retained=False, packet=0),
        ],
        answers=[Answer(packet=7, reason=0), Answer(packet=8, reason=0x87)],
    )
    assert (stream.has_rest, stream.recv(100), stream.has_rest) == (True, PINGRESP, False)


def test_properties_are_passed_over(ends: tuple[Stream, socket.socket]) -> None:
    stream, broker = ends
    broker.sendall(PUBLISH_WITH_PROPERTIES)
    (publication,) = stream.receive().publications
    assert (publication.payload, publication.packet) == (b"hi", 1)


def test_a_packet_that_is_not_all_here_waits_for_its_end(ends: tuple[Stream, socket.socket]) -> None:
    stream, broker = ends
    broker.sendall(PUBLISH_QOS_1[:5])
    assert stream.receive() == Intake()
    broker.sendall(PUBLISH_QOS_1[5:])
    assert [item.payload for item in stream.receive().publications] == [b"hi!!"]


def test_what_is_published_and_acknowledged_is_written_as_the_standard_says(
    ends: tuple[Stream, socket.socket],
) -> None:
    stream, broker = ends
    stream.publish("a/b", b"hi!!", qos=1, retain=True, packet=0x0102)
    stream.publish("a/b", b"hi", qos=0, retain=False, packet=9)
    stream.acknowledge([7, 8])
    stream.flush()
    assert broker.recv(1000) == PUBLISH_QOS_1 + PUBLISH_QOS_0 + bytes.fromhex("4002000740020008")
    assert not stream.has_outgoing


def test_what_paho_writes_keeps_its_place(ends: tuple[Stream, socket.socket]) -> None:
    stream, broker = ends
    stream.acknowledge([7])
    assert stream.send(b"\xc0\x00") == 2
    stream.acknowledge([8])
    stream.close()
    assert broker.recv(1000) == bytes.fromhex("40020007 c000 40020008".replace(" ", ""))


def test_the_end_of_the_connection_is_left_for_paho_to_find(ends: tuple[Stream, socket.socket]) -> None:
    stream, broker = ends
    broker.close()
    assert stream.receive() == Intake()
    assert (stream.has_rest, stream.recv(100)) == (True, b"")


def test_a_quiet_connection_has_nothing_for_paho(ends: tuple[Stream, socket.socket]) -> None:
    stream, _broker = ends
    assert stream.receive() == Intake()
    with pytest.raises(BlockingIOError):
        stream.recv(100)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (bytes.fromhex("30e907"), "a packet of 1001 bytes, and was told 1000"),
        (bytes.fromhex("30ffffffff"), "a length of more than four bytes"),
        (bytes.fromhex("300100"), "a PUBLISH that ends too soon"),
        (bytes.fromhex("3003000161"), "a PUBLISH that ends too soon"),
        (bytes.fromhex("320500016100 01".replace(" ", "")), "a PUBLISH that ends too soon"),
        (bytes.fromhex("30040001 6105".replace(" ", "")), "a PUBLISH that ends too soon"),
        (bytes.fromhex("400100"), "a PUBACK that ends too soon"),
    ],
    ids=["too large", "length", "no topic", "no properties", "no packet", "properties", "no identifier"],
)
def test_what_is_not_mqtt_is_refused_by_name(
    ends: tuple[Stream, socket.socket], data: bytes, complaint: str
) -> None:
    stream, broker = ends
    broker.sendall(data)
    with pytest.raises(ProtocolError) as caught:
        stream.receive()
    assert complaint in str(caught.value)
