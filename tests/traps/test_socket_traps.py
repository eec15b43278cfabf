"""Traps of docs/protocol.md §0 and §11 about sockets: silent, dead, late, or only seemingly so."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio
from trio.testing import MockClock

from monitor.core.events import UserStreamFell, UserStreamStood
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import KEY, SCENARIO, do, fault, until, watched
from tests.house.town import HEAD, Town
from tests.sim.visitor import Visitor
from tests.traps.scenes import (
    BUY,
    CALM,
    HAPPENINGS,
    SELL,
    STREAM_LOST,
    quantities,
    rerouted,
)

HELD = ("BTCUSDT", "BOTH")


async def lives_on_a_silent_socket(town: Town) -> None:
    """Two orders that no event tells of, at 63 s and 163 s."""
    async with town.exists(), town.life():
        await town.until(69)
        assert quantities(town) == {HELD: "0.1"}
        await town.until(71)
        assert quantities(town) == {HELD: "0.2"}
        await town.until(300)
    assert quantities(town) == {HELD: "0.1"}
    # Found by a poll, waited for 5 s, told; each time on a socket that opened without a fault.
    assert town.story == [f"75.0 {STREAM_LOST}", f"170.0 {STREAM_LOST}"]
    assert town.exchange.sent == []
    assert town.exchange.requests["userDataStream.start"] == 3


UNTOLD = CALM + do("order", "63s", **BUY) + do("order", "163s", **SELL)


async def test_trap_0_1_the_old_address_of_user_data_is_silent(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Whatever leads there, say a proxy: the polls see what it does not tell, and that is told."""
    town = Town(tmp_path, UNTOLD)
    rerouted(town.exchange, lambda url: url.replace("/private/ws?listenKey=", "/ws/"))
    await lives_on_a_silent_socket(town)


async def test_trap_0_1_no_socket_is_ever_opened_at_an_old_address(
    autojump_clock: MockClock,
) -> None:
    """Not after an expiry, a loss, nor for the daily replacement."""
    story = do("expire_key", "60s") + fault("drop", "120s")
    async with watched(story, poll_interval=600) as watch:
        await until(24.5 * 3600)
    assert {path for _, path in watch.dialled} == {"/ws-fapi/v1", "/private/ws"}
    assert [path for _, path in watch.dialled].count("/private/ws") == 4


async def test_trap_0_2_a_bogus_listen_key_gets_a_healthy_silent_socket(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, UNTOLD)
    rerouted(town.exchange, lambda url: re.sub("listenKey=.*", "listenKey=made-up", url))
    await lives_on_a_silent_socket(town)


