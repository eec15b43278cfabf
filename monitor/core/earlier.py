"""Going on with alerts: from an earlier run, or under other rules in this one.

What was on is not announced again. What has no rule or account any more ends now; what has no
target any more ends when the polls have shown that (`watching.py`). Rules that are edited while we
run and while we were stopped meet the same law.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.core.alerts import Alert
from monitor.core.events import Now
from monitor.core.judging import Judge
from monitor.core.notices import AlertRecord, Saved, TimerRecord
from monitor.core.outcome import Outcome
from monitor.core.portfolio import Account
from monitor.core.routing import Channel
from monitor.core.rules import OWN_FAULTS, SEVERITIES, Rule, Severity
from monitor.core.telling import Teller
from monitor.core.watching import Watching


@dataclass(frozen=True, slots=True)
class Edition:
    """The rules and channels from an instant on, in place of those before it."""

    rules: Sequence[Rule]
    channels: Sequence[Channel]

    def by_name(self) -> dict[str, Rule]:
        """Give all rules, the built-in one too where there is anybody to tell."""
        by_name = {rule.name: rule for rule in self.rules}
        if self.channels:
            by_name[OWN_FAULTS.name] = OWN_FAULTS
        return by_name


def restore(
    saved: Saved,
    rules: Mapping[str, Rule],
    accounts: Mapping[str, Account],
    watching: Watching,
    teller: Teller,
    now: Now,
    outcome: Outcome,
) -> None:
    """Take up what an earlier run left; what follows from it at once goes into `outcome`."""
    down_since = _down_since(saved, now)
    last_fresh = {record.key: record.saved for record in saved.timers if record.kind == "fresh"}
    for name, account in accounts.items():
        since = last_fresh.get(name)
        if since is not None:
            account.stale_since = now.ticks - max(0, now.utc - since)
        else:  # started for the first time: that is what a next run counts from
            outcome.timers["fresh", name] = TimerRecord("fresh", name, now.utc, 0, "")
    edited = _edited(saved.timers, rules.values(), now, outcome)
    for kept in saved.alerts:
        if kept.target.account not in accounts and _has_levels(rules.get(kept.rule)):
            teller.bury(kept, "account_removed", now, outcome)
            continue

        def restored(alert: Alert, severity: Severity, kept: AlertRecord = kept) -> None:
            alert.restore(kept, now, down_since, severity)

        _go_on(kept, restored, rules, edited, watching, teller, now, outcome)


def replace_rules(
    before: Iterable[Rule],
    rules: Mapping[str, Rule],
    watching: Watching,
    teller: Teller,
    now: Now,
    outcome: Outcome,
) -> None:
    """Go on under other rules.

    Args:
        before: The rules until now.
        rules: The rules from now on, by name; the teller has them already.
        watching: Has the rules until now; its alerts go on here.
        teller: Tells what ends.
        now: The instant.
        outcome: Takes what follows at once.
    """
    known = [TimerRecord("rule", one.name, now.utc, 0, _conditions(one)) for one in before]
    edited = _edited(known, rules.values(), now, outcome)
    for older in watching.release():

        def succeeded(alert: Alert, severity: Severity, older: Alert = older) -> None:
            alert.succeed(older, severity)

        _go_on(older.record(now), succeeded, rules, edited, watching, teller, now, outcome)
    judges = [Judge(rule) for rule in rules.values() if rule.levels]
    watching.replace(judges, now, outcome)


def _go_on(
    kept: AlertRecord,
    take: Callable[[Alert, Severity], None],
    rules: Mapping[str, Rule],
    edited: Mapping[str, Severity],
    watching: Watching,
    teller: Teller,
    now: Now,
    outcome: Outcome,
) -> None:
    """Have an alert go on under the rule that now has the name of its rule, if one has.

    Args:
        kept: What it was.
        take: Gives a new alert the state of the old one, told the highest severity edited.
        rules: All rules, by name.
        edited: What `_edited` found.
        watching: Takes what goes on.
        teller: Tells what ends.
        now: The instant.
        outcome: Takes what follows at once.
    """
    rule = rules.get(kept.rule)
    if rule is None or not rule.levels:
        teller.bury(kept, "rule_removed", now, outcome)
        return
    alert = Alert(rule, kept.target)
    severity = edited.get(rule.name, Severity.NONE)
    take(alert, severity)
    if alert.level is not kept.level:  # the rule no longer has that level
        teller.ended(alert, kept.level, "rule_changed", now, outcome)
    if severity or alert.level is not kept.level or alert.idle:
        outcome.alerts[kept.rule, kept.target] = alert.record(now)
    if not alert.idle:
        watching.keep(alert)


def _has_levels(rule: Rule | None) -> bool:
    return rule is not None and bool(rule.levels)


def _down_since(saved: Saved, now: Now) -> int:
    """Tell the last utc instant at which the earlier run is known to have lived."""
    stamps = [record.saved for record in saved.timers]
    stamps += [switch.saved for record in saved.alerts for switch in record.switches]
    return max(stamps, default=now.utc)


def _edited(
    timers: Iterable[TimerRecord], rules: Iterable[Rule], now: Now, outcome: Outcome
) -> dict[str, Severity]:
    """Tell per rule the highest severity whose condition was edited, and keep the new ones."""
    before = {
        record.key: record.body
        for record in timers
        if record.kind == "rule" and record.body is not None
    }
    edited: dict[str, Severity] = {}
    for rule in rules:
        body = _conditions(rule)
        if body is None:
            continue
        known = before.pop(rule.name, None)
        if known != body:
            outcome.timers["rule", rule.name] = TimerRecord("rule", rule.name, now.utc, 0, body)
        if known is not None:
            edited[rule.name] = _highest_difference(json.loads(known), json.loads(body))
    for name in before:
        outcome.timers["rule", name] = TimerRecord("rule", name, now.utc, 0, None)
    return edited


def _conditions(rule: Rule) -> str | None:
    """Write down the conditions of a rule by severity; None where it has none."""
    if not rule.levels:
        return None
    return json.dumps({level.severity.word: level.condition.text for level in rule.levels})


def _highest_difference(before: Mapping[str, str], after: Mapping[str, str]) -> Severity:
    different = [
        severity for word, severity in SEVERITIES.items() if before.get(word) != after.get(word)
    ]
    return max(different, default=Severity.NONE)
