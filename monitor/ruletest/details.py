"""What a `[[test.happening]]` may say of what happened, kind by kind, and which values are right.

Details stand in the message as the exchange's words would; what is wrong here would be a message
that no exchange could cause.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.ruletest.names import symbol_fault
from monitor.ruletest.stage import EPOCH
from monitor.toml_positions.values import Wrong, meant, milliseconds, shown

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_MARGIN_TYPES = ("cross", "isolated")
_HIGHEST_LEVERAGE = 1000


class _Amount(NamedTuple):
    """A number, and how it may lie to 0."""

    above: bool = False
    """It is above 0."""
    negative: bool = False
    """It may be below 0."""


_PRICE = _SIZE = _Amount(above=True)
_SIGNED = _Amount(negative=True)

_Kind = _Amount | str
"""A number, or the name of a reader below."""

DETAILS: dict[str, dict[str, _Kind]] = {
    "liquidation": {"quantity": _SIZE, "price": _PRICE, "order_id": "whole"},
    "adl": {"quantity": _SIZE, "price": _PRICE, "order_id": "whole"},
    "margin_call": {
        "quantity": _SIGNED,
        "mark_price": _PRICE,
        "unrealized_pnl": _SIGNED,
        "maintenance_margin": _Amount(),
    },
    "position_opened": {"quantity": _SIZE, "entry_price": _PRICE},
    "position_closed": {"quantity": _SIZE, "entry_price": _PRICE},
    "leverage_changed": {"leverage": "leverage", "before": "leverage"},
    "margin_type_changed": {"margin_type": "margin_type", "before": "margin_type"},
    "deposit": {"amount": _SIZE, "wallet": _SIGNED},
    "withdrawal": {"amount": _SIZE, "wallet": _SIGNED},
    "funding": {"amount": _SIGNED, "wallet": _SIGNED, "symbol": "symbol"},
    "stream_lost": {"why": "text"},
    "key_rejected": {"code": "code", "message": "text"},
    "banned": {"until": "instant", "message": "text"},
}
"""What else may be said of each kind; it stands in the message."""


def detail(kind: str, name: str, value: object) -> str | Wrong:
    """Read one detail: as text, the way the exchange's own would be kept.

    Args:
        kind: Of happening.
        name: Of the detail.
        value: What tomli made of it.
    """
    wanted = DETAILS[kind][name]
    if kind == "withdrawal" and name == "amount":  # the exchange writes it with its sign
        found = _amount(name, _SIGNED, value)
        value = value if isinstance(found, Wrong) else found.removeprefix("-")
    if isinstance(wanted, _Amount):
        return _amount(name, wanted, value)
    return _READERS[wanted](name, value)


def contradiction(kind: str, details: dict[str, str]) -> Wrong | None:
    """Tell what is wrong with the details of a change together: one to what was there before."""
    name = kind.removesuffix("_changed")
    after, before = details.get(name), details.get("before")
    if name == kind or after is None or after != before:
        return None
    return Wrong(f"a {name.replace('_', ' ')} of {after} that was {before} is no change")


# ---------------------------------------------------------------- one value


def _text_of(value: object) -> str | None:
    """Write a text or a number of TOML as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value.strip() if isinstance(value, str) else f"{Decimal(str(value)):f}"


def _amount(name: str, wanted: _Amount, value: object) -> str | Wrong:
    text = _text_of(value)
    if text is None or not _NUMBER.fullmatch(text):
        bare = (text or "").replace(",", "").replace("_", "").split(" ")[0]
        hint = f'did you mean "{bare}"?' if _NUMBER.fullmatch(bare) else 'write one like "0.1"'
        return Wrong(f"{shown(value)} is no number", hint)
    number = Decimal(text)
    if wanted.above and number <= 0:
        better = text.lstrip("+-")
        hint = f'did you mean "{better}"?' if number else 'write one like "0.1"'
        return Wrong(f"`{name}` is above 0, never {text}", hint)
    if not wanted.negative and number < 0:
        return Wrong(f"`{name}` is never negative", f'did you mean "{text[1:]}"?')
    return text.removeprefix("+")


def _whole(name: str, value: object) -> str | Wrong:
    text = _text_of(value)
    if text is None or not re.fullmatch(r"[0-9]{1,20}", text):
        return Wrong(f"{shown(value)} is no {name.replace('_', ' ')}", "write a whole number")
    return text


def _code(_name: str, value: object) -> str | Wrong:
    text = _text_of(value)
    if text is None or not re.fullmatch(r"-?[0-9]{1,6}", text):
        return Wrong(f"{shown(value)} is no code of the exchange", "write one like -2015")
    return text


def _leverage(_name: str, value: object) -> str | Wrong:
    text = (_text_of(value) or "").removesuffix("x")
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 0 < int(text) <= _HIGHEST_LEVERAGE:
        return Wrong(f"{shown(value)} is no leverage", 'write a whole number, like "20"')
    return text


def _margin_type(_name: str, value: object) -> str | Wrong:
    if value in _MARGIN_TYPES:
        return str(value)
    hint = meant(str(value), _MARGIN_TYPES).replace("`", '"') or 'write "cross" or "isolated"'
    return Wrong(f"there is no margin type {shown(value)}", hint)


def _symbol(_name: str, value: object) -> str | Wrong:
    if not isinstance(value, str) or not value:
        return Wrong(f"{shown(value)} is no symbol", 'write one like "BTCUSDT"')
    return symbol_fault(value) or value


def _text(_name: str, value: object) -> str | Wrong:
    if not isinstance(value, str) or not value.strip():
        return Wrong(f"{shown(value)} says nothing", "write what the exchange says, in quotes")
    return value


def _instant(_name: str, value: object) -> str | Wrong:
    """Read an instant: unix milliseconds, a date with its offset, or so long after 0s."""
    hint = 'write unix milliseconds, a date with its offset, or "10m" for so long after 0s'
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(round(value.timestamp() * 1000))
    text = _text_of(value) or ""
    if re.fullmatch(r"[0-9]{12,14}", text):
        return text
    after = milliseconds(value)
    return (
        Wrong(f"{shown(value)} is no instant", hint)
        if isinstance(after, Wrong)
        else str(EPOCH + after)
    )


_READERS = {
    "whole": _whole,
    "code": _code,
    "leverage": _leverage,
    "margin_type": _margin_type,
    "symbol": _symbol,
    "text": _text,
    "instant": _instant,
}
