"""A hunt for wrong trigger prices: random accounts and rules, and the real engine told the marks.

Nothing here searches as `triggers.py` does: what an answer promises is tried out at its mark, at
the one beside it, and at marks that are drawn from all that there are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.judging import Judge
from monitor.core.language.truth import Truth
from monitor.core.rules import Severity
from monitor.core.supposing import judged, subjects_of
from monitor.core.triggers import FARTHEST, Answer, Trigger, triggers_of
from tests.core.hunting import LEAST, Case, cases, words
from tests.core.worlds import at, marks

D = Decimal


class Ground:
    """What the real engine says at other marks."""

    def __init__(self, case: Case) -> None:
        self._case = case
        # Delays are not part of a trigger price.
        at_once = tuple(replace(one, on_delay=0, off_delay=0) for one in case.rule.levels)
        self._rule = replace(case.rule, levels=at_once)
        self._scan = case.place.world()
        self._judge = Judge(case.rule)
        self._at = case.place.now

    def level_at(self, **prices: D) -> Severity:
        """Tell the level of the alert after one mark moved from where it stands."""
        place = self._case.place
        world = place.world()
        world.reload(place.now, self._rule)
        world.tell(place.now + 0.5, marks(place.now + 0.5, **words(prices)))
        for watch in world.engine.watches():
            if watch.target == self._case.target:
                return Severity.NONE if watch.alert is None else watch.alert.level
        raise AssertionError("nobody watches the target")

    def turned(self, one: Trigger, price: D) -> bool:
        """Tell whether a level is there what it is not now."""
        there = self.level_at(**{one.symbol: price}) >= one.severity
        return there is not one.on

    def truth(self, one: Trigger, price: D) -> Truth:
        """Judge a level where the account was told a mark; many marks, one account."""
        place = self._case.place
        self._at += 0.001
        told = words(place.later | {one.symbol: price})
        self._scan.tell(self._at, marks(self._at, **told))
        (subject,) = [
            each for each in subjects_of(self._scan.account) if each.target == self._case.target
        ]
        found = judged(self._judge, subject.sight(at(self._at)), relaxed=one.on)
        return found[[each.severity for each in self._case.rule.levels].index(one.severity)]


def last_digit(mark: D) -> D:
    """Tell the step of prices where the exchange's is not known."""
    digits = f"{mark:f}".partition(".")[2].rstrip("0")
    return D(1).scaleb(-len(digits))


@dataclass
class Side:
    """One answer, and the marks on its side."""

    case: Case
    one: Trigger
    way: int
    drawn: Callable[[], D]

    @property
    def answer(self) -> D | Answer:
        return self.one.above if self.way > 0 else self.one.below

    @property
    def mark(self) -> D:
        return self.case.place.later[self.one.symbol]

    @property
    def tick(self) -> D:
        return self.case.place.ticks.get(self.one.symbol) or last_digit(self.mark)

    def points(self) -> Iterator[D]:
        """List marks to look at: spread and drawn ones, and those beside borders of brackets."""
        last = self.mark * FARTHEST if self.way > 0 else LEAST
        shares = (1, 5, 20, 50, 100, 200, 400, 600, 800, 900, 950, 990, 999, 1000)
        parts = [*(D(share) / 1000 for share in shares), *(self.drawn() for _ in range(8))]
        found = [self.mark + (last - self.mark) * part for part in parts]
        place = self.case.place
        for own in place.exchange.held:
            for bracket in place.exchange.tables[own.symbol]:
                border = bracket.cap / abs(own.quantity)
                found += [border + beside * LEAST for beside in (-1, 0, 1)]
        for price in (each.quantize(LEAST) for each in found):
            if (price - self.mark) * self.way > 0 and (last - price) * self.way >= 0:
                yield price

    def complaints(self, ground: Ground) -> Iterator[str]:
        """Say what is wrong with the answer."""
        answer = self.answer
        found = (
            self._of_a_price(answer, ground)
            if isinstance(answer, Decimal)
            else self._of_none(answer, ground)
        )
        on = "on" if self.one.on else "off"
        for text in found:
            yield f"{self.one.severity.word} {on} {self.one.symbol} {self.way:+d} {answer}: {text}"

    def _of_a_price(self, price: D, ground: Ground) -> Iterator[str]:
        way, mark, tick = self.way, self.mark, self.tick
        if (price - mark) * way <= 0:
            yield "on the wrong side"
        if not ground.turned(self.one, price):
            yield "does not turn there"
        before = price - way * (tick if price % tick == 0 else LEAST)
        if (before - mark) * way >= 0 and ground.turned(self.one, before):
            yield f"turns at {before} already"
        wanted = Truth.FALSE if self.one.on else Truth.TRUE
        for point in self.points():
            nearer = (price - way * tick - point) * way >= 0
            if nearer and ground.truth(self.one, point) is wanted:
                yield f"turns at {point} already"

    def _of_none(self, answer: Answer, ground: Ground) -> Iterator[str]:
        wanted = Truth.FALSE if self.one.on else Truth.TRUE
        seen = {point: ground.truth(self.one, point) for point in self.points()}
        for point, truth in seen.items():
            if truth is wanted:
                yield f"turns at {point}"
            if answer is Answer.NEVER and truth is Truth.UNKNOWN:
                yield f"cannot be judged at {point}"
        if answer is Answer.UNKNOWN and self.case.all_known:
            yield "everything is known"
        if answer is Answer.NOT_BY_PRICE and len(set(seen.values())) > 1:
            yield "moves"


def complaints(case: Case, drawn: Callable[[], D]) -> Iterator[str]:
    """Say what is wrong with the answers of a case."""
    place = case.place
    (subject,) = [each for each in subjects_of(place.world().account) if each.target == case.target]
    answers = triggers_of(subject, [Judge(case.rule)], at(place.now), place.ticks)
    distances = [one.distance for one in answers]
    if distances != sorted(distances):
        yield "not the nearest first"
    ground = Ground(case)
    now = ground.level_at()
    for one in answers:
        if one.mark != place.later[one.symbol]:
            yield f"{one.symbol} stands at another mark"
        if one.on is not (now >= one.severity):
            yield f"{one.severity.word} is {one.on}, the engine says {now.word}"
        else:
            for way in (-1, 1):
                yield from Side(case, one, way, drawn).complaints(ground)


@settings(deadline=None, max_examples=60)
@given(cases(), st.data())
def test_answers_hold_in_the_real_engine(case: Case, data: st.DataObject) -> None:
    part = st.integers(0, 1_000_000).map(lambda whole: D(whole) / 1_000_000)
    assert list(complaints(case, lambda: data.draw(part))) == []
