"""What the HTTP requests of one send came to: noted below Apprise, which tells less.

Apprise says of a failure neither how long the service asks us to wait (but for Telegram, in words)
nor whether the message may have got there all the same. Both stand here, noted by `tap`.

    connect ─ fails ───────────────────────────▶ not received
       └ connected ─ an answer, read to its end ─▶ as the answer says
                          └ none, or cut short ──▶ lost: it may have been received
"""

import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_WAIT = 3600.0
"""Seconds. A service that asks for more (garbled, a proxy's idea, or a ban) is asked again after an
hour: one request an hour harms nobody, and a channel that is silent for a year harms us."""

TOO_MANY_REQUESTS = 429

_IN_WORDS = re.compile(r"retry[ _-]after\D{0,3}(\d+(?:\.\d+)?)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_ANSWER = 100_000  # bytes; what is longer is a web page


class Exchange:
    """The requests of one send; made on the loop, filled by the thread that sends."""

    def __init__(self) -> None:
        self.lost = False
        """Whether a request may have been received, though no whole answer came."""
        self.limited = False
        """Whether the service answered that there are too many requests."""
        self.wait: float | None = None
        """Seconds that it asked us to wait, at most `LONGEST_WAIT`."""
        self.fault = ""
        """Why there was no answer, in a few words of our own."""
        self._sockets: list[socket.socket] = []
        self._cut = False

    @property
    def is_open(self) -> bool:
        """Whether one more request may be made.

        After a 429 none may: some plug-ins sleep in the thread and try again by themselves.
        """
        return not self._cut and not self.limited

    def connected(self, sock: socket.socket | None) -> None:
        """Keep the socket of a connection that was made, so that it can be cut."""
        if sock is not None:
            self._sockets.append(sock)
        if self._cut:
            self.cut()

    @property
    def is_connected(self) -> bool:
        """Whether any connection was made."""
        return bool(self._sockets)

    def answered(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Note a whole answer."""
        if status < 400:
            return
        self.limited = status == TOO_MANY_REQUESTS
        asked = wait_asked(headers, body)
        if asked is not None:
            self.wait = max(self.wait or 0.0, asked)

    def cut(self) -> None:
        """End what still hangs, from another thread: a peer that drips would keep it for ever."""
        self._cut = True
        for sock in self._sockets:
            with suppress(OSError):  # closed already
                # Not the method of a TLS socket, which would unwrap it under the reader's hands.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


_here = threading.local()


@contextmanager
def watching(exchange: Exchange) -> Iterator[None]:
    """Note in `exchange` what this thread asks of anybody."""
    _here.exchange = exchange
    try:
        yield
    finally:
        _here.exchange = None


def current() -> Exchange | None:
    """Return the exchange of this thread; None: nobody wants to know."""
    found: Exchange | None = getattr(_here, "exchange", None)
    return found


# ------------------------------------------------------------------ how long to wait


def wait_asked(headers: Mapping[str, str], body: bytes) -> float | None:
    """Find out how long an answer asks us to wait, in seconds; None: it does not say.

    Discord's own header comes first: `Retry-After` of its oldest, unversioned address, which
    Apprise uses, has been milliseconds at times.
    """
    for name in ("X-RateLimit-Reset-After", "Retry-After"):
        asked = _seconds(headers.get(name)) if name in headers else None
        if asked is not None:
            return asked
    return _until(headers) if "Retry-After" in headers else _in_json(body)


def wait_in_words(lines: Iterable[str]) -> float | None:
    """Find out likewise from what a plug-in logged: "Too Many Requests: retry after 7"."""
    found = next(filter(None, map(_IN_WORDS.search, lines)), None)
    return _seconds(found[1]) if found else None


def _seconds(said: Any) -> float | None:
    """Read a number of seconds that is 0 or more; None: it is none."""
    text = str(said).strip()
    return min(float(text), LONGEST_WAIT) if _NUMBER.fullmatch(text) else None


def _until(headers: Mapping[str, str]) -> float | None:
    """Read a `Retry-After` that is an instant; against the answer's own date, never our clock."""
    until, date = _instant(headers["Retry-After"]), _instant(headers.get("Date", ""))
    if until is None or date is None:
        return None
    return min(max((until - date).total_seconds(), 0.0), LONGEST_WAIT)


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _in_json(body: bytes) -> float | None:
    """Telegram: {"parameters": {"retry_after": 7}}; others: `retry_after` or, Matrix, `…_ms`."""
    if len(body) > _LONGEST_ANSWER:
        return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    parameters = answer.get("parameters")
    for table in (answer, parameters if isinstance(parameters, dict) else {}):
        asked = _seconds(table.get("retry_after"))
        if asked is not None:
            return asked
    milliseconds = answer.get("retry_after_ms")
    return _seconds(milliseconds / 1000) if type(milliseconds) is int else None
