"""Brackets: maintenance margins and liquidation prices across borders, and when they count."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.events import Bracket, BracketsRead, PositionRow
from monitor.core.liquidation import (
    INFINITE,
    Leg,
    backing,
    bracket_of,
    carried,
    distance,
    line_at,
    liquidation_price,
    maintenance_margin,
)
from monitor.core.notices import Grade, Reading
from tests.core.tiers import (
    TABLES,
    Exchange,
    Held,
    Own,
    by_steps,
    exchanges,
    near_100,
    roots,
    table,
    tables,
)
from tests.core.worlds import World, change, filled, marks, money, near, poll, position

D = Decimal

SMALL = table((50_000, "0.004"), (600_000, "0.005"))
"""The table of docs/protocol.md §9.7."""


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize("symbol", TABLES)
def test_recorded_tables_join(symbol: str) -> None:
    brackets = TABLES[symbol]
    assert brackets == table(*((each.cap, each.rate) for each in brackets))


@pytest.mark.parametrize("symbol", TABLES)
@given(st.integers(1, 2_000_000_000))
def test_a_maintenance_margin_is_the_sum_over_the_tiers(symbol: str, notional: int) -> None:
    brackets = TABLES[symbol]
    own = maintenance_margin(D(notional), bracket_of(brackets, D(notional)))
    assert own == by_steps(brackets, D(notional))


@pytest.mark.parametrize(
    ("notional", "rate"),
    [
        pytest.param("0.01", "0.004", id="nearly nothing"),
        pytest.param("50000", "0.004", id="at the cap"),
        pytest.param("50000.01", "0.005", id="just above it"),
        pytest.param("600000", "0.005", id="at the next cap"),
        pytest.param("1800000000", "0.5", id="at the last cap"),
        pytest.param("9999999999", "0.5", id="above the last cap"),
    ],
)
def test_the_bracket_of_a_notional(notional: str, rate: str) -> None:
    assert bracket_of(TABLES["BTCUSDT"], D(notional)).rate == D(rate)


# ---------------------------------------------------------------- across borders, by formula


def leg(quantity: str, entry: str, brackets: tuple[Bracket, ...] = SMALL) -> Leg:
    return Leg(D(quantity), D(entry), brackets)


@pytest.mark.parametrize(
    ("money_behind", "legs", "start", "expected"),
    [
        pytest.param("5000", [leg("2", "50000")], "50000", "47713.56783920", id="W1"),
        pytest.param("5000", [leg("-2", "50000")], "50000", "52263.68159204", id="W1'"),
        pytest.param("8876", [leg("2", "50000")], "49000", "45765.82914573", id="W2 BTC"),
        pytest.param("7560", [leg("-10", "3000")], "3100", "3741.03585657", id="W2 ETH"),
        pytest.param(
            "10000",
            [leg("3", "50000"), leg("-1", "52000")],
            "51000",
            "44396.76930843",
            id="W3, each leg by its own bracket",
        ),
        pytest.param("200000", [leg("2", "50000")], "50000", None, id="W4"),
    ],
)
@pytest.mark.parametrize("factor", ["0.01", "1", "100"])
def test_worked_examples_from_anywhere(
    money_behind: str, legs: list[Leg], start: str, expected: str | None, factor: str
) -> None:
    """docs/protocol.md §9.7, wherever the search begins."""
    price = liquidation_price(D(money_behind), legs, D(start) * D(factor))
    assert (price.quantize(D("1e-8")) if price else None) == (D(expected) if expected else None)


def test_the_official_example_in_its_own_brackets() -> None:
    """docs/protocol.md §9.4 names rates and amounts of the tables of its day."""
    eth = (
        Bracket(D(0), D("3.6e6"), D("0.05"), D(0)),
        Bracket(D("3.6e6"), INFINITE, D("0.1"), D(135365)),
    )
    price = liquidation_price(D("1535443.01"), [leg("3683.979", "1456.84", eth)], D("1335.18"))
    assert price is not None
    assert price.quantize(D("1e-8")) == D("1114.78496375")


def test_equal_hedged_legs_stop_at_the_brackets_on_the_way() -> None:
    """W3b names 705000 for one bracket; on the way the recorded table asks for more and more."""
    brackets = TABLES["BTCUSDT"]
    legs = [leg("2", "50000", brackets), leg("-2", "52000", brackets)]
    price = liquidation_price(D(10000), legs, D(51000))
    held = [Held(each.quantity, each.entry_price, brackets) for each in legs]
    assert price is not None
    assert [price.quantize(D("1e-8"))] == [
        each.quantize(D("1e-8")) for each in roots(D(10000), held)
    ]
    assert D(51000) < price < D(705000)


quantities = st.integers(-300, 300).filter(bool).map(lambda whole: D(whole) / 100)
prices = st.integers(1, 100_000).map(lambda whole: D(whole) / 10)


@given(
    st.integers(-20_000, 200_000).map(D),
    st.lists(st.tuples(quantities, prices), min_size=1, max_size=2),
    tables(),
    prices,
    prices,
)
@settings(max_examples=400)
def test_a_price_across_brackets_is_a_root(
    k: D, drawn: list[tuple[D, D]], brackets: tuple[Bracket, ...], start: D, mark: D
) -> None:
    """Against a scan of every border: from wherever the search begins."""
    legs = [Leg(quantity, entry, brackets) for quantity, entry in drawn]
    held = [Held(quantity, entry, brackets) for quantity, entry in drawn]
    begin = line_at(legs, start)
    assume(abs(begin.slope) > D("0.001"))
    price, slope = carried(k, legs, begin, mark)
    found = roots(k, held)
    if price is not None and found:
        assert min(abs(price - root) for root in found) <= price * D("1e-15")
    if len(legs) == 1:
        assert (price is not None) == bool(found), "alone it has one price or none"
        assert (slope < 0) is (legs[0].quantity > 0)
    if not found and price is not None:
        left = k + sum((each.left(mark) for each in held), D(0))
        assert left < 0, "there is none only because nothing is left anywhere"
        assert distance(mark, price, slope) <= 0


def test_money_that_is_used_up_at_every_price_is_told_from_the_mark() -> None:
    """Between two brackets the search goes to and fro, and one of its ends looks far away."""
    brackets = table((1000, "0.004"), (2000, "0.1"), (4000, "0.5"))
    drawn = [(D(20), D(180)), (D(-16), D(160))]
    legs = [Leg(quantity, entry, brackets) for quantity, entry in drawn]
    assert roots(D(700), [Held(quantity, entry, brackets) for quantity, entry in drawn]) == []
    mark, begin = D(50), line_at(legs, D(220))
    assert distance(mark, *carried(D(700), legs, begin, mark)) == D(
        "-0.7634854771784232365145228216"
    )
    assert distance(mark, *carried(D(700), legs, begin, None)) > D("0.7"), "what it would look like"


@given(quantities, prices, tables(), prices)
def test_what_is_read_out_of_a_price_gives_it_back(
    quantity: D, entry: D, brackets: tuple[Bracket, ...], said: D
) -> None:
    legs = [Leg(quantity, entry, brackets)]
    price = liquidation_price(backing(said, legs), legs, said)
    assert price is not None
    assert abs(price - said) <= said * D("1e-20")


# ---------------------------------------------------------------- through the engine


def read_price(world: World, own: Own) -> D | None:
    reading = world.read("liquidation_price", own.symbol, own.side)
    assert reading.grade in {Grade.FRESH, Grade.ABSENT}, reading
    assert reading.value is None or isinstance(reading.value, D)
    return reading.value


def agree(world: World, exchange: Exchange) -> None:
    """Each of our prices is one of the oracle's; where the oracle has none, so have we."""
    for own in exchange.held:
        key = own.symbol, "" if not own.wallet else own.side
        if key not in world.account.bases:
            continue  # not believed: "0" while ours is near
        if world.account.liquidation(world.account.holdings[own.symbol, own.side].position) is None:
            continue
        price, found = read_price(world, own), exchange.roots(own)
        if price is not None and found:
            assert min(abs(price - root) for root in found) <= price * D("1e-12")
        if len(exchange.legs(own)[1]) == 1:
            assert (price is not None) == bool(found)
        notional = abs(own.quantity) * exchange.marks[own.symbol]
        held = world.account.holdings[own.symbol, own.side]
        assert held.maintenance == by_steps(exchange.tables[own.symbol], notional)


