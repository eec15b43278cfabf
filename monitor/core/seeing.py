"""Which accounts are seen: fresh or stale, since when, and when that has to be looked at again."""

from monitor.core.agenda import EXPIRE, Agenda
from monitor.core.events import Now
from monitor.core.notices import TimerRecord
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account

NOTED_EVERY = 60_000
"""Milliseconds between two notes that an account was seen fresh."""


class Seeing:
    """Tells fresh accounts from stale ones.

    Args:
        agenda: Where it waits for what turns stale.
        stale_after: Milliseconds from which a number is aged.
        forget_after: Milliseconds from which a number is not believed at all.
        poll_interval: Milliseconds between polls when nothing stretches them; 0: not known.
    """

    def __init__(
        self, agenda: Agenda, *, stale_after: int, forget_after: int, poll_interval: int
    ) -> None:
        self._agenda = agenda
        self._stale_after = stale_after
        self._forget_after = forget_after
        self._poll_interval = poll_interval
        self._noted: dict[str, int] = {}

    def look(self, account: Account, now: Now, outcome: Outcome) -> None:
        """Note whether an account is fresh, and when that will have to be looked at again."""
        fresh = (
            account.first_poll_done and not account.refused and now.ticks < account.fresh_until()
        )
        was_fresh = account.stale_since is None
        if fresh:
            account.stale_since = None
            if now.ticks - self._noted.get(account.name, -NOTED_EVERY) >= NOTED_EVERY:
                self._note(account, now, outcome)
        elif was_fresh:
            account.stale_since = now.ticks
            self._note(account, now, outcome)
        boundaries = (
            at + after
            for at in account.inputs()
            for after in (account.limit, self._forget_after)
            if at + after > now.ticks
        )
        self._agenda.put(("expire", account), min(boundaries, default=None), EXPIRE)

    def _note(self, account: Account, now: Now, outcome: Outcome) -> None:
        self._noted[account.name] = now.ticks
        outcome.timers["fresh", account.name] = TimerRecord("fresh", account.name, now.utc, 0, "")

    def pace(self, account: Account, every: int) -> bool:
        """Take how far apart polls come, in milliseconds.

        Returns:
            Whether its numbers stay fresh for longer than `stale_after`, because that is much.
        """
        usual = every <= self._poll_interval
        account.limit = self._stale_after if usual else max(self._stale_after, 3 * every)
        return account.limit > self._stale_after
