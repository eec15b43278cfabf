"""One Binance USDⓈ-M account's life, in one nursery.

    ApiLine ──────── requests, clock, key
       ├─ UserStream ── events as they happen ──┐
       └─ Polls ─────── everything, regularly ──┴─▶ emit ─▶ the engine

First the user data socket, then the first poll; after every reconnect a full poll. This never
trades and has no method that could; it never stops a listen key.
"""

import logging
import random
from collections.abc import Callable
from typing import NoReturn

import trio

from monitor.binance import translate, wire
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.binance.polls import Polls
from monitor.binance.signing import Signer
from monitor.binance.surroundings import Surroundings
from monitor.binance.user_stream import UserStream
from monitor.core.events import (
    AccountStarted,
    Event,
    KeyWasAccepted,
    KeyWasRejected,
    Now,
    PollAnswered,
    UserStreamFell,
    UserStreamStood,
)
from monitor.errors import ConnectionLost, KeyRejected
from monitor.quarantine import Quarantine


class UsdmAccount:
    """Watches one account and hands over what happens.

    Args:
        name: The account, as configured.
        signer: Names its key, and signs.
        ws_api: URL of the WebSocket API.
        streams: Base URL of the streams.
        rest: Base URL of REST.
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
    """

    def __init__(
        self,
        *,
        name: str,
        signer: Signer,
        ws_api: str,
        streams: str,
        rest: str,  # noqa: ARG002
        poll_interval: float,
        dial: Dial,
        emit: Callable[[Event], None],
        now: Callable[[], Now],
        quarantine: Quarantine,
        scale: float = 1.0,
        rng: random.Random,
        log: logging.Logger,
        budget: Budget | None = None,
    ) -> None:
        self._name, self._emit, self._now, self._log = name, emit, now, log
        self._seq = 0
        self._owed: dict[str, Event] = {}
        self.budget = budget or Budget(now=now)
        """The gate, with the weight that the exchange has counted."""
        around = Surroundings(name, dial, now, self.budget, quarantine, rng, log, scale)
        self._line = ApiLine(
            ws_api,
            signer=signer,
            around=around,
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
            on_stood=lambda: self._owe("stream", UserStreamStood(name)),
            on_fell=lambda why: self._owe("stream", UserStreamFell(name, why)),
        )
        self._polls = Polls(
            interval_s=poll_interval,
            line=self._line,
            around=around,
            handed_over=lambda: self._seq,
            answered=self._on_poll,
            subscribed=self._stream.tried,
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
        return self._line.trouble

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Watch the account; until cancelled. `started` at once: connecting may take hours."""
        self._owe("start", AccountStarted(self._name))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._line.run)
            nursery.start_soon(self._stream.run)
            nursery.start_soon(self._polls.run)
            task_status.started()
            await trio.sleep_forever()

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

    def _on_poll(self, answer: PollAnswered) -> None:
        try:
            self._pay()
            self._emit(answer)
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
