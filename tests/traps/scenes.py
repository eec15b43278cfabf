"""What the traps share: short stories, and what a running monitor says about its numbers."""

from collections.abc import Callable
from decimal import Decimal

import trio

from monitor.app import Service
from monitor.core.judging import look, reading
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Reading
from monitor.core.portfolio import Account
from monitor.sim.exchange import Exchange
from tests.house.town import Town

CALM = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
"""

BUY = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.1"}
SELL = BUY | {"side": "sell"}

HAPPENINGS = """
[[rule]]
name = "everything"
on = ["liquidation", "adl", "margin_call", "stream_lost", "key_rejected", "banned",
      "position_opened", "position_closed", "leverage_changed", "margin_type_changed"]
severity = "critical"
cooldown = "0s"
"""
"""Rules that tell every happening but money that moved, each by itself."""

STREAM_LOST = "happened critical stream_lost"


def account(service: Service) -> Account:
    """What a monitor believes about the account called main."""
    return service.engine.portfolio.accounts["main"]


def metric(town: Town, name: str, symbol: str = "BTCUSDT", side: str = "BOTH") -> Reading:
    """Read a metric of a position at this instant, as a message would show it."""
    assert town.service is not None
    mine = account(town.service)
    view = View(mine, town.service._doors.now(), holding=mine.holdings[symbol, side], asset="")
    return reading(look(view, 600_000), METRICS[name])


def number(town: Town, name: str, symbol: str = "BTCUSDT", side: str = "BOTH") -> Decimal:
    """Read a metric that is known, to a hundred-millionth."""
    value = metric(town, name, symbol, side).value
    assert isinstance(value, Decimal)
    return round(value, 8)


def quantities(town: Town) -> dict[tuple[str, str], str]:
    """What a monitor believes is held."""
    assert town.service is not None
    held = account(town.service).holdings
    return {key: str(holding.position.quantity) for key, holding in held.items()}


def rerouted(exchange: Exchange, change: Callable[[str], str]) -> None:
    """Have every later dial of a socket reach another address than it asked for."""
    dial = exchange.dial

    async def elsewhere(url: str) -> trio.abc.Stream:
        return (
            Rewriting(await dial(url), url, change(url)) if change(url) != url else await dial(url)
        )

    exchange.dial = elsewhere  # type: ignore[method-assign]  # a detour


class Rewriting(trio.abc.Stream):
    """A connection whose handshake asks for another path."""

    def __init__(self, stream: trio.abc.Stream, asked: str, instead: str) -> None:
        self._stream = stream
        self._asked, self._instead = (_target(url).encode() for url in (asked, instead))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(bytes(data).replace(self._asked, self._instead, 1))
        self._asked = self._instead

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _target(url: str) -> str:
    return "/" + url.split("/", 3)[3]
