"""Tables of brackets for tests, and an exchange that finds its figures in another way than ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st

from monitor.core.events import Bracket, PositionRow
from tests.core.worlds import position

D = Decimal

# Recorded in October 2024 (docs/protocol.md §8.3): cap, rate, amount.
_BTCUSDT = """
50000 0.004 0 / 600000 0.005 50 / 3000000 0.0065 950 / 12000000 0.01 11450 / 70000000 0.02 131450
/ 100000000 0.025 481450 / 230000000 0.05 2981450 / 480000000 0.1 14481450
/ 600000000 0.125 26481450 / 800000000 0.15 41481450 / 1200000000 0.25 121481450
/ 1800000000 0.5 421481450"""
_ETHUSDT = """
50000 0.004 0 / 600000 0.005 50 / 3000000 0.0065 950 / 12000000 0.01 11450 / 50000000 0.02 131450
/ 65000000 0.025 381450 / 150000000 0.05 2006450 / 320000000 0.1 9506450 / 400000000 0.125 17506450
/ 530000000 0.15 27506450 / 800000000 0.25 80506450 / 1200000000 0.5 280506450"""
_BTCUSDC = """
50000 0.004 0 / 500000 0.005 50 / 10000000 0.01 2550 / 80000000 0.025 152550
/ 150000000 0.05 2152550 / 300000000 0.1 9652550 / 450000000 0.125 17152550
/ 600000000 0.15 28402550 / 800000000 0.25 88402550 / 1000000000 0.5 288402550"""
_SOLUSDT = """
20000 0.005 0 / 100000 0.0065 30 / 800000 0.01 380 / 4000000 0.02 8380 / 8000000 0.025 28380
/ 40000000 0.05 228380 / 80000000 0.1 2228380 / 100000000 0.125 4228380 / 200000000 0.25 16728380
/ 400000000 0.5 66728380"""


def _read(text: str) -> tuple[Bracket, ...]:
    floor, found = D(0), []
    for line in text.split("/"):
        cap, rate, amount = map(D, line.split())
        found.append(Bracket(floor, cap, rate, amount))
        floor = cap
    return tuple(found)


TABLES = {
    "BTCUSDT": _read(_BTCUSDT),
    "ETHUSDT": _read(_ETHUSDT),
    "BTCUSDC": _read(_BTCUSDC),
    "SOLUSDT": _read(_SOLUSDT),
}


def table(*steps: tuple[object, object]) -> tuple[Bracket, ...]:
    """Make a table from its caps and rates; the amounts join the tiers."""
    floor = rate = amount = D(0)
    found = []
    for cap, next_rate in ((D(str(cap)), D(str(rate))) for cap, rate in steps):
        amount += floor * (next_rate - rate)
        found.append(Bracket(floor, cap, next_rate, amount))
        floor, rate = cap, next_rate
    return tuple(found)


def by_steps(brackets: Sequence[Bracket], notional: D) -> D:
    """Add up what each tier asks for the part of the notional that lies in it; no amounts."""
    total = D(0)
    for bracket in brackets:
        last = bracket is brackets[-1]
        part = notional if last else min(notional, bracket.cap)
        total += max(D(0), part - bracket.floor) * bracket.rate
    return total


def tables() -> st.SearchStrategy[tuple[Bracket, ...]]:
    """Draw tables whose tiers join."""
    rates = [D("0.004"), D("0.005"), D("0.0065"), D("0.01"), D("0.025"), D("0.1"), D("0.5")]
    caps = [D(400), D(1000), D(1500), D(5000), D(20_000), D(100_000), D(500_000)]
    count = st.integers(1, 5)
    return count.flatmap(
        lambda size: st.tuples(
            st.lists(st.sampled_from(caps), min_size=size, max_size=size, unique=True),
            st.lists(st.sampled_from(rates), min_size=size, max_size=size, unique=True),
        )
    ).map(lambda drawn: table(*zip(sorted(drawn[0]), sorted(drawn[1]), strict=True)))


class Held:
    """One leg, for the oracle."""

    def __init__(self, quantity: D, entry: D, brackets: Sequence[Bracket]) -> None:
        self.quantity, self.entry, self.brackets = quantity, entry, brackets

    def left(self, price: D) -> D:
        """Compute PnL − maintenance margin at a price."""
        pnl = self.quantity * (price - self.entry)
        return pnl - by_steps(self.brackets, abs(self.quantity) * price)


def roots(money: D, legs: Sequence[Held]) -> list[D]:
    """Find every price above 0 at which nothing is left, by looking at every border in turn."""

    def left(price: D) -> D:
        return money + sum((leg.left(price) for leg in legs), D(0))

    borders = {bracket.cap / abs(leg.quantity) for leg in legs for bracket in leg.brackets[:-1]}
    far = max(borders, default=D(1))
    points = [D(0), *sorted(borders), far * 2]
    found = []
    for low, high in pairwise(points):
        before, after = left(low), left(high)
        last = high == points[-1]
        if before == after:
            continue
        price = low + before * (high - low) / (before - after)
        if low < price and (price <= high or last):
            found.append(price)
    return found


near_100 = st.integers(8_000, 12_500).map(lambda whole: D(whole) / 100)


@dataclass
class Own:
    symbol: str
    side: str
    quantity: D
    entry: D
    wallet: D
    """Isolated wallet; 0 for cross."""


class Exchange:
    """What an exchange would say of some positions, by the oracle."""

    def __init__(self, held: Sequence[Own], wallet: D, marks: dict[str, D]) -> None:
        self.held, self.wallet, self.marks = list(held), wallet, marks
        self.tables: dict[str, tuple[Bracket, ...]] = {}

    def leg(self, own: Own) -> Held:
        return Held(own.quantity, own.entry, self.tables[own.symbol])

    def legs(self, own: Own) -> tuple[D, list[Held]]:
        """The money behind a position without its own legs, and the legs that share its price."""
        if own.wallet:
            return own.wallet, [self.leg(own)]
        cross = [each for each in self.held if not each.wallet]
        others = [each for each in cross if each.symbol != own.symbol]
        left = sum((self.leg(each).left(self.marks[each.symbol]) for each in others), D(0))
        return self.wallet + left, [self.leg(each) for each in cross if each.symbol == own.symbol]

    def roots(self, own: Own) -> list[D]:
        return roots(*self.legs(own))

    def row(self, own: Own) -> PositionRow:
        found, mark = self.roots(own), self.marks[own.symbol]
        said = min(found, key=lambda price: abs(price - mark), default=D(0))
        notional = abs(own.quantity) * mark
        row = position(
            own.symbol,
            str(own.quantity),
            str(own.entry),
            mark=str(mark),
            liq=str(said),
            side=own.side,
            iw=str(own.wallet),
        )
        return replace(row, maintenance_margin=by_steps(self.tables[own.symbol], notional))


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    held = []
    for symbol in ("AAAUSDT", "BBBUSDT"):
        sides = draw(st.sampled_from([["BOTH"], ["LONG"], ["LONG", "SHORT"]]))
        isolated = draw(st.booleans())
        for side in sides:
            size = draw(st.integers(1, 300)) / D(10)
            short = side == "SHORT" or (side == "BOTH" and draw(st.booleans()))
            wallet = D(draw(st.integers(100, 5000))) if isolated else D(0)
            held.append(Own(symbol, side, -size if short else size, draw(near_100), wallet))
    wallet = D(draw(st.integers(500, 50_000)))
    exchange = Exchange(held, wallet, {"AAAUSDT": draw(near_100), "BBBUSDT": draw(near_100)})
    exchange.tables = {"AAAUSDT": draw(tables()), "BBBUSDT": draw(tables())}
    return exchange
