"""What no test ever fires: the levels and the happenings of rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from monitor.core.rules import Rule
from monitor.rulefile import read_rules
from monitor.ruletest.model import TestFile
from monitor.ruletest.verdict import Verdict
from monitor.toml_positions.page import shown_path


class Unfired(NamedTuple):
    """A level, or a happening, that no test fires."""

    file: str
    rule: str
    what: str
    """A severity, or the kind of a happening."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the rules the tests fire."""

    total: int
    """Levels and happenings of all rules."""
    unfired: tuple[Unfired, ...]

    def as_lines(self) -> list[str]:
        """Write what is not fired, and how much is."""
        lines = [f"never fired: {each.file}: {each.rule}: {each.what}" for each in self.unfired]
        return [*lines, f"{self.total - len(self.unfired)} of {self.total} levels fired"]


def cover(
    files: Iterable[TestFile], verdicts: Iterable[Verdict], folders: Iterable[Path]
) -> Coverage:
    """Find what no test fires.

    Args:
        files: The tests, with the rules beside them.
        verdicts: How they ended.
        folders: Whose rule files count too, with tests or without.
    """
    rules: dict[str, tuple[Rule, ...]] = {file.rule_file: file.rules for file in files}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            name = shown_path(path)
            if not path.name.endswith(".test.toml") and name not in rules:
                rules[name] = read_rules(path).rules
    fired: set[tuple[str, str, str]] = set()
    beside = {case.file: file.rule_file for file in files for case in file.cases}
    for verdict in verdicts:
        file = beside[verdict.case.file]
        for pair in verdict.pairs:
            heard = pair.heard
            if heard is None:
                continue
            if heard.kind in {"fired", "escalated"}:
                fired.add((file, heard.rule, heard.severity))
            elif heard.kind == "happened":
                fired.add((file, heard.rule, str(heard.happening)))
    wanted = [
        Unfired(file, rule.name, what)
        for file, found in rules.items()
        for rule in found
        for what in (*(level.severity.word for level in rule.levels), *rule.on)
    ]
    return Coverage(len(wanted), tuple(each for each in wanted if each not in fired))
