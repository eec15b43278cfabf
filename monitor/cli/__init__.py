"""The command `marginwatch`: one thin function per command.

Nothing but click is imported up here: `marginwatch --version` should be there at once, and each
command fetches what it needs. A command says its answer on stdout and returns its exit code, or
None for 0. It raises OperatorError where somebody has to change something; `House` makes of all
that an exit code.
"""

import math
from pathlib import Path

import click

from monitor.cli import beside, completing
from monitor.cli.house import House
from monitor.cli.options import CONFIG_OPTION, FINE, NO, RULES_OPTION


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        from importlib.metadata import version  # costs 20 ms, needed for nothing else

        click.echo(f"marginwatch {version('marginwatch')}")
        ctx.exit()


@click.group(cls=House, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def main() -> None:
    """Tells a trader before a Binance derivatives position is liquidated.

    Watches accounts, judges them by your rules, and sends what it finds to any service that
    Apprise knows. It never trades, and it says so when it can no longer see.

    \b
    Begin with a configuration and the shipped rules:
      marginwatch init
    Try rules, without any configuration:
      marginwatch check --rules 'rules/*.toml'
    Check a configuration and its rules, then its keys at the exchange:
      marginwatch check -c config.toml
      marginwatch check -c config.toml --online
    See at which price a rule will wake you:
      marginwatch positions

    Answers go to stdout, logs and errors to stderr. Exit codes: 0 fine, 1 the answer is no,
    2 usage, configuration or rules are wrong, 3 a bug in this program.
    """


@main.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
def init(*, folder: Path) -> None:
    """Write a configuration and the shipped rules into DIR, by default the working directory.

    config.toml with mode 600, rules/ with the tests of the rules, docs/rules/ with a page for each:
    what to do when it fires. Nothing is overwritten; a config.toml or rules/ that is there stays as
    it is.

    \b
      marginwatch init
      marginwatch init ~/.config/marginwatch
    """
    from monitor.cli import starting  # reads what ships with the program

    click.echo(starting.init(folder))


@main.command()
@click.option(
    "--rules",
    multiple=True,
    metavar="GLOB",
    shell_complete=completing.files,
    help="Check these rule files; needs no configuration. May be given several times. "
    "A folder means its *.toml; *.test.toml are left out.",
)
@CONFIG_OPTION
@click.option(
    "--online",
    is_flag=True,
    help="Look at each account once: connect, clock, one poll, what its key may do.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the table.")
def check(
    *, rules: tuple[str, ...], config: Path | None, online: bool, strict: bool, as_json: bool
) -> int:
    """Check configuration and rules; show what each rule applies to.

    All faults of all files are told at once, on stderr, each with its place and a way out; then the
    exit code is 2. Without any, warnings are told in the same way: what the rules may say and is
    hardly meant, such as a level that can never fire. Each has a code with a page in docs/lints/,
    and is silenced by a comment, on its line, above it or above its rule:

    \b
      # check: ignore CODE reason

    With --online the exchange is asked too, and each account that cannot be watched comes with the
    cause and what to do; then the exit code is 1. It warns of keys that may do more than read, of
    keys that work from any address, and of a clock that is wrong.

    \b
      marginwatch check                         the configuration and its rules
      marginwatch check --online                ... and the accounts, at the exchange
      marginwatch check --rules my-rules.toml   rules alone
      marginwatch check -c config.toml --rules my-rules.toml
                                                these rules instead of the configuration's own
    """
    from monitor.cli import checking  # reads TOML and compiles rules; other commands need neither

    alone = rules and config is None
    if alone and online:
        raise click.UsageError("--online needs a configuration: name one with -c")
    found = checking.check_rules(rules) if alone else checking.check_config(config, rules)
    if online and found.config is not None:
        from monitor.cli import looking  # the link to the exchange behind it

        found.accounts = looking.look_at_accounts(found.config)
    for warning in found.warnings:
        click.echo(warning, err=True)
    click.echo(found.as_json() if as_json else found.as_table())
    unwatchable = found.accounts is not None and not found.accounts.all_can_be_watched
    return NO if unwatchable or (strict and found.warnings) else FINE


@main.command("test")
@click.argument("paths", nargs=-1, shell_complete=completing.files)
@CONFIG_OPTION
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the verdicts as JUnit XML too.",
)
@click.option("--coverage", is_flag=True, help="List the levels that no test ever fires.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the text.")
def run_rule_tests(
    *,
    paths: tuple[str, ...],
    config: Path | None,
    junit: Path | None,
    coverage: bool,
    as_json: bool,
) -> int:
    """Run rule tests: files named *.test.toml, beside the rules that they test.

    PATHS are files, folders or globs. Default: rules/*.test.toml beside the configuration, else
    here; nothing else of a configuration is needed. Exits with 1 if a test failed, with 2 if a
    test or its rules have faults: then nothing was run.

    \b
      marginwatch test                          all tests
      marginwatch test rules/my.test.toml       those of rules/my.toml
      marginwatch test rules --coverage         ... and what nobody tests
    """
    from monitor.cli import testing  # the engine behind it

    passed = testing.run_tests(paths, config, junit=junit, coverage=coverage, as_json=as_json)
    return FINE if passed else NO


@main.command()
@CONFIG_OPTION
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print notices instead of sending them; a store of its own, begun empty, so that it may "
    "run beside the service.",
)
@click.option("--json", "lines", is_flag=True, help="With --dry-run: each notice as a JSON line.")
def run(*, config: Path | None, dry_run: bool, lines: bool) -> None:
    """Watch the accounts until SIGTERM or Ctrl-C.

    Logs go to stderr: within five seconds a line for each account, then what happens. A second
    signal ends at once; what was not sent yet is sent at the next start. Rules and channels that
    are edited meanwhile are taken by themselves, or at once on SIGHUP.

    \b
      marginwatch run -c config.toml
      marginwatch run --dry-run          try the rules on the real account, send nothing
    """
    if lines and not dry_run:
        raise click.UsageError("--json goes with --dry-run: otherwise nothing is printed")
    from monitor.cli import serving  # the whole service behind it

    serving.run(config, dry_run=dry_run, lines=lines)


