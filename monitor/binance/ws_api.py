"""Questions and answers over one socket of Binance's WebSocket API.

`Requests` is the correlation alone, without any I/O: text in, answers out. `ApiSocket` carries
text between it and a socket, signs, and gives each call a deadline of its own.

What a refusal becomes:

    limits (429, 418, −1003)     ExchangeRefused; the budget's gate closes
    clock (−1021)                the clock is measured anew, one more try, then ExchangeRefused
    signature (−1022)            the same, then KeyRejected
    key (−2014, −2015, −2017)    KeyRejected
    `id` null                    the session is over: every question is answered with it
    anything else                ExchangeRefused
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import trio

from monitor.binance import wire_api
from monitor.binance.budget import Budget, Rank
from monitor.binance.codes import CLOCK, KEY_CODES, SIGNATURE
from monitor.binance.gate import banned_until, limit_status
from monitor.binance.link import Socket
from monitor.binance.server_clock import ServerClock
from monitor.binance.signing import RECV_WINDOW, Params, Signer
from monitor.binance.wire import without_keys
from monitor.binance.words import plain_words
from monitor.core.events import Now
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected, MonitorError
from monitor.quarantine import Quarantine

DEADLINE = 10.0
"""Seconds that an answer may take, before scale."""

WEIGHTS = {
    "v2/account.position": 5,
    "v2/account.status": 5,
    "account.position": 10,
    "account.status": 10,
    "account.balance": 10,
}
"""What a request costs where it is more than 1 (docs/protocol.md §6; v1 by the dearer of two)."""


class AnswerMissing(ConnectionLost):
    """One question was not answered, though its socket lives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request: a result, or the error that it ended in."""

    id: int
    method: str
    result: object = None
    error: MonitorError | None = None


@dataclass(frozen=True, slots=True)
class SessionOver:
    """The exchange ends the session: an error without an id."""

    error: MonitorError


class Requests:
    """Which question an answer belongs to; sans I/O.

    Answers may come in any order, twice, or for nobody.

    Args:
        secrets: What an error's words must not show, should they quote what was asked.
    """

    def __init__(self, *secrets: str) -> None:
        self._secrets = secrets
        self._ids = itertools.count(1)
        self._pending: dict[int, str] = {}
        self.weight: tuple[int, int] | None = None
        """(count, limit) of the address in the running minute, if the last answer told."""
        self.shuts_down = False
        """Whether the exchange has said that this server closes in some minutes."""

    @property
    def pending(self) -> int:
        """How many questions wait for their answers."""
        return len(self._pending)

    def request(self, method: str, params: Params) -> tuple[int, str]:
        """Begin a question.

        Returns:
            Its id, and the text to send.
        """
        number = next(self._ids)
        self._pending[number] = method
        question = {"id": number, "method": method, "params": dict(params)}
        return number, json.dumps(question, separators=(",", ":"))

    def forget(self, number: int) -> None:
        """Give a question up; a late answer is for nobody."""
        self._pending.pop(number, None)

    def receive(self, text: str) -> list[Answer | SessionOver]:
        """Read one frame.

        Raises:
            FrameGarbled: It is no answer at all.
        """
        frame = wire_api.parse_answer(text)
        self.weight = wire_api.minute_weight(frame.rate_limits)
        self.shuts_down = self.shuts_down or frame.shuts_down
        if frame.id is None and frame.error is not None:
            return [SessionOver(self._refusal("session", frame))]
        if not isinstance(frame.id, int) or frame.id not in self._pending:
            return []
        method = self._pending.pop(frame.id)
        if frame.error is not None:
            return [Answer(frame.id, method, error=self._refusal(method, frame))]
        if frame.has_result:
            return [Answer(frame.id, method, result=frame.result)]
        garbled = FrameGarbled(f"{method}: neither `result` nor `error` is there")
        return [Answer(frame.id, method, error=garbled)]

    def _refusal(self, method: str, frame: wire_api.ApiAnswer) -> ExchangeRefused:
        """Make an exception of an error answer; the code decides, not the status.

        Source:
            docs/protocol.md §7.4.
        """
        error = frame.error or wire_api.ApiError()
        told = error.data.retry_after if error.data is not None else None
        retry_at = told if told is not None else banned_until(error.message)
        kind = KeyRejected if error.code in KEY_CODES else ExchangeRefused
        words = plain_words(error.message, *self._secrets)
        return kind(method, frame.status, error.code, words, retry_at)

    def lost(self) -> list[Answer]:
        """End every open question: the socket is gone.

        Returns:
            What was open, each with the error that ends it.
        """
        gone = [
            Answer(number, method, error=ConnectionLost(f"{method}: the socket went away"))
            for number, method in self._pending.items()
        ]
        self._pending.clear()
        return gone


class _Waiter:
    """One call that waits."""

    def __init__(self, asked_at: int) -> None:
        self.asked_at = asked_at
        self.done = trio.Event()
        self.answer: Answer | None = None


class ApiSocket:
    """One session of the WebSocket API; lives as long as its socket.

    Args:
        socket: Open, and read by nobody else.
        signer: Signs, and names the key.
        now: Our clock.
        budget: The gate before every request.
        quarantine: Takes frames that cannot be read.
        scale: Multiplies deadlines and recvWindow.
        offset: The exchange's clock minus ours, ms, until it is measured.
        clock: Where the exchange's clock is asked for.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        signer: Signer,
        now: Callable[[], Now],
        budget: Budget,
        quarantine: Quarantine,
        scale: float = 1.0,
        offset: int = 0,
        clock: ServerClock,
    ) -> None:
        self._socket = socket
        self._signer = signer
        self._now = now
        self._budget = budget
        self._quarantine = quarantine
        self._deadline = DEADLINE * scale
        self._recv_window = round(RECV_WINDOW * scale)
        self._clock = clock
        self._requests = Requests(signer.api_key)
        self._waiting: dict[int, _Waiter] = {}
        self._over: MonitorError | None = None
        self._heard = 0  # frames
        self._deaf = trio.Event()
        self.ending = trio.Event()
        """Set when the exchange has said that this server closes in some minutes."""
        self.offset = offset
        """The exchange's clock minus ours, milliseconds."""

    async def run(self) -> NoReturn:
        """Carry answers to those who asked; until the socket is lost, or cancelled.

        Raises:
            ConnectionLost: The socket is gone, deaf, or the exchange ended the session.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_when_deaf)
                while True:
                    self._receive(await self._socket.receive())
        finally:
            self._end()

    async def _end_when_deaf(self) -> NoReturn:
        await self._deaf.wait()
        raise ConnectionLost(f"{self._socket.name}: no answer for {self._deadline:g} s")

    def _receive(self, text: str) -> None:
        self._heard += 1
        try:
            answers = self._requests.receive(text)
        except FrameGarbled as fault:
            self._quarantine.keep(self._socket.name, without_keys(text), str(fault))
            return
        self._note_weight(answers)
        if self._requests.shuts_down:
            self.ending.set()
        for answer in answers:
            if isinstance(answer, SessionOver):
                self._note_limits(answer.error)
                self._over = answer.error
                raise ConnectionLost(f"{self._socket.name}: {answer.error}")
            self._hand_over(answer)

    def _note_weight(self, answers: list[Answer | SessionOver]) -> None:
        """Tell the budget what an answer told, and when it was asked for."""
        for answer in answers:
            waiter = self._waiting.get(answer.id) if isinstance(answer, Answer) else None
            if waiter is not None and self._requests.weight is not None:
                self._budget.counted(*self._requests.weight, asked_at=waiter.asked_at)

    def _hand_over(self, answer: Answer) -> None:
        waiter = self._waiting.pop(answer.id, None)
        if waiter is not None:
            waiter.answer = answer
            waiter.done.set()

    def _end(self) -> None:
        """Answer every open call: with the session's last word, or that the socket went away."""
        self._over = self._over or ConnectionLost(f"{self._socket.name}: the socket went away")
        for answer in self._requests.lost():
            error = self._over if isinstance(self._over, KeyRejected) else answer.error
            self._hand_over(Answer(answer.id, answer.method, error=error))

    async def call(
        self,
        method: str,
        params: Params | None = None,
        *,
        signed: bool,
        rank: Rank = Rank.URGENT,
        paid: bool = False,
    ) -> object:
        """Ask, and wait for the answer.

        Args:
            method: As Binance names it.
            params: The method's own parameters.
            signed: Whether it is signed; otherwise it only names the key.
            rank: Who goes first where the budget is short.
            paid: Whether its weight was taken from the budget already.

        Returns:
            The `result`, as it came.

        Raises:
            ExchangeRefused: The exchange said no.
            KeyRejected: … to this key.
            FrameGarbled: Its answer has neither result nor error.
            ConnectionLost: There will be no answer.
        """
        try:
            return await self._ask(method, params or {}, signed=signed, rank=rank, paid=paid)
        except ExchangeRefused as refused:
            if not signed or refused.code not in {CLOCK, SIGNATURE}:
                raise
        # A clock that ran away looks like either: measured anew, and asked once more.
        await self._measure_anew()
        try:
            return await self._ask(method, params or {}, signed=True, rank=rank)
        except ExchangeRefused as refused:
            if refused.code == SIGNATURE:
                raise KeyRejected(method, refused.status, refused.code, refused.message) from None
            raise

    async def measure_clock(self, *, paid: bool = False) -> int:
        """Measure how far the exchange's clock is ahead of ours, by the middle of the way there.

        Args:
            paid: Whether its weight was taken from the budget already.

        Returns:
            `offset`, milliseconds.

        Raises:
            ExchangeRefused: Neither `time` nor REST tells.
            FrameGarbled: The answer cannot be read.
            ConnectionLost: The socket is lost.
        """

        async def by_time() -> int:
            if not paid:  # before the clock is read: it may take long
                await self._budget.take(1, rank=Rank.URGENT)
            sent = self._now().utc
            server = wire_api.read_time(await self._ask("time", None, signed=False, paid=True))
            return server - (sent + self._now().utc) // 2

        self.offset = self._budget.offset = await self._clock.measure(by_time)
        return self.offset

    async def _measure_anew(self) -> None:
        """Measure the clock once more; where that cannot be, the last measure stands.

        What is refused then is `time`, and not what somebody is waiting for.
        """
        try:
            await self.measure_clock()
        except KeyRejected:
            raise
        except (ExchangeRefused, FrameGarbled):
            return

    async def _ask(
        self,
        method: str,
        params: Params | None,
        *,
        signed: bool,
        rank: Rank = Rank.URGENT,
        paid: bool = False,
    ) -> object:
        if (seconds := self._budget.closed_for) > 0:
            raise ExchangeRefused(method, 0, 0, f"not asked: limits forbid it for {seconds:.0f} s")
        if not paid:
            await self._budget.take(WEIGHTS.get(method, 1), rank=rank)
        if self._over is not None:
            raise ConnectionLost(f"{method}: the socket went away")
        number, text = self._requests.request(method, self._complete(params, signed=signed))
        waiter = self._waiting[number] = _Waiter(self._now().ticks)
        heard = self._heard
        try:
            with trio.move_on_after(self._deadline):
                await self._socket.send(text)
                await waiter.done.wait()
        finally:
            self._waiting.pop(number, None)
            self._requests.forget(number)
        if waiter.answer is None:
            raise self._unanswered(method, heard)
        if waiter.answer.error is not None:
            self._note_limits(waiter.answer.error)
            raise waiter.answer.error
        return waiter.answer.result

    def _complete(self, params: Params | None, *, signed: bool) -> Params:
        if params is None:
            return {}
        if not signed:
            return self._signer.named(params)
        timestamp = self._now().utc + self.offset
        return self._signer.signed(params, timestamp=timestamp, recv_window=self._recv_window)

    def _unanswered(self, method: str, heard: int) -> ConnectionLost:
        """Say that an answer is missing; a socket that said nothing else either is given up."""
        why = f"{self._socket.name}: no answer to {method} for {self._deadline:g} s"
        if self._heard == heard:
            self._deaf.set()
        return AnswerMissing(why)

    def _note_limits(self, error: MonitorError) -> None:
        """Close the gate where a refusal is about limits."""
        if not isinstance(error, ExchangeRefused):
            return
        status = limit_status(error.status, error.code, error.message)
        if status is not None:
            self._budget.refused(
                status, retry_at=error.retry_at, offset=self.offset, message=error.message
            )
