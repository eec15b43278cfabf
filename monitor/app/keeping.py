"""What is kept on disk, and what is told of a disk that takes nothing."""

import logging
from collections.abc import Callable
from typing import NoReturn

import trio

from monitor.core.events import Now, StoreFailed
from monitor.core.notices import Changes
from monitor.errors import CommitFailed
from monitor.store import Store

TIDY_EVERY = 6 * 3600.0
"""Seconds between two looks for notices that are older than `keep_history`."""


class Keeping:
    """Commits what follows from events.

    Args:
        store: Open.
        tell: Hears, once, that it cannot be written.
        log: Where that is said, and that it is over.
    """

    def __init__(
        self, store: Store, *, tell: Callable[[StoreFailed], None], log: logging.Logger
    ) -> None:
        self._store = store
        self._tell = tell
        self._log = log
        self.failing = False
        """Whether the last commit failed: what is new is in memory only."""

    async def commit(self, changes: Changes) -> None:
        """Keep changes, in memory where the disk does not take them."""
        try:
            await self._store.commit(changes)
        except CommitFailed as exc:
            if not self.failing:
                self._log.error("store failing: %s", exc)
                self._tell(StoreFailed(str(exc)))
            self.failing = True
        else:
            if self.failing:
                self._log.warning("the store works again; everything is written")
            self.failing = False

    async def forget(self, now: Callable[[], Now], keep: int) -> NoReturn:
        """Keep the history to its length; looked at now, and then every few hours.

        Args:
            now: Tells the time.
            keep: Milliseconds for which notices are kept.
        """
        while True:
            try:
                deleted = await self._store.forget(now().utc - keep)
            except CommitFailed as exc:
                self._log.debug("the history was not shortened: %s", exc)
            else:
                if deleted:
                    self._log.info("%d notices are older than keep_history, forgotten", deleted)
            await trio.sleep(TIDY_EVERY)
