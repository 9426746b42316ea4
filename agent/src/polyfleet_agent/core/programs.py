"""Which programs a container's start would run, and whether they are what the image claims.

They are found as the kernel and the container runtime find them: by PATH and the working directory, and a
script (`#!`) by its interpreter (execve(2)). Symbolic links are the look-up's business.
"""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from polyfleet_agent.core.elf import ElfHeader, read_header
from polyfleet_shared.platforms import Platform

# Enough for the program headers and the loader's name, which linkers put first.
HEAD_BYTES: Final = 16 * 1024

_SCRIPT: Final = b"#!"
_FIRST_LINE_BYTES: Final = 256  # the kernel reads no more of it (BINPRM_BUF_SIZE)
_DEEPEST: Final = 5  # interpreters of interpreters, as in the kernel


class Gap(StrEnum):
    """Why there is nothing to read under a path."""

    ABSENT = "absent"
    UNKNOWN = "unknown"  # a directory, a volume that is filled later, or it could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """The first `HEAD_BYTES` of a file."""

    content: bytes
    executable: bool = True


LookUp = Callable[[str], FileHead | Gap]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a container runs: `arguments` from the program's name on, `search_path` as in PATH."""

    arguments: tuple[str, ...]
    search_path: str
    working_directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that would run; `script` is the one that it is the interpreter of."""

    path: str
    header: ElfHeader
    script: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """What a program or a script needs to start, and the image does not contain."""

    path: str
    needed_by: str
    is_loader: bool

    def __str__(self) -> str:
        what = f"the loader {self.path}" if self.is_loader else self.path
        return f"{self.needed_by} needs {what}, which the image does not contain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The programs that could be found and read, in the order in which they would run."""

    programs: tuple[Program, ...] = ()
    missing: MissingFile | None = None


def examine(invocation: Invocation, look: LookUp, *, loaders: bool = False) -> Examination:
    """Follow an invocation. Whether dynamic loaders are there is looked up only with `loaders`."""
    programs: list[Program] = []
    missing: list[MissingFile] = []
    for found in _follow(_Search(invocation=invocation, look=look), loaders=loaders):
        if isinstance(found, Program):
            programs.append(found)
        else:
            missing.append(found)
    return Examination(programs=tuple(programs), missing=missing[0] if missing else None)


def find_lie(examination: Examination, claimed: Platform) -> str | None:
    """In words, what is not built for the platform that the image claims; None if nothing is known to be.

    What could not be found or read is no lie. Nor is a 32-bit program of the same family.
    """
    if claimed.os != "linux":
        return None
    for program in examination.programs:
        if not program.header.suits(claimed.architecture):
            architecture = program.header.architecture
            built = "another machine" if architecture is None else f"linux/{architecture}"
            name = program.path if program.script is None else f"{program.path}, which runs {program.script},"
            return f"{name} is built for {built} ({program.header}), the image claims {claimed}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    invocation: Invocation
    look: LookUp

    def find(self, name: str) -> tuple[str, FileHead | Gap]:
        """A command's path, and what is there. Behind a gap in the search path nothing is known."""
        if "/" in name:
            path = self.resolve(name)
            return path, self.look(path)
        for directory in self.invocation.search_path.split(":"):
            path = posixpath.join(self.resolve(directory), name)
            found = self.look(path)
            if found is Gap.UNKNOWN or (isinstance(found, FileHead) and found.executable):
                return path, found
        return name, Gap.ABSENT

    def resolve(self, path: str) -> str:
        return posixpath.join("/", self.invocation.working_directory, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    name: str
    script: str | None = None
    depth: int = 0


def _follow(search: _Search, *, loaders: bool) -> Iterator[Program | MissingFile]:
    pending = [_Wanted(name=name) for name in search.invocation.arguments[:1]]
    while pending:
        wanted = pending.pop(0)
        path, found = search.find(wanted.name)
        if isinstance(found, FileHead):
            header = read_header(found.content)
            if header is not None:
                yield Program(path=path, header=header, script=wanted.script)
                if loaders and header.loader is not None and search.look(header.loader) is Gap.ABSENT:
                    yield MissingFile(path=header.loader, needed_by=path, is_loader=True)
            elif wanted.depth < _DEEPEST:
                interpreters = _read_interpreters(found.content)
                pending += [_Wanted(name=name, script=path, depth=wanted.depth + 1) for name in interpreters]
        elif found is Gap.ABSENT and wanted.script is not None:
            yield MissingFile(path=wanted.name, needed_by=wanted.script, is_loader=False)


def _read_interpreters(content: bytes) -> tuple[str, ...]:
    """What a script's first line names: its interpreter, and the command that env(1) then runs."""
    if not content.startswith(_SCRIPT):
        return ()
    line = content[len(_SCRIPT) : _FIRST_LINE_BYTES].split(b"\n", 1)[0].split(b"\0", 1)[0]
    # A carriage return is part of the name, as it is for the kernel.
    words = [word for word in line.decode(errors="replace").replace("\t", " ").split(" ") if word]
    if not words or posixpath.basename(words[0]) != "env":
        return tuple(words[:1])
    commands = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return (words[0], *commands[:1])