@given(exchanges(), near_100, near_100, st.integers(1, 600), near_100, st.booleans())
def test_prices_are_carried_across_borders(
    exchange: Exchange,
    one: D,
    other: D,
    size: int,
    entry: D,
    late: bool,  # noqa: FBT001 - drawn
) -> None:
    """Tables, marks of all symbols, a fill and money: whatever the exchange would say, we say."""
    world = World()
    tables_read = BracketsRead("main", exchange.tables)
    if not late:
        world.tell(0.5, tables_read)
    rows = [exchange.row(own) for own in exchange.held]
    world.tell(1, poll(1, *rows, wallet=str(exchange.wallet)))
    if late:
        world.tell(1.5, tables_read)
    for own, row in zip(exchange.held, rows, strict=True):
        if row.liquidation_price:
            price = read_price(world, own)
            assert price is not None
            assert abs(price - row.liquidation_price) <= price * D("1e-15"), "as it was said"
    agree(world, exchange)

    exchange.marks |= {"AAAUSDT": one, "BBBUSDT": other}
    world.tell(2, marks(2, AAAUSDT=str(one), BBBUSDT=str(other)))
    agree(world, exchange)

    own = exchange.held[0]
    own.quantity = (1 if own.quantity > 0 else -1) * D(size) / 10
    own.entry = entry
    exchange.wallet += 100
    row = filled(
        own.symbol,
        str(own.quantity),
        str(own.entry),
        side=own.side,
        mt="isolated" if own.wallet else "cross",
        iw=str(own.wallet),
    )
    world.tell(3, change(3, row, money(str(exchange.wallet))))
    agree(world, exchange)
    assert not [remark for remark in world.remarks if remark.counter == "brackets_doubted"]


