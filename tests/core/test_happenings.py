"""Happenings: told once, repeats summed up."""

from datetime import UTC
from decimal import Decimal

import pytest

from monitor.core.events import (
    AccountChanged,
    CalledPosition,
    ForcedOrderSeen,
    KeyWasAccepted,
    KeyWasRejected,
    MarginCalled,
    PollWanted,
)
from monitor.core.message import compose
from monitor.core.notices import Target
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Severity
from tests.core.worlds import EPOCH, World, at, change, happening_rule, money, poll, position

D = Decimal

FORCED = happening_rule("forced", "liquidation", "adl")
TARGET = Target("main", "BTCUSDT", "BOTH", "long")


def order(
    seconds: float,
    number: int = 7,
    *,
    kind: str = "liquidation",
    side: str = "SELL",
    position_side: str | None = "BOTH",
    symbol: str = "BTCUSDT",
    account: str = "main",
) -> ForcedOrderSeen:
    stamp = at(seconds).utc
    return ForcedOrderSeen(
        account, stamp, stamp, 1, kind, symbol, position_side, number, side, D("0.1"), D(54000)
    )


def call(seconds: float, *symbols: str, time: int | None = None) -> MarginCalled:
    rows = tuple(
        CalledPosition(symbol, "LONG", D(1), D(100), D(-5), D("0.5")) for symbol in symbols
    )
    stamp = at(seconds).utc
    return MarginCalled("main", stamp, stamp if time is None else time, 1, rows)


def told(world: World) -> list[tuple[float, str | None, int | None]]:
    return [
        ((notice.at - EPOCH) / 1000, notice.happening, notice.count) for notice in world.notices
    ]


def test_the_first_is_told_at_once_with_what_the_exchange_said() -> None:
    world = World(FORCED)
    world.tell(1, poll(1, position()))
    outcome = world.tell(5, order(5))
    (notice,) = outcome.notices
    assert (notice.kind, notice.happening, notice.severity) == (
        "happened",
        "liquidation",
        Severity.CRITICAL,
    )
    assert (notice.target, notice.count, notice.at) == (TARGET, 1, at(5).utc)
    assert (notice.since, notice.previous, notice.reason) == (None, None, None)
    assert notice.details == {"quantity": "0.1", "price": "54000", "order_id": "7"}
    assert outcome.requests == [PollWanted("main", 5_000, urgent=True)]
    assert world.heard == {"phone": [1]}


@pytest.mark.parametrize("first", ["TRADE_LITE", "ORDER_TRADE_UPDATE"])
def test_one_forced_order_is_told_once_whichever_message_comes_first(first: str) -> None:
    world = World(FORCED)
    world.tell(1, poll(1, position(side="LONG"), position(quantity="-0.2", side="SHORT")))
    lite, update = order(5, position_side=None), order(5, position_side="LONG")
    pair = (lite, update) if first == "TRADE_LITE" else (update, lite)
    world.tell(5, *pair)
    world.tell(5.002, *pair)
    world.sleep(200)
    assert told(world) == [(5, "liquidation", 1)]
    assert world.notices[0].target == Target("main", "BTCUSDT", "LONG", "long")


def test_trade_lite_of_a_position_that_we_do_not_know() -> None:
    world = World(FORCED)
    world.tell(5, order(5, side="BUY", position_side=None))
    assert world.notices[0].target == Target("main", "BTCUSDT", "BOTH", "short")


def test_repeats_within_the_cooldown_are_summed_up_at_its_end() -> None:
    world = World(FORCED)
    for number in range(4):
        world.tell(5 + number, order(5 + number, number))
    world.tell(65, order(65, 9))
    world.sleep(400)
    # The order of 65 s comes before the timer of 65 s: data first.
    assert told(world) == [(5, "liquidation", 1), (65, "liquidation", 4)]
    assert world.notices[1].details["order_id"] == "9"


def test_after_the_cooldown_the_next_is_told_at_once() -> None:
    world = World(FORCED)
    for seconds in (5, 66, 70):
        world.tell(seconds, order(seconds, seconds))
    world.sleep(400)
    assert told(world) == [(5, "liquidation", 1), (66, "liquidation", 1), (126, "liquidation", 1)]


