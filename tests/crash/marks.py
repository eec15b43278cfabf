"""The numbers in a message, each with its mark; the one place that knows how they are written.

#4821                      heard for the first time
#4821 (attempt 2)          may have been heard before
#4821 · … · (attempt 2)    likewise: the last line of a message about one notice
"""

import re
from typing import NamedTuple

_NUMBER = re.compile(r"#(\d+)(?: \(attempt (\d+)\))?")
_END = re.compile(r"\(attempt (\d+)\)$")


class Mark(NamedTuple):
    """A number in a message."""

    number: int
    attempt: int
    """1: without a mark."""


def marks_in(text: str) -> list[Mark]:
    """Read every number of a message, in the order of the text, each once."""
    found: dict[int, int] = {}
    for line in text.splitlines():
        marks = [(int(number), int(attempt or 1)) for number, attempt in _NUMBER.findall(line)]
        end = _END.search(line.rstrip())
        if end is not None and len(marks) == 1:
            marks = [(marks[0][0], int(end[1]))]
        for number, attempt in marks:
            found[number] = max(attempt, found.get(number, 1))
    return [Mark(number, attempt) for number, attempt in found.items()]
