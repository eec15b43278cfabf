"""Binance's liquidation price and margin formulas, and carrying a price on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.core.events import Bracket
from monitor.core.freshness import NEVER
from monitor.core.liquidation import (
    INFINITE,
    Brackets,
    Leg,
    backing,
    distance,
    flat,
    line_at,
    liquidation_price,
    maintenance_margin,
    unrealized_pnl,
)
from monitor.core.portfolio import Account
from monitor.core.positions import Balance, Basis, Holding, Position
from tests.core.worlds import World, change, filled, marks, money, poll, position

D = Decimal


def one(rate: D | str, amount: D | str = "0") -> Brackets:
    """A table of a single bracket, which an example names."""
    return (Bracket(D(0), INFINITE, D(rate), D(amount)),)


def exact(wallet: D, others: D, legs: Sequence[Leg]) -> D | None:
    """The formula as docs/protocol.md §9.2 writes it, side by side with ours."""
    numerator = wallet + others
    denominator = D(0)
    for leg in legs:
        (bracket,) = leg.brackets
        size, sign = abs(leg.quantity), 1 if leg.quantity > 0 else -1
        numerator += bracket.amount - sign * size * leg.entry_price
        denominator += size * bracket.rate - sign * size
    if not denominator or numerator / denominator <= 0:
        return None
    return numerator / denominator


def slope(legs: Sequence[Leg]) -> D:
    return line_at(legs, D(0)).slope


def price_from(wallet: str, others: str, *legs: Leg) -> D | None:
    return liquidation_price(D(wallet) + D(others), legs, legs[0].entry_price)


def leg(quantity: str, entry: str, rate: str, amount: str = "0") -> Leg:
    return Leg(D(quantity), D(entry), one(rate, amount))


ETH = leg("3683.979", "1456.84", "0.10", "135365.00")
BTC = leg("109.488", "32481.98", "0.025", "16300.00")
FAQ = "1535443.01"


@pytest.mark.parametrize(
    ("wallet", "others", "own", "expected"),
    [
        pytest.param(FAQ, "0", ETH, "1114.78496375", id="isolated ETH"),
        pytest.param(FAQ, "0", BTC, "18778.72593217", id="isolated BTC"),
        pytest.param(FAQ, "-127555.38144", ETH, "1153.25646470", id="cross ETH"),
        pytest.param(FAQ, "-804705.398", BTC, "26316.89330890", id="cross BTC"),
    ],
)
def test_the_official_example(wallet: str, others: str, own: Leg, expected: str) -> None:
    """docs/protocol.md §9.4, numbers of Binance's own FAQ."""
    price = price_from(wallet, others, own)
    assert price is not None
    assert price.quantize(D("1e-8")) == D(expected)


def test_the_official_example_margins() -> None:
    own = maintenance_margin(D("109.488") * D("31967.27"), one("0.025", "16300")[0])
    assert own.quantize(D("1e-5")) == D("71200.81144")
    eth = maintenance_margin(D("3683.979") * D("1335.18"), one("0.10", "135365")[0])
    assert eth.quantize(D("1e-6")) == D("356512.508122")
    btc = unrealized_pnl(D("109.488"), D("31967.27"), D("32481.98"))
    assert btc.quantize(D("1e-5")) == D("-56354.56848")
    assert unrealized_pnl(D("3683.979"), D("1335.18"), D("1456.84")).quantize(D("1e-5")) == D(
        "-448192.88514"
    )


@pytest.mark.parametrize(
    ("size", "entry", "leverage", "expected"),
    [
        pytest.param("-1", "10", 5, "11.89108910891089", id="short 5x"),
        pytest.param("-1", "10", 3, "13.211221122079207", id="short 3x"),
        pytest.param("-1", "8", 5, "9.514851485148514", id="short 5x, entry 8"),
        pytest.param("-0.6", "10", 5, "11.897689768976898", id="short 5x, size 0.6"),
        pytest.param("1", "10", 5, "8.070707070707071", id="long 5x"),
        pytest.param("1", "8", 5, "6.454545454545454", id="long 5x, entry 8"),
        pytest.param("1", "10", 3, "6.723905723905723", id="long 3x"),
        pytest.param("0.6", "10", 5, "8.063973063973064", id="long 5x, size 0.6"),
    ],
)
def test_small_vectors(size: str, entry: str, leverage: int, expected: str) -> None:
    """docs/protocol.md §9.5."""
    wallet = abs(D(size)) * D(entry) / leverage
    price = price_from(str(wallet), "0", leg(size, entry, "0.01", "0.01"))
    assert price is not None
    assert abs(price - D(expected)) < D("1e-8")


