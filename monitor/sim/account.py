"""One account: wallets, positions, and what follows from them at the present marks.

A *pool* is what is liquidated together: one isolated position, or all cross positions that share a
margin asset (in multi-assets mode: all of them, every asset counted at 1 USD).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from monitor.sim.amounts import ZERO, quantised
from monitor.sim.brackets import Listing, tier_at
from monitor.sim.formulas import (
    Leg,
    bankruptcy_price,
    maintenance_margin,
    margin_ratio,
    settled_liquidation_price,
    unrealized,
)
from monitor.sim.story import AccountTable

_SIDES = {True: ("LONG", "SHORT"), False: ("BOTH",)}


@dataclass(slots=True)
class Position:
    """One side of one symbol; stays, with amount zero, after it was closed."""

    symbol: str
    side: str
    "BOTH, LONG or SHORT."
    amount: Decimal = ZERO
    "Contracts; positive is long, also in hedge mode."
    entry: Decimal = ZERO
    break_even: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    "Margin asset; zero for cross."
    realized: Decimal = ZERO
    "Profit realized so far, before fees, margin asset."
    updated: int = 0
    "Exchange ms of the last change."


@dataclass(slots=True)
class Setting:
    """What is chosen per symbol, for both sides."""

    leverage: int
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """What is liquidated together, and how it stands."""

    key: str
    "The margin asset of a cross pool; `SYMBOL/SIDE` of an isolated position."
    asset: str
    isolated: bool
    positions: tuple[Position, ...]
    balance: Decimal
    "Margin balance: wallet plus unrealized profit, margin asset."
    maintenance: Decimal

    @property
    def ratio(self) -> Decimal:
        """Margin ratio; liquidation at 1, infinite where nothing is left."""
        return margin_ratio(self.maintenance, self.balance)


class Account:
    """An account at the exchange.

    Args:
        table: How it begins.
        listing: The exchange's terms.
        marks: Symbol → mark price; shared with the market, which changes it.
        now: Exchange ms, stamped on what is held from the beginning.
    """

    def __init__(
        self, table: AccountTable, listing: Listing, marks: Mapping[str, Decimal], now: int
    ) -> None:
        self.name = table.name
        self.api_key = table.api_key
        self.api_secret = table.api_secret
        self.hedge = table.hedge
        self.multi_assets = table.multi_assets
        self.listing = listing
        self.marks = marks
        self.wallets: dict[str, Decimal] = {"USDT": ZERO, "USDC": ZERO} | table.balances
        self.wallet_updated = dict.fromkeys(self.wallets, now)
        self.positions: dict[tuple[str, str], Position] = {}
        self.settings: dict[str, Setting] = {}
        self.called: set[str] = set()
        "Pools that are at or above the margin call ratio."
        for row in table.position:
            side = row.side.upper() if table.hedge else "BOTH"
            amount = row.quantity if row.side == "long" else -row.quantity
            isolated = row.margin_type == "isolated"
            default = quantised(row.quantity * row.entry_price / row.leverage)
            self.settings[row.symbol] = Setting(row.leverage, isolated)
            held = self.position(row.symbol, side)
            held.amount, held.entry, held.break_even = amount, row.entry_price, row.entry_price
            held.isolated_wallet = (row.isolated_wallet or default) if isolated else ZERO
            held.updated = now

    def sides(self) -> tuple[str, ...]:
        """Position sides of this account's mode."""
        return _SIDES[self.hedge]

    def setting(self, symbol: str) -> Setting:
        """Leverage and margin type of a symbol; 20x (or what it allows) and cross at first."""
        return self.settings.setdefault(symbol, self.setting_of(symbol))

    def setting_of(self, symbol: str) -> Setting:
        """Read a symbol's setting without making it the account's."""
        default = Setting(min(20, self.listing.max_leverage(symbol)))
        return self.settings.get(symbol, default)

    def position(self, symbol: str, side: str) -> Position:
        """One side of a symbol, made when first asked for."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def held(self) -> list[Position]:
        """Positions that are not zero."""
        return [p for p in self.positions.values() if p.amount]

    def asset_of(self, position: Position) -> str:
        """Margin asset of a position."""
        return self.listing.asset(position.symbol)

    def is_isolated(self, position: Position) -> bool:
        """Tell an isolated position from a cross one."""
        return self.setting_of(position.symbol).isolated

    def notional(self, position: Position) -> Decimal:
        """Size at the mark; negative for a short."""
        return quantised(position.amount * self.marks[position.symbol])

    def unrealized(self, position: Position) -> Decimal:
        """Unrealized profit at the mark."""
        mark = self.marks[position.symbol]
        return quantised(unrealized(position.amount, position.entry, mark))

    def maintenance(self, position: Position) -> Decimal:
        """Maintenance margin at the mark."""
        notional = abs(self.notional(position))
        tier = tier_at(self.listing.tiers(position.symbol), notional)
        return quantised(maintenance_margin(notional, tier))

    def initial_margin(self, position: Position) -> Decimal:
        """Initial margin at the mark."""
        leverage = self.setting_of(position.symbol).leverage
        return quantised(abs(self.notional(position)) / leverage)

    def isolated_margin(self, position: Position) -> Decimal:
        """Margin balance of an isolated position; zero for cross."""
        if not position.amount or not self.is_isolated(position):
            return ZERO
        return position.isolated_wallet + self.unrealized(position)

    def cross_wallet(self, asset: str) -> Decimal:
        """Wallet balance that is not locked in isolated positions."""
        locked = [p.isolated_wallet for p in self.positions.values() if self.asset_of(p) == asset]
        return self.wallets.get(asset, ZERO) - sum(locked, ZERO)

    def cross_positions(self, asset: str | None = None) -> list[Position]:
        """Cross positions of a margin asset, or of all."""
        return [
            p for p in self.held() if not self.is_isolated(p) and asset in {None, self.asset_of(p)}
        ]

    def cross_pool(self, asset: str) -> Pool:
        """The cross pool that a margin asset belongs to."""
        members = self.cross_positions(None if self.multi_assets else asset)
        assets = list(self.wallets) if self.multi_assets else [asset]
        wallet = sum((self.cross_wallet(a) for a in assets), ZERO)
        return Pool(
            key="USD" if self.multi_assets else asset,
            asset=asset,
            isolated=False,
            positions=tuple(members),
            balance=wallet + sum((self.unrealized(p) for p in members), ZERO),
            maintenance=sum((self.maintenance(p) for p in members), ZERO),
        )

    def pool_of(self, position: Position) -> Pool:
        """The pool that a position stands or falls with."""
        asset = self.asset_of(position)
        if not self.is_isolated(position):
            return self.cross_pool(asset)
        return Pool(
            key=f"{position.symbol}/{position.side}",
            asset=asset,
            isolated=True,
            positions=(position,),
            balance=self.isolated_margin(position),
            maintenance=self.maintenance(position),
        )

    def pools(self) -> list[Pool]:
        """Every pool with a position in it, each once."""
        found = {pool.key: pool for pool in map(self.pool_of, self.held())}
        return list(found.values())

    def liquidation_price(self, position: Position) -> Decimal | None:
        """The mark at which the position's pool is liquidated, the other marks standing still."""
        if not position.amount:
            return None
        pool = self.pool_of(position)
        together = [p for p in pool.positions if p.symbol == position.symbol]
        others = [p for p in pool.positions if p.symbol != position.symbol]
        own_pnl = sum((self.unrealized(p) for p in together), ZERO)
        other_pnl = sum((self.unrealized(p) for p in others), ZERO)
        tiers = self.listing.tiers(position.symbol)
        legs = [
            Leg(
                side=1 if p.amount > 0 else -1,
                quantity=abs(p.amount),
                entry=p.entry,
                tier=tier_at(tiers, abs(self.notional(p))),
            )
            for p in together
        ]
        return settled_liquidation_price(
            legs,
            tiers,
            wallet=pool.balance - own_pnl - other_pnl,
            other_maintenance=sum((self.maintenance(p) for p in others), ZERO),
            other_pnl=other_pnl,
        )

    def bankruptcy_price(self, position: Position) -> Decimal:
        """The mark at which the position's pool has nothing left."""
        mark = self.marks[position.symbol]
        return bankruptcy_price(position.amount, mark, self.pool_of(position).balance)
