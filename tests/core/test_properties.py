"""Laws that hold however the world goes."""

import os

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from monitor.core.events import (
    Woke,
)
from monitor.core.judging import Judge
from monitor.core.language.truth import ABSENT, UNKNOWN, Truth, Value
from monitor.core.notices import Grade, Reading, Target
from monitor.core.rules import Severity
from monitor.core.supposing import subjects_of
from monitor.core.triggers import symbols_of, triggers_of
from tests.core.random_worlds import CHANNELS, NONE, RULES, Run, Step, engine_of, worlds
from tests.core.worlds import (
    EPOCH,
    at,
)

SETTINGS = settings(
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "25")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# ---------------------------------------------------------------- the laws


@given(worlds(restarts=True))
@SETTINGS
def test_notices_of_an_alert_alternate_lawfully(steps: list[Step]) -> None:
    run = Run(steps)
    note("\n".join(run.story))
    assert [notice.number for notice in run.notices] == list(range(1, len(run.notices) + 1))
    assert [notice.at for notice in run.notices] == sorted(notice.at for notice in run.notices)
    levels: dict[tuple[str, Target], Severity] = {}
    highest: dict[tuple[str, Target], Severity] = {}
    since: dict[tuple[str, Target], int | None] = {}
    for notice in run.notices:
        if notice.kind == "happened":
            assert notice.previous is None
            continue
        key = notice.rule, notice.target
        before = levels.get(key, NONE)
        assert notice.previous is before
        assert (notice.reason is not None) == (notice.kind in {"eased", "resolved"})
        if notice.kind == "fired":
            assert before is NONE
            highest[key], since[key] = notice.severity, notice.at
        highest[key] = max(highest[key], notice.severity)
        assert notice.since == since[key]
        match notice.kind:
            case "fired":
                after = notice.severity
            case "escalated":
                after = notice.severity
                assert after > before > NONE
            case "eased":
                after = notice.severity
                assert NONE < after < before
            case "resolved":
                after = NONE
                assert before > NONE
                assert notice.severity is highest[key]
            case _:
                after = before
                assert notice.kind == "reminder"
                assert notice.severity is before > NONE
        levels[key] = after


@given(worlds(restarts=True))
@SETTINGS
def test_nothing_is_called_off_on_aged_or_unknown_numbers(steps: list[Step]) -> None:
    """With every number that is not fresh taken for unknown, the conditions are false still."""
    run = Run(steps)
    levels = {one.name: one.levels for one in RULES}
    for notice in run.notices:
        if notice.reason != "recovered":
            continue
        previous = notice.previous
        assert previous is not None
        for each in levels[notice.rule]:
            # What held a level was its own condition or a higher one's.
            if each.severity >= previous:
                values = [_seen(notice.values[name]) for name in each.relaxed.reads]
                assert each.relaxed.possible(*values) is Truth.FALSE


def _seen(reading: Reading) -> Value:
    if reading.grade is Grade.ABSENT:
        return ABSENT
    return UNKNOWN if reading.grade is not Grade.FRESH or reading.value is None else reading.value


@given(worlds(restarts=True))
@SETTINGS
def test_each_channel_hears_a_lawful_story(steps: list[Step]) -> None:
    run = Run(steps)
    notices = {notice.number: notice for notice in run.notices}
    rules = {one.name: one for one in RULES}
    heard = set(run.heard)
    assert len(heard) == len(run.heard), "nothing twice"
    kept = {(entry.rule, entry.target, entry.channel): entry.level for entry in run.saved().told}
    for channel in CHANNELS:
        told: dict[tuple[str, Target], Severity] = {}
        for number, notice in notices.items():
            takes = channel.takes(rules[notice.rule], notice.target.account, notice.severity)
            if notice.kind == "happened":
                assert ((number, channel.name) in heard) == takes
                continue
            key = notice.rule, notice.target
            if notice.kind == "resolved":
                expected = key in told and channel.send_resolved
                told.pop(key, None)
            elif notice.kind == "reminder":
                expected = key in told
            else:
                expected = key in told or (takes and notice.kind in {"fired", "escalated"})
                if expected:
                    told[key] = notice.severity
            assert ((number, channel.name) in heard) == expected
        assert told == {key[:2]: level for key, level in kept.items() if key[2] == channel.name}


