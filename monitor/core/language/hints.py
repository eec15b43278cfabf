"""The way out of a wrong condition: "did you mean …?"."""

import re
from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from monitor.core.language.literals import plain, read_number
from monitor.core.language.measures import QUOTIENT, Measure, noun
from monitor.core.language.units import Unit, Vocabulary

FUNCTIONS: Final = ("abs", "min", "max", "change", "highest", "lowest", "average", "drop")

_LISTED: Final = f"{', '.join(FUNCTIONS[:-1])} and {FUNCTIONS[-1]}"

_EXAMPLES: Final[dict[Measure, str]] = {
    Unit.TEXT: '== "..."',
    Unit.NUMBER: "> 0",
    Unit.RATIO: "< 5%",
    Unit.MULTIPLE: "> 20x",
    Unit.DURATION: "> 30s",
    Unit.PRICE: "> 0",
    Unit.QUANTITY: "> 0",
    Unit.MONEY: "> 0",
    QUOTIENT: "> 5%",
}

_LIKES: Final[dict[Measure, str]] = {
    Unit.TEXT: "a text in quotes",
    Unit.NUMBER: "plain numbers",
    Unit.RATIO: "ratios, as in 5%",
    Unit.MULTIPLE: "multiples, as in 10x",
    Unit.DURATION: "a duration, as in 30s",
    Unit.PRICE: "prices, and numbers written out",
    Unit.QUANTITY: "quantities, and numbers written out",
    Unit.MONEY: "amounts of money, and numbers written out",
    QUOTIENT: "ratios or multiples, as in 5% or 10x",
}

_LIST: Final = "docs/reference/metrics.md lists them all"
_OF_OTHERS: Final = {
    **dict.fromkeys(("true", "false"), "leave it out: a comparison is true or false by itself"),
    **dict.fromkeys(
        ("unknown", "null", "nan", "nil", "na"),
        "leave it out: what is unknown makes a comparison neither true nor false",
    ),
    **dict.fromkeys(
        ("none", "absent"), "leave it out: what has no meaning makes a comparison false"
    ),
    **dict.fromkeys(("inf", "infinity", "infinite"), "compare with a large number, as in > 1000%"),
}
"""Words of other languages that stand for a value."""

_MAGNITUDE: Final = re.compile(r"(-?)([0-9.]+)(|%|x|ms|s|m|h|d)")


COMPARE: Final = "compare a metric with it, as in `margin_room < 20%`"


def as_condition(text: str, measure: Measure) -> str:
    """Show how a value becomes a condition."""
    return f"did you mean `{text} {_EXAMPLES[measure]}`?"


def for_likes(measure: Measure) -> str:
    """Say what goes with a value, where nothing better is known."""
    return f"{noun(measure)} goes with {_LIKES[measure]}"


def for_name(name: str, vocabulary: Vocabulary, *, beside_text: bool) -> str:
    """Guess which word or function an unknown name was meant to be.

    Args:
        name: As it is written.
        vocabulary: The words there are.
        beside_text: Whether it is compared with a text, so that quotes may have been forgotten.
    """
    if name.lower() in _OF_OTHERS:
        return _OF_OTHERS[name.lower()]
    if near := _nearest(name, [*vocabulary, *FUNCTIONS]):
        return f"did you mean `{near}`?"
    known = {text for word in vocabulary.values() for text in word.known or ()}
    if beside_text or name in known:
        return f'did you mean "{name}"?'
    containing = [word for word in vocabulary if name.lower() in word and len(name) > 2]
    return f"did you mean `{containing[0]}`?" if containing else _LIST


