"""The kinds of value that TOML has no word for: durations, globs, names, web addresses.

A reader gives the value, or a `Wrong` that says what is the matter with it; it raises nothing, so
that a caller can collect the faults of a whole file. Where a problem repeats the value, it does so
in the words of `shown`: config.toml may hold secrets, and replaces exactly those words.
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from glob import glob
from math import isfinite
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from monitor.core.language.globs import fault_of


class Wrong(NamedTuple):
    """What is wrong with a value, and a way out."""

    problem: str
    hint: str = ""


def printable(text: str) -> str:
    """Replace what a terminal could take for a command, character by character."""
    return "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def shown(value: object) -> str:
    """Name a TOML value as its author wrote it, or by its kind where it is long."""
    match value:
        case str():
            text = printable(value)
            return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'
        case bool():
            return "true" if value else "false"
        case list():
            return "a list"
        case Mapping():
            return "a table"
        case _:
            return str(value)


def meant(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of some known names ("did you mean `…`?"), or nothing."""
    near = nearest(name, known)
    return f"did you mean `{near}`?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Find the known name that resembles another most; "" where none does."""
    known = sorted(known)
    lower = {candidate.lower(): candidate for candidate in reversed(known)}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[near[0]] if near else ""


def listed(names: Iterable[str]) -> str:
    """Write "a, b or c"; nothing for nothing."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} or {last}" if most else last


_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_STEP = r"(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)%s)?"
# Each unit at most once and from large to small: `1m1m` and `30m1h` are slips.
_DURATION = re.compile("".join(_STEP % unit for unit in ("d", "h", "m(?!s)", "s", "ms")))
_LONGEST = 3650 * _UNITS["d"]


def milliseconds(value: object) -> int | Wrong:
    """Read a duration such as "15s", "1h30m" or "250ms"."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not isfinite(value) or value < 0:
            return Wrong(f"{value} is no duration", 'write one like "15s"')
        return Wrong(f"{value} has no unit", f'did you mean "{value}s"?')
    if not isinstance(value, str):
        return Wrong(f"{shown(value)} is no duration", 'write one like "15s"')
    found = _DURATION.fullmatch(value)
    if found is None or not value:
        return _no_duration(value)
    pairs = zip(found.groups(), _UNITS.values(), strict=True)
    # In thousandths, which are exact: 1.5s is 1500 ms and 0.5ms is nothing that we could wait for.
    total = sum(_thousandths(number) * size for number, size in pairs if number)
    if total % 1000:
        return Wrong(f"{shown(value)} is finer than a millisecond", 'write at least "1ms"')
    if total // 1000 > _LONGEST:
        return Wrong(f"{shown(value)} is longer than ten years", "write a shorter one")
    return total // 1000


def _thousandths(number: str) -> int:
    whole, _, part = number.partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0"))


_LONG_UNITS = {
    **dict.fromkeys(("milliseconds", "millisecond", "millis", "msecs", "msec"), "ms"),
    **dict.fromkeys(("seconds", "second", "secs", "sec"), "s"),
    **dict.fromkeys(("minutes", "minute", "mins", "min"), "m"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr"), "h"),
    **dict.fromkeys(("days", "day"), "d"),
}
_LONG_UNIT = re.compile("|".join(_LONG_UNITS))
_DAYS = {"w": 7, "week": 7, "weeks": 7, "y": 365, "year": 365, "years": 365}


def _no_duration(text: str) -> Wrong:
    packed = text.replace(" ", "").lower()
    if re.fullmatch(r"[0-9]+", packed):
        return Wrong(f"{shown(text)} has no unit", f'did you mean "{packed}s"?')
    if packed.startswith("-"):
        return Wrong(f"{shown(text)}: no duration is negative", 'write one like "15s"')
    weeks = re.fullmatch(r"([0-9]{1,4})([a-z]+)", packed)
    if weeks is not None and weeks[2] in _DAYS:
        packed = f"{int(weeks[1]) * _DAYS[weeks[2]]}d"
    packed = _LONG_UNIT.sub(lambda found: _LONG_UNITS[found[0]], packed).replace(",", ".")
    if packed and packed != text and _DURATION.fullmatch(packed):
        return Wrong(f"{shown(text)} is no duration", f'did you mean "{packed}"?')
    return Wrong(
        f"{shown(text)} is no duration",
        'write a number and d, h, m, s or ms, the largest first, like "15s" or "1h30m"',
    )


def texts(value: object) -> tuple[object, ...] | Wrong:
    """Read a list that should hold texts and is not empty; its elements are not looked at."""
    if isinstance(value, str):
        return Wrong(f"{shown(value)} is not a list", f"write [{shown(value)}]")
    if not isinstance(value, list):
        return Wrong(f"{shown(value)} is not a list", 'write one like ["*"]')
    if not value:
        return Wrong("an empty list matches nothing", "leave the key out to mean all of them")
    return tuple(value)


def glob_fault(pattern: str) -> Wrong | None:
    """Tell what is wrong with one glob of a list, if anything is."""
    fault = fault_of(pattern.removeprefix("!"))
    return None if fault is None else Wrong(fault.problem, fault.hint)


def web_address(value: str, schemes: tuple[str, ...]) -> Wrong | None:
    """Tell what is wrong with an address, if anything is."""
    first = f"{schemes[0]}://"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Wrong(f"{shown(value)} is not a web address", f"write one like {first}example.com")
    if parts.scheme not in schemes:
        wanted = listed(f"{scheme}://" for scheme in schemes)
        return Wrong(f"{shown(value)} is no {wanted} address", f"it has to begin with {first}")
    if not host or any(char.isspace() for char in value):
        return Wrong(f"{shown(value)} is not a web address", f"write one like {first}example.com")
    return None


def toml_files(pattern: str, folder: Path) -> list[Path]:
    """Find the files that a glob means, in order; a folder means its *.toml.

    Rule tests (`*.test.toml`) are left out.

    Args:
        pattern: Relative to `folder`, or absolute, or beginning with `~`.
        folder: "." for the working directory.
    """
    pattern = os.path.expanduser(pattern)  # noqa: PTH111 - a glob is not a path yet
    # glob.glob, not Path.glob: it takes absolute patterns and has no opinion on "..".
    found = (folder / name for name in glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    files: set[Path] = set()
    for path in found:
        files.update(path.glob("*.toml") if path.is_dir() else (path,))
    return sorted(path for path in files if not path.name.endswith(".test.toml"))
