"""When the exchange may be asked at all: its limits count per address, not per account.

A refusal by 429 or 418 closes the gate until it says; every request and every dial passes the
gate first, because a reconnect costs weight too and one during a ban lengthens it. Accounts that
share an address may share one `Budget` (a budget that stretches polls is not built yet).
"""

import re
from collections.abc import Callable
from enum import IntEnum
from http import HTTPStatus

import trio

from monitor.core.events import Now

_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_MINUTE = 60_000
_FIRST_BAN = 2 * _MINUTE  # the shortest that Binance documents, for a ban that does not say
_LONGEST_BAN = 3 * 24 * 60 * _MINUTE  # the longest that it documents; more is a misreading
_BANNED = 418

TOO_MUCH = -1003
"""Binance's code for too many requests, banned or not."""


class Rank(IntEnum):
    """Who goes first when not everything may be asked at once."""

    URGENT = 0
    """A poll after a forced order or margin call, and what makes a connection."""
    POLL = 1
    """The positions and status of an account."""
    EXTRA = 2
    """The settings of all symbols, the asset mode."""
    REFERENCE = 3
    """Brackets, asset prices, forced orders of the past."""


class Budget:
    """The gate before every request, and the weight that the exchange has counted.

    Args:
        now: Our clock, both faces.
    """

    def __init__(self, *, now: Callable[[], Now]) -> None:
        self._now = now
        self._closed_until = 0
        self._bans = 0
        self.used_weight = 0
        """Of this address in the running minute, by the last answer that told."""
        self.weight_limit = 2400
        """Per minute; 2400 is the documented one, the answers tell the present one."""

    @property
    def closed_for(self) -> float:
        """Seconds until a request may be made; 0 while it may."""
        return max(0, self._closed_until - self._now().ticks) / 1000

    async def wait_open(self) -> None:
        """Wait until a request may be made."""
        await trio.lowlevel.checkpoint()
        # A clock is waited for, and the instant may move away meanwhile: no event tells of either.
        while (seconds := self.closed_for) > 0:  # noqa: ASYNC110  (see the comment above)
            await trio.sleep(seconds)

    async def take(self, weight: int, *, rank: Rank = Rank.POLL) -> None:  # noqa: ARG002
        """Wait until a request of this weight may be made, and count it as made.

        Args:
            weight: As documented for the request.
            rank: Lower ranks are served first.
        """
        await self.wait_open()

    def counted(self, used: int, limit: int) -> None:
        """Take note of the weight that an answer told; an answer also ends a series of bans."""
        self.used_weight, self.weight_limit = used, limit
        self._bans = 0

    def refused(self, status: int, *, retry_at: int | None, offset: int) -> float:
        """Close the gate after a 429 or 418.

        Args:
            status: Which of them.
            retry_at: Unix milliseconds by the exchange's clock before which it wants no request,
                where it told.
            offset: The exchange's clock minus ours, milliseconds.

        Returns:
            Seconds until the gate opens.
        """
        now = self._now()
        server = now.utc + offset
        wait = max(0, retry_at - server) if retry_at is not None else 0
        if status == _BANNED:
            if not wait:
                # Nothing told: two minutes, and twice as long each time it is said again.
                wait = _FIRST_BAN << min(self._bans, 10)
            self._bans += 1
        else:
            # The count starts anew with the exchange's minute; one second against rounding.
            wait = max(wait, _MINUTE - server % _MINUTE + 1000)
        self._closed_until = max(self._closed_until, now.ticks + min(wait, _LONGEST_BAN))
        return self.closed_for


def banned_until(message: str) -> int | None:
    """Find the end of a ban in Binance's words, unix milliseconds by its clock.

    Source:
        "Way too many requests; IP(…) banned until 1615183669840. …", recorded 2021 from fapi
        (zyairelai/futures-hero issue 10).
    """
    found = _BANNED_UNTIL.search(message)
    return int(found[1]) if found else None


def limit_status(status: int, code: int, message: str) -> int | None:
    """Tell whether a refusal is about limits.

    Returns:
        429 (wait for the minute) or 418 (banned); None where it is about something else.
    """
    if status == _BANNED or (code == TOO_MUCH and banned_until(message) is not None):
        return _BANNED
    if status == HTTPStatus.TOO_MANY_REQUESTS or code == TOO_MUCH:
        return HTTPStatus.TOO_MANY_REQUESTS
    return None
