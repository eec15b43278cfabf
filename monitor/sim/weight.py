"""Request weight per minute, and bans.

Source: docs/protocol.md §7.1 and §7.2. The whole simulator sees one address, as the
exchange sees one machine: REST and the WebSocket API count together.
"""

from typing import Any, Literal

from monitor.sim.faults import Faults
from monitor.sim.story_faults import Ban

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
        faults: Where a ban may come from, and the exchange's clock.
        limit: Weight per minute.
        told: Which refusals say when to come back.
    """

    def __init__(
        self, faults: Faults, limit: int, told: Literal["bans", "always", "never"]
    ) -> None:
        self._faults = faults
        self.limit = limit
        self._told = told
        self._minute = -1
        self._count = 0
        self._refused = 0
        self._banned_until = 0

    def used(self) -> int:
        """Weight used in the present minute."""
        self._turn()
        return self._count

    def _turn(self) -> None:
        minute = self._faults.server_time() // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._count, self._refused = minute, 0, 0

    def banned_until(self) -> int | None:
        """Exchange ms at which the ban ends; None where there is none."""
        fault = self._faults.active(Ban)
        ends = None if fault is None or fault.status != 418 else self._faults.ends(Ban)
        scripted = 0 if ends is None else self._faults.told_at(ends)
        until = max(self._banned_until, scripted)
        return until if until > self._faults.server_time() else None

    def charge(self, weight: int) -> None:
        """Count a request.

        Raises:
            RefusedRequestError: The address is banned (418) or over its limit (429).
        """
        scripted = self._faults.active(Ban)
        if scripted is not None and scripted.status == 429:
            raise self._too_many(with_data=scripted.data)
        if (until := self.banned_until()) is not None:
            raise self._ban(until)
        self._turn()
        self._count += weight
        if self._count <= self.limit:
            return
        self._refused += 1
        if self._refused > _PATIENCE:
            self._banned_until = self._faults.server_time() + _BAN_MS
            raise self._ban(self._banned_until)
        raise self._too_many(with_data=self._told == "always")

    def _too_many(self, *, with_data: bool) -> RefusedRequestError:
        now = self._faults.server_time()
        next_minute = (now // _MINUTE_MS + 1) * _MINUTE_MS
        return RefusedRequestError(
            429,
            -1003,
            f"Too many requests; current limit is {self.limit} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API.",
            data={"serverTime": now, "retryAfter": next_minute} if with_data else None,
        )

    def _ban(self, until: int) -> RefusedRequestError:
        scripted = self._faults.active(Ban)
        with_data = self._told != "never" if scripted is None else scripted.data
        return RefusedRequestError(
            418,
            -1003,
            f"Way too many requests; IP banned until {until}. "
            "Please use the websocket for live updates to avoid bans.",
            data={"serverTime": self._faults.server_time(), "retryAfter": until}
            if with_data
            else None,
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
