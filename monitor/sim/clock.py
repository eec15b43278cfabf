"""The story's time, and what is to happen when.

Only `trio.current_time()` is asked, so a story runs on a mock clock, N times faster, or for real.
"""

import heapq
from collections.abc import Callable
from enum import IntEnum

import trio


class Rank(IntEnum):
    """What falls on one millisecond happens in this order."""

    TICK = 0
    FAULT = 1
    DEED = 2
    LATE = 3
    EXPIRY = 4
    END = 5


_Entry = tuple[int, Rank, int, Callable[[], None]]


class Clock:
    """Exchange time: `start_ms` when the story begins, and on with Trio's clock.

    Args:
        start_ms: Unix milliseconds UTC.
    """

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self._began: float | None = None

    @property
    def running(self) -> bool:
        """Whether the story has begun."""
        return self._began is not None

    def begin(self) -> None:
        """Let the story begin now."""
        self._began = trio.current_time()

    def story_ms(self) -> int:
        """Milliseconds since the story began; 0 before."""
        if self._began is None:
            return 0
        return round((trio.current_time() - self._began) * 1000)

    def now(self) -> int:
        """Exchange ms."""
        return self.start_ms + self.story_ms()

    def deadline(self, story_ms: int) -> float:
        """Trio's time of a moment of the story."""
        return (self._began or 0.0) + story_ms / 1000


class Agenda:
    """What is to happen, by story ms, then rank, then the order of entry."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._count = 0
        self._changed = trio.Event()

    def add(self, story_ms: int, rank: Rank, call: Callable[[], None]) -> None:
        """Enter something."""
        self._count += 1
        heapq.heappush(self._entries, (story_ms, rank, self._count, call))
        self._changed.set()

    async def run(self, clock: Clock) -> None:
        """Call everything at its time; until cancelled."""
        while True:
            while self._entries and self._entries[0][0] <= clock.story_ms():
                self._call_all(self._entries[0][0])
                # After the machine slept there may be hours to catch up with; let others in.
                await trio.lowlevel.checkpoint()
            self._changed = trio.Event()
            wake = clock.deadline(self._entries[0][0]) if self._entries else float("inf")
            with trio.move_on_at(wake):
                await self._changed.wait()

    def _call_all(self, story_ms: int) -> None:
        """Call everything of one millisecond, no task in between, so that its order is ours."""
        while self._entries and self._entries[0][0] == story_ms:
            heapq.heappop(self._entries)[3]()
