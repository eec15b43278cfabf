"""A small HTTP/1.1 server for people and scrapers on one machine: bytes by h11, answers by others.

    accept ─▶ room? ─▶ head in time? ─▶ GET or HEAD? ─▶ Host? ─▶ answer ─▶ whole ─▶ next request
                │           │                │            │         └────▶ live: until either ends
               503      408, 431            405          403

It only gives, so a request with a body is refused. Whoever is slow costs a connection for a
bounded time, and nobody else anything: heads have a deadline and a size, answers a deadline, and of
a live answer each piece has one. There are no more than `CONNECTIONS` at a time.

A loopback address keeps out other machines, and not the pages that a browser on this one shows:
such a page may have its own name lead to 127.0.0.1, and then reads what it likes. So requests have
to come by an address or as `localhost`, by no other name.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

import h11
import trio

CONNECTIONS = 64
"""At a time; one more is answered 503 and closed."""

LONGEST_HEAD = 16_384
"""Bytes of a request's head."""

HEAD_WITHIN = 30.0
"""Seconds, before scale, that a connection may take until the head of its next request is there."""

SENT_WITHIN = 10.0
"""Seconds, before scale, for an answer, or for a piece of one that is live."""

_CHUNK = 65_536
_METHODS = frozenset({"GET", "HEAD"})
_PORT = re.compile(r":[0-9]{0,5}\Z")

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
CLOSED = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of whatever is no page: nothing at all."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    path: str
    query: str
    headers: Mapping[str, str]
    """By their names in small letters; of several with one name the last."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to it."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    live: "Live | None" = None
    """Sends an answer that goes on, piece by piece; then there is no body."""
    policy: str = CLOSED
    """Its Content-Security-Policy."""
    cache: str = "no-store"


Live = Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]
"""Sends pieces by what it is handed; that raises where the client takes none any more."""

Answers = Callable[[Request], Awaitable[Answer]]
"""Answers a request; what it raises is a bug."""


def refusal(status: int, why: str, *headers: tuple[str, str]) -> Answer:
    """Make an answer that says no."""
    return Answer(status, f"{why}\n".encode(), headers=headers)


def led_here(host: str) -> bool:
    """Tell whether a Host header names this machine in a way that no stranger's page can."""
    name = _PORT.sub("", host.strip().lower())
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


@dataclass(slots=True, eq=False)
class Door:
    """Serves connections.

    Args:
        answers: Answers requests.
        any_host: Whether requests may come by any name: of an address that others reach anyway.
        log: For bugs.
        scale: Multiplies every deadline.
    """

    answers: Answers
    any_host: bool
    log: logging.Logger
    scale: float = 1.0
    _open: int = field(default=0, init=False)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends; closes the stream, never raises."""
        self._open += 1
        try:
            await _Connection(self, stream).run(full=self._open > CONNECTIONS)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away
        except Exception:
            self.log.exception("http: a bug has ended a connection, please report it")
        finally:
            self._open -= 1
            await trio.aclose_forcefully(stream)

    async def answer(self, head: h11.Request) -> Answer:
        """Answer a request's head."""
        method = head.method.decode("ascii")
        headers = {name.decode("ascii"): text.decode("latin-1") for name, text in head.headers}
        if method not in _METHODS:
            return refusal(
                405, "only GET and HEAD: nothing can be changed here", ("Allow", "GET, HEAD")
            )
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return refusal(413, "no request here has a body")
        if not self.any_host and not led_here(headers.get("host", "")):
            return refusal(403, "ask by address or as localhost: other names are not answered here")
        path, _, query = head.target.decode("latin-1").partition("?")
        try:
            return await self.answers(Request(path, query, headers))
        except Exception:
            self.log.exception("http: %s cannot be answered; this is a bug, please report it", path)
            return refusal(500, "a bug: the log says more")


class _Connection:
    """One client, from its first request to its last."""

    def __init__(self, door: Door, stream: trio.abc.Stream) -> None:
        self._door = door
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)

    async def run(self, *, full: bool) -> None:
        """Answer request after request."""
        if full:
            await self._say(refusal(503, "too many connections", ("Retry-After", "5")), last=True)
            return
        while True:
            head = await self._next_head()
            if head is None:
                return
            answer = await self._door.answer(head)
            body = head.method != b"HEAD"
            await self._say(answer, body=body, last=answer.status in {405, 413})
            if answer.live is not None and body:
                await answer.live(self._send_piece)
                await self._send(self._h11.send(h11.EndOfMessage()) or b"")
            if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                return
            self._h11.start_next_cycle()

    async def _next_head(self) -> h11.Request | None:
        """Receive the head of a request; None where there are no more, or none that is whole."""
        with trio.move_on_after(HEAD_WITHIN * self._door.scale):
            try:
                head = await self._event()
                if not isinstance(head, h11.Request):
                    return None
                # Its end is there with it, unless it has a body: that is refused unread.
                if self._h11.their_state is h11.SEND_BODY and not _has_body(head):
                    await self._event()
            except h11.RemoteProtocolError as exc:
                status = exc.error_status_hint
                await self._say(refusal(status, "this is no request that is read here"), last=True)
                return None
            return head
        if self._h11.trailing_data[0]:
            await self._say(refusal(408, "the request did not come in time"), last=True)
        return None

    async def _event(self) -> object:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._h11.receive_data(bytes(await self._stream.receive_some(_CHUNK)))

    async def _say(self, answer: Answer, *, body: bool = True, last: bool = False) -> None:
        """Send an answer, or the head of a live one."""
        if self._h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        headers = [
            ("Content-Type", answer.kind),
            ("Cache-Control", answer.cache),
            ("Content-Security-Policy", answer.policy),
            *_ALWAYS,
            *answer.headers,
        ]
        if answer.live is None:
            headers.append(("Content-Length", str(len(answer.body))))
        if last or answer.live is not None:
            headers.append(("Connection", "close"))
        data = self._h11.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if answer.live is None or not body:
            if body:
                data += self._h11.send(h11.Data(data=answer.body)) or b""
            data += self._h11.send(h11.EndOfMessage()) or b""
        await self._send(data)

    async def _send_piece(self, piece: bytes) -> None:
        await self._send(self._h11.send(h11.Data(data=piece)) or b"")

    async def _send(self, data: bytes) -> None:
        with trio.move_on_after(SENT_WITHIN * self._door.scale) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            raise trio.BrokenResourceError("the client takes nothing")


def _has_body(head: h11.Request) -> bool:
    names = {bytes(name) for name, value in head.headers if value != b"0"}
    return bool(names & {b"content-length", b"transfer-encoding"})
