"""Examples in documents that the program itself has to understand: TOML and shell lines."""

import inspect
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import tomli

from monitor.cli import main as command_line
from monitor.config import load_config
from monitor.errors import MonitorError
from monitor.rulefile import parse_rules
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import judge
from monitor.sim.scenario import parse_scenario
from scripts.documents.pages import blocks, documents, shown, without_blocks


def wrong_examples() -> Iterator[str]:
    """Find TOML examples that the program would not take."""
    for path in documents():
        rules = ""
        for block in blocks(path):
            if block.language == "toml":
                if block.text.startswith("[[test]]"):
                    wrong = wrong_test(block.text, rules)
                else:
                    wrong = wrong_toml(block.text)
                rules = block.text if block.text.startswith("[[rule]]") else rules
                if wrong is not None:
                    yield f"{block.where}: {wrong}"


def wrong_test(text: str, rules: str) -> str | None:
    """Say why a rule test is wrong or fails; it is about the rules of the example before it."""
    try:
        cases = parse_tests(text, parse_rules(rules, "example"), "example").cases
    except MonitorError as exc:
        return str(exc)
    failed = (judge(case) for case in cases)
    return next(("\n".join(describe(each)) for each in failed if not each.passed), None)


_STORY_KEYS = {
    "seed", "length", "mark_interval", "weight_limit", "listen_key_life", "connection_life",
    "price", "asset", "bracket", "quirks", "random", "do", "fault",
}  # fmt: skip
_A_CHANNEL = '\n[[channel]]\nname = "example"\nurl = "json://127.0.0.1:8000"\n'
_AN_ACCOUNT = '\n[[account]]\nname = "main"\napi_key = "k"\napi_secret = "s"\n'


def wrong_toml(text: str) -> str | None:
    """Say why an example cannot be loaded; what it leaves out is put beside it first."""
    try:
        tables = tomli.loads(text)
    except tomli.TOMLDecodeError as exc:
        return f"is not TOML: {exc}"
    story_like = _STORY_KEYS & tables.keys() or any(
        "position" in account for account in tables.get("account", [])
    )
    try:
        if "rule" in tables:
            parse_rules(text, "example")
        elif story_like:
            _load_story(text, tables)
        else:
            _load_config(text, tables)
    except MonitorError as exc:
        return str(exc)
    return None


def _load_story(text: str, tables: Mapping[str, Any]) -> None:
    beside = "" if "length" in tables else 'length = "1h"\n'
    behind = "" if "account" in tables else _AN_ACCOUNT
    parse_scenario(f"{beside}{text}{behind}", "example")


def _load_config(text: str, tables: Mapping[str, Any]) -> None:
    behind = "" if "channel" in tables else _A_CHANNEL
    behind += "" if "account" in tables else _AN_ACCOUNT
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.touch(mode=0o600)
        path.write_text(text + behind, encoding="utf-8")
        load_config(path, environ={"HOME": folder}, resolve=False)


def wrong_commands() -> Iterator[str]:
    """Find shell lines that name commands or options that do not exist."""
    for path in documents():
        for block in blocks(path):
            if block.language not in {"sh", "console", "ini"}:
                continue
            for line in block.text.replace("\\\n", " ").splitlines():
                wrong = wrong_line(line)
                if wrong is not None:
                    yield f"{block.where}: `{line.strip()}`: {wrong}"
        for span in _SPAN.findall(without_blocks(path.read_text(encoding="utf-8"))):
            wrong = wrong_span(span)
            if wrong is not None:
                yield f"{shown(path)}: `{span}`: {wrong}"
    for name, command in command_line.commands.items():
        for line in _examples(command.help or ""):
            wrong = wrong_line(line)
            if wrong is not None:
                yield f"marginwatch {name} --help: `{line}`: {wrong}"


_SPAN = re.compile(r"(?<!`)`(marginwatch(?: [^`]+)?)`(?!`)")
"""What the prose shows of the command."""


def _examples(text: str) -> Iterator[str]:
    """List the lines of a help text that call the program, without what stands beside them."""
    for line in inspect.cleandoc(text).splitlines():
        if line.startswith("  marginwatch "):
            yield re.split(r" {3,}", line.strip())[0]


_JOINS = re.compile(r"&&|\|\|?|;|&")


def wrong_line(line: str) -> str | None:
    """Say why a line that calls the program would not be understood; other lines are fine."""
    try:
        bare = line.strip().removeprefix("$ ").removeprefix("ExecStart=")
        words = shlex.split(bare, comments=True)
    except ValueError:  # no shell line, but one with an apostrophe
        return None
    ends = [number for number, word in enumerate(words) if _JOINS.fullmatch(word)]
    begins = [0, *(end + 1 for end in ends)]
    for begin, end in zip(begins, [*ends, len(words)], strict=True):
        wrong = _wrong_call(words[begin:end])
        if wrong is not None:
            return wrong
    return None


def _wrong_call(words: Sequence[str]) -> str | None:
    """Say why a command would not be understood, if it is ours."""
    while words and (words[0] in {"sudo", "exec"} or re.fullmatch(r"[A-Z_]+=.*", words[0])):
        words = words[1:]
    if words and words[0] == "-u":  # of sudo
        words = words[2:]
    if not words or words[0].rpartition("/")[2] != "marginwatch":
        return None
    end = next((n for n, word in enumerate(words) if re.match(r"[12]?>", word)), len(words))
    try:
        _understand(words[1:end])
    except click.ClickException as exc:
        return exc.format_message()
    return None


def wrong_span(text: str) -> str | None:
    """Say which command or option a piece of prose names that there is not.

    What a whole line would need may be left out there, and choices stand as `one|other`.
    """
    name, *words = [*text.split()[1:], ""]
    if not name or name.startswith("-"):
        command: click.Command = command_line
        words = [name, *words]
    elif name in command_line.commands:
        command = command_line.commands[name]
    else:
        return f"no such command: {name}"
    flags = {flag for option in command.params for flag in option.opts} | {"-h", "--help"}
    unknown = [word for word in words if word.startswith("-") and word not in flags]
    return f"no such option: {', '.join(unknown)}" if unknown else None


def _understand(words: Sequence[str]) -> None:
    """Parse a command line as click would, without running anything.

    Raises:
        click.ClickException: It is not understood.
    """
    if not words or words[0].startswith("-"):
        flags = {flag for option in command_line.params for flag in option.opts}
        unknown = set(words) - flags - {"-h", "--help"}
        if unknown:
            raise click.UsageError(f"no such option: {', '.join(sorted(unknown))}")
        return
    command = command_line.commands.get(words[0])
    if command is None:
        raise click.UsageError(f"no such command: {words[0]}")
    rest = [word for word in words[1:] if word not in {"-h", "--help"}]
    # Of the command, only what it would be given; a required argument is needed unless for help.
    resilient = len(rest) < len(words) - 1
    # Below the group, as when it runs: a command keeps the help option that it is first asked for.
    group = click.Context(command_line, **command_line.context_settings)
    command.make_context(words[0], rest, parent=group, resilient_parsing=resilient)
