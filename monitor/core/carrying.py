"""The basis of carried liquidation prices: K, read out of one poll's own rows.

The exchange's figure was true with the quantities, wallets and PnL of that poll, and K is made of
those alone. What events told meanwhile comes in when the price is carried on: K does not depend on
the leg, so an answer that a fill overtook is as good a basis as any other.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from monitor.core.brackets import check_brackets
from monitor.core.events import PollAnswered, PositionRow, Remark
from monitor.core.liquidation import (
    ZERO,
    Leg,
    backing,
    bracket_of,
    carried,
    distance,
    line_at,
    maintenance_margin,
)
from monitor.core.pools import ONE, USD, worth
from monitor.core.portfolio import Account
from monitor.core.positions import Basis, Key
from monitor.core.rows import margin_asset, margin_type, polled_notional, polled_rate

NEAR = Decimal("0.5")
"""An exchange that says "no liquidation price" while ours is nearer than this is not believed."""


class _Money(NamedTuple):
    """What stands behind a group, as a poll shows it."""

    wallet: Decimal
    others: Decimal
    """Both in the pool's money."""
    unit: Decimal
    """What a unit of the margin asset is worth in that."""


class _Group(NamedTuple):
    """The rows of a poll that share a liquidation price."""

    key: Key
    rows: list[PositionRow]
    pool: str
    """"" for an isolated position."""


_Parts = list[tuple[_Group, Decimal | None]]
"""What each group adds to the others: uPnL − maintenance at the poll."""


def rebase(account: Account, poll: PollAnswered) -> list[Remark]:
    """Compare our liquidation prices with the exchange's, and take its figures over."""
    if poll.positions is None:
        return []
    remarks = check_brackets(account, poll.positions)
    if account.mode_key.seq > poll.after:
        return remarks  # the prices of a mode that is left
    held = {account.group_of(holding.position) for holding in account.holdings.values()}
    groups = _groups(account, poll.positions)
    parts = [(group, _part(account, group)) for group in groups]
    for group in groups:
        price = group.rows[0].liquidation_price
        account.standing.pop(group.key, None)
        if group.key not in held or price is None:
            continue
        legs = [_leg(account, row) for row in group.rows]
        known = [leg for leg in legs if leg is not None]
        money = _money(account, poll, group, parts)
        if money is not None and len(known) == len(legs):
            _take(account, group, price, known, money, remarks)
        else:
            _let_stand(account, group, price, remarks)
    return remarks


def _let_stand(account: Account, group: _Group, said: Decimal, remarks: list[Remark]) -> None:
    """Take the exchange's figure as it is: something that carrying it on takes is missing.

    A basis of an earlier poll is better than that, and stays.
    """
    row = group.rows[0]
    if said > 0:
        # More long than short: a fall liquidates. A rate would hardly move that.
        direction = -sum((each.quantity for each in group.rows), ZERO)
        account.standing[group.key] = said, direction
        then = "the liquidation price stands as polled"
    else:
        then = "its distance to liquidation is unknown"
    if group.key in account.bases:
        return
    level = "debug" if group.key in account.unsaid else "warning"
    account.unsaid.add(group.key)
    text = (
        f"{account.name}: {row.symbol} {_side(row)}: the poll leaves out its entry price, "
        f"maintenance margin, wallet or those of its pool; {then}"
    )
    remarks.append(Remark(level, text, "liquidation_prices_standing"))


def _groups(account: Account, rows: Iterable[PositionRow]) -> list[_Group]:
    groups: dict[Key, _Group] = {}
    for row in rows:
        if not row.quantity:
            continue
        holding = account.holdings.get((row.symbol, row.position_side))
        before = holding.position if holding is not None else None
        cross = margin_type(row, before) == "cross"
        key = (row.symbol, "") if cross else (row.symbol, row.position_side)
        asset = USD if account.multi_assets else margin_asset(account, row, before)
        groups.setdefault(key, _Group(key, [], asset if cross else "")).rows.append(row)
    return list(groups.values())


def _leg(account: Account, row: PositionRow) -> Leg | None:
    """Make the leg as the poll shows it."""
    holding = account.holdings.get((row.symbol, row.position_side))
    rate = polled_rate(row)
    if rate is None and holding is not None:
        rate = holding.position.rate
    brackets = account.brackets_of(row.symbol, rate)
    if not row.entry_price or brackets is None:
        return None
    return Leg(row.quantity, row.entry_price, brackets)


