"""Whatever bytes a file or a log holds: nothing is raised, and what is specific beats what is general."""

from hypothesis import given
from hypothesis import strategies as st

from elf_files import MACHINES, elf
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import blames_missing_file, describe_exit, diagnose
from polyfleet_agent.core.elf import read_header
from polyfleet_agent.core.programs import FileHead, Gap, Invocation, examine, find_lie
from polyfleet_agent.executor import shorten
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

PLATFORMS = [Platform.parse(f"linux/{name}") for name in (*MACHINES, "unheard-of")]

heads = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda rest: b"\x7fELF" + rest),
    st.builds(
        lambda ident, rest: b"\x7fELF" + ident + rest,
        st.sampled_from([b"\x01\x01", b"\x01\x02", b"\x02\x01", b"\x02\x02"]),
        st.binary(max_size=300),
    ),
    st.binary(max_size=80).map(lambda rest: b"#!" + rest),
    st.builds(
        lambda name, loader, at, byte: (
            elf(name, loader=loader)[:at] + byte + elf(name, loader=loader)[at + 1 :]
        ),
        st.sampled_from(sorted(MACHINES)),
        st.sampled_from([None, "/lib/ld.so"]),
        st.integers(0, 250),
        st.binary(min_size=1, max_size=1),
    ),
)
files = st.dictionaries(
    st.sampled_from(["/a", "/b", "/bin/a", "/bin/env", "/usr/bin/b"]),
    st.one_of(st.sampled_from(Gap), st.builds(FileHead, content=heads, executable=st.booleans())),
)
logs = st.one_of(
    st.binary(max_size=500),
    st.lists(
        st.sampled_from(
            [
                b"exec /x: no such file or directory",
                b"Illegal instruction",
                b"\x1b[31m",
                b"\0",
                b"\r",
                b"\xff",
            ]
        ),
        max_size=6,
    ).map(b"\n".join),
)


@given(content=heads)
def test_no_file_is_too_strange_to_be_read(content: bytes) -> None:
    header = read_header(content)
    if header is not None:
        assert str(header)
        assert [header.suits(platform.architecture) for platform in PLATFORMS][-1]


@given(name=st.sampled_from(sorted(MACHINES)), cut=st.integers(20, 400), rest=st.binary(max_size=50))
def test_a_header_says_the_same_however_much_of_the_file_is_there(name: str, cut: int, rest: bytes) -> None:
    header = read_header((elf(name, loader="/lib/ld.so") + rest)[:cut])
    assert header is not None
    assert header.architecture == name
    assert header.loader in (None, "/lib/ld.so")


@given(
    files=files,
    name=st.text(max_size=10) | st.sampled_from(["a", "/a", "../b", "env"]),
    path=st.text(max_size=20) | st.just("/bin:/usr/bin"),
    claimed=st.sampled_from(PLATFORMS),
)
def test_an_examination_ends_and_needs_few_looks(
    files: dict[str, FileHead | Gap], name: str, path: str, claimed: Platform
) -> None:
    looks: list[str] = []

    def look(path: str) -> FileHead | Gap:
        looks.append(path)
        return files.get(path, Gap.ABSENT)

    invocation = Invocation(arguments=(name,), search_path=path, working_directory="/bin")
    examination = examine(invocation, look, loaders=True)
    lie = find_lie(examination, claimed)
    assert all(seen.startswith("/") for seen in looks)
    assert len(looks) <= 2 * (path.count(":") + 2) * 64
    truthful = all(program.header.suits(claimed.architecture) for program in examination.programs)
    assert truthful == (lie is None)


def ended(code: int | None, output: bytes | None, *, oom_killed: bool = False) -> ObservedContainer:
    return ObservedContainer(
        container_id="c",
        uid="u",
        release="r",
        container="main",
        spec_hash="s",
        status=ContainerStatus.EXITED,
        image_id="i",
        exit_code=code,
        oom_killed=oom_killed,
        output=output,
    )


@given(output=st.none() | logs, code=st.none() | st.integers(0, 255), oom=st.booleans())
def test_every_end_has_a_diagnosis_that_fits_a_message(
    output: bytes | None, code: int | None, *, oom: bool
) -> None:
    end = ended(code, output, oom_killed=oom)
    diagnosis = diagnose(end)
    assert diagnosis.evidence.isprintable()
    assert len(diagnosis.evidence) <= 300
    assert blames_missing_file(output or b"") in (True, False)
    message = shorten(f"{describe_exit(end, 1 << 20)}, {diagnosis.evidence}")
    assert len(message.encode()) <= 4 * 500
    assert "\0" not in message
    if code == 0 and not oom:
        assert diagnosis.reason is None
    if oom:
        assert diagnosis.reason is Reason.OOM_KILLED


SPECIFIC = {
    b"Fatal glibc error: CPU does not support x86-64-v3": Reason.CPU_TOO_OLD,
    b"<jemalloc>: Unsupported system page size": Reason.PAGE_SIZE_UNSUPPORTED,
    b"x: error while loading shared libraries: libx.so: ELF load command alignment not page-aligned": (
        Reason.PAGE_SIZE_UNSUPPORTED
    ),
    b"exec /server: exec format error": Reason.EXEC_FORMAT,
    b"Illegal instruction (core dumped)": Reason.ILLEGAL_INSTRUCTION,
}
chatter = st.lists(
    st.sampled_from([b"starting", b"ready", b"\x1b[1mbye\x1b[0m", b"sh: x: not found"]), max_size=8
)


@given(
    line=st.sampled_from(sorted(SPECIFIC)),
    before=chatter,
    after=chatter,
    code=st.sampled_from([1, 126, 127, 255]),
)
def test_what_says_the_cause_counts_wherever_it_stands(
    line: bytes, before: list[bytes], after: list[bytes], code: int
) -> None:
    diagnosis = diagnose(ended(code, b"\n".join([*before, line, *after])))
    assert (diagnosis.reason, diagnosis.evidence) == (SPECIFIC[line], f"log: {line.decode()}")
