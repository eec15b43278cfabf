"""Keeping the past of what rules look back at: windows per target, over a restart too.

A window is kept of a metric and a span that some rule reads, for each position or pool that the
rule may be about, and is told the metric whenever that moved: before anything is judged, and
whether or not a rule is judged then. It begins when the position opens or the pool is first seen,
and goes with it; a position that turns round is another.

What is new in them is written now and then (`keep`) and when the program ends. After a restart
the time since is a stretch in which nobody looked, like any other (`windows.py`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.judging import look
from monitor.core.language.units import Scope
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Target, WindowRecord
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.rules import Rule
from monitor.core.watching import target_of
from monitor.core.windows import Window

Key = tuple[str, int]
"""A metric and a span in milliseconds."""


class Recorder:
    """Keeps the windows of all accounts.

    Args:
        rules: All rules; what none of them looks back at is not kept.
        accounts: The names of all accounts.
        saved: What an earlier run kept.
        now: The instant at which the watch begins.
        outcome: Where it is noted what the store may forget.
        patience: Milliseconds that a number may be unknown without leaving a hole.
        forget_after: Milliseconds from which a number is not believed at all.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        accounts: Iterable[str],
        saved: Iterable[WindowRecord],
        now: Now,
        outcome: Outcome,
        *,
        patience: int,
        forget_after: int,
    ) -> None:
        self._patience = patience
        self._forget_after = forget_after
        self._accounts = frozenset(accounts)
        self._read_for(rules)
        self._restored: dict[str, dict[tuple[Target, Key], Window]] = {}
        """Per account: windows of an earlier run, until a first complete poll shows what is
        there."""
        self._targets: dict[Account, dict[Holding | str | None, Target]] = {}
        for record in saved:
            self._take_up(record, now, outcome)

    def _read_for(self, rules: Iterable[Rule]) -> None:
        self._read: dict[Scope, list[tuple[Rule, Key]]] = {Scope.POSITION: [], Scope.POOL: []}
        for rule in rules:
            for name, span in dict.fromkeys(_looked_back_at(rule)):
                self._read[METRICS[name].scope].append((rule, (name, span)))
        self._watched = frozenset(name for name in self._accounts if self._reads_of(name))

    def replace(self, rules: Iterable[Rule], outcome: Outcome) -> None:
        """Keep what other rules look back at from now on; of that, what is kept already goes on."""
        self._read_for(rules)
        for account, targets in self._targets.items():
            for each, target in targets.items():
                before = account.windows[each]
                account.windows[each] = {
                    key: before[key] if key in before else Window(key[1], self._patience)
                    for key in self._keys(account.name, target)
                }
                gone = before.keys() - account.windows[each].keys()
                outcome.windows += [_forgotten(target, key) for key in sorted(gone)]
        for name, restored in self._restored.items():
            read = [key for _, key in self._reads_of(name)]
            for target, key in [each for each in restored if each[1] not in read]:
                del restored[target, key]
                outcome.windows.append(_forgotten(target, key))

    def _reads_of(self, account: str) -> list[tuple[Rule, Key]]:
        return [
            (rule, key)
            for read in self._read.values()
            for rule, key in read
            if rule.accounts.match(account)
        ]

    def _take_up(self, record: WindowRecord, now: Now, outcome: Outcome) -> None:
        """Take a window of an earlier run up, or let the store forget it."""
        target, key = record.target, (record.metric, record.span)
        read = [each for _, each in self._reads_of(target.account)]
        if target.account not in self._watched or key not in read:
            outcome.windows.append(_forgotten(target, key))
            return
        window = Window(record.span, self._patience)
        window.restore(
            [row._replace(start=now.ticks - max(0, now.utc - row.start)) for row in record.rows],
            now.ticks,
        )
        self._restored.setdefault(target.account, {})[target, key] = window

    # ------------------------------------------------------------ being told

    def looks_back(self, account: Account) -> bool:
        """Tell whether a rule looks back at this account, so that no tick may be left out."""
        return account.name in self._watched

    def take(
        self, account: Account, moved: Collection[str] | None, now: Now, outcome: Outcome
    ) -> None:
        """Take what metrics are now, before they are judged.

        Args:
            account: Whose they are.
            moved: Pools in which something moved; None: anything of the account may have.
            now: The instant.
            outcome: Where it is noted what the store may forget.
        """
        if not self.looks_back(account) or not account.shows_positions:
            return
        if moved is None:
            self._follow(account, outcome)
        for asset in account.pool_assets() if moved is None else moved:
            self._tell(account.windows.get(asset), View(account, now, asset=asset))
        for holding in account.holdings.values():
            if moved is None or account.pool_of(holding.position) in moved:
                self._tell(account.windows.get(holding), View(account, now, holding=holding))

    def _tell(self, windows: Mapping[Key, Window] | None, view: View) -> None:
        if not windows:
            return
        sight = look(view, self._forget_after)
        for (name, _), window in windows.items():
            metric = METRICS[name]
            figure = view.figure(name, metric.compute)
            known = isinstance(figure, Decimal) and not sight.rests(metric) & sight.unknown
            window.take(figure if known else None, view.now.ticks)  # type: ignore[arg-type]  # a Decimal if known

    def _follow(self, account: Account, outcome: Outcome) -> None:
        """Begin the windows of what is there, and end those of what is gone."""
        there: dict[Holding | str | None, Target] = {
            holding: target_of(account, holding.position) for holding in account.holdings.values()
        }
        there |= {asset: Target(account.name, asset=asset) for asset in account.pool_assets()}
        for gone in [each for each in account.windows if each not in there]:
            target = self._targets[account].pop(gone)
            outcome.windows += [_forgotten(target, key) for key in account.windows.pop(gone)]
        restored = self._restored.get(account.name, {})
        for each, target in there.items():
            if each not in account.windows:
                self._targets.setdefault(account, {})[each] = target
                account.windows[each] = {
                    key: restored.pop((target, key))
                    if (target, key) in restored
                    else Window(key[1], self._patience)
                    for key in self._keys(account.name, target)
                }
        if account.first_poll_done:
            # What is not there now may open again, and is another then.
            outcome.windows += [_forgotten(target, key) for target, key in restored]
            restored.clear()

    def _keys(self, account: str, target: Target) -> dict[Key, None]:
        """Name what rules look back at in a target."""
        read = self._read[Scope.POSITION if target.symbol else Scope.POOL]
        return {
            key: None
            for rule, key in read
            if rule.accounts.match(account)
            and (not target.symbol or rule.symbols.match(target.symbol))
        }

    # ------------------------------------------------------------ being kept

    def keep(self, now: Now, outcome: Outcome) -> None:
        """Write down what is new in all windows."""
        for account, targets in self._targets.items():
            for each, target in targets.items():
                for (name, span), window in account.windows[each].items():
                    rows = tuple(
                        row._replace(start=now.utc - (now.ticks - row.start))
                        for row in window.unkept(now.ticks)
                    )
                    if rows:
                        record = WindowRecord(target, name, span, window.first, rows)
                        outcome.windows.append(record)


def _looked_back_at(rule: Rule) -> Iterator[Key]:
    for level in rule.levels:
        for word in level.condition.words:
            if word.history is not None:
                yield word.history.metric, word.history.span


def _forgotten(target: Target, key: Key) -> WindowRecord:
    return WindowRecord(target, *key)
