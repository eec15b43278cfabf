"""One Binance USDⓈ-M account's life, in one nursery.

    ApiLine ──────── requests, clock, key
       ├─ UserStream ── events as they happen ──┐
       ├─ Polls ─────── everything, regularly ──┼─▶ emit ─▶ the engine
       └─ reference ─── tiers, forced orders ───┘

First the user data socket, then the first poll; after every reconnect a full poll. This never
trades and has no method that could; it never stops a listen key.
"""

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import NoReturn

import trio

from monitor.binance import reference, translate, translate_reference, wire
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import Budget, Rank
from monitor.binance.link import Dial
from monitor.binance.permissions import TIME_PATH
from monitor.binance.polls import Polls
from monitor.binance.rest import Rest
from monitor.binance.signing import Signer
from monitor.binance.surroundings import Surroundings
from monitor.binance.user_stream import UserStream
from monitor.binance.wire_reference import ForcedOrder
from monitor.core.events import (
    AccountRefused,
    AccountStarted,
    AssetModeChanged,
    Bracket,
    BracketsRead,
    Event,
    KeyWasAccepted,
    KeyWasRejected,
    Now,
    PollAnswered,
    PollsPaced,
    UserStreamFell,
    UserStreamStood,
)
from monitor.errors import ConnectionLost, KeyRejected
from monitor.quarantine import Quarantine

_MARGIN = 60_000
"""Milliseconds by which the past is looked at twice: orders are dated before they are told."""


