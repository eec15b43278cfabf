"""A rule's message: text with fields in braces, checked before it is ever filled in.

The syntax is `str.format`'s without what could reach further than a value: no attributes, no
indices, no fields inside a field, no conversions. Formatting must not fail at three in the
morning, so each field is formatted here once with every kind of number: fresh, aged, unknown,
absent, infinite.
"""

import re
from collections.abc import Iterator

from monitor.core.language.units import Scope, Unit, Vocabulary
from monitor.core.template import FACTS, try_out
from monitor.rulefile.kinds import facts
from monitor.toml_positions.values import Wrong, meant, shown

_THINGS = {
    Scope.ANY: "happenings",
    Scope.ACCOUNT: "an account",
    Scope.POOL: "a margin pool",
}
_OWN = {Scope.ACCOUNT: "data_age", Scope.POOL: "margin_ratio"}
_EXAMPLES = {
    Unit.TEXT: "{{{0}}}",
    Unit.NUMBER: "{{{0}:.0f}}",
    Unit.RATIO: "{{{0}:.1%}}",
    Unit.MULTIPLE: "{{{0}:.1f}}x",
    Unit.DURATION: "{{{0}:.0f}} s",
    Unit.PRICE: "{{{0}:,.2f}}",
    Unit.QUANTITY: "{{{0}:,.3f}}",
    Unit.MONEY: "{{{0}:,.2f}}",
}
"""A format that suits each unit; without any, a field is written as our own sentences do."""

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
    if name not in vocabulary and not _NAME.fullmatch(name):
        first = re.split(r"[.\[]", name)[0].strip()
        known = first in (*vocabulary, *FACTS)
        hint = f"did you mean {{{first}}}?" if known else "name a metric, like {mark_price}"
        return Wrong(f"{shown(name)} is not a metric's name", hint)
    if name not in FACTS:
        if name not in vocabulary:
            # Only what has a meaning here is offered.
            fitting = [word for word, each in vocabulary.items() if each.scope <= scope]
            if scope is Scope.ANY:
                hint = facts()
            else:
                hint = meant(name, (*fitting, *FACTS)) or "name a metric, like {mark_price}"
            return Wrong(f"no metric is called `{name}`", hint)
        if vocabulary[name].scope > scope:
            if scope is Scope.ANY:
                hint = f"leave it out; {facts()}"
            else:
                example = _OWN[scope]
                hint = f"leave it out, or name a metric of {_THINGS[scope]}, like {{{example}}}"
            return Wrong(f"`{name}` has no meaning in a rule about {_THINGS[scope]}", hint)
    if parts["conversion"]:
        return Wrong("conversions are not offered", f"write {{{name}}}")
    unit = vocabulary[name].unit if name in vocabulary else Unit.TEXT
    return _format_fault(name, spec, unit) if spec else None


def _format_fault(name: str, spec: str, unit: Unit) -> Wrong | None:
    if _LONG.search(spec):  # a width of a billion would be tried, too
        return Wrong(f'the format "{spec}" is too wide', "stay below 100 characters")
    example = f"write {_EXAMPLES[unit].format(name)}"
    if unit is not Unit.TEXT:
        example += f", or {{{name}}}"
    if spec.endswith("%") and unit not in {Unit.RATIO, Unit.TEXT}:
        return Wrong(f"`{name}` is a {unit.value}, which per cent do not suit", example)
    try:
        try_out(name, spec)
    except (ValueError, TypeError, ArithmeticError):
        return Wrong(f'`{name}` cannot be written as "{spec}"', example)
    return None
