"""Globs as rules write them, and what is wrong with one: `*`, `?`, `[abc]`, `[!abc]`.

`fnmatch` takes whatever it is given: a `[` that nothing closes is a character like others, and the
glob then matches nothing that exists. Here such slips are found before anything is matched.
"""

import re
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

_MAGIC: Final = re.compile(r"[*?\[]")


class GlobFault(NamedTuple):
    """What is wrong with a glob, and a way out."""

    at: int
    """At which character, from 0."""
    problem: str
    hint: str = ""


def is_glob(text: str) -> bool:
    """Tell whether a text holds what only globs give a meaning."""
    return _MAGIC.search(text) is not None


def fault_of(pattern: str) -> GlobFault | None:
    """Tell what is wrong with a glob, if anything is; a `!` in front is not part of it."""
    if not pattern.strip():
        return GlobFault(0, "an empty glob matches nothing", 'write "*" for everything')
    if pattern.startswith("!"):
        return GlobFault(0, "one ! takes away; a second is a character", "leave one of them out")
    if ".*" in pattern:
        better = pattern.replace(".*", "*").removeprefix("^").removesuffix("$")
        problem = "this is a regular expression; in a glob `.` is a character like others"
        return GlobFault(pattern.index(".*"), problem, f'did you mean "{better}"?')
    at = 0
    while (opened := pattern.find("[", at)) >= 0:
        first = opened + (2 if pattern.startswith("[!", opened) else 1)
        closed = pattern.find("]", first + 1)  # a ] right behind the [ is one of its characters
        if closed < 0:
            hint = 'write "[[]" for the character itself'
            return GlobFault(opened, "this glob has a [ that no ] closes", hint)
        if not _fits_any(pattern[opened : closed + 1]):
            hint = "write the lower end first, as in [0-9]"
            return GlobFault(opened, f"{pattern[opened : closed + 1]} matches no character", hint)
        at = closed + 1
    return None


def _fits_any(one: str) -> bool:
    """Tell whether a set fits any character that a name or a symbol may have."""
    return any(fnmatchcase(chr(code), one) for code in range(33, 127)) or not one.isascii()
