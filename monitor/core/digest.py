"""Several notices in one message: a line for each, with its number.

    CRITICAL: BTCUSDT long (main): margin-room, and 3 more
      #7 03:09:02 escalated to critical · margin-room · BTCUSDT long (main) · margin room 19.9 % · …
      #4 (attempt 2) 03:06:07 fired warning · loss · ETHUSDT short (main) · ROI -51.2 %
      #2 #6 fired 03:04:13, cleared 03:08:40 · margin-ratio · USDT (main) · at worst info
      #5 03:07:00 warning · money-moved · withdrawal of 500 USDT (main)

An alert that fired and cleared within the message is one line. Of very many lines the last ones
give way to their numbers: each number that a message carries stands in it once, with the mark of an
attempt that was made before, whatever the service's limit cuts elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from monitor.core.formats import Style, clock_after, phrase, span
from monitor.core.message import (
    LATE_AFTER,
    Message,
    compose,
    deciding,
    reason_in_words,
    title_of,
)
from monitor.core.notices import Notice
from monitor.core.rules import Rule, Severity
from monitor.core.saying import headline, where

LINES = 20
"""A digest has at most so many; what is more is numbers."""
_MOST = 60
"""Notices in one message."""
_NUMBER = len(" #1234567 (attempt 100)")
"""Characters that a number takes at least, as it is reckoned."""
_FRAME = 100
"""Characters for a title and the words around the numbers, where there is no room for lines."""


class Tried(NamedTuple):
    """A notice in a message."""

    notice: Notice
    attempt: int
    """Which attempt to send it this is, counted from 1."""

    @property
    def number(self) -> str:
        """Its number as it stands in messages."""
        mark = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"#{self.notice.number}{mark}"


_Unit = list[Tried]
"""What one line is about: a notice, or an alert from its beginning to its end."""


def most(room: int, tried: Iterable[Tried] = ()) -> int:
    """Tell how many notices a message can name that may have so many characters.

    Args:
        room: Characters (UTF-16 units) of title and text together.
        tried: What it may name. Numbers are long where they go on from unix seconds, after a
            corrupt database; so are marks after many attempts.
    """
    longest = max((len(each.number) + 1 for each in tried), default=0)
    return max(1, min(_MOST, (room - _FRAME) // max(longest, _NUMBER)))


def compose_all(
    tried: Sequence[Tried],
    rules: Mapping[str, Rule],
    *,
    now_utc: int,
    zone: tzinfo,
    room: int,
) -> Message:
    """Make one message of notices, as it is true now.

    Args:
        tried: The notices, the most urgent first; of one alert, in their order.
        rules: All rules, by name.
        now_utc: Unix milliseconds, to tell how late what comes.
        zone: Of the times in the text.
        room: Characters (UTF-16 units) that title and text may have together.
    """
    if len(tried) == 1:
        notice, attempt = tried[0]
        rule = rules.get(notice.rule)
        return compose(notice, rule, now_utc=now_utc, zone=zone, attempt=attempt)
    units = _units(tried)
    title = _title(units)
    lines = [_line(unit, rules, now_utc, zone) for unit in units]
    left = room - _width(title) - 2
    shown = min(LINES, len(lines))
    while shown and _width(_body(lines, units, shown)) > left:
        shown -= 1
    return Message(title, _body(lines, units, shown))


def _body(lines: Sequence[str], units: Sequence[_Unit], shown: int) -> str:
    """Write so many lines, and name what there is no line for."""
    rest = units[shown:]
    if not rest:
        return "\n".join(lines)
    numbers = " ".join(each.number for unit in rest for each in unit)
    return "\n".join([*lines[:shown], f"and {len(rest)} more: `marginwatch history`: {numbers}"])


def _width(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _units(tried: Sequence[Tried]) -> list[_Unit]:
    """Put what fired and cleared into one line, at the place of its beginning."""
    units: list[_Unit] = []
    standing: dict[object, _Unit] = {}
    ended: list[_Unit] = []
    for each in tried:
        notice, alert = each.notice, (each.notice.rule, each.notice.target)
        unit = standing.get(alert)
        if unit is None or notice.kind in {"fired", "happened"}:
            unit = []
            units.append(unit)
            if notice.kind == "fired":
                standing[alert] = unit
        unit.append(each)
        if notice.kind == "resolved" and standing.pop(alert, None) is not None:
            ended.append(unit)
    whole = {id(unit) for unit in ended}
    return [
        part
        for unit in units
        for part in ([unit] if id(unit) in whole else [[one] for one in unit])
    ]


def _title(units: Sequence[_Unit]) -> str:
    """Say what is worst: that much a locked phone shows."""
    worst = max(units, key=_gravity)  # of equals the first
    first = worst[0].notice
    over = len(worst) > 1
    text = f"fired and cleared: {where(first.target)}: {first.rule}" if over else title_of(first)
    more = len(units) - 1
    return f"{text}, and {more} more" if more else text


def _gravity(unit: _Unit) -> tuple[int, Severity]:
    """Rank what stands before what gets better, and that before what is over."""
    notice = unit[-1].notice
    ends = {"resolved": 0, "eased": 1}
    return ends.get(notice.kind, 2), notice.severity


def _line(unit: _Unit, rules: Mapping[str, Rule], now_utc: int, zone: tzinfo) -> str:
    numbers = " ".join(each.number for each in unit)
    first = unit[0].notice
    parts = list(_whole(unit, now_utc, zone) if len(unit) > 1 else _one(first, now_utc, zone))
    if now_utc - first.at >= LATE_AFTER:
        parts.append(f"delivered {span(now_utc - first.at)} late")
    rule = rules.get(first.rule)
    if len(unit) == 1 and first.critical and rule is not None and rule.runbook:
        parts.append(f"what to do: {rule.runbook}")
    return f"{numbers} {' · '.join(parts)}"


def line_of(notice: Notice, now_utc: int, zone: tzinfo) -> str:
    """Say one notice in a line, with its number.

    Args:
        notice: What was told.
        now_utc: Unix milliseconds; of an instant on the same day the time alone is written.
        zone: Of the times.
    """
    return f"#{notice.number} {' · '.join(_one(notice, now_utc, zone))}"


def _whole(unit: _Unit, now_utc: int, zone: tzinfo) -> Iterator[str]:
    """Say that an alert fired and cleared."""
    fired, over = unit[0].notice, unit[-1].notice
    began, ended = (clock_after(at, now_utc, zone) for at in (fired.at, over.at))
    yield f"fired {began}, cleared {ended}"
    yield fired.rule
    yield where(fired.target)
    yield f"at worst {over.severity.word}"
    if over.reason != "recovered":
        yield reason_in_words(over)


def _one(notice: Notice, now_utc: int, zone: tzinfo) -> Iterator[str]:
    """Say one notice."""
    at = clock_after(notice.at, now_utc, zone)
    if notice.kind == "happened":
        yield f"{at} {notice.severity.word}"
        yield notice.rule
        yield headline(notice) + (f" ({notice.count} times)" if (notice.count or 1) > 1 else "")
        return
    yield f"{at} {_kind(notice)}"
    yield notice.rule
    yield where(notice.target)
    style = Style.of(notice.values)
    numbers = [phrase(name, notice.values[name], style) for name in deciding(notice)]
    if numbers:
        yield ", ".join(numbers)


def _kind(notice: Notice) -> str:
    level = notice.severity.word
    match notice.kind:
        case "escalated" | "eased":
            return f"{notice.kind} to {level}"
        case "resolved":
            was = notice.previous.word if notice.previous else level
            return f"resolved, was {was}: {reason_in_words(notice)}"
        case "reminder":
            return f"still {level}"
        case _:
            return f"{notice.kind} {level}"
