"""REST: an HTTP request in, an HTTP answer out; no socket, no task.

Source: docs/protocol.md §3.5, §4.2, §8.1. Signed requests: query and body in the order
sent, `signature` last, the key in `X-MBX-APIKEY` (§3.3).
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitor.sim.amounts import money
from monitor.sim.desk import Desk
from monitor.sim.keys import missing
from monitor.sim.marks import FUNDING_RATE, next_funding
from monitor.sim.weight import RefusedRequestError


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What came."""

    method: str
    target: str
    "Path and query."
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Pairs of the query, in the order sent; `+` stays what it is."""
        pairs = urlsplit(self.target).query.replace("+", "%2B")
        return parse_qsl(pairs, keep_blank_values=True)

    def header(self, name: bytes) -> str:
        """A header's value, "" where it is not there; names in lower case."""
        return next((v.decode("latin-1") for k, v in self.headers if k == name), "")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def answer(request: HttpRequest, desk: Desk) -> HttpAnswer:
    """Answer one request."""
    name = f"{request.method} {request.path}"
    desk.requests[name] += 1
    try:
        return _worded(200, _result(name, request, desk), desk)
    except RefusedRequestError as exc:
        return refusal(exc, desk)


def refusal(exc: RefusedRequestError, desk: Desk) -> HttpAnswer:
    """Word a refusal, of a request or of a handshake."""
    extra: tuple[tuple[str, str], ...] = ()
    if exc.data is not None:
        seconds = (exc.data["retryAfter"] - exc.data["serverTime"] + 999) // 1000
        extra = (("Retry-After", str(seconds)),)
    return _worded(exc.status, {"code": exc.code, "msg": exc.message}, desk, *extra)


def _worded(status: int, body: Any, desk: Desk, *extra: tuple[str, str]) -> HttpAnswer:
    headers = (("X-MBX-USED-WEIGHT-1M", str(desk.meter.used())), *extra)
    return HttpAnswer(status, json.dumps(body, separators=(",", ":")).encode(), headers)


def _result(name: str, request: HttpRequest, desk: Desk) -> Any:
    """Do what a request asks."""
    params = dict(request.query)
    match name:
        case "GET /fapi/v1/ping":
            desk.meter.charge(1)
            return {}
        case "GET /fapi/v1/time":
            desk.meter.charge(1)
            return {"serverTime": desk.server_time()}
        case "GET /fapi/v1/premiumIndex":
            return _premium_index(params.get("symbol"), desk)
        case "POST /fapi/v1/listenKey":
            return {"listenKey": desk.start_listening(_account(request, desk))}
        case "PUT /fapi/v1/listenKey":
            return {"listenKey": desk.keep_listening(_account(request, desk))}
        case "DELETE /fapi/v1/listenKey":
            desk.stop_listening(_account(request, desk))
            return {}
        case _:
            desk.meter.charge(1)
            raise RefusedRequestError(404, -1099, "Not found, unauthenticated, or unauthorized.")


def _account(request: HttpRequest, desk: Desk) -> str:
    """Find whose key the header carries; no signature is needed for listen keys."""
    desk.meter.charge(1)
    api_key = request.header(b"x-mbx-apikey")
    if not api_key:
        raise missing("X-MBX-APIKEY")
    return desk.key_ring.owner(api_key).name


def _premium_index(symbol: str | None, desk: Desk) -> Any:
    """Tell the mark of a symbol, or of all."""
    desk.meter.charge(10 if symbol is None else 1)
    if symbol is not None and symbol not in desk.market.marks:
        raise RefusedRequestError(400, -1121, "Invalid symbol.")
    now = desk.clock.now()
    rows = [
        {
            "symbol": name,
            "markPrice": money(mark),
            "indexPrice": money(mark),
            "estimatedSettlePrice": money(mark),
            "lastFundingRate": FUNDING_RATE,
            "interestRate": FUNDING_RATE,
            "nextFundingTime": next_funding(now),
            "time": now,
        }
        for name, mark in desk.market.marks.items()
        if symbol in {None, name}
    ]
    return rows if symbol is None else rows[0]
