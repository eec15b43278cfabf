"""Events of one account: what changes in our beliefs, what is asked then, what is told of it."""

from typing import assert_never

from monitor.core.brackets import take_brackets
from monitor.core.events import (
    AccountChanged,
    AccountEvent,
    AccountRefused,
    AccountStarted,
    AssetModeChanged,
    BracketsRead,
    ForcedOrderSeen,
    KeyWasAccepted,
    KeyWasRejected,
    LeverageChanged,
    MarginCalled,
    Now,
    PollAnswered,
    PollsPaced,
    PollWanted,
    UserStreamFell,
    UserStreamStood,
)
from monitor.core.merging import Portfolio, Touched, ticks_of
from monitor.core.news import News
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.refusing import Scrutiny, refuse
from monitor.core.relying import Relying
from monitor.core.seeing import Seeing


class Intake:
    """Takes the events of every account.

    Args:
        portfolio: What is believed.
        news: Tells what happened.
        relying: Follows the user streams.
        seeing: Knows how long numbers stay fresh.
    """

    def __init__(self, portfolio: Portfolio, news: News, relying: Relying, seeing: Seeing) -> None:
        self._portfolio = portfolio
        self._news = news
        self._relying = relying
        self._seeing = seeing
        self._scrutiny = Scrutiny()

    def take(self, event: AccountEvent, now: Now, touched: Touched, outcome: Outcome) -> None:
        """Apply an event's whole data."""
        account = self._portfolio.accounts[event.account]
        match event:
            case AccountStarted():
                touched.accounts[account] = None
            case AccountChanged():
                self._news.changed(event, now, outcome)
                self._take_change(account, event, now, touched)
            case LeverageChanged():
                self._relying.setting_explained(event.account, event.symbol)
                self._news.leverage(event, now, outcome)
                self._portfolio.set_leverage(account, event, ticks_of(event.at, now), touched)
                touched.polls.append(PollWanted(account.name, now.ticks, full=True))
            case AssetModeChanged():
                self._portfolio.set_mode(account, event, touched)
                touched.polls.append(PollWanted(account.name, now.ticks, full=True))
            case MarginCalled() | ForcedOrderSeen():
                touched.polls.append(PollWanted(account.name, now.ticks, urgent=True))
                self._news.alarm(account, event, now, outcome)
            case PollAnswered():
                self._take_poll(account, event, now, touched, outcome)
            case UserStreamStood() | UserStreamFell():
                self._relying.stream(event, now)
            case KeyWasRejected() | KeyWasAccepted():
                self._news.key(event, now, outcome)
            case AccountRefused():
                refuse(account, event.why, touched)
            case BracketsRead():
                take_brackets(account, event, touched)
            case PollsPaced():
                self._take_pace(account, event.every, now, touched, outcome)
            case _:
                assert_never(event)

    def _take_change(
        self, account: Account, event: AccountChanged, now: Now, touched: Touched
    ) -> None:
        self._relying.explained(event)
        self._portfolio.change(account, event, ticks_of(event.at, now), touched)
        full = event.reason == "MARGIN_TYPE_CHANGE"
        touched.polls.append(PollWanted(account.name, now.ticks, full=full))

    def _take_pace(
        self, account: Account, every: int, now: Now, touched: Touched, outcome: Outcome
    ) -> None:
        """Take how far apart polls come; beyond the usual, numbers stay fresh for longer."""
        stretched = self._seeing.pace(account, every)
        touched.accounts[account] = None
        self._news.paced(account.name, every, now, outcome, stretched=stretched)

    def _take_poll(
        self, account: Account, poll: PollAnswered, now: Now, touched: Touched, outcome: Outcome
    ) -> None:
        sent = ticks_of(poll.at, now)
        poll = self._scrutiny.looked_at(account, poll, now, touched)
        complete = self._portfolio.answer(account, poll, sent, now.ticks, touched)
        self._news.polled(poll, now, touched, outcome, complete=complete)
        self._relying.polled(account.name, touched, sent=sent, now=now, complete=complete)
