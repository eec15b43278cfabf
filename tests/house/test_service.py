"""The whole service where its parts meet: clocks, a bug in one account, reference data."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.app import Service
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.house.town import HEAD, START, Town

SECOND_ACCOUNT = """
[[account]]
name = "other"
api_key = "other-key"
api_secret = "other-secret"
balances = { USDT = "1000" }
[[account.position]]
symbol = "ETHUSDT"
side = "short"
quantity = "1"
entry_price = "3000"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
[[price]]
symbol = "ETHUSDT"
points = [["0s", "3000"]]
"""
CALM = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'


async def test_a_suspend_is_noticed_though_no_event_comes(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine wakes to sockets that say nothing; nothing but the clocks can tell."""
    stall = '[[fault]]\nat = "60s"\nwhat = "stall"\nfor = "1h"\n'
    town = Town(tmp_path, CALM + stall)
    async with town.exists(), town.life() as service:
        await town.until(70.5)
        said = len(caplog.messages)
        town.slept = 3_600_000
        await town.until(73)
        assert "the machine slept for 3600 s; every socket is rebuilt" in caplog.messages[said:]
        assert service.engine.portfolio.accounts["main"].stale_since is not None


async def test_a_bug_in_one_account_ends_neither_the_others_nor_the_process(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, SECOND_ACCOUNT)
    async with town.exists(), town.life() as service:
        await town.until(15)
        _break_once(service, "main")
        await town.until(200)
        accounts = service.engine.portfolio.accounts
        assert [name for name, one in accounts.items() if one.stale_since is not None] == []
    crashes = [one for one in caplog.records if "a bug has ended its watch" in one.getMessage()]
    (crash,) = crashes
    assert crash.getMessage() == (
        "main: a bug has ended its watch, please report it; beginning anew in 1 s"
    )
    assert crash.exc_info is not None
    assert town.story == []


def _break_once(service: Service, name: str) -> None:
    """Let the next poll of an account run into a bug."""
    polls = service.accounts[name]._polls
    whole: Callable[..., Awaitable[None]] = polls._poll

    async def broken(*_: object, **__: object) -> None:
        await trio.lowlevel.checkpoint()
        polls._poll = whole  # type: ignore[assignment,method-assign]  # the bug of this story
        raise ZeroDivisionError("a bug")

    polls._poll = broken  # type: ignore[method-assign]  # the bug of this story


async def test_changed_tiers_come_by_the_mark_socket_to_the_account(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    change = (
        '[[do]]\nat = "100s"\nwhat = "brackets"\nsymbol = "BTCUSDT"\n'
        'tiers = [["20000", 50, "0.02"], ["90000", 20, "0.05"]]\n'
    )
    town = Town(tmp_path, CALM + change)
    async with town.exists(), town.life() as service:
        account = service.engine.portfolio.accounts["main"]
        await town.until(99)
        assert [tier.rate for tier in account.brackets["BTCUSDT"]][:2] == [
            Decimal("0.004"),
            Decimal("0.005"),
        ]
        await town.until(121)
        assert [tier.rate for tier in account.brackets["BTCUSDT"]] == [
            Decimal("0.02"),
            Decimal("0.05"),
        ]


async def test_asset_prices_reach_an_account_in_multi_assets_mode_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    switch = '[[do]]\nat = "60s"\nwhat = "asset_mode"\nmulti_assets = true\n'
    cross = HEAD.replace('margin_type = "isolated"', 'margin_type = "cross"')
    town = Town(tmp_path, CALM + switch)
    town.exchange = Exchange(parse_scenario(cross + CALM + switch, "town.toml"))
    async with town.exists(), town.life() as service:
        await town.until(59)
        assert town.exchange.requests["GET /fapi/v1/assetIndex"] == 0
        await town.until(70)
        prices = service.engine.portfolio.accounts["main"].prices
        assert abs(prices["USDT"] - 1) < Decimal("0.01")
        await town.until(700)
    assert town.exchange.requests["GET /fapi/v1/assetIndex"] == 3


async def test_a_liquidation_while_the_monitor_was_away_is_told_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Found by asking at the next start, and known in the life after that."""
    liquidate = '[[do]]\nat = "200s"\nwhat = "liquidate"\n'
    town = Town(tmp_path, CALM + liquidate)
    async with town.exists():
        async with town.life(crash=True):
            await town.until(100)
        await town.until(400)
        async with town.life():
            await town.until(500)
        async with town.life():
            await town.until(600)
    told = [notice for notice in town.heard if notice.happening == "liquidation"]
    assert [round((notice.at - START) / 1000, -1) for notice in told] == [400]
