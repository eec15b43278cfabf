"""Notices → title and body, given now and a time zone; and the JSON line of a notice.

A message says what, where, the numbers that decided and how old they are, what the level was, when
it began, what to do, and its number:

    CRITICAL: BTCUSDT long (main): margin-room
      margin room 19.9 %: critical, was warning (margin_room < 20%)
      liquidation distance 2.2 %, mark price 55,416.5, liquidation price 54,216.9, ...
      what to do: docs/rules/margin-room.md
      #7 · 2026-01-02 03:09:02 UTC · since 03:04:13 · numbers 0.4 s old

A rule's own message comes first, then the number that decided: that much a locked phone shows. The
title has the severity and the target first, and the last line is never cut (`notify`).
"""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.core.blindness import why
from monitor.core.formats import Style, clock, clock_after, phrase, show, span
from monitor.core.language.units import Scope, Unit
from monitor.core.lookback import metric_named, names_in
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Rule, Severity
from monitor.core.saying import headline, sentences, where
from monitor.core.template import FACTS, fields, fill

__all__ = ("Message", "as_json", "compose", "instant", "show", "span", "whole_seconds")

LATE_AFTER = 60_000
"""Milliseconds after which a message says how late it comes."""

LONGEST_TITLE = 250

_SHOWN = {
    Scope.POSITION: (
        "liquidation_distance",
        "mark_price",
        "liquidation_price",
        "margin_room",
        "effective_leverage",
        "notional",
        "unrealized_pnl",
        "roi",
        "position_margin_ratio",
    ),
    Scope.POOL: (
        "margin_ratio",
        "margin_balance",
        "maintenance_margin",
        "available_balance",
        "total_unrealized_pnl",
        "account_leverage",
    ),
    Scope.ACCOUNT: ("data_age",),
}
"""The numbers that a message shows of a target, besides those that decided."""

_SETTINGS = frozenset({"leverage", "quantity", "entry_price", "position_count", "adl"})
"""Numbers that a condition mostly narrows a rule by; others that decide are named before them."""

_ENDED = {
    "recovered": "recovered",
    "position_closed": "the position is closed",
    "pool_gone": "the balance and its positions are gone",
    "rule_changed": "the rule was changed",
    "rule_removed": "the rule was removed",
    "no_longer_applies": "the rule no longer applies to it",
    "account_removed": "the account was removed from the configuration",
}
_OF = {Scope.POSITION: "position", Scope.POOL: "balances", Scope.ACCOUNT: "account"}


class Message(NamedTuple):
    """What a channel is handed."""

    title: str
    body: str


def compose(
    notice: Notice,
    rule: Rule | None,
    *,
    now_utc: int,
    zone: tzinfo,
    attempt: int = 1,
    price_digits: int | None = None,
) -> Message:
    """Make the text of a notice, as it is true now.

    Args:
        notice: What is to be heard.
        rule: Its rule, for its own message and runbook; None when the rule is gone.
        now_utc: Unix milliseconds, to tell how late the message comes.
        zone: Of the times in the text.
        attempt: 2 and up: this notice may have been received before.
        price_digits: Digits after the point of the symbol's prices on the exchange; None where
            they are not known.
    """
    style = Style.of(notice.values, price_digits)
    lines = []
    if rule is not None and rule.message and _has_numbers_for(rule.message, notice):
        lines.append(fill(rule.message, notice, zone, style))
    if notice.kind == "happened":
        lines += sentences(notice, zone, style)
    else:
        lines += _level(notice, rule, zone, style)
    if rule is not None and rule.runbook:
        lines.append(f"what to do: {rule.runbook}")
    lines.append(_footer(notice, now_utc, zone, attempt))
    return Message(title_of(notice), "\n".join(lines))


def _has_numbers_for(template: str, notice: Notice) -> bool:
    """Tell whether a message can say what it is about; the end of a position has no numbers."""
    read = (name for name in fields(template) if name not in FACTS)
    return bool(notice.values) or all(map(_textual, read))


def _textual(name: str) -> bool:
    return metric_named(name).unit is Unit.TEXT


def title_of(notice: Notice) -> str:
    """Say in a line how bad it is, and where."""
    if notice.kind == "happened":
        text = f"{_flag(notice)}: {headline(notice)}"
    else:
        text = f"{_flag(notice)}: {where(notice.target)}: {notice.rule.replace('_', ' ')}"
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def _flag(notice: Notice) -> str:
    if notice.kind == "resolved":
        return "RESOLVED"
    if notice.kind == "eased":
        return f"eased to {notice.severity.word}"
    if notice.kind == "reminder":
        return f"still {notice.severity.word.upper()}"
    return notice.severity.word.upper()


# ---------------------------------------------------------------- levels


def _level(notice: Notice, rule: Rule | None, zone: tzinfo, style: Style) -> list[str]:
    decided = deciding(notice)
    lead = ", ".join(phrase(name, notice.values[name], style) for name in decided)
    lines = [f"{lead or notice.rule}: {_change(notice)}"]
    reasons = why(notice.details, notice.at, zone)
    if reasons:
        lines.append(f"why: {reasons}")
    others = _others(notice, rule, decided)
    numbers = [phrase(name, notice.values[name], style) for name in others]
    if numbers:
        # A position without a liquidation price has no distance from it: that is said once.
        lines.append(", ".join(text for text in dict.fromkeys(numbers) if text not in lead))
    if notice.data_age is not None and _is_doubtful(notice):
        whose = _OF[_scope(notice.target)]
        lines.append(f"{whose} as of {span(notice.data_age)} ago: the data is not fresh")
    return lines