# ---------------------------------------------------------------- tables come, and are doubted


TIERS = table((6_000, "0.004"), (20_000, "0.005"), (100_000, "0.01"))


def row(quantity: str = "0.1", mark: str = "62000", **more: str) -> PositionRow:
    """A row as an exchange with these tiers shows it."""
    made = position(quantity=quantity, mark=mark, **more)  # type: ignore[arg-type]  # texts
    notional = abs(made.notional or D(0))
    return replace(made, maintenance_margin=by_steps(TIERS, notional))


def read(**symbols: tuple[Bracket, ...]) -> BracketsRead:
    return BracketsRead("main", symbols)


def test_maintenance_goes_from_bracket_to_bracket_with_the_mark() -> None:
    world = World()
    world.tell(1, read(BTCUSDT=TIERS), poll(1, row()))
    found = {}
    for seconds, mark in enumerate(["62000", "59000", "60000", "61000", "250000"], 2):
        world.tell(seconds, marks(seconds, BTCUSDT=mark))
        found[mark] = world.read("maintenance_margin").value
    # 0.004 up to 6000, 0.005 above it, 0.01 above 20000.
    assert found == {
        "62000": D("25"),
        "59000": D("23.6"),
        "60000": D("24"),
        "61000": D("24.5"),
        "250000": D("144"),
    }


def test_tables_that_come_after_the_poll_leave_its_price_as_it_was_said() -> None:
    world = World()
    world.tell(1, poll(1, row()))
    world.tell(2, read(BTCUSDT=TIERS))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    world.tell(3, change(3, money("900")))
    # 54000 lies in the first bracket: 100 less move it by 100 / (0.1 − 0.0004).
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    assert abs(price - (54000 + 100 / (D("0.1") * D("0.996")))) < D("1e-15")


