"""The exchange's clock: by `time` over the WebSocket API, or over REST where that is refused.

`time` is nowhere documented for the WebSocket API of futures (docs/protocol.md §3.5), so a refusal
says nothing but that it has to be asked elsewhere.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from monitor.binance.gate import limit_status
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected

Measure = Callable[[], Awaitable[int]]
"""Measures how far the exchange's clock is ahead of ours, milliseconds."""


class ServerClock:
    """Where one account asks for the exchange's clock; remembered for as long as it is watched.

    Args:
        over_rest: Measures it over REST.
        name: Whose, for the log.
        log: Told once that `time` is refused.
    """

    def __init__(self, over_rest: Measure, *, name: str, log: logging.Logger) -> None:
        self._over_rest = over_rest
        self._name = name
        self._log = log
        self._refusal: ExchangeRefused | None = None

    async def measure(self, over_socket: Measure) -> int:
        """Measure it.

        Args:
            over_socket: Measures it by `time`.

        Returns:
            How far the exchange's clock is ahead of ours, milliseconds.

        Raises:
            ExchangeRefused: Neither tells, or limits forbid to ask.
            FrameGarbled: The answer cannot be read.
            ConnectionLost: The socket is lost.
        """
        if self._refusal is not None:
            return await self._instead_of(self._refusal)
        try:
            return await over_socket()
        except ExchangeRefused as refused:
            if not _is_about_time(refused):
                raise
            offset = await self._instead_of(refused)
            if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self._refusal = refused
                self._log.warning(
                    "%s: %s; the exchange's clock is asked for over REST", self._name, refused
                )
            return offset

    async def _instead_of(self, refused: ExchangeRefused) -> int:
        try:
            return await self._over_rest()
        except (ConnectionLost, FrameGarbled) as fault:
            raise ExchangeRefused(
                refused.method,
                refused.status,
                refused.code,
                f"{refused.message} (and over REST: {fault})",
            ) from fault


def _is_about_time(refused: ExchangeRefused) -> bool:
    """Tell a method that is not served from limits, and from a key that is not."""
    about_limits = limit_status(refused.status, refused.code, refused.message) is not None
    # Without either it is no word of the exchange's: the gate was closed.
    unsaid = refused.status == 0 and refused.code == 0
    return not (about_limits or unsaid or isinstance(refused, KeyRejected))
