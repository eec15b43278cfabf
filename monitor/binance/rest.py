"""Binance's REST: one GET, one answer, over a stream of our own making.

For what the WebSocket API does not have: brackets, asset prices, forced orders of the past, key
permissions. Each request has a connection of its own, so that a cancelled one leaves nothing behind
and a story in virtual time is the same each time; they are few. `dial` does TLS, so that this runs
over the simulator's memory streams too. Redirects are not followed, cookies are not kept.

What an answer becomes:

    JSON, HTTP 200               the result; numbers with a fraction as their text
    JSON with `code`             ExchangeRefused, KeyRejected: as `ws_api` tells them apart
    429, 418                     ExchangeRefused; the budget's gate closes
    not JSON, HTTP 200           FrameGarbled
    not JSON, any other status   HttpRefused: somebody in between, or an exchange that is down

No text shows a query: it holds a signature.
"""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import trio

from monitor.binance import wire_api, wire_rest
from monitor.binance.budget import Budget, Rank
from monitor.binance.codes import BAD_FORMAT, CLOCK, KEY_CODES, SIGNATURE
from monitor.binance.ends import Cause, LinkLost, cause_of, reason_of
from monitor.binance.gate import banned_until, limit_status
from monitor.binance.link import Dial
from monitor.binance.signing import RECV_WINDOW, Params, Signer, rest_payload
from monitor.binance.words import plain_words
from monitor.core.events import Now
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected
from monitor.fetch import LARGEST, NotHttpError, Reply, TooLargeError, get

DEADLINE = 10.0
"""Seconds for dial, request and answer together, before scale."""

