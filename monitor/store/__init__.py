"""What must survive a restart: one SQLite file, one writer, nothing acknowledged before it is safe.

    commit() ─┐
    attempted() ─ backlog (in order) ─▶ run(): everything waiting in ONE transaction ─▶ woken
    settled() ─┘                          │ refused or late: CommitFailed for the caller;
                                          └ the entry stays, and is written in order later

- An entry leaves the backlog only when it is on disk. Each is a list of statements that may run
  twice with the same result, since a commit that reported a fault may have happened all the same.
- The highest number handed out from memory is also noted in the lock file, so that a number is
  never used twice even when the program dies before the disk works again; and that messages were
  sent whose attempt is not written, so that what waits then is not sent again without its mark.
- Not here: who is told what (`core.routing`), and when something is sent (`outbox`).

The only room that imports sqlite3; `records` says what a row holds, `folder` opens the file.
Times are whole milliseconds UTC.
"""

import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, Self

import trio

from monitor.core.events import Remark
from monitor.core.notices import Changes, Saved
from monitor.errors import CommitFailed, StoreUnusable
from monitor.store.folder import (
    DATABASE,
    MIGRATIONS,
    Noted,
    drop,
    note,
    open_or_renew,
    read_noted,
    take,
)
from monitor.store.history import Told as ToldOf
from monitor.store.history import told_about, told_since
from monitor.store.reading import Undelivered, read_saved, read_undelivered
from monitor.store.records import (
    Statement,
    Try,
    answered,
    attempted,
    doubted,
    forgotten,
    over,
    statements,
)

__all__ = ["InThread", "Store", "Undelivered"]

InThread = Callable[..., Awaitable[Any]]
"""As `trio.to_thread.run_sync`; tests in virtual time pass one that stays on the loop."""

_FAULTS = (sqlite3.Error, OverflowError, ValueError)  # the latter two: no such value can be kept


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
    PIECE = 1000
    """Notices that are forgotten in one transaction."""

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
        self._noted = Noted()
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
        lock = take(data_dir)
        path = data_dir / DATABASE
        try:
            if anew:
                drop(path)
            noted = Noted() if anew else read_noted(lock)
            database, remarks = open_or_renew(path, utc, migrations)
            note(lock, noted)
        except BaseException:
            os.close(lock)
            raise
        store = cls(database, path, lock, remarks, in_thread=in_thread, scale=scale)
        store._noted = noted
        if noted.unwritten:
            store._backlog.append(_Entry([doubted()], 0))
            store._work.set()
        return store

    # -------------------------------------------------------------- reading, at the start

    def saved(self) -> Saved:
        """Read what an earlier run left behind; blocks, for the start of the program."""
        return read_saved(self._database, self._noted.number)

    def undelivered(self) -> list[Undelivered]:
        """Read what channels have yet to hear, by rising number; blocks, likewise."""
        found = read_undelivered(self._database)
        if not self._noted.unwritten:
            return found
        # The last life sent from memory and was killed: any of these may have arrived.
        return [one._replace(attempts=max(1, one.attempts)) for one in found]

    def waiting(self) -> dict[str, int]:
        """Count what each channel has yet to hear; blocks, likewise."""
        rows = self._database.execute(
            "SELECT channel, count(*) FROM deliveries WHERE state = 'pending' GROUP BY channel"
        )
        return dict(rows.fetchall())

    def history(self, since: int, channel: str | None = None) -> Iterator[ToldOf]:
        """Read the notices from an instant on, by number; blocks, for commands beside a service."""
        return told_since(self._database, since, channel)

    def about(self, rule: str, account: str, name: str, side: str, most: int) -> list[ToldOf]:
        """Read the latest notices of a rule about a target; blocks, likewise (`told_about`)."""
        return told_about(self._database, rule, account, name, side, most)

    # -------------------------------------------------------------- writing

    def keep(self, changes: Changes) -> None:
        """Keep changes at once; blocks, for commands that have the folder to themselves.

        Raises:
            StoreUnusable: They cannot be written.
        """
        try:
            self._transact([_Entry(tuple(statements(changes)), 0)])
        except _FAULTS as exc:
            raise StoreUnusable(f"{self._path} cannot be written: {exc}.") from exc

    async def commit(self, changes: Changes) -> None:
        """Keep changes, all in one transaction; return when they are on disk.

        Raises:
            CommitFailed: Not yet on disk. They are written, in order, when the disk works again.
        """
        number = max((notice.number for notice in changes.notices), default=0)
        await self._append(tuple(statements(changes)), number)

    async def attempted(self, tries: Sequence[Try], channel: str, at: int) -> None:
        """Keep that a message begins to be sent, so that a crash in it is known of; as `commit`."""
        try:
            await self._append(tuple(attempted(tries, channel, at)))
        except CommitFailed:
            self._note(self._noted._replace(unwritten=True))
            raise

    async def answered(
        self, tries: Sequence[Try], channel: str, status: str, at: int, answer: str = ""
    ) -> None:
        """Keep what became of a message: `sent`, `refused` or `unknown`; raises as `commit`."""
        await self._append(tuple(answered(tries, channel, status, at, answer)))

    async def died(self, number: int, channel: str, at: int, why: str) -> None:
        """Keep that a delivery is given up; raises as `commit`."""
        await self._append([over(number, channel, "dead", at, why)])

    async def forget(self, before: int) -> int:
        """Delete what was told before an instant (unix milliseconds), all but what still waits.

        Returns:
            How many notices were deleted.

        Raises:
            CommitFailed: As `commit`; what was deleted until then stays so.
        """
        deleted = 0
        while True:
            try:
                count = await self._in_thread(self._count_before, before, limiter=self._one)
            except sqlite3.Error as exc:
                raise CommitFailed(f"{self._path}: cannot be read: {exc}") from exc
            if not count:
                return deleted
            # In pieces: whoever waits for a commit meanwhile waits for one piece.
            await self._append(tuple(forgotten(before, self.PIECE)))
            deleted += min(count, self.PIECE)

    def _count_before(self, before: int) -> int:
        (count,) = self._database.execute(
            "SELECT count(*) FROM notices WHERE at < ? AND NOT EXISTS (SELECT 1 FROM deliveries"
            " WHERE deliveries.number = notices.number AND state = 'pending')",
            (before,),
        ).fetchone()
        return int(count)

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
            self._note(self._noted._replace(number=max(number, self._noted.number)))
            raise CommitFailed(
                f"{self._path}: cannot be written: {entry.fault}."
                " It is tried again; meanwhile messages are sent from memory."
            )

    def _note(self, noted: Noted) -> None:
        if noted != self._noted:
            self._noted = noted
            with contextlib.suppress(OSError):  # a second safety, on a disk that is in trouble
                note(self._lock, noted)

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
            if not self._backlog:
                self._note(self._noted._replace(unwritten=False))
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
        if not self._backlog:
            self._note(self._noted._replace(unwritten=False))
        os.close(self._lock)
        return len(self._backlog)

    def _finish(self) -> None:
        with contextlib.closing(self._database), contextlib.suppress(*_FAULTS):
            self._transact(self._backlog)
            self._backlog.clear()
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
