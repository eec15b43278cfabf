"""The engine: events in, notices out, in time. The stories of semantics §2, §4 and §5."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from monitor.core.engine import Engine
from monitor.core.events import (
    AccountStarted,
    AssetRow,
    Event,
    LeverageChanged,
    PollWanted,
    StatusRow,
    StreamDistrusted,
    UserStreamFell,
    UserStreamStood,
    Woke,
)
from monitor.core.notices import AlertRecord, Grade, Saved, SwitchRecord, Target, Told
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Rule, Severity
from tests.core.worlds import (
    EPOCH,
    World,
    at,
    change,
    filled,
    happening_rule,
    level,
    marks,
    money,
    poll,
    position,
    rule,
)

NONE, INFO, WARNING, CRITICAL = Severity
TARGET = Target("main", "BTCUSDT", "BOTH", "long")


def distance_rule(**more: object) -> Rule:
    return rule(
        "liquidation-distance",
        level(INFO, "liquidation_distance < 20%", on=15, off=60, band="0.1"),
        level(WARNING, "liquidation_distance < 10%", on=15, off=60, band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", off=60, band="0.1"),
        **more,
    )


def near(text: str = "liquidation_distance < 10%", **more: object) -> Rule:
    """One level, at once."""
    delays = {name: more.pop(name) for name in ("on", "off", "band") if name in more}
    return rule("near", level(WARNING, text, **delays), **more)  # type: ignore[arg-type]  # delays


BLIND = rule("blind", level(CRITICAL, "stale_for > 0s", on=10))
FAR, CLOSE = position(mark="62000"), position(mark="55000")
"""12.9 % and 1.8 % from liquidation at 54000."""


# ---------------------------------------------------------------- levels and delays


def test_levels_rise_with_their_delays_and_ease_when_the_keep_time_has_passed() -> None:
    """The example of semantics §7."""
    world = World(distance_rule())
    prices = ["62000", "59500", "59400", "59300", "59200", "56000"] + ["62000"] * 15
    for step, price in enumerate(prices):
        seconds = 5 * step
        world.tell(seconds, poll(seconds, position(mark=price, iw="600")))

    assert world.story == [
        "15s fired info",
        "20s escalated warning",
        "25s escalated critical",
        "90s eased info recovered",
    ]
    eased = world.notices[-1]
    assert (eased.previous, eased.since, eased.number) == (CRITICAL, EPOCH + 15_000, 4)
    assert eased.condition == "liquidation_distance < 5%", "the condition of the level it left"
    assert eased.values["liquidation_distance"].grade is Grade.FRESH


def test_a_fired_notice_carries_what_a_reader_needs() -> None:
    world = World(near())
    outcome = world.tell(1, poll(1, CLOSE))
    (notice,) = outcome.notices
    assert (notice.number, notice.at, notice.kind, notice.severity) == (
        1,
        at(1).utc,
        "fired",
        WARNING,
    )
    assert (notice.rule, notice.target, notice.previous) == ("near", TARGET, NONE)
    assert (notice.reason, notice.happening, notice.count) == (None, None, None)
    assert (notice.since, notice.data_age) == (at(1).utc, 0)
    assert notice.condition == "liquidation_distance < 10%"
    assert notice.values["mark_price"].value == 55000
    assert notice.values["wallet_balance"].value == 1000
    assert "data_age" in notice.values
    assert [tuple(entry) for entry in outcome.deliveries] == [(1, "phone")]
    assert outcome.told == [Told("near", TARGET, "phone", WARNING)]
    assert outcome.changes.notices == (notice,)
    record = AlertRecord(
        "near",
        TARGET,
        (SwitchRecord(WARNING, "on", 0, at(1).utc),),
        WARNING,
        WARNING,
        at(1).utc,
        at(1).utc,
    )
    assert outcome.changes.alerts == (record,)
    assert bool(outcome.changes)


def test_a_dead_band_holds_an_alert_until_the_threshold_is_passed_by_it() -> None:
    world = World(near("liquidation_distance < 10%", band="0.1"))
    for seconds, price in ((1, "59900"), (2, "60500"), (3, "60674"), (4, "60675")):
        world.tell(seconds, poll(seconds, position(mark=price)))
    # 54000 / (1 − 11 %) = 60674.16
    assert world.story == ["1s fired warning", "4s resolved warning recovered"]


def test_delays_pass_between_events_at_their_own_instants() -> None:
    world = World(near(on=15, off=20))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, marks(2, BTCUSDT="55001"))
    outcome = world.engine.on(Woke(), at(29))  # slept through 16 s
    assert [(notice.at, notice.kind) for notice in outcome.notices] == [(at(16).utc, "fired")]


def test_data_of_an_instant_comes_before_timers_due_at_it() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(16, poll(16, FAR))
    assert world.story == []


def test_a_delay_passes_with_data_of_its_very_instant() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(16, poll(16, CLOSE))
    assert world.story == ["16s fired warning"]


# ---------------------------------------------------------------- doubt


def test_aged_numbers_raise_and_never_resolve() -> None:
    world = World(near())
    world.tell(1, poll(1, FAR))
    world.tell(40, marks(40, BTCUSDT="55000"))
    world.tell(41, marks(41, BTCUSDT="62000"))
    assert world.story == ["40s fired warning"]
    assert world.notices[0].data_age == 39_000
    assert world.notices[0].values["liquidation_distance"].grade is Grade.AGED
    world.tell(42, poll(42, FAR))
    assert world.story == ["40s fired warning", "42s resolved warning recovered"]


def test_unknown_neither_raises_nor_resolves() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.sleep(700)
    world.tell(700, marks(700, BTCUSDT="62000"))
    world.tell(701, marks(701, BTCUSDT="55000"))
    assert world.story == ["1s fired warning"]
    world.tell(702, poll(702, FAR))
    assert world.story == ["1s fired warning", "702s resolved warning recovered"]


def test_an_old_mark_raises_nothing() -> None:
    world = World(near("notional > 5000"))
    world.tell(1, poll(1, position(quantity="0.01")))
    world.tell(40, change(40, filled(quantity="0.1")))
    assert world.story == [], "62000 is 39 s old"
    world.tell(41, marks(41, BTCUSDT="62000"))
    assert world.story == ["41s fired warning"]


def test_falling_waits_while_nothing_is_known() -> None:
    world = World(near(off=20))
    world.tell(1, poll(1, CLOSE))
    world.tell(5, poll(5, FAR))  # falling since 5 s; aged from 35 s, but that is after its time
    world.tell(15, poll(15, replace(FAR, liquidation_price=D(0)), wallet="1000"))
    # "none" is not believed while our own estimate is near: unknown from here on
    world.tell(60, poll(60, FAR))
    world.sleep(200)
    assert world.story == ["1s fired warning", "70s resolved warning recovered"]


def test_nothing_is_judged_before_the_first_complete_poll() -> None:
    world = World(near(), BLIND)
    world.tell(1, replace(poll(1, CLOSE), complete=False))
    world.tell(2, change(2, filled()), marks(2, BTCUSDT="55000"))
    assert world.story == []
    world.tell(3, poll(3, CLOSE, after=1))
    assert world.story == ["3s fired warning"]


def test_an_alert_on_a_position_that_turns_round_ends_and_another_begins() -> None:
    world = World(near("notional > 0"))
    world.tell(1, poll(1, FAR))
    world.tell(2, change(2, filled(quantity="-0.1")))
    assert world.story == [
        "1s fired warning",
        "2s resolved warning position_closed",
        "2s fired warning",
    ]
    assert [notice.target.side for notice in world.notices] == ["long", "long", "short"]


def test_a_closed_position_resolves_at_once_whatever_the_keep_time() -> None:
    world = World(near(off=3600, on=0))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, change(2, filled(quantity="0", entry="0")))
    assert world.story == ["1s fired warning", "2s resolved warning position_closed"]
    assert world.saved().alerts == ()
    world.tell(3, change(3, filled(), seq=2))
    world.tell(4, poll(4, CLOSE, after=2))
    assert world.story[2:] == ["4s fired warning"]


def test_rising_is_dropped_when_the_position_closes() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, change(2, filled(quantity="0", entry="0")))
    world.sleep(100)
    assert world.story == []
    assert world.saved().alerts == ()


def test_gone_from_one_poll_keeps_the_alert_and_from_two_resolves_it() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.tell(11, poll(11))
    assert world.story == ["1s fired warning"]
    world.tell(12, poll(12))
    assert world.story == ["1s fired warning", "12s resolved warning position_closed"]


def test_between_two_polls_without_it_a_position_still_raises() -> None:
    world = World(near())
    world.tell(1, poll(1, FAR))
    world.tell(11, poll(11))
    world.tell(11.5, marks(11.5, BTCUSDT="55000"))
    assert world.story == ["11.5s fired warning"]


def test_a_pool_that_is_gone_resolves_its_alerts() -> None:
    world = World(rule("poor", level(WARNING, "equity < 500")))
    world.tell(1, poll(1, wallet="400"))
    world.tell(2, change(2, money("0")))
    assert world.story == ["1s fired warning", "2s resolved warning pool_gone"]
    assert world.notices[0].target == Target("main", asset="USDT")


def test_accounts_are_apart() -> None:
    """All but the marks, which are the market's."""
    world = World(near(), accounts=("main", "sub"))
    world.tell(1, poll(1, CLOSE), poll(1, position(mark="55000", liq="20000"), account="sub"))
    world.tell(2, poll(2, CLOSE, account="sub"))
    assert [(notice.at, notice.target.account) for notice in world.notices] == [
        (at(1).utc, "main"),
        (at(2).utc, "sub"),
    ]


