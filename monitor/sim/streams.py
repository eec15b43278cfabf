"""Stream sockets: what a URL asks for, what SUBSCRIBE changes, and what is pushed.

    /private/ws?listenKey=K[&events=A/B]   raw        /private/stream?listenKey=K   wrapped
    /private/ws/K                          raw        /private/ws, SUBSCRIBE [K]    raw
    /market/ws/a/b                         raw        /market/stream?streams=a/b    wrapped
    /public/…                              acknowledged, carries nothing of ours
    /ws/…, /stream…                        the legacy addresses: acknowledged, silent for ever

A key that nobody knows, and a stream that is not here, are accepted like any other: that is how the
exchange does it (docs/protocol.md §0, §1.2 to §1.4, §2).
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from monitor.sim.amounts import compact
from monitor.sim.server import Peer
from monitor.sim.story_values import Where

_PATH = re.compile(r"/(?:(private|market|public)/)?(ws|stream)(?:/(.*))?")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MESSAGES_PER_SECOND = 10
_LARGEST_ID, _LONGEST_ID = 1 << 63, 36


@dataclass
class Subscription:
    """What one stream socket is to be told."""

    route: str
    "private, market, public, or legacy."
    combined: bool
    "Every push wrapped into `stream` and `data`."
    names: dict[str, frozenset[str] | None] = field(default_factory=dict)
    "Listen key or stream name → the only events wanted; None: all."
    path_names: tuple[str, ...] = ()
    "Those of them that the path has, not the query."

    @property
    def where(self) -> Where:
        """Which side of the exchange it belongs to."""
        return "private" if self.route in {"private", "legacy"} else "market"


def subscription(target: str) -> Subscription | None:
    """Read a stream URL's path and query; None where it is no stream URL."""
    parts = urlsplit(target)
    match = _PATH.fullmatch(parts.path)
    if match is None:
        return None
    route, mode, rest = match.groups()
    found = Subscription(route or "legacy", combined=mode == "stream")
    if rest:
        found.path_names = tuple(unquote(rest).split("/"))
        found.names |= dict.fromkeys(found.path_names)
    key = None
    for name, value in parse_qsl(parts.query.replace("+", "%2B")):
        if name == "streams":
            found.names |= dict.fromkeys(value.split("/"))
        elif name == "listenKey":
            key = value
            found.names[key] = None
        elif name == "events" and key is not None:
            found.names[key] = frozenset(value.split("/"))
    return found


class StreamSession:
    """One stream socket.

    Args:
        peer: Its connection.
        wanted: What its URL asked for.
        subscribed: Called when names were added, with the names.
    """

    def __init__(
        self, peer: Peer, wanted: Subscription, subscribed: Callable[["StreamSession"], None]
    ) -> None:
        self.peer = peer
        self.wanted = wanted
        self._subscribed = subscribed

    def push(self, name: str, text: str, event: str | None = None) -> bool:
        """Push a frame if this socket wants it.

        Args:
            name: Listen key or stream name.
            text: The payload.
            event: Type of a user event; None for market data.

        Returns:
            Whether it was wanted.
        """
        if name not in self.wanted.names:
            return False
        only = self.wanted.names[name]
        if only is not None and event not in only:
            return False
        if self.wanted.combined:
            text = f'{{"stream":{compact(name)},"data":{text}}}'
        self.peer.send(text)
        return True

    def on_text(self, text: str) -> None:
        """Answer a control message."""
        self.peer.send(compact(self._answered(text)))

    def _answered(self, text: str) -> dict[str, Any]:
        try:
            message = json.loads(text)
        except ValueError as exc:
            line, column = getattr(exc, "lineno", 1), getattr(exc, "colno", 1)
            place = f"line {line} column {column}"
            return {"code": 3, "msg": f"Invalid JSON: expected value at {place}"}
        fault = _fault_of(message, len(text))
        if fault is not None:
            return {"code": 2, "msg": f"Invalid request: {fault}"}
        params = message.get("params") or []
        match message["method"]:
            case "SUBSCRIBE":
                self._subscribe(map(str, params))
            case "UNSUBSCRIBE":
                for name in params:
                    self.wanted.names.pop(str(name), None)
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(self.wanted.names), "id": message["id"]}
            case method:
                return self._property(method, params, message["id"])
        return {"result": None, "id": message["id"]}

    def _subscribe(self, names: Iterable[str]) -> None:
        self.wanted.names |= dict.fromkeys(names)
        self._subscribed(self)

    def _property(self, method: str, params: list[Any], request_id: object) -> dict[str, Any]:
        """Read or set `combined`, the one property there is."""
        if not params or params[0] != "combined":
            return {"code": 0, "msg": "Unknown property"}
        if method == "GET_PROPERTY":
            return {"result": self.wanted.combined, "id": request_id}
        if len(params) < 2 or not isinstance(params[1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        self.wanted.combined = params[1]
        return {"result": None, "id": request_id}


def _fault_of(message: Any, length: int) -> str | None:
    """Say what is wrong with a control message, in the exchange's words (§2)."""
    if not isinstance(message, dict) or "method" not in message:
        return f"missing field `method` at line 1 column {length}"
    if message["method"] not in _METHODS:
        known = ", ".join(f"`{method}`" for method in _METHODS)
        column = length - 1
        return (
            f"unknown variant {message['method']}, expected one of {known}"
            f" at line 1 column {column}"
        )
    if not _is_id(message.get("id")):
        return "request ID must be an unsigned integer"
    params = message.get("params")
    if params is not None and not isinstance(params, list):
        return "invalid type: expected a sequence"
    most = {"LIST_SUBSCRIPTIONS": 0, "GET_PROPERTY": 1, "SET_PROPERTY": 2}
    if params is not None and len(params) > most.get(message["method"], 1024):
        return "too many parameters"
    return None


def _is_id(value: Any) -> bool:
    """Tell whether a request may have this id.

    The documents want a whole number; Binance's own SDK sends a text and waits for its echo.
    """
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_ID
