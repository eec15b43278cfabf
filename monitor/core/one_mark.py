"""One target while one mark moves: what is so at a mark, and what can be so in a range of marks.

At a mark the judgement is `Judge`'s own. In a range each metric is bounded by what it is at both
ends, which holds inside one maintenance bracket: there every figure is a sum of straight lines in
the mark, or one such sum by another, and so rises or falls all the way; up to infinite where the
sum below it is used up. The condition then tells which truths it can have with such intervals
(`language/truth.py`).

Marks are whole numbers here: so many of the least steps that the exchange sends (`DIGITS`).
"""

from decimal import Context, Decimal
from typing import Final

from monitor.core.events import Now
from monitor.core.freshness import Rest
from monitor.core.judging import Judge, trusted
from monitor.core.language.truth import OR, Interval, Truth, Value
from monitor.core.liquidation import INFINITE, ZERO
from monitor.core.metrics import Figure, Metric
from monitor.core.supposing import Subject, judged

DIGITS: Final = 8
"""After the point, that marks have at most."""

MONOTONE: Final = frozenset(
    {
        "mark_price",
        "liquidation_price",
        "liquidation_distance",
        "margin_room",
        "notional",
        "effective_leverage",
        "unrealized_pnl",
        "roi",
        "isolated_margin",
        "position_margin_ratio",
        "total_unrealized_pnl",
        "equity",
        "total_notional",
        "margin_balance",
        "maintenance_margin",
        "margin_ratio",
        "account_leverage",
    }
)
"""Metrics that rise or fall all the way with one mark inside a bracket, or do not move."""

_ROUNDING: Final = Decimal("1e-22")
"""Part by which intervals are wider than computed, of a thousand at least: 28 digits round. Wider
ones would leave thousands of single marks beside each threshold to look at."""

_ROUGH: Final = Context(prec=20)

_ANYTHING: Final = Interval(-INFINITE, INFINITE, doubt=True)


