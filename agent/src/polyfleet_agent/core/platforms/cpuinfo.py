"""/proc/cpuinfo, which every architecture words in its own way (proc_cpuinfo(5))."""

from typing import Final

_IMPLEMENTER: Final = "CPU implementer"
_PART: Final = "CPU part"


def find_values(cpuinfo: str, key: str) -> tuple[str, ...]:
    """The values of this key, one for each core that has it."""
    return tuple(value for name, value in _read_lines(cpuinfo) if name == key)


def find_common_words(cpuinfo: str, key: str) -> frozenset[str]:
    """The words that every line of this key has: a program may be moved to any core at any time."""
    lines = [frozenset(value.split()) for value in find_values(cpuinfo, key)]
    return frozenset.intersection(*lines) if lines else frozenset()


def find_parts(cpuinfo: str) -> frozenset[tuple[int, int]]:
    """What ARM cores call themselves: implementer and part number, as in their MIDR register."""
    parts: set[tuple[int, int]] = set()
    implementer = -1
    for name, value in _read_lines(cpuinfo):
        if name == _IMPLEMENTER:
            implementer = _read_number(value)
        elif name == _PART:
            parts.add((implementer, _read_number(value)))
    return frozenset(parts)


def _read_lines(cpuinfo: str) -> tuple[tuple[str, str], ...]:
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    return tuple((name.strip(), value.strip()) for name, colon, value in lines if colon)


def _read_number(text: str) -> int:
    """-1 for what is no number, which no core is called."""
    try:
        return int(text, 0)
    except ValueError:
        return -1
