"""What a word of the rule language measures, and what it belongs to.

The vocabulary itself is the table of `core/metrics.py`; the language is told it as an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Final

ANYTHING: Final = (Decimal("-Infinity"), Decimal("Infinity"))


class Unit(Enum):
    """What a value measures."""

    TEXT = "text"
    NUMBER = "number"
    RATIO = "ratio"
    """A part of something: 0.05 is 5 %."""
    MULTIPLE = "multiple"
    """How many times: 10 is 10x."""
    DURATION = "duration"
    """Whole milliseconds."""
    PRICE = "price"
    """Quote asset per unit of the base asset."""
    QUANTITY = "quantity"
    """Units of the base asset, contracts on COIN-M; signed, positive is long."""
    MONEY = "money"
    """An amount of the pool's own margin asset."""


class Scope(IntEnum):
    """What a word belongs to; a rule belongs to the narrowest thing that its conditions name."""

    ANY = 0
    ACCOUNT = 1
    POOL = 2
    POSITION = 3


@dataclass(frozen=True, slots=True)
class History:
    """A function of what a metric was over a window of the past."""

    function: str
    """change, highest, lowest, average or drop."""
    metric: str
    span: int
    """The window, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the vocabulary."""

    name: str
    unit: Unit
    scope: Scope
    known: frozenset[str] | None = None
    """The texts that this word can be (side: long, short); None where the list is open."""
    reach: tuple[Decimal, Decimal] = ANYTHING
    """Of a number: the least and the most that it can be, both included; durations in ms."""
    absent_where: tuple[str, str] | None = None
    """The word has no meaning where another word is this text: ("margin_type", "cross")."""
    history: History | None = None
    """What it looks back at; None for a metric as it is now."""


Vocabulary = Mapping[str, Word]
