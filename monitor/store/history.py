"""What was told: notices with what became of them, read back."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from monitor.core.notices import Notice
from monitor.errors import StoreUnusable
from monitor.store.folder import DATABASE, MIGRATIONS
from monitor.store.records import read_notice


class Attempt(NamedTuple):
    """One try to send a notice; instants are unix milliseconds."""

    attempt: int
    """Counted from 1."""
    at: int
    status: str | None
    """sent, refused or unknown; None: the program ended before it was known."""
    answer: str | None
    answered: int | None


class Delivery(NamedTuple):
    """What became of a notice in one channel."""

    channel: str
    state: str
    """pending, sent or dead."""
    done: int | None
    """When it was over, unix milliseconds."""
    error: str | None
    attempts: tuple[Attempt, ...]


class Told(NamedTuple):
    """A notice, and what became of it."""

    notice: Notice
    deliveries: tuple[Delivery, ...]
    """One for each channel that was to hear it; none where nobody was."""


def told_since(
    database: sqlite3.Connection, since: int, channel: str | None = None
) -> Iterator[Told]:
    """Read the notices from an instant on, by number.

    Args:
        database: Open.
        since: Unix milliseconds.
        channel: Only what this channel was to hear.
    """
    sql = (
        "SELECT notices.number, notices.at, facts, d.channel, state, done_at, last_error,"
        " a.attempt, a.at, status, answer, answered"
        " FROM notices LEFT JOIN deliveries AS d USING (number)"
        " LEFT JOIN attempts AS a ON a.number = d.number AND a.channel = d.channel"
        " WHERE notices.at >= ?1 AND (?2 IS NULL OR d.channel = ?2)"
        " ORDER BY notices.number, d.channel, a.attempt"
    )
    rows = database.execute(sql, (since, channel))
    for head, of_notice in groupby(rows, lambda row: row[:3]):
        deliveries = tuple(
            Delivery(to, state, done, error, tuple(_attempts(tries)))
            for (to, state, done, error), tries in groupby(of_notice, lambda row: row[3:7])
            if to is not None
        )
        yield Told(read_notice(*head), deliveries)


def _attempts(rows: Iterable[tuple[Any, ...]]) -> Iterator[Attempt]:
    return (Attempt(*row[7:]) for row in rows if row[7] is not None)


def read_beside(data_dir: Path, since: int, channel: str | None = None) -> list[Told]:
    """Read what was told while a service runs in the folder; blocks, and writes nothing.

    Raises:
        StoreUnusable: It cannot be read.
    """
    path = data_dir / DATABASE
    try:
        found = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(found) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != len(MIGRATIONS):
                raise StoreUnusable(
                    f"{path} is in use by a marginwatch of another version.\n"
                    "Run this command with the version that runs as the service."
                )
            return list(told_since(database, since, channel))
    except sqlite3.Error as exc:
        raise StoreUnusable(f"{path} cannot be read: {exc}.") from exc
