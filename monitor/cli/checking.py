"""What `check` finds: rules that can be loaded, what each applies to, and what looks odd."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.cli.linting import Warned, warnings_of
from monitor.core.language.units import Scope
from monitor.core.rules import Globs, Rule
from monitor.core.wording import count
from monitor.errors import ConfigError, OperatorError, RuleFileError
from monitor.rulefile import RuleBook, find_rule_files, load_book, load_rules
from monitor.toml_positions.page import report

if TYPE_CHECKING:  # pydantic and the link behind them are not wanted where rules are checked alone
    from monitor.cli.looking import Accounts
    from monitor.config import Config

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_THINGS = {Scope.POSITION: "positions of ", Scope.POOL: "margin pools of "}


class Chartless(NamedTuple):
    """A channel that is to have charts, of a service that takes none."""

    text: str
    shown: str
    """Under its line of the file."""


@dataclass
class Found:
    """Rules without a fault, and the accounts where they were looked at."""

    book: RuleBook
    config: "Config | None" = None
    """None where rules are checked alone."""
    whole: bool = True
    """Whether the rules are the configuration's own."""
    accounts: "Accounts | None" = None
    """None where the exchange was not asked."""
    chartless: tuple["Chartless", ...] = ()
    """The channels that are to have charts, and cannot."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order of their files."""
        return self.book.rules

    @cached_property
    def lints(self) -> list[Warned]:
        """What the rules say and is hardly meant."""
        return warnings_of(self.book, self.config, whole=self.whole)

    @property
    def warnings(self) -> list[str]:
        """Tell everything that works and is not as it should be, each in one to three lines."""
        accounts = self.accounts.warnings if self.accounts else []
        located: list[Warned | Chartless] = [*self.lints, *self.chartless]
        return [*(each.shown for each in located), *(f"warning: {text}" for text in accounts)]

    def as_table(self) -> str:
        """Write what each rule applies to, ended by how many there are; then each account."""
        lines = [line for rule in self.rules for line in self._described(rule)]
        levels = sum(len(rule.levels) or 1 for rule in self.rules)
        verdict = count(len(self.lints), "warning") if self.lints else "fine"
        total = f"{count(len(self.rules), 'rule')}, {count(levels, 'level')}: {verdict}"
        return "\n".join([*lines, total, *(self.accounts.as_table() if self.accounts else ())])

    def as_json(self) -> str:
        """Write the same as one JSON document; durations in seconds, as everywhere in JSON."""
        rules = [
            {
                "name": rule.name,
                "scope": rule.scope.name.lower(),
                "applies_to": self._target(rule),
                "levels": [
                    {
                        "severity": level.severity.word,
                        "condition": level.condition.text,
                        "for": level.on_delay / 1000,
                        "keep_firing_for": level.off_delay / 1000,
                    }
                    for level in rule.levels
                ],
                "on": list(rule.on),
                "severity": rule.severity.word if rule.on else None,
                "cooldown": rule.cooldown / 1000 if rule.on else None,
                "hysteresis": str(rule.hysteresis),
                "symbols": list(rule.symbols.patterns),
                "accounts": self._accounts(rule),
                "channels": self._channels(rule),
                "repeat": None if rule.repeat is None else rule.repeat / 1000,
            }
            for rule in self.rules
        ]
        document: dict[str, object] = {
            "rules": rules,
            "lints": [lint.as_json() for lint in self.lints],
            "warnings": [
                *(each.text for each in self.chartless),
                *(self.accounts.warnings if self.accounts else ()),
            ],
        }
        if self.accounts is not None:
            document |= self.accounts.as_json()
        return json.dumps(document, indent=2, ensure_ascii=False)

    # What a rule applies to ------------------------------------------------------------------

    def _described(self, rule: Rule) -> Iterator[str]:
        yield f"{rule.name}: {self._target(rule)}"
        width = max((len(level.condition.text) for level in rule.levels), default=0)
        for level in rule.levels:
            delays = []
            if level.on_delay:
                delays.append(f"for {duration(level.on_delay)}")
            if level.off_delay:
                delays.append(f"keeps firing for {duration(level.off_delay)}")
            text = level.condition.text.ljust(width)
            yield f"    {level.severity.word:<8}  {text}  {', '.join(delays)}".rstrip()
        if rule.on:
            cooldown = f"repeats summed up over {duration(rule.cooldown)}"
            yield f"    {rule.severity.word:<8}  on {', '.join(rule.on)}  {cooldown}"
        channels = self._channels(rule)
        if channels is not None:
            yield f"    told to {', '.join(channels) or 'nobody'}"

    def _target(self, rule: Rule) -> str:
        symbols = rule.symbols.patterns
        only = "" if symbols == ("*",) else f" ({', '.join(symbols)})"
        accounts = self._accounts(rule)
        if self.config is None:
            who = "every account" if rule.accounts == Globs() else f"accounts {', '.join(accounts)}"
        else:
            who = ", ".join(accounts) or "no account"
        return f"{_THINGS.get(rule.scope, '')}{who}{only}"

    def _accounts(self, rule: Rule) -> list[str]:
        """List the accounts that it matches; its globs where the accounts are not known."""
        if self.config is None:
            return list(rule.accounts.patterns)
        names = [account.name for account in self.config.accounts]
        return [name for name in names if rule.accounts.match(name)]

    def _channels(self, rule: Rule) -> list[str] | None:
        """List the channels that take it; those it names where the channels are not known."""
        if self.config is None:
            return None if rule.channels is None else list(rule.channels)
        highest = max((level.severity for level in rule.levels), default=rule.severity)
        return [
            channel.name
            for channel in self.config.channels
            if (rule.channels is None or channel.name in rule.channels)
            and channel.rules.match(rule.name)
            and channel.min_severity <= highest
            and any(channel.accounts.match(name) for name in self._accounts(rule))
        ]