def test_a_rule_speaks_only_of_its_accounts_and_symbols() -> None:
    world = World(
        near("notional > 0", accounts=Globs(["sub"]), symbols=Globs(["!ETH*"])),
        accounts=("main", "sub"),
    )
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    world.tell(1, poll(1, FAR, eth), poll(1, FAR, eth, account="sub"))
    assert [str(notice.target) for notice in world.notices] == ["sub/BTCUSDT/long"]


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
    for seconds in (1, 11, 21, 31):
        rows = position("ETHUSDT", "1", "3000", mark="3000", liq="2000"), FAR
        if seconds > 1:
            rows = (replace(rows[0], mark_price=None), FAR)
        world.tell(seconds, poll(seconds, *rows))
    world.tell(42, poll(42, FAR, replace(rows[0])))
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


# ---------------------------------------------------------------- channels


def test_told_is_kept_across_restarts() -> None:
    channels = (Channel("phone", CRITICAL), Channel("desk"))
    two = rule(
        "near",
        level(WARNING, "liquidation_distance < 10%"),
        level(CRITICAL, "liquidation_distance < 5%"),
    )
    world = World(two, channels=channels)
    world.tell(1, poll(1, CLOSE))
    world.tell(2, poll(2, position(mark="58000")))
    again = World(two, channels=channels, saved=world.saved(), start=20)
    again.tell(21, poll(21, FAR))
    assert world.heard == {"phone": [1, 2], "desk": [1, 2]}
    assert again.heard == {"phone": [3], "desk": [3]}
    assert again.saved().told == ()


