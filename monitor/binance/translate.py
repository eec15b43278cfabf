"""Binance's messages into our events, pure.

Two times come out of every message: `at` is the exchange's `E` on our clock, `time` is its own
stamp, `T` where there is one. Prices of 0 mean what docs/semantics.md says, and that is for
the core to decide: they pass. Symbols of COIN-M (`BTCUSD_PERP`) belong to another venue and pass
by: since 2026-06-30 they may appear on the same stream (docs/protocol.md §1.5).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from monitor.binance import wire, wire_api
from monitor.core.events import (
    AccountChanged,
    AccountEvent,
    AssetModeChanged,
    AssetRow,
    BalanceRow,
    CalledPosition,
    ForcedOrderSeen,
    LeverageChanged,
    MarginCalled,
    Mark,
    PositionRow,
    SettingRow,
    StatusRow,
    Totals,
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
        )
    ]


def _balance_row(row: wire.AccountBalance) -> BalanceRow:
    return BalanceRow(row.asset, Decimal(row.wallet), Decimal(row.cross_wallet))


def _event_row(row: wire.AccountPosition) -> PositionRow:
    return PositionRow(
        row.symbol,
        row.position_side,
        Decimal(row.quantity),
        Decimal(row.entry_price),
        None if row.break_even_price is None else Decimal(row.break_even_price),
        _MARGIN_TYPES.get(row.margin_type),
        None if row.isolated_wallet is None else Decimal(row.isolated_wallet),
        None if row.unrealized_pnl is None else Decimal(row.unrealized_pnl),
        row.margin_asset,
    )


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
            Decimal(row.quantity),
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
            _price(order.last_price, order.average_price, order.price),
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
            _price(message.last_price, message.price),
        )
    ]


_OWN = "own"


def _forced(client_order_id: str) -> str | None:
    """Tell by its id who placed an order: a happening, None (a settlement), or the trader."""
    for prefix, kind in _FORCED:
        if client_order_id.startswith(prefix):
            return kind
    return _OWN


def _price(*candidates: str | None) -> Decimal:
    """The first price above 0: last fill, average fill, the order's own."""
    prices = [Decimal(text) for text in candidates if text is not None]
    return next((price for price in prices if price > 0), prices[-1])


def _time(transaction_ms: int | None, event_ms: int) -> int:
    return event_ms if transaction_ms is None else transaction_ms


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


# ------------------------------------------------------------------ mark prices


def mark(message: wire.MarkPriceUpdate, *, offset: int) -> tuple[str, Mark] | None:
    """Translate a mark price, cut to the wire's 8 decimals; None for a symbol of COIN-M."""
    if message.symbol_type == _COIN_M or coin_margined(message.symbol):
        return None
    price = Decimal(message.price).quantize(_EIGHT_DECIMALS, rounding=ROUND_HALF_EVEN)
    return message.symbol, Mark(price, message.event_ms - offset)


# ------------------------------------------------------------------ polls


def position_rows(rows: Iterable[wire_api.Position]) -> tuple[PositionRow, ...]:
    """Translate `v2/account.position`; rows of open orders alone have quantity 0."""
    return tuple(_poll_row(row) for row in rows if not coin_margined(row.symbol))


def position_rows_v1(
    rows: Iterable[wire_api.Position], status: wire_api.AccountStatus | None
) -> tuple[PositionRow, ...]:
    """Translate `account.position` (v1) of what is held; the margins come from v1's status."""
    margins = {(row.symbol, row.position_side): row for row in (status.positions if status else ())}
    held: list[PositionRow] = []
    for row in position_rows(row for row in rows if Decimal(row.quantity)):
        beside = margins.get((row.symbol, row.position_side))
        if beside is None:
            held.append(row)
        else:
            held.append(
                replace(
                    row,
                    maintenance_margin=_decimal(beside.maintenance_margin),
                    initial_margin=_decimal(beside.initial_margin),
                )
            )
    return tuple(held)


