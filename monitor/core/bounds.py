"""What metrics may be while marks lie in ranges: an interval each, for `calm.py`.

Positions are computed at both ends of their range, pools as sums of the least and of the most of
everything. A metric rises or falls with each of those, so its ends come from theirs; nothing inside
the ranges gives a figure outside the interval, and where that cannot be said there are no bounds.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from monitor.core import figures
from monitor.core.freshness import MARKS
from monitor.core.judging import Judge, Sight
from monitor.core.language.truth import ABSENT, UNKNOWN, Interval, Value
from monitor.core.language.units import Unit
from monitor.core.liquidation import INFINITE, ZERO, distance
from monitor.core.metrics import AGE_BASES, Metric, View
from monitor.core.pools import Pool, worth
from monitor.core.portfolio import Account
from monitor.core.positions import Holding, Position

SLACK = Decimal("1e-12")
"""Part by which intervals are wider than computed: sums round, in the order they are made.

Of a thousand at least, since what rounds may be large parts of a small sum."""

_Span = tuple[Decimal, Decimal] | None
"""From and to; None: unknown."""


class Unproved(Exception):
    """A figure has no bounds that are known."""


# ---------------------------------------------------------------- positions and pools


class _Corner(NamedTuple):
    """A position with the least, or the most, of each of its figures."""

    position: Position
    mark_price: Decimal
    pnl: Decimal | None
    notional: Decimal
    maintenance: Decimal | None
    mark_at: int


class Ranges:
    """An account in which each mark may be anywhere in its range."""

    def __init__(self, account: Account, width: Decimal) -> None:
        self.account = account
        self.corners: dict[Holding, tuple[_Corner, _Corner]] = {}
        self._pools: dict[str, tuple[Pool, Pool]] = {}
        for holding in account.holdings.values():
            mark = holding.mark_price
            if mark is None:
                raise Unproved
            holding.low, holding.high = mark * (1 - width), mark * (1 + width)
            self.corners[holding] = _corners(holding)

    def pools(self, asset: str) -> tuple[Pool, Pool]:
        """Give the least and the most that a pool's totals may be."""
        found = self._pools.get(asset)
        if found is None:
            least = self.account.make_pool(asset, [low for low, _ in self.corners.values()])
            most = self.account.make_pool(asset, [high for _, high in self.corners.values()])
            found = self._pools[asset] = least, most
        return found


def _corners(holding: Holding) -> tuple[_Corner, _Corner]:
    low, high = holding.figures_at(holding.low), holding.figures_at(holding.high)
    if not holding.in_one_bracket(low[1], high[1]):
        raise Unproved  # tiers join but for a rounding: only within one it surely rises
    pnls = (low[0], high[0]) if holding.position.quantity > 0 else (high[0], low[0])
    held, at = holding.position, holding.mark_at
    return (
        _Corner(held, holding.low, pnls[0], low[1], low[2], at),
        _Corner(held, holding.high, pnls[1], high[1], high[2], at),
    )


# ---------------------------------------------------------------- metrics


