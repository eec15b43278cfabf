"""The written tree of a value -> the checked tree: names, units, arithmetic on literals."""

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final, NoReturn

from monitor.core.language import hints, history, spans
from monitor.core.language.faults import Faults
from monitor.core.language.measures import (
    NOT_NUMERIC,
    Measure,
    divided,
    multiplied,
    noun,
    shared,
)
from monitor.core.language.tree import (
    Applied,
    Arithmetic,
    Binary,
    Call,
    Constant,
    Literal,
    Minus,
    Name,
    Negative,
    Node,
    Read,
    Value,
)
from monitor.core.language.units import Unit, Vocabulary, Word
from monitor.errors import ConditionError


@dataclass(frozen=True, slots=True)
class Measured:
    """A checked value, what it measures, and what it was written as."""

    value: Value
    measure: Measure
    node: Node

    @property
    def column(self) -> int:
        """Where it begins."""
        return self.node.place.column

    @property
    def literal(self) -> bool:
        """Whether it is one literal, perhaps with a minus sign."""
        return self.written not in {"", "-"}

    @property
    def written(self) -> str:
        """A literal as it is written, without brackets around it."""
        sign, node = (
            ("-", self.node.operand) if isinstance(self.node, Negative) else ("", self.node)
        )
        return sign + (node.text if isinstance(node, Literal) else "")

    @property
    def plain(self) -> bool:
        """Whether it is a plain number that the condition itself states."""
        return isinstance(self.value, Constant) and self.measure is Unit.NUMBER


