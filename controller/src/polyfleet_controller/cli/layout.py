"""The parts of pages. Nothing is cut off: what does not fit a line goes on in the next."""

from collections.abc import Container, Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from polyfleet_controller.cli.failures import printable

HEADING: Final = "bold"
GOOD: Final = "green"
BAD: Final = "red"
WEAK: Final = "yellow"

INDENT: Final = (0, 0, 0, 2)


def styled(text: str, style: str = "") -> Text:
    """Text of anybody's, safe to print."""
    return Text(printable(text), style=style, overflow="fold")


def join_lines(lines: Iterable[Text]) -> Text:
    """One cell of several lines."""
    return Text("\n", overflow="fold").join(lines)


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, wrapped: Container[str] = ()
) -> Table:
    """A list: a heading, then a line for each row; only the cells of `wrapped` columns break lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=HEADING)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in wrapped)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else styled(cell) for cell in row))
    return table


def make_facts(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values below each other, values aligned."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else styled(value))
    return table


def make_section(heading: str | Text, *parts: RenderableType) -> Group:
    """An empty line, a heading, and what belongs to it, indented."""
    shown = styled(heading, HEADING) if isinstance(heading, str) else heading
    return Group("", shown, *(Padding(part, INDENT) for part in parts))


def make_digests(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Names of six letters and digests: indented in a section, a digest fits 80 columns in one piece."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else styled(value))
    return table
