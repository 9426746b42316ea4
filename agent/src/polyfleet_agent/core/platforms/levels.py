"""An architecture's levels, each of which asks for all that the one below it has, and more."""

from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """`needs` is what the level adds, as the kernel calls it; what tells most stands first."""

    variant: str
    needs: tuple[str, ...]


def climb(levels: tuple[Level, ...], features: frozenset[str]) -> int:
    """The index of the highest level of which nothing is missing; the first is everybody's."""
    reached = 0
    for index, level in enumerate(levels[1:], start=1):
        if not features.issuperset(level.needs):
            break
        reached = index
    return reached


def explain(levels: tuple[Level, ...], reached: int, features: frozenset[str]) -> str:
    """Why it is this level and none above."""
    if not features:
        return "cpuinfo names no features, so it is the lowest level"
    has = ", ".join(levels[reached].needs[:_SHOWN])
    parts = [f"cpuinfo has {has}"] if has else []
    if reached + 1 < len(levels):
        above = levels[reached + 1]
        missing = [need for need in above.needs if need not in features]
        parts.append(f"{above.variant} needs {', '.join(missing[:_SHOWN])}")
    return "; ".join(parts)