def for_word(word: str, left: str) -> str:
    """Say how we write what other languages have a word for; "" where it is none.

    Args:
        word: What stands where an operator is due.
        left: What stands before it, as it is written.
    """
    match word.lower():
        case "is" | "equals" | "eq":
            return "did you mean `==`?"
        case "between":
            return f"did you mean `1 < {left} < 2`, with its own two limits?"
        case "contains" | "like" | "matches" | "startswith" | "glob" | "regexp":
            return f'did you mean `{left} ~ "BTC*"`?'
        case "unless" | "without":
            return "did you mean `and not`?"
        case "above" | "over" | "exceeds" | "gt":
            return "did you mean `>`?"
        case "below" | "under" | "lt":
            return "did you mean `<`?"
        case "und":
            return "did you mean `and`?"
        case "oder":
            return "did you mean `or`?"
        case _:
            near = get_close_matches(word.lower(), ["and", "or"], n=1, cutoff=0.7)
            return f"did you mean `{near[0]}`?" if near else ""


def for_function(name: str) -> str:
    """Guess which function was meant."""
    meant = {"avg": "average", "mean": "average", "delta": "change", "rate": "change"}.get(name)
    if meant:
        return f"did you mean `{meant}`?"
    near = _nearest(name, FUNCTIONS)
    return f"did you mean `{near}`?" if near else f"there are {_LISTED}"


def for_text(text: str, known: frozenset[str]) -> str:
    """Guess which of the known texts was meant, or list them."""
    if not known:
        return ""
    if near := _nearest(text, sorted(known)):
        return f'did you mean "{near}"?'
    return "it can be " + ", ".join(f'"{each}"' for each in sorted(known))


def for_comma(text: str, column: int) -> str:
    """Guess the number that a comma in a condition was meant to be part of; "" if no idea.

    Args:
        text: The condition.
        column: Where the comma stands, from 1.
    """
    before = re.search(r"(?<![\w.])[0-9]+$", text[: column - 1])
    after = re.match(r",([0-9]+)((?:%|[A-Za-z]+)?)(?![\w.,%])", text[column - 1 :])
    if before is None or after is None:
        return ""
    # Three digits behind it are thousands, any other number of them is a decimal comma.
    point = "" if len(after[1]) == 3 else "."
    number = f"{before[0]}{point}{after[1]}{after[2]}"
    return f"did you mean {number}?" if read_number(number) else ""


def _nearest(name: str, names: Iterable[str]) -> str:
    return next(iter(get_close_matches(name.lower(), list(names), n=1)), "")


def for_literal(text: str, unit: Measure, wanted: Measure, *, factor: bool = False) -> str:
    """Rewrite a literal so that it fits beside a unit.

    Args:
        text: The literal as it is written, with its sign if it has one.
        unit: What it measures as written.
        wanted: What it is put together with.
        factor: Whether it multiplies or divides, so that its value has to stay.
    """
    piece = _rewritten(text, unit, wanted, factor=factor)
    return f"did you mean {piece}?" if piece else ""


def _rewritten(text: str, unit: Measure, wanted: Measure, *, factor: bool) -> str:
    if wanted is Unit.TEXT:
        return f'"{text}"'
    if unit is Unit.TEXT:
        inside = text[1:-1]
        read = read_number(inside.removeprefix("-"))
        if read is None:
            return ""
        if read[1] is wanted:
            return inside
        return _rewritten(inside, read[1], wanted, factor=factor)
    match = _MAGNITUDE.fullmatch(text)
    if match is None:  # a joined duration such as 1h30m
        return ""
    sign, digits, suffix = match.groups()
    magnitude = Decimal(digits)
    if factor:
        return sign + plain(magnitude / 100 if suffix == "%" else magnitude)
    return sign + _with_suffix(digits, suffix, wanted)


def _with_suffix(digits: str, suffix: str, wanted: Measure) -> str:
    magnitude = Decimal(digits)
    if wanted is Unit.RATIO:
        # 0.2 was meant as a part, 5 as so many per cent.
        return (plain(magnitude * 100) if not suffix and 0 < magnitude < 1 else digits) + "%"
    if wanted is QUOTIENT:
        return digits + "x" if magnitude >= 2 else plain(magnitude * 100) + "%"
    if wanted is Unit.MULTIPLE:
        return digits + "x"
    if wanted is Unit.DURATION:
        return digits + "s"
    # "5m" beside money was meant as millions.
    return plain(magnitude * 1_000_000) if suffix == "m" else digits
