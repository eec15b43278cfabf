"""Traps of docs/protocol.md §0 to §4 and §11 that are about sockets, each by name."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.binance import turns
from monitor.core.events import AccountChanged, UserStreamFell, UserStreamStood
from tests.binance.harness import START, Watch, do, fault, now, times, until, watched
from tests.binance.test_marks import Desk, at_desk, price, simulated

RAW = '{"e":"serverShutdown","E":1770123456789}'
WRAPPED = '{"event":{"e":"serverShutdown","E":1770123456789}}'
COMBINED = '{"stream":"x","data":{"e":"serverShutdown","E":1770123456789}}'


def say_on_api(watch: Watch, text: str) -> None:
    """Send a frame on the account's API socket, as the simulator has no deed for it."""
    for peer, session in watch.exchange._front.peers.items():
        if session is None:
            peer.send(text)


# ------------------------------------------------------------------ replaced in time


async def test_events_while_the_user_socket_is_replaced_come_once_and_none_is_lost(
    autojump_clock: MockClock,
) -> None:
    """Both sockets bring everything meanwhile (§4.3); one event comes at the very instant."""
    moments = ["99.9", "100", "100.001", "101", "104.999", "105", "105.001", "106"]
    story = do("send", "100s", frame=WRAPPED)
    story += "".join(do("deposit", f"{at}s", amount=str(n + 1)) for n, at in enumerate(moments))
    async with watched(story) as watch:
        await until(120)
    told = [event for _, event in watch.of(AccountChanged)]
    wallets = [str(one.balances[0].wallet) for one in told if isinstance(one, AccountChanged)]
    assert [wallet.partition(".")[0] for wallet in wallets] == [
        "1001", "1003", "1006", "1010", "1015", "1021", "1028", "1036",
    ]  # fmt: skip
    assert [one.seq for one in told if isinstance(one, AccountChanged)] == list(range(1, 9))
    assert [path for _, path in watch.dialled].count("/private/ws") == 2
    assert watch.of(UserStreamFell) == []


async def test_the_same_event_twice_on_one_socket_is_left_to_the_merge(
    autojump_clock: MockClock,
) -> None:
    frame = (
        '{"e":"ACCOUNT_UPDATE","E":1767225620000,"T":1767225620000,"a":{"m":"DEPOSIT",'
        '"B":[{"a":"USDT","wb":"5","cw":"5"}],"P":[]}}'
    )
    story = do("send", "20s", frame=WRAPPED) + do("send", "21s", frame=frame) * 2
    async with watched(story) as watch:
        await until(30)
    assert [at for at, _ in watch.of(AccountChanged)] == [21, 21]


async def test_the_old_socket_may_die_while_it_is_being_left(autojump_clock: MockClock) -> None:
    """A server that shuts down may cut its sockets before we have left them."""
    async with watched(do("send", "100s", frame=WRAPPED)) as watch:
        await until(102)
        old = next(
            iter(peer for peer, one in watch.exchange._front.peers.items() if one is not None)
        )
        old.cut()
        await until(130)
    assert watch.of(UserStreamFell) == []
    assert [path for _, path in watch.dialled] == ["/ws-fapi/v1", "/private/ws", "/private/ws"]


async def test_the_api_socket_is_replaced_before_it_is_a_day_old(
    autojump_clock: MockClock,
) -> None:
    """The server closes it after 24 h; the next one has measured the clock before."""
    async with watched(poll_interval=600) as watch:
        await until(24.5 * 3600)
    api = [at for at, path in watch.dialled if path == "/ws-fapi/v1"]
    assert len(api) == 2
    assert 23 * 3600 <= api[1] <= 23.5 * 3600
    assert all(poll.complete for _, poll in watch.polls())
    private = [at for at, path in watch.dialled if path == "/private/ws"]
    # After the user socket's replacement everything is polled, after the line's nothing.
    assert min(set(times(watch)) - {600.0 * n for n in range(139)}) == private[1]
    assert max(b - a for a, b in pairwise(times(watch))) <= 600
    assert watch.of(UserStreamFell) == []


