"""One socket: dial, TLS and upgrade under one deadline, and every way to die told in one sentence.

The rules of this file, each paid for by somebody (docs/design.md):

- No graceful Close. This is a read-only feed: the stream is dropped. A server's ping that meets
  our Close lets a stray `Cancelled` out of the library and ends the whole program
  (trio-websocket issue 184).
- The connection lives in one task (`_carry`) that owns the stream. Whatever the library raises in
  there is a loss of this connection and nothing else, so it can be caught broadly there; what the
  user of the socket raises never passes through it and leaves `open_socket` bare.
- No text names more of the URL than its host: the query holds a listen key.
"""

import itertools
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from socket import EAI_NONAME, gaierror
from typing import NoReturn
from urllib.parse import urlsplit

import trio
import trio_websocket

from monitor.binance.ends import End, UpgradeRefused, leaf
from monitor.errors import ConnectionLost

__all__ = ["Dial", "Socket", "UpgradeRefused", "keep_pinging", "make_dial", "open_socket"]

Dial = Callable[[str], Awaitable[trio.abc.Stream]]
"""Makes the stream that a URL's WebSocket will run on, TLS included."""

# With the library's default of 1 a busy reader keeps it from answering pings.
_INBOX = 1000
_BUFFER = 64 * 1024  # nearly twice the throughput of the default on large frames
_LARGEST = 1 << 20  # an `account.position` over all symbols is about half of that

_SWITCHED = re.compile(rb"HTTP/1\.1 101\b.*\r\n\r\n", re.DOTALL)


class Socket:
    """An open WebSocket: text in, text out. Made by `open_socket`."""

    def __init__(self, connection: trio_websocket.WebSocketConnection, end: End) -> None:
        self._connection = connection
        self._end = end
        self._pings = itertools.count(1)

    @property
    def name(self) -> str:
        """What errors call it."""
        return self._end.name

    async def receive(self) -> str:
        """Wait for the next frame.

        Raises:
            ConnectionLost: There will be none.
        """
        with self._mapped():
            message = await self._connection.get_message()
        # Binance sends text; bytes would be unreadable further on, which is the place to say so.
        return message if isinstance(message, str) else message.decode(errors="replace")

    async def send(self, text: str) -> None:
        """Send a frame.

        Raises:
            ConnectionLost: It cannot be sent.
        """
        with self._mapped():
            await self._connection.send_message(text)

    async def ping(self) -> None:
        """Send a ping and wait for its answer, however long that takes.

        Raises:
            ConnectionLost: There will be none.
        """
        # Not the library's payload, which is random: a virtual story is the same each time.
        with self._mapped():
            await self._connection.ping(b"%d" % next(self._pings))

    @contextmanager
    def _mapped(self) -> Generator[None]:
        try:
            yield
        except trio_websocket.ConnectionClosed as closed:
            raise self._end.lost(closed.reason) from None


@asynccontextmanager
async def open_socket(
    url: str, *, dial: Dial, deadline_s: float, name: str
) -> AsyncGenerator[Socket]:
    """Open a WebSocket; on leaving, its stream is dropped.

    Args:
        url: `ws://` or `wss://`; only its host is ever shown.
        dial: Makes the stream.
        deadline_s: Seconds for dial, TLS and upgrade together.
        name: Which socket, for errors.

    Raises:
        ConnectionLost: It cannot be opened. What the body raises leaves as it is.
    """
    end = End(name, url)
    with _bare():
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(deadline_s) as patience:
                connection = await nursery.start(_carry, url, dial, end)
            if patience.cancelled_caught:
                raise end.timed_out(deadline_s)
            try:
                yield Socket(connection, end)
            finally:
                nursery.cancel_scope.cancel()


