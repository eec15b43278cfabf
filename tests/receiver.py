"""What the delivery tests share: a service that misbehaves to order, once real and once fake.

`Receiver` is a real HTTP server for Apprise's `json://`; `FakeService` stands in for it in virtual
time. One test in test_notify.py holds them to the same answers.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

import trio

from monitor.core.digest import Tried
from monitor.core.message import Message
from monitor.core.notices import Notice, Target
from monitor.core.rules import Severity
from monitor.notify import Sent

BEHAVIOURS = {
    "ok": "sent",
    "500": "refused",
    "429": "refused",
    "302": "refused",
    "close": "refused",
    "hang": "unknown",
    "drip": "unknown",
}
"""What a service may do with a message, and what a `Notifier` makes of it."""


async def inline(call: Callable[..., Any], *args: Any, **_options: Any) -> Any:
    """Stand in for `trio.to_thread.run_sync` in virtual time: a checkpoint, then the call."""
    await trio.lowlevel.checkpoint()
    return call(*args)


def notice(number: int, rule: str = "r", severity: str = "warning", **more: Any) -> Notice:
    """Make a notice that differs only where a test says so."""
    level = Severity[severity.upper()]
    facts: dict[str, Any] = {"at": 0, "kind": "fired", "target": Target("main", "BTCUSDT")}
    return Notice(number=number, severity=level, rule=rule, **facts | more)


class Receiver:
    """An HTTP server on loopback that takes `json://` messages.

    Args:
        script: What to do with the requests to come, one after the other; afterwards "ok".
    """

    def __init__(self, script: Sequence[str] = ()) -> None:
        self.script = list(script)
        self.got: list[dict[str, Any]] = []
        """Every message received, whatever was answered."""
        self.gets: list[str] = []
        """Paths that were asked for by GET: a redirect was followed."""
        self.release = threading.Event()
        """Ends what hangs."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/hooks/s3cret-path"

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                owner.got.append(json.loads(self.rfile.read(size)))
                owner._answer(self, owner.script.pop(0) if owner.script else "ok")

            def do_GET(self) -> None:
                owner.gets.append(self.path)
                owner._plain(self, 200)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        if behaviour == "close":
            request.close_connection = True
        elif behaviour == "hang":
            self.release.wait()
        elif behaviour == "drip":
            self._drip(request)
        else:
            self._plain(request, 200 if behaviour == "ok" else int(behaviour))

    @staticmethod
    def _plain(request: BaseHTTPRequestHandler, status: int) -> None:
        request.send_response(status)
        if status == 302:
            request.send_header("Location", "/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _drip(self, request: BaseHTTPRequestHandler) -> None:
        """Send a header line for ever, a piece at a time: no single read takes long."""
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.release.wait(0.05):
                request.wfile.write(b"x")
        except OSError:
            request.close_connection = True


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
        await trio.sleep(self.DEADLINE if behaviour in {"hang", "drip"} else self.takes)
        if behaviour == "ok":
            self.arrived += made
        status: Any = BEHAVIOURS[behaviour]
        return Sent(status, "" if status == "sent" else behaviour, self.retry_after)


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
