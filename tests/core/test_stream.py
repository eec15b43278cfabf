"""The user stream: lost, or missing what polls find; and what the engine asks of the link."""

from decimal import Decimal

import pytest

from monitor.core.events import (
    Event,
    LeverageChanged,
    PollWanted,
    StreamDistrusted,
    UserStreamFell,
    UserStreamStood,
)
from monitor.core.rules import Rule, Severity
from tests.core.worlds import (
    FAR,
    World,
    at,
    change,
    filled,
    happening_rule,
    money,
    poll,
    position,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity


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
    for seconds in range(11, 180, 5):
        world.tell(seconds, poll(seconds, position(quantity=f"0.{seconds}")))
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
    (said,) = [one.text for one in world.remarks if one.counter == COUNTER]
    assert said.endswith("no event told of it: BTCUSDT long: isolated wallet 600.0000005 → 650")


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


def test_events_ask_for_a_poll() -> None:
    world = streaming()
    assert world.tell(10, change(10, money("900"))).requests == [PollWanted("main", 10_000)]
    changed = change(11, filled(mt="isolated", iw="600"), seq=2, reason="MARGIN_TYPE_CHANGE")
    assert world.tell(11, changed).requests == [PollWanted("main", 11_000, full=True)]
