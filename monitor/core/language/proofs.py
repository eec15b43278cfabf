"""What can be proved of conditions over every value that their words can have.

    never(c)        nothing makes it true
    always(c)       nothing that is known makes it false
    implies(a, b)   whatever makes a true makes b true

A condition compares few things with few constants, so that the world falls into cells inside of
which no comparison changes. What is compared is a *subject*: a word (`margin_room`), a value made
of words (`notional / equity`), or the order of two such values. The cells of a number are the
constants it is compared with and the gaps between them, as far as its reach goes; those of a text
are the texts that it can be, or, of an open word, the texts named and one cell for each set of
globs that some other text may fit. A search over cells finds an example, or that there is none.

Rules of this file:

- **Sound**: subjects are taken as independent of each other, and the reach of a value made of words
  comes from `spans`; both only add examples that are none. So "no example" is a proof. What cannot
  be proved, or not within `MOST_STEPS`, is left open and not claimed.
- What is unknown is left out: a condition that is true where something is unknown is true whatever
  that would be. What is absent makes its comparison false.
"""

import fnmatch
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from monitor.core.language import spans
from monitor.core.language.cells import Cell, Number, Order, Subject, Text, TooHardError, ends
from monitor.core.language.compile import Condition
from monitor.core.language.relax import TURNED, turned
from monitor.core.language.tree import (
    Applied,
    Arithmetic,
    Checked,
    Comparison,
    Constant,
    Joined,
    Leaf,
    Matching,
    Minus,
    Read,
    Value,
    words_in,
)
from monitor.core.language.truth import Interval, Missing
from monitor.core.language.units import Unit, Word

MOST_STEPS: Final = 2_000
"""How many choices of a cell a search may take before it gives up."""
_MOST_SUBJECTS: Final = 60

Texts = Mapping[str, frozenset[str]]
"""Words, and the texts that each of them is known to be one of, fewer than its own."""

_HOLDS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def never(condition: Condition, texts: Texts | None = None) -> bool:
    """Prove that a condition is never true; False may be for want of a proof."""
    return not may_be([(condition, True)], texts)


def always(condition: Condition, texts: Texts | None = None) -> bool:
    """Prove that a condition is true wherever it is known; False may be for want of a proof."""
    return not may_be([(condition, False)], texts)


def implies(one: Condition, other: Condition, texts: Texts | None = None) -> bool:
    """Prove that whatever makes one condition true makes the other true, where it is known."""
    return not may_be([(one, True), (other, False)], texts)


def may_be(wanted: Sequence[tuple[Condition, bool]], texts: Texts | None = None) -> bool:
    """Tell whether some values may make each condition what it is wanted to be, all at once.

    Args:
        wanted: Conditions, and whether each should be true or false.
        texts: What is known of words beyond the vocabulary, such as which account it is.

    Returns:
        False is a proof that there are no such values.
    """
    return trees_may_be(
        [(condition.tree, truth) for condition, truth in wanted],
        {word.name: word for condition, _ in wanted for word in condition.words},
        texts,
    )


def trees_may_be(
    wanted: Sequence[tuple[Checked, bool]], words: Mapping[str, Word], texts: Texts | None = None
) -> bool:
    """Tell the same of checked trees, given the words that they read."""
    world = _World(words, texts or {})
    try:
        goals = [(world.take(tree), truth) for tree, truth in wanted]
        return _Search(goals, world.subjects()).succeeds()
    except TooHardError:
        return True


