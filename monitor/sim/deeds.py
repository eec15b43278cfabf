"""What somebody does to an account: each deed changes it and says what the exchange tells.

Source: docs/protocol.md §5.1, the table of what is pushed when.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import assert_never

from monitor.sim.account import Account, Position, RestingOrder
from monitor.sim.amounts import ZERO, plain, quantised
from monitor.sim.events import (
    UserEvent,
    account_update,
    asset_mode_changed,
    leverage_changed,
    margin_call,
    order_rests,
)
from monitor.sim.story_deeds import (
    Adl,
    AssetMode,
    AutoExchange,
    CancelOrders,
    Deposit,
    Funding,
    Leverage,
    Liquidate,
    MarginCall,
    MarginTransfer,
    MarginType,
    MarketDeed,
    OpenOrder,
    Order,
    PositionMode,
    Withdrawal,
)
from monitor.sim.trading import Clerk, Ticket, deleverage, liquidate, settle, trade


class RefusedError(Exception):
    """The exchange would not do this; told to whoever wrote the scenario, never to a client."""


def done(
    account: Account,
    deed: MarketDeed,
    clerk: Clerk,
    now: int,
) -> Sequence[UserEvent]:
    """Do it.

    Raises:
        RefusedError: It cannot be done, and nothing has changed.
    """
    match deed:
        case Deposit():
            return _transfer(account, deed.asset, deed.amount, deed.reason, now)
        case Withdrawal():
            return _transfer(account, deed.asset, -deed.amount, deed.reason, now)
        case AutoExchange():
            return _auto_exchange(account, deed, now)
        case Order():
            return _order(account, deed, clerk, now)
        case OpenOrder():
            return _open_order(account, deed, clerk, now)
        case CancelOrders():
            return _cancel_orders(account, deed.symbol, now)
        case Leverage():
            return _leverage(account, deed, now)
        case MarginType():
            return _margin_type(account, deed, now)
        case AssetMode() | PositionMode():
            return _mode(account, deed, now)
        case Funding():
            return _funding(account, deed, now)
        case MarginTransfer():
            return _margin_transfer(account, deed, now)
        case MarginCall() | Adl() | Liquidate():
            return _by_the_exchange(account, deed, clerk, now)
        case _:
            assert_never(deed)


def _by_the_exchange(
    account: Account, deed: MarginCall | Adl | Liquidate, clerk: Clerk, now: int
) -> Sequence[UserEvent]:
    position = _one_held(account, deed.symbol)
    if isinstance(deed, MarginCall):
        return [margin_call(account, account.pool_of(position), now)]
    close = liquidate if isinstance(deed, Liquidate) else deleverage
    return close(account, position, clerk, now)


def settled(account: Account, symbol: str, clerk: Clerk, now: int) -> list[UserEvent]:
    """End a symbol: its resting orders are taken back, its positions closed at the last mark."""
    told = _cancel_orders(account, symbol, now)
    for position in account.held():
        if position.symbol == symbol:
            told += settle(account, position, clerk, now)
    return told


def _transfer(
    account: Account, asset: str, amount: Decimal, reason: str, now: int
) -> Sequence[UserEvent]:
    if account.cross_wallet(asset) + amount < 0:
        raise RefusedError(f"only {plain(account.cross_wallet(asset))} {asset} can be taken out")
    account.wallets[asset] = account.wallets.get(asset, ZERO) + amount
    account.wallet_updated[asset] = now
    return [account_update(account, reason, now, changes={asset: amount})]


def _auto_exchange(account: Account, deed: AutoExchange, now: int) -> Sequence[UserEvent]:
    price = account.indexes.bid(deed.asset)
    into = account.indexes.ask(deed.into)
    if not into or account.cross_wallet(deed.asset) < deed.amount:
        raise RefusedError(f"{plain(deed.amount)} {deed.asset} cannot be exchanged")
    changes = {deed.asset: -deed.amount, deed.into: quantised(deed.amount * price / into)}
    for asset, amount in changes.items():
        account.wallets[asset] = account.wallets.get(asset, ZERO) + amount
        account.wallet_updated[asset] = now
    return [account_update(account, "AUTO_EXCHANGE", now, changes=changes)]


def _order(account: Account, deed: Order, clerk: Clerk, now: int) -> Sequence[UserEvent]:
    """Fill a market order; in hedge mode a side can be closed but not turned around."""
    position = account.position(deed.symbol, deed.position_side)
    quantity = deed.quantity if deed.side == "buy" else -deed.quantity
    after = position.amount + quantity
    if (position.side == "LONG" and after < 0) or (position.side == "SHORT" and after > 0):
        raise RefusedError(f"only {abs(position.amount)} {deed.symbol} {position.side} is held")
    opened = max(ZERO, abs(after) - abs(position.amount))
    if position.amount * after < 0:
        opened = abs(after)
    _afford(account, deed.symbol, opened)
    ticket = Ticket(position, quantity, client_id=f"sim{clerk.digits(19)}")
    return trade(account, ticket, clerk, now)


def _open_order(account: Account, deed: OpenOrder, clerk: Clerk, now: int) -> Sequence[UserEvent]:
    _afford(account, deed.symbol, deed.quantity)
    order = RestingOrder(
        symbol=deed.symbol,
        side=deed.position_side,
        quantity=deed.quantity if deed.side == "buy" else -deed.quantity,
        price=deed.price,
        order_id=clerk.order_id(),
        client_id=f"sim{clerk.digits(19)}",
        time=now,
    )
    account.orders.append(order)
    return [order_rests(account, order, "NEW", now)]


def _cancel_orders(account: Account, symbol: str, now: int) -> list[UserEvent]:
    gone = [order for order in account.orders if order.symbol == symbol]
    account.orders = [order for order in account.orders if order.symbol != symbol]
    return [order_rests(account, order, "CANCELED", now) for order in gone]


def _afford(account: Account, symbol: str, opened: Decimal) -> None:
    """Refuse to open what the cross wallet could not margin."""
    leverage = account.setting(symbol).leverage
    asset = account.listing.asset(symbol)
    needed = opened * account.marks[symbol] / leverage
    pool = account.cross_pool(asset)
    bound = sum(
        (account.initial_margin(p) * account.rate(account.asset_of(p)) for p in pool.positions),
        ZERO,
    )
    if needed * account.rate(asset) > pool.balance - bound:
        raise RefusedError(f"margin is insufficient: {plain(needed)} is needed")


def _leverage(account: Account, deed: Leverage, now: int) -> Sequence[UserEvent]:
    most = account.listing.max_leverage(deed.symbol)
    if deed.leverage > most:
        raise RefusedError(f"{deed.symbol} allows {most}")
    account.setting(deed.symbol).leverage = deed.leverage
    return [leverage_changed(account, deed.symbol, now)]


def _margin_type(account: Account, deed: MarginType, now: int) -> Sequence[UserEvent]:
    """Change a symbol's margin type, its open positions with it.

    The exchange refuses that while a position is open; the simulator does it, so that a story can
    show the change on a live position. Sides never used are left out (§5.1, rule 4).
    """
    setting = account.setting(deed.symbol)
    isolated = deed.margin_type == "isolated"
    if isolated and account.multi_assets:
        raise RefusedError("there is no isolated margin in multi-assets mode")
    sides = [p for key, p in account.positions.items() if key[0] == deed.symbol]
    if setting.isolated != isolated:
        setting.isolated = isolated
        for position in sides:
            size = abs(account.notional(position))
            position.isolated_wallet = quantised(size / setting.leverage) if isolated else ZERO
            position.updated = now
    asset = account.listing.asset(deed.symbol)
    return [
        account_update(account, "MARGIN_TYPE_CHANGE", now, changes={asset: ZERO}, positions=sides)
    ]


def _mode(account: Account, deed: AssetMode | PositionMode, now: int) -> Sequence[UserEvent]:
    """Switch a mode of the whole account; only the asset mode is told (§5.1)."""
    if isinstance(deed, PositionMode):
        if account.held() or account.orders:
            raise RefusedError("the position mode cannot change while anything is held")
        account.hedge = deed.hedge
        return []
    if deed.multi_assets and any(account.is_isolated(p) for p in account.held()):
        raise RefusedError("there is no isolated margin in multi-assets mode")
    account.multi_assets = deed.multi_assets
    account.called.clear()
    return [asset_mode_changed(account, now)]


def _funding(account: Account, deed: Funding, now: int) -> Sequence[UserEvent]:
    """Settle funding: a long pays `notional · rate`; a cross position is not listed (§5.1)."""
    told: list[UserEvent] = []
    for side in account.sides():
        position = account.positions.get((deed.symbol, side))
        if position is None or not position.amount:
            continue
        paid = quantised(account.notional(position) * deed.rate)
        asset = account.asset_of(position)
        account.wallets[asset] = account.wallets.get(asset, ZERO) - paid
        account.wallet_updated[asset] = now
        isolated = account.is_isolated(position)
        if isolated:
            position.isolated_wallet -= paid
            position.updated = now
        told.append(
            account_update(
                account,
                "FUNDING_FEE",
                now,
                changes={asset: -paid},
                positions=[position] if isolated else [],
                symbol=deed.symbol,
            )
        )
    return told


def _margin_transfer(account: Account, deed: MarginTransfer, now: int) -> Sequence[UserEvent]:
    """Move margin between the cross wallet and an isolated position."""
    position = account.position(deed.symbol, deed.position_side)
    if not position.amount or not account.is_isolated(position):
        raise RefusedError(f"no isolated {deed.symbol} position is held")
    asset = account.asset_of(position)
    if deed.amount > account.cross_wallet(asset) or position.isolated_wallet + deed.amount < 0:
        raise RefusedError("there is not so much margin to move")
    position.isolated_wallet += deed.amount
    position.updated = account.wallet_updated[asset] = now
    return [
        account_update(account, "MARGIN_TRANSFER", now, changes={asset: ZERO}, positions=[position])
    ]


def _one_held(account: Account, symbol: str | None) -> Position:
    """The first position, of a symbol or of all."""
    for position in account.held():
        if symbol in {None, position.symbol}:
            return position
    raise RefusedError(f"no position{f' in {symbol}' if symbol else ''} is held")
