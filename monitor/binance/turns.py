"""Sockets that take turns: the next one stands before the last one is left.

    open ──▶ stands ──▶ 23 h, or the server shuts down ──▶ the next one opens ─┬─▶ it failed: again
               ▲                                                               │   in a minute
               └───────── the last one is left after `overlap` ◀── it stands ──┘

The exchange closes every socket after 24 h (docs/protocol.md §2). While two of them stand, what
becomes of the one that is being left concerns nobody.
"""

import logging
import random
from collections.abc import Awaitable
from typing import NoReturn, Protocol

import trio

from monitor.binance.ends import leaf
from monitor.errors import ConnectionLost

REPLACE_AFTER = 23 * 3600.0
"""Seconds that a socket is kept; the server closes it after 24 h."""

SPREAD = 1800.0
"""Seconds over which the sockets of many accounts, opened together, are replaced."""

_AGAIN = 60.0  # seconds after a replacement that failed


class Turn:
    """One socket's turn."""

    def __init__(self, before: "Turn | None" = None) -> None:
        self.before = before
        """The socket that this one follows, until that is left."""
        self.after: Turn | None = None
        """The socket that is to follow this one, once it is being opened."""
        self.ending = trio.Event()
        """Set when the server has said that it will close this socket."""
        self.scope = trio.CancelScope()
        self.leaving = False
        """Whether another one stands in its place."""


class Told(Protocol):
    """Takes note that a socket stands in another's place."""

    def __call__(self) -> None:
        """Take note."""


class Serve(Protocol):
    """Opens a socket and serves it to its end; calls `stands` when it can take its turn.

    It raises `ConnectionLost` when the socket is lost or cannot be opened.
    """

    def __call__(self, turn: Turn, stands: Told, /) -> Awaitable[None]:
        """Serve one turn."""


async def take_turns(
    serve: Serve,
    *,
    stands: Told,
    replaced: Told,
    overlap: float,
    rng: random.Random,
    name: str,
    log: logging.Logger,
) -> NoReturn:
    """Have a socket, and always open the next one before the server closes it; until cancelled.

    Args:
        serve: Serves one socket.
        stands: Called when the first one stands.
        replaced: Called when another one has taken its place.
        overlap: Seconds for which both are read, so that nothing that was on its way is lost.
        rng: Where the spread comes from.
        name: Which sockets, for the log.
        log: Told of replacements, and of those that failed.

    Raises:
        ConnectionLost: The socket whose turn it is was lost; perhaps in a group.
    """
    async with trio.open_nursery() as nursery:
        turn = Turn()
        await nursery.start(_serve, serve, turn)
        stands()
        while True:
            with trio.move_on_after(REPLACE_AFTER + rng.uniform(0, SPREAD)):
                await turn.ending.wait()
            while (why := await _follow(nursery, serve, turn)) is not None:
                log.warning("%s: not replaced yet: %s", name, why)
                await trio.sleep(_AGAIN)
            log.info("%s: the socket was replaced as planned", name)
            replaced()
            turn = await _leave(turn, overlap)


async def _follow(nursery: trio.Nursery, serve: Serve, turn: Turn) -> str | None:
    """Open the socket that follows this one; None when it stands, else why it does not."""
    turn.after = Turn(before=turn)
    why = None
    try:
        await nursery.start(_serve, serve, turn.after)
    except* ConnectionLost as group:
        why = str(leaf(group))
    if why is None:
        turn.leaving = True
    else:
        turn.after = None
    return why


async def _leave(turn: Turn, overlap: float) -> Turn:
    """Read both for a while, then leave the older one; returns the newer."""
    newer = turn.after
    assert newer is not None  # noqa: S101  `_follow` has just opened it
    await trio.sleep(overlap)
    turn.scope.cancel("another socket stands in its place")
    newer.before = None
    return newer


async def _serve(serve: Serve, turn: Turn, *, task_status: trio.TaskStatus[None]) -> None:
    """Serve one turn; its loss counts only while no other socket stands."""

    def stands() -> None:
        task_status.started()

    with turn.scope:
        try:
            await serve(turn, stands)
        except* ConnectionLost:
            if not turn.leaving:
                raise
