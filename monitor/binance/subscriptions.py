"""What one market socket is asked for: SUBSCRIBE, its refusals, and symbols that stay silent.

Each symbol has an instant at which it is asked for again. A price moves that on, so a symbol that
ticks is never asked twice; one that is refused, or stays silent while others tick (delisted, or
forgotten by the exchange), is asked again and again, each time later.

A refusal names nobody (docs/protocol.md §2): the names it was about are asked in halves, until the
one that nobody knows stands alone, and the others have their prices.
"""

import json
import logging
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import NoReturn

import trio

from monitor.binance import wire_market
from monitor.binance.link import Socket

SILENCE = 10.0
"""Seconds, before scale, without a price that are too long; every symbol ticks once a second."""

CONTRACTS = "!contractInfo"
"""The stream of contracts that changed."""

_LONGEST = 600.0  # seconds, before scale, between two attempts at a symbol without a price
_BATCH = 100  # names in one message
_MESSAGE_EVERY = 0.2  # seconds; Binance allows ten messages a second, pings and pongs among them


@dataclass(slots=True)
class _Wanted:
    """One stream that is wanted: when it is asked for (again), and how often it was in vain."""

    due: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """One message on its way."""

    method: str
    symbols: tuple[str, ...]


class Subscriptions:
    """What one socket is subscribed to.

    Args:
        socket: Open; read by whoever hands the answers and prices over.
        name: What the log calls it.
        scale: Multiplies the silence.
        log: Told once of each symbol that has no price.
        told: The symbols of which that has been said, by this socket or an earlier one.
    """

    def __init__(
        self, socket: Socket, *, name: str, scale: float, log: logging.Logger, told: set[str]
    ) -> None:
        self._socket = socket
        self._name = name
        self._silence = 1.1 * SILENCE * scale  # a socket that is silent altogether is left before
        self._longest = _LONGEST * scale
        self._log = log
        self._told = told
        self._wanted = {CONTRACTS: _Wanted(trio.current_time())}
        self._dropped: set[str] = set()
        self._halves: deque[tuple[str, ...]] = deque()
        self._changed = trio.Event()
        self._ids = count(1)
        self._asked: dict[int, _Question] = {}
        self._next_at = trio.current_time()
        self._all_asked = False
        self.whole = trio.Event()
        """Set at the first price after everything wanted has been asked for."""

    def want(self, symbols: frozenset[str]) -> None:
        """Say which symbols are wanted from now on."""
        now = trio.current_time()
        for symbol in symbols - self._wanted.keys():
            self._wanted[symbol] = _Wanted(now)
            self._dropped.discard(symbol)
        for symbol in self._wanted.keys() - symbols - {CONTRACTS}:
            del self._wanted[symbol]
            self._dropped.add(symbol)
        self._changed.set()

    async def run(self) -> NoReturn:
        """Ask for what is wanted, and again for what stays silent; until cancelled.

        Raises:
            ConnectionLost: The socket is gone.
        """
        while True:
            self._changed = trio.Event()
            await self._ask_due()
            self._all_asked = True
            with trio.move_on_at(min(one.due for one in self._wanted.values())):
                await self._changed.wait()

    def on_price(self, symbol: str) -> None:
        """Take note that a symbol ticks."""
        wanted = self._wanted.get(symbol)
        if wanted is not None:
            wanted.due = trio.current_time() + self._silence
            wanted.tries = 0
            if self._told:
                self._told.discard(symbol)
        if self._all_asked:
            self.whole.set()

    def on_answer(self, answer: wire_market.ControlAnswer) -> None:
        """Take note of an answer to what was asked; a refusal is asked in halves."""
        number = answer.id
        if number is None:  # answers keep the order of the questions
            number = next(iter(self._asked), None)
        question = self._asked.pop(number, None) if number is not None else None
        if answer.error is None and answer.code is None:
            return
        code = answer.error.code if answer.error is not None else answer.code
        words = answer.error.message if answer.error is not None else answer.message
        what = "a request" if question is None else _worded(question)
        said = f"{self._name}: {what} refused with {code}: {words}"
        if question is None or question.method != "SUBSCRIBE":
            self._log.warning("%s", said)
        elif len(question.symbols) > 1:
            self._log.debug("%s; asking in halves", said)
            middle = len(question.symbols) // 2
            self._halves += (question.symbols[:middle], question.symbols[middle:])
            self._changed.set()
        else:
            self._on_refused(question.symbols[0], said)

    def _on_refused(self, symbol: str, said: str) -> None:
        wanted = self._wanted.get(symbol)
        if wanted is not None and symbol == CONTRACTS:
            wanted.due = trio.current_time() + self._longest
        self._tell(symbol, said)

    def _tell(self, symbol: str, said: str) -> None:
        if symbol not in self._told:
            self._told.add(symbol)
            self._log.warning("%s; trying on", said)

    # Asking

    async def _ask_due(self) -> None:
        """Ask for all that is due; new symbols first, they are what somebody is blind for."""
        while self._halves:
            await self._ask(
                "SUBSCRIBE", [one for one in self._halves.popleft() if one in self._wanted]
            )
        now = trio.current_time()
        due = sorted(name for name, one in self._wanted.items() if one.due <= now)
        symbols = [name for name in due if name != CONTRACTS]
        for symbol in symbols:
            self._put_off(symbol, self._wanted[symbol], now)
        await self._ask("SUBSCRIBE", symbols)
        await self._ask("UNSUBSCRIBE", sorted(self._dropped))
        if CONTRACTS in due:
            self._wanted[CONTRACTS].due = math.inf  # quiet for days, and rightly
            await self._ask("SUBSCRIBE", [CONTRACTS])

    def _put_off(self, symbol: str, wanted: _Wanted, now: float) -> None:
        wanted.due = now + min(self._longest, self._silence * 2 ** min(wanted.tries, 10))
        wanted.tries += 1
        if wanted.tries == 2:  # asked before, and no price since
            self._tell(symbol, f"{self._name}: no price of {symbol} for {self._silence:g} s")

    async def _ask(self, method: str, symbols: Iterable[str]) -> None:
        names = tuple(symbols)
        for start in range(0, len(names), _BATCH):
            await trio.sleep_until(self._next_at)
            self._next_at = max(self._next_at, trio.current_time()) + _MESSAGE_EVERY
            number = next(self._ids)
            batch = names[start : start + _BATCH]
            self._asked[number] = _Question(method, batch)
            if method == "UNSUBSCRIBE":
                self._dropped.difference_update(batch)
            message = {"method": method, "params": [*map(_stream, batch)], "id": number}
            await self._socket.send(json.dumps(message, ensure_ascii=False))


def _stream(symbol: str) -> str:
    """The name of a symbol's stream: in lower case, where its letters have one."""
    return symbol if symbol == CONTRACTS else f"{symbol.lower()}@markPrice@1s"


def _worded(question: _Question) -> str:
    names = [*map(_stream, question.symbols)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{question.method} of {', '.join(names[:3])}{more}"
