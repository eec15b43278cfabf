"""A number over its last minutes, hours or days, in bounded memory.

A window is told a number whenever it may have changed. What it keeps is a row of buckets, each the
beginning of something new:

    bucket     first change ──▶ more changes, while it is younger than span / 600 ──▶ next bucket

So a number that changes less often than 600 times per window is kept change by change, and every
answer is exact. One that changes more often shares buckets, of which the first, last, lowest and
highest value and the area (value × ms) are kept; then the window begins up to one 600th of its
length too early, at the first change in the bucket that it would have cut. Either way there are
602 buckets at most.

- **Covered.** There is no answer until the number has been known for as long as the window is.
- **Holes.** While the number is unknown there is no answer. Afterwards, a stretch of no more than
  `patience` counts as if the number had stood; a longer one is a hole. As long as a hole is in the
  window, what is highest and lowest is that of the rest, and in doubt; a change that would begin in
  it, and an average over it, are unknown.
- **Time alone** changes answers: values leave. `next_change` is never later than the first instant
  at which an answer is another. An average, which moves all the time, is taken anew at each change,
  each time a bucket leaves, and on a grid of a 600th of the window, of 1 s at least.
- Asking changes nothing: the same numbers at the same instants give the same answers, however often
  somebody asks in between.

All instants are ticks (`Now.ticks`); they never go back.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation
from itertools import islice
from typing import Final, NamedTuple

BUCKETS: Final = 600
"""Parts of a window that are told apart."""

LEAST_STEP: Final = 1_000
"""Milliseconds between two averages of a number that stands."""

_AREAS: Final = Context(prec=100)
"""Sums of areas are exact, so that taking away undoes adding."""
_NOTHING: Final = Decimal(0)


class Answer(NamedTuple):
    """What a window says now."""

    value: Decimal | None
    """None: unknown."""
    doubtful: bool = False
    """Whether a part of the window was not seen."""


UNKNOWN: Final = Answer(None)


class Row(NamedTuple):
    """A bucket as it is kept."""

    number: int
    """Of its window's buckets, from 0; never used twice in one window."""
    start: int
    values: tuple[str | None, ...]
    """First, lowest, highest, last."""
    area: str | None
    hole: bool
    changed: int
    """Milliseconds from its beginning to its last change."""
    seen: int
    """Milliseconds from its beginning until the number was last known to be so."""


class Bucket:
    """A stretch of the past: what the number was, and its area up to its last change."""

    __slots__ = ("area", "first", "high", "hole", "last", "last_at", "low", "number", "start")

    def __init__(self, number: int, start: int, value: Decimal | None) -> None:
        self.number = number
        self.start = self.last_at = start
        self.first = self.last = self.low = self.high = value
        self.hole = value is None
        """Whether the number was unknown in a part of it."""
        self.area: Decimal | None = _NOTHING
        """Value × ms from `start` to `last_at`; None where it was infinite."""

    def change(self, value: Decimal | None, at: int) -> None:
        """Take another value from an instant on."""
        self.area = self.area_to(at)
        self.last, self.last_at = value, at
        if value is None:
            self.hole = True
            return
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)

    def area_to(self, end: int) -> Decimal | None:
        """Give its area if it ended at an instant."""
        return _sum(self.area, _area(self.last, end - self.last_at))


def _area(value: Decimal | None, width: int) -> Decimal | None:
    if value is None or not width:
        return _NOTHING
    return _AREAS.multiply(value, Decimal(width)) if value.is_finite() else None


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else _AREAS.add(one, other)


