"""Where in a TOML file a key or value stands.

tomli tells a place only for what it refuses. For what it accepts, `positions` walks over the text
once more and notes where things begin; it relies on tomli having accepted the text and checks
nothing. `page` shows a fault at such a place, `broken` finds the place where tomli refuses,
`values` reads the kinds of value that TOML has no word for.

Lines and columns count from 1, columns in characters. A trail is the way to a value: the names of
its tables and keys, and the numbers of elements, as in `("rule", 0, "for", "info")`.
"""

import re
from bisect import bisect_right
from contextlib import suppress
from typing import NamedTuple

Trail = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a key and its value begin.

    For a table with a header, both are the header's; for an element of an array, the element's.
    """

    line: int
    column: int
    value_line: int
    value_column: int
    plain: bool = False
    """A text on one line without escapes, so that each of its characters has its own column."""
    quotes: int = 1
    """How many quotes a plain text begins with: 1 or 3."""

    def column_in(self, number: int) -> int:
        """Tell where the n-th character of a plain text stands, from 1."""
        return self.value_column + self.quotes - 1 + number


def positions(text: str) -> dict[Trail, Place]:
    """Find where every table, key and array element of a TOML document stands.

    Args:
        text: A document that tomli has accepted.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


def last_statement(text: str) -> int:
    """Find where the last header, or the key of the last whole value, begins.

    Args:
        text: The beginning of a document, with plain newlines, that tomli has read so far.
    """
    scanner = _Scanner(text)
    # The text ends inside of a header or an inline table.
    with suppress(IndexError, ValueError):
        scanner.scan()
    return scanner.last


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_GAP = re.compile(r"(?:[ \t\n,]|#[^\n]*)*")  # between the elements of an array or inline table
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
# Three quotes come first: two that no third follows are an empty text. A long text may end in up
# to two quotes of its own.
TEXT = re.compile(
    r'''"""(?:[^\\]|\\.)*?""""{0,2}|\'\'\'.*?\'\'\''{0,2}|"(?:[^"\\]|\\.)*"|'[^']*\'''', re.DOTALL
)
_BARE = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r"\\(?:x(..)|u(.{4})|U(.{8})|(.))")
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else _SHORT.get(found[4], found[4])


class _Scanner:
    """One walk over one document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: dict[Trail, Place] = {}
        self._elements: dict[Trail, int] = {}
        self.last = 0
        """Where the last header, or the key of the last whole value, begins."""

    def scan(self) -> dict[Trail, Place]:
        table: Trail = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:  # pragma: no cover - only for a text that tomli refuses
            raise ValueError(f"not TOML at character {self._at}")
        self._at = found.end()
        return found[0]

    def _spot(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1

    def _header(self) -> Trail:
        self.last = self._at
        spot = self._spot(self._at)
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        names = [name for name, _ in self._names()]
        self._at += 2 if array else 1
        trail: Trail = ()
        place = Place(*spot, *spot)
        for depth, name in enumerate(names, 1):
            trail = (*trail, name)
            self._found.setdefault(trail, place)
            if array and depth == len(names):
                self._elements[trail] = self._elements.get(trail, 0) + 1
            if trail in self._elements:  # `[a.b]` speaks of the newest `[[a]]`
                trail = (*trail, self._elements[trail] - 1)
        self._found[trail] = place
        return trail

    def _names(self) -> list[tuple[str, int]]:
        """Read `a . "b" . c` and where each name begins; stops at what follows."""
        names = []
        while True:
            self._skip(_SPACE)
            begin = self._at
            raw = self._skip(_KEY)
            if raw[0] == '"':
                raw = _ESCAPE.sub(_unescape, raw[1:-1])
            elif raw[0] == "'":
                raw = raw[1:-1]
            names.append((raw, begin))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _pair(self, table: Trail) -> None:
        names = self._names()
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        trail = table
        for name, begin in names[:-1]:
            trail = (*trail, name)
            self._found.setdefault(trail, Place(*self._spot(begin), *self._spot(begin)))
        self._value((*trail, names[-1][0]), names[-1][1])
        self.last = names[0][1]

    def _value(self, trail: Trail, key_at: int) -> None:
        begin, opening = self._at, self._text[self._at]
        place = Place(*self._spot(key_at), *self._spot(begin))
        self._found[trail] = place
        if opening == "[":
            self._enter()
            for number in range(len(self._text)):
                if self._text[self._at] == "]":
                    break
                self._value((*trail, number), self._at)
                self._skip(_GAP)
            self._at += 1
        elif opening == "{":
            self._enter()
            while self._text[self._at] != "}":
                self._pair(trail)
                self._skip(_GAP)
            self._at += 1
        elif opening in "\"'":
            raw = self._skip(TEXT)
            escapes = opening == '"' and "\\" in raw
            if not escapes and "\n" not in raw:
                quotes = 3 if raw.startswith(('"""', "'''")) else 1
                self._found[trail] = place._replace(plain=True, quotes=quotes)
        else:
            self._skip(_BARE)

    def _enter(self) -> None:
        self._at += 1
        self._skip(_GAP)
