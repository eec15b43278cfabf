"""A chart → where each stroke and word of its picture goes: pixels, without a library to draw.

    title                                                      ┐ top
    mark · liquidation, how far                                ┘
    prices │ marks, and a line for each level  │ its name and price      few ticks, few words
           └ clock times ──────────────────────  time zone

Colours are names here (`Ink`); what they look like, light or dark, is the drawing's. Nothing is
told by colour alone: each line has its word beside it, and a dash of its own.

What is so far away that the marks of the hour would look flat is outside: its word stands at the
edge, with an arrow. Words that would overlap are moved apart, and stay tied to their lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from monitor.core.charting import Chart, Level
from monitor.core.formats import Style, price, zone_name
from monitor.core.trails import EVERY, LENGTH, Sample

WIDTH, HEIGHT = 1000, 560

TITLE, REMARK, LABEL, AXIS = 38, 28, 25, 23
"""Sizes of words, pixels. A phone shows the picture at about 40 % of its width."""

ADVANCE = 0.6
"""The width of a character is at most so many times the size, over a whole word of ours."""

_MARGIN = 22
_TOP, _BOTTOM = 126, 500
_LINE = 32
"""Between two labels at least."""
_TIE = 30
"""From the end of the plot to the labels."""

_REACH = 8
"""A level is inside while the picture is at most so many times as high as the hour's own range."""
_LEAST = Decimal("0.015")
"""What counts as the range of an hour in which nothing moved, a part of the mark."""
_PADDING = Decimal("0.06")

_BROKEN = 6 * EVERY
"""Between two samples farther apart there is no line: nobody saw what was there."""
_SHORTEST = 300_000
"""Milliseconds that are shown at least."""

_STEPS = (1, 2, 5, 10, 15)
"""Minutes between two times at the axis."""
_TIMES = 6
_PRICES = 5
"""At most so many ticks."""


_STRANGE = re.compile(r"[^\x20-\u024f–—…]+")
"""What the font that comes with Pillow has no letters for; the text before the picture does."""


class Ink(Enum):
    """What something is; how it looks is the drawing's."""

    TEXT = "text"
    FAINT = "faint"
    GRID = "grid"
    MARK = "mark"
    ENTRY = "entry"
    LIQUIDATION = "liquidation"
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    BEYOND = "beyond"
    """The area beyond the liquidation price."""


class Point(NamedTuple):
    """A place, pixels from the upper left corner."""

    x: float
    y: float


class Stroke(NamedTuple):
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink
    width: float = 2.0
    dash: tuple[float, float] | None = None
    """Lengths of a dash and of the space behind it."""


class Block(NamedTuple):
    """A filled rectangle."""

    upper_left: Point
    lower_right: Point
    ink: Ink


class Dot(NamedTuple):
    """A filled circle."""

    at: Point
    radius: float
    ink: Ink


class Words(NamedTuple):
    """A line of text; its place is the middle of its left or right end, or its middle."""

    at: Point
    text: str
    size: int
    ink: Ink = Ink.TEXT
    anchor: str = "lm"
    """lm, rm or mm, as Pillow has it."""


@dataclass(slots=True)
class Plot:
    """All that is drawn, what comes later above what comes before."""

    blocks: list[Block] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


_DASHES: dict[str, tuple[Ink, float, tuple[float, float] | None]] = {
    "liquidation": (Ink.LIQUIDATION, 4.0, None),
    "entry": (Ink.ENTRY, 2.0, (3, 7)),
    "critical": (Ink.CRITICAL, 3.0, (22, 8)),
    "warning": (Ink.WARNING, 3.0, (12, 8)),
    "info": (Ink.INFO, 3.0, (5, 8)),
}
"""How the line of a level looks."""


class Frame(NamedTuple):
    """Which prices and times the picture is of, and where they are in it."""

    left: float
    right: float
    low: Decimal
    high: Decimal
    begin: int
    end: int

    def x(self, at: int) -> float:
        """Tell where an instant is."""
        return self.left + (self.right - self.left) * (at - self.begin) / (self.end - self.begin)

    def y(self, value: Decimal) -> float:
        """Tell where a price is."""
        return _BOTTOM - float((value - self.low) / (self.high - self.low)) * (_BOTTOM - _TOP)

    def shows(self, value: Decimal) -> bool:
        """Tell whether a price is inside."""
        return self.low <= value <= self.high


