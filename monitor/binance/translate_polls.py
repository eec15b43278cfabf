"""Answers to polls into our rows, pure; as `translate` does it with what streams send."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from monitor.binance import wire_api
from monitor.binance.translate import coin_margined, margin_type, signed
from monitor.core.events import AssetRow, PositionRow, SettingRow, StatusRow, Totals

_Row = TypeVar("_Row", wire_api.Position, wire_api.StatusPosition)


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
        quantity=signed(row.quantity, row.position_side),
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


def status_settings(status: wire_api.AccountStatus) -> tuple[SettingRow, ...]:
    """Translate `account.status` (v1) to each symbol's settings: leverage, and `isolated`."""
    return _one_per_symbol(
        status.positions,
        lambda row: SettingRow(row.symbol, row.leverage, margin_type(row.isolated)),
    )


def inferred_settings(rows: Iterable[wire_api.Position]) -> tuple[SettingRow, ...]:
    """Infer settings from v2's rows, which hold none, where all of v1 is refused.

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
    rows: Iterable[_Row], make: Callable[[_Row], SettingRow]
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
    return held_rows(status.positions)


def held_rows(
    rows: Iterable[wire_api.Position] | Iterable[wire_api.StatusPosition],
) -> tuple[StatusRow, ...]:
    """Translate what any answer lists as held to what can be compared with the others."""
    return tuple(
        StatusRow(row.symbol, row.position_side, signed(row.quantity, row.position_side))
        for row in rows
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


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
