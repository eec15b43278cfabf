"""`run` and `notify`: the service on the real world, and one message by hand."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from math import inf
from pathlib import Path

import click
import trio

from monitor import control, oneshot
from monitor.app import Compose, Doors, Service, http, real_now
from monitor.app.desk import Desk
from monitor.app.reloading import Reloader
from monitor.app.systemd import Manager, keep_told, manager_of_this_process
from monitor.app.wiring import LOG
from monitor.binance.link import make_dial
from monitor.cli.loading import rules_of
from monitor.cli.logs import logging_to
from monitor.config import (
    Channel,
    Config,
    find_config,
    load_config,
    outline,
    redactor,
    secrets,
)
from monitor.config.kinds import MOST_PER_MINUTE
from monitor.core.digest import Tried
from monitor.core.message import Message, as_json
from monitor.core.rules import Rule
from monitor.errors import ConfigError, Discreet, OperatorError, StoreInUse
from monitor.notify import Console, Notifier, Sent, on_console
from monitor.quarantine import Quarantine
from monitor.store import Store

BRIEFLY = 2.0
"""Seconds that another process may have the folder until this one gives up."""

TWICE = 0.1
"""Seconds within which a second signal is the first once more: `timeout`, terminals and
supervisors send to the process and to its group."""

CONSOLE = "console"
"""The one channel of a dry run and of the demo."""


def run(path: Path | None, *, dry_run: bool, lines: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    files = _Files(find_config(path), dry_run=dry_run)
    config, rules = files.read()
    data_dir = config.data_dir
    if dry_run:
        data_dir /= "dry-run"
    redact = files.redact
    with logging_to(level=config.log.level, as_json=config.log.format == "json", redact=redact):
        try:
            trio.run(partial(_serve, config, rules, data_dir, files, dry_run=dry_run, lines=lines))
        except (Exception, BaseExceptionGroup) as exc:
            # Its text, and its traceback, may quote what it was about.
            raise Discreet(redact) from exc


async def _serve(
    config: Config,
    rules: Sequence[Rule],
    data_dir: Path,
    files: "_Files",
    *,
    dry_run: bool,
    lines: bool,
) -> None:
    store = await open_store(data_dir, anew=dry_run)
    redact = files.redact
    try:
        send = await senders(config, redact, Console(sys.stdout))
        service = Service(
            config,
            rules,
            store=store,
            send=send,
            doors=Doors(dial=make_dial()),
            quarantine=Quarantine(data_dir, redact=redact, now=real_now),
            wrap=_words(dry_run=dry_run, lines=lines),
            room=send.room,
            picture=send.picture,
        )
        reloader = Reloader(
            service, config, rules, read=files.read, files=files.there, admit=send.admit
        )
        manager = manager_of_this_process()
        where = None if config.http is None or dry_run else config.http.listen
        listeners = [] if where is None else await http.listen(where)
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, service, reloader, manager)
            await nursery.start(reloader.run)
            if not dry_run:
                await nursery.start(control.serve, data_dir, Desk(service).answer)
            if where is not None:
                page = partial(http.run, redact=redact, log=service.log)
                nursery.start_soon(page, service, listeners, where)
            told = partial(
                keep_told,
                manager,
                ask=partial(service.vitals.ailments, channels=False),
                status=service.vitals.summary,
                log=service.log,
            )
            async with trio.open_nursery() as life:
                await life.start(service.run)
                nursery.start_soon(told)
            nursery.cancel_scope.cancel("the service has ended")
    finally:
        unwritten = await store.aclose()
        if unwritten:
            LOG.error("the disk took no more: %d entries are lost with this process", unwritten)


async def open_store(data_dir: Path, *, anew: bool = False) -> Store:
    """Lock the folder of this run and open what is in it.

    A command beside the service may have it for a moment; that must not keep the service from
    starting.

    Raises:
        StoreUnusable: As `Store.open`; that it is in use, after two seconds.
    """
    deadline = trio.current_time() + BRIEFLY
    while True:
        await trio.lowlevel.checkpoint()
        try:
            return Store.open(data_dir, utc=real_now().utc, anew=anew)
        except StoreInUse:
            if trio.current_time() >= deadline:
                raise
        await trio.sleep(0.1)


class _Files:
    """The files of a run, read as often as somebody asks.

    Args:
        path: config.toml.
        dry_run: Whether the console stands in for every channel.
    """

    def __init__(self, path: Path, *, dry_run: bool) -> None:
        self._path = path
        self._dry_run = dry_run
        self._read: Config | None = None
        self._redactors: dict[frozenset[str], Callable[[str], str]] = {}

    def read(self) -> tuple[Config, tuple[Rule, ...]]:
        """Read configuration and rules.

        Raises:
            OperatorError: With every fault of the configuration, else of the rules.
        """
        config = load_config(self._path, need_channels=not self._dry_run)
        self._read = config
        if secrets(config) not in self._redactors:
            self._redactors[secrets(config)] = redactor(config)
        if self._dry_run:
            config = with_console(config)
        return config, rules_of(config)

    def there(self) -> set[Path]:
        """List config.toml and the rule files that it names, or named when it was in order."""
        files = {self._path, *outline(self._path).rule_files}
        if self._read is not None:
            with suppress(OperatorError):  # a glob without a file: reading will say so
                files.update(self._read.rule_files())
        return files

    def redact(self, text: str) -> str:
        """Take the secrets of every configuration that was read out of a text."""
        for redactor_of_one in list(self._redactors.values()):
            text = redactor_of_one(text)
        return text


async def _stop_on_signal(
    service: Service,
    reloader: Reloader,
    manager: Manager,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Stop the service at the first signal, end the process at the second; reload at a SIGHUP.

    SIGHUP is also what whoever was started from a terminal gets when that is closed: it never ends
    the watch.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        stopping = inf
        async for number in signals:
            if number == signal.SIGHUP:
                service.log.info("received SIGHUP: reading the files anew")
                reloader.ask()
                continue
            now = trio.current_time()
            if now > stopping + TWICE:
                os._exit(0)  # what is committed is on disk; the rest was given its chance
            if stopping < inf:
                continue
            stopping = now
            name = signal.Signals(number).name
            service.log.info("received %s: finishing; once more ends at once", name)
            manager.tell("STOPPING=1\nSTATUS=finishing what was begun")
            service.stop(f"received {name}")


# ---------------------------------------------------------------- channels


class Senders:
    """Sends a message to a channel by its name.

    Args:
        redact: Takes known secrets out of a text.
        console: Where `console://` writes.
        scale: How much longer than usual a send may take.
    """

    def __init__(self, redact: Callable[[str], str], console: Console, scale: float) -> None:
        self._redact = redact
        self._console = console
        self._scale = scale
        self._notifiers: dict[str, tuple[str, Notifier]] = {}
        """By the name of a channel: its url, and who sends there."""
        self._painters: dict[str, tuple[str, Notifier]] = {}
        """Likewise, who sends pictures: one that hangs must not keep texts waiting."""

    async def admit(self, channels: Sequence[Channel]) -> None:
        """Make ready to send to these channels.

        Raises:
            ConfigError: The url of one is refused; then nothing is different from before.
        """
        fresh: dict[str, tuple[str, Notifier]] = {}
        for channel in channels:
            name, url = channel.name, channel.url.get_secret_value()
            if name in self._notifiers and self._notifiers[name][0] == url:
                continue
            notifier = self._notifier(name, url, deadline_s=15.0)
            await notifier.load()
            fresh[name] = url, notifier
        self._notifiers |= fresh

    def _notifier(self, name: str, url: str, *, deadline_s: float) -> Notifier:
        return Notifier(
            name,
            url,
            redact=self._redact,
            console=self._console,
            deadline_s=deadline_s * self._scale,
            abandon_after_s=60.0 * self._scale,
        )

    def room(self, name: str) -> int:
        """Tell how many characters a message to a channel may have."""
        return self._notifiers[name][1].room

    async def __call__(self, name: str, message: Message) -> Sent:
        """Send one message; never raises."""
        return await self._notifiers[name][1].send(message)

    async def picture(self, name: str, caption: str, png: bytes) -> Sent:
        """Send one picture, beside whatever text is under way; never raises."""
        url, notifier = self._notifiers[name]
        if not notifier.takes_pictures:
            return Sent("refused", "its service takes no pictures")
        if self._painters.get(name, ("",))[0] != url:
            self._painters[name] = url, self._notifier(name, url, deadline_s=30.0)
        return await self._painters[name][1].send(Message("", caption), png)


async def senders(
    config: Config, redact: Callable[[str], str], console: Console, scale: float = 1.0
) -> Senders:
    """Make what sends to the channels of a configuration.

    Raises:
        ConfigError: The url of a channel is refused.
    """
    send = Senders(redact, console, scale)
    await send.admit(config.channels)
    return send


def with_console(config: Config) -> Config:
    """Put the console in the place of every channel, and nobody in that of the heartbeat.

    A dry run may be beside the service: its beats would hide that the service is gone.
    """
    beat = config.heartbeat
    daily = None if beat is None or beat.daily is None else beat.model_copy(update={"url": None})
    unhurried = {"group_wait": "0s", "max_per_minute": MOST_PER_MINUTE}
    channel = Channel.model_validate({"name": CONSOLE, "url": "console://", **unhurried})
    return config.model_copy(update={"channels": (channel,), "heartbeat": daily})


def _words(*, dry_run: bool, lines: bool) -> Callable[[Compose], Compose] | None:
    if lines:
        return json_lines
    return in_full if dry_run else None


def json_lines(compose: Compose) -> Compose:
    """Make messages that are one JSON line a notice, for a console that prints what it gets."""

    def write(tried: Sequence[Tried], channel: str) -> Message:
        lines = [
            json.dumps(
                as_json(each.notice, compose([each], channel), each.attempt), ensure_ascii=False
            )
            for each in tried
        ]
        return Message("", "\n".join(lines))

    return write


def in_full(compose: Compose) -> Compose:
    """Make messages that are no digests: a console has room for each notice's own."""

    def write(tried: Sequence[Tried], channel: str) -> Message:
        if len(tried) == 1:
            return compose(tried, channel)
        return Message("", "\n".join(on_console(compose([each], channel)) for each in tried))

    return write


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
