"""Positions and balances as the exchange describes them, and what is remembered of their keys.

A `Position` is replaced only when the exchange changes it; a `Holding` keeps beside it the figures
that move with the mark. All instants are ticks (`Now.ticks`), but for `KeyState.changed_at`; money
is in the margin asset.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.core.freshness import NEVER
from monitor.core.liquidation import ZERO, Leg, maintenance_margin, unrealized_pnl

if TYPE_CHECKING:
    from monitor.core.portfolio import Account

Key = tuple[str, str]
"""(symbol, position side)."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position as the exchange last described it; `quantity` is never 0."""

    symbol: str
    position_side: str
    quantity: Decimal
    entry_price: Decimal | None
    margin_type: str
    isolated_wallet: Decimal
    margin_asset: str
    data_at: int
    """When its own row was last known to be true."""
    break_even_price: Decimal | None = None
    exchange_pnl: Decimal | None = None
    """The exchange's own unrealized PnL, for a position whose entry price is unknown."""
    adl: int | None = None
    rate: Decimal | None = None
    """Maintenance margin / notional of the last poll; unknown before it."""
    amount: Decimal = ZERO
    """Maintenance amount of its bracket; 0 while brackets are unknown (`rate` holds it then)."""
    polled_at: int = NEVER
    doubted: bool = False
    """Missing from the last poll, or contradicted by it: aged until the next one."""

    @property
    def side(self) -> str:
        """`long` or `short`."""
        return "long" if self.quantity > 0 else "short"

    @property
    def key(self) -> Key:
        """(symbol, position side)."""
        return self.symbol, self.position_side

    @property
    def cross(self) -> bool:
        """Whether it stands on its pool's money."""
        return self.margin_type == "cross"

    @property
    def leg(self) -> Leg | None:
        """Its part in a liquidation price; None while its entry or rate is unknown."""
        if self.entry_price is None or self.rate is None:
            return None
        return Leg(self.quantity, self.entry_price, self.rate, self.amount)


class Holding:
    """A position, and the figures that move with its mark."""

    __slots__ = (
        "account",
        "maintenance",
        "mark_at",
        "mark_price",
        "notional",
        "opened_at",
        "pnl",
        "position",
    )

    def __init__(self, account: "Account", position: Position, opened_at: int) -> None:
        self.account = account
        self.position = position
        self.opened_at = opened_at
        self.mark_price: Decimal | None = None
        self.mark_at = NEVER
        self.pnl: Decimal | None = None
        self.notional: Decimal | None = None
        self.maintenance: Decimal | None = None

    def move(self, price: Decimal, at: int) -> None:
        """Take a new mark price."""
        self.mark_price = price
        self.mark_at = at
        self.refigure()

    def refigure(self) -> None:
        """Compute what depends on mark and position; None is unknown."""
        position, mark = self.position, self.mark_price
        if mark is None:
            return
        notional = self.notional = abs(position.quantity) * mark
        entry = position.entry_price
        self.pnl = (
            unrealized_pnl(position.quantity, mark, entry)
            if entry is not None
            else position.exchange_pnl
        )
        rate = position.rate
        self.maintenance = (
            maintenance_margin(notional, rate, position.amount) if rate is not None else None
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of an account."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    data_at: int
    available: Decimal | None = None
    polled_at: int = NEVER


@dataclass(slots=True)
class KeyState:
    """What is remembered of a position's or an asset's key, also while it is flat."""

    changed_at: int = 0
    """Exchange time of the last event applied, or a row's updateTime if newer."""
    seq: int = 0
    """`seq` of the last event applied."""
    contradicted: bool = False
    """A poll showed an older state than an event did; the next answer is believed."""
    gone: bool = False
    """Both answers of the last complete poll were without it; a second one closes it."""

    def take(self, time: int, seq: int) -> bool:
        """Take an event's stamp; False for an event that is older than what is known."""
        if time < self.changed_at:
            return False
        self.changed_at, self.seq = time, seq
        self.contradicted = self.gone = False
        return True


@dataclass(frozen=True, slots=True)
class Basis:
    """K of `liquidation.py` at a poll, and what it has to be compared with later."""

    k: Decimal
    wallet: Decimal
    others: Decimal
