"""A copy of the database while it is in use, or while it is not.

    connection of its own ── snapshot ──▶ FILE.part, a piece at a time ──▶ checked ──▶ FILE

The copy is made from outside the service: with a write-ahead log a reader keeps its snapshot for as
long as it likes, and no commit waits for it. So it works beside a service that hangs, needs nothing
of a service that may write nowhere else, and belongs to whoever asked for it. Nothing is
overwritten, and there is no FILE until it is whole, checked and on disk.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from monitor.errors import BackupFailed, StoreInUse
from monitor.store.folder import DATABASE, MIGRATIONS, take

PIECE = 256
"""Pages, of 4 KiB each, that are read at a time."""
PAUSE = 0.005
"""Seconds between two pieces: the disk is the service's first."""
STARTING = 3.0
"""Seconds that a service whose folder is locked may take until it has opened its database."""
AHEAD = 100_000
"""So many numbers of notices the copy leaves out: what is told after it was made is never told
again under the same number by a service that goes on from the copy."""

Progress = Callable[[int, int], None]
"""Hears how many bytes are copied, and of how many."""


class Copied(NamedTuple):
    """What is in a copy."""

    size: int
    """Bytes."""
    notices: int
    last: int
    """The highest number of a notice; 0: there is none."""


def back_up(data_dir: Path, file: Path, tell: Progress = lambda _done, _of: None) -> Copied:
    """Copy the database of a folder, whether a service runs in it or not; blocks.

    Args:
        data_dir: The folder.
        file: Where the copy goes.
        tell: Hears how far it is, after each piece.

    Raises:
        BackupFailed: The file exists, it cannot be written, or the database cannot be read or is
            damaged. Nothing is left behind.
    """
    try:
        (data_dir / DATABASE).stat()
    except FileNotFoundError:
        raise BackupFailed(
            f"there is nothing to back up: no service ever ran in {data_dir}."
        ) from None
    except OSError as exc:
        raise BackupFailed(
            f"data_dir {data_dir} cannot be read: {exc.strerror}.\n"
            "Run this as the user of the service, or as root."
        ) from exc
    if os.path.lexists(file):
        raise BackupFailed(f"{file} exists; a backup overwrites nothing. Name another file.")
    part = file.with_name(f"{file.name}.part")
    with _begun(part), contextlib.ExitStack() as cleaning:
        cleaning.callback(_remove, part)
        try:
            with _source(data_dir) as source:
                copied = _copy(source, part, tell)
            _finish(part, file)
        except (sqlite3.Error, OSError) as exc:
            raise BackupFailed(f"{file} is not written: {_why(exc)}.") from exc
    return copied._replace(size=file.stat().st_size)


def _why(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


def _remove(part: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)


@contextmanager
def _begun(part: Path) -> Generator[None]:
    """Make the file that is written, for its owner alone, and hold it against another backup."""
    try:
        held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise BackupFailed(f"{part} cannot be written: {exc.strerror}.") from exc
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise BackupFailed(f"another backup is writing {part}.") from exc
        # What a backup that was killed left behind is of no use.
        os.fchmod(held, 0o600)
        os.ftruncate(held, 0)
        for suffix in ("-journal", "-wal", "-shm"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)
        yield
    finally:
        os.close(held)


@contextmanager
def _source(data_dir: Path) -> Generator[sqlite3.Connection]:
    """Open what is copied: beside the service, or with the folder locked against one."""
    deadline = time.monotonic() + STARTING
    while True:
        try:
            lock = take(data_dir)
        except StoreInUse:
            lock = None
        try:
            database = _open(data_dir / DATABASE, "ro" if lock is None else "rw")
        except sqlite3.OperationalError:
            if lock is not None:
                os.close(lock)
            if lock is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # noqa: TID251 - no loop runs here; it is starting, or ending
            continue
        try:
            with closing(database):
                yield database
        finally:
            if lock is not None:
                os.close(lock)
        return


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database and begin its snapshot."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    try:
        database.isolation_level = None
        database.execute("PRAGMA busy_timeout = 1000")
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _copy(source: sqlite3.Connection, part: Path, tell: Progress) -> Copied:
    (size,) = source.execute("PRAGMA page_size").fetchone()

    def progress(_status: int, left: int, pages: int) -> None:
        tell((pages - left) * size, pages * size)
        if left:
            time.sleep(PAUSE)  # noqa: TID251 - no loop runs here

    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        source.backup(copy, pages=PIECE, progress=progress)
        # One file that stands alone: whoever opens it as a store makes a write-ahead log again.
        copy.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the database is damaged: {verdict}")
        (version,) = copy.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise sqlite3.DatabaseError("the database is of a newer marginwatch; use that one")
        copy.execute(
            "INSERT INTO meta VALUES ('next_number', 1 + ?1)"
            " ON CONFLICT (key) DO UPDATE SET value = value + ?1",
            (AHEAD,),
        )
        count, last = copy.execute("SELECT count(*), max(number) FROM notices").fetchone()
    return Copied(0, count, last or 0)


def _finish(part: Path, file: Path) -> None:
    """Let the copy be on disk, and only then under its name; never over another file."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    try:
        os.link(part, file)  # a rename would replace a file that came meanwhile
    except OSError:
        if os.path.lexists(file):
            raise
        part.rename(file)  # a file system without links
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
