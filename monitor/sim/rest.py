"""REST: an HTTP request in, an HTTP answer out; no socket, no task. What is served: `routes`.

Signed requests: query and body in the order sent, without `signature`; the key in `X-MBX-APIKEY`
(docs/protocol.md §3.3).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitor.sim.account import Account
from monitor.sim.amounts import compact
from monitor.sim.desk import Desk
from monitor.sim.keys import check_signature, check_time, missing
from monitor.sim.routes import ROUTES, Question, Route
from monitor.sim.weight import RefusedRequestError

PAGE = (
    b"<html><head><title>Blocked</title></head><body>This page is not the exchange.</body></html>"
)


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
    def name(self) -> str:
        """As requests are counted: `GET /fapi/v1/time`."""
        return f"{self.method} {self.path}"

    @property
    def form(self) -> list[tuple[str, str]]:
        """Pairs of the query and then of the body, in the order sent."""
        return self.query + parse_qsl(self._body_text(), keep_blank_values=True)

    @property
    def signed_text(self) -> str:
        """What a signature covers: query and body as they were sent, without the signature."""
        query = urlsplit(self.target).query
        return _unsigned(query) + _unsigned(self.body.decode("latin-1"))

    def _body_text(self) -> str:
        return self.body.decode("latin-1").replace("+", "%2B")

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
    kind: str = "application/json"
    "Media type."


def _unsigned(pairs: str) -> str:
    kept = [pair for pair in pairs.split("&") if not pair.startswith("signature=")]
    return "&".join(kept)


def answer(request: HttpRequest, desk: Desk) -> HttpAnswer:
    """Answer one request."""
    desk.requests[request.name] += 1
    try:
        return _worded(200, _result(request, desk), desk)
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
    return HttpAnswer(status, compact(body).encode(), headers)


def turned_away(status: int, *, page: bool) -> HttpAnswer:
    """Word what stands between a client and the exchange: a firewall, a proxy, a restricted place.

    Args:
        status: Of HTTP.
        page: Whether it is HTML.
    """
    if page:
        return HttpAnswer(status, PAGE, kind="text/html; charset=utf-8")
    return HttpAnswer(status, b"{}")


def _result(request: HttpRequest, desk: Desk) -> Any:
    """Do what a request asks."""
    route = ROUTES.get(request.name)
    params = dict(request.form)
    if route is None:
        desk.meter.charge(1)
        raise RefusedRequestError(404, -1099, "Not found, unauthenticated, or unauthorized.")
    if route.counted:
        desk.meter.charge(route.weight if "symbol" in params else route.weight_of_all)
    account = _account(request, params, route, desk) if route.key != "none" else None
    desk.refuse_by_fault(request.name, account.name if account else "")
    return route.handle(Question(desk, params, account))


def _account(request: HttpRequest, params: dict[str, str], route: Route, desk: Desk) -> Account:
    """Find whose key the header carries, and check what has to be signed."""
    api_key = request.header(b"x-mbx-apikey")
    if not api_key:
        raise missing("X-MBX-APIKEY")
    account = desk.key_ring.owner(api_key)
    if route.key == "signed":
        check_time(params.get("timestamp"), params.get("recvWindow"), desk.server_time())
        check_signature(request.signed_text, params.get("signature"), account)
    return account
