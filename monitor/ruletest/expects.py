"""`[[test.expect]]`: a notice and its instant, and which rule and what it has to be of.

What could be meant by an expectation is every notice that the rules of the test could ever send on
what the test is about. It has to be exactly one; one that could never come is refused too, since a
test that waits for it says nothing about the rule.
"""

from collections.abc import Iterable, Mapping, Sequence

from monitor.core.language.units import Scope
from monitor.core.rules import HAPPENINGS, SEVERITIES, Severity
from monitor.rulefile.table import TableReader
from monitor.ruletest.hints import for_key, for_word, misspelt
from monitor.ruletest.impossible import why_never
from monitor.ruletest.model import Case, Expected
from monitor.ruletest.possible import Possible, ends, possible
from monitor.toml_positions import Trail
from monitor.toml_positions.page import Page
from monitor.toml_positions.values import Wrong, listed, meant, shown

KEYS = (
    "at",
    "kind",
    "severity",
    "rule",
    "id",
    "account",
    "reason",
    "happening",
    "count",
    "message",
)
KINDS = ("fired", "escalated", "eased", "resolved", "reminder", "happened")
REASONS = ("recovered", "position_closed", "pool_gone")
"""Those that can come about in a test."""
_LIVE_ONLY = ("expired", "rule_changed", "rule_removed", "no_longer_applies", "account_removed")


