"""Why an alert stands, or does not: one rule on one target, as it is judged this moment.

Everything is read, nothing is changed: the numbers that the rule reads with their age, grade and
origin; the truth of each comparison, as the numbers stand and with the dead band; every switch with
what is still to pass of its delay; what silences cover it, and which channels would hear of it. At
which mark it would fire or clear is `triggers.py`; what became of its notices the store knows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.addressing import Address, Unknown, find, unknown_account, unknown_rule
from monitor.core.alerts import Alert, State, Switch
from monitor.core.blindness import gaps
from monitor.core.engine import Engine
from monitor.core.events import Now
from monitor.core.formats import Style, label, phrase, show
from monitor.core.freshness import FORGET_AFTER, Rest
from monitor.core.judging import Judge, Sight, Watch, look, reading, trusted, worst
from monitor.core.language.parting import Part, parts_of
from monitor.core.language.truth import TRUTHS, Truth
from monitor.core.language.units import Scope
from monitor.core.lookback import metric_named
from monitor.core.message import instant, json_value, whole_seconds
from monitor.core.metrics import View
from monitor.core.notices import AlertRecord, Grade, Reading, SwitchRecord, Target
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.routing import Channel
from monitor.core.rules import OWN_FAULTS, Level, Rule, Severity
from monitor.core.standing import by_alert, silence_facts
from monitor.core.supposing import Subject, subjects_of

_WORDS = {Truth.TRUE: "true", Truth.FALSE: "false", Truth.UNKNOWN: "unknown"}

_CARRIED = frozenset({"liquidation_price", "liquidation_distance"})

ABOUT_NOTHING = (
    f"the rule {OWN_FAULTS.name} is about the program as a whole: `marginwatch history` lists "
    "what it told"
)

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A rule and a target that are there."""

    rule: Rule
    target: Target
    account: Account
    subject: Subject | None = None
    """What is judged; None: it happened, or it is a target of an earlier run, not seen yet."""


def understood(engine: Engine, rule_name: str, address: Address, now: Now) -> Question | Unknown:
    """Find out what is asked for."""
    rule = engine.rules.get(rule_name)
    if rule is None:
        return unknown_rule(rule_name, engine.rules)
    if rule is OWN_FAULTS:
        return Unknown("target", ABOUT_NOTHING, ())
    accounts = engine.portfolio.accounts
    account = accounts.get(address.account)
    if account is None:
        return unknown_account(address.account, accounts)
    subjects = {subject.target: subject for subject in subjects_of(account)}
    waiting = [one.target for one in engine.waiting(now) if one.target.account == account.name]
    there = list(dict.fromkeys([*subjects, *waiting]))
    if rule.on:
        meant = [each for each in there if address.means(each)]
        symbol = address.name if rule.scope is Scope.POSITION else ""
        made = Target(
            account.name,
            symbol,
            side=address.side if symbol else "",
            asset="" if symbol else address.name,
        )
        return Question(rule, meant[0] if len(meant) == 1 else made, account)
    found = find(address, rule.name, rule.scope, there)
    if isinstance(found, Unknown):
        return found
    return Question(rule, found, account, subjects.get(found))


def explained(engine: Engine, question: Question, now: Now) -> Facts:
    """Tell all that is to be told of it, for JSON; instants in RFC 3339, durations in seconds."""
    rule, target, account = question.rule, question.target, question.account
    watch = _watch_of(engine, question)
    told = by_alert(engine.told()).get((rule.name, target), {})
    covering = [one for one in engine.silences if one.covers(rule.name, target)]
    alert = None if watch is None else watch.alert
    record = alert.record(now) if alert is not None else _waiting(engine, question, now)
    facts: Facts = {
        **head_facts(rule.name, target, now.utc),
        "scope": rule.scope.name.lower(),
        "on": list(rule.on),
        "fresh": account.stale_since is None,
        "missing": gaps(account, now),
        "not_judged": _not_judged(question, watch),
        "alert": None if record is None else _alert_facts(engine, watch, record, now),
        "values": {},
        "levels": [],
        "silences": [silence_facts(one) for one in covering],
        "channels": [channel_facts(each, rule, target, told) for each in engine.channels],
    }
    if watch is not None:
        sight = look(watch.view(now), FORGET_AFTER)
    elif question.subject is not None:
        sight = question.subject.sight(now)
    else:
        return facts
    judge = Judge(rule) if watch is None else watch.judge
    facts["values"] = dict(_values(judge, sight))
    facts["levels"] = list(_levels(judge, sight, alert, now))
    return facts