@main.command()
@CONFIG_OPTION
@RULES_OPTION
@click.option(
    "--target",
    default="10%",
    show_default=True,
    metavar="P%",
    help="The distance from liquidation for which margin to add and size to close are computed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the tables.")
def positions(*, config: Path | None, rules: tuple[str, ...], target: str, as_json: bool) -> int:
    """Show what is held, and at which price each rule will wake you.

    Each account is polled once. For each position and pool, and each level of the rules that are
    meant for it: the nearest mark below and above at which it would fire while everything else
    stays as it is, or would clear if it is on. Delays (`for`) are left out. Other answers: never
    (up to ten times the mark), not by price, unknown.

    A position nearer to its liquidation than the target comes with what to do about it. Exits with
    1 if an account could not be read.

    \b
      marginwatch positions
      marginwatch positions --target 15%
      marginwatch positions --rules my-rules.toml    these rules instead of the configuration's
    """
    from monitor.cli import accounts  # the link to the exchange behind it
    from monitor.cli.positions import Positions, read_target

    distance = read_target(target)  # before anybody is asked
    read = accounts.read(config, rules)
    found = Positions(read, distance)
    click.echo(found.as_json() if as_json else found.as_text())
    return FINE if read.all_were_read else NO


@main.command()
@CONFIG_OPTION
@RULES_OPTION
@click.option(
    "--shock",
    "shocks",
    multiple=True,
    required=True,
    metavar="SYMBOL=±P%",
    help="How far the marks of symbols move, by name or glob. May be given several times: of those "
    "that match, the one that names a symbol most exactly counts.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the tables.")
def whatif(
    *, config: Path | None, rules: tuple[str, ...], shocks: tuple[str, ...], as_json: bool
) -> int:
    """Show each account after a shock: figures, what is liquidated, which alerts would stand.

    Each account is polled once. All marks move together; a position or pool is liquidated where its
    margin ratio reaches 100 %, an isolated position by itself, a cross pool with all its positions.
    Figures and alerts are those with every position still held, and delays (`for`) are left out.
    Exits with 1 if an account could not be read.

    \b
      marginwatch whatif --shock BTCUSDT=-10%
      marginwatch whatif --shock BTCUSDT=-10% --shock "*=-5%"
    """
    from monitor.cli import accounts  # the link to the exchange behind it
    from monitor.cli.shocks import Shocks
    from monitor.core.whatif import read_shocks

    moves = read_shocks(shocks)  # before anybody is asked
    read = accounts.read(config, rules)
    found = Shocks(read, moves)
    click.echo(found.as_json() if as_json else found.as_text())
    return FINE if read.all_were_read else NO


@main.command()
@CONFIG_OPTION
@click.option(
    "--channel",
    metavar="NAME",
    shell_complete=completing.channels,
    help="This channel alone. Default: every channel.",
)
@click.argument("text")
def notify(*, config: Path | None, channel: str | None, text: str) -> int:
    """Send TEXT as a test message, and say each channel's verdict.

    Exits with 1 if a channel did not take it.

    \b
      marginwatch notify "Can you hear me?"
      marginwatch notify --channel phone "Can you hear me?"
    """
    from monitor.cli import serving  # Apprise behind it

    return serving.notify(config, channel, text)


for command in (*beside.COMMANDS, completing.completion):
    main.add_command(command)


SCENARIO = click.Path(path_type=Path, dir_okay=False)


@main.command()
@click.option(
    "--speed",
    type=click.FloatRange(1, 200),
    default=30.0,
    show_default=True,
    help="How many times as fast as it would happen.",
)
@click.option(
    "--scenario",
    type=SCENARIO,
    metavar="FILE",
    help="Another story. Default: a crash, from calm to liquidation, in thirteen minutes.",
)
@click.option("--json", "lines", is_flag=True, help="Each notice, and a summary, as a JSON line.")
def demo(*, speed: float, scenario: Path | None, lines: bool) -> None:
    """Watch a leveraged account go from calm to liquidation, with every message.

    A simulated exchange and the monitor in one process: real sockets, signatures, rules, SQLite
    and Apprise on a clock that goes faster. No keys, no configuration; writes only to a temporary
    folder, and ends by itself.
    """
    if math.isnan(speed):  # it passes every range
        raise click.UsageError("--speed has to be a number")
    from monitor.cli import playing  # the whole service behind it

    playing.demo(scenario, speed=speed, lines=lines)


@main.command()
@click.argument("scenario", type=SCENARIO, required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="Where to listen on this machine. Default: any free port.",
)
@click.option("--api-key", metavar="K", help="Of the first account, in place of the scenario's.")
@click.option("--api-secret", metavar="S", help="Likewise.")
def simulate(
    *, scenario: Path | None, port: int, api_key: str | None, api_secret: str | None
) -> None:
    """Serve a simulated exchange in real time until SIGTERM or Ctrl-C.

    Prints the `[[account]]` table that a configuration needs to watch it, ended by an empty line.
    SCENARIO is a story in a TOML file; the default is a crash in thirteen minutes. Other clients
    of Binance's USDⓈ-M API work against it too.

    \b
      marginwatch simulate > account.toml
    """
    from monitor.cli import playing  # the simulator behind it

    playing.simulate(scenario, port=port, api_key=api_key, api_secret=api_secret)
