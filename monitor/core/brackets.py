"""Maintenance tiers and asset prices: what the exchange's reference data says, taken over.

A table is used where it can be true (its tiers join, its rates rise) and as long as it gives the
maintenance margin that polls show. Where it does not, the poll is right: it is what the exchange
liquidates by, and an account may have tiers of its own (docs/protocol.md §8.3).
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.core.events import AssetPricesRead, Bracket, BracketsRead, PositionRow, Remark
from monitor.core.liquidation import (
    INFINITE,
    Brackets,
    backing,
    bracket_of,
    maintenance_margin,
)
from monitor.core.portfolio import Account
from monitor.core.rows import polled_notional

if TYPE_CHECKING:
    from monitor.core.merging import Portfolio, Touched

TOLERANCE = 100_000
"""Tiers join, where their amounts do to one part in this of the border between them."""


# ---------------------------------------------------------------- taking over


def take_brackets(account: Account, event: BracketsRead, touched: "Touched") -> None:
    """Take over an account's maintenance tiers."""
    changed = set()
    for symbol, read in event.brackets.items():
        brackets = _usable(read)
        if brackets is None:
            text = f"{account.name}: {symbol}: its brackets do not join; polled rates count"
            touched.remarks.append(Remark("warning", text, "brackets_doubted"))
            if account.brackets.pop(symbol, None) is not None:
                changed.add(symbol)
        elif account.brackets.get(symbol) != brackets:
            account.brackets[symbol] = brackets
            changed.add(symbol)
    if changed:
        _refigure(account, changed)
        touched.accounts[account] = None


def take_prices(portfolio: "Portfolio", event: AssetPricesRead, touched: "Touched") -> None:
    """Take over what margin assets are worth, for every account."""
    for account in portfolio.accounts.values():
        account.prices |= {asset: price for asset, price in event.prices.items() if price > 0}
        if account.multi_assets:
            account.forget_pools()
            touched.accounts[account] = None


def _usable(read: Sequence[Bracket]) -> Brackets | None:
    """Make a table that begins at 0 and has no end; None where the tiers read make none.

    That rates rise and amounts join is what the search for a liquidation price rests on.
    """
    if not read:
        return None
    for before, after in pairwise(read):
        joined = after.floor * (after.rate - before.rate) + before.amount
        gap = abs(after.amount - joined) * TOLERANCE
        if after.floor != before.cap or after.rate < before.rate or gap > after.floor:
            return None
    if any(not (0 <= each.rate < 1 and each.floor < each.cap) for each in read):
        return None
    if read[0].floor != 0 or read[0].amount != 0:
        return None
    return (*read[:-1], read[-1]._replace(cap=INFINITE))


# ---------------------------------------------------------------- checking against polls


def check_brackets(account: Account, polled: Sequence[PositionRow]) -> list[Remark]:
    """Compare tables with the maintenance margins that a poll shows; returns what to say."""
    agree: dict[str, bool] = {}
    for row in polled:
        brackets = account.brackets.get(row.symbol)
        notional = polled_notional(row)
        if brackets is None or row.maintenance_margin is None or not notional:
            continue
        own = maintenance_margin(notional, bracket_of(brackets, notional))
        agree[row.symbol] = agree.get(row.symbol, True) and _close(own, row.maintenance_margin)
    remarks = []
    for symbol, agrees in agree.items():
        if agrees is (symbol not in account.contradicted):
            continue
        if agrees:
            account.contradicted.discard(symbol)
            text = (
                f"{account.name}: {symbol}: its brackets give the polled maintenance margin again"
            )
            remarks.append(Remark("info", text))
        else:
            account.contradicted.add(symbol)
            text = (
                f"{account.name}: {symbol}: its brackets give another maintenance margin than the "
                "poll; the polled rate counts until they agree"
            )
            remarks.append(Remark("warning", text, "brackets_doubted"))
    if remarks:
        _refigure(account, agree)
    return remarks


def _close(own: Decimal, polled: Decimal) -> bool:
    """Whether two maintenance margins agree to one part in ten thousand, or to rounding."""
    return abs(own - polled) <= polled / 10_000 + Decimal("1e-6")


def _refigure(account: Account, symbols: Collection[str]) -> None:
    """Compute anew what rests on the tables of symbols.

    K is read out of the exchange's figure once more, of what it was said of. It is what is free
    without the legs, so where a table is given up the K that it gave still stands.
    """
    for (symbol, _), holding in account.holdings.items():
        if symbol in symbols:
            holding.refigure()
    for group, basis in account.bases.items():
        brackets = account.brackets_of(group[0], None) if group[0] in symbols else None
        if brackets is not None and basis.legs:
            legs = tuple(leg._replace(brackets=brackets) for leg in basis.legs)
            account.bases[group] = replace(basis, k=backing(basis.start, legs), legs=legs)
    account.forget_pools()
