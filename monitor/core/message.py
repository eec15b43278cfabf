"""Notices → title and body, given now and a time zone; and the JSON line of a notice.

A message says what, where, the numbers that decided and how old they are, what the level was, when
it began, and its number. Formatting never fails at run time: an unknown number says so whatever the
template asks for, an absent or infinite one is "none".
"""

import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import METRICS
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Rule, Severity

LATE_AFTER = 60_000
"""Milliseconds after which a message says how late it comes."""

_SHOWN = {
    Scope.POSITION: (
        "mark_price",
        "liquidation_price",
        "liquidation_distance",
        "margin_room",
        "effective_leverage",
        "unrealized_pnl",
        "roi",
        "position_margin_ratio",
    ),
    Scope.POOL: ("margin_ratio", "margin_balance", "total_unrealized_pnl", "account_leverage"),
    Scope.ACCOUNT: ("data_age",),
}
"""The numbers that a message shows of a target, besides those of its condition."""

_HAPPENED = {
    "liquidation": "the exchange is liquidating this position",
    "adl": "the exchange is closing this position by auto-deleveraging",
    "margin_call": "margin call from the exchange",
    "stream_lost": "the user data stream is lost; changes are seen by polls only",
    "key_rejected": "the exchange rejects the API key; this account is not watched",
}

_ENDED = {
    "recovered": "recovered",
    "position_closed": "the position is closed",
    "pool_gone": "the balance and its positions are gone",
    "rule_changed": "the rule was changed",
    "rule_removed": "the rule was removed",
    "no_longer_applies": "the rule no longer applies to it",
    "account_removed": "the account was removed from the configuration",
}


class Message(NamedTuple):
    """What a channel is handed."""

    title: str
    body: str


# ---------------------------------------------------------------- values


def span(milliseconds: int) -> str:
    """Write a duration in the largest unit that suits it: 0.4 s, 48 s, 8 min, 3 h, 2 d."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def _plain(value: Decimal, unit: Unit) -> str:
    """Write a finite number for a reader, by its unit."""
    if unit is Unit.RATIO:
        return f"{value * 100:.1f} %"
    if unit is Unit.MULTIPLE:
        return f"{value:.1f}x"
    if unit is Unit.MONEY:
        return f"{value:,.2f}"
    if unit is Unit.PRICE:
        # Seven significant digits tell prices of any size apart; the wire has up to eight more.
        digits = max(0, min(8, 6 - value.adjusted())) if value else 0
        text = f"{value:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _said(value: Decimal | str | int, unit: Unit) -> str:
    if isinstance(value, str):
        return value
    if unit is Unit.DURATION:
        return span(int(value))
    number = Decimal(value)
    return _plain(number, unit) if number.is_finite() else "none"


def show(name: str, reading: Reading) -> str:
    """Write a reading for a reader, with its doubt."""
    unit = METRICS[name].unit
    if reading.grade is Grade.ABSENT:
        return "none"
    if reading.grade is Grade.UNKNOWN:
        if reading.value is None or reading.age is None:
            return "unknown"
        return f"unknown ({_said(reading.value, unit)} {span(reading.age)} ago)"
    if reading.value is None:
        return "unknown"
    text = _said(reading.value, unit)
    if reading.grade is Grade.AGED and reading.age is not None:
        return f"{text} ({span(reading.age)} ago)"
    return text


class _Template(string.Formatter):
    """Fields are names only: no attribute, no index, nothing to reach."""

    def __init__(self, notice: Notice, plain: Mapping[str, str]) -> None:
        self._notice = notice
        self._plain = plain

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        del args, kwargs
        return field_name, field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        name = str(value)
        reading = self._notice.values.get(name)
        if reading is None:
            return self._plain.get(name, "unknown")
        number = reading.value
        if format_spec and reading.grade in {Grade.FRESH, Grade.AGED} and number is not None:
            unit = METRICS[name].unit
            try:
                if unit is Unit.DURATION:
                    return format(Decimal(number) / 1000, format_spec)
                if isinstance(number, Decimal) and not number.is_finite():
                    return "none"
                return format(number, format_spec)
            except (ValueError, TypeError, ArithmeticError):
                return show(name, reading)
        return show(name, reading)


def render_template(template: str, notice: Notice) -> str:
    """Fill a rule's own message; checked when the rule was loaded, so it cannot fail here."""
    plain = {
        "rule": notice.rule,
        "severity": notice.severity.word,
        "condition": notice.condition or "",
        **notice.target._asdict(),
    }
    try:
        return _Template(notice, plain).vformat(template, (), {})
    except ValueError:  # not a template at all; a message as it was written beats none
        return template


# ---------------------------------------------------------------- messages


def compose(
    notice: Notice, rule: Rule | None, *, now_utc: int, zone: tzinfo, attempt: int = 1
) -> Message:
    """Make the text of a notice, as it is true now.

    Args:
        notice: What is to be heard.
        rule: Its rule, for its own message and runbook; None when the rule is gone.
        now_utc: Unix milliseconds, to tell how late the message comes.
        zone: Of the times in the text.
        attempt: 2 and up: this notice may have been received before.
    """
    lines = _happened(notice) if notice.kind == "happened" else _level(notice, rule)
    if rule is not None and rule.runbook:
        lines.append(rule.runbook)
    lines.append(_footer(notice, now_utc, zone, attempt))
    return Message(_title(notice), "\n".join(lines))


def _title(notice: Notice) -> str:
    what = notice.happening or notice.rule
    return f"{_flag(notice)}: {where(notice.target)}: {what.replace('_', ' ')}"


def _flag(notice: Notice) -> str:
    if notice.kind == "resolved":
        return "RESOLVED"
    if notice.kind == "eased":
        return f"eased to {notice.severity.word}"
    if notice.kind == "reminder":
        return f"still {notice.severity.word.upper()}"
    return notice.severity.word.upper()


