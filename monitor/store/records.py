"""Facts ⇄ rows: what is kept, as SQL statements, and read back.

Text is ASCII JSON; numbers that must stay exact are strings; times are whole milliseconds UTC.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, groupby
from typing import Any

from monitor.core.notices import (
    AlertRecord,
    Changes,
    Grade,
    Notice,
    Reading,
    Silence,
    SwitchRecord,
    Target,
    TimerRecord,
    Told,
    WindowRecord,
)
from monitor.core.rules import Severity
from monitor.core.windows import Row

Statement = tuple[str, Sequence[object]]


def _dump(value: object) -> str:
    # ASCII, because SQLite refuses the lone surrogates that a stranger's JSON may carry.
    return json.dumps(value, separators=(",", ":"))


def _reading_facts(reading: Reading) -> list[object]:
    value = reading.value
    plain = {"decimal": str(value)} if isinstance(value, Decimal) else value
    return [reading.grade.value, plain, reading.age]


def _reading(facts: list[Any]) -> Reading:
    grade, plain, age = facts
    value = Decimal(plain["decimal"]) if isinstance(plain, dict) else plain
    return Reading(Grade(grade), value, age)


_PLAIN = ("kind", "rule", "reason", "happening", "count", "since", "data_age", "condition")


def notice_facts(notice: Notice) -> str:
    """Write a notice, all but its number and time, as JSON that `read_notice` turns back."""
    facts: dict[str, object] = {name: getattr(notice, name) for name in _PLAIN}
    facts["severity"] = notice.severity.value
    facts["previous"] = None if notice.previous is None else notice.previous.value
    facts["target"] = list(notice.target)
    facts["values"] = {name: _reading_facts(value) for name, value in notice.values.items()}
    facts["details"] = dict(notice.details)
    return _dump({name: fact for name, fact in facts.items() if fact is not None})


def read_notice(number: int, at: int, facts: str) -> Notice:
    """Make the notice that `notice_facts` wrote."""
    read = json.loads(facts)
    previous = read.get("previous")
    return Notice(
        number=number,
        at=at,
        severity=Severity(read["severity"]),
        previous=None if previous is None else Severity(previous),
        target=Target(*read["target"]),
        values={name: _reading(value) for name, value in read["values"].items()},
        details=read["details"],
        **{name: read.get(name) for name in _PLAIN},
    )


def _alert(record: AlertRecord) -> Statement:
    key = (record.rule, _dump(record.target))
    if record.idle:
        return "DELETE FROM alerts WHERE rule = ? AND target = ?", key
    switches = [[s.severity.value, s.state, s.elapsed, s.saved] for s in record.switches]
    rest = (record.level.value, record.highest.value, record.since, record.noticed)
    return "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)", (
        *key,
        _dump(switches),
        *rest,
    )


def _told(told: Told) -> Statement:
    key = (told.rule, _dump(told.target), told.channel)
    if told.level is Severity.NONE:
        return "DELETE FROM told WHERE rule = ? AND target = ? AND channel = ?", key
    row = (*key, told.level.value, told.highest.value)
    return "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?)", row


def _timer(timer: TimerRecord) -> Statement:
    if timer.body is None:
        return "DELETE FROM timers WHERE kind = ? AND key = ?", (timer.kind, timer.key)
    return "INSERT OR REPLACE INTO timers VALUES (?, ?, ?, ?, ?)", timer


def _window(record: WindowRecord) -> Iterator[Statement]:
    key = (_dump(record.target), record.metric, record.span)
    over = "DELETE FROM windows WHERE target = ? AND metric = ? AND span = ?"
    if not record.rows:
        yield over, key
        return
    yield f"{over} AND number < ?", (*key, record.first)
    for number, start, *body in record.rows:
        row = (*key, number, start, _dump(body))
        yield "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?)", row


def _silence(silence: Silence) -> Iterator[Statement]:
    globs = _dump([silence.rules, silence.accounts, silence.symbols])
    row = (silence.number, silence.begins, silence.ends, globs, int(silence.over))
    yield "INSERT OR REPLACE INTO silences VALUES (?, ?, ?, ?, ?)", row
    yield _go_on_from("next_silence", silence.number + 1)


def read_silence(row: tuple[Any, ...]) -> Silence:
    """Make the silence that a row of `silences` holds."""
    number, begins, ends, globs, over = row
    rules, accounts, symbols = map(tuple, json.loads(globs))
    return Silence(number, begins, ends, rules, accounts, symbols, bool(over))


def next_number(number: int) -> Statement:
    """Write that numbers of notices go on from here; never backwards."""
    return _go_on_from("next_number", number)


REPLACED = "replaced"
"""The key, in `meta`, of when a corrupt database gave way to this one, until that is told."""


def replaced(at: int) -> Statement:
    """Write that this database stands in for a corrupt one, and that nobody was told yet."""
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", (REPLACED, at)


def _go_on_from(what: str, number: int) -> Statement:
    sql = (
        "INSERT INTO meta VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)"
    )
    return sql, (what, number)


def statements(changes: Changes) -> Iterator[Statement]:
    """Write changes as statements that may run twice with the same result."""
    yield from map(_alert, changes.alerts)
    yield from map(_told, changes.told)
    yield from map(_timer, changes.timers)
    yield from chain.from_iterable(map(_window, changes.windows))
    yield from chain.from_iterable(map(_silence, changes.silences))
    for notice in changes.notices:
        row = (notice.number, notice.at, notice_facts(notice))
        yield "INSERT OR IGNORE INTO notices VALUES (?, ?, ?)", row
        if notice.happening == "store_replaced":
            yield "DELETE FROM meta WHERE key = ?", (REPLACED,)
    delivery_row = (
        "INSERT OR IGNORE INTO deliveries (number, channel, urgent, state, attempts)"
        " VALUES (?, ?, ?, 'pending', 0)"
    )
    yield from ((delivery_row, delivery) for delivery in changes.deliveries)
    if changes.notices:
        yield next_number(max(notice.number for notice in changes.notices) + 1)


Try = tuple[int, int]
"""A notice by its number, and which attempt to send it this is, counted from 1."""


def attempted(tries: Iterable[Try], channel: str, at: int) -> Iterator[Statement]:
    """Write that one message with these notices is about to be sent."""
    counted = (
        "UPDATE deliveries SET attempts = max(attempts, ?), tried_at = ?"
        " WHERE number = ? AND channel = ?"
    )
    listed = "INSERT OR IGNORE INTO attempts (number, channel, attempt, at) VALUES (?, ?, ?, ?)"
    for number, attempt in tries:
        yield counted, (attempt, at, number, channel)
        yield listed, (number, channel, attempt, at)


def answered(
    tries: Iterable[Try], channel: str, status: str, at: int, answer: str
) -> Iterator[Statement]:
    """Write what became of a message: `sent` ends its deliveries, anything else is tried again."""
    sql = (
        "UPDATE attempts SET status = ?, answer = ?, answered = ?"
        " WHERE number = ? AND channel = ? AND attempt = ?"
    )
    for number, attempt in tries:
        yield sql, (status, answer, at, number, channel, attempt)
        if status == "sent":
            yield over(number, channel, "sent", at, None)


def doubted() -> Statement:
    """Write that whatever waits may have arrived: it was perhaps sent while nothing was written."""
    return "UPDATE deliveries SET attempts = 1 WHERE state = 'pending' AND attempts = 0", ()


def over(number: int, channel: str, state: str, at: int, error: str | None) -> Statement:
    """Write that a delivery is over: `sent` or `dead`, and why."""
    sql = (
        "UPDATE deliveries SET state = ?, done_at = ?, last_error = ?"
        " WHERE number = ? AND channel = ?"
    )
    return sql, (state, at, error, number, channel)


_OLD = (
    "number IN (SELECT number FROM notices WHERE at < ? AND NOT EXISTS (SELECT 1 FROM deliveries"
    " WHERE deliveries.number = notices.number AND state = 'pending') ORDER BY number LIMIT ?)"
)


def forgotten(before: int, limit: int) -> Iterator[Statement]:
    """Write that notices from before an instant are forgotten, but for those still to be heard.

    Args:
        before: Unix milliseconds.
        limit: How many at most; the oldest go first.
    """
    for table in ("attempts", "deliveries", "notices"):
        yield f"DELETE FROM {table} WHERE {_OLD}", (before, limit)  # noqa: S608 - fixed names
    yield "DELETE FROM silences WHERE over AND ends < ?", (before,)


def read_alert(row: tuple[Any, ...]) -> AlertRecord:
    """Make the record that a row of `alerts` holds."""
    rule, target, switches, level, highest, since, noticed = row
    return AlertRecord(
        rule=rule,
        target=Target(*json.loads(target)),
        switches=tuple(
            SwitchRecord(Severity(severity), state, elapsed, saved)
            for severity, state, elapsed, saved in json.loads(switches)
        ),
        level=Severity(level),
        highest=Severity(highest),
        since=since,
        noticed=noticed,
    )


def read_windows(rows: Iterable[tuple[Any, ...]]) -> Iterator[WindowRecord]:
    """Make the records that rows of `windows` hold, in the order of their key."""
    for (target, metric, span), found in groupby(rows, lambda row: row[:3]):
        kept = tuple(_row(number, start, json.loads(body)) for *_, number, start, body in found)
        yield WindowRecord(Target(*json.loads(target)), metric, span, kept[0].number, kept)


def _row(number: int, start: int, body: list[Any]) -> Row:
    values, *rest = body
    return Row(number, start, tuple(values), *rest)
