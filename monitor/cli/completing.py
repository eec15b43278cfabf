"""`completion`: what a shell needs to complete commands, options, and the names in use.

A Tab has to be answered at once and is never in the way. So names are taken out of the files as
they stand: nothing is validated, no secret is fetched, and of a file with faults what can be read
counts. Where nothing can be read nothing is offered, and nothing said.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "fish", "zsh")
VARIABLE = "_MARGINWATCH_COMPLETE"
"""What the scripts set when they ask; click derives it from the program's name."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(*, shell: str) -> None:
    """Print the script that teaches a shell to complete marginwatch.

    Completes commands, options, files, and the names of accounts, channels and rules: those of the
    configuration that a -c before them names, else of the one that commands find by themselves.

    \b
      eval "$(marginwatch completion bash)"             in ~/.bashrc
      eval "$(marginwatch completion zsh)"              in ~/.zshrc, below compinit
      marginwatch completion fish > ~/.config/fish/completions/marginwatch.fish
    """
    from click.shell_completion import get_completion_class  # a few ms that nobody else needs

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has every shell of SHELLS; for the type checker
    click.echo(kind(click.Command("marginwatch"), {}, "marginwatch", VARIABLE).source())


# ---------------------------------------------------------------- names, for options of commands


def accounts(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Complete the name of an account."""
    from monitor.config import outline  # pydantic behind it

    path = _config(ctx)
    return _beginning(typed, () if path is None else outline(path).accounts or ())


def channels(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Complete the name of a channel."""
    from monitor.config import outline  # pydantic behind it

    path = _config(ctx)
    return _beginning(typed, () if path is None else outline(path).channels or ())


def rules(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Complete the name of a rule."""
    from monitor.config import outline  # pydantic behind it

    path = _config(ctx)
    return _beginning(typed, () if path is None else rule_names(outline(path).rule_files))


def files(_: click.Context, __: click.Parameter, typed: str) -> list["CompletionItem"]:
    """Leave it to the shell, which knows its files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def _beginning(typed: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(typed)})


def _config(ctx: click.Context) -> Path | None:
    """Find the configuration that the line is about."""
    from monitor.config import find_config
    from monitor.config.machine import expanded
    from monitor.errors import ConfigError

    given = ctx.params.get("config")
    if given is not None:  # as it was typed: the shell has not put a home in place of ~ yet
        return expanded(str(given), os.environ)
    try:
        return find_config()
    except ConfigError:
        return None


def rule_names(rule_files: Sequence[Path]) -> Iterator[str]:
    """Read the names of rules, of the files that are TOML at this moment."""
    import tomli

    for path in rule_files:
        try:
            tables = tomli.loads(path.read_text(encoding="utf-8")).get("rule")
        except (OSError, ValueError, RecursionError):
            continue
        for table in tables if isinstance(tables, list) else ():
            name = table.get("name") if isinstance(table, dict) else None
            if isinstance(name, str):
                yield name
