"""The simulated accounts and prices, pure: no socket, no clock, no task.

    tick(ms) ─▶ marks ─▶ margin ratio of every pool ─▶ ≥ 80 %: MARGIN_CALL, once per crossing
                                                     ─▶ ≥ 100 %: liquidation, largest maintenance
    do(deed) ─▶ wallets and positions ───────────────┘             first, until the pool is healthy

Everything returns the user events it caused, in the order in which the exchange tells them.
"""

from collections.abc import Iterator
from decimal import Decimal

from monitor.sim import deeds
from monitor.sim.account import Account, Pool
from monitor.sim.brackets import RESTING_MARKS, Listing
from monitor.sim.events import UserEvent, margin_call
from monitor.sim.prices import MarkPath
from monitor.sim.story import MarketDeed, Scenario
from monitor.sim.trading import Clerk, liquidate

MARGIN_CALL_RATIO = Decimal("0.8")
"Our choice: the exchange does not say where its own line is (docs/protocol.md §5.2)."


class Market:
    """Every account, and the prices they live by.

    Args:
        scenario: How it begins, and where prices go.
        start_ms: Exchange ms at which the story begins.
    """

    def __init__(self, scenario: Scenario, start_ms: int) -> None:
        self.listing = Listing(scenario.bracket)
        self.marks: dict[str, Decimal] = {}
        "Symbol → mark price, of every listed symbol."
        self.refused: list[str] = []
        "Deeds that the exchange would have refused, in words."
        self._clerk = Clerk(scenario.seed)
        self._paths = _paths(scenario)
        self._move(0)
        self.accounts = {
            table.name: Account(table, self.listing, self.marks, start_ms)
            for table in scenario.account
        }
        "By name."

    @property
    def symbols(self) -> list[str]:
        """Every listed symbol, in order of the alphabet."""
        return list(self.marks)

    def _move(self, story_ms: int) -> None:
        for symbol, path in self._paths.items():
            self.marks[symbol] = path.next(story_ms)

    def tick(self, story_ms: int, now: int) -> list[UserEvent]:
        """Move every mark, then settle what that did to the accounts.

        Args:
            story_ms: Milliseconds since the story began.
            now: Exchange ms.
        """
        self._move(story_ms)
        return list(self.settle(now))

    def do(self, deed: MarketDeed, now: int) -> list[UserEvent]:
        """Do what a scenario says, then settle.

        Args:
            deed: Without an account: to the only one, or for funding to all.
            now: Exchange ms.
        """
        names = [deed.account] if deed.account else list(self.accounts)
        told: list[UserEvent] = []
        for name in names:
            account = self.accounts[name]
            try:
                told += deeds.done(account, deed, self._clerk, now)
            except deeds.RefusedError as exc:
                self.refused.append(f"{name}: {deed.what}: {exc}")
        return [*told, *self.settle(now)]

    def settle(self, now: int) -> Iterator[UserEvent]:
        """Call for margin, and liquidate what can no longer be kept."""
        for account in self.accounts.values():
            for pool in account.pools():
                yield from self._call(account, pool, now)
                if pool.ratio >= 1:
                    yield from self._liquidate(account, pool, now)
            standing = {pool.key for pool in account.pools() if pool.ratio >= MARGIN_CALL_RATIO}
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
