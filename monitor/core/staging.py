"""Accounts on a stage: told what is true of them instead of being watched.

Rule tests drive the engine that runs live, on accounts whose figures are partly stated. What is
stated stands over any computation, stays fresh until something else is stated, and is not carried
on; everything else is computed as ever, from what is stated, and is unknown where that is not
enough. Nothing ages by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.core.events import Event
from monitor.core.freshness import Stamps
from monitor.core.happenings import Happening
from monitor.core.liquidation import ZERO
from monitor.core.merging import Portfolio, Touched
from monitor.core.pools import Counted, Pool
from monitor.core.portfolio import Account
from monitor.core.positions import Holding, Key, Position
from monitor.core.stated import NOTHING, Stated

if TYPE_CHECKING:
    from monitor.core.figures import Figure

What = Key | str
"""A position by its key, a pool by its asset, the account itself as ""."""


@dataclass(frozen=True, slots=True)
class Staged:
    """All that a rule test tells at one instant, taken as one."""

    events: tuple[Event, ...] = ()
    stated: Mapping[str, Mapping[What, Stated]] = field(default_factory=dict)
    """By account: what stands from now on; accounts that are not here stay as they are."""
    unmarked: tuple[str, ...] = ()
    """Symbols whose mark is not known any more."""
    happenings: tuple[Happening, ...] = ()


def _decimal(figure: "Figure") -> Decimal | None:
    return figure if isinstance(figure, Decimal) else None


class StagedHolding(Holding):
    """A position some of whose figures are stated."""

    __slots__ = ()

    def _given(self, name: str, computed: Decimal | None) -> Decimal | None:
        figures = self.account.stated(self, "").figures
        if name in figures:
            return _decimal(figures[name])
        return None if self.mark_price is None else computed

    @property
    def pnl(self) -> Decimal | None:
        """Its unrealized PnL; None is unknown, here as in the others."""
        return self._given("unrealized_pnl", super().pnl)

    @property
    def notional(self) -> Decimal | None:
        """Its unsigned quantity × mark."""
        return self._given("notional", super().notional)

    @property
    def maintenance(self) -> Decimal | None:
        """Its maintenance margin."""
        return self._given("maintenance", super().maintenance)

    @property
    def isolated_margin(self) -> Decimal | None:
        """Its own wallet + unrealized PnL."""
        return self._given("isolated_margin", super().isolated_margin)


class StagedPool(Pool):
    """A margin pool some of whose totals are stated."""

    figures: "Mapping[str, Figure]" = NOTHING.figures

    def state(self, figures: "Mapping[str, Figure]") -> None:
        """Let stated totals stand for what was summed up."""
        self.figures = figures
        names = {
            "wallet": "wallet_balance",
            "cross_wallet": "cross_wallet",
            "available": "available_balance",
            "cross_maintenance": "maintenance_margin",
            "total_pnl": "total_unrealized_pnl",
            "total_notional": "total_notional",
        }
        for attribute, name in names.items():
            if name in figures:
                setattr(self, attribute, _decimal(figures[name]))

    @property
    def margin_balance(self) -> Decimal | None:
        """Cross wallet + cross uPnL."""
        if "margin_balance" in self.figures:
            return _decimal(self.figures["margin_balance"])
        return super().margin_balance

    @property
    def equity(self) -> Decimal | None:
        """Wallet + uPnL of everything."""
        return _decimal(self.figures["equity"]) if "equity" in self.figures else super().equity


class StagedAccount(Account):
    """An account some of whose figures are stated."""

    staged = True

    def __init__(self, name: str, venue: str, limit: int, started: int) -> None:
        super().__init__(name, venue, limit, started)
        self._stated: Mapping[What, Stated] = {}
        self._merged: dict[tuple[Holding | None, str], Stated] = {}

    def state(self, stated: Mapping[What, Stated]) -> None:
        """Let figures stand from now on, and no others."""
        self._stated = stated
        self._merged.clear()
        self.forget_pools()

    def stated(self, holding: Holding | None, asset: str) -> Stated:
        """Tell which figures of a target stand: its own, its pool's and the account's.

        A liquidation price is left out; `liquidation` tells it with its direction.
        """
        key = holding, asset
        merged = self._merged.get(key)
        if merged is None:
            parts = [self._of("")]
            if asset:
                parts.append(self._of(asset))
            if holding is not None:
                parts.append(self._of(holding.position.key))
            figures = {name: each for part in parts for name, each in part.figures.items()}
            figures.pop("liquidation_price", None)
            doubts = {name: bits for part in parts for name, bits in part.doubts.items()}
            seen = {name: at for part in parts for name, at in part.seen.items()}
            merged = self._merged[key] = Stated(figures, doubts, seen)
        return merged

    def _of(self, what: What) -> Stated:
        return self._stated.get(what, NOTHING)

    def new_pool(self, asset: str) -> Pool:
        """Make a pool with nothing in it."""
        return StagedPool(asset)

    def new_holding(self, position: Position, opened_at: int) -> Holding:
        """Make what is kept of a position that opened."""
        return StagedHolding(self, position, opened_at)

    def make_pool(self, asset: str, holdings: Iterable[Counted]) -> Pool:
        """Sum up a pool, but for what is stated of it."""
        pool = super().make_pool(asset, holdings)
        if isinstance(pool, StagedPool):
            pool.state(self._of(asset).figures)
        return pool

    def pool_assets(self) -> list[str]:
        """List the pools that are kept; one that anything is stated of is."""
        stated = (what for what in self._stated if isinstance(what, str) and what)
        return list(dict.fromkeys([*super().pool_assets(), *stated]))

    def stamps(self, holding: Holding | None, pool: Pool | None) -> Stamps:
        """Nothing ages by itself."""
        del holding, pool
        return Stamps()

    def liquidation(self, position: Position) -> tuple[Decimal | None, Decimal] | None:
        """Give the stated liquidation price, or compute it from what is known now."""
        figures = self._of(position.key).figures
        if "liquidation_price" in figures:
            price = figures["liquidation_price"]
            if price is None:
                return None
            finite = isinstance(price, Decimal) and price.is_finite() and price > 0
            return (_decimal(price) if finite else None), self._direction(position)
        own = ("quantity",) if position.cross else ("quantity", "isolated_wallet")
        if any(figures.get(name, ZERO) is None for name in own):
            return None
        basis = self.base_from_parts(position)
        if basis is None:
            return None
        self.bases[self.group_of(position)] = basis
        return super().liquidation(position)

    def _direction(self, position: Position) -> Decimal:
        """Tell which way liquidates: as `liquidation.py`'s slope, but for the rates."""
        group = self.group_of(position)
        held = (each.position for each in self.holdings.values())
        net = sum((each.quantity for each in held if self.group_of(each) == group), ZERO)
        return -net or Decimal(1)


def unmark(portfolio: Portfolio, symbols: Iterable[str], touched: Touched) -> None:
    """Forget the marks of symbols."""
    for symbol in symbols:
        portfolio.marks.pop(symbol, None)
        for holding in portfolio.by_symbol.get(symbol, ()):
            holding.mark_price = None
            holding.account.moved = True
            touched.accounts[holding.account] = None


def take_staged(portfolio: Portfolio, staged: Staged, touched: Touched) -> None:
    """Let stand what is stated; after the events of its instant."""
    for name, stated in staged.stated.items():
        account = portfolio.accounts[name]
        if not isinstance(account, StagedAccount):
            raise TypeError(f"{name} is watched; nothing can be stated of it")
        account.state(stated)
        touched.accounts[account] = None
    unmark(portfolio, staged.unmarked, touched)