class Bounds:
    """One target in these ranges: its metrics as values that hold everywhere in them."""

    def __init__(self, ranges: Ranges, sight: Sight) -> None:
        self.sight = sight
        view = self.view = sight.view
        self.account = ranges.account
        self.pools = ranges.pools(view.asset) if view.asset else None
        self.low = self.high = None
        if view.holding is not None:
            self.low, self.high = ranges.corners[view.holding]
        self._values: dict[str, Value] = {}

    def value(self, metric: Metric, judge: Judge) -> Value:
        """Bound a metric."""
        if metric.unit is Unit.DURATION:
            return _age(metric, judge, self.view)
        value = self._values.get(metric.name)
        if value is None:
            value = self._values[metric.name] = self._bound(metric)
        return value

    def _bound(self, metric: Metric) -> Value:
        if metric.history is not None:
            raise Unproved
        span = SPANS.get(metric.name)
        if span is not None:
            return span(self)
        if int(metric.rests | metric.rests_cross) & MARKS:
            raise Unproved
        figure = metric.compute(self.view)
        return UNKNOWN if figure is None else figure

    # ---- what several of them are made of

    @property
    def position(self) -> Position:
        """The position; only metrics of position scope may ask."""
        return self.view.held.position

    @property
    def ends(self) -> tuple[_Corner, _Corner]:
        """The least and the most of the position's own figures."""
        assert self.low is not None  # noqa: S101 - only metrics of a position ask
        assert self.high is not None  # noqa: S101 - likewise
        return self.low, self.high

    @property
    def pool_ends(self) -> tuple[Pool, Pool]:
        """The least and the most of the pool's totals."""
        assert self.pools is not None  # noqa: S101 - only what has a pool asks
        return self.pools

    def balance(self) -> _Span:
        """Margin balance of what the position stands on."""
        if self.position.cross:
            return _both(*(pool.margin_balance for pool in self.pool_ends))
        wallet = self.position.isolated_wallet
        return _both(*(_plus(wallet, end.pnl) for end in self.ends))

    def need(self) -> _Span:
        """Maintenance margin of what the position stands on."""
        if self.position.cross:
            return _both(*(pool.cross_maintenance for pool in self.pool_ends))
        return _both(*(end.maintenance for end in self.ends))

    def notional(self) -> _Span:
        """Notional, in the money of what the position stands on."""
        low, high = (end.notional for end in self.ends)
        if self.account.multi_assets and self.position.cross:
            price = self.account.prices.get(self.position.margin_asset)
            return _both(worth(low, price), worth(high, price))
        return low, high

    def free_money(self) -> _Span:
        """What the money behind the position has gained since the basis, in its own asset."""
        held, basis = self.position, self.account.bases[self.account.group_of(self.position)]
        if not held.cross:
            gained = held.isolated_wallet - basis.wallet - basis.others
            return gained, gained
        least, most = self.pool_ends
        others = _others(least, most, held.symbol)
        if others is None or least.cross_wallet is None:
            return None
        fixed = least.cross_wallet - basis.wallet - basis.others
        own = [self.account.in_own_asset(fixed + other, held) for other in others]
        return _both(*own)

    def prices(self) -> tuple[Decimal | None, Decimal | None, Decimal] | None:
        """The lowest and highest liquidation price, and its direction; None is unknown."""
        account, held = self.account, self.position
        group = account.group_of(held)
        basis, sums = account.bases.get(group), account.sums_of(group, held)
        if basis is None or sums is None:
            standing = account.standing.get(group)
            return None if standing is None else (standing[0], standing[0], standing[1])
        gained = self.free_money()
        if gained is None:
            return None
        line = sums[1]
        if not line.slope:
            return None, None, ZERO
        found = sorted(line.price(basis.k + each) for each in gained)
        if not all(line.holds_at(price) for price in found):
            raise Unproved
        if found[1] <= 0:
            return None, None, line.slope
        if found[0] <= 0:
            raise Unproved
        return found[0], found[1], line.slope


def _others(least: Pool, most: Pool, symbol: str) -> _Span:
    """Bound uPnL − maintenance of a pool's other symbols."""
    low = high = ZERO
    for name, sums in least.symbols.items():
        if name != symbol:
            upper = most.symbols[name]
            if sums is None or upper is None:
                return None
            low += sums[0] - upper[1]
            high += upper[0] - sums[1]
    return low, high


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _both(low: Decimal | None, high: Decimal | None) -> _Span:
    return None if low is None or high is None else (low, high)


def _between(span: _Span) -> Value:
    """Make the value of a span, a little wider than it was computed."""
    if span is None:
        return UNKNOWN
    low, high = min(span), max(span)
    if not low and not high:
        return ZERO
    return Interval(low - _slack(low), high + _slack(high))


def _slack(end: Decimal) -> Decimal:
    return ZERO if end.is_infinite() else SLACK * (1000 + abs(end))


def _share(part: _Span, whole: _Span) -> Value:
    """Bound what `figures.settled` makes: it rises with the need and falls with the balance."""
    if part is None or whole is None:
        return UNKNOWN
    return _between(_both(figures.settled(part[0], whole[1]), figures.settled(part[1], whole[0])))


