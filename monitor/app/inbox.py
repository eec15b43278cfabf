"""The way to the one consumer: one bounded channel, and what may go through it.

accounts ─── emit ──┐   full: WouldBlock; their link drops its socket and polls everything anew
ourselves ── put ───┤   full: it comes behind the next event that is judged
questions ── ask ───┼─▶ exit ─▶ the consumer
files ────── reload ┤   these wait until what follows from them is committed
marks ────── carry ─┘   one batch at a time, so that a burst of prices is judged once
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import trio

from monitor.config import Config
from monitor.core.events import Event, Mark
from monitor.core.outcome import Outcome
from monitor.core.rules import Rule
from monitor.feed import Latest

BACKLOG = 1024
"""Events waiting for the engine. Full: the link drops its socket and polls everything anew, since
an account event may not be lost and a blocked reader stops answering pings."""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """A batch of marks."""

    marks: dict[str, Mark]
    taken: trio.Event


@dataclass(slots=True, eq=False)
class Asked:
    """An event whose outcome somebody waits for."""

    event: Event
    done: trio.Event
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Reload:
    """Other rules and channels."""

    config: Config
    rules: Sequence[Rule]
    taken: trio.Event


Post = Event | Marks | Reload | Asked
"""What the consumer takes."""


class Inbox:
    """What waits for the consumer.

    The consumer takes from `exit`, whose end comes when whoever holds `entrance` closes it, and
    takes `late` after each event.
    """

    def __init__(self) -> None:
        self.entrance, self.exit = trio.open_memory_channel[Post](BACKLOG)
        self.late: list[Event] = []
        """What found no room: few, and nothing that the exchange told."""

    def emit(self, event: Event) -> None:
        """Hand over an event of an account.

        Raises:
            trio.WouldBlock: The backlog is full.
        """
        self.entrance.send_nowait(event)

    def put(self, event: Event) -> None:
        """Hand over an event of no account; with a full backlog, behind the next that is judged."""
        try:
            self.entrance.send_nowait(event)
        except trio.WouldBlock:
            self.late.append(event)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            pass  # the service is ending: what it has to say of itself is in the log

    async def ask(self, event: Event) -> Outcome | None:
        """Hand over an event; return what came of it once that is committed, None at the end."""
        asked = Asked(event, trio.Event())
        if not await self._sent(asked):
            return None
        await asked.done.wait()
        return asked.outcome

    async def reload(self, config: Config, rules: Sequence[Rule]) -> None:
        """Hand over other rules and channels; return when they are taken, or at the end."""
        order = Reload(config, rules, trio.Event())
        if await self._sent(order):
            await order.taken.wait()

    async def carry(self, latest: Latest[str, Mark]) -> NoReturn:
        """Hand over the newest marks, the next batch when this one is taken; until cancelled."""
        while True:
            batch = Marks(await latest.take(), trio.Event())
            await self.entrance.send(batch)
            await batch.taken.wait()

    async def _sent(self, post: Post) -> bool:
        try:
            await self.entrance.send(post)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        return True
