"""What Binance's streams send into our events, pure; `translate_polls` does it with answers.

Two times come out of every message: `at` is the exchange's `E` on our clock, `time` is its own
stamp, `T` where there is one. Prices of 0 mean what docs/semantics.md says, and that is for
the core to decide: they pass. Symbols of COIN-M (`BTCUSD_PERP`) belong to another venue and pass
by: since 2026-06-30 they may appear on the same stream (docs/protocol.md §1.5).
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal

from monitor.binance import wire, wire_market
from monitor.core.events import (
    AccountChanged,
    AccountEvent,
    AssetModeChanged,
    BalanceRow,
    CalledPosition,
    ForcedOrderSeen,
    LeverageChanged,
    MarginCalled,
    Mark,
    PositionRow,
)

_COIN_MARGINED = re.compile(r"USD_(PERP|[0-9]{6})$")
_COIN_M = 2  # `st` of market streams
# Every spelling on the wire; a table, because it is asked for each row of each event.
_MARGIN_TYPES: dict[str | bool | None, str] = {
    "cross": "cross",
    "CROSSED": "cross",
    "crossed": "cross",
    "CROSS": "cross",
    False: "cross",
    "isolated": "isolated",
    "ISOLATED": "isolated",
    True: "isolated",
}
_EIGHT_DECIMALS = Decimal("1E-8")

# By client order id, the order in which they are tried; None: closed by force, but no happening of
# ours yet. Source: docs/protocol.md §5.4, Binance's "Event: Order Update", read 2026-05-28.
_FORCED = (
    ("autoclose-", "liquidation"),
    ("adl_autoclose", "adl"),
    ("settlement_autoclose-", None),
    ("delivery_autoclose-", None),
)


def coin_margined(symbol: str) -> bool:
    """Tell whether a symbol is of COIN-M: its quote is plain USD."""
    return "USD_" in symbol and _COIN_MARGINED.search(symbol) is not None


def margin_type(word: str | bool | None) -> str | None:  # noqa: FBT001  a word of the wire
    """Spell a margin type our way: `cross`, `isolated`; None for a word that is new.

    Args:
        word: `cross`, `CROSSED`, `isolated`, `ISOLATED`, or v1 status's boolean `isolated`.
    """
    return _MARGIN_TYPES.get(word)


# ------------------------------------------------------------------ user data stream


def user_events(
    message: wire.UserMessage, *, account: str, offset: int, seq: int
) -> list[AccountEvent]:
    """Translate one message of a user data socket; most say nothing that we keep.

    Args:
        message: What `wire.parse_user` read.
        account: Whose socket it came on.
        offset: The exchange's clock minus ours, milliseconds.
        seq: The number of the first event that comes out; further ones count on.
    """
    match message:
        case wire.AccountUpdate():
            return _account_changed(message, account, offset, seq)
        case wire.MarginCall():
            return _margin_called(message, account, offset, seq)
        case wire.AccountConfigUpdate():
            return _config_changed(message, account, offset, seq)
        case wire.OrderTradeUpdate():
            return _order_report(message, account, offset, seq)
        case wire.TradeLite():
            return _trade_lite(message, account, offset, seq)
        case _:
            return []


def _account_changed(
    message: wire.AccountUpdate, account: str, offset: int, seq: int
) -> list[AccountEvent]:
    rows = message.change.positions or []
    kept = [row for row in rows if not coin_margined(row.symbol)]
    # Of COIN-M alone: its balances are those of the coin wallets, which share our assets' names.
    if message.business == "CM" or (rows and not kept):
        return []
    return [
        AccountChanged(
            account,
            message.event_ms - offset,
            _time(message.transaction_ms, message.event_ms),
            seq,
            message.change.reason,
            tuple(map(_balance_row, message.change.balances or ())),
            tuple(map(_event_row, kept)),
            message.change.symbol or "",
        )
    ]


def _balance_row(row: wire.AccountBalance) -> BalanceRow:
    change = None if row.change is None else Decimal(row.change)
    return BalanceRow(row.asset, Decimal(row.wallet), Decimal(row.cross_wallet), change)


def _event_row(row: wire.AccountPosition) -> PositionRow:
    return PositionRow(
        row.symbol,
        row.position_side,
        signed(row.quantity, row.position_side),
        Decimal(row.entry_price),
        None if row.break_even_price is None else Decimal(row.break_even_price),
        _MARGIN_TYPES.get(row.margin_type),
        None if row.isolated_wallet is None else Decimal(row.isolated_wallet),
        None if row.unrealized_pnl is None else Decimal(row.unrealized_pnl),
        row.margin_asset,
    )


def signed(quantity: str, position_side: str) -> Decimal:
    """Give a quantity with the sign of its side: in hedge mode the side says it (§6.2)."""
    amount = Decimal(quantity)
    match position_side:
        case "SHORT":
            return -abs(amount)
        case "LONG":
            return abs(amount)
        case _:
            return amount


def _margin_called(
    message: wire.MarginCall, account: str, offset: int, seq: int
) -> list[AccountEvent]:
    rows = [row for row in message.positions if not coin_margined(row.symbol)]
    if not rows:
        return []
    called = tuple(
        CalledPosition(
            row.symbol,
            row.position_side,
            signed(row.quantity, row.position_side),
            Decimal(row.mark_price),
            Decimal(row.unrealized_pnl),
            Decimal(row.maintenance_margin),
        )
        for row in rows
    )
    time = _time(message.transaction_ms, message.event_ms)
    return [MarginCalled(account, message.event_ms - offset, time, seq, called)]


def _config_changed(
    message: wire.AccountConfigUpdate, account: str, offset: int, seq: int
) -> list[AccountEvent]:
    at = message.event_ms - offset
    time = _time(message.transaction_ms, message.event_ms)
    events: list[AccountEvent] = []
    changed = message.leverage
    if changed is not None and not coin_margined(changed.symbol):
        events.append(LeverageChanged(account, at, time, seq, changed.symbol, changed.leverage))
    if message.asset_mode is not None:
        both = message.asset_mode.multi_assets
        events.append(AssetModeChanged(account, at, time, seq + len(events), both))
    return events


def _order_report(
    message: wire.OrderTradeUpdate, account: str, offset: int, seq: int
) -> list[AccountEvent]:
    order = message.order
    # The client order id first: the types and executions of real ones have varied (§5.4).
    kind = _forced(order.client_order_id)
    if kind is _OWN and (order.order_type == "LIQUIDATION" or order.execution == "CALCULATED"):
        kind = "liquidation"
    if kind in {_OWN, None} or coin_margined(order.symbol):
        return []
    return [
        ForcedOrderSeen(
            account,
            message.event_ms - offset,
            _time(message.transaction_ms, message.event_ms),
            seq,
            str(kind),
            order.symbol,
            order.position_side,
            order.order_id,
            order.side,
            abs(Decimal(order.quantity)),
            price_of(order.last_price, order.average_price, order.price),
        )
    ]


def _trade_lite(message: wire.TradeLite, account: str, offset: int, seq: int) -> list[AccountEvent]:
    kind = _forced(message.client_order_id)
    if kind in {_OWN, None} or coin_margined(message.symbol):
        return []
    return [
        ForcedOrderSeen(
            account,
            message.event_ms - offset,
            _time(message.transaction_ms, message.event_ms),
            seq,
            str(kind),
            message.symbol,
            None,
            message.order_id,
            message.side,
            abs(Decimal(message.quantity)),
            price_of(message.last_price, message.price),
        )
    ]


_OWN = "own"


def forced_kind(client_order_id: str) -> str | None:
    """Tell the happening of a forced order by its client order id; None where it is none."""
    kind = _forced(client_order_id)
    return None if kind == _OWN else kind


def _forced(client_order_id: str) -> str | None:
    """Tell by its id who placed an order: a happening, None (a settlement), or the trader."""
    for prefix, kind in _FORCED:
        if client_order_id.startswith(prefix):
            return kind
    return _OWN


def price_of(*candidates: str | None) -> Decimal:
    """The first price above 0: last fill, average fill, the order's own."""
    prices = [Decimal(text) for text in candidates if text is not None]
    return next((price for price in prices if price > 0), prices[-1])


def _time(transaction_ms: int | None, event_ms: int) -> int:
    return event_ms if transaction_ms is None else transaction_ms


# ------------------------------------------------------------------ mark prices


def ours(message: wire_market.MarkPriceUpdate | wire_market.ContractInfo) -> bool:
    """Tell whether a market message is about a symbol of USDⓈ-M."""
    return message.symbol_type != _COIN_M and not coin_margined(message.symbol)


def mark(message: wire_market.MarkPriceUpdate, *, offset: int) -> tuple[str, Mark] | None:
    """Translate a mark price, cut to the wire's 8 decimals; None for a symbol of COIN-M."""
    if not ours(message):
        return None
    price = Decimal(message.price).quantize(_EIGHT_DECIMALS, rounding=ROUND_HALF_EVEN)
    return message.symbol, Mark(price, message.event_ms - offset)
