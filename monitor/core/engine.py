"""Events in, notices out: `Engine.on(event, now)` is a plain function of what it was told.

An instant goes in this order: the event's whole data → what turns stale → judging what was touched
→ delays that have passed. Timers between two events run at their own instants, before the later
event. The engine returns the next instant at which something would change by time alone; nobody
polls a clock. The same events give the same notices.

Cost grows with what changed: a tick judges the positions of its symbol, and of the other positions
in their pools only the rules that read something of the pool. `judge_all=True` judges everything
at every event: the oracle that the shortcuts are tested against.
"""

from collections.abc import Iterable, Sequence
from typing import assert_never

from monitor.core.agenda import Agenda
from monitor.core.alerts import TRUE, Alert
from monitor.core.events import (
    AccountChanged,
    AccountStarted,
    AssetModeChanged,
    Event,
    ForcedOrderSeen,
    KeyWasAccepted,
    KeyWasRejected,
    LeverageChanged,
    MarginCalled,
    MarksChanged,
    Now,
    PollAnswered,
    PollWanted,
    Remark,
    StreamDistrusted,
    UserStreamFell,
    UserStreamStood,
    Woke,
)
from monitor.core.freshness import FORGET_AFTER
from monitor.core.happenings import Happening, Known, called, forced
from monitor.core.judging import Judge, Sight, Watch, look, worst
from monitor.core.language.units import Scope
from monitor.core.merging import ASK_AGAIN, Portfolio, Touched, ticks_of
from monitor.core.notices import AlertRecord, Saved, Target, TimerRecord
from monitor.core.portfolio import Account, Holding, Position
from monitor.core.routing import Channel
from monitor.core.rules import Rule
from monitor.core.telling import EXPIRE, JUDGE, REST, Outcome, Teller
from monitor.core.trust import Trust

ALIVE_EVERY = 60_000
"""Milliseconds between two notes that an account was seen fresh."""


def target_of(account: Account, position: Position) -> Target:
    """Name a position as the target of an alert."""
    return Target(account.name, position.symbol, position.position_side, position.side)


