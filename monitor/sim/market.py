"""The simulated accounts and prices, pure: no socket, no clock, no task.

    tick(ms) ─▶ marks ─▶ margin ratio of every pool ─▶ ≥ 80 %: MARGIN_CALL, once per crossing
                                                     ─▶ ≥ 100 %: liquidation, largest maintenance
    do(deed) ─▶ wallets and positions ───────────────┘             first, until the pool is healthy

Everything returns the user events it caused, in the order in which the exchange tells them.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, assert_never

from monitor.sim import deeds
from monitor.sim.account import Account, Pool
from monitor.sim.brackets import RESTING_MARKS, Listing, Tier, tiers_of
from monitor.sim.contracts import contract_info
from monitor.sim.events import UserEvent, margin_call
from monitor.sim.forced import ForcedOrders
from monitor.sim.indexes import Indexes, IndexPaths
from monitor.sim.prices import MarkPath
from monitor.sim.story import Scenario
from monitor.sim.story_deeds import Brackets, Delist, ForceOrder, ListingDeed, MarketDeed
from monitor.sim.trading import Clerk, liquidate

MARGIN_CALL_RATIO = Decimal("0.8")
"Our choice: the exchange does not say where its own line is (docs/protocol.md §5.2)."


class News(NamedTuple):
    """Something the market streams tell."""

    names: tuple[str, ...]
    "Of the streams that carry it."
    payload: dict[str, Any]


class Market:
    """Every account, and the prices they live by.

    Args:
        scenario: How it begins, and where prices go.
        start_ms: Exchange ms at which the story begins.
    """

    def __init__(self, scenario: Scenario, start_ms: int) -> None:
        named = {table.symbol: table.margin_asset for table in scenario.price}
        self.listing = Listing(
            scenario.bracket, {symbol: asset for symbol, asset in named.items() if asset}
        )
        self.marks: dict[str, Decimal] = {}
        "Symbol → mark price, of every listed symbol."
        self.refused: list[str] = []
        "Deeds that the exchange would have refused, in words."
        self.news: list[News] = []
        "What the market streams are to be told; taken out by whoever tells."
        self._clerk = Clerk(scenario.seed)
        self._paths = _paths(scenario)
        self._indexes = IndexPaths(scenario.asset, scenario.seed)
        self._move(0)
        self.accounts = {
            table.name: Account(table, self.listing, self.marks, self.indexes, start_ms)
            for table in scenario.account
        }
        "By name."

    @property
    def symbols(self) -> list[str]:
        """Every listed symbol, in order of the alphabet."""
        return [symbol for symbol in self.marks if symbol not in self.listing.ended]

    @property
    def indexes(self) -> Indexes:
        """What assets are worth in USD."""
        return self._indexes.now

    @property
    def forced(self) -> ForcedOrders:
        """Every forced order."""
        return self._clerk.forced

    def _move(self, story_ms: int) -> None:
        for symbol, path in self._paths.items():
            if symbol not in self.listing.ended:
                self.marks[symbol] = path.next(story_ms)
        self._indexes.move(story_ms)

    def snapshot(self) -> dict[str, Account]:
        """Every account as it is now; what comes later does not touch it."""
        marks, indexes = dict(self.marks), self.indexes.copy()
        return {name: each.snapshot(marks, indexes) for name, each in self.accounts.items()}

    def tick(self, story_ms: int, now: int) -> list[UserEvent]:
        """Move every mark, then settle what that did to the accounts.

        Args:
            story_ms: Milliseconds since the story began.
            now: Exchange ms.
        """
        self._move(story_ms)
        told = list(self.settle(now))
        for order in self.forced.news(now):
            names = (f"{order.symbol.lower()}@forceOrder", "!forceOrder@arr")
            self.news.append(News(names, order.frame(now)))
        return told

    def do(self, deed: MarketDeed | ListingDeed, now: int) -> list[UserEvent]:
        """Do what a scenario says, then settle.

        Args:
            deed: Without an account: to the only one, or for funding to all.
            now: Exchange ms.
        """
        if isinstance(deed, ListingDeed):
            told = self._do_for_all(deed, now)
        else:
            told = self._do_to_accounts(deed, now)
        return [*told, *self.settle(now)]

    def _do_to_accounts(self, deed: MarketDeed, now: int) -> list[UserEvent]:
        names = [deed.account] if deed.account else list(self.accounts)
        told: list[UserEvent] = []
        for name in names:
            account = self.accounts[name]
            try:
                told += deeds.done(account, deed, self._clerk, now)
            except deeds.RefusedError as exc:
                self.refused.append(f"{name}: {deed.what}: {exc}")
        return told

    def _do_for_all(self, deed: ListingDeed, now: int) -> list[UserEvent]:
        match deed:
            case Brackets():
                self.listing.change_tiers(deed.symbol, tiers_of(deed.tiers))
                self._tell_contract(deed.symbol, now, tiers=self.listing.tiers(deed.symbol))
                return []
            case Delist():
                return self._delist(deed, now)
            case ForceOrder():
                bought = deed.quantity if deed.side == "buy" else -deed.quantity
                self._clerk.stranger(deed.symbol, bought, self.marks[deed.symbol], now)
                return []
            case _:
                assert_never(deed)

    def _delist(self, deed: Delist, now: int) -> list[UserEvent]:
        if deed.symbol not in self.listing.ended:
            self.listing.ended.add(deed.symbol)
            self._tell_contract(deed.symbol, now)
        told: list[UserEvent] = []
        if deed.settle:
            for account in self.accounts.values():
                told += deeds.settled(account, deed.symbol, self._clerk, now)
        return told

    def _tell_contract(self, symbol: str, now: int, tiers: tuple[Tier, ...] = ()) -> None:
        ended = symbol in self.listing.ended
        self.news.append(News(("!contractInfo",), contract_info(symbol, now, tiers, ended=ended)))

    def settle(self, now: int) -> Iterator[UserEvent]:
        """Call for margin, and liquidate what can no longer be kept."""
        for account in self.accounts.values():
            if account.portfolio_margin:
                continue
            for pool in account.pools():
                yield from self._call(account, pool, now)
                if pool.ratio >= 1:
                    yield from self._liquidate(account, pool, now)
            if account.called:
                standing = {p.key for p in account.pools() if p.ratio >= MARGIN_CALL_RATIO}
                account.called &= standing

    def _call(self, account: Account, pool: Pool, now: int) -> Iterator[UserEvent]:
        if pool.ratio >= MARGIN_CALL_RATIO and pool.key not in account.called:
            account.called.add(pool.key)
            yield margin_call(account, pool, now)

    def _liquidate(self, account: Account, pool: Pool, now: int) -> Iterator[UserEvent]:
        """Close positions of a pool, those that need most margin first, until it is healthy."""
        while pool.positions and pool.ratio >= 1:
            largest = max(pool.positions, key=account.maintenance)
            yield from liquidate(account, largest, self._clerk, now)
            pool = account.pool_of(largest)
            if pool.isolated:
                return


def _paths(scenario: Scenario) -> dict[str, MarkPath]:
    """A path for every listed symbol; without one it rests at an entry price, or where built in."""
    resting = dict(RESTING_MARKS)
    for account in scenario.account:
        for row in account.position:
            resting[row.symbol] = row.entry_price
    paths = {
        symbol: MarkPath(symbol, [(0, price)], Decimal(0), scenario.seed)
        for symbol, price in resting.items()
    }
    for table in scenario.price:
        points = [(point.at, point.price) for point in table.points]
        paths[table.symbol] = MarkPath(table.symbol, points, table.noise, scenario.seed)
    return dict(sorted(paths.items()))
