"""Numbers, durations and instants as a trader reads them.

No number has an exponent, and none is "-0": what rounds to nothing has no sign. Two manners. `show`
is for templates: docs/semantics.md §6, so that whatever has no value is "none". `phrase` is for our
own sentences, where the number's name stands before it, and where an infinite ratio must not look
like an empty field: it says what it is infinite for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from monitor.core.language.history import duration
from monitor.core.language.units import Scope, Unit
from monitor.core.lookback import metric_named
from monitor.core.notices import Grade, Reading

_FINEST = 8
"""Digits after the point that prices have on the wire at most."""

_SIGNIFICANT = 6
"""Digits of a price where the exchange's own are not known; they tell prices of any size apart."""

_SIGNED = frozenset({"unrealized_pnl", "total_unrealized_pnl", "roi"})
"""Gains and losses: a gain has its sign, too."""

_LABELS = {
    "unrealized_pnl": "unrealized PnL",
    "total_unrealized_pnl": "total unrealized PnL",
    "roi": "ROI",
    "adl": "ADL place",
}

_LOOKING_BACK = {
    "change": "change of {}",
    "highest": "highest {}",
    "lowest": "lowest {}",
    "average": "average {}",
    "drop": "drop of {}",
}

_NO_PRICE = "no liquidation price"

_INFINITE = {
    "margin_ratio": ("above 100 %", "no margin balance left"),
    "position_margin_ratio": ("above 100 %", "no margin balance left"),
    "effective_leverage": ("beyond any number", "no margin balance left"),
    "account_leverage": ("beyond any number", "no equity left"),
    "liquidation_distance": ("beyond any number", _NO_PRICE),
}
"""What it means that a number is infinite, and why; "none" would read like all is well."""

_UNTYPED = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?[0-9]*[,_]?(?:\.[0-9]+)?", re.DOTALL)
"""A format that says nothing of the kind of writing: no f, e, g or %."""


@dataclass(frozen=True, slots=True)
class Style:
    """What the numbers of one message have in common."""

    asset: str = ""
    """Of the money of its target; "" where that is not known."""
    scope: Scope = Scope.ANY
    """What kind of thing its target is."""
    price_digits: int | None = None
    """Digits after the point of the symbol's prices on the exchange; None where not known."""
    reference: Decimal | None = None
    """A price of the same size as the others, such as the mark."""

    @classmethod
    def of(cls, values: Mapping[str, Reading], price_digits: int | None = None) -> "Style":
        """Take the style from the numbers of a notice."""
        asset, mark = (values.get(name, _NOTHING).value for name in ("asset", "mark_price"))
        return cls(
            asset if isinstance(asset, str) else "",
            Scope.POSITION if "symbol" in values else Scope.POOL,
            price_digits,
            mark if isinstance(mark, Decimal) and mark.is_finite() and mark else None,
        )


_NOTHING = Reading(Grade.ABSENT)
PLAIN = Style()


# ---------------------------------------------------------------- values


def span(milliseconds: int) -> str:
    """Write a duration in the largest unit that suits it: 0.4 s, 48 s, 8 min, 3 h, 2 d."""
    seconds = milliseconds / 1000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def formatted(value: Decimal, spec: str) -> str:
    """Write a finite number in a format of `str.format`, as somebody who reads prices means it.

    Where the format does not ask for an exponent there is none, and `.2` is two digits after the
    point, as with `f`.

    Raises:
        ValueError: It is no format of numbers.
    """
    if _UNTYPED.fullmatch(spec):
        spec += "f"
    text = format(value, spec)
    return format(abs(value), spec) if value.is_signed() and not _tells(text) else text


def _tells(text: str) -> bool:
    """Tell whether a number that was written is any other than 0."""
    return any(digit in text for digit in "123456789")


def _fixed(value: Decimal, digits: int) -> str:
    return formatted(value, f",.{digits}f")


