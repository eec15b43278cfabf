"""Reading the files anew while the service runs: on SIGHUP, or when one of them was edited.

Every two seconds the files are looked at. What differs from before is read once it has stood
still for as long, so that nobody's half-written file is taken. All of it is taken or nothing: a
fault anywhere leaves rules and channels as they are, and is told. Rules, channels, heartbeat and
`repeat` are taken; whatever else differs needs a restart, and the log names it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from monitor.app import Service
from monitor.app.wiring import LOG
from monitor.config import Channel, Config
from monitor.core.rules import Rule
from monitor.core.wording import count
from monitor.errors import OperatorError
from monitor.notify import InThread

LOOK = 2.0
"""Seconds between two looks at the files."""

_TAKEN = frozenset({"rules", "channels", "heartbeat", "repeat"})
"""What of a configuration is taken without a restart."""

Signature = dict[Path, tuple[int, int, int] | None]
"""Of each file what an edit changes; None where there is no such file."""


class Reloader:
    """Has a service go on by edited files.

    Args:
        service: What runs.
        config: What it was started with.
        rules: Likewise.
        read: Reads configuration and rules anew; raises OperatorError with every fault.
        files: Lists the files that are there to be read; called from a thread, as `read` is.
        admit: Makes ready to send to these channels; raises OperatorError where one is refused.
        in_thread: How a blocking call is made.
    """

    def __init__(
        self,
        service: Service,
        config: Config,
        rules: Sequence[Rule],
        *,
        read: Callable[[], tuple[Config, Sequence[Rule]]],
        files: Callable[[], Iterable[Path]],
        admit: Callable[[Sequence[Channel]], Awaitable[None]],
        in_thread: InThread = trio.to_thread.run_sync,
    ) -> None:
        self._service = service
        self._config = config
        self._rules = tuple(rules)
        self._read = read
        self._files = files
        self._admit = admit
        self._in_thread = in_thread
        self._asked = trio.Event()
        self._told: set[str] = set()
        """Faults that were told since the files were last in order."""
        self._waiting: tuple[str, ...] = ()
        """What the log last said to need a restart."""

    def ask(self) -> None:
        """Read the files now, whether or not they were edited."""
        self._asked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after the files until cancelled."""
        task_status.started()
        read: Signature | None = None
        before: Signature | None = None
        while True:
            with trio.move_on_after(LOOK):
                await self._asked.wait()
            asked, self._asked = self._asked.is_set(), trio.Event()
            seen = await self._in_thread(lambda: signature(self._files()))
            if asked or (seen == before and seen != read):
                read = seen
                await self.reload(asked=asked)
            before = seen

    async def reload(self, *, asked: bool = True) -> None:
        """Read the files, and go on by them if they are without a fault.

        Args:
            asked: Whether somebody waits for an answer in the log, also where nothing changed.
        """
        try:
            config, rules = await self._in_thread(self._read)
            await self._admit(config.channels)
        except OperatorError as exc:
            self._refuse(str(exc), asked=asked)
            return
        except Exception:  # noqa: BLE001 - a bug that a file brings to light must not end the watch
            LOG.exception("the files cannot be read anew; this is a bug, please report it")
            self._refuse("they cannot be read; the log says more", asked=False)
            return
        mended = bool(self._told)
        self._told.clear()
        config, waiting = self._taken(config)
        changes = [
            *_rule_changes(self._rules, rules),
            *_channel_changes(self._config, config),
            *_heartbeat_changes(self._config, config),
        ]
        if changes:
            self._config, self._rules = config, tuple(rules)
            await self._service.reload(config, rules)
        if changes or asked or mended:
            what = "; ".join([_counted(rules, config), ", ".join(changes) or "nothing has changed"])
            LOG.info("reloaded: %s", what)
        if waiting and (asked or waiting != self._waiting):
            LOG.warning("changed, but taken at a restart only: %s", ", ".join(waiting))
        self._waiting = waiting

    def _refuse(self, faults: str, *, asked: bool) -> None:
        new = faults not in self._told
        if new or asked:
            LOG.error("the edited files are refused, what was read before goes on:\n%s", faults)
        if new:
            self._told.add(faults)
            self._service.refuse_reload(faults)

    def _taken(self, config: Config) -> tuple[Config, tuple[str, ...]]:
        """Take of a configuration what needs no restart; name the rest that differs."""
        waiting = []
        for name, field in type(config).model_fields.items():
            if name not in _TAKEN and getattr(config, name) != getattr(self._config, name):
                waiting.append(field.alias or name)
        taken = {name: getattr(config, name) for name in _TAKEN}
        return self._config.model_copy(update=taken), tuple(waiting)


def signature(files: Iterable[Path]) -> Signature:
    """Tell by what an edit of these files would be noticed."""
    found: Signature = {}
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            found[path] = None
        else:
            found[path] = stat.st_mtime_ns, stat.st_size, stat.st_ino
    return found


def _rule_changes(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[str]:
    yield from _changes(
        "rule",
        {rule.name: _said(rule) for rule in before},
        {rule.name: _said(rule) for rule in after},
    )


def _said(rule: Rule) -> tuple[Any, ...]:
    """Give what a rule says, to compare it by: compiled conditions are never equal."""
    levels = [
        (level.severity, level.condition.text, level.on_delay, level.off_delay)
        for level in rule.levels
    ]
    return replace(rule, levels=()), levels


def _channel_changes(before: Config, after: Config) -> Iterator[str]:
    yield from _changes(
        "channel",
        {channel.name: channel for channel in before.channels},
        {channel.name: channel for channel in after.channels},
    )


def _heartbeat_changes(before: Config, after: Config) -> Iterator[str]:
    if before.heartbeat != after.heartbeat:
        gone, new = after.heartbeat is None, before.heartbeat is None
        yield f"heartbeat {'removed' if gone else 'added' if new else 'changed'}"


def _changes(kind: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in [*after, *(name for name in before if name not in after)]:
        if name not in before:
            yield f"{kind} {name} added"
        elif name not in after:
            yield f"{kind} {name} removed"
        elif before[name] != after[name]:
            yield f"{kind} {name} changed"


def _counted(rules: Sequence[Rule], config: Config) -> str:
    counts = {"rule": len(rules), "channel": len(config.channels)}
    return ", ".join(count(number, kind) for kind, number in counts.items())
