"""What comes out when two units meet, and how an error names them.

`None` from a function of this file means: these two do not go together.
"""

from enum import Enum
from typing import Final

from monitor.core.language.units import Unit


class Quotient(Enum):
    """The unit of like / like: a share or a multiple, whichever it is compared with."""

    QUOTIENT = "quotient"


QUOTIENT: Final = Quotient.QUOTIENT

Measure = Unit | Quotient

_NOUNS: Final[dict[Measure, str]] = {
    Unit.TEXT: "a text",
    Unit.NUMBER: "a plain number",
    Unit.RATIO: "a ratio",
    Unit.MULTIPLE: "a multiple",
    Unit.DURATION: "a duration",
    Unit.PRICE: "a price",
    Unit.QUANTITY: "a quantity",
    Unit.MONEY: "an amount of money",
    QUOTIENT: "a quotient",
}

_AMOUNTS: Final = frozenset({Unit.PRICE, Unit.QUANTITY, Unit.MONEY})
_SHARES: Final = frozenset({Unit.RATIO, Unit.MULTIPLE, QUOTIENT})
_FACTORS: Final = (Unit.NUMBER, Unit.RATIO, QUOTIENT)
"""What leaves the unit of the other factor as it is; the earlier gives way to the later."""

NOT_NUMERIC: Final = frozenset({Unit.TEXT, Unit.DURATION})


def noun(measure: Measure) -> str:
    """Name a unit with its article, as in "a ratio"."""
    return _NOUNS[measure]


def shared(a: Measure, b: Measure) -> Measure | None:
    """Give the unit that two values have in common, plain numbers left out.

    A quotient takes the unit of a ratio or multiple that it meets.
    """
    if a == b:
        return a
    if QUOTIENT in {a, b} and a in _SHARES and b in _SHARES:
        return a if b is QUOTIENT else b
    return None


def compared(a: Measure, b: Measure) -> Measure | None:
    """Give the unit in which two values are compared."""
    if Unit.NUMBER in {a, b} and (a in _AMOUNTS or b in _AMOUNTS):
        return a if b is Unit.NUMBER else b
    return shared(a, b)


def multiplied(a: Measure, b: Measure) -> Measure | None:
    """Give the unit of a product."""
    if {a, b} == {Unit.PRICE, Unit.QUANTITY}:
        return Unit.MONEY
    for factor in _FACTORS:
        if factor in {a, b}:
            return a if b is factor else b
    return None


def divided(a: Measure, b: Measure) -> Measure | None:
    """Give the unit of a quotient."""
    if b is Unit.NUMBER:
        return a
    if a is Unit.MONEY and b is Unit.QUANTITY:
        return Unit.PRICE
    if a is Unit.MONEY and b is Unit.PRICE:
        return Unit.QUANTITY
    return None if shared(a, b) is None else QUOTIENT
