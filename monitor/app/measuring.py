"""How long something takes: counted in buckets, so that measuring costs next to nothing."""

from bisect import bisect_left
from itertools import repeat

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds: the upper bounds of the buckets."""


class Histogram:
    """How often something took how long."""

    def __init__(self) -> None:
        self.counts = list(repeat(0, len(BOUNDS) + 1))
        """How often, by bucket; the last is of what took longer than any bound."""
        self.total = 0.0
        """Seconds, of all together."""

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
