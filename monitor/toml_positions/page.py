"""A TOML file as its author sees it: its name, its text, and a fault shown under its line.

A fault reads

    rules/margin.toml:7:36: rule "thin-margin", critical: margin_ratio is a ratio, 5 is a number
        critical = "margin_ratio > 5"
                                   ^ did you mean 5%?
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import tomli

from monitor.toml_positions import Place, Trail, positions
from monitor.toml_positions.values import printable

_MARGIN = "    "


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


def count(number: int, noun: str) -> str:
    """Write "1 rule" or "2 rules"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def whole_file(name: str, what: str, hint: str = "") -> Fault:
    """Make the fault of a file that has no line to show."""
    return Fault(0, 0, f"{name}: {what}" + (f"\n{_MARGIN}{hint}" if hint else ""))


def shown_path(path: Path) -> str:
    """Write a path as it was given, relative to the working directory where that is possible."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path) -> str | Fault:
    """Read a file that should be UTF-8; whatever is in the way comes back as a fault."""
    name = shown_path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return whole_file(name, "there is no such file")
    except OSError as exc:
        return whole_file(name, f"cannot be read: {exc.strerror or exc}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        what = f"is not UTF-8: byte 0x{raw[exc.start]:02x} at offset {exc.start}, in line {line}"
        return whole_file(name, what, "save it as UTF-8")
    if text.startswith("\ufeff"):
        return whole_file(name, "begins with a byte order mark", "save it as UTF-8 without one")
    return text


def parse_toml(page: "Page") -> dict[str, object] | Fault:
    """Read a document; a syntax error comes back as a fault at tomli's place."""
    try:
        return tomli.loads(page.text)
    except tomli.TOMLDecodeError as exc:
        what, hint = _SYNTAX.get(exc.msg, (exc.msg[:1].lower() + exc.msg[1:], ""))
        return page.syntax_fault(exc.lineno, exc.colno, f"not TOML: {what}", hint)
    except (RecursionError, ValueError):  # a thousand brackets, or a number of 5,000 digits
        return whole_file(page.name, "not TOML: nested too deeply, or a number is too long")


# tomli's words for the three mistakes that people make most.
_SYNTAX = {
    "Illegal character '\\n'": ("the text does not end on its line", "add the closing quote"),
    "Cannot overwrite a value": ("a key is given twice in this table", "keep one of them"),
    "Invalid value": ("no value begins here", "texts are written in quotes"),
}


class Page:
    """A file's text and where things stand in it.

    Args:
        name: The file as shown.
        text: What it holds.
        mask: Makes a line fit to be shown (config.toml holds secrets), given the line and the
            column of the caret; the line as it stands where None.
    """

    def __init__(self, name: str, text: str, mask: Callable[[str, int], str] | None = None) -> None:
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
        # A tab before the caret stays one, so that the caret stands right at any tab width.
        pad = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
        if self._mask is not None:
            shown = self._mask(shown, column)
        caret = f"{pad.ljust(column - 1)}^ {hint}".rstrip()
        text = f"{self.name}:{line}:{column}: {what}\n{_MARGIN}{shown}\n{_MARGIN}{caret}"
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
        return self.fault(place.value_line, place.value_column + column, what, hint)
