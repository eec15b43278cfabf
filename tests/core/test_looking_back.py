"""Rules that look back: when they know, when they fire, and what makes them begin anew."""

from datetime import UTC
from decimal import Decimal

import pytest

from monitor.core.events import ClockJumped, Mark, MarksChanged, Stopping
from monitor.core.message import Message, as_json, compose
from monitor.core.notices import Grade, Reading, Saved, Target, WindowRecord
from monitor.core.rules import Globs, Severity
from monitor.errors import RuleFileError
from monitor.rulefile import parse_rules
from tests.core.worlds import (
    World,
    at,
    change,
    filled,
    level,
    marks,
    money,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity
BTC = Target("main", "BTCUSDT", "BOTH", "long")


def watching(text: str, *, judge_all: bool = False, **more: object) -> World:
    """Watch a long of 0.1 BTC at a mark of 60000 and 1000 USDT, polled at 0 s."""
    world = World(near(text, **more), judge_all=judge_all)
    world.tell(0, poll(0, position(mark="60000")))
    return world


def polled(world: World, *seconds: float, mark: str = "60000", wallet: str = "1000") -> None:
    """Go on polling, so that nothing ages."""
    for each in seconds:
        world.tell(each, poll(each, position(mark=mark), wallet=wallet))


@pytest.fixture(params=[False, True], ids=["what moved", "everything"])
def judge_all(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# ---------------------------------------------------------------- when it fires


def test_nothing_fires_before_the_window_is_covered(*, judge_all: bool) -> None:
    world = watching("drop(mark_price, 1m) > 5%", judge_all=judge_all)
    world.tell(20, marks(20, BTCUSDT="50000"))
    polled(world, 29, 58, mark="50000")
    world.sleep(70)
    assert world.story == ["60s fired warning"], "still in the window, at the instant it is covered"


def test_a_value_that_leaves_the_window_ends_the_alert(*, judge_all: bool) -> None:
    world = watching("drop(mark_price, 1m) > 5%", judge_all=judge_all)
    polled(world, 25, 50, 75)
    world.tell(80, marks(80, BTCUSDT="56000"))
    polled(world, 100, 125, mark="56000")
    world.sleep(145)
    assert world.story == ["80s fired warning", "140s resolved warning recovered"]


def test_a_change_fires_at_the_instant_that_its_base_leaves(*, judge_all: bool) -> None:
    world = watching("change(mark_price, 1m) < -500", judge_all=judge_all)
    polled(world, 25, 50, 75)
    for seconds, price in ((80, "61000"), (100, "60600"), (130, "60450")):
        world.tell(seconds, marks(seconds, BTCUSDT=price))
    polled(world, 155, 180, mark="60450")
    world.sleep(195)
    # At 140 s what is a minute old is 61000: down by 550. At 160 s it is 60600.
    assert world.story == ["140s fired warning", "160s resolved warning recovered"]


def test_an_average_crosses_between_two_events(*, judge_all: bool) -> None:
    world = watching("average(mark_price, 1m) < 59000", judge_all=judge_all)
    polled(world, 25, 50, 75)
    world.tell(80, marks(80, BTCUSDT="57000"))
    polled(world, 100, 125, mark="57000")
    world.sleep(130)
    # 20 s at 57000 make 59000 exactly; it is taken anew each second.
    assert world.story == ["101s fired warning"]


def test_the_dead_band_is_that_of_any_number() -> None:
    world = watching("drop(mark_price, 1m) > 10%", band="0.5")
    polled(world, 25, 50, 65)
    for seconds, price in ((66, "53000"), (67, "56000"), (68, "57100")):
        world.tell(seconds, marks(seconds, BTCUSDT=price))
    assert world.story == ["66s fired warning", "68s resolved warning recovered"]


def test_it_joins_with_other_conditions_and_arithmetic() -> None:
    world = watching(
        "highest(mark_price, 1m) - lowest(mark_price, 1m) >= 2000 and change(equity, 30s) < 0"
    )
    polled(world, 25, 50, 65)
    world.tell(66, marks(66, BTCUSDT="61000"))
    world.tell(67, marks(67, BTCUSDT="59000"))
    assert world.story == ["67s fired warning"]


# ---------------------------------------------------------------- of what


def test_a_pool_is_watched_without_a_position() -> None:
    world = World(near("drop(wallet_balance, 1m) >= 50%"))
    world.tell(0, poll(0))
    world.tell(25, poll(25))
    world.tell(50, poll(50))
    world.tell(61, change(61, money("400")))
    assert world.story == ["61s fired warning"]
    assert world.notices[0].target == Target("main", asset="USDT")


def test_the_past_of_a_pool_is_kept_while_no_position_is_there_to_be_judged() -> None:
    world = World(near("drop(equity, 1m) > 20% and notional > 0"))
    world.tell(0, poll(0))
    for seconds, wallet in ((25, "1000"), (50, "700"), (65, "700")):
        world.tell(seconds, poll(seconds, wallet=wallet))
    world.tell(66, change(66, filled()), marks(66, BTCUSDT="60000"))
    assert world.story == ["66s fired warning"]


def test_a_calm_account_misses_no_tick() -> None:
    """Ticks that change no judgement are left out elsewhere; a highest must have seen them all."""
    world = watching("drop(mark_price, 1m) > 1%")
    for seconds in range(1, 120):
        spike = "60590" if seconds == 100 else "60000"
        world.tell(seconds, marks(seconds, BTCUSDT=spike))
        if seconds % 20 == 0:
            polled(world, seconds + 0.5, mark=spike)
    assert world.story == []
    assert world.read("highest(mark_price, 1m)", "BTCUSDT").value == 60590
    assert world.read("highest(mark_price, 2m)", "BTCUSDT").value is None, "no rule asks for it"
    assert world.read("drop(mark_price, 1m)", "BTCUSDT").value == D(590) / 60590
    world.tell(120, marks(120, BTCUSDT="59980"))
    assert world.story == ["120s fired warning"]


def test_a_position_that_opens_begins_anew() -> None:
    world = watching("drop(mark_price, 1m) > 5%")
    polled(world, 25, 50, 65)
    world.tell(66, change(66, filled(quantity="0"), seq=1))
    world.tell(67, change(67, filled(), seq=2), marks(67, BTCUSDT="50000"))
    polled(world, 90, 115, mark="50000")
    world.sleep(140)
    assert world.story == []
    reading = world.read("drop(mark_price, 1m)", "BTCUSDT")
    assert (reading.grade, reading.value) == (Grade.FRESH, 0)


def test_a_position_that_turns_round_begins_anew() -> None:
    world = watching("change(unrealized_pnl, 1m) < -100")
    polled(world, 25, 50, 65)
    world.tell(66, marks(66, BTCUSDT="58500"))
    assert world.story == ["66s fired warning"]
    world.tell(67, change(67, filled(quantity="-0.1", entry="58500")))
    world.tell(68, marks(68, BTCUSDT="60000"))
    for seconds in (85, 110):
        row = position(quantity="-0.1", entry="58500", mark="60000", liq="70000")
        world.tell(seconds, poll(seconds, row))
    world.sleep(126.5)
    # Opened at 67 s; a minute later it is covered, and has lost 150 since.
    assert world.story == ["66s fired warning", "67s resolved warning position_closed"]
    world.sleep(127.5)
    assert world.story[2:] == ["127s fired warning"]


def test_what_has_no_meaning_now_makes_its_comparison_false() -> None:
    text = "change(isolated_margin, 1m) < 100 or change(mark_price, 1m) < -500"
    world = watching(text)
    polled(world, 25, 50, 65)
    assert world.story == [], "cross"
    world.tell(66, marks(66, BTCUSDT="59000"))
    assert world.story == ["66s fired warning"]


# ---------------------------------------------------------------- doubt


def test_aged_numbers_raise_and_do_not_clear() -> None:
    world = watching("drop(wallet_balance, 1m) >= 10%")
    polled(world, 25, 50, 75)
    polled(world, 80, wallet="900")
    world.sleep(145)
    assert world.story == ["80s fired warning"], "the drop is over at 140 s, and nobody has seen it"
    polled(world, 145, wallet="900")
    assert world.story == ["80s fired warning", "145s resolved warning recovered"]


def test_a_long_blindness_is_a_hole_that_may_raise_and_does_not_clear() -> None:
    world = watching("drop(wallet_balance, 20m) >= 10%")
    for seconds in range(25, 1226, 25):
        polled(world, seconds)
    polled(world, 1230, wallet="850")
    assert world.story == ["1230s fired warning"]
    world.sleep(2000)
    # Unknown since 1830 s, ten minutes after the last poll; seen again at 2000 s.
    for seconds in range(2000, 2500, 25):
        polled(world, seconds, wallet="1000")
    reading = world.read("drop(wallet_balance, 20m)")
    assert (reading.grade, reading.value) == (Grade.AGED, 0)
    assert world.story == ["1230s fired warning"]
    for seconds in range(2500, 3226, 25):
        polled(world, seconds, wallet="1000")
    # The hole has left 20 min after it ended.
    assert world.story == ["1230s fired warning", "3200s resolved warning recovered"]


def test_what_is_lost_for_less_than_a_moment_counts_as_it_stood() -> None:
    """A position that opens has no mark for a moment, and its pool's equity is not known."""
    world = World(near("drop(equity, 1m) > 10%"))
    world.tell(0, poll(0))
    world.tell(25, poll(25))
    world.tell(50, poll(50), change(50, filled("ETHUSDT", "1", "2000")))
    assert world.read("equity").value is None
    world.tell(52, marks(52, ETHUSDT="2000"))
    row = position("ETHUSDT", "1", "2000", mark="2000", liq="1000")
    world.tell(70, poll(70, row))
    reading = world.read("drop(equity, 1m)")
    assert (reading.grade, reading.value) == (Grade.FRESH, 0)


def test_a_clock_that_jumped_ages_what_is_looked_back_at() -> None:
    world = watching("drop(wallet_balance, 1m) >= 10%")
    polled(world, 25, 50, 75)
    polled(world, 80, wallet="900")
    world.tell(81, ClockJumped())
    world.sleep(145)
    assert world.story == ["80s fired warning"]


# ---------------------------------------------------------------- what a notice says


def test_a_notice_carries_what_was_looked_back_at() -> None:
    world = watching("drop( mark_price,60s ) > 5%")
    polled(world, 25, 50, 65)
    world.tell(66, marks(66, BTCUSDT="45000"))
    (notice,) = world.notices
    assert notice.condition == "drop( mark_price,60s ) > 5%"
    assert notice.values["drop(mark_price, 1m)"] == Reading(Grade.FRESH, D("0.25"), 0)


def said(world: World, message: str | None = None) -> list[str]:
    """Compose the last notice; give its body's lines but for the footer."""
    notice = world.notices[-1]
    own = near(notice.condition or "", message=message)
    body = compose(notice, own, now_utc=notice.at, zone=UTC).body
    return body.splitlines()[:-1]


def test_a_message_names_what_was_looked_back_at() -> None:
    world = watching("drop( mark_price,60s ) > 5% and change(unrealized_pnl, 1m) < -1000")
    polled(world, 25, 50, 65)
    world.tell(66, marks(66, BTCUSDT="45000"))
    lines = said(world, "{symbol} fell {drop(mark_price, 1m):.1%}")
    assert lines[:2] == [
        "BTCUSDT fell 25.0%",
        (
            "drop of mark price in 1m 25.0 %, change of unrealized PnL in 1m -1,500.00 USDT: "
            "warning (drop( mark_price,60s ) > 5% and change(unrealized_pnl, 1m) < -1000)"
        ),
    ]


def test_a_message_says_what_was_not_seen() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 1m) > 5%"), saved=world.saved(), start=101)
    again.tell(101, poll(101, position(mark="45075")))
    assert said(again)[0] == (
        "drop of mark price in 1m 25.0 % (not all of it seen): warning (drop(mark_price, 1m) > 5%)"
    )
    notice = again.notices[-1]
    values = as_json(notice, Message("", ""), 1)["values"]
    assert values["drop(mark_price, 1m)"] == "0.25"


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("{drop(equity, 1d):.1%} of {equity}", ""),
        ("{drop(equity, 1h)}", '"drop(equity, 1h)" is not a metric\'s name'),
        ("{drop(equity, 1d):x}", '`drop(equity, 1d)` cannot be written as "x"'),
    ],
)
def test_a_message_may_name_what_its_rule_looks_back_at(message: str, fault: str) -> None:
    text = f"""
        [[rule]]
        name = "fall"
        warning = "drop(equity, 1d) > 10%"
        message = "{message}"
    """
    if not fault:
        (read,) = parse_rules(text)
        assert read.message == message
        return
    with pytest.raises(RuleFileError) as caught:
        parse_rules(text)
    assert fault in str(caught.value)


