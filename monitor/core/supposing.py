"""An account as it would be at other marks: what `positions` and `whatif` compute with.

Only marks move, and they move as if they had just been told: balances, quantities and the marks of
other symbols are held, and liquidation prices are carried on as they always are. Nothing is
computed anew here: figures, pools and judgements are those that run live.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.freshness import FORGET_AFTER
from monitor.core.judging import Judge, Sight, look, worst
from monitor.core.language.truth import Truth
from monitor.core.language.units import Scope
from monitor.core.metrics import View
from monitor.core.notices import Target
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.rules import Rule
from monitor.core.watching import target_of


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may be about: a position, a pool or the account itself."""

    account: Account
    target: Target
    holding: Holding | None = None
    asset: str = ""

    @property
    def scope(self) -> Scope:
        """Which rules it is for."""
        if self.holding is not None:
            return Scope.POSITION
        return Scope.POOL if self.asset else Scope.ACCOUNT

    def sight(self, now: Now) -> Sight:
        """Look at it with the marks that stand now."""
        view = View(self.account, now, holding=self.holding, asset=self.asset)
        return look(view, FORGET_AFTER)

    def rules(self, judges: Sequence[Judge]) -> tuple[Judge, ...]:
        """Choose the rules that are meant for it."""
        return tuple(judge for judge in judges if self._meant(judge.rule))

    def _meant(self, rule: Rule) -> bool:
        symbol = self.target.symbol
        return (
            rule.scope is self.scope
            and rule.accounts.match(self.account.name)
            and (self.holding is None or rule.symbols.match(symbol))
        )


def subjects_of(account: Account) -> Iterator[Subject]:
    """List all that an account's rules may be about: its positions, its pools, itself."""
    for holding in account.holdings.values():
        yield Subject(account, target_of(account, holding.position), holding)
    for asset in account.pool_assets():
        yield Subject(account, Target(account.name, asset=asset), asset=asset)
    yield Subject(account, Target(account.name))


def judged(judge: Judge, sight: Sight, *, relaxed: bool = False) -> list[Truth]:
    """Judge each level, by rising severity: its condition or that of any higher one."""
    return worst(judge.truths(sight, relaxed=relaxed))


def marks_of(account: Account) -> dict[str, Decimal]:
    """Give the marks of the symbols held, as far as they are known."""
    return {
        holding.position.symbol: holding.mark_price
        for holding in account.holdings.values()
        if holding.mark_price is not None
    }


def move(account: Account, marks: Mapping[str, Decimal]) -> None:
    """Let the marks of symbols be others."""
    for holding in account.holdings.values():
        price = marks.get(holding.position.symbol)
        if price is not None:
            holding.move(price, holding.mark_at)
    account.moved = True


@contextmanager
def supposing(account: Account, marks: Mapping[str, Decimal]) -> Iterator[None]:
    """Let the marks be others for a while; what is computed meanwhile must be read meanwhile."""
    before = marks_of(account)
    move(account, marks)
    try:
        yield
    finally:
        move(account, before)
