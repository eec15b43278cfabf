"""At which mark a level would fire, and where one that is on would clear.

For one target and one symbol whose mark moves alone, from the least price that there is to ten
times the mark (`supposing.py`; delays are ignored): the nearest mark below and the nearest above.

**Nothing nearer is missed, however narrow.** What is true at a mark is what `Judge` says there. A
range of marks is left out only once it is proved that the wanted truth is nowhere in it
(`one_mark.py`); what cannot be proved is halved, the nearer half first, down to single marks. What
takes more than `MOST` looks to prove is unknown, not never.

The answer is rounded to the tick, away from the mark. Where what was found ends before the next
tick, it stands with all its digits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from monitor.core.events import Now
from monitor.core.judging import Judge
from monitor.core.language.truth import Truth
from monitor.core.liquidation import INFINITE
from monitor.core.notices import Target
from monitor.core.one_mark import DIGITS, OneMark
from monitor.core.rules import Severity
from monitor.core.supposing import Subject, marks_of, supposing

FARTHEST: Final = 10
"""Times the mark; nobody looks farther."""

MOST: Final = 5_000
"""Marks that are looked at for one answer; it takes about fifty."""


class Answer(Enum):
    """What there is to say in place of a price."""

    NEVER = "never"
    """At no mark in reach."""
    NOT_BY_PRICE = "not by price"
    """Nothing that the condition reads moves with this mark."""
    UNKNOWN = "unknown"
    """It is so at no mark that can be judged, and some cannot: a number or the mark is missing."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where one level of a rule turns, as one symbol's mark moves."""

    target: Target
    rule: str
    severity: Severity
    symbol: str
    """Whose mark moves."""
    mark: Decimal | None
    """Where it stands; None: unknown."""
    on: bool
    """Whether the level is true now: then the prices say where it would clear, else fire."""
    below: Decimal | Answer
    above: Decimal | Answer

    @property
    def distance(self) -> Decimal:
        """How far the nearer price is from the mark, a part of the mark; infinite without one."""
        mark = self.mark
        prices = [each for each in (self.below, self.above) if isinstance(each, Decimal)]
        if mark is None:
            return INFINITE
        return min((abs(each / mark - 1) for each in prices), default=INFINITE)

    def facts(self) -> dict[str, Any]:
        """Write it for JSON."""
        return {
            "rule": self.rule,
            "severity": self.severity.word,
            "on": self.on,
            "symbol": self.symbol,
            "mark": None if self.mark is None else f"{self.mark:f}",
            "below": _answer(self.below),
            "above": _answer(self.above),
            "below_change": self._change(self.below),
            "above_change": self._change(self.above),
        }

    def _change(self, answer: Decimal | Answer) -> str | None:
        """Tell how far a price is from the mark, a part of it, to a millionth."""
        if isinstance(answer, Answer) or not self.mark:
            return None
        return f"{answer / self.mark - 1:.6f}"


def _answer(answer: Decimal | Answer) -> str:
    return answer.value if isinstance(answer, Answer) else f"{answer.normalize():f}"


def triggers_of(
    subject: Subject,
    judges: Sequence[Judge],
    now: Now,
    ticks: Mapping[str, Decimal],
    *,
    only: str = "",
    most: int = MOST,
) -> list[Trigger]:
    """Find where each level turns of each rule that is meant for a target; the nearest first.

    Args:
        subject: A position; or a pool, of which each symbol moves by itself.
        judges: The rules; those for other targets are passed over.
        now: The instant at which ages are taken.
        ticks: By symbol, the steps that its prices go in; without one, the digits of its mark.
        only: The one symbol whose mark moves; "": each of those that move the target.
        most: Marks that are looked at for one answer.
    """
    found: list[Trigger] = []
    meant = subject.rules(judges)
    marks = marks_of(subject.account)
    for symbol in ([only] if only else symbols_of(subject)) if meant else ():
        with supposing(subject.account, {}, now):
            world = OneMark(subject, symbol, meant, now)
            search = _Search(world, marks.get(symbol), ticks.get(symbol), most)
            for judge in meant:
                for place in reversed(range(len(judge.levels))):
                    on = world.stands(judge, place) is Truth.TRUE
                    below, above = search.answers(judge, place, on=on)
                    severity = judge.rule.levels[place].severity
                    found.append(
                        Trigger(
                            subject.target,
                            judge.rule.name,
                            severity,
                            symbol,
                            marks.get(symbol),
                            on,
                            below,
                            above,
                        )
                    )
    return sorted(found, key=lambda one: one.distance)


def symbols_of(subject: Subject) -> list[str]:
    """List the symbols whose marks move a target."""
    account = subject.account
    if subject.holding is not None:
        return [subject.holding.position.symbol]
    held = (each.position for each in account.holdings.values())
    return list(dict.fromkeys(one.symbol for one in held if account.pool_of(one) == subject.asset))


def tick_of(mark: Decimal) -> Decimal:
    """Give the step of prices where the exchange's is not known: the last digit of the mark."""
    exponent = mark.normalize().as_tuple().exponent
    return Decimal(1).scaleb(min(0, exponent if isinstance(exponent, int) else 0))


