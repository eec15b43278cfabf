"""`run` and `notify`: the service on the real world, and one message by hand."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import click
import trio

from monitor import oneshot
from monitor.app import Compose, Doors, Service, real_now
from monitor.binance.link import make_dial
from monitor.cli.loading import load
from monitor.cli.logs import logging_to
from monitor.config import Channel, Config, find_config, load_config, redactor
from monitor.core.message import Message, as_json
from monitor.core.notices import Notice
from monitor.core.rules import Rule
from monitor.errors import ConfigError
from monitor.notify import Console, Notifier, Sent
from monitor.quarantine import Quarantine
from monitor.store import Store

CONSOLE = "console"
"""The one channel of a dry run and of the demo."""


def run(path: Path | None, *, dry_run: bool, lines: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    config, rules = load(path, need_channels=not dry_run)
    data_dir = config.data_dir
    if dry_run:
        data_dir /= "dry-run"
        config = with_console(config)
    redact = redactor(config)
    with logging_to(level=config.log.level, as_json=config.log.format == "json", redact=redact):
        trio.run(partial(_serve, config, rules, data_dir, redact, dry_run=dry_run, lines=lines))


async def _serve(
    config: Config,
    rules: Sequence[Rule],
    data_dir: Path,
    redact: Callable[[str], str],
    *,
    dry_run: bool,
    lines: bool,
) -> None:
    store = Store.open(data_dir, utc=real_now().utc, anew=dry_run)
    try:
        send = await senders(config, redact, Console(sys.stdout))
        service = Service(
            config,
            rules,
            store=store,
            send=send,
            doors=Doors(dial=make_dial()),
            quarantine=Quarantine(data_dir, redact=redact, now=real_now),
            wrap=json_lines if lines else None,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, service)
            await service.run()
            nursery.cancel_scope.cancel("the service has ended")
    finally:
        await store.aclose()


async def _stop_on_signal(
    service: Service, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Stop the service at the first signal; end the process at the second.

    SIGHUP means "read your files anew" to a service, and "the terminal is gone" to whoever was
    started from one; neither may end the watch.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        stopping = False
        async for number in signals:
            if number == signal.SIGHUP:
                service.log.warning("received SIGHUP: files are read at a start only; going on")
                continue
            if stopping:
                os._exit(0)  # what is committed is on disk; the rest was given its chance
            stopping = True
            name = signal.Signals(number).name
            service.log.info("received %s: finishing; once more ends at once", name)
            service.stop(f"received {name}")


# ---------------------------------------------------------------- channels


async def senders(
    config: Config, redact: Callable[[str], str], console: Console, scale: float = 1.0
) -> Callable[[str, Message], Awaitable[Sent]]:
    """Make the function that sends a message to a channel by its name."""
    notifiers = {
        channel.name: Notifier(
            channel.name,
            channel.url.get_secret_value(),
            redact=redact,
            console=console,
            deadline_s=15.0 * scale,
            abandon_after_s=60.0 * scale,
        )
        for channel in config.channels
    }
    for notifier in notifiers.values():
        await notifier.load()

    async def send(name: str, message: Message) -> Sent:
        return await notifiers[name].send(message)

    return send


def with_console(config: Config) -> Config:
    """Put the console in the place of every channel."""
    channel = Channel.model_validate({"name": CONSOLE, "url": "console://", "group_wait": "0s"})
    return config.model_copy(update={"channels": (channel,)})


def json_lines(compose: Compose) -> Compose:
    """Make messages that are one JSON line each, for a console that prints what it is handed."""

    def line(notice: Notice, attempt: int) -> Message:
        return Message(
            "", json.dumps(as_json(notice, compose(notice, attempt), attempt), ensure_ascii=False)
        )

    return line


# ---------------------------------------------------------------- notify


def notify(path: Path | None, name: str | None, text: str) -> int:
    """Send a test message, say each channel's verdict; 1 if one refused."""
    config = load_config(find_config(path))
    channels = [channel for channel in config.channels if name in {None, channel.name}]
    if not channels:
        known = [channel.name for channel in config.channels]
        close = get_close_matches(name or "", known, 1)
        hint = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(known)}."
        raise ConfigError(f'no channel is called "{name}".{hint}')
    verdicts = trio.run(lambda: oneshot.notify(channels, text, redact=redactor(config)))
    for channel, sent in verdicts.items():
        click.echo(f"{channel}: {sent.status}{f': {sent.detail}' if sent.detail else ''}")
    return 0 if all(sent.status == "sent" for sent in verdicts.values()) else 1
