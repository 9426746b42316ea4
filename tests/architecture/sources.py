"""The tree under test, as text and as syntax."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

AGENT = "agent/src/polyfleet_agent"
CONTROLLER = "controller/src/polyfleet_controller"
SHARED = "shared/src/polyfleet_shared"

# What is made by tools and never committed.
GENERATED = {
    ".git",
    ".venv",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".ruff_cache",
    "__pycache__",
    "build",
    "dist",
}


def files(*places: str, suffix: str = "") -> Iterator[Path]:
    """Yield the files at and below these places, relative to the root; all of the tree without any."""
    for place in places or (".",):
        start = ROOT / place
        found = sorted(start.rglob(f"*{suffix}")) if start.is_dir() else [start]
        for path in found:
            relative = path.relative_to(ROOT)
            if path.is_file() and GENERATED.isdisjoint(relative.parts):
                yield relative


def modules(*places: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the Python files at and below these places with their syntax."""
    for path in files(*places, suffix=".py"):
        yield path, parse(path)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(read(path))


def read(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def imported_names(module: ast.Module) -> Iterator[str]:
    """Yield every absolutely imported dotted name; `from a import b` gives `a.b`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called_names(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the last name of what each call calls, with its line."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node.lineno
