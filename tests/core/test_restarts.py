"""Restarts: what an earlier run left is taken up, and nothing is told twice."""

from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.events import (
    PollWanted,
    StatusRow,
    Woke,
)
from monitor.core.notices import Saved, Target
from monitor.core.rules import Globs, Rule, Severity
from tests.core.worlds import (
    CLOSE,
    FAR,
    World,
    at,
    change,
    filled,
    happening_rule,
    level,
    marks,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity
TARGET = Target("main", "BTCUSDT", "BOTH", "long")


# ---------------------------------------------------------------- restarts


def test_a_restart_in_mid_alert_is_silent() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = World(near(), saved=world.saved(), start=20)
    again.tell(21, poll(21, CLOSE))
    assert again.story == []
    again.tell(22, poll(22, FAR))
    assert again.story == ["22s resolved warning recovered"]
    (end,) = again.notices
    assert (end.number, end.since) == (2, at(1).utc)
    assert again.heard == {"phone": [2]}


def test_a_restart_in_mid_delay_counts_the_time_down() -> None:
    world = World(near(on=60))
    world.tell(1, poll(1, CLOSE))
    again = World(near(on=60), saved=world.saved(), start=20)
    again.tell(21, poll(21, CLOSE))
    again.tell(50, poll(50, CLOSE))
    again.sleep(70)
    assert again.story == ["61s fired warning"]


def test_a_delay_that_passed_while_we_were_down_needs_to_be_seen_true() -> None:
    world = World(near(on=60))
    world.tell(1, poll(1, CLOSE))
    for row, story in ((CLOSE, ["101s fired warning"]), (FAR, [])):
        again = World(near(on=60), saved=world.saved(), start=100)
        again.tell(101, poll(101, row))
        assert again.story == story


def test_more_than_ten_minutes_down_begins_a_delay_anew() -> None:
    world = World(near(on=60))
    world.tell(1, poll(1, CLOSE))
    again = World(near(on=60), saved=world.saved(), start=700)
    again.tell(701, poll(701, CLOSE))
    again.tell(740, poll(740, CLOSE))
    again.sleep(800)
    assert again.story == ["761s fired warning"]


def test_being_blind_for_long_before_a_restart_is_not_being_down() -> None:
    """We were alive all the time: the delay of a blindness rule goes on."""
    slow = rule("blind", level(CRITICAL, "stale_for > 0s", on=1800))
    world = World(slow)
    for seconds in range(0, 1500, 50):
        world.tell(seconds, Woke())
    again = World(slow, saved=world.saved(), start=1510)
    again.sleep(2000)
    assert again.story == ["1800.001s fired critical"]


def test_a_restart_while_falling_does_not_count_the_time_down() -> None:
    world = World(near(off=60))
    world.tell(1, poll(1, CLOSE))
    world.tell(11, poll(11, FAR))
    again = World(near(off=60), saved=world.saved(), start=300)
    for seconds in (301, 321, 341, 360):
        again.tell(seconds, poll(seconds, FAR))
    again.sleep(400)
    assert again.story == ["361s resolved warning recovered"]


def test_a_position_that_closed_while_we_were_down_is_told_after_two_polls() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = World(near(), saved=world.saved(), start=100)
    outcome = again.tell(101, poll(101))
    assert outcome.requests == [PollWanted("main", 102_000)]
    assert again.story == []
    again.tell(101.5, marks(101.5, BTCUSDT="60000"))
    assert again.story == []
    again.tell(102, poll(102))
    assert again.story == ["102s resolved warning position_closed"]
    assert again.heard == {"phone": [2]}
    assert again.saved().alerts == ()


def test_a_position_that_the_status_still_lists_after_a_restart_is_not_told_closed() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = World(near(), saved=world.saved(), start=100)
    for seconds in (101, 102, 103):
        listed = (StatusRow("BTCUSDT", "BOTH", D("0.1")),)
        again.tell(seconds, replace(poll(seconds), listed=listed))
    again.tell(104, poll(104))
    again.tell(105, poll(105, CLOSE))
    assert again.story == []


def test_a_position_that_turned_round_while_we_were_down() -> None:
    world = World(near("notional > 0"))
    world.tell(1, poll(1, CLOSE))
    again = World(near("notional > 0"), saved=world.saved(), start=100)
    again.tell(101, poll(101, position(quantity="-0.1", liq="70000")))
    assert again.story == ["101s resolved warning position_closed", "101s fired warning"]


def test_a_pool_that_went_while_we_were_down() -> None:
    poor = rule("poor", level(WARNING, "equity < 500"))
    world = World(poor)
    world.tell(1, poll(1, wallet="400"))
    again = World(poor, saved=world.saved(), start=100)
    again.tell(101, poll(101, wallet="0"))
    again.tell(102, poll(102, wallet="0"))
    assert again.story == ["102s resolved warning pool_gone"]


def test_what_an_event_opens_before_the_first_poll_takes_up_its_alert() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = World(near(), saved=world.saved(), start=100)
    again.tell(101, change(101, filled(quantity="0.2")))
    again.tell(102, poll(102, position(quantity="0.2", mark="55000", updated=at(101).utc), after=1))
    again.tell(103, poll(103, position(quantity="0.2", mark="62000", updated=at(101).utc), after=1))
    assert again.story == ["103s resolved warning recovered"]


def test_a_restart_never_looks_into_the_past() -> None:
    """A delay that ran out before the position was seen again runs at no earlier instant."""
    world = World(near(on=5))
    world.tell(1, poll(1, CLOSE))
    again = World(near(on=5), saved=world.saved(), start=3)
    again.tell(20, change(20, filled(quantity="0.2")))
    again.tell(21, poll(21, position(quantity="0.2", mark="55000", updated=at(20).utc), after=1))
    assert again.story == ["21s fired warning"]


# ---------------------------------------------------------------- rules edited while stopped


def stopped(saved: Saved, *rules: Rule, accounts: tuple[str, ...] = ("main",)) -> World:
    """The next run, with other rules."""
    return World(*rules, saved=saved, start=20, accounts=accounts)


def test_a_rule_that_is_gone_ends_its_alerts() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved())
    assert again.story == ["20s resolved warning rule_removed"]
    assert again.heard == {"phone": [2]}
    assert again.saved() == Saved((), (), again.saved().timers, 3)


