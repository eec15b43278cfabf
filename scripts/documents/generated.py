"""Every generated part of a document, and how it is put there."""

import re
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import tomli

from monitor.cli import main as command_line
from monitor.core.digest import Tried, compose_all
from monitor.core.freshness import Rest
from monitor.core.language.units import ANYTHING, Scope
from monitor.core.lints import CODES
from monitor.core.message import Message, as_json
from monitor.core.metrics import METRICS, Metric
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import HAPPENINGS, SEVERITIES, Severity
from monitor.rulefile import parse_rules
from monitor.rulefile.rule import KEYS as RULE_KEYS
from monitor.ruletest.expects import KEYS as EXPECT_KEYS
from monitor.ruletest.happened import keys_of as keys_of_happening
from monitor.ruletest.reading import KEYS as CASE_KEYS
from monitor.ruletest.subjects import IDENTITY as TEST_IDENTITY
from scripts.documents.keys import config_keys, scenario_keys
from scripts.documents.pages import DOCS, ROOT
from scripts.documents.tables import as_table, worded
from scripts.documents.words import (
    _DIRECTIONS,
    HAPPENING_TARGETS,
    HAPPENING_WORDS,
    JSON_WORDS,
    REST_WORDS,
    RULE_WORDS,
    SCOPE_WORDS,
    SUMMARY_WORDS,
    TEST_WORDS,
)


class Part(NamedTuple):
    """A generated part of a document."""

    path: Path
    name: str
    make: Callable[[], str]


def metrics() -> str:
    """Make the tables of metrics, one per scope."""
    parts = []
    for scope in (Scope.POSITION, Scope.POOL, Scope.ACCOUNT, Scope.ANY):
        rows = [_metric_row(metric) for metric in METRICS.values() if metric.scope is scope]
        head = ["name", "unit", "range", "scope", "meaning", "rests on", "as the mark rises"]
        parts.append(f"## {_OF_SCOPE[scope]}\n\n{as_table(head, rows)}")
    return "\n\n".join(parts)


_OF_SCOPE = {
    Scope.POSITION: "Of a position",
    Scope.POOL: "Of a margin pool",
    Scope.ACCOUNT: "Of an account",
    Scope.ANY: "Of anything",
}


def _metric_row(metric: Metric) -> list[str]:
    rests = _rests(metric.rests)
    if metric.rests_cross != metric.rests:
        rests += f"; cross: also {_rests(metric.rests_cross & ~metric.rests)}"
    long, short = _DIRECTIONS[metric.long], _DIRECTIONS[metric.short]
    moves = long if long == short else f"long {long}, short {short}"
    meaning = metric.meaning
    if metric.known is not None and metric.known and metric.name != "side":
        meaning += "" if "or" in meaning.split() else f" ({', '.join(sorted(metric.known))})"
    scope = SCOPE_WORDS[metric.scope]
    unit = metric.unit.value
    return [f"`{metric.name}`", unit, _range(metric), scope, meaning, rests, moves]


def _range(metric: Metric) -> str:
    """Write how far a metric can go; nothing for texts and for what has no ends."""
    lo, hi = metric.reach
    if metric.reach == ANYTHING:
        return ""
    suffix = {"ratio": "%", "multiple": "x", "duration": "s"}.get(metric.unit.value, "")
    return f"{lo}{suffix} and up" if hi.is_infinite() else f"{lo}{suffix} to {hi}{suffix}"


def _rests(rests: Rest) -> str:
    found = [words for rest, words in REST_WORDS.items() if rests & rest]
    return ", ".join(found) or "nothing: always known"


def rule_keys() -> str:
    """Make the table of the keys of a rule."""
    return as_table(["key", "meaning"], worded("RULE_WORDS", RULE_WORDS, RULE_KEYS))


def happenings() -> str:
    """Make the table of happenings."""
    rows = worded("HAPPENING_WORDS", HAPPENING_WORDS, list(HAPPENINGS))
    scopes = [HAPPENING_TARGETS.get(k, SCOPE_WORDS[scope]) for k, scope in HAPPENINGS.items()]
    rows = [[row[0], scope, row[1]] for row, scope in zip(rows, scopes, strict=True)]
    return as_table(["happening", "target", "meaning"], rows)


