"""A hunt for wrong trigger prices: random accounts and rules, and the real engine told the marks.

Nothing here searches: what an answer promises is tried out at marks that are drawn, and at those
beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import strategies as st

from monitor.core.events import AssetPricesRead, BracketsRead, PollAnswered, Totals
from monitor.core.judging import Judge
from monitor.core.language.truth import Truth
from monitor.core.language.units import Scope, Unit
from monitor.core.lookback import metric_named
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Target
from monitor.core.rules import Rule, Severity
from monitor.core.supposing import Subject, judged, subjects_of
from monitor.core.triggers import FARTHEST, Answer, Trigger, triggers_of
from tests.core.tiers import Exchange, Own, near_100, tables
from tests.core.worlds import World, at, level, marks, poll, rule

D = Decimal
LEAST = D("1E-8")
"""The step of marks."""


# ---------------------------------------------------------------- accounts


@dataclass
class Place:
    """An account, and how to tell an engine of it."""

    exchange: Exchange
    ticks: dict[str, D]
    with_tables: bool
    multi_assets: bool
    leverage: int | None
    age: int
    """Seconds from the poll until now; marks are new."""
    later: dict[str, D]
    """The marks now."""

    @property
    def now(self) -> float:
        return 1 + self.age

    def world(self, *rules: Rule) -> World:
        """Make an engine that was told all of it."""
        exchange = self.exchange
        world = World(*rules)
        if self.with_tables:
            world.tell(0.5, BracketsRead("main", exchange.tables))
        world.tell(0.5, AssetPricesRead({"USDT": D("0.999")}))
        isolated = sum((one.wallet for one in exchange.held), D(0))
        rows = [exchange.row(one) for one in exchange.held]
        told = poll(
            1,
            *rows,
            wallet=str(exchange.wallet + isolated),
            cross=str(exchange.wallet),
            leverage=self.leverage,
        )
        if self.multi_assets:
            dollars = exchange.wallet * D("0.999")
            pnl = sum((row.unrealized_pnl or D(0) for row in rows), D(0)) * D("0.999")
            need = sum((row.maintenance_margin or D(0) for row in rows), D(0)) * D("0.999")
            fields = {name: getattr(told, name) for name in PollAnswered.__slots__}
            totals = Totals(dollars, dollars, pnl, pnl, need)
            told = PollAnswered(**fields | {"totals": totals, "multi_assets": True})
        world.tell(1, told)
        world.tell(self.now, marks(self.now, **words(self.later)))
        return world


def words(prices: Mapping[str, D]) -> dict[str, str]:
    return {symbol: f"{price:f}" for symbol, price in prices.items()}


SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


@st.composite
def places(draw: st.DrawFn) -> Place:
    """Draw an account: its positions, its money, what is known of it."""
    scales = [D("1E-6"), D("0.01"), D(1), D(1), D(1000)]
    multi_assets = draw(st.sampled_from([False, False, False, True]))
    held, prices, ticks = [], {}, {}
    for symbol in SYMBOLS[: draw(st.integers(1, 3))]:
        scale = draw(st.sampled_from(scales))
        whole = draw(st.booleans())

        def price(scale: D = scale, *, whole: bool = whole) -> D:
            drawn = draw(near_100)
            return (drawn.quantize(D(1)) if whole else drawn) * scale

        isolated = not multi_assets and draw(st.booleans())
        sides = draw(st.sampled_from([["BOTH"], ["BOTH"], ["LONG"], ["LONG", "SHORT"]]))
        for side in sides:
            size = draw(st.integers(1, 300)) / D(10)
            short = side == "SHORT" or (side == "BOTH" and draw(st.booleans()))
            wallet = D(draw(st.integers(50, 5000))) if isolated else D(0)
            held.append(Own(symbol, side, (-size if short else size) / scale, price(), wallet))
        prices[symbol] = price()
        tick = draw(st.sampled_from([D("0.01"), D("0.1"), D(1), None]))
        if tick is not None:
            ticks[symbol] = max(LEAST, tick * scale)
    wallet = D(draw(st.sampled_from([-100, 0, 50, 300, 1000, 3000, 50_000])))
    exchange = Exchange(held, wallet, prices)
    exchange.tables = {symbol: draw(tables()) for symbol in prices}
    moved = draw(st.booleans())
    later = {
        symbol: (price * draw(st.integers(80, 120)) / 100).quantize(LEAST) if moved else price
        for symbol, price in prices.items()
    }
    return Place(
        exchange,
        ticks,
        draw(st.sampled_from([True, True, True, False])),
        multi_assets,
        draw(st.sampled_from([10, 10, 25, None])),
        draw(st.sampled_from([0, 0, 0, 40, 700])),
        later,
    )


# ---------------------------------------------------------------- rules

_POSITION = [
    name
    for name, metric in METRICS.items()
    if metric.scope in {Scope.POSITION, Scope.POOL} and metric.unit is not Unit.TEXT
]
_POOL = [name for name in _POSITION if METRICS[name].scope is Scope.POOL]
_SUFFIX = {Unit.RATIO: ("%", 100), Unit.MULTIPLE: ("x", 1), Unit.DURATION: ("s", D("0.001"))}
_PAST = ("drop(equity, 1h) > 10%", "change(mark_price, 5m) < 0", "highest(margin_ratio, 1h) > 50%")
_TEXTS = ('side == "long"', 'margin_type in ["cross"]', 'symbol ~ "A*"', 'side != "long"')


class Writer:
    """Writes conditions about one target whose thresholds lie on what its metrics can be."""

    def __init__(self, draw: st.DrawFn, world: World, place: Place, subject: Subject) -> None:
        self._draw, self._world, self._place, self._subject = draw, world, place, subject
        self._names = _POSITION if subject.scope is Scope.POSITION else _POOL
        self._symbols = list(place.later)

    def _threshold(self, name: str) -> str:
        """Take what a metric is at some mark, as it is or rounded."""
        draw, place = self._draw, self._place
        if METRICS[name].unit is Unit.DURATION:
            return draw(st.sampled_from(["20s", "2m", "1h"]))
        other = {
            symbol: (price * draw(st.integers(10, 300)) / 100).quantize(LEAST)
            for symbol, price in place.later.items()
            if symbol == self._subject.target.symbol or draw(st.booleans())
        }
        for holding in self._subject.account.holdings.values():
            price = other.get(holding.position.symbol)
            if price is not None:
                holding.move(price, holding.mark_at)
        self._subject.account.moved = True
        view = View(
            self._subject.account,
            at(place.now),
            holding=self._subject.holding,
            asset=self._subject.asset,
        )
        found = view.figure(name, metric_named(name).compute)
        for holding in self._subject.account.holdings.values():
            holding.move(place.later[holding.position.symbol], holding.mark_at)
        self._subject.account.moved = True
        value = D(found) if isinstance(found, (Decimal, int)) else D(0)
        if not value.is_finite() or draw(st.integers(0, 9)) == 0:
            value = D(0)
        suffix, times = _SUFFIX.get(METRICS[name].unit, ("", 1))
        value *= times
        digits = draw(st.sampled_from([1, 2, 3, 12]))
        if value:
            step = D(1).scaleb(max(-18, value.adjusted() - digits + 1))
            value = value.quantize(step, ROUND_HALF_EVEN)
        return f"{value:f}{suffix}"

    def comparison(self) -> str:
        draw = self._draw
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "<", "<=", ">", ">=", "==", "!="]))
        kind = draw(st.integers(0, 11))
        names = self._names
        if kind == 0 and self._subject.scope is Scope.POSITION:
            return draw(st.sampled_from(_TEXTS))
        if kind == 1:
            past = [p for p in _PAST if "mark" not in p or names is _POSITION]
            return draw(st.sampled_from(past))
        name = draw(st.sampled_from(names))
        if kind == 2:
            return self._arithmetic(name, sign)
        if kind == 3 and sign not in {"==", "!="}:
            low = self._threshold(name)
            high = self._threshold(name)
            return f"{low} {sign} {name} {sign} {high}"
        return f"{name} {sign} {self._threshold(name)}"

    def _arithmetic(self, name: str, sign: str) -> str:
        draw = self._draw
        unit = METRICS[name].unit
        # A number by itself is the same everywhere, which nobody writes and no interval proves.
        alike = [one for one in self._names if METRICS[one].unit is unit and one != name]
        if unit in {Unit.DURATION, Unit.NUMBER} or not alike:
            return f"{name} {sign} {self._threshold(name)}"
        other = draw(st.sampled_from(alike))
        forms = [
            f"abs({name}) {sign} {self._threshold(name)}",
            f"min({name}, {other}) {sign} {self._threshold(name)}",
            f"{name} {sign} {other}",
            f"-{name} {sign} {self._threshold(name)}",
            f"{name} - {other} {sign} {self._threshold(name)}",
            f"{name} / {other} {sign} {draw(st.integers(1, 300))}%",
            f"2 * {name} {sign} {self._threshold(name)}",
        ]
        return draw(st.sampled_from(forms))

    def condition(self, depth: int) -> str:
        draw = self._draw
        shape = draw(st.integers(0, 5)) if depth else 5
        if shape == 0:
            return f"not ({self.condition(depth - 1)})"
        if shape in {1, 2}:
            return f"({self.condition(depth - 1)} and {self.condition(depth - 1)})"
        if shape in {3, 4}:
            return f"({self.condition(depth - 1)} or {self.condition(depth - 1)})"
        return self.comparison()


@dataclass
class Case:
    place: Place
    target: Target
    rule: Rule
    texts: list[str]

    def __repr__(self) -> str:
        held = [vars(one) for one in self.place.exchange.held]
        return (
            f"{self.texts} on {self.target} held={held} wallet={self.place.exchange.wallet} "
            f"marks={self.place.exchange.marks} later={self.place.later} "
            f"ticks={self.place.ticks} tables={self.place.with_tables} "
            f"multi={self.place.multi_assets} leverage={self.place.leverage} age={self.place.age} "
            f"{self.place.exchange.tables}"
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    place = draw(places())
    world = place.world()
    subjects = [one for one in subjects_of(world.account) if one.scope is not Scope.ACCOUNT]
    subject = draw(st.sampled_from(subjects))
    writer = Writer(draw, world, place, subject)
    band = draw(st.sampled_from(["0", "0", "0.1", "0.5"]))
    count = draw(st.integers(1, 2))
    texts = []
    levels = []
    for severity in (Severity.INFO, Severity.CRITICAL)[:count]:
        text = writer.condition(draw(st.integers(0, 2)))
        texts.append(text)
        levels.append(level(severity, text, on=draw(st.sampled_from([0, 60])), band=band))
    made = rule("drawn", *levels)
    return Case(place, subject.target, made, texts)


# ---------------------------------------------------------------- what is true


class Ground:
    """What the real engine says at other marks."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.rule = Rule(
            "drawn",
            case.rule.scope,
            tuple(
                type(one)(one.severity, one.condition, one.relaxed, 0, 0)
                for one in case.rule.levels
            ),
        )
        self._scan = case.place.world()
        self._judge = Judge(case.rule)
        self._ticks = case.place.now

    def _told(self, **prices: D) -> World:
        place = self._case.place
        world = place.world()
        world.reload(place.now, self.rule)
        then = place.now + 0.5
        world.tell(then, marks(then, **words(prices)))
        return world

    def level_at(self, **prices: D) -> Severity:
        """Tell the level of the alert after one mark moved from where it stands."""
        for watch in self._told(**prices).engine.watches():
            if watch.target == self._case.target:
                return Severity.NONE if watch.alert is None else watch.alert.level
        return Severity.NONE

    def turned(self, one: Trigger, price: D) -> bool:
        there = self.level_at(**{one.symbol: price}) >= one.severity
        return there is not one.on

    def truths(self, symbol: str, price: D, *, relaxed: bool) -> list[Truth]:
        """Judge where the account was told one mark after another."""
        place = self._case.place
        self._ticks += 0.001
        self._scan.tell(self._ticks, marks(self._ticks, **words(place.later | {symbol: price})))
        for subject in subjects_of(self._scan.account):
            if subject.target == self._case.target:
                # At one instant: ages are those of now.
                return judged(self._judge, subject.sight(at(self._ticks)), relaxed=relaxed)
        raise AssertionError("the target is gone")


