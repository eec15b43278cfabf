"""Notices: numbered, routed, repeated, and summed up.

What `engine.py` found out becomes a notice here: an alert's level changed, an alert's target is
gone, a reminder is due, something happened, a silence is over. Every notice gets a number of its
own, the numbers that a reader needs, and the channels that are to hear it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

from monitor.core.agenda import REST, Agenda
from monitor.core.alerts import Alert
from monitor.core.blindness import gaps
from monitor.core.events import Now
from monitor.core.happenings import Cooldown, Happening, cooldown_key, restore_cooldown
from monitor.core.judging import Sight, Watch, age_of, reading, readings
from monitor.core.language.units import Scope
from monitor.core.notices import (
    AlertRecord,
    Notice,
    Reading,
    Saved,
    Target,
    TimerRecord,
    Told,
)
from monitor.core.outcome import Outcome
from monitor.core.owing import Owing
from monitor.core.routing import Channel, Router
from monitor.core.rules import OWN_FAULTS, Rule, Severity
from monitor.core.silences import Silences


class _Numbers(TypedDict):
    data_age: int | None
    values: Mapping[str, Reading]
    details: Mapping[str, str]


def _numbers(watch: Watch, sight: Sight) -> _Numbers:
    """Collect the numbers of a notice, and the age of the oldest that decided."""
    judge, view = watch.judge, sight.view
    of_account = judge.rule.scope is Scope.ACCOUNT
    return {
        "data_age": age_of(sight, judge.rests_of(cross=sight.cross)),
        "values": dict(readings(sight, judge.rule.scope))
        | {metric.name: reading(sight, metric) for metric in judge.looking_back},
        "details": gaps(view.account, view.now) if of_account else {},
    }


def _condition(alert: Alert, severity: Severity) -> str | None:
    """Give the text of a level's condition."""
    for level in alert.rule.levels:
        if level.severity is severity:
            return level.condition.text
    return None


def _reason(alert: Alert) -> str:
    """Tell why a level fell without its target going away."""
    return "rule_changed" if alert.dropped else "recovered"


def _kind(before: Severity, after: Severity) -> str:
    if before is Severity.NONE:
        return "fired"
    if after is Severity.NONE:
        return "resolved"
    return "escalated" if after > before else "eased"