def amount(value: Decimal) -> str:
    """Write a number with all its digits, but no zeros at their end: 1,000.5."""
    text = formatted(value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal, style: Style = PLAIN) -> str:
    """Write a price with as many digits as the exchange has, else with six significant ones."""
    if style.price_digits is not None:
        text = _fixed(value, style.price_digits)
        # Between 0 and the least price: a liquidation price may be there, and "0.00" is none.
        return text if _tells(text) or not value else _two_significant(value)
    size = style.reference or value
    digits = max(0, min(_FINEST, _SIGNIFICANT - 1 - size.adjusted())) if size else 0
    # Other prices than the mark may be far below it: never fewer digits than tell them from 0.
    if value and value.adjusted() < -digits:
        digits = min(_FINEST, _SIGNIFICANT - 1 - value.adjusted())
    return _trimmed(value, digits)


def _trimmed(value: Decimal, digits: int) -> str:
    """Write a number with so many digits after the point at most."""
    return amount(Decimal(f"{value:.{digits}f}"))


def money(value: Decimal, asset: str = "", *, signed: bool = False) -> str:
    """Write an amount of money: two digits after the point, more where the asset is dear."""
    dollars = not asset or "USD" in asset
    if value and abs(value) < Decimal("0.01"):
        text = _two_significant(value)
    elif dollars or abs(value) >= 1000:
        text = _fixed(value, 2)
    else:
        text = _trimmed(value, 6)
    return _with_sign(text) if signed else text


def _two_significant(value: Decimal) -> str:
    return _fixed(value, min(_FINEST, 1 - value.adjusted()))


def _with_sign(text: str) -> str:
    """Put the sign before a gain; a loss has its own, and what is written as 0 has none."""
    return f"+{text}" if _tells(text) and not text.startswith("-") else text


def ratio(value: Decimal, *, signed: bool = False) -> str:
    """Write a ratio in per cent; small ones with so many digits that they are not 0.0 %."""
    share = value * 100
    text = _fixed(share, 1)
    if share and abs(share) < Decimal("0.1"):
        small = _two_significant(share)
        text = small if _tells(small) else text
    return f"{_with_sign(text) if signed else text} %"


def _multiple(value: Decimal) -> str:
    small = value and abs(value) < Decimal("0.1")
    return f"{_two_significant(value) if small else _fixed(value, 1)}x"


def _is_signed(name: str) -> bool:
    """Tell whether a number is a gain or loss."""
    history = metric_named(name).history
    if history is None:
        return name in _SIGNED
    return history.function == "change" or (
        history.function != "drop" and history.metric in _SIGNED
    )


def _finite(name: str, value: Decimal, style: Style) -> str:
    unit, signed = metric_named(name).unit, _is_signed(name)
    if unit is Unit.RATIO:
        return ratio(value, signed=signed)
    if unit is Unit.MULTIPLE:
        return f"{amount(value)}x" if name == "leverage" else _multiple(value)
    if unit is Unit.MONEY:
        return money(value, style.asset, signed=signed)
    if unit is Unit.PRICE:
        return price(value, style)
    return _trimmed(value, _FINEST)


def _said(name: str, value: Decimal | str | int, style: Style) -> str:
    """Write a value; an infinite one is "none"."""
    if isinstance(value, str):
        return value
    if metric_named(name).unit is Unit.DURATION:
        return span(int(value))
    number = Decimal(value)
    return _finite(name, number, style) if number.is_finite() else "none"


def show(name: str, reading: Reading, style: Style = PLAIN) -> str:
    """Write a reading as templates do, with its doubt: docs/semantics.md §6."""
    if reading.grade is Grade.ABSENT:
        return "none"
    if reading.value is None:
        return "unknown"
    return _doubted(_said(name, reading.value, style), reading)


