"""Where the marks of the last hour were: a small ring per symbol, for pictures.

In memory only. What nobody saw is a gap: a picture has no line there.
"""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from monitor.core.events import Mark

EVERY = 5_000
"""Milliseconds between two samples of a symbol."""

LENGTH = 3_600_000
"""Milliseconds that are kept."""

MOST = LENGTH // EVERY + 1
"""Samples of one symbol."""


class Sample(NamedTuple):
    """Where a mark was."""

    at: int
    """Unix milliseconds."""
    price: Decimal


class Trails:
    """The samples of every symbol that was told of within the hour."""

    def __init__(self) -> None:
        self._trails: dict[str, deque[Sample]] = {}
        self._newest: dict[str, Sample] = {}

    def note(self, marks: Mapping[str, Mark], utc: int) -> None:
        """Take the newest marks, as of this instant (unix milliseconds)."""
        for symbol, mark in marks.items():
            trail = self._trails.get(symbol)
            if trail is None:
                self._forget(utc)
                trail = self._trails[symbol] = deque(maxlen=MOST)
            # A clock that was set back begins anew: time has to go one way in a picture.
            if trail and utc < trail[-1].at:
                trail.clear()
            if not trail or utc - trail[-1].at >= EVERY:
                trail.append(Sample(utc, mark.price))
            self._newest[symbol] = Sample(utc, mark.price)

    def last_hour(self, symbol: str, utc: int) -> tuple[Sample, ...]:
        """Give the samples of a symbol from the hour before an instant; the newest mark is last."""
        trail = [*self._trails.get(symbol, ())]
        if trail and trail[-1].at < self._newest[symbol].at:
            trail.append(self._newest[symbol])
        return tuple(each for each in trail if utc - LENGTH <= each.at <= utc)

    def _forget(self, utc: int) -> None:
        """Drop the symbols that nobody told of for an hour: so there are as many as were held."""
        for symbol, trail in list(self._trails.items()):
            if not trail or utc - trail[-1].at > LENGTH:
                del self._trails[symbol], self._newest[symbol]
