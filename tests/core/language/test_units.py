"""Which units go together, against the table of docs/semantics.md §4 written out by hand."""

import pytest

from monitor.core.language.compile import compile_condition
from monitor.core.language.units import Vocabulary
from monitor.errors import ConditionError

WORDS = {
    "number": "adl",
    "ratio": "roi",
    "multiple": "leverage",
    "price": "mark_price",
    "quantity": "quantity",
    "money": "notional",
    "duration": "data_age",
    "text": "symbol",
}
PROBES = {
    "number": "adl",
    "ratio": "roi",
    "multiple": "leverage",
    "price": "entry_price",
    "quantity": "quantity",
    "money": "notional",
}
"""What a value of that unit adds up with, and no other does."""

NUMERIC = [unit for unit in WORDS if unit not in {"duration", "text"}]
COMPARED = {(unit, unit) for unit in [*NUMERIC, "text"]} | {
    pair for unit in ("price", "quantity", "money") for pair in ((unit, "number"), ("number", unit))
}
PRODUCTS = {("price", "quantity"): "money", ("quantity", "price"): "money"}
PRODUCTS |= {(unit, factor): unit for unit in NUMERIC for factor in ("number", "ratio")}
PRODUCTS |= {(factor, unit): unit for unit in NUMERIC for factor in ("number", "ratio")}
PRODUCTS |= {("number", "ratio"): "ratio", ("ratio", "number"): "ratio"}
QUOTIENTS = {(unit, "number"): unit for unit in NUMERIC}
QUOTIENTS |= {(unit, unit): "share" for unit in NUMERIC if unit != "number"}
QUOTIENTS |= {("money", "quantity"): "price", ("money", "price"): "quantity"}


def fits(text: str, vocabulary: Vocabulary) -> bool:
    try:
        compile_condition(text, vocabulary)
    except ConditionError:
        return False
    return True


def unit_of(text: str, vocabulary: Vocabulary) -> str | None:
    """Tell the unit of a value by what it can be added to; a share by two literals."""
    found = [
        unit for unit, probe in PROBES.items() if fits(f"{text} + {probe} > {probe}", vocabulary)
    ]
    if fits(f"{text} > 5%", vocabulary) and fits(f"{text} > 5x", vocabulary):
        return "share"
    return found[0] if len(found) == 1 else None


@pytest.mark.parametrize("left", WORDS)
def test_compared(vocabulary: Vocabulary, left: str) -> None:
    found = {
        (left, right) for right in WORDS if fits(f"{WORDS[left]} == {WORDS[right]}", vocabulary)
    }
    assert found == {pair for pair in COMPARED if pair[0] == left}


@pytest.mark.parametrize("left", NUMERIC)
@pytest.mark.parametrize("sign", "+-")
def test_added(vocabulary: Vocabulary, left: str, sign: str) -> None:
    for right in NUMERIC:
        text = f"{WORDS[left]} {sign} {WORDS[right]}"
        assert unit_of(text, vocabulary) == (left if left == right else None)


@pytest.mark.parametrize("left", WORDS)
@pytest.mark.parametrize(("sign", "table"), [("*", PRODUCTS), ("/", QUOTIENTS)])
def test_multiplied_and_divided(
    vocabulary: Vocabulary, left: str, sign: str, table: dict[tuple[str, str], str]
) -> None:
    for right, word in WORDS.items():
        found = unit_of(f"({WORDS[left]} {sign} {word})", vocabulary)
        assert found == table.get((left, right)), (left, sign, right)


@pytest.mark.parametrize(
    ("literal", "units"),
    [
        ("5", {"number", "price", "quantity", "money"}),
        ("-500", {"number", "price", "quantity", "money"}),
        ("5%", {"ratio"}),
        ("-0.5%", {"ratio"}),
        ("10x", {"multiple"}),
        ("1h30m", {"duration"}),
        ('"BTCUSDT"', {"text"}),
    ],
)
def test_a_literal_compares_with_its_own_kind(
    vocabulary: Vocabulary, literal: str, units: set[str]
) -> None:
    assert {
        unit for unit, word in WORDS.items() if fits(f"{word} != {literal}", vocabulary)
    } == units
