"""Arithmetic over points, intervals and what is missing: the values inside a comparison.

Rules of this file, beside those of `truth.py`:

- Ends are computed with the same rounding as points. Rounding never changes an order, so what lies
  between two ends before rounding does so after it. Hence each operation rounds at most once.
- What raises ArithmeticError for points is `doubt` in an interval, and unknown where nothing else
  is left.
- A division by an interval that holds 0 gives two pieces; the gap between them is filled, which is
  sound and not sharp.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from itertools import product
from typing import Final

from monitor.core.language.truth import UNKNOWN, Interval, Missing, interval, missing

Number = Decimal | Interval | Missing

_INFINITE: Final = Decimal("Infinity")
_ZERO: Final = Decimal(0)
_MINUS_ZERO: Final = Decimal("-0")
# As the default context, which points are computed in, but for the traps: an end may overflow.
_ENDS: Final = Context(traps=[])


def divide(a: Decimal, b: Decimal) -> Decimal:
    """Divide points; raises ArithmeticError by zero, where Decimal lets infinite / 0 pass."""
    if b == 0:
        raise ZeroDivisionError
    return a / b


def divide_by_money(a: Decimal, b: Decimal) -> Decimal:
    """Divide points; raises ArithmeticError unless there is money to divide by."""
    if b <= 0:
        raise ZeroDivisionError
    return a / b


def raised(t: Decimal, band: Decimal) -> Decimal:
    """Move a threshold up to t + |t|·band, written as a product so that it rounds once."""
    return t if t.is_infinite() else t * (1 + band if t > 0 else 1 - band)


def lowered(t: Decimal, band: Decimal) -> Decimal:
    """Move a threshold down to t - |t|·band, written as a product so that it rounds once."""
    return t if t.is_infinite() else t * (1 - band if t > 0 else 1 + band)


# Two numbers ---------------------------------------------------------------------------------


def _over_sets(
    point: Callable[[Decimal, Decimal], Decimal],
    spread: Callable[[Interval, Interval], Number],
) -> Callable[[Number, Number], Number]:
    def operation(a: Number, b: Number) -> Number:
        if isinstance(a, Decimal) and isinstance(b, Decimal):
            try:
                return point(a, b)
            except ArithmeticError:
                return UNKNOWN
        gap = missing(a, b)
        return spread(interval(a), interval(b)) if gap is None else gap

    return operation


def _sum(a: Interval, b: Interval) -> Number:
    lo, hi = _ENDS.add(a.lo, b.lo), _ENDS.add(a.hi, b.hi)
    doubt = (
        (a.hi == _INFINITE and b.lo == -_INFINITE)
        or (a.lo == -_INFINITE and b.hi == _INFINITE)
        or _overflows(lo, a.lo, b.lo)
        or _overflows(hi, a.hi, b.hi)
    )
    # Where an end is infinite - infinite, the points beside it that give a number at all give
    # the other infinity; where there are none, lo comes to stand above hi.
    lo, hi = _INFINITE if lo.is_nan() else lo, -_INFINITE if hi.is_nan() else hi
    return Interval(lo, hi, doubt or a.doubt or b.doubt) if lo <= hi else UNKNOWN


def _difference(a: Interval, b: Interval) -> Number:
    # copy_negate does not round, so that a - b is rounded once.
    return _sum(a, Interval(b.hi.copy_negate(), b.lo.copy_negate(), b.doubt))


def _product(a: Interval, b: Interval) -> Number:
    corners, doubt = _corners(_ENDS.multiply, a, b)
    doubt = (
        doubt or (_holds_zero(a) and _holds_infinite(b)) or (_holds_infinite(a) and _holds_zero(b))
    )
    return _hull(corners, doubt=doubt or a.doubt or b.doubt)


def _quotient(a: Interval, b: Interval) -> Number:
    below, doubt_below = _divided_below(a, b)
    above, doubt_above = _divided_above(a, b)
    doubt = _holds_zero(b) or doubt_below or doubt_above or a.doubt or b.doubt
    return _hull(below + above, doubt=doubt)


def _quotient_by_money(a: Interval, b: Interval) -> Number:
    above, doubt = _divided_above(a, b)
    return _hull(above, doubt=b.lo <= 0 or doubt or a.doubt or b.doubt)


def _divided_above(a: Interval, b: Interval) -> tuple[list[Decimal], bool]:
    # A lower end of +0 stands for the small numbers above it: 5 / +0 is +infinite.
    if b.hi <= 0:
        return [], False
    return _divided(a, b if b.lo > 0 else Interval(_ZERO, b.hi))


def _divided_below(a: Interval, b: Interval) -> tuple[list[Decimal], bool]:
    if b.lo >= 0:
        return [], False
    return _divided(a, b if b.hi < 0 else Interval(b.lo, _MINUS_ZERO))


def _divided(a: Interval, b: Interval) -> tuple[list[Decimal], bool]:
    corners, doubt = _corners(_ENDS.divide, a, b)
    return corners, doubt or (_holds_infinite(a) and _holds_infinite(b))


def _corners(
    operation: Callable[[Decimal, Decimal], Decimal], a: Interval, b: Interval
) -> tuple[list[Decimal], bool]:
    """Collect the extremes of a product or quotient, and tell whether one overflowed."""
    corners, doubt = [], False
    for x, y in product((a.lo, a.hi), (b.lo, b.hi)):
        corner = operation(x, y)
        doubt = doubt or _overflows(corner, x, y)
        if not corner.is_nan():
            corners.append(corner)
            continue
        # 0 · infinite and infinite / infinite give nothing; the finite beside the infinite end
        # gives 0. Likewise 0 / +0 stands for 0 / small.
        other = b if x == 0 else a
        if other.lo != other.hi:
            corners.append(_ZERO)
    return corners, doubt


def _hull(corners: list[Decimal], *, doubt: bool) -> Number:
    return Interval(min(corners), max(corners), doubt) if corners else UNKNOWN


def _overflows(end: Decimal, x: Decimal, y: Decimal) -> bool:
    return end.is_infinite() and x.is_finite() and y.is_finite()


def _holds_zero(a: Interval) -> bool:
    return a.lo <= 0 <= a.hi


def _holds_infinite(a: Interval) -> bool:
    return a.lo.is_infinite() or a.hi.is_infinite()


add: Final = _over_sets(lambda a, b: a + b, _sum)
subtract: Final = _over_sets(lambda a, b: a - b, _difference)
multiply: Final = _over_sets(lambda a, b: a * b, _product)
quotient: Final = _over_sets(divide, _quotient)
quotient_by_money: Final = _over_sets(divide_by_money, _quotient_by_money)


# One number, and many ------------------------------------------------------------------------


def negative(a: Number) -> Number:
    """Negate a number or a set of them."""
    if isinstance(a, Missing):
        return a
    return -a if isinstance(a, Decimal) else Interval(-a.hi, -a.lo, a.doubt)


def absolute(a: Number) -> Number:
    """Leave the sign of a number, or of a set of them, out."""
    if isinstance(a, Missing):
        return a
    if isinstance(a, Decimal):
        return abs(a)
    ends = abs(a.lo), abs(a.hi)
    return Interval(_ZERO if _holds_zero(a) else min(ends), max(ends), a.doubt)


def least(*numbers: Number) -> Number:
    """Find the least of numbers."""
    return _extreme(min, numbers)


def greatest(*numbers: Number) -> Number:
    """Find the greatest of numbers."""
    return _extreme(max, numbers)


def _extreme(choose: Callable[..., Decimal], numbers: tuple[Number, ...]) -> Number:
    points, ends = [], []
    gap: Missing | None = None
    for number in numbers:
        if isinstance(number, Missing):
            gap = number if gap is None else missing(gap, number)
        else:
            ends.append(interval(number))
            if isinstance(number, Decimal):
                points.append(number)
    if gap is not None:
        return gap
    if len(points) == len(numbers):
        return choose(points)
    lo, hi = choose(end.lo for end in ends), choose(end.hi for end in ends)
    return Interval(lo, hi, any(end.doubt for end in ends))


OPERATIONS: Final[dict[str, Callable[..., Number]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": quotient,
    "abs": absolute,
    "min": least,
    "max": greatest,
}
"""By how they are written; a division by money is `quotient_by_money`."""


def raise_threshold(t: Number, band: Decimal) -> Number:
    """Move a threshold, or a set of them, up: `raised`."""
    return _moved(raised, t, band)


def lower_threshold(t: Number, band: Decimal) -> Number:
    """Move a threshold, or a set of them, down: `lowered`."""
    return _moved(lowered, t, band)


def _moved(move: Callable[[Decimal, Decimal], Decimal], t: Number, band: Decimal) -> Number:
    if isinstance(t, Missing):
        return t
    if isinstance(t, Decimal):
        try:
            return move(t, band)
        except ArithmeticError:
            return UNKNOWN
    # Monotone on either side of 0, where it turns if band > 1.
    ends = [t.lo, t.hi, *([_ZERO] if _holds_zero(t) else [])]
    try:
        moved = [move(end, band) for end in ends]
    except ArithmeticError:  # an end overflows
        return Interval(-_INFINITE, _INFINITE, doubt=True)
    return Interval(min(moved), max(moved), t.doubt)