def check_rules(patterns: Sequence[str]) -> Found:
    """Check rule files alone.

    Raises:
        RuleFileError: With every fault.
    """
    return Found(load_book(find_rule_files(patterns)))


def check_config(path: Path | None, patterns: Sequence[str] = ()) -> Found:
    """Check a configuration and its rules.

    Args:
        path: The configuration; None for the usual places.
        patterns: Rule files to hold against it instead of its own, from the working directory.

    Raises:
        OperatorError: With every fault of both.
    """
    from monitor.config import find_config, load_config

    path = find_config(path)
    faults: list[str] = []
    try:
        config = load_config(path)
    except ConfigError as exc:
        faults.append(str(exc))
        _rules_despite(path, patterns, faults)
    else:
        faults.extend(_url_faults(config))
        book = _book_of(config, patterns, faults)
        if book is not None and not faults:
            return Found(book, config, whole=not patterns, chartless=tuple(_chartless(config)))
    raise OperatorError("\n".join(faults))


def _book_of(config: "Config", patterns: Sequence[str], faults: list[str]) -> RuleBook | None:
    from monitor.cli.loading import book_of  # pydantic behind it

    try:
        return book_of(config, find_rule_files(patterns) if patterns else None)
    except (ConfigError, RuleFileError) as exc:
        faults.append(str(exc))
        return None


def _rules_despite(path: Path, patterns: Sequence[str], faults: list[str]) -> None:
    """Find the faults of the rules of a configuration that has faults itself."""
    from monitor.config import outline

    known = outline(path)
    try:
        files = find_rule_files(patterns) if patterns else known.rule_files
        load_rules(files, accounts=known.accounts, channels=known.channels)
    except RuleFileError as exc:
        faults.append(str(exc))


def _url_faults(config: "Config") -> Iterator[str]:
    from monitor.notify import check_url  # Apprise takes half a second to import

    found = []
    for number, channel in enumerate(config.channels):
        problem = check_url(channel.url.get_secret_value())
        if problem is not None:
            found.append(config.fault(("channel", number, "url"), problem))
    if found:
        yield report([found])


def _chartless(config: "Config") -> Iterator[Chartless]:
    from monitor.notify import without_pictures

    for number, channel in enumerate(config.channels):
        service = without_pictures(channel.url.get_secret_value()) if channel.charts else None
        if service is not None and config.page is not None:
            text = f'channel "{channel.name}", charts: {service} takes no pictures from this url'
            trail, hint = ("channel", number, "charts"), "texts go out without: write false"
            yield Chartless(text, config.page.at_value(trail, f"warning: {text}", hint).text)


def duration(value: int) -> str:
    """Write milliseconds as rules do: 1m30s."""
    parts = []
    for unit, size in _UNITS:
        number, value = divmod(value, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
