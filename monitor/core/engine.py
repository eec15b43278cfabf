"""Events in, notices out: `Engine.on(event, now)` is a plain function of what it was told.

An instant goes in this order: the event's whole data → what turns stale → judging what was touched
and what is due → reminders and the rest that was waiting for the instant. Timers between two events
run at their own instants, before the later event. The engine returns the next instant at which
something would change by time alone; nobody polls a clock. The same events give the same notices.

Cost grows with what changed: a tick judges the positions of its symbol, and of the other positions
in their pools only the rules that read something of the pool. `judge_all=True` judges everything
at every event: the oracle that the shortcuts are tested against.

    intake.py .... data → beliefs        watching.py .. beliefs → targets and their rules
    verdicts.py .. targets → alerts      telling.py ... alerts → notices
    news.py ...... data → happenings
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from monitor.core import earlier
from monitor.core.agenda import EXPIRE, JUDGE, Agenda
from monitor.core.brackets import take_prices
from monitor.core.daily import still_here
from monitor.core.earlier import Edition
from monitor.core.events import (
    AddressBanned,
    AssetPricesRead,
    ChannelFailed,
    ChannelRecovered,
    ClockJumped,
    Event,
    MarksChanged,
    NoticesDied,
    Now,
    PollWanted,
    ReloadRefused,
    Remark,
    SilenceLifted,
    SilenceWanted,
    StillHere,
    Stopping,
    StoreFailed,
    StoreReplaced,
    Woke,
    WorldEvent,
)
from monitor.core.freshness import FORGET_AFTER
from monitor.core.intake import Intake
from monitor.core.judging import Judge, Watch, look
from monitor.core.merging import Portfolio, Touched
from monitor.core.news import News
from monitor.core.notices import AlertRecord, Saved, Silence, TimerRecord, Told
from monitor.core.outcome import Outcome
from monitor.core.own_faults import OwnFaults
from monitor.core.portfolio import Account
from monitor.core.recording import Recorder
from monitor.core.relying import Relying
from monitor.core.routing import Channel
from monitor.core.rules import Rule
from monitor.core.seeing import Seeing
from monitor.core.silencing import Silencing
from monitor.core.staging import Staged, StagedAccount, take_staged
from monitor.core.standing import Standing, live
from monitor.core.telling import Teller
from monitor.core.verdicts import Verdicts
from monitor.core.watching import Watching, target_of

__all__ = ("Engine", "Outcome", "target_of")

ALIVE_EVERY = 60_000
"""Milliseconds between two notes that we were alive."""

NOBODY = (
    'no channel takes the daily message: it goes to those with min_severity = "info" whose accounts'
    " and rules leave nothing out"
)


class Engine:
    """Judges what the world tells.

    Args:
        rules: All rules.
        channels: Where notices may go; empty in rule tests.
        accounts: Name and venue of each account watched.
        now: The instant at which the watch begins.
        stale_after: Milliseconds from which a number is aged.
        poll_interval: Milliseconds between polls when nothing stretches them; 0: not known.
        saved: What an earlier run left behind.
        forget_after: Milliseconds from which a number is not believed at all.
        judge_all: Judge everything at every event, whatever was touched.
        staged: Whether the accounts are told of by `Staged`, as in rule tests.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        channels: Sequence[Channel],
        accounts: Iterable[tuple[str, str]],
        *,
        now: Now,
        stale_after: int,
        poll_interval: int = 0,
        saved: Saved | None = None,
        forget_after: int = FORGET_AFTER,
        judge_all: bool = False,
        staged: bool = False,
    ) -> None:
        saved = saved or Saved()
        self._stale_after = stale_after
        self._forget_after = forget_after
        self._early = Outcome()
        self._begun = False
        self._agenda = Agenda()
        self._seeing = Seeing(
            self._agenda,
            stale_after=stale_after,
            forget_after=forget_after,
            poll_interval=poll_interval,
        )
        self._symbols: frozenset[str] = frozenset()
        self._alive_at: int | None = None
        by_name = self._rules = Edition(rules, channels).by_name()
        self._teller = Teller(by_name, channels, self._agenda, saved, now, self._early)
        judges = [Judge(rule) for rule in rules if rule.levels]
        self._watching = Watching(judges, self._agenda, self._teller)
        self.portfolio = Portfolio()
        for name, venue in accounts:
            kind = StagedAccount if staged else Account
            self.portfolio.accounts[name] = kind(name, venue, stale_after, now.ticks)
        known = self.portfolio.accounts
        self._news = News(self._teller, known, saved, now, self._early)
        self._relying = Relying(known, self._agenda, self._news, now, stale_after)
        self._intake = Intake(self.portfolio, self._news, self._relying, self._seeing)
        self._faults = OwnFaults(self._teller, known, saved.timers)
        self._faults.keep((channel.name for channel in channels), now, self._early)
        earlier.restore(saved, by_name, known, self._watching, self._teller, now, self._early)
        for account in known.values():
            self._watching.begin(account, now, self._early)
        self._recorder = Recorder(
            rules,
            known,
            saved.windows,
            now,
            self._early,
            patience=stale_after,
            forget_after=forget_after,
        )
        self._silencing = Silencing(
            self._teller,
            self._watching,
            self._agenda,
            forget_after=forget_after,
            saved=saved,
            now=now,
            outcome=self._early,
        )
        self._verdicts = Verdicts(
            known.values(),
            self._watching,
            self._agenda,
            self._teller,
            self._recorder,
            forget_after=forget_after,
            judge_all=judge_all,
        )

    # ------------------------------------------------------------ the one entrance

    def on(self, event: Event | Staged | Edition, now: Now) -> Outcome:
        """Take an event, or other rules and channels, and tell what follows from it.

        Timers that were due before `now` run first, at their own instants.
        """
        outcome, self._early = self._early, Outcome()
        while (due := self._agenda.next()) is not None and due < now.ticks:
            self._instant(None, Now(due, now.utc - (now.ticks - due)), outcome)
        self._instant(event, now, outcome)
        last_note = self._alive_at
        if last_note is None or now.ticks - last_note >= ALIVE_EVERY or isinstance(event, Stopping):
            self._alive_at = now.ticks
            outcome.timers["alive", ""] = TimerRecord("alive", "", now.utc, 0, "")
            self._recorder.keep(now, outcome)
        outcome.wake_at = self._agenda.next()
        return outcome

    def watches(self) -> Iterator[Watch]:
        """List every rule on every target that is there."""
        for account in self.portfolio.accounts.values():
            yield from self._watching.of(account)

    def standing(self, now: Now) -> list[Standing]:
        """List the alerts that fire, the worst first; changes nothing."""
        return live(
            self.watches(),
            self._watching.waiting(now),
            self._teller.told(),
            self._teller.silences,
            now=now,
            forget_after=self._forget_after,
        )

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by its name, the built-in one too where there is anybody to tell."""
        return self._rules

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Where notices may go."""
        return self._teller.channels

    def told(self) -> list[Told]:
        """List what every channel heard last of every alert."""
        return self._teller.told()

    def waiting(self, now: Now) -> list[AlertRecord]:
        """List the alerts of an earlier run whose target was not seen yet."""
        return self._watching.waiting(now)

    def reminder_of(self, watch: Watch) -> int | None:
        """Tell when (ticks) the next reminder of a watch's alert is due; None: none is."""
        return self._agenda.at(("remind", watch))

    @property
    def silences(self) -> tuple[Silence, ...]:
        """The silences that stand."""
        return tuple(self._teller.silences)

    def _instant(self, event: Event | Staged | Edition | None, now: Now, outcome: Outcome) -> None:
        touched = Touched()
        if not self._begun:
            # Blindness is told of from the start, also where no event ever comes.
            self._begun = True
            touched.accounts.update(dict.fromkeys(self.portfolio.accounts.values()))
        if isinstance(event, Staged):
            self._take_staged(event, now, touched, outcome)
        elif isinstance(event, Edition):
            self._take_edition(event, now, touched, outcome)
        elif event is not None:
            self._take(event, now, touched, outcome)
        due = self._due(touched, now)
        self._follow(touched, now, outcome)
        self._verdicts.judge(touched, due, now, outcome)
        while (key := self._agenda.pop(now.ticks)) is not None:
            self._run_timer(key, now, outcome)
        if touched.opened or touched.closed:
            symbols = self.portfolio.symbols
            if symbols != self._symbols:
                self._symbols = outcome.symbols = symbols
        outcome.requests.extend(dict.fromkeys(touched.polls))
        outcome.remarks.extend(touched.remarks)

    def _due(self, touched: Touched, now: Now) -> dict[Watch, None]:
        """Collect what turns stale at this instant, and the watches whose time has come."""
        while (key := self._agenda.pop(now.ticks, EXPIRE)) is not None:
            account = key[1]
            assert isinstance(account, Account)  # noqa: S101 - narrows the type of a key we put there
            touched.accounts[account] = None
        due: dict[Watch, None] = {}
        while (key := self._agenda.pop(now.ticks, JUDGE)) is not None:
            watch = key[1]
            assert isinstance(watch, Watch)  # noqa: S101 - likewise
            due[watch] = None
        return due

    # ------------------------------------------------------------ data

    def _take(self, event: Event, now: Now, touched: Touched, outcome: Outcome) -> None:
        """Apply an event's whole data."""
        if isinstance(event, WorldEvent):
            self._take_world(event, now, touched, outcome)
        else:
            self._intake.take(event, now, touched, outcome)

    def _take_world(self, event: WorldEvent, now: Now, touched: Touched, outcome: Outcome) -> None:
        """Apply what is of no account in particular."""
        match event:
            case Woke() | Stopping():
                pass
            case MarksChanged():
                self.portfolio.move_marks(event.marks.items(), now, touched)
            case ClockJumped():
                self._take_jump(now, touched)
            case AssetPricesRead():
                take_prices(self.portfolio, event, touched)
            case AddressBanned():
                self._news.banned(event, now, outcome)
            case ReloadRefused():
                self._news.refused(event, now, outcome)
            case SilenceWanted():
                self._silencing.begin(event, now, outcome)
            case SilenceLifted():
                self._silencing.lift(event, now, outcome)
            case ChannelFailed() | ChannelRecovered() | NoticesDied():
                self._faults.of_channel(event, now, outcome)
            case StoreFailed() | StoreReplaced():
                self._faults.of_store(event, now, outcome)
            case StillHere():
                self._greet(event, now, outcome)
            case _:
                assert_never(event)

    def _greet(self, event: StillHere, now: Now, outcome: Outcome) -> None:
        """Tell whoever takes it that we are still here."""
        firing = [one.level for one in self.standing(now)]
        accounts = self.portfolio.accounts.values()
        said = still_here(accounts, firing, self._teller.silences, event, now)
        self._teller.greet(said, now, outcome)
        told = outcome.notices[-1].number if outcome.notices else None
        if told not in {delivery.number for delivery in outcome.deliveries}:
            outcome.remarks.append(Remark("warning", NOBODY))

    def _take_staged(self, staged: Staged, now: Now, touched: Touched, outcome: Outcome) -> None:
        for event in staged.events:
            self._take(event, now, touched, outcome)
        take_staged(self.portfolio, staged, touched)
        for happening in staged.happenings:
            self._teller.happen(happening, now, outcome)

    def _take_edition(self, edition: Edition, now: Now, touched: Touched, outcome: Outcome) -> None:
        """Go on by other rules; all that is known stays, and is judged by them at once."""
        before, self._rules = self._rules, edition.by_name()
        self._teller.replace(self._rules, edition.channels, now, outcome)
        self._faults.keep((channel.name for channel in edition.channels), now, outcome)
        self._recorder.replace(edition.rules, outcome)
        earlier.replace_rules(
            before.values(), self._rules, self._watching, self._teller, now, outcome
        )
        touched.accounts.update(dict.fromkeys(self.portfolio.accounts.values()))

    def _take_jump(self, now: Now, touched: Touched) -> None:
        """Take that our clock is not what it was: ask anew before anything is all clear."""
        for account in self.portfolio.accounts.values():
            account.age(now.ticks - account.limit)
            touched.accounts[account] = None
            touched.polls.append(PollWanted(account.name, now.ticks))
        self.portfolio.age_marks(now.ticks - self._stale_after)

    # ------------------------------------------------------------ what follows from data

    def _follow(self, touched: Touched, now: Now, outcome: Outcome) -> None:
        """Open and close targets, and tell fresh accounts from stale ones."""
        self._watching.follow_positions(touched, now, outcome)
        for holding in touched.holdings:
            if holding.account.stale_since is not None:
                touched.accounts[holding.account] = None
        for account in touched.accounts:
            self._seeing.look(account, now, outcome)
            if account.first_poll_done:
                self._watching.follow_account(account, touched, now, outcome)

    # ------------------------------------------------------------ time

    def _run_timer(self, key: tuple[object, ...], now: Now, outcome: Outcome) -> None:
        """Do what an instant on the agenda was for."""
        match key:
            case ("remind", Watch() as watch):
                self._teller.remind(watch, look(watch.view(now), self._forget_after), outcome)
            case ("cooldown", str(name)):
                self._teller.cooled(name, now, outcome)
            case ("silence", int(number)):
                self._silencing.end(number, now, outcome)
            case ("stream", str(name)):
                self._relying.nothing_stands(name, now, outcome)
            case ("trust", str(name)):
                self._relying.judge(name, now, outcome)
            case _:
                raise AssertionError(f"nobody knows what {key[0]!r} on the agenda is for")
