"""Functions of a metric's past, such as `drop(equity, 1d)`: each is a word of its own.

    change(x, 5m)    x now − x at the beginning of the window
    highest(x, 1h)   lowest(x, 1h)   average(x, 5m)
    drop(x, 1h)      (highest − x now) / highest

To the rest of the language such a call is a metric with the call as its name, written in one way
only: `drop( equity,60m )` is `drop(equity, 1h)`.
"""

from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from monitor.core.language import spans
from monitor.core.language.measures import NOT_NUMERIC, noun
from monitor.core.language.tree import Call, Literal, Name, Node
from monitor.core.language.truth import Interval
from monitor.core.language.units import ANYTHING, History, Unit, Vocabulary, Word
from monitor.errors import ConditionError

FUNCTIONS: Final = ("change", "highest", "lowest", "average", "drop")

SHORTEST, LONGEST = 1_000, 7 * 86_400_000
"""The windows there may be, in ms."""

_FALLING_MONEY: Final = ("wallet_balance", "equity", "margin_balance")
"""Money of which a fall can be a ratio: it usually is well above 0."""

_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def duration(milliseconds: int) -> str:
    """Write a duration as rules do, in the one shortest way: 90m is 1h30m."""
    parts, rest = [], milliseconds
    for suffix, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{suffix}")
    return "".join(parts) or "0s"


def word_of(history: History, metric: Word) -> Word:
    """Make the word of a function of a metric's past."""
    lo, hi = metric.reach
    unit, reach = metric.unit, metric.reach
    if history.function == "drop":
        # More than everything can be lost: equity may fall below 0.
        unit, reach = Unit.RATIO, (Decimal(0), Decimal(1) if lo >= 0 else ANYTHING[1])
    elif history.function == "change":
        most = spans.subtract(Interval(lo, hi), Interval(lo, hi))
        reach = (most.lo, most.hi) if isinstance(most, Interval) else ANYTHING
    return Word(
        name=f"{history.function}({history.metric}, {duration(history.span)})",
        unit=unit,
        scope=metric.scope,
        reach=reach,
        absent_where=metric.absent_where,
        history=history,
    )


def check(node: Call, vocabulary: Vocabulary) -> Word:
    """Check a call of one of these functions; raises ConditionError."""
    example = f"as in {node.function}({_example(node.function)})"
    count = len(node.arguments)
    if count != 2:
        values = "1 value" if count == 1 else f"{count} values"
        problem = f"{node.function} takes a metric and a duration, not {values}"
        raise ConditionError(problem, node.place.column, example)
    metric, window = node.arguments
    word = _metric(node, metric, vocabulary, example)
    return word_of(History(node.function, word.name, _span(window, example)), word)


def _example(function: str) -> str:
    return "equity, 1d" if function == "drop" else "mark_price, 5m"


def _metric(node: Call, metric: Node, vocabulary: Vocabulary, example: str) -> Word:
    function, column = node.function, metric.place.column
    if not isinstance(metric, Name):
        problem = f"{function} looks back at one metric, not at a computed value"
        raise ConditionError(problem, column, example)
    word = vocabulary.get(metric.text)
    if word is None:
        near = get_close_matches(metric.text.lower(), list(vocabulary), n=1)
        hint = f"did you mean `{near[0]}`?" if near else example
        raise ConditionError(f"no metric is called `{metric.text}`", column, hint)
    if word.unit in NOT_NUMERIC:
        problem = f"`{word.name}` is {noun(word.unit)}, which {function} does not look back at"
        raise ConditionError(problem, column, example)
    if function == "drop" and word.unit is not Unit.PRICE and word.name not in _FALLING_MONEY:
        problem = f"drop is of a price, {', '.join(_FALLING_MONEY[:-1])} or {_FALLING_MONEY[-1]}"
        hint = f"`{word.name}` can be 0; use change({word.name}, 1h)"
        raise ConditionError(problem, column, hint)
    return word


def _span(window: Node, example: str) -> int:
    if not isinstance(window, Literal) or window.unit is not Unit.DURATION:
        hint = example
        if isinstance(window, Literal) and window.unit is Unit.NUMBER:
            hint = f"did you mean {window.text}m?"
        problem = "the window is a duration, written out"
        raise ConditionError(problem, window.place.column, hint)
    span = int(window.value)
    if not SHORTEST <= span <= LONGEST:
        shortest, longest = duration(SHORTEST), duration(LONGEST)
        problem = f"a window is {shortest} to {longest} long, not {window.text}"
        hint = f"did you mean {shortest if span < SHORTEST else longest}?"
        raise ConditionError(problem, window.place.column, hint)
    return span