class OneMark:
    """A target, and the mark of one symbol; the account's own marks are in disorder meanwhile.

    Args:
        subject: The target.
        symbol: Whose mark moves.
        judges: The rules to judge it by.
        now: The instant at which ages are taken.
    """

    def __init__(self, subject: Subject, symbol: str, judges: tuple[Judge, ...], now: Now) -> None:
        self._subject, self._now = subject, now
        holdings = subject.account.holdings.values()
        self._moved = [each for each in holdings if each.position.symbol == symbol]
        self._sight = subject.sight(now)
        self._metrics = {metric.name: metric for judge in judges for metric in judge.metrics}
        self._moving = int(Rest.OWN_MARK | Rest.ALL_MARKS)
        if any(each.position.cross for each in self._moved):
            self._moving |= int(Rest.CROSS_MARKS)
        self._figures: dict[int, dict[str, Figure]] = {}
        self._truths: dict[tuple[Judge, int, bool], list[Truth]] = {}
        self._now_true = {judge: judged(judge, self._sight) for judge in judges}
        for holding in self._moved:
            holding.mark_at = now.ticks
        # Marks that are tried out are as fresh as if they had just been told.
        subject.account.moved = True
        self._sight = subject.sight(now)

    @property
    def looks(self) -> int:
        """At how many marks it was looked so far."""
        return len(self._figures)

    def stands(self, judge: Judge, place: int) -> Truth:
        """Tell whether a level, or a higher one, is true at the mark as it is."""
        return self._now_true[judge][place]

    def moves(self, judge: Judge, place: int) -> bool:
        """Tell whether a level, or a higher one, reads anything that moves with the mark."""
        read = {name for level in judge.levels[place:] for name in level[0].reads}
        return any(
            self._sight.rests(metric) & self._moving and not self._stays(metric)
            for metric in judge.metrics
            if metric.name in read
        )

    def _stays(self, metric: Metric) -> bool:
        """Tell whether a metric is the same at every mark though it rests on marks.

        So are liquidation prices: they rest on the marks of *other* symbols. Only where money is
        used up at every price do they depend on the bracket in which the mark lies.
        """
        if metric.name != "liquidation_price":
            return False
        ends = {1, *(end + beyond for end in self.borders() for beyond in (0, 1))}
        found = {self._at(end)[metric.name] for end in ends}
        return len({_rounded(each) for each in found}) == 1

    def borders(self) -> list[int]:
        """List the last mark of each maintenance bracket of each leg, ascending."""
        found = set()
        for holding in self._moved:
            position = holding.position
            brackets = holding.account.brackets_of(position.symbol, position.rate) or ()
            for bracket in brackets:
                if bracket.cap.is_finite():
                    found.add(int((bracket.cap / abs(position.quantity)).scaleb(DIGITS)))
        return sorted(found)

    # ---------------------------------------------------------------- at a mark

    def truth(self, judge: Judge, place: int, mark: int, *, relaxed: bool) -> Truth:
        """Judge a level, or any higher one, at a mark."""
        key = judge, mark, relaxed
        truths = self._truths.get(key)
        if truths is None:
            self._move(mark)
            sight = self._subject.sight(self._now)
            truths = self._truths[key] = judged(judge, sight, relaxed=relaxed)
        return truths[place]

    def _move(self, mark: int) -> None:
        price = Decimal(mark).scaleb(-DIGITS)
        for holding in self._moved:
            holding.move(price, self._now.ticks)
        self._subject.account.moved = True

    def _at(self, mark: int) -> dict[str, Figure]:
        """Compute every metric that some rule reads, at a mark."""
        figures = self._figures.get(mark)
        if figures is None:
            self._move(mark)
            view = self._subject.sight(self._now).view
            figures = self._figures[mark] = {
                name: view.figure(name, metric.compute) for name, metric in self._metrics.items()
            }
        return figures

    # ---------------------------------------------------------------- in a range

    def can_be(
        self, judge: Judge, place: int, truth: Truth, one: int, other: int, *, relaxed: bool
    ) -> bool:
        """Tell whether a level, or any higher one, may have a truth somewhere between two marks.

        Both marks lie in one bracket of each leg. No means no; yes may be doubt.
        """
        ends = self._at(one), self._at(other)
        values = [self._value(metric, *ends, relaxed=relaxed) for metric in judge.metrics]
        found = int(Truth.FALSE)
        for raw, raw_places, dead_band, dead_places in judge.levels[place:]:
            condition, places = (dead_band, dead_places) if relaxed else (raw, raw_places)
            found = OR[found][int(condition.possible(*[values[at] for at in places]))]
        return bool(found & truth)

    def _value(
        self, metric: Metric, one: dict[str, Figure], other: dict[str, Figure], *, relaxed: bool
    ) -> Value:
        """Bound a metric by what it is at two marks."""
        ends = tuple(
            trusted(each[metric.name], self._sight, metric, relaxed=relaxed)
            for each in (one, other)
        )
        if ends[0] == ends[1] and not isinstance(ends[0], Decimal):
            return ends[0]
        if not self._sight.rests(metric) & self._moving:
            return ends[0]
        numbers = [end for end in ends if isinstance(end, Decimal)]
        if len(numbers) < 2 or metric.name not in MONOTONE:
            return _ANYTHING
        return _between(min(numbers), max(numbers), metric)


def _between(low: Decimal, high: Decimal, metric: Metric) -> Value:
    """Make an interval, a little wider than its ends were computed.

    What is the same at both ends is so between them: many figures have a floor, and a condition
    about it (`margin_room <= 0%`) would be proved nowhere if it were blurred.
    """
    if low == high:
        return low
    least, most = metric.reach
    return Interval(max(low - _slack(low), least), min(high + _slack(high), most))


def _rounded(figure: Figure) -> Figure:
    """Take away what rounding may have added."""
    if not isinstance(figure, Decimal) or not figure.is_finite():
        return figure
    return _ROUGH.plus(figure)


def _slack(end: Decimal) -> Decimal:
    return ZERO if end.is_infinite() else _ROUNDING * (1000 + abs(end))
