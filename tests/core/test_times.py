"""What time alone does: blindness, ages, wake-ups, reminders."""

from dataclasses import replace
from decimal import Decimal

from monitor.core.events import (
    AccountStarted,
    UserStreamStood,
    Woke,
)
from monitor.core.rules import Rule, Severity
from tests.core.worlds import (
    CLOSE,
    EPOCH,
    FAR,
    World,
    at,
    level,
    marks,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity

BLIND = rule("blind", level(CRITICAL, "stale_for > 0s", on=10))


# ---------------------------------------------------------------- blindness


def test_blindness_is_told_when_the_account_was_stale_for_the_delay() -> None:
    world = World(BLIND)
    world.tell(1, poll(1))
    world.sleep(100)
    # Stale from 31 s; `stale_for > 0s` is true a millisecond later, and for ten seconds then.
    assert world.story == ["41.001s fired critical"]
    world.tell(100, poll(100))
    assert world.story == ["41.001s fired critical", "100s resolved critical recovered"]


def test_blindness_is_told_where_no_poll_ever_comes() -> None:
    world = World(BLIND)
    world.sleep(60)
    assert world.story == ["10.001s fired critical"]


def test_blindness_is_no_matter_of_the_started_event() -> None:
    world = World(BLIND)
    world.tell(0, AccountStarted("main"))
    world.sleep(60)
    assert world.story == ["10.001s fired critical"]


def test_a_mark_that_stays_away_makes_blind_too() -> None:
    world = World(BLIND)
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    world.tell(1, poll(1, FAR, eth))
    for seconds in (11, 21, 31, 42):
        world.tell(seconds, poll(seconds, FAR, replace(eth, mark_price=None)))
    assert world.story == ["41.001s fired critical"]


def test_stale_for_goes_on_across_restarts() -> None:
    world = World(rule("blind", level(CRITICAL, "stale_for >= 60s")))
    world.tell(1, poll(1))
    world.sleep(50)  # stale from 31 s
    again = World(*world_rules(world), saved=world.saved(), start=70)
    again.sleep(200)
    assert again.story == ["91s fired critical"]


def world_rules(world: World) -> tuple[Rule, ...]:
    """The rules of a world, for the next one."""
    return tuple(judge.rule for judge in world.engine._watching._judges)


# ---------------------------------------------------------------- ages


def test_an_age_crosses_its_literals_at_their_own_instants() -> None:
    world = World(
        rule("at", level(INFO, "data_age >= 10s")),
        rule("after", level(INFO, "data_age > 10s")),
        rule("between", level(INFO, "12s <= data_age < 13s")),
    )
    world.tell(1, poll(1))
    world.sleep(100)
    assert [(notice.rule, (notice.at - EPOCH) / 1000, notice.kind) for notice in world.notices] == [
        ("at", 11, "fired"),
        ("after", 11.001, "fired"),
        ("between", 13, "fired"),
        ("between", 14, "resolved"),
    ]


def test_an_age_of_the_account_is_seen_by_rules_of_its_positions() -> None:
    """A mark of one position makes the account's oldest number younger for the other."""
    old = near('data_age > 5s and symbol ~ "BTC*"')
    world = World(old)
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    world.tell(0, poll(0, FAR, eth))
    world.tell(4, marks(4, BTCUSDT="62000"))
    world.tell(4.5, poll(4.5, FAR, replace(eth, mark_price=None)))
    world.tell(7, marks(7, ETHUSDT="3000"))
    world.sleep(8)
    assert world.story == ["5.001s fired warning", "7s resolved warning recovered"]


# ---------------------------------------------------------------- wake-ups


def test_wake_at_is_the_first_instant_at_which_the_outcome_differs() -> None:
    world = World(near(on=15))
    outcome = world.tell(1, poll(1, CLOSE))
    assert outcome.wake_at == 16_000
    assert not world.engine.on(Woke(), at(15.999)).notices
    outcome = world.engine.on(Woke(), at(16))
    assert [notice.kind for notice in outcome.notices] == ["fired"]
    assert outcome.wake_at == 30_000, "no user stream for stale_after"
    outcome = world.engine.on(Woke(), at(30))
    assert outcome.wake_at == 31_000, "everything turns stale"


def test_a_delay_that_passes_without_effect_does_not_lose_the_next() -> None:
    """Info rises within its dead band when its time comes; critical falls three seconds later."""
    two = rule(
        "near",
        level(INFO, "liquidation_distance < 20%", on=3, off=6, band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", off=6),
    )
    world = World(two)
    world.tell(1, poll(1, CLOSE))
    world.tell(2, poll(2, position(mark="68000")))  # 20.6 %: no longer below 20, not yet beyond 22
    world.sleep(20)
    assert world.story == ["1s fired critical", "8s resolved critical recovered"]


def test_without_anything_to_wait_for_it_sleeps() -> None:
    world = World()
    world.tell(1, UserStreamStood("main"))
    assert world.outcomes[-1][1].wake_at is None


# ---------------------------------------------------------------- reminders


def test_reminders_come_at_the_interval_with_the_present_numbers() -> None:
    world = World(near(repeat=60_000))
    for seconds in range(1, 200, 10):
        world.tell(seconds, poll(seconds, position(mark=str(55000 + seconds))))
    assert world.story == [
        "1s fired warning",
        "61s reminder warning",
        "121s reminder warning",
        "181s reminder warning",
    ]
    reminder = world.notices[1]
    assert reminder.values["mark_price"].value == 55061
    assert (reminder.previous, reminder.since) == (WARNING, at(1).utc)


def test_a_reminder_counts_from_the_last_notice() -> None:
    two = rule(
        "near",
        level(WARNING, "liquidation_distance < 10%"),
        level(CRITICAL, "liquidation_distance < 5%"),
        repeat=60_000,
    )
    world = World(two)
    world.tell(1, poll(1, position(mark="58000")))
    world.tell(41, poll(41, CLOSE))
    world.tell(90, poll(90, CLOSE))
    world.tell(101, poll(101, CLOSE))
    assert world.story == ["1s fired warning", "41s escalated critical", "101s reminder critical"]


def test_no_reminder_after_the_end_and_none_without_an_interval() -> None:
    world = World(near(repeat=60_000), rule("never", level(INFO, "notional > 0"), repeat=None))
    world.tell(1, poll(1, CLOSE))
    world.tell(50, poll(50, FAR))
    world.sleep(1000)
    assert world.story == ["1s fired warning", "1s fired info", "50s resolved warning recovered"]


def test_after_a_restart_a_reminder_waits_for_fresh_numbers() -> None:
    rules = (near(repeat=60_000),)
    world = World(*rules)
    world.tell(1, poll(1, CLOSE))
    again = World(*rules, saved=world.saved(), start=100)
    again.sleep(130)
    assert again.story == []
    again.tell(130, poll(130, CLOSE))
    again.sleep(200)
    assert again.story == ["130s reminder warning", "190s reminder warning"]
    assert [notice.number for notice in again.notices] == [2, 3]
