"""Whether user streams can be relied on: `trust.py` judges, here it is asked and told.

A stream is suspect where a poll changed what no event explained in time, and lost where no socket
has stood for `stale_after`. A planned replacement is neither.
"""

from collections.abc import Iterable

from monitor.core.agenda import REST, Agenda
from monitor.core.events import (
    AccountChanged,
    Now,
    Remark,
    StreamDistrusted,
    UserStreamFell,
    UserStreamStood,
)
from monitor.core.merging import Touched
from monitor.core.news import News
from monitor.core.outcome import Outcome
from monitor.core.trust import Trust


class Relying:
    """Follows the user stream of every account.

    Args:
        accounts: Their names.
        agenda: Where it waits for explanations and sockets.
        news: Tells that a stream is lost.
        now: The instant at which the watch begins.
        stale_after: Milliseconds that an account may be without a socket.
    """

    def __init__(
        self, accounts: Iterable[str], agenda: Agenda, news: News, now: Now, stale_after: int
    ) -> None:
        self._agenda = agenda
        self._news = news
        self._stale_after = stale_after
        self._trust = {name: Trust() for name in accounts}
        for name in self._trust:
            agenda.put(("stream", name), now.ticks + stale_after, REST)

    def explained(self, event: AccountChanged) -> None:
        """Take what an event tells: a poll that changes the same is no surprise."""
        trust = self._trust[event.account]
        trust.explained(f"{row.symbol}/{row.position_side}" for row in event.positions)
        trust.explained(row.asset for row in event.balances)

    def setting_explained(self, account: str, symbol: str) -> None:
        """Take that an event told a symbol's leverage."""
        self._trust[account].explained([symbol])

    def stream(self, event: UserStreamStood | UserStreamFell, now: Now) -> None:
        """Take that a user data socket stands, or that none does any more."""
        name = event.account
        trust = self._trust[name]
        self._agenda.put(("trust", name), None, REST)
        if isinstance(event, UserStreamStood):
            trust.stood(now.ticks)
            self._agenda.put(("stream", name), None, REST)
        elif trust.standing:
            trust.fell(now.ticks)
            self._agenda.put(("stream", name), now.ticks + self._stale_after, REST)

    def polled(self, name: str, touched: Touched, *, sent: int, now: Now, complete: bool) -> None:
        """Take what a poll changed that no event has told yet.

        Args:
            name: The account.
            touched: What the poll touched.
            sent: When it was sent, ticks.
            now: The instant.
            complete: Whether it answered all that it asked.
        """
        trust = self._trust[name]
        trust.polled(
            touched.unexplained, touched.drifted, sent=sent, ticks=now.ticks, complete=complete
        )
        self._agenda.put(("trust", name), trust.due(), REST)

    def nothing_stands(self, name: str, now: Now, outcome: Outcome) -> None:
        """Tell that an account has been without a socket for too long."""
        self._news.stream_lost(name, "no user data socket stands", now, outcome)

    def judge(self, name: str, now: Now, outcome: Outcome) -> None:
        """Judge what polls changed and no event explained in time."""
        verdict = self._trust[name].suspect(now.ticks)
        for said in verdict.drifts:
            text = f"{name}: taken over from a poll, no event told of it: {said}"
            outcome.remarks.append(Remark("info", text, "unexplained_changes"))
        if verdict.why is not None:
            why = f"it did not tell what a poll found: {verdict.why}"
            outcome.requests.append(StreamDistrusted(name, why))
            self._news.stream_lost(name, why, now, outcome)
        self._agenda.put(("trust", name), self._trust[name].due(), REST)
