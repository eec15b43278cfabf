"""What a rule says about a target now: from metrics and their freshness to truths and readings.

`raw` takes aged numbers as they stand, as long as the marks they use are fresh; `relaxed` has the
dead band and takes aged for unknown. Where every number is fresh and has a meaning, which is
nearly always, the condition runs as plain Python (`exact`); otherwise, or where the arithmetic
fails, as three-valued logic (`possible`). Both come from one checked tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from monitor.core.alerts import Alert
from monitor.core.events import Now
from monitor.core.freshness import ALWAYS, HOLE, MARKS, NEVER, Rest, Stamps
from monitor.core.language.compile import Condition
from monitor.core.language.truth import ABSENT, UNKNOWN, Truth, Value
from monitor.core.language.units import Scope, Unit
from monitor.core.lookback import metric_named, next_change
from monitor.core.metrics import AGE_BASES, METRICS, Figure, Metric, View, metrics_of
from monitor.core.notices import Grade, Reading, Target
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.rules import Rule

_POOL_INPUTS = int(Rest.POOL_DATA | Rest.RATES | Rest.CROSS_MARKS | Rest.ALL_MARKS)


_NO_PRICE = (Decimal(0), Decimal("Infinity"))
"""What no liquidation price is in comparisons; a reader is told that there is none."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One target at one instant, and which of its inputs are not fresh."""

    view: View
    stamps: Stamps
    aged: int
    """Bits of `Rest` that are aged or unknown."""
    unknown: int
    cross: bool

    def rests(self, metric: Metric) -> int:
        """Tell what a metric rests on for this target."""
        return int(metric.rests_cross if self.cross else metric.rests)

    def aged_in(self, metric: Metric) -> int:
        """Tell the bits of what a metric rests on that are aged or unknown."""
        return self.rests(metric) & self.aged | self.view.doubts.get(metric.name, 0)


def look(view: View, forget_after: int) -> Sight:
    """Look at a target: collect the instants of its inputs and grade them."""
    account, holding = view.account, view.holding
    pool = view.pool if view.asset else None
    stamps = account.stamps(holding, pool)
    old = stamps.older_than(view.now.ticks - account.limit)
    unknown = stamps.older_than(view.now.ticks - forget_after) if old else 0
    aged = old | stamps.doubted
    cross = holding is not None and holding.position.cross
    return Sight(view, stamps, aged, unknown, cross)


