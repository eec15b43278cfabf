"""`why`: why an alert stands, or why it does not; the words are `because.py`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from monitor.app.clock import real_now
from monitor.app.wiring import channels_of
from monitor.cli.asking import Answer, Beside
from monitor.cli.because import as_text
from monitor.cli.loading import rules_of
from monitor.cli.options import FINE, NO
from monitor.cli.recalling import facts_of
from monitor.config import Config
from monitor.core.addressing import (
    Address,
    Unknown,
    find,
    read_address,
    scope_of,
    unknown_account,
    unknown_rule,
)
from monitor.core.explaining import (
    ABOUT_NOTHING,
    alert_facts,
    channel_facts,
    head_facts,
    kept_switch_facts,
)
from monitor.core.language.units import Scope
from monitor.core.notices import AlertRecord, Saved, Target
from monitor.core.rules import OWN_FAULTS, Rule
from monitor.core.standing import by_alert, in_force, silence_facts
from monitor.errors import NoAnswer, OperatorError
from monitor.store import Store
from monitor.store.history import Told

LATEST = 5
"""So many notices are shown."""

_NO_SERVICE = "no service runs: this is how the last one left it"


def why(path: Path | None, rule: str, target: str, *, as_json: bool) -> int:
    """Say why a rule stands on a target, or does not."""
    address = read_address(target)
    if address is None:
        raise OperatorError(
            f"{target}: is no target: write ACCOUNT, ACCOUNT/ASSET or ACCOUNT/SYMBOL[/SIDE],"
            " as in main/BTCUSDT/long"
        )
    beside = Beside.of(path)
    question = {"do": "why", "rule": rule, "target": target}
    answer = beside.ask(question, lambda store: _alone(store, beside.config, rule, address))
    if "error" in answer:
        raise NoAnswer(str(answer["error"]))
    unknown = answer["unknown"]
    there = unknown is None
    told: list[Told] = []
    if there or unknown["what"] == "target":
        told = beside.about(rule, address, LATEST)
    if as_json:
        document = answer | {"notices": [facts_of(one) for one in told]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif there:
        lines = as_text(answer, told, real_now().utc, beside.config.timezone)
        click.echo("\n".join(lines))
    else:
        _say_unknown(unknown, told, beside)
    return FINE if there or told else NO


def _say_unknown(unknown: Mapping[str, Any], told: list[Told], beside: Beside) -> None:
    """Say what is not there, and what is; what was told of it all the same."""
    click.echo(unknown["problem"], err=True)
    if unknown["choices"]:
        click.echo(f"there are: {', '.join(unknown['choices'])}", err=True)
    if told:
        lines = as_text(None, told, real_now().utc, beside.config.timezone)
        click.echo("\n".join(lines))


# ---------------------------------------------------------------- without a service


def _alone(store: Store, config: Config, name: str, address: Address) -> Answer:
    """Answer out of the store and the configuration."""
    saved, utc = store.saved(), real_now().utc
    found = _found(saved, config, name, address)
    if isinstance(found, Unknown):
        return {"running": False, "unknown": found.facts()}
    rule, target = found
    records = [one for one in saved.alerts if (one.rule, one.target) == (name, target)]
    told = by_alert(saved.told).get((name, target), {})
    waiting = store.waiting()
    return {
        "running": False,
        "unknown": None,
        **head_facts(name, target, utc),
        "scope": (scope_of(target) if rule is None else rule.scope).name.lower(),
        "on": [] if rule is None else list(rule.on),
        "fresh": None,
        "missing": {},
        "not_judged": _NO_SERVICE,
        "alert": _alert(records[0]) if records else None,
        "values": {},
        "levels": [] if rule is None else list(_levels(rule, records)),
        "silences": [
            silence_facts(one) for one in in_force(saved.silences, utc) if one.covers(name, target)
        ],
        "channels": [
            channel_facts(each, rule, target, told) | {"waiting": waiting.get(each.name, 0)}
            for each in channels_of(config)
        ],
        "not_searched": [],
    }


def _found(
    saved: Saved, config: Config, name: str, address: Address
) -> tuple[Rule | None, Target] | Unknown:
    """Find the rule and the target; a rule that only the store knows has no text."""
    rules = _rules(config)
    kept = [one.target for one in saved.alerts if one.rule == name]
    kept += [one.target for one in saved.told if one.rule == name]
    if name == OWN_FAULTS.name:
        return Unknown("target", ABOUT_NOTHING, ())
    if name not in rules and not kept:
        return unknown_rule(name, rules)
    accounts = [account.name for account in config.accounts]
    if address.account not in {*accounts, *(target.account for target in kept)}:
        return unknown_account(address.account, accounts)
    rule = rules.get(name)
    scope = scope_of(kept[0]) if rule is None else rule.scope
    there = [one for one in (*kept, *_held(saved)) if one.account == address.account]
    there.append(Target(address.account))
    if (rule is not None and rule.on) or (scope is Scope.POOL and not address.side):
        there.append(_target(address, scope))
    meant = find(address, name, scope, list(dict.fromkeys(there)))
    return meant if isinstance(meant, Unknown) else (rule, meant)


def _target(address: Address, scope: Scope) -> Target:
    """Make the target that is written, where whatever is written may be one."""
    if scope is Scope.POSITION:
        return Target(address.account, address.name, side=address.side)
    return Target(address.account, asset=address.name)


def _rules(config: Config) -> dict[str, Rule]:
    """Read the rules; a service that faults of theirs keep from starting is asked about, too."""
    try:
        return {rule.name: rule for rule in rules_of(config)}
    except OperatorError as exc:
        click.echo(f"the rules have faults (see `marginwatch check`): {exc}", err=True)
        return {}


def _held(saved: Saved) -> Iterator[Target]:
    """List the positions that the last run held at its end."""
    for timer in saved.timers:
        if timer.kind == "held" and timer.body:
            for key, side in json.loads(timer.body).items():
                symbol, _, position_side = key.partition("/")
                yield Target(timer.key, symbol, position_side, side)


def _alert(record: AlertRecord) -> Answer:
    return alert_facts(record) | {"reminder": None, "no_reminder": _NO_SERVICE}


def _levels(rule: Rule, records: list[AlertRecord]) -> Iterator[Answer]:
    switches = {one.severity: one for record in records for one in record.switches}
    for level in rule.levels:
        yield {
            "severity": level.severity.word,
            "condition": level.condition.text,
            "holds": None,
            "raw": None,
            "relaxed": None,
            "parts": [],
            "switch": kept_switch_facts(level, switches.get(level.severity)),
            "triggers": [],
        }
