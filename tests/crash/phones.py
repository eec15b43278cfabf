"""Phones: a real HTTP server that several channels post to, one of which may be moody."""

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from tests.crash.marks import Mark, marks_in


class Receipt(NamedTuple):
    """A message that reached a phone, whatever was answered."""

    order: int
    """Connections are counted as they are accepted: that is the order in which they were made."""
    at: float
    """Unix seconds."""
    channel: str
    title: str
    marks: tuple[Mark, ...]
    answer: str
    """ok, 500, close or hang."""
    text: str


class Phones:
    """Takes `json://` messages; a path for each channel.

    Args:
        answer: How a message to a channel is answered: ok, 500, close (at once, without an answer)
            or hang.
        longest_hang: Seconds after which what hangs is closed without an answer.
    """

    def __init__(
        self, answer: Callable[[str], str] = lambda _: "ok", *, longest_hang: float = 2.0
    ) -> None:
        self.longest_hang = longest_hang
        self.answer = answer
        self.release = threading.Event()
        """Ends what hangs."""
        self._receipts: list[Receipt] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def receipts(self) -> list[Receipt]:
        """What was received, in order; whole once the phones are closed."""
        return sorted(self._receipts)

    def url(self, channel: str) -> str:
        return f"json://127.0.0.1:{self.port}/{channel}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for every message that is half read

    def take(self, order: int, channel: str, body: bytes) -> str:
        """Keep a message; tell how to answer it."""
        message = json.loads(body)
        title, text = message["title"], message["message"]
        answer = self.answer(channel)
        marks = tuple(marks_in(f"{title}\n{text}"))
        # Noted before it is answered: who was answered may be killed, and another life begin.
        self._receipts.append(Receipt(order, time.time(), channel, title, marks, answer, text))  # noqa: TID251 - real time is what this test is about
        return answer


class Moods:
    """Answers of a storm: one channel fails part of the time.

    Args:
        moody: That channel.
        seed: Of its moods.
    """

    def __init__(self, moody: str, seed: int) -> None:
        self.calm = False
        """Whether it has come to its senses."""
        self._moody = moody
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, channel: str) -> str:
        if self.calm or channel != self._moody:
            return "ok"
        with self._lock:
            return self._rng.choices(["ok", "500", "close", "hang"], [6, 2, 1, 1])[0]


class _Server(ThreadingHTTPServer):
    """Counts connections as they are accepted; threads may be run in any order."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.accepted = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.accepted += 1
        super().process_request(request, (*client_address, self.accepted))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed while it was answered."""


def _handler(phones: Phones) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            body = self.rfile.read(size)
            if len(body) < size:
                return  # killed while it wrote: nobody has received this
            order = int(self.client_address[-1])
            answer = phones.take(order, self.path.strip("/"), body)
            if answer == "hang":
                phones.release.wait(phones.longest_hang)
            if answer in {"hang", "close"}:
                return
            self.send_response(200 if answer == "ok" else int(answer))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


def heard(receipts: Sequence[Receipt], channel: str) -> list[Mark]:
    """List the numbers that a channel received, in order."""
    return [mark for got in receipts if got.channel == channel for mark in got.marks]