@pytest.mark.parametrize("frame", [RAW, WRAPPED])
async def test_a_shutdown_of_the_api_server_costs_no_poll(
    frame: str, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        await until(25)
        say_on_api(watch, frame)
        await until(61)
    assert [(at, path) for at, path in watch.dialled if path == "/ws-fapi/v1"] == [
        (0, "/ws-fapi/v1"),
        (25, "/ws-fapi/v1"),
    ]
    assert times(watch) == [0, 10, 20, 30, 40, 50, 60]
    assert all(poll.complete for _, poll in watch.polls())


async def test_a_shutdown_is_survived_though_no_other_api_server_answers_at_first(
    autojump_clock: MockClock,
) -> None:
    async with watched(fault("refuse", "24s", for_="70s", where="api")) as watch:
        await until(25)
        say_on_api(watch, WRAPPED)
        await until(151)
    assert [at for at, path in watch.dialled if path == "/ws-fapi/v1"] == [0, 25, 85, 145]
    assert times(watch) == [10.0 * n for n in range(16)]
    assert all(poll.complete for _, poll in watch.polls())


@pytest.mark.parametrize("frame", [RAW, WRAPPED, COMBINED])
async def test_a_shutdown_of_the_mark_server_costs_no_price(
    frame: str, autojump_clock: MockClock
) -> None:
    async with simulated(do("send_market", "10.5s", frame=frame)) as prices:
        prices.stream.hold(frozenset({"BTCUSDT", "ETHUSDT"}))
        await until(20.5)
    assert prices.dialled == [0, 10.5]
    assert prices.of("BTCUSDT") == prices.of("ETHUSDT") == list(range(1, 21))


async def test_the_mark_socket_is_replaced_before_it_is_a_day_old(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "REPLACE_AFTER", 30.0)
    monkeypatch.setattr(turns, "SPREAD", 10.0)
    async with simulated() as prices:
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await until(100.5)
    first, second, third = prices.dialled
    assert first == 0
    assert 30 <= second - first <= 42
    assert 30 <= third - second <= 42
    assert prices.of("BTCUSDT") == list(range(1, 101))


async def test_a_mark_socket_that_brings_no_price_takes_nobodys_place(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The next server acknowledges and says nothing (§1.2): the old socket goes on."""

    class Mute(Desk):
        async def dial(self, url: str) -> trio.abc.Stream:
            if self.server is not None:
                first, stream = self.server, await super().dial(url)
                await trio.sleep(0.1)
                self.server = first
                return stream
            return await super().dial(url)

    async with at_desk(Mute()) as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep(1)
        first = desk.server
        await first(price("BTCUSDT", START + 1000, "1"))
        await first(WRAPPED)
        for second in range(2, 31):
            await trio.sleep(1)
            await first(price("BTCUSDT", START + second * 1000, "2"))
        await trio.sleep(0.5)
    assert len(prices.of("BTCUSDT")) == 30
    assert len(prices.dialled) == 2
    assert "mark prices: not replaced yet: mark prices: no price for 10 s" in caplog.text


# ------------------------------------------------------------------ silent, or not quite


async def test_a_socket_on_an_invented_key_is_healthy_and_silent(
    autojump_clock: MockClock,
) -> None:
    """§1.4: nothing about the socket shows it; only a poll that disagrees does."""
    async with watched(do("deposit", "20s", amount="1")) as watch:
        await until(5)
        watch.exchange._desk.listen_keys._alive.clear()
        await until(600)
    assert watch.of(AccountChanged) == []
    assert watch.of(UserStreamFell) == []
    changed = [at for at, poll in watch.polls() if poll.assets and poll.assets[0].wallet == 1001]
    assert changed[0] == 20


@pytest.mark.parametrize(
    "frame",
    [
        '{"e":"listenKeyExpired","E":"1693427319838"}',
        '{"e":"listenKeyExpired","E":1651367138988}',
        '{"stream":"x","data":{"e":"listenKeyExpired","E":1625135449173}}',
        '{"event":{"e":"listenKeyExpired","E":1625135449173}}',
    ],
)
async def test_an_expiry_in_every_spelling_renews_once(
    frame: str, autojump_clock: MockClock
) -> None:
    """Told three times within a second, as in cryptoxlib-aio #68."""
    story = do("send", "100s", frame=frame) * 2 + do("send", "100.5s", frame=frame)
    async with watched(story) as watch:
        await until(101)
    # The third comes on a new socket, which was given the same living key.
    assert [type(event) for _, event in watch.of(UserStreamFell, UserStreamStood)] == [
        UserStreamStood,
        UserStreamFell,
        UserStreamStood,
        UserStreamFell,
        UserStreamStood,
    ]
    assert watch.exchange.requests["userDataStream.stop"] == 0


# ------------------------------------------------------------------ SUBSCRIBE


class Picky(Desk):
    """Refuses every message that names a symbol it does not know, and says not which.

    Args:
        unknown: Those symbols' streams.
    """

    def __init__(self, *unknown: str) -> None:
        super().__init__()
        self.unknown = {f"{symbol.lower()}@markPrice@1s" for symbol in unknown}
        self.subscribed: Counter[str] = Counter()

    def answer(self, question: dict[str, Any]) -> list[str]:
        if self.unknown & set(question["params"]):
            return ['{"code": 2, "msg": "Invalid request: unknown stream"}']
        if question["method"] == "SUBSCRIBE":
            self.subscribed.update(question["params"])
        return [json.dumps({"result": None, "id": question["id"]})]


async def tick(desk: Desk, *symbols: str) -> None:
    """One second in which these symbols tick."""
    await trio.sleep(1)
    for symbol in symbols:
        await desk.server(price(symbol, now().utc, "1"))


async def test_one_delisted_symbol_does_not_cost_the_others_their_prices(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    symbols = [f"S{number}USDT" for number in range(8)]
    async with at_desk(Picky("S5USDT")) as (prices, desk):
        assert isinstance(desk, Picky)
        prices.stream.hold(frozenset(symbols))
        await trio.sleep(3)
        assert sorted(desk.subscribed) == [
            "!contractInfo",
            *(f"s{number}usdt@markPrice@1s" for number in range(8) if number != 5),
        ]
        for _ in range(200):
            await tick(desk, *(one for one in symbols if one != "S5USDT"))
        tries = [at for at, one in desk.asked if one["params"] == ["s5usdt@markPrice@1s"]]
    assert len(prices.dialled) == 1
    # Halves within a second or two, then rarer and rarer.
    assert [round(at) for at in tries] == [1, 11, 33, 77, 165]
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warning == (
        "mark prices: SUBSCRIBE of s5usdt@markPrice@1s refused with 2: Invalid request: "
        "unknown stream; trying on"
    )


async def test_a_symbol_without_a_price_is_asked_for_again_while_others_tick(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_desk(Picky()) as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT", "币安人生USDT"}))
        for _ in range(40):
            await tick(desk, "BTCUSDT")
        for _ in range(100):
            await tick(desk, "BTCUSDT", "币安人生USDT")
        await trio.sleep(0.5)
        asked = [(round(at), one["params"]) for at, one in desk.asked if at > 5]
    assert asked == [(11, ["币安人生usdt@markPrice@1s"]), (33, ["币安人生usdt@markPrice@1s"])]
    assert caplog.text.count("no price of 币安人生USDT for 11 s; trying on") == 1
    assert len(prices.of("币安人生USDT")) == 100
    assert len(prices.dialled) == 1


async def test_a_refused_contract_stream_costs_no_price(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class NoContracts(Picky):
        def answer(self, question: dict[str, Any]) -> list[str]:
            if question["params"] == ["!contractInfo"]:
                return ['{"code": 2, "msg": "Invalid request"}']
            return super().answer(question)

    async with at_desk(NoContracts()) as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT"}))
        for _ in range(700):
            await tick(desk, "BTCUSDT")
        await trio.sleep(0.5)
        asked = [round(at) for at, one in desk.asked if one["params"] == ["!contractInfo"]]
    assert asked == [0, 600]
    assert len(prices.of("BTCUSDT")) == 700
    assert caplog.text.count("SUBSCRIBE of !contractInfo refused") == 1


async def test_only_changed_tiers_of_our_own_contracts_are_told(autojump_clock: MockClock) -> None:
    def contract(symbol: str, **more: object) -> str:
        return json.dumps({"e": "contractInfo", "E": 1, "s": symbol, "cs": "TRADING"} | more)

    async with at_desk() as (prices, desk):
        prices.stream.hold(frozenset({"BTCUSDT"}))
        await trio.sleep(1)
        await desk.server(contract("BTCUSDT", bks=[{"bs": 1}]))
        await desk.server(contract("ETHUSDT"))
        await desk.server(contract("BTCUSD_PERP", bks=[{"bs": 1}]))
        await desk.server(contract("XRPUSDT", bks=[{"bs": 1}], st=2))
        await desk.server(f'{{"stream":"!contractInfo","data":{contract("SOLUSDT", bks=[1])}}}')
        await trio.sleep(0.1)
    assert prices.changed == ["BTCUSDT", "SOLUSDT"]
