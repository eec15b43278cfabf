"""Proofs: what they find, and that they never claim what some value refutes."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.language import proofs
from monitor.core.language.compile import Condition, compile_condition
from monitor.core.language.proofs import always, implies, never
from monitor.core.language.truth import ABSENT, UNKNOWN, Truth, Value
from monitor.core.language.units import Scope, Unit, Word

D = Decimal
INFINITE = D("Infinity")
FROM_0 = (D(0), INFINITE)
WORDS = (
    Word("account", Unit.TEXT, Scope.ANY, frozenset({"main", "hedge"})),
    Word("symbol", Unit.TEXT, Scope.POSITION),
    Word("asset", Unit.TEXT, Scope.POOL),
    Word("side", Unit.TEXT, Scope.POSITION, frozenset({"long", "short"})),
    Word("kind", Unit.TEXT, Scope.POSITION, frozenset({"cross", "isolated"})),
    Word("room", Unit.RATIO, Scope.POSITION, reach=FROM_0),
    Word("adl", Unit.NUMBER, Scope.POSITION, reach=(D(0), D(4))),
    Word("leverage", Unit.MULTIPLE, Scope.POSITION, reach=(D(1), INFINITE)),
    Word("own", Unit.MONEY, Scope.POSITION, absent_where=("kind", "cross")),
    Word("size", Unit.MONEY, Scope.POSITION, reach=FROM_0),
    Word("equity", Unit.MONEY, Scope.POOL),
    Word("age", Unit.DURATION, Scope.ACCOUNT, reach=FROM_0),
)
VOCABULARY = {word.name: word for word in WORDS}


def condition(text: str) -> Condition:
    return compile_condition(text, VOCABULARY)


NEVER = [
    "room < 0%",
    "not room >= 0%",
    "adl > 4",
    "leverage < 1x",
    "leverage in [0.5x]",
    "age < 0s",
    "room < 5% and room > 10%",
    "10% < room < 5%",
    "room == 5% and room != 5%",
    "room < 5% and adl == 3 and room > 10%",
    "room < 5% and not (room < 10% or adl == 0)",
    "adl in [1, 2] and adl in [3, 4]",
    "adl in [1] and adl not in [1]",
    '10s < age and age in [5s] and side == "long"',
    'side == "long" and side == "short"',
    'side not in ["long", "short"]',
    'symbol == "A" and symbol == "B"',
    'symbol == "ETHUSDT" and symbol ~ "BTC*"',
    'symbol ~ "ETH*" and symbol ~ "BTC*"',
    'symbol == "A" and not symbol ~ "*"',
    'kind == "cross" and own < 5',
    'kind == "cross" and own / equity < 5%',
    'kind == "cross" and not own < 5',
    "size / equity < 5% and size / equity > 10%",
    "abs(equity) < 0",
    "-size > 0",
    "-room > -5% and room > 10%",
    "size + 5 < 4",
    "max(room, 20%) < 10%",
    "room < room",
    "equity < size and size < equity",
    "size < -5 * size",
    "1 > 2 and room < 5%",
    '"a" == "b" and room < 5%',
    "size / equity < 0%",
    "equity / (equity - equity) < 500% and 1 > 2",
    "size * adl < 0",
]
ALWAYS = [
    "room >= 0%",
    "0 <= adl <= 4",
    "room < 10% or room > 5%",
    "adl in [1] or adl not in [1]",
    'side == "long" or side == "short"',
    'account in ["main", "hedge"]',
    'symbol ~ "*"',
    'symbol ~ "A*" or not symbol ~ "A*"',
    "size <= equity or size >= equity",
    "age >= 0s",
    "1 < 2 or room < 5%",
    '"a" ~ "a*" or room < 5%',
    '"a" in ["a"] or room < 5%',
    'kind == "cross" or own < 5 or own >= 5',
]
OPEN = [
    "room <= 0%",
    "adl >= 4",
    "own < 5 or own >= 5",
    "size == 0",
    'symbol ~ "A*" and symbol ~ "AB*"',
    'symbol ~ "A*" and symbol ~ "*B"',
    "symbol == account",
    "equity < size",
    "age > 1d",
    "leverage < 1.1x",
]


@pytest.mark.parametrize("text", NEVER)
def test_never(text: str) -> None:
    assert (never(condition(text)), always(condition(text))) == (True, False)


@pytest.mark.parametrize("text", ALWAYS)
def test_always(text: str) -> None:
    assert (never(condition(text)), always(condition(text))) == (False, True)


@pytest.mark.parametrize("text", OPEN)
def test_neither(text: str) -> None:
    assert (never(condition(text)), always(condition(text))) == (False, False)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("room < 20%", "room < 30%", True),
        ("room < 20%", "room <= 20%", True),
        ("room <= 20%", "room < 20%", False),
        ("20% > room", "not room >= 20%", True),
        ("room < 20% and adl > 2", "room < 20%", True),
        ("room < 20%", "room < 20% and adl > 2", False),
        ("room < 20%", "room < 20% and adl >= 0", True),
        ("size / equity > 10x", "size / equity > 5x", True),
        ("size / equity > 5x", "size / equity > 10x", False),
        ("equity < size", "size > equity", True),
        ("equity < size", "size >= equity", True),
        ('symbol == "BTCUSDT"', 'symbol ~ "BTC*"', True),
        ('symbol ~ "BTC*"', 'symbol == "BTCUSDT"', False),
        ("age > 1m", "age > 30s", True),
        ("adl > 3", "adl in [4]", False),
        ('side == "long"', 'side != "short"', True),
    ],
)
def test_implies(one: str, other: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert implies(condition(one), condition(other)) is expected


@pytest.mark.parametrize(
    "text",
    ["size / (0 * size) > 5%", "size / (0 * size) > room", "room < 5% and 1x < own / (0 * own)"],
)
def test_what_is_never_known_is_never_true_and_never_false(text: str) -> None:
    unknown = condition(text)

    assert never(unknown)
    assert always(unknown) is ("and" not in text)
    assert implies(unknown, condition("adl > 4"))


def test_what_is_known_of_texts_narrows() -> None:
    hedge = condition('account == "hedge" and room < 5%')

    assert not never(hedge)
    assert never(hedge, {"account": frozenset({"main"})})
    assert not never(hedge, {"account": frozenset({"hedge"})})


def test_what_takes_too_long_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    globs = " and ".join(f'symbol ~ "*{letter}"' for letter in "ABCDEF")
    many = " and ".join(f"size + {n} < equity" for n in range(1, 70))
    steps = "(room < 5% or adl == 1) and (room > 6% or adl == 2) and adl == 3"

    assert never(condition(steps))
    monkeypatch.setattr(proofs, "MOST_STEPS", 3)
    for text in (f"{globs} and room < 0%", f"{many} and room < 0%", steps):
        assert not never(condition(text))


# What random values say ----------------------------------------------------------------------

SIMPLE: dict[str, list[str]] = {
    "room": ["0%", "1%", "2%"],
    "adl": ["0", "2", "4"],
    "leverage": ["1x", "2x"],
    "own": ["0", "1"],
    "age": ["0s", "5ms"],
}
COMPOUND: dict[str, list[str]] = {
    "size / equity": ["0%", "100%", "200%"],
    "size - equity": ["0", "1"],
    "-room": ["0%", "-1%", "-2%"],
    "abs(equity)": ["0", "1", "own", "size"],
    "min(room, 1%)": ["0%", "1%", "2%"],
    "size * adl": ["0", "1", "2"],
    "own / size": ["100%", "50%"],
    "equity": ["size", "own", "0"],
}
TEXTS = [
    'side == "long"',
    'side != "long"',
    'kind == "cross"',
    'kind in ["isolated"]',
    'symbol == "AB"',
    'symbol in ["AB", "B"]',
    'symbol ~ "A*"',
    'symbol ~ "B*"',
    'not symbol ~ "AB*"',
]
GRID: dict[str, list[Value]] = {
    "room": [D("0"), D("0.005"), D("0.01"), D("0.015"), D("0.02"), INFINITE],
    "adl": [D(n) for n in range(5)],
    "leverage": [D(1), D("1.5"), D(2), D(3)],
    "own": [D("-1"), D(0), D("0.5"), D(1), D(2)],
    "age": [0, 3, 5, 6],
    "side": ["long", "short"],
    "kind": ["cross", "isolated"],
    "symbol": ["AB", "B", "AC", "ABC", "BA", "X"],
    "size": [D(0), D("0.5"), D(1), D(2), D("9E999999"), INFINITE],
    "equity": [D(-1), D(0), D("0.5"), D(1), D(3), INFINITE],
}
"""A value of each cell that the constants above make, and some in whose arithmetic is trouble."""


@st.composite
def comparisons(draw: st.DrawFn, subjects: Mapping[str, list[str]]) -> str:
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(TEXTS))
    subject = draw(st.sampled_from(sorted(subjects)))
    constant = draw(st.sampled_from(subjects[subject]))
    if draw(st.integers(0, 4)) == 0 and constant[0] in "-0123456789":
        return f"{subject} {draw(st.sampled_from(['in', 'not in']))} [{constant}]"
    return f"{subject} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {constant}"


@st.composite
def texts(draw: st.DrawFn, subjects: Mapping[str, list[str]], depth: int = 2) -> str:
    if depth == 0:
        return draw(comparisons(subjects))
    part = texts(subjects, depth - 1)
    parts = draw(st.lists(part, min_size=1, max_size=3))
    joined = draw(st.sampled_from([" and ", " or "])).join(f"({each})" for each in parts)
    return f"not ({joined})" if draw(st.booleans()) else joined


def judged(one: Condition, env: Mapping[str, Value]) -> Truth:
    """Judge by the code that alerts are judged with."""
    values = [
        ABSENT if name == "own" and env["kind"] == "cross" else env[name] for name in one.reads
    ]
    return one.possible(*values)


def worlds(*conditions: Condition) -> list[dict[str, Value]]:
    """List every combination of the grid's values that some conditions can tell apart."""
    names = sorted({"kind", *(name for each in conditions for name in each.reads)})
    return [dict(zip(names, values, strict=True)) for values in product(*(GRID[n] for n in names))]


