"""Whether the exchange may be asked at all: closed by its refusals, 429 and 418.

The gate stands open again when the exchange says. Where it does not say, after the documented
least, and after twice as long when it is said again soon after the last one ended.
"""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus

from monitor.core.events import Now

BANNED = 418
"""The status of a ban."""

TOO_MUCH = -1003
"""Binance's code for too many requests, banned or not."""

_MINUTE = 60_000
_FIRST_BAN = 2 * _MINUTE  # the shortest that Binance documents, for a ban that does not say
_LONGEST_BAN = 3 * 24 * 60 * _MINUTE  # the longest that it documents; more is a misreading
_AGAIN_WITHIN = 60 * _MINUTE  # a ban so soon after the last one is a repeated offence
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


class Gate:
    """Open or closed, for everything that goes out from this address.

    Args:
        now: Our clock, both faces.
        on_ban: Told once of each ban: when it ends (our clock, unix milliseconds), and Binance's
            words.
        log: Where refusals are told.
    """

    def __init__(
        self, now: Callable[[], Now], on_ban: Callable[[int, str], None], log: logging.Logger
    ) -> None:
        self._now = now
        self._on_ban = on_ban
        self._log = log
        self._closed_until = 0
        self._ban_ends: int | None = None  # ticks; of the last ban
        self._repeated = 0
        self._ban_told = False

    @property
    def closed_for(self) -> float:
        """Seconds until a request may be made; 0 while it may."""
        return max(0, self._closed_until - self._now().ticks) / 1000

    @property
    def banned(self) -> bool:
        """Whether it is a ban that keeps the gate closed."""
        return self._ban_ends is not None and self._now().ticks < self._ban_ends

    def look(self) -> None:
        """Say once that a ban is over."""
        if self._ban_told and not self.banned:
            self._ban_told = False
            self._log.info("the ban is over; everything is asked again")

    def resume(self, until: int) -> None:
        """Keep to a ban that an earlier run was told of.

        Args:
            until: When it ends by our clock, unix milliseconds.
        """
        now = self._now()
        wait = min(until - now.utc, _LONGEST_BAN)
        if wait > 0:
            self._closed_until = self._ban_ends = max(self._closed_until, now.ticks + wait)
            self._ban_told = True
            self._log.error(
                "the exchange banned this address before this start; nothing is asked for %.0f s",
                self.closed_for,
            )

    def close(self, status: int, *, retry_at: int | None, offset: int, message: str) -> None:
        """Close after a refusal; see `Budget.refused`."""
        now = self._now()
        server = now.utc + offset
        told = min(max(0, retry_at - server), _LONGEST_BAN) if retry_at is not None else 0
        if status == BANNED:
            self._ban(now, told, message)
            return
        news = self.closed_for == 0
        # The count starts anew with the exchange's minute; one second against rounding.
        wait = max(told, _MINUTE - server % _MINUTE + 1000)
        self._closed_until = max(self._closed_until, now.ticks + wait)
        if news:
            self._log.warning(
                "the exchange asks to slow down; nothing is asked for %.0f s: %s",
                self.closed_for,
                message,
            )

    def _ban(self, now: Now, told: int, message: str) -> None:
        if self.banned:  # the answers to what was under way say it again
            self._closed_until = max(self._closed_until, now.ticks + told)
            self._ban_ends = self._closed_until
            return
        again = self._ban_ends is not None and now.ticks - self._ban_ends < _AGAIN_WITHIN
        self._repeated = self._repeated + 1 if again else 0
        wait = told or _FIRST_BAN << min(self._repeated, 10)
        self._closed_until = self._ban_ends = max(self._closed_until, now.ticks + wait)
        self._ban_told = True
        seconds = self.closed_for
        self._log.error(
            "the exchange banned this address; nothing is asked for %.0f s: %s", seconds, message
        )
        self._on_ban(now.utc + round(seconds * 1000), message)


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
    if status == BANNED or (code == TOO_MUCH and "banned" in message.lower()):
        return BANNED
    if status == HTTPStatus.TOO_MANY_REQUESTS or code == TOO_MUCH:
        return HTTPStatus.TOO_MANY_REQUESTS
    return None
