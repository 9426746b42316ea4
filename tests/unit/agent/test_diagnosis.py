"""Ends of containers, each with the reason that it stands for.

The words are of programs as they are in the field; whose, it says beside them. Those without were seen on
Debian 12 with Podman 4.3, runc 1.1 and busybox.
"""

from dataclasses import replace

import pytest

from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import Diagnosis, blames_missing_file, describe_exit, diagnose
from polyfleet_agent.core.programs import MissingFile
from polyfleet_shared.reasons import Reason

LOADER = MissingFile(path="/lib64/ld-linux-x86-64.so.2", needed_by="/server", is_loader=True)
CRUN_MISSES_A_FILE = (
    '{"msg":"exec container process (missing dynamic library?) `/s`: No such file or directory",'
    '"level":"error"}'
)
END = ObservedContainer(
    container_id="c",
    uid="u",
    release="r",
    container="main",
    spec_hash="s",
    status=ContainerStatus.EXITED,
    image_id="i",
)


def end(code: int, output: str | bytes = b"") -> ObservedContainer:
    return replace(END, exit_code=code, output=output.encode() if isinstance(output, str) else output)


ENDS: dict[Reason, tuple[tuple[int, str], ...]] = {
    Reason.EXEC_FORMAT: (
        (1, "exec /foreign: exec format error"),
        (255, "exec /foreign: exec format error"),  # runc 1.0
        (126, "/foreign: Exec format error"),
        (126, "/entry.sh: line 3: /app/server: cannot execute binary file: Exec format error"),  # bash
        (126, '{"msg":"exec container process `/server`: Exec format error","level":"error"}'),  # crun
        (126, "bash: ./server: cannot execute binary file"),  # bash
        # busybox and dash take what the kernel refuses for a script of their own.
        (2, "/foreign: line 1: \x7fELF\x02\x01\x01\x02\x16: not found\n/foreign: line 2: syntax error"),
        (1, "fork/exec /app/plugin: exec format error"),  # Go
        (1, "standard_init_linux.go:228: exec user process caused: exec format error"),  # runc before 1.1
    ),
    Reason.ILLEGAL_INSTRUCTION: (
        (132, ""),
        (132, "Illegal instruction (core dumped)"),
        (132, "starting"),
        (1, "/entry.sh: line 2:     7 Illegal instruction     /app/server"),  # bash
        (132, "qemu: uncaught target signal 4 (Illegal instruction) - core dumped"),  # qemu-user
        (1, "Service exited: signal: illegal instruction (core dumped)"),  # Go's os/exec
        (134, "#  SIGILL (0x4) at pc=0x0000ffff7c13fd5c, pid=1, tid=7"),  # OpenJDK
    ),
    Reason.CPU_TOO_OLD: (
        # glibc: sysdeps/x86/dl-get-cpu-features.c, sysdeps/powerpc, sysdeps/s390
        (127, "Fatal glibc error: CPU does not support x86-64-v2"),
        (127, "Fatal glibc error: CPU does not support x86-64-v3"),
        (127, "Fatal glibc error: CPU lacks float128 support (POWER 9 or later required)"),
        (127, "Fatal glibc error: CPU lacks VXE support (z14 or later required)"),
        (1, "/lib64/libc.so.6: CPU ISA level is lower than required"),  # glibc's loader
        # numpy
        (
            1,
            (
                "RuntimeError: NumPy was built with baseline optimizations: \n"
                "(X86_V2) but your machine doesn't support:\n(X86_V2)."
            ),
        ),
        # TensorFlow
        (
            134,
            (
                "The TensorFlow library was compiled to use AVX instructions, but these aren't available on "
                "your machine."
            ),
        ),
        # Go: runtime/asm_amd64.s, runtime/os_linux_arm.go
        (1, "This program can only be run on AMD64 processors with v3 microarchitecture support."),
        (
            1,
            (
                "runtime: this CPU has no floating point hardware, so it cannot run\nthis GOARM=6 binary. "
                "Recompile using GOARM=5."
            ),
        ),
        # The mongo image's entrypoint
        (
            132,
            (
                "WARNING: MongoDB 5.0+ requires a CPU with AVX support, and your current system does not "
                "appear to have that!\n  see https://jira.example/browse/SERVER-54407"
            ),
        ),
        (132, "warn: CPU lacks AVX support, strange crashes may occur."),  # bun
    ),
    Reason.LOADER_MISSING: (
        (1, "exec /server: no such file or directory"),
        (127, CRUN_MISSES_A_FILE),
        # glibc's loader
        (
            127,
            (
                "/server: error while loading shared libraries: libssl.so.3: cannot open shared object file: "
                "No such file or directory"
            ),
        ),
        (1, "/server: /lib/libc.so.6: version `GLIBC_2.34' not found (required by /server)"),
        # musl's loader
        (
            127,
            (
                "Error loading shared library ld-linux-x86-64.so.2: No such file or directory "
                "(needed by /server)"
            ),
        ),
        (127, "Error relocating /server: __isoc23_strtol: symbol not found"),
        # qemu-user
        (
            255,
            "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
        ),
    ),
    Reason.PAGE_SIZE_UNSUPPORTED: (
        (134, "<jemalloc>: Unsupported system page size"),  # jemalloc
        # glibc's loader, before and since 2.35
        (
            127,
            (
                "/server: error while loading shared libraries: libx.so: ELF load command alignment not "
                "page-aligned"
            ),
        ),
        (
            127,
            (
                "/server: error while loading shared libraries: libx.so: ELF load command address/offset not "
                "page-aligned"
            ),
        ),
        (
            127,
            (
                "/server: error while loading shared libraries: libx.so: ELF load command address/offset not "
                "properly aligned"
            ),
        ),
    ),
    Reason.SEGMENTATION_FAULT: (
        (139, ""),
        (139, "starting"),
        (139, "qemu: uncaught target signal 11 (Segmentation fault) - core dumped"),  # qemu-user
    ),
    Reason.COMMAND_NOT_FOUND: (
        (127, "sh: server: not found"),
        (127, "/entry.sh: line 2: server: command not found"),  # bash
        (127, "/entry: No such file or directory"),
    ),
}


