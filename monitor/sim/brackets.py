"""What the exchange lists: symbols, margin assets, ticks, maintenance tiers, fees.

Source: docs/protocol.md §8.3 (freqtrade's recorded leverage tiers, 2024-10) and §8.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from monitor.sim.amounts import ZERO
from monitor.sim.story import BracketTable
from monitor.sim.story_deeds import TierTable

TAKER_FEE = Decimal("0.0005")
"Part of the notional, for every fill; 0.05 % as in the liquidation of docs/protocol.md §5.4."

_MARGIN_ASSETS = ("USDT", "USDC", "FDUSD", "BUSD", "BNFCR", "USD1", "BTC")
_TICKS = {
    "BTCUSDT": Decimal("0.1"),
    "BTCUSDC": Decimal("0.1"),
    "ETHUSDT": Decimal("0.01"),
    "SOLUSDT": Decimal("0.01"),
}
_OTHER_TICK = Decimal("0.0001")
RESTING_MARKS = {
    "BTCUSDT": Decimal(60000),
    "ETHUSDT": Decimal(3000),
    "BTCUSDC": Decimal(60000),
    "SOLUSDT": Decimal(150),
}
"Listed on every simulated exchange, at these marks where the scenario gives none."


@dataclass(frozen=True, slots=True)
class Tier:
    """One maintenance tier: from the cap of the tier before it up to `cap`."""

    cap: Decimal
    "Notional, margin asset; the tier's upper end, included."
    max_leverage: int
    rate: Decimal
    "Maintenance margin rate."
    amount: Decimal
    "Maintenance amount (`cum`), margin asset."


_OTHER_TIERS = (Tier(Decimal(10**12), 50, Decimal("0.01"), ZERO),)
_TABLES: dict[str, tuple[tuple[int, int, str, int], ...]] = {
    "BTCUSDT": (
        (50000, 125, "0.004", 0),
        (600000, 100, "0.005", 50),
        (3000000, 75, "0.0065", 950),
        (12000000, 50, "0.01", 11450),
        (70000000, 25, "0.02", 131450),
        (100000000, 20, "0.025", 481450),
        (230000000, 10, "0.05", 2981450),
        (480000000, 5, "0.1", 14481450),
        (600000000, 4, "0.125", 26481450),
        (800000000, 3, "0.15", 41481450),
        (1200000000, 2, "0.25", 121481450),
        (1800000000, 1, "0.5", 421481450),
    ),
    "ETHUSDT": (
        (50000, 125, "0.004", 0),
        (600000, 100, "0.005", 50),
        (3000000, 75, "0.0065", 950),
        (12000000, 50, "0.01", 11450),
        (50000000, 25, "0.02", 131450),
        (65000000, 20, "0.025", 381450),
        (150000000, 10, "0.05", 2006450),
        (320000000, 5, "0.1", 9506450),
        (400000000, 4, "0.125", 17506450),
        (530000000, 3, "0.15", 27506450),
        (800000000, 2, "0.25", 80506450),
        (1200000000, 1, "0.5", 280506450),
    ),
    "BTCUSDC": (
        (50000, 125, "0.004", 0),
        (500000, 100, "0.005", 50),
        (10000000, 50, "0.01", 2550),
        (80000000, 20, "0.025", 152550),
        (150000000, 10, "0.05", 2152550),
        (300000000, 5, "0.1", 9652550),
        (450000000, 4, "0.125", 17152550),
        (600000000, 3, "0.15", 28402550),
        (800000000, 2, "0.25", 88402550),
        (1000000000, 1, "0.5", 288402550),
    ),
    "SOLUSDT": (
        (20000, 100, "0.005", 0),
        (100000, 75, "0.0065", 30),
        (800000, 50, "0.01", 380),
        (4000000, 25, "0.02", 8380),
        (8000000, 20, "0.025", 28380),
        (40000000, 10, "0.05", 228380),
        (80000000, 5, "0.1", 2228380),
        (100000000, 4, "0.125", 4228380),
        (200000000, 2, "0.25", 16728380),
        (400000000, 1, "0.5", 66728380),
    ),
}


def margin_asset(symbol: str) -> str | None:
    """Tell the asset that a symbol is margined in, from the end of its name; None for no such."""
    return next((a for a in _MARGIN_ASSETS if symbol.endswith(a) and symbol != a), None)


def tiers_of(rows: Sequence[TierTable]) -> tuple[Tier, ...]:
    """Read tiers; `cum_n = floor_n·(rate_n − rate_{n−1}) + cum_{n−1}` (§8.3) where left out."""
    tiers: list[Tier] = []
    for row in rows:
        before = tiers[-1] if tiers else Tier(ZERO, 0, ZERO, ZERO)
        carried = before.cap * (row.rate - before.rate) + before.amount
        amount = carried if row.amount is None else row.amount
        tiers.append(Tier(row.cap, row.max_leverage, row.rate, amount))
    return tuple(tiers)


class Listing:
    """The symbols' terms; one per exchange.

    Args:
        overrides: Tiers in place of the built-in ones.
        margin_assets: Symbol → margin asset, where its name does not say it.
    """

    def __init__(
        self,
        overrides: Sequence[BracketTable] = (),
        margin_assets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._tiers = {
            symbol: tuple(Tier(Decimal(c), lev, Decimal(r), Decimal(a)) for c, lev, r, a in rows)
            for symbol, rows in _TABLES.items()
        }
        self._tiers |= {table.symbol: tiers_of(table.tiers) for table in overrides}
        self._assets = dict(margin_assets)
        self.ended: set[str] = set()
        "Symbols that are delisted."

    def change_tiers(self, symbol: str, tiers: tuple[Tier, ...]) -> None:
        """Put other tiers in force."""
        self._tiers[symbol] = tiers

    def tiers(self, symbol: str) -> tuple[Tier, ...]:
        """Tiers of a symbol, smallest first; an unknown symbol has one: 1 %, 50x."""
        return self._tiers.get(symbol, _OTHER_TIERS)

    def tick(self, symbol: str) -> Decimal:
        """Smallest step of an order's price."""
        return _TICKS.get(symbol, _OTHER_TICK)

    def asset(self, symbol: str) -> str:
        """Margin asset of a symbol."""
        found = self._assets.get(symbol)
        if found is None:
            found = self._assets[symbol] = margin_asset(symbol) or "USDT"
        return found

    def max_leverage(self, symbol: str) -> int:
        """Greatest leverage of the symbol's first tier."""
        return self.tiers(symbol)[0].max_leverage

    def max_notional(self, symbol: str, leverage: int) -> Decimal:
        """Largest notional that this leverage allows."""
        allowed = [t.cap for t in self.tiers(symbol) if t.max_leverage >= leverage]
        return allowed[-1] if allowed else ZERO


def tier_at(tiers: tuple[Tier, ...], notional: Decimal) -> Tier:
    """Choose the tier of a notional (margin asset, unsigned)."""
    return next((tier for tier in tiers if notional <= tier.cap), tiers[-1])
