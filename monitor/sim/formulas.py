"""Binance's margin formulas, pure.

Source: docs/protocol.md §9.1 and §9.2; checked against the vectors of §9.4 to §9.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from monitor.sim.amounts import ZERO
from monitor.sim.brackets import Tier, tier_at

_ROUNDS = 24
"A symbol has at most twelve tiers; the tier climbs or falls by at least one a round."


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of one symbol, as the liquidation price sees it."""

    side: int
    "+1 long, -1 short."
    quantity: Decimal
    "Contracts, unsigned."
    entry: Decimal
    tier: Tier


def maintenance_margin(notional: Decimal, tier: Tier) -> Decimal:
    """Compute the maintenance margin of an unsigned notional: `notional·rate − amount`."""
    return notional * tier.rate - tier.amount


def unrealized(amount: Decimal, entry: Decimal, mark: Decimal) -> Decimal:
    """Compute the unrealized profit; `amount` is signed, positive is long."""
    return amount * (mark - entry)


def margin_ratio(maintenance: Decimal, balance: Decimal) -> Decimal:
    """Compute `maintenance / margin balance`; liquidation at 1. Infinite where nothing is left."""
    return maintenance / balance if balance > 0 else Decimal("Infinity")


def liquidation_price(
    legs: Sequence[Leg],
    *,
    wallet: Decimal,
    other_maintenance: Decimal = ZERO,
    other_pnl: Decimal = ZERO,
) -> Decimal | None:
    """Compute the mark at which the margin balance equals the maintenance margin.

    Args:
        legs: The symbol's sides that stand together: one, or LONG and SHORT of a cross symbol in
            hedge mode. Each carries its tier, which is taken as it is.
        wallet: Cross wallet balance, or the isolated wallet (WB).
        other_maintenance: Of all other symbols in the pool (TMM₁).
        other_pnl: Unrealized, of all other symbols in the pool (UPNL₁).

    Returns:
        None where there is no such price above zero.
    """
    numerator = wallet - other_maintenance + other_pnl
    denominator = ZERO
    for leg in legs:
        numerator += leg.tier.amount - leg.side * leg.quantity * leg.entry
        denominator += leg.quantity * leg.tier.rate - leg.side * leg.quantity
    if denominator == 0 or numerator / denominator <= 0:
        return None
    return numerator / denominator


def settled_liquidation_price(
    legs: Sequence[Leg],
    tiers: tuple[Tier, ...],
    *,
    wallet: Decimal,
    other_maintenance: Decimal = ZERO,
    other_pnl: Decimal = ZERO,
) -> Decimal | None:
    """Compute the liquidation price with the tiers that hold at that price.

    The legs come with the tiers of today's mark; where the price found lies in other tiers, it is
    computed again with those (§9.2, "recompute with that bracket's MMR/cum").
    """
    price = None
    for _ in range(_ROUNDS):
        price = liquidation_price(
            legs, wallet=wallet, other_maintenance=other_maintenance, other_pnl=other_pnl
        )
        if price is None:
            return None
        there = [
            Leg(leg.side, leg.quantity, leg.entry, tier_at(tiers, leg.quantity * price))
            for leg in legs
        ]
        if there == list(legs):
            return price
        legs = there
    return price


def bankruptcy_price(amount: Decimal, mark: Decimal, balance: Decimal) -> Decimal:
    """Compute the mark at which the margin balance is used up (§9.6).

    Args:
        amount: Signed contracts of the position that would be closed.
        mark: Of now.
        balance: Margin balance of its pool at that mark.
    """
    return mark - balance / amount
