"""Where a text that tomli refuses went wrong, when tomli's own place is not the one to look at.

tomli stops where it cannot go on: behind the value of a key that it knows already, or at the next
header where an array was never closed. Here the place is found that its author has to change.
"""

import re
from typing import NamedTuple

DEEPEST = 400
"""How deep tomli lets arrays and inline tables be nested."""
LONGEST = 4300
"""How many digits Python lets a whole number have."""

_PIECE = re.compile(
    r'''(?P<quiet>\#[^\n]*
        |"""(?:[^\\]|\\.)*?(?:""""{0,2}|\Z)|\'\'\'.*?(?:\'\'\'\'{0,2}|\Z)
        |"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?)
    |(?P<opens>[\[{])|(?P<closes>[\]}])|(?P<equals>=)|(?P<ends>\n)
    |(?P<number>[0-9][0-9_]*)''',
    re.DOTALL | re.VERBOSE,
)
_STATEMENT = re.compile(
    r"""[ \t]*(?:\[\[?[ \t]*[\w."' \t-]+\]\]?[ \t]*(?:\#.*)?$|[\w."'-]+[ \t]*=)""", re.MULTILINE
)


_DOTTED = re.compile(r"""(?:[\w"'-]+[ \t]*\.[ \t]*){100}""")


class Bracket(NamedTuple):
    """A bracket of a value that is open, and where."""

    mark: str
    at: int


class Unclosed(NamedTuple):
    """What a statement, or the end, came too early for."""

    at: int
    """Where the statement begins, or the text ends."""
    bracket: Bracket
    """The outermost bracket that is open there."""


def unclosed(text: str, at: int) -> Unclosed | None:
    """Find the bracket that should have been closed before a statement, or before the end.

    Args:
        text: The document, with plain newlines.
        at: Where tomli gave up.

    Returns:
        None where the fault is another one.
    """
    begin = text.rfind("\n", 0, at) + 1
    if not text[at:].strip():
        begin = at
    elif not _STATEMENT.match(text, begin):
        return None
    opened = _walk(text[:begin]).opened
    rest = text[begin:].strip()
    # In an inline table, a line `key = …` may go on with it.
    if not opened or (opened[-1].mark == "{" and rest and not rest.startswith("[")):
        return None
    return Unclosed(text.find(rest, begin) if rest else at, opened[0])


def too_much(text: str) -> int:
    """Find the bracket that is one too deep, the number or the dotted key that is too long."""
    excess = _walk(text).excess
    dotted = None if excess else _DOTTED.search(text)
    return dotted.start() if dotted else excess


class _Walked(NamedTuple):
    opened: list[Bracket]
    excess: int


def _walk(text: str) -> _Walked:
    opened: list[Bracket] = []
    in_value = False
    for piece in _PIECE.finditer(text):
        match piece.lastgroup:
            case "equals":
                in_value = True
            case "ends" if not opened:
                in_value = False
            case "opens" if in_value:  # else a header
                opened.append(Bracket(piece[0], piece.start()))
                if len(opened) > DEEPEST:
                    return _Walked(opened, piece.start())
            case "closes" if opened:
                opened.pop()
            case "number" if len(piece[0].replace("_", "")) > LONGEST:
                return _Walked(opened, piece.start())
            case _:
                pass
    return _Walked(opened, 0)
