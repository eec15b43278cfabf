"""The process's one mark price socket: the symbols held, newest price of each.

A socket that acknowledges SUBSCRIBE and then says nothing is a known way to be blind
(docs/protocol.md §1.2), so nothing but a mark price counts as a sign of life here.
"""

import json
import logging
import random
from collections.abc import Callable
from itertools import count
from typing import NoReturn

import trio

from monitor.binance import translate, wire
from monitor.binance.budget import Budget
from monitor.binance.link import Dial, Socket, keep_pinging, open_socket
from monitor.binance.surroundings import PING_EVERY
from monitor.core.events import Mark, Now
from monitor.errors import ConnectionLost, FrameGarbled
from monitor.feed import Latest, keep_connected
from monitor.quarantine import Quarantine

_NAME = "mark prices"
_SILENCE = 10.0  # seconds, before scale; every symbol ticks once a second
_BATCH = 100  # names in one message
_MESSAGE_EVERY = 0.2  # seconds; Binance allows ten messages a second, pings and pongs among them


class MarkStream:
    """Puts the mark prices of the symbols held into `latest`.

    Args:
        streams: Base URL of the streams.
        dial: Makes the socket's stream.
        latest: Takes the newest price of each symbol.
        now: Our clock.
        offset: The exchange's clock minus ours, milliseconds, by whoever measures it.
        quarantine: Takes frames that cannot be read.
        scale: Multiplies every guard of real work.
        rng: Where the jitter of back-offs comes from.
        log: Where trouble is told.
        budget: The gate before every dial; the accounts' own where they share one.
    """

    def __init__(
        self,
        *,
        streams: str,
        dial: Dial,
        latest: Latest[str, Mark],
        now: Callable[[], Now],
        offset: Callable[[], int],
        quarantine: Quarantine,
        scale: float = 1.0,
        rng: random.Random,
        log: logging.Logger,
        budget: Budget | None = None,
    ) -> None:
        self._url = f"{streams}/market/ws"
        self._dial = dial
        self._latest = latest
        self._offset = offset
        self._quarantine = quarantine
        self._scale = scale
        self._rng = rng
        self._log = log
        self._budget = budget or Budget(now=now)
        self._held: frozenset[str] = frozenset()
        self._changed = trio.Event()
        self._ending = trio.Event()
        self._ending_why = ""
        self._newest: dict[str, int] = {}  # exchange ms of the last price, by symbol

    def hold(self, symbols: frozenset[str]) -> None:
        """Say which symbols are held from now on; with none there is no socket."""
        if symbols != self._held:
            self._held = symbols
            self._changed.set()

    def rebuild(self, why: str) -> None:
        """Give the present socket up for a new one."""
        self._ending_why = why
        self._ending.set()

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Keep the prices coming; until cancelled. `started` at once."""
        task_status.started()
        await keep_connected(self._once, rng=self._rng, name=_NAME, log=self._log)

    async def _once(self, good: Callable[[], None]) -> None:
        """Have a socket until it is lost, or nothing is held any more."""
        await self._wait_held()
        await self._budget.wait_open()
        self._ending = trio.Event()
        async with open_socket(
            self._url, dial=self._dial, deadline_s=10.0 * self._scale, name=_NAME
        ) as socket:
            session = _Session(socket, self._take, self._log)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, session, good)
                nursery.start_soon(self._ping, socket)
                nursery.start_soon(self._end_when_told)
                while self._held:
                    self._changed = trio.Event()
                    await session.subscribe(self._held)
                    await self._changed.wait()
                good()  # left because nobody needs it, which is no failure
                nursery.cancel_scope.cancel()

    async def _wait_held(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self._held:
            self._changed = trio.Event()
            await self._changed.wait()

    async def _read(self, session: "_Session", good: Callable[[], None]) -> NoReturn:
        """Read frames; a socket without a price for too long is lost."""
        silence = _SILENCE * self._scale
        while True:
            with trio.move_on_after(silence) as patience:
                while True:
                    if session.on_frame(await session.socket.receive(), self._quarantine):
                        good()
                        patience.deadline = trio.current_time() + silence
            raise ConnectionLost(f"{_NAME}: no price for {silence:g} s")

    async def _ping(self, socket: Socket) -> NoReturn:
        await keep_pinging(socket, every_s=PING_EVERY, deadline_s=15.0 * self._scale)

    async def _end_when_told(self) -> NoReturn:
        await self._ending.wait()
        raise ConnectionLost(f"{_NAME}: {self._ending_why}")

    def _take(self, message: wire.MarkPriceUpdate) -> bool:
        """Put a price into `latest`, unless a newer one of its symbol went before."""
        found = translate.mark(message, offset=self._offset())
        if found is None:
            return False
        symbol, mark = found
        if symbol in self._held and message.event_ms >= self._newest.get(symbol, 0):
            self._newest[symbol] = message.event_ms
            self._latest.put(symbol, mark)
        return True


class _Session:
    """What is subscribed on one socket, and what its answers mean."""

    def __init__(
        self, socket: Socket, take: Callable[[wire.MarkPriceUpdate], bool], log: logging.Logger
    ) -> None:
        self.socket = socket
        self._take = take
        self._log = log
        self._ids = count(1)
        self._asked: dict[int, str] = {}
        self._subscribed: frozenset[str] = frozenset()
        self._next_at = trio.current_time()

    async def subscribe(self, symbols: frozenset[str]) -> None:
        """Subscribe to these symbols and to no others."""
        # New ones first: they are what somebody is blind for.
        await self._ask("SUBSCRIBE", symbols - self._subscribed)
        await self._ask("UNSUBSCRIBE", self._subscribed - symbols)
        self._subscribed = symbols

    async def _ask(self, method: str, symbols: frozenset[str]) -> None:
        names = [f"{symbol.lower()}@markPrice@1s" for symbol in sorted(symbols)]
        for start in range(0, len(names), _BATCH):
            await trio.sleep_until(self._next_at)
            self._next_at = max(self._next_at, trio.current_time()) + _MESSAGE_EVERY
            number = next(self._ids)
            batch = names[start : start + _BATCH]
            self._asked[number] = f"{method} of {', '.join(batch[:3])}" + (
                f" and {len(batch) - 3} more" if len(batch) > 3 else ""
            )
            message = {"method": method, "params": batch, "id": number}
            await self.socket.send(json.dumps(message, ensure_ascii=False))

    def on_frame(self, text: str, quarantine: Quarantine) -> bool:
        """Read one frame.

        Returns:
            Whether it brought a price.

        Raises:
            ConnectionLost: The server shuts down.
        """
        try:
            message = wire.parse_market(text)
        except FrameGarbled as fault:
            quarantine.keep(_NAME, text, str(fault))
            return False
        if isinstance(message, list):
            taken = [self._take(one) for one in message]
            return any(taken)
        if isinstance(message, wire.ServerShutdown):
            raise ConnectionLost(f"{_NAME}: the exchange shuts this server down")
        if isinstance(message, wire.ControlAnswer):
            self._on_answer(message)
        return False

    def _on_answer(self, answer: wire.ControlAnswer) -> None:
        what = self._asked.pop(answer.id, None) if answer.id is not None else None
        if answer.error is not None or answer.code is not None:
            code = answer.error.code if answer.error is not None else answer.code
            words = answer.error.message if answer.error is not None else answer.message
            self._log.error("%s: %s refused with %s: %s", _NAME, what or "a request", code, words)