async def test_trap_0_3_no_filter_of_events_holds_any_back(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The URL names the key and nothing else; margin calls and the end of the key get through."""
    town = Town(
        tmp_path, CALM + do("margin_call", "60s") + do("expire_key", "100s"), rules=HAPPENINGS
    )
    queries: list[list[str]] = []

    def noted(url: str) -> str:
        if "/private/" in url:
            queries.append([name for name, _ in parse_qsl(urlsplit(url).query)])
        return url

    rerouted(town.exchange, noted)
    async with town.exists(), town.life():
        await town.until(200)
    assert queries == [["listenKey"], ["listenKey"]]
    assert town.story == ["60.0 happened critical margin_call"]
    assert [kind for _, _, kind in town.exchange.sent] == ["MARGIN_CALL", "listenKeyExpired"]


# ------------------------------------------------------------------ §11


async def test_trap_11_1_marks_without_a_route_are_subscribed_to_and_never_come(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The subscription is acknowledged; alarms go by the marks of the polls meanwhile."""
    story = '\n[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"], ["2m", "57000"]]\n'
    town = Town(tmp_path, story)
    rerouted(town.exchange, lambda url: url.replace("/market/ws", "/ws"))
    async with town.exists(), town.life():
        await town.until(100)
    assert town.story == ["50.0 fired warning distance"]
    assert "mark prices: no price for 10 s" in caplog.text


@pytest.mark.parametrize(
    ("what", "story"),
    [
        # Nothing new stands either: 30 s later that is told too, summed up when a minute is over.
        ("stall", [f"75.0 {STREAM_LOST}", f"135.0 {STREAM_LOST}"]),
        # Pings are answered, and so is a new handshake.
        ("mute", [f"75.0 {STREAM_LOST}"]),
    ],
)
async def test_trap_11_2_a_server_stops_sending_without_a_word(
    what: str, story: list[str], autojump_clock: MockClock, tmp_path: Path
) -> None:
    broken = fault(what, "62s", for_="2m", where="private") + do("order", "63s", **BUY)
    town = Town(tmp_path, CALM + broken)
    async with town.exists(), town.life():
        await town.until(71)
        assert quantities(town) == {HELD: "0.2"}
        await town.until(400)
    assert town.story == story


async def test_trap_11_2_a_quiet_account_notices_a_dead_socket_by_its_pings(
    autojump_clock: MockClock,
) -> None:
    """Nothing happens that a poll could find: pinged once a minute, given up 15 s later."""
    async with watched(fault("stall", "62s", for_="90s", where="private")) as watch:
        await until(300)
    told = [type(event).__name__ for _, event in watch.of(UserStreamFell, UserStreamStood)]
    assert told == ["UserStreamStood", "UserStreamFell", "UserStreamStood"]
    assert watch.of(UserStreamFell) == [
        (135, UserStreamFell("main", "main user data: no answer to a ping for 15 s"))
    ]


async def test_trap_11_2_a_ping_while_the_socket_is_being_left_ends_nothing(
    autojump_clock: MockClock,
) -> None:
    """The exchange pings every 3 min; at that very instant everything is given up."""
    async with watched() as watch:
        for minutes in (3, 6, 9):
            await until(minutes * 60)
            watch.account.rebuild("the test wants it")
        await until(600)
    fell = [at for at, _ in watch.of(UserStreamFell)]
    assert fell == [180, 360, 540]
    stood = [at for at, _ in watch.of(UserStreamStood)]
    assert len(stood) == 4
    assert all(0 <= at - lost <= 1 for at, lost in zip(stood[1:], fell, strict=True))
    assert watch.polls()[-1][0] > 590


async def test_trap_11_9_a_fill_that_no_event_told(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The position is closed and only polls show it: no alarm goes on about what is gone."""
    falling = '\n[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"], ["2m", "57000"]]\n'
    lost = fault("lose", "62s", for_="2s", event="*") + do("order", "63s", **SELL)
    town = Town(tmp_path, falling + lost)
    async with town.exists(), town.life():
        await town.until(200)
    assert town.story == [
        "43.0 fired warning distance",
        "71.0 resolved warning distance position_closed",
        f"75.0 {STREAM_LOST}",
    ]


async def test_trap_11_10_a_liquidation_whose_account_update_never_comes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Told by the first message of the order; polls that it asks for show what is left."""
    lost = fault("lose", "62s", for_="2s") + do("liquidate", "63s")
    town = Town(tmp_path, CALM + lost)
    async with town.exists(), town.life():
        await town.until(62.9)
        assert quantities(town) == {HELD: "0.1"}
        await town.until(66)
        assert quantities(town) == {}
        await town.until(200)
    assert [kind for _, _, kind in town.exchange.sent] == ["TRADE_LITE", "ORDER_TRADE_UPDATE"]
    assert town.story[0] == "63.0 happened critical liquidation"
    assert all("liquidation" not in told for told in town.story[1:])


TWO = (
    HEAD
    + """
[[account.position]]
symbol = "ETHUSDT"
side = "short"
quantity = "1"
entry_price = "3000"
leverage = 5
margin_type = "isolated"
"""
)


async def test_trap_11_11_events_bring_changes_only_and_the_rest_is_polled(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Nothing is pushed at the beginning; and an event about one symbol is silent on others."""
    story = CALM + do("order", "63s", symbol="ETHUSDT", side="buy", quantity="0.4")
    town = Town(tmp_path, story, head=TWO)
    async with town.exists(), town.life():
        await town.until(1)
        assert quantities(town) == {HELD: "0.1", ("ETHUSDT", "BOTH"): "-1"}
        await town.until(63.5)
        assert quantities(town) == {HELD: "0.1", ("ETHUSDT", "BOTH"): "-0.6"}
        await town.until(200)
        assert quantities(town) == {HELD: "0.1", ("ETHUSDT", "BOTH"): "-0.6"}
    assert town.story == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(fault("duplicate", "62s", for_="10s"), id="twice"),
        pytest.param(fault("delay", "62s", for_="10s", by="3s"), id="late"),
        pytest.param(fault("reorder", "62s", for_="10s"), id="last first"),
        pytest.param(
            fault("delay", "62s", for_="10s", by="1s") + fault("duplicate", "62s", for_="10s"),
            id="late and twice",
        ),
    ],
)
async def test_trap_11_14_fills_come_late_or_twice(
    broken: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Rows are absolute: nothing is counted twice, nothing goes back, nobody is suspected."""
    orders = do("order", "63s", **BUY) + do("order", "64s", **SELL) + do("order", "65s", **BUY)
    town = Town(tmp_path, CALM + broken + orders)
    async with town.exists(), town.life():
        await town.until(69)
        assert quantities(town) == {HELD: "0.2"}
        await town.until(300)
        assert quantities(town) == {HELD: "0.2"}
    assert town.story == []


async def test_trap_11_14_a_fill_that_was_overtaken_is_dropped_and_one_of_the_same_instant_is_not(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The fill of 63 s comes 5 s late, after one of 64 s and two of 66 s; the API is slow."""
    story = fault("delay", "62.5s", for_="1s", by="5s") + fault("late", "62s", for_="8s", by="9s")
    small = BUY | {"quantity": "0.05"}
    story += (
        do("order", "63s", **BUY) + do("order", "64s", **SELL) + do("order", "66s", **small) * 2
    )
    town = Town(tmp_path, CALM + story)
    async with town.exists(), town.life():
        seen = []
        for seconds in (63.5, 64.5, 66.5, 68.5):
            await town.until(seconds)
            seen.append(quantities(town)[HELD])
        assert seen == ["0.1", "0.1", "0.2", "0.2"]
        await town.until(300)
        assert quantities(town) == {HELD: "0.2"}
    assert town.story == []


async def test_trap_11_27_the_simulator_shows_what_the_testnet_hides(
    autojump_clock: MockClock,
) -> None:
    """There the old address still works; here it takes the handshake and says nothing."""
    exchange = Exchange(parse_scenario(SCENARIO + do("deposit", "20s", amount="1"), "t.toml"))
    heard: dict[str, list[str]] = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        api = await Visitor.visit(exchange, "/ws-fapi/v1")
        answer = await api.ask("userDataStream.start", apiKey=KEY)
        key = answer["result"]["listenKey"]
        paths = {"old": f"/ws/{key}", "new": f"/private/ws?listenKey={key}"}

        async def listen(name: str, visitor: Visitor) -> None:
            heard[name] = [frame["e"] for frame in await visitor.receive_all(30)]

        async with trio.open_nursery() as listening:
            for name, path in paths.items():
                listening.start_soon(listen, name, await Visitor.visit(exchange, path))
        nursery.cancel_scope.cancel()
    assert heard == {"old": [], "new": ["ACCOUNT_UPDATE"]}
