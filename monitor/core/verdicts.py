"""Judging what was touched, and moving the alerts by it.

Within an instant targets are judged once and in one order, whatever touched them: by account, its
positions, its pools, the account itself. So `judge_all` gives the same notices with the same
numbers as judging only what was touched.
"""

from collections.abc import Iterable, Sequence

from monitor.core.agenda import JUDGE, Agenda
from monitor.core.alerts import Alert
from monitor.core.calm import Calm
from monitor.core.events import Now
from monitor.core.judging import Sight, Watch, look, worst
from monitor.core.language.units import Scope
from monitor.core.merging import Touched
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.recording import Recorder
from monitor.core.telling import Teller
from monitor.core.watching import Watching


class Verdicts:
    """Judges targets.

    Args:
        accounts: All of them, in the order in which they are judged.
        forget_after: Milliseconds from which a number is not believed at all.
        judge_all: Judge everything whenever anything is: the oracle.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        watching: Watching,
        agenda: Agenda,
        teller: Teller,
        recorder: Recorder,
        *,
        forget_after: int,
        judge_all: bool,
    ) -> None:
        self._order = {account: place for place, account in enumerate(accounts)}
        self._watching = watching
        self._agenda = agenda
        self._teller = teller
        self._recorder = recorder
        self._forget_after = forget_after
        self._judge_all = judge_all
        self._calm = Calm(forget_after)

    def judge(self, touched: Touched, due: dict[Watch, None], now: Now, outcome: Outcome) -> None:
        """Judge what was touched, and the watches whose delay or age is due."""
        concerned = dict(touched.accounts)
        moved: dict[Account, set[str]] = {}
        for account, asset in touched.pools:
            moved.setdefault(account, set()).add(asset)
            concerned[account] = None
        for holding in touched.holdings:
            concerned[holding.account] = None
        for watch in due:
            concerned[watch.account] = None
        if self._judge_all:
            concerned = dict.fromkeys(self._order)
        for account in sorted(concerned, key=self._order.__getitem__):
            account.calm = False
            pools = moved.get(account, set())
            if self._judge_all or account in touched.accounts:
                self._recorder.take(account, None, now, outcome)
                self._judge_whole(account, now, outcome)
            else:
                self._recorder.take(account, pools, now, outcome)
                self._judge_parts(account, touched.holdings, pools, due, now, outcome)
                if pools and not account.staged and not self._recorder.looks_back(account):
                    self._calm.seek(account, self._watching.of(account), now)

    def _judge_whole(self, account: Account, now: Now, outcome: Outcome) -> None:
        watching = self._watching
        for holding in account.holdings.values():
            self._judge_target(watching.on_holding[holding], now, outcome)
        for asset in account.pool_assets():
            self._judge_target(watching.on_pool[account].get(asset, ()), now, outcome)
        self._judge_target(watching.on_account[account], now, outcome)

    def _judge_parts(
        self,
        account: Account,
        holdings: dict[Holding, None],
        pools: set[str],
        due: dict[Watch, None],
        now: Now,
        outcome: Outcome,
    ) -> None:
        """Judge the positions that moved, and of the rest what reads something that moved."""
        watching = self._watching

        def concerns(watch: Watch) -> bool:
            judge = watch.judge
            if pools and judge.reads_account:
                return True
            return watch in due or (judge.reads_pool and watch.pool in pools)

        for holding in account.holdings.values():
            watches: Sequence[Watch] = watching.on_holding[holding]
            if watches and holding not in holdings:
                watches = [watch for watch in watches if concerns(watch)]
            self._judge_target(watches, now, outcome)
        for asset in account.pool_assets():
            watches = watching.on_pool[account].get(asset, ())
            if watches and asset not in pools:
                watches = [watch for watch in watches if concerns(watch)]
            self._judge_target(watches, now, outcome)
        watches = watching.on_account[account]
        if not pools:
            watches = [watch for watch in watches if watch in due]
        self._judge_target(watches, now, outcome)

    def _judge_target(self, watches: Sequence[Watch], now: Now, outcome: Outcome) -> None:
        if not watches:
            return
        first = watches[0]
        scope, account = first.judge.rule.scope, first.account
        if scope is Scope.POSITION and not account.shows_positions:
            return
        if scope is Scope.POOL and not account.first_poll_done:
            return
        sight = look(first.view(now), self._forget_after)
        for watch in watches:
            self._judge(watch, sight, now, outcome)

    def _judge(self, watch: Watch, sight: Sight, now: Now, outcome: Outcome) -> None:
        judge, alert = watch.judge, watch.alert
        if judge.ages or judge.looking_back:
            self._agenda.put(("age", watch), judge.next_by_time(sight.view), JUDGE)
        if alert is None:
            if judge.quiet(sight):
                return
            alert = watch.alert = Alert(judge.rule, watch.target)
        raws = worst(judge.truths(sight, relaxed=False))
        relaxeds = worst(judge.truths(sight, relaxed=True))
        before = alert.level
        changed = alert.step(raws, relaxeds, now)
        if alert.waits_for_fresh and not sight.aged & judge.rests_of(cross=sight.cross):
            alert.waits_for_fresh = False
            self._teller.plan_reminder(watch, now)
            if alert.level is before:
                self._teller.catch_up(watch, sight, outcome)
        if alert.level is not before:
            self._teller.level_changed(watch, alert, before, sight, outcome)
        # Also where nothing changed: one switch's time may have come without effect, and another's
        # is still to come.
        self._agenda.put(("delay", watch), alert.due(now.ticks), JUDGE)
        if changed:
            outcome.alerts[alert.rule.name, alert.target] = alert.record(now)
            if alert.idle:
                watch.alert = None
