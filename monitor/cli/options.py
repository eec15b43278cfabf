"""What commands share: exit codes, and the options that several of them take."""

from pathlib import Path

import click

from monitor.cli.completing import files

FINE, NO, WRONG, BUG = 0, 1, 2, 3
"""Exit codes: fine · the answer is no · usage, configuration or rules · a bug."""
INTERRUPTED = 130
"""Ctrl-C in a command that does not end that way by itself; the shells' own number."""


CONFIG_OPTION = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration. Default: $MARGINWATCH_CONFIG, ./config.toml, "
    "~/.config/marginwatch/config.toml, /etc/marginwatch/config.toml.",
)
"""For every command that reads the configuration; the parameter is `config`."""


RULES_OPTION = click.option(
    "--rules",
    multiple=True,
    metavar="GLOB",
    shell_complete=files,
    help="Judge by these rule files instead of the configuration's own. May be given several "
    "times.",
)
"""For commands that judge accounts once; the parameter is `rules`."""
