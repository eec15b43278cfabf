"""The process's one mark price socket: the symbols held, newest price of each.

A socket that acknowledges SUBSCRIBE and then says nothing is a known way to be blind
(docs/protocol.md §1.2), so nothing but a mark price counts as a sign of life here.

On the same socket come the contracts whose maintenance tiers changed (§8.3).
"""

import logging
import random
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import trio

from monitor.binance import translate, wire, wire_market
from monitor.binance.advice import advice
from monitor.binance.budget import Budget
from monitor.binance.ends import note_limits
from monitor.binance.link import Dial, Socket, UpgradeRefused, keep_pinging, open_socket
from monitor.binance.subscriptions import SILENCE, Subscriptions
from monitor.binance.surroundings import PING_EVERY
from monitor.binance.turns import Turn, take_turns
from monitor.core.events import Mark, Now
from monitor.errors import ConnectionLost, FrameGarbled
from monitor.feed import Latest, keep_connected
from monitor.quarantine import Quarantine

_NAME = "mark prices"


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
        on_brackets: Told of a symbol whose maintenance tiers changed.
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
        on_brackets: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = f"{streams}/market/ws"
        self._dial = dial
        self._latest = latest
        self._now = now
        self._now = now
        self._offset = offset
        self._quarantine = quarantine
        self._scale = scale
        self._rng = rng
        self._log = log
        self._budget = budget or Budget(now=now)
        self._on_brackets = on_brackets
        self._held: frozenset[str] = frozenset()
        self._changed = trio.Event()
        self._sessions: set[Subscriptions] = set()
        self._ending = trio.Event()
        self._ending_why = ""
        self._newest: dict[str, int] = {}  # exchange ms of the last price, by symbol
        self._told: set[str] = set()  # symbols that are known to have no price

    def hold(self, symbols: frozenset[str]) -> None:
        """Say which symbols are held from now on; with none there is no socket."""
        if symbols != self._held:
            self._held = symbols
            self._changed.set()
            for session in self._sessions:
                session.want(symbols)

    def rebuild(self, why: str) -> None:
        """Give the present socket up for a new one."""
        self._ending_why = why
        self._ending.set()

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Keep the prices coming; until cancelled. `started` at once."""
        task_status.started()
        await keep_connected(self._once, rng=self._rng, name=_NAME, log=self._log, advise=advice)

    async def _once(self, good: Callable[[], None]) -> None:
        """Have a socket, and its replacements, until one is lost or nothing is held any more."""
        await self._wait_held()
        self._ending = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_when_told)
            nursery.start_soon(self._end_when_nothing_is_held, good, nursery.cancel_scope)
            await take_turns(
                partial(self._serve, good),
                stands=lambda: None,
                replaced=lambda: None,
                overlap=0.0,  # the newer one has brought prices already
                rng=self._rng,
                name=_NAME,
                log=self._log,
            )

    async def _wait_held(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self._held:
            self._changed = trio.Event()
            await self._changed.wait()

    async def _end_when_nothing_is_held(
        self, good: Callable[[], None], scope: trio.CancelScope
    ) -> None:
        await trio.lowlevel.checkpoint()
        while self._held:
            self._changed = trio.Event()
            await self._changed.wait()
        good()  # left because nobody needs it, which is no failure
        scope.cancel("nothing is held any more")

    async def _end_when_told(self) -> NoReturn:
        await self._ending.wait()
        raise ConnectionLost(f"{_NAME}: {self._ending_why}")

    # One socket

    async def _serve(
        self, good: Callable[[], None], turn: Turn, stands: Callable[[], None]
    ) -> None:
        """Open a socket and read it; it `stands` when all is asked for and a price has come."""
        await self._budget.wait_open()
        try:
            await self._use_one(good, turn, stands)
        except UpgradeRefused as refused:
            note_limits(refused, self._budget, now=self._now(), offset=self._offset())
            raise

    async def _use_one(
        self, good: Callable[[], None], turn: Turn, stands: Callable[[], None]
    ) -> None:
        async with open_socket(
            self._url, dial=self._dial, deadline_s=10.0 * self._scale, name=_NAME
        ) as socket:
            session = Subscriptions(
                socket, name=_NAME, scale=self._scale, log=self._log, told=self._told
            )
            session.want(self._held)
            self._sessions.add(session)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(session.run)
                    nursery.start_soon(self._ping, socket)
                    nursery.start_soon(self._read, socket, session, turn, good)
                    await session.whole.wait()
                    stands()
            finally:
                self._sessions.discard(session)

    async def _read(
        self, socket: Socket, session: Subscriptions, turn: Turn, good: Callable[[], None]
    ) -> NoReturn:
        """Read frames; a socket without a price for too long is lost."""
        silence = SILENCE * self._scale
        while True:
            with trio.move_on_after(silence) as patience:
                while True:
                    if self._on_frame(await socket.receive(), session, turn):
                        good()
                        patience.deadline = trio.current_time() + silence
            raise ConnectionLost(f"{_NAME}: no price for {silence:g} s")

    async def _ping(self, socket: Socket) -> NoReturn:
        await keep_pinging(socket, every_s=PING_EVERY, deadline_s=15.0 * self._scale)

    def _on_frame(self, text: str, session: Subscriptions, turn: Turn) -> bool:
        """Read one frame; tells whether it brought a price."""
        try:
            message = wire_market.parse_market(text)
        except FrameGarbled as fault:
            self._quarantine.keep(_NAME, text, str(fault))
            return False
        match message:
            case list():
                taken = [self._take(one, session) for one in message]
                return any(taken)
            case wire.ServerShutdown():
                turn.ending.set()
            case wire_market.ControlAnswer():
                session.on_answer(message)
            case wire_market.ContractInfo() if message.brackets and translate.ours(message):
                self._on_brackets(message.symbol)
        return False

    def _take(self, message: wire_market.MarkPriceUpdate, session: Subscriptions) -> bool:
        """Put a price into `latest`, unless one as new of its symbol went before."""
        found = translate.mark(message, offset=self._offset())
        if found is None:
            return False
        symbol, mark = found
        session.on_price(symbol)
        if symbol in self._held and message.event_ms > self._newest.get(symbol, 0):
            # One that is dated ahead must not keep out all that come until then.
            server = self._now().utc + self._offset()
            self._newest[symbol] = min(message.event_ms, server)
            self._latest.put(symbol, mark)
        return True
