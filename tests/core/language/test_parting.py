"""The parts of a condition: how they are written, what each says, where the dead band ends."""

from decimal import Decimal
from itertools import product

import pytest

from monitor.core.language.compile import compile_condition
from monitor.core.language.parting import parts_of
from monitor.core.language.truth import ABSENT, UNKNOWN, Truth, Value
from monitor.core.metrics import VOCABULARY

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
BAND = Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("margin_room < 20%", ["margin_room < 20%"]),
        ("5% > liquidation_distance", ["5% > liquidation_distance"]),
        (
            "0% < liquidation_distance < 5%",
            ["0% < liquidation_distance", "liquidation_distance < 5%"],
        ),
        (
            'roi < -50% and not (side == "long" or symbol ~ "BTC*")',
            ["roi < -50%", 'side != "long"', 'not symbol ~ "BTC*"'],
        ),
        (
            "not leverage in [10x,20x] or adl not in [3, 4]",
            ["leverage not in [10x, 20x]", "adl not in [3, 4]"],
        ),
        (
            "(margin_balance - maintenance_margin) / margin_balance < 10%",
            ["(margin_balance - maintenance_margin) / margin_balance < 10%"],
        ),
        ("((margin_room))  <  (20%)", ["((margin_room)) < (20%)"]),
        ("drop(equity, 1d) > 10%", ["drop(equity, 1d) > 10%"]),
        ("abs(quantity) > 2 * 3", ["abs(quantity) > 2 * 3"]),
    ],
)
def test_as_they_are_written(text: str, written: list[str]) -> None:
    parts = parts_of(compile_condition(text, VOCABULARY), BAND)
    assert [part.text for part in parts] == written


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("margin_room < 20%", ("margin_room", Decimal("0.22"))),
        ("5% > liquidation_distance", ("liquidation_distance", Decimal("0.055"))),
        ("-500 > unrealized_pnl", ("unrealized_pnl", Decimal(-450))),
        ("stale_for > 30s", ("stale_for", 27_000)),
        ("margin_room == 20%", None),
        ("unrealized_pnl < 0", None),
        ('side == "long"', None),
        ("abs(quantity) > 6", None),
        ("leverage in [10x]", None),
    ],
)
def test_where_the_dead_band_moves_a_threshold(
    text: str, moved: tuple[str, Decimal] | None
) -> None:
    (part,) = parts_of(compile_condition(text, VOCABULARY), BAND)
    assert part.moved == moved
    (without,) = parts_of(compile_condition(text, VOCABULARY), Decimal(0))
    assert without.moved is None


def test_each_part_says_what_the_whole_says_of_it() -> None:
    text = 'margin_room < 20% and leverage > 10x and side == "long"'
    whole, relaxed = (
        compile_condition(text, VOCABULARY, hysteresis=band) for band in (Decimal(0), BAND)
    )
    parts = parts_of(whole, BAND)
    rooms: tuple[Value, ...] = (Decimal("0.1"), Decimal("0.21"), Decimal("0.3"), UNKNOWN)
    leverages: tuple[Value, ...] = (Decimal(20), Decimal("9.5"), UNKNOWN, ABSENT)
    found = set()
    for values in product(rooms, leverages, ("long", "short")):
        for condition, truths in (
            (whole, [part.raw(*values) for part in parts]),
            (relaxed, [part.relaxed(*values) for part in parts]),
        ):
            joined = F if F in truths else U if U in truths else T
            assert condition.possible(*values) is joined
            found.add(joined)
    assert found == {T, F, U}
    assert [part.raw(Decimal("0.21"), Decimal(20), "long") for part in parts] == [F, T, T]
    assert [part.relaxed(Decimal("0.21"), Decimal(20), "long") for part in parts] == [T, T, T]