FEW = {"room": SIMPLE["room"], "adl": SIMPLE["adl"], "own": SIMPLE["own"]}


@settings(max_examples=300)
@given(texts(FEW), texts(FEW))
def test_of_words_and_constants_everything_is_proved(one: str, other: str) -> None:
    """Nothing is left open: what holds in all cells is claimed, and nothing else is."""
    a, b = condition(one), condition(other)
    found = [(judged(a, world), judged(b, world)) for world in worlds(a, b)]

    assert never(a) is all(truth is not Truth.TRUE for truth, _ in found)
    assert always(a) is all(truth is not Truth.FALSE for truth, _ in found)
    assert implies(a, b) is ((Truth.TRUE, Truth.FALSE) not in found)


def points(seed: int) -> list[dict[str, Value]]:
    """Draw worlds at random, some of them with gaps; Hypothesis would take long for as many."""
    random = Random(seed)
    return [
        {
            name: UNKNOWN if name != "kind" and random.random() < 0.1 else random.choice(grid)
            for name, grid in GRID.items()
        }
        for _ in range(50)
    ]


@settings(max_examples=300)
@given(texts(SIMPLE | COMPOUND), texts(SIMPLE | COMPOUND), st.integers(0, 10**9))
def test_no_value_refutes_a_proof(one: str, other: str, seed: int) -> None:
    a, b = condition(one), condition(other)
    found = [(judged(a, world), judged(b, world)) for world in points(seed)]

    if never(a):
        assert all(truth is not Truth.TRUE for truth, _ in found)
    if always(a):
        assert all(truth is not Truth.FALSE for truth, _ in found)
    if implies(a, b):
        assert (Truth.TRUE, Truth.FALSE) not in found
