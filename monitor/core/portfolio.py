"""What we believe: accounts, their margin pools and positions.

Pool totals are sums over the holdings, made when somebody reads them and dropped when a mark or a
row changes. How events and polls become beliefs is `merging.py`.

All instants here are ticks (`Now.ticks`); money is in the margin asset.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from monitor.core.events import Totals
from monitor.core.freshness import NEVER, Rest, Stamps
from monitor.core.liquidation import ZERO, Brackets, Leg, Line, carried, flat, line_at
from monitor.core.pools import ONE, USD, Counted, Pool, worth
from monitor.core.positions import Balance, Basis, Holding, Key, KeyState, Position
from monitor.core.settings import Settings
from monitor.core.stated import NOTHING, Stated
from monitor.core.windows import Window

__all__ = ("USD", "Account", "Balance", "Basis", "Holding", "Key", "KeyState", "Position")


SIDES = ("BOTH", "LONG", "SHORT")


class Account:
    """One account: what it holds, and how fresh that is."""

    staged = False
    """Whether figures of it are stated rather than computed (`staging.py`)."""

    refused = ""
    """Why it cannot be watched at all; "" where it can."""
    key_refusal = ""
    """What the exchange says against its key; "" while it serves it."""
    banned_until = 0
    """Until when (unix milliseconds) this machine's address is banned."""

    contradiction = ""
    """What the answers of the last whole poll do not agree on; "" where they do."""
    unseen: frozenset[Key] = frozenset()
    """Positions that the last whole poll names in an answer that does not describe them."""
    mode_doubted = False
    """The last totals look like those of the other asset mode, and no poll has told which it is."""
    odd_totals = False
    """The last totals look so, but a poll has told that the mode is what we know."""

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
        self.settings = Settings()
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
        self.brackets: dict[str, Brackets] = {}
        """Maintenance tiers by symbol; a symbol that is not here is unknown."""
        self.contradicted: set[str] = set()
        """Symbols whose brackets do not give the maintenance margin that the last poll showed."""
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
        self._legs: dict[Key, tuple[tuple[Leg, ...], Line] | None] = {}
        """Per group: its legs, and what they add up to at its basis; dropped with the pools."""
        self.moved = False
        """A mark moved since totals were made."""
        self.windows: dict[Holding | str | None, dict[tuple[str, int], Window]] = {}
        """Per position and pool: windows over the past of metrics that rules look back at."""
        self.calm = False
        """Nothing judged can turn true while marks stay in their ranges: see `calm.py`."""

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
        if self.moved:
            self._pools.clear()
            self.moved = False
        pool = self._pools.get(asset)
        if pool is None:
            pool = self._pools[asset] = self.make_pool(asset, self.holdings.values())
        return pool

    def forget_pools(self) -> None:
        """Drop all totals, and what legs add up to: a row or a table changed."""
        self._pools.clear()
        self._legs.clear()

    def make_pool(self, asset: str, holdings: Iterable[Counted]) -> Pool:
        """Sum up a pool as if these were its positions."""
        pool = self.new_pool(asset)
        pool.doubted = self.mode_doubted or not self.unseen <= self.holdings.keys()
        if self.multi_assets:
            self._fill_totals(pool)
        else:
            balance = self.balances.get(asset)
            if balance is not None:
                pool.wallet, pool.cross_wallet = balance.wallet, balance.cross_wallet
                pool.available = balance.available
                pool.data_at, pool.polled_at = balance.data_at, balance.polled_at
        for holding in holdings:
            if self.multi_assets:
                pool.add(holding, self.prices.get(holding.position.margin_asset))
            elif holding.position.margin_asset == asset:
                pool.add(holding)
        if self.multi_assets and pool.total_pnl is not None:
            pool.total_pnl += self.totals_corrections[0]
        return pool

    def new_pool(self, asset: str) -> Pool:
        """Make a pool with nothing in it."""
        return Pool(asset)

    def new_holding(self, position: Position, opened_at: int) -> Holding:
        """Make what is kept of a position that opened."""
        return Holding(self, position, opened_at)

    def stated(self, holding: Holding | None, asset: str) -> Stated:
        """Tell which figures of a target stand as given; asked of staged accounts only."""
        del holding, asset
        return NOTHING

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

    def brackets_of(self, symbol: str, rate: Decimal | None) -> Brackets | None:
        """Give what a maintenance margin goes by: the symbol's tiers, else a polled rate."""
        brackets = self.brackets.get(symbol)
        if brackets is not None and symbol not in self.contradicted:
            return brackets
        return None if rate is None else flat(rate)

    def legs(self, position: Position) -> tuple[Leg, ...] | None:
        """List the legs that share this position's price; None while one of them is unknown."""
        sharing = [position]
        if position.cross:
            found = (self.holdings.get((position.symbol, side)) for side in SIDES)
            sharing = [each.position for each in found if each and each.position.cross]
        legs = []
        for each in sharing:
            brackets = self.brackets_of(each.symbol, each.rate)
            if each.entry_price is None or brackets is None:
                return None
            legs.append(Leg(each.quantity, each.entry_price, brackets))
        return tuple(legs)

    def money_behind(self, position: Position) -> tuple[Decimal | None, Decimal | None]:
        """Give the wallet behind a position, and uPnL − maintenance of its pool's others.

        Both in the pool's money.
        """
        if not position.cross:
            return position.isolated_wallet, ZERO
        pool = self.pool(self.pool_of(position))
        return pool.cross_wallet, pool.others(position.symbol)

    def in_own_asset(self, money: Decimal, position: Position) -> Decimal | None:
        """Convert what is behind a position into its margin asset; None: its price is unknown."""
        if not self.multi_assets or not position.cross or not money:
            return money
        price = self.prices.get(position.margin_asset)
        return money / price if price else None

    def liquidation(self, position: Position) -> tuple[Decimal | None, Decimal] | None:
        """Carry the liquidation price on to now.

        Returns:
            (price, slope): the price is None where there is none; the slope's sign says which
            way liquidates (negative: a fall). None as a whole: unknown.
        """
        group = self.group_of(position)
        basis, sums = self.bases.get(group), self.sums_of(group, position)
        if basis is None or sums is None:
            return self.standing.get(group)
        wallet, others = self.money_behind(position)
        if wallet is None or others is None:
            return None
        gained: Decimal | None = wallet - basis.wallet + others - basis.others
        if self.multi_assets and gained is not None:
            gained = self.in_own_asset(gained, position)
        if gained is None:
            return None
        return carried(basis.k + gained, *sums, self.holdings[position.key].mark_price)

    def sums_of(self, group: Key, position: Position) -> tuple[tuple[Leg, ...], Line] | None:
        """Sum up the legs of a group by the brackets at its basis; None while unknown."""
        if group in self._legs:
            return self._legs[group]
        legs, basis = self.legs(position), self.bases.get(group)
        sums = None if legs is None or basis is None else (legs, line_at(legs, basis.start))
        self._legs[group] = sums
        return sums

    def base_from_parts(self, position: Position) -> Basis | None:
        """Make K without the exchange's figure; None while a part of it is unknown."""
        wallet, others = self.money_behind(position)
        start = self.holdings[position.key].mark_price or position.entry_price
        if wallet is None or others is None or start is None or self.legs(position) is None:
            return None
        k = self.in_own_asset(wallet + others, position)
        return None if k is None else Basis(k, wallet, others, start)

    # ------------------------------------------------------------ freshness

    @property
    def shows_positions(self) -> bool:
        """Whether a position that is held may be judged: a whole poll has told of the account.

        Its answers may contradict each other, about this position or another: what is there must
        be watched all the same.
        """
        return self.first_poll_done or (bool(self.contradiction) and not self.refused)

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
            yield self.settings.leverage_at.get(holding.position.symbol, NEVER)
        for balance in self.balances.values():
            yield balance.data_at
            yield balance.polled_at

    def age(self, instant: int) -> None:
        """Let everything known be as old as an instant at least."""
        self.polled_at = min(self.polled_at, instant)
        self.totals_at = min(self.totals_at, instant)
        self.settings.age(instant)
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
            stamps.setting = self.settings.leverage_at.get(position.symbol, NEVER)
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