# ---------------------------------------------------------------- restarts


def run_until_70(text: str = "drop(mark_price, 1m) > 5%") -> World:
    world = watching(text)
    polled(world, 25, 50)
    world.tell(69, marks(69, BTCUSDT="60100"))
    world.tell(70, Stopping())
    return world


def test_a_restart_does_not_forget() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 1m) > 5%"), saved=world.saved(), start=75)
    again.tell(76, poll(76, position(mark="57000")))
    assert again.story == ["76s fired warning"]
    assert again.read("drop(mark_price, 1m)", "BTCUSDT").value == D(3100) / 60100
    polled(again, 100, 125, mark="57000")
    again.sleep(140)
    # 60100 stood until it was seen otherwise: no hole.
    assert again.story == ["76s fired warning", "136s resolved warning recovered"]


def test_what_a_minute_forgot_is_written_at_the_end() -> None:
    world = run_until_70()
    (record,) = world.saved().windows
    assert record[:3] == (BTC, "mark_price", 60_000)
    assert [(row.number, row.start - at(0).utc, row.seen) for row in record.rows] == [
        (0, 0, 70_000),
        (1, 69_000, 1_000),
    ]


def test_a_crash_forgets_a_minute_at_most() -> None:
    world = watching("drop(mark_price, 2m) > 5%")
    for seconds in range(25, 170, 25):
        polled(world, seconds)
    world.tell(170, marks(170, BTCUSDT="66000"))
    (record,) = world.saved().windows
    last = record.rows[-1]
    assert last.start + last.seen >= at(110).utc


