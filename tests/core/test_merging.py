"""How events and polls become beliefs: docs/semantics.md §2, row by row."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import (
    AssetModeChanged,
    AssetRow,
    LeverageChanged,
    PollWanted,
)
from monitor.core.notices import Grade, Reading
from monitor.core.rows import same_price
from tests.core.worlds import World, at, change, filled, marks, money, near, poll, position

D = Decimal


def held(world: World) -> dict[tuple[str, str], tuple[str, str | None]]:
    """What is held: quantity and entry by key."""
    return {
        key: (str(holding.position.quantity), _text(holding.position.entry_price))
        for key, holding in world.account.holdings.items()
    }


def _text(number: D | None) -> str | None:
    return None if number is None else str(number)


BOTH = ("BTCUSDT", "BOTH")
LONG = ("BTCUSDT", "LONG")
SHORT = ("BTCUSDT", "SHORT")
AGAIN = 1_000


def begun() -> World:
    """One long, polled at 1 s."""
    world = World()
    world.tell(1, poll(1, position()))
    return world


def asked(world: World, since: float) -> list[PollWanted]:
    """The polls that were asked for since an instant."""
    return [
        request
        for seconds, outcome in world.outcomes
        if seconds >= since
        for request in outcome.requests
        if isinstance(request, PollWanted)
    ]


# ---------------------------------------------------------------- rows of events


def test_rows_hold_absolute_values_and_those_that_are_missing_stay() -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.3", entry="61000"), money("990")))
    world.tell(3, change(3, filled("ETHUSDT", "-2", "3000"), seq=2))
    assert held(world) == {BOTH: ("0.3", "61000"), ("ETHUSDT", "BOTH"): ("-2", "3000")}
    assert world.account.balances["USDT"].wallet == 990


@pytest.mark.parametrize(
    ("time", "quantity"),
    [
        pytest.param(4_999, "0.2", id="older is dropped"),
        pytest.param(5_000, "0.3", id="equal is applied"),
        pytest.param(5_001, "0.3", id="newer is applied"),
    ],
)
def test_events_of_one_key_are_ordered_by_their_time(time: int, quantity: str) -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.2"), money("900"), time=5_000))
    world.tell(3, change(3, filled(quantity="0.3"), money("800"), time=time, seq=2))
    assert held(world)[BOTH][0] == quantity
    assert world.account.balances["USDT"].wallet == (900 if quantity == "0.2" else 800)


def test_an_event_older_than_the_polled_row_is_dropped() -> None:
    world = World()
    world.tell(1, poll(1, position(quantity="0.5", updated=7_000)))
    world.tell(2, change(2, filled(quantity="0.3"), time=6_999))
    assert held(world)[BOTH][0] == "0.5"
    world.tell(3, change(3, filled(quantity="0.3"), time=7_000, seq=2))
    assert held(world)[BOTH][0] == "0.3"


def test_an_event_twice_is_harmless() -> None:
    world = begun()
    event = change(2, filled(quantity="0.2"), money("900"))
    world.tell(2, event)
    before = held(world), dict(world.account.balances)
    world.tell(2, event)
    assert (held(world), dict(world.account.balances)) == before


def test_an_older_balance_row_than_the_polled_one_is_dropped() -> None:
    world = World()
    answer = replace(
        poll(1, position()), assets=(AssetRow("USDT", D(1000), D(1000), updated=7_000),)
    )
    world.tell(1, answer)
    world.tell(2, change(2, money("900"), time=6_000))
    assert world.account.balances["USDT"].wallet == 1000


def test_a_zero_row_of_both_in_hedge_mode_clears_nothing_else() -> None:
    world = World()
    world.tell(1, poll(1, position(side="LONG"), position(quantity="-0.2", side="SHORT")))
    world.tell(
        2,
        change(
            2, filled(quantity="0", entry="0"), filled(quantity="0.15", entry="60500", side="LONG")
        ),
    )
    assert held(world) == {LONG: ("0.15", "60500"), SHORT: ("-0.2", "60000")}


def test_a_flat_row_is_no_position() -> None:
    world = World()
    world.tell(1, poll(1, position(quantity="0", entry="0", liq="0")))
    assert held(world) == {}


def test_an_event_with_quantity_zero_closes() -> None:
    world = begun()
    outcome = world.tell(2, change(2, filled(quantity="0", entry="0")))
    assert held(world) == {}
    assert outcome.symbols == frozenset()


@pytest.mark.parametrize("by", ["event", "poll"])
def test_a_change_of_sign_closes_one_position_and_opens_another(by: str) -> None:
    world = begun()
    first = world.account.holdings[BOTH]
    if by == "event":
        world.tell(2, change(2, filled(quantity="-0.1", entry="61000")))
        assert world.read("liquidation_price", "BTCUSDT") == Reading(Grade.UNKNOWN)
        assert world.read("adl", "BTCUSDT") == Reading(Grade.UNKNOWN)
    else:
        world.tell(2, poll(2, position(quantity="-0.1", entry="61000", liq="70000")))
        assert world.read("liquidation_price", "BTCUSDT").value == 70000
    second = world.account.holdings[BOTH]
    assert second is not first
    assert held(world) == {BOTH: ("-0.1", "61000")}
    assert second.position.side == "short"


# ---------------------------------------------------------------- events against polls


def test_a_poll_that_an_event_overtook_gives_all_but_four_figures() -> None:
    world = begun()
    world.tell(2, change(2.5, filled(quantity="0.2", entry="61000", mt="isolated", iw="700")))
    late = position(quantity="0.1", entry="60000", mark="63000", rate="0.005")
    world.tell(3, poll(2, replace(late, adl=3, break_even_price=D(60100)), after=0))
    now = world.account.holdings[BOTH].position
    assert (now.quantity, now.entry_price, now.margin_type, now.isolated_wallet) == (
        D("0.2"),
        D(61000),
        "isolated",
        D(700),
    )
    assert (now.adl, now.rate, now.break_even_price) == (3, D("0.005"), D(60100))
    assert world.account.holdings[BOTH].mark_price == 63000
    assert asked(world, 3) == [PollWanted("main", 3_000 + AGAIN)]


def test_a_poll_that_knows_the_event_is_applied_whole() -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.2")))
    known = position(quantity="0.25", entry="60500", updated=at(2.2).utc)
    world.tell(3, poll(2.5, known, after=1))
    assert held(world) == {BOTH: ("0.25", "60500")}
    assert asked(world, 3) == []


def test_an_overtaken_poll_reopens_nothing_and_closes_nothing() -> None:
    world = begun()
    world.tell(2, change(2.5, filled(quantity="0", entry="0")))
    world.tell(3, poll(2, position()))
    assert held(world) == {}
    world.tell(4, change(4, filled("ETHUSDT", "1", "3000"), seq=2))
    world.tell(5, poll(3.5, after=1))
    assert held(world) == {("ETHUSDT", "BOTH"): ("1", "3000")}


def test_an_overtaken_balance_stays_and_what_is_available_is_taken() -> None:
    world = begun()
    world.tell(2, change(2.5, money("900")))
    world.tell(3, poll(2, position(), wallet="1000"))
    balance = world.account.balances["USDT"]
    assert (balance.wallet, balance.available) == (D(900), D(1000))
    assert asked(world, 3) == [PollWanted("main", 3_000 + AGAIN)]


def test_an_overtaken_leverage_stays() -> None:
    world = begun()
    world.tell(2, LeverageChanged("main", at(2.5).utc, 1, 1, "BTCUSDT", 25))
    world.tell(3, poll(2, position(), leverage=10))
    assert world.read("leverage", "BTCUSDT").value == 25
    assert asked(world, 3) == [PollWanted("main", 3_000 + AGAIN, full=True)]
    world.tell(4, poll(4, position(), leverage=20, after=1))
    assert world.read("leverage", "BTCUSDT").value == 25, "one answer may be an old one"
    assert asked(world, 4) == [PollWanted("main", 4_000 + AGAIN, full=True)]
    world.tell(5, poll(5, position(), leverage=20, after=1))
    assert world.read("leverage", "BTCUSDT").value == 20


def test_an_older_leverage_event_is_dropped() -> None:
    world = begun()
    world.tell(2, LeverageChanged("main", at(2).utc, 100, 1, "BTCUSDT", 25))
    world.tell(3, LeverageChanged("main", at(3).utc, 99, 2, "BTCUSDT", 5))
    assert world.read("leverage", "BTCUSDT").value == 25


def test_an_overtaken_asset_mode_stays() -> None:
    world = begun()
    world.tell(2, AssetModeChanged("main", at(2.5).utc, 1, 1, multi_assets=True))
    world.tell(3, poll(2, position()))
    assert world.account.multi_assets
    world.tell(4, poll(4, position(), after=1))
    assert not world.account.multi_assets


def test_a_row_older_than_the_event_with_another_quantity_is_asked_again_then_believed() -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.2"), time=5_000))
    world.tell(3, poll(2.5, position(quantity="0.1", updated=4_000), after=1))
    assert held(world)[BOTH][0] == "0.2"
    assert asked(world, 3) == [PollWanted("main", 3_000 + AGAIN)]
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.AGED, D("0.2"), 1_000)
    world.tell(4, poll(4, position(quantity="0.1", updated=4_000), after=1))
    assert held(world)[BOTH][0] == "0.1"
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.FRESH, D("0.1"), 0)


def test_a_stamp_from_the_future_is_given_up_with_its_state() -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.2"), money(wallet="900"), time=9_999_999))
    for seconds in (3, 4):
        answer = position(quantity="0.1", updated=4_000)
        world.tell(seconds, poll(seconds, answer, after=1))
    assert held(world)[BOTH][0] == "0.1"
    world.tell(5, change(5, filled(quantity="0.3"), money(wallet="800"), time=5_000, seq=2))
    assert held(world)[BOTH][0] == "0.3"
    assert world.account.balances["USDT"].wallet == D("800")


def test_a_row_older_than_the_event_with_the_same_quantity_is_applied() -> None:
    world = begun()
    world.tell(2, change(2, filled(quantity="0.2", entry="60000"), time=5_000))
    world.tell(3, poll(2.5, position(quantity="0.2", entry="60100", updated=4_000), after=1))
    assert held(world)[BOTH] == ("0.2", "60100")
    assert asked(world, 3) == []


# ---------------------------------------------------------------- single figures


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(filled(quantity="0.2"), None, id="a fill without it"),
        pytest.param(filled(quantity="0.2", bep="0"), None, id="a fill with 0"),
        pytest.param(filled(quantity="0.2", bep="60050"), D(60050), id="a fill with it"),
        pytest.param(filled(quantity="0.1"), D(60000), id="no fill"),
        pytest.param(filled(quantity="0.1", entry="59000"), None, id="another entry"),
    ],
)
def test_break_even_is_unknown_from_a_fill_that_does_not_say_it(
    event: object, expected: D | None
) -> None:
    world = begun()
    world.tell(2, change(2, event))  # type: ignore[arg-type]  # a row
    assert world.read("break_even_price", "BTCUSDT").value == expected
    world.tell(3, poll(3, position(quantity="0.2", updated=at(2).utc), after=1))
    assert world.read("break_even_price", "BTCUSDT").value == 60000


def test_entry_price_zero_is_unknown_and_the_pnl_is_the_exchanges() -> None:
    world = World()
    row = replace(position(entry="0"), unrealized_pnl=D("-12.5"))
    world.tell(1, poll(1, row))
    assert world.read("entry_price", "BTCUSDT").grade is Grade.UNKNOWN
    assert world.read("unrealized_pnl", "BTCUSDT").value == D("-12.5")
    world.tell(2, change(2, filled(entry="0", pnl="7")))
    assert world.read("unrealized_pnl", "BTCUSDT").value == 7
    world.tell(3, marks(3, BTCUSDT="50000"))
    assert world.read("unrealized_pnl", "BTCUSDT").value == 7


def test_the_margin_type_changes_by_event_and_the_price_is_estimated_from_parts() -> None:
    world = begun()
    world.tell(2, change(2, filled(mt="isolated", iw="650")))
    assert world.read("margin_type", "BTCUSDT").value == "isolated"
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    # (650 − 0.1·60000) / (0.1·0.004 − 0.1)
    assert price.quantize(D("1e-8")) == D("53714.85943775")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        pytest.param(position(iw="600"), "isolated", id="a wallet of its own"),
        pytest.param(position(iw="0"), "cross", id="none"),
        pytest.param(replace(position(iw="0"), margin_type="isolated"), "isolated", id="said"),
    ],
)
def test_the_margin_type_of_a_polled_row(row: object, kind: str) -> None:
    world = World()
    world.tell(1, poll(1, row))  # type: ignore[arg-type]  # a row
    assert world.read("margin_type", "BTCUSDT").value == kind


def test_the_newer_of_stream_and_polled_mark_counts() -> None:
    world = begun()
    world.tell(5, marks(5, BTCUSDT="61000"))
    world.tell(6, poll(4, position(mark="60000")))
    assert world.read("mark_price", "BTCUSDT") == Reading(Grade.FRESH, D(61000), 1_000)
    world.tell(7, marks(3, BTCUSDT="59000"))
    assert world.read("mark_price", "BTCUSDT").value == 61000
    world.tell(8, poll(7.5, position(mark="60500")))
    assert world.read("mark_price", "BTCUSDT") == Reading(Grade.FRESH, D(60500), 500)


def test_a_mark_that_is_no_price_is_not_taken() -> None:
    world = begun()
    world.tell(5, marks(5, BTCUSDT="0"))
    assert world.read("mark_price", "BTCUSDT").value == 62000


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("6563.66500", "6563.665", True),
        ("60000.5", "60000.54321", True),
        ("60000.5", "60000.55", True),
        ("60000.5", "60000.61", False),
        ("60000", "60001", False),
        ("60001", "60000.7", True),
        ("0.0291", "0.02915", True),
        ("0.0291", "0.0293", False),
    ],
)
def test_entry_prices_are_compared_to_the_shorter_precision(
    one: str, other: str, *, expected: bool
) -> None:
    assert same_price(D(one), D(other)) is expected
    assert same_price(D(other), D(one)) is expected


# ---------------------------------------------------------------- opening


def test_a_symbol_not_seen_before_asks_for_its_settings() -> None:
    world = World()
    world.tell(1, poll(1))
    outcome = world.tell(2, change(2, filled("ETHUSDT", "1", "3000")))
    assert PollWanted("main", 2_000, full=True) in outcome.requests
    assert outcome.symbols == frozenset({"ETHUSDT"})


def test_the_margin_asset_is_told_by_the_symbol_where_the_row_leaves_it_out() -> None:
    world = World()
    world.tell(1, poll(1))
    world.tell(2, change(2, filled("BTCUSDC", "1", "60000", asset=None)))
    world.tell(3, change(3, filled("DOGEUSDT", "1", "1", asset=None), seq=2))
    assert {
        holding.position.symbol: holding.position.margin_asset
        for holding in world.account.holdings.values()
    } == {"BTCUSDC": "USDC", "DOGEUSDT": "USDT"}


@pytest.mark.parametrize("iw", ["0", "600"])
def test_a_row_that_leaves_the_isolated_wallet_out_keeps_it(iw: str) -> None:
    world = World()
    world.tell(1, poll(1, position(iw=iw)))
    world.tell(2, change(2, replace(filled(quantity="0.2", mt=None), isolated_wallet=None)))
    kept = world.account.holdings[BOTH].position
    assert (kept.isolated_wallet, kept.cross) == (D(iw), iw == "0")
    row = replace(position(quantity="0.2", updated=at(2).utc), isolated_wallet=None)
    world.tell(3, poll(3, row, after=1))
    kept = world.account.holdings[BOTH].position
    assert (kept.isolated_wallet, kept.cross) == (D(iw), iw == "0")


def test_a_row_keeps_the_margin_asset_that_was_told_before() -> None:
    world = World()
    world.tell(1, poll(1, replace(position(), margin_asset="BNFCR")))
    world.tell(2, change(2, filled(quantity="0.2", asset=None)))
    assert world.account.holdings[BOTH].position.margin_asset == "BNFCR"


def test_a_streamed_mark_is_believed_over_a_polled_one_for_three_seconds() -> None:
    """A poll row that never moves must not clear what the stream raised, nor raise it again."""
    world = World(near())
    world.tell(1, poll(1, position(mark="62000")))
    for seconds in range(2, 12):
        world.tell(seconds, marks(seconds, BTCUSDT="55000"))
        world.tell(seconds + 0.5, poll(seconds + 0.5, position(mark="62000")))
    assert world.story == ["2s fired warning"]
    world.tell(13.9, poll(13.9, position(mark="62000")))
    assert world.story == ["2s fired warning"]
    world.tell(14, poll(14, position(mark="62000")))
    assert world.story == ["2s fired warning", "14s resolved warning recovered"]