# Trees over subjects -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Test:
    """A comparison: whether it holds in a cell of its subject."""

    subject: object
    holds: Callable[[Cell], bool]
    absent: tuple[tuple[object, str], ...]
    """Subjects, and the text of each at which it is false because something is absent."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """`and` or `or`; `decisive` is the truth that decides it by itself."""

    decisive: bool
    parts: "tuple[_Tree, ...]"


_Tree = _Test | _Parts | bool


class _World:
    """The subjects of some trees, by what they are; a word's own subject goes by its name."""

    def __init__(self, words: Mapping[str, Word], texts: Texts) -> None:
        self._words = words
        self._texts = texts
        self._subjects: dict[object, Subject] = {}
        self._tests: Counter[object] = Counter()

    def subjects(self) -> dict[object, list[Cell]]:
        """List the cells of each subject; what the most is tested on comes first."""
        order = sorted(self._subjects, key=lambda key: -self._tests[key])
        return {key: self._subjects[key].cells() for key in order}

    def take(self, tree: Checked) -> _Tree:
        """Take a tree in, with the subjects that it compares."""
        if isinstance(tree, Joined):
            return _Parts(tree.operator == "or", tuple(self.take(part) for part in tree.parts))
        if isinstance(tree, Comparison):
            return self._comparison(tree)
        if isinstance(tree, Matching):
            return self._matching(tree)
        if isinstance(tree.operand, Constant):
            return (tree.operand.value in tree.items) is not tree.negated
        return self._membership(tree.operand, tree.items, tree, negated=tree.negated)

    def _comparison(self, leaf: Comparison) -> _Tree:
        leaf = turned(leaf)
        sign, left, right = leaf.operator, leaf.left, leaf.right
        if not isinstance(right, Constant):
            return self._ordered(leaf)
        if isinstance(left, Constant):
            return _constant(sign, left.value, right.value)
        if leaf.unit is Unit.TEXT:
            return self._membership(left, (right.value,), leaf, negated=sign == "!=")
        constant = Decimal(right.value)
        while isinstance(left, Minus):
            left, constant, sign = left.operand, constant.copy_negate(), TURNED[sign]
        subject = self._number(left)
        subject.cuts.add(constant)
        holds = _HOLDS[sign]
        return self._test(
            _key(left), lambda cell: holds(_int(cell), subject.places[constant]), leaf
        )

    def _ordered(self, leaf: Comparison) -> _Test:
        sign, left, right = leaf.operator, leaf.left, leaf.right
        if repr(left) > repr(right):
            sign, left, right = TURNED[sign], right, left
        key = ("order", left, right)
        if key not in self._subjects:
            self._subjects[key] = Order(self._orders(left, right, text=leaf.unit is Unit.TEXT))
        holds = _HOLDS[sign]
        return self._test(key, lambda cell: holds(_int(cell), 0), leaf)

    def _orders(self, left: Value, right: Value, *, text: bool) -> list[Cell]:
        if left == right:
            return [0]
        if text:
            return [-1, 0, 1]
        one, other = self._reach(left), self._reach(right)
        if isinstance(one, Missing) or isinstance(other, Missing):
            return []
        a, b = ends(one), ends(other)
        return [
            *([-1] if a[0] < b[1] else []),
            *([0] if a[0] <= b[1] and b[0] <= a[1] else []),
            *([1] if a[1] > b[0] else []),
        ]

    def _membership(
        self, operand: Value, items: tuple[Decimal | int | str, ...], leaf: Leaf, *, negated: bool
    ) -> _Tree:
        if isinstance(operand, Read) and operand.unit is Unit.TEXT:
            texts = {str(item) for item in items}
            self._text(operand).named.update(texts)
            return self._test(_key(operand), lambda cell: (cell in texts) is not negated, leaf)
        subject, constants = self._number(operand), [Decimal(item) for item in items]
        subject.cuts.update(constants)
        return self._test(
            _key(operand),
            lambda cell: (_int(cell) in [subject.places[c] for c in constants]) is not negated,
            leaf,
        )

    def _matching(self, leaf: Matching) -> _Tree:
        fits = re.compile(fnmatch.translate(leaf.pattern)).match
        if not isinstance(leaf.operand, Read):
            text = leaf.operand.value if isinstance(leaf.operand, Constant) else ""
            return (fits(str(text)) is not None) is not leaf.negated
        self._text(leaf.operand).globs.add(leaf.pattern)

        def holds(cell: Cell) -> bool:
            fitting = leaf.pattern in cell if isinstance(cell, frozenset) else fits(str(cell))
            return bool(fitting) is not leaf.negated

        return self._test(_key(leaf.operand), holds, leaf)

    def _test(self, key: object, holds: Callable[[Cell], bool], leaf: Leaf) -> _Test:
        absent = []
        for name in words_in(leaf):
            where = self._words[name].absent_where
            if where is not None:
                absent.append(where)
                self._subjects.setdefault(where[0], Text(self._known(where[0], where[1])))
        self._tests.update([key, *(name for name, _ in absent)])
        return _Test(key, holds, tuple(dict.fromkeys(absent)))

    def _known(self, name: str, text: str = "") -> frozenset[str] | None:
        """Tell which texts a word can be; of one that no condition reads, `text` and another."""
        if name in self._texts:
            return self._texts[name]
        return self._words[name].known if name in self._words else frozenset({text, ""})

    def _text(self, operand: Read) -> Text:
        subject = self._subjects.setdefault(operand.name, Text(self._known(operand.name)))
        assert isinstance(subject, Text)  # noqa: S101 - of that name; for the type checker
        return subject

    def _number(self, value: Value) -> Number:
        key = _key(value)
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = Number(self._reach(value))
        assert isinstance(subject, Number)  # noqa: S101 - of that value; for the type checker
        return subject

    def _reach(self, value: Value) -> spans.Number:
        """Tell between which numbers a value lies."""
        match value:
            case Constant(constant):
                return Decimal(constant)
            case Read(name):
                return Interval(*self._words[name].reach)
            case Minus(operand):
                return spans.negative(self._reach(operand))
            case Arithmetic(sign, left, right, by_money):
                compute = spans.quotient_by_money if by_money else spans.OPERATIONS[sign]
                return compute(self._reach(left), self._reach(right))
            case Applied(function, arguments):
                return spans.OPERATIONS[function](*map(self._reach, arguments))
            case _:
                raise AssertionError("a relaxed condition is not what a rule says")


