"""Rules and channels edited while we run, and while we were stopped: one law."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from monitor.core.earlier import Edition
from monitor.core.events import ForcedOrderSeen, ReloadRefused
from monitor.core.notices import SwitchRecord
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Level, Rule, Severity
from tests.core.random_worlds import CHANNELS, RULES, Run, Step, worlds
from tests.core.test_properties import SETTINGS
from tests.core.worlds import (
    CLOSE,
    FAR,
    World,
    at,
    change,
    filled,
    happening_rule,
    level,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity

Door = Callable[..., World]
"""Has a world go on under other rules from an instant on."""


def running(world: World, seconds: float, *rules: Rule) -> World:
    """The monitor reloads."""
    world.reload(seconds, *rules)
    return world


def stopped(world: World, seconds: float, *rules: Rule) -> World:
    """The monitor stops and starts in no time."""
    world.sleep(seconds)
    return World(*rules, saved=world.saved(), start=seconds)


@pytest.fixture(params=[running, stopped])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


def told(*lives: World) -> list[str]:
    """Everything that one world told, or one after another."""
    return [line for world in dict.fromkeys(lives) for line in world.story]


def hours(world: World, begin: int, end: int) -> None:
    """Tell the same of BTCUSDT every ten seconds, so that it stays fresh."""
    for seconds in range(begin, end + 1, 10):
        world.tell(seconds, poll(seconds, FAR))


# ---------------------------------------------------------------- each row of the law


def three(**more: object) -> Rule:
    levels = [level(one, "liquidation_distance < 10%") for one in (INFO, WARNING, CRITICAL)]
    return rule("near", *levels, **more)


SILENT = [
    pytest.param(near(message="{symbol}"), id="message"),
    pytest.param(near(channels=("phone",)), id="channels"),
    pytest.param(near(runbook="https://example.com"), id="runbook"),
    pytest.param(near(repeat=None), id="repeat"),
    pytest.param(near(band="0.5"), id="hysteresis"),
    pytest.param(near(on=3600, off=3600), id="delays"),
    pytest.param(near("liquidation_distance < 12%"), id="condition, still true"),
    pytest.param(near(symbols=Globs(["BTC*"])), id="symbols, still meant"),
]


@pytest.mark.parametrize("after", SILENT)
def test_an_edit_that_leaves_an_alert_on_says_nothing(door: Door, after: Rule) -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = door(world, 20, after)
    again.tell(20, poll(20, CLOSE))
    assert told(world, again) == ["1s fired warning"]


def one(severity: Severity) -> Rule:
    return rule("near", level(severity, "liquidation_distance < 10%"))


ENDS = [
    pytest.param(
        near("liquidation_distance < 1%", off=3600, band="9"),
        ["20s resolved warning rule_changed"],
        id="condition, now false: whatever delay and dead band say",
    ),
    pytest.param(
        near(symbols=Globs(["ETH*"])), ["20s resolved warning no_longer_applies"], id="symbols"
    ),
    pytest.param(
        near(accounts=Globs(["sub"])), ["20s resolved warning no_longer_applies"], id="accounts"
    ),
    pytest.param(
        rule("near", level(WARNING, "equity < 5")),
        ["20s resolved warning no_longer_applies"],
        id="scope",
    ),
    pytest.param(
        one(INFO), ["20s resolved warning rule_changed", "20s fired info"], id="its only level"
    ),
    pytest.param(
        rule("far", level(WARNING, "liquidation_distance < 1%")),
        ["20s resolved warning rule_removed"],
        id="name",
    ),
    pytest.param(
        happening_rule("near", "liquidation"),
        ["20s resolved warning rule_removed"],
        id="now of happenings",
    ),
]


@pytest.mark.parametrize(("after", "story"), ENDS)
def test_an_edit_that_ends_an_alert_says_why(door: Door, after: Rule, story: list[str]) -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    again = door(world, 20, after)
    again.tell(20, poll(20, CLOSE))
    assert told(world, again) == ["1s fired warning", *story]
    kept = {(record.rule, record.level) for record in again.saved().alerts}
    assert kept == ({("near", INFO)} if "fired info" in story[-1] else set())


LEVELS = [
    pytest.param([INFO, CRITICAL], [], id="one in between"),
    pytest.param([INFO, WARNING], ["20s eased warning rule_changed"], id="the highest"),
    pytest.param([INFO], ["20s eased info rule_changed"], id="the two highest"),
]


@pytest.mark.parametrize(("left", "story"), LEVELS)
def test_a_level_taken_out(door: Door, left: list[Severity], story: list[str]) -> None:
    world = World(three())
    world.tell(1, poll(1, CLOSE))
    again = door(
        world, 20, replace(three(), levels=tuple(three().levels[each - 1] for each in left))
    )
    again.tell(20, poll(20, CLOSE))
    assert told(world, again) == ["1s fired critical", *story]


def test_a_level_put_in_tells_at_once(door: Door) -> None:
    world = World(one(INFO))
    world.tell(1, poll(1, CLOSE))
    again = door(world, 20, three())
    again.tell(20, poll(20, CLOSE))
    assert told(world, again) == ["1s fired info", "20s escalated critical"]


# ---------------------------------------------------------------- delays and dead bands


def test_a_shorter_for_counts_the_time_that_passed(door: Door) -> None:
    for delay, story in ((30, "31s fired warning"), (10, "20s fired warning")):
        world = World(near(on=60))
        world.tell(1, poll(1, CLOSE))
        again = door(world, 20, near(on=delay))
        again.tell(20, poll(20, CLOSE))
        again.sleep(45)
        assert told(world, again) == [story]


def test_a_shorter_keep_firing_for_counts_the_time_that_passed() -> None:
    for delay, story in ((15, "26s"), (5, "20s")):
        world = World(near(off=60))
        world.tell(1, poll(1, CLOSE))
        world.tell(11, poll(11, FAR))
        world.reload(20, near(off=delay))
        world.sleep(45)
        assert world.story == ["1s fired warning", f"{story} resolved warning recovered"]


def test_another_dead_band_holds_what_was_falling(door: Door) -> None:
    world = World(near(off=60))
    world.tell(1, poll(1, CLOSE))
    hours(world, 11, 11)
    again = door(world, 20, near(off=60, band="0.5"))
    hours(again, 20, 100)
    assert told(world, again) == ["1s fired warning"]


def test_another_condition_begins_what_was_rising_anew(door: Door) -> None:
    world = World(near("liquidation_distance < 20%", on=60))
    hours(world, 1, 11)
    again = door(world, 20, near("liquidation_distance < 15%", on=60))
    hours(again, 20, 100)
    assert told(world, again) == ["80s fired warning"]


def test_another_condition_that_is_false_ends_what_was_rising_in_silence(door: Door) -> None:
    world = World(near("liquidation_distance < 20%", on=60))
    world.tell(1, poll(1, FAR))
    again = door(world, 20, near(on=60))
    hours(again, 20, 100)
    assert told(world, again) == []
    assert again.saved().alerts == ()


def test_another_condition_is_not_found_false_on_numbers_that_are_not_fresh(door: Door) -> None:
    world = World(near(off=3600))
    world.tell(1, poll(1, CLOSE))
    again = door(world, 40, near("liquidation_distance < 1%", off=3600))
    assert told(world, again) == ["1s fired warning"]
    again.tell(41, poll(41, CLOSE))
    assert told(world, again) == ["1s fired warning", "41s resolved warning rule_changed"]


def test_an_edit_before_another_is_not_forgotten() -> None:
    world = World(near(off=3600))
    world.tell(1, poll(1, CLOSE))
    world.reload(40, near("liquidation_distance < 1%", off=3600))
    world.reload(41, near("liquidation_distance < 1%", off=3600, message="{symbol}"))
    world.tell(42, poll(42, CLOSE))
    assert world.story == ["1s fired warning", "42s resolved warning rule_changed"]


def test_the_store_hears_that_what_was_rising_begins_anew(door: Door) -> None:
    first = rule("near", level(INFO, "notional > 0"), level(WARNING, "margin_room < 200%", on=60))
    after = rule("near", level(INFO, "notional > 0"), level(WARNING, "margin_room < 300%", on=60))
    world = World(first)
    world.tell(1, poll(1, FAR))
    again = door(world, 20, after)
    again.tell(20, poll(20, FAR))
    (kept,) = again.saved().alerts
    assert kept.switches[1] == SwitchRecord(WARNING, "rising", 0, at(20).utc)


# ---------------------------------------------------------------- targets


def test_a_rule_that_is_new_watches_what_is_there() -> None:
    world = World()
    world.tell(1, poll(1, CLOSE, wallet="400"))
    poor = rule("poor", level(CRITICAL, "wallet_balance < 500"))
    held = rule("held", level(INFO, "position_count > 0", on=5))
    world.reload(20, near(), poor, held)
    world.sleep(29)
    assert [(each.rule, str(each.target)) for each in world.notices] == [
        ("near", "main/BTCUSDT/long"),
        ("poor", "main/USDT"),
        ("held", "main/USDT"),
    ]
    assert world.story == ["20s fired warning", "20s fired critical", "25s fired info"]


def test_no_rules_end_everything_and_the_same_again_begin_anew() -> None:
    blind = rule("blind", level(CRITICAL, "stale_for >= 0s"))
    world = World(near(), blind)
    world.tell(1, poll(1, CLOSE))
    world.reload(20)
    world.reload(25, near(), blind)
    assert world.story == [
        "0s fired critical",
        "1s fired warning",
        "20s resolved critical rule_removed",
        "20s resolved warning rule_removed",
        "25s fired warning",
        "25s fired critical",
    ]


def test_what_an_earlier_run_left_waits_for_its_target_through_a_reload() -> None:
    first = World(near())
    first.tell(1, poll(1, CLOSE))
    world = World(near(), saved=first.saved(), start=20)
    world.reload(21, near(message="{symbol}"))
    world.tell(22, poll(22, FAR))
    assert world.story == ["22s resolved warning recovered"]


def test_what_an_earlier_run_left_ends_with_its_rule() -> None:
    first = World(near())
    first.tell(1, poll(1, CLOSE))
    world = World(near(), saved=first.saved(), start=20)
    world.reload(21, one(INFO))
    world.tell(22, poll(22, CLOSE))
    assert world.story == ["21s resolved warning rule_changed", "22s fired info"]


def test_a_position_that_a_rule_watched_before_and_after_is_ended_by_its_end() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.reload(2, near(message="{symbol}"))
    world.tell(3, change(3, filled(quantity="0")))
    world.reload(4, near())
    assert world.story == ["1s fired warning", "3s resolved warning position_closed"]


# ---------------------------------------------------------------- reminders


@pytest.mark.parametrize(
    ("repeat", "reminders"),
    [
        pytest.param(30, ["31s reminder warning"], id="shorter"),
        pytest.param(10, ["20s reminder warning", "30s reminder warning"], id="it has passed"),
        pytest.param(None, [], id="never"),
    ],
)
def test_another_repeat_counts_from_the_last_notice(
    door: Door, repeat: int | None, reminders: list[str]
) -> None:
    world = World(near(repeat=60_000))
    world.tell(1, poll(1, CLOSE))
    again = door(world, 20, near(repeat=repeat and repeat * 1000))
    again.tell(20, poll(20, CLOSE))
    again.sleep(39)
    assert told(world, again) == ["1s fired warning", *reminders]


# ---------------------------------------------------------------- happenings


def forced(seconds: float, number: int) -> ForcedOrderSeen:
    stamp = at(seconds).utc
    return ForcedOrderSeen(
        "main", stamp, stamp, 1, "liquidation", "BTCUSDT", "BOTH", number, "SELL", D(1), D(5)
    )


def forced_rule(cooldown: int, **more: object) -> Rule:
    return happening_rule("forced", "liquidation", cooldown=cooldown * 1000, **more)


@pytest.mark.parametrize(
    ("after", "story"),
    [
        pytest.param(
            forced_rule(60, message="{symbol}"), "61s happened critical liquidation", id="kept"
        ),
        pytest.param(forced_rule(30), "31s happened critical liquidation", id="shorter"),
        pytest.param(forced_rule(10), "20s happened critical liquidation", id="it has passed"),
        pytest.param(happening_rule("forced", "adl"), None, id="no longer told"),
    ],
)
def test_a_cooldown_goes_on(door: Door, after: Rule, story: str | None) -> None:
    world = World(forced_rule(60))
    world.tell(1, forced(1, 1))
    world.tell(2, forced(2, 2))
    again = door(world, 20, after)
    again.sleep(100)
    first = "1s happened critical liquidation"
    assert told(world, again) == ([first] if story is None else [first, story])
    assert [record for record in again.saved().timers if record.kind == "cooldown"] == []


# ---------------------------------------------------------------- channels


PHONE, DESK = Channel("phone"), Channel("desk")


def test_a_new_channel_hears_of_a_standing_alert_when_it_changes() -> None:
    world = World(near(repeat=10_000))
    world.tell(1, poll(1, CLOSE))
    world.reload(5, near(repeat=10_000), channels=[PHONE, DESK])
    world.tell(12, poll(12, FAR))
    world.tell(13, poll(13, CLOSE))
    assert world.story == [
        "1s fired warning",
        "11s reminder warning",
        "12s resolved warning recovered",
        "13s fired warning",
    ]
    assert world.heard == {"phone": [1, 2, 3, 4], "desk": [4]}


def test_a_new_channel_hears_of_a_level_that_eases() -> None:
    levels = (level(INFO, "liquidation_distance < 20%"), level(WARNING, "margin_room < 50%"))
    both = rule("near", *levels, level(CRITICAL, "liquidation_distance < 10%"))
    world = World(both)
    world.tell(1, poll(1, CLOSE))
    world.reload(5, both, channels=[PHONE, DESK])
    world.tell(6, poll(6, FAR))
    assert world.story == ["1s fired critical", "6s eased info recovered"]
    assert world.heard == {"phone": [1, 2], "desk": [2]}


def test_a_channel_that_is_gone_hears_nothing_and_begins_anew_if_it_comes_back() -> None:
    world = World(near(), channels=[PHONE, DESK])
    world.tell(1, poll(1, CLOSE))
    world.reload(5, near(), channels=[DESK])
    assert [(entry.channel, entry.level) for entry in world.saved().told] == [("desk", WARNING)]
    world.reload(6, near(), channels=[PHONE, DESK])
    world.tell(7, poll(7, FAR))
    assert world.heard == {"phone": [1], "desk": [1, 2]}


def test_a_channel_that_is_gone_while_we_were_stopped_begins_anew_too() -> None:
    first = World(near())
    first.tell(1, poll(1, CLOSE))
    second = World(near(), channels=[DESK], saved=first.saved(), start=5)
    assert second.saved().told == ()


def test_a_channel_that_takes_less_than_before_hears_the_end_of_what_it_heard() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.reload(5, near(), channels=[Channel("phone", CRITICAL, accounts=Globs(["sub"]))])
    world.tell(6, poll(6, FAR))
    assert world.heard == {"phone": [1, 2]}


# ---------------------------------------------------------------- faults


def test_a_refused_reload_is_told_to_every_channel() -> None:
    world = World(near(), channels=[Channel("phone", CRITICAL, rules=Globs(["near"]))])
    faults = 'rules/a.toml:3:8: rule "near", warning: no such word\n    warning = "x < 1"\n'
    world.tell(1, ReloadRefused(faults))
    assert world.story == ["1s happened warning reload_refused"]
    (notice,) = world.notices
    assert notice.details == {"why": 'rules/a.toml:3:8: rule "near", warning: no such word'}
    assert world.heard == {"phone": [1]}


# ---------------------------------------------------------------- laws


def with_reloads(steps: list[Step], pauses: list[float | None]) -> Iterator[Step]:
    """Reload the very same rules after some steps, and before the instant of the next.

    Whatever comes at an instant, what is due at it is done; so at the same instant it would matter
    that the reload comes before the data.
    """
    for step, pause, following in zip(steps, pauses, [*steps[1:], None], strict=False):
        yield step
        if pause is not None and following is not None:
            seconds = min(step.seconds + pause, following.seconds - 0.01)
            if seconds >= step.seconds:
                yield Step(seconds, Edition(RULES, CHANNELS))


@given(
    worlds(restarts=True),
    st.lists(st.sampled_from([None, None, 0.0, 0.25, 3.0, 100.0]), min_size=30, max_size=30),
)
@SETTINGS
def test_a_reload_of_the_same_rules_changes_nothing(
    steps: list[Step], pauses: list[float | None]
) -> None:
    plain, reloaded = Run(steps), Run(with_reloads(steps, pauses))
    note("\n".join(plain.story))
    note("\n".join(reloaded.story))
    assert reloaded.notices == plain.notices
    assert (reloaded.heard, reloaded.requests) == (plain.heard, plain.requests)
    assert _standing(reloaded) == _standing(plain)


def _standing(run: Run) -> dict[object, object]:
    return {
        (record.rule, record.target): [switch.state for switch in record.switches]
        for record in run.saved().alerts
    }


@st.composite
def edits(draw: st.DrawFn) -> Rule:
    """One of many rules of the same name."""
    texts = ["liquidation_distance < 10%", "liquidation_distance < 15%", "notional < 6000"]
    chosen: list[Level] = []
    for severity in (INFO, WARNING, CRITICAL):
        if draw(st.booleans()) or (severity is CRITICAL and not chosen):
            delay = draw(st.sampled_from([0, 7]))
            band = draw(st.sampled_from(["0", "0.4"]))
            text = draw(st.sampled_from(texts))
            chosen.append(level(severity, text, on=delay, band=band))
    symbols = Globs([draw(st.sampled_from(["*", "BTC*", "BTC*", "ETH*"]))])
    return rule("near", *chosen, symbols=symbols, repeat=draw(st.sampled_from([None, 13_000])))


@given(
    before=edits(),
    after=edits(),
    marks=st.lists(st.sampled_from(["55000", "60500", "62000", "70000"]), min_size=3, max_size=12),
    edited=st.integers(0, 11),
)
@SETTINGS
def test_a_reload_is_a_restart_that_takes_no_time(
    before: Rule, after: Rule, marks: list[str], edited: int
) -> None:
    """Without `keep_firing_for`: what a restart knows of it is what was last written."""
    stories = []
    for door in (running, stopped):
        world = World(before)
        lives = [world]
        for step, mark in enumerate(marks):
            seconds = 5 * step + 1
            row = position(mark=mark)
            world.tell(seconds, poll(seconds, row))
            if step == edited:
                world = door(world, seconds + 2, after)
                lives.append(world)
                world.tell(seconds + 2, poll(seconds + 2, row))
        world.sleep(5 * len(marks) + 20)
        stories.append(sorted(told(*lives)))
    assert stories[0] == stories[1]
