"""What could be meant by an expectation: every notice that the rules of a test could ever send."""

from typing import NamedTuple

from monitor.core.language.units import Scope
from monitor.core.rules import Rule, Severity
from monitor.ruletest.judgeable import applies, could_be_true
from monitor.ruletest.model import Case, Subject


class Possible(NamedTuple):
    """A notice that could come."""

    rule: str
    id: str
    account: str
    happening: str | None = None


def possible(case: Case, kind: str, severity: Severity, at: int) -> list[Possible]:
    """List what could be meant by a kind and a severity at an instant."""
    found: dict[Possible, None] = {}
    for rule in case.rules:
        if kind == "happened":
            if rule.on and rule.severity is severity:
                found.update(dict.fromkeys(_happenings(case, rule, at)))
        elif severity in severities_of(rule, kind):
            for subject in case.of(rule.scope):
                if applies(rule, subject) and could_be_true(case, rule, severity, subject):
                    found[Possible(rule.name, subject.id, subject.account)] = None
    return list(found)


def severities_of(rule: Rule, kind: str) -> list[Severity]:
    """List the levels of a rule that a kind of notice can be of."""
    levels = [level.severity for level in rule.levels]
    match kind:
        case "escalated":
            return levels[1:]
        case "eased":
            return levels[:-1]
        case "reminder":
            return levels if rule.repeat is not None else []
        case _:
            return levels


def _happenings(case: Case, rule: Rule, at: int) -> list[Possible]:
    told = [each for each in case.happenings if each.happening.kind in rule.on]
    # At once, or summed up later: of those that are told at this very instant, only these.
    told = [each for each in told if each.at == at] or [each for each in told if each.at < at]
    found = []
    for each in told:
        target = each.happening.target
        if target.account and not rule.accounts.match(target.account):
            continue
        if target.symbol and not rule.symbols.match(target.symbol):
            continue
        names = (subject.id for subject in case.subjects if subject.is_target(target))
        name = next(names, target.symbol or target.asset)
        found.append(Possible(rule.name, name, target.account, each.happening.kind))
    for subject in case.of(Scope.POSITION):
        matched = applies(rule, subject)
        for kind, steps in (
            ("position_opened", opens(subject)),
            ("position_closed", ends(subject)),
        ):
            near = [step for step in steps if step * case.every <= at]
            if kind in rule.on and matched and near:
                found.append(Possible(rule.name, subject.id, subject.account, kind))
    return found


def _sign(subject: Subject, step: int) -> int:
    cell = subject.at("quantity", step)
    if cell is None or cell.figure is None:
        return 1
    text = str(cell.figure)
    return 0 if not cell.figure else -1 if text.startswith("-") else 1


def ends(subject: Subject) -> list[int]:
    """List the steps at which a position closes or turns round."""
    steps = range(1, len(subject.tracks.get("quantity", ())))
    return [step for step in steps if _sign(subject, step - 1) not in {0, _sign(subject, step)}]


def opens(subject: Subject) -> list[int]:
    """List the steps at which a position opens or turns round."""
    steps = range(1, len(subject.tracks.get("quantity", ())))
    return [step for step in steps if _sign(subject, step) not in {0, _sign(subject, step - 1)}]