def head_facts(rule: str, target: Target, utc: int) -> Facts:
    """Name a rule and a target, and the moment (unix milliseconds), as JSON does."""
    return {
        "at": instant(utc),
        "rule": rule,
        "account": target.account or None,
        "symbol": target.symbol or None,
        "position_side": target.position_side or None,
        "side": target.side or None,
        "asset": target.asset or None,
    }


def _watch_of(engine: Engine, question: Question) -> Watch | None:
    for watch in engine.watches():
        if watch.judge.rule.name == question.rule.name and watch.target == question.target:
            return watch
    return None


def _waiting(engine: Engine, question: Question, now: Now) -> AlertRecord | None:
    for record in engine.waiting(now):
        if record.rule == question.rule.name and record.target == question.target:
            return record
    return None


def _not_judged(question: Question, watch: Watch | None) -> str | None:
    """Say why nobody judges it now; None where it is judged."""
    rule, target, account = question.rule, question.target, question.account
    if not rule.accounts.match(account.name):
        return f"the rule's accounts leave {account.name} out"
    if target.symbol and not rule.symbols.match(target.symbol):
        return f"the rule's symbols leave {target.symbol} out"
    if rule.on:
        return None
    if account.refused:
        return f"{account.name} cannot be watched: {account.refused}"
    judged = account.shows_positions if target.symbol else account.first_poll_done
    if rule.scope is not Scope.ACCOUNT and not judged:
        return f"no poll of {account.name} has been complete since the program began to watch"
    if watch is None:
        return "an alert of an earlier run, whose target no poll has named since"
    return None


# ---------------------------------------------------------------- the alert


def _alert_facts(engine: Engine, watch: Watch | None, record: AlertRecord, now: Now) -> Facts:
    due = None if watch is None else engine.reminder_of(watch)
    reminder = None if due is None else now.utc + due - now.ticks
    return alert_facts(record) | {
        "reminder": None if reminder is None else instant(reminder),
        "no_reminder": None if due is not None else _no_reminder(engine, watch, record),
    }


def alert_facts(record: AlertRecord) -> Facts:
    """Write for JSON what is kept of an alert."""
    return {
        "severity": record.level.word,
        "highest": record.highest.word,
        "since": _instant(record.since),
        "noticed": _instant(record.noticed),
    }


def _no_reminder(engine: Engine, watch: Watch | None, record: AlertRecord) -> str:
    if record.level is Severity.NONE:
        return "it does not fire"
    if watch is None or watch.alert is None:
        return "its target was not seen since the program began"
    if any(one.covers(record.rule, record.target) for one in engine.silences):
        return "a silence covers it"
    if watch.alert.rule.repeat is None:
        return 'repeat = "never"'
    return "its numbers were not fresh since the program began"


def channel_facts(
    channel: Channel, rule: Rule | None, target: Target, told: Mapping[str, Severity]
) -> Facts:
    """Write for JSON what a channel heard, and what of a rule it would hear.

    Args:
        channel: Of those that are configured.
        rule: Its rule; None where that is not known.
        target: What the alert is about.
        told: What each channel heard last.
    """
    severities = _severities(rule)
    heard = told.get(channel.name, Severity.NONE)
    return {
        "name": channel.name,
        "told": None if heard is Severity.NONE else heard.word,
        "takes": {
            severity.word: channel.refusal(rule, target.account, severity) or None
            for severity in severities
            if rule is not None
        },
        "waiting": 0,
        "failing": False,
        "quiet_until": None,
    }


def _severities(rule: Rule | None) -> list[Severity]:
    if rule is None:
        return []
    return [rule.severity] if rule.on else [level.severity for level in rule.levels]


# ---------------------------------------------------------------- numbers


def _values(judge: Judge, sight: Sight) -> Iterator[tuple[str, Facts]]:
    readings = {metric.name: reading(sight, metric) for metric in judge.metrics}
    view = sight.view
    style = Style(
        view.asset,
        Scope.POOL if view.holding is None else Scope.POSITION,
        reference=None if view.holding is None else view.holding.mark_price,
    )
    for name, found in readings.items():
        yield (
            name,
            {
                "value": json_value(name, found),
                "text": _said(name, found, style),
                "grade": found.grade.value,
                "age": None if found.age is None else whole_seconds(found.age),
                "from": list(dict.fromkeys(_origins(sight, name))),
                "estimate": name in _CARRIED and _is_carried(view),
            },
        )


def _said(name: str, found: Reading, style: Style) -> str:
    if name == "stale_for":  # of which `phrase` tells the end
        return f"{label(name)} {show(name, found, style)}"
    return phrase(name, found, style)


def _is_carried(view: View) -> bool:
    holding = view.holding
    return holding is not None and view.account.group_of(holding.position) in view.account.bases