def test_a_recorded_liquidation_fits_together() -> None:
    """docs/protocol.md §9.6: the liquidation order's price is the bankruptcy price of our K."""
    rate = D("0.147132") / D("9.8088")
    short = [Leg(D("-33.5"), D("0.2927"), one(rate))]
    k = backing(D("0.29411212"), short)
    assert k.quantize(D("1e-10")) == D("0.1950973603")
    assert (D("0.2927") + k / D("33.5")).quantize(D("1e-7")) == D("0.2985238")
    assert liquidation_price(k, short, D("0.2928")) == D("0.29411212")
    assert unrealized_pnl(D("-33.5"), D("0.2928"), D("0.2927")) == D("-0.00335")
    assert maintenance_margin(D("9.8088"), one(rate)[0]) == D("0.147132")


W2_BTC, W2_ETH = leg("2", "50000", ".005", "50"), leg("-10", "3000", ".004")


@pytest.mark.parametrize(
    ("wallet", "others", "legs", "expected"),
    [
        pytest.param("5000", "0", [W2_BTC], "47713.56783920", id="W1"),
        pytest.param("5000", "0", [leg("-2", "50000", ".005", "50")], "52263.68159204", id="W1'"),
        pytest.param("10000", "-1124", [W2_BTC], "45765.82914573", id="W2 BTC"),
        pytest.param("10000", "-2440", [W2_ETH], "3741.03585657", id="W2 ETH"),
        pytest.param(
            "10000",
            "0",
            [leg("3", "50000", ".005", "50"), leg("-1", "52000", ".004")],
            "44396.76930843",
            id="W3",
        ),
        pytest.param(
            "10000",
            "0",
            [leg("2", "50000", ".005", "50"), leg("-2", "52000", ".005", "50")],
            "705000.00000000",
            id="W3b",
        ),
    ],
)
def test_worked_examples(wallet: str, others: str, legs: list[Leg], expected: str) -> None:
    """docs/protocol.md §9.7."""
    price = price_from(wallet, others, *legs)
    assert price is not None
    assert price.quantize(D("1e-8")) == D(expected)


def test_worked_example_of_an_overcollateralised_long() -> None:
    assert price_from("200000", "0", W2_BTC) is None


def test_worked_example_of_an_account_margin_ratio() -> None:
    """W2 through the whole engine: 564 / 7000."""
    world = World()
    world.tell(
        1,
        poll(
            1,
            replace(position("BTCUSDT", "2", "50000", mark="49000"), maintenance_margin=D(440)),
            replace(position("ETHUSDT", "-10", "3000", mark="3100"), maintenance_margin=D(124)),
            wallet="10000",
        ),
    )
    ratio = world.read("margin_ratio").value
    assert isinstance(ratio, D)
    assert ratio.quantize(D("1e-8")) == D("0.08057143")


def test_no_price_where_the_slope_is_level() -> None:
    legs = [leg("1", "100", "0.5"), leg("-3", "100", "0.5")]  # 0.5·4 + 2 = 4
    assert slope(legs) == 4
    level = [leg("3", "100", "0.5"), leg("-1", "100", "0.5")]  # 0.5·4 − 2 = 0
    assert slope(level) == 0
    assert liquidation_price(D(1000), level, D(100)) is None


@pytest.mark.parametrize(
    ("mark", "price", "direction", "expected"),
    [
        pytest.param("100", "80", "-1", "0.2", id="long above it"),
        pytest.param("80", "80", "-1", "0", id="long at it"),
        pytest.param("50", "80", "-1", "-0.6", id="long beyond it"),
        pytest.param("100", "120", "1", "0.2", id="short below it"),
        pytest.param("150", "120", "1", "-0.2", id="short beyond it"),
        pytest.param("100", None, "-1", "Infinity", id="none, long"),
        pytest.param("100", None, "1", "Infinity", id="none, short"),
    ],
)
def test_distance(mark: str, price: str | None, direction: str, expected: str) -> None:
    given_price = None if price is None else D(price)
    assert distance(D(mark), given_price, D(direction)) == D(expected)


# ---------------------------------------------------------------- carrying a price on


def decimals(low: int, high: int, places: int = 2) -> st.SearchStrategy[D]:
    scale = 10**places
    return st.integers(low * scale, high * scale).map(lambda whole: D(whole) / scale)


@dataclass
class Shape:
    """One position that may move: quantity never 0, its side stays."""

    symbol: str
    position_side: str
    sign: int
    cross: bool
    rate: D
    sizes: list[D] = field(default_factory=list)
    entries: list[D] = field(default_factory=list)
    wallets: list[D] = field(default_factory=list)


@st.composite
def shapes(draw: st.DrawFn) -> list[Shape]:
    found = []
    for symbol in ("AAAUSDT", "BBBUSDT", "CCCUSDT")[: draw(st.integers(1, 3))]:
        sides = draw(st.sampled_from([["BOTH"], ["LONG"], ["SHORT"], ["LONG", "SHORT"]]))
        cross = draw(st.booleans())
        for side in sides:
            sign = (
                draw(st.sampled_from([1, -1])) if side == "BOTH" else (1 if side == "LONG" else -1)
            )
            found.append(
                Shape(
                    symbol,
                    side,
                    sign,
                    cross,
                    draw(st.sampled_from([D("0.004"), D("0.005"), D("0.025"), D("0.1")])),
                    [draw(decimals(1, 500)) for _ in range(2)],
                    [draw(decimals(10, 5000)) for _ in range(2)],
                    [draw(decimals(1, 50_000)) for _ in range(2)],
                )
            )
    return found


