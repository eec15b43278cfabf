"""Reference data over REST: brackets, asset prices, symbols, forced orders of the past.

The conventions are those of `wire`, but for numbers: brackets hold JSON numbers, and the cap of the
last one may be as large as a 64-bit integer goes.

Source: developers.binance.com, derivatives/usds-margined-futures, Notional and Leverage Brackets,
Multi-Assets Mode Asset Index, User's Force Orders, Exchange Information, read 2026-05-28; sections
(§) are of docs/protocol.md.
"""

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from monitor.binance.wire import Digits, Millis, PositiveDigits, Whole, Wire, read
from monitor.errors import FrameGarbled

_MOST = Decimal(10) ** 30


def _exact(value: object) -> Decimal:
    """Read a number from its text; a JSON number comes as its text, or as an integer."""
    try:
        number = Decimal("" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        raise ValueError("no number") from None
    if not number.is_finite() or not 0 <= number < _MOST:
        raise ValueError("out of range")
    return number


Amount = Annotated[Decimal, BeforeValidator(_exact)]
"""A number of a bracket, 0 or more."""


class BracketRow(Wire):
    """One tier of `brackets[]`."""

    floor: Amount = Field(alias="notionalFloor")
    cap: Amount = Field(alias="notionalCap")
    rate: Amount = Field(alias="maintMarginRatio")
    amount: Amount = Field(alias="cum")


class SymbolBrackets(Wire):
    """A symbol's tiers (§8.3); `notionalCoef` is of accounts whose tiers were adjusted."""

    symbol: str
    coefficient: Any = Field(None, alias="notionalCoef")
    brackets: list[BracketRow] = Field(min_length=1)


class AssetIndex(Wire):
    """The USD price of an asset (§8.6): `symbol` is the asset and `USD` behind it."""

    symbol: str
    index: PositiveDigits


class ForcedOrder(Wire):
    """A forced order of this account (§8.5)."""

    symbol: str
    order_id: Whole = Field(alias="orderId")
    client_order_id: str = Field(alias="clientOrderId")
    side: str
    position_side: str | None = Field(None, alias="positionSide")
    quantity: Digits = Field(alias="origQty")
    price: Digits
    average_price: Digits | None = Field(None, alias="avgPrice")
    time_ms: Millis = Field(alias="time")
    update_ms: Millis | None = Field(None, alias="updateTime")


class Filter(Wire):
    """One of a symbol's `filters[]`; the others say nothing of steps."""

    kind: str = Field(alias="filterType")
    tick: PositiveDigits | None = Field(None, alias="tickSize")
    step: PositiveDigits | None = Field(None, alias="stepSize")


class SymbolInfo(Wire):
    """A symbol (§8.2)."""

    symbol: str
    filters: list[Filter]


# ------------------------------------------------------------------ reading

_INFO = TypeAdapter(SymbolInfo)
_BRACKETS = TypeAdapter(SymbolBrackets)
_INDEX = TypeAdapter(AssetIndex)
_ORDER = TypeAdapter(ForcedOrder)


def bracket_rows(result: object, symbols: frozenset[str]) -> list[object]:
    """Find the rows of these symbols in an answer, which has those of all or of one.

    Raises:
        FrameGarbled: It is something else.
    """
    rows = _rows("leverageBracket", result)
    return [row for row in rows if isinstance(row, dict) and row.get("symbol") in symbols]


def read_bracket_row(row: object) -> SymbolBrackets:
    """Read the tiers of one symbol.

    Raises:
        FrameGarbled: It is something else.
    """
    return read(_BRACKETS, "leverageBracket", row)


def read_asset_indexes(result: object) -> list[AssetIndex]:
    """Read the prices of assets; a broken one is left out, it must not cost the others.

    Raises:
        FrameGarbled: It is something else, or not one can be read.
    """
    found, fault = [], FrameGarbled("assetIndex: is empty")
    for row in _rows("assetIndex", result):
        try:
            found.append(read(_INDEX, "assetIndex", row))
        except FrameGarbled as broken:
            fault = broken
    if not found:
        raise fault
    return found


def read_symbols(result: object, symbols: frozenset[str]) -> list[SymbolInfo]:
    """Read the descriptions of these symbols; a broken one is left out.

    Raises:
        FrameGarbled: It is something else.
    """
    rows = result.get("symbols") if isinstance(result, dict) else None
    if not isinstance(rows, list):
        raise FrameGarbled("exchangeInfo: holds no list of symbols")
    found = []
    for row in rows:
        if isinstance(row, dict) and row.get("symbol") in symbols:
            with suppress(FrameGarbled):
                found.append(read(_INFO, "exchangeInfo", row))
    return found


def read_forced_orders(result: object) -> list[ForcedOrder]:
    """Read forced orders.

    Raises:
        FrameGarbled: It is something else.
    """
    return [read(_ORDER, "forceOrders", row) for row in _rows("forceOrders", result)]


def _rows(name: str, result: object) -> list[Any]:
    """The rows of an answer; where one symbol was asked for it may be bare."""
    if isinstance(result, dict):
        return [result]
    if not isinstance(result, list):
        raise FrameGarbled(f"{name}: is not a list")
    return result