def where(target: Target) -> str:
    """Name a target for a reader: "BTCUSDT long (main)"."""
    if target.symbol:
        hedge = "" if target.position_side in {"", "BOTH"} else " leg"
        return f"{target.symbol} {target.side}{hedge} ({target.account})"
    return f"{target.asset} ({target.account})" if target.asset else target.account


def _level(notice: Notice, rule: Rule | None) -> list[str]:
    lines = []
    if rule is not None and rule.message:
        lines.append(render_template(rule.message, notice))
    if notice.kind == "resolved":
        was = notice.previous.word if notice.previous else "firing"
        why = _ENDED.get(notice.reason or "", notice.reason or "")
        lines.append(f"{notice.rule}: {why}; was {was}, at worst {notice.severity.word}")
    else:
        lines.append(_change(notice))
    numbers = _numbers(notice, rule)
    if numbers:
        lines.append(numbers)
    if notice.data_age is not None and _is_doubtful(notice, rule):
        lines.append(f"position as of {span(notice.data_age)} ago: the data is not fresh")
    return lines


def _is_doubtful(notice: Notice, rule: Rule | None) -> bool:
    """Whether a number that decided was aged; without the rule, whether any number was."""
    levels = rule.levels if rule is not None else ()
    decided = {name for level in levels for name in level.condition.reads} or set(notice.values)
    return any(
        reading.grade is Grade.AGED for name, reading in notice.values.items() if name in decided
    )


def _change(notice: Notice) -> str:
    condition = f": {notice.condition}" if notice.condition else ""
    was = notice.previous
    if notice.kind in {"fired", "reminder"} or was is None or was is Severity.NONE:
        return f"{notice.rule} is {notice.severity.word}{condition}"
    return f"{notice.rule} went from {was.word} to {notice.severity.word}{condition}"


def _numbers(notice: Notice, rule: Rule | None) -> str:
    names: dict[str, None] = {}
    for level in rule.levels if rule is not None else ():
        names.update(dict.fromkeys(level.condition.reads))
    names.update(dict.fromkeys(_SHOWN[_scope(notice.target)]))
    parts = []
    for name in names:
        reading = notice.values.get(name)
        if reading is None or reading.grade is Grade.ABSENT:
            continue
        if METRICS[name].unit is not Unit.TEXT:
            parts.append(f"{name.replace('_', ' ')} {show(name, reading)}")
    return ", ".join(parts)


def _scope(target: Target) -> Scope:
    """Tell what kind of thing a target is."""
    if target.symbol:
        return Scope.POSITION
    return Scope.POOL if target.asset else Scope.ACCOUNT


def _happened(notice: Notice) -> list[str]:
    lines = [_HAPPENED.get(notice.happening or "", notice.happening or "")]
    if notice.count is not None and notice.count > 1:
        lines[0] += f" ({notice.count} times)"
    if notice.details:
        lines.append(", ".join(_detail(name, value) for name, value in notice.details.items()))
    return lines


def _detail(name: str, value: str) -> str:
    """Write one thing that the exchange said; a sentence needs no name before it."""
    return value if name in {"why", "message"} else f"{name.replace('_', ' ')} {value}"


def _footer(notice: Notice, now_utc: int, zone: tzinfo, attempt: int) -> str:
    parts = [f"#{notice.number}", clock(notice.at, zone)]
    if notice.since is not None and notice.since != notice.at:
        parts.append(f"since {clock(notice.since, zone)}")
    if now_utc - notice.at >= LATE_AFTER:
        parts.append(f"delivered {span(now_utc - notice.at)} late")
    if attempt > 1:
        parts.append(f"(attempt {attempt})")
    return " · ".join(parts)


def clock(at: int, zone: tzinfo) -> str:
    """Write an instant for a reader, in a time zone."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M:%S %Z").strip()


# ---------------------------------------------------------------- JSON


def instant(at: int) -> str:
    """Write an instant as RFC 3339 with milliseconds: 2026-01-02T03:04:05.678Z."""
    seconds, milliseconds = divmod(at, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}Z"


def as_json(notice: Notice, message: Message, attempt: int) -> dict[str, Any]:
    """Make the JSON object of a notice; every key is always there."""
    target = notice.target
    return {
        "id": notice.number,
        "at": instant(notice.at),
        "kind": notice.kind,
        "severity": notice.severity.word,
        "previous": notice.previous.word if notice.previous else None,
        "reason": notice.reason,
        "happening": notice.happening,
        "count": notice.count,
        "rule": notice.rule,
        "account": target.account,
        "symbol": target.symbol or None,
        "position_side": target.position_side or None,
        "side": target.side or None,
        "asset": target.asset or None,
        "since": instant(notice.since) if notice.since is not None else None,
        "data_age": _seconds(notice.data_age) if notice.data_age is not None else None,
        "attempt": attempt,
        "title": message.title,
        "body": message.body,
        "values": {name: _json_value(name, value) for name, value in notice.values.items()},
    }


def _seconds(milliseconds: int) -> float:
    """Write a duration in seconds, whole ones without a point."""
    seconds, rest = divmod(milliseconds, 1000)
    return milliseconds / 1000 if rest else seconds


def _json_value(name: str, reading: Reading) -> Any:
    if reading.grade is Grade.ABSENT:
        return "none"
    value = reading.value
    if reading.grade is Grade.UNKNOWN or value is None:
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        text = "infinite"
    elif METRICS[name].unit is Unit.DURATION:
        text = f"{Decimal(value) / 1000:f}"
    else:
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if reading.grade is Grade.AGED and reading.age is not None:
        return {"value": text, "aged_s": _seconds(reading.age)}
    return text