def test_without_channels_nothing_is_delivered() -> None:
    world = World(near(), channels=())
    world.tell(1, poll(1, CLOSE))
    assert world.story == ["1s fired warning"]
    assert world.heard == {}
    assert world.saved().told == ()


# ---------------------------------------------------------------- the user stream


COUNTER = "unexplained_changes"
WATCH = happening_rule("watch", "stream_lost", severity=WARNING)


def streaming(*rules: Rule) -> World:
    """A stream that stands, and a position polled since."""
    world = World(*rules)
    world.tell(0, UserStreamStood("main"))
    world.tell(1, poll(1, FAR))
    return world


def test_no_user_stream_for_the_limit_is_told_once() -> None:
    world = World(WATCH)
    world.sleep(300)
    assert world.story == ["30s happened warning stream_lost"]
    assert world.notices[0].details == {"why": "no user data socket stands"}
    assert not [one for one in world.requests if isinstance(one, StreamDistrusted)]


def test_a_stream_that_falls_and_stands_again_in_time_is_not_told() -> None:
    world = streaming(WATCH)
    world.tell(10, UserStreamFell("main", "closed"))
    world.tell(39, UserStreamStood("main"))
    world.tell(50, UserStreamFell("main", "closed"))
    world.tell(60, UserStreamFell("main", "closed again"))
    world.sleep(300)
    assert world.story == ["80s happened warning stream_lost"]


def unexplained(world: World, seconds: float, *rows: object) -> None:
    world.tell(seconds, poll(seconds, *rows))  # type: ignore[arg-type]  # rows
    world.sleep(seconds + 6)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(position(quantity="0.2"), "BTCUSDT long: quantity 0.1 → 0.2", id="quantity"),
        pytest.param(
            position(entry="60100"), "BTCUSDT long: entry price 60000 → 60100", id="entry"
        ),
        pytest.param(
            position(iw="600"), "BTCUSDT long: margin type cross → isolated", id="margin type"
        ),
    ],
)
def test_a_change_that_only_a_poll_tells_makes_the_stream_suspect(row: object, why: str) -> None:
    world = streaming(WATCH)
    unexplained(world, 11, row)
    assert world.story == ["16s happened warning stream_lost"]
    said = f"it did not tell what a poll found: {why}"
    assert world.notices[0].details == {"why": said}
    assert [one for one in world.requests if isinstance(one, StreamDistrusted)] == [
        StreamDistrusted("main", said)
    ]


def test_a_position_that_only_a_poll_opens_or_closes() -> None:
    world = streaming(WATCH)
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    unexplained(world, 11, FAR, eth)
    assert world.notices[0].details["why"].endswith("ETHUSDT long: opened, 1")
    world = streaming(WATCH)
    world.tell(11, poll(11))
    unexplained(world, 12)
    assert world.notices[0].details["why"].endswith("BTCUSDT long: gone")