def test_cooldowns_are_apart_by_rule_kind_and_target() -> None:
    world = World(FORCED, happening_rule("also", "liquidation", cooldown=10_000))
    world.tell(5, order(5, 1), order(5, 2, kind="adl"), order(5, 3, symbol="ETHUSDT"))
    world.tell(6, order(6, 4))
    world.sleep(400)
    assert [
        (notice.rule, *entry) for notice, entry in zip(world.notices, told(world), strict=True)
    ] == [
        ("forced", 5, "liquidation", 1),
        ("also", 5, "liquidation", 1),
        ("forced", 5, "adl", 1),
        ("forced", 5, "liquidation", 1),
        ("also", 5, "liquidation", 1),
        ("also", 15, "liquidation", 1),
        ("forced", 65, "liquidation", 1),
    ]


def test_a_rule_tells_only_of_its_symbols_and_accounts() -> None:
    world = World(
        happening_rule("btc", "liquidation", symbols=Globs(["BTC*"])),
        happening_rule("other", "liquidation", accounts=Globs(["sub*"])),
    )
    world.tell(5, order(5, 1, symbol="ETHUSDT"), order(5, 2))
    assert [(notice.rule, notice.target.symbol) for notice in world.notices] == [("btc", "BTCUSDT")]


def test_channels_take_happenings_by_severity() -> None:
    channels = (Channel("phone", Severity.CRITICAL), Channel("desk"))
    quiet = happening_rule("forced", "liquidation", severity=Severity.WARNING)
    world = World(quiet, channels=channels)
    world.tell(5, order(5))
    assert world.heard == {"desk": [1]}
    assert [outcome.told for _, outcome in world.outcomes] == [[], []]


def test_a_margin_call_is_told_once_per_event_and_symbol() -> None:
    world = World(happening_rule("calls", "margin_call", cooldown=1_000))
    first = call(5, "BTCUSDT", "ETHUSDT")
    world.tell(5, first, first)
    world.tell(30, call(30, "BTCUSDT"))
    world.sleep(100)
    assert told(world) == [(5, "margin_call", 1), (5, "margin_call", 1), (30, "margin_call", 1)]
    assert [notice.target.symbol for notice in world.notices] == ["BTCUSDT", "ETHUSDT", "BTCUSDT"]
    assert world.notices[0].details == {
        "quantity": "1",
        "mark_price": "100",
        "unrealized_pnl": "-5",
        "maintenance_margin": "0.5",
    }
    assert PollWanted("main", 5_000, urgent=True) in world.requests


def test_a_rejected_key_is_told_once_until_it_is_accepted() -> None:
    world = World(happening_rule("watch", "key_rejected"))
    rejected = KeyWasRejected("main", -2015, "Invalid API-key, IP, or permissions for action.")
    world.tell(5, rejected)
    world.tell(300, rejected)
    outcome = world.tell(400, KeyWasAccepted("main"))
    assert [remark.text for remark in outcome.remarks] == [
        "main: the exchange serves the key again"
    ]
    world.tell(900, rejected)
    assert told(world) == [(5, "key_rejected", 1), (900, "key_rejected", 1)]
    assert world.notices[0].target == Target("main")
    assert world.notices[0].details == {
        "code": "-2015",
        "message": "Invalid API-key, IP, or permissions for action.",
    }


# ---------------------------------------------------------------- restarts


def test_a_restart_in_mid_cooldown_goes_on_with_it() -> None:
    world = World(FORCED)
    world.tell(5, order(5, 1))
    world.tell(10, order(10, 2))
    again = World(FORCED, saved=world.saved(), start=40)
    again.tell(45, order(45, 3))
    again.sleep(400)
    assert told(again) == [(65, "liquidation", 2)]
    assert [notice.number for notice in again.notices] == [2]
    assert not [record for record in again.saved().timers if record.kind == "cooldown"]


def test_a_cooldown_that_ended_while_we_were_down_is_summed_up_at_once() -> None:
    world = World(FORCED)
    world.tell(5, order(5, 1), order(5, 2))
    again = World(FORCED, saved=world.saved(), start=500)
    assert told(again) == [(500, "liquidation", 1)]


def test_a_forced_order_that_was_told_before_a_restart_is_not_told_again() -> None:
    """After a reconnect the link reads the forced orders again."""
    world = World(FORCED)
    world.tell(5, order(5, 1))
    world.sleep(100)
    again = World(FORCED, saved=world.saved(), start=500)
    again.tell(501, order(501, 1), order(501, 2))
    again.sleep(900)
    assert told(again) == [(501, "liquidation", 1)]
    assert again.notices[0].details["order_id"] == "2"


