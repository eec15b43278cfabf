"""A condition's text -> a Condition: two functions that judge it, and what it reads.

    text -> tokens -> written tree -> checked tree -> (relaxed tree) -> exact, possible

`exact` judges known numbers at the speed of hand-written Python. `possible` judges sets of values:
what is unknown or absent, and intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from monitor.core.language.check import check
from monitor.core.language.generate import exact_function, possible_function
from monitor.core.language.relax import relaxed, turned
from monitor.core.language.tree import (
    Checked,
    Comparison,
    Constant,
    Membership,
    Read,
    leaves,
)
from monitor.core.language.truth import Truth
from monitor.core.language.units import Scope, Unit, Vocabulary, Word


class Threshold(NamedTuple):
    """The threshold of one comparison of numbers, before any dead band."""

    column: int
    """Where it begins in the condition."""
    operator: str
    """As it reads with the threshold on the right, and without `not`."""
    value: Decimal | None
    """What it is (a ratio as a part, an age in ms); None where it depends on metrics."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, ready to be judged."""

    text: str
    reads: tuple[str, ...]
    """The words it reads, each once, in order of first appearance."""
    scope: Scope
    """The narrowest scope of what it reads."""
    exact: Callable[..., bool]
    """Judge known values of `reads` (Decimal, text, int ms), by position.

    Raises ArithmeticError where a part is unknown (a division by zero): then `possible` decides.
    """
    possible: Callable[..., Truth]
    """Judge values of `reads` as `truth.Value`, by position; never raises."""
    ages: tuple[tuple[str, tuple[int, ...]], ...]
    """For each duration read: the thresholds (ms) it is compared with, ascending, relaxed if this
    condition is. The truth may change at a threshold and 1 ms after it.
    """
    thresholds: tuple[Threshold, ...]
    """For each comparison of numbers and ages (not of texts, not `in`): its threshold."""
    tree: Checked
    """What it says, before any dead band; for proofs."""
    words: tuple[Word, ...]
    """Of `reads`: what each can be."""


def compile_condition(
    text: str, vocabulary: Vocabulary, *, hysteresis: Decimal = Decimal(0)
) -> Condition:
    """Read, check and compile a condition.

    Args:
        text: The condition, as it stands in the rule.
        vocabulary: The words it may read.
        hysteresis: The dead band h, 0.1 is 10 %; above 0 the *relaxed* condition is compiled
            (docs/semantics.md §4), in which each comparison of numbers holds until the threshold is
            passed by h parts of itself.

    Raises:
        ConditionError: The text is not a condition.
    """
    if not hysteresis.is_finite() or hysteresis < 0:
        raise ValueError(f"a dead band is a number from 0, not {hysteresis}")
    checked = check(text, vocabulary)
    tree = relaxed(checked.tree, hysteresis)
    names = tuple(word.name for word in checked.words)
    return Condition(
        text=text,
        reads=names,
        scope=max(word.scope for word in checked.words),
        exact=exact_function(names, tree),
        possible=possible_function(names, tree),
        ages=_ages(checked.words, tree),
        thresholds=tuple(_threshold(each) for each in _comparisons(checked.tree)),
        tree=checked.tree,
        words=checked.words,
    )


# What is told about a condition --------------------------------------------------------------


def _comparisons(tree: Checked) -> list[Comparison]:
    return [
        turned(part)
        for part in leaves(tree)
        if isinstance(part, Comparison) and part.unit is not Unit.TEXT
    ]


def _threshold(comparison: Comparison) -> Threshold:
    side = comparison.right
    constant = Decimal(side.value) if isinstance(side, Constant) else None
    return Threshold(comparison.columns[1], comparison.operator, constant)


def _ages(words: tuple[Word, ...], tree: Checked) -> tuple[tuple[str, tuple[int, ...]], ...]:
    ages: dict[str, set[int]] = {word.name: set() for word in words if word.unit is Unit.DURATION}
    for part in leaves(tree):
        match part:
            case Comparison(_, Read(name), Constant(value)) | Comparison(
                _, Constant(value), Read(name)
            ):
                if name in ages:
                    ages[name].add(int(value))
            case Membership(Read(name), items) if name in ages:
                ages[name].update(int(item) for item in items)
            case _:
                pass
    return tuple((name, tuple(sorted(found))) for name, found in ages.items())
