"""The vectors of docs/protocol.md §9.4 to §9.7, and the tables of §8.3."""

from decimal import Decimal

import pytest

from monitor.sim.amounts import cut_to_tick, money, parse_duration, plain
from monitor.sim.brackets import Listing, Tier, tier_at
from monitor.sim.formulas import (
    Leg,
    bankruptcy_price,
    liquidation_price,
    maintenance_margin,
    margin_ratio,
    settled_liquidation_price,
    unrealized,
)


def tier(rate: str, amount: str) -> Tier:
    return Tier(Decimal(10**12), 125, Decimal(rate), Decimal(amount))


ETH = Leg(1, Decimal("3683.979"), Decimal("1456.84"), tier("0.10", "135365"))
BTC = Leg(1, Decimal("109.488"), Decimal("32481.98"), tier("0.025", "16300"))
WALLET = Decimal("1535443.01")


@pytest.mark.parametrize(
    ("leg", "other_maintenance", "other_pnl", "expected"),
    [
        pytest.param(ETH, "0", "0", "1114.78496375", id="isolated ETH"),
        pytest.param(BTC, "0", "0", "18778.72593217", id="isolated BTC"),
        pytest.param(ETH, "71200.81144", "-56354.57", "1153.25646470", id="cross ETH"),
        pytest.param(BTC, "356512.508", "-448192.89", "26316.89330890", id="cross BTC"),
    ],
)
def test_official_example(leg: Leg, other_maintenance: str, other_pnl: str, expected: str) -> None:
    price = liquidation_price(
        [leg],
        wallet=WALLET,
        other_maintenance=Decimal(other_maintenance),
        other_pnl=Decimal(other_pnl),
    )
    assert price is not None
    assert money(price) == expected


def test_official_example_maintenance_and_profit() -> None:
    eth, btc = Decimal("3683.979") * Decimal("1335.18"), Decimal("109.488") * Decimal("31967.27")
    assert maintenance_margin(btc, BTC.tier) == Decimal("71200.811444")
    assert round(maintenance_margin(eth, ETH.tier), 6) == Decimal("356512.508122")
    assert unrealized(Decimal("109.488"), Decimal("32481.98"), Decimal("31967.27")) == Decimal(
        "-56354.56848"
    )
    assert unrealized(Decimal("3683.979"), Decimal("1456.84"), Decimal("1335.18")) == Decimal(
        "-448192.88514"
    )


@pytest.mark.parametrize(
    ("side", "leverage", "size", "entry", "expected"),
    [
        pytest.param(-1, 5, "1", "10", "11.89108911", id="short 5x"),
        pytest.param(-1, 3, "1", "10", "13.21122112", id="short 3x"),
        pytest.param(-1, 5, "1", "8", "9.51485149", id="short 5x at 8"),
        pytest.param(-1, 5, "0.6", "10", "11.89768977", id="short 5x of 0.6"),
        pytest.param(1, 5, "1", "10", "8.07070707", id="long 5x"),
        pytest.param(1, 5, "1", "8", "6.45454545", id="long 5x at 8"),
        pytest.param(1, 3, "1", "10", "6.72390572", id="long 3x"),
        pytest.param(1, 5, "0.6", "10", "8.06397306", id="long 5x of 0.6"),
    ],
)
def test_small_vectors(side: int, leverage: int, size: str, entry: str, expected: str) -> None:
    leg = Leg(side, Decimal(size), Decimal(entry), tier("0.01", "0.01"))
    price = liquidation_price([leg], wallet=Decimal(size) * Decimal(entry) / leverage)
    assert price is not None
    assert money(price) == expected


def test_a_real_liquidation() -> None:
    """§9.6: wallet, liquidation price and order price of THEUSDT agree with each other."""
    wallet = Decimal("0.1950973603")
    leg = Leg(-1, Decimal("33.5"), Decimal("0.2927"), tier("0.015", "0"))
    price = liquidation_price([leg], wallet=wallet)
    assert price is not None
    assert money(price) == "0.29411212"
    mark = Decimal("0.2941")
    balance = wallet + unrealized(Decimal("-33.5"), Decimal("0.2927"), mark)
    bankruptcy = bankruptcy_price(Decimal("-33.5"), mark, balance)
    assert round(bankruptcy, 7) == Decimal("0.2985238")
    assert cut_to_tick(bankruptcy, Decimal("0.0001")) == Decimal("0.2985")


SMALL = (
    Tier(Decimal(50000), 125, Decimal("0.004"), Decimal(0)),
    Tier(Decimal(600000), 100, Decimal("0.005"), Decimal(50)),
)
FIRST, SECOND = SMALL


