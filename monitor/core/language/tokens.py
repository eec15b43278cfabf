"""A condition's text -> its tokens, each with its column.

Columns count characters from 1. What looks like another language (`&&`, `5 %`, `1e3`, smart
quotes, dashes from a word processor) is refused here, with what to write instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from monitor.core.language.literals import is_suffix, mended, read_number
from monitor.core.language.units import Unit
from monitor.errors import ConditionError

LONGEST: Final = 2_000
"""How many characters a condition may have."""

KEYWORDS: Final = frozenset({"and", "or", "not", "in"})


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    LITERAL = auto()
    OPERATOR = auto()
    """Keywords, brackets and commas too."""
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a condition."""

    kind: Kind
    text: str
    column: int
    value: Decimal | int | str = ""
    """What a literal stands for; a text without its quotes, a duration in ms."""
    unit: Unit = Unit.TEXT
    """What a literal measures."""

    @property
    def end(self) -> int:
        """The column after the last character."""
        return self.column + len(self.text)


# What other languages write -> what we write. The longest is tried first.
_FOREIGN: Final = {
    "&&": "and", "||": "or", "&": "and", "|": "or", "!": "not", "∧": "and", "∨": "or", "¬": "not",
    "===": "==", "!==": "!=", "=": "==", ":=": "==", "=~": "~", "<>": "!=", "=<": "<=", "=>": ">=",
    "≤": "<=", "≥": ">=", "≠": "!=", "⩽": "<=", "⩾": ">=", "–": "-", "—": "-", "−": "-",
    "×": "*", "·": "*", "÷": "/", "//": "/", "{": "(", "}": ")", ";": "and",
    "，": ",", "（": "(", "）": ")",
}  # fmt: skip
_QUOTES: Final = "“”„‟‘’‚‛«»‹›`´"

_BLANK: Final = re.compile(r"[ \t\r\n]+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(
    r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+[A-Za-z0-9_.]*%?|\.?[0-9][A-Za-z0-9_.]*%?"
)
_FOREIGN_MARK: Final = re.compile(
    "!~|" + "|".join(re.escape(mark) for mark in sorted(_FOREIGN, key=len, reverse=True))
)
_OPERATOR: Final = re.compile(r"<=|>=|==|!=|[-+*/<>()\[\],~]")


def tokens(text: str) -> Iterator[Token]:
    """Cut a condition into tokens, the last of kind END; raises ConditionError at a fault."""
    if len(text) > LONGEST:
        raise ConditionError(
            f"the condition is longer than {LONGEST} characters",
            LONGEST + 1,
            "split it into several rules",
        )
    at = 0
    previous: Token | None = None
    while True:
        if blank := _BLANK.match(text, at):
            at = blank.end()
        if at == len(text):
            break
        previous = _token(text, at, previous)
        at = previous.end - 1
        yield previous
    yield Token(Kind.END, "", len(text) + 1)


def _token(text: str, at: int, previous: Token | None) -> Token:
    column = at + 1
    if match := _NAME.match(text, at):
        return _name(match[0], column, previous)
    if match := _NUMBER.match(text, at):
        return _number(match[0], column)
    if text[at] in {'"', "'"}:
        return _text(text, at)
    operator, foreign = _OPERATOR.match(text, at), _FOREIGN_MARK.match(text, at)
    # `<>` is one foreign mark, `!=` one of ours: the longer of the two is meant.
    if operator and not (foreign and foreign.end() > operator.end()):
        return Token(Kind.OPERATOR, operator[0], column)
    raise _refused(text, at, previous, foreign[0] if foreign else "")


def _name(name: str, column: int, previous: Token | None) -> Token:
    if name in KEYWORDS:
        return Token(Kind.OPERATOR, name, column)
    if name.lower() in KEYWORDS:
        problem = f"`{name}` has to be written in lower case"
        raise ConditionError(problem, column, f"did you mean `{name.lower()}`?")
    if previous and previous.unit is Unit.NUMBER and is_suffix(name):
        problem = f"`{name}` stands apart from its number"
        raise ConditionError(problem, column, _meant(mended(previous.text + name)))
    return Token(Kind.NAME, name, column)


def _number(lexeme: str, column: int) -> Token:
    read = read_number(lexeme)
    if read is None:
        problem = f"`{lexeme}` is not a number"
        if lexeme.endswith("ms") and lexeme[0] in "0123456789":
            problem = f"`{lexeme}` is not a whole number of milliseconds"
        hint = _meant(mended(lexeme)) or "write plain digits: 1000, 0.5%, 10x, 1h30m"
        raise ConditionError(problem, column, hint)
    value, unit = read
    return Token(Kind.LITERAL, lexeme, column, value, unit)


def _text(text: str, at: int) -> Token:
    quote = text[at]
    closing = text.find(quote, at + 1)
    if closing == -1:
        inside = text[at + 1 :].strip()
        hint = _meant(f"{quote}{inside}{quote}") if inside else "it needs a closing quote"
        raise ConditionError("this text is not closed", at + 1, hint)
    return Token(Kind.LITERAL, text[at : closing + 1], at + 1, text[at + 1 : closing])


def _refused(text: str, at: int, previous: Token | None, foreign: str) -> ConditionError:
    mark = foreign or text[at]
    problem = f"`{mark}` has no meaning in a condition"
    hint = "leave it out"
    if mark == "{" and re.match(r"\{\s*\w+\s*\}", text[at:]):
        hint = "a metric stands without braces"
    elif mark in _FOREIGN:
        hint = f"did you mean `{_FOREIGN[mark]}`?"
    elif mark == "!~":
        operand = previous.text if previous else "symbol"
        hint = f"did you mean `not {operand} ~ ...`?"
    elif mark == "%":
        is_number = previous is not None and previous.unit is Unit.NUMBER
        problem = "`%` stands apart from its number" if is_number else problem
        hint = _meant(f"{previous.text}%") if previous and is_number else "it follows a number: 5%"
    elif mark == "#":
        hint = "a comment stands behind the closing quote"
    elif mark == "$":
        hint = "write the number alone; money is in the margin asset"
    elif mark == ".":
        hint = "a metric is one word, such as `mark_price`"
    elif mark in _QUOTES:
        rest = re.split(f"[{_QUOTES}\"']", text[at + 1 :])[0].strip()
        problem = f"{mark} is not a quotation mark here"
        hint = _meant(f'"{rest}"') if rest else 'texts stand in straight quotes: "BTC*"'
    elif mark.isspace():
        problem = f"this is a special kind of blank (U+{ord(mark):04X})"
        hint = "replace it by an ordinary one"
    return ConditionError(problem, at + 1, hint)


def _meant(piece: str) -> str:
    return f"did you mean {piece}?" if piece else ""
