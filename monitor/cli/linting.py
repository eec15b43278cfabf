"""What lints find, at its place in a file, without what a comment there tells to ignore."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.core.lints import CODES, Finding, Surroundings, lint
from monitor.core.routing import Channel
from monitor.rulefile import RuleBook
from monitor.toml_positions import Trail
from monitor.toml_positions.ignores import Ignore, ignores
from monitor.toml_positions.page import Fault, Page, whole_file
from monitor.toml_positions.values import meant

if TYPE_CHECKING:  # pydantic behind it is not wanted where rules are checked alone
    from monitor.config import Config

_COMMENTS = frozenset({"bad-ignore", "unused-ignore"})
"""Lints of the comments themselves, which no comment silences."""


@dataclass(frozen=True)
class Warned:
    """One finding, ready to be told."""

    finding: Finding
    file: str
    line: int
    """0, like `column`, where it is about a file as a whole."""
    column: int
    shown: str
    """All of it, one to three lines."""

    def as_json(self) -> dict[str, object]:
        """Give it as `check --json` does."""
        finding = self.finding
        return {
            "code": finding.code,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "rule": finding.rule or None,
            "severity": finding.severity.word if finding.severity else None,
            "text": finding.text,
            "hint": finding.hint,
            "page": f"docs/lints/{finding.code}.md",
        }


def warnings_of(
    book: RuleBook, config: "Config | None" = None, *, whole: bool = True
) -> list[Warned]:
    """Lint rules, in the order of files, lines and columns; the configuration comes first.

    Args:
        book: The rules.
        config: What is configured around them; None where rules are looked at by themselves.
        whole: Whether these are all the rules that the configuration has.
    """
    around = None if config is None else _surroundings(config, whole=whole)
    sheets = {} if config is None or config.page is None else {"": _Sheet(config.page)}
    sheets |= {page.name: _Sheet(page) for page in book.pages}
    for finding in lint(book.rules, around):
        sheet, trail, label = _place(finding, book, config, sheets)
        table = book.places[finding.rule][1] if finding.rule else finding.at[:2]
        sheet.take(finding, trail, label, table)
    complete = around is not None and whole
    for name, sheet in sheets.items():
        if name or complete:  # comments of the configuration speak of lints of all of it
            sheet.judge_comments(complete=complete)
    return [warned for sheet in sheets.values() for warned in sheet.sorted()]


def _surroundings(config: "Config", *, whole: bool) -> Surroundings:
    return Surroundings(
        accounts=tuple((account.name, account.venue) for account in config.accounts),
        channels=tuple(
            Channel(channel.name, channel.min_severity, channel.accounts, channel.rules)
            for channel in config.channels
        ),
        whole=whole,
        heartbeat=config.heartbeat is not None and config.heartbeat.beats,
        open_page=_open_page(config),
    )


def _open_page(config: "Config") -> str:
    listen = None if config.http is None else config.http.listen
    return "" if listen is None or listen.loopback else str(listen)


@dataclass
class _Sheet:
    """One file, its comments, and what was found there."""

    page: Page
    comments: Sequence[Ignore] = ()
    used: set[Ignore] = field(default_factory=set)
    warned: list[tuple[Fault, Finding]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.comments = tuple(ignores(self.page.text))

    def take(self, finding: Finding, trail: Trail, label: str, table: Trail) -> None:
        """Note a finding, unless a comment at its place, its level or its table ignores it."""
        what = f"warning: {label}: {finding.text} [{finding.code}]"
        fault = self._fault(finding, trail, what)
        level = (*table, finding.severity.word)
        heads = [trail, table, (*table, "name"), level]
        lines = {fault.line, *(self.page.places[at].line for at in heads if at in self.page.places)}
        silencing = [
            comment
            for comment in self.comments
            # What is missing from a file stands in no line of it: a comment in any line will do.
            if (comment.covers in lines or not fault.line) and comment.code == finding.code
        ]
        self.used.update(silencing)
        if not silencing:
            self.warned.append((fault, finding))

    def _fault(self, finding: Finding, trail: Trail, what: str) -> Fault:
        places = self.page.places
        if not trail:
            return whole_file(self.page.name, what, finding.hint)
        if not isinstance(trail[-1], str) and len(trail) == 2:  # a table
            return self.page.at_table(trail, what, finding.hint)
        if finding.column:
            return self.page.in_text(trail, finding.column, what, finding.hint)
        assert trail in places  # noqa: S101 - `_place` saw to that
        return self.page.at_value(trail, what, finding.hint)

    def judge_comments(self, *, complete: bool) -> None:
        """Note comments that say too little, and those that silence nothing."""
        for comment in self.comments:
            text, hint = _wrong(comment)
            code = "bad-ignore"
            decided = complete or (comment.code in CODES and not CODES[comment.code].needs)
            if not text and comment not in self.used and decided:
                code = "unused-ignore"
                text = f"this ignores nothing: {comment.code} is not found here"
                hint = "leave the comment out"
            if text:
                what = f"warning: {text} [{code}]"
                fault = self.page.fault(comment.line, comment.column, what, hint)
                self.warned.append((fault, Finding(code, text, hint)))

    def sorted(self) -> Iterator[Warned]:
        """List what was found, in the order of lines and columns."""
        for fault, finding in sorted(self.warned, key=lambda each: each[0]):
            yield Warned(finding, self.page.name, fault.line, fault.column, fault.text)


def _wrong(comment: Ignore) -> tuple[str, str]:
    """Say what is wrong with a comment; "" where nothing is."""
    example = "write # check: ignore CODE reason"
    if comment.word != "ignore":
        return f"`{comment.word}` is not `ignore`, so nothing is ignored", example
    if not comment.code:
        return "this ignores nothing: the code is missing", example
    if comment.code not in CODES or comment.code in _COMMENTS:
        codes = [code for code in CODES if code not in _COMMENTS]
        hint = meant(comment.code, codes) or "docs/lints/ has a page for each"
        return f"there is no lint `{comment.code}` to ignore", hint
    if not comment.reason:
        return f"this ignores {comment.code} without a reason", "write why, behind the code"
    return "", ""


def _place(
    finding: Finding, book: RuleBook, config: "Config | None", sheets: Mapping[str, _Sheet]
) -> tuple[_Sheet, Trail, str]:
    """Tell the file of a finding, the way to its place there, and what to call that."""
    if finding.rule:
        page, table = book.places[finding.rule]
        level = finding.severity.word if finding.severity else ""
        label = ", ".join(filter(None, [f'rule "{finding.rule}"', level]))
        sheet = sheets[page.name]
        return sheet, _known(sheet, (*table, *finding.at)), label
    assert config is not None  # noqa: S101 - else nothing is found there; for the type checker
    sheet = sheets[""]
    trail = _known(sheet, finding.at)
    label = "configuration"
    match finding.at:
        case ("account", int(number), *_):
            label = f'account "{config.accounts[number].name}"'
        case ("channel", int(number), *rest):
            key = f", {rest[0]}" if rest else ""
            label = f'channel "{config.channels[number].name}"{key}'
        case _:
            pass
    return sheet, trail, label


def _known(sheet: _Sheet, trail: Trail) -> Trail:
    """Shorten a way to where there is something: `for` of one level may be that of all."""
    while trail and trail not in sheet.page.places:
        trail = trail[:-1]
    return trail
