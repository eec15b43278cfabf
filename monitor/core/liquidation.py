"""Binance's liquidation price and margin formulas, and carrying a price on between polls.

The exchange gives a liquidation price only in answers to polls. Its formula (Binance FAQ "How to
Calculate Liquidation Price of USDⓈ-M Futures Contracts", checked against the FAQ's own numbers and
a recorded liquidation in `tests/core/test_liquidation.py`) reads, over the legs that share a price,

    liq = (K − Σ q·entry) / (Σ |q|·rate − Σ q)
    K   = wallet − maintenance of the others + unrealized PnL of the others + own amounts

with q signed, and "the others" the other symbols of the same cross pool (nothing, for an isolated
position). K does not depend on the leg itself: a fill changes q, entry and, through realized PnL
and fees, the wallet. So K is read out of the exchange's figure at a poll, moved by what changed
since in the wallet and in the others, and put back into the formula.

A long is liquidated by a fall: its denominator is negative. Quantities in base units, prices in
the quote asset, K and wallets in the margin asset, rates are ratios.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)


class Leg(NamedTuple):
    """One position's part in a liquidation price."""

    quantity: Decimal
    """Signed; positive is long."""
    entry_price: Decimal
    rate: Decimal
    """Maintenance margin rate of its bracket."""
    amount: Decimal = ZERO
    """Maintenance amount (`cum`) of its bracket, in the margin asset."""


def unrealized_pnl(quantity: Decimal, mark: Decimal, entry: Decimal) -> Decimal:
    """Compute quantity × (mark − entry); a gain is positive, in the margin asset."""
    return quantity * (mark - entry)


def maintenance_margin(notional: Decimal, rate: Decimal, amount: Decimal = ZERO) -> Decimal:
    """Compute notional × rate − amount; `notional` is unsigned. Source: Binance trading rules."""
    return notional * rate - amount


def slope(legs: Iterable[Leg]) -> Decimal:
    """Compute Σ|q|·rate − Σq: negative where a fall liquidates, positive where a rise does."""
    total = ZERO
    for leg in legs:
        total += abs(leg.quantity) * leg.rate - leg.quantity
    return total


def cost(legs: Iterable[Leg]) -> Decimal:
    """Compute Σ q·entry, in the margin asset."""
    return sum((leg.quantity * leg.entry_price for leg in legs), ZERO)


def backing(liquidation_price: Decimal, legs: Sequence[Leg]) -> Decimal:
    """Read K, the money behind the legs, out of a liquidation price."""
    return liquidation_price * slope(legs) + cost(legs)


def backing_from_parts(wallet: Decimal, others: Decimal, legs: Sequence[Leg]) -> Decimal:
    """Compute K where the exchange gave no price.

    Args:
        wallet: Cross wallet of the pool, or the isolated wallet.
        others: Unrealized PnL − maintenance margin of the pool's other symbols; 0 if isolated.
        legs: The legs that share the price.
    """
    return wallet + others + sum((leg.amount for leg in legs), ZERO)


def liquidation_price(k: Decimal, legs: Sequence[Leg]) -> Decimal | None:
    """Compute the price at which the legs are liquidated; None where there is no such price."""
    return price_of(k, slope(legs), cost(legs))


def price_of(k: Decimal, legs_slope: Decimal, legs_cost: Decimal) -> Decimal | None:
    """Compute the liquidation price from what the legs add up to; None where there is none."""
    if not legs_slope:
        return None
    price = (k - legs_cost) / legs_slope
    return price if price > 0 else None


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
        return Decimal("Infinity")
    return (mark - price) / mark if direction < 0 else (price - mark) / mark