def test_an_event_that_comes_after_its_poll_explains_it() -> None:
    world = streaming(WATCH)
    world.tell(11, poll(11, position(quantity="0.2")))
    world.tell(15, change(10.9, filled(quantity="0.2")))
    world.sleep(100)
    assert world.story == []


def test_what_the_first_poll_finds_after_a_gap_proves_nothing() -> None:
    world = streaming(WATCH)
    world.tell(10, UserStreamFell("main", "closed"))
    world.tell(12, poll(12, position(quantity="0.2")))
    world.tell(20, UserStreamStood("main"))
    world.tell(21, poll(19.9, position(quantity="0.3")))
    world.tell(22, poll(22, position(quantity="0.4")))
    world.sleep(40)
    assert world.story == []
    unexplained(world, 40, position(quantity="0.5"))
    assert world.story == ["45s happened warning stream_lost"]


def test_at_most_one_rebuild_a_minute() -> None:
    world = streaming(WATCH)
    quantity = 1
    for seconds in range(11, 180, 5):
        quantity += 1
        world.tell(seconds, poll(seconds, position(quantity=f"0.{quantity}1")))
    world.sleep(180)
    distrusted = [
        seconds
        for seconds, outcome in world.outcomes
        for one in outcome.requests
        if isinstance(one, StreamDistrusted)
    ]
    assert distrusted == [16, 76, 136]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(poll(11, FAR, wallet="900"), "USDT wallet 1000 → 900", id="wallet"),
        pytest.param(poll(11, FAR, leverage=20), "BTCUSDT leverage 10 → 20", id="leverage"),
    ],
)
def test_an_unexplained_balance_or_leverage_is_taken_over_counted_and_suspect_once(
    answer: Event, said: str
) -> None:
    world = streaming(WATCH)
    world.tell(11, answer)
    world.sleep(17)
    counted = [(one.counter, one.text) for one in world.remarks if one.counter == COUNTER]
    assert counted == [(COUNTER, f"main: taken over from a poll, no event told of it: {said}")]
    assert world.story == ["16s happened warning stream_lost"]


def test_an_isolated_wallet_is_compared_too() -> None:
    world = World(WATCH)
    world.tell(0, UserStreamStood("main"))
    world.tell(1, poll(1, position(iw="600")))
    unexplained(world, 11, position(iw="600.0000005"))
    assert world.remarks == []
    unexplained(world, 21, position(iw="650"))
    assert [one.text for one in world.remarks if one.counter == COUNTER] == [
        "main: taken over from a poll, no event told of it: BTCUSDT long: isolated wallet "
        "600.0000005 → 650"
    ]


def test_dust_in_a_wallet_is_no_change() -> None:
    world = streaming(WATCH)
    world.tell(11, poll(11, FAR, wallet="1000.000001"))
    world.sleep(20)
    assert world.remarks == []


def test_a_leverage_that_an_event_told_is_explained() -> None:
    world = streaming(WATCH)
    world.tell(11, poll(11, FAR, leverage=20))
    outcome = world.tell(12, LeverageChanged("main", at(10.9).utc, 1, 1, "BTCUSDT", 20))
    assert outcome.requests == [PollWanted("main", 12_000, full=True)]
    world.sleep(20)
    assert world.remarks == []


# ---------------------------------------------------------------- what it asks for


def test_events_ask_for_a_poll() -> None:
    world = streaming()
    assert world.tell(10, change(10, money("900"))).requests == [PollWanted("main", 10_000)]
    changed = change(11, filled(mt="isolated", iw="600"), seq=2, reason="MARGIN_TYPE_CHANGE")
    assert world.tell(11, changed).requests == [PollWanted("main", 11_000, full=True)]


def test_the_symbols_held_are_told_when_they_change() -> None:
    world = World()
    assert world.tell(1, poll(1, FAR)).symbols == {"BTCUSDT"}
    assert world.tell(2, poll(2, FAR)).symbols is None
    assert world.tell(3, change(3, filled(quantity="0"))).symbols == frozenset()


def test_an_engine_may_be_given_another_time_to_forget() -> None:
    engine = Engine([], [], [("main", "v")], now=at(0), stale_after=30_000, forget_after=60_000)
    engine.on(poll(0, FAR), at(0))
    assert engine.on(Woke(), at(30)).wake_at == 60_000


def test_assets_without_an_answer_leave_pools_as_they_were() -> None:
    world = World(rule("poor", level(WARNING, "equity < 500")))
    world.tell(1, poll(1, wallet="400"))
    world.tell(2, replace(poll(2), assets=None, complete=False))
    world.tell(3, replace(poll(3), assets=(AssetRow("BNB", D(1), D(1)),)))
    assert world.story == ["1s fired warning", "3s fired warning"]
    assert [notice.target.asset for notice in world.notices] == ["USDT", "BNB"]
