"""Taking up what an earlier run left: alerts, how fresh accounts were, which rules were edited.

What was on is not announced again. What has no rule or account any more ends now; what has no
target any more ends when the polls have shown that (`watching.py`).
"""

import json
from collections.abc import Iterable, Mapping

from monitor.core.alerts import Alert
from monitor.core.events import Now
from monitor.core.notices import AlertRecord, Saved, TimerRecord
from monitor.core.portfolio import Account
from monitor.core.rules import SEVERITIES, Rule, Severity
from monitor.core.telling import Outcome, Teller
from monitor.core.watching import Watching


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
        rule = rules.get(kept.rule)
        if rule is None or not rule.levels:
            teller.bury(kept, "rule_removed", now, outcome)
        elif kept.target.account not in accounts:
            teller.bury(kept, "account_removed", now, outcome)
        else:
            alert = Alert(rule, kept.target)
            alert.restore(kept, now, down_since, edited.get(rule.name, Severity.NONE))
            _take_up(alert, kept, watching, teller, now, outcome)


def _take_up(
    alert: Alert,
    kept: AlertRecord,
    watching: Watching,
    teller: Teller,
    now: Now,
    outcome: Outcome,
) -> None:
    if alert.level is not kept.level:  # the rule no longer has that level
        teller.ended(alert, kept.level, "rule_changed", now, outcome)
    if alert.level is not kept.level or alert.idle:
        outcome.alerts[kept.rule, kept.target] = alert.record(now)
    if not alert.idle:
        watching.keep(alert)


def _down_since(saved: Saved, now: Now) -> int:
    """Tell the last utc instant at which the earlier run is known to have lived."""
    stamps = [record.saved for record in saved.timers]
    stamps += [switch.saved for record in saved.alerts for switch in record.switches]
    return max(stamps, default=now.utc)


def _edited(
    timers: Iterable[TimerRecord], rules: Iterable[Rule], now: Now, outcome: Outcome
) -> dict[str, Severity]:
    """Tell per rule the highest severity whose condition was edited, and keep the new ones."""
    before = {record.key: record.body for record in timers if record.kind == "rule"}
    edited: dict[str, Severity] = {}
    for rule in rules:
        if not rule.levels:
            continue
        conditions = {level.severity.word: level.condition.text for level in rule.levels}
        body = json.dumps(conditions)
        known = before.pop(rule.name, None)
        if known != body:
            outcome.timers["rule", rule.name] = TimerRecord("rule", rule.name, now.utc, 0, body)
        if known is not None:
            edited[rule.name] = _highest_difference(json.loads(known), conditions)
    for name in before:
        outcome.timers["rule", name] = TimerRecord("rule", name, now.utc, 0, None)
    return edited


def _highest_difference(before: Mapping[str, str], after: Mapping[str, str]) -> Severity:
    different = [
        severity for word, severity in SEVERITIES.items() if before.get(word) != after.get(word)
    ]
    return max(different, default=Severity.NONE)
