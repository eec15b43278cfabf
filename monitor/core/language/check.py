"""The written tree of a condition -> the checked tree: truth, units of comparisons, no `not`.

`not` is pushed inwards on the way: `not a < b` becomes `a >= b`, `not (A and B)` becomes `not A or
not B`, a chain is two comparisons. In three-valued logic that changes nothing, and it leaves a tree
in which every part, made truer, can only make the whole truer.
"""

from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise
from typing import Final, NoReturn

from monitor.core.language import hints
from monitor.core.language.faults import Faults, NotedError
from monitor.core.language.globs import fault_of, is_glob
from monitor.core.language.measures import compared, noun
from monitor.core.language.parse import parse
from monitor.core.language.tree import (
    Checked,
    Compare,
    Comparison,
    Constant,
    Joined,
    Link,
    Literal,
    Logical,
    Match,
    Matching,
    Member,
    Membership,
    Node,
    Not,
    Read,
)
from monitor.core.language.units import Unit, Vocabulary, Word
from monitor.core.language.values import Measured, Values
from monitor.errors import ConditionError

_OPPOSITES: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_OTHER: Final = {"and": "or", "or": "and"}


@dataclass(frozen=True, slots=True)
class CheckedCondition:
    """A condition that may be judged."""

    tree: Checked
    words: tuple[Word, ...]
    """What it reads, each once, in order of first appearance."""


def check(text: str, vocabulary: Vocabulary) -> CheckedCondition:
    """Read and check a condition.

    Raises:
        ConditionError: At the first fault of syntax; else with every fault, the first of which
            carries the others.
    """
    node = _parsed(text)
    checker = _Checker(text, vocabulary)
    tree = checker.checked(node)
    words = tuple(checker.values.words.values())
    if not words:
        problem = "the condition reads no metric, so it is always the same"
        raise ConditionError(problem, node.place.column, "compare a metric with a value")
    return CheckedCondition(tree, words)


def _parsed(text: str) -> Node:
    try:
        return parse(text)
    except ConditionError as exc:
        hint = hints.for_comma(text, exc.column)
        if not hint:
            raise
        raise ConditionError(exc.problem, exc.column, hint) from None


