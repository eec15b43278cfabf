"""What the program has to say of itself: once, to the others, without loops."""

from datetime import UTC

import pytest

from monitor.core.events import (
    ChannelFailed,
    ChannelRecovered,
    NoticesDied,
    OwnFault,
    StoreFailed,
    StoreReplaced,
)
from monitor.core.message import compose
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Severity
from tests.core.worlds import World, level, near, rule

NONE, INFO, WARNING, CRITICAL = Severity
TWO_LEVELS = rule(
    "steps", level(WARNING, "liquidation_distance < 10%"), level(CRITICAL, "margin_room < 20%")
)
PHONE, MAIL, PAGER = Channel("phone"), Channel("mail", rules=Globs(["none"])), Channel("pager")


def told(world: World) -> list[str]:
    """Everything told: "2 warning channel_failing phone -> pager mail"."""
    heard: dict[int, list[str]] = {}
    for channel, numbers in world.heard.items():
        for number in numbers:
            heard.setdefault(number, []).append(channel)
    return [
        " ".join(
            [
                f"{seconds:g}",
                notice.severity.word,
                str(notice.happening),
                *filter(None, [notice.details.get("channel")]),
                "->",
                *sorted(heard.get(notice.number, []), reverse=True),
            ]
        )
        for seconds, outcome in world.outcomes
        for notice in outcome.notices
    ]


def failing(channel: str = "phone", why: str = "500") -> ChannelFailed:
    return ChannelFailed(channel, 3, why)


def test_a_fault_of_a_channel_goes_to_every_other_whatever_its_filters() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, MAIL, PAGER])
    world.tell(1, failing())
    world.tell(900, ChannelRecovered("phone"))
    assert told(world) == [
        "1 warning channel_failing phone -> pager mail",
        "900 warning channel_recovered phone -> pager mail",
    ]


def test_it_stays_open_until_the_channel_recovers() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    for seconds in (1, 700, 1400):
        world.tell(seconds, failing())
    world.tell(2000, ChannelRecovered("phone"), ChannelRecovered("phone"))
    world.tell(3000, failing())
    world.sleep(9000)
    assert told(world) == [
        "1 warning channel_failing phone -> pager",
        "2000 warning channel_recovered phone -> pager",
        "3000 warning channel_failing phone -> pager",
    ]


def test_a_channel_that_is_taken_out_and_comes_back_may_fail_again() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(1, failing())
    world.reload(700, TWO_LEVELS, channels=[PAGER])
    world.reload(701, TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(702, failing("pager"))
    world.tell(1400, failing())
    assert told(world) == [
        "1 warning channel_failing phone -> pager",
        "702 warning channel_failing pager -> phone",
        "1400 critical channel_failing phone -> pager",
    ]


def test_its_recovery_is_told_though_another_run_told_the_fault() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, MAIL, PAGER])
    world.tell(1, failing(), failing("pager"), failing("mail"))
    again = World(TWO_LEVELS, channels=[PHONE, MAIL], saved=world.saved(), start=1000)
    again.tell(1001, ChannelRecovered("phone"), ChannelRecovered("phone"))
    again.tell(1002, failing("mail"))  # it lasts
    third = World(TWO_LEVELS, channels=[PHONE, MAIL], saved=again.saved(), start=2000)
    third.tell(2001, ChannelRecovered("mail"), ChannelRecovered("phone"))
    assert [*told(again), *told(third)] == [
        "1001 warning channel_recovered phone -> mail",
        "1002 warning channel_failing mail -> phone",
        "2001 warning channel_recovered mail -> phone",
    ]


def test_each_channel_has_a_fault_of_its_own() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, MAIL, PAGER])
    world.tell(1, failing("phone"))
    world.tell(2, failing("mail"))
    assert told(world) == [
        "1 warning channel_failing phone -> pager mail",
        "2 warning channel_failing mail -> phone pager",
    ]


def test_it_is_critical_when_nobody_is_left_to_be_woken() -> None:
    """The mail takes no rule with criticals: with phone and pager gone nobody is woken."""
    world = World(TWO_LEVELS, channels=[PHONE, MAIL, PAGER])
    world.tell(1, failing("phone"))
    world.tell(2, failing("pager"))
    world.tell(900, ChannelRecovered("pager"))
    assert told(world) == [
        "1 warning channel_failing phone -> pager mail",
        "2 critical channel_failing pager -> phone mail",
        "900 warning channel_recovered pager -> phone mail",
    ]