def test_a_fill_into_another_bracket() -> None:
    """Four times as much: the price then lies in the second bracket, or the third."""
    world = World()
    world.tell(1, read(BTCUSDT=TIERS), poll(1, row()))
    world.tell(2, change(2, filled(quantity="0.4")))
    price = world.read("liquidation_price", "BTCUSDT").value
    k = D(54000) * (D("0.1") * D("0.004") - D("0.1")) + 6000
    # 0.4 × 58893 = 23557: rate 0.01, amount 6 + 100.
    third = (k + 106 - 24000) / (D("0.4") * D("0.01") - D("0.4"))
    assert isinstance(price, D)
    assert abs(price - third) < D("1e-15")
    assert third * D("0.4") > 20_000


def test_a_table_that_contradicts_a_poll_is_put_aside_until_it_agrees() -> None:
    world = World()
    other = table((6_000, "0.01"), (20_000, "0.02"))
    world.tell(1, read(BTCUSDT=other), poll(1, row()))
    said = (
        "main: BTCUSDT: its brackets give another maintenance margin than the poll; the polled "
        "rate counts until they agree"
    )
    assert [(each.level, each.text, each.counter) for each in world.remarks] == [
        ("warning", said, "brackets_doubted")
    ]
    assert world.read("maintenance_margin").value == 25
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    world.tell(11, poll(11, row(mark="59000")))
    assert world.read("maintenance_margin").value == D("23.6")
    world.tell(12, marks(12, BTCUSDT="61000"))
    assert world.read("maintenance_margin").value == D("24.4"), "at the polled rate"
    world.tell(13, read(BTCUSDT=TIERS))
    assert world.read("maintenance_margin").value == D("24.4"), "until a poll agrees"
    assert len(world.remarks) == 1
    world.tell(21, poll(21, row(mark="59000")))
    world.tell(22, marks(22, BTCUSDT="61000"))
    assert world.read("maintenance_margin").value == D("24.5")
    assert [(each.level, each.text) for each in world.remarks[1:]] == [
        ("info", "main: BTCUSDT: its brackets give the polled maintenance margin again")
    ]


def test_rounding_contradicts_nothing() -> None:
    world = World()
    rounded = replace(row(), maintenance_margin=D("25.00000049"))
    world.tell(1, read(BTCUSDT=TIERS), poll(1, rounded))
    tiny = replace(row("0.00001", mark="60000"), maintenance_margin=D("0.00240099"))
    world.tell(2, poll(2, tiny))
    assert not [each for each in world.remarks if each.counter == "brackets_doubted"]


def test_one_leg_that_contradicts_is_enough() -> None:
    world = World()
    long, short = row(side="LONG"), row("-0.2", side="SHORT")
    wrong = replace(short, maintenance_margin=D(70))
    for seconds, rows in ((1, (long, wrong)), (2, (wrong, long))):
        world.tell(seconds, read(BTCUSDT=TIERS), poll(seconds, *rows))
        assert world.account.contradicted == {"BTCUSDT"}
    assert len(world.remarks) == 1


@pytest.mark.parametrize(
    "brackets",
    [
        pytest.param((), id="empty"),
        pytest.param((Bracket(D(5), D(9), D("0.01"), D(0)),), id="not from 0"),
        pytest.param((Bracket(D(0), D(9), D("0.01"), D(1)),), id="an amount at 0"),
        pytest.param((Bracket(D(0), D(9), D(1), D(0)),), id="a rate of 1"),
        pytest.param((Bracket(D(0), D(0), D("0.01"), D(0)),), id="nothing wide"),
        pytest.param((*TIERS[:1], *TIERS[2:]), id="a gap"),
        pytest.param(TIERS[::-1], id="falling"),
        pytest.param((TIERS[0], TIERS[1]._replace(amount=D(7))), id="amounts that do not join"),
        pytest.param(table((6_000, "0.01"), (20_000, "0.005")), id="rates that fall"),
    ],
)
def test_a_table_that_is_none_is_not_used(brackets: tuple[Bracket, ...]) -> None:
    world = World()
    world.tell(1, read(BTCUSDT=TIERS), poll(1, row()))
    world.tell(2, read(BTCUSDT=brackets))
    world.tell(3, marks(3, BTCUSDT="59000"))
    assert world.read("maintenance_margin").value == D(25) / D(6200) * D(5900)
    assert [(each.level, each.text, each.counter) for each in world.remarks] == [
        (
            "warning",
            "main: BTCUSDT: its brackets do not join; polled rates count",
            "brackets_doubted",
        )
    ]


