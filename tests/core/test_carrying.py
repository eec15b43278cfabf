"""The basis of carried liquidation prices: what polls say, and what is believed of it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import AssetRow
from monitor.core.notices import Grade, Reading
from tests.core.worlds import World, at, change, filled, money, poll, position

D = Decimal


def begun() -> World:
    """One long, polled at 1 s."""
    world = World()
    world.tell(1, poll(1, position()))
    return world


def test_no_liquidation_price_means_none() -> None:
    world = World()
    world.tell(1, poll(1, position(liq="0"), wallet="100000"))
    assert world.read("liquidation_price", "BTCUSDT") == Reading(Grade.ABSENT)
    assert world.read("liquidation_distance", "BTCUSDT").value == D("Infinity")


def test_no_liquidation_price_is_not_believed_where_our_own_is_near() -> None:
    world = World()
    for seconds in (1, 11):
        world.tell(seconds, poll(seconds, position(liq="0"), wallet="1000"))
        assert world.read("liquidation_price", "BTCUSDT") == Reading(Grade.UNKNOWN, None, 0)
        assert world.read("liquidation_distance", "BTCUSDT").grade is Grade.UNKNOWN
    said = [(remark.level, remark.counter) for remark in world.remarks]
    assert said == [
        ("warning", "liquidation_prices_doubted"),
        ("debug", "liquidation_prices_doubted"),
    ]
    world.tell(21, poll(21, position(liq="50200")))
    assert world.read("liquidation_price", "BTCUSDT").value == 50200


def test_none_becomes_a_price_when_the_money_goes() -> None:
    """K of an overcollateralised position comes from its parts, and is carried on like any."""
    world = World()
    world.tell(1, poll(1, position(liq="0"), wallet="100000"))
    world.tell(2, change(2, money("1000"), reason="WITHDRAW"))
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    assert price.quantize(D("1e-8")) == D("50200.80321285")


def test_hedge_legs_share_their_price() -> None:
    world = World()
    legs = [
        position(quantity="0.3", entry="60000", side="LONG", liq="55000"),
        position(quantity="-0.1", entry="61000", side="SHORT", liq="55000"),
    ]
    world.tell(1, poll(1, *legs))
    for side in ("LONG", "SHORT"):
        assert world.read("liquidation_price", "BTCUSDT", side).value == 55000
        distance = world.read("liquidation_distance", "BTCUSDT", side).value
        assert distance == D(7000) / D(62000), "a net long is liquidated by a fall"
    world.tell(2, change(2, filled(quantity="-0.2", entry="61500", side="SHORT")))
    both = {world.read("liquidation_price", "BTCUSDT", side).value for side in ("LONG", "SHORT")}
    assert len(both) == 1
    assert both != {D(55000)}


def test_isolated_hedge_legs_do_not_share_it() -> None:
    world = World()
    world.tell(
        1,
        poll(
            1,
            position(side="LONG", liq="54000", iw="600"),
            position(quantity="-0.1", side="SHORT", liq="66000", iw="600"),
        ),
    )
    assert world.read("liquidation_price", "BTCUSDT", "LONG").value == 54000
    assert world.read("liquidation_price", "BTCUSDT", "SHORT").value == 66000


def test_an_overtaken_poll_is_still_a_basis() -> None:
    """K does not depend on the leg; the exchange's figure belongs to the row beside it."""
    world = World()
    world.tell(1, change(1.5, filled(quantity="0.2", entry="61000"), money("999")))
    world.tell(2, poll(1, position(quantity="0.1", entry="60000", liq="54000"), wallet="1000"))
    # K = 54000·(0.0004 − 0.1) + 6000 = 621.6; then −1 of the wallet
    expected = (D("620.6") - D(12200)) / (D("0.0008") - D("0.2"))
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    assert abs(price - expected) < D("1e-15")


def test_the_basis_is_what_the_poll_knew_of_other_positions() -> None:
    """One closed by an event since: its PnL moved into the wallet, and counts once."""
    world = World()
    eth = position("ETHUSDT", "-2", "3000", mark="2900", rate="0.01", liq="3400")
    world.tell(1, poll(1, position(), eth))
    world.tell(
        2,
        change(2.5, filled("ETHUSDT", "0", "0"), money("1200")),
    )
    world.tell(3, poll(2, position(liq="54000"), eth, wallet="1000"))
    # others at the poll: 200 − 58; now 0; wallet +200
    k = D(54000) * (D("0.0004") - D("0.1")) + 6000 + 200 - 142
    expected = (k - 6000) / (D("0.0004") - D("0.1"))
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    assert abs(price - expected) < D("1e-15")


