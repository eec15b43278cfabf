"""Write the man page, marginwatch.1, out of what the commands say of themselves with `--help`.

    python scripts/man.py > marginwatch.1

The page in docs/ is renewed and compared by scripts/check_docs.py. It has every command, so that
one `man marginwatch` answers, and no date, so that the same code gives the same bytes.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import tomli

from monitor.cli import main as command_line

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "marginwatch.1"
ENVIRONMENT = {
    "MARGINWATCH_CONFIG": "The configuration, where no -c says.",
    "STATE_DIRECTORY": "Where data_dir is unless the configuration says; systemd sets it.",
    "CREDENTIALS_DIRECTORY": "Where ${credential:NAME} in a configuration is read; likewise.",
    "TZ": "The time zone of messages unless the configuration says.",
}
FILES = {
    "./config.toml, ~/.config/marginwatch/config.toml, /etc/marginwatch/config.toml": "The "
    "configuration: the first of these that is there.",
    "~/.local/share/marginwatch": "data_dir unless the configuration says: the store, the lock, "
    "the control socket, frames that could not be read.",
}
_SPECIAL = {"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga", "'": r"\(aq"}


def page() -> str:
    """Make the whole page."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    what = project["description"]
    return "\n".join(
        [
            r".\" Made by scripts/man.py; edit the help of the commands in its place.",
            f'.TH MARGINWATCH 1 "" "marginwatch {project["version"]}" "User commands"',
            ".SH NAME",
            escaped(f"marginwatch - {what[0].lower()}{what[1:]}"),
            ".SH SYNOPSIS",
            *_usage(command_line, "marginwatch"),
            ".SH DESCRIPTION",
            *_text(command_line.help or ""),
            ".SH OPTIONS",
            *_options(command_line, "marginwatch"),
            ".SH COMMANDS",
            *_commands(),
            ".SH EXIT STATUS",
            *_listed(_exit_codes()),
            ".SH ENVIRONMENT",
            *_listed(ENVIRONMENT),
            ".SH FILES",
            *_listed(FILES),
            "",
        ]
    )


def _commands() -> Iterator[str]:
    for name, command in sorted(command_line.commands.items()):
        yield f".SS {escaped(name)}"
        yield from _usage(command, f"marginwatch {name}")
        yield ".PP"
        yield from _text(command.help or "")
        yield from _options(command, f"marginwatch {name}")


def _context(command: click.Command, name: str) -> click.Context:
    settings = dict(command.context_settings) | {"help_option_names": ["-h", "--help"]}
    return click.Context(command, info_name=name, **settings)


def _usage(command: click.Command, name: str) -> Iterator[str]:
    yield f".B {escaped(name)}"
    yield escaped(" ".join(command.collect_usage_pieces(_context(command, name))))


def _options(command: click.Command, name: str) -> Iterator[str]:
    context = _context(command, name)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            yield from _listed({record[0]: record[1]})


def _listed(terms: Mapping[str, str]) -> Iterator[str]:
    for term, text in terms.items():
        yield ".TP"
        yield f".B {escaped(term)}"
        yield from _lines(_wrapped(text))


def _exit_codes() -> dict[str, str]:
    """Read the exit codes where they are explained: the first table of the commands' reference."""
    text = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)
    return {code: means.replace("`", "") for code, means in rows}


def _text(text: str) -> Iterator[str]:
    """Make paragraphs; one that begins with click's backspace mark keeps its lines."""
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        mark, _, rest = paragraph.partition("\n")
        if mark == "\b":
            yield ".nf"
            yield from _lines(rest.splitlines())
            yield ".fi"
        else:
            yield from _lines(_wrapped(paragraph))


def _wrapped(text: str) -> list[str]:
    """Break a paragraph into lines, as formatters like their input."""
    return textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False)


def _lines(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        text = escaped(line)
        # A period or an apostrophe at the beginning of a line would be a request.
        yield rf"\&{text}" if re.match(r"[.']|\\\(aq| ", text) else text


def escaped(text: str) -> str:
    """Write a text so that every formatter shows it as it stands; ASCII alone."""
    return "".join(
        _SPECIAL.get(char, char if char.isascii() else rf"\[u{ord(char):04X}]") for char in text
    )


if __name__ == "__main__":
    print(page(), end="")