class Engine:
    """Judges what the world tells.

    Args:
        rules: All rules.
        channels: Where notices may go; empty in rule tests.
        accounts: Name and venue of each account watched.
        now: The instant at which the watch begins.
        stale_after: Milliseconds from which a number is aged.
        saved: What an earlier run left behind.
        forget_after: Milliseconds from which a number is not believed at all.
        judge_all: Judge everything at every event, whatever was touched.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        channels: Sequence[Channel],
        accounts: Iterable[tuple[str, str]],
        *,
        now: Now,
        stale_after: int,
        saved: Saved | None = None,
        forget_after: int = FORGET_AFTER,
        judge_all: bool = False,
    ) -> None:
        saved = saved or Saved()
        self._judge_all = judge_all
        self._stale_after = stale_after
        self._forget_after = forget_after
        self._rules = {rule.name: rule for rule in rules}
        self._judges = tuple(Judge(rule) for rule in rules if rule.levels)
        self._agenda = Agenda()
        self._teller = Teller(self._rules, channels, self._agenda, saved, now)
        self._known = Known()
        self._symbols: frozenset[str] = frozenset()
        self._watches: dict[Target, tuple[Watch, ...]] = {}
        self._on_holding: dict[Holding, tuple[Watch, ...]] = {}
        self._restored: dict[tuple[str, Target], Alert] = {}
        """Alerts of an earlier run that no watch has taken up yet."""
        self._missed: dict[str, int] = {}
        """Since when (ticks) restored targets of an account are missing from its polls."""
        self._alive_at: dict[str, int] = {}
        self._early = Outcome()
        self._trust: dict[str, Trust] = {}
        self.portfolio = Portfolio()
        for name, venue in accounts:
            self.portfolio.accounts[name] = Account(name, venue, stale_after, now.ticks)
            self._trust[name] = Trust(fell_at=now.ticks)
            self._agenda.put(("stream", name), now.ticks + stale_after, REST)
        self._restore(saved, now)
        for name, account in self.portfolio.accounts.items():
            self._watch(Scope.ACCOUNT, Target(name), account)

    # ------------------------------------------------------------ the one entrance

    def on(self, event: Event, now: Now) -> Outcome:
        """Take an event and tell what follows from it.

        Timers that were due before `now` run first, at their own instants.
        """
        outcome, self._early = self._early, Outcome()
        while (due := self._agenda.next()) is not None and due < now.ticks:
            self._instant(None, Now(due, now.utc - (now.ticks - due)), outcome)
        self._instant(event, now, outcome)
        symbols = self.portfolio.symbols
        if symbols != self._symbols:
            self._symbols = outcome.symbols = symbols
        outcome.wake_at = self._agenda.next()
        return outcome

    def _instant(self, event: Event | None, now: Now, outcome: Outcome) -> None:
        touched = Touched()
        if event is not None:
            self._take(event, now, touched, outcome)
        while (key := self._agenda.pop(now.ticks, EXPIRE)) is not None:
            account = key[1]
            assert isinstance(account, Account)  # noqa: S101 - narrows the type of a key we put there
            touched.accounts[account] = None
        self._follow(touched, now, outcome)
        self._judge_touched(touched, now, outcome)
        while (key := self._agenda.pop(now.ticks)) is not None:
            self._run_timer(key, now, outcome)
        outcome.requests.extend(touched.polls)
        outcome.remarks.extend(touched.remarks)

    # ------------------------------------------------------------ data

    def _take(self, event: Event, now: Now, touched: Touched, outcome: Outcome) -> None:
        """Apply an event's whole data."""
        if isinstance(event, Woke):
            return
        if isinstance(event, MarksChanged):
            self.portfolio.move_marks(event.marks.items(), now, touched)
            return
        account = self.portfolio.accounts[event.account]
        trust = self._trust[event.account]
        match event:
            case AccountStarted():
                touched.accounts[account] = None
            case AccountChanged():
                self._take_change(account, event, now, touched)
            case LeverageChanged():
                trust.explained([event.symbol])
                self.portfolio.set_leverage(account, event, touched)
                touched.polls.append(PollWanted(account.name, now.ticks, full=True))
            case AssetModeChanged():
                self.portfolio.set_mode(account, event, touched)
                touched.polls.append(PollWanted(account.name, now.ticks, full=True))
            case MarginCalled() | ForcedOrderSeen():
                self._take_alarm(account, event, now, touched, outcome)
            case PollAnswered():
                self._take_poll(account, event, now, touched)
            case UserStreamStood() | UserStreamFell():
                self._take_stream(account, event, now)
            case KeyWasRejected():
                details = {"code": str(event.code), "message": event.message}
                happening = Happening("key_rejected", Target(account.name), details)
                self._teller.happen(happening, now, outcome)
            case KeyWasAccepted():
                outcome.remarks.append(
                    Remark("info", f"{account.name}: the exchange serves the key again")
                )
            case _:
                assert_never(event)

    def _take_change(
        self, account: Account, event: AccountChanged, now: Now, touched: Touched
    ) -> None:
        trust = self._trust[account.name]
        trust.explained(f"{row.symbol}/{row.position_side}" for row in event.positions)
        trust.explained(row.asset for row in event.balances)
        self.portfolio.change(account, event, ticks_of(event.at, now), touched)
        full = event.reason == "MARGIN_TYPE_CHANGE"
        touched.polls.append(PollWanted(account.name, now.ticks, full=full))

    def _take_alarm(
        self,
        account: Account,
        event: MarginCalled | ForcedOrderSeen,
        now: Now,
        touched: Touched,
        outcome: Outcome,
    ) -> None:
        """Take what the exchange itself raises an alarm with: tell it, and look at once."""
        touched.polls.append(PollWanted(account.name, now.ticks, urgent=True))
        if isinstance(event, MarginCalled):
            happenings = list(called(event, self._known))
        else:
            happenings = list(filter(None, [forced(account, event, self._known)]))
        for happening in happenings:
            self._teller.happen(happening, now, outcome)

    def _take_stream(
        self, account: Account, event: UserStreamStood | UserStreamFell, now: Now
    ) -> None:
        """Take that a user data socket stands, or that none does any more."""
        trust = self._trust[account.name]
        self._agenda.put(("trust", account.name), None, REST)
        if isinstance(event, UserStreamStood):
            trust.stood()
            self._agenda.put(("stream", account.name), None, REST)
        elif trust.standing:
            trust.fell(now.ticks)
            self._agenda.put(("stream", account.name), now.ticks + self._stale_after, REST)

    def _take_poll(self, account: Account, poll: PollAnswered, now: Now, touched: Touched) -> None:
        trust = self._trust[account.name]
        sent = ticks_of(poll.at, now)
        self.portfolio.answer(account, poll, sent, now.ticks, touched)
        trust.polled(touched.unexplained, touched.drifted, now.ticks, complete=poll.complete)
        self._agenda.put(("trust", account.name), trust.due(), REST)

    # ------------------------------------------------------------ what follows from data

    def _follow(self, touched: Touched, now: Now, outcome: Outcome) -> None:
        """Open and close targets, and tell fresh accounts from stale ones."""
        for holding in touched.closed:
            self._on_holding.pop(holding, None)
            target = target_of(holding.account, holding.position)
            self._end_target(target, "position_closed", now, outcome)
        for holding in touched.opened:
            account = holding.account
            if account.holdings.get(holding.position.key) is holding:
                target = target_of(account, holding.position)
                self._on_holding[holding] = self._watch(
                    Scope.POSITION, target, account, holding=holding
                )
        accounts = dict(touched.accounts)
        for holding in touched.holdings:
            if holding.account.stale_since is not None:
                accounts[holding.account] = None
        for account in accounts:
            self._refresh(account, now, outcome)
            if account.first_poll_done:
                self._follow_pools(account, now, outcome)
                self._follow_restored(account, touched, now, outcome)
            touched.accounts[account] = None

    def _refresh(self, account: Account, now: Now, outcome: Outcome) -> None:
        """Note whether the account is fresh, and when that will have to be looked at again."""
        fresh = account.first_poll_done and now.ticks < account.fresh_until()
        was_fresh = account.stale_since is None
        if fresh:
            account.stale_since = None
            if now.ticks - self._alive_at.get(account.name, -ALIVE_EVERY) >= ALIVE_EVERY:
                self._note_alive(account, now, outcome)
        elif was_fresh:
            account.stale_since = now.ticks
            self._note_alive(account, now, outcome)
        boundaries = (
            at + after
            for at in account.inputs()
            for after in (account.limit, self._forget_after)
            if at + after > now.ticks
        )
        self._agenda.put(("expire", account), min(boundaries, default=None), EXPIRE)

    def _note_alive(self, account: Account, now: Now, outcome: Outcome) -> None:
        self._alive_at[account.name] = now.ticks
        outcome.timers["fresh", account.name] = TimerRecord("fresh", account.name, now.utc, 0, "")

    def _follow_pools(self, account: Account, now: Now, outcome: Outcome) -> None:
        kept = account.pool_assets()
        for asset in kept:
            target = Target(account.name, asset=asset)
            if target not in self._watches:
                self._watch(Scope.POOL, target, account, asset=asset)
        for target in list(self._watches):
            mine = target.account == account.name and target.asset
            # Gone is what we were told is empty, not what an answer leaves out.
            if mine and target.asset not in kept:
                self._end_target(target, "pool_gone", now, outcome)

    def _follow_restored(
        self, account: Account, touched: Touched, now: Now, outcome: Outcome
    ) -> None:
        """End alerts of an earlier run whose position closed while we were away.

        A position that turned round proves it at once; one that is merely missing has to be
        missing from two complete polls.
        """
        missing = []
        for key in [key for key in self._restored if key[1].account == account.name]:
            target = key[1]
            holding = account.holdings.get((target.symbol, target.position_side))
            if not target.symbol or holding is None:
                missing.append(key)
            elif holding.position.side != target.side:
                self._teller.finish(self._restored.pop(key), "position_closed", now, outcome)
            else:
                self._teller.finish(self._restored.pop(key), "no_longer_applies", now, outcome)
        if not missing:
            self._missed.pop(account.name, None)
        elif account.name not in self._missed:
            self._missed[account.name] = account.polled_at
            touched.polls.append(PollWanted(account.name, now.ticks + ASK_AGAIN))
        elif account.polled_at > self._missed[account.name]:
            for key in missing:
                reason = "position_closed" if key[1].symbol else "pool_gone"
                self._teller.finish(self._restored.pop(key), reason, now, outcome)

    def _end_target(self, target: Target, reason: str, now: Now, outcome: Outcome) -> None:
        """End every alert on a target that is gone."""
        for watch in self._watches.pop(target, ()):
            if watch.alert is not None:
                self._teller.finish(watch.alert, reason, now, outcome)
                watch.alert = None
            for name in ("age", "delay", "remind"):
                self._agenda.put((name, watch), None, REST)

    # ------------------------------------------------------------ judging

    def _watch(
        self,
        scope: Scope,
        target: Target,
        account: Account,
        *,
        holding: Holding | None = None,
        asset: str = "",
    ) -> tuple[Watch, ...]:
        """Make the watches of a target: every rule of its scope that is meant for it."""
        found = []
        for judge in self._judges:
            rule = judge.rule
            if rule.scope is not scope or not rule.accounts.match(account.name):
                continue
            if holding is not None and not rule.symbols.match(target.symbol):
                continue
            watch = Watch(judge, target, account, holding=holding, asset=asset)
            alert = watch.alert = self._restored.pop((rule.name, target), None)
            if alert is not None:
                self._agenda.put(("delay", watch), alert.due(account.started), REST)
            found.append(watch)
        watches = self._watches[target] = tuple(found)
        return watches

    def _judge_touched(self, touched: Touched, now: Now, outcome: Outcome) -> None:
        whole = dict.fromkeys(
            self.portfolio.accounts.values() if self._judge_all else touched.accounts
        )
        for account in whole:
            for holding in account.holdings.values():
                self._judge_target(self._on_holding[holding], now, outcome)
            for asset in account.pool_assets():
                self._judge_pool(account, asset, now, outcome)
            self._judge_target(self._watches[Target(account.name)], now, outcome)
        moved = {key: None for key in touched.pools if key[0] not in whole}
        for holding in touched.holdings:
            if holding.account not in whole:
                self._judge_target(self._on_holding[holding], now, outcome)
        for account, asset in moved:
            self._judge_pool(account, asset, now, outcome)
            for holding in account.holdings.values():
                if holding not in touched.holdings and account.pool_of(holding.position) == asset:
                    watches = [
                        watch for watch in self._on_holding[holding] if watch.judge.reads_pool
                    ]
                    self._judge_target(watches, now, outcome)
        for account in dict.fromkeys(account for account, _ in moved):
            self._judge_target(self._watches[Target(account.name)], now, outcome)

    def _judge_pool(self, account: Account, asset: str, now: Now, outcome: Outcome) -> None:
        watches = self._watches.get(Target(account.name, asset=asset), ())
        self._judge_target(watches, now, outcome)

    def _judge_target(self, watches: Sequence[Watch], now: Now, outcome: Outcome) -> None:
        if not watches:
            return
        first = watches[0]
        if first.judge.rule.scope is not Scope.ACCOUNT and not first.account.first_poll_done:
            return
        sight = look(first.view(now), self._forget_after)
        for watch in watches:
            self._judge(watch, sight, now, outcome)

    def _judge(self, watch: Watch, sight: Sight, now: Now, outcome: Outcome) -> None:
        judge = watch.judge
        raws = worst(judge.truths(sight, relaxed=False))
        if judge.ages:
            self._agenda.put(("age", watch), judge.next_age(sight.view), JUDGE)
        alert = watch.alert
        if alert is None:
            if TRUE not in raws:
                return
            alert = watch.alert = Alert(judge.rule, watch.target)
            relaxeds = raws  # every switch is off: nobody looks at them
        else:
            relaxeds = worst(judge.truths(sight, relaxed=True))
        before = alert.level
        changed = alert.step(raws, relaxeds, now)
        if alert.waits_for_fresh and not sight.aged & judge.rests_of(cross=sight.cross):
            alert.waits_for_fresh = False
            self._teller.plan_reminder(watch, now)
        if alert.level is not before:
            self._teller.level_changed(watch, alert, before, sight, outcome)
        if changed:
            outcome.alerts[alert.rule.name, alert.target] = alert.record(now)
            self._agenda.put(("delay", watch), alert.due(now.ticks), REST)
            if alert.idle:
                watch.alert = None

    # ------------------------------------------------------------ time

    def _run_timer(self, key: tuple[object, ...], now: Now, outcome: Outcome) -> None:
        """Do what an instant on the agenda was for."""
        match key:
            case ("age" | "delay", Watch() as watch):
                self._judge_target([watch], now, outcome)
            case ("remind", Watch() as watch):
                self._teller.remind(watch, look(watch.view(now), self._forget_after), outcome)
            case ("cooldown", str(name)):
                self._teller.cooled(name, now, outcome)
            case ("stream", str(name)):
                self._lose_stream(name, "no user data socket stands", now, outcome)
            case ("trust", str(name)):
                why = self._trust[name].suspect(now.ticks)
                if why is not None:
                    why = f"it did not tell what a poll found: {why}"
                    outcome.requests.append(StreamDistrusted(name, why))
                    self._lose_stream(name, why, now, outcome)
                self._agenda.put(("trust", name), self._trust[name].due(), REST)
            case _:
                raise AssertionError(f"nobody knows what {key[0]!r} on the agenda is for")

    def _lose_stream(self, name: str, why: str, now: Now, outcome: Outcome) -> None:
        happening = Happening("stream_lost", Target(name), {"why": why})
        self._teller.happen(happening, now, outcome)

    # ------------------------------------------------------------ an earlier run

    def _restore(self, saved: Saved, now: Now) -> None:
        """Take up what an earlier run left; what has no rule or account any more ends now."""
        stamps = [record.saved for record in saved.timers]
        stamps += [switch.saved for record in saved.alerts for switch in record.switches]
        down_since = max(stamps, default=now.utc)
        for record in saved.timers:
            account = self.portfolio.accounts.get(record.key)
            if record.kind == "fresh" and account is not None:
                account.stale_since = now.ticks - max(0, now.utc - record.saved)
        for kept in saved.alerts:
            rule = self._rules.get(kept.rule)
            if rule is None or not rule.levels:
                self._teller.bury(kept, "rule_removed", now, self._early)
            elif kept.target.account not in self.portfolio.accounts:
                self._teller.bury(kept, "account_removed", now, self._early)
            else:
                self._restore_alert(Alert(rule, kept.target), kept, now, down_since)

    def _restore_alert(self, alert: Alert, kept: AlertRecord, now: Now, down_since: int) -> None:
        alert.restore(kept, now, down_since)
        if alert.level is not kept.level:  # the rule no longer has that level
            self._teller.ended(alert, kept.level, "rule_changed", now, self._early)
            self._early.alerts[kept.rule, kept.target] = alert.record(now)
        self._restored[kept.rule, kept.target] = alert
