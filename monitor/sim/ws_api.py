"""The WebSocket API: a request's text in, an answer's text out; no socket, no task.

Source: docs/protocol.md §3, §4.1, §6.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from monitor.sim.desk import POLL_WEIGHTS, Desk
from monitor.sim.keys import check_signature, check_time, signed_payload
from monitor.sim.weight import RefusedRequestError

_WEIGHTS = POLL_WEIGHTS | {
    "time": 1,
    "ping": 1,
    "userDataStream.start": 1,
    "userDataStream.ping": 1,
    "userDataStream.stop": 1,
}


@dataclass
class ApiSession:
    """One socket's memory."""

    return_rate_limits: bool = True
    "From the URL; a request may say otherwise for itself."
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
    return json.dumps({"id": request_id} | body, separators=(",", ":"))


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
        return {"serverTime": desk.server_time()} if method == "time" else {}
    api_key = params.get("apiKey")
    told = session.told_revoked if str(api_key) in session.keys else None
    account = desk.key_ring.owner(api_key, told)
    session.keys.add(account.api_key)
    session.accounts.add(account.name)
    if method in POLL_WEIGHTS:
        check_time(params.get("timestamp"), params.get("recvWindow"), desk.server_time())
        check_signature(signed_payload(params), params.get("signature"), account)
        return desk.poll(method, account, params.get("symbol"))
    desk.refuse_by_fault(method, account.name)
    if method == "userDataStream.stop":
        desk.stop_listening(account.name)
        return {}
    renew = desk.start_listening if method.endswith("start") else desk.keep_listening
    return {"listenKey": renew(account.name)}