def test_a_rule_may_name_the_only_channel_for_criticals() -> None:
    named = rule("near", level(CRITICAL, "liquidation_distance < 10%"), channels=("pager",))
    world = World(named, channels=[PHONE, PAGER])
    world.tell(1, failing("phone"))
    world.tell(2, failing("pager"))
    assert told(world) == [
        "1 warning channel_failing phone -> pager",
        "2 critical channel_failing pager -> phone",
    ]


def test_where_no_rule_has_criticals_every_channel_counts() -> None:
    world = World(near(), channels=[PHONE, PAGER])
    world.tell(1, failing("phone"))
    world.tell(2, failing("pager"))
    assert [line.partition(" ->")[0] for line in told(world)] == [
        "1 warning channel_failing phone",
        "2 critical channel_failing pager",
    ]


def test_faults_of_the_store_go_to_everybody() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, MAIL])
    world.tell(1, StoreFailed("the disk is full"))
    world.tell(2, StoreReplaced("it was corrupt"))
    assert told(world) == [
        "1 critical store_failing -> phone mail",
        "2 warning store_replaced -> phone mail",
    ]


def test_notices_that_died_are_summed_up_per_channel() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(1, NoticesDied("phone", (7,), "500"))
    world.tell(2, NoticesDied("phone", (8, 9), "500"), NoticesDied("pager", (7,), "404"))
    world.tell(3, NoticesDied("phone", (10,), "no answer"))
    world.sleep(2000)
    assert told(world) == [
        "1 warning notices_dead phone -> pager",
        "2 warning notices_dead pager -> phone",
        "601 warning notices_dead phone -> pager",
    ]
    assert world.notices[-1].details == {
        "channel": "phone",
        "numbers": "8 9 10",
        "why": "no answer",
    }


def test_how_bad_it_is_outlives_a_restart() -> None:
    """What waits to be summed up is as critical after it as before."""
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(1, StoreFailed("full"), StoreFailed("still full"))
    again = World(TWO_LEVELS, channels=[PHONE, PAGER], saved=world.saved(), start=100)
    again.sleep(2000)
    assert told(again) == ["601 critical store_failing -> phone pager"]


WORDS = [
    (
        failing(why="HTTP 500"),
        "WARNING: marginwatch: channel failing: phone",
        [
            "channel phone: nothing gets through for 5 min; 3 wait; it is tried on",
            "HTTP 500",
        ],
    ),
    (
        NoticesDied("phone", (7,), "HTTP 500"),
        "WARNING: marginwatch: notices dead: phone",
        ["channel phone: notice 7 given up, not taken in time", "HTTP 500"],
    ),
    (
        NoticesDied("phone", tuple(range(1, 15)), "HTTP 500"),
        "WARNING: marginwatch: notices dead: phone",
        [
            (
                "channel phone: notices 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more given up, "
                "not taken in time"
            ),
            "HTTP 500",
        ],
    ),
    (
        StoreFailed("/data/marginwatch.db: cannot be written: disk is full."),
        "CRITICAL: marginwatch: store failing",
        [
            (
                "what happens cannot be written: messages are sent from memory, and a crash now "
                "may repeat or forget some"
            ),
            "/data/marginwatch.db: cannot be written: disk is full.",
        ],
    ),
]


@pytest.mark.parametrize(("fault", "title", "lines"), WORDS, ids=[case[2][0] for case in WORDS])
def test_a_fault_in_words(fault: OwnFault, title: str, lines: list[str]) -> None:
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(0, fault)
    (notice,) = world.notices
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == title
    assert message.body.splitlines() == [*lines, "#1 · 2026-01-02 03:00:00 UTC"]


def test_a_recovery_in_words() -> None:
    world = World(TWO_LEVELS, channels=[PHONE, PAGER])
    world.tell(0, failing(), ChannelRecovered("phone"))
    message = compose(world.notices[1], None, now_utc=world.notices[1].at, zone=UTC)
    assert message.title == "WARNING: marginwatch: channel recovered: phone"
    assert message.body.splitlines()[0] == "channel phone: messages get through again"
