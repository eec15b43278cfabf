"""Traps of docs/protocol.md §11 about requests: clocks, signatures, keys, limits."""

from pathlib import Path

import pytest
from trio.testing import MockClock

from monitor.core.events import BracketsRead, KeyWasRejected
from tests.binance.harness import START, do, fault, until, watched
from tests.house.town import HEAD, Town
from tests.traps.scenes import BUY, CALM, HAPPENINGS, quantities

HELD = ("BTCUSDT", "BOTH")


@pytest.mark.parametrize(
    ("by", "milliseconds"),
    [
        pytest.param("-1500ms", -1500, id="ours is 1000ms ahead of the server's time"),
        pytest.param("6s", 6000, id="ours is outside of the recvWindow"),
    ],
)
async def test_trap_11_15_a_clock_that_drifts_costs_no_poll(
    by: str, milliseconds: int, autojump_clock: MockClock
) -> None:
    """Measured anew where −1021 is answered, and asked once more; ages go by our own clock."""
    async with watched(fault("skew", "62s", for_="1h", by=by)) as watch:
        await until(121)
    assert [(at, poll.at - START, poll.complete) for at, poll in watch.polls()] == [
        (at, at * 1000, True) for at in range(0, 121, 10)
    ]
    assert watch.account.offset == milliseconds
    # At the start, and once more: at the second of two refusals it is known already.
    assert watch.exchange.requests["time"] == 3
    assert watch.of(KeyWasRejected) == []


CHINESE = (
    HEAD
    + """
[[account.position]]
symbol = "币安人生USDT"
side = "long"
quantity = "10"
entry_price = "1"
leverage = 2
"""
)


async def test_trap_11_16_signatures_cover_what_is_sent_and_name_the_key(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The exchange checks each: over sockets sorted and raw, over REST in order and encoded."""
    town = Town(tmp_path, CALM + do("order", "63s", **BUY), head=CHINESE)
    async with town.exists(), town.life():
        await town.until(64)
        assert quantities(town) == {HELD: "0.2", ("币安人生USDT", "BOTH"): "10"}
        await town.until(200)
    assert town.story == []
    assert town.exchange.requests["GET /fapi/v1/leverageBracket"] >= 1


async def test_trap_11_16_a_chinese_symbol_is_asked_for_over_rest(
    autojump_clock: MockClock,
) -> None:
    story = '\n[[account.position]]\nsymbol = "币安人生USDT"\nside = "long"\nquantity = "10"\n'
    story += 'entry_price = "1"\n'
    async with watched(story) as watch:
        await until(60)
        watch.account.brackets_changed("币安人生USDT")
        await until(4000)
    read = [one for _, one in watch.of(BracketsRead) if "币安人生USDT" in one.brackets]  # type: ignore[union-attr]  # one kind
    assert len(read) >= 2
    assert watch.of(KeyWasRejected) == []


async def test_trap_11_17_a_key_older_than_the_futures_account(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """−2015 from the first request on: said once with the way out, blind, and well afterwards."""
    refused = fault(
        "error",
        "0s",
        for_="10m",
        method="userDataStream.start",
        code=-2015,
        status=401,
        message="Invalid API-key, IP, or permissions for action.",
    )
    town = Town(tmp_path, CALM + refused)
    async with town.exists(), town.life():
        await town.until(900)
    assert town.story == [
        "0.0 happened critical key_rejected",
        "10.0 fired warning blind",
        "30.0 happened critical stream_lost",
        "600.0 resolved warning blind recovered",
    ]
    (said,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert said == (
        "main API: userDataStream.start: the exchange refused with -2015 (status 401): Invalid "
        "API-key, IP, or permissions for action. Check that the key exists on this `network` "
        "(testnet and mainnet have keys of their own), that it may read, and that this machine's "
        "address is on its list. A key made before the futures account was opened does not work: "
        "make a new one."
    )


async def test_trap_11_18_polling_never_earns_a_ban(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A limit of 120 a minute, where polls every 10 s would cost 60 and reference data more."""
    town = Town(
        tmp_path,
        CALM + "".join(do("order", f"{63 + n}s", **BUY | {"quantity": "0.001"}) for n in range(50)),
        head="weight_limit = 120\n" + HEAD,
    )
    most = 0
    async with town.exists(), town.life():
        for second in range(1, 600):
            await town.until(second)
            most = max(most, town.exchange._desk.meter.used())
    assert 0 < most <= 120
    assert quantities(town) == {HELD: "0.15"}
    assert town.story == ["0.0 happened warning polls_stretched"]


@pytest.mark.parametrize("data", [True, False], ids=["with retryAfter", "in words alone"])
async def test_trap_11_18_a_ban_is_told_and_waited_out_in_silence(
    autojump_clock: MockClock, tmp_path: Path, *, data: bool
) -> None:
    town = Town(
        tmp_path,
        CALM + fault("ban", "65s", for_="5m", data=data),
        rules=HAPPENINGS
        + """
[[rule]]
name = "blind"
warning = "stale_for > 0s"
""",
    )
    async with town.exists(), town.life():
        await town.until(76)
        asked = town.exchange.requests.total()
        await town.until(364)
        assert town.exchange.requests.total() == asked
        await town.until(500)
    assert town.exchange.requests.total() > asked
    assert town.story == [
        "70.0 happened critical banned",
        "90.0 fired warning blind",
        "365.0 resolved warning blind recovered",
    ]