def notice_keys() -> str:
    """Make the table of the keys of a notice line."""
    notice = Notice(1, 0, "fired", Severity.INFO, "rule", Target("main"))
    keys = list(as_json(notice, Message("", ""), 1))
    return as_table(["key", "value"], worded("JSON_WORDS", JSON_WORDS, keys))


def summary_keys() -> str:
    """Make the table of the keys of the summary line."""
    from monitor.cli.playing import _summary

    keys = list(_summary([]))
    return as_table(["key", "value"], worded("SUMMARY_WORDS", SUMMARY_WORDS, keys))


def command_help() -> str:
    """Show what each command says of itself."""
    parts = [f"## marginwatch\n\n{_help(command_line, 'marginwatch')}"]
    for name, command in sorted(command_line.commands.items()):
        parts.append(f"## marginwatch {name}\n\n{_help(command, f'marginwatch {name}')}")
    return "\n\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    settings = dict(command.context_settings) | {"help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=name, terminal_width=88, **settings)
    return f"```text\n{command.get_help(context)}\n```"


def test_keys() -> str:
    """Make the tables of everything that a rule test may hold."""
    tables = {
        "test": CASE_KEYS,
        "test.position": (*TEST_IDENTITY[Scope.POSITION], "isolated_wallet", "maintenance_rate"),
        "test.pool": (*TEST_IDENTITY[Scope.POOL], "cross_wallet"),
        "test.account": TEST_IDENTITY[Scope.ACCOUNT],
        "test.expect": EXPECT_KEYS,
    }
    known = [f"{table}.{key}" for table, keys in tables.items() for key in keys]
    worded("TEST_WORDS", TEST_WORDS, known)
    parts = []
    for table, keys in tables.items():
        rows = [(f"`{key}`", TEST_WORDS[f"{table}.{key}"]) for key in keys]
        parts.append(f"### `[[{table}]]`\n\n{as_table(('key', 'meaning'), rows)}")
    return "\n\n".join(parts)


def test_happenings() -> str:
    """Make the table of the keys of each happening."""
    rows = [
        (f"`{kind}`", ", ".join(f"`{key}`" for key in keys_of_happening(kind)[2:]) or "none")
        for kind in HAPPENINGS
    ]
    return as_table(("kind", "keys besides `at` and `kind`"), rows)


def outcomes() -> str:
    """Make the table of what becomes of a message; tests hold the program to the same rows."""
    text = (ROOT / "tests" / "outcomes.txt").read_text(encoding="utf-8")
    rows = [line.split(" | ")[1:] for line in text.splitlines() if line.count(" | ") == 4]
    return as_table(["what the service does", "outcome", "asks to wait, s", "what follows"], rows)


