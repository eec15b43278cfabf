"""A TOML file as its author sees it: its name, its text, and a fault shown under its line.

A fault reads

    rules/margin.toml:7:36: rule "thin-margin", critical: margin_ratio is a ratio, 5 is a number
        critical = "margin_ratio > 5"
                                   ^ did you mean 5%?
"""

import codecs
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import tomli

from monitor.core.wording import count
from monitor.toml_positions import Place, Trail, last_statement, positions
from monitor.toml_positions.broken import told, too_much, unclosed
from monitor.toml_positions.values import printable

_MARGIN = "    "
_WIDEST = 120
"""The longest line that is shown whole."""
_BEFORE, _WINDOW = 60, 100
"""How much of a longer one is shown before its caret, and in all."""

Mask = Callable[[str, int], str]
"""Makes a line fit to be shown, given the line and the column of the caret."""


class Fault(NamedTuple):
    """What is wrong, and its place for sorting; a fault of the file as a whole is at 0, 0."""

    line: int
    column: int
    text: str
    """All of it, one to three lines."""


def report(files: Iterable[Sequence[Fault]]) -> str:
    """Write the faults of several files, in file then line order, and how many there are.

    Args:
        files: The faults of each file; files without any do not count.
    """
    faulty = [sorted(faults) for faults in files if faults]
    lines = [fault.text for faults in faulty for fault in faults]
    return "\n".join([*lines, f"{count(len(lines), 'fault')} in {count(len(faulty), 'file')}"])


def whole_file(name: str, what: str, hint: str = "") -> Fault:
    """Make the fault of a file that has no line to show."""
    return Fault(0, 0, f"{name}: {what}" + (f"\n{_MARGIN}{hint}" if hint else ""))


def shown_path(path: Path) -> str:
    """Write a path as it was given, relative to the working directory where that is possible."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path, mask: Mask | None = None) -> str | Fault:
    """Read a file that should be UTF-8; whatever is in the way comes back as a fault.

    Args:
        path: The file.
        mask: As for `Page`.
    """
    name = shown_path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe or a device might never end
            what = "is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
            return whole_file(name, what, "give a TOML file")
        raw = path.read_bytes()
    except FileNotFoundError:
        return whole_file(name, "there is no such file")
    except OSError as exc:
        return whole_file(name, f"cannot be read: {exc.strerror or exc}")
    wide = _wide_encoding(raw)
    if wide:
        page = Page(name, raw.decode(wide, "replace").removeprefix("\ufeff"), mask)
        return page.fault(1, 1, f"is {wide[:6].upper()}, not UTF-8", "save it as UTF-8")
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        column = len(raw[raw.rfind(b"\n", 0, exc.start) + 1 : exc.start].decode()) + 1
        page = Page(name, raw.decode(errors="replace"), mask)
        what = f"byte 0x{raw[exc.start]:02x} is not UTF-8"
        return page.syntax_fault(line, column, what, "save the file as UTF-8")
    if text.startswith("\ufeff"):
        page = Page(name, text[1:], mask)
        return page.fault(1, 1, "begins with a byte order mark", "save it as UTF-8 without one")
    return text


def _wide_encoding(raw: bytes) -> str:
    """Name the encoding of a text in units of two or four bytes; "" for all others."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Without a mark: TOML begins with ASCII, so one byte of the first two is zero.
    zeros = bytes(byte == 0 for byte in raw[:2])
    return {b"\0\1": "utf-16-le", b"\1\0": "utf-16-be"}.get(zeros, "")


def parse_toml(page: "Page") -> dict[str, object] | Fault:
    """Read a document; a syntax error comes back as a fault where its author has to look."""
    text = page.text.replace("\r\n", "\n")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as exc:
        return _syntax_fault(page, text, exc.msg, exc.pos)
    except RecursionError:
        what, hint = "nested too deeply", "nest it less"
    except ValueError:
        what, hint = "this number is too long", "write a shorter one"
    return page.syntax_fault(*_spot(text, too_much(text)), f"not TOML: {what}", hint)