def deciding(notice: Notice) -> list[str]:
    """Name the numbers that the condition of this level reads, the telling ones first."""
    words = dict.fromkeys(names_in(notice.condition or ""))
    read = [name for name in words if not _textual(name)]
    shown = [name for name in read if _is_worth_saying(name, notice)]
    return sorted(shown, key=lambda name: name in _SETTINGS)


def _is_worth_saying(name: str, notice: Notice) -> bool:
    reading = notice.values.get(name)
    return reading is not None and (
        reading.grade is not Grade.ABSENT or name == "liquidation_price"
    )


def _others(notice: Notice, rule: Rule | None, decided: list[str]) -> list[str]:
    """Name the other numbers of the target: those of the rule's other levels, then the usual."""
    names: dict[str, None] = {}
    for level in rule.levels if rule is not None else ():
        names.update(dict.fromkeys(level.condition.reads))
    names.update(dict.fromkeys(_SHOWN[_scope(notice.target)]))
    return [
        name
        for name in names
        if name not in decided and not _textual(name) and _is_worth_saying(name, notice)
    ]


def _is_doubtful(notice: Notice) -> bool:
    """Whether a number that decided was aged; where that is not known, whether any was."""
    decided = [notice.values[name] for name in deciding(notice) or notice.values]
    return any(each.grade is Grade.AGED and each.age is not None for each in decided)


def _change(notice: Notice) -> str:
    """Say how the level changed, and by which condition."""
    if notice.kind == "resolved":
        return _end(notice)
    level, was = notice.severity.word, notice.previous or Severity.NONE
    cause = _cause(notice)
    behind = f" ({cause})" if cause else ""
    if notice.kind == "reminder":
        return f"still {level}{_after(notice)}{behind}"
    return f"{level}, was {was.word}{behind}" if was is not Severity.NONE else f"{level}{behind}"


def _cause(notice: Notice) -> str:
    """Say what made the level what it is."""
    if notice.kind != "eased":
        return notice.condition or ""
    # The condition is that of the level that ended.
    lapsed = notice.reason == "recovered" and notice.condition
    return f"no longer {notice.condition}" if lapsed else reason_in_words(notice)


def _end(notice: Notice) -> str:
    was = notice.previous.word if notice.previous else "firing"
    worst = "" if notice.severity.word == was else f", at worst {notice.severity.word}"
    return f"{reason_in_words(notice)}{_after(notice)}; was {was}{worst}"


def reason_in_words(notice: Notice) -> str:
    """Say why a level fell, or ended."""
    return _ENDED.get(notice.reason or "", notice.reason or "")


def _after(notice: Notice) -> str:
    """Say how long the alert has stood, or stood."""
    if notice.since is None or notice.since >= notice.at:
        return ""
    return f" after {span(notice.at - notice.since)}"


def _scope(target: Target) -> Scope:
    """Tell what kind of thing a target is."""
    if target.symbol:
        return Scope.POSITION
    return Scope.POOL if target.asset else Scope.ACCOUNT


def _footer(notice: Notice, now_utc: int, zone: tzinfo, attempt: int) -> str:
    parts = [f"#{notice.number}", clock(notice.at, zone)]
    if notice.since is not None and notice.since != notice.at:
        parts.append(f"since {clock_after(notice.since, notice.at, zone)}")
    if notice.data_age is not None and not _is_doubtful(notice):
        parts.append(f"numbers {span(notice.data_age)} old")
    if now_utc - notice.at >= LATE_AFTER:
        parts.append(f"delivered {span(now_utc - notice.at)} late")
    if attempt > 1:
        parts.append(f"(attempt {attempt})")
    return " · ".join(parts)


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
        "account": target.account or None,
        "symbol": target.symbol or None,
        "position_side": target.position_side or None,
        "side": target.side or None,
        "asset": target.asset or None,
        "since": instant(notice.since) if notice.since is not None else None,
        "data_age": whole_seconds(notice.data_age) if notice.data_age is not None else None,
        "attempt": attempt,
        "title": message.title,
        "body": message.body,
        "values": {name: json_value(name, value) for name, value in notice.values.items()},
    }


def whole_seconds(milliseconds: int) -> float:
    """Write a duration in seconds, whole ones without a point."""
    seconds, rest = divmod(milliseconds, 1000)
    return milliseconds / 1000 if rest else seconds


def json_value(name: str, reading: Reading) -> Any:
    """Word a reading for JSON: docs/reference/json.md."""
    if reading.grade is Grade.ABSENT:
        return "none"
    value = reading.value
    if reading.grade is Grade.UNKNOWN or value is None:
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        text = "infinite"
    elif metric_named(name).unit is Unit.DURATION:
        text = f"{Decimal(value) / 1000:f}"
    else:
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if reading.grade is Grade.AGED and reading.age is not None:
        return {"value": text, "aged_s": whole_seconds(reading.age)}
    return text