def last_digit(mark: D) -> D:
    """Tell the step of prices where the exchange's is not known."""
    text = f"{mark:f}".rstrip("0") if "." in f"{mark:f}" else ""
    return D(1).scaleb(-len(text.partition(".")[2]))


def points(mark: D, way: int, draw: Callable[[int], int], borders: list[D]) -> Iterator[D]:
    """List marks on one side to look at: drawn ones, ends, and those beside borders."""
    last = mark * FARTHEST if way > 0 else LEAST
    for share in (1, 2, 5, 10, 20, 50, 100, 200, 400, 600, 800, 900, 950, 990, 999, 1000):
        yield (mark + (last - mark) * share / 1000).quantize(LEAST)
    for _ in range(12):
        yield (mark + (last - mark) * draw(1_000_000) / 1_000_000).quantize(LEAST)
    for border in borders:
        for step in (-1, 0, 1):
            price = (border + step * LEAST).quantize(LEAST)
            if (price - mark) * way > 0 and (last - price) * way >= 0:
                yield price


def complaints(case: Case, draw: Callable[[int], int]) -> Iterator[str]:  # noqa: C901
    """Say what is wrong with the answers of a case."""
    place = case.place
    world = place.world()
    subject = next(one for one in subjects_of(world.account) if one.target == case.target)
    judge = Judge(case.rule)
    answers = triggers_of(subject, [judge], at(place.now), place.ticks)
    distances = [one.distance for one in answers]
    if distances != sorted(distances):
        yield "not the nearest first"
    ground = Ground(case)
    severities = [one.severity for one in case.rule.levels]
    now = ground.level_at()
    for one in answers:
        if one.on is not (now >= one.severity):
            yield f"{one.severity} on {one.on}, the engine says {now}"
            continue
        mark = place.later[one.symbol]
        if one.mark != mark:
            yield "another mark"
        wanted = Truth.FALSE if one.on else Truth.TRUE
        at_level = severities.index(one.severity)
        borders = [
            bracket.cap / abs(own.quantity)
            for own in place.exchange.held
            if own.symbol == one.symbol
            for bracket in place.exchange.tables[own.symbol]
        ]
        for way, answer in ((-1, one.below), (1, one.above)):
            name = f"{one.severity.word} {'on' if one.on else 'off'} {one.symbol} {way:+d} {answer}"
            if isinstance(answer, Decimal):
                if not (answer - mark) * way > 0:
                    yield f"{name}: on the wrong side"
                if not ground.turned(one, answer):
                    yield f"{name}: does not turn there"
                tick = place.ticks.get(one.symbol) or last_digit(mark)
                step = tick if answer % tick == 0 else LEAST
                before = answer - way * step
                if (before - mark) * way >= 0 and ground.turned(one, before):
                    yield f"{name}: turns at {before} already"
                last = answer - way * tick
                inside = [
                    point for point in points(mark, way, draw, borders)
                    if (last - point) * way > 0
                ]
                for point in inside[:20]:
                    truth = ground.truths(one.symbol, point, relaxed=one.on)[at_level]
                    if truth is wanted:
                        yield f"{name}: turns at {point} already"
                continue
            seen = {
                point: ground.truths(one.symbol, point, relaxed=one.on)[at_level]
                for point in points(mark, way, draw, borders)
            }
            turned = [point for point, truth in seen.items() if truth is wanted]
            if turned:
                yield f"{name}: turns at {turned[0]}"
            if answer is Answer.UNKNOWN and Truth.UNKNOWN not in seen.values():
                yield f"{name}: can be judged everywhere"
            if answer is Answer.NEVER and Truth.UNKNOWN in seen.values():
                doubtful = [p for p, truth in seen.items() if truth is Truth.UNKNOWN]
                yield f"{name}: cannot be judged at {doubtful[0]}"
            if answer is Answer.NOT_BY_PRICE and len(set(seen.values())) > 1:
                yield f"{name}: moves"
