"""Lints: what is allowed in rules and hardly meant, or dangerous.

`finding` says what a finding is and which codes there are. `conditions` looks at what can hold,
`targets` at whom rules are about, `twice` at what is told twice, `listeners` at who is told. All
of it is a pure function of rules and of what is configured around them.
"""

from collections.abc import Iterator, Sequence

from monitor.core.lints.conditions import condition_findings
from monitor.core.lints.finding import CODES, Code, Finding, Surroundings
from monitor.core.lints.listeners import (
    blind_accounts,
    heartbeat_findings,
    listener_findings,
    page_findings,
)
from monitor.core.lints.targets import channel_globs, target_findings
from monitor.core.lints.twice import twice_findings
from monitor.core.rules import Rule

__all__ = ["CODES", "Code", "Finding", "Surroundings", "lint"]


def lint(rules: Sequence[Rule], around: Surroundings | None = None) -> tuple[Finding, ...]:
    """Find what is odd in rules.

    Args:
        rules: Rules without a fault.
        around: What is configured; None where rules are looked at by themselves.
    """
    return tuple(_found(rules, around))


def _found(rules: Sequence[Rule], around: Surroundings | None) -> Iterator[Finding]:
    for rule in rules:
        yield from condition_findings(rule, around)
        yield from target_findings(rule, around)
    yield from twice_findings(rules, around)
    if around is None:
        return
    yield from listener_findings(rules, around)
    if around.whole:
        yield from channel_globs(rules, around)
        yield from blind_accounts(rules, around)
        yield from heartbeat_findings(around)
        yield from page_findings(around)
