"""How positions close: by an event, or by two complete polls. Never by anything else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import (
    AssetRow,
    PollWanted,
    StatusRow,
)
from monitor.core.notices import Grade, Reading
from tests.core.worlds import World, change, filled, poll, position

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


def test_gone_from_two_complete_polls_is_closed_and_aged_in_between() -> None:
    world = begun()
    world.tell(10, poll(10))
    assert held(world) == {BOTH: ("0.1", "60000")}
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.AGED, D("0.1"), 9_000)
    assert world.read("position_count") == Reading(Grade.AGED, D(1), 9_000)
    assert asked(world, 10) == [PollWanted("main", 10_000 + AGAIN)]
    world.tell(11, poll(11))
    assert held(world) == {}
    assert [remark.counter for remark in world.remarks] == ["doubted_positions"]


def test_zero_in_both_answers_is_as_good_as_gone() -> None:
    world = begun()
    flat = position(quantity="0", entry="0", liq="0")
    world.tell(10, poll(10, flat))
    world.tell(11, poll(11, flat))
    assert held(world) == {}


def test_back_in_the_second_poll_is_as_if_nothing_had_been() -> None:
    world = begun()
    world.tell(10, poll(10))
    world.tell(11, poll(11, position()))
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.FRESH, D("0.1"), 0)
    world.tell(20, poll(20))
    assert held(world) == {BOTH: ("0.1", "60000")}


def test_a_position_that_the_status_still_lists_is_not_closed() -> None:
    world = begun()
    still = (StatusRow("BTCUSDT", "BOTH", D("0.1")),)
    world.tell(10, replace(poll(10), listed=still))
    assert asked(world, 10) == [PollWanted("main", 10_000 + AGAIN)]
    assert world.read("quantity", "BTCUSDT").grade is Grade.AGED
    world.tell(11, poll(11))  # the first that misses it in both answers
    assert held(world) == {BOTH: ("0.1", "60000")}
    world.tell(12, replace(poll(12), listed=still))  # not in a row
    world.tell(13, poll(13))
    assert held(world) == {BOTH: ("0.1", "60000")}
    world.tell(14, poll(14))
    assert held(world) == {}


@pytest.mark.parametrize(
    "partial",
    [
        pytest.param({"complete": False}, id="not complete"),
        pytest.param({"complete": False, "positions": None}, id="no positions"),
        pytest.param({"complete": False, "listed": None}, id="no status"),
        pytest.param({"complete": False, "assets": None, "listed": None}, id="empty positions"),
    ],
)
def test_partial_answers_close_nothing_and_make_nothing_fresh(
    partial: dict[str, object],
) -> None:
    world = begun()
    for seconds in (10, 11, 20, 31):
        world.tell(seconds, replace(poll(seconds), **partial))  # type: ignore[arg-type]  # fields
    assert held(world) == {BOTH: ("0.1", "60000")}
    assert world.account.stale_since == 31_000


def test_rows_of_a_partial_answer_count_all_the_same() -> None:
    world = begun()
    world.tell(40, replace(poll(40, position(quantity="0.3")), complete=False, assets=None))
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.FRESH, D("0.3"), 0)
    assert world.account.stale_since == 31_000


def test_a_poll_before_the_opening_event_does_not_close() -> None:
    world = World()
    world.tell(1, poll(1))
    world.tell(2, change(2, filled()))
    world.tell(3, poll(1.5))
    world.tell(4, poll(3.5, after=1))
    assert held(world) == {BOTH: ("0.1", "60000")}


def test_an_event_between_the_two_polls_begins_anew() -> None:
    world = begun()
    world.tell(10, poll(10))
    world.tell(10.5, change(10.5, filled(quantity="0.2")))
    world.tell(11, poll(11, after=1))
    assert held(world) == {BOTH: ("0.2", "60000")}
    world.tell(12, poll(12, after=1))
    assert held(world) == {}


def test_an_asset_that_an_answer_leaves_out_stays() -> None:
    world = begun()
    for seconds in (10, 11):
        world.tell(seconds, replace(poll(seconds, position()), assets=()))
    assert world.account.balances["USDT"].wallet == 1000


# ---------------------------------------------------------------- answers that deny themselves


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"assets": ()}, id="no asset, for an account that has money"),
        pytest.param(
            {"assets": (AssetRow("USDT", D(1000), D(1000), maintenance_margin=D("24.8")),)},
            id="maintenance margin, for no position",
        ),
    ],
)
def test_an_answer_without_positions_whose_balances_tell_of_some_closes_nothing(
    answer: dict[str, object],
) -> None:
    world = begun()
    for seconds in (10, 11, 12):
        world.tell(seconds, replace(poll(seconds), **answer))  # type: ignore[arg-type]  # fields
    assert held(world) == {BOTH: ("0.1", "60000")}
    assert {remark.counter for remark in world.remarks} == {"polls_doubted"}
    world.tell(31)
    assert world.account.stale_since == 31_000, "they are not complete polls"


def test_a_first_answer_without_anything_is_believed() -> None:
    world = World()
    world.tell(1, replace(poll(1), assets=()))
    assert world.account.stale_since is None