class ExpectReader(TableReader):
    """Reads one `[[test.expect]]`.

    Args:
        page: The file.
        trail: The way to the table.
        table: What tomli made of it.
        label: What a fault calls the table.
        case: The test without its expectations; None where its own faults leave that open.
    """

    def __init__(
        self,
        page: Page,
        trail: Trail,
        table: Mapping[str, object],
        label: str,
        case: Case | None,
    ) -> None:
        super().__init__(page, trail, table, label)
        self._case = case

    def read(self) -> Expected | None:
        """Read all of it; None where `faults` says why not."""
        for key in self.table:
            if key not in KEYS:
                self.key(key, what=f"there is no key called `{key}`", hint=for_key(key, KEYS))
        meant_keys = misspelt(self.table, KEYS)
        for key, hint in (
            ("at", 'write at = "15s"'),
            ("kind", f"write {listed(shown(kind) for kind in KINDS)}"),
            ("severity", 'write "info", "warning" or "critical"'),
        ):
            if key not in self.table and key not in meant_keys:
                self.header(f"`{key}` is missing", hint)
        at = self.duration("at", 0)
        kind = self._word("kind", KINDS)
        severity = self._word("severity", SEVERITIES)
        expected = Expected(
            self.line,
            at,
            kind or "",
            SEVERITIES.get(severity or "", Severity.NONE),
            self._text("rule"),
            self._text("id"),
            self._text("account"),
            self._reason(kind),
            self._happening(kind),
            self._count(kind),
            self._text("message"),
        )
        if not self.faults and self._case is not None:
            self._judge(expected, self._case)
        return None if self.faults else expected

    # Keys ------------------------------------------------------------------------------------

    def _text(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        wrong = Wrong(f"{shown(value)} is not a text", "write it in quotes")
        if value == "":
            wrong = Wrong(f"`{key}` is empty", "say it, or leave it out")
        self.value(key, wrong=wrong)
        return None

    def _word(self, key: str, known: Iterable[str]) -> str | None:
        value = self.table.get(key)
        if not isinstance(value, str):
            return self._text(key)
        known = list(known)
        if value in known:
            return value
        self.value(key, wrong=for_word(key, value, known))
        return None

    def _reason(self, kind: str | None) -> str | None:
        value = self._text("reason")
        if value is None:
            return None
        if value in _LIVE_ONLY:
            wrong = Wrong(
                f"{shown(value)} cannot come about in a test", f"here it is {listed(REASONS)}"
            )
            self.value("reason", wrong=wrong)
        elif value not in REASONS:
            hint = meant(value, REASONS) or f"write {listed(shown(each) for each in REASONS)}"
            self.value("reason", wrong=Wrong(f"there is no reason {shown(value)}", hint))
        elif kind is not None and kind not in {"eased", "resolved"}:
            what = f"what {kind} has no `reason`; only eased and resolved have"
            self.key("reason", what=what, hint="leave it out")
        return value

    def _happening(self, kind: str | None) -> str | None:
        value = self._word("happening", HAPPENINGS)
        if value is not None and kind not in {None, "happened"}:
            what = '`happening` goes with kind = "happened"'
            self.key("happening", what=what, hint="leave it out")
        return value

    def _count(self, kind: str | None) -> int | None:
        value = self.table.get("count")
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            wrong = Wrong(f"{shown(value)} is no count", "write a whole number from 1")
            self.value("count", wrong=wrong)
            return None
        if kind not in {None, "happened"}:
            self.key("count", what='`count` goes with kind = "happened"', hint="leave it out")
        return value

    # What could be meant ---------------------------------------------------------------------

    def _judge(self, expected: Expected, case: Case) -> None:
        if expected.at > case.end:
            wrong = Wrong(
                f"the test ends before that, at {duration(case.end)}",
                f'add until = "{self.table["at"]}", or more values to a series',
            )
            self.value("at", wrong=wrong)
        elif self._names_exist(expected, case):
            could = possible(case, expected.kind, expected.severity, expected.at)
            left = [each for each in could if _fits(each, expected)]
            if not left:
                key, wrong = why_never(expected, case, could)
                self.value(key, wrong=wrong)
            else:
                self._ambiguous(expected, case, left)

    def _names_exist(self, expected: Expected, case: Case) -> bool:
        ids = {subject.id for subject in case.subjects if subject.scope is not Scope.ACCOUNT}
        for told in case.happenings:
            target = told.happening.target
            ids |= {target.symbol or target.asset} - {""}
        rules = [rule.name for rule in case.rules]
        for key, value, known in (
            ("rule", expected.rule, rules),
            ("id", expected.id, sorted(ids)),
            ("account", expected.account, list(case.accounts)),
        ):
            if value is not None and value not in known:
                what = {
                    "rule": f"no rule of this test is called {shown(value)}",
                    "id": f"nothing of this test is called {shown(value)}",
                    "account": f"no account of this test is called {shown(value)}",
                }[key]
                verb = "there is" if len(known) == 1 else "there are"
                there_are = f"{verb} {listed(known)}" if known else ""
                self.value(key, wrong=Wrong(what, meant(value, known) or there_are))
                return False
        return True

    def _ambiguous(self, expected: Expected, case: Case, left: Sequence[Possible]) -> None:
        """Ask for what tells several possible notices apart."""
        first = left[0]
        scopes = {rule.name: rule.scope for rule in case.rules}
        if any(each.rule != first.rule for each in left):
            self._ask("rule", dict.fromkeys(each.rule for each in left))
        elif any((each.id, each.account) != (first.id, first.account) for each in left):
            of_account = scopes[first.rule] is Scope.ACCOUNT or not first.id
            key = "account" if of_account else "id"
            names = (each.account if of_account else each.id for each in left)
            self._ask(key, dict.fromkeys(names))
        elif any(each.happening != first.happening for each in left):
            self._ask("happening", dict.fromkeys(str(each.happening) for each in left))
        elif expected.kind == "resolved" and expected.reason is None:
            subject = next(
                (each for each in case.of(scopes[first.rule]) if each.id == first.id), None
            )
            closes = subject is not None and subject.scope is Scope.POSITION
            if closes and subject is not None:
                instants = [step * case.every for step in ends(subject)]
                if expected.at in instants:
                    self._ask("reason", ("recovered", "position_closed"))

    def _ask(self, key: str, names: Iterable[str]) -> None:
        names = list(names)
        what = f"more than one {_NOUNS.get(key, key)} could be meant, so `{key}` is missing"
        self.header(what, f"add {key} = {listed(shown(name) for name in names)}")


_NOUNS = {"id": "target"}


def _fits(each: Possible, expected: Expected) -> bool:
    return (
        expected.rule in {None, each.rule}
        and expected.id in {None, each.id}
        and expected.account in {None, each.account}
        and expected.happening in {None, each.happening}
    )


def duration(value: int) -> str:
    """Write milliseconds as files do: 100s, 1h30m; up to ten minutes in seconds."""
    if value % 1000:
        return f"{value / 1000:.10g}s"
    seconds = value // 1000
    if seconds <= 600:
        return f"{seconds}s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
