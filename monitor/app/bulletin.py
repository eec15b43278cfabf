"""What the log hears of each account: what it holds, and whether it is seen.

- Once at the start: what it holds; or, after five seconds, why that cannot be said yet.
- Whenever it is lost from sight, why; and when it is seen again, for how long it was not.
- Every five minutes: one line, whatever it is.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC

import trio

from monitor.core.blindness import gaps, why
from monitor.core.events import KeyWasRejected, Now, PollAnswered
from monitor.core.formats import span
from monitor.core.introduction import held, introduction
from monitor.core.portfolio import Account

INTRODUCE_AFTER = 5.0
"""Seconds after which an account that has not answered is said not to have."""

EVERY = 300_000
"""Milliseconds between two lines about an account."""

LOOK = 1.0
"""Seconds, before scale, between two looks at whether accounts are seen."""


class Bulletin:
    """Says in the log how the accounts stand.

    Args:
        accounts: What is believed of each account, by name.
        trouble: Says what stands in the way of an account's connections; "" where nothing does.
        now: Tells the time.
        log: Where it is said.
        scale: Of real work.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        trouble: Callable[[str], str],
        now: Callable[[], Now],
        log: logging.Logger,
        scale: float,
    ) -> None:
        self._accounts = accounts
        self._trouble = trouble
        self._now = now
        self._log = log
        self._scale = scale
        self._unheard = dict.fromkeys(accounts, "it has not answered yet")
        self._stale_since: dict[str, int | None] = {}
        """Of each account that was seen: since when it is no longer (ticks), as the log says."""

    def note(self, event: PollAnswered | KeyWasRejected) -> None:
        """Say once what an account holds, or keep why that cannot be said."""
        if event.account not in self._unheard:
            return
        if isinstance(event, KeyWasRejected):
            self._unheard[event.account] = f"the exchange rejects its key: {event.message}"
            return
        account = self._accounts[event.account]
        if account.first_poll_done:
            del self._unheard[event.account]
            self._log.info("%s", introduction(account, self._now()))
        elif account.contradiction:
            reason = f"its answers contradict each other: {account.contradiction}"
            self._unheard[event.account] = reason
        elif not event.complete:
            self._unheard[event.account] = "a part of what it was asked is not answered"

    async def run(self) -> None:
        """Say how accounts stand until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._introduce_the_silent)
            nursery.start_soon(self._watch)

    async def _introduce_the_silent(self) -> None:
        await trio.sleep(INTRODUCE_AFTER * self._scale)
        for name, unheard in self._unheard.items():
            reason = self._trouble(name) or unheard
            self._log.warning("%s: cannot be watched yet: %s; trying on", name, reason)

    async def _watch(self) -> None:
        due = self._now().ticks + EVERY
        while True:
            await trio.sleep(LOOK * self._scale)
            for account in self._accounts.values():
                self._note_change(account)
            if self._now().ticks >= due:
                due = self._now().ticks + EVERY
                for account in self._accounts.values():
                    self._log.info("%s", self._standing(account))
                    await trio.lowlevel.checkpoint()  # many accounts take a while to put in words

    def _note_change(self, account: Account) -> None:
        name, since = account.name, account.stale_since
        if name not in self._stale_since:
            if since is None:
                self._stale_since[name] = None  # seen for the first time, which was said
            return
        before, self._stale_since[name] = self._stale_since[name], since
        if since is not None and before is None:
            self._log.warning("%s: lost from sight: %s", name, self._missing(account))
        elif since is None and before is not None:
            now = self._now()
            lasted = span(now.ticks - before)
            self._log.info("%s: seen again after %s: %s", name, lasted, held(account, now))

    def _standing(self, account: Account) -> str:
        now = self._now()
        if account.stale_since is None:
            age = span(now.ticks - account.data_since())
            return f"{introduction(account, now)}, numbers {age} old"
        blind = span(now.ticks - account.stale_since)
        return f"{account.name}: not seen for {blind}: {self._missing(account)}"

    def _missing(self, account: Account) -> str:
        now = self._now()
        reasons = [why(gaps(account, now), now.utc, UTC), self._trouble(account.name)]
        return "; ".join(filter(None, reasons)) or "no fresh numbers"
