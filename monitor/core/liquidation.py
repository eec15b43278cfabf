"""Binance's liquidation price and margin formulas, and carrying a price on between polls.

The exchange gives a liquidation price only in answers to polls. Its formula (Binance FAQ "How to
Calculate Liquidation Price of USDⓈ-M Futures Contracts", checked against the FAQ's own numbers and
a recorded liquidation in `tests/core/test_liquidation.py`) says where a margin balance equals its
maintenance margin. Over the legs that share a price, q signed,

    K + Σ q·(price − entry)  =  Σ (|q|·price·rate − amount)
    price  =  (K − Σ q·entry + Σ amount) / (Σ |q|·rate − Σ q)
    K  =  wallet − maintenance of the others + unrealized PnL of the others

"The others" are the other symbols of the same cross pool (nothing, for an isolated position). Rate
and amount are of the bracket in which each leg's notional lies *at that price*. K depends neither
on the leg nor on brackets: a fill changes q, entry and, through realized PnL and fees, the wallet.
So K is read out of the exchange's figure at a poll, moved by what changed since in the wallet and
in the others, and put back into the formula.

A long is liquidated by a fall: its denominator is negative. Quantities in base units, prices in
the quote asset, K and wallets in the margin asset, rates are ratios.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from monitor.core.events import Bracket

ZERO = Decimal(0)
INFINITE = Decimal("Infinity")

Brackets = tuple[Bracket, ...]
"""Maintenance tiers by rising floor: the first from 0, the last without end."""


class Leg(NamedTuple):
    """One position's part in a liquidation price."""

    quantity: Decimal
    """Signed; positive is long."""
    entry_price: Decimal
    brackets: Brackets


class Line(NamedTuple):
    """What legs add up to between two bracket borders: maintenance − PnL = slope·price + cost."""

    slope: Decimal
    """Σ|q|·rate − Σq: negative where a fall liquidates, positive where a rise does."""
    cost: Decimal
    """Σ q·entry − Σ amount, in the margin asset."""
    above: Decimal
    """The price above which it is true; for the lowest brackets 0, which is true of it too."""
    upto: Decimal
    """The price up to which it is true."""

    def price(self, k: Decimal) -> Decimal:
        """Compute the price at which the money K is used up; `slope` is not 0."""
        return (k - self.cost) / self.slope

    def holds_at(self, price: Decimal) -> bool:
        """Tell whether a price lies between its borders; below 0 the lowest brackets go on."""
        return price <= self.upto and (price > self.above or not self.above)


def flat(rate: Decimal) -> Brackets:
    """Make the only bracket of a position whose table is not known."""
    return (Bracket(ZERO, INFINITE, rate, ZERO),)


def bracket_of(brackets: Brackets, notional: Decimal) -> Bracket:
    """Find the bracket of an unsigned notional: floor < notional ≤ cap."""
    for bracket in brackets:
        if notional <= bracket.cap:
            return bracket
    return brackets[-1]


def unrealized_pnl(quantity: Decimal, mark: Decimal, entry: Decimal) -> Decimal:
    """Compute quantity × (mark − entry); a gain is positive, in the margin asset."""
    return quantity * (mark - entry)


def maintenance_margin(notional: Decimal, bracket: Bracket) -> Decimal:
    """Compute notional × rate − amount; `notional` is unsigned. Source: Binance trading rules."""
    return notional * bracket.rate - bracket.amount


def line_at(legs: Sequence[Leg], price: Decimal) -> Line:
    """Add up legs by the brackets in which they lie at a price."""
    slope = cost = above = ZERO
    upto = INFINITE
    for quantity, entry, brackets in legs:
        size = abs(quantity)
        bracket = bracket_of(brackets, size * price)
        slope += size * bracket.rate - quantity
        cost += quantity * entry - bracket.amount
        above = max(above, bracket.floor / size)
        upto = min(upto, bracket.cap / size)
    return Line(slope, cost, above, upto)


def backing(price: Decimal, legs: Sequence[Leg]) -> Decimal:
    """Read K, the money behind the legs, out of a liquidation price."""
    line = line_at(legs, price)
    return price * line.slope + line.cost


def carried(
    k: Decimal, legs: Sequence[Leg], line: Line, mark: Decimal | None
) -> tuple[Decimal | None, Decimal]:
    """Compute the price at which the legs are liquidated, whatever brackets lie on the way.

    Newton's method on what is left over, f(price) = K + PnL − maintenance. Rates rise from bracket
    to bracket and amounts join them, so f is concave and made of straight pieces. At the root of a
    tangent f is 0 or less, and from there on the steps go one way, each into another piece, until
    a root lies in its own: no more of them than there are brackets. Two things go to and fro
    instead, and the bound ends both: a root on a border, by rounding; and money that is used up at
    *every* price, for which the line at the mark says how far beyond it the mark is.

    Args:
        k: The money behind the legs.
        legs: All that share the price.
        line: Where to begin: the legs at the price that was last known.
        mark: Their mark price, if it is known.

    Returns:
        (price, slope): the price is None where there is none; the slope's sign says which way
        liquidates.
    """
    if not line.slope:
        return None, ZERO
    before = price = line.price(k)
    tries = sum(len(leg.brackets) for leg in legs) + 1
    while not line.holds_at(price):
        line = line_at(legs, price)
        tries -= 1
        if not line.slope or not tries:
            break
        before, price = price, line.price(k)
    else:
        return (price if price > 0 else None), line.slope
    if line.slope and abs(price - before) * 10_000 <= price:
        return price, line.slope
    if mark is not None:
        line = line_at(legs, mark)
    if not line.slope:
        return None, ZERO
    price = line.price(k)
    return (price if price > 0 else None), line.slope


def liquidation_price(k: Decimal, legs: Sequence[Leg], start: Decimal) -> Decimal | None:
    """Compute the price at which legs are liquidated; None where there is none."""
    return carried(k, legs, line_at(legs, start), start)[0]


def distance(mark: Decimal, price: Decimal | None, direction: Decimal) -> Decimal:
    """Compute the part of the mark that it must move until liquidation.

    Args:
        mark: The mark price, above 0.
        price: The liquidation price; None where there is none.
        direction: The slope of its legs: negative, a fall liquidates; positive, a rise.

    Returns:
        A ratio; 0 or below at or beyond the price; infinite where there is none.
    """
    if price is None:
        return INFINITE
    return (mark - price) / mark if direction < 0 else (price - mark) / mark