@given(worlds(restarts=True))
@SETTINGS
def test_the_same_events_give_the_same_notices(steps: list[Step]) -> None:
    one, other = Run(steps), Run(steps)
    assert one.outcomes == other.outcomes


@given(worlds(restarts=True))
@SETTINGS
def test_judging_everything_gives_the_same_log(steps: list[Step]) -> None:
    lean, oracle = Run(steps), Run(steps, judge_all=True)
    assert lean.story == oracle.story
    assert lean.heard == oracle.heard
    assert lean.requests == oracle.requests
    assert lean.saved().told == oracle.saved().told
    assert lean.saved().alerts == oracle.saved().alerts


@given(worlds(), st.lists(st.floats(0, 1), min_size=8, max_size=8))
@SETTINGS
def test_an_extra_awakening_changes_nothing(steps: list[Step], parts: list[float]) -> None:
    def extra(before: float, after: float) -> list[float]:
        return sorted(
            {round(before + part * (after - before), 3) for part in parts} - {before, after}
        )

    plain, nervous = Run(steps), Run(steps, extra=extra)
    assert plain.story == nervous.story
    assert plain.heard == nervous.heard
    assert plain.requests == nervous.requests


@given(worlds())
@SETTINGS
def test_looking_for_trigger_prices_meanwhile_changes_nothing(steps: list[Step]) -> None:
    """The status page does so while the engine runs."""
    judges = [Judge(rule) for rule in RULES if rule.levels]
    unseen, seen = engine_of(0), engine_of(0)
    for step in steps:
        assert step.event is not None
        now = at(step.seconds)
        assert seen.on(step.event, now) == unseen.on(step.event, now)
        for account in seen.portfolio.accounts.values():
            for subject in subjects_of(account):
                for symbol in symbols_of(subject):
                    triggers_of(subject, judges, now, {}, only=symbol, most=10)


@given(worlds(restarts=False))
@SETTINGS
def test_timers_run_at_their_own_instants_even_when_nobody_wakes_it(steps: list[Step]) -> None:
    """An engine that sleeps through its alarms catches up with the same notices."""
    asleep, awake = Run(steps, awake=False), Run(steps)
    last = steps[-1].seconds * 1000 + EPOCH
    told = [
        line for line, notice in zip(awake.story, awake.notices, strict=True) if notice.at <= last
    ]
    caught = [
        line for line, notice in zip(asleep.story, asleep.notices, strict=True) if notice.at <= last
    ]
    # Timers due at the last instant itself have run in both.
    assert caught == told


@given(worlds())
@SETTINGS
def test_an_awakening_before_the_time_changes_nothing(steps: list[Step]) -> None:
    """`wake_at` is never later than the first instant at which something differs."""
    engine = engine_of(0)
    outcome = engine.on(Woke(), at(0))
    for step in steps:
        while outcome.wake_at is not None and outcome.wake_at < at(step.seconds).ticks:
            early = engine.on(Woke(), at((outcome.wake_at - 1) / 1000))
            assert not early.notices
            assert not early.alerts
            assert not early.requests
            outcome = engine.on(Woke(), at(early.wake_at / 1000))  # type: ignore[operator]
        assert step.event is not None
        outcome = engine.on(step.event, at(step.seconds))


@given(worlds())
@SETTINGS
def test_what_is_raw_true_is_never_relaxed_false(steps: list[Step]) -> None:
    seen: list[tuple[list[Truth], list[Truth]]] = []
    judged = Judge.truths

    def spy(self: Judge, sight: object, *, relaxed: bool) -> list[Truth]:
        found = judged(self, sight, relaxed=relaxed)  # type: ignore[arg-type]
        seen.append((judged(self, sight, relaxed=False), judged(self, sight, relaxed=True)))  # type: ignore[arg-type]
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "truths", spy)
        Run(steps)
    for raws, relaxeds in seen:
        for raw, relaxed in zip(raws, relaxeds, strict=True):
            assert (raw, relaxed) != (Truth.TRUE, Truth.FALSE)
