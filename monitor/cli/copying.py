"""`backup`: a copy of the store, beside a running service or without one."""

import time
from pathlib import Path

import click

from monitor.cli.asking import Beside
from monitor.core.wording import count
from monitor.store.backup import back_up

QUIET = 2.0
"""Seconds after which it is said how far it is, and then again."""


def backup(path: Path | None, file: Path) -> None:
    """Copy the store of the configuration's data_dir."""
    data_dir = Beside.of(path).config.data_dir
    copied = back_up(data_dir, file.absolute(), _Teller().tell)
    last = f", the last #{copied.last}" if copied.last else ""
    size, notices = _mib(copied.size), count(copied.notices, "notice")
    click.echo(f"{file}: {size}, {notices}{last}; checked")


class _Teller:
    """Says now and then how far it is."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def tell(self, done: int, of: int) -> None:
        """Hear how many bytes are copied, and of how many."""
        if time.monotonic() - self._said >= QUIET:
            self._said = time.monotonic()
            click.echo(f"{_mib(done)} of {_mib(of)}", err=True)


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