@pytest.mark.parametrize(
    ("legs", "wallet", "other", "expected"),
    [
        pytest.param(
            [Leg(1, Decimal(2), Decimal(50000), SECOND)],
            "5000",
            ("0", "0"),
            "47713.56783920",
            id="W1",
        ),
        pytest.param(
            [Leg(-1, Decimal(2), Decimal(50000), SECOND)],
            "5000",
            ("0", "0"),
            "52263.68159204",
            id="W1'",
        ),
        pytest.param(
            [Leg(1, Decimal(2), Decimal(50000), SECOND)],
            "10000",
            ("124", "-1000"),
            "45765.82914573",
            id="W2",
        ),
        pytest.param(
            [Leg(-1, Decimal(10), Decimal(3000), FIRST)],
            "10000",
            ("440", "-2000"),
            "3741.03585657",
            id="W2'",
        ),
        pytest.param(
            [
                Leg(1, Decimal(3), Decimal(50000), SECOND),
                Leg(-1, Decimal(1), Decimal(52000), FIRST),
            ],
            "10000",
            ("0", "0"),
            "44396.76930843",
            id="W3",
        ),
        pytest.param(
            [
                Leg(1, Decimal(2), Decimal(50000), SECOND),
                Leg(-1, Decimal(2), Decimal(52000), SECOND),
            ],
            "10000",
            ("0", "0"),
            "705000.00000000",
            id="W3b",
        ),
        pytest.param(
            [Leg(1, Decimal(2), Decimal(50000), SECOND)], "200000", ("0", "0"), None, id="W4"
        ),
    ],
)
def test_worked_examples(
    legs: list[Leg], wallet: str, other: tuple[str, str], expected: str | None
) -> None:
    price = liquidation_price(
        legs,
        wallet=Decimal(wallet),
        other_maintenance=Decimal(other[0]),
        other_pnl=Decimal(other[1]),
    )
    assert (None if price is None else money(price)) == expected


def test_worked_margin_ratio() -> None:
    ratio = margin_ratio(Decimal(440 + 124), Decimal(10000 - 3000))
    assert round(ratio * 100, 6) == Decimal("8.057143")
    assert margin_ratio(Decimal(1), Decimal(0)) == Decimal("Infinity")


def test_the_tier_is_that_of_the_liquidation_price() -> None:
    """A short that is in the first tier now is in the second where it is liquidated."""
    leg = Leg(-1, Decimal(1), Decimal(49000), FIRST)
    price = settled_liquidation_price([leg], SMALL, wallet=Decimal(9000))
    by_hand = liquidation_price([Leg(-1, Decimal(1), Decimal(49000), SECOND)], wallet=Decimal(9000))
    assert price == by_hand
    assert price is not None
    assert price > 50000


def test_maintenance_amounts_follow_from_the_rates() -> None:
    """§8.3: cum_n = floor_n · (rate_n − rate_{n−1}) + cum_{n−1}, for every built-in tier."""
    listing = Listing()
    for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDC", "SOLUSDT"):
        before = Tier(Decimal(0), 0, Decimal(0), Decimal(0))
        for one in listing.tiers(symbol):
            assert one.amount == before.cap * (one.rate - before.rate) + before.amount, symbol
            before = one


def test_a_tier_holds_up_to_its_cap() -> None:
    assert tier_at(SMALL, Decimal(50000)) is FIRST
    assert tier_at(SMALL, Decimal("50000.01")) is SECOND
    assert tier_at(SMALL, Decimal(10**9)) is SECOND


def test_an_unknown_symbol_has_one_tier() -> None:
    assert Listing().tiers("DOGEUSDT") == (Tier(Decimal(10**12), 50, Decimal("0.01"), Decimal(0)),)
    assert Listing().max_notional("BTCUSDT", 20) == Decimal(100000000)


def test_spellings() -> None:
    assert [money(Decimal("-0.000000001")), money(Decimal("1.5"))] == ["0.00000000", "1.50000000"]
    numbers = [
        Decimal("0.10"),
        Decimal("0E-8"),
        Decimal(291),
        Decimal("-0.5"),
        Decimal("1E+3"),
        Decimal("-0.000000001"),
    ]
    assert [plain(number) for number in numbers] == ["0.1", "0", "291", "-0.5", "1000", "0"]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("5m", 300_000), ("1h30m", 5_400_000), ("0.5s", 500), ("1d", 86_400_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5m3", "5M"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and a unit"):
        parse_duration(text)
