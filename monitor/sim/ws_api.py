"""The WebSocket API: a request's text in, an answer's text out; no socket, no task.

Source: docs/protocol.md §3, §4.1, §6.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from monitor.sim.account import Account
from monitor.sim.amounts import compact
from monitor.sim.desk import POLL_WEIGHTS, Desk
from monitor.sim.keys import can_log_on, check_signature, check_time, signed_payload
from monitor.sim.weight import RefusedRequestError

_WEIGHTS = POLL_WEIGHTS | {
    "time": 1,
    "ping": 1,
    "userDataStream.start": 1,
    "userDataStream.ping": 1,
    "userDataStream.stop": 1,
    "session.logon": 2,
    "session.status": 2,
    "session.logout": 2,
}
_NOT_HMAC = "HMAC-SHA-256 API key is not supported."


@dataclass
class ApiSession:
    """One socket's memory."""

    connected: int
    "Exchange ms."
    return_rate_limits: bool = True
    "From the URL; a request may say otherwise for itself."
    logged_on: str | None = None
    "The API key of the session, which a request need not name then."
    logged_on_at: int | None = None
    "Exchange ms."
    keys: set[str] = field(default_factory=set)
    "API keys that this socket has used."
    told_revoked: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    "Names of the accounts those keys belong to."


def answer(text: str, session: ApiSession, desk: Desk) -> str:
    """Answer one frame."""
    request_id: Any = None
    params: dict[str, Any] = {}
    body: dict[str, Any]
    try:
        request = _read(text)
        request_id = request.get("id")
        params = request.get("params") or {}
        body = {"status": 200, "result": _result(request["method"], params, session, desk)}
    except RefusedRequestError as exc:
        error: dict[str, Any] = {"code": exc.code, "msg": exc.message}
        if exc.data is not None:
            error["data"] = exc.data
        if exc.anonymous:
            request_id = None
        body = {"status": exc.status, "error": error}
    if params.get("returnRateLimits", session.return_rate_limits) is not False:
        body["rateLimits"] = desk.meter.report()
    return compact({"id": request_id} | body)


def method_of(text: str) -> str:
    """Tell which method a frame asks for; "" where it does not say."""
    try:
        return str(_read(text)["method"])
    except RefusedRequestError:
        return ""


def _read(text: str) -> dict[str, Any]:
    """Read a frame: an object with `id`, `method` and maybe `params`.

    Fractions stay text, so that a signature is checked over what was sent.
    """
    try:
        request = json.loads(text, parse_float=str)
    except ValueError as exc:
        raise RefusedRequestError(400, -1100, "Illegal characters found in a request.") from exc
    if not isinstance(request, dict) or not isinstance(request.get("params") or {}, dict):
        raise RefusedRequestError(400, -1100, "Illegal characters found in a request.")
    if not isinstance(request.get("method"), str):
        raise RefusedRequestError(
            400, -1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed."
        )
    return request


def _result(method: str, params: dict[str, Any], session: ApiSession, desk: Desk) -> Any:
    """Do what a request asks."""
    known = method in _WEIGHTS
    desk.requests[method] += 1
    desk.meter.charge(_WEIGHTS[method] if known else 1)
    if not known:
        raise RefusedRequestError(400, -1099, "Not found, unauthenticated, or unauthorized.")
    if method in {"time", "ping"}:
        desk.refuse_by_fault(method, "")
        return {"serverTime": desk.server_time()} if method == "time" else {}
    if method in {"session.status", "session.logout"}:
        return _session(method, session, desk)
    api_key = params.get("apiKey", session.logged_on)
    told = session.told_revoked if str(api_key) in session.keys else None
    account = desk.key_ring.owner(api_key, told)
    session.keys.add(account.api_key)
    session.accounts.add(account.name)
    if method in POLL_WEIGHTS:
        _check(params, account, session, desk)
        return desk.poll(method, account, params.get("symbol"))
    desk.refuse_by_fault(method, account.name)
    match method:
        case "session.logon":
            return _log_on(params, account, session, desk)
        case "userDataStream.stop":
            desk.stop_listening(account.name)
            return {}
        case "userDataStream.start":
            return {"listenKey": desk.start_listening(account.name)}
        case _:
            return {"listenKey": desk.keep_listening(account.name)}


def _check(params: dict[str, Any], account: Account, session: ApiSession, desk: Desk) -> None:
    """Check time and signature; a session's own key needs no signature (§3.4)."""
    check_time(params.get("timestamp"), params.get("recvWindow"), desk.server_time())
    if session.logged_on == account.api_key and "signature" not in params:
        return
    check_signature(signed_payload(params), params.get("signature"), account)


def _log_on(params: dict[str, Any], account: Account, session: ApiSession, desk: Desk) -> Any:
    """Open a session for a key.

    Raises:
        RefusedRequestError: It is no Ed25519 key, or is not signed for.
    """
    if not can_log_on(account):
        raise RefusedRequestError(400, -2028, _NOT_HMAC)
    check_time(params.get("timestamp"), params.get("recvWindow"), desk.server_time())
    check_signature(signed_payload(params), params.get("signature"), account)
    session.logged_on, session.logged_on_at = account.api_key, desk.server_time()
    return _session("session.logon", session, desk)


def _session(method: str, session: ApiSession, desk: Desk) -> dict[str, Any]:
    """Say whose session this is."""
    if method == "session.logout":
        session.logged_on = session.logged_on_at = None
    return {
        "apiKey": session.logged_on,
        "authorizedSince": session.logged_on_at,
        "connectedSince": session.connected,
        "returnRateLimits": session.return_rate_limits,
        "serverTime": desk.server_time(),
    }
