"""Multi-assets mode: one pool in USD, made of assets at their prices; and switching to and fro."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import (
    AssetModeChanged,
    AssetPricesRead,
    AssetRow,
    PollAnswered,
    PollWanted,
    PositionRow,
    Totals,
)
from monitor.core.notices import Grade, Reading
from tests.core.worlds import World, at, change, filled, marks, money, near, poll, position

D = Decimal

ETHBTC = replace(
    position("ETHBTC", "10", "0.05", mark="0.06", liq="0.04"),
    margin_asset="BTC",
)
"""A gain of 0.1 BTC, maintenance 0.0024 BTC."""
CREDIT = replace(position("ETHUSDT", "1", "3000", mark="3100", liq="2500"), margin_asset="BNFCR")


def priced(**prices: str) -> AssetPricesRead:
    return AssetPricesRead({asset: D(price) for asset, price in prices.items()})


def usd(
    seconds: float,
    *rows: PositionRow,
    pnl: str = "0",
    wallet: str = "5000",
    after: int = 0,
    **wallets: str,
) -> PollAnswered:
    """A poll of an account in multi-assets mode."""
    totals = Totals(D(wallet), D(wallet), D(pnl), D(pnl), D(0), D(1500))
    assets = tuple(AssetRow(asset, D(held), D(held)) for asset, held in wallets.items())
    answer = poll(seconds, *rows, after=after)
    return replace(answer, multi_assets=True, totals=totals, assets=assets)


def mode(seconds: float, seq: int, *, multi_assets: bool) -> AssetModeChanged:
    return AssetModeChanged("main", at(seconds).utc, at(seconds).utc, seq, multi_assets)


# ---------------------------------------------------------------- collateral at its price


def test_collateral_and_positions_count_at_their_prices() -> None:
    """BTC at 50,000 and BNB at 600: what they change by since the poll, in USD."""
    world = World()
    world.tell(1, priced(BTC="50000", BNB="600"))
    world.tell(2, usd(2, ETHBTC, pnl="5000", wallet="17000", BTC="0.1", BNB="20"))
    pool = {
        name: world.read(name, asset="USD").value
        for name in (
            "wallet_balance",
            "margin_balance",
            "maintenance_margin",
            "total_notional",
            "equity",
            "margin_ratio",
        )
    }
    assert pool == {
        "wallet_balance": 17000,
        "margin_balance": 22000,
        "maintenance_margin": 120,
        "total_notional": 30000,
        "equity": 22000,
        "margin_ratio": D(120) / 22000,
    }
    world.tell(3, change(3, money("19", asset="BNB")))
    world.tell(4, marks(4, ETHBTC="0.055"))
    assert world.read("wallet_balance", asset="USD").value == 16400
    assert world.read("margin_balance", asset="USD").value == 18900
    # A position's money stays in its own asset; what it stands on is USD.
    assert world.read("unrealized_pnl", "ETHBTC").value == D("0.05")
    assert world.read("notional", "ETHBTC").value == D("0.55")
    assert world.read("effective_leverage", "ETHBTC").value == D(27500) / 18900
    assert world.read("position_margin_ratio", "ETHBTC").value == D(110) / 18900


def test_prices_that_are_read_replace_the_one_dollar_of_stable_coins() -> None:
    world = World()
    world.tell(1, usd(1, position(), pnl="200", USDT="5000"))
    assert world.read("maintenance_margin", asset="USD").value == D("24.8")
    world.tell(2, priced(USDT="0.5", USDC="0"))
    assert world.read("maintenance_margin", asset="USD").value == D("12.4")
    assert world.account.prices == {"USDT": D("0.5"), "USDC": 1}, "nothing costs nothing"


def test_an_asset_is_unknown_until_its_price_is_read() -> None:
    world = World(near("margin_balance < 4000"))
    world.tell(1, usd(1, ETHBTC, pnl="5000", wallet="1000", BTC="0.1", USDT="0"))
    assert world.read("margin_balance", asset="USD").grade is Grade.UNKNOWN
    assert world.read("effective_leverage", "ETHBTC").grade is Grade.UNKNOWN
    # Nothing can be carried on without it, so the exchange's price stands as it was polled.
    assert world.read("liquidation_price", "ETHBTC").value == D("0.04")
    assert world.read("liquidation_distance", "ETHBTC").value == D(2) / 6
    world.tell(2, priced(BTC="20000"))
    assert world.read("margin_balance", asset="USD").value == 3000
    assert world.story == ["2s fired warning"]


@pytest.mark.parametrize("said", ["0.04", "0"])
def test_the_money_behind_a_position_is_turned_into_its_own_asset(said: str) -> None:
    """100,000 USD less are 2 BTC less behind 100 ETHBTC."""
    row = replace(ETHBTC, quantity=D(100), notional=D(6), liquidation_price=D(said))
    row = replace(row, unrealized_pnl=D(1), maintenance_margin=D("0.024"))
    world = World()
    world.tell(1, priced(BTC="50000"))
    world.tell(2, usd(2, row, pnl="50000", wallet="300000", USDT="300000"))
    before = world.read("liquidation_price", "ETHBTC")
    world.tell(3, change(3, money("200000")))
    after = world.read("liquidation_price", "ETHBTC").value
    assert isinstance(after, D)
    free = 100 * (1 - D("0.004"))
    if said == "0":
        assert before == Reading(Grade.ABSENT)
        assert abs(after - (5 - D(4)) / free) < D("1e-20"), "4 BTC under a cost of 5"
    else:
        assert before.value == D("0.04")
        assert abs(after - (D("0.04") + 2 / free)) < D("1e-20")


def test_others_in_the_pool_count_at_their_prices() -> None:
    """A gain of 0.02 BTC, 1000 USD less its maintenance, stands behind the long in USDT."""
    world = World()
    world.tell(1, priced(BTC="50000"))
    world.tell(2, usd(2, position(), ETHBTC, pnl="5200", BTC="0.1", USDT="5000"))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    world.tell(3, marks(3, ETHBTC="0.062"))
    price = world.read("liquidation_price", "BTCUSDT").value
    gained = 50000 * (D("0.02") - D("0.00008"))
    assert isinstance(price, D)
    assert abs(price - (54000 - gained / (D("0.1") * D("0.996")))) < D("1e-15")


@pytest.mark.parametrize("asset", ["USDC", "BNFCR"])
def test_without_the_mode_no_pool_needs_a_price(asset: str) -> None:
    world = World()
    own = replace(CREDIT, margin_asset=asset)
    answer = poll(1, position(), own, wallet="1000")
    rows = (AssetRow("USDT", D(1000), D(1000)), AssetRow(asset, D(700), D(700)))
    world.tell(1, replace(answer, assets=rows))
    assert world.account.pool_assets() == ["USDT", asset]
    assert world.read("margin_balance", asset=asset).value == 800
    assert world.read("margin_ratio", asset=asset).value == D("12.4") / 800
    assert world.read("liquidation_price", "ETHUSDT").value == 2500
    world.tell(2, change(2, money("600", asset=asset)))
    price = world.read("liquidation_price", "ETHUSDT").value
    assert isinstance(price, D)
    assert abs(price - (2500 + 100 / D("0.996"))) < D("1e-20")
    assert world.read("liquidation_price", "BTCUSDT").value == 54000


# ---------------------------------------------------------------- switching the mode


def test_switched_by_an_event_the_old_pools_end_and_the_new_one_waits_for_its_totals() -> None:
    world = World(near("margin_balance < 1500"))
    world.tell(1, poll(1, position()))
    assert world.story == ["1s fired warning"]
    world.tell(2, mode(2, 1, multi_assets=True))
    assert world.account.pool_assets() == []
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.UNKNOWN
    # Sent before the switch: its totals are of USDT alone, its price of the pool that was.
    late = Totals(D(1000), D(1000), D(200), D(200), D("24.8"), D(900))
    world.tell(3, replace(poll(1.9, position()), totals=late))
    assert world.account.pool_assets() == []
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.UNKNOWN
    world.tell(4, usd(4, position(liq="30000"), pnl="200", wallet="1200", USDT="1200", after=1))
    assert world.account.pool_assets() == ["USD"]
    assert world.read("liquidation_price", "BTCUSDT").value == 30000
    assert world.story == ["1s fired warning", "2s resolved warning pool_gone", "4s fired warning"]
    assert [notice.target.asset for notice in world.notices] == ["USDT", "USDT", "USD"]
    world.tell(5, mode(5, 2, multi_assets=False))
    assert world.account.pool_assets() == ["USDT"]
    assert world.story[3:] == ["5s resolved warning pool_gone", "5s fired warning"]
    assert [notice.target.asset for notice in world.notices[3:]] == ["USD", "USDT"]
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.UNKNOWN
    world.tell(5.5, usd(4.9, position(liq="30000"), pnl="200", USDT="1200", after=1))
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.UNKNOWN, "of the pool that was"
    world.tell(6, poll(6, position(liq="54000"), after=2))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000


def test_switched_as_polls_tell() -> None:
    world = World(near("margin_balance < 1500"))
    world.tell(1, poll(1, position()))
    world.tell(11, usd(11, position(liq="30000"), pnl="200", USDT="1000", BNB="5"))
    assert world.account.pool_assets() == ["USD"]
    assert world.read("liquidation_price", "BTCUSDT").value == 30000
    world.tell(21, poll(21, position()))
    assert world.account.pool_assets() == ["USDT", "BNB"]
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    assert world.story == [
        "1s fired warning",
        "11s resolved warning pool_gone",
        "21s fired warning",
        "21s fired warning",
    ]
    assert [notice.target.asset for notice in world.notices] == ["USDT", "USDT", "USDT", "BNB"]


def test_a_switch_keeps_position_alerts_and_takes_their_price_from_the_next_poll() -> None:
    world = World(near("liquidation_distance < 10%"))
    world.tell(1, poll(1, position(mark="55000")))
    world.tell(2, mode(2, 1, multi_assets=True))
    assert world.story == ["1s fired warning"], "unknown clears nothing"
    world.tell(3, usd(3, position(mark="55000", liq="30000"), USDT="1000", after=1))
    assert world.story == ["1s fired warning", "3s resolved warning recovered"]


def test_a_price_that_stood_as_polled_is_of_the_mode_that_is_left() -> None:
    world = World()
    world.tell(1, usd(1, ETHBTC, pnl="5000", BTC="0.1"))
    assert world.read("liquidation_price", "ETHBTC").value == D("0.04")
    world.tell(2, mode(2, 1, multi_assets=False))
    assert world.read("liquidation_price", "ETHBTC").grade is Grade.UNKNOWN


def test_an_event_of_a_position_in_credits_waits_for_its_poll() -> None:
    world = World()
    world.tell(1, usd(1, position(), pnl="200", USDT="5000"), marks(1, ETHUSDT="3100"))
    world.tell(2, change(2, filled("ETHUSDT", "1", "3000", asset="BNFCR")))
    assert world.read("margin_balance", asset="USD").grade is Grade.UNKNOWN
    world.tell(3, priced(BNFCR="1.01"))
    assert world.read("margin_balance", asset="USD").value == D(5200) + 101


# ---------------------------------------------------------------- a switch that nobody told


def silent(answer: PollAnswered) -> PollAnswered:
    """The same from `v2/account.status`, which does not tell the mode."""
    return replace(answer, multi_assets=None)


def of_usdt(seconds: float, wallet: str, **wallets: str) -> PollAnswered:
    """A poll without multi-assets mode: its totals are of USDT alone."""
    answer = usd(seconds, position(), pnl="200", wallet=wallet)
    return replace(answer, multi_assets=False, assets=held(**wallets))


def held(**wallets: str) -> tuple[AssetRow, ...]:
    return tuple(AssetRow(asset, D(wallet), D(wallet)) for asset, wallet in wallets.items())


def full_polls(world: World, since: float) -> list[int]:
    return [
        request.ticks
        for seconds, outcome in world.outcomes
        if seconds >= since
        for request in outcome.requests
        if isinstance(request, PollWanted) and request.full
    ]


def test_totals_of_usdt_alone_are_not_taken_for_dollars_of_everything() -> None:
    world = World(near("margin_ratio > 1%"))
    world.tell(1, priced(BTC="50000"))
    world.tell(1, usd(1, position(), pnl="200", wallet="6000", USDT="1000", BTC="0.1"))
    alone = of_usdt(11, "1000", USDT="1000", BTC="0.1")
    world.tell(11, silent(alone))
    assert full_polls(world, 11) == [11_000]
    assert world.read("margin_balance", asset="USD") == Reading(Grade.AGED, D(6200), 10_000)
    world.tell(12, silent(of_usdt(12, "1000", USDT="1000", BTC="0.1")))
    assert full_polls(world, 12) == [], "asked already"
    assert world.story == []
    world.tell(13, of_usdt(13, "1000", USDT="1000", BTC="0.1"))
    assert world.account.pool_assets() == ["USDT", "BTC"]
    assert world.read("margin_balance").grade is Grade.FRESH
    assert world.read("margin_ratio").value == D("24.8") / 1200
    assert world.story == ["13s fired warning"]
    assert {remark.counter for remark in world.remarks} >= {"modes_doubted"}


def test_a_mode_that_is_told_with_such_totals_is_believed() -> None:
    world = World()
    odd = usd(1, position(), pnl="200", wallet="1000", USDT="1000", USDC="500")
    world.tell(1, odd)
    world.tell(11, silent(replace(odd, at=at(11).utc)))
    assert full_polls(world, 11) == []
    assert world.read("wallet_balance", asset="USD") == Reading(Grade.FRESH, D(1000), 0)


@pytest.mark.parametrize(
    ("wallet", "wallets"),
    [
        pytest.param("1000", {"USDT": "1000"}, id="of USDT alone indeed"),
        pytest.param("1000.0000005", {"USDT": "1000", "USDC": "0.0000005"}, id="beside dust"),
        pytest.param("1400", {"USDT": "1000", "USDC": "500"}, id="with a haircut"),
    ],
)
def test_ordinary_totals_of_multi_assets_mode_are_not_doubted(
    wallet: str, wallets: dict[str, str]
) -> None:
    world = World()
    for seconds in (1, 11):
        answer = usd(seconds, position(), pnl="200", wallet=wallet)
        answer = replace(answer, assets=held(**wallets))
        world.tell(seconds, answer if seconds == 1 else silent(answer))
    assert full_polls(world, 11) == []
    assert world.read("wallet_balance", asset="USD") == Reading(Grade.FRESH, D(wallet), 0)


def test_the_mode_switched_on_unseen_is_asked_for_at_once() -> None:
    world = World()
    world.tell(1, of_usdt(1, "1000", USDT="1000", BNB="5"))
    world.tell(11, silent(of_usdt(11, "1000", USDT="1000", BNB="5")))
    assert full_polls(world, 11) == []
    world.tell(21, silent(usd(21, position(), pnl="200", wallet="4000", USDT="1000", BNB="5")))
    assert full_polls(world, 21) == [21_000]
    assert world.read("margin_balance").grade is Grade.AGED
    world.tell(23, usd(23, position(), pnl="200", wallet="4000", USDT="1000", BNB="5"))
    assert world.account.pool_assets() == ["USD"]
    assert world.read("wallet_balance", asset="USD") == Reading(Grade.FRESH, D(4000), 0)
