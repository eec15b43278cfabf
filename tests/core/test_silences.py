"""Silences: nobody is told, nothing is lost, and what was missed is told at the end."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import (
    CalledPosition,
    ChannelFailed,
    Event,
    MarginCalled,
    PositionRow,
    SilenceLifted,
    SilenceWanted,
)
from monitor.core.notices import Notice, Silence, Target
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Rule, Severity
from monitor.core.silences import Silences
from tests.core.worlds import (
    CLOSE,
    FAR,
    World,
    at,
    happening_rule,
    level,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity
LONG = Target("main", "BTCUSDT", "BOTH", "long")
POOL = Target("main", asset="USDT")

MIDDLE = position(mark="58000")
"""6.9 % from liquidation: below 10 %, not below 5 %."""

STEPS = rule(
    "steps",
    level(WARNING, "liquidation_distance < 10%"),
    level(CRITICAL, "liquidation_distance < 5%"),
    repeat=600_000,
)


def hush(minutes: float = 10, **globs: tuple[str, ...]) -> SilenceWanted:
    return SilenceWanted(round(minutes * 60_000), **globs)


def told(world: World, channel: str = "phone") -> list[str]:
    """What a channel heard: "61 fired warning"."""
    mine = set(world.heard.get(channel, ()))
    return [
        f"{(notice.at - at(0).utc) / 1000:g} {notice.kind} {notice.severity.word}"
        + (f" {notice.reason}" if notice.reason else "")
        for notice in world.notices
        if notice.number in mine
    ]


def last(world: World) -> Notice:
    return world.notices[-1]


def silenced(*events: tuple[float, Event], of: Rule = STEPS, **more: object) -> World:
    """A world that is silent from 10 s to 610 s."""
    world = World(of, **more)  # type: ignore[arg-type]  # keywords of World
    world.tell(1, poll(1, FAR))
    for seconds, event in sorted(events, key=lambda pair: pair[0]):
        if seconds > 10 and not world.engine._teller.silences.over("steps", LONG):
            world.tell(10, hush())
        world.tell(seconds, event)
    world.sleep(700)
    return world


# ---------------------------------------------------------------- what a silence covers


@pytest.mark.parametrize(
    ("silence", "covers"),
    [
        (Silence(1, 0, 1), [True, True, True, True]),
        (Silence(1, 0, 1, rules=("ste*",)), [True, True, True, False]),
        (Silence(1, 0, 1, rules=("!steps",)), [False, False, False, True]),
        (Silence(1, 0, 1, accounts=("main",)), [True, True, False, True]),
        (Silence(1, 0, 1, symbols=("BTC*",)), [True, False, False, True]),
        (Silence(1, 0, 1, symbols=("*",)), [True, False, False, True]),
        (Silence(1, 0, 1, rules=("steps",), symbols=("ETH*",)), [False, False, False, False]),
        (Silence(1, 0, 1, ("steps", "loss"), ("main",), ("BTC*", "ETH*")), [True] + [False] * 3),
    ],
    ids=str,
)
def test_what_a_silence_covers(silence: Silence, covers: list[bool]) -> None:
    alerts = [("steps", LONG), ("steps", POOL), ("steps", Target("sub")), ("room", LONG)]
    assert [silence.covers(*alert) for alert in alerts] == covers
    assert not silence.covers("marginwatch", Target("")), "own faults cannot be silenced"


def test_a_silence_is_written_as_its_options() -> None:
    silence = Silence(1, 0, 1, ("a*", "b"), (), ("BTC*",))
    assert str(silence) == "--rule 'a*' --rule 'b' --symbol 'BTC*'"
    assert str(Silence(1, 0, 1)) == "--all"


def test_those_that_are_over_do_not_stand() -> None:
    silences = Silences([Silence(1, 0, 1, over=True), Silence(2, 0, 1), Silence(3, 0, 1)])
    assert silences.over("r", LONG) == (2, 3)
    taken = silences.take(2)
    assert taken is not None
    assert taken.number == 2
    assert silences.take(2) is None
    assert silences.over("r", LONG) == (3,)


# ---------------------------------------------------------------- what is told at its end


@pytest.mark.parametrize(
    ("polls", "heard"),
    [
        pytest.param([(20, CLOSE)], ["610 fired critical"], id="fired and stands"),
        pytest.param([(20, CLOSE), (30, FAR)], [], id="fired and cleared"),
        pytest.param(
            [(5, MIDDLE), (20, FAR)],
            ["5 fired warning", "610 resolved warning recovered"],
            id="known, and cleared",
        ),
        pytest.param(
            [(5, MIDDLE), (20, CLOSE)],
            ["5 fired warning", "610 escalated critical"],
            id="known, and worse",
        ),
        pytest.param(
            [(5, CLOSE), (20, MIDDLE)],
            ["5 fired critical", "610 eased warning recovered"],
            id="known, and better",
        ),
        pytest.param(
            [(5, MIDDLE), (20, CLOSE), (30, MIDDLE)], ["5 fired warning"], id="no difference"
        ),
        pytest.param(
            [(5, MIDDLE), (20, FAR), (30, MIDDLE)], ["5 fired warning"], id="gone and back"
        ),
        pytest.param(
            [(5, MIDDLE), (20, CLOSE), (30, FAR)],
            ["5 fired warning", "610 resolved critical recovered"],
            id="known, worse, and cleared",
        ),
    ],
)
def test_the_difference_is_told(
    polls: Sequence[tuple[float, PositionRow]], heard: list[str]
) -> None:
    events = [(seconds, poll(seconds, row)) for seconds, row in polls]
    world = silenced(*events, (605, poll(605, polls[-1][1])))
    assert told(world) == heard
    numbers = [notice.number for notice in world.notices]
    assert numbers == sorted(set(numbers)), "what nobody heard has a number of its own too"


def test_what_stands_is_told_with_its_true_begin_and_present_numbers() -> None:
    world = silenced((20, poll(20, CLOSE)), (605, poll(605, position(mark="54900"))))
    notice = last(world)
    assert (notice.at, notice.since, notice.previous) == (at(610).utc, at(20).utc, NONE)
    assert notice.condition == "liquidation_distance < 5%"
    assert notice.values["mark_price"].value == 54900


def test_the_end_is_told_with_its_begin_and_reason() -> None:
    world = silenced((5, poll(5, MIDDLE)), (20, poll(20)), (22, poll(22)), (605, poll(605)))
    assert told(world) == ["5 fired warning", "610 resolved warning position_closed"]
    assert (last(world).since, last(world).previous) == (at(5).utc, WARNING)


def test_each_channel_is_told_its_own_difference() -> None:
    channels = [Channel("phone"), Channel("pager", CRITICAL), Channel("mail", send_resolved=False)]
    world = silenced(
        (5, poll(5, MIDDLE)), (20, poll(20, CLOSE)), (605, poll(605, CLOSE)), channels=channels
    )
    assert told(world, "phone") == ["5 fired warning", "610 escalated critical"]
    assert told(world, "pager") == ["610 fired critical"]
    assert told(world, "mail") == ["5 fired warning", "610 escalated critical"]
    assert [delivery.urgent for delivery in world.outcomes[-1][1].deliveries] == []
    urgent = {d: d.urgent for _, outcome in world.outcomes for d in outcome.deliveries}
    assert [d.channel for d, at_once in urgent.items() if at_once] == ["phone", "mail", "pager"]


def test_who_wants_no_ends_is_told_none_and_it_is_over_for_it_all_the_same() -> None:
    channels = [Channel("mail", send_resolved=False)]
    world = silenced(
        (5, poll(5, MIDDLE)), (20, poll(20, FAR)), (605, poll(605, FAR)), channels=channels
    )
    assert told(world, "mail") == ["5 fired warning"]
    world.tell(701, poll(701, MIDDLE))
    assert told(world, "mail") == ["5 fired warning", "701 fired warning"]


def test_a_silence_that_is_lifted_ends_at_once() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, FAR))
    begun = world.tell(10, hush())
    assert begun.silences == [Silence(1, at(10).utc, at(610).utc)]
    world.tell(20, poll(20, CLOSE))
    ended = world.tell(30, SilenceLifted(1))
    assert ended.silences == [Silence(1, at(10).utc, at(30).utc, over=True)]
    assert told(world) == ["30 fired critical"]
    assert world.tell(31, SilenceLifted(1)).silences == []
    world.sleep(650)
    assert told(world) == ["30 fired critical", "630 reminder critical"]


def test_another_silence_goes_on() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, FAR))
    world.tell(10, hush(10), hush(20, symbols=("BTC*",)))
    world.tell(20, poll(20, CLOSE))
    world.tell(605, poll(605, CLOSE))
    world.sleep(1200)
    assert told(world) == []
    world.tell(1205, poll(1205, CLOSE))
    world.sleep(1300)
    assert told(world) == ["1210 fired critical"]


def test_a_change_after_the_end_is_told_as_ever() -> None:
    world = silenced((20, poll(20, FAR)))
    world.tell(701, poll(701, CLOSE))
    world.tell(702, poll(702, FAR))
    assert told(world) == ["701 fired critical", "702 resolved critical recovered"]


# ---------------------------------------------------------------- reminders and happenings


def test_reminders_wait_and_begin_anew_at_the_end() -> None:
    """`repeat` is ten minutes; the silence lasts from 10 s to 610 s."""
    world = World(STEPS)
    for seconds in range(1, 2000, 20):
        world.tell(seconds, poll(seconds, MIDDLE))
        if seconds == 1:
            world.tell(10, hush())
    assert told(world) == ["1 fired warning", "1210 reminder warning", "1810 reminder warning"]


def called(seconds: float) -> MarginCalled:
    row = CalledPosition("BTCUSDT", "BOTH", D("0.1"), D(55000), D(-500), D(20))
    return MarginCalled("main", at(seconds).utc, at(seconds).utc, 1, (row,))


def test_what_happens_meanwhile_is_kept_in_the_history_only() -> None:
    calls = happening_rule("calls", "margin_call", cooldown=1000)
    world = World(calls)
    world.tell(1, poll(1, FAR))
    world.tell(10, hush(1))
    world.tell(20, called(20))
    world.tell(90, called(90))
    assert [notice.happening for notice in world.notices] == ["margin_call", "margin_call"]
    assert told(world) == ["90 happened critical"]


def test_own_faults_are_told_whatever_is_silent() -> None:
    channels = [Channel("phone"), Channel("mail", CRITICAL, rules=Globs(["none"]))]
    world = World(STEPS, channels=channels)
    world.tell(1, hush())
    world.tell(2, ChannelFailed("phone", 3, "500"))
    assert told(world, "mail") == ["2 happened critical"]
    assert told(world, "phone") == []


# ---------------------------------------------------------------- restarts


def test_a_silence_outlives_a_restart() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, MIDDLE))
    world.tell(10, hush())
    world.tell(20, poll(20, CLOSE))
    again = World(STEPS, saved=world.saved(), start=100)
    again.tell(101, poll(101, CLOSE))
    again.tell(605, poll(605, CLOSE))
    again.sleep(700)
    assert told(again) == ["610 escalated critical"]
    assert last(again).since == at(1).utc
    assert again.saved().silences == ()
    assert again.saved().next_silence == 2


def test_one_that_ended_while_nothing_ran_is_settled_once_the_numbers_are_fresh() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, FAR))
    world.tell(10, hush())
    world.tell(20, poll(20, CLOSE))
    again = World(STEPS, saved=world.saved(), start=1000)
    assert again.outcomes[0][1].silences == [Silence(1, at(10).utc, at(610).utc, over=True)]
    assert told(again) == []
    again.tell(1001, poll(1001, CLOSE))
    assert told(again) == ["1001 fired critical"]
    assert last(again).since == at(20).utc


def test_an_end_that_was_missed_is_told_at_the_restart() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, MIDDLE))
    world.tell(10, hush())
    world.tell(20, poll(20, FAR))
    again = World(STEPS, saved=world.saved(), start=1000)
    assert told(again) == ["1000 resolved warning recovered"]
    assert last(again).since == at(1).utc
    assert not again.saved().told
    assert not [timer for timer in again.saved().timers if timer.kind == "owed"]


def test_what_recovered_while_nothing_ran_is_told_as_an_end() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, MIDDLE))
    world.tell(10, hush())
    world.tell(20, poll(20, CLOSE))
    again = World(STEPS, saved=world.saved(), start=1000)
    again.tell(1001, poll(1001, FAR))
    assert told(again) == ["1001 resolved critical recovered"]


def test_a_rule_that_is_gone_when_the_silence_ends() -> None:
    world = World(STEPS)
    world.tell(1, poll(1, MIDDLE))
    world.tell(10, hush())
    world.reload(20, near())
    world.tell(605, poll(605, MIDDLE))
    world.sleep(700)
    assert told(world) == [
        "1 fired warning",
        "610 resolved warning rule_removed",
        "610 fired warning",
    ]


# ---------------------------------------------------------------- whatever happens


ROWS = {"far": FAR, "middle": MIDDLE, "close": CLOSE}
DEEDS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([*ROWS, "hush", "lift", "restart"])),
    min_size=1,
    max_size=25,
)


@given(DEEDS)
def test_in_the_end_each_channel_knows_what_is(deeds: list[tuple[int, str]]) -> None:
    """However silences, restarts and the market meet, what was told last is what is."""
    channels = [Channel("phone"), Channel("pager", CRITICAL)]
    world = World(STEPS, channels=channels)
    seconds, heard, row = 1.0, {channel.name: NONE for channel in channels}, FAR
    world.tell(seconds, poll(seconds, row))
    worlds = [world]
    for step, deed in deeds:
        seconds += step
        if deed == "restart":
            world = World(STEPS, channels=channels, saved=world.saved(), start=seconds)
            worlds.append(world)
        elif deed == "hush":
            world.tell(seconds, hush(0.5, symbols=("BTC*",)))
        elif deed == "lift":
            world.tell(seconds, SilenceLifted(1))
        else:
            row = ROWS[deed]
            world.tell(seconds, poll(seconds, row))
    for _ in range(4):  # until every silence is over, with fresh numbers
        seconds += 20
        world.tell(seconds, poll(seconds, row))
    levels: list[tuple[str, Severity, Severity]] = []
    for one in worlds:
        by_number = {notice.number: notice for notice in one.notices}
        for _, outcome in one.outcomes:
            for delivery in outcome.deliveries:
                notice = by_number[delivery.number]
                after = NONE if notice.kind == "resolved" else notice.severity
                if notice.kind != "reminder":
                    assert heard[delivery.channel] is not after, "told what it knew"
                    assert notice.previous is heard[delivery.channel] or delivery.channel == "pager"
                    levels.append((delivery.channel, heard[delivery.channel], after))
                heard[delivery.channel] = after
    now = NONE if row is FAR else WARNING if row is MIDDLE else CRITICAL
    assert heard["phone"] is now
    # The pager takes criticals, and hears an alert to its end once it was told of it.
    assert heard["pager"] in {NONE, now}
    assert heard["pager"] is CRITICAL or now is not CRITICAL
