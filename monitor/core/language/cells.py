"""What is compared in a condition, cut into cells inside of which no comparison changes.

See `proofs`, which searches over them.
"""

import re
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Final

from monitor.core.language import spans
from monitor.core.language.truth import Interval, Missing

Cell = int | str | frozenset[str]

_MOST_GLOBS: Final = 5


class TooHardError(Exception):
    """A proof would take too long."""


class Number:
    """A number or an age: cell 2i + 1 is the i-th constant, an even one the gap beside it.

    Args:
        reach: Everything that it can be.
    """

    def __init__(self, reach: spans.Number) -> None:
        self._reach = reach
        self.cuts: set[Decimal] = set()
        """The constants that it is compared with."""
        self.places: dict[Decimal, int] = {}
        """The cell of each constant, once all of them are known."""

    def cells(self) -> list[Cell]:
        """List the cells within reach; none where its value is never known."""
        cuts = sorted(self.cuts)
        self.places = {cut: 2 * i + 1 for i, cut in enumerate(cuts)}
        if isinstance(self._reach, Missing):
            return []
        lo, hi = ends(self._reach)
        found: list[Cell] = [place for cut, place in self.places.items() if lo <= cut <= hi]
        gaps = pairwise([None, *cuts, None])
        return found + [
            2 * i
            for i, (below, above) in enumerate(gaps)
            if (below is None or below < hi) and (above is None or above > lo)
        ]


class Text:
    """A text; of an open word, a frozenset stands for any text not named that fits those globs.

    Args:
        known: The texts that it can be; None where the list is open.
    """

    def __init__(self, known: frozenset[str] | None) -> None:
        self._known = known
        self.named: set[str] = set()
        """The texts that it is compared with."""
        self.globs: set[str] = set()
        """The globs that it is held against."""

    def cells(self) -> list[Cell]:
        """List the cells; raises TooHardError where there are too many globs."""
        if self._known is not None:
            return [*sorted(self._known)]
        everything = self.globs & {"*"}
        globs = sorted(self.globs - everything)
        if len(globs) > _MOST_GLOBS:
            raise TooHardError
        fitting = (
            frozenset({*chosen, *everything})
            for size in range(len(globs) + 1)
            for chosen in combinations(globs, size)
            if all(_may_meet(a, b) for a, b in combinations(chosen, 2))
            and not any(_fits_too(a, b) for a in chosen for b in globs if b not in chosen)
        )
        return [*sorted(self.named), *fitting]


def _may_meet(a: str, b: str) -> bool:
    """Tell whether some text may fit both globs: what stands before their first mark decides."""
    one, other = _beginning(a), _beginning(b)
    return one.startswith(other) or other.startswith(one)


def _fits_too(a: str, b: str) -> bool:
    """Tell whether whatever fits a fits b, which has no mark but a `*` at its end."""
    return b == f"{_beginning(b)}*" and _beginning(a).startswith(_beginning(b))


def _beginning(glob: str) -> str:
    return re.split(r"[*?\[]", glob, maxsplit=1)[0]


class Order:
    """Which of two values is the greater: -1, 0 or 1."""

    def __init__(self, cells: list[Cell]) -> None:
        self._cells = cells

    def cells(self) -> list[Cell]:
        """List those that there can be; none where one of the values is never known."""
        return self._cells


Subject = Number | Text | Order


def ends(reach: Interval | Decimal) -> tuple[Decimal, Decimal]:
    """Give the least and the most of a reach."""
    return (reach.lo, reach.hi) if isinstance(reach, Interval) else (reach, reach)
