"""Polls whose answers contradict each other: no all-clear, never complete, nothing lost."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import PollAnswered, PollWanted, StatusRow
from monitor.core.notices import Grade, Reading
from monitor.core.rules import Severity
from tests.core.worlds import (
    CLOSE,
    World,
    at,
    change,
    filled,
    level,
    marks,
    near,
    poll,
    position,
    rule,
)

D = Decimal

BLIND = rule("blind", level(Severity.WARNING, "stale_for > 0s", on=10))
LONG = StatusRow("BTCUSDT", "BOTH", D("0.1"))
GROWN = StatusRow("BTCUSDT", "BOTH", D(3))


def torn(
    seconds: float, *listed: StatusRow, after: int = 0, rows: tuple[object, ...] = ()
) -> PollAnswered:
    """A poll whose status lists other positions than its position answer."""
    return replace(poll(seconds, *rows, after=after), listed=listed)  # type: ignore[arg-type]  # rows


def beside(seconds: float, *answers: tuple[StatusRow, ...]) -> PollAnswered:
    """A poll whose two answers agree that there is nothing, beside answers of v1."""
    return replace(poll(seconds), beside=answers)


def asked(world: World, since: float = 0) -> list[float]:
    """For when polls were asked, seconds."""
    return [
        request.ticks / 1000
        for seconds, outcome in world.outcomes
        if seconds >= since
        for request in outcome.requests
        if isinstance(request, PollWanted)
    ]


def doubts(world: World) -> list[str]:
    return [remark.text for remark in world.remarks if remark.level != "debug"]


SAID = (
    "main: a poll is not believed, its answers contradict each other: BTCUSDT 0 or {}",
    "main: the answers of a poll agree again",
)


# ---------------------------------------------------------------- at a start


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda s: torn(s, LONG), id="the status lists one"),
        pytest.param(lambda s: beside(s, (LONG,)), id="v1 lists one"),
        pytest.param(lambda s: beside(s, (), (LONG,)), id="v1's status lists one"),
    ],
)
def test_an_empty_answer_at_a_start_is_no_all_clear(answer: object) -> None:
    world = World(BLIND)
    for seconds in (1, 2, 11, 21):
        world.tell(seconds, answer(seconds))  # type: ignore[operator]  # makes a poll
    assert asked(world) == [2], "once; then the regular pace"
    assert world.story == ["10.001s fired warning"]
    assert world.notices[0].details["contradiction"] == "BTCUSDT 0 or 0.1"
    assert not world.account.first_poll_done
    world.tell(31, poll(31, position()))
    assert world.story == ["10.001s fired warning", "31s resolved warning recovered"]
    assert doubts(world) == [SAID[0].format("0.1"), SAID[1]]


def test_what_the_position_answer_shows_is_held_and_judged_from_the_first_poll_on() -> None:
    world = World(near(), BLIND)
    world.tell(1, torn(1, rows=(CLOSE,)))
    assert world.story == ["1s fired warning"]
    world.tell(2, torn(2, rows=(CLOSE,)))
    world.tell(12)
    assert world.story == ["1s fired warning", "10.001s fired warning"]
    world.tell(13, torn(13, rows=(position(),)))
    assert world.story[2:] == [], "what is doubted calls nothing off"
    world.tell(14, poll(14, position()))
    assert world.story[2:] == ["14s resolved warning recovered", "14s resolved warning recovered"]


def test_pools_are_not_judged_while_a_position_is_missing_from_the_first_answers() -> None:
    world = World(rule("thin", level(Severity.INFO, "position_count == 0")))
    world.tell(1, torn(1, LONG))
    world.tell(2, torn(2, LONG))
    assert world.story == []
    world.tell(3, poll(3))
    assert world.story == ["3s fired info"]


def test_an_alert_of_an_earlier_run_outlives_empty_answers() -> None:
    world = World(near(), rule("ratio", level(Severity.WARNING, "margin_ratio > 1%")))
    world.tell(1, poll(1, CLOSE))
    rules = (near(), rule("ratio", level(Severity.WARNING, "margin_ratio > 1%")))
    again = World(*rules, saved=world.saved(), start=100)
    for seconds in (101, 102, 103):
        again.tell(seconds, torn(seconds, LONG))
    again.tell(104, poll(104, CLOSE))
    assert again.story == []


# ---------------------------------------------------------------- while it runs


def test_answers_that_lack_a_position_for_long_make_the_account_blind() -> None:
    """Nobody tells that it has grown from 0.1 to 3, and the price falls."""
    world = World(near(), BLIND)
    world.tell(0, poll(0, position()))
    for seconds in range(10, 1210, 10):
        world.tell(seconds, torn(seconds, GROWN), marks(seconds, BTCUSDT="62000"))
    assert world.story == ["40.001s fired warning"]
    assert world.notices[0].details == {
        "contradiction": "BTCUSDT 0 or 3",
        "polled_at": str(at(0).utc),
    }
    assert asked(world, 1) == [11]
    assert [*world.account.holdings] == [("BTCUSDT", "BOTH")]
    assert doubts(world) == [SAID[0].format(3)]


def test_two_sizes_are_a_race_once_and_a_contradiction_from_then_on() -> None:
    world = World(BLIND)
    world.tell(0, poll(0, position()))
    world.tell(10, torn(10, GROWN, rows=(position(),)))
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.AGED, D("0.1"), 0)
    assert asked(world, 10) == [11]
    world.tell(11, poll(11, position(quantity="3")))
    assert world.read("quantity", "BTCUSDT") == Reading(Grade.FRESH, D(3), 0)
    world.tell(45)
    assert [notice.kind for notice in world.notices] == []
    world.tell(46, torn(46, LONG, rows=(position(quantity="3"),)))
    world.tell(47, torn(47, LONG, rows=(position(quantity="3"),)))
    assert asked(world, 46) == [47]
    world.tell(52)
    assert world.story == ["51.001s fired warning"]


def test_a_fill_between_two_answers_is_told_by_its_event() -> None:
    world = World()
    world.tell(0, poll(0, position()))
    world.tell(10, change(10, filled(quantity="3")))
    world.tell(10.1, torn(9.9, GROWN, rows=(position(),)))
    assert world.account.contradiction == ""
    assert world.account.polled_at == 9_900
    world.tell(11, torn(10.9, LONG, after=1, rows=(position(quantity="3"),)))
    assert world.account.contradiction == "BTCUSDT 3 or 0.1"


def test_what_only_the_status_lists_makes_the_pool_doubtful_and_clears_nothing() -> None:
    world = World(rule("ratio", level(Severity.WARNING, "margin_ratio > 5%")))
    world.tell(0, poll(0, position(), position("ETHUSDT", "10", "3000", mark="3000")))
    assert world.story == ["0s fired warning"]
    eth = StatusRow("ETHUSDT", "LONG", D(10))
    moved = change(1, filled("ETHUSDT", "0", "0"))
    world.tell(1, moved)
    assert world.story[1:] == ["1s resolved warning recovered"]
    world.tell(2, torn(2, LONG, eth, after=1, rows=(position(),)))
    assert world.read("margin_ratio").grade is Grade.AGED
    world.tell(3, poll(3, position(), after=1))
    assert world.read("margin_ratio").grade is Grade.FRESH


def test_what_is_torn_closes_nothing_and_starts_no_count() -> None:
    world = World()
    world.tell(0, poll(0, position(), position("ETHUSDT", "1")))
    world.tell(10, poll(10, position()))  # ETHUSDT is missing for the first time
    world.tell(11, torn(11, rows=(position(),)))  # and again, in a poll that proves nothing
    assert ("ETHUSDT", "BOTH") in world.account.holdings
    world.tell(12, poll(12, position()))
    assert ("ETHUSDT", "BOTH") not in world.account.holdings


def test_many_contradictions_are_named_shortly() -> None:
    world = World()
    rows = tuple(StatusRow(f"{name}USDT", "LONG", D(1)) for name in "ABCDE")
    world.tell(1, torn(1, *rows))
    assert world.account.contradiction == (
        "AUSDT LONG 0 or 1, BUSDT LONG 0 or 1, CUSDT LONG 0 or 1, and 2 more"
    )