class Teller:
    """Makes notices, and keeps what must not be told twice."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        channels: Sequence[Channel],
        agenda: Agenda,
        saved: Saved,
        now: Now,
        outcome: Outcome,
    ) -> None:
        self._rules = rules
        self._router = Router(channels, saved.told, saved.silences)
        outcome.told.extend(self._router.void)
        self.owing = Owing(saved.timers)
        """The alerts whose changes a silence kept from everybody."""
        self._agenda = agenda
        self._next_number = saved.next_number
        self._cooldowns: dict[str, Cooldown] = {}
        for record in saved.timers:
            if record.kind == "cooldown":
                self._take_up(record, now, outcome)

    def replace(
        self, rules: Mapping[str, Rule], channels: Sequence[Channel], now: Now, outcome: Outcome
    ) -> None:
        """Tell by other rules, and to other channels, from now on."""
        records = [each.record(self._rules[each.rule], now) for each in self._cooldowns.values()]
        self._rules = rules
        outcome.told.extend(self._router.replace(channels))
        for record in records:
            self._take_up(record, now, outcome)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All that there are."""
        return self._router.channels

    def told(self) -> list[Told]:
        """List what every channel heard last of every alert."""
        return self._router.all_told()

    def critical_channels(self, accounts: Iterable[str]) -> frozenset[str]:
        """Name the channels that would be told of something critical about these accounts."""
        return self._router.critical_channels(self._rules.values(), accounts)

    @property
    def silences(self) -> Silences:
        """Those that stand."""
        return self._router.silences

    def _take_up(self, record: TimerRecord, now: Now, outcome: Outcome) -> None:
        """Go on with a cooldown, or forget it where no rule is about it any more."""
        cooldown = restore_cooldown(record, self._rules, now)
        key = ("cooldown", record.key)
        if cooldown is None:
            self._cooldowns.pop(record.key, None)
            self._agenda.put(key, None, REST)
            outcome.timers[key] = record._replace(body=None)
            return
        self._cooldowns[cooldown.key] = cooldown
        self._agenda.put(key, max(cooldown.ends, now.ticks), REST)

    # ------------------------------------------------------------ alerts

    def level_changed(
        self, watch: Watch, alert: Alert, before: Severity, sight: Sight, outcome: Outcome
    ) -> None:
        """Tell that an alert went from one level to another."""
        now, after = sight.view.now, alert.level
        if before is Severity.NONE:
            alert.since, alert.highest = now.utc, after
        alert.highest = max(alert.highest, after)
        kind = _kind(before, after)
        notice = Notice(
            number=self._number(),
            at=now.utc,
            kind=kind,
            severity=alert.highest if kind == "resolved" else after,
            previous=before,
            reason=_reason(alert) if kind in {"eased", "resolved"} else None,
            rule=alert.rule.name,
            target=alert.target,
            since=alert.since,
            condition=_condition(alert, max(after, before)),
            **_numbers(watch, sight),
        )
        self._tell(notice, alert.rule, now, outcome)
        alert.noticed = now
        self.plan_reminder(watch, now)

    def finish(self, alert: Alert, reason: str, now: Now, outcome: Outcome) -> None:
        """End an alert whose target or rule is gone."""
        before = alert.level
        alert.clear()
        outcome.alerts[alert.rule.name, alert.target] = alert.record(now)
        if before is not Severity.NONE:
            self.ended(alert, before, reason, now, outcome)

    def bury(self, kept: AlertRecord, reason: str, now: Now, outcome: Outcome) -> None:
        """End an alert of an earlier run whose rule or account is gone."""
        outcome.alerts[kept.rule, kept.target] = replace(kept, switches=())
        if kept.level is Severity.NONE:
            return
        notice = Notice(
            number=self._number(),
            at=now.utc,
            kind="resolved",
            severity=kept.highest,
            previous=kept.level,
            reason=reason,
            rule=kept.rule,
            target=kept.target,
            since=kept.since,
        )
        self._tell(notice, self._rules.get(kept.rule), now, outcome)

    def ended(
        self, alert: Alert, before: Severity, reason: str, now: Now, outcome: Outcome
    ) -> None:
        """Tell a change of level that no number decided."""
        after = alert.level
        kind = _kind(before, after)
        notice = Notice(
            number=self._number(),
            at=now.utc,
            kind=kind,
            severity=max(alert.highest, before) if kind == "resolved" else after,
            previous=before,
            reason=reason,
            rule=alert.rule.name,
            target=alert.target,
            since=alert.since,
            condition=_condition(alert, before),
        )
        self._tell(notice, self._rules.get(alert.rule.name), now, outcome)
        alert.noticed = now

    # ------------------------------------------------------------ after a silence

    def catch_up(self, watch: Watch, sight: Sight, outcome: Outcome) -> None:
        """Settle an alert of an earlier run, now that its numbers are fresh."""
        alert = watch.judge.rule.name, watch.target
        if alert in self.owing and not self.silences.over(*alert):
            self.settle(watch, sight, outcome)

    def settle(self, watch: Watch, sight: Sight, outcome: Outcome) -> None:
        """Tell each channel the difference between what it heard of an alert and what is."""
        alert, now = watch.alert, sight.view.now
        if alert is None or alert.level is Severity.NONE:
            return
        rule, target, level = alert.rule, alert.target, alert.level
        owed = self.owing.take(rule.name, target, now, outcome.timers)
        reason = owed.reason if owed is not None else None
        numbers = _numbers(watch, sight)
        for last, channels in self._behind(rule.name, target, level, rule).items():
            kind = _kind(last, level)
            notice = Notice(
                number=self._number(),
                at=now.utc,
                kind=kind,
                severity=level,
                previous=last,
                reason=(reason or _reason(alert)) if kind == "eased" else None,
                rule=rule.name,
                target=target,
                since=alert.since,
                condition=_condition(alert, max(level, last)),
                **numbers,
            )
            self._settle(notice, channels, outcome)
        alert.noticed = now
        outcome.alerts[rule.name, target] = alert.record(now)
        self.plan_reminder(watch, now)

    def settle_end(self, rule: str, target: Target, now: Now, outcome: Outcome) -> None:
        """Tell those who heard of an alert that it ended while a silence covered it."""
        owed = self.owing.take(rule, target, now, outcome.timers)
        if owed is None:
            return
        for last, channels in self._behind(rule, target, Severity.NONE, None).items():
            notice = Notice(
                number=self._number(),
                at=now.utc,
                kind="resolved",
                severity=max(owed.severity, last),
                previous=last,
                reason=owed.reason or "recovered",
                rule=rule,
                target=target,
                since=owed.since,
            )
            self._settle(notice, channels, outcome)

    def _behind(
        self, name: str, target: Target, level: Severity, rule: Rule | None
    ) -> dict[Severity, list[Channel]]:
        """Group the channels that heard another level by what they heard: a notice for each."""
        groups: dict[Severity, list[Channel]] = {}
        for channel, last in self._router.behind(name, target, level, rule):
            groups.setdefault(last, []).append(channel)
        return groups

    def _settle(self, notice: Notice, channels: Sequence[Channel], outcome: Outcome) -> None:
        routed = self._router.settle(notice, channels)
        outcome.notices.append(notice)
        outcome.deliveries.extend(routed.deliveries)
        outcome.told.extend(routed.told)

    # ------------------------------------------------------------ reminders

    def plan_reminder(self, watch: Watch, now: Now) -> None:
        """Put the next reminder of a watch's alert on the agenda, or take it off."""
        alert = watch.alert
        due = None
        if alert is not None and alert.level is not Severity.NONE:
            repeat = alert.rule.repeat
            silent = self.silences.over(alert.rule.name, alert.target)
            waits = alert.waits_for_fresh or silent
            if alert.noticed is not None and repeat is not None and not waits:
                # What fell due while we were down comes once, now.
                due = max(alert.noticed.ticks + repeat, now.ticks)
        self._agenda.put(("remind", watch), due, REST)

    def remind(self, watch: Watch, sight: Sight, outcome: Outcome) -> None:
        """Tell again that an alert stands, with the present numbers."""
        alert, now = watch.alert, sight.view.now
        if alert is None or alert.level is Severity.NONE:
            return
        notice = Notice(
            number=self._number(),
            at=now.utc,
            kind="reminder",
            severity=alert.level,
            previous=alert.level,
            rule=alert.rule.name,
            target=alert.target,
            since=alert.since,
            condition=_condition(alert, alert.level),
            **_numbers(watch, sight),
        )
        self._tell(notice, alert.rule, now, outcome)
        alert.noticed = now
        outcome.alerts[alert.rule.name, alert.target] = alert.record(now)
        self.plan_reminder(watch, now)

    # ------------------------------------------------------------ happenings

    def happen(self, happening: Happening, now: Now, outcome: Outcome) -> None:
        """Tell a happening to every rule that is about it, at once or summed up later."""
        for rule in self._rules.values():
            target = happening.target
            if happening.kind not in rule.on:
                continue
            if target.account and not rule.accounts.match(target.account):
                continue
            if target.symbol and not rule.symbols.match(target.symbol):
                continue
            key = cooldown_key(rule.name, happening)
            cooldown = self._cooldowns.get(key)
            if cooldown is None:
                self._tell_happening(rule, happening, 1, now, outcome)
                cooldown = Cooldown(rule.name, happening, now.ticks + rule.cooldown)
                self._cooldowns[key] = cooldown
                self._agenda.put(("cooldown", key), cooldown.ends, REST)
            else:
                cooldown.add(happening)
            outcome.timers["cooldown", key] = cooldown.record(rule, now)

    def greet(self, happening: Happening, now: Now, outcome: Outcome) -> None:
        """Tell a happening of the built-in rule at once, whatever was told of it before."""
        rule = self._rules.get(OWN_FAULTS.name)
        if rule is not None:
            self._tell_happening(rule, happening, 1, now, outcome)

    def cooled(self, key: str, now: Now, outcome: Outcome) -> None:
        """Sum up what repeated within a cooldown that has ended."""
        cooldown = self._cooldowns.pop(key)
        rule = self._rules[cooldown.rule]
        if cooldown.waiting:
            self._tell_happening(rule, cooldown.happening, cooldown.waiting, now, outcome)
        outcome.timers["cooldown", key] = TimerRecord("cooldown", key, now.utc, 0, None)

    def _tell_happening(
        self, rule: Rule, happening: Happening, count: int, now: Now, outcome: Outcome
    ) -> None:
        notice = Notice(
            number=self._number(),
            at=now.utc,
            kind="happened",
            severity=happening.severity or rule.severity,
            rule=rule.name,
            target=happening.target,
            happening=happening.kind,
            count=count,
            details=happening.details,
        )
        self._tell(notice, rule, now, outcome)

    # ------------------------------------------------------------ one door out

    def _tell(self, notice: Notice, rule: Rule | None, now: Now, outcome: Outcome) -> None:
        routed = self._router.route(notice, rule)
        outcome.notices.append(notice)
        outcome.deliveries.extend(routed.deliveries)
        outcome.told.extend(routed.told)
        if notice.kind in {"happened", "reminder"}:
            return
        if routed.withheld:
            self.owing.note(notice, now, outcome.timers)
        else:
            self.owing.take(notice.rule, notice.target, now, outcome.timers)

    def _number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number
