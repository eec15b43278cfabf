"""The checked tree of a condition -> the code of two Python functions.

*Exact* is what one would write by hand: each word is a parameter, each constant a global of the
function, a comparison is Python's own, and nothing is called but a division by what may be 0.
*Possible* calls the functions of `truth.py` and `spans.py`, but for a word that is compared with a
constant, where it first looks whether the word is an ordinary value or unknown.

Nothing in a condition can reach a Python name: the code is made of names that this module chooses
(`m_` and a word of the vocabulary, `c0`, `c1`, … and the helpers below), with no builtins behind
them.
"""

import ast
import fnmatch
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any, Final

from monitor.core.language import spans, truth
from monitor.core.language.tree import (
    Applied,
    Arithmetic,
    Checked,
    Comparison,
    Constant,
    Joined,
    Membership,
    Minus,
    Read,
    Relaxed,
    Value,
)
from monitor.core.language.truth import Truth
from monitor.core.language.units import Unit

_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
}
_OPERATORS: Final[dict[str, type[ast.operator]]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
}
_SPANS: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "quotient"}
# An operator -> the function of truth.py, and whether its arguments change places.
_TRUTHS: Final = {
    "<": ("less", False),
    "<=": ("at_most", False),
    ">": ("less", True),
    ">=": ("at_most", True),
    "==": ("equal", False),
    "!=": ("unequal", False),
}
_NO_NAME: Final = re.compile(r"\W+")
_POINTS: Final = {Unit.TEXT: "str", Unit.DURATION: "int"}
_INFINITE: Final = Decimal("Infinity")


def exact_function(words: Sequence[str], tree: Checked) -> Callable[..., bool]:
    """Make the function that judges known values of `words`, by position."""
    code = _Exact()
    code.globals |= {
        "divide": spans.divide,
        "divide_by_money": spans.divide_by_money,
        "abs": abs,
        "min": min,
        "max": max,
    }
    return code.function("def exact(): return None", words, tree)


def possible_function(words: Sequence[str], tree: Checked) -> Callable[..., Truth]:
    """Make the function that judges sets of values of `words`, by position."""
    code = _Possible()
    code.globals |= {name: getattr(truth, name) for name in _OF_TRUTH.split()}
    code.globals |= {name: getattr(spans, name) for name in _OF_SPANS.split()}
    code.globals |= {"Decimal": Decimal, "int": int, "str": str, "ArithmeticError": ArithmeticError}
    # The net is for a NaN, which is no value: whoever computes one anyway shall not go unwarned.
    template = "def possible():\n try: return None\n except ArithmeticError: return TRUTHS[4]"
    return code.function(template, words, tree)


_OF_TRUTH: Final = (
    "TRUTHS UNKNOWN AND OR less at_most equal unequal member not_member matches matches_not"
)
_OF_SPANS: Final = (
    "add subtract multiply quotient quotient_by_money negative absolute least greatest "
    "raise_threshold lower_threshold"
)


class _Code(ABC):
    """Expressions that share one table of constants."""

    def __init__(self) -> None:
        self.globals: dict[str, Any] = {"__builtins__": {}}

    def function(self, template: str, words: Sequence[str], tree: Checked) -> Callable[..., Any]:
        """Fill the first `return` of a template, and make the function."""
        module = ast.parse(template)
        definition = module.body[0]
        assert isinstance(definition, ast.FunctionDef)  # noqa: S101 - the templates are ours
        definition.args.posonlyargs = [ast.arg(_parameter(word)) for word in words]
        place = next(node for node in ast.walk(definition) if isinstance(node, ast.Return))
        place.value = self.result(tree)
        compiled = compile(ast.fix_missing_locations(module), "<condition>", "exec")
        code = next(each for each in compiled.co_consts if isinstance(each, CodeType))
        return FunctionType(code, self.globals)

    def hoisted(self, value: object) -> ast.expr:
        """Keep a constant as a global; texts and ms stand in the code itself."""
        if isinstance(value, str | int):
            return ast.Constant(value)
        name = f"c{len(self.globals)}"
        self.globals[name] = value
        return _name(name)

    def fits(self, pattern: str) -> ast.expr:
        """Keep the function that fits a text to a glob, as fnmatchcase does."""
        return self.hoisted(re.compile(fnmatch.translate(pattern)).match)

    @abstractmethod
    def result(self, tree: Checked) -> ast.expr: ...