def test_an_estimate_that_was_off_is_counted() -> None:
    world = begun()
    world.tell(2, poll(2, position(liq="54000.5")))
    assert [remark.counter for remark in world.remarks] == []
    world.tell(3, poll(3, position(liq="54100")))
    assert [remark.counter for remark in world.remarks] == ["liquidation_estimates_off"]


@pytest.mark.parametrize(
    "gap",
    [
        pytest.param({"unrealized_pnl": None}, id="without PnL"),
        pytest.param({"maintenance_margin": None}, id="without maintenance margin"),
    ],
)
def test_another_row_that_leaves_a_part_out_gives_no_new_basis(gap: dict[str, object]) -> None:
    world = begun()
    for symbols in (("ETHUSDT", "XRPUSDT"), ("XRPUSDT", "ETHUSDT")):
        rows = [position(symbol, "1", "1", mark="1", liq="0.1") for symbol in symbols]
        rows[0] = replace(rows[0], **gap)  # type: ignore[arg-type]  # fields
        world.tell(2, poll(2, position(liq="50000"), *rows))
        price = world.read("liquidation_price", "BTCUSDT")
        assert price.value != 50000


def test_a_row_without_a_liquidation_price_gives_no_new_basis() -> None:
    world = begun()
    world.tell(2, poll(2, replace(position(), liquidation_price=None)))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000


def test_a_row_without_a_rate_uses_the_last() -> None:
    world = begun()
    world.tell(2, poll(2, replace(position(liq="53000"), maintenance_margin=None)))
    assert world.read("liquidation_price", "BTCUSDT").value == 53000


def test_a_basis_needs_the_wallet_as_the_poll_knew_it() -> None:
    """Without a status, and an event has told of the wallet since: the old basis stands."""
    world = begun()
    world.tell(2, change(2, money("990")))
    late = replace(poll(1.9, position(liq="50000")), assets=None, complete=False)
    world.tell(3, late)
    carried = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(carried, D)
    assert carried.quantize(D("1e-6")) == D("54100.401606")
    world.tell(4, replace(late, after=1, at=at(4).utc))
    assert world.read("liquidation_price", "BTCUSDT").value == 50000


def test_the_wallet_is_found_among_many() -> None:
    world = World()
    many = (AssetRow("BNB", D(1), D(1)), AssetRow("USDT", D(1000), D(1000)))
    world.tell(1, replace(poll(1, position()), assets=many))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000


@pytest.mark.parametrize(
    ("gap", "then"),
    [
        # The event brings the entry price: (1000 - 0.2 x 60000) / (0.2 x 0.004 - 0.2)
        pytest.param({"entry_price": D(0)}, "55220.8835", id="without entry price"),
        pytest.param({"maintenance_margin": None}, None, id="without maintenance margin"),
    ],
)
def test_a_price_that_cannot_be_carried_on_stands_as_polled_until_an_event(
    gap: dict[str, object], then: str | None
) -> None:
    """And the log says so once, not at every poll."""
    world = World()
    row = replace(position(), **gap)  # type: ignore[arg-type]  # fields
    first = world.tell(1, poll(1, row))
    assert world.read("liquidation_price", "BTCUSDT").value == 54000
    assert world.read("liquidation_distance", "BTCUSDT").value == (62000 - D(54000)) / 62000
    again = world.tell(11, poll(11, row))
    said = "leaves out its entry price, maintenance margin, wallet or those of its pool"
    assert [(remark.level, said in remark.text) for remark in first.remarks] == [("warning", True)]
    assert [remark.level for remark in again.remarks] == ["debug"]
    world.tell(12, change(12, filled(quantity="0.2")))
    value = world.read("liquidation_price", "BTCUSDT").value
    assert (f"{value:.4f}" if isinstance(value, D) else value) == then


def test_a_notional_that_is_left_out_is_computed() -> None:
    world = World()
    world.tell(1, poll(1, replace(position(), notional=D(0))))
    assert world.read("position_margin_ratio", "BTCUSDT").value == D("24.8") / 1200
