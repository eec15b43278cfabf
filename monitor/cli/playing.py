"""`demo` and `simulate`: the simulated exchange, with the monitor beside it or alone."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import trio
import trio.testing

from monitor.app import Doors, Service, introduction, real_now, story_clock
from monitor.binance.link import make_dial
from monitor.cli.loading import load
from monitor.cli.logs import logging_to
from monitor.cli.serving import CONSOLE, in_full, json_lines, senders
from monitor.config import redactor, shipped
from monitor.config.kinds import MOST_PER_MINUTE
from monitor.core.events import Now
from monitor.core.message import instant
from monitor.core.notices import Notice
from monitor.core.rules import Severity
from monitor.notify import Console
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange, account_table
from monitor.sim.scenario import SCENARIOS, load_scenario
from monitor.sim.story import Scenario
from monitor.store import Store

HOST = "127.0.0.1"
PROGRESS_EVERY = 60.0
"""Seconds of the story between two lines that say how it stands."""


# ---------------------------------------------------------------- demo


def demo(path: Path | None, *, speed: float, lines: bool) -> None:
    """Tell a story to the monitor, N times as fast as it would happen."""
    scenario = load_scenario(path or SCENARIOS / "crash.toml")
    # Everything here goes by Trio's clock, so a faster clock is all that a faster story takes.
    clock = trio.testing.MockClock(rate=speed)
    with (
        tempfile.TemporaryDirectory(prefix="marginwatch-demo-") as folder,
        logging_to(level="warning"),
    ):
        trio.run(partial(_demo, scenario, Path(folder), speed=speed, lines=lines), clock=clock)


async def _demo(scenario: Scenario, folder: Path, *, speed: float, lines: bool) -> None:
    exchange = Exchange(scenario)
    heard: list[Notice] = []
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(exchange.listen)
        config, rules = load(_demo_config(scenario, port, folder))
        redact = redactor(config)
        send = await senders(config, redact, Console(sys.stdout), speed)
        start_ms = round(scenario.start.timestamp() * 1000)
        await nursery.start(exchange.run)
        now = story_clock(start_ms)
        store = Store.open(config.data_dir, utc=now().utc, scale=speed)
        service = Service(
            config,
            rules,
            store=store,
            send=send,
            doors=Doors(dial=make_dial(), now=now, scale=speed),
            quarantine=Quarantine(None, redact=redact, now=now),
            wrap=json_lines if lines else in_full,
            room=send.room,
            hear=heard.append,
        )
        if not lines:
            click.echo(_opening(scenario, speed), err=True)
            nursery.start_soon(_show_progress, service, now)
        nursery.start_soon(_stop_after, exchange, service)
        await nursery.start(_stop_on_signal, service)
        try:
            await service.run()
        finally:
            await store.aclose()
        nursery.cancel_scope.cancel("the story is over")
    summary = _summary(heard)
    click.echo(json.dumps(summary) if lines else _closing(summary))


def _demo_config(scenario: Scenario, port: int, folder: Path) -> Path:
    """Write the configuration that a user would write: the account tables and a channel."""
    rules = shipped("rules")
    text = "\n".join(
        [
            f"rules = [{json.dumps(str(rules / '*.toml'))}]",
            f"data_dir = {json.dumps(str(folder / 'data'))}",
            'timezone = "UTC"',
            "",
            *(account_table(account, HOST, port) for account in scenario.account),
            "[[channel]]",
            f'name = "{CONSOLE}"',
            'url = "console://"',
            'group_wait = "0s"',
            f"max_per_minute = {MOST_PER_MINUTE}",
            "",
        ]
    )
    path = folder / "config.toml"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


async def _stop_on_signal(
    service: Service, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """End early, and tidily: the temporary folder goes with us."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            service.stop("asked to end")


async def _stop_after(exchange: Exchange, service: Service) -> None:
    await exchange.finished.wait()
    service.stop("the story is over")


async def _show_progress(service: Service, now: Callable[[], Now]) -> None:
    while True:
        await trio.sleep(PROGRESS_EVERY)
        for account in service.engine.portfolio.accounts.values():
            told = introduction(account, now())
            click.echo(f"· {instant(now().utc)[11:19]} {told}", err=True)


def _opening(scenario: Scenario, speed: float) -> str:
    minutes = scenario.length / 60_000
    return (
        f"A simulated exchange, {minutes:.0f} minutes of its story in "
        f"{scenario.length / 1000 / speed:.0f} s. What follows is what a phone would have got,\n"
        "each notice in full; lines that begin with · say how the account stands meanwhile.\n"
    )


def _summary(heard: list[Notice]) -> dict[str, object]:
    """Tell when it first mattered, and how long before the liquidation that was."""

    def first(of_kind: Callable[[Notice], bool]) -> int | None:
        return next((notice.at for notice in heard if of_kind(notice)), None)

    warned = first(lambda notice: notice.severity >= Severity.WARNING)
    critical = first(lambda notice: notice.severity is Severity.CRITICAL)
    liquidated = first(lambda notice: notice.happening == "liquidation")

    def between(begin: int | None) -> float | None:
        if begin is None or liquidated is None:
            return None
        return (liquidated - begin) / 1000

    return {
        "kind": "summary",
        "first_warning_at": None if warned is None else instant(warned),
        "first_critical_at": None if critical is None else instant(critical),
        "liquidation_at": None if liquidated is None else instant(liquidated),
        "warning_to_liquidation": between(warned),
        "critical_to_liquidation": between(critical),
        "notices": len(heard),
    }


def _closing(summary: dict[str, object]) -> str:
    if summary["liquidation_at"] is None:
        return f"\nThe story ends without a liquidation; {summary['notices']} messages."
    lines = [f"\nLiquidated at {str(summary['liquidation_at'])[11:19]} of the story."]
    for word in ("warning", "critical"):
        seconds = summary[f"{word}_to_liquidation"]
        if isinstance(seconds, float):
            minutes, rest = divmod(round(seconds), 60)
            lines.append(f"The first {word} came {minutes} min {rest:02d} s before it.")
    lines.append(f"{summary['notices']} messages in all.")
    return "\n".join(lines)


# ---------------------------------------------------------------- simulate


def simulate(path: Path | None, *, port: int, api_key: str | None, api_secret: str | None) -> None:
    """Serve a story in real time until SIGTERM or Ctrl-C."""
    scenario = load_scenario(path or SCENARIOS / "crash.toml")
    first, *rest = scenario.account
    given = {"api_key": api_key, "api_secret": api_secret}
    first = first.model_copy(update={key: value for key, value in given.items() if value})
    scenario = scenario.model_copy(update={"account": (first, *rest)})
    trio.run(_simulate, scenario, port)


async def _simulate(scenario: Scenario, port: int) -> None:
    # The machine's own time, not the story's: clients sign their requests by it.
    exchange = Exchange(scenario, start_ms=real_now().utc)
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            await nursery.start(exchange.run)
            bound: int = await nursery.start(partial(exchange.listen, port))
            for account in scenario.account:
                click.echo(account_table(account, HOST, bound))
            async for _ in signals:
                break
        nursery.cancel_scope.cancel("asked to end")
