"""Quiet hours by the clocks on the wall."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.quiet import QuietHours, next_time

VIENNA = ZoneInfo("Europe/Vienna")
NIGHT = QuietHours(time(23), time(7), VIENNA)
NOON = QuietHours(time(12), time(13, 30), VIENNA)


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        pytest.param(NIGHT, "2026-01-02 21:59", None, id="a minute before"),
        pytest.param(NIGHT, "2026-01-02 22:00", "2026-01-03 06:00", id="the beginning is quiet"),
        pytest.param(NIGHT, "2026-01-03 02:00", "2026-01-03 06:00", id="after midnight"),
        pytest.param(NIGHT, "2026-01-03 06:00", None, id="the end is not"),
        pytest.param(NOON, "2026-07-01 10:30", "2026-07-01 11:30", id="within a day"),
        pytest.param(NOON, "2026-07-01 09:59", None, id="before it"),
        pytest.param(NOON, "2026-07-01 11:30", None, id="after it"),
        pytest.param(NIGHT, "2026-03-28 22:30", "2026-03-29 05:00", id="a night of 7 hours"),
        pytest.param(NIGHT, "2026-10-24 21:30", "2026-10-25 06:00", id="a night of 9 hours"),
        pytest.param(
            QuietHours(time(2, 30), time(4), VIENNA),
            "2026-03-29 01:15",
            None,
            id="a beginning that the day leaves out comes later",
        ),
        pytest.param(
            QuietHours(time(2, 30), time(4), VIENNA),
            "2026-03-29 01:30",
            "2026-03-29 02:00",
            id="and then it is quiet",
        ),
        pytest.param(
            QuietHours(time(23), time(2, 30), VIENNA),
            "2026-10-25 01:15",
            None,
            id="an end that comes twice ends at the first",
        ),
        pytest.param(
            QuietHours(time(2, 30), time(4), VIENNA),
            "2026-10-25 01:15",
            "2026-10-25 03:00",
            id="a beginning that comes twice begins at the first",
        ),
    ],
)
def test_until_when_it_is_quiet(hours: QuietHours, now: str, until: str | None) -> None:
    assert hours.until(utc(now)) == (None if until is None else utc(until))


@given(
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_what_ends_is_over(begin: time, end: time, moment: datetime, zone: str) -> None:
    hours = QuietHours(begin, end, ZoneInfo(zone))
    now = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    until = hours.until(now)
    if until is None:
        return
    assert now < until <= now + timedelta(hours=25).total_seconds() * 1000
    assert hours.until(until - 1) == until
    if begin != end:
        assert hours.until(until) != until


@pytest.mark.parametrize(
    ("wall", "after", "then"),
    [
        pytest.param(time(8), "2026-01-02 06:59", "2026-01-02 07:00", id="today"),
        pytest.param(time(8), "2026-01-02 07:00", "2026-01-03 07:00", id="it is later"),
        pytest.param(time(0), "2026-01-02 22:59", "2026-01-02 23:00", id="midnight"),
        pytest.param(time(8), "2026-03-28 07:00", "2026-03-29 06:00", id="a day of 23 hours"),
        pytest.param(time(8), "2026-10-24 06:00", "2026-10-25 07:00", id="a day of 25 hours"),
        pytest.param(time(2, 30), "2026-03-29 00:59", "2026-03-29 01:30", id="left out"),
        pytest.param(time(2, 30), "2026-03-29 01:30", "2026-03-30 00:30", id="and once"),
        pytest.param(time(2, 30), "2026-10-25 00:29", "2026-10-25 00:30", id="twice: the first"),
        pytest.param(time(2, 30), "2026-10-25 00:30", "2026-10-26 01:30", id="and no second"),
    ],
)
def test_when_a_time_of_day_comes_next(wall: time, after: str, then: str) -> None:
    assert next_time(wall, VIENNA, utc(after)) == utc(then)


@given(
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_a_time_of_day_comes_once_a_day(wall: time, zone: str) -> None:
    there = ZoneInfo(zone)
    at, days = utc("2026-01-01 12:00"), []
    for _ in range(400):
        at, before = next_time(wall, there, at), at
        assert at - before <= timedelta(hours=26).total_seconds() * 1000
        days.append(datetime.fromtimestamp(at / 1000, there).date())
    assert days == [days[0] + timedelta(days=number) for number in range(400)]