def test_a_forced_order_is_known_for_a_day() -> None:
    world = World(FORCED)
    world.tell(5, order(5, 1))
    again = World(FORCED, saved=world.saved(), start=5 + 86_400)
    assert not [record for record in again.saved().timers if record.kind == "known"]


@pytest.mark.parametrize(
    "rules", [(), (happening_rule("forced", "adl"),)], ids=["removed", "about something else"]
)
def test_a_cooldown_without_its_rule_is_forgotten(rules: tuple[object, ...]) -> None:
    world = World(FORCED)
    world.tell(5, order(5, 1), order(5, 2))
    again = World(*rules, saved=world.saved(), start=40)  # type: ignore[arg-type]  # rules
    again.sleep(400)
    assert again.notices == []
    assert not [record for record in again.saved().timers if record.kind == "cooldown"]


def test_what_is_remembered_is_bounded() -> None:
    world = World(FORCED)
    world.tell(5, *(order(5, number) for number in range(2001)))
    outcome = world.tell(6, order(6, 2000))
    assert not outcome.timers, "known"
    outcome = world.tell(6, order(6, 0))
    assert outcome.timers, "forgotten long ago"


# ---------------------------------------------------------------- money that repeats

MONEY = happening_rule("money", "deposit", "funding", severity=Severity.INFO, cooldown=60_000)


def moved(
    seconds: float, change_: str | None, wallet: str, reason: str = "DEPOSIT", symbol: str = ""
) -> AccountChanged:
    return change(seconds, money(wallet, bc=change_), reason=reason, symbol=symbol)


def lines(world: World) -> list[str]:
    """What was told, each with the first line of its message."""
    return [
        f"{(notice.at - EPOCH) / 1000:g}s "
        + compose(notice, None, now_utc=notice.at, zone=UTC).body.splitlines()[0]
        for notice in world.notices
    ]


def test_money_that_repeats_is_told_as_a_total() -> None:
    world = World(MONEY)
    world.tell(1, poll(1))
    world.tell(10, moved(10, "100", "1100"))
    world.tell(20, moved(20, "900", "2000"))
    world.tell(30, moved(30, "50.5", "2050.5"))
    world.tell(80)
    assert lines(world) == [
        "10s 100 USDT came in; the wallet holds 1,100 USDT",
        "70s a total of 950.5 USDT came in; the wallet holds 2,050.5 USDT (2 times)",
    ]


def test_fundings_of_several_symbols_add_up_with_their_signs() -> None:
    world = World(MONEY)
    world.tell(1, poll(1))
    for seconds, amount, wallet, symbol in (
        (10, "-1", "999", "BTCUSDT"),
        (11, "-2", "997", "BTCUSDT"),
        (12, "0.5", "997.5", "ETHUSDT"),
        (13, "-0.1", "997.4", "ETHUSDT"),
    ):
        world.tell(seconds, moved(seconds, amount, wallet, "FUNDING_FEE", symbol))
    world.tell(80)
    assert lines(world) == [
        "10s funding: 1 USDT paid for BTCUSDT; the wallet holds 999 USDT",
        "70s funding: a total of 1.6 USDT paid; the wallet holds 997.4 USDT (3 times)",
    ]
    assert world.notices[-1].details == {"amount": "-1.6", "wallet": "997.4"}


def test_a_total_outlives_a_restart() -> None:
    world = World(MONEY)
    world.tell(1, poll(1))
    world.tell(10, moved(10, "100", "1100"))
    world.tell(20, moved(20, "900", "2000"))
    again = World(MONEY, saved=world.saved(), start=25)
    again.tell(26, poll(26, wallet="2000"))
    again.tell(30, moved(30, "50", "2050"))
    again.tell(80)
    assert lines(again) == [
        "70s a total of 950 USDT came in; the wallet holds 2,050 USDT (2 times)"
    ]


def test_with_an_unknown_part_a_total_is_unknown() -> None:
    world = World(MONEY)
    world.tell(10, moved(10, "100", "1100"))
    world.tell(20, moved(20, "1", "1101"))
    world.tell(30, change(30, money("7", bc=None, asset="USDT"), reason="DEPOSIT", time=1))
    world.tell(40, moved(40, "1", "1102"))
    world.tell(80)
    assert lines(world)[1:] == [
        "70s an amount of USDT came in; the wallet holds 1,102 USDT (3 times)"
    ]
