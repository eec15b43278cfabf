"""The shipped rules: silent for a position just opened, and loud in the right order as it falls."""

from decimal import Decimal
from pathlib import Path

import pytest

from monitor.core.events import UserStreamStood
from monitor.core.liquidation import Leg, flat, liquidation_price
from monitor.core.rules import Rule
from monitor.rulefile import find_rule_files, load_rules
from tests.core.worlds import World, marks, poll, position

ENTRY = Decimal(60_000)
RATE = Decimal("0.004")  # of BTCUSDT's first bracket


def shipped(root: Path) -> tuple[Rule, ...]:
    return load_rules(find_rule_files([str(root / "rules")]))


def opened(leverage: int, quantity: str, *, isolated: bool, rules: tuple[Rule, ...]) -> World:
    """Open a position at a leverage, with just the margin that this takes."""
    margin = abs(Decimal(quantity)) * ENTRY / leverage
    leg = Leg(Decimal(quantity), ENTRY, flat(RATE))
    price = liquidation_price(margin, [leg], ENTRY)
    row = position(
        quantity=quantity,
        entry=str(ENTRY),
        mark=str(ENTRY),
        liq=f"{price:.8f}" if price is not None else "0",
        iw=str(margin) if isolated else "0",
    )
    world = World(*rules)
    world.tell(0, UserStreamStood("main"))
    cross = "0" if isolated else None
    for seconds in range(0, 90, 5):
        world.tell(seconds, poll(seconds, row, wallet=str(margin), cross=cross, leverage=leverage))
    return world


@pytest.mark.parametrize("isolated", [True, False], ids=["isolated", "cross"])
@pytest.mark.parametrize("quantity", ["0.1", "-0.1"], ids=["long", "short"])
@pytest.mark.parametrize("leverage", [1, 2, 3, 5, 10, 20])
def test_no_shipped_level_holds_for_a_position_just_opened(
    root: Path,
    leverage: int,
    quantity: str,
    isolated: bool,  # noqa: FBT001 - pytest hands parameters on by name
) -> None:
    world = opened(leverage, quantity, isolated=isolated, rules=shipped(root))

    assert world.story == []


@pytest.mark.parametrize("leverage", [2, 3, 5, 10, 20])
def test_every_leverage_is_warned_and_then_critical_before_the_liquidation(
    root: Path, leverage: int
) -> None:
    """The mark falls by a thousandth of the way to the liquidation price each second."""
    world = opened(leverage, "0.1", isolated=True, rules=shipped(root))
    account = world.engine.portfolio.accounts["main"]
    carried = account.liquidation(account.holdings["BTCUSDT", "BOTH"].position)
    assert carried is not None
    assert carried[0] is not None
    way = ENTRY - carried[0]
    for step in range(1, 1001):
        mark = ENTRY - way * step / 1000
        if step % 10 == 0:
            row = position(
                mark=f"{mark:.8f}", liq=f"{carried[0]:.8f}", iw=str(Decimal(6000) / leverage)
            )
            wallet = str(Decimal(6000) / leverage)
            world.tell(90 + step, poll(90 + step, row, wallet=wallet, cross="0", leverage=leverage))
        world.tell(90 + step, marks(90 + step, BTCUSDT=f"{mark:.8f}"))

    room = [
        (notice.kind, notice.severity.word, (notice.at - world.notices[0].at) >= 0)
        for notice in world.notices
        if notice.rule == "margin-room"
    ]
    assert room == [
        ("fired", "info", True),
        ("escalated", "warning", True),
        ("escalated", "critical", True),
    ]
    left = [
        notice.values["liquidation_distance"].value
        for notice in world.notices
        if notice.rule == "margin-room" and notice.severity.word == "critical"
    ]
    # A fifth of the margin is a fifth of the way to liquidation, less what maintenance takes.
    assert isinstance(left[0], Decimal)
    assert left[0] > Decimal("0.19") / leverage - RATE


@pytest.mark.parametrize("leverage", [5, 10, 20])
def test_nothing_holds_for_a_hedge_that_was_just_opened_with_all_there_is(
    root: Path, leverage: int
) -> None:
    """A long and a short leg of one symbol on cross margin, each half of the size."""
    margin = Decimal("0.1") * ENTRY / leverage
    legs = [Leg(quantity, ENTRY, flat(RATE)) for quantity in (Decimal("0.05"), Decimal("-0.05"))]
    price = liquidation_price(margin, legs, ENTRY)
    liq = f"{price:.8f}" if price is not None else "0"
    rows = [
        position(quantity=quantity, mark=str(ENTRY), liq=liq, side=side)
        for quantity, side in (("0.05", "LONG"), ("-0.05", "SHORT"))
    ]
    world = World(*shipped(root))
    world.tell(0, UserStreamStood("main"))
    for seconds in range(0, 90, 5):
        world.tell(seconds, poll(seconds, *rows, wallet=str(margin), leverage=leverage))

    assert world.story == []


@pytest.mark.parametrize("leverage", [2, 3, 5, 10, 20])
def test_a_cross_pool_is_told_of_in_order_before_its_liquidation(root: Path, leverage: int) -> None:
    world = opened(leverage, "0.1", isolated=False, rules=shipped(root))
    account = world.engine.portfolio.accounts["main"]
    carried = account.liquidation(account.holdings["BTCUSDT", "BOTH"].position)
    assert carried is not None
    assert carried[0] is not None
    way = ENTRY - carried[0]
    margin = str(Decimal(6000) / leverage)
    for step in range(1, 1001):
        mark = ENTRY - way * step / 1000
        row = position(mark=f"{mark:.8f}", liq=f"{carried[0]:.8f}")
        if step % 10 == 0:
            world.tell(90 + step, poll(90 + step, row, wallet=margin, leverage=leverage))
        world.tell(90 + step, marks(90 + step, BTCUSDT=f"{mark:.8f}"))

    ratio = [notice for notice in world.notices if notice.rule == "margin-ratio"]
    assert [(notice.kind, notice.severity.word) for notice in ratio] == [
        ("fired", "info"),
        ("escalated", "warning"),
        ("escalated", "critical"),
    ]
    decided = [notice.values["margin_ratio"].value for notice in ratio]
    # A thousandth of the way is a second, and the delays are 10 s and 5 s.
    assert all(
        isinstance(value, Decimal) and level < value < Decimal("0.5")
        for value, level in zip(decided, map(Decimal, ("0.1", "0.2", "0.35")), strict=True)
    )
