"""What one label must be: Kubernetes' LabelSelectorRequirement and NodeSelectorRequirement."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from polyfleet_controller.domain.labels import find_key_problems, find_value_problems
from polyfleet_shared.errors import PolyfleetError

# Go's strconv.ParseInt takes a sign; its 64 bits have up to 19 digits.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_SHOWN: Final = 80


class InvalidRequirementError(PolyfleetError, ValueError):
    """A requirement that no label can meet or miss: it says nothing."""


class Operator(StrEnum):
    """How a label is compared, as Kubernetes writes it. NotIn and DoesNotExist hold where it is missing."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on one label. `values` are sorted, each once."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        problems = [*find_key_problems(self.key), *_find_count_problems(self.operator, self.values)]
        for value in self.values:
            problems += find_value_problems(value)
        if problems:
            raise InvalidRequirementError(f"{self.key[:_SHOWN]!r}: {problems[0]}")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels meets it."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels
            case Operator.GT | Operator.LT:
                return self._compare(labels.get(self.key, ""))
            case _:
                assert_never(self.operator)

    def _compare(self, value: str) -> bool:
        """What is missing, or no integer, is neither greater nor less than anything."""
        number, bound = _read_integer(value), _read_integer(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator is Operator.GT else number < bound

    def __str__(self) -> str:
        values = ",".join(self.values)
        single = len(self.values) == 1
        match self.operator:
            case Operator.IN:
                return f"{self.key}={values}" if single else f"{self.key} in ({values})"
            case Operator.NOT_IN:
                return f"{self.key}!={values}" if single else f"{self.key} notin ({values})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.GT:
                return f"{self.key}>{values}"
            case Operator.LT:
                return f"{self.key}<{values}"
            case _:
                assert_never(self.operator)


def find_unmet(requirements: Iterable[Requirement], labels: Mapping[str, str]) -> Requirement | None:
    """The first that something with these labels does not meet."""
    return next((item for item in requirements if not item.matches(labels)), None)


def _find_count_problems(operator: Operator, values: tuple[str, ...]) -> tuple[str, ...]:
    match operator:
        case Operator.IN | Operator.NOT_IN:
            return () if values else (f"{operator} takes values",)
        case Operator.EXISTS | Operator.DOES_NOT_EXIST:
            return (f"{operator} takes no values",) if values else ()
        case Operator.GT | Operator.LT:
            fits = len(values) == 1 and _read_integer(values[0]) is not None
            return () if fits else (f"{operator} takes one value, an integer",)
        case _:
            assert_never(operator)


def _read_integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None