# ---------------------------------------------------------------- the search


class _TooHardError(Exception):
    """It takes too many looks."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which truth is looked for, and which way."""

    judge: Judge
    place: int
    """Of the level, among the judge's."""
    truth: Truth
    relaxed: bool
    way: int
    """1 is up, -1 down."""


class _Search:
    """Looks for the nearest marks.

    Args:
        world: What is judged.
        mark: Where the mark stands; None: unknown.
        tick: The step of prices; None: unknown.
        most: Marks that are looked at for one answer.
    """

    def __init__(
        self, world: OneMark, mark: Decimal | None, tick: Decimal | None, most: int
    ) -> None:
        self._world = world
        self._looks = most
        self._mark = None if mark is None else int(mark.scaleb(DIGITS))
        step = tick or (Decimal(1) if mark is None else tick_of(mark))
        self._tick = max(1, int(step.scaleb(DIGITS)))
        self._borders = world.borders()
        self._most = 0

    def answers(
        self, judge: Judge, place: int, *, on: bool
    ) -> tuple[Decimal | Answer, Decimal | Answer]:
        """Find where a level would fire, or clear if it is on: below and above the mark."""
        if not self._world.moves(judge, place):
            return Answer.NOT_BY_PRICE, Answer.NOT_BY_PRICE
        truth = Truth.FALSE if on else Truth.TRUE
        below, above = (
            self._answer(_Wanted(judge, place, truth, relaxed=on, way=way)) for way in (-1, 1)
        )
        return below, above

    def _answer(self, wanted: _Wanted) -> Decimal | Answer:
        if self._mark is None:
            return Answer.UNKNOWN
        try:
            self._most = self._world.looks + self._looks
            found = self._nearest(wanted, self._mark)
            if found is not None:
                return Decimal(found).scaleb(-DIGITS)
            doubt = _Wanted(wanted.judge, wanted.place, Truth.UNKNOWN, wanted.relaxed, wanted.way)
            found = self._nearest(doubt, self._mark)
        except _TooHardError:
            return Answer.UNKNOWN
        return Answer.NEVER if found is None else Answer.UNKNOWN

    def _nearest(self, wanted: _Wanted, mark: int) -> int | None:
        for first, last in self._stretches(mark, wanted.way):
            found = self._in_stretch(wanted, first, last)
            if found is not None:
                return found
        return None

    def _stretches(self, mark: int, way: int) -> Iterator[tuple[int, int]]:
        """Cut the marks of one side where brackets end; the nearest first."""
        last = FARTHEST * mark if way > 0 else 1
        first = mark + way
        # A border is the last mark of the lower bracket.
        ends = self._borders if way > 0 else [border + 1 for border in reversed(self._borders)]
        for end in [each for each in ends if (each - first) * way >= 0 < (last - each) * way]:
            yield first, end
            first = end + way
        if (last - first) * way >= 0:
            yield first, last

    def _in_stretch(self, wanted: _Wanted, first: int, last: int) -> int | None:
        """Look in a stretch, both ends included."""
        if not self._can_be(wanted, first, last):
            return None
        if self._is(wanted, first):
            rounded = self._rounded(first, wanted.way)
            return rounded if self._is(wanted, rounded) else first
        return self._beyond(wanted, first, last)

    def _beyond(self, wanted: _Wanted, before: int, last: int) -> int | None:
        """Look beyond a mark where it is not, up to another, included."""
        way = wanted.way
        if before == last or not self._can_be(wanted, before, last):
            return None
        near, far = (self._rounded(each, way) for each in (before + way, last))
        if near == far:
            return near if self._is(wanted, near) else self._exact(wanted, before, last)
        # In whole ticks: the first of them, or as near to the middle as there is one.
        middle = near + way * (abs(far - near) // self._tick // 2 * self._tick)
        found = self._beyond(wanted, before, middle)
        return self._beyond(wanted, middle, last) if found is None else found

    def _exact(self, wanted: _Wanted, before: int, last: int) -> int | None:
        """Look likewise between two ticks."""
        if before == last or not self._can_be(wanted, before, last):
            return None
        if abs(last - before) == 1:
            return last if self._is(wanted, last) else None
        middle = (before + last) // 2
        found = self._exact(wanted, before, middle)
        return self._exact(wanted, middle, last) if found is None else found

    def _rounded(self, mark: int, way: int) -> int:
        """Round to a tick, up or down."""
        return mark // self._tick * self._tick if way < 0 else -(-mark // self._tick) * self._tick

    def _is(self, wanted: _Wanted, mark: int) -> bool:
        if mark <= 0:
            return False
        judge, place = wanted.judge, wanted.place
        return self._world.truth(judge, place, mark, relaxed=wanted.relaxed) is wanted.truth

    def _can_be(self, wanted: _Wanted, one: int, other: int) -> bool:
        if self._world.looks > self._most:
            raise _TooHardError
        judge, place, truth = wanted.judge, wanted.place, wanted.truth
        return self._world.can_be(judge, place, truth, one, other, relaxed=wanted.relaxed)
