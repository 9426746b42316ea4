"""However the network cuts the broker's bytes: the same packets come out, or an error."""

import socket
from contextlib import closing
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.transport.stream import ProtocolError, Publication, Stream

LIMIT = 70_000

publications = st.builds(
    lambda topic, payload, qos, retained, packet: Publication(
        topic=topic.encode(), payload=payload, qos=qos, retained=retained, packet=packet if qos else 0
    ),
    st.text(min_size=1, max_size=200),
    st.one_of(st.binary(max_size=300), st.integers(0, 66_000).map(bytes)),
    st.sampled_from((0, 1)),
    st.booleans(),
    st.integers(1, 65_535),
)


def write(sent: list[Publication]) -> bytes:
    """What a stream writes for these, read off its other end."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        stream = Stream(ours, packet_limit=LIMIT)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        ours.settimeout(0)
        for item in sent:
            stream.publish(
                item.topic.decode(), item.payload, qos=item.qos, retain=item.retained, packet=item.packet
            )
        written = b""
        while stream.has_outgoing:
            stream.flush()
            written += theirs.recv(1024 * 1024)
        return written


@given(sent=st.lists(publications, max_size=6), cuts=st.lists(st.integers(0, 1000), max_size=10))
def test_packets_come_out_as_they_went_in_however_they_are_cut(
    sent: list[Publication], cuts: list[int]
) -> None:
    data = write(sent)
    edges = sorted({0, len(data), *(cut * len(data) // 1000 for cut in cuts)})
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.settimeout(0)
        stream = Stream(ours, packet_limit=LIMIT)
        received: list[Publication] = []
        for start, end in pairwise(edges):
            piece = data[start:end]
            while piece:
                piece = piece[theirs.send(piece[:100_000]) :]
                received += stream.receive().publications
    assert received == sent
    assert not stream.has_rest


@given(data=st.binary(max_size=300))
def test_any_bytes_are_packets_or_are_refused(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.settimeout(0)
        stream = Stream(ours, packet_limit=LIMIT)
        theirs.sendall(data)
        try:
            intake = stream.receive()
        except ProtocolError:
            return
        taken = sum(len(item.payload) for item in intake.publications)
        assert taken + 2 * len(intake.answers) <= len(data)
