"""One table of a TOML file, read key by key; faults are noted under their keys and values."""

from collections.abc import Mapping

from monitor.core.rules import Globs
from monitor.rulefile.kinds import pattern_fault
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Fault, Page
from monitor.toml_positions.values import Wrong, milliseconds, shown, texts


class TableReader:
    """Reads the values that several keys have in common, and places their faults.

    Args:
        page: The file.
        trail: The way to the table.
        table: What tomli made of it.
        label: What a fault calls the table, as in `rule "thin-margin"`.
    """

    def __init__(self, page: Page, trail: Trail, table: Mapping[str, object], label: str) -> None:
        self.table = table
        self.faults: list[Fault] = []
        self._page = page
        self._trail = trail
        self._label = label

    @property
    def trail(self) -> Trail:
        """The way to the table."""
        return self._trail

    @property
    def line(self) -> int:
        """The line of its header."""
        return self._page.places[self._trail].line

    # Faults, from the widest to the narrowest ------------------------------------------------

    def at_header(self, what: str, hint: str = "") -> Fault:
        """Make, but do not note, a fault of the table as a whole."""
        return self._page.at_table(self._trail, f"{self._label}: {what}", hint)

    def header(self, what: str, hint: str = "") -> None:
        """Note a fault of the table as a whole, such as a missing key."""
        self.faults.append(self.at_header(what, hint))

    def key(self, *keys: str, what: str, hint: str = "") -> None:
        """Note a key that should not be there."""
        what = f"{self._label}: {what}"
        self.faults.append(self._page.at_key((*self._trail, *keys), what, hint))

    def value(self, *keys: str | int, wrong: Wrong) -> None:
        """Note a wrong value; numbers among `keys` are elements of lists."""
        self.faults.append(self.at_value(*keys, wrong=wrong))

    def at_value(self, *keys: str | int, wrong: Wrong) -> Fault:
        """Make, but do not note, the fault of a wrong value."""
        where = ".".join(key for key in keys if isinstance(key, str))
        what = f"{self._label}, {where}: {wrong.problem}"
        return self._page.at_value((*self._trail, *keys), what, wrong.hint)

    def text(self, key: str, column: int, wrong: Wrong) -> None:
        """Note a fault inside a text, at a column counted from its first character."""
        what = f"{self._label}, {key}: {wrong.problem}"
        self.faults.append(self._page.in_text((*self._trail, key), column, what, wrong.hint))

    # Values ----------------------------------------------------------------------------------

    def duration(self, key: str, default: int) -> int:
        """Read a duration in milliseconds."""
        return self.read_duration(self.table[key], key) if key in self.table else default

    def read_duration(self, value: object, *keys: str) -> int:
        """Read a duration that was found at `keys`; 0 where it is wrong."""
        found = milliseconds(value)
        if isinstance(found, Wrong):
            self.value(*keys, wrong=found)
            return 0
        return found

    def globs(self, key: str, noun: str) -> Globs:
        """Read a list of globs over symbols or accounts; everything where there is none."""
        patterns = self.elements(key)
        for number, pattern in patterns:
            wrong = pattern_fault(pattern, noun)
            if wrong is not None:
                self.value(key, number, wrong=wrong)
        return Globs([pattern for _, pattern in patterns] or ["*"])

    def elements(self, key: str, empty: str = "") -> list[tuple[int, str]]:
        """Read a list of texts, each with its number in the file; empty where there is none.

        Args:
            key: The list.
            empty: What to do about an empty one, where leaving it out is no way out.
        """
        if key not in self.table:
            return []
        found = texts(self.table[key])
        if isinstance(found, Wrong):
            hint = empty if empty and "write [" not in found.hint else found.hint
            self.value(key, wrong=found._replace(hint=hint))
            return []
        good = []
        for number, item in enumerate(found):
            if isinstance(item, str):
                good.append((number, item))
            else:
                hint = "write one list of texts" if isinstance(item, list) else "write it in quotes"
                self.value(key, number, wrong=Wrong(f"{shown(item)} is not a text", hint))
        return good
