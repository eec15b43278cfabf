"""What a service manager that started us hears: ready, well, how it stands, stopping.

The protocol of systemd's `Type=notify` (sd_notify(3)), spoken by a few lines of our own: one
datagram a message to the socket that the environment names. Nothing here waits: a message that
finds no room is lost, and what matters is said again.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence

import trio

from monitor.app.vitals import until_well

AGAIN = 1.0
"""Seconds before a message that found no room is sent again."""

STATUS_EVERY = 10.0
"""Seconds between two looks at how it stands."""


class Manager:
    """Whoever started us, if it listens.

    Args:
        environ: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
        pid: Ours.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.listens = address[:1] in {"@", "/"}
        """Whether there is anybody to tell."""
        limit, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
        fed = self.listens and limit.isascii() and limit.isdigit() and whose == str(pid)
        self.feed_every = int(limit) / 2_000_000 if fed else 0.0
        """Seconds between two meals of the watchdog, half of what it bears; 0: there is none."""

    def tell(self, message: str) -> bool:
        """Send one message; tell whether it was taken. Never waits, never raises."""
        if not self.listens:
            return False
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            with socket.socket(socket.AF_UNIX, kind) as ours:
                ours.sendto(message.encode(), self._address)
        except OSError:
            return False
        return True


async def keep_told(
    manager: Manager,
    *,
    ask: Callable[[], Sequence[str]],
    status: Callable[[], str],
    log: logging.Logger,
) -> None:
    """Say that we are ready, then feed the watchdog and say how it stands, until cancelled.

    Args:
        manager: Who hears it.
        ask: Tells what is not well; the watchdog goes hungry meanwhile.
        status: Says in one line how it stands, without secrets.
        log: Where it is said that the watchdog goes hungry, and why.
    """
    if not manager.listens:
        return
    while not manager.tell("READY=1"):  # noqa: ASYNC110 - no event tells when there is room
        await trio.sleep(AGAIN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_status, manager, status)
        if manager.feed_every:
            nursery.start_soon(_feed, manager, ask, log)


async def _feed(manager: Manager, ask: Callable[[], Sequence[str]], log: logging.Logger) -> None:
    while True:
        await until_well("feeding the watchdog", ask, log, 1.0)
        fed = manager.tell("WATCHDOG=1")
        await trio.sleep(manager.feed_every if fed else min(AGAIN, manager.feed_every))


async def _keep_status(manager: Manager, status: Callable[[], str]) -> None:
    told = ""
    while True:
        now = " ".join(status().split())  # a line end would begin another field
        if now != told and manager.tell(f"STATUS={now}"):
            told = now
        await trio.sleep(STATUS_EVERY)


def manager_of_this_process() -> Manager:
    """Find who started this process."""
    return Manager(os.environ, os.getpid())
