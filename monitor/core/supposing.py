"""An account as it would be at other marks: what `positions` and `whatif` compute with.

Only marks move, and they move as if they had just been told: balances, quantities and the marks of
other symbols are held, and liquidation prices are carried on as they always are. What a liquidation
takes may be taken away, too (`bereft`). Nothing is computed anew here: figures, pools and
judgements are those that run live.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.freshness import FORGET_AFTER
from monitor.core.judging import Judge, Sight, look, worst
from monitor.core.language.truth import Truth
from monitor.core.language.units import Scope
from monitor.core.liquidation import ZERO
from monitor.core.metrics import View
from monitor.core.notices import Target
from monitor.core.pools import worth
from monitor.core.portfolio import Account
from monitor.core.positions import Balance, Holding
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


@contextmanager
def supposing(account: Account, marks: Mapping[str, Decimal], now: Now) -> Iterator[None]:
    """Let the marks be others for a while; what is computed meanwhile must be read meanwhile."""
    held = list(account.holdings.values())
    before = [(holding, holding.mark_price, holding.mark_at) for holding in held]
    for holding in held:
        price = marks.get(holding.position.symbol)
        if price is not None and price != holding.mark_price:
            holding.move(price, now.ticks)
    account.moved = True
    try:
        yield
    finally:
        for holding, price, since in before:
            holding.mark_price, holding.mark_at = price, since
        account.moved = True


@contextmanager
def bereft(
    account: Account, positions: Collection[Holding], pools: Collection[str]
) -> Iterator[None]:
    """Let what was liquidated have lost all that stood behind it, and no more, for a while.

    An isolated position is gone, and its isolated wallet with it; a cross pool keeps its positions
    and has no margin balance left. At the exchange the order goes out at the bankruptcy price, and
    what it brings beyond that pays the liquidation fee, which is more than the maintenance margin
    of most brackets; what is missing is the insurance fund's (docs/protocol.md §9.6).
    """
    lost: dict[str, tuple[Decimal, Decimal]] = {}

    def lose(asset: str, money: Decimal | None, cross: Decimal) -> None:
        if money is not None:
            wallet, cross_wallet = lost.get(asset, (ZERO, ZERO))
            lost[asset] = wallet + money, cross_wallet + cross

    for asset in pools:
        balance = account.pool(asset).margin_balance
        lose(asset, balance, balance or ZERO)
    for holding in positions:
        position = holding.position
        wallet: Decimal | None = position.isolated_wallet
        if account.multi_assets:
            wallet = worth(wallet, account.prices.get(position.margin_asset))
        lose(account.pool_of(position), wallet, ZERO)
    kept = account.holdings, account.balances, account.totals
    account.holdings = {
        key: each for key, each in account.holdings.items() if each not in positions
    }
    account.balances = dict(account.balances)
    for asset, (wallet, cross) in lost.items():
        _take(account, asset, wallet, cross)
    account.forget_pools()
    try:
        yield
    finally:
        account.holdings, account.balances, account.totals = kept
        account.forget_pools()


def _take(account: Account, asset: str, wallet: Decimal, cross: Decimal) -> None:
    """Take money out of a pool: of all in it, and of what is not isolated."""
    held = account.totals if account.multi_assets else account.balances.get(asset)
    if held is None:
        return
    left = replace(held, wallet=held.wallet - wallet, cross_wallet=held.cross_wallet - cross)
    if isinstance(left, Balance):
        account.balances[asset] = left
    else:
        account.totals = left
