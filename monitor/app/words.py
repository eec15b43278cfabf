"""What the log says of an account at the start."""

import math
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.metrics import METRICS, View
from monitor.core.portfolio import Account


def introduction(account: Account, now: Now) -> str:
    """Say what an account holds: "main: 4 positions, nearest BTCUSDT long 12.3 % from …"."""
    count = len(account.holdings)
    if not count:
        return f"{account.name}: no positions"
    said = f"{account.name}: {count} position{'' if count == 1 else 's'}"
    distance = METRICS["liquidation_distance"].compute
    found = []
    for holding in account.holdings.values():
        figure = distance(View(account, now, holding=holding))
        if isinstance(figure, Decimal):
            found.append((figure, f"{holding.position.symbol} {holding.position.side}"))
    nearest = min(found, default=None)
    if nearest is None:
        return f"{said}, distance to liquidation not known yet"
    if not math.isfinite(nearest[0]):
        return f"{said}, none can be liquidated"
    return f"{said}, nearest {nearest[1]} {nearest[0] * 100:.1f} % from liquidation"