def _age(metric: Metric, judge: Judge, view: View) -> Value:
    """Bound an age until the instant at which its rule is judged again.

    Every mark that comes makes it less.
    """
    base = AGE_BASES[metric.name](view)
    if base is None:
        return ZERO
    instants = (
        at
        for name, thresholds in judge.ages
        if name == metric.name
        for threshold in thresholds
        for at in (base + threshold, base + threshold + 1)
        if at > view.now.ticks
    )
    first = min(instants, default=None)
    return Interval(ZERO, INFINITE if first is None else Decimal(first - base - 1))


def _liquidation_price(target: Bounds) -> Value:
    prices = target.prices()
    if prices is None:
        return UNKNOWN
    low, high, slope = prices
    if low is None:
        falls = slope < 0 if slope else target.position.quantity > 0
        return ZERO if falls else INFINITE
    return _between(_both(low, high))


def _liquidation_distance(target: Bounds) -> Value:
    prices = target.prices()
    if prices is None:
        return UNKNOWN
    low, high, slope = prices
    below, above = (end.mark_price for end in target.ends)
    if slope < 0:
        return _between((distance(below, high, slope), distance(above, low, slope)))
    return _between((distance(above, low, slope), distance(below, high, slope)))


def _margin_room(target: Bounds) -> Value:
    balance, need = target.balance(), target.need()
    cross = target.position.cross
    wallet = target.pool_ends[0].cross_wallet if cross else target.position.isolated_wallet
    if balance is None or need is None or wallet is None:
        return UNKNOWN
    low, high = max(ZERO, balance[0] - need[1]), max(ZERO, balance[1] - need[0])
    if wallet <= 0:
        return Interval(ZERO, ZERO, doubt=True) if high else ZERO
    return _between((low / wallet, high / wallet))


def _roi(target: Bounds) -> Value:
    held, setting = target.view.held, figures.leverage(target.view)
    if not isinstance(setting, Decimal):
        return UNKNOWN
    ends = [held.figures_at(end.mark_price) for end in target.ends]
    if any(pnl is None for pnl, _, _ in ends):
        return UNKNOWN
    low, high = (pnl * setting / notional for pnl, notional, _ in ends if pnl is not None)
    return _between((low, high))


def _isolated_margin(target: Bounds) -> Value:
    return ABSENT if target.position.cross else _between(target.balance())


SPANS: dict[str, Callable[[Bounds], Value]] = {
    "mark_price": lambda t: _between((t.ends[0].mark_price, t.ends[1].mark_price)),
    "liquidation_price": _liquidation_price,
    "liquidation_distance": _liquidation_distance,
    "margin_room": _margin_room,
    "notional": lambda t: _between((t.ends[0].notional, t.ends[1].notional)),
    "effective_leverage": lambda t: _share(t.notional(), t.balance()),
    "unrealized_pnl": lambda t: _between(_both(t.ends[0].pnl, t.ends[1].pnl)),
    "roi": _roi,
    "isolated_margin": _isolated_margin,
    "position_margin_ratio": lambda t: _share(t.need(), t.balance()),
    "total_unrealized_pnl": lambda t: _between(_both(*(p.total_pnl for p in t.pool_ends))),
    "equity": lambda t: _between(_equity(t)),
    "total_notional": lambda t: _between(_both(*(p.total_notional for p in t.pool_ends))),
    "margin_balance": lambda t: _between(_both(*(p.margin_balance for p in t.pool_ends))),
    "maintenance_margin": lambda t: _between(_both(*(p.cross_maintenance for p in t.pool_ends))),
    "margin_ratio": lambda t: _share(
        _both(*(p.cross_maintenance for p in t.pool_ends)),
        _both(*(p.margin_balance for p in t.pool_ends)),
    ),
    "account_leverage": lambda t: _share(
        _both(*(p.total_notional for p in t.pool_ends)), _equity(t)
    ),
}
"""How each metric that moves with a mark is bounded; without a line here it is never calm."""


def _equity(target: Bounds) -> _Span:
    return _both(*(_plus(pool.wallet, pool.total_pnl) for pool in target.pool_ends))
