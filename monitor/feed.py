"""Carrying events: keep a connection, back off, and hold the newest value of each key.

Nothing here knows what is carried. Exactly one exception type is tried again, `ConnectionLost`;
a bug beside a loss gets out.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, TypeVar

import trio

from monitor.core.wording import count
from monitor.errors import ConnectionLost

K = TypeVar("K")
V = TypeVar("V")

STEADY = 60.0
"""Seconds a connection must have been good for its next loss to be news again."""

PROVEN = 30.0
"""Seconds a connection must have been good for the back-off to begin anew. One good frame is cheap:
a server that lets everybody in and breaks off at once would be dialled a hundred times a minute."""


class TryLater(ConnectionLost):
    """A connection lost, with word from the other side on when to come back.

    Args:
        text: Which connection, and why.
        seconds: How long to stay away at least.
    """

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class Latest(Generic[K, V]):
    """A letterbox that holds the newest value of each key; a burst costs one reading.

    Bounded by the number of keys. One reader.
    """

    def __init__(self) -> None:
        self._newest: dict[K, V] = {}
        self._filled = trio.Event()

    def put(self, key: K, value: V) -> None:
        """Replace what is held under this key."""
        self._newest[key] = value
        self._filled.set()

    async def take(self) -> dict[K, V]:
        """Take everything out, in the order in which the keys came; waits until there is some."""
        await trio.lowlevel.checkpoint()
        while not self._newest:
            await self._filled.wait()
        taken, self._newest = self._newest, {}
        self._filled = trio.Event()
        return taken


async def keep_connected(
    once: Callable[[Callable[[], None]], Awaitable[None]],
    *,
    rng: random.Random,
    name: str,
    log: logging.Logger,
    cap: float = 60.0,
    first: float = 1.0,
    advise: Callable[[ConnectionLost], str] = lambda _: "",
) -> NoReturn:
    """Run `once(good)` for ever; after a loss wait, with doubling and full jitter.

    Args:
        once: One life of the connection. It calls `good()` when the connection has proved itself
            (its first good frame, not the handshake); the back-off begins anew when it has stayed
            good for `PROVEN`. When it returns, it wants to begin anew: at once if it had been
            good, else as after a loss.
        rng: Where the jitter comes from.
        name: Which connection, for the log.
        log: Told of a new cause at warning, of the same one again at debug.
        cap: The longest back-off, seconds; `TryLater` may ask for more.
        first: The longest first back-off, seconds.
        advise: Tells what to do about a connection that could not be made, for the log; "" where
            nothing helps but trying again.
    """
    run = _Run(rng=rng, name=name, log=log, cap=cap, first=first, advise=advise)
    while True:
        run.begin()
        lost: list[ConnectionLost] = []
        try:
            await once(run.good)
        except* ConnectionLost as group:
            lost.extend(_leaves(group))
        await trio.sleep(run.pause_after(lost))


def _leaves(group: BaseExceptionGroup[ConnectionLost]) -> list[ConnectionLost]:
    found: list[ConnectionLost] = []
    for inner in group.exceptions:
        if isinstance(inner, BaseExceptionGroup):
            found.extend(_leaves(inner))
        else:
            found.append(inner)
    return found


class _Run:
    """The memory between one life of a connection and the next."""

    def __init__(
        self,
        *,
        rng: random.Random,
        name: str,
        log: logging.Logger,
        cap: float,
        first: float,
        advise: Callable[[ConnectionLost], str],
    ) -> None:
        self._rng = rng
        self._name = name
        self._log = log
        self._cap = cap
        self._first = first
        self._advise = advise
        self._failures = 0  # since one was good for a while; what doubles
        self._losses = 0  # since one was good at all
        self._good_since: float | None = None
        self._cause = ""
        self._repeats = 0

    def begin(self) -> None:
        self._good_since = None

    def good(self) -> None:
        """Take note that this life of the connection has proved itself."""
        if self._good_since is None:
            self._good_since = trio.current_time()
            if self._losses:
                self._log.info("%s: connected after %s", self._name, count(self._losses, "failure"))
            self._losses = 0

    @property
    def _good_for(self) -> float:
        """Seconds since this life was good first; 0 where it never was."""
        return 0.0 if self._good_since is None else trio.current_time() - self._good_since

    def pause_after(self, lost: list[ConnectionLost]) -> float:
        """Decide how long to wait, seconds, and say why."""
        if not lost and self._good_since is not None:
            return 0.0
        if self._good_for >= PROVEN:
            self._failures = 0
        ceiling = min(self._cap, self._first * 2 ** min(self._failures, 30))
        self._failures += 1
        self._losses += 1
        pause = self._rng.uniform(0, ceiling)
        asked = max((loss.seconds for loss in lost if isinstance(loss, TryLater)), default=0.0)
        if asked:
            # Not all at the same instant when many connections were told the same.
            pause = asked + self._rng.uniform(0, self._first)
        if lost:
            # The first is the cause; what was waiting on the same connection fell with it.
            self._tell(lost[0], pause)
        return pause

    def _tell(self, lost: ConnectionLost, pause: float) -> None:
        cause = str(lost)
        if cause != self._cause or self._good_for >= STEADY:
            self._cause, self._repeats = cause, 1
            # One that was good and broke off is everyday life, and needs no advice.
            advice = self._advise(lost) if self._good_since is None else ""
            text = f"{cause}; trying again in {pause:.1f} s"
            self._log.warning("%s", f"{text}. {advice}" if advice else text)
        else:
            self._repeats += 1
            self._log.debug(
                "%s (%d times in a row); trying again in %.1f s", cause, self._repeats, pause
            )
