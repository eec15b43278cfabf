"""`alerts`, `silence`, `unsilence`: what stands, and for how long nobody is to be told."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from monitor.app.clock import real_now
from monitor.app.desk import LONGEST, read_wanted
from monitor.cli.accounts import table
from monitor.cli.asking import Answer, Beside
from monitor.cli.completing import rule_names
from monitor.config import find_config, outline
from monitor.core.notices import Changes
from monitor.core.own_faults import failing_channels
from monitor.core.silences import begun
from monitor.core.standing import in_force, kept, silence_facts
from monitor.core.wording import count
from monitor.errors import NoAnswer, OperatorError
from monitor.store import Store
from monitor.toml_positions.values import Wrong, glob_fault, milliseconds

FINE, NO = 0, 1


def alerts(path: Path | None, *, as_json: bool) -> None:
    """Say what stands."""
    answer = _asked(Beside.of(path), {"do": "alerts"}, _alerts_alone)
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else "\n".join(_as_text(answer)))


def silence(
    path: Path | None,
    *,
    lasts: str,
    rules: Sequence[str],
    accounts: Sequence[str],
    symbols: Sequence[str],
    everything: bool,
    as_json: bool,
) -> None:
    """Begin a silence, and say what it covers."""
    question = _wanted(lasts, rules, accounts, symbols, everything=everything)
    beside = Beside.of(path)
    answer = _asked(beside, question, lambda store: _silence_alone(store, question))
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    facts, covers = answer["silence"], answer["covers"]
    click.echo(f"silence {facts['number']} until {facts['ends']}: {facts['options']}")
    click.echo(f"covers {count(len(covers), 'firing alert')}" + (":" if covers else ""))
    if covers:
        click.echo("\n".join(_alert_lines(covers)))
    _warn(answer)
    known = [account.name for account in beside.config.accounts]
    _warn_of_strangers("account", facts["accounts"], known)
    _warn_of_strangers("rule", facts["rules"], rule_names(outline(find_config(path)).rule_files))


def unsilence(path: Path | None, number: int, *, as_json: bool) -> int:
    """End a silence before its time."""
    question = {"do": "unsilence", "number": number}
    beside = Beside.of(path)
    answer = _asked(beside, question, lambda store: _unsilence_alone(store, number))
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif "silence" in answer:
        click.echo(f"silence {number} is over: {answer['silence']['options']}")
        click.echo("what its channels missed is told now" if _runs(answer) else _LATER)
    else:
        standing = ", ".join(map(str, answer["standing"]))
        there = f"there are: {standing}" if standing else "none stands"
        click.echo(f"no silence {number} stands; {there}", err=True)
    return FINE if "silence" in answer else NO


_LATER = "no service runs: what its channels missed is told when one does"


def _runs(answer: Answer) -> bool:
    return "kept" in answer


def _asked(beside: Beside, question: Answer, alone: Any) -> Answer:
    answer = beside.ask(question, alone)
    if "error" in answer:
        raise NoAnswer(str(answer["error"]))
    return answer


def _warn(answer: Answer) -> None:
    """Say on stderr what the person who silences should know."""
    if answer.get("kept") is False:
        click.echo("the store fails: the silence is in memory only, a restart forgets it", err=True)
    if not _runs(answer):
        click.echo("no service runs; the silence counts from now on all the same", err=True)


def _warn_of_strangers(kind: str, globs: Sequence[str], known: Iterable[str]) -> None:
    """Say which plain names nothing has: the silence may be meant for something else."""
    names = sorted(set(known))
    for name in globs:
        if names and name not in names and not set("*?[!") & set(name):
            click.echo(f"no {kind} is called {name}; there are: {', '.join(names)}", err=True)


# ---------------------------------------------------------------- without a service


def _alerts_alone(store: Store) -> Answer:
    saved, utc = store.saved(), real_now().utc
    return {
        "running": False,
        "alerts": [one.facts() for one in kept(saved, utc)],
        "silences": [silence_facts(one) for one in in_force(saved.silences, utc)],
        "waiting": store.waiting(),
        "failing": sorted(failing_channels(saved.timers)),
    }


def _silence_alone(store: Store, question: Answer) -> Answer:
    saved, utc = store.saved(), real_now().utc
    wanted = read_wanted(question)
    assert wanted is not None  # noqa: S101 - `_wanted` made it
    silence = begun(wanted, saved.next_silence, utc)
    store.keep(Changes(silences=(silence,)))
    covered = [one for one in kept(saved, utc) if silence.covers(one.rule, one.target)]
    return {"silence": silence_facts(silence), "covers": [one.facts() for one in covered]}


def _unsilence_alone(store: Store, number: int) -> Answer:
    """End a silence: it has come to its time now, and the next run tells what was missed."""
    utc = real_now().utc
    standing = in_force(store.saved().silences, utc)
    for one in standing:
        if one.number == number:
            ended = replace(one, ends=utc)
            store.keep(Changes(silences=(ended,)))
            return {"silence": silence_facts(ended)}
    return {"none": number, "standing": [one.number for one in standing]}


# ---------------------------------------------------------------- what is asked


def _wanted(
    lasts: str,
    rules: Sequence[str],
    accounts: Sequence[str],
    symbols: Sequence[str],
    *,
    everything: bool,
) -> Answer:
    """Make a question of options.

    Raises:
        OperatorError: They make no sense.
    """
    if not (rules or accounts or symbols or everything):
        raise OperatorError(
            "a silence needs --rule, --account or --symbol, or --all for everything"
        )
    if everything and (rules or accounts or symbols):
        raise OperatorError("--all is everything: leave out --rule, --account and --symbol")
    found = milliseconds(lasts)
    if isinstance(found, Wrong):
        raise OperatorError(f"--for {lasts}: {found.problem}. Write one like 2h or 30m.")
    if not 1000 <= found <= LONGEST:
        raise OperatorError(f"--for {lasts}: is out of range, from 1s to 366d")
    for option, globs in (("rule", rules), ("account", accounts), ("symbol", symbols)):
        for glob in globs:
            wrong = glob_fault(glob)
            if wrong is not None:
                raise OperatorError(f"--{option} {glob!r}: {wrong.problem} ({wrong.hint})")
    return {
        "do": "silence",
        "lasts": found,
        "rules": list(rules),
        "accounts": list(accounts),
        "symbols": list(symbols),
    }


# ---------------------------------------------------------------- as text


def _as_text(answer: Answer) -> Iterator[str]:
    firing = answer["alerts"]
    yield f"{count(len(firing), 'alert')} firing" if firing else "no alert is firing"
    if firing:
        yield from _alert_lines(firing)
    silences = answer["silences"]
    if silences:
        yield ""
        yield f"{count(len(silences), 'silence')}"
        yield from table(
            ["NUMBER", "UNTIL", "COVERS"],
            [[str(one["number"]), one["ends"], one["options"]] for one in silences],
            3,
        )
    waiting = {name: number for name, number in answer["waiting"].items() if number}
    if waiting:
        yield ""
        listed = ", ".join(
            f"{number} for {name}{' (failing)' if name in answer['failing'] else ''}"
            for name, number in waiting.items()
        )
        yield f"not delivered yet: {listed}"
    if not answer["running"]:
        yield ""
        yield "no service runs: this is how the last one left it"


def _alert_lines(firing: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        [
            one["severity"].upper(),
            one["rule"],
            "/".join(filter(None, (one["account"], one["symbol"], one["side"], one["asset"]))),
            one["since"] or "",
            _told(one),
            one["numbers"] or "",
        ]
        for one in firing
    ]
    return table(["SEVERITY", "RULE", "TARGET", "SINCE", "TOLD", "NUMBERS"], rows, 6)


def _told(one: Mapping[str, Any]) -> str:
    if one["silences"]:
        return "silence " + ", ".join(map(str, one["silences"]))
    told = [f"{name} {level}" for name, level in one["told"].items()]
    return ", ".join(told) or "nobody"