def _poll_row(row: wire_api.Position) -> PositionRow:
    price = _decimal(row.mark_price)
    return PositionRow(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=Decimal(row.quantity),
        entry_price=Decimal(row.entry_price),
        break_even_price=_decimal(row.break_even_price),
        margin_type=margin_type(row.margin_type),
        isolated_wallet=_decimal(row.isolated_wallet),
        unrealized_pnl=_decimal(row.unrealized_pnl),
        margin_asset=row.margin_asset,
        mark_price=price if price is not None and price > 0 else None,
        liquidation_price=_decimal(row.liquidation_price),
        maintenance_margin=_decimal(row.maintenance_margin),
        initial_margin=_decimal(row.initial_margin),
        notional=_decimal(row.notional),
        adl=row.adl,
        updated=row.update_ms,
    )


def setting_rows(rows: Iterable[wire_api.Position]) -> tuple[SettingRow, ...]:
    """Translate `account.position` (v1) to each symbol's settings, which its sides share."""
    return _one_per_symbol(
        rows, lambda row: SettingRow(row.symbol, row.leverage, margin_type(row.margin_type))
    )


def inferred_settings(rows: Iterable[wire_api.Position]) -> tuple[SettingRow, ...]:
    """Infer settings from v2's rows, which hold none, where v1 is refused.

        leverage = round(|notional| / positionInitialMargin);  isolated iff isolatedWallet ≠ 0

    Only positions held tell; both are exact on recorded rows (docs/protocol.md §6.3).
    """
    return _one_per_symbol((row for row in rows if Decimal(row.quantity)), _inferred)


def _inferred(row: wire_api.Position) -> SettingRow:
    notional, margin = _decimal(row.notional), _decimal(row.initial_margin)
    leverage = None
    if notional and margin:
        leverage = round(abs(notional) / margin) or None
    wallet = _decimal(row.isolated_wallet)
    return SettingRow(row.symbol, leverage, None if wallet is None else margin_type(bool(wallet)))


def _one_per_symbol(
    rows: Iterable[wire_api.Position], make: Callable[[wire_api.Position], SettingRow]
) -> tuple[SettingRow, ...]:
    found: dict[str, SettingRow] = {}
    for row in rows:
        if row.symbol not in found and not coin_margined(row.symbol):
            found[row.symbol] = make(row)
    return tuple(found.values())


def asset_rows(
    status: wire_api.AccountStatus, balances: Iterable[wire_api.Balance] = ()
) -> tuple[AssetRow, ...]:
    """Translate the assets of a status, and those that only `account.balance` lists."""
    rows = [
        AssetRow(
            row.asset,
            Decimal(row.wallet),
            Decimal(row.cross_wallet),
            _decimal(row.available),
            _decimal(row.maintenance_margin),
            row.update_ms,
        )
        for row in status.assets
    ]
    listed = {row.asset for row in rows}
    rows.extend(
        AssetRow(
            row.asset,
            Decimal(row.wallet),
            Decimal(row.cross_wallet),
            _decimal(row.available),
            updated=row.update_ms,
        )
        for row in balances
        if row.asset not in listed
    )
    return tuple(rows)


def listed_rows(status: wire_api.AccountStatus) -> tuple[StatusRow, ...]:
    """Translate the positions that a status lists as held; v1 lists every symbol there is."""
    return tuple(
        StatusRow(row.symbol, row.position_side, Decimal(row.quantity))
        for row in status.positions
        if Decimal(row.quantity) and not coin_margined(row.symbol)
    )


def totals(status: wire_api.AccountStatus) -> Totals | None:
    """Translate the account's totals; None where one is missing."""
    wallet, cross_wallet = _decimal(status.wallet), _decimal(status.cross_wallet)
    cross_pnl, pnl = _decimal(status.cross_unrealized_pnl), _decimal(status.unrealized_pnl)
    maintenance = _decimal(status.maintenance_margin)
    if wallet is None or cross_wallet is None or cross_pnl is None:
        return None
    if pnl is None or maintenance is None:
        return None
    available = _decimal(status.available)
    return Totals(wallet, cross_wallet, cross_pnl, pnl, maintenance, available)
