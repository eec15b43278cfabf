"""The two trees of a condition: as it is written, and as it is checked.

The written tree keeps its places, so that an error can point at them and quote them. The checked
tree has no `not` in it, every name in it is known and every unit fits; what makes code out of it
has nothing left to refuse.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from monitor.core.language.units import Unit


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the condition's text."""

    column: int
    """The first character, counted from 1."""
    end: int
    """The column after the last character."""


# As it is written ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """A metric, or what is hoped to be one."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, ratio, multiple, duration (whole ms) or text."""

    place: Place
    text: str
    value: Decimal | int | str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Negative:
    """A unary minus."""

    place: Place
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * /`."""

    place: Place
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; whether it exists is not yet known."""

    place: Place
    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One operator of a chain and what stands to the right of it."""

    operator: str
    column: int
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Compare:
    """A chain of at least one comparison."""

    place: Place
    first: "Node"
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """`in [..]` and `not in [..]`."""

    place: Place
    operand: "Node"
    items: tuple["Node", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Match:
    """`~` with a glob."""

    place: Place
    operand: "Node"
    pattern: str
    pattern_column: int
    """Where its opening quote stands."""


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    place: Place
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Logical:
    """`and` or `or` over two and more parts."""

    place: Place
    operator: str
    parts: tuple["Node", ...]


Node = Name | Literal | Negative | Binary | Call | Compare | Member | Match | Not | Logical


# As it is checked ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that the condition itself states; arithmetic on literals is done already."""

    value: Decimal | int | str


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a word."""

    name: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Minus:
    """The negative of a value."""

    operand: "Value"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two values taken together."""

    operator: str
    left: "Value"
    right: "Value"
    by_money: bool = False
    """A division by an amount of money, which is unknown where that amount is <= 0."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`abs`, `min` or `max` of values."""

    function: str
    arguments: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A threshold t that is not constant: t + |t|·band, or t - |t|·band; infinite t stays."""

    operand: "Value"
    upwards: bool
    band: Decimal


Value = Constant | Read | Minus | Arithmetic | Applied | Relaxed


@dataclass(frozen=True, slots=True)
class Comparison:
    """`< <= > >= == !=` between two values."""

    operator: str
    left: Value
    right: Value
    columns: tuple[int, int] = field(compare=False)
    """Where the left and the right side begin; no part of what it says."""
    unit: Unit
    """TEXT, DURATION, or NUMBER for everything that is a Decimal."""

    @property
    def column(self) -> int:
        """Where it begins."""
        return min(self.columns)


@dataclass(frozen=True, slots=True)
class Membership:
    """A value is, or is not, one of a list."""

    operand: Value
    items: tuple[Decimal | int | str, ...]
    negated: bool
    column: int = field(compare=False)
    """Where it begins."""


@dataclass(frozen=True, slots=True)
class Matching:
    """A text fits, or does not fit, a glob."""

    operand: Value
    pattern: str
    negated: bool
    column: int = field(compare=False)
    """Where it begins."""


@dataclass(frozen=True, slots=True)
class Joined:
    """`and` or `or` over two and more parts."""

    operator: str
    parts: tuple["Checked", ...]


Leaf = Comparison | Membership | Matching
Checked = Leaf | Joined


def leaves(tree: Checked) -> list[Leaf]:
    """List the comparisons, memberships and matches of a condition, from left to right."""
    if isinstance(tree, Joined):
        return [leaf for part in tree.parts for leaf in leaves(part)]
    return [tree]


def words_in(leaf: Leaf) -> tuple[str, ...]:
    """Name the words that a comparison reads, with repetitions."""
    if isinstance(leaf, Comparison):
        return words_of(leaf.left) + words_of(leaf.right)
    return words_of(leaf.operand)


def words_of(value: Value) -> tuple[str, ...]:
    """Name the words that a value reads, with repetitions."""
    match value:
        case Constant():
            return ()
        case Read(name):
            return (name,)
        case Minus(operand) | Relaxed(operand):
            return words_of(operand)
        case Arithmetic(_, left, right):
            return words_of(left) + words_of(right)
        case _:  # Applied
            return tuple(name for each in value.arguments for name in words_of(each))
