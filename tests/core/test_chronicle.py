"""Positions and forced orders, told once: from events or polls, across blindness and restarts."""

from dataclasses import replace
from decimal import Decimal

from monitor.core.events import (
    ForcedOrderSeen,
    PollWanted,
    StatusRow,
    UserStreamFell,
    UserStreamStood,
)
from monitor.core.notices import Target
from monitor.core.rules import HAPPENINGS, Globs
from tests.core.chronicles import ALL, KINDS, begun, leverage, told
from tests.core.worlds import (
    FAR,
    World,
    at,
    change,
    filled,
    happening_rule,
    poll,
    position,
)

D = Decimal

# ---------------------------------------------------------------- positions, by events


def test_a_position_opens_grows_and_closes() -> None:
    world = begun()
    world.tell(2, change(2, filled()))
    world.tell(3, change(3, filled(quantity="0.2", entry="61000"), seq=2))
    world.tell(4, change(4, filled(quantity="0", entry="0"), seq=3))
    assert told(world) == [
        "2s position_opened main/BTCUSDT/long quantity=0.1 entry_price=60000",
        "4s position_closed main/BTCUSDT/long quantity=0.2 entry_price=61000",
    ]
    assert [notice.target for notice in world.notices] == [
        Target("main", "BTCUSDT", "BOTH", "long")
    ] * 2


def test_a_flip_is_a_close_and_an_open() -> None:
    world = begun(FAR)
    world.tell(2, change(2, filled(quantity="-0.3")))
    assert told(world) == [
        "2s position_closed main/BTCUSDT/long quantity=0.1 entry_price=60000",
        "2s position_opened main/BTCUSDT/short quantity=0.3 entry_price=60000",
    ]


def test_rows_that_are_flat_and_were_are_no_news() -> None:
    """In hedge mode every event has a `BOTH` row of quantity 0."""
    world = begun(position(side="LONG"))
    world.tell(2, change(2, filled(quantity="0"), filled(quantity="0.2", side="LONG")))
    assert told(world) == []


def test_an_event_heard_twice_or_confirmed_by_a_poll_tells_once() -> None:
    world = begun()
    opened = change(2, filled())
    world.tell(2, opened, replace(opened, seq=2))
    world.tell(10, poll(10, FAR, after=2))
    world.tell(20, poll(20, FAR, after=2))
    assert [notice.happening for notice in world.notices] == ["position_opened"]


def test_a_close_that_overtook_its_opening_tells_both() -> None:
    world = begun()
    world.tell(3, change(3, filled(quantity="0"), seq=1))
    world.tell(3.1, change(2, filled(), seq=2))
    assert told(world) == [
        "3.1s position_opened main/BTCUSDT/long quantity=0.1 entry_price=60000",
        "3.1s position_closed main/BTCUSDT/long ",
    ]
    assert world.account.holdings == {}


# ---------------------------------------------------------------- positions, by polls


def test_the_first_poll_of_a_new_account_opens_nothing() -> None:
    assert told(begun(FAR)) == []


def test_what_happens_before_the_first_poll_of_a_new_account() -> None:
    world = World(ALL)
    world.tell(1, change(1, filled()))
    world.tell(2, poll(2, FAR, after=1))
    world.tell(3, change(3, filled(quantity="0"), seq=2))
    assert told(world) == ["3s position_closed main/BTCUSDT/long quantity=0.1 entry_price=60000"]


def test_what_only_polls_found_says_so() -> None:
    world = begun()
    world.tell(11, poll(11, FAR))
    world.tell(21, poll(21, position(quantity="-0.3")))
    world.tell(31, poll(31))
    world.tell(32.5, poll(32, wallet="1000"))
    assert told(world) == [
        "11s position_opened main/BTCUSDT/long quantity=0.1 entry_price=60000 polled=11s",
        "21s position_closed main/BTCUSDT/long quantity=0.1 entry_price=60000 polled=21s",
        "21s position_opened main/BTCUSDT/short quantity=0.3 entry_price=60000 polled=21s",
        "32.5s position_closed main/BTCUSDT/short quantity=0.3 entry_price=60000 polled=32s",
    ]


def test_the_event_that_comes_after_its_poll_tells_no_second_time() -> None:
    world = begun()
    world.tell(11, poll(11, position(updated=at(10).utc)))
    world.tell(12, change(10, filled()))
    world.tell(30, poll(30, after=1))
    world.tell(31, poll(31, after=1))
    world.tell(32, change(29, filled(quantity="0"), seq=2))
    assert [notice.happening for notice in world.notices] == ["position_opened", "position_closed"]


def test_an_increase_that_comes_after_its_position_was_proved_gone_opens_nothing() -> None:
    world = begun()
    world.tell(2, change(2, filled()))
    world.tell(11, poll(11, after=1))
    world.tell(12, poll(12, after=1))
    world.tell(20, change(3, filled(quantity="0.2"), seq=2))
    assert [notice.happening for notice in world.notices] == ["position_opened", "position_closed"]
    assert world.account.holdings == {}


