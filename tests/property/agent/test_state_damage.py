"""However the files of a state directory are cut or spoiled, the agent starts, and says what it set aside."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.adapters.statefile import DirectoryState
from polyfleet_agent.ports import Recovered

payloads = st.binary(max_size=40)


def start(directory: Path, *saved: bytes) -> Recovered:
    state = DirectoryState(directory, machine_id="machine")
    try:
        recovered = state.recover()
        for payload in saved:
            state.save_desired(payload)
    finally:
        state.close()
    return recovered


def damage(content: bytes, data: st.DataObject) -> bytes:
    """Cut it short, or change a byte."""
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        return content[:place]
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    return content[:place] + bytes([other]) + content[place + 1 :]


@given(payloads, payloads, st.data())
def test_a_damaged_document_gives_way_to_the_one_before(old: bytes, new: bytes, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        before = start(directory, old, new)
        path = directory / "desired.json"
        path.write_bytes(damage(path.read_bytes(), data))
        recovered = start(directory)
        assert recovered.desired == old
        assert recovered.identity.incarnation == before.identity.incarnation
        assert [notice.removeprefix(f"{directory}/").split()[0] for notice in recovered.notices] == [
            "desired.json",
            "desired.json.previous",
        ]
        assert (directory / "desired.json.torn-1").exists()
        assert start(directory) == Recovered(
            identity=type(before.identity)(incarnation=before.identity.incarnation, boot=3),
            desired=old,
            notices=(),
        )


@given(payloads, payloads, st.data())
def test_a_damaged_memory_gives_way_to_the_one_before(old: bytes, new: bytes, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        state = DirectoryState(directory, machine_id="machine")
        state.recover()
        for payload in (old, new):
            state.save_records(payload)
        state.save_desired(b"document")
        state.close()
        path = directory / "releases.json"
        path.write_bytes(damage(path.read_bytes(), data))
        recovered = start(directory)
        assert (recovered.desired, recovered.records) == (b"document", old)
        assert [notice.removeprefix(f"{directory}/").split()[0] for notice in recovered.notices] == [
            "releases.json",
            "releases.json.previous",
        ]


@given(payloads, st.data())
def test_a_damaged_identity_gives_way_to_a_new_one(document: bytes, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        before = start(directory, document)
        path = directory / "identity.json"
        path.write_bytes(damage(path.read_bytes(), data))
        recovered = start(directory)
        assert recovered.identity.incarnation != before.identity.incarnation
        assert (recovered.identity.boot, recovered.desired) == (1, document)
        assert len(recovered.notices) == 1
        assert start(directory).identity.boot == 2


@given(st.integers(1, 6))
def test_only_the_newest_torn_files_are_kept(times: int) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        for number in range(times):
            start(directory)
            (directory / "identity.json").write_text(str(number))
        start(directory)
        kept = {int(path.name.rpartition("-")[2]): path.read_text() for path in directory.glob("*.torn-*")}
        assert kept == {number + 1: str(number) for number in range(times)[-3:]}
