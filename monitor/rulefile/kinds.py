"""The kinds of value that rules alone have: a dead band, globs over symbols and accounts, channels.

Each gives what is wrong with a value and a way out, as `toml_positions.values` does.
"""

import re
from decimal import Decimal

from monitor.core.language.globs import is_glob
from monitor.core.language.literals import plain
from monitor.core.template import FACTS
from monitor.toml_positions.values import Wrong, glob_fault, meant, shown

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_SEPARATORS = re.compile(r"\s*[,;|]\s*")
_FOREIGN = re.compile(r"[\s,;|(){}^$\"'\\=<>@#~`]")
"""What stands in no symbol and in no name of an account."""

FOREIGN_KEYS = {
    **dict.fromkeys(("alert", "alertname", "title", "id"), "`name`"),
    **dict.fromkeys(
        ("expr", "expression", "condition", "conditions", "if", "when", "query", "threshold"),
        "`info`, `warning` or `critical`, each with a condition",
    ),
    **dict.fromkeys(
        ("annotations", "description", "summary", "text", "template", "body"), "`message`"
    ),
    **dict.fromkeys(("runbook_url", "url", "link", "docs"), "`runbook`"),
    **dict.fromkeys(("level", "priority", "labels"), "`info`, `warning` or `critical`"),
    **dict.fromkeys(("delay", "pending", "after", "duration", "hold"), "`for`"),
    **dict.fromkeys(("symbol", "pairs", "pair", "instruments", "markets"), "`symbols`"),
    **dict.fromkeys(("channel", "receiver", "receivers", "notify", "send_to"), "`channels`"),
    **dict.fromkeys(("repeat_interval", "reminder", "remind", "every", "interval"), "`repeat`"),
    **dict.fromkeys(("event", "events", "happening", "happenings"), "`on`"),
    **dict.fromkeys(("deadband", "dead_band", "tolerance"), "`hysteresis`"),
}
"""What other programs call the keys of a rule, or what one might."""


def dead_band(value: object) -> Decimal | Wrong:
    """Read a percentage below 100: 0.1 is "10%"."""
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if found is not None and Decimal(found[1]) < 100:
        return Decimal(found[1]) / 100
    if isinstance(value, dict):
        return Wrong("a dead band is the same for all levels", 'write one like "10%"')
    text = re.sub(r"\s|per ?cent$", "", str(value).replace(",", ".").lower()).rstrip("%") + "%"
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text)
    if number is None or isinstance(value, bool):
        return Wrong(f"{shown(value)} is no percentage", 'write one like "10%"')
    if "%" not in str(value) and 0 < Decimal(number[1]) < 1:
        text = f"{plain(Decimal(number[1]) * 100)}%"
    if Decimal(text[:-1]) >= 100:
        return Wrong("a dead band of 100% or more never lets go", "stay below 100%")
    hint = f'did you mean "{text}"?' if _PERCENTAGE.fullmatch(text) else 'write one like "10%"'
    return Wrong(f"{shown(value)} is no percentage", hint)


def pattern_fault(pattern: str, noun: str) -> Wrong | None:
    """Tell what is wrong with a glob over symbols or accounts.

    Args:
        pattern: As it is written, perhaps with a `!` in front.
        noun: "symbol" or "account".
    """
    wrong = glob_fault(pattern)
    if wrong is not None:
        return wrong
    found = _FOREIGN.search(pattern)
    if found is None and not pattern.isprintable():
        return Wrong(f"{shown(pattern)} holds a character that nobody can see", "write it anew")
    if found is None:
        return _odd_name(pattern) if noun == "account" else None
    several = [part for part in _SEPARATORS.split(pattern) if part]
    if len(several) > 1 and not any(_FOREIGN.search(part) for part in several):
        hint = f"write each by itself: [{', '.join(shown(part) for part in several)}]"
        return Wrong(f"{shown(pattern)} is several globs in one", hint)
    mark = "a blank" if found[0].isspace() else found[0]
    better = _FOREIGN.sub("", pattern)
    hint = f'did you mean "{better}"?' if better.strip("!*") else 'write one like "BTC*"'
    if found[0] in "{(":
        hint = "write each as an element of its own"
    return Wrong(f"no {noun} has {mark} in it", hint)


def _odd_name(pattern: str) -> Wrong | None:
    """Tell of a glob over accounts that can be fitted by no name that an account may have."""
    if pattern.isascii() or "[" in pattern:
        return None
    hint = "names of accounts are made of a to z, digits, dashes, dots and underscores"
    return Wrong(f"{shown(pattern)} matches no account", hint)


def channel_fault(name: str, before: list[str], known: frozenset[str] | None) -> Wrong | None:
    """Tell what is wrong with the name of a channel.

    Args:
        name: As it is written.
        before: The names before it in its list.
        known: The channels of the configuration; None where that is not known.
    """
    if not name.strip():
        return Wrong("a channel without a name", 'write the `name` of a [[channel]], like "phone"')
    if name in before:
        return Wrong(f"{shown(name)} stands here twice", "leave one of them out")
    if known is not None and name not in known:
        there_are = f"the configuration has {', '.join(sorted(known))}" if known else ""
        return Wrong(f"no channel is called {shown(name)}", meant(name, known) or there_are)
    if is_glob(name) or name.startswith("!"):
        hint = "name each; to mean all of them, leave the key out"
        return Wrong(f"{shown(name)} is a glob, and channels are named", hint)
    return None


def facts() -> str:
    """List what a message about happenings may hold."""
    return "there are " + ", ".join(f"{{{name}}}" for name in FACTS)