def test_a_long_time_down_is_a_hole() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 1m) > 5%"), saved=world.saved(), start=100)
    again.tell(100.001, poll(100.001, position(mark="57000")))
    assert again.story == ["100.001s fired warning"], "doubt may raise"
    reading = again.read("drop(mark_price, 1m)", "BTCUSDT")
    assert (reading.grade, reading.value) == (Grade.AGED, D(3100) / 60100)
    polled(again, 125, 150, mark="57000")
    again.sleep(165)
    assert again.story == ["100.001s fired warning", "160.001s resolved warning recovered"]


def test_a_position_that_turned_while_we_were_down_begins_anew() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 1m) > 5%"), saved=world.saved(), start=75)
    row = position(quantity="-0.1", mark="57000", liq="70000")
    again.tell(76, poll(76, row))
    for seconds in (100, 125):
        again.tell(seconds, poll(seconds, row))
    again.sleep(140)
    assert again.story == []
    again.tell(140, Stopping())
    assert [record.target.side for record in again.saved().windows] == ["short"]


def test_what_closed_while_we_were_down_is_forgotten() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 1m) > 5%"), saved=world.saved(), start=75)
    again.tell(76, poll(76))
    assert again.saved().windows == ()
    again.tell(77, change(77, filled()), marks(77, BTCUSDT="57000"))
    assert again.read("drop(mark_price, 1m)", "BTCUSDT").grade is Grade.UNKNOWN


