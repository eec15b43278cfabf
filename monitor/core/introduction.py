"""What an account holds, in one line: for the log at a start, and for `check --online`."""

import math
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.metrics import METRICS, View
from monitor.core.portfolio import Account
from monitor.core.positions import Position
from monitor.core.wording import count


def introduction(account: Account, now: Now) -> str:
    """Say what an account holds: "main: 4 positions, nearest BTCUSDT long 12.3 % from …"."""
    return f"{account.name}: {held(account, now)}"


def held(account: Account, now: Now) -> str:
    """Say the same without its name."""
    if not account.holdings:
        return "no positions"
    said = count(len(account.holdings), "position")
    found = nearest(account, now)
    if found is None:
        return f"{said}, distance to liquidation not known yet"
    distance, position = found
    if not math.isfinite(distance):
        return f"{said}, none can be liquidated"
    return (
        f"{said}, nearest {position.symbol} {position.side} {distance * 100:.1f} % from liquidation"
    )


def nearest(account: Account, now: Now) -> tuple[Decimal, Position] | None:
    """Find the position that is nearest to its liquidation.

    Returns:
        Its `liquidation_distance` (a fraction, infinite where it has no liquidation price), and
        it; None while no distance is known.
    """
    compute = METRICS["liquidation_distance"].compute
    found = [
        (figure, holding.position)
        for holding in account.holdings.values()
        if isinstance(figure := compute(View(account, now, holding=holding)), Decimal)
    ]
    return min(found, key=lambda one: one[0], default=None)
