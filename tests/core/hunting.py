"""Random accounts, and random rules about them whose thresholds lie where their numbers can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import assume
from hypothesis import strategies as st

from monitor.core.events import AssetPricesRead, BracketsRead, PollAnswered, Totals
from monitor.core.language.history import FUNCTIONS
from monitor.core.language.units import Scope, Unit
from monitor.core.lookback import metric_named
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Target
from monitor.core.rules import Rule, Severity
from monitor.core.supposing import Subject, subjects_of
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
_SUFFIX = {Unit.RATIO: ("%", D(100)), Unit.MULTIPLE: ("x", D(1))}
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
        suffix, times = _SUFFIX.get(METRICS[name].unit, ("", D(1)))
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
    """A rule about one target of an account."""

    place: Place
    target: Target
    rule: Rule
    texts: list[str]

    @property
    def all_known(self) -> bool:
        """Whether every number that a condition may read is known at every mark."""
        place = self.place
        past = any(f"{word}(" in text for text in self.texts for word in FUNCTIONS)
        known = place.age == 0 and place.leverage is not None and place.exchange.wallet > 0
        divided = any(" / " in text for text in self.texts)
        return known and not past and not divided

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
    assume(world.account.first_poll_done and not world.account.refused)
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
    assume(made.scope is subject.scope)
    return Case(place, subject.target, made, texts)