def _part(account: Account, group: _Group) -> Decimal | None:
    """Compute uPnL − maintenance of a group at the poll; None where a row leaves one out.

    Marks may have moved since the poll: the exchange's figure was true with these.
    """
    total = ZERO
    for row in group.rows:
        need = _need(account, row)
        if row.unrealized_pnl is None or need is None:
            return None
        part: Decimal | None = row.unrealized_pnl - need
        if group.pool == USD:
            part = worth(part, _price(account, row))
        if part is None:
            return None
        total += part
    return total


def _need(account: Account, row: PositionRow) -> Decimal | None:
    """Give the maintenance margin of a row; where it says none (v1), by the symbol's brackets."""
    brackets = account.brackets_of(row.symbol, None)
    if row.maintenance_margin is not None or brackets is None:
        return row.maintenance_margin
    notional = polled_notional(row)
    return maintenance_margin(notional, bracket_of(brackets, notional)) if notional else None


def _price(account: Account, row: PositionRow) -> Decimal | None:
    """Tell what a unit of a row's margin asset is worth in USD."""
    holding = account.holdings.get((row.symbol, row.position_side))
    before = holding.position if holding is not None else None
    return account.prices.get(margin_asset(account, row, before))


def _money(account: Account, poll: PollAnswered, group: _Group, parts: _Parts) -> _Money | None:
    """Give the wallet behind a group and what the others added; None while a part is unknown."""
    if not group.pool:
        wallet = group.rows[0].isolated_wallet
        return None if wallet is None else _Money(wallet, ZERO, ONE)
    wallet = _polled_wallet(account, poll, group.pool)
    if wallet is None:
        return None
    others = ZERO
    for other, part in parts:
        if other.pool == group.pool and other is not group:
            if part is None:
                return None
            others += part
    unit = _price(account, group.rows[0]) if group.pool == USD else ONE
    return _Money(wallet, others, unit) if unit else None


def _polled_wallet(account: Account, poll: PollAnswered, asset: str) -> Decimal | None:
    """Give the cross wallet at the poll: of its own answer, else ours if no event is newer."""
    if asset == USD and account.multi_assets:
        if poll.totals is not None:
            return poll.totals.cross_wallet
        return account.pool(USD).cross_wallet
    for row in poll.assets or ():
        if row.asset == asset:
            return row.cross_wallet
    balance = account.balances.get(asset)
    if balance is None or account.asset_keys[asset].seq > poll.after:
        return None
    return balance.cross_wallet


def _take(
    account: Account,
    group: _Group,
    said: Decimal,
    legs: list[Leg],
    money: _Money,
    remarks: list[Remark],
) -> None:
    """Make the exchange's figure the basis of ours, and compare the two."""
    wallet, others, unit = money
    row = group.rows[0]
    if said > 0:
        account.implausible.discard(group.key)
        _compare(account, row, said, remarks)
        k = backing(said, legs)
        account.bases[group.key] = Basis(k, wallet, others, said, tuple(legs))
        return
    mark = row.mark_price
    start = mark or legs[0].entry_price
    basis = Basis((wallet + others) / unit, wallet, others, start)
    own, slope = carried(basis.k, legs, line_at(legs, start), mark)
    if mark is None or distance(mark, own, slope) >= NEAR:
        account.implausible.discard(group.key)
        account.bases[group.key] = basis
        return
    account.bases.pop(group.key, None)
    # Said once as a warning; polls repeat it every few seconds.
    level = "debug" if group.key in account.implausible else "warning"
    account.implausible.add(group.key)
    text = (
        f"{account.name}: {row.symbol} {_side(row)}: the exchange says that there is no "
        f"liquidation price, our own estimate is {own}; it counts as unknown"
    )
    remarks.append(Remark(level, text, "liquidation_prices_doubted"))


def _compare(account: Account, row: PositionRow, said: Decimal, remarks: list[Remark]) -> None:
    holding = account.holdings.get((row.symbol, row.position_side))
    if holding is None or holding.position.quantity != row.quantity:
        return
    own = account.liquidation(holding.position)
    if own is None or _close_to(own[0], said):
        return
    text = (
        f"{account.name}: {row.symbol} {_side(row)}: liquidation price carried on to {own[0]}, "
        f"the exchange says {said}"
    )
    remarks.append(Remark("debug", text, "liquidation_estimates_off"))


def _close_to(one: Decimal | None, other: Decimal) -> bool:
    """Whether two liquidation prices agree to one part in ten thousand."""
    return one is not None and abs(one - other) <= other / 10_000


def _side(row: PositionRow) -> str:
    return "long" if row.quantity > 0 else "short"
