"""Fresh, aged, unknown."""

import pytest

from monitor.core.freshness import ALWAYS, NEVER, Rest, Stamps
from monitor.core.language.truth import Truth
from monitor.core.notices import Grade
from monitor.core.rules import Severity
from tests.core.worlds import World, change, filled, level, marks, money, poll, position, rule

TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
FRESH, AGED, LOST = Grade.FRESH, Grade.AGED, Grade.UNKNOWN


@pytest.mark.parametrize(
    ("age", "grade"),
    [
        pytest.param(0, FRESH, id="now"),
        pytest.param(29.999, FRESH, id="younger than the limit"),
        pytest.param(30, AGED, id="as old as the limit"),
        pytest.param(599.999, AGED, id="younger than forget_after"),
        pytest.param(600, LOST, id="as old as forget_after"),
    ],
)
def test_the_three_grades(age: float, grade: Grade) -> None:
    world = World()
    world.tell(0, poll(0, position()))
    world.tell(age)
    assert world.read("quantity", "BTCUSDT").grade is grade
    assert world.read("quantity", "BTCUSDT").value is not None


def test_a_number_is_as_good_as_the_worst_of_its_inputs() -> None:
    world = World()
    world.tell(0, poll(0, position(), wallet="1000"))
    world.tell(100, marks(100, BTCUSDT="61000"))
    grades = {
        name: world.read(name, "BTCUSDT").grade
        for name in ("mark_price", "quantity", "notional", "mark_age", "symbol", "side")
    }
    assert grades == {
        "mark_price": FRESH,
        "quantity": AGED,
        "notional": AGED,
        "mark_age": FRESH,
        "symbol": FRESH,
        "side": FRESH,
    }
    world.tell(101, change(101, filled()))
    assert world.read("notional", "BTCUSDT").grade is FRESH
    assert world.read("adl", "BTCUSDT").grade is AGED, "only polls tell it"
    assert world.read("margin_room", "BTCUSDT").grade is AGED
    assert world.read("margin_balance").grade is AGED, "the wallet is as old as the poll"
    world.tell(102, change(102, money("990"), seq=2))
    assert world.read("margin_balance").grade is FRESH
    assert world.read("margin_ratio").grade is AGED, "its maintenance rates are as old as the poll"
    assert world.read("available_balance").grade is AGED


def test_one_old_mark_of_a_pool_ages_what_rests_on_the_pool() -> None:
    world = World()
    world.tell(0, poll(0, position(), position("ETHUSDT", "1", "3000", mark="3000")))
    world.tell(29, poll(29, position(mark="61000"), position("ETHUSDT", "1", "3000", mark="0")))
    world.tell(31)
    assert world.read("notional", "BTCUSDT").grade is FRESH
    assert world.read("notional", "ETHUSDT").grade is AGED
    assert world.read("margin_balance").grade is AGED
    assert world.read("liquidation_distance", "BTCUSDT").grade is AGED
    assert world.read("wallet_balance").grade is FRESH


def test_what_was_never_had_is_unknown() -> None:
    world = World()
    world.tell(0, poll(0), change(0, filled()))
    assert world.read("mark_price", "BTCUSDT").grade is LOST
    assert world.read("mark_price", "BTCUSDT").age is None
    assert world.read("adl", "BTCUSDT").grade is LOST


def test_stamps_tell_which_inputs_are_old_and_which_is_oldest() -> None:
    stamps = Stamps()
    assert stamps.older_than(1 << 40) == 0
    names = (
        "data",
        "poll",
        "own_mark",
        "pool_data",
        "cross_marks",
        "all_marks",
        "setting",
        "rates",
    )
    bits = [int(bit) for bit in Rest if bit]
    assert len(bits) == len(names)
    for name, bit in zip(names, bits, strict=True):
        one = Stamps()
        setattr(one, name, 5)
        assert one.older_than(4) == 0
        assert one.older_than(5) == bit
        assert one.oldest(bit) == 5
        assert one.oldest(~bit) == ALWAYS
    assert NEVER < 0 < ALWAYS


# ---------------------------------------------------------------- what the grades do to truths


def truths(world: World, text: str, *, relaxed: bool) -> list[Truth]:
    """Judge a condition on the target of the only position."""
    from monitor.core.judging import Judge, look
    from monitor.core.metrics import View
    from tests.core.worlds import at

    holding = next(iter(world.account.holdings.values()))
    view = View(world.account, at(world.outcomes[-1][0]), holding=holding)
    judge = Judge(rule("r", level(Severity.INFO, text)))
    return judge.truths(look(view, 600_000), relaxed=relaxed)


@pytest.mark.parametrize(
    ("seconds", "marked", "raw", "relaxed"),
    [
        pytest.param(10, 10, TRUE, TRUE, id="all fresh"),
        pytest.param(100, 100, TRUE, UNKNOWN, id="aged, with a fresh mark"),
        pytest.param(100, 50, UNKNOWN, UNKNOWN, id="aged, with an aged mark"),
        pytest.param(700, 700, UNKNOWN, UNKNOWN, id="forgotten, with a fresh mark"),
    ],
)
def test_aged_numbers_count_as_they_stand_in_raw_and_not_in_relaxed(
    seconds: float, marked: float, raw: Truth, relaxed: Truth
) -> None:
    world = World()
    world.tell(0, poll(0, position(liq="54000")))
    world.tell(marked, marks(marked, BTCUSDT="55000"))
    world.tell(seconds)
    text = "liquidation_distance < 5%"
    assert truths(world, text, relaxed=False) == [raw]
    assert truths(world, text, relaxed=True) == [relaxed]


def test_numbers_that_use_no_mark_count_as_they_stand() -> None:
    world = World()
    world.tell(0, poll(0, position()))
    world.tell(100)
    assert truths(world, "quantity > 0", relaxed=False) == [TRUE]
    assert truths(world, "quantity > 0", relaxed=True) == [UNKNOWN]


def test_a_comparison_with_what_has_no_meaning_is_false() -> None:
    world = World()
    world.tell(0, poll(0, position()))
    assert truths(world, "isolated_margin < 1000000", relaxed=False) == [FALSE]
    assert truths(world, "not isolated_margin < 1000000", relaxed=False) == [FALSE]


@pytest.mark.parametrize(
    ("wallet", "expected"), [pytest.param("1000", FALSE, id="known"), ("100000", UNKNOWN)]
)
def test_arithmetic_that_gives_no_number_is_unknown(wallet: str, expected: Truth) -> None:
    """Infinite − infinite: the distance of a position without a liquidation price."""
    world = World()
    world.tell(0, poll(0, position(liq="54000" if wallet == "1000" else "0"), wallet=wallet))
    text = "liquidation_distance - liquidation_distance > 0%"
    assert truths(world, text, relaxed=False) == [expected]
    spoken = World(rule("odd", level(Severity.INFO, text)))
    spoken.tell(0, poll(0, position(liq="0"), wallet="100000"))
    assert spoken.story == []
