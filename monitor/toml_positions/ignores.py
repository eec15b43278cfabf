"""Comments that silence a lint: `# check: ignore CODE reason`.

Such a comment speaks of the line that it stands on, or, alone on a line, of the next one that holds
more than a comment.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

from monitor.toml_positions import TEXT

_TEXT_OR_COMMENT = re.compile(f"(?P<text>{TEXT.pattern})|#(?P<comment>[^\n]*)", re.DOTALL)
_IGNORE = re.compile(r"\s*check:\s*(?P<word>\S+)\s*(?P<code>\S*)\s*(?P<reason>.*)")


class Ignore(NamedTuple):
    """One such comment."""

    line: int
    """Where the comment begins, like `column`."""
    column: int
    covers: int
    """The line that it speaks of."""
    word: str
    """`ignore`, or what was probably meant to be it."""
    code: str
    reason: str


def ignores(text: str) -> Iterator[Ignore]:
    """Find every such comment of a TOML document.

    Args:
        text: A document that tomli has accepted.
    """
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    for found in _TEXT_OR_COMMENT.finditer(text):
        said = _IGNORE.fullmatch(found["comment"] or "")
        if said is None or not get_close_matches(said["word"].lower(), ["ignore"], cutoff=0.75):
            continue  # a text, or a comment that happens to begin so
        begin = found.start()
        line, column = text.count("\n", 0, begin) + 1, begin - text.rfind("\n", 0, begin)
        covers = line if lines[line - 1][: column - 1].strip() else _next(lines, line)
        yield Ignore(line, column, covers, said["word"], said["code"], said["reason"].strip())


def _next(lines: list[str], line: int) -> int:
    """Find the next line that holds more than a comment; 0 where there is none."""
    for number, text in enumerate(lines[line:], line + 1):
        if text.strip() and not text.lstrip().startswith("#"):
            return number
    return 0
