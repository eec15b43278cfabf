"""What stands in a picture: the position's prices, and where its rule turns."""

from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.charting import (
    Chart,
    Level,
    Scene,
    chart_of,
    is_drawn,
    levels_of,
    scene_of,
    twin_of,
)
from monitor.core.judging import Judge
from monitor.core.notices import Notice, Target
from monitor.core.rules import Severity
from monitor.core.trails import Sample
from tests.core.worlds import EPOCH, World, at, level, poll, position, rule

D = Decimal
LONG = Target("main", "BTCUSDT", "BOTH", "long")
INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


def notice(kind: str = "fired", target: Target = LONG, severity: Severity = CRITICAL) -> Notice:
    return Notice(1, EPOCH, kind, severity, "near", target)


@pytest.mark.parametrize(
    ("made", "is_one"),
    [
        (notice(), True),
        (notice("escalated"), True),
        (notice("happened"), True),
        (notice("reminder"), False),
        (notice("eased"), False),
        (notice("resolved"), False),
        (notice(severity=WARNING), False),
        (notice(target=Target("main", asset="USDT")), False),
        (notice(target=Target("main")), False),
        (notice(target=Target("main", "BTCUSDT")), False),
    ],
)
def test_what_is_critical_and_new_and_of_a_position_has_a_picture(
    made: Notice,
    is_one: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert is_drawn(made) is is_one


def held(**of: Any) -> World:
    world = World()
    world.tell(1, poll(1, position(**{"iw": "600"} | of)))
    return world


def test_a_scene_has_the_prices_of_the_position() -> None:
    found = scene_of(held(mark="56250").account, notice(), at(1))
    assert found == Scene(D(56250), D(60000), D(54000), D("0.04"))


def test_a_scene_tells_none_from_unknown() -> None:
    assert scene_of(held(liq="0", iw="7000").account, notice(), at(1)).endless
    nothing = scene_of(World().account, notice(), at(1))
    assert nothing == Scene()
    assert not nothing.endless


def test_a_side_that_is_not_held_any_more_has_no_scene() -> None:
    world = held(quantity="-0.1", liq="70000")
    assert scene_of(world.account, notice(), at(1)) == Scene()
    assert levels_of(world.account, notice(), Judge(NEAR), at(1)) == []


NEAR = rule(
    "near",
    level(WARNING, "liquidation_distance < 10%"),
    level(CRITICAL, "liquidation_distance < 4%"),
)


@pytest.mark.parametrize(
    ("mark", "levels"),
    [
        # Off at 62000: both would fire below. 54000 / 0.9 and 54000 / 0.96 lie between two ticks.
        ("62000", [Level(D(59999), "warning", True), Level(D(56249), "critical", True)]),
        # Warning on, critical off: the one clears above, the other fires below.
        ("57000", [Level(D(56249), "critical", True), Level(D(60000), "warning", True)]),
        ("55000", [Level(D(56250), "critical", True), Level(D(60000), "warning", True)]),
    ],
)
def test_levels_hold_below_their_price_whether_they_are_on_or_off(
    mark: str, levels: list[Level]
) -> None:
    world = held(mark=mark)
    found = levels_of(world.account, notice(), Judge(NEAR), at(1))
    assert found == levels


def test_a_level_above_the_mark_holds_above() -> None:
    high = rule("near", level(CRITICAL, "mark_price > 63000"))
    found = levels_of(held(mark="62000").account, notice(), Judge(high), at(1))
    assert found == [Level(D(63001), "critical", below=False)]


def test_what_does_not_turn_by_this_mark_has_no_line() -> None:
    leverage = rule("near", level(CRITICAL, "leverage > 5x"))
    assert levels_of(held().account, notice(), Judge(leverage), at(1)) == []


def test_marks_are_tried_out_on_a_twin_and_the_account_stays_as_it_is() -> None:
    world = held(mark="55000")
    judge = Judge(NEAR)
    (holding,) = world.account.holdings.values()
    before = {name: repr(value) for name, value in vars(world.account).items()}
    state = holding.mark_price, holding.mark_at, holding.pnl, holding.maintenance
    twin = twin_of(world.account, judge)
    assert levels_of(twin, notice(), judge, at(1)) == levels_of(
        held(mark="55000").account, notice(), judge, at(1)
    )
    (other,) = twin.holdings.values()
    assert other is not holding
    assert other.account is twin
    assert (holding.mark_price, holding.mark_at, holding.pnl, holding.maintenance) == state
    assert {name: repr(value) for name, value in vars(world.account).items()} == before


def test_a_twin_does_not_see_what_the_account_is_told_later() -> None:
    world = held(mark="62000")
    judge = Judge(NEAR)
    twin = twin_of(world.account, judge)
    world.tell(2, poll(2, position(iw="600", mark="62000", quantity="0.2", entry="58000")))
    (other,) = twin.holdings.values()
    assert (other.position.quantity, other.position.entry_price) == (D("0.1"), D(60000))


def test_a_twin_has_the_past_that_a_rule_looks_back_at() -> None:
    drop = rule("near", level(CRITICAL, "drop(mark_price, 5m) > 5%"))
    world = World(drop)
    world.tell(1, poll(1, position(iw="600")))
    judge = Judge(drop)
    twin = twin_of(world.account, judge)
    assert levels_of(twin, notice(), judge, at(1)) == levels_of(
        world.account, notice(), judge, at(1)
    )
    own, others = (list(each.windows.values()) for each in (world.account, twin))
    assert [list(each) for each in own] == [list(each) for each in others]
    assert all(
        one is not two
        for a, b in zip(own, others, strict=True)
        for one, two in zip(a.values(), b.values(), strict=True)
    )
    assert twin_of(world.account, Judge(NEAR)).windows == {}


def drawn(scene: Scene, *marks: tuple[int, str]) -> Chart | None:
    trail = [Sample(EPOCH + at, D(text)) for at, text in marks]
    return chart_of("BTCUSDT long (main)", scene, trail, [], utc=EPOCH + 9_000, zone=UTC)


@pytest.mark.parametrize(
    ("scene", "remark", "below"),
    [
        (
            Scene(D(56250), D(60000), D(54000), D("0.04")),
            "mark 56,250 · liquidation 54,000, 4.0 % away",
            True,
        ),
        (
            Scene(D(56250), D(60000), D(54000)),
            "mark 56,250 · liquidation 54,000",
            True,
        ),
        (
            Scene(D(56250), None, D(58000), D("0.0311")),
            "mark 56,250 · liquidation 58,000, 3.1 % away",
            False,
        ),
        # Reached: the far side is where the mark is now.
        (
            Scene(D(53990), None, D(54000), D("-0.0002")),
            "mark 53,990 · liquidation 54,000, reached",
            True,
        ),
        (
            Scene(D("0.00001212"), None, D("0.0000118"), D("0.0264")),
            "mark 0.00001212 · liquidation 0.0000118, 2.6 % away",
            True,
        ),
        (Scene(D(56250), endless=True), "mark 56,250 · no liquidation price", None),
        (Scene(D(56250)), "mark 56,250 · liquidation price unknown", None),
    ],
)
def test_a_chart_says_how_far_liquidation_is(
    scene: Scene,
    remark: str,
    below: bool | None,  # noqa: FBT001 - a table's column
) -> None:
    chart = drawn(scene)
    assert chart is not None
    assert chart.remark == remark
    sides = [each.below for each in chart.levels if each.word == "liquidation"]
    assert sides == ([] if below is None else [below])


def test_the_newest_mark_is_the_last_sample() -> None:
    chart = drawn(Scene(D(3)), (0, "1"), (5_000, "2"), (9_000, "2.5"))
    assert chart is not None
    assert [(each.at - EPOCH, each.price) for each in chart.marks] == [
        (0, D(1)),
        (5_000, D(2)),
        (9_000, D(3)),
    ]


def test_without_any_mark_there_is_no_chart() -> None:
    assert drawn(Scene(entry=D(1), liquidation=D(2))) is None
    only = drawn(Scene(liquidation=D(2)), (0, "3"))
    assert only is not None
    assert only.now == Sample(EPOCH, D(3))
