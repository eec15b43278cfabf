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
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import trio

from monitor.binance import wire_api
from monitor.binance.budget import Budget, banned_until, limit_status
from monitor.binance.link import Socket
from monitor.binance.signing import Params, Signer
from monitor.binance.wire import without_keys
from monitor.core.events import Now
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected, MonitorError
from monitor.quarantine import Quarantine

DEADLINE = 10.0
"""Seconds that an answer may take, before scale."""

RECV_WINDOW = 5000
"""Milliseconds that a signed request is good for, before scale; Binance's own default."""

_CLOCK = -1021
_SIGNATURE = -1022
_KEY_CODES = frozenset({-2014, -2015, -2017})


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
    """The exchange ends the session: an error without an id, or its own shutdown."""

    error: MonitorError


class Requests:
    """Which question an answer belongs to; sans I/O.

    Answers may come in any order, twice, or for nobody.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._pending: dict[int, str] = {}
        self.weight: tuple[int, int] | None = None
        """(count, limit) of the address in the running minute, by the last answer that told."""

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
        self.weight = wire_api.minute_weight(frame.rate_limits) or self.weight
        if frame.event is not None:
            return [SessionOver(ConnectionLost("the exchange shuts this server down"))]
        if frame.id is None and frame.error is not None:
            return [SessionOver(refusal("session", frame))]
        if not isinstance(frame.id, int) or frame.id not in self._pending:
            return []
        method = self._pending.pop(frame.id)
        if frame.error is not None:
            return [Answer(frame.id, method, error=refusal(method, frame))]
        if frame.has_result:
            return [Answer(frame.id, method, result=frame.result)]
        garbled = FrameGarbled(f"{method}: neither `result` nor `error` is there")
        return [Answer(frame.id, method, error=garbled)]

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


def refusal(method: str, frame: wire_api.ApiAnswer) -> ExchangeRefused:
    """Make an exception of an error answer; the code decides, not the status.

    Source:
        docs/protocol.md §7.4.
    """
    error = frame.error or wire_api.ApiError()
    told = error.data.retry_after if error.data is not None else None
    retry_at = told if told is not None else banned_until(error.message)
    kind = KeyRejected if error.code in _KEY_CODES else ExchangeRefused
    return kind(method, frame.status, error.code, error.message, retry_at)


class _Waiter:
    """One call that waits."""

    def __init__(self) -> None:
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
        log: For what goes wrong without ending anything.
        scale: Multiplies deadlines and recvWindow.
        offset: The exchange's clock minus ours, ms, until it is measured.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        signer: Signer,
        now: Callable[[], Now],
        budget: Budget,
        quarantine: Quarantine,
        log: logging.Logger,
        scale: float = 1.0,
        offset: int = 0,
    ) -> None:
        self._socket = socket
        self._signer = signer
        self._now = now
        self._budget = budget
        self._quarantine = quarantine
        self._log = log
        self._deadline = DEADLINE * scale
        self._recv_window = round(RECV_WINDOW * scale)
        self._requests = Requests()
        self._waiting: dict[int, _Waiter] = {}
        self._over: MonitorError | None = None
        self._heard = 0  # frames
        self._deaf = trio.Event()
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
        if self._requests.weight is not None:
            self._budget.counted(*self._requests.weight)
        for answer in answers:
            if isinstance(answer, SessionOver):
                self._note_limits(answer.error)
                self._over = answer.error
                raise ConnectionLost(f"{self._socket.name}: {self._plain(answer.error)}")
            self._hand_over(answer)

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

    async def call(self, method: str, params: Params | None = None, *, signed: bool) -> object:
        """Ask, and wait for the answer.

        Args:
            method: As Binance names it.
            params: The method's own parameters.
            signed: Whether it is signed; otherwise it only names the key.

        Returns:
            The `result`, as it came.

        Raises:
            ExchangeRefused: The exchange said no.
            KeyRejected: … to this key.
            FrameGarbled: Its answer has neither result nor error.
            ConnectionLost: There will be no answer.
        """
        try:
            return await self._ask(method, params or {}, signed=signed)
        except ExchangeRefused as refused:
            if not signed or refused.code not in {_CLOCK, _SIGNATURE}:
                raise
        # A clock that ran away looks like either: measured anew, and asked once more.
        await self.measure_clock()
        try:
            return await self._ask(method, params or {}, signed=True)
        except ExchangeRefused as refused:
            if refused.code == _SIGNATURE:
                raise KeyRejected(method, refused.status, refused.code, refused.message) from None
            raise

    async def measure_clock(self) -> int:
        """Measure how far the exchange's clock is ahead of ours, by the middle of the way there.

        Returns:
            `offset`, milliseconds.
        """
        sent = self._now().utc
        server = wire_api.read_time(await self._ask("time", None, signed=False))
        self.offset = server - (sent + self._now().utc) // 2
        return self.offset

    async def _ask(self, method: str, params: Params | None, *, signed: bool) -> object:
        if (seconds := self._budget.closed_for) > 0:
            raise ExchangeRefused(method, 0, 0, f"not asked: limits forbid it for {seconds:.0f} s")
        if self._over is not None:
            raise ConnectionLost(f"{method}: the socket went away")
        number, text = self._requests.request(method, self._complete(params, signed=signed))
        waiter = self._waiting[number] = _Waiter()
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
            raise self._redacted(waiter.answer.error)
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
            seconds = self._budget.refused(status, retry_at=error.retry_at, offset=self.offset)
            word = "banned" if status == 418 else "asked to slow down"
            self._log.error("%s: %s; silent for %.0f s", self._socket.name, word, seconds)

    def _redacted(self, error: MonitorError) -> MonitorError:
        """Take the key out of Binance's words, should they ever quote it."""
        if isinstance(error, ExchangeRefused) and self._signer.api_key in error.message:
            message = error.message.replace(self._signer.api_key, "…")
            return type(error)(error.method, error.status, error.code, message, error.retry_at)
        return error

    def _plain(self, error: MonitorError) -> str:
        return str(self._redacted(error))
