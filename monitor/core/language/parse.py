"""Tokens -> the tree of a condition, as it is written.

One loop over operators with binding powers. It knows what may stand beside what, and nothing about
names and units: `5 + "a" < not x` is a tree, and the checker's to refuse.
"""

import re
from dataclasses import replace
from typing import Final, NoReturn

from monitor.core.language import hints
from monitor.core.language.tokens import Kind, Token, tokens
from monitor.core.language.tree import (
    Binary,
    Call,
    Compare,
    Link,
    Literal,
    Logical,
    Match,
    Member,
    Name,
    Negative,
    Node,
    Not,
    Place,
)
from monitor.core.language.units import Unit
from monitor.errors import ConditionError

DEEPEST: Final = 50
"""How deep brackets, functions, `not` and minus signs may be nested."""
MOST_OPERATIONS: Final = 100
"""How much arithmetic a condition may do; it bounds the recursion of all that walks the tree."""

_COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!="})
_RELATIONS: Final = _COMPARISONS | {"in", "not", "~"}  # `not` behind an operand begins `not in`
_POWERS: Final = (
    {"or": 1, "and": 2} | dict.fromkeys(_RELATIONS, 4) | {"+": 5, "-": 5, "*": 6, "/": 6}
)
_NOT_POWER: Final = 3
_MINUS_POWER: Final = 6


