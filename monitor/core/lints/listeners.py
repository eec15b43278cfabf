"""Lints of who is told: channels, blindness, the heartbeat."""

from collections.abc import Iterator, Sequence
from typing import Final

from monitor.core.language.units import Scope
from monitor.core.lints.finding import Finding, Surroundings
from monitor.core.rules import Rule, Severity
from monitor.core.wording import among

_AGES: Final = frozenset({"stale_for", "data_age"})


def listener_findings(rules: Sequence[Rule], around: Surroundings) -> Iterator[Finding]:
    """Find rules that reach nobody, and critical ones that one channel alone takes."""
    lonely: dict[str, list[str]] = {}
    for rule in rules:
        targets = _targets(rule, around)
        if not targets:
            continue  # told by `targets`
        deaf = [name for name in targets if not _takers(rule, name, _highest(rule), around)]
        if deaf:
            yield Finding(
                "no-channel",
                "reaches no channel, so nobody is told"
                + (f" of {among(deaf)}" if len(deaf) < len(targets) else ""),
                "let a [[channel]] take this rule, its accounts and its severity",
                rule.name,
                at=() if rule.channels is None else ("channels",),
            )
        if _highest(rule) is not Severity.CRITICAL:
            continue
        heard = [_takers(rule, name, Severity.CRITICAL, around) for name in targets]
        alone = sorted({taken[0] for taken in heard if len(taken) == 1})
        if rule.channels is None:
            for name in alone:
                lonely.setdefault(name, []).append(rule.name)
        elif alone:
            yield Finding(
                "single-channel",
                f"critical goes to {among(alone)} alone: if that service is down, nobody hears",
                "name a second channel, over another service",
                rule.name,
                Severity.CRITICAL,
                ("channels",),
            )
    if around.whole:
        yield from _lonely(lonely, around)


def _lonely(lonely: dict[str, list[str]], around: Surroundings) -> Iterator[Finding]:
    """Tell once a channel, not once a rule."""
    for number, channel in enumerate(around.channels):
        rules = lonely.get(channel.name, [])
        if rules:
            whose = f"rule {rules[0]}" if len(rules) == 1 else f"{len(rules)} rules"
            listed = "" if len(rules) == 1 else f" ({among(rules)})"
            yield Finding(
                "single-channel",
                f"critical alerts of {whose}{listed} come here alone: if this service is down, "
                "nobody hears",
                "add a [[channel]] over another service, or let another one take them too",
                at=("channel", number),
            )


def _targets(rule: Rule, around: Surroundings) -> list[str]:
    """List the accounts that a rule is about; "" for what is of no account."""
    if rule.scope is Scope.ANY:
        return [""]
    return [name for name, _ in around.accounts_of(rule)]


def _highest(rule: Rule) -> Severity:
    return max((level.severity for level in rule.levels), default=rule.severity)


def _takers(rule: Rule, account: str, severity: Severity, around: Surroundings) -> list[str]:
    return [channel.name for channel in around.channels if channel.takes(rule, account, severity)]


def blind_accounts(rules: Sequence[Rule], around: Surroundings) -> Iterator[Finding]:
    """Find accounts of which no rule tells that they cannot be seen.

    A rule about positions does not count: begun blind, the program knows of none.
    """
    watching = [
        rule
        for rule in rules
        if rule.scope is Scope.ACCOUNT
        and any(_AGES & set(level.condition.reads) for level in rule.levels)
    ]
    for number, account in enumerate(around.accounts):
        if not any(account in around.accounts_of(rule) for rule in watching):
            yield Finding(
                "no-blindness",
                "no rule tells when this account cannot be seen, and what cannot be seen raises "
                "no alarm",
                "take the shipped rule `blind` (watch.toml), or write one on stale_for",
                at=("account", number),
            )


def heartbeat_findings(around: Surroundings) -> Iterator[Finding]:
    """Tell that nobody would notice the end of the program, where no heartbeat is configured."""
    if around.heartbeat is False:
        yield Finding(
            "no-heartbeat",
            "nothing outside of this machine notices when the program is gone",
            "add a [heartbeat] with the address of a service that misses it",
        )


def page_findings(around: Surroundings) -> Iterator[Finding]:
    """Tell that other machines can see what only its owner should."""
    if around.open_page:
        yield Finding(
            "open-page",
            f"whoever reaches {around.open_page} sees accounts and positions without a password",
            "listen on 127.0.0.1, and reach it by an SSH tunnel or a proxy that asks who is there",
            at=("http", "listen"),
        )