def _origins(sight: Sight, name: str) -> Iterator[str]:
    """Tell where a number comes from: "poll", "stream", or both."""
    view, rests = sight.view, sight.rests(metric_named(name))
    account, holding = view.account, view.holding
    if rests & (Rest.POLL | Rest.RATES):
        yield "poll"
    if holding is not None:
        position = holding.position
        if rests & Rest.DATA:
            yield _of_row(position.data_at, position.polled_at)
        if rests & Rest.OWN_MARK:
            yield _of_mark(holding)
        if rests & Rest.SETTING:
            set_at = account.settings.leverage_at.get(position.symbol)
            yield "poll" if set_at == position.polled_at else "stream"
    behind = [each for each in account.holdings.values() if _stands_in(view, each)]
    if rests & Rest.POOL_DATA:
        balance = account.balances.get(view.asset)
        if balance is None or account.multi_assets:
            yield "poll"
        else:
            yield _of_row(balance.data_at, balance.polled_at)
        for each in behind:
            yield _of_row(each.position.data_at, each.position.polled_at)
    for each in behind:
        if rests & (Rest.CROSS_MARKS if each.position.cross else 0) or rests & Rest.ALL_MARKS:
            yield _of_mark(each)


def _stands_in(view: View, holding: Holding) -> bool:
    return bool(view.asset) and view.account.pool_of(holding.position) == view.asset


def _of_row(data_at: int, polled_at: int) -> str:
    # A poll that is applied stamps both; what an event told since is younger.
    return "poll" if data_at == polled_at else "stream"


def _of_mark(holding: Holding) -> str:
    return "poll" if holding.mark_at == holding.position.polled_at else "stream"


# ---------------------------------------------------------------- levels


def _levels(judge: Judge, sight: Sight, alert: Alert | None, now: Now) -> Iterator[Facts]:
    own = judge.truths(sight, relaxed=False)
    seen, dead_band = worst(list(own)), worst(judge.truths(sight, relaxed=True))
    for place, level in enumerate(judge.rule.levels):
        switch = Switch(level) if alert is None else alert.switches[place]
        parts = parts_of(level.condition, judge.rule.hysteresis)
        yield {
            "severity": level.severity.word,
            "condition": level.condition.text,
            "holds": _WORDS[own[place]],
            "raw": _WORDS[seen[place]],
            "relaxed": _WORDS[dead_band[place]],
            "parts": [_part_facts(part, level, judge, sight) for part in parts],
            "switch": _switch_facts(switch, now),
            "triggers": [],
        }


def _part_facts(part: Part, level: Level, judge: Judge, sight: Sight) -> Facts:
    metrics = {metric.name: metric for metric in judge.metrics}
    read = [metrics[name] for name in level.condition.reads]
    raw, relaxed = (
        [
            trusted(sight.view.figure(each.name, each.compute), sight, each, relaxed=dead_band)
            for each in read
        ]
        for dead_band in (False, True)
    )
    moved = None
    if part.moved is not None:
        name, threshold = part.moved
        moved = show(name, Reading(Grade.FRESH, threshold))
    return {
        "text": part.text,
        "raw": _WORDS[TRUTHS[part.raw(*raw)]],
        "relaxed": _WORDS[TRUTHS[part.relaxed(*relaxed)]],
        "dead_band": moved,
    }


def _switch_facts(switch: Switch, now: Now) -> Facts:
    """Write a switch for JSON; `since` and `left` are of the delay that runs."""
    level, state = switch.level, switch.state
    delay = {State.RISING: level.on_delay, State.FALLING: level.off_delay}.get(state)
    elapsed = switch.elapsed(now.ticks)
    return {
        "state": state.value,
        "since": None if delay is None else instant(now.utc - elapsed),
        "for": whole_seconds(level.on_delay),
        "keep_firing_for": whole_seconds(level.off_delay),
        "left": None if delay is None else whole_seconds(max(0, delay - elapsed)),
        "counts": delay is not None and switch.since is not None,
    }


def kept_switch_facts(level: Level, kept: SwitchRecord | None) -> Facts:
    """Write likewise a switch as the store has it; None: it was off."""
    delays = {"rising": level.on_delay, "falling": level.off_delay}
    delay = None if kept is None else delays.get(kept.state)
    since = None if kept is None or delay is None else kept.saved - kept.elapsed
    return {
        "state": "off" if kept is None else kept.state,
        "since": _instant(since),
        "for": whole_seconds(level.on_delay),
        "keep_firing_for": whole_seconds(level.off_delay),
        "left": None
        if kept is None or delay is None
        else whole_seconds(max(0, delay - kept.elapsed)),
        "counts": False,
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else instant(at)
