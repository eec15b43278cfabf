"""The byte layer: HTTP by h11, WebSocket by wsproto, over any Trio stream.

    bytes ─▶ HttpConnection ─▶ requests ─▶ answers
                   └─ upgrade ─▶ Peer: one WebSocket; frames in by a callback, frames out by a queue

What goes out waits in a queue of its own per connection, so that a slow or dead client delays
nobody; when it is full the connection is cut, as the exchange does.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from monitor.sim.rest import HttpAnswer, HttpRequest
from monitor.sim.story_values import Where

QUEUE_FRAMES = 1024
"Frames that may wait for one client; at the next one the connection is cut."
_CHUNK = 65_536
_LONGEST_MESSAGE = 1 << 20
_PING_EVERY = 180.0
_PONG_WITHIN = 600.0
"Seconds (docs/protocol.md §2)."
FAREWELL = 5.0
"Seconds that a client has to take our last bytes and answer our Close."
_DEAD = (trio.BrokenResourceError, trio.ClosedResourceError)


class HttpConnection:
    """One client's connection until it is closed or becomes a WebSocket.

    Args:
        stream: Bytes; closed by whoever made it.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER)

    async def next_request(self) -> HttpRequest | None:
        """Receive a request with its body; None when there are no more."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        head: h11.Request | None = None
        body = b""
        while True:
            event = await self._next_event()
            match event:
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage() if head is not None:
                    return HttpRequest(
                        method=head.method.decode(),
                        target=head.target.decode("latin-1"),
                        headers=tuple(head.headers),
                        body=body,
                    )
                case _:
                    return None

    async def _next_event(self) -> object:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError:
                return None  # not HTTP
            if event is not h11.NEED_DATA:
                return event
            self._h11.receive_data(bytes(await self._stream.receive_some(_CHUNK)))

    async def answer(self, answer: HttpAnswer) -> None:
        """Send an answer."""
        headers = [
            ("Content-Type", answer.kind),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        sent = self._h11.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        sent += self._h11.send(h11.Data(data=answer.body)) or b""
        sent += self._h11.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(sent)

    def upgraded(self, request: HttpRequest) -> WSConnection | None:
        """Hand a request over to wsproto; None where it is not a proper WebSocket handshake."""
        connection = WSConnection(ConnectionType.SERVER)
        try:
            connection.initiate_upgrade_connection(list(request.headers), request.target)
        except RemoteProtocolError:
            return None
        if not any(isinstance(event, Request) for event in connection.events()):
            return None
        self._accept = connection.send(AcceptConnection())
        early, _ = self._h11.trailing_data
        if early:
            connection.receive_data(early)
        return connection

    async def accept(self) -> None:
        """Answer the handshake that `upgraded` took."""
        await self._stream.send_all(self._accept)


class Weather(Protocol):
    """What may befall a connection."""

    async def wait_out_stall(self, peer: "Peer") -> None:
        """Return when bytes may pass."""

    def spoil(self, peer: "Peer", text: str) -> str | None:
        """Say what becomes of a frame; None: it is not sent."""


class Peer:
    """One WebSocket.

    Args:
        stream: Bytes.
        connection: After the handshake.
        where: Which side of the exchange it belongs to.
        weather: What may befall it.
        messages_per_second: Incoming frames of every kind that are allowed, or None for only the
            pings and pongs being counted, five a second (§2).
        life: Seconds after which the exchange ends it; a day unless the story says otherwise.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        connection: WSConnection,
        where: Where,
        weather: Weather,
        messages_per_second: int | None,
        life: float,
    ) -> None:
        self.where: Where = where
        self.accounts: set[str] = set()
        "Names of the accounts that it has shown the key of."
        self._stream = stream
        self._connection = connection
        self._weather = weather
        self._life = life
        self._counts_text = messages_per_second is not None
        self._recent: deque[float] = deque(maxlen=messages_per_second or 5)
        self._outgoing, self._queue = trio.open_memory_channel[bytes](QUEUE_FRAMES)
        self._scope = trio.CancelScope()
        self._pinged: set[bytes] = set()
        self._last_pong = 0.0
        self._parts: list[str] = []

    def send(self, text: str) -> None:
        """Queue a text frame; cuts the connection where the queue is full."""
        spoilt = self._weather.spoil(self, text)
        if spoilt is not None:
            self._send_event(TextMessage(data=spoilt))

    def close(self, code: int, reason: str = "") -> None:
        """Queue a Close."""
        self._send_event(CloseConnection(code=code, reason=reason))

    async def close_and_cut(self) -> None:
        """Queue a Close, and end the connection where the client does not answer it."""
        self.close(1001)
        await trio.sleep(FAREWELL)
        self.cut()

    def cut(self) -> None:
        """End the connection without a word."""
        self._scope.cancel("the exchange cuts the connection")

    def _send_event(self, event: Event) -> None:
        try:
            self._outgoing.send_nowait(self._connection.send(event))
        except trio.WouldBlock:
            self.cut()
        except (LocalProtocolError, trio.ClosedResourceError):
            pass  # it is closing; what comes now has nobody to hear it

    async def run(self, on_text: Callable[[str], None]) -> None:
        """Serve the socket; until it is closed or cut.

        Args:
            on_text: Called with every message.
        """
        self._last_pong = trio.current_time()
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                async with trio.open_nursery() as keeper:
                    keeper.start_soon(self._keep_alive)
                    await self._read(on_text)
                    keeper.cancel_scope.cancel("the connection ended")
                self._outgoing.close()  # the writer sends what is queued, and ends
                nursery.cancel_scope.deadline = trio.current_time() + FAREWELL

    async def _write(self) -> None:
        async for data in self._queue:
            await self._weather.wait_out_stall(self)
            try:
                await self._stream.send_all(data)
            except _DEAD:
                self.cut()
                return

    async def _read(self, on_text: Callable[[str], None]) -> None:
        """Read until the client closes, breaks the protocol or is gone."""
        while True:
            await self._weather.wait_out_stall(self)
            for event in self._connection.events():
                if not self._take(event, on_text):
                    return
            try:
                data = await self._stream.receive_some(_CHUNK)
            except _DEAD:
                return
            await self._weather.wait_out_stall(self)
            if not data:
                return
            try:
                self._connection.receive_data(bytes(data))
            except (RemoteProtocolError, LocalProtocolError):
                return

    def _take(self, event: Event, on_text: Callable[[str], None]) -> bool:
        """Deal with one event; False ends the connection."""
        match event:
            case TextMessage():
                self._parts.append(event.data)
                if sum(map(len, self._parts)) > _LONGEST_MESSAGE:
                    self.close(1009)
                    return False
                if event.message_finished:
                    text = "".join(self._parts)
                    self._parts.clear()
                    if self._counts_text and self._is_flood():
                        return False
                    on_text(text)
            case Ping():
                self._send_event(event.response())
                return not self._is_flood()
            case Pong():
                if bytes(event.payload) in self._pinged:
                    self._pinged.clear()
                    self._last_pong = trio.current_time()
                return not self._is_flood()
            case BytesMessage():
                return not self._is_flood()
            case CloseConnection():
                if self._connection.state is ConnectionState.REMOTE_CLOSING:
                    self._send_event(event.response())
                elif self._connection.state is ConnectionState.OPEN:
                    self.close(int(event.code))  # wsproto's word for a frame it could not read
                return False
            case _:
                pass
        return True

    def _is_flood(self) -> bool:
        """Count an incoming frame; True, and the connection is cut, where it is one too many."""
        now = trio.current_time()
        full = len(self._recent) == self._recent.maxlen
        if full and now - self._recent[0] < 1:
            self.cut()
            return True
        self._recent.append(now)
        return False

    async def _keep_alive(self) -> None:
        """Ping, cut who does not answer, and end what is a day old."""
        born = ping_at = trio.current_time()
        ping_at += _PING_EVERY
        while True:
            await trio.sleep_until(min(ping_at, self._last_pong + _PONG_WITHIN, born + self._life))
            now = trio.current_time()
            if now >= self._last_pong + _PONG_WITHIN:
                self.cut()
            elif now >= born + self._life:
                await self.close_and_cut()
            elif now >= ping_at:
                payload = str(round((now - born) * 1000)).encode()
                self._pinged.add(payload)
                self._send_event(Ping(payload=payload))
                ping_at += _PING_EVERY
