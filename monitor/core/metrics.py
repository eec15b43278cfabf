"""The vocabulary of rules: one table.

Each row says what a metric means, its unit and scope, what it rests on (so that its freshness is
known), how it moves with the position's own mark, and how it is computed. The reference page in
`docs/` is generated from it. A metric is a pure function of a `View`: one target at one instant.

It returns a Decimal (money in the pool's asset, ratios as parts: 0.05 is 5 %), a text, or whole
milliseconds; None for unknown; ABSENT where it has no meaning for the target. Infinite is a
Decimal. Directions are of a long and of a short that stand alone, with margin left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from monitor.core import figures
from monitor.core.figures import Figure, View
from monitor.core.freshness import Rest
from monitor.core.language.units import ANYTHING, History, Scope, Unit, Vocabulary, Word

__all__ = (
    "AGE_BASES",
    "METRICS",
    "VOCABULARY",
    "Direction",
    "Figure",
    "Metric",
    "View",
    "metrics_of",
)


class Direction(Enum):
    """How a metric moves when the position's own mark rises."""

    RISING = "rising"
    FALLING = "falling"
    NONE = "none"
    """It does not move, or not in one direction only."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    unit: Unit
    scope: Scope
    meaning: str
    compute: Callable[[View], Figure]
    rests: Rest
    rests_cross: Rest
    """What it rests on for a cross position; the same as `rests` where that makes no difference."""
    long: Direction
    short: Direction
    known: frozenset[str] | None = None
    reach: tuple[Decimal, Decimal] = ANYTHING
    """Of a number: the least and the most that it can be, both included; ages in ms."""
    absent_where: tuple[str, str] | None = None
    """It has no meaning where another metric is this text: ("margin_type", "cross")."""
    history: History | None = None
    """What it looks back at (`lookback.py`); None for those of the table."""


# ---------------------------------------------------------------- the table

_RATIO, _MONEY, _PRICE = Unit.RATIO, Unit.MONEY, Unit.PRICE
_TEXT, _MULTIPLE, _DURATION = Unit.TEXT, Unit.MULTIPLE, Unit.DURATION
_POSITION, _POOL, _ACCOUNT = Scope.POSITION, Scope.POOL, Scope.ACCOUNT
_UP, _DOWN, _NONE = Direction.RISING, Direction.FALLING, Direction.NONE
_HELD = Rest.DATA | Rest.OWN_MARK
_CROSS = Rest.POOL_DATA | Rest.CROSS_MARKS
_NEED = Rest.RATES | Rest.CROSS_MARKS
_TOTAL = Rest.POOL_DATA | Rest.ALL_MARKS
_FROM_0 = (Decimal(0), Decimal("Infinity"))


def _metric(
    name: str,
    unit: Unit,
    scope: Scope,
    rests: Rest,
    meaning: str,
    compute: Callable[[View], Figure],
    *,
    cross: Rest | None = None,
    moves: tuple[Direction, Direction] = (_NONE, _NONE),
    known: frozenset[str] | None = None,
    reach: tuple[Decimal, Decimal] = ANYTHING,
    absent_where: tuple[str, str] | None = None,
) -> Metric:
    return Metric(
        name,
        unit,
        scope,
        meaning,
        compute,
        rests,
        rests if cross is None else cross,
        *moves,
        known,
        reach,
        absent_where,
    )


_TABLE = (
    _metric(
        "account", _TEXT, Scope.ANY, Rest.NOTHING, "the account's name", lambda v: v.account.name
    ),
    _metric(
        "venue",
        _TEXT,
        Scope.ANY,
        Rest.NOTHING,
        "where the account is",
        lambda v: v.account.venue,
        known=frozenset({"binance-usdm"}),
    ),
    _metric("asset", _TEXT, _POOL, Rest.NOTHING, "the margin asset", figures.asset),
    _metric(
        "symbol", _TEXT, _POSITION, Rest.NOTHING, "the contract", lambda v: v.held.position.symbol
    ),
    _metric(
        "side",
        _TEXT,
        _POSITION,
        Rest.NOTHING,
        "long or short",
        lambda v: v.held.position.side,
        known=frozenset({"long", "short"}),
    ),
    _metric(
        "margin_type",
        _TEXT,
        _POSITION,
        Rest.DATA,
        "cross or isolated",
        lambda v: v.held.position.margin_type,
        known=frozenset({"cross", "isolated"}),
    ),
    _metric(
        "quantity",
        Unit.QUANTITY,
        _POSITION,
        Rest.DATA,
        "signed, in base units; positive is long",
        lambda v: v.held.position.quantity,
    ),
    _metric(
        "mark_price",
        _PRICE,
        _POSITION,
        Rest.OWN_MARK,
        "the mark price, the newer of stream and poll",
        lambda v: v.held.mark_price,
        moves=(_UP, _UP),
        reach=_FROM_0,
    ),
    _metric(
        "entry_price",
        _PRICE,
        _POSITION,
        Rest.DATA,
        "average entry price",
        lambda v: v.held.position.entry_price,
        reach=_FROM_0,
    ),
    _metric(
        "break_even_price",
        _PRICE,
        _POSITION,
        Rest.DATA,
        "entry price with the fees paid; unknown from a fill until the next poll",
        lambda v: v.held.position.break_even_price,
    ),
    _metric(
        "liquidation_price",
        _PRICE,
        _POSITION,
        Rest.DATA | Rest.POLL,
        "the exchange's at the last poll, carried on since; none compares as 0 for a long and "
        "as infinite for a short",
        figures.liquidation_price,
        cross=Rest.DATA | Rest.POLL | _CROSS | _NEED,
        reach=_FROM_0,
    ),
    _metric(
        "liquidation_distance",
        _RATIO,
        _POSITION,
        _HELD | Rest.POLL,
        "part of the mark price that it must move until liquidation; 0 or less at or beyond it, "
        "infinite where there is no liquidation price",
        figures.liquidation_distance,
        cross=_HELD | Rest.POLL | _CROSS | _NEED,
        moves=(_UP, _DOWN),
    ),
    _metric(
        "margin_room",
        _RATIO,
        _POSITION,
        _HELD | Rest.POLL,
        "(margin balance − maintenance) / the wallet behind the position, at least 0: the part of "
        "the money put behind it that is left before liquidation",
        figures.margin_room,
        cross=_HELD | Rest.POLL | _CROSS | _NEED,
        moves=(_UP, _DOWN),
        reach=_FROM_0,
    ),
    _metric(
        "notional",
        _MONEY,
        _POSITION,
        _HELD,
        "abs(quantity) × mark price",
        lambda v: v.held.notional,
        moves=(_UP, _UP),
        reach=_FROM_0,
    ),
    _metric(
        "leverage",
        _MULTIPLE,
        _POSITION,
        Rest.SETTING,
        "the setting on the exchange",
        figures.leverage,
        reach=(Decimal(1), Decimal("Infinity")),
    ),
    _metric(
        "effective_leverage",
        _MULTIPLE,
        _POSITION,
        _HELD,
        "notional / the margin balance behind it; infinite when that is 0 or less",
        figures.effective_leverage,
        cross=_HELD | _CROSS,
        moves=(_NONE, _UP),
        reach=_FROM_0,
    ),
    _metric(
        "unrealized_pnl",
        _MONEY,
        _POSITION,
        _HELD,
        "quantity × (mark price − entry price)",
        lambda v: v.held.pnl,
        moves=(_UP, _DOWN),
    ),
    _metric(
        "roi",
        _RATIO,
        _POSITION,
        _HELD | Rest.SETTING,
        "unrealized_pnl × leverage / notional, as on Binance's screen",
        figures.roi,
        moves=(_UP, _DOWN),
    ),
    _metric(
        "isolated_margin",
        _MONEY,
        _POSITION,
        _HELD,
        "isolated wallet + unrealized_pnl; has no meaning for cross",
        figures.isolated_margin,
        moves=(_UP, _DOWN),
        absent_where=("margin_type", "cross"),
    ),
    _metric(
        "position_margin_ratio",
        _RATIO,
        _POSITION,
        _HELD | Rest.POLL,
        "maintenance / margin balance of what it stands on; liquidation at 100 %",
        lambda v: figures.settled(figures.maintenance_on(v), figures.balance_behind(v)),
        cross=_HELD | Rest.POLL | _CROSS | _NEED,
        moves=(_NONE, _UP),
        reach=_FROM_0,
    ),
    _metric(
        "adl",
        Unit.NUMBER,
        _POSITION,
        Rest.POLL,
        "place in the auto-deleveraging queue, 0 to 4; 4 is first",
        figures.adl,
        reach=(Decimal(0), Decimal(4)),
    ),
    _metric(
        "mark_age",
        _DURATION,
        _POSITION,
        Rest.NOTHING,
        "age of the position's mark",
        figures.mark_age,
        reach=_FROM_0,
    ),
    _metric(
        "wallet_balance",
        _MONEY,
        _POOL,
        Rest.POOL_DATA,
        "everything in that asset, isolated too",
        lambda v: v.pool.wallet,
    ),
    _metric(
        "total_unrealized_pnl",
        _MONEY,
        _POOL,
        _TOTAL,
        "of all positions in that asset",
        lambda v: v.pool.total_pnl,
    ),
    _metric(
        "equity", _MONEY, _POOL, _TOTAL, "wallet_balance + total_unrealized_pnl", figures.equity
    ),
    _metric(
        "total_notional",
        _MONEY,
        _POOL,
        _TOTAL,
        "of all positions in that asset, longs and shorts added up",
        lambda v: v.pool.total_notional,
        reach=_FROM_0,
    ),
    _metric(
        "margin_balance",
        _MONEY,
        _POOL,
        _CROSS,
        "cross wallet + unrealized PnL of the cross positions; isolated left out",
        lambda v: v.pool.margin_balance,
    ),
    _metric(
        "maintenance_margin",
        _MONEY,
        _POOL,
        _CROSS | _NEED,
        "of the cross positions",
        lambda v: v.pool.cross_maintenance,
        reach=_FROM_0,
    ),
    _metric(
        "available_balance",
        _MONEY,
        _POOL,
        Rest.POLL,
        "what the last poll said may be used or withdrawn",
        lambda v: v.pool.available,
    ),
    _metric(
        "margin_ratio",
        _RATIO,
        _POOL,
        _CROSS | _NEED,
        "maintenance_margin / margin_balance; liquidation at 100 %",
        lambda v: figures.settled(v.pool.cross_maintenance, v.pool.margin_balance),
        reach=_FROM_0,
    ),
    _metric(
        "account_leverage",
        _MULTIPLE,
        _POOL,
        _TOTAL,
        "total_notional / equity; infinite when equity is 0 or less",
        figures.account_leverage,
        reach=_FROM_0,
    ),
    _metric(
        "position_count",
        Unit.NUMBER,
        _POOL,
        Rest.POOL_DATA,
        "positions in that asset",
        lambda v: Decimal(v.pool.count),
        reach=_FROM_0,
    ),
    _metric(
        "data_age",
        _DURATION,
        _ACCOUNT,
        Rest.NOTHING,
        "age of the last complete poll or of the oldest mark of a position held, whichever is "
        "older; before the first poll, since the watch began",
        figures.data_age,
        reach=_FROM_0,
    ),
    _metric(
        "stale_for",
        _DURATION,
        _ACCOUNT,
        Rest.NOTHING,
        "how long since the account was last fresh, across restarts; 0s while it is",
        figures.stale_for,
        reach=_FROM_0,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}

VOCABULARY: Vocabulary = {
    metric.name: Word(
        metric.name,
        metric.unit,
        metric.scope,
        metric.known,
        metric.reach,
        metric.absent_where,
    )
    for metric in _TABLE
}

AGE_BASES: dict[str, Callable[[View], int | None]] = {
    "data_age": lambda v: v.account.data_since(),
    "stale_for": lambda v: v.account.stale_since,
    "mark_age": figures.mark_since,
}
"""For each metric that grows with time: the instant (ticks) it counts from; None: it stays 0."""


def metrics_of(scope: Scope) -> tuple[Metric, ...]:
    """List the metrics that a rule of this scope may read, in the order of the table."""
    return tuple(metric for metric in _TABLE if metric.scope <= scope)
