"""Request weight per minute, and bans.

Source: docs/protocol.md §7.1 and §7.2. The whole simulator sees one address, as the
exchange sees one machine: REST and the WebSocket API count together.
"""

from typing import Any

from monitor.sim.clock import Clock
from monitor.sim.faults import Faults
from monitor.sim.story import Ban

HANDSHAKE_WEIGHT = 5
_MINUTE_MS = 60_000
_BAN_MS = 2 * _MINUTE_MS
_PATIENCE = 20
"Requests beyond the limit that are answered 429 in a minute, before the address is banned."


class RefusedRequestError(Exception):
    """A request that is answered by an error.

    Args:
        status: Of the envelope, or of HTTP.
        code: Binance's, negative.
        message: Binance's words.
        data: `error.data` of the WebSocket API.
        anonymous: The answer carries `id: null`.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        data: dict[str, Any] | None = None,
        anonymous: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data = data
        self.anonymous = anonymous


class WeightMeter:
    """Counts weight in minutes of the exchange's clock.

    Args:
        clock: The story's.
        faults: Where a ban may come from.
        limit: Weight per minute.
    """

    def __init__(self, clock: Clock, faults: Faults, limit: int) -> None:
        self._clock = clock
        self._faults = faults
        self.limit = limit
        self._minute = -1
        self._count = 0
        self._refused = 0
        self._banned_until = 0

    def used(self) -> int:
        """Weight used in the present minute."""
        self._turn()
        return self._count

    def _turn(self) -> None:
        minute = self._clock.now() // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._count, self._refused = minute, 0, 0

    def banned_until(self) -> int | None:
        """Exchange ms at which the ban ends; None where there is none."""
        ends = self._faults.ends(Ban)
        scripted = 0 if ends is None else self._clock.start_ms + ends
        until = max(self._banned_until, scripted)
        return until if until > self._clock.now() else None

    def charge(self, weight: int) -> None:
        """Count a request.

        Raises:
            RefusedRequestError: The address is banned (418) or over its limit (429).
        """
        if (until := self.banned_until()) is not None:
            raise self._ban(until)
        self._turn()
        self._count += weight
        if self._count <= self.limit:
            return
        self._refused += 1
        if self._refused > _PATIENCE:
            self._banned_until = self._clock.now() + _BAN_MS
            raise self._ban(self._banned_until)
        raise RefusedRequestError(
            429,
            -1003,
            f"Too many requests; current limit is {self.limit} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API.",
        )

    def _ban(self, until: int) -> RefusedRequestError:
        scripted = self._faults.active(Ban)
        with_data = scripted is None or scripted.data
        return RefusedRequestError(
            418,
            -1003,
            f"Way too many requests; IP banned until {until}. "
            "Please use the websocket for live updates to avoid bans.",
            data={"serverTime": self._clock.now(), "retryAfter": until} if with_data else None,
        )

    def report(self) -> list[dict[str, object]]:
        """Word `rateLimits`."""
        return [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self.limit,
                "count": self.used(),
            }
        ]
