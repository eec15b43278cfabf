"""The comparisons of a condition one by one: as they are written, and a judge for each of them.

A condition is judged as a whole. Whoever asks why it holds, or does not, wants to see which part of
it decides; `not` is in the parts already, as in the checked tree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from monitor.core.language.compile import Condition
from monitor.core.language.generate import possible_function
from monitor.core.language.parse import parse
from monitor.core.language.relax import relaxed, turned
from monitor.core.language.tree import (
    Compare,
    Comparison,
    Constant,
    Leaf,
    Logical,
    Match,
    Matching,
    Member,
    Membership,
    Node,
    Not,
    Read,
    leaves,
)
from monitor.core.language.truth import Truth
from monitor.core.language.units import Unit


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison, membership or match of a condition."""

    text: str
    """As it is written, with any `not` before it taken in."""
    raw: Callable[..., Truth]
    """Judge values of the condition's `reads`, by position; never raises."""
    relaxed: Callable[..., Truth]
    """The same with the dead band."""
    moved: tuple[str, Decimal | int] | None = None
    """The word that is compared with a constant, and where the dead band moves that to (durations
    in ms); None where it moves nothing, or nothing so simple."""


def parts_of(condition: Condition, hysteresis: Decimal) -> tuple[Part, ...]:
    """Take a condition apart, from left to right.

    Args:
        condition: Compiled without a dead band.
        hysteresis: The dead band, a part of each threshold; 0 for none.
    """
    quotes = _Quotes(condition.text)
    return tuple(
        Part(
            quotes.of(leaf),
            possible_function(condition.reads, leaf),
            possible_function(condition.reads, relaxed(leaf, hysteresis)),
            _moved(leaf, hysteresis),
        )
        for leaf in leaves(condition.tree)
    )


def _moved(leaf: Leaf, band: Decimal) -> tuple[str, Decimal | int] | None:
    if not isinstance(leaf, Comparison) or leaf.unit is Unit.TEXT:
        return None
    match turned(leaf), relaxed(leaf, band):
        case (
            Comparison(_, Read(name), Constant(before)),
            Comparison(_, _, Constant(Decimal() | int() as after)),
        ) if after != before:
            return name, after
        case _:
            return None


class _Quotes:
    """What stands in the text of a condition, by the column where it begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._operands: dict[int, str] = {}
        self._behind: dict[int, str] = {}
        """Of a list or a pattern, by the column where its operand begins."""
        for node in _relations(parse(text)):
            self._take(node)

    def _take(self, node: Compare | Member | Match) -> None:
        if isinstance(node, Compare):
            for operand in (node.first, *(link.operand for link in node.links)):
                self._operands[operand.place.column] = self._quote(operand)
            return
        column = node.operand.place.column
        self._operands[column] = self._quote(node.operand)
        if isinstance(node, Member):
            self._behind[column] = f"[{', '.join(self._quote(item) for item in node.items)}]"
        else:
            self._behind[column] = f'"{node.pattern}"'

    def _quote(self, node: Node) -> str:
        return self._text[node.place.column - 1 : node.place.end - 1]

    def of(self, leaf: Leaf) -> str:
        """Write a part as it stands in the text."""
        match leaf:
            case Comparison(operator, columns=(left, right)):
                return f"{self._at(left)} {operator} {self._at(right)}"
            case Membership(negated=negated, column=column):
                relation = "not in" if negated else "in"
                return f"{self._at(column)} {relation} {self._behind[column]}"
            case Matching(negated=negated, column=column):
                return f"{'not ' if negated else ''}{self._at(column)} ~ {self._behind[column]}"

    def _at(self, column: int) -> str:
        return self._operands[column]


def _relations(node: Node) -> Iterator[Compare | Member | Match]:
    match node:
        case Logical():
            for part in node.parts:
                yield from _relations(part)
        case Not():
            yield from _relations(node.operand)
        case Compare() | Member() | Match():
            yield node
        case _:
            pass  # a value, which is no condition: the checker refused it
