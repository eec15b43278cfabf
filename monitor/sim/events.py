"""User data events, exactly as the exchange words them.

Source: docs/protocol.md §5; the order and presence of fields follow the live captures there
(`T` before `E`, `ma` and `bep` present, in hedge mode a zero BOTH row first).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.sim.account import Account, Pool, Position, RestingOrder
from monitor.sim.amounts import ZERO, plain

Payload = dict[str, Any]


class UserEvent(NamedTuple):
    """Something an account is told."""

    account: str
    payload: Payload

    @property
    def type(self) -> str:
        """Binance's name for it."""
        return str(self.payload["e"])


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill of one order, complete at once."""

    position: Position
    "As it is after the fill."
    client_id: str
    order_id: int
    trade_id: int
    quantity: Decimal
    "Contracts; positive is bought."
    order_price: Decimal
    "Zero for a market order."
    price: Decimal
    realized: Decimal
    "Before the fee, margin asset."
    fee: Decimal
    "Margin asset."
    forced: bool
    "Made by the exchange."

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.quantity > 0 else "SELL"


def account_update(
    account: Account,
    reason: str,
    now: int,
    *,
    changes: Mapping[str, Decimal],
    positions: Iterable[Position] = (),
    symbol: str | None = None,
) -> UserEvent:
    """Word an ACCOUNT_UPDATE.

    Args:
        account: As it is after the change.
        reason: `m`.
        now: Exchange ms.
        changes: Assets to tell of, each with `bc`: the change other than profit and commission.
        positions: Rows to tell of; the BOTH rows of hedge mode are added here.
        symbol: Whose funding it was.
    """
    body: Payload = {
        "B": [
            {
                "a": asset,
                "wb": plain(account.wallets.get(asset, ZERO)),
                "cw": plain(account.cross_wallet(asset)),
                "bc": plain(change),
            }
            for asset, change in changes.items()
        ],
        "P": [_row(account, position) for position in _with_both(account, positions)],
        "m": reason,
    }
    if symbol is not None:
        body["S"] = symbol
    return UserEvent(account.name, {"e": "ACCOUNT_UPDATE", "T": now, "E": now, "a": body})


def _with_both(account: Account, positions: Iterable[Position]) -> list[Position]:
    rows: list[Position] = []
    for position in positions:
        both = Position(position.symbol, "BOTH")
        if account.hedge and both not in rows:
            rows.append(both)
        rows.append(position)
    return rows


def _row(account: Account, position: Position) -> Payload:
    return {
        "s": position.symbol,
        "pa": plain(position.amount),
        "ep": plain(position.entry),
        "cr": plain(position.realized),
        "up": plain(account.unrealized(position)),
        "mt": "isolated" if account.is_isolated(position) else "cross",
        "iw": plain(position.isolated_wallet),
        "ps": position.side,
        "ma": account.asset_of(position),
        "bep": plain(position.break_even),
    }


def margin_call(account: Account, pool: Pool, now: int) -> UserEvent:
    """Word a MARGIN_CALL; `cw` is there for a cross pool only."""
    payload: Payload = {"e": "MARGIN_CALL", "E": now}
    if not pool.isolated:
        payload["cw"] = plain(account.cross_wallet(pool.asset))
    payload["p"] = [
        {
            "s": position.symbol,
            "ps": position.side,
            "pa": plain(position.amount),
            "mt": "ISOLATED" if pool.isolated else "CROSSED",
            "iw": plain(position.isolated_wallet),
            "mp": plain(account.marks[position.symbol]),
            "up": plain(account.unrealized(position)),
            "mm": plain(account.maintenance(position)),
        }
        for position in pool.positions
    ]
    return UserEvent(account.name, payload)


def leverage_changed(account: Account, symbol: str, now: int) -> UserEvent:
    """Word the ACCOUNT_CONFIG_UPDATE of another leverage."""
    config = {"s": symbol, "l": account.setting(symbol).leverage}
    payload = {"e": "ACCOUNT_CONFIG_UPDATE", "T": now, "E": now, "ac": config}
    return UserEvent(account.name, payload)


def asset_mode_changed(account: Account, now: int) -> UserEvent:
    """Word the ACCOUNT_CONFIG_UPDATE of another asset mode."""
    config = {"j": account.multi_assets}
    payload = {"e": "ACCOUNT_CONFIG_UPDATE", "T": now, "E": now, "ai": config}
    return UserEvent(account.name, payload)


def listen_key_expired(account: str, listen_key: str, now: int) -> UserEvent:
    """Word the end of a listen key."""
    return UserEvent(account, {"e": "listenKeyExpired", "E": now, "listenKey": listen_key})


def trade_lite(account: Account, trade: Trade, now: int) -> UserEvent:
    """Word a TRADE_LITE, the earliest sign of a fill."""
    payload = {
        "e": "TRADE_LITE",
        "E": now,
        "T": now,
        "s": trade.position.symbol,
        "q": plain(abs(trade.quantity)),
        "p": plain(trade.order_price),
        "m": False,
        "c": trade.client_id,
        "S": trade.side,
        "L": plain(trade.price),
        "l": plain(abs(trade.quantity)),
        "t": trade.trade_id,
        "i": trade.order_id,
    }
    return UserEvent(account.name, payload)


def order_filled(account: Account, trade: Trade, now: int) -> UserEvent:
    """Word the ORDER_TRADE_UPDATE of a complete fill."""
    quantity = plain(abs(trade.quantity))
    order = _order(
        trade.position.symbol,
        trade.position.side,
        trade.client_id,
        trade.order_id,
        trade.quantity,
        trade.order_price,
        now,
        forced=trade.forced,
    )
    order |= {
        "ap": plain(trade.price),
        "x": "CALCULATED" if trade.forced else "TRADE",
        "X": "FILLED",
        "l": quantity,
        "z": quantity,
        "L": plain(trade.price),
        "n": plain(trade.fee),
        "N": account.asset_of(trade.position),
        "t": trade.trade_id,
        "rp": plain(trade.realized),
    }
    return UserEvent(account.name, {"e": "ORDER_TRADE_UPDATE", "T": now, "E": now, "o": order})


def order_rests(account: Account, resting: RestingOrder, state: str, now: int) -> UserEvent:
    """Word the ORDER_TRADE_UPDATE of a limit order that was placed, or taken back.

    Args:
        account: Whose.
        resting: The order.
        state: NEW or CANCELED.
        now: Exchange ms.
    """
    order = _order(
        resting.symbol,
        resting.side,
        resting.client_id,
        resting.order_id,
        resting.quantity,
        resting.price,
        now,
    )
    order |= {"x": state, "X": state}
    return UserEvent(account.name, {"e": "ORDER_TRADE_UPDATE", "T": now, "E": now, "o": order})


def _order(
    symbol: str,
    position_side: str,
    client_id: str,
    order_id: int,
    quantity: Decimal,
    price: Decimal,
    now: int,
    *,
    forced: bool = False,
) -> Payload:
    """Word an order that is not filled; fields in the live order of §5.4, forced: LIMIT and IOC."""
    kind = "LIMIT" if forced or price else "MARKET"
    return {
        "s": symbol,
        "c": client_id,
        "S": "BUY" if quantity > 0 else "SELL",
        "o": kind,
        "f": "IOC" if forced else "GTC",
        "q": plain(abs(quantity)),
        "p": plain(price),
        "ap": "0",
        "sp": "0",
        "x": "NEW",
        "X": "NEW",
        "i": order_id,
        "l": "0",
        "z": "0",
        "L": "0",
        "n": "0",
        "N": "USDT",
        "T": now,
        "t": 0,
        "b": "0",
        "a": "0",
        "m": False,
        "R": forced,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": position_side,
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
