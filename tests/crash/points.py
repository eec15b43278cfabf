"""Named points of the transaction and of the send, at which a life kills itself.

Nothing in the program knows of them: the forked child wraps what is named in the table below, and
then is the program. Of SQLite and of HTTP it is the standard library's classes that are wrapped.
"""

import functools
import http.client
import inspect
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import trio

from monitor.app import Doors
from monitor.outbox import Outbox
from monitor.store import Store

# ------------------------------------------------------------------ every name of the program

COMMIT = (Store, "commit")
"""Is handed what a turn of the engine wants kept, as an object with `notices`."""
ADD = (Outbox, "add")
"""Is handed the notices that are on disk, as its first argument."""
PATIENCE = (Store, "PATIENCE")
"""Seconds after which a message is sent though it is not on disk: a busy machine is no fault."""
NOTICE = re.compile(r"INSERT\b.*\bINTO notices\b", re.DOTALL)
ATTEMPTED = re.compile(r"\bdeliveries\b.*\bSET\b(?:(?!\bWHERE\b).)*\battempts\s*=", re.DOTALL)
SETTLED = re.compile(r"\bdeliveries\b.*\bSET\b(?:(?!\bWHERE\b).)*\bstate\s*=", re.DOTALL)

POINTS = {
    # The transaction that keeps a notice.
    "before BEGIN": [(1, 1)],
    "after BEGIN": [(1, 1)],
    "between two statements": [(1, 1)],
    "before COMMIT": [(1, 1)],
    "after COMMIT, before the caller knows": [(1, 1)],
    "after the caller knows, before the outbox has it": [(1, 1)],
    # The send.
    "before the attempt is on disk": [(1, 1)],
    "after the attempt is on disk": [(1, 2)],
    "before the request is written": [(1, 2)],
    "after half of the request is written": [(1, 2)],
    "after the request is written, before the answer": [(1, 1), (1, 2)],
    "after the answer": [(1, 1), (1, 2)],
    "before the outcome is on disk": [(1, 1), (1, 2)],
    "after the outcome is on disk": [(1, 1)],
}
"""Every point, and what one channel receives of one notice, #1, when a life is killed there and
another goes on: (number, attempt) of each message."""


def prepare(seed: int) -> None:
    """Make a forked life one of its own: it would draw the numbers that its siblings draw."""
    inspect.signature(Doors).parameters["rng"].default.seed(seed)
    trio._core._run._r.seed(seed)
    assert isinstance(getattr(*PATIENCE), float)
    setattr(*PATIENCE, 60.0)


def arm(point: str, passing: int, port: int) -> None:
    """Have this process killed when it passes a point.

    Args:
        point: One of `POINTS`.
        passing: Which time, counted from 1.
        port: Where channels post to: other requests are not meant.
    """
    assert point in POINTS, point
    killer = _Killer(point, passing)
    _watch_commits(killer)
    _watch_statements(killer)
    _watch_requests(killer, port)


class _Killer:
    def __init__(self, point: str, passing: int) -> None:
        self._point, self._left = point, passing
        self._lock = threading.Lock()
        self.coming = 0
        """How many notices have been handed to the store."""

    def passes(self, point: str) -> None:
        """Die here, if this is the point and the time."""
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # noqa: TID251 - whatever is left of this life does nothing


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Put `around(whole, …)` in the place of a method."""
    whole = getattr(owner, name)

    @functools.wraps(whole)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(whole, *args, **kwargs)

    setattr(owner, name, wrapped)


def _watch_commits(killer: _Killer) -> None:
    def commit(whole: Any, store: Any, changes: Any, *args: Any) -> Any:
        killer.coming += len(changes.notices)
        return whole(store, changes, *args)

    def add(whole: Any, outbox: Any, notices: Any, *args: Any) -> Any:
        if notices:
            killer.passes("after the caller knows, before the outbox has it")
        return whole(outbox, notices, *args)

    _wrap(*COMMIT, commit)
    _wrap(*ADD, add)


def _watch_statements(killer: _Killer) -> None:
    class Connection(sqlite3.Connection):
        """A connection that dies at a statement."""

        seen: frozenset[str] = frozenset()
        """What the present transaction has kept."""

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            return self._passed(sql, super().execute, *args)

        def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
            return self._passed(sql, super().executemany, *args)

        def _passed(self, sql: str, run: Callable[..., Any], *args: Any) -> sqlite3.Cursor:
            self._before(sql)
            cursor: sqlite3.Cursor = run(sql, *args)
            self._after(sql)
            return cursor

        def _before(self, sql: str) -> None:
            if sql.startswith("BEGIN") and killer.coming:
                killer.passes("before BEGIN")
            elif ATTEMPTED.search(sql):
                killer.passes("before the attempt is on disk")
            elif SETTLED.search(sql):
                killer.passes("before the outcome is on disk")
            elif sql == "COMMIT" and "notice" in self.seen:
                killer.passes("before COMMIT")

        def _after(self, sql: str) -> None:
            if sql.startswith("BEGIN"):
                self.seen = frozenset()
                if killer.coming:
                    killer.passes("after BEGIN")
            elif NOTICE.search(sql):
                self.seen |= {"notice"}
                killer.passes("between two statements")
            elif ATTEMPTED.search(sql):
                self.seen |= {"attempt"}
            elif SETTLED.search(sql):
                self.seen |= {"outcome"}
            elif sql == "COMMIT":
                if "notice" in self.seen:
                    killer.passes("after COMMIT, before the caller knows")
                if "attempt" in self.seen:
                    killer.passes("after the attempt is on disk")
                if "outcome" in self.seen:
                    killer.passes("after the outcome is on disk")

    connect: Any = functools.partial(sqlite3.connect, factory=Connection)
    sqlite3.connect = connect


def _watch_requests(killer: _Killer, port: int) -> None:
    begun: set[int] = set()

    def send(whole: Any, connection: Any, data: Any) -> Any:
        if connection.port != port:
            return whole(connection, data)
        first = id(connection) not in begun
        begun.add(id(connection))
        if first:
            killer.passes("before the request is written")
        answer = whole(connection, data)
        if first:  # the headers; the text is another write
            killer.passes("after half of the request is written")
        return answer

    def getresponse(whole: Any, connection: Any, *args: Any) -> Any:
        if connection.port != port:
            return whole(connection, *args)
        begun.discard(id(connection))
        killer.passes("after the request is written, before the answer")
        answer = whole(connection, *args)
        killer.passes("after the answer")
        return answer

    _wrap(http.client.HTTPConnection, "send", send)
    _wrap(http.client.HTTPConnection, "getresponse", getresponse)
