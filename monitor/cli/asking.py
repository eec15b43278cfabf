"""Commands beside a running service, or without one: who answers them.

The service of the configuration's data_dir is asked over its socket. Where none runs, the folder is
locked and the answer comes out of the store itself; what is written there the next run takes up.
Secrets are not resolved: these commands neither sign nor send.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import trio

from monitor import control
from monitor.app.clock import real_now
from monitor.config import Config, find_config, load_config
from monitor.core.addressing import Address
from monitor.errors import StoreInUse
from monitor.store import Store
from monitor.store.history import Database, Told, read_beside, told_about, told_since

Answer = dict[str, Any]
T = TypeVar("T")

STARTING = 3.0
"""Seconds that a service whose folder is locked may take until it listens."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A configuration's data_dir, and whoever is in it."""

    config: Config

    @classmethod
    def of(cls, path: Path | None) -> "Beside":
        """Read the configuration, without its secrets.

        Raises:
            ConfigError: With every fault of it.
        """
        return cls(load_config(find_config(path), need_channels=False, resolve=False))

    def ask(self, question: Answer, alone: Callable[[Store], Answer]) -> Answer:
        """Ask the service, or answer alone.

        Args:
            question: What a service is asked.
            alone: Answers out of the store of a folder where no service runs.

        Raises:
            OperatorError: Nobody can answer.
        """
        data_dir = self.config.data_dir
        deadline = time.monotonic() + STARTING
        while True:
            answer = control.ask(data_dir, question)
            if answer is not None:
                return answer
            try:
                store = Store.open(data_dir, utc=real_now().utc)
            except StoreInUse:  # it is starting, or ending
                if time.monotonic() > deadline:
                    raise
                trio.run(trio.sleep, 0.1)
            else:
                return _closing(store, alone)

    def told(self, since: int, channel: str | None) -> list[Told]:
        """Read what was told from an instant (unix milliseconds) on.

        Raises:
            StoreUnusable: It cannot be read.
        """
        return self._read(
            lambda database: list(told_since(database, since, channel)),
            lambda store: list(store.history(since, channel)),
        )

    def about(self, rule: str, address: Address, most: int) -> list[Told]:
        """Read the latest notices of a rule about a target, so many at most.

        Raises:
            StoreUnusable: It cannot be read.
        """
        return self._read(
            lambda database: told_about(database, rule, *address, most),
            lambda store: store.about(rule, *address, most),
        )

    def _read(
        self, beside: Callable[[Database], list[Told]], alone: Callable[[Store], list[Told]]
    ) -> list[Told]:
        """Read the store of a folder, whether a service runs in it or not."""
        data_dir = self.config.data_dir
        with suppress(PermissionError):  # which the opening says better
            if not (data_dir / "lock").exists():
                return []
        try:
            store = Store.open(data_dir, utc=real_now().utc)
        except StoreInUse:
            return read_beside(data_dir, beside)
        return _closing(store, alone)


def _closing(store: Store, use: Callable[[Store], T]) -> T:
    try:
        for remark in store.remarks:  # a corrupt database was begun anew: what follows is empty
            click.echo(remark.text, err=True)
        return use(store)
    finally:
        trio.run(store.aclose)