def test_what_closes_is_forgotten() -> None:
    world = run_until_70()
    world.tell(71, change(71, filled(quantity="0")))
    assert world.saved().windows == ()


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([near("drop(mark_price, 2m) > 5%")], id="another window"),
        pytest.param([near("drop(mark_price, 1m) > 5%", accounts=Globs(["!main"]))], id="account"),
        pytest.param([], id="no rule"),
    ],
)
def test_what_no_rule_reads_any_more_is_forgotten(others: list[object]) -> None:
    world = run_until_70()
    again = World(*others, saved=world.saved(), start=75)  # type: ignore[arg-type]  # rules
    assert again.saved().windows == ()


def test_an_account_that_is_gone_is_forgotten() -> None:
    world = run_until_70()
    again = World(
        near("drop(mark_price, 1m) > 5%"), accounts=["other"], saved=world.saved(), start=75
    )
    assert again.saved().windows == ()


def test_rows_that_are_over_are_dropped() -> None:
    world = watching("drop(mark_price, 1m) > 5%")
    for seconds in range(1, 400):
        price = D(60000 + seconds % 7)
        world.tell(seconds, MarksChanged({"BTCUSDT": Mark(price, at(seconds).utc)}))
        if seconds % 20 == 0:
            polled(world, seconds + 0.5, mark=str(price))
    world.tell(400, Stopping())
    (record,) = world.saved().windows
    assert isinstance(record, WindowRecord)
    assert record.rows[0].start >= at(338).utc
    assert len(record.rows) <= 63


def test_edited_thresholds_keep_the_past() -> None:
    world = run_until_70()
    again = World(near("drop(mark_price, 60s) > 4%"), saved=world.saved(), start=75)
    again.tell(76, poll(76, position(mark="57000")))
    assert again.story == ["76s fired warning"]


def test_two_rules_that_look_back_alike_share_a_window() -> None:
    rules = (
        rule("fall", level(WARNING, "drop(mark_price, 1m) > 5%")),
        rule("high", level(INFO, "highest(mark_price, 60s) > 100000 and change(roi, 1m) < 0%")),
    )
    world = World(*rules)
    world.tell(0, poll(0, position(mark="60000")))
    world.tell(1, Stopping())
    assert [record[1:3] for record in world.saved().windows] == [
        ("mark_price", 60_000),
        ("roi", 60_000),
    ]


def test_nothing_is_kept_where_nobody_looks_back() -> None:
    world = World(near("mark_price < 5"), saved=Saved())
    world.tell(0, poll(0, position(mark="60000")))
    world.tell(1, Stopping())
    assert world.saved().windows == ()
    assert world.account.windows == {}
