"""How numbers are written (`5`, `0.5%`, `10x`, `1h30m`), and what a wrong one was meant to be."""

import re
from decimal import Decimal
from typing import Final

from monitor.core.language.units import Unit

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_FORM: Final = re.compile(rf"(?P<digits>{_NUMBER})(?P<suffix>[%x]?)")
_DURATION: Final = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h|d))+")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

_SUFFIXES: Final = {"": Unit.NUMBER, "%": Unit.RATIO, "x": Unit.MULTIPLE}

# What people write behind a number -> what we write.
_OTHER_SUFFIXES: Final = {
    "": "",
    **dict.fromkeys(("%", "percent", "percents", "pct", "pc"), "%"),
    **dict.fromkeys(("x", "times", "fold"), "x"),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("usd", "usdt", "usdc", "btc", "eth", "bnb"), ""),
}
_THOUSANDS: Final = {"k": 3, "mio": 6, "mn": 6, "mln": 6, "million": 6}
_EXPONENT: Final = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)[eE]([+-]?[0-9]{1,2})([%x]?)")


def read_number(lexeme: str) -> tuple[Decimal | int, Unit] | None:
    """Read a number with its unit, exactly; None where it is not written as we write them.

    Returns:
        The value (durations: whole milliseconds) and its unit.
    """
    if match := _FORM.fullmatch(lexeme):
        # No arithmetic: Decimal would round to 28 digits.
        exponent = "E-2" if match["suffix"] == "%" else ""
        return Decimal(match["digits"] + exponent), _SUFFIXES[match["suffix"]]
    if _DURATION.fullmatch(lexeme):
        parts = _DURATION_PART.findall(lexeme)
        whole = sum(_milliseconds(digits, unit) for digits, unit in parts)
        if whole == int(whole):
            return int(whole), Unit.DURATION
    return None


def _milliseconds(digits: str, unit: str) -> Decimal:
    # Scaled as an integer and brought back, so that no number of digits is rounded away.
    before, _, after = digits.partition(".")
    scaled = int(before + after) * _MILLISECONDS[unit]
    return Decimal(f"{scaled}E-{len(after)}")


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def mended(lexeme: str) -> str:
    """Guess what was meant by a number that is not written as we write them; "" if no idea."""
    guess = lexeme.replace("_", "").rstrip(".")
    guess = "0" + guess if guess.startswith(".") else guess
    if match := _EXPONENT.fullmatch(guess):
        return plain(Decimal(f"{match[1]}E{match[2]}")) + match[3]
    match = re.fullmatch(rf"({_NUMBER})([A-Za-z%]*)", guess)
    if match is None:
        return guess.lower() if read_number(guess.lower()) else ""
    digits, suffix = match[1], match[2].lower()
    if suffix in _THOUSANDS:
        return plain(Decimal(f"{digits}E{_THOUSANDS[suffix]}"))
    if suffix in _OTHER_SUFFIXES and read_number(digits + _OTHER_SUFFIXES[suffix]):
        return digits + _OTHER_SUFFIXES[suffix]
    return ""


def is_suffix(name: str) -> bool:
    """Tell whether a name that follows a number was meant to be its unit."""
    return name.lower() in _OTHER_SUFFIXES or name.lower() in _THOUSANDS
