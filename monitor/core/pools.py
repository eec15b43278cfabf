"""The totals of a margin pool: sums over its positions, made when somebody reads them.

A sum with an unknown term is unknown. Positions in isolated margin count for what is theirs
(wallet, PnL and notional of everything in an asset), never for the cross pool's balance and
maintenance margin.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from monitor.core.freshness import ALWAYS, NEVER
from monitor.core.liquidation import ZERO

if TYPE_CHECKING:
    from monitor.core.positions import Position

USD = "USD"
"""The pool of an account in multi-assets mode."""

ONE = Decimal(1)


class Counted(Protocol):
    """What a pool sums up: a position with its figures; None is unknown."""

    @property
    def position(self) -> "Position":
        """The position."""

    @property
    def mark_at(self) -> int:
        """When its mark was true."""

    @property
    def pnl(self) -> Decimal | None:
        """Unrealized PnL."""

    @property
    def notional(self) -> Decimal | None:
        """Unsigned notional."""

    @property
    def maintenance(self) -> Decimal | None:
        """Maintenance margin."""


@dataclass(slots=True)
class Pool:
    """The totals of one pool now; None is unknown (docs/semantics.md §2)."""

    asset: str
    wallet: Decimal | None = None
    cross_wallet: Decimal | None = None
    available: Decimal | None = None
    cross_pnl: Decimal | None = ZERO
    cross_maintenance: Decimal | None = ZERO
    total_pnl: Decimal | None = ZERO
    total_notional: Decimal | None = ZERO
    count: int = 0
    data_at: int = NEVER
    polled_at: int = NEVER
    rates_at: int = ALWAYS
    cross_marks_at: int = ALWAYS
    all_marks_at: int = ALWAYS
    doubted: bool = False
    """Whether a position of it is missing from a poll, or contradicted by one."""
    symbols: dict[str, tuple[Decimal, Decimal] | None] = field(default_factory=dict)
    """Per symbol its cross uPnL and maintenance; None where one is unknown."""
    cross_correction: Decimal = ZERO
    """What the exchange's own cross uPnL had beyond our sum at the poll (multi-assets mode)."""

    def others(self, symbol: str) -> Decimal | None:
        """Compute uPnL − maintenance of the pool's other cross symbols; None is unknown."""
        own = self.symbols.get(symbol)
        if own is not None and len(self.symbols) == 1:
            return ZERO  # what is taken away below leaves what it was rounded by
        if own is not None and self.cross_pnl is not None and self.cross_maintenance is not None:
            return self.cross_pnl - self.cross_maintenance - own[0] + own[1]
        total = ZERO
        for name, sums in self.symbols.items():
            if name == symbol:
                continue
            if sums is None:
                return None
            total += sums[0] - sums[1]
        return total

    @property
    def margin_balance(self) -> Decimal | None:
        """Cross wallet + cross uPnL."""
        if self.cross_wallet is None or self.cross_pnl is None:
            return None
        return self.cross_wallet + self.cross_pnl + self.cross_correction

    @property
    def equity(self) -> Decimal | None:
        """Wallet + uPnL of everything."""
        if self.wallet is None or self.total_pnl is None:
            return None
        return self.wallet + self.total_pnl

    def add(self, holding: Counted, price: Decimal | None = ONE) -> None:
        """Add a position.

        Args:
            holding: The position with its figures.
            price: What one unit of its margin asset is worth in the pool's money; None: unknown.
        """
        position = holding.position
        self.count += 1
        self.doubted |= position.doubted
        self.data_at = min(self.data_at, position.data_at)
        self.all_marks_at = min(self.all_marks_at, holding.mark_at)
        pnl, notional, maintenance = holding.pnl, holding.notional, holding.maintenance
        if price is not ONE:
            pnl, notional, maintenance = (
                worth(part, price) for part in (pnl, notional, maintenance)
            )
        self.total_pnl = _sum(self.total_pnl, pnl)
        self.total_notional = _sum(self.total_notional, notional)
        if position.cross:
            self.cross_marks_at = min(self.cross_marks_at, holding.mark_at)
            self.rates_at = min(self.rates_at, position.polled_at)
            self._add_cross(position.symbol, pnl, maintenance)

    def _add_cross(self, symbol: str, pnl: Decimal | None, maintenance: Decimal | None) -> None:
        sums = self.symbols.get(symbol, (ZERO, ZERO))
        if pnl is None or maintenance is None or sums is None:
            self.symbols[symbol] = None
        else:
            self.symbols[symbol] = (sums[0] + pnl, sums[1] + maintenance)
        self.cross_pnl = _sum(self.cross_pnl, pnl)
        self.cross_maintenance = _sum(self.cross_maintenance, maintenance)


def _sum(total: Decimal | None, part: Decimal | None) -> Decimal | None:
    return None if total is None or part is None else total + part


def worth(money: Decimal | None, price: Decimal | None) -> Decimal | None:
    """Convert money at a price; None where either is unknown, but nothing is worth nothing."""
    if money is None or money == 0:
        return money
    return None if price is None else money * price
