"""Three-valued truth, and values of which only a set is known.

A value is a point, an interval, unknown or absent; a truth is a subset of {true, false, unknown}:
everything that some choice of points gives. With points alone exactly one of the three is left,
which is the judgement of docs/semantics.md §4. With intervals it proves: a set without TRUE says
that nothing inside the intervals makes the condition true.

Rules of this file:

- **Sound**: no choice of points gives a truth outside the set.
- **Sharp** where each word occurs once, but for a gap that `spans.py` names.
- **Never raises**: what an exception says about points is "unknown" here.

Truths travel as plain integers (1, 2, 4 and sums of them) until the last step, because the
operators of IntFlag cost more than everything else in a condition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntFlag
from itertools import product
from typing import Final


class Truth(IntFlag):
    """A subset of the three truths."""

    TRUE = 1
    FALSE = 2
    UNKNOWN = 4


class Missing(Enum):
    """What stands where a value should be."""

    UNKNOWN = "unknown"
    """There is a value, and we cannot tell which."""
    ABSENT = "absent"
    """The word has no meaning for this target; each comparison that reads it is false."""


UNKNOWN: Final = Missing.UNKNOWN
ABSENT: Final = Missing.ABSENT


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `lo` to `hi`, both included, infinite ends too."""

    lo: Decimal
    hi: Decimal
    doubt: bool = False
    """Whether some choice of points gives no number at all, as a division by zero does."""

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"no number lies between {self.lo} and {self.hi}")


Value = Decimal | int | str | Interval | Missing

T: Final = 1
F: Final = 2
U: Final = 4

TRUTHS: Final = tuple(Truth(bits) for bits in range(8))
"""The truth of each sum of 1, 2 and 4."""


def _pointwise(stronger: int, weaker: int) -> tuple[tuple[int, ...], ...]:
    """Tabulate a connective of Kleene's over subsets; `stronger` decides by itself."""

    def one(a: int, b: int) -> int:
        if stronger in {a, b}:
            return stronger
        return weaker if a == b == weaker else U

    def members(bits: int) -> list[int]:
        return [bit for bit in (T, F, U) if bits & bit]

    def every(a: int, b: int) -> int:
        found = 0
        for x, y in product(members(a), members(b)):
            found |= one(x, y)
        return found

    return tuple(tuple(every(a, b) for b in range(8)) for a in range(8))


AND: Final = _pointwise(stronger=F, weaker=T)
OR: Final = _pointwise(stronger=T, weaker=F)


# Comparisons: values -> truths ---------------------------------------------------------------


def less(a: Value, b: Value) -> int:
    """Tell which truths `a < b` can have."""
    if (gap := missing(a, b)) is not None:
        return F if gap is ABSENT else U
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        return T if a < b else F  # type: ignore[operator]  # the checker let like meet like only
    a, b = interval(a), interval(b)
    return T * (a.lo < b.hi) | F * (a.hi >= b.lo) | U * (a.doubt or b.doubt)


def at_most(a: Value, b: Value) -> int:
    """Tell which truths `a <= b` can have."""
    if (gap := missing(a, b)) is not None:
        return F if gap is ABSENT else U
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        return T if a <= b else F  # type: ignore[operator]  # the checker let like meet like only
    a, b = interval(a), interval(b)
    return T * (a.lo <= b.hi) | F * (a.hi > b.lo) | U * (a.doubt or b.doubt)


def equal(a: Value, b: Value) -> int:
    """Tell which truths `a == b` can have."""
    return _among(a, b, (T, F))


def unequal(a: Value, b: Value) -> int:
    """Tell which truths `a != b` can have; false, like every comparison, where one is absent."""
    return _among(a, b, (F, T))


def _among(a: Value, b: Value, answers: tuple[int, int]) -> int:
    yes, no = answers
    if (gap := missing(a, b)) is not None:
        return F if gap is ABSENT else U
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        return yes if a == b else no
    a, b = interval(a), interval(b)
    meet = a.lo <= b.hi and b.lo <= a.hi
    same = a.lo == a.hi == b.lo == b.hi
    return yes * meet | no * (not same) | U * (a.doubt or b.doubt)


def member(a: Value, items: tuple[Value, ...]) -> int:
    """Tell which truths `a in items` can have."""
    return _listed(a, items, (T, F))


def not_member(a: Value, items: tuple[Value, ...]) -> int:
    """Tell which truths `a not in items` can have."""
    return _listed(a, items, (F, T))


def _listed(a: Value, items: tuple[Value, ...], answers: tuple[int, int]) -> int:
    yes, no = answers
    if isinstance(a, Missing):
        return F if a is ABSENT else U
    if not isinstance(a, Interval):
        return yes if a in items else no
    found = any(a.lo <= interval(item).lo <= a.hi for item in items)
    sure = found and a.lo == a.hi
    return yes * found | no * (not sure) | U * a.doubt


def matches(a: Value, fits: Callable[[str], object | None]) -> int:
    """Tell which truths `a ~ glob` can have."""
    if isinstance(a, Missing):
        return F if a is ABSENT else U
    return F if fits(str(a)) is None else T


def matches_not(a: Value, fits: Callable[[str], object | None]) -> int:
    """Tell which truths the refusal of `a ~ glob` can have."""
    if isinstance(a, Missing):
        return F if a is ABSENT else U
    return T if fits(str(a)) is None else F


# What the comparisons share ------------------------------------------------------------------


def missing(a: Value, b: Value) -> Missing | None:
    """Tell whether one of two values is missing; absent outweighs unknown."""
    if a is ABSENT or b is ABSENT:
        return ABSENT
    if a is UNKNOWN or b is UNKNOWN:
        return UNKNOWN
    return None


def interval(value: Value) -> Interval:
    """See a value that is not missing as an interval; a point is one of no length."""
    if isinstance(value, Interval):
        return value
    point = Decimal(value)  # type: ignore[arg-type]  # a Decimal or int: the callers asked
    return Interval(point, point)
