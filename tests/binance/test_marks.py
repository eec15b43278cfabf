"""The mark price socket against the simulator, and against a peer that is harder to please."""

import json
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.binance.marks import MarkStream
from monitor.core.events import Mark
from monitor.feed import Latest
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import START, do, fault, now
from tests.binance.peers import frame, upgrade

SCENARIO = """
length = "2h"
[[account]]
name = "main"
api_key = "k"
api_secret = "s"
balances = { USDT = "1000" }
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10s", "60010"]]
[[price]]
symbol = "ETHUSDT"
points = [["0s", "3000"]]
"""


class Prices:
    """A mark stream and what it put into its letterbox: (seconds, symbol, price)."""

    def __init__(self, dial: Dial) -> None:
        self.latest: Latest[str, Mark] = Latest()
        self.dialled: list[float] = []
        self.seen: list[tuple[float, str, Mark]] = []
        self.changed: list[str] = []
        self.quarantine = Quarantine(None, redact=str, now=now)
        self.bans: list[int] = []
        self.budget = Budget(now=now, on_ban=lambda until, _: self.bans.append(until))

        async def noted(url: str) -> trio.abc.Stream:
            assert url == "ws://sim/market/ws"
            self.dialled.append(round(trio.current_time(), 3))
            return await dial(url)

        self.stream = MarkStream(
            streams="ws://sim",
            dial=noted,
            latest=self.latest,
            now=now,
            offset=lambda: 250,
            quarantine=self.quarantine,
            rng=random.Random(7),
            log=logging.getLogger("test.marks"),
            on_brackets=self.changed.append,
            budget=self.budget,
        )

    async def collect(self) -> None:
        while True:
            for symbol, mark in (await self.latest.take()).items():
                self.seen.append((round(trio.current_time(), 3), symbol, mark))

    def of(self, symbol: str) -> list[float]:
        return [at for at, one, _ in self.seen if one == symbol]


@asynccontextmanager
async def streamed(dial: Dial) -> AsyncGenerator[Prices]:
    prices = Prices(dial)
    async with trio.open_nursery() as nursery:
        await nursery.start(prices.stream.run)
        nursery.start_soon(prices.collect)
        yield prices
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def simulated(story: str = "") -> AsyncGenerator[Prices]:
    exchange = Exchange(parse_scenario(SCENARIO + story, "test"))
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        async with streamed(exchange.dial) as prices:
            yield prices
        nursery.cancel_scope.cancel()


async def test_the_symbols_held_are_followed(autojump_clock: MockClock) -> None:
    async with simulated() as prices:
        await trio.sleep_until(5.5)
        assert prices.dialled == []
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep_until(8.5)
        prices.stream.hold(frozenset({"BTCUSDT", "ETHUSDT"}))
        await trio.sleep_until(10.5)
        prices.stream.hold(frozenset({"ETHUSDT"}))
        await trio.sleep_until(12.5)
        prices.stream.hold(frozenset())
        await trio.sleep_until(100)
    assert prices.dialled == [5.5]
    assert (prices.of("BTCUSDT"), prices.of("ETHUSDT")) == ([6, 7, 8, 9, 10], [9, 10, 11, 12])
    # Ours is 250 ms behind theirs: `at` is by our clock.
    assert prices.seen[0][2] == Mark(Decimal("60006.00000000"), START + 6000 - 250)
    assert str(prices.seen[0][2].price) == "60006.00000000"


async def test_one_price_from_the_future_keeps_no_other_out(autojump_clock: MockClock) -> None:
    tick = {"e": "markPriceUpdate", "E": START + 10**11, "s": "BTCUSDT", "p": "1"}
    async with simulated(do("send_market", "2500ms", frame=json.dumps(tick))) as prices:
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep_until(4.5)
    assert prices.of("BTCUSDT") == [1, 2, 2.5, 3, 4]


async def test_after_nothing_held_it_begins_again(autojump_clock: MockClock) -> None:
    async with simulated() as prices:
        for at in (0, 10, 20):
            await trio.sleep_until(at)
            prices.stream.hold(frozenset({"BTCUSDT"}))
            await trio.sleep_until(at + 5.5)
            prices.stream.hold(frozenset())
        await trio.sleep_until(40)
    assert prices.dialled == [0, 10, 20]


