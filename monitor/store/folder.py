"""The data_dir: its lock, and the database in it, checked and brought to the newest schema."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.core.events import Remark
from monitor.errors import StoreInUse, StoreUnusable
from monitor.store.reading import UNREADABLE, read_all
from monitor.store.records import next_number, replaced

MIGRATIONS = (
    """
    CREATE TABLE alerts (rule TEXT, target TEXT, switches TEXT NOT NULL, level INTEGER NOT NULL,
        highest INTEGER NOT NULL, since INTEGER, noticed INTEGER,
        PRIMARY KEY (rule, target)) STRICT, WITHOUT ROWID;
    CREATE TABLE told (rule TEXT, target TEXT, channel TEXT, level INTEGER NOT NULL,
        PRIMARY KEY (rule, target, channel)) STRICT, WITHOUT ROWID;
    CREATE TABLE notices (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, facts TEXT NOT NULL)
        STRICT;
    CREATE TABLE deliveries (number INTEGER, channel TEXT, state TEXT NOT NULL,
        attempts INTEGER NOT NULL, tried_at INTEGER, last_error TEXT, done_at INTEGER,
        PRIMARY KEY (number, channel)) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_pending ON deliveries (number) WHERE state = 'pending';
    CREATE TABLE timers (kind TEXT, key TEXT, saved INTEGER NOT NULL, elapsed INTEGER NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE windows (target TEXT, metric TEXT, span INTEGER, number INTEGER,
        start INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (target, metric, span, number)) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE told ADD COLUMN highest INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE deliveries ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE attempts (number INTEGER, channel TEXT, attempt INTEGER, at INTEGER NOT NULL,
        status TEXT, answer TEXT, answered INTEGER,
        PRIMARY KEY (number, channel, attempt)) STRICT, WITHOUT ROWID;
    CREATE INDEX notices_by_time ON notices (at);
    CREATE TABLE silences (number INTEGER PRIMARY KEY, begins INTEGER NOT NULL,
        ends INTEGER NOT NULL, globs TEXT NOT NULL, over INTEGER NOT NULL) STRICT;
    """,
)
"""Entry n leads from schema version n to n + 1; an entry that was released is never edited."""


DATABASE = "marginwatch.db"


def take(data_dir: Path) -> int:
    """Take the folder for this process; the descriptor holds it until it is closed."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise StoreUnusable(
            f"data_dir {data_dir} cannot be used: {exc.strerror}.\n"
            "Name a folder in the configuration that this user may write to."
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        owner = (os.pread(lock, 64, 0).decode(errors="replace").split() or ["unknown"])[0]
        os.close(lock)
        raise StoreInUse(
            f"data_dir {data_dir} is in use by another marginwatch (pid {owner}).\n"
            "Stop that one first, or give this one a data_dir of its own."
        ) from exc
    return lock


class Noted(NamedTuple):
    """What the lock file holds beside the database, for when that cannot be written."""

    number: int = 0
    """The highest number of a notice that was handed out from memory; 0: none."""
    unwritten: bool = False
    """Whether messages were sent whose attempt was not written: what waits may have arrived."""


def read_noted(lock: int) -> Noted:
    """Read what an earlier life noted in the lock file."""
    words = os.pread(lock, 64, 0).split()
    if len(words) < 2 or not words[1].isdigit():  # "PID NUMBER", or "PID NUMBER unwritten"
        return Noted()
    return Noted(int(words[1]), unwritten=len(words) > 2)


def note(lock: int, noted: Noted) -> None:
    """Note this, and this process, in the lock file."""
    # In place and of one length, so that it works on a full disk too.
    mark = "unwritten" if noted.unwritten else ""
    os.pwrite(lock, f"{os.getpid():<20}{noted.number:>20} {mark:<10}\n".encode(), 0)


def _look(path: Path, known: int) -> None:
    """Look at the file's header without SQLite, which would already touch what is beside it."""
    try:
        with path.open("rb") as file:
            header = file.read(64)
    except FileNotFoundError:
        return
    if header and not header.startswith(b"SQLite format 3\0"):
        # SQLite would delete the -wal of such a file, and with it what was not yet copied.
        raise _Corrupt("file is not a database")
    version = int.from_bytes(header[60:64], "big")
    if version > known:
        _refuse(path, version, known)


def _refuse(path: Path, version: int, known: int) -> None:
    raise StoreUnusable(
        f"{path} was written by a newer marginwatch (schema {version}, this one knows {known});"
        " nothing was touched.\nRun the newer version, or give this one a data_dir of its own."
    )


class _Corrupt(sqlite3.DatabaseError):
    """The check of a database found a fault."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _check(database: sqlite3.Connection) -> None:
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _Corrupt(verdict)


def _read(database: sqlite3.Connection) -> int | None:
    """Read all that the next run relies on; tell when an unannounced replacement was made."""
    try:
        return read_all(database)
    except UNREADABLE as exc:
        raise _Corrupt(f"a row cannot be read: {type(exc).__name__}") from exc
    except sqlite3.OperationalError as exc:
        if getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF != sqlite3.SQLITE_ERROR:
            raise  # the disk, not what is on it
        # No such column, or a text that is none: the check above does not look at either.
        raise _Corrupt("a row cannot be read") from exc


def _connect(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open the database, checked and brought to the newest schema."""
    _look(path, len(migrations))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA busy_timeout = 1000")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            _refuse(path, version, len(migrations))
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        _check(database)
        for number, script in enumerate(migrations[version:], version + 1):
            database.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the version is in the file's header
    except BaseException:
        database.close()
        raise
    return database


def _is_corrupt(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF  # the rest says what kind of corrupt
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _set_aside(path: Path, utc: int) -> tuple[Path, int]:
    """Move a corrupt database away; return where to, and the next number it tells."""
    aside = path.with_name(f"{path.name}.corrupt-{utc}")
    # With its -wal and -shm, or committed rows are lost; itself last, so that a crash in between
    # leaves no -wal beside a new file.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    numbers = [0]
    for query in ("SELECT max(value) FROM meta", "SELECT max(number) + 1 FROM notices"):
        with contextlib.suppress(
            sqlite3.Error, ValueError, TypeError
        ):  # all that it tells is doubtful
            old = sqlite3.connect(f"{aside.absolute().as_uri()}?mode=ro", uri=True)
            with contextlib.closing(old):
                numbers.append(int(old.execute(query).fetchone()[0] or 0))
    return aside, max(numbers) or utc // 1000


def drop(path: Path) -> None:
    """Delete a database with all that belongs to it."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def open_or_renew(
    path: Path, utc: int, migrations: Sequence[str]
) -> tuple[sqlite3.Connection, tuple[Remark, ...]]:
    """Open the database; one that is corrupt is set aside and begun anew, with a remark."""
    try:
        try:
            database, since = _opened(path, migrations)
            return database, () if since is None else (_remark(path, since),)
        except UnicodeDecodeError:  # of an error message of SQLite that quotes the schema
            fault = "its schema is no text"
        except sqlite3.DatabaseError as exc:
            if not _is_corrupt(exc):
                raise
            fault = str(exc)
        aside, number = _set_aside(path, utc)
        database = _connect(path, migrations)
        database.execute("BEGIN IMMEDIATE")
        database.execute(*next_number(number))
        database.execute(*replaced(utc))  # whoever is killed before it is told of tells it later
        database.execute("COMMIT")
    except (sqlite3.Error, OSError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise StoreUnusable(
            f"{path} cannot be used: {why}.\nSee to free space and to who may write there."
        ) from exc
    text = f"{path} was corrupt ({fault}); it is kept as {aside.name}, numbers go on from {number}"
    return database, (Remark("error", text, "store_replaced"),)


def _opened(path: Path, migrations: Sequence[str]) -> tuple[sqlite3.Connection, int | None]:
    """Open the database and read it; close it where it cannot be read."""
    database = _connect(path, migrations)
    try:
        # Of a schema before the newest, as tests have it, not all can be read.
        return database, _read(database) if len(migrations) >= len(MIGRATIONS) else None
    except BaseException:
        database.close()
        raise


def _remark(path: Path, utc: int) -> Remark:
    """Say that an earlier opening began the database anew, and nobody was told."""
    text = f"{path} was corrupt; it is kept as {path.name}.corrupt-{utc}"
    return Remark("error", text, "store_replaced")
