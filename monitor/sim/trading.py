"""Fills: what a trade does to a position and its wallet, and the frames that tell of it."""

import random
from dataclasses import dataclass, field
from decimal import Decimal

from monitor.sim.account import Account, Position
from monitor.sim.amounts import ZERO, cut_to_tick, quantised
from monitor.sim.brackets import TAKER_FEE
from monitor.sim.events import Trade, UserEvent, account_update, order_filled, trade_lite
from monitor.sim.forced import ForcedOrder, ForcedOrders

_ONE = Decimal(1)


@dataclass
class Clerk:
    """Gives out order and trade numbers, seeded, and keeps the book of forced orders.

    Args:
        seed: The story's.
    """

    seed: int
    forced: ForcedOrders = field(init=False)
    "Every forced order, entered by whoever made it."
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.forced = ForcedOrders()
        self._random = random.Random(f"{self.seed}/orders")
        self._order_id = self._random.randint(10**9, 2 * 10**9)
        self._trade_id = self._random.randint(10**8, 2 * 10**8)

    def order_id(self) -> int:
        """The next order's number."""
        self._order_id += self._random.randint(1, 50)
        return self._order_id

    def trade_id(self) -> int:
        """The next trade's number."""
        self._trade_id += self._random.randint(1, 50)
        return self._trade_id

    def stranger(self, symbol: str, quantity: Decimal, price: Decimal, now: int) -> None:
        """Enter the liquidation of somebody who is not in the story."""
        number = self.order_id()
        order = ForcedOrder(
            account=None,
            symbol=symbol,
            position_side="BOTH",
            quantity=quantity,
            price=price,
            average=price,
            client_id=f"autoclose-{now}{self.digits(6)}",
            order_id=number,
            time=now,
        )
        self.forced.add(order)

    def digits(self, count: int) -> str:
        """Digits for a client order id."""
        return "".join(str(self._random.randint(0, 9)) for _ in range(count))


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is to be traded."""

    position: Position
    quantity: Decimal
    "Contracts; positive is bought."
    client_id: str
    order_price: Decimal = ZERO
    forced: bool = False


def trade(account: Account, ticket: Ticket, clerk: Clerk, now: int) -> list[UserEvent]:
    """Fill at the mark and tell: TRADE_LITE, ORDER_TRADE_UPDATE, ACCOUNT_UPDATE.

    A forced fill takes no fee beyond what is left in its pool, and never leaves a debt: the
    insurance fund pays that.
    """
    position = ticket.position
    price = account.marks[position.symbol]
    asset = account.asset_of(position)
    fee = quantised(abs(ticket.quantity) * price * TAKER_FEE)
    if ticket.forced:
        fee = min(fee, max(ZERO, account.pool_of(position).balance) / _rate(account, position))
        fee = quantised(fee)
    wallet_before = position.isolated_wallet
    realized = _apply(account, position, ticket.quantity, price)
    account.wallets[asset] = account.wallets.get(asset, ZERO) + realized - fee
    if ticket.forced:
        account.wallets[asset] += _debt(account, position, wallet_before, realized - fee)
    account.wallet_updated[asset] = position.updated = now
    done = Trade(
        position=position,
        client_id=ticket.client_id,
        order_id=clerk.order_id(),
        trade_id=clerk.trade_id(),
        quantity=ticket.quantity,
        order_price=ticket.order_price,
        price=price,
        realized=realized,
        fee=fee,
        forced=ticket.forced,
    )
    if ticket.forced:
        clerk.forced.add(_entry(account, done, now))
    return [
        trade_lite(account, done, now),
        order_filled(account, done, now),
        account_update(account, "ORDER", now, changes={asset: ZERO}, positions=[position]),
    ]


def _entry(account: Account, done: Trade, now: int) -> ForcedOrder:
    return ForcedOrder(
        account=account.name,
        symbol=done.position.symbol,
        position_side=done.position.side,
        quantity=done.quantity,
        price=done.order_price,
        average=done.price,
        client_id=done.client_id,
        order_id=done.order_id,
        time=now,
    )


def _apply(account: Account, position: Position, quantity: Decimal, price: Decimal) -> Decimal:
    """Reduce, close, flip or enlarge a position.

    Returns:
        The realized profit, margin asset, before fees.
    """
    against = position.amount * quantity < 0
    closed = min(abs(quantity), abs(position.amount)) if against else ZERO
    direction = 1 if quantity > 0 else -1
    realized = quantised(closed * (price - position.entry) * -direction)
    if closed:
        left = abs(position.amount) - closed
        position.isolated_wallet = quantised(position.isolated_wallet * left / abs(position.amount))
        position.amount += closed * direction
        position.realized += realized
    opened = abs(quantity) - closed
    if opened:
        held = abs(position.amount)
        position.entry = quantised((position.entry * held + price * opened) / (held + opened))
        position.amount += opened * direction
        setting = account.setting(position.symbol)
        if setting.isolated:
            position.isolated_wallet += quantised(opened * price / setting.leverage)
    if not position.amount:
        position.entry = position.isolated_wallet = ZERO
    side = 1 if position.amount > 0 else -1
    position.break_even = quantised(position.entry * (1 + side * TAKER_FEE))
    return realized


def _debt(account: Account, position: Position, isolated_before: Decimal, net: Decimal) -> Decimal:
    """Tell what a forced close lost beyond its pool.

    An isolated loss ends with its wallet; a cross pool cannot owe once it holds nothing.
    """
    if account.is_isolated(position):
        return max(ZERO, -(isolated_before + net))
    pool = account.cross_pool(account.asset_of(position))
    if pool.positions:
        return ZERO
    return quantised(max(ZERO, -pool.balance) / _rate(account, position))


def _rate(account: Account, position: Position) -> Decimal:
    """What a unit of the position's margin asset counts in its pool."""
    if account.is_isolated(position):
        return _ONE
    return account.rate(account.asset_of(position)) or _ONE


def liquidate(account: Account, position: Position, clerk: Clerk, now: int) -> list[UserEvent]:
    """Close a position by force, as a liquidation.

    The order's price is the bankruptcy price cut to a tick; the fill is at the mark
    (docs/protocol.md §9.6).
    """
    price = cut_to_tick(
        max(ZERO, account.bankruptcy_price(position)), account.listing.tick(position.symbol)
    )
    ticket = Ticket(
        position=position,
        quantity=-position.amount,
        client_id=f"autoclose-{now}{clerk.digits(6)}",
        order_price=price,
        forced=True,
    )
    return trade(account, ticket, clerk, now)


def deleverage(account: Account, position: Position, clerk: Clerk, now: int) -> list[UserEvent]:
    """Close a position by force, to take over a stranger's loss (ADL)."""
    ticket = Ticket(
        position=position,
        quantity=-position.amount,
        client_id=f"adl_autoclose_{clerk.digits(5)}",
        order_price=account.marks[position.symbol],
        forced=True,
    )
    return trade(account, ticket, clerk, now)


def settle(account: Account, position: Position, clerk: Clerk, now: int) -> list[UserEvent]:
    """Close a position by force, because its symbol ends."""
    ticket = Ticket(
        position=position,
        quantity=-position.amount,
        client_id=f"settlement_autoclose-{clerk.digits(10)}",
        order_price=account.marks[position.symbol],
        forced=True,
    )
    return trade(account, ticket, clerk, now)