async def test_silence_is_a_loss(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = '[[fault]]\nat = "20.5s"\nwhat = "stall"\nwhere = "market"\nfor = "15s"\n'
    async with simulated(story) as prices:
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep_until(60.5)
    assert "mark prices: no price for 10 s; trying again in " in caplog.text
    assert prices.dialled[0] == 0
    assert 30 <= prices.dialled[1] < 31
    assert [at for at in prices.of("BTCUSDT") if 21 <= at <= 35] == []
    assert prices.of("BTCUSDT")[-1] == 60


async def test_a_ban_at_the_upgrade_closes_the_gate_for_everybody_on_this_address(
    autojump_clock: MockClock,
) -> None:
    story = fault("refuse", "0s", for_="10s", where="market", status=418)
    async with simulated(story) as prices:
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep(119)
        assert (prices.dialled, prices.budget.closed_for) == ([0], 1)
        await trio.sleep(5)
        assert len(prices.dialled) == 2
        assert prices.of("BTCUSDT") != []
    assert prices.bans == [START + 120_000]


async def test_garbled_prices_are_kept_aside(autojump_clock: MockClock) -> None:
    story = '[[fault]]\nat = "5.5s"\nwhat = "garble"\nwhere = "market"\nfor = "3s"\n'
    async with simulated(story) as prices:
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep_until(10.5)
    assert prices.quarantine.counts == {"mark prices": 3}
    assert prices.of("BTCUSDT") == [1, 2, 3, 4, 5, 9, 10]
    assert prices.dialled == [0]


async def test_a_dropped_socket_subscribes_anew(autojump_clock: MockClock) -> None:
    story = '[[fault]]\nat = "5.5s"\nwhat = "drop"\nwhere = "market"\n'
    async with simulated(story) as prices:
        prices.stream.hold(frozenset({"BTCUSDT", "ETHUSDT"}))
        await trio.sleep_until(30.5)
    assert len(prices.dialled) == 2
    assert prices.of("ETHUSDT")[-1] == prices.of("BTCUSDT")[-1] == 30


# ------------------------------------------------------------------ a peer of our own


class Desk:
    """The far end: what was asked, and when; says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, dict[str, Any]]] = []
        self.answers: list[str] = []
        self._pings: list[bytes] = []
        self.server: Any = None

    async def dial(self, _url: str) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()

        speaking = trio.Lock()

        async def send(data: bytes) -> None:
            async with speaking:
                await theirs.send_all(data)

        async def say(text: str) -> None:
            await send(frame(1, text.encode()))

        async def serve() -> None:
            await upgrade(theirs)
            self.server = say
            buffer = b""
            while data := await theirs.receive_some():
                buffer = self._read(buffer + bytes(data))
                while self.answers:
                    await say(self.answers.pop(0))
                while self._pings:
                    await send(frame(10, self._pings.pop(0)))

        self.nursery.start_soon(serve)
        await trio.lowlevel.checkpoint()
        return ours

    def _read(self, data: bytes) -> bytes:
        while len(data) > 6:
            size, at = data[1] & 0x7F, 2
            if size == 126:
                size, at = int.from_bytes(data[2:4], "big"), 4
            if len(data) < at + 4 + size:
                break
            mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
            text = bytes(one ^ mask[i % 4] for i, one in enumerate(body))
            if data[0] & 0xF == 9:
                self._pings.append(text)
            else:
                self.asked.append((round(trio.current_time(), 3), json.loads(text)))
                self.answers += self.answer(json.loads(text))
            data = data[at + 4 + size :]
        return data

    nursery: trio.Nursery

    def answer(self, _question: dict[str, Any]) -> list[str]:
        """What is answered by itself; by a desk that knows its business, in a subclass."""
        return []


@asynccontextmanager
async def at_desk(desk: Desk | None = None) -> AsyncGenerator[tuple[Prices, Desk]]:
    desk = desk or Desk()
    async with trio.open_nursery() as nursery:
        desk.nursery = nursery
        async with streamed(desk.dial) as prices:
            yield prices, desk
        nursery.cancel_scope.cancel()


def price(symbol: str, event_ms: int, text: str) -> str:
    return json.dumps({"e": "markPriceUpdate", "E": event_ms, "s": symbol, "p": text})


async def test_many_symbols_go_in_batches_and_slowly(autojump_clock: MockClock) -> None:
    symbols = frozenset({f"S{number:03}USDT" for number in range(250)})
    async with at_desk() as (prices, desk):
        prices.stream.hold(symbols)
        await trio.sleep(1)
        prices.stream.hold(symbols - {"S000USDT"} | {"币安人生USDT"})
        await trio.sleep(1)
    assert [(at, one["method"], len(one["params"]), one["id"]) for at, one in desk.asked] == [
        (0, "SUBSCRIBE", 100, 1),
        (0.2, "SUBSCRIBE", 100, 2),
        (0.4, "SUBSCRIBE", 50, 3),
        (0.6, "SUBSCRIBE", 1, 4),
        (1, "SUBSCRIBE", 1, 5),
        (1.2, "UNSUBSCRIBE", 1, 6),
    ]
    assert desk.asked[0][1]["params"][0] == "s000usdt@markPrice@1s"
    assert desk.asked[3][1]["params"] == ["!contractInfo"]
    assert desk.asked[4][1]["params"] == ["币安人生usdt@markPrice@1s"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"result": null, "id": 1}', []),
        (
            '{"code": 2, "msg": "Invalid request", "id": 1}',
            ["mark prices: SUBSCRIBE of btcusdt@markPrice@1s refused with 2: Invalid request"],
        ),
        (
            '{"error": {"code": 3, "msg": "Invalid JSON"}}',
            ["mark prices: SUBSCRIBE of btcusdt@markPrice@1s refused with 3: Invalid JSON"],
        ),
    ],
)
async def test_a_refused_subscription_is_told(
    answer: str,
    said: list[str],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with at_desk() as (prices, desk):
        desk.answers.append(answer)
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep(1)
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        f"{one}; trying on" for one in said
    ]


async def test_an_acknowledgement_is_no_sign_of_life(autojump_clock: MockClock) -> None:
    """An unrouted socket acknowledges and stays silent for ever (docs/protocol.md §1.2)."""
    async with at_desk() as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT"}))
        for _ in range(9):
            await trio.sleep(1)
            await desk.server('{"result": null, "id": 1}')
        await trio.sleep(3)
    assert len(prices.dialled) == 2
    assert 10 <= prices.dialled[1] <= 11


async def test_only_what_is_held_and_newer_is_put(autojump_clock: MockClock) -> None:
    async with at_desk() as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT", "ETHUSDT"}))
        await trio.sleep(1)
        await desk.server(price("BTCUSDT", START + 2000, "2"))
        await desk.server(price("BTCUSDT", START + 1000, "1"))
        await desk.server(price("XRPUSDT", START + 1000, "1"))
        await desk.server(price("BTCUSD_PERP", START + 1000, "1"))
        await desk.server(
            f"[{price('ETHUSDT', START, '7')}, {price('BTCUSDT', START + 3000, '3')}]"
        )
        await desk.server('{"e": "24hrTicker"}')
        await trio.sleep(1)
    prices_of = [(symbol, str(mark.price)) for _, symbol, mark in prices.seen]
    assert prices_of[-2:] == [("ETHUSDT", "7.00000000"), ("BTCUSDT", "3.00000000")]
    assert ("BTCUSDT", "1.00000000") not in prices_of
    assert {symbol for symbol, _ in prices_of} == {"BTCUSDT", "ETHUSDT"}


async def test_a_rebuild_is_a_reconnect(autojump_clock: MockClock) -> None:
    async with at_desk() as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep(1)
        prices.stream.rebuild("the clock stepped")
        await trio.sleep(2.5)
        assert len(desk.asked) == 4
    assert len(prices.dialled) == 2