def _syntax_fault(page: "Page", text: str, problem: str, at: int) -> Fault:
    for beginning, what, hint in _TWICE:
        if problem.startswith(beginning):
            # Its key is known, and so is what may be shown of its line.
            begin = last_statement(text[:at])
            return page.fault(*_spot(text, begin), f"not TOML: {what}", hint)
    early = unclosed(text, at)
    if early is not None:
        at, bracket = early
        line, column = _spot(text, bracket.at)
        what = "an array or inline table is not closed"
        hint = f"close the {bracket.mark} in line {line}, column {column}"
    else:
        at, what, hint = told(problem, text, at)
    return page.syntax_fault(*_spot(text, at), f"not TOML: {what}", hint)


def _spot(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


_TWICE = (
    ("Cannot overwrite", "a key is given twice in this table", "keep one of them"),
    ("Duplicate inline table key", "a key is given twice in this table", "keep one of them"),
    ("Cannot mutate", "this table was finished before", "write its keys in one place"),
    ("Cannot redefine", "this table was finished before", "write its keys in one place"),
    ("Cannot declare", "this table was declared before", "of several, each begins with [[…]]"),
)


class Page:
    """A file's text and where things stand in it.

    Args:
        name: The file as shown.
        text: What it holds.
        mask: Makes a line fit to be shown (config.toml holds secrets), given the line and the
            column of the caret; the line as it stands where None.
    """

    def __init__(self, name: str, text: str, mask: Mask | None = None) -> None:
        self.name = name
        self.text = text
        self._lines = [line.removesuffix("\r") for line in text.split("\n")]
        self._mask = mask

    @cached_property
    def places(self) -> dict[Trail, Place]:
        """Where things stand; only once tomli has accepted the text."""
        return positions(self.text)

    def fault(self, line: int, column: int, what: str, hint: str = "") -> Fault:
        """Show what is wrong under its line."""
        return self._fault(line, column, what, hint, self._lines[line - 1])

    def syntax_fault(self, line: int, column: int, what: str, hint: str = "") -> Fault:
        """Show where a text stops being TOML.

        On a masked page without what follows: nobody can tell which key that belongs to.
        """
        whole = self._lines[line - 1]
        cut = whole if self._mask is None else whole[: column - 1] + "…"
        return self._fault(line, column, what, hint, cut)

    def _fault(self, line: int, column: int, what: str, hint: str, source: str) -> Fault:
        shown = printable(source)
        masked = shown if self._mask is None else self._mask(shown, column)
        begin, end, before, after = 0, len(masked), "", ""
        if max(len(masked), column) > _WIDEST:
            begin = max(0, column - 1 - _BEFORE)
            end = begin + _WINDOW
            before, after = "…" * (begin > 0), "…" * (end < len(masked))
        # A tab before the caret stays one, so that the caret stands right at any tab width.
        pad = "".join("\t" if char == "\t" else " " for char in shown[begin : column - 1])
        caret = f"{' ' * len(before)}{pad.ljust(column - 1 - begin)}^ {hint}".rstrip()
        window = f"{_MARGIN}{before}{masked[begin:end]}{after}".rstrip()
        text = f"{self.name}:{line}:{column}: {what}\n{window}\n{_MARGIN}{caret}"
        return Fault(line, column, text)

    def at_table(self, trail: Trail, what: str, hint: str = "") -> Fault:
        """Show a fault of a whole table, under its header."""
        place = self.places[trail]
        header = self._lines[place.line - 1].lstrip().startswith("[")
        return self.fault(place.line, 1 if header else place.column, what, hint)

    def at_key(self, trail: Trail, what: str, hint: str = "") -> Fault:
        """Show a fault under a key."""
        place = self.places[trail]
        return self.fault(place.line, place.column, what, hint)

    def at_value(self, trail: Trail, what: str, hint: str = "") -> Fault:
        """Show a fault under the first character of a value."""
        place = self.places[trail]
        return self.fault(place.value_line, place.value_column, what, hint)

    def in_text(self, trail: Trail, column: int, what: str, hint: str = "") -> Fault:
        """Show a fault inside a text, under its key where escapes or lines hide the place.

        Args:
            trail: The way to the text.
            column: In the text, from 1; one past its end where it ended too early.
            what: What is wrong.
            hint: A way out.
        """
        place = self.places[trail]
        if not place.plain:
            return self.at_key(trail, what, hint)
        return self.fault(place.value_line, place.column_in(column), what, hint)