@cache
def shipped_rules() -> dict[str, tuple[str, str]]:
    """Find each shipped rule: name → (its file, its text there)."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.toml")):
        if path.name.endswith(".test.toml"):
            continue
        _, *blocks = path.read_text(encoding="utf-8").split("[[rule]]\n")
        for block in blocks:
            text = f"[[rule]]\n{block.rstrip()}\n"
            (rule,) = tomli.loads(text)["rule"]
            found[rule["name"]] = (path.name, text)
    return found


def _shipped(name: str) -> Callable[[], str]:
    return lambda: "From `rules/{}`:\n\n```toml\n{}```".format(*shipped_rules()[name])


def shipped_table() -> str:
    """List the shipped rules with their levels, each linked to its page."""
    rows = []
    for name, (file, text) in shipped_rules().items():
        (rule,) = tomli.loads(text)["rule"]
        levels = [f"{word}: `{rule[word]}`" for word in SEVERITIES if word in rule]
        if "on" in rule:
            levels = [f"{rule['severity']}: on {', '.join(f'`{each}`' for each in rule['on'])}"]
        rows.append([f"[{name}](../rules/{name}.md)", f"`{file}`", "<br>".join(levels)])
    return as_table(["rule", "file", "levels"], rows)


def lint_table() -> str:
    """List the lints, each linked to its page."""
    rows = [
        [f"[{name}](../lints/{name}.md)", code.meaning, code.needs or "–"]
        for name, code in CODES.items()
    ]
    return as_table(["code", "what it finds", "needs to know"], rows)


def digest_example() -> str:
    """Show a message of several notices, as the program makes it of the shipped rules."""
    shipped = [parse_rules(text, "example") for _, text in shipped_rules().values()]
    rules = {rule.name: rule for some in shipped for rule in some}
    long = Target("main", "BTCUSDT", "BOTH", "long")
    short = Target("main", "ETHUSDT", "BOTH", "short")
    begin = 1_767_323_342_000  # 2026-01-02 03:09:02 UTC

    def noticed(number: int, before: int, target: Target, rule: str, **more: Any) -> Notice:
        at = begin - before * 1000
        told = {"kind": "fired", "severity": Severity.INFO, "since": begin - 289_000}
        return Notice(number=number, at=at, rule=rule, target=target, **told | more)

    def decided(name: str, value: str, condition: str) -> dict[str, Any]:
        values = {name: Reading(Grade.FRESH, Decimal(value), 700)}
        return {"values": values, "condition": condition, "data_age": 700}

    critical = {"kind": "escalated", "severity": Severity.CRITICAL, "previous": Severity.WARNING}
    critical |= decided("margin_room", "0.199", "margin_room < 20%")
    warning = {"severity": Severity.WARNING, **decided("roi", "-0.768", "roi < -75%")}
    over = {"kind": "resolved", "previous": Severity.INFO, "reason": "recovered"}
    pool = Target("main", asset="USDT")
    tried = [
        Tried(noticed(7, 0, long, "margin-room", **critical), 1),
        Tried(noticed(4, 175, short, "loss", **warning), 2),
        Tried(noticed(2, 289, pool, "margin-ratio"), 1),
        Tried(noticed(6, 22, pool, "margin-ratio", **over), 1),
    ]
    message = compose_all(tried, rules, now_utc=begin, zone=UTC, room=4096)
    return f"```text\n{message.title}\n{message.body}\n```"


def generated() -> list[Part]:
    """List every generated part that there has to be."""
    reference = DOCS / "reference"
    return [
        Part(reference / "metrics.md", "metrics", metrics),
        Part(reference / "config.md", "configuration", config_keys),
        Part(reference / "rules.md", "keys of a rule", rule_keys),
        Part(reference / "rules.md", "happenings", happenings),
        Part(reference / "rules.md", "shipped rules", shipped_table),
        Part(reference / "cli.md", "commands", command_help),
        Part(reference / "lints.md", "lints", lint_table),
        Part(reference / "json.md", "keys of a notice", notice_keys),
        Part(reference / "json.md", "keys of the summary", summary_keys),
        Part(reference / "delivery.md", "outcomes", outcomes),
        Part(reference / "delivery.md", "a digest", digest_example),
        Part(reference / "scenarios.md", "scenario files", scenario_keys),
        Part(reference / "tests.md", "keys of a test", test_keys),
        Part(reference / "tests.md", "happenings of a test", test_happenings),
        *(Part(DOCS / "rules" / f"{name}.md", "rule", _shipped(name)) for name in shipped_rules()),
    ]


PART = "<!-- generated: {0} -->\n{1}<!-- end of {0} -->"


def with_part(text: str, name: str, content: str) -> str | None:
    """Put a generated part into a text; None where it has no place for it."""
    pattern = re.compile(PART.format(re.escape(name), "(.*?)"), re.DOTALL)
    if pattern.search(text) is None:
        return None
    # Blank lines around, so that Markdown takes the comment and the table for two things.
    return pattern.sub(lambda _: PART.format(name, f"\n{content}\n\n"), text, count=1)
