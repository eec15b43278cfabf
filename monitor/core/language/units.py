"""What a word of the rule language measures, and what it belongs to.

The vocabulary itself is the table of `core/metrics.py`; the language is told it as an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum


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
class Word:
    """One word of the vocabulary."""

    name: str
    unit: Unit
    scope: Scope
    known: frozenset[str] | None = None
    """The texts that this word can be (side: long, short); None where the list is open."""


Vocabulary = Mapping[str, Word]
