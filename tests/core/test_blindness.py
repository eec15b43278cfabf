"""Why an account is not fresh: what is missing, in the notice and in words."""

from datetime import UTC

import pytest

from monitor.core.blindness import gaps, why
from monitor.core.events import (
    AccountRefused,
    AddressBanned,
    KeyWasAccepted,
    KeyWasRejected,
)
from monitor.core.message import compose
from monitor.core.rules import Severity
from tests.core.worlds import EPOCH, World, at, level, marks, poll, position, rule

BLIND = rule("blind", level(Severity.WARNING, "stale_for > 0s"))
ETH = position("ETHUSDT", quantity="-2", entry="3000", mark="3000", liq="3400")


def said(world: World, seconds: float) -> str:
    """Say what is missing of main at an instant."""
    return why(gaps(world.account, at(seconds)), at(seconds).utc, UTC)


def test_nothing_is_missing_of_an_account_that_is_fresh() -> None:
    world = World(BLIND)
    world.tell(0, poll(0, position()))
    assert gaps(world.account, at(10)) == {}
    assert said(world, 10) == ""


def test_an_account_that_never_answered() -> None:
    world = World(BLIND)
    world.tell(12)
    assert gaps(world.account, at(12)) == {"polled_at": ""}
    assert said(world, 12) == "no poll has been complete since the program began to watch"


def test_an_account_whose_polls_and_marks_are_old() -> None:
    world = World(BLIND)
    world.tell(0, poll(0, position(), ETH))
    world.tell(10, marks(10, ETHUSDT="3000"))
    world.tell(65)
    assert gaps(world.account, at(65)) == {
        "polled_at": str(EPOCH),
        "mark:BTCUSDT": str(EPOCH),
        "mark:ETHUSDT": str(EPOCH + 10_000),
    }
    assert said(world, 65) == (
        "no complete poll for 65 s; no mark price of BTCUSDT for 65 s, ETHUSDT for 55 s"
    )


def test_only_the_oldest_marks_are_named() -> None:
    world = World(BLIND)
    symbols = ("AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT")
    world.tell(0, poll(0, *(position(symbol) for symbol in symbols)))
    for number, symbol in enumerate(symbols):
        world.tell(number + 1, marks(number + 1, **{symbol: "62000"}))
    world.tell(40, poll(39))
    assert said(world, 40).endswith(
        "no mark price of AUSDT for 39 s, BUSDT for 38 s, CUSDT for 37 s, and 2 more"
    )


def test_a_mark_that_never_came() -> None:
    facts = {"mark:BTCUSDT": ""}
    assert why(facts, EPOCH, UTC) == "no mark price of BTCUSDT so far"


def test_a_key_a_ban_and_an_account_that_cannot_be_watched() -> None:
    world = World(BLIND)
    world.tell(0, poll(0, position()))
    world.tell(
        31,
        AccountRefused("main", "it is in portfolio margin"),
        KeyWasRejected("main", -2015, "Invalid API-key."),
        AddressBanned(at(90).utc, "Way too many requests."),
    )
    assert said(world, 40) == (
        "it is in portfolio margin; the exchange rejects the API key: -2015 Invalid API-key; "
        "the exchange bans this machine's address until 2026-01-02 03:01:30 UTC; "
        "no poll has been complete since the program began to watch; "
        "no mark price of BTCUSDT for 40 s"
    )


@pytest.mark.parametrize("seconds", [90, 200])
def test_what_is_over_is_not_said(seconds: int) -> None:
    world = World(BLIND)
    world.tell(0, poll(0))
    world.tell(31, KeyWasRejected("main", -2015, "Invalid API-key."))
    world.tell(31, AddressBanned(at(90).utc, "Way too many requests."))
    world.tell(80, KeyWasAccepted("main"))
    assert said(world, seconds) == (f"no complete poll for {'90 s' if seconds == 90 else '3 min'}")


def test_a_ban_of_an_earlier_run_is_known() -> None:
    world = World(BLIND)
    world.tell(1, AddressBanned(at(500).utc, "Way too many requests."))
    later = World(BLIND, saved=world.saved(), start=20)
    later.tell(40)
    assert "bans this machine's address until 2026-01-02 03:08:20 UTC" in said(later, 40)


def test_the_message_says_why_and_its_end_does_not() -> None:
    world = World(rule("blind", level(Severity.WARNING, "stale_for > 0s", on=10)))
    world.tell(0, poll(0))
    world.tell(50, poll(50))
    fired, resolved = (
        compose(notice, None, now_utc=notice.at, zone=UTC).body for notice in world.notices
    )
    assert fired.splitlines() == [
        "stale for 10 s: warning (stale_for > 0s)",
        "why: no complete poll for 40 s",
        "data age 40 s",
        "#1 · 2026-01-02 03:00:40 UTC",
    ]
    assert resolved.splitlines() == [
        "fresh again: recovered after 10 s; was warning",
        "data age 0.0 s",
        "#2 · 2026-01-02 03:00:50 UTC · since 03:00:40",
    ]