_SENDABLE = re.compile(r"[!-~]+")
_BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class HttpRefused(ConnectionLost):
    """Something answered that is not the exchange's API, or an API that is down.

    Args:
        text: Which request, and the status.
        status: The HTTP status, not 200.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Rest:
    """One account's door to a REST base; between two requests it holds nothing.

    Args:
        base: URL without a path behind it, `https://` or `http://`.
        name: What errors call it.
        signer: Signs, and names the key; None where nothing signed is asked.
        dial: Makes the stream, TLS included.
        now: Our clock.
        budget: The gate before every request; None where the weight is not fapi's (sapi has a
            count of its own).
        offset: Gives the exchange's clock minus ours, milliseconds.
        scale: Multiplies the deadline and recvWindow.
        time_path: Where this base tells its time.
    """

    def __init__(
        self,
        base: str,
        *,
        name: str,
        signer: Signer | None,
        dial: Dial,
        now: Callable[[], Now],
        budget: Budget | None,
        offset: Callable[[], int] = lambda: 0,
        scale: float = 1.0,
        time_path: str = "/fapi/v1/time",
    ) -> None:
        parts = urlsplit(base)
        self._base = base
        self._prefix = parts.path.rstrip("/")
        self._host = parts.netloc.rpartition("@")[2]
        self._where = f"{name} ({parts.hostname})"
        self._signer = signer
        self._dial = dial
        self._now = now
        self._budget = budget
        self._offset = offset
        self._deadline = DEADLINE * scale
        self._recv_window = round(RECV_WINDOW * scale)
        self._time_path = time_path

    def __repr__(self) -> str:
        return f"Rest({self._where!r})"

    async def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        signed: bool = False,
        weight: int = 1,
        rank: Rank = Rank.REFERENCE,
    ) -> object:
        """Ask, and wait for the answer.

        Args:
            path: As Binance names it, from the slash.
            params: The request's own parameters, in the order in which they are sent.
            signed: Whether it is signed; otherwise the key is not even named.
            weight: As documented for the request.
            rank: Whom it may pass in the queue for weight.

        Returns:
            The JSON; a number with a fraction comes as its text, so that 0.0065 stays exact.

        Raises:
            ExchangeRefused: The exchange said no.
            KeyRejected: … to this key.
            FrameGarbled: An answer that is not JSON.
            ConnectionLost: There will be no answer; `LinkLost` and `HttpRefused` know more.
        """
        offset = self._offset()
        try:
            return await self._ask(path, params, weight, rank, offset if signed else None)
        except ExchangeRefused as refused:
            if not signed or refused.code not in {CLOCK, SIGNATURE}:
                raise
        # A clock that ran away looks like either: measured anew, and asked once more.
        offset = await self.measure_clock(rank=rank)
        try:
            return await self._ask(path, params, weight, rank, offset)
        except ExchangeRefused as refused:
            if refused.code == SIGNATURE:
                raise KeyRejected(
                    refused.method, refused.status, refused.code, refused.message
                ) from None
            raise

    async def measure_clock(self, *, rank: Rank = Rank.REFERENCE) -> int:
        """Measure how far the exchange's clock is ahead of ours, by the middle of the way there.

        Returns:
            Milliseconds; nothing else here goes by it.
        """
        if self._budget is not None:
            await self._budget.take(1, rank=rank)  # before the clock is read: it may take long
        sent = self._now().utc
        server = wire_api.read_time(await self._send(self._time_path, {}, None))
        return server - (sent + self._now().utc) // 2

    async def _ask(
        self, path: str, params: Params | None, weight: int, rank: Rank, offset: int | None
    ) -> object:
        if self._budget is not None:
            await self._budget.take(weight, rank=rank)
        return await self._send(path, params or {}, offset)

    async def _send(self, path: str, params: Params, offset: int | None) -> object:
        """Ask once; signed if there is an offset."""
        asked_at = self._now().ticks
        target, headers = self._worded(path, params, offset)
        reply = await self._exchange(path, target, headers)
        self._note_weight(reply, asked_at)
        return self._read(f"GET {path}", reply, self._offset() if offset is None else offset)

    def _worded(
        self, path: str, params: Params, offset: int | None
    ) -> tuple[str, list[tuple[str, str]]]:
        """Write a request; signed if it has an offset."""
        headers = [
            ("Host", self._host),
            ("Accept", "application/json"),
            ("User-Agent", "marginwatch"),
            ("Connection", "close"),
        ]
        query = rest_payload(params)
        if offset is not None:
            if self._signer is None:
                raise AssertionError("a signed request was asked of a door without a signer")
            if not _SENDABLE.fullmatch(self._signer.api_key):
                raise KeyRejected(f"GET {path}", 0, BAD_FORMAT, "no header can hold this key")
            headers.append(("X-MBX-APIKEY", self._signer.api_key))
            query = self._signer.rest_query(
                params, timestamp=self._now().utc + offset, recv_window=self._recv_window
            )
        return self._prefix + path + (f"?{query}" if query else ""), headers

    async def _exchange(self, path: str, target: str, headers: list[tuple[str, str]]) -> Reply:
        """Make a connection, send, receive everything, drop it; within the deadline."""
        with trio.move_on_after(self._deadline):
            try:
                stream = await self._dial(self._base)
                try:
                    return await get(stream, target, headers)
                finally:
                    await trio.aclose_forcefully(stream)
            except TooLargeError:
                raise FrameGarbled(f"GET {path}: an answer over {LARGEST >> 20} MiB") from None
            except NotHttpError as fault:
                raise self._lost("its answer is not HTTP", Cause.NO_WEBSOCKET) from fault
            except _BROKEN as fault:
                raise self._lost(reason_of(fault), cause_of(fault)) from fault
        raise self._lost(f"no answer to GET {path} for {self._deadline:g} s", Cause.TIMED_OUT)

    def _lost(self, why: str, cause: Cause) -> LinkLost:
        return LinkLost(f"{self._where}: {why}", cause)

    # What came back

    def _note_weight(self, reply: Reply, asked_at: int) -> None:
        used = reply.whole_number(b"x-mbx-used-weight-1m")
        if self._budget is not None and used is not None:
            self._budget.counted(used, asked_at=asked_at)

    def _read(self, method: str, reply: Reply, offset: int) -> object:
        data = _json(reply.body)
        if reply.status == HTTPStatus.OK:
            if data is None:
                raise FrameGarbled(f"{method}: is not JSON")
            return data
        refused = self._refusal(method, reply, data, offset)
        if refused is None:
            what = f"{self._where}: {method} was refused with HTTP {reply.status}"
            raise HttpRefused(what, reply.status)
        self._note_limits(refused, offset)
        raise refused

    def _refusal(
        self, method: str, reply: Reply, data: object, offset: int
    ) -> ExchangeRefused | None:
        """Make an exception of an error answer; None where the exchange did not word it."""
        error = wire_rest.read_error(data)
        if error is None:
            if limit_status(reply.status, 0, "") is None:
                return None
            error = wire_api.ApiError()
        message = plain_words(error.message, self._signer.api_key if self._signer else "")
        told = error.data.retry_after if error.data is not None else None
        retry_at = told if told is not None else banned_until(error.message)
        seconds = reply.whole_number(b"retry-after")
        if retry_at is None and seconds is not None:
            retry_at = self._now().utc + offset + seconds * 1000
        kind = KeyRejected if error.code in KEY_CODES else ExchangeRefused
        return kind(method, reply.status, error.code, message, retry_at)

    def _note_limits(self, refused: ExchangeRefused, offset: int) -> None:
        """Close the gate where a refusal is about limits."""
        status = limit_status(refused.status, refused.code, refused.message)
        if self._budget is not None and status is not None:
            self._budget.refused(
                status, retry_at=refused.retry_at, offset=offset, message=refused.message
            )


def _json(body: bytes) -> object:
    """Read JSON; None where it is none. Fractions stay the text that they are."""
    try:
        return json.loads(body, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(word: str) -> object:
    raise ValueError(word)  # NaN and the like are no JSON
