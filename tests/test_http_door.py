"""Connections over loopback: what is answered, to whom, and what a bad client costs."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from monitor.app.http import door
from monitor.app.http.door import Answer, Door, Request, led_here

LOG = logging.getLogger("marginwatch")
HOST = b"Host: 127.0.0.1\r\n"
Send = Callable[[bytes], Awaitable[None]]


class Hall:
    """A door with something behind it."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.ended = trio.Event()
        self.port = 0

    async def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        await trio.lowlevel.checkpoint()
        match request.path:
            case "/bug":
                raise ValueError("of a page")
            case "/flood":
                return Answer(kind="text/event-stream", live=self._flood)
            case "/count":
                return Answer(kind="text/event-stream", live=self._count)
            case _:
                return Answer(body=f"{request.path} {request.query}".encode())

    async def _flood(self, send: Send) -> None:
        try:
            while True:
                await send(b"x" * 100_000)
        finally:
            self.ended.set()

    async def _count(self, send: Send) -> None:
        for number in (b"1", b"2"):
            await send(number)

    async def ask(self, text: bytes) -> bytes:
        """Say something, and read until the other side closes."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream:
            await stream.send_all(text)
            return await read(stream)


async def read(stream: trio.SocketStream) -> bytes:
    """Read to the end; a reset is one, too."""
    found = b""
    with suppress(trio.BrokenResourceError):
        while piece := await stream.receive_some(65_536):
            found += piece
    return found


@asynccontextmanager
async def hall(*, any_host: bool = False, scale: float = 1.0) -> AsyncIterator[Hall]:
    behind = Hall()
    serve = Door(behind.answer, any_host=any_host, log=LOG, scale=scale).serve
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            behind.port = listeners[0].socket.getsockname()[1]
            await nursery.start(trio.serve_listeners, serve, listeners)
            yield behind
            nursery.cancel_scope.cancel("the test is over")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_request_after_request_on_one_connection() -> None:
    async with hall() as behind:
        answer = await behind.ask(
            b"GET /a?b=1 HTTP/1.1\r\n" + HOST + b"\r\n"
            b"HEAD /c HTTP/1.1\r\n" + HOST + b"\r\n"
            b"GET /d HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        )
    first, second, third, body = answer.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"/a b=1HTTP/1.1 200")
    assert b"Content-Length: 3" in second, "of the body that HEAD leaves out"
    assert third.startswith(b"HTTP/1.1 200")
    assert body == b"/d "
    for head in (first, second, third):
        assert b"X-Content-Type-Options: nosniff" in head
        assert b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'" in head
        assert b"Cache-Control: no-store" in head
    assert [request.path for request in behind.asked] == ["/a", "/c", "/d"]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"])
async def test_nothing_can_be_done_but_look(method: bytes) -> None:
    async with hall() as behind:
        answer = await behind.ask(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status(answer) == 405
        assert b"Allow: GET, HEAD" in answer
        assert behind.asked == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n", 413, id="a body"),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", 413, id="chunks"
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"hello\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431, id="an endless head"),
        pytest.param(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n", 200, id="HTTP/1.0"),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nConnection: close\r\n\r\n",
            200,
            id="an empty body",
        ),
    ],
)
async def test_what_is_refused(text: bytes, expected: int) -> None:
    async with hall() as behind:
        assert status(await behind.ask(text)) == expected


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1:9187", True),
        ("localhost", True),
        ("LocalHost:80", True),
        ("page.localhost:9187", True),
        ("[::1]:9187", True),
        ("192.168.1.7:9187", True),
        ("evil.example", False),
        ("evil.example:9187", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
async def test_by_which_names_it_answers(host: str, here: bool) -> None:  # noqa: FBT001 - a table
    assert led_here(host) is here
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    async with hall() as behind:
        assert status(await behind.ask(request)) == (200 if here else 403)
    async with hall(any_host=True) as behind:
        assert status(await behind.ask(request)) == 200


async def test_a_bug_in_a_page_costs_that_answer_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with hall() as behind:
        answer = await behind.ask(
            b"GET /bug HTTP/1.1\r\n" + HOST + b"\r\n"
            b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        )
    assert status(answer) == 500
    assert answer.endswith(b"/a ")
    assert [record.message for record in caplog.records] == [
        "http: /bug cannot be answered; this is a bug, please report it"
    ]


async def test_who_dawdles_is_sent_away() -> None:
    async with hall(scale=0.01) as behind:  # 0.3 s for a head
        assert await behind.ask(b"") == b"", "who says nothing is told nothing"
        assert status(await behind.ask(b"GET / HTTP/1.1\r\nHost: 127")) == 408


async def test_a_live_answer_ends_by_itself_and_has_no_body_for_head() -> None:
    async with hall() as behind:
        answer = await behind.ask(b"GET /count HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.endswith(b"\r\n\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n"), "in chunks, one each"
        answer = await behind.ask(b"HEAD /count HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.endswith(b"\r\n\r\n")
        assert status(answer) == 200


async def test_who_reads_nothing_of_a_live_answer_is_dropped() -> None:
    async with hall(scale=0.03) as behind:
        stream = await trio.open_tcp_stream("127.0.0.1", behind.port)
        async with stream:
            await stream.send_all(b"GET /flood HTTP/1.1\r\n" + HOST + b"\r\n")
            await behind.ended.wait()
        assert status(await behind.ask(b"GET /a HTTP/1.0\r\n" + HOST + b"\r\n")) == 200


async def test_who_goes_away_in_the_middle_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with hall() as behind:
        stream = await trio.open_tcp_stream("127.0.0.1", behind.port)
        await stream.send_all(b"GET /flood HTTP/1.1\r\n" + HOST + b"\r\n")
        await stream.receive_some(1)
        await trio.aclose_forcefully(stream)
        await behind.ended.wait()
        assert status(await behind.ask(b"GET /a HTTP/1.0\r\n" + HOST + b"\r\n")) == 200
    assert caplog.records == []


async def test_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "CONNECTIONS", 3)
    async with hall() as behind:
        held = [await trio.open_tcp_stream("127.0.0.1", behind.port) for _ in range(3)]
        for stream in held:  # answered, and kept open: they are served, not only accepted
            await stream.send_all(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
            assert status(await stream.receive_some(1000)) == 200
        answer = await behind.ask(b"")
        assert status(answer) == 503
        assert b"Retry-After: 5" in answer
        await held.pop().aclose()
        while True:  # the other side learns of it a moment later
            answer = await behind.ask(b"GET /a HTTP/1.0\r\n" + HOST + b"\r\n")
            if answer and status(answer) == 200:
                break
        for stream in held:
            await stream.aclose()
