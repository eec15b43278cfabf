"""The life of an alert: the table of docs/semantics.md §5, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerts import Alert, State
from monitor.core.language.truth import Truth
from monitor.core.notices import AlertRecord, SwitchRecord, Target
from monitor.core.rules import Rule, Severity
from tests.core.worlds import EPOCH, at, level, rule

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
OFF, RISING, ON, FALLING = State.OFF, State.RISING, State.ON, State.FALLING
INFO, WARNING, CRITICAL, NONE = Severity.INFO, Severity.WARNING, Severity.CRITICAL, Severity.NONE
TARGET = Target("main", "BTCUSDT", "BOTH", "long")

Seen = tuple[float, Truth, Truth]


def one(on: float = 0, off: float = 0) -> Alert:
    return Alert(rule("r", level(INFO, "margin_room < 20%", on=on, off=off)), TARGET)


def show(alert: Alert, *seen: Seen) -> list[State]:
    """Show an alert (raw, relaxed) at instants, and collect the state after each."""
    states = []
    for seconds, raw, relaxed in seen:
        alert.step([raw], [relaxed], at(seconds))
        states.append(alert.switches[0].state)
    return states


def brought(state: State, on: float = 0, off: float = 0) -> Alert:
    """An alert whose switch came into a state at 0 s."""
    alert = one(on, off)
    if state is not OFF:
        show(alert, (0, T, T))
    if state is ON and on:
        show(alert, (on, T, T))
    if state is FALLING:
        show(alert, (0, F, F))
    assert alert.switches[0].state is state
    return alert


@pytest.mark.parametrize(
    ("state", "on", "off", "seen", "becomes"),
    [
        pytest.param(OFF, 10, 0, (0, T, T), RISING, id="off, raw true"),
        pytest.param(OFF, 0, 0, (0, T, T), ON, id="off, raw true, no delay"),
        pytest.param(OFF, 0, 0, (0, T, U), ON, id="off, raw true on aged numbers"),
        pytest.param(OFF, 0, 0, (0, F, T), OFF, id="off, relaxed true alone"),
        pytest.param(OFF, 0, 0, (0, U, U), OFF, id="off, unknown"),
        pytest.param(RISING, 10, 0, (5, F, F), OFF, id="rising, relaxed false"),
        pytest.param(RISING, 10, 0, (9.999, T, T), RISING, id="rising, raw true too early"),
        pytest.param(RISING, 10, 0, (10, T, T), ON, id="rising, raw true in time"),
        pytest.param(RISING, 10, 0, (10, T, U), ON, id="rising, raw true on aged numbers"),
        pytest.param(RISING, 10, 0, (10, U, U), RISING, id="rising, unknown: only raw true turns"),
        pytest.param(RISING, 10, 0, (10, F, T), RISING, id="rising, within the dead band"),
        pytest.param(RISING, 10, 0, (10, F, U), RISING, id="rising, false on aged numbers"),
        pytest.param(ON, 0, 10, (5, F, F), FALLING, id="on, relaxed false"),
        pytest.param(ON, 0, 0, (5, F, F), OFF, id="on, relaxed false, no delay"),
        pytest.param(ON, 0, 0, (5, F, T), ON, id="on, within the dead band"),
        pytest.param(ON, 0, 0, (5, U, U), ON, id="on, unknown"),
        pytest.param(ON, 0, 0, (5, F, U), ON, id="on, false on aged numbers"),
        pytest.param(FALLING, 0, 10, (5, T, T), ON, id="falling, relaxed true"),
        pytest.param(FALLING, 0, 10, (5, F, T), ON, id="falling, relaxed true in the dead band"),
        pytest.param(FALLING, 0, 10, (9.999, F, F), FALLING, id="falling, not long enough"),
        pytest.param(FALLING, 0, 10, (10, F, F), OFF, id="falling, long enough"),
        pytest.param(FALLING, 0, 10, (10, U, U), FALLING, id="falling, unknown at the end"),
    ],
)
def test_the_table(state: State, on: float, off: float, seen: Seen, becomes: State) -> None:
    assert show(brought(state, on, off), seen) == [becomes]


def test_rising_counts_the_time_in_which_nothing_is_known() -> None:
    alert = brought(RISING, on=10)
    assert show(alert, (3, U, U), (12, U, U), (12.5, T, U)) == [RISING, RISING, ON]


def test_falling_does_not_count_the_time_in_which_nothing_is_known() -> None:
    alert = brought(FALLING, off=10)
    seen = [(4.0, U, U), (50.0, U, U), (60.0, F, F), (65.999, F, F), (66.0, F, F)]
    assert show(alert, *seen) == [FALLING] * 4 + [OFF]


def test_falling_begins_anew_after_it_was_on() -> None:
    alert = brought(FALLING, off=10)
    seen = [(9.0, F, T), (11.0, F, F), (20.999, F, F), (21.0, F, F)]
    assert show(alert, *seen) == [ON, FALLING, FALLING, OFF]


def test_a_delay_tells_when_it_passes() -> None:
    assert brought(OFF).due(0) is None
    assert brought(RISING, on=10).due(0) == 10_000
    assert brought(RISING, on=10).due(10_000) is None
    assert brought(ON).due(0) is None
    falling = brought(FALLING, off=10)
    assert falling.due(0) == 10_000
    show(falling, (4, U, U))
    assert falling.due(4_000) is None, "paused"
    show(falling, (60, F, F))
    assert falling.due(60_000) == 66_000


def three(on: float = 0, off: float = 0) -> Alert:
    return Alert(
        rule(
            "r",
            level(INFO, "margin_room < 60%", on=on, off=off),
            level(WARNING, "margin_room < 40%", on=on, off=off),
            level(CRITICAL, "margin_room < 20%"),
        ),
        TARGET,
    )


def test_the_level_is_the_highest_switch_that_is_on_or_falling() -> None:
    alert = three(off=30)
    levels = []
    for seconds, truths in (
        (0, [T, F, F]),
        (1, [T, T, T]),
        (2, [T, T, F]),
        (3, [T, F, F]),
        (40, [T, F, F]),
        (41, [F, F, F]),
        (72, [F, F, F]),
    ):
        alert.step(truths, truths, at(seconds))
        levels.append(alert.level)
    assert levels == [INFO, CRITICAL, WARNING, WARNING, INFO, INFO, NONE]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.sampled_from([(T, T), (T, U), (F, T), (F, F), (U, U), (F, U)])
        )
    ),
    st.integers(0, 15),
    st.integers(0, 15),
)
def test_a_step_says_nothing_twice(
    seen: list[tuple[int, tuple[Truth, Truth]]], on: int, off: int
) -> None:
    """While the truth stands still and no delay has passed, a step changes nothing."""
    alert, seconds = one(on, off), 0
    for pause, (raw, relaxed) in seen:
        seconds += pause
        alert.step([raw], [relaxed], at(seconds))
        due = alert.due(seconds * 1000)
        assert due is None or due > seconds * 1000
        assert not alert.step([raw], [relaxed], at(seconds))
        later = (due - 1) / 1000 if due is not None else seconds + 1000
        assert not alert.step([raw], [relaxed], at(later))
        if due is not None:
            assert alert.step([raw], [relaxed], at(due / 1000)) == (raw is T or relaxed is F)
            seconds = -(-due // 1000)


def test_a_target_that_is_gone_puts_every_switch_off() -> None:
    alert = three(on=10, off=10)
    alert.step([T, T, T], [T, T, T], at(0))
    alert.clear()
    assert alert.idle


# ---------------------------------------------------------------- restarts


def kept(state: str, elapsed: int, saved: float, **more: object) -> AlertRecord:
    return AlertRecord(
        "r",
        TARGET,
        (SwitchRecord(INFO, state, elapsed, at(saved).utc),),
        INFO if state in {"on", "falling"} else NONE,
        INFO,
        EPOCH,
        **{"noticed": EPOCH, **more},  # type: ignore[arg-type]  # fields
    )


def test_a_record_holds_what_restoring_takes_up() -> None:
    alert = one(on=60)
    show(alert, (0, T, T))
    record = alert.record(at(20))
    assert record == AlertRecord(
        "r", TARGET, (SwitchRecord(INFO, "rising", 20_000, at(20).utc),), NONE, NONE, None, None
    )
    again = one(on=60)
    again.restore(record, at(30), at(25).utc)
    assert again.due(30_000) == 60_000


@pytest.mark.parametrize(
    ("down", "due"),
    [
        pytest.param(10, 60_000, id="the time down counts"),
        pytest.param(100, None, id="all of it"),
        pytest.param(600, None, id="ten minutes still count"),
    ],
)
def test_rising_counts_the_time_that_we_were_down(down: float, due: int | None) -> None:
    alert = one(on=60)
    now = at(20 + down)
    alert.restore(kept("rising", 20_000, 20), now, at(20).utc)
    assert alert.switches[0].state is RISING
    assert alert.due(now.ticks) == due
    if due is None:
        alert.step([T], [T], now)
        assert alert.level is INFO


def test_rising_begins_anew_after_more_than_ten_minutes_down() -> None:
    alert = one(on=60)
    alert.restore(kept("rising", 20_000, 20), at(620.001), at(20).utc)
    assert alert.idle
    alert.step([T], [T], at(621))
    assert alert.due(621_000) == 681_000


def test_ten_minutes_count_from_when_we_were_last_alive() -> None:
    """Not from when the switch was kept: it may have been rising for hours."""
    alert = one(on=3600)
    alert.restore(kept("rising", 0, 0), at(1800), at(1750).utc)
    assert alert.due(1_800_000) == 3_600_000


def test_falling_does_not_count_the_time_that_we_were_down() -> None:
    alert = one(off=60)
    alert.restore(kept("falling", 20_000, 20), at(500), at(20).utc)
    assert alert.level is INFO
    assert alert.due(500_000) is None
    alert.step([F], [F], at(510))
    assert alert.due(510_000) == 550_000


def test_what_was_on_is_on() -> None:
    alert = one()
    alert.restore(kept("on", 0, 0), at(100), at(90).utc)
    assert (alert.level, alert.highest, alert.since) == (INFO, INFO, EPOCH)
    assert alert.waits_for_fresh
    assert not alert.step([T], [T], at(101))


def test_an_edited_condition_lets_rising_begin_anew() -> None:
    alert = one(on=60)
    alert.restore(kept("rising", 20_000, 20), at(30), at(25).utc, INFO)
    assert alert.idle


@pytest.mark.parametrize(
    ("raw", "relaxed", "level_after"),
    [
        pytest.param(F, T, NONE, id="false in the dead band: off at once"),
        pytest.param(F, F, NONE, id="false: off at once"),
        pytest.param(T, T, INFO, id="true: on"),
        pytest.param(F, U, INFO, id="false on aged numbers: on"),
        pytest.param(U, U, INFO, id="unknown: on"),
    ],
)
def test_an_edited_condition_that_is_false_puts_an_on_switch_off(
    raw: Truth, relaxed: Truth, level_after: Severity
) -> None:
    alert = one(off=60)
    alert.restore(kept("on", 0, 0), at(30), at(25).utc, INFO)
    alert.step([raw], [relaxed], at(31))
    assert alert.level is level_after
    assert alert.dropped == (level_after is NONE)


def test_an_edited_condition_is_looked_at_once() -> None:
    alert = one(off=60)
    alert.restore(kept("on", 0, 0), at(30), at(25).utc, INFO)
    assert show(alert, (31, U, U), (32, T, T), (33, F, T), (34, F, F)) == [ON, ON, ON, FALLING]


def test_editing_a_higher_condition_is_seen_by_the_switches_below() -> None:
    """`raw` of a severity is its own condition or any higher one's."""
    alert = three(on=10)
    records = tuple(
        SwitchRecord(severity, "on", 0, EPOCH) for severity in (INFO, WARNING, CRITICAL)
    )
    record = AlertRecord("r", TARGET, records, CRITICAL, CRITICAL, EPOCH, EPOCH)
    alert.restore(record, at(5), EPOCH, WARNING)
    assert [switch.edited for switch in alert.switches] == [True, True, False]


def test_a_level_that_a_rule_no_longer_has_is_dropped() -> None:
    alert = one()
    records = (SwitchRecord(INFO, "on", 0, EPOCH), SwitchRecord(CRITICAL, "on", 0, EPOCH))
    record = AlertRecord("r", TARGET, records, CRITICAL, CRITICAL, EPOCH, EPOCH)
    alert.restore(record, at(5), EPOCH)
    assert alert.level is INFO


def test_a_new_level_is_off() -> None:
    alert = three()
    alert.restore(kept("on", 0, 0), at(5), EPOCH)
    assert [switch.state for switch in alert.switches] == [ON, OFF, OFF]


def test_a_switch_never_returns_to_rising_by_a_longer_delay() -> None:
    changed: Rule = rule("r", level(INFO, "margin_room < 20%", on=3600))
    alert = Alert(changed, TARGET)
    alert.restore(kept("on", 0, 0), at(5), EPOCH)
    assert show(alert, (6, T, T)) == [ON]