async def keep_pinging(
    socket: Socket,
    *,
    every_s: float,
    deadline_s: float,
    on_answer: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Find out when a connection is dead without a word; until cancelled.

    Args:
        socket: Which one.
        every_s: Seconds between two pings.
        deadline_s: Seconds that an answer may take.
        on_answer: Called at each answer.

    Raises:
        ConnectionLost: A ping was not answered.
    """
    while True:
        await trio.sleep(every_s)
        with trio.move_on_after(deadline_s) as patience:
            await socket.ping()
        if patience.cancelled_caught:
            raise ConnectionLost(f"{socket.name}: no answer to a ping for {deadline_s:g} s")
        on_answer()


async def _carry(
    url: str,
    dial: Dial,
    end: End,
    *,
    task_status: trio.TaskStatus[trio_websocket.WebSocketConnection],
) -> None:
    """Own one connection from dial to drop; `started` with it, ends with it or when cancelled."""
    parts = urlsplit(url)
    stream: _Watched | None = None
    try:
        stream = _Watched(await dial(url), end)
        async with trio.open_nursery() as reader:
            reader.start_soon(stream.fail_if_it_ends)
            connection = await trio_websocket.wrap_client_stream(
                reader,
                stream,  # type: ignore[arg-type]  # it says SocketStream and takes any Stream
                parts.netloc.rpartition("@")[2],
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                message_queue_size=_INBOX,
                max_message_size=_LARGEST,
                receive_buffer_size=_BUFFER,
            )
            stream.watch_no_more()
            task_status.started(connection)
    except Exception as fault:
        if stream is None or stream.upgrading:
            raise _not_opened(end, fault) from fault
        end.blame(leaf(fault))
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)


def _not_opened(end: End, fault: Exception) -> Exception:
    """Say why a connection could not be made; a bug comes back as it is."""
    inner = leaf(fault)
    # h11 and wsproto have half a dozen types for what is not the answer to an upgrade.
    foreign = type(inner).__module__.partition(".")[0] in {"h11", "wsproto"}
    if isinstance(inner, trio_websocket.ConnectionRejected) or foreign:
        return end.refused()
    if isinstance(inner, _HungUpError) and end.head:
        return end.refused()
    if isinstance(inner, OSError | trio.BrokenResourceError | trio.ClosedResourceError):
        return end.not_made(inner)
    return fault


@contextmanager
def _bare() -> Generator[None]:
    """Take a single exception out of its group: nobody outside is to know of our nursery."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        (alone,) = group.exceptions
        raise alone from alone.__cause__


class _HungUpError(trio.BrokenResourceError):
    """The other side was gone before it had answered the upgrade."""


class _Watched(trio.abc.Stream):
    """A stream that tells when its other side is gone before the upgrade was answered.

    The library waits for an answer that cannot come any more: a peer that hangs up during the
    handshake would cost the whole deadline. It also waits for the end of a refusal's body, so the
    first bytes are kept and read here.
    """

    def __init__(self, stream: trio.abc.Stream, end: End) -> None:
        self._stream = stream
        self._end = end
        self._ended = trio.Event()
        self._watching = trio.CancelScope()

    @property
    def upgrading(self) -> bool:
        """Whether the upgrade has not been answered yet."""
        return not self._watching.cancel_called

    async def fail_if_it_ends(self) -> None:
        """Fail when the stream ends; until `watch_no_more`."""
        with self._watching:
            await self._ended.wait()
            if _SWITCHED.match(self._end.head) is None:
                raise _HungUpError("the other side hung up during the handshake")
            # Answered in full, and then ended: the library is about to find both out.
            await trio.sleep_forever()

    def watch_no_more(self) -> None:
        """From here on the library tells the end itself."""
        self._watching.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self._ended.set()
            raise
        if not data:
            self._ended.set()
        elif self.upgrading and len(self._end.head) < _BUFFER:
            self._end.head += bytes(data)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            self._ended.set()
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


def make_dial(context: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> Dial:
    """Make the dial for real sockets: TCP by happy eyeballs, and TLS for `wss` and `https`.

    Args:
        context: Makes the TLS context; called once, at the first use (it costs 25 ms of a
            standing loop and 900 KiB, so all connections share one).
    """
    shared: list[ssl.SSLContext] = []

    async def dial(url: str) -> trio.abc.Stream:
        parts = urlsplit(url)
        host = parts.hostname or ""
        secure = parts.scheme in {"wss", "https"}
        try:
            tcp = await trio.open_tcp_stream(host, parts.port or (443 if secure else 80))
        except UnicodeError:
            # A name whose parts are empty or too long does not get as far as DNS.
            raise gaierror(EAI_NONAME, "no host can be called so") from None
        if not secure:
            return tcp
        if not shared:
            shared.append(context())
        stream = trio.SSLStream(tcp, shared[0], server_hostname=host, https_compatible=True)
        try:
            # Here and now: left to the first byte, a bad certificate looks like a timeout.
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tcp)
            raise
        return stream

    return dial