def parse(text: str) -> Node:
    """Read a condition; raises ConditionError where it is none."""
    return _Parser(text).condition()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = next(self._tokens)
        self._last = self._next
        self._depth = 0
        self._operations = 0

    def condition(self) -> Node:
        if self._at_end():
            hint = 'write one like "margin_room < 20%"'
            raise ConditionError("the condition is empty", self._next.column, hint)
        node = self._expression(0)
        if not self._at_end():
            self._refuse_next(node)
        return node

    # Moving on

    def _at_end(self) -> bool:
        return self._next.kind is Kind.END

    def _take(self) -> Token:
        self._last = self._next
        self._next = next(self._tokens)
        return self._last

    def _sees(self, *texts: str) -> bool:
        return self._next.kind is Kind.OPERATOR and self._next.text in texts

    def _from(self, column: int) -> Place:
        return Place(column, self._last.end)

    def _count(self, token: Token) -> None:
        self._operations += 1
        if self._operations > MOST_OPERATIONS:
            raise ConditionError(
                f"the condition has more than {MOST_OPERATIONS} operations",
                token.column,
                "split it into several rules",
            )

    # Expressions

    def _expression(self, power: int) -> Node:
        left = self._operand()
        while self._next.kind is Kind.OPERATOR and _POWERS.get(self._next.text, 0) > power:
            if self._next.text in _RELATIONS:
                left = self._relation(left)
            elif self._next.text in {"and", "or"}:
                left = self._logical(left)
            else:
                left = self._binary(left)
        return left

    def _operand(self) -> Node:
        token = self._next
        if token.kind is Kind.LITERAL:
            self._take()
            return Literal(self._from(token.column), token.text, token.value, token.unit)
        if token.kind is Kind.NAME:
            self._take()
            if self._sees("("):
                return self._call(token)
            return Name(self._from(token.column), token.text)
        if self._sees("(", "not", "-"):
            return self._nested()
        raise self._missing_value()

    def _nested(self) -> Node:
        token = self._take()
        self._enter(token)
        node: Node
        if token.text == "(":
            inside = self._expression(0)
            self._close(token, ")", inside)
            node = replace(inside, place=self._from(token.column))
        elif token.text == "not":
            operand = self._expression(_NOT_POWER)
            node = Not(self._from(token.column), operand)
        else:
            operand = self._expression(_MINUS_POWER)
            node = Negative(self._from(token.column), operand)
        self._depth -= 1
        return node

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            problem = f"the condition is nested more than {DEEPEST} deep"
            raise ConditionError(problem, token.column, "split it into several rules")

    def _call(self, name: Token) -> Node:
        self._count(name)
        opening = self._take()
        self._enter(opening)
        arguments = self._list(opening, ")")
        self._depth -= 1
        return Call(self._from(name.column), name.text, arguments)

    def _list(self, opening: Token, closing: str) -> tuple[Node, ...]:
        if self._sees(closing):
            self._take()
            return ()
        items = [self._expression(0)]
        while self._sees(","):
            self._take()
            items.append(self._expression(0))
        self._close(opening, closing, items[-1], separator=",")
        return tuple(items)

    def _close(self, opening: Token, closing: str, inside: Node, *, separator: str = "") -> None:
        if self._sees(closing):
            self._take()
            return
        if self._next.kind is Kind.END:
            problem = f"the `{opening.text}` in column {opening.column} is not closed"
            raise ConditionError(problem, self._next.column, f"add `{closing}`")
        self._refuse_next(inside, closing, separator)

    def _binary(self, left: Node) -> Node:
        token = self._take()
        self._count(token)
        right = self._expression(_POWERS[token.text])
        return Binary(self._from(left.place.column), token.text, left, right)

    def _logical(self, left: Node) -> Node:
        token = self._take()
        right = self._expression(_POWERS[token.text])
        place = self._from(left.place.column)
        if isinstance(left, Logical) and left.operator == token.text:
            return Logical(place, token.text, (*left.parts, right))
        return Logical(place, token.text, (left, right))

    # Relations

    def _relation(self, left: Node) -> Node:
        token = self._next
        if isinstance(left, Compare | Member | Match):
            if token.text == "not":
                problem = "an operator is missing before `not`"
                raise ConditionError(problem, token.column, "did you mean `and not`?")
            problem = f"`{token.text}` cannot follow another comparison here"
            raise ConditionError(problem, token.column, "join the two with `and`")
        if self._sees("in", "not"):
            return self._member(left)
        if self._sees("~"):
            return self._match(left)
        links: list[Link] = []
        while self._sees(*_COMPARISONS):
            token = self._take()
            links.append(Link(token.text, token.column, self._expression(_POWERS[token.text])))
        return Compare(self._from(left.place.column), left, tuple(links))

    def _member(self, left: Node) -> Node:
        token = self._take()
        negated = token.text == "not"
        if negated:
            if not self._sees("in"):
                problem = "`not` stands before a whole comparison, or before `in`"
                raise ConditionError(
                    problem,
                    token.column,
                    f"did you mean `not {self._quote(left)} {self._next.text} ...`?",
                )
            self._take()
        if not self._sees("["):
            found = self._next.text if self._next.kind in {Kind.LITERAL, Kind.NAME} else "..."
            raise ConditionError("`in` needs a list", self._next.column, f"did you mean [{found}]?")
        opening = self._take()
        items = self._list(opening, "]")
        if not items:
            hint = 'name what is meant, as in ["long"]'
            raise ConditionError("the list is empty, so nothing is in it", opening.column, hint)
        return Member(self._from(left.place.column), left, items, negated)

    def _match(self, left: Node) -> Node:
        self._take()
        token = self._next
        if token.kind is not Kind.LITERAL or token.unit is not Unit.TEXT:
            problem = "`~` needs a pattern in quotes"
            raise ConditionError(problem, token.column, f'did you mean "{self._raw() or "BTC*"}"?')
        self._take()
        return Match(self._from(left.place.column), left, str(token.value), token.column)

    # Refusing

    def _quote(self, node: Node) -> str:
        return self._text[node.place.column - 1 : node.place.end - 1]

    def _raw(self) -> str:
        """Give what stands at the next token, up to a blank or bracket, as it is written."""
        found = re.match(r"[^\s()\[\]{},\"']*", self._text[self._next.column - 1 :])
        return found[0] if found else ""

    def _missing_value(self) -> ConditionError:
        token = self._next
        if token.kind is Kind.END:
            return ConditionError(
                f"the condition ends after `{self._last.text}`", token.column, "a value is missing"
            )
        if token.text == "[":
            return ConditionError(
                "a list stands only behind `in`", token.column, 'as in side in ["long"]'
            )
        hint = "leave it out" if token.text == "+" else "write a value before it"
        return ConditionError(f"a value is missing before `{token.text}`", token.column, hint)

    def _refuse_next(self, left: Node, closing: str = "", separator: str = "") -> NoReturn:
        """Refuse what stands where an operator or a closing bracket is due."""
        token, text = self._next, self._next.text
        if token.kind is Kind.OPERATOR and text in {")", "]"} and not closing:
            opening = "(" if text == ")" else "["
            problem = f"`{text}` closes nothing: there is no `{opening}` before it"
            raise ConditionError(problem, token.column, "leave it out")
        if text == "," and isinstance(left, Compare | Literal):
            self._refuse_comma(token)
        if token.kind is Kind.OPERATOR and text not in {"(", "not", "["}:
            hint = f"did you mean `{closing}`?" if closing else "leave it out"
            raise ConditionError(f"`{text}` cannot stand here", token.column, hint)
        hint = f"did you mean `{separator}`?" if separator else self._joint(left)
        missing = "a comma" if separator else "an operator"
        raise ConditionError(f"{missing} is missing before `{text}`", token.column, hint)

    def _refuse_comma(self, comma: Token) -> NoReturn:
        before, hint = self._last, "join conditions with `and` or `or`"
        self._take()
        if before.unit is self._next.unit is Unit.NUMBER and before.end == comma.column:
            hint = f"did you mean {before.text}{self._next.text}?"
        raise ConditionError("`,` separates nothing here", comma.column, hint)

    def _joint(self, left: Node) -> str:
        """Guess what is missing between what was read and the next token."""
        before, after = self._last, self._next
        if before.unit is after.unit is Unit.DURATION:
            return f"did you mean {before.text}{after.text}?"
        if before.text.lower() in {"if", "when", "where", "alert"}:
            return f"leave `{before.text}` out"
        if word := hints.for_word(after.text, self._quote(left)):
            return word
        if isinstance(left, Compare | Member | Match | Logical | Not):
            return f"did you mean `and {after.text}`?"
        if before.kind is Kind.NAME and after.kind is Kind.LITERAL:
            relation = "==" if after.unit is Unit.TEXT else "<"
            return f"did you mean `{before.text} {relation} {after.text}`?"
        return "compare the two, or join conditions with `and` or `or`"
