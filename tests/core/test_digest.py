"""Several notices in one message: what a phone shows, and that no number is ever lost."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.digest import Tried, compose_all, most
from monitor.core.message import Message, compose
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Severity
from tests.core.worlds import EPOCH, happening_rule, level, rule

NONE, INFO, WARNING, CRITICAL = Severity
LONG = Target("main", "BTCUSDT", "BOTH", "long")
SHORT = Target("main", "ETHUSDT", "BOTH", "short")
POOL = Target("main", asset="USDT")
RULES = {
    "margin-room": rule(
        "margin-room",
        level(WARNING, "margin_room < 40%"),
        level(CRITICAL, "margin_room < 20%"),
        message="{symbol}: a text of its own",
        runbook="docs/rules/margin-room.md",
    ),
    "loss": rule("loss", level(WARNING, "roi < -50%"), runbook="docs/rules/loss.md"),
    "money-moved": happening_rule("money-moved", "withdrawal", severity=INFO),
}


def told(
    number: int,
    kind: str,
    severity: Severity,
    name: str = "margin-room",
    target: Target = LONG,
    *,
    at: float = 0,
    attempt: int = 1,
    **more: object,
) -> Tried:
    """A notice of so many seconds after the epoch, sent for the n-th time."""
    notice = Notice(
        number=number,
        at=EPOCH + round(at * 1000),
        kind=kind,
        severity=severity,
        rule=name,
        target=target,
        previous=NONE,
        since=EPOCH,
    )
    return Tried(replace(notice, **more), attempt)  # type: ignore[arg-type]  # fields of Notice


def room_at(value: str, condition: str, grade: Grade = Grade.FRESH) -> dict[str, Any]:
    reading = Reading(grade, Decimal(value), 48_000 if grade is Grade.AGED else 400)
    return {
        "values": {"margin_room": reading},
        "condition": condition,
        "data_age": reading.age,
    }


def digest(*tried: Tried, at: float = 30, room: int = 2000) -> Message:
    now = EPOCH + round(at * 1000)
    return compose_all(tried, RULES, now_utc=now, zone=UTC, room=room)


def test_one_notice_has_a_message_of_its_own() -> None:
    one = told(1, "fired", WARNING, attempt=2)
    alone = compose(one.notice, RULES["margin-room"], now_utc=EPOCH, zone=UTC, attempt=2)
    assert digest(one, at=0) == alone
    assert alone.body.endswith("#1 · 2026-01-02 03:00:00 UTC · (attempt 2)")


def test_a_line_for_each() -> None:
    message = digest(
        told(5, "fired", WARNING, at=5, previous=NONE, **room_at("0.395", "margin_room < 40%")),
        told(
            7,
            "escalated",
            CRITICAL,
            at=20,
            attempt=3,
            previous=WARNING,
            **room_at("0.199", "margin_room < 20%", Grade.AGED),
        ),
        told(2, "eased", INFO, "loss", SHORT, at=1, previous=WARNING, reason="recovered"),
        told(3, "resolved", WARNING, "loss", POOL, at=2, previous=INFO, reason="pool_gone"),
        told(4, "reminder", WARNING, "loss", at=3, previous=WARNING),
        told(
            6,
            "happened",
            INFO,
            "money-moved",
            POOL,
            at=6,
            happening="withdrawal",
            count=2,
            since=None,
            details={"amount": "-500", "wallet": "500"},
        ),
    )
    assert message.title == "CRITICAL: BTCUSDT long (main): margin-room, and 5 more"
    assert message.body.splitlines() == [
        "#5 03:00:05 fired warning · margin-room · BTCUSDT long (main) · margin room 39.5 %",
        (
            "#7 (attempt 3) 03:00:20 escalated to critical · margin-room · BTCUSDT long (main) · "
            "margin room 19.9 % (48 s ago) · what to do: docs/rules/margin-room.md"
        ),
        "#2 03:00:01 eased to info · loss · ETHUSDT short (main)",
        (
            "#3 03:00:02 resolved, was info: the balance and its positions are gone · loss · "
            "USDT (main)"
        ),
        "#4 03:00:03 still warning · loss · BTCUSDT long (main)",
        "#6 03:00:06 info · money-moved · withdrawal of 500 USDT (main) (2 times)",
    ]


def test_what_fired_and_cleared_is_one_line_and_says_how_late_it_comes() -> None:
    message = digest(
        told(12, "fired", WARNING, at=0),
        told(13, "escalated", CRITICAL, at=60, attempt=2, previous=WARNING),
        told(15, "resolved", CRITICAL, at=480, previous=CRITICAL, reason="recovered"),
        told(14, "fired", WARNING, "loss", SHORT, at=100),
        at=960,
    )
    assert message.body.splitlines() == [
        (
            "#12 #13 (attempt 2) #15 fired 03:00:00, cleared 03:08:00 · margin-room · "
            "BTCUSDT long (main) · at worst critical · delivered 16 min late"
        ),
        "#14 03:01:40 fired warning · loss · ETHUSDT short (main) · delivered 14 min late",
    ]


def test_an_alert_from_its_beginning_to_its_end_alone() -> None:
    message = digest(
        told(1, "fired", WARNING),
        told(2, "resolved", WARNING, at=9, previous=WARNING, reason="position_closed"),
        told(3, "fired", WARNING, at=20),
    )
    assert message.title == "WARNING: BTCUSDT long (main): margin-room, and 1 more"
    assert message.body.splitlines() == [
        (
            "#1 #2 fired 03:00:00, cleared 03:00:09 · margin-room · BTCUSDT long (main) · "
            "at worst warning · the position is closed"
        ),
        "#3 03:00:20 fired warning · margin-room · BTCUSDT long (main)",
    ]


def test_the_title_tells_the_worst_that_stands() -> None:
    resolved = told(1, "resolved", CRITICAL, reason="recovered")
    eased = told(2, "eased", WARNING, "loss", SHORT, reason="recovered")
    fired = told(3, "fired", INFO, "loss", POOL)
    worse = told(4, "fired", WARNING, "loss", LONG)
    titles = [digest(*tried).title for tried in ((resolved, eased), (resolved, fired, worse))]
    assert titles == [
        "eased to warning: ETHUSDT short (main): loss, and 1 more",
        "WARNING: BTCUSDT long (main): loss, and 2 more",
    ]
    whole = told(5, "fired", WARNING), told(6, "resolved", WARNING, reason="recovered")
    assert digest(*whole).title == "fired and cleared: BTCUSDT long (main): margin-room"


def test_of_many_the_last_are_numbers() -> None:
    message = digest(*(told(n, "fired", WARNING, attempt=1 + n % 2) for n in range(1, 24)))
    lines = message.body.splitlines()
    assert len(lines) == 21
    assert lines[-1] == ("and 3 more: `marginwatch history`: #21 (attempt 2) #22 #23 (attempt 2)")
    assert message.title == "WARNING: BTCUSDT long (main): margin-room, and 22 more"


def test_a_service_with_little_room() -> None:
    assert [most(room) for room in (0, 100, 160, 1024, 2000, 1_000_000)] == [1, 1, 2, 40, 60, 60]
    message = digest(told(1, "fired", WARNING), told(2, "fired", WARNING, "loss"), room=160)
    assert message.body.splitlines() == [
        "#1 03:00:00 fired warning · margin-room · BTCUSDT long (main)",
        "and 1 more: `marginwatch history`: #2",
    ]
    assert len(message.title) + 2 + len(message.body) <= 160


@pytest.mark.parametrize("room", [250, 512, 1024, 1748, 2000])
def test_long_numbers_and_marks_fit_too(room: int) -> None:
    """Numbers go on from unix seconds after a database that nobody could read."""
    first = 1_767_322_800
    tried = [told(first + n, "fired", CRITICAL, attempt=12_345) for n in range(60)]
    message = digest(*tried[: most(room, tried)], room=room)
    assert len(message.title) + 2 + len(message.body) <= room
    assert message.body.count(" (attempt 12345)") == most(room, tried) > 1


# ---------------------------------------------------------------- whatever waits

KINDS = ("fired", "escalated", "eased", "resolved", "reminder", "happened")
NOTICES = st.lists(
    st.builds(
        told,
        st.integers(1, 9_999_999),
        st.sampled_from(KINDS),
        st.sampled_from([INFO, WARNING, CRITICAL]),
        st.sampled_from([*RULES, "gone"]),
        st.sampled_from([LONG, SHORT, POOL, Target("main"), Target("🐋" * 30)]),
        at=st.integers(0, 90_000),
        attempt=st.integers(1, 120),
    ),
    min_size=2,
    max_size=60,
    unique_by=lambda tried: tried.notice.number,
)


@given(NOTICES, st.sampled_from([100, 160, 300, 1024, 2000, 4096]))
def test_every_number_stands_in_it_once_with_its_mark(tried: Sequence[Tried], room: int) -> None:
    tried = tried[: most(room)]
    message = digest(*tried, at=90_000, room=room)
    if len(tried) == 1:
        return
    found = re.findall(r"#(\d+)(?: \(attempt (\d+)\))?", message.body)
    assert sorted((int(number), int(attempt or 1)) for number, attempt in found) == sorted(
        (each.notice.number, each.attempt) for each in tried
    )
    units = len(message.body.encode("utf-16-le")) // 2
    assert units <= max(room, 100)
    if "more: `" not in message.body.splitlines()[0]:
        assert units + len(message.title.encode("utf-16-le")) // 2 + 2 <= room
