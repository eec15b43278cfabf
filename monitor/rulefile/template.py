"""A rule's message: text with fields in braces, checked before it is ever filled in.

The syntax is `str.format`'s without what could reach further than a value: no attributes, no
indices, no fields inside a field, no conversions. Formatting must not fail at three in the
morning, so each format is tried here.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from monitor.core.language.units import Scope, Unit, Vocabulary
from monitor.toml_positions.values import Wrong, meant, shown

ALWAYS = ("symbol", "side", "account", "asset", "severity", "rule", "condition")
"""Fields that every message may use, whatever its rule is about."""

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|\{|\}")
_FIELD = re.compile(r"(?P<name>[^!:]*)(?P<conversion>![^:]*)?(?::(?P<format>.*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONG = re.compile(r"[0-9]{3,}")


def template_faults(text: str, vocabulary: Vocabulary, scope: Scope) -> Iterator[tuple[int, Wrong]]:
    """Find what is wrong with a message, and at which column of its text, from 1.

    Args:
        text: The message.
        vocabulary: The metrics.
        scope: What the rule is about; metrics of narrower things have no value there.
    """
    for piece in _PIECE.finditer(text):
        column = piece.start() + 1
        inner = piece["field"]
        if inner is not None:
            wrong = _field_fault(inner, vocabulary, scope)
            if wrong is not None:
                yield column + 1, wrong
        elif piece[0] == "{":
            problem = "a field does not end" if "}" not in text[column:] else "a field in a field"
            yield column, Wrong(problem, "write {{ for the character itself")
            return  # what follows cannot be told from this field
        elif piece[0] == "}":
            yield column, Wrong("a } that ends no field", "write }} for the character itself")


def _field_fault(inner: str, vocabulary: Vocabulary, scope: Scope) -> Wrong | None:
    parts = _FIELD.fullmatch(inner)
    assert parts is not None  # noqa: S101 - every text has this shape; for the type checker
    name, spec = parts["name"], parts["format"] or ""
    if not name.strip():
        return Wrong("a field without a name", "name a metric, like {mark_price}")
    if not _NAME.fullmatch(name):
        first = re.split(r"[.\[]", name)[0].strip()
        hint = f"did you mean {{{first}}}?" if first in (*vocabulary, *ALWAYS) else ""
        return Wrong(f"{shown(name)} is not a metric's name", hint)
    if name not in ALWAYS:
        if name not in vocabulary:
            return Wrong(f"no metric is called `{name}`", meant(name, (*vocabulary, *ALWAYS)))
        if vocabulary[name].scope > scope:
            return Wrong(f"`{name}` has no meaning in a rule about {_about(scope)}")
    if parts["conversion"]:
        return Wrong("conversions are not offered", f"write {{{name}}}")
    textual = name not in vocabulary or vocabulary[name].unit is Unit.TEXT
    return _format_fault(name, spec, textual=textual)


def _about(scope: Scope) -> str:
    return "a margin pool" if scope is Scope.POOL else "an account"


def _format_fault(name: str, spec: str, *, textual: bool) -> Wrong | None:
    if _LONG.search(spec):  # a width of a billion would be tried, too
        return Wrong(f'the format "{spec}" is too wide', "stay below 100 characters")
    try:
        format("text" if textual else Decimal("12.34"), spec)
    except ValueError:
        example = f"{{{name}}}" if textual else f"{{{name}:.2f}} or {{{name}:.1%}}"
        return Wrong(f'`{name}` cannot be written as "{spec}"', f"write {example}")
    return None