class Judge:
    """A rule, prepared for judging."""

    __slots__ = (
        "_exacts",
        "_figures",
        "ages",
        "levels",
        "looking_back",
        "metrics",
        "reads_account",
        "reads_pool",
        "rests",
        "rests_cross",
        "rule",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        names = dict.fromkeys(name for level in rule.levels for name in level.condition.reads)
        self.metrics = tuple(map(metric_named, names))
        self.looking_back = tuple(metric for metric in self.metrics if metric.history is not None)
        order = {name: place for place, name in enumerate(names)}

        def places(condition: Condition) -> tuple[int, ...]:
            return tuple(order[name] for name in condition.reads)

        self.levels = tuple(
            (level.condition, places(level.condition), level.relaxed, places(level.relaxed))
            for level in rule.levels
        )
        self._figures = tuple((metric.name, metric.compute) for metric in self.metrics)
        everything = tuple(range(len(names)))
        self._exacts = tuple(
            (condition.exact, None if taken == everything else taken)
            for condition, taken, _, _ in self.levels
        )
        # Plain integers: the operators of IntFlag cost more than all the rest of a judgement.
        self.rests = self.rests_cross = 0
        for metric in self.metrics:
            self.rests |= int(metric.rests)
            self.rests_cross |= int(metric.rests_cross)
        # A rule on an isolated position may read figures of its pool all the same.
        self.reads_pool = bool((self.rests | self.rests_cross) & _POOL_INPUTS)
        # Ages of the account move with every mark that it holds.
        self.reads_account = any(
            metric.scope is Scope.ACCOUNT and metric.unit is Unit.DURATION
            for metric in self.metrics
        )
        self.ages = _thresholds(rule)

    def rests_of(self, *, cross: bool) -> int:
        """Tell all that its conditions rest on, as bits of `Rest`."""
        return self.rests_cross if cross else self.rests

    def quiet(self, sight: Sight) -> bool:
        """Tell whether no level is raw true: all that matters where no alert stands."""
        view = sight.view
        figures = [view.figure(name, compute) for name, compute in self._figures]
        if view.gaps or sight.aged & (self.rests_cross if sight.cross else self.rests):
            return Truth.TRUE not in self.truths(sight, relaxed=False)
        try:
            for exact, places in self._exacts:
                if exact(*figures) if places is None else exact(*[figures[at] for at in places]):
                    return False
        except ArithmeticError:
            return Truth.TRUE not in self.truths(sight, relaxed=False)
        return True

    def truths(self, sight: Sight, *, relaxed: bool) -> list[Truth]:
        """Judge every level by itself, by rising severity."""
        view = sight.view
        figures = [view.figure(name, compute) for name, compute in self._figures]
        if not view.gaps and not sight.aged & (self.rests_cross if sight.cross else self.rests):
            return [self._decide(level, figures, relaxed=relaxed) for level in self.levels]
        values = [
            trusted(figure, sight, metric, relaxed=relaxed)
            for figure, metric in zip(figures, self.metrics, strict=True)
        ]
        found = []
        for condition, places, dead_band, dead_places in self.levels:
            if relaxed:
                found.append(dead_band.possible(*[values[place] for place in dead_places]))
            else:
                found.append(condition.possible(*[values[place] for place in places]))
        return found

    @staticmethod
    def _decide(
        level: tuple[Condition, tuple[int, ...], Condition, tuple[int, ...]],
        figures: list[Figure],
        *,
        relaxed: bool,
    ) -> Truth:
        condition, places = (level[2], level[3]) if relaxed else (level[0], level[1])
        arguments = [figures[place] for place in places]
        try:
            return Truth.TRUE if condition.exact(*arguments) else Truth.FALSE
        except ArithmeticError:
            return condition.possible(*arguments)

    def next_by_time(self, view: View) -> int | None:
        """Tell the next instant at which an age crosses a literal, or a window moves on."""
        nearest: int | None = None
        for metric in self.looking_back:
            change = next_change(view, metric)
            if change is not None and (nearest is None or change < nearest):
                nearest = change
        for name, thresholds in self.ages:
            base = AGE_BASES[name](view)
            if base is None:
                continue
            for threshold in thresholds:
                # `>` turns true a millisecond after `>=` does.
                for instant in (base + threshold, base + threshold + 1):
                    if instant > view.now.ticks and (nearest is None or instant < nearest):
                        nearest = instant
        return nearest


def _thresholds(rule: Rule) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Collect the literals that each age is compared with, with the dead band and without."""
    found: dict[str, set[int]] = {}
    for level in rule.levels:
        for condition in (level.condition, level.relaxed):
            for name, thresholds in condition.ages:
                found.setdefault(name, set()).update(thresholds)
    return tuple((name, tuple(sorted(values))) for name, values in found.items())


def trusted(figure: Figure, sight: Sight, metric: Metric, *, relaxed: bool) -> Value:
    """Turn a figure into what three-valued logic takes, by how far it may be trusted."""
    if figure is ABSENT:
        return ABSENT
    aged = sight.aged_in(metric)
    doubted = aged if relaxed else aged & MARKS | sight.rests(metric) & sight.unknown
    if figure is None or doubted:
        return UNKNOWN
    return figure


def worst(truths: list[Truth]) -> list[Truth]:
    """Turn truths of each level into "this level's condition or any higher one's"."""
    if len(truths) == 1:
        return truths
    result: list[Truth] = []
    above = Truth.FALSE
    for truth in reversed(truths):
        if truth is Truth.TRUE or above is Truth.TRUE:
            above = Truth.TRUE
        elif truth is Truth.UNKNOWN or above is Truth.UNKNOWN:
            above = Truth.UNKNOWN
        result.append(above)
    result.reverse()
    return result


def readings(sight: Sight, scope: Scope) -> Iterator[tuple[str, Reading]]:
    """Read every metric that a rule of this scope may speak of."""
    for metric in metrics_of(scope):
        yield metric.name, reading(sight, metric)


def reading(sight: Sight, metric: Metric) -> Reading:
    """Read one metric: its value, how far it may be trusted, how old it is."""
    figure = sight.view.figure(metric.name, metric.compute)
    if figure is ABSENT:
        return Reading(Grade.ABSENT)
    value: Decimal | str | int | None = figure  # type: ignore[assignment]  # as in `trusted`
    rests = sight.rests(metric)
    seen = sight.view.seen.get(metric.name)
    age = age_of(sight, rests) if seen is None else sight.view.now.ticks - seen
    if value is None or rests & sight.unknown:
        return Reading(Grade.UNKNOWN, value, age)
    if metric.name == "liquidation_price" and value in _NO_PRICE:
        return Reading(Grade.ABSENT)
    aged = sight.aged_in(metric)
    # What is in doubt for a hole in its past alone is no older for it.
    return Reading(Grade.AGED if aged else Grade.FRESH, value, None if aged == HOLE else age)


def age_of(sight: Sight, rests: int) -> int | None:
    """Tell the age of the oldest of some inputs, in milliseconds; None where there is no age."""
    oldest = sight.stamps.oldest(rests)
    for name, at in sight.view.seen.items():
        if METRICS[name].rests & rests:
            oldest = min(oldest, at)
    return None if oldest in {ALWAYS, NEVER} else max(0, sight.view.now.ticks - oldest)


class Watch:
    """One rule on one target, as long as the target is there."""

    __slots__ = ("account", "alert", "asset", "holding", "judge", "target")

    def __init__(
        self,
        judge: Judge,
        target: Target,
        account: Account,
        *,
        holding: Holding | None = None,
        asset: str = "",
    ) -> None:
        self.judge = judge
        self.target = target
        self.account = account
        self.holding = holding
        self.asset = asset
        self.alert: Alert | None = None
        """Made when first needed; dropped when every switch is off again."""

    @property
    def pool(self) -> str:
        """The pool of its target; "" for an account."""
        holding = self.holding
        return self.asset if holding is None else self.account.pool_of(holding.position)

    def view(self, now: Now) -> View:
        """Make the view of its target at an instant."""
        return View(self.account, now, holding=self.holding, asset=self.asset)
