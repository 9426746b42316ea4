"""A Containerfile, made unmistakable for one platform.

Podman 4.3 mixes platforms up in two ways, and each gives an image that claims one platform and holds
another's programs. After a stage with `FROM --platform=$BUILDPLATFORM`, the stages without a platform get
that one too. And its cache takes the steps of one platform's build for another's wherever base and words are
the same, as they are after `FROM scratch`. So each stage is given its platform, and a step that no other
platform has.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.platforms import Platform

# Set where the cache could mistake a stage; whoever builds takes it out of the image again.
MARK: Final = "POLYFLEET_PLATFORM"

_ESCAPE: Final = re.compile(r"#\s*escape\s*=\s*(?P<escape>[\\`])\s*", re.IGNORECASE)
_DIRECTIVE: Final = re.compile(r"#\s*[a-z]+\s*=.*", re.IGNORECASE)
_FROM: Final = re.compile(r"(?P<head>\s*FROM)(?=\s)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_HEREDOC_TAKERS: Final = re.compile(r"\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)
_HEREDOC: Final = re.compile(
    r"(?<!<)<<(?P<dash>-?)(?P<quote>[\"']?)(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)"
)
_BUILD: Final = re.compile(r"\$\{?BUILD[A-Z]*\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A FROM instruction, taken apart."""

    platform: str | None
    base: str
    name: str


def adapt_containerfile(text: str, platform: Platform, *, target: str | None = None) -> str:
    """Give every stage its platform.

    What names one itself keeps it. `target` is the stage that the image is made of, else the last.
    """
    escape = _find_escape(text)
    instructions = list(_split(text, escape))
    stages = [(index, _read_stage(each, escape)) for index, each in enumerate(instructions)]
    froms = [(index, stage) for index, stage in stages if stage is not None]
    names: set[str] = set()
    for position, (index, stage) in enumerate(froms):
        is_made_of = stage.name == target.lower() if target else position == len(froms) - 1
        instructions[index] = _adapt(instructions[index], stage, names, platform, is_made_of=is_made_of)
        names |= {stage.name} - {""}
    return "".join(instructions)


def _adapt(text: str, stage: _Stage, names: set[str], platform: Platform, *, is_made_of: bool) -> str:
    if stage.base.lower() in names:  # an earlier stage has its platform already
        return text
    if stage.platform is None:
        head = _FROM.match(text)
        if head is not None:
            text = f"{head['head']} --platform={platform}{head['rest']}"
    elif _BUILD.search(stage.platform) and not is_made_of:
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}ENV {MARK}={platform}\n"


def _find_escape(text: str) -> str:
    """Directives are the first lines, before anything else."""
    for line in text.splitlines():
        found = _ESCAPE.fullmatch(line)
        if found is not None:
            return found["escape"]
        if _DIRECTIVE.fullmatch(line) is None:
            break
    return "\\"


def _split(text: str, escape: str) -> Iterator[str]:
    """Yield the text in pieces: instructions, whole, and the lines between them."""
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        piece, last = line, line
        while not _is_blank(line) and (_goes_on(last, escape) or (_is_blank(last) and piece != line)):
            last = next(lines, "")
            piece += last
            if not last:
                break
        if _HEREDOC_TAKERS.match(piece):
            for found in _HEREDOC.finditer(piece):
                piece += _take_heredoc(lines, found["word"], has_tabs=bool(found["dash"]))
        yield piece


def _take_heredoc(lines: Iterator[str], word: str, *, has_tabs: bool) -> str:
    taken = ""
    for line in lines:
        taken += line
        if (line.lstrip("\t") if has_tabs else line).rstrip("\r\n") == word:
            break
    return taken


def _is_blank(line: str) -> bool:
    """Comments and empty lines, which do not end an instruction that goes on."""
    return not line.strip() or line.lstrip().startswith("#")


def _goes_on(line: str, escape: str) -> bool:
    return not _is_blank(line) and line.rstrip().endswith(escape)


def _read_stage(text: str, escape: str) -> _Stage | None:
    found = _FROM.match(text)
    if found is None:
        return None
    lines = [line for line in found["rest"].splitlines() if not line.lstrip().startswith("#")]
    words = " ".join(line.rstrip().removesuffix(escape) for line in lines).split()
    flags = [word for word in words if word.startswith("--")]
    rest = [word for word in words if not word.startswith("--")]
    platforms = [flag.partition("=")[2] for flag in flags if flag.startswith("--platform=")]
    is_named = len(rest) > 2 and rest[1].lower() == "as"  # noqa: PLR2004 - FROM image AS name
    return _Stage(
        platform=platforms[-1] if platforms else None,
        base=rest[0] if rest else "",
        name=rest[2].lower() if is_named else "",
    )