def test_a_symbol_without_a_table_goes_by_its_polled_rate() -> None:
    world = World()
    world.tell(1, read(ETHUSDT=TIERS), poll(1, row()))
    world.tell(2, marks(2, BTCUSDT="59000"))
    assert world.read("maintenance_margin").value == D(25) / D(6200) * D(5900)
    world.tell(3, read(ETHUSDT=TIERS, BTCUSDT=TIERS))
    assert world.read("maintenance_margin").value == D("23.6")
    world.tell(4, read(ETHUSDT=TIERS))
    assert world.read("maintenance_margin").value == D("23.6"), "those not named stay"


def test_tables_are_of_one_account() -> None:
    world = World(accounts=("main", "sub"))
    world.tell(1, poll(1, row()), poll(1, row(), account="sub"))
    world.tell(2, read(BTCUSDT=TIERS), marks(2, BTCUSDT="59000"))
    sub = world.engine.portfolio.accounts["sub"].holdings["BTCUSDT", "BOTH"]
    assert sub.maintenance == D(25) / D(6200) * D(5900)
    assert world.read("maintenance_margin").value == D("23.6")


def test_reading_tables_judges_what_they_change() -> None:
    """9000 at 0.004 is 36, by its table 39, and the wallet is 1000."""
    world = World(near("margin_ratio > 3.8%"))
    flat_row = position(quantity="0.15", mark="60000", entry="60000")
    world.tell(1, poll(1, flat_row))
    assert world.story == []
    world.tell(2, read(BTCUSDT=TIERS))
    assert world.story == ["2s fired warning"]


def test_no_price_of_the_exchange_is_judged_by_our_own_with_brackets() -> None:
    """At one rate there would be none within reach; the tiers on a rise bring it near."""
    steep = table((6_000, "0.004"), (8_000, "0.25"), (100_000, "0.5"))
    short = position(quantity="-0.1", entry="60000", mark="60000", liq="0")
    short = replace(short, maintenance_margin=by_steps(steep, D(6000)))
    world = World()
    world.tell(1, poll(1, short, wallet="3100"))
    assert world.read("liquidation_price", "BTCUSDT").grade is Grade.FRESH, "half as far again"
    world.tell(2, read(BTCUSDT=steep))
    world.tell(3, poll(3, short, wallet="3100"))
    assert world.read("liquidation_price", "BTCUSDT") == Reading(Grade.UNKNOWN, None, 0)
    assert [each.counter for each in world.remarks] == ["liquidation_prices_doubted"]


def test_rows_without_a_maintenance_margin_go_by_their_brackets() -> None:
    """Those of `account.position` (v1) say none: without brackets nothing could be carried on."""
    world = World()
    world.tell(1, read(BTCUSDT=TIERS, ETHUSDT=TIERS))
    eth = position("ETHUSDT", "-2", "3000", mark="2900", liq="3400")
    rows = [replace(each, maintenance_margin=None) for each in (row(), eth)]
    world.tell(2, poll(2, *rows))
    assert world.read("maintenance_margin").value == 25 + D("23.2")
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    world.tell(3, marks(3, ETHUSDT="3000"))
    price = world.read("liquidation_price", "BTCUSDT").value
    lost = 200 + D("0.8")
    assert isinstance(price, D)
    assert abs(price - (54000 + lost / (D("0.1") * D("0.996")))) < D("1e-15")
    assert world.remarks == []