class _Checker:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._faults = Faults()
        self.values = Values(text, vocabulary, self._faults)

    def checked(self, node: Node) -> Checked:
        """Check the whole condition; raises ConditionError with every fault."""
        tree = self._faults.attempt(partial(self.condition, node, wanted=True))
        self._faults.tell()
        assert tree is not None  # noqa: S101 - there is no fault; for the type checker
        return tree

    def condition(self, node: Node, *, wanted: bool) -> Checked:
        """Check a condition that is wanted true, or wanted false under an odd number of `not`."""
        match node:
            case Not():
                return self.condition(node.operand, wanted=not wanted)
            case Logical():
                return self._logical(node, wanted=wanted)
            case Compare():
                return self._chain(node, wanted=wanted)
            case Member():
                return self._member(node, wanted=wanted)
            case Match():
                return self._match(node, wanted=wanted)
            case _:  # a value
                measured = self.values.check(node)
                quoted = self.values.quote(node)
                raise ConditionError(
                    f"{quoted} is {noun(measured.measure)}, not a condition",
                    measured.column,
                    hints.COMPARE
                    if measured.literal
                    else hints.as_condition(quoted, measured.measure),
                )

    def _logical(self, node: Logical, *, wanted: bool) -> Checked:
        parts = self._faults.every(
            *(
                partial(self._part, before, part, wanted=wanted)
                for before, part in pairwise((None, *node.parts))
                if part is not None
            )
        )
        return Joined(node.operator if wanted else _OTHER[node.operator], tuple(parts))

    def _part(self, before: Node | None, part: Node, *, wanted: bool) -> Checked:
        if isinstance(part, Literal):
            self._refuse_bare_literal(before, part)
        return self.condition(part, wanted=wanted)

    def _refuse_bare_literal(self, before: Node | None, part: Literal) -> NoReturn:
        hint = hints.COMPARE
        if isinstance(before, Compare):
            again = f"{self.values.quote(before.first)} {before.links[0].operator}"
            hint = f"did you mean `{again} {part.text}`?"
        problem = f"{part.text} is {noun(part.unit)}, not a condition"
        raise ConditionError(problem, part.place.column, hint)

    # Comparisons

    def _chain(self, node: Compare, *, wanted: bool) -> Checked:
        nodes = (node.first, *(link.operand for link in node.links))
        beside_text = any(map(self.values.is_text, nodes))
        operands = [
            self._faults.attempt(partial(self.values.check, each, beside_text=beside_text))
            for each in nodes
        ]
        comparisons: list[Checked | None] = [
            self._faults.attempt(partial(self._comparison, left, link, right, wanted=wanted))
            for link, (left, right) in zip(node.links, pairwise(operands), strict=True)
            if left is not None and right is not None
        ]
        good = tuple(each for each in comparisons if each is not None)
        if len(good) < len(node.links):
            raise NotedError
        return good[0] if len(good) == 1 else Joined("and" if wanted else "or", good)

    def _comparison(
        self, left: Measured, link: Link, right: Measured, *, wanted: bool
    ) -> Comparison:
        unit = self._unit(left, right)
        if unit is Unit.TEXT and link.operator not in {"==", "!="}:
            raise ConditionError(
                f"texts have no order: `{link.operator}` does not apply",
                link.column,
                "texts compare with ==, !=, in and ~",
            )
        negated = link.operator == "!="
        self._known(left, right, negated=negated)
        self._known(right, left, negated=negated)
        return Comparison(
            link.operator if wanted else _OPPOSITES[link.operator],
            left.value,
            right.value,
            (left.column, right.column),
            unit,
        )

    def _unit(self, left: Measured, right: Measured) -> Unit:
        measure = compared(left.measure, right.measure)
        if measure is None:
            self._refuse_for_text(left, right)
            self._refuse_for_text(right, left)
            self.values.clash(left, right)
        if (
            measure is Unit.DURATION
            and isinstance(left.value, Read)
            and isinstance(right.value, Read)
        ):
            names = f"{left.value.name} and {right.value.name}"
            problem = f"{names} are durations, which compare with a literal only"
            raise ConditionError(problem, right.column, "compare each with a literal such as 30s")
        return measure if measure in {Unit.TEXT, Unit.DURATION} else Unit.NUMBER

    def _refuse_for_text(self, word: Measured, literal: Measured) -> None:
        """Refuse a number beside a word that is one of a few texts, and name those."""
        known = self.values.words[word.value.name].known if isinstance(word.value, Read) else None
        if known is None or not literal.literal:
            return
        problem = (
            f"{self.values.quote(word.node)} is {noun(word.measure)}, "
            f"{self.values.quote(literal.node)} is {noun(literal.measure)}"
        )
        raise ConditionError(problem, literal.column, hints.for_text(literal.written, known))

    def _known(self, word: Measured, text: Measured, *, negated: bool) -> None:
        """Refuse a text that its word can never be."""
        if not isinstance(word.value, Read) or not isinstance(text.value, Constant):
            return
        known = self.values.words[word.value.name].known
        if known is not None and text.value.value not in known:
            problem = f"{word.value.name} is never {self.values.quote(text.node)}"
            hint = hints.for_text(str(text.value.value), known)
            raise ConditionError(problem, text.column, hint)
        if isinstance(text.value.value, str):
            self._refuse_glob(word, text, text.value.value, negated=negated)

    def _refuse_glob(self, word: Measured, text: Measured, value: str, *, negated: bool) -> None:
        """Refuse a text that only `~` takes for a pattern, and one that nothing can be."""
        name, quoted = self.values.quote(word.node), self.values.quote(text.node)
        if not value.strip():
            problem = f"{name} is never empty"
            raise ConditionError(problem, text.column, "compare it with a text that it can be")
        if is_glob(value):
            problem = f"{quoted} is a glob, which only `~` fits to a text"
            kept = "not " if negated else ""
            raise ConditionError(problem, text.column, f"did you mean `{kept}{name} ~ {quoted}`?")

    # Lists and globs

    def _member(self, node: Member, *, wanted: bool) -> Membership:
        operand = self._faults.attempt(partial(self.values.check, node.operand))
        items = self._faults.every(
            *(partial(self._item, operand, each, negated=node.negated) for each in node.items)
        )
        if operand is None:
            raise NotedError
        return Membership(operand.value, tuple(items), node.negated is wanted, operand.column)

    def _item(self, operand: Measured | None, node: Node, *, negated: bool) -> Decimal | int | str:
        beside_text = operand is not None and operand.measure is Unit.TEXT
        item = self.values.check(node, beside_text=beside_text)
        if operand is not None:
            self._unit(operand, item)
        if not isinstance(item.value, Constant):
            problem = f"{self.values.quote(node)} is not a literal, which a list is made of"
            raise ConditionError(problem, item.column, "compare it with == instead")
        if operand is not None:
            self._known(operand, item, negated=negated)
        return item.value.value

    def _match(self, node: Match, *, wanted: bool) -> Matching:
        operand = self.values.check(node.operand)
        if operand.measure is not Unit.TEXT:
            problem = f"{self.values.quote(node.operand)} is {noun(operand.measure)}, not a text"
            quoted = self.values.quote(node.operand)
            hint = hints.as_condition(quoted, operand.measure)
            raise ConditionError(problem, operand.column, hint)
        self._pattern(operand, node)
        return Matching(operand.value, node.pattern, not wanted, operand.column)

    def _pattern(self, operand: Measured, node: Match) -> None:
        """Refuse a glob that is broken, or that fits nothing that the word can be."""
        name, begin = self.values.quote(node.operand), node.pattern_column
        if node.pattern.startswith("!"):
            problem = "behind `~` a `!` is a character like others"
            hint = f'did you mean `not {name} ~ "{node.pattern[1:]}"`?'
            raise ConditionError(problem, begin + 1, hint)
        fault = fault_of(node.pattern)
        if fault is not None:
            at = begin + 1 + fault.at if node.pattern.strip() else begin
            raise ConditionError(fault.problem, at, fault.hint)
        word = operand.value.name if isinstance(operand.value, Read) else ""
        known = self.values.words[word].known if word else None
        if known and not any(fnmatchcase(each, node.pattern) for each in known):
            problem = f'{word} is never like "{node.pattern}"'
            raise ConditionError(problem, begin, hints.for_text(node.pattern.strip("*"), known))
