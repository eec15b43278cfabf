"""One account: wallets, positions, and what follows from them at the present marks.

A *pool* is what is liquidated together: one isolated position, or all cross positions that share a
margin asset (in multi-assets mode: all of them, every asset counted in USD).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from monitor.sim.indexes import Indexes
from monitor.sim.story import AccountTable

_ONE = Decimal(1)
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
class RestingOrder:
    """A limit order that waits."""

    symbol: str
    side: str
    "Position side."
    quantity: Decimal
    "Contracts; positive is a buy."
    price: Decimal
    order_id: int
    client_id: str
    time: int
    "Exchange ms of its placing."

    @property
    def notional(self) -> Decimal:
        """At its price, unsigned."""
        return quantised(abs(self.quantity) * self.price)


@dataclass(frozen=True, slots=True)
class Pool:
    """What is liquidated together, and how it stands."""

    key: str
    "`USD`, the margin asset of a cross pool, or `SYMBOL/SIDE` of an isolated position."
    asset: str
    "Whose cross wallet a margin call names: the margin asset of its first position."
    isolated: bool
    positions: tuple[Position, ...]
    balance: Decimal
    "Margin balance: wallet plus unrealized profit; margin asset, or USD in multi-assets mode."
    maintenance: Decimal
    "In the same unit."

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
        indexes: What assets are worth in USD; shared likewise.
        now: Exchange ms, stamped on what is held from the beginning.
    """

    def __init__(
        self,
        table: AccountTable,
        listing: Listing,
        marks: Mapping[str, Decimal],
        indexes: Indexes,
        now: int,
    ) -> None:
        self.name = table.name
        self.api_key = table.api_key
        self.api_secret = table.api_secret
        self.public_key = table.public_key
        self.permissions = dict(table.permissions)
        self.hedge = table.hedge
        self.multi_assets = table.multi_assets
        self.portfolio_margin = table.portfolio_margin
        self.listing = listing
        self.marks = marks
        self.indexes = indexes
        self.wallets: dict[str, Decimal] = {"USDT": ZERO, "USDC": ZERO} | table.balances
        self.wallet_updated = dict.fromkeys(self.wallets, now)
        self.positions: dict[tuple[str, str], Position] = {}
        self.settings: dict[str, Setting] = {}
        self.orders: list[RestingOrder] = []
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

    def snapshot(self, marks: Mapping[str, Decimal], indexes: Indexes) -> "Account":
        """The account as it is, at these prices; what comes later does not touch it."""
        kept = copy.copy(self)
        kept.marks, kept.indexes = marks, indexes
        kept.wallets, kept.wallet_updated = dict(self.wallets), dict(self.wallet_updated)
        kept.positions = {key: replace(position) for key, position in self.positions.items()}
        kept.settings = {symbol: replace(setting) for symbol, setting in self.settings.items()}
        kept.orders, kept.called = list(self.orders), set(self.called)
        return kept

    def sides(self) -> tuple[str, ...]:
        """Position sides of this account's mode."""
        return _SIDES[self.hedge]

    def setting(self, symbol: str) -> Setting:
        """Leverage and margin type of a symbol; 20x (or what it allows) and cross at first."""
        return self.settings.setdefault(symbol, self.setting_of(symbol))

    def setting_of(self, symbol: str) -> Setting:
        """Read a symbol's setting without making it the account's."""
        held = self.settings.get(symbol)
        return held or Setting(min(20, self.listing.max_leverage(symbol)))

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

    def order_margin(self, symbol: str, side: str | None = None) -> Decimal:
        """Initial margin of resting orders, of one position side or of both."""
        resting = [o for o in self.orders if o.symbol == symbol and side in {None, o.side}]
        leverage = self.setting_of(symbol).leverage
        return quantised(sum((order.notional for order in resting), ZERO) / leverage)

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
        return self._cross_pool(asset, members)

    def _cross_pool(self, asset: str, members: list[Position]) -> Pool:
        """Sum up a cross pool: wallets at bid or ask, the rest at the index price."""
        balance = maintenance = ZERO
        for own in self.wallets if self.multi_assets else [asset]:
            wallet = self.cross_wallet(own)
            balance += self.indexes.value(own, wallet) if self.multi_assets else wallet
        for position in members:
            rate = self.rate(self.asset_of(position))
            balance += self.unrealized(position) * rate
            maintenance += self.maintenance(position) * rate
        return Pool(
            key="USD" if self.multi_assets else asset,
            asset=asset,
            isolated=False,
            positions=tuple(members),
            balance=balance,
            maintenance=maintenance,
        )

    def rate(self, asset: str) -> Decimal:
        """What a unit of an asset counts in its pool: 1, or USD in multi-assets mode."""
        return self.indexes.index(asset) if self.multi_assets else _ONE

    def pool_of(self, position: Position) -> Pool:
        """The pool that a position stands or falls with."""
        if not self.is_isolated(position):
            return self.cross_pool(self.asset_of(position))
        return Pool(
            key=f"{position.symbol}/{position.side}",
            asset=self.asset_of(position),
            isolated=True,
            positions=(position,),
            balance=self.isolated_margin(position),
            maintenance=self.maintenance(position),
        )

    def pools(self) -> list[Pool]:
        """Every pool with a position in it, each once."""
        found: dict[str, Pool] = {}
        cross: dict[str, list[Position]] = {}
        for position in self.held():
            if self.is_isolated(position):
                pool = self.pool_of(position)
                found[pool.key] = pool
            else:
                key = "USD" if self.multi_assets else self.asset_of(position)
                cross.setdefault(key, []).append(position)
        for members in cross.values():
            pool = self._cross_pool(self.asset_of(members[0]), members)
            found[pool.key] = pool
        return list(found.values())

    def liquidation_price(self, position: Position, pool: Pool | None = None) -> Decimal | None:
        """The mark at which the position's pool is liquidated, the other marks standing still.

        Args:
            position: Whose.
            pool: Its pool, where the caller knows it; for an account with many positions.
        """
        if not position.amount or self.portfolio_margin:
            return None
        pool = pool or self.pool_of(position)
        rate = _ONE if pool.isolated else self.rate(self.asset_of(position))
        if not rate:
            return None
        together = [p for p in pool.positions if p.symbol == position.symbol]
        own_maintenance = sum((self.maintenance(p) for p in together), ZERO)
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
            # The others' profit is in the balance already.
            wallet=pool.balance / rate - sum((self.unrealized(p) for p in together), ZERO),
            other_maintenance=pool.maintenance / rate - own_maintenance,
        )

    def bankruptcy_price(self, position: Position) -> Decimal:
        """The mark at which the position's pool has nothing left."""
        mark = self.marks[position.symbol]
        pool = self.pool_of(position)
        rate = _ONE if pool.isolated else self.rate(pool.asset)
        return bankruptcy_price(position.amount, mark, pool.balance / rate if rate else ZERO)