def test_a_rule_that_now_speaks_of_happenings_is_gone_too() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), happening_rule("near", "liquidation"))
    assert again.story == ["20s resolved warning rule_removed"]


def test_an_account_that_is_gone_ends_its_alerts() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), near(), accounts=("other",))
    assert again.story == ["20s resolved warning account_removed"]


def test_a_rising_alert_of_a_rule_that_is_gone_ends_silently() -> None:
    world = World(near(on=60))
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved())
    assert again.story == []
    assert again.saved().alerts == ()


def levels(*severities: Severity) -> Rule:
    return rule("near", *(level(severity, "liquidation_distance < 10%") for severity in severities))


@pytest.mark.parametrize(
    ("after", "story"),
    [
        pytest.param([INFO, CRITICAL], [], id="another level is gone"),
        pytest.param([INFO, WARNING], ["20s eased warning rule_changed"], id="the highest is gone"),
        pytest.param([INFO], ["20s eased info rule_changed"], id="the two highest are gone"),
    ],
)
def test_a_level_that_is_gone(after: list[Severity], story: list[str]) -> None:
    world = World(levels(INFO, WARNING, CRITICAL))
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), levels(*after))
    again.tell(21, poll(21, CLOSE))
    assert again.story == story


def test_the_only_level_is_gone() -> None:
    world = World(levels(CRITICAL))
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), levels(INFO))
    again.tell(21, poll(21, CLOSE))
    assert again.story == ["20s resolved critical rule_changed", "21s fired info"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(near(symbols=Globs(["ETH*"])), id="symbols"),
        pytest.param(near(accounts=Globs(["sub"])), id="accounts"),
        pytest.param(rule("near", level(WARNING, "equity < 5")), id="scope"),
    ],
)
def test_a_rule_that_no_longer_applies(changed: Rule) -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), changed)
    assert again.story == []
    again.tell(21, poll(21, CLOSE))
    assert again.story == ["21s resolved warning no_longer_applies"]


@pytest.mark.parametrize(
    ("text", "polled", "story"),
    [
        pytest.param("equity < 5", 21, ["21s resolved warning no_longer_applies"], id="pool"),
        pytest.param(
            "stale_for > 1m", 21, ["20s resolved warning no_longer_applies"], id="account"
        ),
    ],
)
def test_a_rule_of_a_pool_or_account_that_no_longer_applies(
    text: str, polled: float, story: list[str]
) -> None:
    first = rule("near", level(WARNING, "equity < 5000" if "equity" in text else "data_age >= 0s"))
    world = World(first)
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), replace(first, accounts=Globs(["sub"])))
    again.tell(polled, poll(polled, CLOSE))
    assert again.story == story


def test_an_edited_condition_that_is_false_ends_the_alert_at_once() -> None:
    world = World(near("liquidation_distance < 20%", off=3600))
    world.tell(1, poll(1, FAR))
    again = stopped(world.saved(), near("liquidation_distance < 12%", off=3600, band="0.5"))
    again.tell(21, poll(21, FAR))
    assert again.story == ["21s resolved warning rule_changed"]


def test_an_edited_condition_that_is_still_true_says_nothing() -> None:
    world = World(near("liquidation_distance < 20%"))
    world.tell(1, poll(1, FAR))
    again = stopped(world.saved(), near("liquidation_distance < 15%"))
    again.tell(21, poll(21, FAR))
    again.tell(22, poll(22, position(mark="70000")))
    assert again.story == ["22s resolved warning recovered"]


def test_an_edited_condition_lets_a_delay_begin_anew() -> None:
    world = World(near("liquidation_distance < 20%", on=60))
    world.tell(1, poll(1, FAR))
    again = stopped(world.saved(), near("liquidation_distance < 15%", on=60))
    for seconds in (21, 41, 61, 80):
        again.tell(seconds, poll(seconds, FAR))
    again.sleep(100)
    assert again.story == ["81s fired warning"]


def test_another_message_or_delay_changes_nothing() -> None:
    world = World(near(off=10))
    world.tell(1, poll(1, CLOSE))
    again = stopped(world.saved(), near(off=30, on=3600, message="{symbol}", repeat=None))
    again.tell(21, poll(21, CLOSE))
    again.tell(25, poll(25, FAR))
    again.tell(45, poll(45, FAR))
    again.sleep(100)
    assert again.story == ["55s resolved warning recovered"]
