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


class Told(NamedTuple):
    """A mistake in our words. They never repeat the text: it may hold a secret."""

    at: int
    what: str
    hint: str


_QUOTES = "“”„‟‘’‚‛«»"
_NOT_CLOSED = ("the text does not end on its line", "add the closing quote")
_WORDS = {
    "Illegal character '\\n'": _NOT_CLOSED,
    "Unterminated string": ("a text does not end", "add the closing quotes"),
    "Expected \"'''\"": ("a text does not end", "add the closing quotes"),
    'Expected "\'"': _NOT_CLOSED,
    "Invalid value": ("no value begins here", "texts are written in quotes"),
    "Unclosed array": ("an array is not closed", "a comma or the closing ] is missing"),
    "Unclosed inline table": (
        "an inline table is not closed",
        "a comma or the closing } is missing",
    ),
    "Unescaped '\\' in a string": (
        "a \\ in a text stands for more than itself",
        "write it twice, or the text in single quotes",
    ),
    "Invalid hex value": ("an escape needs hexadecimal digits", "as in \\u00e9"),
    "Escaped character is not a Unicode scalar value": (
        "this escape stands for no character",
        "write the character itself",
    ),
    "Invalid date or datetime": ("there is no such date", "texts are written in quotes"),
    "Expected ']' at the end of a table declaration": (
        "the header of a table is not closed",
        "close it with ], or with ]] if it begins with [[",
    ),
    "Expected ']]' at the end of an array declaration": (
        "the header of a table is not closed",
        "close it with ]]",
    ),
    "Expected '=' after a key in a key/value pair": (
        "a key is followed by = and its value",
        "write = here; a key has no blanks in it",
    ),
    "Invalid initial character for a key part": (
        "no name begins here",
        "write a header as [[name]] and a key as name = value",
    ),
    "Invalid statement": (
        "this is neither a [[header]] nor a key = value",
        "comments begin with #",
    ),
    "Expected newline or end of document after a statement": (
        "the line goes on behind its value",
        "texts are written in quotes, comments begin with #, and each key has a line",
    ),
}


def told(problem: str, text: str, at: int) -> Told:
    """Say a mistake of TOML in our words, where its author has to look.

    Args:
        problem: In tomli's words.
        text: The document, with plain newlines.
        at: Where tomli gave up.
    """
    char = text[at : at + 1]
    if char and char in "\r\v\f\x85\u2028\u2029":
        hint = "save the file with plain line ends"
        return Told(at, "a line ends here as it does in no TOML file", hint)
    if char and not char.isascii() and char.isspace():
        return Told(at, "this is a special kind of blank", "replace it by an ordinary one")
    if problem == "Invalid value" and char and char in _QUOTES:
        return Told(at, "no value begins here", 'texts stand in straight quotes: "…"')
    if problem == 'Expected "\'"':  # tomli looks for the quote to the end of the document
        end = text.find("\n", _opened(text, at))
        return Told(end if end >= 0 else at, *_NOT_CLOSED)
    unseen = bool(char) and not char.isprintable() and char != "\n"
    if unseen or (problem not in _WORDS and "character" in problem):
        return Told(at, "there is a character that nobody can see", "leave it out")
    if char == "]" and text[:at].endswith("]") and problem.endswith("after a statement"):
        return Told(at, "this header begins with [ and ends with ]]", "begin it with [[")
    what, hint = _WORDS.get(problem, (problem[:1].lower() + problem[1:], "see https://toml.io"))
    return Told(at, what, hint)


def _opened(text: str, at: int) -> int:
    """Find the single quote of the last piece, which nothing closes on its line."""
    begin = 0
    for piece in _PIECE.finditer(text, 0, at):
        if piece[0].startswith("'"):
            begin = piece.start()
    return begin
