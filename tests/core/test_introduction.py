"""What an account holds, in one line."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import PositionRow
from monitor.core.introduction import held, introduction, nearest
from tests.core.worlds import World, at, poll, position

LONG = position(mark="62000")
SHORT = position("ETHUSDT", "-1", "3000", mark="3000", liq="3300")
SAFE = position("XRPUSDT", "10", "2", mark="2", liq="0")

LINES = [
    pytest.param((), "no positions", id="nothing"),
    pytest.param(
        (LONG,), "1 position, nearest BTCUSDT long 12.9 % from liquidation", id="one position"
    ),
    pytest.param(
        (LONG, SAFE, SHORT),
        "3 positions, nearest ETHUSDT short 10.0 % from liquidation",
        id="the nearest of several",
    ),
    pytest.param((SAFE,), "1 position, none can be liquidated", id="none in danger"),
    pytest.param(
        (replace(LONG, liquidation_price=None, maintenance_margin=None),),
        "1 position, distance to liquidation not known yet",
        id="not known",
    ),
]


@pytest.mark.parametrize(("rows", "line"), LINES)
def test_what_is_said_of_an_account(rows: tuple[PositionRow, ...], line: str) -> None:
    world = World()
    world.tell(1, poll(1, *rows, wallet="100000"))
    account = world.engine.portfolio.accounts["main"]
    assert held(account, at(1)) == line
    assert introduction(account, at(1)) == f"main: {line}"


def test_the_nearest_comes_with_its_distance() -> None:
    world = World()
    world.tell(1, poll(1, LONG, SHORT, wallet="100000"))
    found = nearest(world.engine.portfolio.accounts["main"], at(1))
    assert found is not None
    assert (found[0], found[1].key) == (Decimal("0.1"), ("ETHUSDT", "BOTH"))