def test_an_incomplete_poll_closes_nothing() -> None:
    world = begun(FAR)
    for seconds in (11, 12, 13):
        world.tell(seconds, poll(seconds, complete=False))
    assert told(world) == []


# ---------------------------------------------------------------- blindness and restarts


def test_what_changed_while_we_were_blind_is_told() -> None:
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    world = begun(FAR)
    world.tell(5, UserStreamFell("main", "closed"))
    world.tell(900, UserStreamStood("main"))
    world.tell(901, poll(901, eth))
    world.tell(902, poll(902, eth))
    assert told(world) == [
        "901s position_opened main/ETHUSDT/long quantity=1 entry_price=3000 polled=901s",
        "902s position_closed main/BTCUSDT/long quantity=0.1 entry_price=60000 polled=902s",
    ]


def test_what_changed_while_we_were_away_is_told_after_a_restart() -> None:
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    sol = position("SOLUSDT", "1", "100", mark="100", liq="50")
    world = begun(FAR, sol)
    assert told(world) == []
    again = begun(eth, position("SOLUSDT", "-1", "100", mark="100"), saved=world.saved(), start=900)
    assert PollWanted("main", 902_000) in again.requests
    again.tell(902, poll(902, eth, position("SOLUSDT", "-1", "100", mark="100"), wallet="1000"))
    assert told(again) == [
        "901s position_opened main/ETHUSDT/long quantity=1 entry_price=3000 polled=901s",
        "901s position_closed main/SOLUSDT/long polled=901s",
        "901s position_opened main/SOLUSDT/short quantity=1 entry_price=100 polled=901s",
        "902s position_closed main/BTCUSDT/long polled=902s",
    ]
    third = begun(
        eth, position("SOLUSDT", "-1", "100", mark="100"), saved=again.saved(), start=1800
    )
    third.tell(1802, poll(1802, eth, position("SOLUSDT", "-1", "100", mark="100")))
    assert told(third) == []


def test_a_position_that_one_answer_still_names_did_not_close_while_we_were_away() -> None:
    world = begun(FAR)
    named = (StatusRow("BTCUSDT", "BOTH", D("0.1")),)
    again = World(ALL, saved=world.saved(), start=100)
    for seconds in (101, 102, 103):
        again.tell(seconds, replace(poll(seconds), listed=named))
    assert told(again) == []
    again.tell(104, poll(104, FAR))
    again.tell(105, change(105, filled(quantity="0")))
    assert told(again) == ["105s position_closed main/BTCUSDT/long quantity=0.1 entry_price=60000"]


def test_an_account_that_held_nothing_is_known_too() -> None:
    again = begun(FAR, saved=begun().saved(), start=100)
    assert told(again) == [
        "101s position_opened main/BTCUSDT/long quantity=0.1 entry_price=60000 polled=101s"
    ]


def test_what_an_account_held_is_forgotten_with_the_account() -> None:
    saved = begun(FAR).saved()
    assert [record.key for record in saved.timers if record.kind == "held"] == ["main"]
    other = World(ALL, accounts=("sub",), saved=saved, start=100)
    assert [record for record in other.saved().timers if record.kind == "held"] == []


# ---------------------------------------------------------------- rules and forced orders


def test_symbols_of_a_rule_choose_among_settings_and_positions() -> None:
    rule = happening_rule("btc", "leverage_changed", "position_opened", symbols=Globs(["BTC*"]))
    world = World(rule)
    world.tell(1, poll(1))
    world.tell(2, leverage(2, 20), change(2, filled("ETHUSDT"), seq=2), change(3, filled(), seq=3))
    assert [notice.target.symbol for notice in world.notices] == ["BTCUSDT"]


def test_a_forced_order_that_a_poll_found_says_so_and_is_known_from_the_stream() -> None:
    def order(number: int, polled_at: int | None, kind: str = "liquidation") -> ForcedOrderSeen:
        stamp = at(5).utc
        sides = "BTCUSDT", "BOTH", number, "SELL"
        return ForcedOrderSeen(
            "main", stamp, stamp, 1, kind, *sides, D("0.1"), D(54000), polled_at=polled_at
        )

    world = World(happening_rule("forced", "liquidation", "adl", cooldown=0))
    world.tell(5, order(1, None))
    polled = at(60).utc
    world.tell(60, order(1, polled), order(2, polled), order(1, polled, "adl"))
    assert told(world) == [
        "5s liquidation main/BTCUSDT/long quantity=0.1 price=54000 order_id=1",
        "60s liquidation main/BTCUSDT/long quantity=0.1 price=54000 order_id=2 polled=60s",
        "60s adl main/BTCUSDT/long quantity=0.1 price=54000 order_id=1 polled=60s",
    ]


def test_every_kind_of_an_account_has_a_test_here_or_beside() -> None:
    elsewhere = {"liquidation", "adl", "margin_call", "stream_lost", "key_rejected", "banned"}
    assert {*KINDS, *elsewhere} == set(HAPPENINGS)