def in_cell(name: str, reading: Reading, style: Style) -> str:
    """Write a reading as templates do; but a ratio without a balance below it is not "none"."""
    text = show(name, reading, style)
    infinite = reading.value == Decimal("Infinity") and reading.grade is not Grade.ABSENT
    return text.replace("none", "> 100 %") if infinite and name.endswith("ratio") else text


def _doubted(text: str, reading: Reading) -> str:
    if reading.grade is Grade.UNKNOWN:
        return "unknown" if reading.age is None else f"unknown ({text} {span(reading.age)} ago)"
    if reading.grade is Grade.AGED and reading.age is not None:
        return f"{text} ({span(reading.age)} ago)"
    return text


# ---------------------------------------------------------------- names and values


def label(name: str) -> str:
    """Name a metric for a reader."""
    history = metric_named(name).history
    if history is not None:
        words = _LOOKING_BACK[history.function]
        return f"{words.format(label(history.metric))} in {duration(history.span)}"
    return _LABELS.get(name, name.replace("_", " "))


def phrase(name: str, reading: Reading, style: Style = PLAIN) -> str:
    """Write a metric's name and value as they stand in our own sentences."""
    value = reading.value
    no_price = reading.grade is Grade.ABSENT and name == "liquidation_price"
    if no_price or (name == "liquidation_distance" and value == Decimal("Infinity")):
        return _doubted(_NO_PRICE, reading)
    if reading.grade is Grade.ABSENT or value is None:
        return f"{label(name)} {show(name, reading)}"
    if name == "stale_for" and not value:
        return "fresh again"
    if isinstance(value, Decimal) and value.is_infinite():
        text = _infinite(name, value)
    else:
        text = f"{_said(name, value, style)}{_behind(name, value, style)}"
    if reading.grade is Grade.AGED and reading.age is None and metric_named(name).history:
        text += " (not all of it seen)"
    return f"{label(name)} {_doubted(text, reading)}"


def _infinite(name: str, value: Decimal) -> str:
    """Say what an infinite value means; of the past, what it was at some time."""
    history = metric_named(name).history
    if history is None:
        return ", ".join(_INFINITE.get(name, ("none",)))
    if history.function == "change":
        return f"{'up' if value > 0 else 'down'} beyond any number"
    return _INFINITE.get(history.metric, ("none",))[0]


def _behind(name: str, value: Decimal | str | int, style: Style) -> str:
    """Say what stands behind a value: its unit, or what it comes to."""
    if metric_named(name).unit is Unit.MONEY:
        # A position's message may name its pool's money too: in multi-assets mode that is USD.
        own = metric_named(name).scope is style.scope
        return f" {style.asset}" if style.asset and own else ""
    if name == "liquidation_distance" and isinstance(value, Decimal) and value <= 0:
        return ", at or beyond the liquidation price"
    if name == "margin_room" and value == 0:
        return ", nothing is left"
    return " of 4" if name == "adl" else ""


# ---------------------------------------------------------------- instants


def clock(at: int, zone: tzinfo) -> str:
    """Write an instant for a reader: 2026-01-02 04:00:20 CET (UTC+1)."""
    moment = datetime.fromtimestamp(at / 1000, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S} {zone_name(moment)}"


def clock_after(at: int, before: int, zone: tzinfo) -> str:
    """Write an instant beside a later one that is written in full: the time alone on that day."""
    moment, other = (datetime.fromtimestamp(each / 1000, zone) for each in (at, before))
    if moment.date() == other.date() and moment.utcoffset() == other.utcoffset():
        return f"{moment:%H:%M:%S}"
    return clock(at, zone)


def zone_name(moment: datetime) -> str:
    """Name the zone with its offset; abbreviations alone mean several things."""
    offset = moment.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    text = f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02d}" if rest else "")
    name = moment.tzname() or ""
    if not minutes and name in {"", "UTC"}:
        return "UTC"
    # Zones without an abbreviation of their own are called by their offset already: "+03".
    return f"{name} ({text})" if name[:1].isalpha() and not name.startswith("UTC") else text