def plot(chart: Chart) -> Plot:
    """Lay a chart out."""
    low, high = price_range(chart.marks, [each.price for each in chart.levels])
    ticks = price_ticks(low, high)
    labels = [_worded(level, chart.now.price) for level in chart.levels]
    now = f"now {price(chart.now.price, Style(reference=chart.now.price))}"
    frame = Frame(
        _MARGIN + max(_width(text, AXIS) for _, text in ticks) + 12,
        WIDTH - _MARGIN - _TIE - max(_width(text, LABEL) for text in (now, *labels)),
        low,
        high,
        *_times(chart.marks),
    )
    made = Plot()
    _head(made, chart)
    _axes(made, frame, ticks, chart.zone)
    _beyond(made, frame, chart)
    for level in chart.levels:
        _line(made, frame, level)
    _trail(made, frame, chart.marks)
    named = [*zip(chart.levels, labels, strict=True), (Level(chart.now.price, "now"), now)]
    _labels(made, frame, named)
    return made


def _width(text: str, size: int) -> float:
    """Estimate how wide a word is at most."""
    return len(text) * size * ADVANCE


def _worded(level: Level, mark: Decimal) -> str:
    """Name a level: `liquidation 58,120`, `critical < 60,120`."""
    sign = "" if level.word in {"liquidation", "entry"} else "< " if level.below else "> "
    return f"{level.word} {sign}{price(level.price, Style(reference=mark))}"


def _head(made: Plot, chart: Chart) -> None:
    room = WIDTH - 2 * _MARGIN
    for text, size, y in ((chart.title, TITLE, 38), (chart.remark, REMARK, 88)):
        most = int(room / (size * ADVANCE))
        plain = _STRANGE.sub("…", text)
        cut = plain if len(plain) <= most else f"{plain[: most - 1]}…"
        ink = Ink.TEXT if size == TITLE else Ink.FAINT
        made.words.append(Words(Point(_MARGIN, y), cut, size, ink))


# ---------------------------------------------------------------- ranges and ticks


