"""A bare client for tests of the simulator, and of anything that dials one.

It does nothing by itself but answer pings, and that can be turned off; what the exchange does to a
client that misbehaves can be seen with it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from monitor.sim.exchange import Exchange
from monitor.sim.keys import hmac_signature, signed_payload
from monitor.sim.story import AccountTable, Scenario

_CHUNK = 65_536


class HungUpError(Exception):
    """The exchange ended the connection.

    Args:
        code: Of its Close; 1006 where there was none.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the exchange hung up with {code}")
        self.code = code


class TurnedAwayError(Exception):
    """The handshake was answered by an HTTP status.

    Args:
        status: Which.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the exchange answered the handshake with {status}")
        self.status = status


@asynccontextmanager
async def open_exchange(
    scenario: Scenario, *, start_ms: int | None = None, within: float = 2 * 86_400.0
) -> AsyncIterator[Exchange]:
    """Tell a story around a block of a test.

    Args:
        scenario: Which.
        start_ms: As `Exchange` takes it.
        within: Seconds on Trio's clock that the block may take.
    """
    exchange = Exchange(scenario, start_ms=start_ms)
    with trio.fail_after(within):
        async with trio.open_nursery() as nursery:
            await nursery.start(exchange.run)
            yield exchange
            nursery.cancel_scope.cancel("the test has seen enough")


class Visitor:
    """One WebSocket, from the client's side.

    Args:
        stream: Connected.
        target: Path and query.
    """

    def __init__(self, stream: trio.abc.Stream, target: str) -> None:
        self.stream = stream
        self.answers_pings = True
        self.pings: list[bytes] = []
        self._received = bytearray()
        self._target = target
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._texts: list[str] = []
        self._parts: list[str] = []
        self._count = 0

    @classmethod
    async def visit(cls, exchange: Exchange, target: str) -> Self:
        """Connect in memory."""
        visitor = cls(await exchange.dial(f"ws://sim{target}"), target)
        await visitor.shake_hands()
        return visitor

    @property
    def received(self) -> bytes:
        """Every byte that came after the handshake."""
        return bytes(self._received)

    async def shake_hands(self) -> None:
        """Become a WebSocket.

        Raises:
            TurnedAwayError: The exchange said no.
            HungUpError: It said nothing.
        """
        await self.stream.send_all(self._ws.send(Request(host="sim", target=self._target)))
        status = 0
        while True:
            self._ws.receive_data(await self._some())
            for event in self._ws.events():
                match event:
                    case AcceptConnection():
                        await self._take_rest()
                        return
                    case RejectConnection():
                        status = event.status_code
                    case RejectData():
                        raise TurnedAwayError(status)
                    case _:
                        pass

    async def _take_rest(self) -> None:
        for event in self._ws.events():
            await self._take(event)

    async def _some(self) -> bytes:
        try:
            data = bytes(await self.stream.receive_some(_CHUNK))
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise HungUpError(1006)
        return data

    async def _take(self, event: Event) -> None:
        match event:
            case TextMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    self._texts.append("".join(self._parts))
                    self._parts.clear()
            case Ping():
                self.pings.append(bytes(event.payload))
                if self.answers_pings:
                    await self.stream.send_all(self._ws.send(event.response()))
            case CloseConnection():
                raise HungUpError(int(event.code))
            case _:
                pass

    async def receive(self) -> str:
        """The next text frame; answers pings meanwhile.

        Raises:
            HungUpError: There will be none.
        """
        while not self._texts:
            data = await self._some()
            self._received += data
            self._ws.receive_data(data)
            await self._take_rest()
        return self._texts.pop(0)

    async def receive_json(self) -> Any:
        """The next frame, read."""
        return json.loads(await self.receive())

    async def receive_all(self, seconds: float) -> list[Any]:
        """Every frame that comes within some seconds, read."""
        found: list[Any] = []
        with trio.move_on_after(seconds):
            while True:
                found.append(await self.receive_json())
        return found

    async def send(self, text: str) -> None:
        """Send a text frame."""
        await self.stream.send_all(self._ws.send(TextMessage(data=text)))

    async def pong(self, payload: bytes) -> None:
        """Send a pong, asked for or not."""
        await self.stream.send_all(self._ws.send(Pong(payload=payload)))

    async def ask(self, method: str, **params: Any) -> Any:
        """Ask the WebSocket API, and wait for what it answers."""
        self._count += 1
        await self.send(json.dumps({"id": self._count, "method": method, "params": params}))
        return await self.receive_json()

    async def aclose(self) -> None:
        """Go away without a word."""
        await trio.aclose_forcefully(self.stream)


def signed(account: AccountTable, now: int, **params: Any) -> dict[str, Any]:
    """Complete parameters with an account's key, a time and a signature."""
    whole = {"apiKey": account.api_key, "timestamp": now} | params
    return whole | {"signature": hmac_signature(signed_payload(whole), account.api_secret)}


def query(account: AccountTable, now: int, path: str, **params: Any) -> str:
    """Complete a path with parameters, a time and a signature, as REST wants them."""
    text = urlencode(params | {"timestamp": now})
    return f"{path}?{text}&signature={hmac_signature(text, account.api_secret)}"


async def read(exchange: Exchange, path: str, **params: Any) -> Any:
    """Ask over REST in the name of the story's first account; gives the body of a good answer."""
    account = exchange.scenario.account[0]
    target = query(account, exchange.clock.now(), path, **params)
    status, _, body = await fetch(exchange, "GET", target, account.api_key)
    assert status == 200, body
    return body


async def fetch(
    exchange: Exchange, method: str, target: str, api_key: str = "", body: bytes = b""
) -> tuple[int, dict[str, str], Any]:
    """Ask over REST.

    Returns:
        Status, headers with names in lower case, and the body, read where it is JSON.
    """
    stream = await exchange.dial(f"http://sim{target}")
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", "sim"), ("X-MBX-APIKEY", api_key), ("Content-Length", str(len(body)))]
    request = h11.Request(method=method, target=target, headers=headers)
    sent = [client.send(e) or b"" for e in (request, h11.Data(data=body), h11.EndOfMessage())]
    await stream.send_all(b"".join(sent))
    head: h11.Response | None = None
    answered = b""
    while True:
        event = client.next_event()
        match event:
            case h11.Response():
                head = event
            case h11.Data():
                answered += event.data
            case h11.EndOfMessage() if head is not None:
                await trio.aclose_forcefully(stream)
                found = {k.decode(): v.decode() for k, v in head.headers}
                is_json = found["content-type"] == "application/json"
                return (
                    head.status_code,
                    found,
                    json.loads(answered) if is_json else answered.decode(),
                )
            case h11.ConnectionClosed():
                raise HungUpError(1006)
            case _:
                client.receive_data(bytes(await stream.receive_some(_CHUNK)))