def account_of(found: list[Shape], step: int, wallet: D, prices: dict[str, D]) -> Account:
    account = Account("main", "binance-usdm", 30_000, 0)
    account.balances["USDT"] = Balance("USDT", wallet, wallet, 0)
    for shape in found:
        held = Position(
            shape.symbol,
            shape.position_side,
            shape.sign * shape.sizes[step],
            shape.entries[step],
            "cross" if shape.cross else "isolated",
            D(0) if shape.cross else shape.wallets[step],
            "USDT",
            0,
            rate=shape.rate,
            polled_at=NEVER,
        )
        holding = account.holdings[held.key] = Holding(account, held, 0)
        holding.move(prices[shape.symbol], 0)
    return account


def exact_of(account: Account, held: Position) -> D | None:
    """The formula from the account's parts, summed by hand."""
    own = account.legs(held)
    assert own is not None
    if not held.cross:
        return exact(held.isolated_wallet, D(0), own)
    others = D(0)
    for holding in account.holdings.values():
        other = holding.position
        if other.cross and other.symbol != held.symbol:
            assert other.entry_price is not None
            assert other.rate is not None
            assert holding.mark_price is not None
            others += other.quantity * (holding.mark_price - other.entry_price)
            others -= abs(other.quantity) * holding.mark_price * other.rate
    return exact(account.balances["USDT"].cross_wallet, others, own)


@given(
    shapes(),
    st.lists(decimals(100, 1_000_000), min_size=2, max_size=2),
    st.lists(decimals(10, 5000), min_size=6, max_size=6),
)
def test_carrying_a_price_on_equals_the_exact_formula(
    found: list[Shape], wallets: list[D], prices: list[D]
) -> None:
    """Fills, money and the marks of other symbols move; K at the poll is all that is known."""
    symbols = list(dict.fromkeys(shape.symbol for shape in found))
    then = account_of(found, 0, wallets[0], dict(zip(symbols, prices[:3], strict=False)))
    now = account_of(found, 1, wallets[1], dict(zip(symbols, prices[3:], strict=False)))
    for key, holding in then.holdings.items():
        held, later = holding.position, now.holdings[key].position
        said = exact_of(then, held)
        wallet, others = then.money_behind(held)
        assert wallet is not None
        assert others is not None
        legs, later_legs = then.legs(held), now.legs(later)
        assert legs is not None
        assert later_legs is not None
        assume(abs(slope(legs)) > D("0.01"))
        assume(abs(slope(later_legs)) > D("0.01"))
        k = backing(said, legs) if said else wallet + others
        now.bases[now.group_of(later)] = Basis(k, wallet, others, said or D(1), legs)
        carried, expected = now.liquidation(later), exact_of(now, later)
        assert carried is not None
        assert carried[1] == slope(later_legs)
        if expected is None:
            assert carried[0] is None or carried[0] < D("1e-12")
        else:
            assert carried[0] is not None
            assert abs(carried[0] - expected) <= D("1e-15") * (1 + expected)


def test_the_whole_way_from_a_poll_over_fills_and_marks() -> None:
    """A cross pool of two symbols through the engine: each tick of one moves the other's price."""
    btc, eth = D("0.1"), D(-2)
    world = World()

    def expected(wallet: str, eth_mark: str, quantity: D, entry: str) -> D:
        others = eth * (D(eth_mark) - 3000) - abs(eth) * D(eth_mark) * D("0.01")
        price = exact(D(wallet), others, [Leg(quantity, D(entry), flat(D("0.004")))])
        assert price is not None
        return price

    said = str(expected("1000", "3000", btc, "60000"))
    world.tell(
        1,
        poll(
            1,
            position(quantity="0.1", mark="61000", liq=said),
            position("ETHUSDT", "-2", "3000", mark="3000", liq="3400", rate="0.01"),
        ),
    )
    close = D("1e-18")
    read = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(read, D)
    assert abs(read - D(said)) < close

    world.tell(2, marks(2, ETHUSDT="3100"))
    read = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(read, D)
    assert abs(read - expected("1000", "3100", btc, "60000")) < close

    world.tell(3, change(3, filled(quantity="0.15", entry="60500"), money("997.5")))
    read = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(read, D)
    assert abs(read - expected("997.5", "3100", D("0.15"), "60500")) < close

    world.tell(4, change(4, money("1500"), seq=2, reason="DEPOSIT"))
    read = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(read, D)
    assert abs(read - expected("1500", "3100", D("0.15"), "60500")) < close
