"""rules/*.toml → core rules: every fault of every file at once.

`rule` reads one `[[rule]]`, `template` its message; this module reads whole files and what
concerns several rules: names are unique over all files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from monitor.core.rules import Rule
from monitor.errors import RuleFileError
from monitor.rulefile.rule import KEYS, Known, RuleReader
from monitor.toml_positions import Trail
from monitor.toml_positions.page import (
    Fault,
    Page,
    parse_toml,
    read_text,
    report,
    shown_path,
    whole_file,
)
from monitor.toml_positions.values import meant, nearest, toml_files

__all__ = ["RuleBook", "find_rule_files", "load_book", "load_rules", "parse_rules", "read_rules"]


@dataclass(frozen=True)
class RuleBook:
    """Rules without a fault, and where each of them stands."""

    rules: tuple[Rule, ...]
    pages: tuple[Page, ...]
    """The files, in the order given."""
    places: Mapping[str, tuple[Page, Trail]]
    """By the name of a rule: its file, and the way to its table there."""


def load_rules(
    paths: Sequence[Path],
    *,
    repeat: int | None = 3_600_000,
    accounts: Iterable[str] | None = None,
    venues: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
) -> tuple[Rule, ...]:
    """Read rule files, in the order given; as `load_book`, for the rules alone."""
    known = Known.of(repeat=repeat, accounts=accounts, venues=venues, channels=channels)
    return _together([_read_file(path, known) for path in dict.fromkeys(paths)]).rules


def load_book(
    paths: Sequence[Path],
    *,
    repeat: int | None = 3_600_000,
    accounts: Iterable[str] | None = None,
    venues: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
) -> RuleBook:
    """Read rule files, in the order given.

    Args:
        paths: The files; their names appear in faults as given, relative to the working
            directory where possible.
        repeat: Milliseconds between reminders of a rule that does not say; None is never.
        accounts: Names of the accounts that exist; None where that is not known.
        venues: Venues of those accounts; None for all that the program knows.
        channels: Names of the channels that exist; None where that is not known.

    Raises:
        RuleFileError: With every fault of every file, in file then line order.
    """
    known = Known.of(repeat=repeat, accounts=accounts, venues=venues, channels=channels)
    return _together([_read_file(path, known) for path in dict.fromkeys(paths)])


def parse_rules(
    text: str,
    name: str = "rules.toml",
    *,
    repeat: int | None = 3_600_000,
    accounts: Iterable[str] | None = None,
    venues: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
) -> tuple[Rule, ...]:
    """Read the text of one rule file; as `load_rules`, without touching the disk."""
    known = Known.of(repeat=repeat, accounts=accounts, venues=venues, channels=channels)
    return _together([_read_page(Page(name, text), known)]).rules


class RulesRead(NamedTuple):
    """What was read of one rule file."""

    rules: tuple[Rule, ...]
    """Those without a fault."""
    faults: list[Fault]
    names: frozenset[str]
    """Of all rules, those with a fault too."""


def read_rules(path: Path) -> RulesRead:
    """Read one rule file for somebody who has faults of his own to tell."""
    sheet = _read_file(path, Known.of(repeat=3_600_000, accounts=None, venues=None, channels=None))
    _note_taken([sheet])
    names = frozenset(reader.name for reader in sheet.named)
    return RulesRead(tuple(sheet.rules), sheet.faults, names)


def find_rule_files(patterns: Iterable[str], folder: Path = Path()) -> tuple[Path, ...]:
    """Find the rule files that globs mean, each once; a folder means its *.toml.

    Args:
        patterns: Globs, relative to `folder` or absolute.
        folder: The working directory unless given.

    Raises:
        RuleFileError: A glob matches no file.
    """
    found: dict[Path, None] = {}
    faults = []
    for pattern in patterns:
        files = toml_files(pattern, folder)
        found.update(dict.fromkeys(files))
        if not files:
            where = shown_path(folder.absolute())
            where = "the working directory" if where == "." else where
            what = f"no rule file matches in {where}"
            faults.append(whole_file(pattern, what, "rule tests (*.test.toml) do not count"))
    if faults:
        raise RuleFileError("\n".join(fault.text for fault in faults))
    return tuple(found)


@dataclass
class _Sheet:
    """What one file gave."""

    name: str
    page: Page | None = None
    """None for a file that cannot be read."""
    rules: list[Rule] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    named: list[RuleReader] = field(default_factory=list)
    """Every rule that has a name, faulty ones too: a name is taken all the same."""


def _together(sheets: Sequence[_Sheet]) -> RuleBook:
    _note_taken(sheets)
    if any(sheet.faults for sheet in sheets):
        raise RuleFileError(report(sheet.faults for sheet in sheets))
    return RuleBook(
        tuple(rule for sheet in sheets for rule in sheet.rules),
        tuple(sheet.page for sheet in sheets if sheet.page is not None),
        {
            reader.name: (sheet.page, reader.trail)
            for sheet in sheets
            for reader in sheet.named
            if sheet.page is not None
        },
    )


def _note_taken(sheets: Sequence[_Sheet]) -> None:
    """Note the faults of names that are given twice."""
    taken: dict[str, str] = {}
    for sheet in sheets:
        for reader in sheet.named:
            place = f"{sheet.name}:{reader.line}"
            first = taken.setdefault(reader.name, place)
            if first != place:
                what = f"there is another rule of this name at {first}"
                sheet.faults.append(reader.at_header(what, _OTHER_NAME))


def _read_file(path: Path, known: Known) -> _Sheet:
    name = shown_path(path)
    text = read_text(path)
    if isinstance(text, Fault):
        return _Sheet(name, faults=[text])
    return _read_page(Page(name, text), known)


def _read_page(page: Page, known: Known) -> _Sheet:
    sheet = _Sheet(page.name, page)
    data = parse_toml(page)
    if isinstance(data, Fault):
        sheet.faults.append(data)
        return sheet
    sheet.faults.extend(_stray(page, data))
    tables = data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        sheet.faults.append(page.at_table(("rule",), "a rule begins with [[rule]]", _BRACKETS))
        return sheet
    if not tables and not sheet.faults:
        what = "there is no [[rule]] in this file"
        sheet.faults.append(page.fault(1, 1, what, _BEGIN))
    for number, table in enumerate(tables):
        reader = RuleReader(page, number, table, known)
        rule = reader.read()
        sheet.faults.extend(reader.faults)
        if rule is not None:
            sheet.rules.append(rule)
        if reader.name:
            sheet.named.append(reader)
    return sheet


_OTHER_NAME = "give this one another; names are unique over all files"
_BRACKETS = "write it in double brackets"
_OWN_FILE = "put them into a file beside this one, named *.test.toml"
_BEGIN = "begin each rule with [[rule]]"


def _stray(page: Page, data: dict[str, object]) -> Iterable[Fault]:
    """Find what stands beside the rules."""
    for key, value in data.items():
        table = isinstance(value, dict) or (
            isinstance(value, list) and bool(value) and isinstance(value[0], dict)
        )
        if key == "rule":
            continue
        if not table:
            hint = "write [[rule]] above it" if nearest(key, KEYS) else "leave it out"
            yield page.at_key((key,), f"`{key}` stands outside of any rule", hint)
        elif key == "test":
            yield page.at_table((key,), "tests stand in a file of their own", _OWN_FILE)
        else:
            hint = meant(key, ["rule"]).replace("`rule`", "[[rule]]") or _BEGIN
            yield page.at_table((key,), f"there is no table called `{key}` in a rule file", hint)
