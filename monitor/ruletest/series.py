"""What a series or a field of a test may hold: numbers with their units, `a+bxn`, and four words.

    62000 · 5% · 10x · 15s      a value, in the unit of its metric
    62000-100x14                15 values: 62000, 61900, … 60600; without `-100` all alike
    unknown                     nobody knows it
    aged                        the value before it, no longer fresh
    none                        it has no meaning, or there is none
    infinite

Words may be repeated too: `unknownx9` is unknown ten times.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from math import isfinite, isinf
from typing import NamedTuple

from monitor.core.figures import Figure
from monitor.core.language.truth import ABSENT
from monitor.core.language.units import Unit
from monitor.core.liquidation import INFINITE, ZERO
from monitor.core.metrics import METRICS
from monitor.toml_positions.values import Wrong, milliseconds, shown

LONGEST = 1_000_000
"""Values of one series."""

FIELDS: dict[str, Unit] = {
    "isolated_wallet": Unit.MONEY,
    "cross_wallet": Unit.MONEY,
    "maintenance_rate": Unit.RATIO,
}
"""What may be given besides metrics, since metrics are computed from it."""

NOT_NEGATIVE = frozenset(
    {
        "liquidation_price",
        "notional",
        "total_notional",
        "maintenance_margin",
        "maintenance_rate",
        "isolated_wallet",
        "adl",
        "position_count",
        "margin_room",
        "margin_ratio",
        "position_margin_ratio",
        "effective_leverage",
        "account_leverage",
    }
)
POSITIVE = frozenset({"mark_price", "entry_price", "break_even_price", "leverage"})
_WHOLE = frozenset({"adl", "position_count"})
_WORDS = ("unknown", "aged", "none", "infinite")
_NONE = {"liquidation_price": ZERO, "liquidation_distance": INFINITE}
"""What "none" is in comparisons, where it has a meaning there."""
_WITHOUT_NONE = frozenset({"quantity", "mark_price", "entry_price"})

_UNKNOWNS = frozenset({"_", "stale", "null", "nan", "?", "", "na", "n/a", "missing"})

_PLAIN = r"[0-9]+(?:\.[0-9]+)?"
_SPAN = rf"(?:{_PLAIN}(?:ms|d|h|m|s))+"
_LITERALS = {
    Unit.RATIO: _PLAIN + "%?",
    Unit.MULTIPLE: _PLAIN + "x?",
    Unit.DURATION: _SPAN,
}
_EXPANSION = r"(?P<first>[+-]?{0})(?:(?P<sign>[+-])(?P<step>{0}))?x(?P<times>[0-9]+)"
_REPEATED = rf"(?P<word>{'|'.join(_WORDS)})(?:x(?P<times>[0-9]+))?"
_EXAMPLES = {
    Unit.RATIO: '"5%"',
    Unit.MULTIPLE: '"10x"',
    Unit.DURATION: '"15s"',
}


class Cell(NamedTuple):
    """One value of a series."""

    figure: Figure
    """None: unknown; ABSENT: it has no meaning, or there is none."""
    aged: bool = False


def unit_of(name: str) -> Unit:
    """Tell what a figure measures."""
    return FIELDS[name] if name in FIELDS else METRICS[name].unit


def cells_of(name: str, item: object, before: Sequence[Cell]) -> tuple[Cell, ...] | Wrong:
    """Read one element of a series, or the value of a field.

    Args:
        name: The figure.
        item: What tomli made of the element.
        before: What came before it in its series.
    """
    unit = unit_of(name)
    if isinstance(item, int | float) and not isinstance(item, bool):
        if not isfinite(item):
            better = "infinite" if isinf(item) and _may_be_infinite(name) else "unknown"
            return Wrong(f"{item} is no {unit.value}", f'did you mean "{better}"?')
        if unit is Unit.DURATION:
            age = milliseconds(item)
            return age if isinstance(age, Wrong) else (Cell(age),)
        item = f"{Decimal(str(item)):f}"
    if not isinstance(item, str):
        return Wrong(f"{shown(item)} is no value", f"write one like {_example(unit)}")
    text = item.strip()
    word = re.fullmatch(_REPEATED, text)
    if word is not None:
        cells = _word(name, word["word"], before)
        times = _times(word["times"] or "0")
        if isinstance(cells, Wrong) or times < LONGEST:
            return cells if isinstance(cells, Wrong) else cells * (times + 1)
        return _too_many(text)
    found = re.fullmatch(_EXPANSION.format(_LITERALS.get(unit, _PLAIN)), text)
    if found is not None and unit is not Unit.TEXT:
        return _expanded(name, unit, found)
    value = _value(name, unit, text)
    return value if isinstance(value, Wrong) else (Cell(value),)


def example(name: str) -> str:
    """Give a value as a reader might write it."""
    return _example(unit_of(name))


def _example(unit: Unit) -> str:
    return _EXAMPLES.get(unit, '"62000"')


# ---------------------------------------------------------------- words


def _word(name: str, word: str, before: Sequence[Cell]) -> tuple[Cell, ...] | Wrong:
    unit = unit_of(name)
    if word == "aged":
        if not before or before[-1].figure is None:
            return Wrong('"aged" is the value before it, and there is none', "give a value first")
        return (before[-1]._replace(aged=True),)
    if unit is Unit.DURATION and word != "none":
        return Wrong(f"ages are always known and finite, never {shown(word)}", 'write "15s"')
    if word == "unknown":
        return (Cell(None),)
    if name in _WITHOUT_NONE or unit is Unit.TEXT or unit is Unit.DURATION:
        return Wrong(f"`{name}` is never {shown(word)}", 'did you mean "unknown"?')
    if word == "none":
        return (Cell(_NONE.get(name, ABSENT)),)
    if not _may_be_infinite(name):
        return Wrong(f"`{name}` is never infinite", 'did you mean "unknown"?')
    return (Cell(INFINITE),)


def _may_be_infinite(name: str) -> bool:
    return unit_of(name) in {Unit.RATIO, Unit.MULTIPLE} or name == "liquidation_price"


# ---------------------------------------------------------------- numbers


def _value(name: str, unit: Unit, text: str) -> Decimal | str | int | Wrong:
    """Read one value, without repetitions."""
    if unit is Unit.TEXT:
        known = METRICS[name].known
        if known is not None and text not in known:
            return Wrong(
                f"`{name}` is never {shown(text)}", f"it can be {', '.join(sorted(known))}"
            )
        return text
    if unit is Unit.DURATION:
        return milliseconds(text)
    number = text
    if text.endswith({Unit.RATIO: "%", Unit.MULTIPLE: "x"}.get(unit, "\n")):
        number = text[:-1]
    if not re.fullmatch(rf"[+-]?{_PLAIN}", number):
        return _no_number(name, unit, text)
    value = Decimal(number)
    if unit is Unit.RATIO:
        if text.endswith("%"):
            value /= 100
        elif abs(value) > 1:
            return Wrong(
                f"`{name}` is a ratio: {text} would be {value * 100:f} %",
                f'did you mean "{text}%"?',
            )
    return _fitting(name, value)


def _no_number(name: str, unit: Unit, text: str) -> Wrong:
    """Say what was meant by a text that is no value."""
    problem = f"{shown(text)} is no {unit.value}"
    packed = _packed(unit, text)
    if packed and packed != text:
        return Wrong(problem, f'did you mean "{packed}"?')
    if text.endswith(("%", "x")) and re.fullmatch(rf"[+-]?{_PLAIN}", text[:-1]):
        return Wrong(problem, f'did you mean "{text[:-1]}"?')
    if text.lower() in _UNKNOWNS:
        return Wrong(f"{shown(text)} is no value", 'did you mean "unknown"?')
    if text.lower().lstrip("+-") in {"inf", "infinity"} and _may_be_infinite(name):
        return Wrong(f"{shown(text)} is no value", 'did you mean "infinite"?')
    if " " in text:
        return Wrong(f"{shown(text)} is several values", "write each as an element of its own")
    if re.search(r"[0-9%sx][+x*-]", text):
        return Wrong(problem, 'repeated values read "62000-100x14"')
    if text.isalpha():
        return Wrong(problem, f"the words are {', '.join(_WORDS)}")
    return Wrong(problem, f"write one like {_example(unit)}")


def _packed(unit: Unit, text: str) -> str:
    """Give a text without blanks, separators and exponent, if it is a value then; else ""."""
    if word := re.fullmatch(_REPEATED, text.replace(" ", "").lower()):
        return word[0]
    bare = text.replace("_", "")
    if re.fullmatch(r"[^,]*,[0-9]{3}(?:,[0-9]{3})*(?:\.[0-9]+)?[%x]?", bare):
        bare = bare.replace(",", "")
    bare = bare.replace(",", ".")
    if exponent := re.fullmatch(rf"([+-]?{_PLAIN})[eE]([+-]?[0-9]{{1,2}})", bare):
        return f"{Decimal(f'{exponent[1]}E{exponent[2]}'):f}"
    literal = _LITERALS.get(unit, _PLAIN)
    found = bare.replace(" ", "") if bare.count(" ") < 2 or "x" in bare else ""
    number = re.fullmatch(rf"[+-]?{literal}", found)
    return found if number or re.fullmatch(_EXPANSION.format(literal), found) else ""


def _fitting(name: str, value: Decimal) -> Decimal | Wrong:
    """Refuse what the figure can never be."""
    if name in POSITIVE and value <= 0:
        return Wrong(f"`{name}` is above 0, never {value:f}", 'did you mean "unknown"?')
    if name in NOT_NEGATIVE and value < 0:
        return Wrong(f"`{name}` is never negative", "write 0 or more")
    if name in _WHOLE and value != value.to_integral_value():
        return Wrong(f"`{name}` is a whole number", "leave its fraction out")
    if name == "adl" and value > 4:
        return Wrong("`adl` is 0 to 4", "write 0, 1, 2, 3 or 4")
    if name == "maintenance_rate" and value >= 1:
        return Wrong("`maintenance_rate` is below 100 %", 'write one like "0.4%"')
    return value


def _expanded(name: str, unit: Unit, found: re.Match[str]) -> tuple[Cell, ...] | Wrong:
    """Read `a+bxn`: n + 1 values, as in promtool."""
    times = _times(found["times"])
    if times >= LONGEST:
        return _too_many(found[0])
    first = _value(name, unit, found["first"])
    if isinstance(first, Wrong):
        return first
    if found["step"] is None:
        return (Cell(first),) * (times + 1)
    step = milliseconds(found["step"]) if unit is Unit.DURATION else _step(unit, found)
    if isinstance(step, Wrong):
        return step
    if found["sign"] == "-":
        step = -step
    assert not isinstance(first, str)  # noqa: S101 - texts are not expanded; for the type checker
    last = first + step * times
    if unit is Unit.DURATION:
        if last < 0:
            return Wrong(f"{shown(found[0])} ends below 0s", "write fewer values, or smaller steps")
        return tuple(Cell(int(first + step * place)) for place in range(times + 1))
    fitting = _fitting(name, Decimal(last))
    if isinstance(fitting, Wrong):
        hint = "write fewer values, or smaller steps"
        return Wrong(f"{shown(found[0])} ends at {last:f}: {fitting.problem}", hint)
    return tuple(Cell(Decimal(first + step * place)) for place in range(times + 1))


def _times(text: str) -> int:
    return int(text) if len(text) <= 7 else LONGEST


def _too_many(text: str) -> Wrong:
    return Wrong(f"{shown(text)} is more than {LONGEST:,} values", "write fewer")


def _step(unit: Unit, found: re.Match[str]) -> Decimal | Wrong:
    text = found["step"]
    if unit is Unit.RATIO and text.endswith("%") is not found["first"].endswith("%"):
        return Wrong(
            f"{shown(found[0])} mixes a percentage and a plain number", "write both with %"
        )
    value = Decimal(text.rstrip("%x"))
    return value / 100 if text.endswith("%") else value