class Window:
    """The last `span` of one number.

    Args:
        span: Milliseconds.
        patience: Milliseconds that the number may be unknown without leaving a hole; a 600th of
            the window at least.
    """

    def __init__(self, span: int, patience: int) -> None:
        self.span = span
        self._width = max(1, -(-span // BUCKETS))
        self._patience = max(patience, self._width)
        self._buckets: deque[Bucket] = deque()
        self._lost: int | None = None
        """Since when the number has been unknown."""
        self._highs: deque[Bucket] = deque()
        """Buckets that are closed and higher than all closed after them."""
        self._lows: deque[Bucket] = deque()
        self._area: Decimal = _NOTHING
        """Of closed buckets, as far as theirs are known."""
        self._holes = self._infinite = 0
        """How many closed buckets have a hole, or no area."""
        self._kept = 0
        """Buckets before this number are kept as they are."""

    # ------------------------------------------------------------ being told

    def take(self, value: Decimal | None, at: int) -> None:
        """Take what the number is from an instant on; None is unknown."""
        if value is None:
            if self._lost is None and self._buckets:
                self._lost = at
            return
        if self._lost is not None:
            lost, self._lost = self._lost, None
            if at - lost > self._patience:
                self._put(None, lost)
        self._put(value, at)
        self._drop(at - self.span)

    def _put(self, value: Decimal | None, at: int) -> None:
        if not self._buckets:
            self._buckets.append(Bucket(0, at, value))
            return
        last = self._buckets[-1]
        if value == last.last:
            return
        if at - last.start < self._width:
            last.change(value, at)
        else:
            self._close(last, at)
            self._buckets.append(Bucket(last.number + 1, at, value))

    def _close(self, bucket: Bucket, end: int) -> None:
        """Count a bucket in that changes no more."""
        self._count(bucket, end, 1)
        if bucket.high is not None and bucket.low is not None:
            while self._highs and _high(self._highs[-1]) <= bucket.high:
                self._highs.pop()
            self._highs.append(bucket)
            while self._lows and _low(self._lows[-1]) >= bucket.low:
                self._lows.pop()
            self._lows.append(bucket)

    def _count(self, bucket: Bucket, end: int, times: int) -> None:
        self._holes += times * bucket.hole
        area = bucket.area_to(end)
        if area is None:
            self._infinite += times
        else:
            self._area = (_AREAS.add if times > 0 else _AREAS.subtract)(self._area, area)

    def _drop(self, begin: int) -> None:
        """Drop the buckets that ended before the window begins."""
        buckets = self._buckets
        while len(buckets) > 1 and buckets[1].start <= begin:
            gone = buckets.popleft()
            self._count(gone, buckets[0].start, -1)
            for queue in (self._highs, self._lows):
                if queue and queue[0] is gone:
                    queue.popleft()

    # ------------------------------------------------------------ answering

    def answer(self, function: str, now: int) -> Answer:
        """Tell what a function of the window is now."""
        begin = now - self.span
        self._drop(begin)
        if self._lost is not None or not self._covers(begin):
            return UNKNOWN
        return _FUNCTIONS[function](self, now)

    def _covers(self, begin: int) -> bool:
        return bool(self._buckets) and self._buckets[0].start <= begin

    def _change(self, now: int) -> Answer:
        front, value = self._buckets[0], self._buckets[-1].last
        base = front.last if now - self.span >= front.last_at else front.first
        if base is None or value is None:
            return UNKNOWN
        try:
            return Answer(value - base)
        except InvalidOperation:  # infinite − infinite
            return UNKNOWN

    def _highest(self, now: int) -> Answer:
        return Answer(self._extreme(now, self._highs, _high, max)[0], self._has_hole(now))

    def _lowest(self, now: int) -> Answer:
        return Answer(self._extreme(now, self._lows, _low, min)[0], self._has_hole(now))

    def _drop_from_highest(self, now: int) -> Answer:
        highest, value = self._extreme(now, self._highs, _high, max)[0], self._buckets[-1].last
        if value is None or highest <= 0 or not highest.is_finite():
            return UNKNOWN
        return Answer((highest - value) / highest, self._has_hole(now))

    def _average(self, now: int) -> Answer:
        front, last = self._buckets[0], self._buckets[-1]
        # The instant at which it was last taken anew.
        left = front.last_at if now - self.span >= front.last_at else front.start
        now = max(now - now % self._step, last.last_at, left + self.span)
        begin = now - self.span
        if front is last and begin >= front.last_at:
            return Answer(front.last)
        if self._has_hole(now) or self._infinite:
            return UNKNOWN
        if begin >= front.last_at:
            before = _area(front.last, begin - front.last_at)
            area = _minus(self._area_to(now), _sum(front.area, before))
        else:
            begin, area = front.start, self._area_to(now)
        return UNKNOWN if area is None else Answer(area / (now - begin))

    @property
    def _step(self) -> int:
        return max(LEAST_STEP, self._width)

    def _area_to(self, now: int) -> Decimal | None:
        """Sum up everything from the beginning of the first bucket."""
        return _sum(self._area, self._buckets[-1].area_to(now))

    def _has_hole(self, now: int) -> bool:
        front, last = self._buckets[0], self._buckets[-1]
        closed = self._holes - (front.hole if front is not last else 0)
        tail = now - self.span >= front.last_at
        cut = front.last is None if tail else front.hole
        return bool(closed or cut or (last is not front and last.hole))

    def _extreme(
        self,
        now: int,
        queue: deque[Bucket],
        side: Callable[[Bucket], Decimal],
        choose: Callable[..., Decimal],
    ) -> tuple[Decimal, Bucket]:
        """Find the highest or lowest value, and the latest bucket that it is in."""
        front, last = self._buckets[0], self._buckets[-1]
        found: list[tuple[Decimal, Bucket]] = []
        if last is not front and last.high is not None:
            found.append((side(last), last))
        for bucket in islice(queue, 2):
            if bucket is not front:
                found.append((side(bucket), bucket))
                break
        if now - self.span < front.last_at and front.high is not None:
            found.append((side(front), front))
        elif front.last is not None and now - self.span >= front.last_at:
            found.append((front.last, front))
        extreme = choose(value for value, _ in found)
        return next(each for each in found if each[0] == extreme)

    # ------------------------------------------------------------ time alone

    def next_change(self, function: str, now: int) -> int | None:
        """Tell the next instant at which an answer may change by time alone; None: never."""
        begin = now - self.span
        self._drop(begin)
        if not self._buckets:
            return None
        front = self._buckets[0]
        if not self._covers(begin):
            return front.start + self.span
        if self._lost is not None:
            return None
        edge = self._edge(front, begin)
        if function == "average":
            still = front is self._buckets[-1] and begin >= front.last_at
            grid = now - now % self._step + self._step
            return None if still else min(grid, edge or grid)
        if function == "change" or self._has_hole(now):
            return edge
        queue, side, choose = (
            (self._lows, _low, min) if function == "lowest" else (self._highs, _high, max)
        )
        return self._edge(self._extreme(now, queue, side, choose)[1], begin)

    def _edge(self, bucket: Bucket, begin: int) -> int | None:
        """Tell when something of a bucket leaves the window next; None where it never does."""
        if begin < bucket.last_at:
            return bucket.last_at + self.span
        return self._buckets[1].start + self.span if len(self._buckets) > 1 else None

    # ------------------------------------------------------------ a restart

    @property
    def size(self) -> int:
        """How many buckets it has."""
        return len(self._buckets)

    @property
    def first(self) -> int:
        """The number of the first bucket that it has."""
        return self._buckets[0].number if self._buckets else 0

    def unkept(self, now: int) -> Iterator[Row]:
        """Give the buckets that are not as they were when this was last asked."""
        self._drop(now - self.span)
        seen = now if self._lost is None else self._lost
        for bucket in self._buckets:
            if bucket.number >= self._kept:
                yield Row(
                    bucket.number,
                    bucket.start,
                    tuple(map(_written, (bucket.first, bucket.low, bucket.high, bucket.last))),
                    _written(bucket.area),
                    bucket.hole,
                    bucket.last_at - bucket.start,
                    max(0, seen - bucket.start),
                )
        if self._buckets:
            self._kept = self._buckets[-1].number

    def restore(self, rows: Sequence[Row], now: int) -> None:
        """Take up what `unkept` gave, by rising number; unknown since it was last seen."""
        for row in rows:
            bucket = Bucket(row.number, row.start, None)
            bucket.first, bucket.low, bucket.high, bucket.last = map(_read, row.values)
            bucket.area, bucket.hole = _read(row.area), row.hole
            bucket.last_at = row.start + row.changed
            if self._buckets:
                self._close(self._buckets[-1], row.start)
            self._buckets.append(bucket)
            self._lost = min(now, row.start + row.seen)
            self._kept = row.number


def _high(bucket: Bucket) -> Decimal:
    assert bucket.high is not None  # noqa: S101 - only buckets with values are asked
    return bucket.high


def _low(bucket: Bucket) -> Decimal:
    assert bucket.low is not None  # noqa: S101 - likewise
    return bucket.low


def _minus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else _AREAS.subtract(one, other)


def _written(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _read(written: str | None) -> Decimal | None:
    return None if written is None else Decimal(written)


_FUNCTIONS: Final[dict[str, Callable[[Window, int], Answer]]] = {
    "change": Window._change,  # noqa: SLF001 - this file's own table
    "highest": Window._highest,  # noqa: SLF001 - likewise
    "lowest": Window._lowest,  # noqa: SLF001 - likewise
    "average": Window._average,  # noqa: SLF001 - likewise
    "drop": Window._drop_from_highest,  # noqa: SLF001 - likewise
}
