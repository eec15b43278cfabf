"""Which rules a test could make true: by what it gives, whatever the values.

A figure that is neither given nor computed from what is given is unknown throughout, and a
condition that needs it is never true. This says so before anything is played, so that a test is
not asked which rule it means where only one could be meant.
"""

from decimal import Decimal

from monitor.core.language.truth import UNKNOWN, Interval, Truth, Value
from monitor.core.language.units import Unit
from monitor.core.lookback import metric_named
from monitor.core.rules import Rule, Severity
from monitor.ruletest.doubts import PARTS, Parts
from monitor.ruletest.model import Case, Subject
from monitor.toml_positions.values import listed

_ANYTHING = Interval(Decimal("-Infinity"), Decimal("Infinity"))
_TEXTS = ("account", "symbol", "margin_type", "asset", "side")
_ALWAYS = frozenset({"position_count"})


def applies(rule: Rule, subject: Subject) -> bool:
    """Tell whether a rule's globs take a subject."""
    if not rule.accounts.match(subject.account):
        return False
    return not subject.symbol or rule.symbols.match(subject.symbol)


def could_be_true(case: Case, rule: Rule, severity: Severity, subject: Subject) -> bool:
    """Tell whether a level of a rule, or a higher one, could ever be true of a subject."""
    parts = Parts([each for each in case.subjects if each.account == subject.account])
    for level in rule.levels:
        if level.severity < severity:
            continue
        reads = level.condition.reads
        if "side" in reads and not subject.side:
            return True
        values = [_value(case, parts, subject, name) for name in reads]
        if level.condition.possible(*values) & Truth.TRUE:
            return True
    return False


def says_nothing(case: Case) -> str:
    """Say why a test that expects nothing could not fail; "" where it could."""
    if case.expected or case.happenings or any(rule.on for rule in case.rules):
        return ""
    lacks: dict[str, None] = {}
    for rule in case.rules:
        for subject in case.of(rule.scope):
            if could_be_true(case, rule, Severity.INFO, subject):
                return ""
            lacks.update(dict.fromkeys(missing(case, rule, subject)))
    given = f": nothing gives {listed(lacks)}" if lacks else ""
    return f"it expects nothing, and none of its rules could ever be true{given}"


def missing(case: Case, rule: Rule, subject: Subject) -> list[str]:
    """List the figures that a rule reads and nothing gives."""
    parts = Parts([each for each in case.subjects if each.account == subject.account])
    names = dict.fromkeys(name for level in rule.levels for name in level.condition.reads)
    values = {name: _value(case, parts, subject, name) for name in names}
    # Ages are 0 unless they are given.
    return [name for name, value in values.items() if value is UNKNOWN or value == 0]


def _value(case: Case, parts: Parts, subject: Subject, name: str) -> Value:
    metric = metric_named(name)
    if metric.history is not None:
        name = metric.history.metric
    if name == "venue":
        return case.accounts[subject.account].venue
    if metric.unit is Unit.TEXT:
        return str(getattr(subject, name)) if name in _TEXTS else UNKNOWN
    owner = subject
    if metric.scope < subject.scope:
        owners = (each for each in case.subjects if each.account == subject.account)
        same = (each for each in owners if each.scope is metric.scope)
        found = next((each for each in same if each.asset in {"", subject.asset}), None)
        if found is None:
            return UNKNOWN
        owner = found
    if metric.unit is Unit.DURATION and name not in owner.tracks:
        return Decimal(0)
    return _ANYTHING if name in _ALWAYS or _known(parts, owner, name) else UNKNOWN


def _known(parts: Parts, subject: Subject, name: str) -> bool:
    """Tell whether a figure is given, or computed from figures that are."""
    if parts.giver(subject, name) is not None:
        return True
    if name not in PARTS:
        return False
    return all(_known(parts, other, part) for other, part in parts.of(subject, name))
