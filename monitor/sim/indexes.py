"""What assets are worth in USD, as collateral of multi-assets mode.

Source: docs/protocol.md §8.6: a positive balance counts at the bid rate, a debt at the ask rate.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from monitor.sim.amounts import ZERO, money
from monitor.sim.prices import MarkPath
from monitor.sim.story import AssetTable

_RESTING = {
    "USDT": Decimal(1),
    "USDC": Decimal(1),
    "FDUSD": Decimal(1),
    "BUSD": Decimal(1),
    "USD1": Decimal(1),
    "BNFCR": Decimal(1),
    "BTC": Decimal(60000),
    "ETH": Decimal(3000),
    "BNB": Decimal(600),
}
"What they are worth where the scenario gives nothing; without a haircut."


class Indexes:
    """The index price of every asset.

    Args:
        prices: Asset → USD.
        haircuts: Asset → the part by which bid and ask lie beside the index.
    """

    def __init__(
        self,
        prices: Mapping[str, Decimal] = MappingProxyType(_RESTING),
        haircuts: Mapping[str, Decimal] = MappingProxyType({}),
    ) -> None:
        self.prices = dict(prices)
        self.haircuts = dict(haircuts)

    def index(self, asset: str) -> Decimal:
        """USD of one unit; 0 for what is no collateral."""
        return self.prices.get(asset, ZERO)

    def bid(self, asset: str) -> Decimal:
        """USD that a positive balance counts for."""
        return self.index(asset) * (1 - self.haircuts.get(asset, ZERO))

    def ask(self, asset: str) -> Decimal:
        """USD that a debt counts for."""
        return self.index(asset) * (1 + self.haircuts.get(asset, ZERO))

    def value(self, asset: str, amount: Decimal) -> Decimal:
        """USD of an amount, of either sign."""
        return amount * (self.bid(asset) if amount > 0 else self.ask(asset))

    def copy(self) -> "Indexes":
        """These prices as they are now."""
        return Indexes(self.prices, self.haircuts)

    def rows(self, now: int) -> dict[str, dict[str, Any]]:
        """Word `assetIndexUpdate` for every asset, by the symbol it goes under: `USDTUSD`."""
        return {f"{asset}USD": self._row(asset, now) for asset in sorted(self.prices)}

    def _row(self, asset: str, now: int) -> dict[str, Any]:
        buffer = money(self.haircuts.get(asset, ZERO))
        bid, ask = money(self.bid(asset)), money(self.ask(asset))
        return {
            "e": "assetIndexUpdate",
            "E": now,
            "s": f"{asset}USD",
            "i": money(self.index(asset)),
            "b": buffer,
            "a": buffer,
            "B": bid,
            "A": ask,
            "q": buffer,
            "g": buffer,
            "Q": bid,
            "G": ask,
        }


class IndexPaths:
    """Where the index prices go.

    Args:
        tables: Of the scenario.
        seed: The story's.
    """

    def __init__(self, tables: tuple[AssetTable, ...], seed: int) -> None:
        self._paths = {
            table.name: MarkPath(table.name, [(p.at, p.price) for p in table.points], ZERO, seed)
            for table in tables
        }
        self.now = Indexes(
            _RESTING | dict.fromkeys(self._paths, ZERO), {t.name: t.haircut for t in tables}
        )
        "As of the last move; always the same object."
        self.move(0)

    def move(self, story_ms: int) -> None:
        """Go on to a moment of the story."""
        for asset, path in self._paths.items():
            self.now.prices[asset] = path.next(story_ms)


_REST_NAMES = {
    "s": "symbol",
    "E": "time",
    "i": "index",
    "b": "bidBuffer",
    "a": "askBuffer",
    "B": "bidRate",
    "A": "askRate",
    "q": "autoExchangeBidBuffer",
    "g": "autoExchangeAskBuffer",
    "Q": "autoExchangeBidRate",
    "G": "autoExchangeAskRate",
}


def rest_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Word a row as `GET /fapi/v1/assetIndex` does."""
    return {long: row[short] for short, long in _REST_NAMES.items()}
