"""Work for whoever looks on, done so sparingly that the watch does not feel it."""

import time
from collections.abc import Callable

import trio

SLICE = 0.002
"""Seconds of work after which there is a pause; before that, others only have their turn."""

PAUSE = 4
"""Times as long as the work before it: a fifth of the processor at the most."""


class Sparing:
    """One worker, who rests between two pieces of work.

    Args:
        scale: Of real work: a faster story makes pauses no shorter.
        clock: Seconds of the machine, for tests to put another in.
    """

    def __init__(self, scale: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._scale = scale
        self._clock = clock
        self._worked = 0.0
        self._begun = clock()

    async def rest(self) -> None:
        """Let others have their turn; pause where enough was worked."""
        self._worked += self._clock() - self._begun
        if self._worked >= SLICE:
            pause, self._worked = PAUSE * self._worked * self._scale, 0.0
            await trio.sleep(pause)
        else:
            await trio.lowlevel.checkpoint()
        self._begun = self._clock()

    def begin(self) -> None:
        """Begin to count, after a time in which nothing was done."""
        self._worked, self._begun = 0.0, self._clock()
