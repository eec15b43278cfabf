"""Rows of messages → positions and balances, and how a poll differs from what events told.

Nothing here knows when a row may be applied: that is `merging.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from monitor.core.events import AccountChanged, AssetRow, BalanceRow, PositionRow
from monitor.core.freshness import NEVER
from monitor.core.liquidation import ZERO
from monitor.core.portfolio import Account
from monitor.core.positions import Balance, Position

CREDITS = "BNFCR"
"""Margin asset of European accounts, whatever the symbol ends in (docs/protocol.md §5.1)."""

DUST = Decimal("0.000001")
"""Balances that differ by less are equal."""


# ---------------------------------------------------------------- positions


def from_event(
    account: Account, row: PositionRow, event: AccountChanged, before: Position | None, at: int
) -> Position:
    """Make the position that an event's row tells of; polled figures are kept from before it."""
    remembered = (
        before.margin_type if before else account.settings.margin_types.get(row.symbol, "cross")
    )
    if before is not None and (before.quantity > 0) != (row.quantity > 0):
        before = None
    entry = row.entry_price or None  # 0 with a quantity is unknown
    break_even = row.break_even_price or None
    if break_even is None and before is not None and not _refilled(before, row.quantity, entry):
        break_even = before.break_even_price
    isolated = row.isolated_wallet
    if isolated is None:
        isolated = before.isolated_wallet if before else ZERO
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=row.quantity,
        entry_price=entry,
        margin_type=row.margin_type or remembered,
        isolated_wallet=isolated,
        margin_asset=margin_asset(account, row, before, [each.asset for each in event.balances]),
        data_at=at,
        break_even_price=break_even,
        exchange_pnl=row.unrealized_pnl,
        adl=before.adl if before else None,
        rate=before.rate if before else None,
        polled_at=before.polled_at if before else NEVER,
    )


def _refilled(before: Position, quantity: Decimal, entry: Decimal | None) -> bool:
    return before.quantity != quantity or before.entry_price != entry


def from_poll(account: Account, row: PositionRow, before: Position | None, at: int) -> Position:
    """Make the position that a poll's row tells of."""
    if before is not None and (before.quantity > 0) != (row.quantity > 0):
        before = None
    isolated = row.isolated_wallet
    if isolated is None:
        isolated = before.isolated_wallet if before else ZERO
    position = Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=row.quantity,
        entry_price=row.entry_price or None,
        margin_type=margin_type(row, before),
        isolated_wallet=isolated,
        margin_asset=margin_asset(account, row, before),
        data_at=at,
        rate=before.rate if before else None,
    )
    return with_polled(position, row, at)


def with_polled(position: Position, row: PositionRow, at: int) -> Position:
    """Take the figures that only polls bring."""
    rate = polled_rate(row)
    return replace(
        position,
        break_even_price=row.break_even_price or position.break_even_price,
        exchange_pnl=row.unrealized_pnl,
        adl=row.adl if row.adl is not None else position.adl,
        rate=rate if rate is not None else position.rate,
        polled_at=at,
        doubted=False,
    )


def polled_rate(row: PositionRow) -> Decimal | None:
    """Compute the maintenance rate that a poll shows: maintenance margin / notional."""
    notional = polled_notional(row)
    if row.maintenance_margin is None or not notional:
        return None
    return row.maintenance_margin / notional


def polled_notional(row: PositionRow) -> Decimal:
    """Tell the unsigned notional that a poll shows; 0 where it shows none."""
    return abs(row.notional or row.quantity * (row.mark_price or ZERO))


def margin_type(row: PositionRow, before: Position | None = None) -> str:
    """Tell a polled row's margin type; v2 does not say it."""
    if row.margin_type is not None:
        return row.margin_type
    if row.isolated_wallet is None and before is not None:
        return before.margin_type
    # A held position is isolated iff it has a wallet of its own (docs/protocol.md §6.3).
    return "isolated" if row.isolated_wallet else "cross"


def margin_asset(
    account: Account, row: PositionRow, before: Position | None, beside: Sequence[str] = ()
) -> str:
    """Tell a row's margin asset, also where the message leaves it out.

    The symbol's end tells it, if that is an asset the account has to do with: the margin asset of
    an account in credits is another than the symbol's.

    Args:
        account: Whose row.
        row: The row.
        before: The position as it was known.
        beside: Assets that the same message tells of.
    """
    if row.margin_asset:
        return row.margin_asset
    if before is not None:
        return before.margin_asset
    real = [name for name, balance in account.balances.items() if balance.wallet]
    real += beside
    fits = [asset for asset in real if row.symbol.endswith(asset)]
    if not fits and CREDITS in real:
        return CREDITS
    if not fits and len(beside) == 1 and not account.multi_assets:
        return beside[0]
    known = [*fits, *account.balances, "USDT", "USDC", "BUSD"]
    fits = [asset for asset in known if row.symbol.endswith(asset)]
    return max(fits, key=len, default="USDT")


def confirm_leverage(account: Account, row: PositionRow, at: int) -> None:
    """Note that a polled row bears the known leverage out: notional / initial margin.

    The settings themselves are polled rarely; each poll of positions shows what they are.
    """
    notional, margin = abs(row.notional or ZERO), row.initial_margin
    if (
        notional
        and margin
        and round(notional / margin) == account.settings.leverages.get(row.symbol)
    ):
        account.settings.leverage_at[row.symbol] = at


# ---------------------------------------------------------------- balances


def balance_from_event(row: BalanceRow, before: Balance | None, at: int) -> Balance:
    """Make the balance that an event's row tells of; what is available only polls say."""
    return Balance(
        asset=row.asset,
        wallet=row.wallet,
        cross_wallet=row.cross_wallet,
        data_at=at,
        available=before.available if before else None,
        polled_at=before.polled_at if before else NEVER,
    )


def balance_from_poll(row: AssetRow, at: int) -> Balance:
    """Make the balance that a poll's row tells of."""
    return Balance(
        asset=row.asset,
        wallet=row.wallet,
        cross_wallet=row.cross_wallet,
        data_at=at,
        available=row.available,
        polled_at=at,
    )


# ---------------------------------------------------------------- differences


def moved(before: Position | None, after: Position) -> str:
    """Say how a poll contradicts what events told; "" where it does not."""
    if before is None:
        return f"opened, {after.quantity}"
    if before.quantity != after.quantity:
        return f"quantity {before.quantity} → {after.quantity}"
    old, new = before.entry_price, after.entry_price
    if old is not None and new is not None and not same_price(old, new):
        return f"entry price {old} → {new}"
    if before.margin_type != after.margin_type:
        return f"margin type {before.margin_type} → {after.margin_type}"
    return ""


def drifted(before: Position | None, after: Position) -> str:
    """Say how the isolated wallet differs from what events told; "" where it does not."""
    if before is None or abs(before.isolated_wallet - after.isolated_wallet) <= DUST:
        return ""
    return f"isolated wallet {before.isolated_wallet} → {after.isolated_wallet}"


def same_price(one: Decimal, other: Decimal) -> bool:
    """Compare two prices to the shorter of their precisions, cut or rounded."""
    step = Decimal(1).scaleb(max(_exponent(one), _exponent(other)))
    return abs(one - other) < step


def _exponent(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
