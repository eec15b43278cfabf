"""Trigger prices for whoever looks on: the mark at which each level of each rule would turn.

They are dear (milliseconds for each rule of a position), so they are looked for while somebody
watches, every `EVERY` at most, a rule and a symbol at a time with rests in between, and none of
them for long: what cannot be proved in `MOST` looks is unknown here.

A search leaves everything as it was (`core/triggers.py`) and nothing else runs meanwhile, so the
engine never knows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from monitor.app.http.sparing import Sparing
from monitor.core.events import Now
from monitor.core.judging import Judge
from monitor.core.notices import Target
from monitor.core.portfolio import Account
from monitor.core.rules import Rule
from monitor.core.supposing import Subject, marks_of
from monitor.core.triggers import Trigger, symbols_of, triggers_of

EVERY = 10_000
"""Milliseconds, before scale, from the beginning of a search in an account to that of the next."""

MOST = 100
"""Marks that are looked at for one answer; it takes about fifty."""

SIGNIFICANT = 6
"""Digits of prices: the step in which is looked, since the exchange's own is not at hand."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search in an account found."""

    begun: int
    """In ticks."""
    by_target: Mapping[Target, Sequence[Trigger]] = field(default_factory=dict)


class Seeker:
    """Looks for trigger prices.

    Args:
        now: Tells the time.
        scale: Of real work.
    """

    def __init__(self, now: Callable[[], Now], scale: float) -> None:
        self._now = now
        self._every = round(EVERY * scale)
        self._sparing = Sparing(scale)
        self._rules: Mapping[str, Rule] = {}
        self._judges: tuple[Judge, ...] = ()
        self._found: dict[str, Found] = {}

    def found(self, account: str) -> Found | None:
        """Give what was found in an account last; None: nobody looked yet."""
        return self._found.get(account)

    def is_due(self, account: str) -> bool:
        """Tell whether it is time to look again."""
        before = self._found.get(account)
        return before is None or self._now().ticks - before.begun >= self._every

    async def seek(
        self, account: Account, subjects: Sequence[Subject], rules: Mapping[str, Rule]
    ) -> None:
        """Look for all trigger prices of some targets.

        Args:
            account: Whose they are.
            subjects: Positions and pools of it.
            rules: All rules, by name.
        """
        self._take(rules)
        self._sparing.begin()
        begun = self._now().ticks
        found: dict[Target, list[Trigger]] = {}
        for subject in subjects:
            found[subject.target] = []
            for judge in subject.rules(self._judges):
                for symbol in symbols_of(subject):
                    if is_gone(subject):
                        continue
                    marks = marks_of(account)
                    steps = {symbol: step_of(marks[symbol])} if symbol in marks else {}
                    found[subject.target] += triggers_of(
                        subject, [judge], self._now(), steps, only=symbol, most=MOST
                    )
                    await self._sparing.rest()
        self._found[account.name] = Found(begun, found)

    def _take(self, rules: Mapping[str, Rule]) -> None:
        """Prepare rules for judging, once for as long as they are the same."""
        if rules is not self._rules:
            self._rules = rules
            self._judges = tuple(Judge(rule) for rule in rules.values() if rule.levels)


def step_of(mark: Decimal) -> Decimal:
    """Give the step of the last digit that is shown of prices of this size."""
    return Decimal(1).scaleb(mark.adjusted() + 1 - SIGNIFICANT) if mark else Decimal(1)


def is_gone(subject: Subject) -> bool:
    """Tell whether a target ended while others were looked at."""
    holding, account = subject.holding, subject.account
    if holding is None:
        return subject.asset not in account.pool_assets()
    return account.holdings.get(holding.position.key) is not holding
