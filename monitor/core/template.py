"""A rule's own message, filled in: `str.format` without what could reach further than a value.

A field is the name of a metric or of a fact of the notice; no attributes, no indices, no
conversions. `rulefile.template` checks a message when it is loaded, by formatting each of its
fields with every kind of number (`try_out`); so filling it in cannot fail later, and where a
message comes from elsewhere all the same, what cannot be formatted is shown without its format.
"""

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from monitor.core.formats import PLAIN, Style, clock, formatted, show
from monitor.core.language.units import Unit
from monitor.core.lookback import metric_named
from monitor.core.notices import Grade, Notice, Reading

FACTS: dict[str, Callable[[Notice, tzinfo], str]] = {
    "account": lambda notice, _: notice.target.account,
    "symbol": lambda notice, _: notice.target.symbol,
    "side": lambda notice, _: notice.target.side,
    "position_side": lambda notice, _: notice.target.position_side,
    "asset": lambda notice, _: notice.target.asset,
    "rule": lambda notice, _: notice.rule,
    "kind": lambda notice, _: notice.kind,
    "severity": lambda notice, _: notice.severity.word,
    "previous": lambda notice, _: "none" if notice.previous is None else notice.previous.word,
    "reason": lambda notice, _: notice.reason or "none",
    "happening": lambda notice, _: notice.happening or "none",
    "condition": lambda notice, _: notice.condition or "",
    "at": lambda notice, zone: clock(notice.at, zone),
    "since": lambda notice, zone: "none" if notice.since is None else clock(notice.since, zone),
    "number": lambda notice, _: str(notice.number),
}
"""Fields that every message may use, whatever its rule is about; all are text."""

_GRADES = ((Grade.FRESH, 400), (Grade.AGED, 48_000), (Grade.UNKNOWN, 700_000))
_SIZES = ("0", "-0", "12.34", "-0.00001234", "1E-8", "123456789.125", "-1E+9", "Infinity")
_SPANS = (0, 400, 48_000, 10**10)
_NUMBERS = tuple(Reading(grade, Decimal(size), age) for size in _SIZES for grade, age in _GRADES)
_DURATIONS = tuple(Reading(Grade.FRESH, each) for each in _SPANS)
_VALUELESS = (Reading(Grade.UNKNOWN), Reading(Grade.ABSENT))


class _Filling(string.Formatter):
    """Fields are names only: no attribute, no index, nothing to reach."""

    def __init__(self, notice: Notice, zone: tzinfo, style: Style) -> None:
        self._notice = notice
        self._zone = zone
        self._style = style

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        del args, kwargs
        return field_name, field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        name = str(value)
        reading = self._notice.values.get(name)
        try:
            if reading is not None:
                return _formatted(name, reading, format_spec, self._style)
            if name in FACTS:
                return format(FACTS[name](self._notice, self._zone), format_spec)
        except (ValueError, TypeError, ArithmeticError):  # not a message that was checked
            return self.format_field(value, "")
        return "unknown"


def _formatted(name: str, reading: Reading, spec: str, style: Style) -> str:
    """Write a reading in a format; what has no value says so whatever the format asks."""
    number = reading.value
    if not spec or number is None or reading.grade not in {Grade.FRESH, Grade.AGED}:
        return show(name, reading, style)
    if metric_named(name).unit is Unit.DURATION:
        return formatted(Decimal(number) / 1000, spec)
    if not isinstance(number, Decimal):
        return format(number, spec)
    return formatted(number, spec) if number.is_finite() else "none"


def fill(template: str, notice: Notice, zone: tzinfo, style: Style = PLAIN) -> str:
    """Fill a message with what a notice says; never fails."""
    try:
        return _Filling(notice, zone, style).vformat(template, (), {})
    except ValueError:  # not a template at all; a message as it was written beats none
        return template


def fields(template: str) -> Iterator[str]:
    """List the names in a message, in order; none of one that is no template."""
    try:
        found = [name for _, name, _, _ in string.Formatter().parse(template)]
    except ValueError:
        found = []
    yield from filter(None, found)


def try_out(name: str, spec: str) -> None:
    """Format a field with everything that it may ever hold.

    Raises:
        ValueError: This format does not suit it; also TypeError and ArithmeticError.
    """
    unit = Unit.TEXT if name in FACTS else metric_named(name).unit
    if unit is Unit.TEXT:
        for text in ("", "BTCUSDT"):
            format(text, spec)
        return
    for reading in (*(_DURATIONS if unit is Unit.DURATION else _NUMBERS), *_VALUELESS):
        _formatted(name, reading, spec, PLAIN)
