"""The vocabulary of rules: each metric by a worked example, and the columns of its table."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.freshness import Rest
from monitor.core.language.truth import ABSENT
from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import AGE_BASES, METRICS, VOCABULARY, Direction, View, metrics_of
from monitor.core.notices import Grade
from monitor.core.portfolio import Account
from monitor.core.positions import Balance, Basis, Holding, Position
from tests.core.worlds import World, at, change, filled, money, poll, position

D = Decimal

INFINITE = D("Infinity")

BTC = position("BTCUSDT", "0.1", "60000", mark="62000", liq="40000")
ETH = position("ETHUSDT", "-2", "3000", mark="2900", liq="3200", iw="600", rate="0.01")


def two() -> World:
    """A cross long of BTC and an isolated short of ETH, wallet 1600 of which 1000 is cross."""
    world = World()
    world.tell(1, poll(1, BTC, ETH, wallet="1600", cross="1000", leverage=20))
    world.tell(3)
    return world


LONG = {
    "account": "main",
    "venue": "binance-usdm",
    "asset": "USDT",
    "symbol": "BTCUSDT",
    "side": "long",
    "margin_type": "cross",
    "quantity": D("0.1"),
    "mark_price": D(62000),
    "entry_price": D(60000),
    "break_even_price": D(60000),
    "liquidation_price": D(40000),
    "liquidation_distance": D(22000) / D(62000),
    "margin_room": D("1.1752"),  # (1000 + 200 − 24.8) / 1000
    "notional": D(6200),
    "leverage": D(20),
    "effective_leverage": D(6200) / D(1200),
    "unrealized_pnl": D(200),
    "roi": D(4000) / D(6200),
    "isolated_margin": None,
    "position_margin_ratio": D("24.8") / D(1200),
    "adl": D(1),
    "mark_age": 2000,
}
SHORT = {
    "account": "main",
    "venue": "binance-usdm",
    "asset": "USDT",
    "symbol": "ETHUSDT",
    "side": "short",
    "margin_type": "isolated",
    "quantity": D(-2),
    "mark_price": D(2900),
    "entry_price": D(3000),
    "break_even_price": D(3000),
    "liquidation_price": D(3200),
    "liquidation_distance": D(300) / D(2900),
    "margin_room": D(742) / D(600),  # (600 + 200 − 58) / 600
    "notional": D(5800),
    "leverage": D(20),
    "effective_leverage": D(5800) / D(800),
    "unrealized_pnl": D(200),
    "roi": D(4000) / D(5800),
    "isolated_margin": D(800),
    "position_margin_ratio": D(58) / D(800),
    "adl": D(1),
    "mark_age": 2000,
}
POOL = {
    "account": "main",
    "venue": "binance-usdm",
    "asset": "USDT",
    "wallet_balance": D(1600),
    "total_unrealized_pnl": D(400),
    "equity": D(2000),
    "total_notional": D(12000),
    "margin_balance": D(1200),
    "maintenance_margin": D("24.8"),
    "available_balance": D(1600),
    "margin_ratio": D("24.8") / D(1200),
    "account_leverage": D(6),
    "position_count": D(2),
}
ACCOUNT = {"account": "main", "venue": "binance-usdm", "data_age": 2000, "stale_for": 0}


def close(figure: object, expected: object) -> bool:
    if isinstance(figure, D) and isinstance(expected, D) and expected.is_finite():
        return abs(figure - expected) < D("1e-20")
    return figure == expected


@pytest.mark.parametrize("name", LONG)
def test_of_a_cross_long(name: str) -> None:
    reading = two().read(name, "BTCUSDT")
    assert reading.grade is (Grade.ABSENT if name == "isolated_margin" else Grade.FRESH)
    assert close(reading.value, LONG[name])


@pytest.mark.parametrize("name", SHORT)
def test_of_an_isolated_short(name: str) -> None:
    reading = two().read(name, "ETHUSDT")
    assert reading.grade is Grade.FRESH
    assert close(reading.value, SHORT[name])


@pytest.mark.parametrize("name", POOL)
def test_of_a_pool(name: str) -> None:
    reading = two().read(name)
    assert reading.grade is Grade.FRESH
    assert close(reading.value, POOL[name])


@pytest.mark.parametrize("name", ACCOUNT)
def test_of_an_account(name: str) -> None:
    assert two().read(name, asset="").value == ACCOUNT[name]


def test_the_examples_leave_no_metric_out() -> None:
    """Those of options come with options."""
    assert set(METRICS) == set(LONG) | set(POOL) | set(ACCOUNT)
    assert set(VOCABULARY) == set(METRICS)
    for scope, names in ((Scope.POSITION, LONG), (Scope.POOL, POOL), (Scope.ACCOUNT, ACCOUNT)):
        assert {metric.name for metric in metrics_of(scope)} >= set(names)


def test_the_example_of_margin_room_in_the_contract() -> None:
    """96 % when opened at 10x, 60 % at 100x, at 0.4 % maintenance."""
    for leverage, room in ((10, "0.96"), (100, "0.6")):
        world = World()
        wallet = str(D(6000) / leverage)
        opened = position(quantity="0.1", entry="60000", mark="60000", iw=wallet)
        world.tell(1, poll(1, opened, wallet="1000", cross="0"))
        assert world.read("margin_room", "BTCUSDT").value == D(room)


# ---------------------------------------------------------------- infinite, nothing, unknown


def balances(wallet: str, quantity: str = "0.1") -> World:
    """One cross long at a loss of 1000."""
    world = World()
    row = position(quantity=quantity, entry="60000", mark="50000", liq="1")
    world.tell(1, poll(1, row, wallet=wallet))
    return world


@pytest.mark.parametrize("wallet", ["1000", "999", "0", "-5"])
def test_a_balance_of_nothing_or_less_is_infinite_leverage(wallet: str) -> None:
    world = balances(wallet)
    for name in ("effective_leverage", "position_margin_ratio"):
        assert world.read(name, "BTCUSDT").value == INFINITE
    for name in ("margin_ratio", "account_leverage"):
        assert world.read(name).value == INFINITE
    assert world.read("margin_room", "BTCUSDT").value == 0


def test_nothing_above_a_balance_is_nothing() -> None:
    world = World()
    world.tell(1, poll(1, wallet="0.5"))
    world.tell(2, change(2, money("-1")))
    assert world.read("margin_ratio").value == 0
    assert world.read("account_leverage").value == 0


def test_margin_room_over_no_wallet_is_unknown_while_something_is_left() -> None:
    """Standing on unrealized gains alone: there is no money put behind it to take a part of."""
    world = World()
    world.tell(1, poll(1, position(mark="62000", liq="61000"), wallet="0"))
    assert world.read("margin_room", "BTCUSDT").grade is Grade.UNKNOWN
    world.tell(2, poll(2, position(mark="60100", liq="61000"), wallet="0"))
    assert world.read("margin_room", "BTCUSDT").value == 0


def test_without_a_setting_roi_is_unknown() -> None:
    world = World()
    world.tell(1, poll(1, position(), leverage=None))
    assert world.read("leverage", "BTCUSDT").grade is Grade.UNKNOWN
    assert world.read("roi", "BTCUSDT").grade is Grade.UNKNOWN
    assert world.read("unrealized_pnl", "BTCUSDT").value == 200


def test_without_a_balance_what_stands_on_it_is_unknown() -> None:
    world = World()
    world.tell(1, replace(poll(1, position()), assets=None, complete=False))
    for name in ("effective_leverage", "margin_room", "position_margin_ratio"):
        assert world.read(name, "BTCUSDT").grade is Grade.UNKNOWN
    for name in ("wallet_balance", "equity", "margin_ratio", "account_leverage"):
        assert world.read(name).grade is Grade.UNKNOWN
    assert world.read("total_notional").value == 6200


@pytest.mark.parametrize(
    ("quantity", "expected"), [pytest.param("0.1", D(0), id="long"), ("-0.1", INFINITE)]
)
def test_no_liquidation_price_compares_as_out_of_reach(quantity: str, expected: D) -> None:
    world = World()
    world.tell(1, poll(1, position(quantity=quantity, liq="0"), wallet="100000"))
    holding = world.account.holdings["BTCUSDT", "BOTH"]
    view = View(world.account, at(1), holding=holding)
    figure = METRICS["liquidation_price"].compute(view)
    if quantity == "0.1":
        assert figure == expected
        assert world.read("liquidation_price", "BTCUSDT").grade is Grade.ABSENT
    else:
        assert isinstance(figure, D)
        assert figure > 100000, "a short of any size has a price somewhere"


def test_no_liquidation_price_of_a_short_is_infinite() -> None:
    """Only its formula could say so: the denominator of a leg of rate 0 is never 0."""
    world = World()
    world.tell(1, poll(1, position(quantity="-0.1", liq="70000")))
    account = world.account
    basis = account.bases["BTCUSDT", ""]
    account.bases["BTCUSDT", ""] = replace(basis, k=basis.k - 10**6)
    view = View(account, at(1), holding=account.holdings["BTCUSDT", "BOTH"])
    assert METRICS["liquidation_price"].compute(view) == INFINITE
    assert METRICS["liquidation_distance"].compute(view) == INFINITE


def test_beyond_the_liquidation_price_the_distance_is_negative() -> None:
    world = World()
    world.tell(1, poll(1, position(mark="50000", liq="54000")))
    assert world.read("liquidation_distance", "BTCUSDT").value == D("-0.08")


# ---------------------------------------------------------------- ages


def test_ages_before_the_first_poll() -> None:
    world = World(start=10)
    world.tell(15)
    assert world.read("data_age", asset="").value == 5000
    assert world.read("stale_for", asset="").value == 5000


def test_data_age_is_that_of_the_poll_or_of_the_oldest_mark() -> None:
    world = two()
    world.tell(10, poll(10, BTC, replace(ETH, mark_price=None), wallet="1600", cross="1000"))
    world.tell(15)
    assert world.read("data_age", asset="").value == 14_000
    assert world.read("mark_age", "ETHUSDT").value == 14_000
    assert world.read("mark_age", "BTCUSDT").value == 5_000


def test_a_mark_that_was_never_had_is_as_old_as_the_position() -> None:
    world = World()
    world.tell(1, poll(1))
    world.tell(2, change(2, filled("ETHUSDT", "1", "3000")))
    world.tell(7)
    assert world.read("mark_age", "ETHUSDT").value == 5_000
    assert world.read("data_age", asset="").value == 6_000


def test_ages_are_always_known() -> None:
    ages = [metric for metric in METRICS.values() if metric.unit is Unit.DURATION]
    assert {metric.name for metric in ages} == set(AGE_BASES)
    assert all(metric.rests is metric.rests_cross is Rest.NOTHING for metric in ages)


# ---------------------------------------------------------------- how it moves with the mark


def alone(quantity: D, entry: D, wallet: D, rate: D, mark: D, *, cross: bool, liq: D) -> Account:
    account = Account("main", "binance-usdm", 30_000, 0)
    account.balances["USDT"] = Balance("USDT", wallet, wallet if cross else D(0), 0, D(1), 0)
    account.settings.leverages["BTCUSDT"] = 10
    held = Position(
        "BTCUSDT",
        "BOTH",
        quantity,
        entry,
        "cross" if cross else "isolated",
        D(0) if cross else wallet,
        "USDT",
        0,
        break_even_price=entry,
        adl=1,
        rate=rate,
        polled_at=0,
    )
    holding = account.holdings[held.key] = Holding(account, held, 0)
    holding.move(mark, 0)
    k = liq * (abs(quantity) * rate - quantity) + quantity * entry
    account.bases[account.group_of(held)] = Basis(k, wallet, D(0), liq)
    account.polled_at = 0
    account.first_poll_done = True
    return account


def figure_of(account: Account, name: str) -> object:
    holding = next(iter(account.holdings.values()))
    return METRICS[name].compute(View(account, at(0), holding=holding))


MOVING = [metric.name for metric in METRICS.values() if metric.scope is Scope.POSITION]


@pytest.mark.parametrize("name", MOVING)
@given(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([D("0.004"), D("0.05")])),
    st.tuples(*[st.integers(1, 1000)] * 4, st.integers(1, 2000)),
)
@settings(max_examples=60)
def test_the_direction_column(
    name: str, kind: tuple[bool, bool, D], numbers: tuple[int, int, int, int, int]
) -> None:
    """A position that stands alone, with margin left at both marks."""
    cross, long, rate = kind
    entry, low, step, left, liq = numbers
    quantity = D(1 if long else -1)
    marks = D(low), D(low + step)
    wallet = left + max(mark * rate - quantity * (mark - entry) for mark in marks)
    assume(wallet > 0)
    before, after = (
        figure_of(alone(quantity, D(entry), wallet, rate, mark, cross=cross, liq=D(liq)), name)
        for mark in marks
    )
    metric = METRICS[name]
    direction = metric.long if long else metric.short
    if before is ABSENT or direction is Direction.NONE:
        return
    assert isinstance(before, D)
    assert isinstance(after, D)
    assert after >= before if direction is Direction.RISING else after <= before


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("quantity", [D(1), D(-1)], ids=["long", "short"])
def test_what_does_not_move_with_the_mark_alone(name: str, quantity: D) -> None:
    """The prices of the exchange and the settings stand still; `none` may also mean both ways."""
    metric = METRICS[name]
    if metric.unit is Unit.TEXT or metric.rests & Rest.OWN_MARK:
        return
    figures = {
        figure_of(alone(quantity, D(100), D(50), D("0.004"), D(mark), cross=True, liq=D(100)), name)
        for mark in (90, 110)
    }
    assert len(figures) == 1


def test_a_position_metric_asked_of_a_pool_is_our_own_mistake() -> None:
    view = View(two().account, at(1), asset="USDT")
    with pytest.raises(AssertionError, match="without a position"):
        METRICS["quantity"].compute(view)