class _Exact(_Code):
    """Python's own operators over known values."""

    def result(self, tree: Checked) -> ast.expr:
        match tree:
            case Joined(operator, parts):
                connective = ast.And() if operator == "and" else ast.Or()
                return ast.BoolOp(connective, [self.result(part) for part in parts])
            case Comparison(operator, left, right):
                return _compare(self.value(left), _COMPARISONS[operator](), self.value(right))
            case Membership(operand, items, negated):
                relation = ast.NotIn() if negated else ast.In()
                return _compare(self.value(operand), relation, self.hoisted(items))
            case _:  # Matching
                found = ast.Call(self.fits(tree.pattern), [self.value(tree.operand)], [])
                return _compare(
                    found, ast.Is() if tree.negated else ast.IsNot(), ast.Constant(None)
                )

    def value(self, value: Value) -> ast.expr:
        match value:
            case Constant(constant):
                return self.hoisted(constant)
            case Read(name):
                return _name(_parameter(name))
            case Minus(operand):
                return ast.UnaryOp(ast.USub(), self.value(operand))
            case Arithmetic():
                return self._arithmetic(value)
            case Applied(function, arguments):
                return _call(function, *(self.value(each) for each in arguments))
            case _:  # Relaxed
                return self._relaxed(value)

    def _arithmetic(self, node: Arithmetic) -> ast.expr:
        left, right = self.value(node.left), self.value(node.right)
        if node.operator == "/" and not isinstance(node.right, Constant):
            return _call("divide_by_money" if node.by_money else "divide", left, right)
        return ast.BinOp(left, _OPERATORS[node.operator](), right)

    def _relaxed(self, node: Relaxed) -> ast.expr:
        """Write `t * outwards if t > 0 else t * inwards`, as `spans.raised` computes it."""
        first = t = self.value(node.operand)
        if not isinstance(t, ast.Name):
            t = _name(f"t{len(self.globals)}")
            self.globals[t.id] = None  # so that no other threshold takes the name
            first = ast.NamedExpr(ast.Name(t.id, ast.Store()), first)
        outwards = ast.BinOp(t, ast.Mult(), self.hoisted(1 + node.band))
        inwards: ast.expr = ast.BinOp(t, ast.Mult(), self.hoisted(1 - node.band))
        if node.band >= 1:  # then the product would not leave an infinite threshold as it is
            kept = self.hoisted(-_INFINITE if node.upwards else _INFINITE)
            inwards = ast.IfExp(_compare(t, ast.Eq(), kept), t, inwards)
        side = ast.Gt() if node.upwards else ast.Lt()
        return ast.IfExp(_compare(first, side, ast.Constant(0)), outwards, inwards)


class _Possible(_Code):
    """Calls of the functions over sets; truths are bits until the end."""

    def result(self, tree: Checked) -> ast.expr:
        return ast.Subscript(_name("TRUTHS"), self.bits(tree), ast.Load())

    def bits(self, tree: Checked) -> ast.expr:
        match tree:
            case Joined(operator, parts):
                table = "AND" if operator == "and" else "OR"
                return _joined(table, [self.bits(part) for part in parts])
            case Comparison():
                return self._comparison(tree)
            case Membership(operand, items, negated):
                listed = self.hoisted(items)
                return _call("not_member" if negated else "member", self.value(operand), listed)
            case _:  # Matching
                name = "matches_not" if tree.negated else "matches"
                return _call(name, self.value(tree.operand), self.fits(tree.pattern))

    def _comparison(self, node: Comparison) -> ast.expr:
        left, right = self.value(node.left), self.value(node.right)
        name, swapped = _TRUTHS[node.operator]
        judged: ast.expr = _call(name, right, left) if swapped else _call(name, left, right)
        if not isinstance(node.left, Read) or not isinstance(node.right, Constant):
            return judged
        compared = _compare(left, _COMPARISONS[node.operator](), right)
        kind = ast.Attribute(left, "__class__", ast.Load())
        ordinary = _compare(kind, ast.Is(), _name(_POINTS.get(node.unit, "Decimal")))
        bits = ast.IfExp(compared, ast.Constant(truth.T), ast.Constant(truth.F))
        unknown = _compare(left, ast.Is(), _name("UNKNOWN"))
        judged = ast.IfExp(unknown, ast.Constant(truth.U), judged)
        return ast.IfExp(ordinary, bits, judged)

    def value(self, value: Value) -> ast.expr:
        match value:
            case Constant(constant):
                return self.hoisted(constant)
            case Read(name):
                return _name(_parameter(name))
            case Minus(operand):
                return _call("negative", self.value(operand))
            case Arithmetic(operator, left, right, by_money):
                name = "quotient_by_money" if by_money else _SPANS[operator]
                return _call(name, self.value(left), self.value(right))
            case Applied(function, arguments):
                name = {"abs": "absolute", "min": "least", "max": "greatest"}[function]
                return _call(name, *(self.value(each) for each in arguments))
            case _:  # Relaxed
                name = "raise_threshold" if value.upwards else "lower_threshold"
                return _call(name, self.value(value.operand), self.hoisted(value.band))


def _joined(table: str, parts: list[ast.expr]) -> ast.expr:
    """Look a connective up, as a balanced tree, which keeps long conditions shallow."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    left, right = _joined(table, parts[:half]), _joined(table, parts[half:])
    return ast.Subscript(ast.Subscript(_name(table), left, ast.Load()), right, ast.Load())


def _parameter(word: str) -> str:
    """Name the parameter of a word: that of `drop(equity, 1d)` is `m_drop_equity_1d_`."""
    return "m_" + _NO_NAME.sub("_", word)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(_name(function), list(arguments), [])


def _compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [operator], [right])
