"""Positions and balances as the exchange describes them, and what is remembered of their keys.

A `Position` is replaced only when the exchange changes it; a `Holding` keeps beside it the figures
that move with the mark, made when somebody reads them. All instants are ticks (`Now.ticks`), but
for `KeyState.changed_at`; money is in the margin asset.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.core.events import Bracket
from monitor.core.freshness import NEVER
from monitor.core.liquidation import ZERO, Leg, bracket_of, maintenance_margin, unrealized_pnl

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
    """Maintenance margin / notional of the last poll, for a symbol whose brackets are not known."""
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


class Holding:
    """A position, and the figures that move with its mark."""

    __slots__ = (
        "_bracket",
        "_figured",
        "_maintenance",
        "_notional",
        "_pnl",
        "account",
        "high",
        "low",
        "mark_at",
        "mark_price",
        "opened_at",
        "position",
    )

    def __init__(self, account: "Account", position: Position, opened_at: int) -> None:
        self.account = account
        self.position = position
        self.opened_at = opened_at
        self.mark_price: Decimal | None = None
        self.mark_at = NEVER
        self.low = self.high = ZERO
        """Where the mark may be while its account is calm."""
        self._figured: Decimal | None = None
        """The mark that the figures are of."""
        self._bracket: Bracket | None = None
        """Where the notional last lay."""
        self._pnl: Decimal | None = None
        self._notional: Decimal | None = None
        self._maintenance: Decimal | None = None

    @property
    def pnl(self) -> Decimal | None:
        """Its unrealized PnL; None is unknown, here as in the others."""
        if self._figured is not self.mark_price:
            self._figure()
        return self._pnl

    @property
    def notional(self) -> Decimal | None:
        """Its unsigned quantity × mark."""
        if self._figured is not self.mark_price:
            self._figure()
        return self._notional

    @property
    def maintenance(self) -> Decimal | None:
        """Its maintenance margin, by the bracket of its notional."""
        if self._figured is not self.mark_price:
            self._figure()
        return self._maintenance

    @property
    def isolated_margin(self) -> Decimal | None:
        """Its own wallet + unrealized PnL; of isolated margin only."""
        pnl = self.pnl
        return None if pnl is None else self.position.isolated_wallet + pnl

    def move(self, price: Decimal, at: int) -> None:
        """Take a new mark price."""
        self.mark_price = price
        self.mark_at = at

    def refigure(self) -> None:
        """Take that the position, or what its maintenance margin goes by, is another."""
        self._figured = self._bracket = None

    def figures_at(self, mark: Decimal) -> tuple[Decimal | None, Decimal, Decimal | None]:
        """Compute uPnL, notional and maintenance margin at a mark."""
        position = self.position
        quantity, entry = position.quantity, position.entry_price
        notional = abs(quantity) * mark
        pnl = position.exchange_pnl if entry is None else unrealized_pnl(quantity, mark, entry)
        bracket = self._bracket
        if bracket is None or not bracket.floor < notional <= bracket.cap:
            brackets = self.account.brackets_of(position.symbol, position.rate)
            if brackets is None:
                return pnl, notional, None
            bracket = self._bracket = bracket_of(brackets, notional)
        return pnl, notional, maintenance_margin(notional, bracket)

    def in_one_bracket(self, low: Decimal, high: Decimal) -> bool:
        """Tell whether two notionals, of which `high` was last figured, lie in one bracket."""
        bracket = self._bracket
        return bracket is None or (bracket.floor < low and high <= bracket.cap)

    def _figure(self) -> None:
        mark = self._figured = self.mark_price
        if mark is not None:
            self._pnl, self._notional, self._maintenance = self.figures_at(mark)


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

    def believe(self, updated: int, *, older: bool) -> None:
        """Take a poll row's stamp.

        Args:
            updated: Its `updateTime`.
            older: Whether the row shows another and older state than an event did, for the second
                time. The event's stamp is given up with its state: one from the future would
                otherwise drop every later event.
        """
        self.contradicted = False
        self.changed_at = updated if older else max(self.changed_at, updated)

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
    """Both in the pool's money."""
    start: Decimal
    """Where the search for the price begins: the exchange's figure, else the mark."""
    legs: tuple[Leg, ...] = ()
    """What the exchange's figure was said of; without one, none."""
