"""The commands beside a running service, one thin function each; they work without one too."""

from pathlib import Path

import click

from monitor.cli import completing
from monitor.cli.options import CONFIG_OPTION


@click.command()
@CONFIG_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the tables.")
def alerts(*, config: Path | None, as_json: bool) -> None:
    """Show the alerts that fire, who was told of them, silences, and what waits to be delivered.

    Asks the running service; without one, shows how the last run left it.

    \b
      marginwatch alerts
    """
    from monitor.cli import standing  # the store behind it

    standing.alerts(config, as_json=as_json)


@click.command()
@CONFIG_OPTION
@click.option("--for", "lasts", required=True, metavar="D", help="How long: 30m, 2h, 1d.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="GLOB",
    shell_complete=completing.rules,
    help="Of these rules.",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="GLOB",
    shell_complete=completing.accounts,
    help="Of these accounts.",
)
@click.option("--symbol", "symbols", multiple=True, metavar="GLOB", help="Of these symbols.")
@click.option("--all", "everything", is_flag=True, help="Of everything but the program's faults.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the text.")
def silence(
    *,
    config: Path | None,
    lasts: str,
    rules: tuple[str, ...],
    accounts: tuple[str, ...],
    symbols: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> None:
    """Tell nobody for a while; prints the silence's number and the firing alerts it covers.

    Each option may be given several times; what is covered has to match every option that is
    given. Everything is judged and kept meanwhile. At the end each channel is told the difference
    between what it heard last and what is, so an alarm that still stands comes then. A silence
    survives restarts and crashes.

    \b
      marginwatch silence --symbol 'BTC*' --for 2h
      marginwatch silence --rule loss --account main --for 1d
      marginwatch silence --all --for 30m
    """
    from monitor.cli import standing  # the store behind it

    standing.silence(
        config,
        lasts=lasts,
        rules=rules,
        accounts=accounts,
        symbols=symbols,
        everything=everything,
        as_json=as_json,
    )


@click.command()
@CONFIG_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the text.")
@click.argument("number", type=click.IntRange(1))
def unsilence(*, config: Path | None, number: int, as_json: bool) -> int:
    """End a silence before its time, by its number; `marginwatch alerts` lists them.

    What its channels missed is told now. Exits with 1 if no such silence stands.

    \b
      marginwatch unsilence 3
    """
    from monitor.cli import standing  # the store behind it

    return standing.unsilence(config, number, as_json=as_json)


@click.command()
@CONFIG_OPTION
@click.option(
    "--since", default="24h", show_default=True, metavar="D", help="How far back: 90m, 24h, 7d."
)
@click.option(
    "--channel",
    metavar="NAME",
    shell_complete=completing.channels,
    help="Only what this channel was to hear.",
)
@click.option("--json", "lines", is_flag=True, help="One JSON line a notice.")
def history(*, config: Path | None, since: str, channel: str | None, lines: bool) -> None:
    """Show every notice, and what became of it in each channel, oldest first.

    Kept for `keep_history`. Works beside a running service and without one.

    \b
      marginwatch history --since 7d
      marginwatch history --channel phone --json
    """
    from monitor.cli import recalling  # the store behind it

    recalling.history(config, since=since, channel=channel, lines=lines)


@click.command()
@CONFIG_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the text.")
@click.argument("rule", shell_complete=completing.rules)
@click.argument("target", shell_complete=completing.accounts)
def why(*, config: Path | None, rule: str, target: str, as_json: bool) -> int:
    """Say why a rule fires on a target, or why it does not, and at which price it would.

    TARGET is ACCOUNT/SYMBOL or ACCOUNT/SYMBOL/SIDE for a rule about positions, ACCOUNT/ASSET for
    one about an asset's money, ACCOUNT for one about accounts.

    Shows the numbers that the rule reads with their age and where they come from, what of each
    condition is true, delays that run, silences, what each channel heard and would hear, and the
    latest notices. Asks the running service; without one, shows what the last run left. Exits with
    1 if there is no such rule or target.

    \b
      marginwatch why margin-room main/BTCUSDT
      marginwatch why margin-ratio main/USDT --json
      marginwatch why blind main
    """
    from monitor.cli import explaining  # the store behind it

    return explaining.why(config, rule, target, as_json=as_json)


@click.command()
@CONFIG_OPTION
@click.argument("file", type=click.Path(path_type=Path), shell_complete=completing.files)
def backup(*, config: Path | None, file: Path) -> None:
    """Copy the store (alerts, what was told, silences, notices) to FILE while the service runs.

    The copy is of one instant, is checked, and is readable by you alone; the service does not wait
    for it. Works without a service too. Overwrites nothing.

    \b
      marginwatch backup ~/marginwatch-2026-01-02.db
    """
    from monitor.cli import copying  # the store behind it

    copying.backup(config, file)


COMMANDS = (alerts, silence, unsilence, history, why, backup)