class UsdmAccount:
    """Watches one account and hands over what happens.

    Args:
        name: The account, as configured.
        signer: Names its key, and signs.
        ws_api: URL of the WebSocket API.
        streams: Base URL of the streams.
        rest: Base URL of REST.
        sapi: Base URL of key permissions; None where the network has none.
        poll_interval: Seconds between two polls.
        dial: Makes streams for sockets.
        emit: Takes an event, at once; `trio.WouldBlock` says that it cannot, and then the socket
            is rebuilt and everything polled.
        now: Our clock.
        quarantine: Takes frames that cannot be read.
        scale: Multiplies every guard of real work.
        rng: Where the jitter of back-offs comes from.
        log: Where trouble is told.
        budget: The gate before every request; shared by the accounts of one address, by default
            the account's own.
        prices: Told whether the account needs them; the process's one.
        seen_until: Unix milliseconds by our clock until which an earlier run watched the account;
            None for one that is new.
    """

    def __init__(
        self,
        *,
        name: str,
        signer: Signer,
        ws_api: str,
        streams: str,
        rest: str,
        sapi: str | None = None,
        poll_interval: float,
        dial: Dial,
        emit: Callable[[Event], None],
        now: Callable[[], Now],
        quarantine: Quarantine,
        scale: float = 1.0,
        rng: random.Random,
        log: logging.Logger,
        budget: Budget | None = None,
        prices: reference.AssetPrices | None = None,
        seen_until: int | None = None,
    ) -> None:
        self._name, self._emit, self._now, self._log = name, emit, now, log
        self._seq = 0
        self._owed: dict[str, Event] = {}
        self._polled = trio.Event()
        self._prices = prices
        # Forced orders are looked for from here on, by the exchange's clock; what an earlier run
        # noted is by ours, whose offset is not known yet. An account that is new has none to tell.
        self._seen_until: int | None = None
        self._seen_earlier = seen_until
        self.budget = budget or Budget(now=now)
        """The gate, with the weight that the exchange has counted."""
        around = Surroundings(name, dial, now, self.budget, quarantine, rng, log, scale)
        door = Rest(
            rest,
            name=f"{name} REST",
            signer=signer,
            dial=dial,
            now=now,
            budget=self.budget,
            offset=lambda: self._line.offset,
            scale=scale,
        )
        self._line = ApiLine(
            ws_api,
            signer=signer,
            around=around,
            over_rest=partial(door.measure_clock, rank=Rank.URGENT),
            on_connected=self._poll_everything,
            on_rejected=self._on_rejected,
            on_accepted=self._on_accepted,
        )
        self._stream = UserStream(
            streams,
            line=self._line,
            around=around,
            on_message=self._on_message,
            on_open=self._poll_everything,
            on_stood=self._on_stood,
            on_fell=lambda why: self._owe("stream", UserStreamFell(name, why)),
        )
        self._polls = Polls(
            interval_s=poll_interval,
            line=self._line,
            around=around,
            handed_over=lambda: self._seq,
            answered=self._on_poll,
            paced=lambda every: self._owe("pace", PollsPaced(name, every)),
            subscribed=self._stream.tried,
        )
        self._brackets = reference.Brackets(
            door, line=self._line, around=around, take=self._on_brackets
        )
        self._orders = reference.ForcedOrders(
            door, line=self._line, around=around, take=self._on_orders
        )
        self._around = around
        self._sapi = sapi and Rest(
            sapi,
            name=f"{name} permissions",
            signer=signer,
            dial=dial,
            now=now,
            budget=None,  # Spot's own count
            offset=lambda: self._line.offset,
            scale=scale,
            time_path=TIME_PATH,
        )

    def __repr__(self) -> str:
        return f"UsdmAccount({self._name!r})"

    @property
    def name(self) -> str:
        """The account, as configured."""
        return self._name

    @property
    def offset(self) -> int:
        """The exchange's clock minus ours, milliseconds; 0 until it is measured."""
        return self._line.offset

    @property
    def trouble(self) -> str:
        """Why nothing can be asked at the moment, for the log; "" while something can."""
        return self._line.trouble or self.budget.trouble

    @property
    def rebuilds(self) -> int:
        """How often the user data stream stood again after it was lost or given up."""
        return max(0, self._stream.stood - 1)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Watch the account; until cancelled. `started` at once: connecting may take hours.

        After a bug it may be run again.
        """
        self._owe("start", AccountStarted(self._name))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._line.run)
                nursery.start_soon(self._stream.run)
                nursery.start_soon(self._polls.run)
                task_status.started()
                await self._polled.wait()
                nursery.start_soon(self._brackets.run)
                nursery.start_soon(self._orders.run)
                if self._sapi:
                    await reference.find_portfolio_margin(
                        self._sapi, around=self._around, refuse=self._on_portfolio_margin
                    )
                await trio.sleep_forever()
        except Exception:
            self._stream.fall("a bug has ended the watch over this account")
            raise

    def want_poll(self, ticks: int, *, full: bool = False, urgent: bool = False) -> None:
        """Ask for a poll; see `Polls.want`."""
        self._polls.want(ticks, full=full, urgent=urgent)

    def distrust(self, why: str) -> None:
        """Take the user data stream for broken: a new key, a new socket, a full poll."""
        self._stream.renew(why)

    def rebuild(self, why: str) -> None:
        """Give up every socket (after a suspend, after a step of the clock)."""
        self._line.rebuild(why)
        self._stream.renew(why)

    def brackets_changed(self, symbol: str) -> None:
        """Take note that the exchange changed the tiers of a symbol."""
        self._brackets.invalidate(symbol)

    def _poll_everything(self) -> None:
        self._polls.want(self._now().ticks, full=True)

    # What is handed over

    def _on_message(self, message: wire.UserMessage) -> None:
        events = translate.user_events(
            message, account=self._name, offset=self._line.offset, seq=self._seq + 1
        )
        for event in events:
            try:
                self._pay()
                self._emit(event)
            except trio.WouldBlock:
                raise ConnectionLost(
                    f"{self._name} user data: the engine's backlog is full"
                ) from None
            self._seq += 1
            self._seen_until = self._now().utc + self._line.offset
            if isinstance(event, AssetModeChanged):
                self._need_prices(event.multi_assets)

    def _on_stood(self) -> None:
        self._owe("stream", UserStreamStood(self._name))
        offset = self._line.offset
        if self._seen_until is None and self._seen_earlier is not None:
            self._seen_until = self._seen_earlier + offset
        if self._seen_until is not None:
            self._orders.look(self._seen_until - _MARGIN)
        else:
            self._seen_until = self._now().utc + offset

    def _on_orders(self, rows: list[ForcedOrder], polled_at: int) -> None:
        for event in translate_reference.forced_orders(
            rows,
            account=self._name,
            offset=self._line.offset,
            seq=self._seq + 1,
            polled_at=polled_at,
        ):
            self._seq += 1
            self._owe(f"order {event.symbol} {event.order_id}", event)

    def _on_brackets(self, tables: Mapping[str, tuple[Bracket, ...]]) -> None:
        for symbol, tiers in tables.items():
            self._owe(f"brackets {symbol}", BracketsRead(self._name, {symbol: tiers}))

    def _on_portfolio_margin(self, why: str) -> None:
        self._log.error("%s: %s", self._name, why)
        self._owe("refused", AccountRefused(self._name, why))

    def _need_prices(self, multi_assets: bool | None) -> None:  # noqa: FBT001  a fact, no switch
        if self._prices is not None and multi_assets is not None:
            self._prices.use(self._name, multi_assets=multi_assets)

    def _on_poll(self, answer: PollAnswered) -> None:
        self._need_prices(answer.multi_assets)
        if answer.positions is not None:
            held = (row.symbol for row in answer.positions if row.quantity)
            self._brackets.hold(frozenset(held))
        try:
            self._pay()
            self._emit(answer)
            if answer.complete:
                self._polled.set()
        except trio.WouldBlock:
            self._line.rebuild("the engine's backlog is full")

    def _on_rejected(self, refusal: KeyRejected) -> None:
        self._owe("key", KeyWasRejected(self._name, refusal.code, refusal.message))

    def _on_accepted(self) -> None:
        self._owe("key", KeyWasAccepted(self._name))
        self._poll_everything()

    def _owe(self, subject: str, event: Event) -> None:
        """Hand over news that may not be lost: now, or before the next event that gets through.

        Of each subject the last word counts, so that this stays small however long it takes.
        """
        self._owed.pop(subject, None)
        self._owed[subject] = event
        try:
            self._pay()
        except trio.WouldBlock:
            self._log.warning("%s: the engine's backlog is full", self._name)

    def _pay(self) -> None:
        while self._owed:
            subject = next(iter(self._owed))
            self._emit(self._owed[subject])
            del self._owed[subject]
