"""Leverage that is known for longer than a poll of all settings, and margin assets left unsaid."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import AssetRow, LeverageChanged, PollAnswered
from monitor.core.notices import Grade
from tests.core.worlds import World, at, change, filled, money, poll, position

D = Decimal


def without_settings(seconds: float, margin: str | None) -> PollAnswered:
    """A poll of positions and status alone, 62000 · 0.1 held; its row shows the initial margin."""
    row = replace(position(), initial_margin=None if margin is None else D(margin))
    return replace(poll(seconds, row), settings=None)


def grade(world: World) -> Grade:
    return world.read("leverage", "BTCUSDT").grade


def test_polls_of_positions_bear_a_leverage_out_between_polls_of_settings() -> None:
    world = World()
    world.tell(1, poll(1, position()))
    for seconds in range(11, 71, 10):
        world.tell(seconds, without_settings(seconds, "620"))
        assert grade(world) is Grade.FRESH
    world.tell(101, without_settings(101, "310"))
    assert grade(world) is Grade.AGED, "the row speaks of 20x"
    assert world.read("leverage", "BTCUSDT").value == 10
    world.tell(111, LeverageChanged("main", at(111).utc, 1, 1, "BTCUSDT", 20))
    assert grade(world) is Grade.FRESH
    world.sleep(141)
    world.tell(141)
    assert grade(world) is Grade.AGED


def test_rows_that_show_no_initial_margin_confirm_nothing() -> None:
    world = World()
    world.tell(1, poll(1, position()))
    world.tell(31, without_settings(31, None))
    assert grade(world) is Grade.AGED
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.FRESH


@pytest.mark.parametrize(
    ("wallets", "beside", "symbol", "asset"),
    [
        pytest.param({"USDT": "1000"}, (), "BTCUSDT", "USDT", id="the symbol's end"),
        pytest.param({"BNFCR": "1000"}, (), "BTCUSDT", "BNFCR", id="credits"),
        pytest.param({}, ("BNFCR",), "BTCUSDC", "BNFCR", id="credits, told by the event alone"),
        pytest.param({"BNFCR": "5", "USDC": "1"}, (), "BTCUSDC", "USDC", id="the account has it"),
        pytest.param({"BNB": "1"}, ("USDT",), "BTCUSDT", "USDT", id="the fee is in another"),
        pytest.param({"BNB": "1"}, (), "BTCUSDC", "USDC", id="nothing but the symbol tells"),
        pytest.param({"USDT": "0"}, ("XYZ",), "BTCUSDT", "XYZ", id="an asset nobody heard of"),
    ],
)
def test_the_margin_asset_of_a_row_that_leaves_it_out(
    wallets: dict[str, str], beside: tuple[str, ...], symbol: str, asset: str
) -> None:
    world = World()
    assets = tuple(AssetRow(name, D(wallet), D(wallet)) for name, wallet in wallets.items())
    world.tell(1, replace(poll(1), assets=assets))
    balances = [money("7", asset=name) for name in beside]
    world.tell(2, change(2, filled(symbol, asset=None), *balances))
    assert world.account.holdings[symbol, "BOTH"].position.margin_asset == asset
