"""One socket and every way it can die, each with the whole sentence that it leaves behind."""

import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
import trustme
from trio.testing import MockClock

from monitor.binance.ends import Cause, LinkLost
from monitor.binance.link import Socket, UpgradeRefused, keep_pinging, make_dial, open_socket
from monitor.errors import ConnectionLost
from tests.binance.peers import frame, read_request, upgrade

Peer = Callable[[trio.abc.Stream], Awaitable[None]]
URL = "ws://fstream.example:9/private/ws?listenKey=hush-hush"
WHERE = "main user data (fstream.example)"


def sends(*parts: bytes, then: Peer | None = None) -> Peer:
    """A peer that upgrades, sends this, and then leaves TCP open (or does as told)."""

    async def peer(stream: trio.abc.Stream) -> None:
        await upgrade(stream)
        for part in parts:
            await stream.send_all(part)
        if then is not None:
            await then(stream)
        else:
            await trio.sleep_forever()

    return peer


def answers(text: bytes, *, hang_up: bool = False) -> Peer:
    """A peer that answers the upgrade with these bytes."""

    async def peer(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(text)
        if hang_up:
            await stream.aclose()
        await trio.sleep_forever()

    return peer


async def hang_up(stream: trio.abc.Stream) -> None:
    await stream.aclose()


async def silent(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def hang_up_at_once(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await stream.aclose()


@asynccontextmanager
async def opened(peer: Peer, *, url: str = URL) -> AsyncGenerator[Socket]:
    """A socket to a peer over memory streams."""
    async with trio.open_nursery() as nursery:

        async def play(stream: trio.abc.Stream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):  # the client may leave at any time
                await peer(stream)

        async def dial(url: str) -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(play, theirs)
            await trio.lowlevel.checkpoint()
            return ours

        try:
            async with open_socket(url, dial=dial, deadline_s=10, name="main user data") as socket:
                yield socket
        finally:
            nursery.cancel_scope.cancel()


async def loss(peer: Peer) -> tuple[float, ConnectionLost]:
    """Open and read until it is lost; when, and how."""
    caught: list[ConnectionLost] = []
    try:
        async with opened(peer) as socket:
            while True:
                await socket.receive()
    except* ConnectionLost as group:
        caught += group.exceptions  # type: ignore[arg-type]  # bare or in the peer's own nursery
    (lost,) = caught
    return round(trio.current_time(), 3), lost


@pytest.mark.parametrize(
    ("peer", "at", "said"),
    [
        pytest.param(silent, 10, "timed out after 10 s while connecting", id="silent peer"),
        pytest.param(hang_up_at_once, 0, "the other side hung up during the handshake", id="FIN"),
        pytest.param(
            answers(b"220 smtp.example ESMTP\r\n\r\n"),
            0,
            "its answer is not a WebSocket's",
            id="garbage",
        ),
        pytest.param(
            answers(b"\x15\x03\x01\x00\x02\x02", hang_up=True),
            0,
            "its answer is not a WebSocket's",
            id="TLS alert",
        ),
        pytest.param(
            answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            0,
            "refused with HTTP 200",
            id="a web server",
        ),
        pytest.param(
            answers(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                b"Content-Length: 6\r\n\r\n<html>"
            ),
            0,
            "a web page (HTTP 200) for an answer",
            id="a proxy's page",
        ),
        pytest.param(
            answers(
                b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n"
                b"Content-Length: 6\r\n\r\n<html>"
            ),
            0,
            "refused with HTTP 403",
            id="a firewall's page",
        ),
        pytest.param(
            answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: nonsense\r\n\r\n"),
            0,
            "its answer is not a WebSocket's",
            id="an upgrade to something else",
        ),
        pytest.param(
            answers(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
            0,
            "refused with HTTP 301",
            id="301",
        ),
        pytest.param(
            answers(b"HTTP/1.1 503 Busy\r\n\r\n", hang_up=True),
            0,
            "refused with HTTP 503",
            id="a status, and gone",
        ),
        pytest.param(
            answers(b"HTTP/1.1 403 No\r\n\r\n"),
            10,
            "refused with HTTP 403",
            id="a body without an end",
        ),
        pytest.param(
            sends(then=hang_up), 0, "the connection broke off (closed 1006)", id="FIN in mid-stream"
        ),
        pytest.param(
            sends(frame(8, b"\x03\xe8")),
            0,
            "closed by the other side (1000)",
            id="Close, TCP left open",
        ),
        pytest.param(
            sends(frame(8, b"\x03\xf0no hush-hush here")),
            0,
            "closed by the other side (1008, 'no … here')",
            id="Close that quotes the URL",
        ),
        pytest.param(
            sends(frame(8, b"\x03\xf0bye")),
            0,
            "closed by the other side (1008, 'bye')",
            id="Close with a reason",
        ),
        pytest.param(
            sends(b"\xff\xff\xff"),
            0,
            "a malformed frame (1002, 'Invalid opcode 0xf')",
            id="malformed frame",
        ),
        pytest.param(
            sends(frame(1, b"\xff\xfe")),
            0,
            "a malformed frame (1007, \"'utf-8' codec can't decode byte 0xff in position 0: "
            'invalid start byte")',
            id="bad UTF-8",
        ),
        pytest.param(
            sends(frame(1, b"x" * (2 << 20)), frame(9, b"?")),
            0,
            "a frame over 1 MiB",
            id="2 MiB, and a ping behind it",
        ),
    ],
)
async def test_every_death_has_its_sentence(
    peer: Peer, at: float, said: str, autojump_clock: MockClock
) -> None:
    when, lost = await loss(peer)
    assert (when, str(lost)) == (at, f"{WHERE}: {said}")
    assert "hush" not in repr(lost)


@pytest.mark.parametrize(
    ("answer", "status", "seconds", "retry_at"),
    [
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", 429, 17, None),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", 429, 60, None),
        (
            b"HTTP/1.1 418 Tea\r\nContent-Length: 26\r\n\r\nbanned until 1767225700000.",
            418,
            120,
            1767225700000,
        ),
        (b"HTTP/1.1 418 Tea\r\nRetry-After: 999999\r\n\r\n", 418, 3 * 86_400, None),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 86400\r\n\r\n", 503, 300, None),
        (b"HTTP/1.1 403 WAF\r\nContent-Length: 0\r\n\r\n", 403, 60, None),
        (b"HTTP/1.1 451 Law\r\nContent-Length: 0\r\n\r\n", 451, 300, None),
        (
            b"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n",
            503,
            0,
            None,
        ),
    ],
)
async def test_a_refused_upgrade_says_when_to_come_back(
    answer: bytes, status: int, seconds: float, retry_at: int | None, autojump_clock: MockClock
) -> None:
    _, lost = await loss(answers(answer))
    assert isinstance(lost, UpgradeRefused)
    assert (lost.status, lost.seconds, lost.retry_at) == (status, seconds, retry_at)


@pytest.mark.parametrize("host", ["fstream..binance.com", "x" * 64])
async def test_a_name_that_no_host_can_have_is_no_bug(host: str) -> None:
    with pytest.raises(LinkLost) as caught:
        async with open_socket(f"ws://{host}/ws", dial=make_dial(), deadline_s=5, name="main API"):
            pytest.fail("it opened")
    assert caught.value.cause is Cause.NAME
    assert str(caught.value) == (
        f"main API ({host}): its name has no address: no host can be called so"
    )


@pytest.mark.parametrize(
    ("fault", "cause", "said"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            Cause.NAME,
            "its name has no address: Name or service not known",
        ),
        (ConnectionRefusedError(111, "Connection refused"), Cause.REFUSED, "Connection refused"),
        (OSError(113, "No route to host"), Cause.UNREACHABLE, "No route to host"),
        (OSError(101, "Network is unreachable"), Cause.UNREACHABLE, "Network is unreachable"),
        (TimeoutError(110, "Connection timed out"), Cause.TIMED_OUT, "Connection timed out"),
        (ConnectionResetError(104, "Reset by peer"), Cause.BROKEN, "Reset by peer"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            Cause.TLS,
            "TLS failed: [SSL: WRONG_VERSION_NUMBER] wrong version number",
        ),
    ],
)
async def test_a_dial_that_fails_names_its_cause(fault: OSError, cause: Cause, said: str) -> None:
    async def alone(_url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise fault

    async def as_trio_tells(_url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise OSError("all attempts to connect failed") from ExceptionGroup("", [fault])

    for dial in (alone, as_trio_tells):
        with pytest.raises(LinkLost) as caught:
            async with open_socket(URL, dial=dial, deadline_s=10, name="main user data"):
                pass
        assert (caught.value.cause, str(caught.value)) == (cause, f"{WHERE}: {said}")


@pytest.mark.parametrize(
    ("peer", "cause"),
    [
        (silent, Cause.TIMED_OUT),
        (hang_up_at_once, Cause.BROKEN),
        (answers(b"220 smtp.example ESMTP\r\n\r\n"), Cause.NO_WEBSOCKET),
        (sends(then=hang_up), Cause.BROKEN),
    ],
)
async def test_a_peer_that_is_none_names_its_cause(
    peer: Peer, cause: Cause, autojump_clock: MockClock
) -> None:
    _, lost = await loss(peer)
    assert isinstance(lost, LinkLost)
    assert lost.cause is cause


async def test_a_page_for_an_answer_is_marked(autojump_clock: MockClock) -> None:
    _, lost = await loss(
        answers(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
    )
    assert isinstance(lost, UpgradeRefused)
    assert (lost.status, lost.page) == (200, True)


async def test_the_request_asks_for_the_whole_target(autojump_clock: MockClock) -> None:
    heads: list[bytes] = []

    async def peer(stream: trio.abc.Stream) -> None:
        heads.append(await upgrade(stream))
        await trio.sleep_forever()

    async with opened(peer):
        pass
    assert heads[0].startswith(b"GET /private/ws?listenKey=hush-hush HTTP/1.1\r\n")
    assert b"Host: fstream.example:9\r\n" in heads[0]


async def test_text_goes_both_ways(autojump_clock: MockClock) -> None:
    async def echo(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(frame(1, "grüß".encode()) + frame(2, b"\xffbytes"))

    async with opened(sends(then=echo)) as socket:
        await socket.send("hello")
        assert [await socket.receive(), await socket.receive()] == ["grüß", "\ufffdbytes"]
        assert socket.name == "main user data"


async def test_a_ping_behind_unread_frames_is_answered(autojump_clock: MockClock) -> None:
    """With the library's inbox of 1 a slow reader would stop answering, and be thrown out."""
    heard = bytearray()

    async def listen(stream: trio.abc.Stream) -> None:
        while True:
            heard.extend(await stream.receive_some())

    async with opened(sends(*[frame(1, b"x")] * 60, frame(9, b"there?"), then=listen)):
        await trio.testing.wait_all_tasks_blocked()
        assert heard[0] == 0x8A


async def test_leaving_while_a_ping_comes_in_cancels_nobody(autojump_clock: MockClock) -> None:
    """A graceful Close that met a ping let a stray Cancelled out (trio-websocket issue 184)."""
    left = 0

    async def flood(stream: trio.abc.Stream) -> None:
        for _ in range(20):
            await stream.send_all(frame(9, b"?"))
            await trio.lowlevel.checkpoint()
        await trio.sleep_forever()

    for _ in range(100):
        async with opened(sends(frame(1, b"x"), then=flood)) as socket:
            await socket.receive()
        left += 1
    assert left == 100


async def test_an_error_of_the_body_leaves_bare(autojump_clock: MockClock) -> None:
    async def dial(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise AssertionError

    with pytest.raises(AssertionError):  # a bug in the dial is a bug, not a loss
        async with open_socket(URL, dial=dial, deadline_s=10, name="x"):
            pass
    with pytest.RaisesGroup(KeyError):  # one group: the test's own nursery around the peer
        async with opened(sends()):
            raise KeyError("body")


async def test_a_ping_without_an_answer_is_a_loss(autojump_clock: MockClock) -> None:
    async def deaf(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    with pytest.RaisesGroup(ConnectionLost) as caught:
        async with opened(sends(then=deaf)) as socket:
            await keep_pinging(socket, every_s=60, deadline_s=15)
    assert str(caught.value.exceptions[0]) == "main user data: no answer to a ping for 15 s"
    assert trio.current_time() == 75


async def test_pings_go_on_while_they_are_answered(autojump_clock: MockClock) -> None:
    async def pong(stream: trio.abc.Stream) -> None:
        while True:
            ping = await stream.receive_some()
            if not ping:
                return
            mask, body = ping[2:6], ping[6:]
            plain = bytes(one ^ mask[i % 4] for i, one in enumerate(body))
            await stream.send_all(frame(10, plain))

    answered: list[float] = []
    async with opened(sends(then=pong)) as socket:
        with trio.move_on_after(190):
            await keep_pinging(
                socket,
                every_s=60,
                deadline_s=15,
                on_answer=lambda: answered.append(trio.current_time()),
            )
    assert answered == [60, 120, 180]


# ------------------------------------------------------------------ real sockets


@asynccontextmanager
async def served(peer: Peer, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve a peer on loopback."""

    async def serve(stream: trio.abc.Stream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):  # it would have none of our certificate
            await peer(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    wrapped: list[trio.abc.Listener[trio.abc.Stream]] = [
        trio.SSLListener(one, context) if context is not None else one for one in listeners
    ]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, wrapped)
        yield port
        nursery.cancel_scope.cancel()


async def test_a_refused_connection_says_so() -> None:
    async with served(silent) as port:
        pass
    with trio.fail_after(5), pytest.raises(ConnectionLost) as caught:
        async with open_socket(
            f"ws://127.0.0.1:{port}/x?listenKey=hush", dial=make_dial(), deadline_s=3, name="API"
        ):
            pass
    said = str(caught.value)
    assert said.startswith("API (127.0.0.1): ")
    assert "Connection refused" in said
    assert "hush" not in said


async def test_a_certificate_that_nobody_signed_is_named_at_once() -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    ours.configure_trust(client)

    async def listen(stream: trio.abc.Stream) -> None:
        await stream.receive_some()  # the handshake of Trio's listener waits for this

    async with served(listen, server) as port:
        with trio.fail_after(5), pytest.raises(ConnectionLost) as caught:
            async with open_socket(
                f"wss://localhost:{port}/x",
                dial=make_dial(lambda: client),
                deadline_s=5,
                name="API",
            ):
                pass
    assert str(caught.value) == (
        "API (localhost): its certificate is not trusted: unable to get local issuer certificate"
    )


async def test_tls_works_and_its_context_is_made_once() -> None:
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(server)
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.create_default_context())
        ca.configure_trust(made[-1])
        return made[-1]

    dial = make_dial(context)
    assert made == []
    async with served(sends(frame(1, b"hello")), server) as port:
        for _ in range(2):
            with trio.fail_after(5):
                async with open_socket(
                    f"wss://localhost:{port}/x", dial=dial, deadline_s=5, name="API"
                ) as socket:
                    assert await socket.receive() == "hello"
    assert len(made) == 1
