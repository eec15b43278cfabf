"""Where `requests`, which Apprise's plug-ins speak HTTP with, tells us what it sees.

`requests` makes its sessions with a transport adapter, and `urllib3` its connections by the class
that a pool names: both are meant to be replaced by subclasses. Ours change nothing of what is sent;
they note, in the `Exchange` of the thread, connections and answers. Nobody but Apprise uses either
library in this process. Imported late, as Apprise is.
"""

from collections.abc import Iterator
from typing import Any

import requests
import requests.sessions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, ProtocolError

from monitor.notify.exchange import Exchange, current


def install() -> None:
    """Have every session from now on use our adapter."""
    sessions: Any = requests.sessions  # a name that it looks up, and does not export
    sessions.HTTPAdapter = _Adapter


def _connected(connection: HTTPConnection) -> None:
    exchange = current()
    if exchange is not None:
        exchange.connected(connection.sock)


class _Plain(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _connected(self)


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _connected(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS = {"http": _PlainPool, "https": _SecurePool}


_LONGEST_BODY = 1_000_000  # bytes


class _Bounded:
    """The body of an answer, broken off where it is too long: one without end fills memory."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        length = 0
        for piece in self._raw.stream(*args, **kwargs):
            length += len(piece)
            if length > _LONGEST_BODY:
                self._raw.close()
                raise ProtocolError("the answer is too long")
            yield piece


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if manager.pool_classes_by_scheme["http"] is HTTPConnectionPool:  # SOCKS has its own
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        exchange = current()
        if exchange is None:
            return super().send(request, *args, **kwargs)
        if not exchange.is_open:
            raise requests.ConnectionError("no further request is made")
        try:
            response = super().send(request, *args, **kwargs)
            response.raw = _Bounded(response.raw)
            # Read here, so that a loss is seen here; a stream is its reader's.
            body = b"" if kwargs.get("stream") else response.content
        except (requests.RequestException, OSError) as exc:
            exchange.lost = exchange.lost or exchange.is_connected
            exchange.fault = _fault(exc, exchange)
            raise
        exchange.answered(response.status_code, response.headers, body)
        return response


def _fault(exc: Exception, exchange: Exchange) -> str:
    """Say why there is no answer. Never with the words of `exc`: they hold the URL."""
    if isinstance(exc, requests.exceptions.ReadTimeout):
        return "connected, but no answer in time"
    if exchange.is_connected:
        return "connected, but cut off before the answer was complete"
    if isinstance(exc, requests.exceptions.SSLError):
        return "its certificate is not trusted, or TLS failed"
    if isinstance(exc, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    reason = getattr(exc.args[0] if exc.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return "its name has no address"
    return "no connection"
