"""Which rules watch which targets: watches come and go with accounts, pools and positions.

Alerts of an earlier run wait here until their target is seen again; what is not seen again ends.
"""

from collections.abc import Iterator, Sequence

from monitor.core.agenda import JUDGE, REST, Agenda
from monitor.core.alerts import Alert
from monitor.core.events import Now, PollWanted
from monitor.core.judging import Judge, Watch
from monitor.core.language.units import Scope
from monitor.core.merging import ASK_AGAIN, Touched
from monitor.core.notices import AlertRecord, Target
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.positions import Holding, Position
from monitor.core.telling import Teller

Watches = tuple[Watch, ...]

_Which = tuple[str, Target]
"""The name of a rule, and a target of it."""


def target_of(account: Account, position: Position) -> Target:
    """Name a position as the target of an alert."""
    return Target(account.name, position.symbol, position.position_side, position.side)


class Watching:
    """The watches of every target that is there."""

    def __init__(self, judges: Sequence[Judge], agenda: Agenda, teller: Teller) -> None:
        self._judges = tuple(judges)
        self._agenda = agenda
        self._teller = teller
        self._restored: dict[str, dict[tuple[str, Target], Alert]] = {}
        """Per account: alerts of an earlier run that no watch has taken up yet."""
        self._missing: dict[tuple[str, Target], int] = {}
        """Since which poll (ticks) a restored alert's target has been missing."""
        self.on_holding: dict[Holding, Watches] = {}
        self.on_pool: dict[Account, dict[str, Watches]] = {}
        self.on_account: dict[Account, Watches] = {}

    def of(self, account: Account) -> Iterator[Watch]:
        """List all that watches an account: its positions, its pools, itself."""
        for holding in account.holdings.values():
            yield from self.on_holding.get(holding, ())
        for asset in account.pool_assets():
            yield from self.on_pool[account].get(asset, ())
        yield from self.on_account[account]

    def keep(self, alert: Alert) -> None:
        """Keep an alert of an earlier run until its target is seen."""
        target = alert.target
        self._restored.setdefault(target.account, {})[alert.rule.name, target] = alert

    def waiting(self, now: Now) -> list[AlertRecord]:
        """List the alerts of an earlier run whose target was not seen yet."""
        found = (alert for alerts in self._restored.values() for alert in alerts.values())
        return [alert.record(now) for alert in found]

    def restored(self, rule: str, target: Target) -> Alert | None:
        """Give an alert of an earlier run whose target was not seen yet."""
        return self._restored.get(target.account, {}).get((rule, target))

    def begin(self, account: Account, now: Now, outcome: Outcome) -> None:
        """Begin to watch an account: rules about the account itself speak from the start."""
        self.on_pool[account] = {}
        self._begin(account, now, outcome, {})

    def _begin(
        self, account: Account, now: Now, outcome: Outcome, former: dict[_Which, Watch]
    ) -> None:
        target = Target(account.name)
        self.on_account[account] = self._watch(Scope.ACCOUNT, target, account, now, former)
        for key in list(self._restored.get(account.name, ())):
            if key[1] == target:
                self._end_restored(key, "no_longer_applies", now, outcome)

    # ------------------------------------------------------------ other rules

    def release(self) -> list[Alert]:
        """Give away every alert, those of an earlier run that nobody has taken up yet too."""
        alerts = []
        for watch in self.all():
            if watch.alert is not None:
                alerts.append(watch.alert)
                watch.alert = None
        for restored in self._restored.values():
            alerts.extend(restored.values())
        self._restored.clear()
        return alerts

    def replace(self, judges: Sequence[Judge], now: Now, outcome: Outcome) -> None:
        """Watch by other rules from now on.

        Alerts that are to go on have been handed back by `keep`. Those whose rule no longer means
        their target end like those of an earlier run.
        """
        self._judges = tuple(judges)
        former = {(watch.judge.rule.name, watch.target): watch for watch in self.all()}
        for holding in self.on_holding:
            account, target = holding.account, target_of(holding.account, holding.position)
            self.on_holding[holding] = self._watch(
                Scope.POSITION, target, account, now, former, holding=holding
            )
        for account, pools in self.on_pool.items():
            for asset in pools:
                target = Target(account.name, asset=asset)
                pools[asset] = self._watch(Scope.POOL, target, account, now, former, asset=asset)
            self._begin(account, now, outcome, former)
        for watch in former.values():
            self._forget(watch)

    def all(self) -> Iterator[Watch]:
        """List every watch of every account."""
        for account, pools in self.on_pool.items():
            yield from self.on_account[account]
            for watches in pools.values():
                yield from watches
        for watches in self.on_holding.values():
            yield from watches

    # ------------------------------------------------------------ following the data

    def follow_positions(self, touched: Touched, now: Now, outcome: Outcome) -> None:
        """End the watches of what closed, and begin those of what opened."""
        for holding in touched.closed:
            self._end(self.on_holding.pop(holding, ()), "position_closed", now, outcome)
        for holding in touched.opened:
            account = holding.account
            if account.holdings.get(holding.position.key) is holding:
                target = target_of(account, holding.position)
                self.on_holding[holding] = self._watch(
                    Scope.POSITION, target, account, now, {}, holding=holding
                )

    def follow_account(
        self, account: Account, touched: Touched, now: Now, outcome: Outcome
    ) -> None:
        """Begin and end what an account's polls show to be there or gone."""
        kept = account.pool_assets()
        pools = self.on_pool[account]
        for asset in kept:
            if asset not in pools:
                target = Target(account.name, asset=asset)
                pools[asset] = self._watch(Scope.POOL, target, account, now, {}, asset=asset)
        for asset in [asset for asset in pools if asset not in kept]:
            # Gone is what we were told is empty, not what an answer leaves out.
            self._end(pools.pop(asset), "pool_gone", now, outcome)
        if self._restored.get(account.name):
            self._follow_restored(account, kept, touched, now, outcome)

    def _follow_restored(
        self, account: Account, kept: Sequence[str], touched: Touched, now: Now, outcome: Outcome
    ) -> None:
        """End alerts of an earlier run whose target went away, or whose rule, meanwhile.

        A position that turned round proves it at once; one that is merely missing has to be
        missing from both answers of two complete polls.
        """
        asked = False
        for key in list(self._restored[account.name]):
            reason = _gone_because(account, key[1], kept)
            if reason is not None:
                self._end_restored(key, reason, now, outcome)
            elif (key[1].symbol, key[1].position_side) in account.named:
                self._missing.pop(key, None)
            elif key not in self._missing:
                self._missing[key] = account.named_at
                asked = True
            elif account.named_at > self._missing[key]:
                reason = "position_closed" if key[1].symbol else "pool_gone"
                self._end_restored(key, reason, now, outcome)
        if asked:
            touched.polls.append(PollWanted(account.name, now.ticks + ASK_AGAIN))

    def _end_restored(
        self, key: tuple[str, Target], reason: str, now: Now, outcome: Outcome
    ) -> None:
        self._missing.pop(key, None)
        self._teller.finish(self._restored[key[1].account].pop(key), reason, now, outcome)

    # ------------------------------------------------------------ watches

    def _watch(
        self,
        scope: Scope,
        target: Target,
        account: Account,
        now: Now,
        former: dict[_Which, Watch],
        *,
        holding: Holding | None = None,
        asset: str = "",
    ) -> Watches:
        """Make the watches of a target: every rule of its scope that is meant for it.

        Out of `former` those of the same name are taken, so that what is due stays due.
        """
        restored = self._restored.get(account.name, {})
        found = []
        for judge in self._judges:
            rule = judge.rule
            if rule.scope is not scope or not rule.accounts.match(account.name):
                continue
            if holding is not None and not rule.symbols.match(target.symbol):
                continue
            which = rule.name, target
            watch = former.pop(which, None) or Watch(
                judge, target, account, holding=holding, asset=asset
            )
            watch.judge = judge
            alert = watch.alert = restored.pop(which, None)
            if alert is not None:
                self._missing.pop(which, None)
            due = None if alert is None else alert.due(now.ticks)
            self._agenda.put(("delay", watch), due, JUDGE)
            self._teller.plan_reminder(watch, now)
            found.append(watch)
        return tuple(found)

    def _end(self, watches: Watches, reason: str, now: Now, outcome: Outcome) -> None:
        """End every alert on a target that is gone."""
        for watch in watches:
            if watch.alert is not None:
                self._teller.finish(watch.alert, reason, now, outcome)
                watch.alert = None
            self._forget(watch)

    def _forget(self, watch: Watch) -> None:
        """Take everything off the agenda that a watch would be looked at for."""
        self._agenda.put(("age", watch), None, JUDGE)
        self._agenda.put(("delay", watch), None, JUDGE)
        self._agenda.put(("remind", watch), None, REST)


def _gone_because(account: Account, target: Target, kept: Sequence[str]) -> str | None:
    """Tell why a restored alert ends at once; None where its target is merely missing."""
    if not target.symbol:
        return "no_longer_applies" if target.asset in kept else None
    holding = account.holdings.get((target.symbol, target.position_side))
    if holding is None:
        return None
    same = holding.position.side == target.side
    return "no_longer_applies" if same else "position_closed"
