"""What must survive a restart: one SQLite file, one writer, nothing acknowledged before it is safe.

    commit() ─┐
    attempted() ─ backlog (in order) ─▶ run(): everything waiting in ONE transaction ─▶ woken
    settled() ─┘                          │ refused or late: CommitFailed for the caller;
                                          └ the entry stays, and is written in order later

- An entry leaves the backlog only when it is on disk. Each is a list of statements that may run
  twice with the same result, since a commit that reported a fault may have happened all the same.
- The highest number handed out from memory is also noted in the lock file, so that a number is
  never used twice even when the program dies before the disk works again.
- Not here: who is told what (`core.routing`), and when something is sent (`outbox`).

The only module that imports sqlite3. Times are whole milliseconds UTC.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, Self

import trio

from monitor.core.events import Remark
from monitor.core.notices import (
    AlertRecord,
    Changes,
    Grade,
    Notice,
    Reading,
    Saved,
    SwitchRecord,
    Target,
    TimerRecord,
    Told,
)
from monitor.core.rules import Severity
from monitor.errors import CommitFailed, StoreUnusable

InThread = Callable[..., Awaitable[Any]]
"""As `trio.to_thread.run_sync`; tests in virtual time pass one that stays on the loop."""
Statement = tuple[str, Sequence[object]]

_FAULTS = (sqlite3.Error, OverflowError, ValueError)  # the latter two: no such value can be kept

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
)
"""Entry n leads from schema version n to n + 1; an entry that was released is never edited."""


class Undelivered(NamedTuple):
    """A notice that a channel has yet to hear."""

    notice: Notice
    channel: str
    attempts: int
    """How often it was attempted before; it may have arrived."""


# ------------------------------------------------------------------ facts ⇄ text


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


# ------------------------------------------------------------------ changes → statements


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
    return "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", (*key, told.level.value)


def _timer(timer: TimerRecord) -> Statement:
    if timer.body is None:
        return "DELETE FROM timers WHERE kind = ? AND key = ?", (timer.kind, timer.key)
    return "INSERT OR REPLACE INTO timers VALUES (?, ?, ?, ?, ?)", timer


def _next_number(number: int) -> Statement:
    sql = (
        "INSERT INTO meta VALUES ('next_number', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)"
    )
    return sql, (number,)


def _statements(changes: Changes) -> Iterator[Statement]:
    yield from map(_alert, changes.alerts)
    yield from map(_told, changes.told)
    yield from map(_timer, changes.timers)
    for notice in changes.notices:
        row = (notice.number, notice.at, notice_facts(notice))
        yield "INSERT OR IGNORE INTO notices VALUES (?, ?, ?)", row
    delivery_row = "INSERT OR IGNORE INTO deliveries VALUES (?, ?, 'pending', 0, NULL, NULL, NULL)"
    yield from ((delivery_row, delivery) for delivery in changes.deliveries)
    if changes.notices:
        yield _next_number(max(notice.number for notice in changes.notices) + 1)


# ------------------------------------------------------------------ the folder and its file


def _lock(data_dir: Path) -> int:
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
        raise StoreUnusable(
            f"data_dir {data_dir} is in use by another marginwatch (pid {owner}).\n"
            "Stop that one first, or give this one a data_dir of its own."
        ) from exc
    return lock


def _noted_number(lock: int) -> int:
    """Read the highest number that an earlier life noted in the lock file; 0: none."""
    words = os.pread(lock, 64, 0).split()
    return int(words[1]) if len(words) == 2 and words[1].isdigit() else 0  # "PID NUMBER"


def _note_number(lock: int, number: int) -> None:
    # In place and of one length, so that it works on a full disk too.
    os.pwrite(lock, f"{os.getpid():<20}{number:>20}\n".encode(), 0)


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
        with contextlib.suppress(sqlite3.Error):
            old = sqlite3.connect(f"{aside.absolute().as_uri()}?mode=ro", uri=True)
            with contextlib.closing(old):
                numbers.append(old.execute(query).fetchone()[0] or 0)
    return aside, max(numbers) or utc // 1000


def _drop(path: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open_or_renew(
    path: Path, utc: int, migrations: Sequence[str]
) -> tuple[sqlite3.Connection, tuple[Remark, ...]]:
    """Open the database; one that is corrupt is set aside and begun anew, with a remark."""
    try:
        try:
            return _connect(path, migrations), ()
        except sqlite3.DatabaseError as exc:
            if not _is_corrupt(exc):
                raise
            fault = str(exc)
        aside, number = _set_aside(path, utc)
        database = _connect(path, migrations)
        database.execute(*_next_number(number))
    except (sqlite3.Error, OSError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise StoreUnusable(
            f"{path} cannot be used: {why}.\nSee to free space and to who may write there."
        ) from exc
    text = f"{path} was corrupt ({fault}); it is kept as {aside.name}, numbers go on from {number}"
    return database, (Remark("error", text, "store_replaced"),)


# ------------------------------------------------------------------ the store


@dataclass(eq=False, slots=True)
class _Entry:
    """One thing to write, and whoever waits for it."""

    statements: Sequence[Statement]
    number: int
    """The highest notice number in it; 0: none."""
    answered: trio.Event = field(default_factory=trio.Event)
    fault: str = ""


class Store:
    """The database of one data_dir; made by `Store.open`, written by the task `run`.

    Args:
        database: The one connection; in use by one thread at a time.
        path: Its file, for messages.
        lock: The descriptor of the locked file.
        remarks: What the opening found worth a log line.
        in_thread: How a blocking call is made.
        scale: How much longer than usual a write may take (demo: its speed).
    """

    PATIENCE = 2.0
    """Seconds after which a commit counts as failed."""
    RETRY = 5.0
    """Seconds between two tries of a failing disk when nothing new arrives."""
    LAST_WRITE = 5.0
    """Seconds that the last write may take."""

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path,
        lock: int,
        remarks: tuple[Remark, ...],
        *,
        in_thread: InThread,
        scale: float,
    ) -> None:
        self.remarks = remarks
        self._database = database
        self._path = path
        self._lock = lock
        self._in_thread = in_thread
        self._scale = scale
        self._one = trio.CapacityLimiter(1)  # the connection is used by one thread at a time
        self._backlog: list[_Entry] = []  # unbounded: what is in it exists nowhere else
        self._work = trio.Event()
        self._noted = 0
        self._stuck = False
        self.failing = False
        """Whether the last write was refused or is overdue."""

    @classmethod
    def open(
        cls,
        data_dir: Path,
        *,
        utc: int,
        in_thread: InThread = trio.to_thread.run_sync,
        scale: float = 1.0,
        anew: bool = False,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> Self:
        """Lock the folder, then open what is in it; blocks, for the start of the program.

        Args:
            data_dir: Made (0700) where it does not exist.
            utc: Now, in unix milliseconds.
            in_thread: How a blocking call is made.
            scale: How much longer than usual a write may take.
            anew: Drop what an earlier run left, once the folder is ours (a dry run's own folder).
            migrations: The schema; another one in tests.

        Raises:
            StoreUnusable: Another process has it, it cannot be written, or it is of a newer schema.
        """
        lock = _lock(data_dir)
        path = data_dir / "marginwatch.db"
        try:
            if anew:
                _drop(path)
            noted = 0 if anew else _noted_number(lock)
            database, remarks = _open_or_renew(path, utc, migrations)
            _note_number(lock, noted)
        except BaseException:
            os.close(lock)
            raise
        store = cls(database, path, lock, remarks, in_thread=in_thread, scale=scale)
        store._noted = noted
        return store

    # -------------------------------------------------------------- reading, at the start

    def saved(self) -> Saved:
        """Read what an earlier run left behind; blocks, for the start of the program."""
        execute = self._database.execute
        next_number = "SELECT coalesce(max(value), 1) FROM meta WHERE key = 'next_number'"
        (number,) = execute(next_number).fetchone()
        return Saved(
            alerts=tuple(map(_read_alert, execute("SELECT * FROM alerts"))),
            told=tuple(
                Told(rule, Target(*json.loads(target)), channel, Severity(level))
                for rule, target, channel, level in execute("SELECT * FROM told")
            ),
            timers=tuple(TimerRecord(*row) for row in execute("SELECT * FROM timers")),
            next_number=max(number, self._noted + 1),
        )

    def undelivered(self) -> list[Undelivered]:
        """Read what channels have yet to hear, by rising number; blocks, likewise."""
        rows = self._database.execute(
            "SELECT number, at, facts, channel, attempts FROM deliveries JOIN notices"
            " USING (number) WHERE state = 'pending' ORDER BY number, channel"
        )
        return [Undelivered(read_notice(*row[:3]), *row[3:]) for row in rows]

    # -------------------------------------------------------------- writing

    async def commit(self, changes: Changes) -> None:
        """Keep changes, all in one transaction; return when they are on disk.

        Raises:
            CommitFailed: Not yet on disk. They are written, in order, when the disk works again.
        """
        number = max((notice.number for notice in changes.notices), default=0)
        await self._append(tuple(_statements(changes)), number)

    async def attempted(self, number: int, channel: str, attempt: int, at: int) -> None:
        """Keep that a send begins, so that a crash in it is known of; raises as `commit`."""
        sql = (
            "UPDATE deliveries SET attempts = max(attempts, ?), tried_at = ?"
            " WHERE number = ? AND channel = ?"
        )
        await self._append([(sql, (attempt, at, number, channel))])

    async def settled(
        self, number: int, channel: str, state: str, at: int, error: str | None = None
    ) -> None:
        """Keep that a delivery is over: `sent` or `dead`, and why; raises as `commit`."""
        sql = (
            "UPDATE deliveries SET state = ?, done_at = ?, last_error = ?"
            " WHERE number = ? AND channel = ?"
        )
        await self._append([(sql, (state, at, error, number, channel))])

    async def _append(self, statements: Sequence[Statement], number: int = 0) -> None:
        if not statements:
            await trio.lowlevel.checkpoint()
            return
        entry = _Entry(statements, number)
        self._backlog.append(entry)
        self._work.set()
        # A disk that hangs is waited for once, not by every caller anew.
        with trio.move_on_after(0 if self._stuck else self.PATIENCE * self._scale) as patience:
            await entry.answered.wait()
        if patience.cancelled_caught:
            self.failing = self._stuck = True
            entry.fault = f"it takes longer than {self.PATIENCE * self._scale:g} s"
        if entry.fault:
            self._note(number)
            raise CommitFailed(
                f"{self._path}: cannot be written: {entry.fault}."
                " It is tried again; meanwhile messages are sent from memory."
            )

    def _note(self, number: int) -> None:
        if number > self._noted:
            self._noted = number
            with contextlib.suppress(OSError):  # a second safety, on a disk that is in trouble
                _note_number(self._lock, number)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is appended, until cancelled; a write once begun ends."""
        task_status.started()
        while True:
            with trio.move_on_after(self.RETRY * self._scale if self.failing else inf):
                await self._work.wait()
            self._work = trio.Event()
            await self._write()

    async def _write(self) -> None:
        """Write the whole backlog in one transaction; what arrives meanwhile is the next one."""
        batch = list(self._backlog)
        try:
            await self._in_thread(self._transact, batch, limiter=self._one)
        except _FAULTS as exc:
            self.failing = True
            fault = str(exc)
        else:
            self.failing = False
            fault = ""
            del self._backlog[: len(batch)]
        self._stuck = False
        for entry in batch:
            entry.fault = fault
            entry.answered.set()

    def _transact(self, batch: Sequence[_Entry]) -> None:
        """Run in the thread: everything, or nothing."""
        execute = self._database.execute
        try:
            execute("BEGIN IMMEDIATE")
            for sql, values in chain.from_iterable(entry.statements for entry in batch):
                execute(sql, values)
            execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the first fault is the one to tell
                    execute("ROLLBACK")
            raise

    async def aclose(self) -> int:
        """Write what is left, tidy up and unlock; ends in bounded time, also when cancelled.

        Returns:
            How many entries the disk would not take: what they say is lost with this process.
        """
        with trio.move_on_after(self.LAST_WRITE * self._scale, shield=True):
            # Abandoned if the disk hangs: the process ends, and what is in the WAL is safe.
            await self._in_thread(self._finish, limiter=self._one, abandon_on_cancel=True)
        os.close(self._lock)
        return len(self._backlog)

    def _finish(self) -> None:
        with contextlib.closing(self._database), contextlib.suppress(*_FAULTS):
            self._transact(self._backlog)
            self._backlog.clear()
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _read_alert(row: tuple[Any, ...]) -> AlertRecord:
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
