"""The clocks: both faces of the real one, the one of a story, and a watch over jumps."""

import time
from collections.abc import Callable

import trio

from monitor.core.events import Now

JUMP = 5_000
"""Milliseconds by which two clocks may drift apart before it counts as a sleep or a step."""


def real_now() -> Now:
    """Read both faces of the real clock; the one place that does.

    CLOCK_BOOTTIME counts a suspend, which the monotonic clock does not.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Now(time.clock_gettime_ns(clock) // 1_000_000, time.time_ns() // 1_000_000)


def story_clock(start_utc: int) -> Callable[[], Now]:
    """Make a clock that follows Trio's, for demos and tests.

    Args:
        start_utc: Unix milliseconds at the moment of this call.
    """
    began = round(trio.current_time() * 1000)

    def now() -> Now:
        ticks = round(trio.current_time() * 1000)
        return Now(ticks, start_utc + ticks - began)

    return now


class ClockWatch:
    """Notices that the machine slept, or that somebody set its clock.

    Asleep, `ticks` go on and Trio's clock stands still. A step moves utc away from ticks.
    """

    def __init__(self, now: Now) -> None:
        self._begin(now)

    def _begin(self, now: Now) -> None:
        self._asleep = now.ticks - round(trio.current_time() * 1000)
        self._ahead = now.utc - now.ticks

    def jumped(self, now: Now) -> str | None:
        """Tell what happened since the last call, in words; None: nothing."""
        asleep = now.ticks - round(trio.current_time() * 1000) - self._asleep
        ahead = now.utc - now.ticks - self._ahead
        if max(asleep, abs(ahead)) <= JUMP:
            return None
        self._begin(now)
        if asleep > JUMP:
            return f"the machine slept for {asleep / 1000:.0f} s"
        return f"the machine's clock was set by {ahead / 1000:+.0f} s"