def _key(value: Value) -> object:
    return value.name if isinstance(value, Read) else value


def _int(cell: Cell) -> int:
    assert isinstance(cell, int)  # noqa: S101 - of a number or an order; for the type checker
    return cell


def _constant(sign: str, left: Decimal | int | str, right: Decimal | int | str) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return (left == right) is (sign == "==")
    return _HOLDS[sign]((left > right) - (left < right), 0)


# The search ----------------------------------------------------------------------------------


class _Search:
    """Looks for a cell of each subject such that each tree is what it is wanted to be."""

    def __init__(
        self, goals: Sequence[tuple[_Tree, bool]], subjects: Mapping[object, list[Cell]]
    ) -> None:
        self._goals = goals
        self._subjects = list(subjects.items())
        if len(self._subjects) > _MOST_SUBJECTS:
            raise TooHardError
        self._chosen: dict[object, Cell] = {}
        self._steps = 0

    def succeeds(self, depth: int = 0) -> bool:
        """Look on from the subject of a depth; raises TooHardError."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TooHardError
        found = [(self._judge(tree), wanted) for tree, wanted in self._goals]
        if any(truth is not None and truth is not wanted for truth, wanted in found):
            return False
        if all(truth is not None for truth, _ in found):
            return True
        if depth == len(self._subjects):
            return False  # what decides is never known
        return any(self._below(depth))

    def _below(self, depth: int) -> Iterator[bool]:
        key, cells = self._subjects[depth]
        for cell in cells:
            self._chosen[key] = cell
            yield self.succeeds(depth + 1)
        self._chosen.pop(key, None)
        if not cells:
            yield self.succeeds(depth + 1)

    def _judge(self, tree: _Tree) -> bool | None:
        """Judge a tree by the cells chosen so far; None is open."""
        if isinstance(tree, bool):
            return tree
        if isinstance(tree, _Test):
            return self._holds(tree)
        result: bool | None = not tree.decisive
        for part in tree.parts:
            truth = self._judge(part)
            if truth is tree.decisive:
                return truth
            if truth is None:
                result = None
        return result

    def _holds(self, test: _Test) -> bool | None:
        chosen = self._chosen
        if any(chosen.get(key) == text for key, text in test.absent):
            return False
        cell = chosen.get(test.subject)
        if cell is None:
            return None
        if not test.holds(cell):
            return False
        return True if all(key in chosen for key, _ in test.absent) else None
