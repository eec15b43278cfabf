"""Forced orders as everybody and as their owner can read them.

Source: docs/protocol.md §8.5: the market streams tell the largest of a symbol and second, without
its owner; `GET /fapi/v1/forceOrders` tells the owner all.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from monitor.sim.amounts import plain

_APART_MS = 1000


@dataclass(frozen=True, slots=True)
class ForcedOrder:
    """A liquidation, an auto-deleveraging or a settlement, complete at once."""

    account: str | None
    "Whose; None for a stranger's."
    symbol: str
    position_side: str
    quantity: Decimal
    "Contracts; positive is bought."
    price: Decimal
    average: Decimal
    client_id: str
    order_id: int
    time: int
    "Exchange ms."

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.quantity > 0 else "SELL"

    def row(self) -> dict[str, Any]:
        """Word it for `GET /fapi/v1/forceOrders`."""
        quantity = abs(self.quantity)
        return {
            "orderId": self.order_id,
            "symbol": self.symbol,
            "pair": self.symbol,
            "status": "FILLED",
            "clientOrderId": self.client_id,
            "price": plain(self.price),
            "avgPrice": plain(self.average),
            "origQty": plain(quantity),
            "executedQty": plain(quantity),
            "cumQuote": plain(quantity * self.average),
            "cumBase": "0",
            "timeInForce": "GTC" if self.client_id.startswith("adl") else "IOC",
            "type": "LIMIT",
            "reduceOnly": False,
            "closePosition": False,
            "side": self.side,
            "positionSide": self.position_side,
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "origType": "LIMIT",
            "time": self.time,
            "updateTime": self.time,
        }

    def frame(self, now: int) -> dict[str, Any]:
        """Word it for the `forceOrder` streams."""
        quantity = plain(abs(self.quantity))
        order = {
            "s": self.symbol,
            "S": self.side,
            "o": "LIMIT",
            "f": "IOC",
            "q": quantity,
            "p": plain(self.price),
            "ap": plain(self.average),
            "X": "FILLED",
            "l": quantity,
            "z": quantity,
            "T": self.time,
        }
        return {"e": "forceOrder", "E": now, "o": order}


class ForcedOrders:
    """Every forced order of the story."""

    def __init__(self) -> None:
        self._all: list[ForcedOrder] = []
        self._untold: dict[str, ForcedOrder] = {}
        self._told_at: int | None = None

    def add(self, order: ForcedOrder) -> None:
        """Enter one; settlements are no news to the market."""
        self._all.append(order)
        if order.client_id.startswith("settlement"):
            return
        largest = self._untold.get(order.symbol)
        if largest is None or abs(order.quantity) > abs(largest.quantity):
            self._untold[order.symbol] = order

    def of(self, account: str) -> list[ForcedOrder]:
        """An account's own, oldest first."""
        return [order for order in self._all if order.account == account]

    def news(self, now: int) -> list[ForcedOrder]:
        """Take what the streams tell now: the largest of each symbol, once a second."""
        early = self._told_at is not None and now - self._told_at < _APART_MS
        if early or not self._untold:
            return []
        self._told_at = now
        found = list(self._untold.values())
        self._untold = {}
        return found
