"""Help texts: what a command does, then examples that can be copied."""

from typing import Any, Final

CONTEXT_SETTINGS: Final[dict[Any, Any]] = {"help_option_names": ["-h", "--help"]}

_KEEP_LINES: Final = "\b"  # what the paragraph after it is not re-wrapped by


def teach(text: str, examples: tuple[tuple[str, str], ...], *notes: str) -> str:
    """The help of a command; each example is a command line and what it is for."""
    width = max(len(line) for line, _ in examples)
    shown = [f"  {line:<{width}}  {purpose}".rstrip() for line, purpose in examples]
    return "\n\n".join((text, "\n".join((_KEEP_LINES, "Examples:", *shown)), *notes))
