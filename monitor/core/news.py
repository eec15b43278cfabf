"""From events to what is told of them without a level: each happening once, by the `Teller`.

What happens to accounts is found out by `chronicle.py` and `happenings.py`. Here is what happens to
keys, to this machine's address, and to this program itself.
"""

from collections.abc import Iterable, Mapping

from monitor.core.chronicle import Chronicle
from monitor.core.events import (
    AccountChanged,
    AddressBanned,
    ForcedOrderSeen,
    KeyWasAccepted,
    KeyWasRejected,
    LeverageChanged,
    MarginCalled,
    Now,
    PollAnswered,
    ReloadRefused,
    Remark,
)
from monitor.core.happenings import Happening, Known, called, forced
from monitor.core.merging import Touched
from monitor.core.notices import Saved, Target, TimerRecord
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.telling import Teller

_PROCESS = Target("")
_SAME_BAN = 300_000
"""Milliseconds after a ban's end in which another one goes on with it: one that tells no end is
tried again and again, and nobody has been served meanwhile."""


class News:
    """Tells what happens.

    Args:
        teller: Who makes notices of it.
        accounts: Every account, by name.
        saved: What an earlier run left behind.
        now: The instant at which the watch begins.
        outcome: Where what is to be forgotten is written.
    """

    def __init__(
        self,
        teller: Teller,
        accounts: Mapping[str, Account],
        saved: Saved,
        now: Now,
        outcome: Outcome,
    ) -> None:
        self._teller = teller
        self._accounts = accounts
        self._known = Known()
        self._known.restore(saved.timers, now, outcome.timers)
        held = {record.key: record for record in saved.timers if record.kind == "held"}
        for name in held.keys() - accounts.keys():
            outcome.timers["held", name] = held[name]._replace(body=None)
        self._chronicles = {
            name: Chronicle(account, self._known, held[name].body if name in held else None)
            for name, account in accounts.items()
        }
        self._rejected: set[str] = set()
        bans = [int(record.body or 0) for record in saved.timers if record.kind == "banned"]
        self._banned_until = 0
        self._bar(max(bans, default=0))
        self._stretched: dict[str, int] = {}
        """Per account whose polls are stretched: how far apart they come, in milliseconds."""

    def _tell(self, happenings: Iterable[Happening], now: Now, outcome: Outcome) -> None:
        for happening in happenings:
            self._teller.happen(happening, now, outcome)

    # ------------------------------------------------------------ accounts

    def changed(self, event: AccountChanged, now: Now, outcome: Outcome) -> None:
        """Tell what an ACCOUNT_UPDATE tells; before it is applied."""
        chronicle = self._chronicles[event.account]
        self._tell(chronicle.changed(event, now, outcome.timers), now, outcome)

    def leverage(self, event: LeverageChanged, now: Now, outcome: Outcome) -> None:
        """Tell a new leverage setting; before it is applied."""
        self._tell(self._chronicles[event.account].leverage(event), now, outcome)

    def polled(
        self, poll: PollAnswered, now: Now, touched: Touched, outcome: Outcome, *, complete: bool
    ) -> None:
        """Tell what a poll found; after it was applied."""
        chronicle = self._chronicles[poll.account]
        found = chronicle.polled(poll, now, touched, outcome.timers, complete=complete)
        self._tell(found, now, outcome)

    def alarm(
        self, account: Account, event: MarginCalled | ForcedOrderSeen, now: Now, outcome: Outcome
    ) -> None:
        """Tell what the exchange itself raises an alarm with."""
        if isinstance(event, MarginCalled):
            found = called(event, self._known, now, outcome.timers)
        else:
            found = forced(account, event, self._known, now, outcome.timers)
        self._tell(found, now, outcome)

    def key(self, event: KeyWasRejected | KeyWasAccepted, now: Now, outcome: Outcome) -> None:
        """Tell that a key is not served; once, until it is served again."""
        name = event.account
        account = self._accounts[name]
        if isinstance(event, KeyWasAccepted):
            account.key_refusal = ""
            self._rejected.discard(name)
            text = f"{name}: the exchange serves the key again"
            outcome.remarks.append(Remark("info", text))
            return
        account.key_refusal = f"{event.code} {event.message}"
        if name not in self._rejected:
            self._rejected.add(name)
            details = {"code": str(event.code), "message": event.message}
            self._tell([Happening("key_rejected", Target(name), details)], now, outcome)

    def stream_lost(self, name: str, why: str, now: Now, outcome: Outcome) -> None:
        """Tell that an account's user stream cannot be relied on."""
        self._tell([Happening("stream_lost", Target(name), {"why": why})], now, outcome)

    # ------------------------------------------------------------ the process

    def banned(self, event: AddressBanned, now: Now, outcome: Outcome) -> None:
        """Tell that this machine's address is banned: one ban once, however many run into it."""
        goes_on = now.utc < self._banned_until + _SAME_BAN
        until = max(event.until, self._banned_until)
        self._bar(until)
        outcome.timers["banned", ""] = TimerRecord("banned", "", now.utc, 0, str(until))
        if goes_on:
            return
        details = {"until": str(event.until), "message": event.message}
        self._tell([Happening("banned", _PROCESS, details)], now, outcome)

    def _bar(self, until: int) -> None:
        """Take until when (unix milliseconds) this machine's address is banned."""
        self._banned_until = until
        for account in self._accounts.values():
            account.banned_until = until

    def refused(self, event: ReloadRefused, now: Now, outcome: Outcome) -> None:
        """Tell that edited files are not taken, with the first thing that is wrong in them."""
        first = next((line for line in event.faults.splitlines() if line.strip()), "")
        self._tell([Happening("reload_refused", _PROCESS, {"why": first.strip()})], now, outcome)

    def paced(self, name: str, every: int, now: Now, outcome: Outcome, *, stretched: bool) -> None:
        """Take how far apart an account's polls come; told once until all are back to normal."""
        before = bool(self._stretched)
        if stretched:
            self._stretched[name] = every
        else:
            self._stretched.pop(name, None)
        if stretched and not before:
            details = {"every": f"{every / 1000:g}", "accounts": str(len(self._stretched))}
            self._tell([Happening("polls_stretched", _PROCESS, details)], now, outcome)
        elif before and not self._stretched:
            text = "polls of every account come as often as they should again"
            outcome.remarks.append(Remark("info", text))
