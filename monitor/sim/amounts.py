"""Decimals and JSON as the wire spells them, and durations.

Money, prices and rates are `Decimal` throughout; nothing here or above passes through `float`.
"""

import json
import re
from decimal import ROUND_DOWN, Decimal

ZERO = Decimal(0)
_EIGHTH = Decimal("0.00000001")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def quantised(number: Decimal) -> Decimal:
    """Round to the eight decimals of the wire."""
    return number.quantize(_EIGHTH)


def compact(payload: object) -> str:
    """Spell JSON as the exchange does: no blanks, other scripts as they are."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


def cut_to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Cut a price down to a multiple of the symbol's tick; never below one tick."""
    return max((price / tick).quantize(Decimal(1), rounding=ROUND_DOWN) * tick, tick)


def money(number: Decimal) -> str:
    """Spell with exactly eight decimals: `23.72469206`."""
    return format(quantised(number) + ZERO, "f").replace("-0.00000000", "0.00000000")


def plain(number: Decimal) -> str:
    """Spell with no more than eight decimals and no trailing zeros: `0.1`, `0`, `291`."""
    text = money(number).rstrip("0").rstrip(".")
    return text or "0"


def parse_duration(text: str) -> int:
    """Read a duration such as `250ms`, `5m` or `1h30m`.

    Returns:
        Milliseconds.

    Raises:
        ValueError: The text is no duration; the message says how one is written.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f'`{text}` is not a duration; write a number and a unit, like "5m"')
    return int(sum(Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
