"""Requirements on labels, as Kubernetes has them: LabelSelectorRequirement and NodeSelectorRequirement."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from polyfleet_shared.errors import PolyfleetError

# Go's strconv.ParseInt takes a sign; the bound is its 64 bits.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_SHOWN: Final = 80


class InvalidRequirementError(PolyfleetError, ValueError):
    """An operator with values that it has no use for."""


class Operator(StrEnum):
    """As in Kubernetes, and written as there. A label that is missing meets `NotIn` and `DoesNotExist`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        match self.operator:
            case Operator.IN | Operator.NOT_IN:
                if not self.values:
                    raise InvalidRequirementError(f"{self.operator} needs at least one value")
            case Operator.EXISTS | Operator.DOES_NOT_EXIST:
                if self.values:
                    raise InvalidRequirementError(f"{self.operator} takes no values")
            case Operator.GT | Operator.LT:
                if len(self.values) != 1 or read_integer(self.values[0]) is None:
                    raise InvalidRequirementError(f"{self.operator} takes exactly one value, an integer")
            case _:
                assert_never(self.operator)

    def is_met(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels meets it."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.GT | Operator.LT:
                return self._compares(value)
            case _:
                assert_never(self.operator)

    def _compares(self, value: str | None) -> bool:
        """A label that is missing, or no integer, is neither greater nor less than anything."""
        number, bound = read_integer(value or ""), read_integer(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator is Operator.GT else number < bound

    def __str__(self) -> str:
        values = ", ".join(self.values)
        match self.operator:
            case Operator.IN | Operator.NOT_IN:
                text = f"{self.key} {self.operator} ({values})"
            case Operator.EXISTS | Operator.DOES_NOT_EXIST:
                text = f"{self.key} {self.operator}"
            case Operator.GT | Operator.LT:
                text = f"{self.key} {self.operator} {values}"
            case _:
                assert_never(self.operator)
        return text[:_SHOWN]


def read_integer(text: str) -> int | None:
    """Read a label's value as a number, None if it is none."""
    return int(text) if _INTEGER.fullmatch(text) else None


def find_unmet(requirements: tuple[Requirement, ...], labels: Mapping[str, str]) -> Requirement | None:
    """The first that a device with these labels does not meet."""
    return next((item for item in requirements if not item.is_met(labels)), None)
