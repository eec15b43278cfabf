"""What the delivery tests share: a service that misbehaves to order, once real and once fake.

`Receiver` is a real HTTP server for Apprise's `json://`; `FakeService` stands in for it in virtual
time. One test in test_notify_outcomes.py holds them to the same answers.
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl

import trio

from monitor.core.digest import Tried
from monitor.core.message import Message
from monitor.core.notices import Notice, Target
from monitor.core.rules import Severity
from monitor.notify import Sent

OUTCOMES = [
    [cell.strip() for cell in line.split("|")]
    for line in (Path(__file__).parent / "outcomes.txt").read_text(encoding="utf-8").splitlines()
    if line.count(" | ") == 4
]
"""The rows of outcomes.txt."""

BEHAVIOURS = {row[0]: row[2] for row in OUTCOMES}
"""What a service may do with a message, and what a `Notifier` makes of it."""

WAITS = {row[0]: float(row[3]) for row in OUTCOMES if row[3] != "–"}
"""Seconds that it asks to wait."""

_LATER = {"Retry-After": "7"}
_ANSWERS: dict[str, tuple[int, dict[str, str], str]] = {
    "ok": (200, {}, ""),
    "302": (302, {"Location": "/elsewhere"}, ""),
    "503-header": (503, _LATER, "<html>back soon</html>"),
    "429-header": (429, _LATER, ""),
    "429-date": (
        429,
        {"Date": "Fri, 02 Jan 2026 03:04:05 GMT", "Retry-After": "Fri, 02 Jan 2026 03:04:12 GMT"},
        "",
    ),
    "429-telegram": (
        429,
        {},
        '{"ok": false, "error_code": 429, "parameters": {"retry_after": 7}}',
    ),
    "429-json": (429, {}, '{"message": "You are being rate limited.", "retry_after": 0.529}'),
    "429-discord": (429, {"X-RateLimit-Reset-After": "0.529", "Retry-After": "529"}, ""),
    "429-matrix": (429, {}, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}'),
    "429-year": (429, {"Retry-After": "31536000"}, ""),
    "429-garbled": (429, {"Retry-After": "soon, s3cret"}, ""),
}
"""Status, headers and body; of those not named here the status is all."""


async def inline(call: Callable[..., Any], *args: Any, **_options: Any) -> Any:
    """Stand in for `trio.to_thread.run_sync` in virtual time: a checkpoint, then the call."""
    await trio.lowlevel.checkpoint()
    return call(*args)


def notice(number: int, rule: str = "r", severity: str = "warning", **more: Any) -> Notice:
    """Make a notice that differs only where a test says so."""
    level = Severity[severity.upper()]
    facts: dict[str, Any] = {"at": 0, "kind": "fired", "target": Target("main", "BTCUSDT")}
    return Notice(number=number, severity=level, rule=rule, **facts | more)


_PARTS = re.compile(rb'name="([^"]+)".*?\r\n\r\n(.*?)\r\n--', re.DOTALL)


class Receiver:
    """An HTTP server on loopback that takes `json://` messages.

    Args:
        script: What to do with the requests to come, one after the other; afterwards "ok".
        body: What an answer says that has nothing else to say: Slack has to hear "ok".
        tls: Speak TLS.
    """

    def __init__(
        self, script: Sequence[str] = (), body: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = list(script)
        self.got: list[dict[str, Any]] = []
        """Every message received, whatever was answered."""
        self.body = body
        self.paths: list[str] = []
        """Where they were sent to."""
        self.left = threading.Event()
        """Set when somebody who was dripped to has gone."""
        self.gets: list[str] = []
        """Paths that were asked for by GET: a redirect was followed."""
        self.release = threading.Event()
        """Ends what hangs."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hooks/s3cret-path"

    @property
    def messages(self) -> list[str]:
        return [got["message"] for got in self.got]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @staticmethod
    def _read(content: bytes) -> dict[str, Any]:
        """Read JSON, or a form as Pushover wants it, or one with files, which stay bytes."""
        if content.startswith(b"--"):
            return {name.decode(): value for name, value in _PARTS.findall(content)}
        if content.startswith(b"{"):
            read: dict[str, Any] = json.loads(content)
            return read
        return dict(parse_qsl(content.decode(), keep_blank_values=True))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                owner.paths.append(self.path)
                owner.got.append(owner._read(self.rfile.read(size)))
                owner._answer(self, owner.script.pop(0) if owner.script else "ok")

            def do_GET(self) -> None:
                owner.gets.append(self.path)
                owner._plain(self, "ok")

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        if behaviour in {"close", "cut"}:
            if behaviour == "cut":
                request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly th")
            request.close_connection = True
        elif behaviour in {"hang", "slow"}:
            self.release.wait()
        elif behaviour in {"drip", "drip-body", "flood"}:
            self._drip(request, behaviour)
        else:
            self._plain(request, behaviour)

    def _plain(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        status, headers, body = _ANSWERS.get(behaviour) or (int(behaviour), {}, "")
        request.send_response_only(status)
        for name, value in headers.items():
            request.send_header(name, value)
        content = (body or self.body).encode()
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _drip(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        """Send a header line or a body for ever; dripped, no single read of it takes long."""
        begin = b"\r\nX-Slow: " if behaviour == "drip" else b"\r\n\r\n"
        piece, pause = (b"x" * 65_536, 0.0) if behaviour == "flood" else (b"x", 0.05)
        try:
            request.wfile.write(b"HTTP/1.1 200 OK" + begin)
            while not self.release.wait(pause):
                request.wfile.write(piece)
        except OSError:
            request.close_connection = True
            self.left.set()


class Attempt(NamedTuple):
    """One message that reached the fake."""

    at: float
    channel: str
    number: int
    attempt: int


class FakeService:
    """A `send` for the outbox that keeps what it was given, by trio's clock.

    Args:
        script: Behaviours for the messages to come, by channel; afterwards "ok".
        refuses: Numbers that are always refused.
        takes: Seconds that each send takes.
    """

    DEADLINE = 15.0

    def __init__(
        self,
        script: dict[str, Sequence[str]] | None = None,
        *,
        refuses: Sequence[int] = (),
        takes: float = 0.0,
    ) -> None:
        self.script = {name: list(behaviours) for name, behaviours in (script or {}).items()}
        self.refuses = set(refuses)
        self.takes = takes
        self.retry_after: float | None = None
        self.attempts: list[Attempt] = []
        self.messages: list[tuple[float, str, list[int]]] = []
        """When, to which channel, and the numbers in it."""
        self.arrived: list[Attempt] = []

    async def send(self, channel: str, message: Message) -> Sent:
        at = round(trio.current_time(), 3)
        made = [Attempt(at, channel, *numbers) for numbers in read(message)]
        self.attempts += made
        self.messages.append((at, channel, [attempt.number for attempt in made]))
        script = self.script.get(channel)
        behaviour = script.pop(0) if script else "ok"
        if self.refuses & {attempt.number for attempt in made}:
            behaviour = "500"
        hangs = behaviour in {"hang", "drip", "drip-body"}
        await trio.sleep(self.DEADLINE if hangs else self.takes)
        if behaviour == "ok":
            self.arrived += made
        status: Any = BEHAVIOURS[behaviour]
        wait = WAITS.get(behaviour) if self.retry_after is None else self.retry_after
        return Sent(status, "" if status == "sent" else behaviour, wait)


def compose(tried: Sequence[Tried], channel: str) -> Message:
    """Make a message that `read` can read."""
    numbers = (f"{each.notice.number} {each.attempt}" for each in tried)
    return Message(", ".join(numbers), f"to {channel}")


def read(message: Message) -> list[tuple[int, int]]:
    """List the numbers of a message that `compose` made, each with its attempt."""
    parts = [part.split() for part in message.title.split(", ")]
    return [(int(number), int(attempt)) for number, attempt in parts]


_FOOTER = re.compile(r"^#(\d+) · (?:.* · )?\(attempt (\d+)\)$")
_NAMED = re.compile(r"#(\d+)(?: \(attempt (\d+)\))?")


def numbers_in(body: str) -> list[tuple[int, int]]:
    """List the notices of a message's text, each with its attempt; none is marked: the first.

    A message of one notice has the mark at the end of its last line, a digest behind each number.
    """
    footer = _FOOTER.match(body.rpartition("\n")[2])
    if footer is not None:
        return [(int(footer[1]), int(footer[2]))]
    return [(int(number), int(attempt or 1)) for number, attempt in _NAMED.findall(body)]
