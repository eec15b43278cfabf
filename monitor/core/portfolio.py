"""What we believe: accounts, their margin pools and positions.

Pool totals are sums over the holdings, made when somebody reads them and dropped when a mark or a
row changes. How events and polls become beliefs is `merging.py`.

All instants here are ticks (`Now.ticks`); money is in the margin asset.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from monitor.core.events import Bracket, Totals
from monitor.core.freshness import NEVER, Rest, Stamps
from monitor.core.liquidation import ZERO, backing_from_parts, cost, price_of, slope
from monitor.core.pools import ONE, USD, Pool, worth
from monitor.core.positions import Balance, Basis, Holding, Key, KeyState, Position

__all__ = ("USD", "Account", "Balance", "Basis", "Holding", "Key", "KeyState", "Position")


class Account:
    """One account: what it holds, and how fresh that is."""

    def __init__(self, name: str, venue: str, limit: int, started: int) -> None:
        self.name = name
        self.venue = venue
        self.limit = limit
        """Milliseconds from which a number is aged."""
        self.started = started
        self.multi_assets = False
        self.holdings: dict[Key, Holding] = {}
        self.keys: dict[Key, KeyState] = {}
        self.balances: dict[str, Balance] = {}
        self.asset_keys: dict[str, KeyState] = {}
        self.leverages: dict[str, int] = {}
        self.leverage_keys: dict[str, KeyState] = {}
        self.mode_key = KeyState()
        self.bases: dict[Key, Basis] = {}
        """K by symbol ("" as position side) for cross legs, by key for isolated ones."""
        self.implausible: set[Key] = set()
        """Groups whose "no liquidation price" is not believed."""
        self.totals: Totals | None = None
        self.totals_at = NEVER
        self.totals_wallets: dict[str, tuple[Decimal, Decimal]] = {}
        """Wallets by asset when `totals` was polled."""
        self.totals_corrections = ZERO, ZERO
        """The exchange's uPnL beyond our sums when `totals` was polled: of all, of cross."""
        self.prices: dict[str, Decimal] = {"USDT": ONE, "USDC": ONE}
        """USD per unit of an asset; of any other it is unknown until it is read."""
        self.brackets: dict[str, tuple[Bracket, ...]] = {}
        """Maintenance tiers by symbol, by rising floor; a symbol that is not here is unknown."""
        self.refused = ""
        """Why it cannot be watched at all; "" where it can."""
        self.named: frozenset[Key] = frozenset()
        """What the last complete poll named, in either of its answers."""
        self.named_at = NEVER
        """When the last complete poll with both answers was sent."""
        self.polled_at = NEVER
        """When the last complete poll was sent."""
        self.first_poll_done = False
        self.stale_since: int | None = started
        self._pools: dict[str, Pool] = {}
        self.unsaid: set[Key] = set()
        """Groups of which the log has said that their price cannot be carried on."""
        self.standing: dict[Key, tuple[Decimal, Decimal]] = {}
        """By group: the exchange's price and its direction, as polled, where it cannot be carried
        on because the poll left out what that takes; dropped when an event changes a leg."""
        self._legs: dict[Key, tuple[Decimal, Decimal] | None] = {}
        """Per group: the slope and cost of its legs; dropped with the pools."""

    # ------------------------------------------------------------ pools

    def pool_of(self, position: Position) -> str:
        """Tell which pool a position's money lies in."""
        return USD if self.multi_assets else position.margin_asset

    def pool_assets(self) -> list[str]:
        """List the pools that are kept: those with a position or a wallet that is not 0."""
        if self.multi_assets:
            return [USD] if self.totals is not None else []
        kept = dict.fromkeys(name for name, balance in self.balances.items() if balance.wallet)
        kept.update(
            dict.fromkeys(holding.position.margin_asset for holding in self.holdings.values())
        )
        return list(kept)

    def pool(self, asset: str) -> Pool:
        """Give a pool's totals, made anew if something changed."""
        pool = self._pools.get(asset)
        if pool is None:
            pool = self._pools[asset] = self._make_pool(asset)
        return pool

    def forget_pool(self, asset: str) -> None:
        """Drop the totals of a pool: a mark or a row of it changed."""
        self._pools.pop(asset, None)

    def forget_pools(self) -> None:
        """Drop all totals."""
        self._pools.clear()
        self._legs.clear()

    def _make_pool(self, asset: str) -> Pool:
        pool = Pool(asset)
        if self.multi_assets:
            self._fill_totals(pool)
        else:
            balance = self.balances.get(asset)
            if balance is not None:
                pool.wallet, pool.cross_wallet = balance.wallet, balance.cross_wallet
                pool.available = balance.available
                pool.data_at, pool.polled_at = balance.data_at, balance.polled_at
        for holding in self.holdings.values():
            if self.multi_assets:
                pool.add(holding, self.prices.get(holding.position.margin_asset))
            elif holding.position.margin_asset == asset:
                pool.add(holding)
        if self.multi_assets and pool.total_pnl is not None:
            pool.total_pnl += self.totals_corrections[0]
        return pool

    def _fill_totals(self, pool: Pool) -> None:
        """Take the USD totals of the last poll, and what the wallets changed by since."""
        totals = self.totals
        if totals is None:
            return
        wallet: Decimal | None = totals.wallet
        cross_wallet: Decimal | None = totals.cross_wallet
        for name, balance in self.balances.items():
            before = self.totals_wallets.get(name, (ZERO, ZERO))
            price = self.prices.get(name)
            gained = worth(balance.wallet - before[0], price)
            cross = worth(balance.cross_wallet - before[1], price)
            wallet = None if wallet is None or gained is None else wallet + gained
            cross_wallet = None if cross_wallet is None or cross is None else cross_wallet + cross
        pool.wallet, pool.cross_wallet = wallet, cross_wallet
        pool.available = totals.available
        pool.data_at = pool.polled_at = self.totals_at
        pool.cross_correction = self.totals_corrections[1]

    # ------------------------------------------------------------ liquidation

    def group_of(self, position: Position) -> Key:
        """Name the legs that share a liquidation price with this position."""
        return (position.symbol, "") if position.cross else position.key

    def legs(self, position: Position) -> list[Holding]:
        """List the legs that share this position's liquidation price, itself included."""
        if not position.cross:
            return [self.holdings[position.key]]
        return [
            holding
            for side in ("BOTH", "LONG", "SHORT")
            if (holding := self.holdings.get((position.symbol, side))) and holding.position.cross
        ]

    def money_behind(self, position: Position) -> tuple[Decimal | None, Decimal | None]:
        """Give the wallet behind a position, and uPnL − maintenance of its pool's others."""
        if not position.cross:
            return position.isolated_wallet, ZERO
        pool = self.pool(self.pool_of(position))
        return pool.cross_wallet, pool.others(position.symbol)

    def liquidation(self, position: Position) -> tuple[Decimal | None, Decimal] | None:
        """Carry the liquidation price on to now.

        Returns:
            (price, slope): the price is None where there is none; the slope's sign says which
            way liquidates (negative: a fall). None as a whole: unknown.
        """
        group = self.group_of(position)
        basis, legs = self.bases.get(group), self._legs_of(group, position)
        if basis is None or legs is None:
            return self.standing.get(group)
        wallet, others = self.money_behind(position)
        if wallet is None or others is None:
            return None
        k = basis.k + (wallet - basis.wallet) + (others - basis.others)
        return price_of(k, *legs), legs[0]

    def _legs_of(self, group: Key, position: Position) -> tuple[Decimal, Decimal] | None:
        """Sum up the legs of a group; None while an entry or a rate is unknown."""
        if group in self._legs:
            return self._legs[group]
        legs = [holding.position.leg for holding in self.legs(position)]
        known = [leg for leg in legs if leg is not None]
        sums = (slope(known), cost(known)) if len(known) == len(legs) else None
        self._legs[group] = sums
        return sums

    def base_from_parts(self, position: Position) -> Basis | None:
        """Make K without the exchange's figure; None while a part of it is unknown."""
        legs = [holding.position.leg for holding in self.legs(position)]
        wallet, others = self.money_behind(position)
        known = [leg for leg in legs if leg is not None]
        if wallet is None or others is None or len(known) < len(legs):
            return None
        return Basis(backing_from_parts(wallet, others, known), wallet, others)

    # ------------------------------------------------------------ freshness

    def fresh_until(self) -> int:
        """Tell the instant at which the account is, or was, no longer fresh."""
        oldest = self.polled_at
        for holding in self.holdings.values():
            oldest = min(oldest, holding.mark_at)
        return oldest + self.limit

    def data_since(self) -> int:
        """Tell the instant that `data_age` counts from."""
        oldest = self.polled_at if self.first_poll_done else self.started
        for holding in self.holdings.values():
            at = holding.mark_at if holding.mark_at != NEVER else holding.opened_at
            oldest = min(oldest, at)
        return oldest

    def inputs(self) -> Iterator[int]:
        """List the instants of everything that ages."""
        yield self.polled_at
        yield self.totals_at
        for holding in self.holdings.values():
            yield holding.mark_at
            yield holding.position.data_at
            yield holding.position.polled_at
        for balance in self.balances.values():
            yield balance.data_at
            yield balance.polled_at

    def age(self, instant: int) -> None:
        """Let everything known be as old as an instant at least."""
        self.polled_at = min(self.polled_at, instant)
        self.totals_at = min(self.totals_at, instant)
        for holding in self.holdings.values():
            position = holding.position
            holding.mark_at = min(holding.mark_at, instant)
            holding.position = replace(
                position,
                data_at=min(position.data_at, instant),
                polled_at=min(position.polled_at, instant),
            )
        for name, balance in self.balances.items():
            self.balances[name] = replace(
                balance,
                data_at=min(balance.data_at, instant),
                polled_at=min(balance.polled_at, instant),
            )
        self.forget_pools()

    def stamps(self, holding: Holding | None, pool: Pool | None) -> Stamps:
        """Collect the instants of a target's inputs."""
        stamps = Stamps()
        if holding is not None:
            position = holding.position
            stamps.data = position.data_at
            stamps.poll = position.polled_at
            stamps.own_mark = holding.mark_at
            stamps.setting = self.polled_at
            if position.doubted:
                stamps.doubted |= Rest.DATA
        if pool is not None:
            stamps.pool_data = pool.data_at
            stamps.rates = pool.rates_at
            stamps.cross_marks = pool.cross_marks_at
            stamps.all_marks = pool.all_marks_at
            if holding is None:
                stamps.poll = pool.polled_at
            if pool.doubted:
                stamps.doubted |= Rest.POOL_DATA
        return stamps
