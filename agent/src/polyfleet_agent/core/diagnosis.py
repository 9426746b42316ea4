"""What the end of a container means: its exit code and the last of what it logged, as a reason.

The words are those of runtimes, dynamic loaders, shells, language runtimes and emulators; each is in the
tests with where it comes from. What is more specific comes first.
"""

import re
from dataclasses import dataclass
from typing import Final

from polyfleet_agent.core.containers import ObservedContainer
from polyfleet_agent.core.programs import MissingFile
from polyfleet_shared.reasons import Reason

# The build is at fault, not the moment: the next start ends in the same way.
REASONS_OF_THE_BUILD: Final = frozenset(
    {
        Reason.EXEC_FORMAT,
        Reason.ILLEGAL_INSTRUCTION,
        Reason.CPU_TOO_OLD,
        Reason.PLATFORM_MISMATCH,
        Reason.LOADER_MISSING,
        Reason.PAGE_SIZE_UNSUPPORTED,
    }
)

_LONGEST_LINE: Final = 240
_SIGNAL_BASE: Final = 128  # a shell's and Podman's exit code for "ended by signal n" is 128 + n
_SIGNALS: Final = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    31: "SIGSYS",
}
_ILLEGAL_INSTRUCTION: Final = 132
_SEGMENTATION_FAULT: Final = 139
_KILLED: Final = 137
_NOT_FOUND: Final = 127  # what shells end with
_MEBIBYTE: Final = 1 << 20

_CONTROL_SEQUENCE: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# runc and crun, of a program that is there: they have looked for it before.
_EXEC_FOUND_NOTHING: Final = _any_of(
    r"^exec \S.*: no such file or directory$", r"exec container process \(missing dynamic library\?\)"
)

_PATTERNS: Final[tuple[tuple[Reason, re.Pattern[str]], ...]] = (
    (
        Reason.CPU_TOO_OLD,
        _any_of(
            r"fatal glibc error: (this )?cpu (does not support|lacks)",
            r"cpu does not support x86-64-v\d",
            r"cpu isa level is lower than required",
            r"numpy was built with baseline optimizations",
            r"was compiled to use .* instructions, but these aren't available",
            r"can only be run on .*processors with .*support",
            r"this cpu has no .*, so it cannot run",
        ),
    ),
    (
        Reason.PAGE_SIZE_UNSUPPORTED,
        # The loader's own, which begins with "error while loading shared libraries".
        _any_of(
            r"unsupported system page size",
            r"elf load command (address/offset|alignment) not (page-aligned|properly aligned)",
        ),
    ),
    (
        Reason.ILLEGAL_INSTRUCTION,
        _any_of(r"\billegal instruction\b", r"\bSIGILL\b"),
    ),
    (
        Reason.EXEC_FORMAT,
        # The last: a shell that took a program of another machine for a script of its own.
        _any_of(r"exec format error", r"cannot execute binary file", r"\x7fELF"),
    ),
    (
        Reason.LOADER_MISSING,
        _any_of(
            r"error while loading shared libraries",
            r"error loading shared library",
            r"error relocating \S+: .*symbol not found",
            r"not found \(required by ",
            r"could not open '/\S*/ld-\S+': no such file",
            _EXEC_FOUND_NOTHING.pattern,
        ),
    ),
)
# A warning that programs give on old processors before they die of it, and before they go on regardless.
_TOO_OLD_IF_ILLEGAL: Final = _any_of(
    r"requires a cpu with \S+ support",
    r"cpu lacks \S+ support",
    r"(cpu|processor|machine) does(n't| not) (support|have)",
)
_SHELLS_NOT_FOUND: Final = _any_of(r"not found", r"no such file or directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`reason` is None for an end like any other. `evidence` is a part of a sentence, or empty."""

    reason: Reason | None
    evidence: str


def diagnose(end: ObservedContainer) -> Diagnosis:
    """What a container's end means."""
    if end.missing is not None:
        return Diagnosis(reason=judge_missing(end.missing), evidence=make_printable(str(end.missing)))
    if not end.exit_code or end.output is None:
        return Diagnosis(reason=_judge_code(end), evidence="")
    lines = _read_lines(end.output)
    if not lines:
        return Diagnosis(reason=_judge_code(end), evidence="without a word in its log")
    reason, line = _judge_lines(end, lines)
    return Diagnosis(reason=reason, evidence=f"log: {_shorten(line)}")


def judge_missing(missing: MissingFile) -> Reason:
    """The reason for a start that did not find this."""
    return Reason.LOADER_MISSING if missing.is_loader else Reason.COMMAND_NOT_FOUND


def describe_exit(end: ObservedContainer, memory_limit: int | None) -> str:
    """An exit code in words, with the signal that it stands for; the limit is in bytes.

    Under cgroup v1 Podman does not see that the kernel killed for memory: its OOMKilled stays false, and
    with the container its cgroup is gone, whose counters would tell.
    """
    code = end.exit_code
    if code is None:
        return "ended"
    signal = _SIGNALS.get(code - _SIGNAL_BASE)
    text = f"ended with exit code {code}" + ("" if signal is None else f" ({signal})")
    if code != _KILLED or end.oom_killed or memory_limit is None:
        return text
    return f"{text}, perhaps at its memory limit of {memory_limit / _MEBIBYTE:.0f} MiB"


def blames_missing_file(output: bytes) -> bool:
    """Whether the log says that the program is there, and something that it needs to start is not.

    The runtime says so of a program whose loader, and of a script whose interpreter is missing.
    """
    return any(_EXEC_FOUND_NOTHING.search(line) for line in _read_lines(output))


def make_printable(text: str) -> str:
    """Text for a message: control characters are shown, not sent."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _judge_lines(end: ObservedContainer, lines: list[str]) -> tuple[Reason | None, str]:
    by_code = _judge_code(end)
    if by_code is Reason.OOM_KILLED:
        return by_code, lines[-1]
    if by_code is Reason.ILLEGAL_INSTRUCTION:
        warning = _find(_TOO_OLD_IF_ILLEGAL, lines)
        if warning is not None:
            return Reason.CPU_TOO_OLD, warning
    for reason, pattern in _PATTERNS:
        line = _find(pattern, lines)
        if line is not None:
            return reason, line
    if end.exit_code == _NOT_FOUND and (line := _find(_SHELLS_NOT_FOUND, lines)) is not None:
        return Reason.COMMAND_NOT_FOUND, line
    return by_code, lines[-1]


def _judge_code(end: ObservedContainer) -> Reason | None:
    if end.oom_killed:
        return Reason.OOM_KILLED
    return {
        _ILLEGAL_INSTRUCTION: Reason.ILLEGAL_INSTRUCTION,
        _SEGMENTATION_FAULT: Reason.SEGMENTATION_FAULT,
    }.get(end.exit_code or 0)


def _find(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    """The last line that says it: what came before may be of an attempt that was mended."""
    return next((line for line in reversed(lines) if pattern.search(line)), None)


def _read_lines(output: bytes) -> list[str]:
    text = _CONTROL_SEQUENCE.sub("", output.decode(errors="replace"))
    return [line.strip() for line in re.split(r"[\r\n\0]+", text) if line.strip()]


def _shorten(line: str) -> str:
    line = make_printable(line)
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
