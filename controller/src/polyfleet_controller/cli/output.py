"""Answers on stdout, in the form that was asked for."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import typer
import yaml
from rich.console import Console, RenderableType

from polyfleet_shared.json_text import JsonValue

# On a narrower terminal the terminal itself breaks the lines: nothing is lost.
_NARROWEST: Final = 80
_PIPED_PAGE: Final = 100
_UNBOUNDED: Final = 1_000_000


class OutputFormat(StrEnum):
    """`json` is the API's answer, `yaml` the same; `name` is one kind/name a line."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


OutputOption: TypeAlias = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="json is the API's answer, exact; name is one kind/name a line."),
]


def show(
    form: OutputFormat,
    *,
    document: JsonValue,
    names: Iterable[str],
    page: Callable[[], RenderableType],
    wraps: bool = True,
) -> None:
    """Print an answer. A page that does not wrap keeps one line per row where nobody's terminal limits it."""
    match form:
        case OutputFormat.JSON:
            _write(json.dumps(document, indent=2, ensure_ascii=False))
        case OutputFormat.YAML:
            _write(write_yaml(document).removesuffix("\n"))
        case OutputFormat.NAME:
            for name in names:
                _write(name)
        case OutputFormat.TABLE:
            _print(page(), _width(_PIPED_PAGE if wraps else _UNBOUNDED))
    sys.stdout.flush()  # what comes next may take its time


def write_yaml(document: JsonValue) -> str:
    """YAML text. Letters beyond ASCII are escaped: PyYAML loses some line separators otherwise."""
    text: str = yaml.safe_dump(document, sort_keys=False, width=_UNBOUNDED)
    return text


def draw_message(page: RenderableType) -> str:
    """A page as text, to stand in a message."""
    return "\n".join(render(page, width=_width(_PIPED_PAGE), colours=False))


def _width(where_unlimited: int) -> int:
    """COLUMNS decides, then the terminal; a pipe has no width of its own."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, _NARROWEST)
    return where_unlimited


def _print(page: RenderableType, width: int) -> None:
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in render(page, width=width, colours=colours):
        _write(line)


def render(page: RenderableType, *, width: int, colours: bool) -> list[str]:
    """The lines of a page; without colours there is not one escape sequence in them."""
    console = Console(
        width=width,
        force_terminal=colours,
        no_color=not colours,
        color_system="standard" if colours else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as captured:
        console.print(page)
    return [line if colours else line.rstrip() for line in captured.get().splitlines()]


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
