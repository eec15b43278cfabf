"""Files of tests → cases; every fault of every file at once, those of the rule files too.

`x.test.toml` is about the rules of `x.toml` beside it.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from glob import glob, has_magic
from pathlib import Path

from monitor.core.language.units import Scope
from monitor.core.rules import Rule
from monitor.errors import RuleTestError
from monitor.rulefile import read_rules
from monitor.rulefile.table import TableReader
from monitor.ruletest.expects import ExpectReader, duration
from monitor.ruletest.happened import HappeningReader
from monitor.ruletest.hints import for_key, misspelt
from monitor.ruletest.model import Case, Expected, Subject, TestFile, Told
from monitor.ruletest.subjects import TABLES, Cast, SubjectReader, read_cast
from monitor.ruletest.tracks import SeriesReader, check_marks, check_quantities
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
from monitor.toml_positions.values import Wrong, listed, meant, nearest, shown

ENDING = ".test.toml"
KEYS = ("name", "rules", "every", "until", *TABLES, "series", "happening", "expect")
"""Every key of a test."""


def find_test_files(patterns: Iterable[str], folder: Path = Path()) -> tuple[Path, ...]:
    """Find the files that paths or globs mean, each once; a folder means its *.test.toml.

    Raises:
        RuleTestError: One of them means no file, or one that holds no tests.
    """
    found: dict[Path, None] = {}
    faults = []
    for pattern in patterns:
        wanted = os.path.expanduser(pattern)  # noqa: PTH111 - a glob is not a path yet
        paths = [folder / name for name in sorted(glob(wanted, root_dir=folder, recursive=True))]  # noqa: PTH207 - takes absolute patterns too
        files = [
            each
            for path in paths
            for each in (sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [path])
        ]
        tests = [path for path in files if path.name.endswith(ENDING)]
        if not tests:
            exact = bool(files) and not has_magic(wanted)
            what = "is no file of tests" if exact else "no file of tests is there"
            faults.append(whole_file(pattern, what, "tests stand in files named *.test.toml"))
        found.update(dict.fromkeys(tests))
    if faults:
        raise RuleTestError("\n".join(fault.text for fault in faults))
    return tuple(found)


def load_tests(paths: Sequence[Path]) -> list[TestFile]:
    """Read files of tests and the rule files beside them, in the order given.

    Raises:
        RuleTestError: With every fault of every file.
    """
    files: list[TestFile] = []
    sheets: list[Sequence[Fault]] = []
    for path in paths:
        beside = path.with_name(path.name.removesuffix(ENDING) + ".toml")
        rules: tuple[Rule, ...] = ()
        rule_faults: list[Fault] = []
        names: frozenset[str] = frozenset()
        if beside.is_file():
            rules, rule_faults, names = read_rules(beside)
        text = read_text(path)
        if isinstance(text, Fault):
            sheets += [rule_faults, [text]]
            continue
        page = Page(shown_path(path), text)
        file = TestFile(page.name, shown_path(beside), rules)
        faults: list[Fault] = []
        if not beside.is_file():
            what = f"there is no {shown_path(beside)} beside it, whose rules it would test"
            faults.append(whole_file(page.name, what))
        sure = beside.is_file() and not rule_faults
        _read_page(page, file, faults, names, sure=sure)
        sheets += [rule_faults, faults]
        files.append(file)
    if any(sheets):
        raise RuleTestError(report(sheets))
    return files


def parse_tests(text: str, rules: Sequence[Rule], name: str = "rules.test.toml") -> TestFile:
    """Read the text of one file of tests about some rules, without touching the disk.

    Raises:
        RuleTestError: With every fault.
    """
    file = TestFile(name, name.removesuffix(ENDING) + ".toml", tuple(rules))
    faults: list[Fault] = []
    _read_page(Page(name, text), file, faults, (), sure=True)
    if faults:
        raise RuleTestError(report([faults]))
    return file


def _read_page(
    page: Page, file: TestFile, faults: list[Fault], faulty: Collection[str], *, sure: bool
) -> None:
    data = parse_toml(page)
    if isinstance(data, Fault):
        faults.append(data)
        return
    for key, value in data.items():
        if key == "test":
            continue
        if isinstance(value, dict | list):
            what = f"there is no table called `{key}` in a file of tests"
            faults.append(page.at_table((key,), what, _stray_hint(key)))
        else:
            what = f"`{key}` stands outside of any test"
            hint = "write [[test]] above it" if nearest(key, KEYS) else "leave it out"
            faults.append(page.at_key((key,), what, hint))
    tables = data.get("test", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        what = "a test begins with [[test]]"
        faults.append(page.at_table(("test",), what, "write it in double brackets"))
        return
    if not tables and not faults:
        what = "there is no [[test]] in this file"
        faults.append(page.fault(1, 1, what, "begin each test with [[test]]"))
    names: dict[str, int] = {}
    for number, table in enumerate(tables):
        reader = CaseReader(page, number, table, file.rules if sure else None, faulty)
        case = reader.read()
        first = names.setdefault(reader.name, reader.line) if reader.name else reader.line
        if first != reader.line:
            what = f"there is another test of this name at line {first}"
            reader.header(what, "give this one another, so that reports can tell them apart")
            case = None
        faults.extend(reader.faults)
        if case is not None:
            file.cases.append(case)


def _stray_hint(key: str) -> str:
    """Say where a table belongs that stands beside the tests."""
    if key == "rule":
        return "rules stand in a file of their own, without .test in its name"
    if key in KEYS:
        return f"write [test.{key}]" if key == "series" else f"write [[test.{key}]]"
    return meant(key, ["test"]).replace("`test`", "[[test]]") or "begin each test with [[test]]"


class CaseReader(TableReader):
    """Reads one `[[test]]` and collects its faults.

    Args:
        page: The file.
        number: Which test of the file, from 0.
        table: What tomli made of it.
        rules: The rules of the file beside it; None where they have faults themselves.
        names: Then, what they are called; empty where nobody knows.
    """

    def __init__(
        self,
        page: Page,
        number: int,
        table: Mapping[str, object],
        rules: Sequence[Rule] | None,
        names: Collection[str],
    ) -> None:
        name = table.get("name")
        self.name = name if isinstance(name, str) else ""
        label = f"test {shown(self.name)}" if self.name else f"test {number + 1} of this file"
        super().__init__(page, ("test", number), table, label)
        self._rules = rules
        self._faulty = names
        self._names = self.elements("rules", empty="leave it out to mean all rules")

    def read(self) -> Case | None:
        """Read all of it; None where `faults` says why not."""
        for key in self.table:
            if key not in KEYS:
                self.key(key, what=f"there is no key called `{key}`", hint=for_key(key, KEYS))
        self._check_name()
        rules = self._chosen()
        cast = self._cast()
        told = self._told(cast)
        case = self._case(rules, cast, told)
        sure = case is not None and self._rules is not None and not self.faults
        expected = self._expected(case if sure else None)
        if case is None or self.faults:
            return None
        return replace(case, expected=expected)

    def _check_name(self) -> None:
        name = self.table.get("name", "")
        hint = 'write name = "…", in a few words what it shows'
        if not isinstance(name, str):
            self.value("name", wrong=Wrong(f"{shown(name)} is not a text", hint))
        elif not name.strip() and "name" in self.table:
            self.value("name", wrong=Wrong("the name is empty", hint))
        elif not name and "name" not in misspelt(self.table, KEYS):
            self.header("`name` is missing", hint)

    def _case(self, rules: tuple[Rule, ...], cast: Cast, told: list[Told]) -> Case | None:
        subjects = tuple(draft.done() for draft in cast.drafts)
        every, end = self._timing(subjects, told)
        given = any(subject.tracks or subject.scope is Scope.POSITION for subject in subjects)
        tables = any(key in self.table for key in ("account", "happening"))
        if not given and not tables and not self.faults:
            self.header("gives nothing to judge", "add a [[test.position]], or [test.series]")
        case = Case(
            self._page.name,
            self.line,
            self.name,
            rules,
            every,
            end,
            cast.accounts,
            subjects,
            tuple(sorted(told, key=lambda each: each.at)),
        )
        self._check_rules(case)
        return case

    # Rules -----------------------------------------------------------------------------------

    def _chosen(self) -> tuple[Rule, ...]:
        names = self._names
        known = {rule.name: rule for rule in self._rules or ()}
        called = self._faulty if self._rules is None else known
        if "rules" not in self.table or not (called or known or self._rules is not None):
            return tuple(known.values())
        found: dict[str, Rule | None] = {}
        for number, name in names:
            if name not in called:
                hint = meant(name, called) or f"there is {listed(sorted(called) or ['none'])}"
                wrong = Wrong(f"no rule is called {shown(name)}", hint)
                self.value("rules", number, wrong=wrong)
            elif name in found:
                wrong = Wrong(f"{shown(name)} stands here twice", "leave one of them out")
                self.value("rules", number, wrong=wrong)
            else:
                found[name] = known.get(name)
        return tuple(rule for rule in found.values() if rule is not None)

    def _check_rules(self, case: Case) -> None:
        """Refuse rules that were asked for and that nothing here could ever concern."""
        for number, name in self._names:
            rule = next((rule for rule in case.rules if rule.name == name), None)
            if rule is None or (rule.levels and case.of(rule.scope)):
                continue
            if rule.on:
                self._check_on(rule, number)
                continue
            word = "position" if rule.scope is Scope.POSITION else "pool"
            wrong = Wrong(f"it is about {word}s, and this test has none", f"add a [[test.{word}]]")
            self.value("rules", number, wrong=wrong)

    def _check_on(self, rule: Rule, number: int) -> None:
        """Refuse a rule about happenings where nothing at all happens."""
        by_quantity = {"position_opened", "position_closed"}
        if "happening" in self.table or not by_quantity.isdisjoint(rule.on):
            return
        wrong = Wrong(
            f"it is on {listed(rule.on)}, and nothing happens", "add a [[test.happening]]"
        )
        self.value("rules", number, wrong=wrong)

    # What it is about ------------------------------------------------------------------------

    def _tables(self, key: str) -> Iterator[tuple[Trail, Mapping[str, object], str]]:
        """List the tables of an array, each with its trail and label."""
        value = self.table.get(key)
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            fault = f"{self._label}: each {key} begins with [[test.{key}]]"
            trail = (*self._trail, key)
            hint = "write it in double brackets"
            if not isinstance(value, dict):
                nothing = ", or expect = [] for nothing" if key == "expect" else ""
                hint = f"write it as a table{nothing}"
            self.faults.append(self._page.at_table(trail, fault, hint))
            return
        for number, table in enumerate(value):
            which = f" {number + 1}" if len(value) > 1 else ""
            yield (*self._trail, key, number), table, f"{self._label}, {key}{which}"

    def _cast(self) -> Cast:
        readers = {
            scope: [
                SubjectReader(self._page, trail, table, label, scope)
                for trail, table, label in self._tables(key)
            ]
            for key, scope in TABLES.items()
        }
        cast = read_cast(readers, self.faults)
        series = self.table.get("series")
        if isinstance(series, dict):
            trail = (*self._trail, "series")
            reader = SeriesReader(self._page, trail, series, f"{self._label}, series", cast)
            reader.read()
            self.faults.extend(reader.faults)
        elif series is not None:
            what = f"{self._label}: the series stand in one table"
            trail = (*self._trail, "series")
            self.faults.append(self._page.at_table(trail, what, "begin it with [test.series]"))
        if not self.faults:
            self.faults.extend([*check_quantities(cast), *check_marks(cast)])
        return cast

    def _told(self, cast: Cast) -> list[Told]:
        found = []
        for trail, table, label in self._tables("happening"):
            reader = HappeningReader(self._page, trail, table, label, cast)
            told = reader.read()
            self.faults.extend(reader.faults)
            if told is not None:
                found.append(told)
        return found

    # Time ------------------------------------------------------------------------------------

    def _timing(self, subjects: Iterable[Subject], told: Iterable[Told]) -> tuple[int, int]:
        """Read how far apart values are, and when the test ends."""
        longest = max((len(t) for each in subjects for t in each.tracks.values()), default=1)
        every = self.duration("every", 0)
        if "every" not in self.table and longest > 1:
            self.header("`every` is missing", 'say how far apart values are: every = "5s"')
        elif "every" in self.table and not every and not self.faults:
            self.value("every", wrong=Wrong("values 0s apart", 'write one like "5s"'))
        last = max((each.at for each in told), default=0)
        if "until" not in self.table:
            return every, max(every * (longest - 1), last)
        until = self.duration("until", 0)
        if until < last:
            wrong = Wrong(
                f"something happens later, at {duration(last)}",
                f'write until = "{duration(last)}", or later',
            )
            self.value("until", wrong=wrong)
        return every, until

    # What is expected ------------------------------------------------------------------------

    def _expected(self, case: Case | None) -> tuple[Expected, ...]:
        if "expect" not in self.table:
            if "expect" not in misspelt(self.table, KEYS):
                hint = "add [[test.expect]], or expect = [] if nothing may be told"
                self.header("says nothing of what to expect", hint)
            return ()
        found = []
        for trail, table, label in self._tables("expect"):
            reader = ExpectReader(self._page, trail, table, label, case)
            expected = reader.read()
            self.faults.extend(reader.faults)
            if expected is not None:
                found.append(expected)
        return tuple(found)
