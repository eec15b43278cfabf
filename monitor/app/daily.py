"""Once a day, at a time of day: channels are told that we are still here.

The wall clock decides, and is looked at again and again: it may be set, and the machine may sleep.
A time that passed while it slept, or while nothing ran, is not made up for: that no message came
says just that.
"""

from collections.abc import Callable
from datetime import tzinfo

import trio

from monitor.config import Heartbeat
from monitor.core.events import Now
from monitor.core.quiet import next_time

LOOK = 30.0
"""Seconds between two looks at the clock at most."""

LATE = 300_000
"""Milliseconds after which a time of day has passed."""

DAY = 86_400_000
LONGEST = DAY + 3 * 3_600_000
"""Milliseconds that are never between two times: clocks that go back make a day of 25 hours."""


class Daily:
    """Calls at a time of each day, if one is configured.

    Args:
        config: When; None: never.
        zone: Of the clocks on the wall.
        now: Tells the time.
        call: Called when it is time.
    """

    def __init__(
        self,
        config: Heartbeat | None,
        zone: tzinfo,
        *,
        now: Callable[[], Now],
        call: Callable[[], None],
    ) -> None:
        self._config = config
        self._zone = zone
        self._now = now
        self._call = call
        self._called: int | None = None
        """The time (unix milliseconds) that was called at last."""
        self._changed = trio.Event()

    def take(self, config: Heartbeat | None) -> None:
        """Go on by another configuration."""
        self._config = config
        self._changed.set()

    async def run(self) -> None:
        """Call until cancelled."""
        due: int | None = None
        changed = self._changed
        while True:
            if due is None or changed.is_set():
                changed = self._changed = trio.Event()
                due = self._next()
            if due is None:
                await changed.wait()
                continue
            now = self._now().utc
            if now >= due:
                if now - due < LATE:
                    self._called = due
                    self._call()
                due = None
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_after(min(LOOK, (due - now) / 1000)):
                await changed.wait()
            if due - self._now().utc > LONGEST:
                due = None  # the clock was set back

    def _next(self) -> int | None:
        """Tell when it is time next; a clock that is set back a little brings no day twice."""
        if self._config is None or self._config.daily is None:
            return None
        after = self._now().utc
        if self._called is not None and after < self._called < after + DAY:
            after = self._called
        return next_time(self._config.daily, self._zone, after)
