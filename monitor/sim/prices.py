"""Mark paths: straight lines between points, plus seeded noise."""

import random
from collections.abc import Sequence
from decimal import Decimal

from monitor.sim.amounts import ZERO, quantised

_GRAIN = 1_000_000


class MarkPath:
    """The mark price of one symbol over the story.

    Args:
        symbol: Whose; it also names the stream of noise, so that paths do not disturb each other.
        points: (ms since the start, price), times rising; flat before the first and after the last.
        noise: Each mark lies within ± this part of the line; 0 for none.
        seed: The story's.
    """

    def __init__(
        self, symbol: str, points: Sequence[tuple[int, Decimal]], noise: Decimal, seed: int
    ) -> None:
        self._points = tuple(points)
        self._noise = noise
        self._random = random.Random(f"{seed}/noise/{symbol}")

    def line(self, ms: int) -> Decimal:
        """The price without noise."""
        before = self._points[0]
        for point in self._points:
            if point[0] >= ms:
                if point[0] == before[0]:
                    return point[1]
                part = Decimal(ms - before[0]) / (point[0] - before[0])
                return before[1] + (point[1] - before[1]) * part
            before = point
        return before[1]

    def next(self, ms: int) -> Decimal:
        """The mark at a tick, to eight decimals; draws noise, so call it once a tick."""
        shake = ZERO
        if self._noise:
            shake = self._noise * self._random.randint(-_GRAIN, _GRAIN) / _GRAIN
        return quantised(self.line(ms) * (1 + shake))
