"""Balances, and the pool in USD of multi-assets mode."""

from dataclasses import replace
from decimal import Decimal

from monitor.core.events import (
    AssetModeChanged,
    AssetRow,
    PollWanted,
    Totals,
)
from monitor.core.notices import Grade
from tests.core.worlds import World, at, change, marks, money, poll, position

D = Decimal


def wallet_row(wallet: str, updated: int = 0) -> tuple[AssetRow, ...]:
    return (AssetRow("USDT", D(wallet), D(wallet), D(wallet), updated=updated),)


def test_a_wallet_older_than_the_event_is_asked_again_then_believed() -> None:
    """As with quantities: one answer of a replica that lags must not undo what an event told."""
    world = World()
    world.tell(1, poll(1, position()))
    world.tell(2, change(2, money("900"), time=5_000))
    world.tell(3, replace(poll(3, position(), after=1), assets=wallet_row("1000", 4_000)))
    assert world.account.balances["USDT"].wallet == 900
    assert world.outcomes[-1][1].requests == [PollWanted("main", 4_000)]
    world.tell(4, replace(poll(4, position(), after=1), assets=wallet_row("1000", 4_000)))
    assert world.account.balances["USDT"].wallet == 1000


def test_a_wallet_that_says_the_same_is_taken_however_old() -> None:
    world = World()
    world.tell(1, poll(1, position()))
    world.tell(2, change(2, money("900"), time=5_000))
    world.tell(3, replace(poll(3, position(), after=1), assets=wallet_row("900", 4_000)))
    assert world.account.balances["USDT"].polled_at == 3_000
    assert world.outcomes[-1][1].requests == []


def multi(seconds: float, *rows: object, **more: object) -> object:
    totals = Totals(
        wallet=D(2000),
        cross_wallet=D(2000),
        cross_unrealized_pnl=D("199.9"),
        unrealized_pnl=D("199.9"),
        maintenance_margin=D("24.8"),
        available=D(1500),
    )
    answer = poll(seconds, *rows)  # type: ignore[arg-type]  # rows
    changes = {"multi_assets": True, "totals": totals} | more
    return replace(answer, **changes)  # type: ignore[arg-type]  # fields


def test_multi_assets_has_one_pool_in_usd() -> None:
    world = World()
    world.tell(
        1,
        multi(  # type: ignore[arg-type]  # a poll
            1,
            position(),
            assets=(AssetRow("USDT", D(1000), D(1000)), AssetRow("BNB", D(2), D(2))),
        ),
    )
    assert world.account.pool_assets() == ["USD"]
    pool = {
        name: world.read(name, asset="USD").value
        for name in ("wallet_balance", "total_unrealized_pnl", "margin_balance", "equity")
    }
    assert pool == {
        "wallet_balance": 2000,
        "total_unrealized_pnl": D("199.9"),
        "margin_balance": D("2199.9"),
        "equity": D("2199.9"),
    }
    world.tell(2, marks(2, BTCUSDT="61000"))
    assert world.read("margin_balance", asset="USD").value == D("2099.9")
    assert world.read("available_balance", asset="USD").value == 1500
    world.tell(3, change(3, money("900")))
    assert world.read("margin_balance", asset="USD").value == D("1999.9")
    assert world.read("unrealized_pnl", "BTCUSDT").value == 100


def test_money_of_an_asset_without_a_known_price_makes_the_pool_unknown() -> None:
    """A withdrawal of 1 BTC is not a withdrawal of 1 USD."""
    world = World()
    world.tell(1, multi(1, position(), assets=(AssetRow("BTC", D(2), D(2)),)))  # type: ignore[arg-type]
    assert world.read("margin_balance", asset="USD").value == D("2199.9")
    world.tell(2, change(2, money("1", asset="BTC")))
    assert world.read("margin_balance", asset="USD").grade is Grade.UNKNOWN


def test_the_totals_are_forgotten_when_the_mode_changes() -> None:
    world = World()
    world.tell(1, multi(1, position()))  # type: ignore[arg-type]  # a poll
    world.tell(2, AssetModeChanged("main", at(2).utc, 1, 1, multi_assets=False))
    assert world.account.pool_assets() == ["USDT"]
    world.tell(3, AssetModeChanged("main", at(3).utc, 2, 2, multi_assets=True))
    assert world.account.pool_assets() == []


def test_totals_without_positions_keep_the_correction_of_the_last() -> None:
    world = World()
    world.tell(1, multi(1, position()))  # type: ignore[arg-type]  # a poll
    world.tell(2, multi(2, positions=None, complete=False))  # type: ignore[arg-type]
    assert world.read("margin_balance", asset="USD").value == D("2199.9")


def test_a_position_in_an_asset_without_a_known_price_makes_the_pool_unknown() -> None:
    world = World()
    btc = replace(position("ETHBTC", "1", "0.05", mark="0.06", liq="0.01"), margin_asset="BTC")
    world.tell(1, multi(1, position(), btc))  # type: ignore[arg-type]  # a poll
    assert world.read("margin_balance", asset="USD").grade is Grade.UNKNOWN
    assert world.read("wallet_balance", asset="USD").value == 2000
    assert world.read("unrealized_pnl", "ETHBTC").value == D("0.01")
    assert world.read("asset", "ETHBTC").value == "BTC"


def test_an_older_event_of_the_mode_is_dropped() -> None:
    world = World()
    world.tell(1, AssetModeChanged("main", at(1).utc, 100, 1, multi_assets=True))
    world.tell(2, AssetModeChanged("main", at(2).utc, 99, 2, multi_assets=False))
    assert world.account.multi_assets


def test_an_answer_that_does_not_tell_the_mode_or_a_setting_leaves_them() -> None:
    world = World()
    world.tell(1, multi(1, position()))  # type: ignore[arg-type]  # a poll
    world.tell(2, replace(poll(2, position(), leverage=None), multi_assets=None))
    assert world.account.multi_assets
    assert world.read("leverage", "BTCUSDT").value == 10


def test_a_liquidation_price_in_multi_assets_mode_moves_with_the_wallet() -> None:
    world = World()
    answer = multi(1, position(), assets=(AssetRow("USDT", D(1000), D(1000)),))
    world.tell(1, answer)  # type: ignore[arg-type]  # a poll
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    world.tell(2, change(2, money("900")))
    moved = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(moved, D)
    # 100 less behind 0.1 · (1 − 0.004)
    assert moved.quantize(D("1e-6")) == D("55004.016064")
    world.tell(3, multi(3, position(liq="55100"), totals=None))  # type: ignore[arg-type]
    assert world.read("liquidation_price", "BTCUSDT").value == 55100
