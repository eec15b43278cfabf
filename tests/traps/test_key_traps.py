"""Traps of docs/protocol.md §0 and §11 about the listen key: shared, expired, kept alive."""

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.core.events import UserStreamFell, UserStreamStood
from tests.binance.harness import do, fault, until, watched
from tests.house.town import Town
from tests.sim.visitor import Visitor
from tests.traps.scenes import BUY, CALM, SELL, quantities

HELD = ("BTCUSDT", "BOTH")
ONE_LOSS = [
    (0, "AccountStarted"),
    (0, "UserStreamStood"),
    (100, "UserStreamFell"),
    (100, "UserStreamStood"),
]


async def test_trap_0_8_a_monitor_that_leaves_ends_nobody_elses_stream(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Two programs on one account have one listen key; the first one's end costs the other none."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    story = CALM + do("order", "63s", **BUY) + do("order", "93s", **SELL)
    first, second = (Town(folder, story) for folder in folders)
    second.exchange = first.exchange
    async with first.exists(), second.life():
        async with first.life():
            await first.until(64)
            assert quantities(first) == quantities(second) == {HELD: "0.2"}
        await second.until(93.5)
        assert quantities(second) == {HELD: "0.1"}
        keys = second.exchange._desk.listen_keys._alive
        await second.until(200)
    assert second.story == []
    assert len(keys) == 1
    asked = second.exchange.requests
    assert asked["userDataStream.start"] == 2
    assert [name for name in asked if "stop" in name or name.startswith("DELETE")] == []


async def test_trap_0_8_a_key_that_somebody_else_ends_is_replaced_at_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, CALM + do("order", "63.5s", **BUY))
    async with town.exists(), town.life():
        await town.until(62)
        bot = await Visitor.visit(town.exchange, "/ws-fapi/v1")
        await bot.ask("userDataStream.stop", apiKey="demo-key")
        await town.until(64)
        assert quantities(town) == {HELD: "0.2"}
        await town.until(200)
    assert town.story == []
    assert town.exchange.requests["userDataStream.start"] == 2
    assert town.exchange.requests["userDataStream.stop"] == 1  # the bot's


@pytest.mark.parametrize("kind", ["integer", "text"])
async def test_trap_0_10_an_expiry_dated_by_a_text_is_one_too(
    kind: str, autojump_clock: MockClock
) -> None:
    story = f'\n[quirks]\nexpiry_time = "{kind}"\n' + do("expire_key", "100s")
    async with watched(story) as watch:
        await until(160)
    assert watch.names() == ONE_LOSS
    assert watch.of(UserStreamFell) == [(100, UserStreamFell("main", "the listen key expired"))]
    assert watch.quarantine.counts == {}


async def test_trap_11_3_a_key_that_ends_in_spite_of_pings(autojump_clock: MockClock) -> None:
    """No event says so; the next keep-alive does, and what was missed was polled."""
    story = '\n[quirks]\nexpiry_told = "never"\n' + do("expire_key", "300s")
    story += do("deposit", "400s", amount="1")
    async with watched(story) as watch:
        await until(1300)
    assert watch.names() == [
        (0, "AccountStarted"),
        (0, "UserStreamStood"),
        (1200, "UserStreamFell"),
        (1200, "UserStreamStood"),
    ]
    assert watch.of(UserStreamFell) == [
        (1200, UserStreamFell("main", "the listen key does not exist any more"))
    ]
    rich = [at for at, poll in watch.polls() if poll.assets and poll.assets[0].wallet == 1001]
    assert rich[0] == 400


async def test_trap_11_4_an_expiry_told_on_every_new_socket_is_no_endless_loop(
    autojump_clock: MockClock,
) -> None:
    """A key that is dead whenever it is given: attempts become rare, and the polls go on."""
    async with watched() as watch:

        async def always() -> None:
            frame = '{"e":"listenKeyExpired","E":"1693427319838"}'
            while True:
                await trio.sleep(0.01)
                watch.exchange._teller.send_raw("main", frame)

        async with trio.open_nursery() as nursery:
            await until(100)
            nursery.start_soon(always)
            await until(700)
            nursery.cancel_scope.cancel()
        began = len(watch.of(UserStreamStood))
        assert began < 40
        await until(900)
    polls = [at for at, poll in watch.polls() if poll.complete]
    assert max(b - a for a, b in pairwise(polls)) < 10.001


async def test_trap_11_5_an_expiry_told_twice_renews_once(autojump_clock: MockClock) -> None:
    story = '\n[quirks]\nexpiry_told = "twice"\n' + do("expire_key", "100s")
    async with watched(story) as watch:
        await until(160)
    assert watch.names() == ONE_LOSS
    assert [kind for _, _, kind in watch.exchange.sent] == ["listenKeyExpired"] * 2
    assert watch.exchange.requests["userDataStream.start"] == 2


async def test_trap_11_6_an_expiry_that_comes_wrapped(autojump_clock: MockClock) -> None:
    frame = '{"stream":"k","data":{"e":"listenKeyExpired","E":1625135449173}}'
    async with watched(do("send", "100s", frame=frame)) as watch:
        await until(160)
    assert watch.names() == ONE_LOSS


async def test_trap_11_6_an_expiry_of_somebody_elses_key_is_none(
    autojump_clock: MockClock,
) -> None:
    async with watched(do("expire_key", "100s", key="another")) as watch:
        await until(160)
    assert watch.names() == ONE_LOSS[:2]


async def test_trap_11_7_a_failed_keep_alive_is_told_and_tried_again_soon(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = fault("error", "1190s", for_="60s", method="userDataStream.ping")
    async with watched(story) as watch:
        await until(3 * 3600)
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    refused = (
        "main user data: keep-alive failed: userDataStream.ping: the exchange refused with -1001 "
        "(status 500): Internal error; unable to process your request. Please try again."
    )
    assert warned == [refused, refused]
    assert watch.of(UserStreamFell) == []
    # At 1200 s and 1230 s in vain, at 1260 s, and every 20 min from then on.
    assert watch.exchange.requests["userDataStream.ping"] == 2 + 8


async def test_trap_11_8_a_failed_keep_alive_loses_no_key(autojump_clock: MockClock) -> None:
    """The key and its socket go on as they were, also over the next successful keep-alive."""
    story = fault("error", "1199s", for_="2s", method="userDataStream.ping")
    story += do("deposit", "1210s", amount="1") + do("deposit", "1300s", amount="1")
    async with watched(story) as watch:
        await until(1310)
    assert watch.names() == [
        (0, "AccountStarted"),
        (0, "UserStreamStood"),
        (1210, "AccountChanged"),
        (1300, "AccountChanged"),
    ]
    assert watch.exchange.requests["userDataStream.start"] == 1
