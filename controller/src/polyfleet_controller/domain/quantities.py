"""Kubernetes quantities (apimachinery, resource.Quantity): `64Mi`, `0.5`, `500m`, `1e3`."""

import re
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from math import ceil
from typing import Final, Self

from polyfleet_shared.errors import PolyfleetError

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    r"(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_NANOS: Final = 10**9
_MAX: Final = 2**63 - 1
_SHOWN: Final = 40


class InvalidQuantityError(PolyfleetError, ValueError):
    """Text that is no quantity, or one that means nothing here."""


class Notation(Enum):
    """In which powers a quantity is written; it says nothing about the value."""

    DECIMAL = 1000
    BINARY = 1024


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Quantity:
    """An amount of at least 0, exact to a billionth; finer fractions are rounded up, as Kubernetes does.

    Its text is the shortest of its notation, so that `1024Mi` and `1Gi` are one and the same manifest.
    """

    nanos: int
    notation: Notation = field(default=Notation.DECIMAL, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.nanos <= _MAX * _NANOS:
            raise InvalidQuantityError(f"a quantity is between 0 and {_MAX}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a quantity.

        Raises:
            InvalidQuantityError: text has another form, is negative or beyond 64 bits.
        """
        match = _QUANTITY.fullmatch(text)
        if match is None:
            raise InvalidQuantityError(
                f"{text[:_SHOWN]!r} is no quantity: write a number and a suffix as Kubernetes has them, "
                "for example 64Mi, 500m or 1.5"
            )
        number, suffix, exponent = match["number"], match["suffix"] or "", match["exponent"]
        if suffix in _BINARY:
            factor = Fraction(1024) ** _BINARY[suffix]
            return cls(nanos=_round_up(number, factor), notation=Notation.BINARY)
        factor = Fraction(10) ** (_DECIMAL[suffix] if exponent is None else int(exponent))
        return cls(nanos=_round_up(number, factor))

    @property
    def units(self) -> int:
        """The amount in whole units, rounded up."""
        return -(-self.nanos // _NANOS)

    @property
    def thousandths(self) -> int:
        """The amount in thousandths, rounded up."""
        return -(-self.nanos * 1000 // _NANOS)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost by `units`."""
        return self.nanos % _NANOS == 0

    def __str__(self) -> str:
        if self.notation is Notation.BINARY and self.is_whole and self.nanos:
            for suffix, power in reversed(_BINARY.items()):
                count, rest = divmod(self.units, 1024**power)
                if not rest:
                    return f"{count}{suffix}"
        for suffix, power in reversed(_DECIMAL.items()):
            count, rest = divmod(self.nanos, 10 ** (power + 9))
            if count and not rest:
                return f"{count}{suffix}"
        return "0"


def _round_up(number: str, factor: Fraction) -> int:
    """The number of billionths."""
    return ceil(Fraction(number) * factor * _NANOS)