def price_range(marks: Sequence[Sample], levels: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Choose the lowest and the highest price: all marks, and the levels that are not too far."""
    low, high = min(each.price for each in marks), max(each.price for each in marks)
    now = marks[-1].price
    most = _REACH * max(high - low, _LEAST * now)
    for level in sorted(levels, key=lambda each: abs(each - now)):
        lower, higher = min(low, level), max(high, level)
        if higher - lower <= most:
            low, high = lower, higher
    padding = max((high - low) * _PADDING, now * _LEAST / 20)
    return max(low - padding, Decimal(0)), high + padding


def price_ticks(low: Decimal, high: Decimal) -> list[tuple[Decimal, str]]:
    """Choose round prices between two, a few, each with its text; all have as many digits."""
    rough = (high - low) / _PRICES
    power = rough.adjusted()
    steps = (Decimal(step).scaleb(power - 1) for step in (10, 20, 25, 50, 100))
    step = next(each for each in steps if each >= rough)
    exponent = step.normalize().as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    ticks = []
    at = (low / step).to_integral_value(ROUND_CEILING) * step
    while at <= high:
        ticks.append((at, f"{at:,.{digits}f}"))
        at += step
    return ticks


def _times(marks: Sequence[Sample]) -> tuple[int, int]:
    """Choose the first and the last instant: what is known of the hour, a few minutes at least."""
    end = marks[-1].at
    return max(end - LENGTH, min(marks[0].at, end - _SHORTEST)), end


def time_ticks(begin: int, end: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Choose round times of the zone's clock between two instants, a few, each with its text."""
    span = (end - begin) / 60_000
    minutes = next((each for each in _STEPS if span / each <= _TIMES), _STEPS[-1])
    step = minutes * 60_000
    offset = datetime.fromtimestamp(end / 1000, zone).utcoffset()
    shift = 0 if offset is None else round(offset.total_seconds() * 1000)
    first = -(-(begin + shift) // step) * step - shift
    return [
        (at, f"{datetime.fromtimestamp(at / 1000, zone):%H:%M}")
        for at in range(first, end + 1, step)
    ]


def spread(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move places apart so that none is nearer than `gap` to the next, and all are inside.

    Args:
        wanted: Where each would be, ascending.
        gap: Between two at least.
        top: Where the first may be at least.
        bottom: Where the last may be at most.
    """
    placed: list[float] = []
    for each in wanted:
        placed.append(max(each, placed[-1] + gap if placed else top))
    limit = bottom
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed


# ---------------------------------------------------------------- strokes


def _axes(made: Plot, frame: Frame, ticks: Sequence[tuple[Decimal, str]], zone: tzinfo) -> None:
    for value, text in ticks:
        y = frame.y(value)
        ends = Point(frame.left, y), Point(frame.right, y)
        made.strokes.append(Stroke(ends, Ink.GRID, 1.5))
        made.words.append(Words(Point(frame.left - 12, y), text, AXIS, Ink.FAINT, "rm"))
    for at, text in time_ticks(frame.begin, frame.end, zone):
        x = frame.x(at)
        made.strokes.append(Stroke((Point(x, _BOTTOM), Point(x, _BOTTOM + 8)), Ink.FAINT))
        made.words.append(Words(Point(x, _BOTTOM + 30), text, AXIS, Ink.FAINT, "mm"))
    base = Point(frame.left, _BOTTOM), Point(frame.right, _BOTTOM)
    made.strokes.append(Stroke(base, Ink.FAINT))
    name = zone_name(datetime.fromtimestamp(frame.end / 1000, zone))
    made.words.append(Words(Point(WIDTH - _MARGIN, _BOTTOM + 30), name, AXIS, Ink.FAINT, "rm"))


def _beyond(made: Plot, frame: Frame, chart: Chart) -> None:
    """Fill the area on the far side of liquidation."""
    for level in chart.levels:
        if level.word == "liquidation" and frame.shows(level.price):
            y = frame.y(level.price)
            top, bottom = (y, _BOTTOM) if level.below else (_TOP, y)
            made.blocks.append(
                Block(Point(frame.left, top), Point(frame.right, bottom), Ink.BEYOND)
            )


def _line(made: Plot, frame: Frame, level: Level) -> None:
    if frame.shows(level.price):
        ink, width, dash = _DASHES[level.word]
        y = frame.y(level.price)
        ends = Point(frame.left, y), Point(frame.right, y)
        made.strokes.append(Stroke(ends, ink, width, dash))


def _trail(made: Plot, frame: Frame, marks: Sequence[Sample]) -> None:
    for piece in pieces(marks):
        points = tuple(Point(frame.x(each.at), frame.y(each.price)) for each in piece)
        if len(points) > 1:
            made.strokes.append(Stroke(points, Ink.MARK, 4.0))
        elif piece[0] is not marks[-1]:
            made.dots.append(Dot(points[0], 3.0, Ink.MARK))
    now = marks[-1]
    made.dots.append(Dot(Point(frame.x(now.at), frame.y(now.price)), 8.0, Ink.MARK))


def pieces(marks: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Cut a trail where nobody saw the mark."""
    piece = [marks[0]]
    for before, after in pairwise(marks):
        if after.at - before.at > _BROKEN:
            yield piece
            piece = []
        piece.append(after)
    yield piece


# ---------------------------------------------------------------- labels


def _labels(made: Plot, frame: Frame, named: Sequence[tuple[Level, str]]) -> None:
    """Write what each line is to the right of it; of what is outside, at the edge."""
    ordered = sorted(named, key=lambda each: -each[0].price)
    wanted = [min(max(frame.y(level.price), _TOP), _BOTTOM) for level, _ in ordered]
    places = spread(wanted, _LINE, _TOP + 4, _BOTTOM - 4)
    for (level, text), line, y in zip(ordered, wanted, places, strict=True):
        ink = _DASHES[level.word][0] if level.word in _DASHES else Ink.MARK
        begin, end = frame.right + 3, frame.right + _TIE - 8
        if frame.shows(level.price):
            tie: tuple[Point, ...] = Point(begin, line), Point(end, y)
        else:
            way = 6 if level.price < frame.low else -6
            middle = (begin + end) / 2
            tie = (
                Point(middle - 7, y - way / 2),
                Point(middle, y + way),
                Point(middle + 7, y - way / 2),
            )
        made.strokes.append(Stroke(tie, ink, 3.0))
        made.words.append(Words(Point(frame.right + _TIE, y), text, LABEL))