@pytest.mark.parametrize(
    ("reason", "code", "output"),
    [(reason, code, output) for reason, ends in ENDS.items() for code, output in ends],
)
def test_an_end_has_a_reason(reason: Reason, code: int, output: str) -> None:
    assert diagnose(end(code, output)).reason is reason


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (1, ""),
        (1, "panic: connection refused"),
        (134, "Aborted"),
        (137, "working"),
        (143, ""),
        (127, "bye"),
        (1, "WARNING: requires a CPU with AVX support"),  # a warning that was survived
        (2, "open /etc/app.conf: no such file or directory"),
        (0, "Illegal instruction"),
    ],
)
def test_an_end_like_any_other_has_none(code: int, output: str) -> None:
    assert diagnose(end(code, output)).reason is None


def test_the_evidence_is_the_line_that_says_it_else_the_last() -> None:
    told = diagnose(end(127, "starting\nFatal glibc error: CPU does not support x86-64-v2\nbye\n"))
    assert told.evidence == "log: Fatal glibc error: CPU does not support x86-64-v2"
    assert diagnose(end(1, "first\nlast\n\n")).evidence == "log: last"


def test_the_evidence_is_printable_and_bounded() -> None:
    assert diagnose(end(1, b"\x1b[31mred\x1b[0m \xff\x07\r\n\0\n")).evidence == "log: red \ufffd\\x07"
    assert diagnose(end(1, "x" * 9000)).evidence == f"log: {'x' * 239}…"


def test_a_log_that_is_empty_is_told_from_one_that_could_not_be_read() -> None:
    assert diagnose(end(132)) == Diagnosis(
        reason=Reason.ILLEGAL_INSTRUCTION, evidence="without a word in its log"
    )
    unread = replace(END, exit_code=132)
    assert diagnose(unread) == Diagnosis(reason=Reason.ILLEGAL_INSTRUCTION, evidence="")


def test_what_was_missed_at_the_start_is_named() -> None:
    log = b"exec /server: no such file or directory\n"
    told = diagnose(replace(end(1, log), missing=LOADER))
    assert told == Diagnosis(
        reason=Reason.LOADER_MISSING,
        evidence="/server needs the loader /lib64/ld-linux-x86-64.so.2, which the image does not contain",
    )
    shell = MissingFile(path="/bin/bash\r", needed_by="/entry", is_loader=False)
    assert diagnose(replace(end(1, log), missing=shell)) == Diagnosis(
        reason=Reason.COMMAND_NOT_FOUND,
        evidence=r"/entry needs /bin/bash\r, which the image does not contain",
    )


def test_memory_that_ran_out_is_told_before_all_else() -> None:
    killed = replace(end(137, "Illegal instruction\nworking"), oom_killed=True)
    assert diagnose(killed) == Diagnosis(reason=Reason.OOM_KILLED, evidence="log: working")


@pytest.mark.parametrize(
    ("output", "blames"),
    [
        (b"exec /server: no such file or directory\n", True),
        (b"hi\nexec /my server: no such file or directory", True),
        (b"open /x: no such file or directory", False),
        (b"sh: exec: line 0: /dyn: not found", False),
        (CRUN_MISSES_A_FILE.encode(), True),
        (b"", False),
    ],
)
def test_only_the_runtimes_own_words_blame_a_missing_file(output: bytes, *, blames: bool) -> None:
    assert blames_missing_file(output) is blames


@pytest.mark.parametrize(
    ("code", "limit", "text"),
    [
        (None, None, "ended"),
        (0, None, "ended with exit code 0"),
        (3, 1 << 20, "ended with exit code 3"),
        (132, None, "ended with exit code 132 (SIGILL)"),
        (134, None, "ended with exit code 134 (SIGABRT)"),
        (255, None, "ended with exit code 255"),
        (137, None, "ended with exit code 137 (SIGKILL)"),
        (137, 64 << 20, "ended with exit code 137 (SIGKILL), perhaps at its memory limit of 64 MiB"),
    ],
)
def test_an_exit_code_is_told_with_its_signal(code: int | None, limit: int | None, text: str) -> None:
    assert describe_exit(replace(END, exit_code=code), limit) == text


def test_a_container_that_was_killed_for_memory_needs_no_guess() -> None:
    killed = replace(END, exit_code=137, oom_killed=True)
    assert describe_exit(killed, 64 << 20) == "ended with exit code 137 (SIGKILL)"