class Values:
    """Checks values, and keeps which words they read.

    Args:
        text: The condition.
        vocabulary: The words there are.
        faults: Where the faults of parts are noted while those beside them are checked.
    """

    def __init__(self, text: str, vocabulary: Vocabulary, faults: Faults) -> None:
        self._faults = faults
        self._text = text
        self._vocabulary = vocabulary
        self.words: dict[str, Word] = {}
        """The words read so far, in order of first appearance."""

    def quote(self, node: Node) -> str:
        """Give a piece of the condition as it is written."""
        return self._text[node.place.column - 1 : node.place.end - 1]

    def check(self, node: Node, *, beside_text: bool = False) -> Measured:
        """Check a value; raises ConditionError, or NotedError where several parts are wrong.

        Args:
            node: As it is written.
            beside_text: Whether it is compared with a text; for the hint.
        """
        match node:
            case Literal():
                return Measured(Constant(node.value), node.unit, node)
            case Name():
                return self._name(node, beside_text=beside_text)
            case Negative():
                return self._negative(node)
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)
            case _:  # a condition
                problem = f"`{self.quote(node)}` is a condition, not a value"
                raise ConditionError(
                    problem, node.place.column, "join conditions with `and` or `or`"
                )

    # Names

    def _name(self, node: Name, *, beside_text: bool) -> Measured:
        word = self._vocabulary.get(node.text)
        if word is None:
            self._refuse_name(node, beside_text=beside_text)
        self.words[word.name] = word
        return Measured(Read(word.name, word.unit), word.unit, node)

    def is_text(self, node: Node) -> bool:
        """Tell whether a value, not yet checked, is a text."""
        if isinstance(node, Name):
            word = self._vocabulary.get(node.text)
            return word is not None and word.unit is Unit.TEXT
        return isinstance(node, Literal) and node.unit is Unit.TEXT

    def _refuse_name(self, node: Name, *, beside_text: bool) -> NoReturn:
        if node.text in hints.FUNCTIONS:
            problem = f"`{node.text}` is a function"
            raise ConditionError(problem, node.place.column, f"did you mean `{node.text}(...)`?")
        raise ConditionError(
            f"no metric is called `{node.text}`",
            node.place.column,
            hints.for_name(node.text, self._vocabulary, beside_text=beside_text),
        )

    # Arithmetic

    def _negative(self, node: Negative) -> Measured:
        operand = self._number(node.operand)
        if isinstance(operand.value, Constant) and isinstance(operand.value.value, Decimal):
            # Without arithmetic: a minus sign rounds nothing away.
            return Measured(Constant(operand.value.value.copy_negate()), operand.measure, node)
        return Measured(Minus(operand.value), operand.measure, node)

    def _binary(self, node: Binary) -> Measured:
        left, right = self._numbers(node.left, node.right)
        match node.operator:
            case "+" | "-":
                measure = self.alike(left, right)
            case "*":
                measure = multiplied(left.measure, right.measure) or self._refuse_pair(
                    left, right, _PRODUCTS
                )
            case _:
                measure = divided(left.measure, right.measure) or self._refuse_pair(
                    left, right, _QUOTIENTS
                )
                if isinstance(right.value, Constant) and right.value.value == 0:
                    problem = "a division by zero is never known"
                    raise ConditionError(problem, right.column, "divide by another number")
        by_money = node.operator == "/" and right.measure is Unit.MONEY
        arithmetic = Arithmetic(node.operator, left.value, right.value, by_money)
        value = _folded(node.operator, (left.value, right.value)) or arithmetic
        return Measured(value, measure, node)

    def _call(self, node: Call) -> Measured:
        if node.function not in hints.FUNCTIONS:
            unknown = partial(self._refuse_function, node)
            self._faults.every(unknown, *(partial(self.check, each) for each in node.arguments))
        if node.function in history.FUNCTIONS:
            word = history.check(node, self._vocabulary)
            self.words[word.name] = word
            return Measured(Read(word.name, word.unit), word.unit, node)
        arguments = self._numbers(*node.arguments)
        self._counted(node)
        first = arguments[0]
        for each in arguments[1:]:
            measure = self.alike(first, each)
            first = first if first.measure is measure else each
        applied = Applied(node.function, tuple(each.value for each in arguments))
        value = _folded(node.function, applied.arguments) or applied
        return Measured(value, first.measure, node)

    def _numbers(self, *nodes: Node) -> list[Measured]:
        return self._faults.every(*(partial(self._number, node) for node in nodes))

    def _number(self, node: Node) -> Measured:
        measured = self.check(node)
        self._numeric(measured)
        return measured

    def _counted(self, node: Call) -> None:
        count = len(node.arguments)
        if node.function == "abs" and count != 1:
            column = node.arguments[1].place.column if count else node.place.column
            raise ConditionError(f"abs takes one value, not {count}", column, "as in abs(roi)")
        if node.function != "abs" and count < 2:
            problem = f"{node.function} takes two values or more, not {count}"
            hint = f"as in {node.function}(mark_price, entry_price)"
            raise ConditionError(problem, node.place.column, hint)

    # Units

    def alike(self, left: Measured, right: Measured) -> Measure:
        """Give the unit of a sum; a stated plain number may stand beside what has a plain unit."""
        measure = shared(left.measure, right.measure)
        if measure is None and right.plain and left.measure in _PLAIN:
            measure = left.measure
        if measure is None and left.plain and right.measure in _PLAIN:
            measure = right.measure
        if measure is None:
            self.clash(left, right)
        return measure

    def clash(self, left: Measured, right: Measured) -> NoReturn:
        """Refuse two values whose units do not go together; the literal is the wrong one."""
        self._refuse_pair(left, right, "")

    def _refuse_pair(self, left: Measured, right: Measured, advice: str) -> NoReturn:
        fault, other = (left, right) if left.literal and not right.literal else (right, left)
        hint = advice
        if fault.literal:
            hint = hints.for_literal(
                fault.written, fault.measure, other.measure, factor=bool(advice)
            )
        hint = hint or hints.for_likes(other.measure)
        raise ConditionError(
            f"{self._described(other)}, {self._described(fault)}", fault.column, hint
        )

    def _described(self, measured: Measured) -> str:
        return f"{self.quote(measured.node)} is {noun(measured.measure)}"

    def _numeric(self, measured: Measured) -> None:
        if measured.measure not in NOT_NUMERIC:
            return
        problem = f"{self._described(measured)}, which takes no arithmetic"
        hint = 'compare it as it is: == "…", or ~ with a glob'
        if measured.measure is Unit.DURATION:
            name = measured.value.name if isinstance(measured.value, Read) else "data_age"
            hint = f"compare it as it is: `{name} > 30s`"
        raise ConditionError(problem, measured.column, hint)

    def _refuse_function(self, node: Call) -> NoReturn:
        if node.function in self._vocabulary:
            problem = f"`{node.function}` is a metric, not a function"
            raise ConditionError(problem, node.place.column, f"did you mean `{node.function}`?")
        problem = f"no function is called `{node.function}`"
        raise ConditionError(problem, node.place.column, hints.for_function(node.function))


_PRODUCTS: Final = "multiply by a number or a ratio, or a price by a quantity"
_QUOTIENTS: Final = "divide by a number, like by like, or money by a price or a quantity"

_PLAIN: Final = frozenset({Unit.PRICE, Unit.QUANTITY, Unit.MONEY})


def _folded(operation: str, values: tuple[Value, ...]) -> Constant | None:
    """Do arithmetic on literals now; None where words take part, or where it overflows."""
    constants = [each.value for each in values if isinstance(each, Constant)]
    if len(constants) < len(values):
        return None
    result = spans.OPERATIONS[operation](*constants)
    return Constant(result) if isinstance(result, Decimal) else None
