"""What an earlier run left: read back whole, at every start.

A database can be sound as a file and hold rows that nobody can read (a bit that flipped, a sector
of something else). So a start reads everything once before it relies on anything.
"""

import json
import sqlite3
from decimal import Decimal
from typing import NamedTuple

from monitor.core.notices import Notice, Saved, Target, TimerRecord, Told
from monitor.core.rules import Severity
from monitor.store.records import REPLACED, read_alert, read_notice, read_silence, read_windows

UNREADABLE = (ValueError, KeyError, TypeError, IndexError, ArithmeticError)
"""What reading raises where a row does not hold what was written."""


class Undelivered(NamedTuple):
    """A notice that a channel has yet to hear."""

    notice: Notice
    channel: str
    attempts: int
    """How often it was attempted before; it may have arrived."""
    urgent: bool = False
    """Whether quiet hours do not hold it."""


def read_saved(database: sqlite3.Connection, noted: int) -> Saved:
    """Read what the engine goes on from.

    Args:
        database: Open, of the newest schema.
        noted: The highest number that was handed out from memory.
    """
    execute = database.execute
    meta = dict(execute("SELECT key, value FROM meta"))
    return Saved(
        alerts=tuple(map(read_alert, execute("SELECT * FROM alerts"))),
        told=tuple(
            Told(rule, Target(*json.loads(target)), channel, *map(Severity, levels))
            for rule, target, channel, *levels in execute("SELECT * FROM told")
        ),
        timers=tuple(TimerRecord(*row) for row in execute("SELECT * FROM timers")),
        next_number=max(meta.get("next_number", 1), noted + 1),
        windows=tuple(
            read_windows(execute("SELECT * FROM windows ORDER BY target, metric, span, number"))
        ),
        silences=tuple(
            map(read_silence, execute("SELECT * FROM silences WHERE NOT over ORDER BY number"))
        ),
        next_silence=meta.get("next_silence", 1),
    )


def read_undelivered(database: sqlite3.Connection) -> list[Undelivered]:
    """Read what channels have yet to hear, by rising number."""
    rows = database.execute(
        "SELECT number, at, facts, channel, attempts, urgent FROM deliveries JOIN notices"
        " USING (number) WHERE state = 'pending' ORDER BY number, channel"
    )
    return [
        Undelivered(read_notice(number, at, facts), channel, attempts, bool(urgent))
        for number, at, facts, channel, attempts, urgent in rows
    ]


_STATES = frozenset({"off", "rising", "on", "falling"})


def read_all(database: sqlite3.Connection) -> int | None:
    """Read all that a run goes on from.

    Returns:
        When a corrupt database gave way to this one, if nobody was told; unix milliseconds.

    Raises:
        UNREADABLE: A row does not hold what was written.
        sqlite3.Error: It cannot be read.
    """
    saved = read_saved(database, 0)
    read_undelivered(database)
    for alert in saved.alerts:
        if not {switch.state for switch in alert.switches} <= _STATES:
            raise ValueError
    for timer in saved.timers:
        for text in (timer.key, timer.body or ""):
            if text.startswith(("[", "{")):
                json.loads(text)
    for window in saved.windows:
        for row in window.rows:
            for value in row.values:
                Decimal(value or 0)
    found = database.execute("SELECT value FROM meta WHERE key = ?", (REPLACED,)).fetchone()
    return None if found is None else int(found[0])
