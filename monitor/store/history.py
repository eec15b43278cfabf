"""What was told: notices with what became of them, read back."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from monitor.core.notices import Notice
from monitor.errors import StoreUnusable
from monitor.store.folder import DATABASE, MIGRATIONS
from monitor.store.reading import UNREADABLE
from monitor.store.records import read_notice

T = TypeVar("T")

Database = sqlite3.Connection
"""An open one."""


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


_COLUMNS = (
    "SELECT notices.number, notices.at, facts, d.channel, state, done_at, last_error,"
    " a.attempt, a.at, status, answer, answered"
    " FROM notices LEFT JOIN deliveries AS d USING (number)"
    " LEFT JOIN attempts AS a ON a.number = d.number AND a.channel = d.channel"
)
_ORDER = " ORDER BY notices.number, d.channel, a.attempt"


def told_since(
    database: sqlite3.Connection, since: int, channel: str | None = None
) -> Iterator[Told]:
    """Read the notices from an instant on, by number.

    Args:
        database: Open.
        since: Unix milliseconds.
        channel: Only what this channel was to hear.
    """
    chosen = " WHERE notices.at >= ?1 AND (?2 IS NULL OR d.channel = ?2)"
    return _read(database.execute(_COLUMNS + chosen + _ORDER, (since, channel)))


def told_about(
    database: sqlite3.Connection, rule: str, account: str, name: str, side: str, most: int
) -> list[Told]:
    """Read the latest notices of a rule about a target, by number.

    Args:
        database: Open.
        rule: Its name.
        account: Of the target.
        name: A symbol or an asset; "" for the account itself.
        side: long or short; "" for either.
        most: So many notices at most.
    """
    sql = (
        "SELECT number FROM notices WHERE json_extract(facts, '$.rule') = ?1"
        " AND json_extract(facts, '$.target[0]') IN (?2, '')"
        " AND (?3 IN (json_extract(facts, '$.target[1]'), json_extract(facts, '$.target[4]')))"
        " AND (?3 != '' OR json_extract(facts, '$.target[1]') = ''"
        " AND json_extract(facts, '$.target[4]') = '')"
        " AND ?4 IN ('', json_extract(facts, '$.target[3]'))"
        " ORDER BY number DESC LIMIT ?5"
    )
    numbers = [number for (number,) in database.execute(sql, (rule, account, name, side, most))]
    chosen = " WHERE notices.number = ?"
    return [
        told
        for number in reversed(numbers)
        for told in _read(database.execute(_COLUMNS + chosen + _ORDER, (number,)))
    ]


def _read(rows: Iterable[tuple[Any, ...]]) -> Iterator[Told]:
    for head, of_notice in groupby(rows, lambda row: row[:3]):
        deliveries = tuple(
            Delivery(to, state, done, error, tuple(_attempts(tries)))
            for (to, state, done, error), tries in groupby(of_notice, lambda row: row[3:7])
            if to is not None
        )
        try:
            notice = read_notice(*head)
        except UNREADABLE as exc:
            # A start reads only what it goes on from: of what is over nobody has looked yet.
            raise StoreUnusable(
                f"the row of #{head[0]} cannot be read: the database was damaged.\n"
                "Ask for what came after it, with --since."
            ) from exc
        yield Told(notice, deliveries)


def _attempts(rows: Iterable[tuple[Any, ...]]) -> Iterator[Attempt]:
    return (Attempt(*row[7:]) for row in rows if row[7] is not None)


def read_beside(data_dir: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read what was told while a service runs in the folder; blocks, and writes nothing.

    Args:
        data_dir: The folder.
        read: What reads it.

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
            return read(database)
    except sqlite3.Error as exc:
        raise StoreUnusable(f"{path} cannot be read: {exc}.") from exc
