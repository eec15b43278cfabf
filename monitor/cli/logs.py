"""The service's log: stderr, text or JSON lines, without a secret in any of them.

    any thread                        a thread of its own
    record ─▶ its text, whole ─▶ queue ─▶ secrets out ─▶ line ─▶ stderr
                                  └ full: dropped and counted

A stderr that nobody empties must not hold up the watch, so nothing but that thread ever writes to
it. What finds no room is dropped, and how much is said once there is room. Secrets are taken out of
the finished text, with its arguments and its traceback in it; extra fields of a record are not
shown. Of libraries only warnings are: below that they log whole URLs.
"""

import json
import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

_ROOM = 10_000  # lines; a few MB, and hours of a quiet service
FLUSH = 3.0
"""Seconds that the lines that wait may take at the end."""

_OURS = frozenset({"marginwatch", "monitor"})
_NOISY = (
    "apprise",
    "charset_normalizer",
    "httpcore2",
    "markdown",
    "requests",
    "trio-websocket",
    "urllib3",
)
"""Libraries whose many debug records are not even made."""


class _Said(NamedTuple):
    """What is kept of a record: nothing that can change before it is written."""

    created: float
    level: str
    logger: str
    text: str


def _said(record: logging.LogRecord) -> _Said:
    try:
        text = record.getMessage()
    except Exception as fault:  # noqa: BLE001 - logging must not break what it speaks of
        text = f"{record.msg!r} with arguments that do not fit: {type(fault).__name__}"
    if record.exc_info:
        text = f"{text}\n{_FORMATTER.formatException(record.exc_info)}"
    return _Said(record.created, record.levelname.lower(), record.name, text)


_FORMATTER = logging.Formatter()


def _worth_showing(record: logging.LogRecord) -> bool:
    """Let our own records pass, and warnings of others."""
    return record.name.partition(".")[0] in _OURS or record.levelno >= logging.WARNING


def _as_text(said: _Said) -> str:
    at = datetime.fromtimestamp(said.created, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} {said.level:<7} {said.text}"


def _as_json(said: _Said) -> str:
    at = datetime.fromtimestamp(said.created, UTC).isoformat(timespec="milliseconds")
    fields = {
        "at": at.replace("+00:00", "Z"),
        "level": said.level,
        "logger": said.logger,
        "text": said.text,
    }
    return json.dumps(fields, ensure_ascii=False)


class _Handler(logging.Handler):
    """Hands lines to a thread that writes them; never waits.

    Args:
        write: Writes a line, however long that takes.
        as_json: Whether lines are JSON.
        redact: Takes secrets out of a text.
        room: Lines that may wait.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        as_json: bool,
        redact: Callable[[str], str],
        room: int,
    ) -> None:
        super().__init__()
        self.addFilter(_worth_showing)
        self._write = write
        self._line = _as_json if as_json else _as_text
        self._redact = redact
        self._waiting: queue.Queue[_Said | None] = queue.Queue(room)
        self._dropped = 0
        self._ending = False
        # Not waited for at the end of the process: it may hang in a write.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record into the queue, if there is room; called under this handler's lock."""
        said = _said(record)
        try:
            if self._dropped:
                self._waiting.put_nowait(self._loss(said.created))
                self._dropped = 0
            self._waiting.put_nowait(said)
        except queue.Full:
            self._dropped += 1

    def _loss(self, at: float) -> _Said:
        text = f"{self._dropped} log lines were dropped: stderr was not read"
        return _Said(at, "warning", "marginwatch", text)

    def begin(self) -> None:
        """Begin to write."""
        self._thread.start()

    def end(self) -> None:
        """Write what waits, for a bounded time; what is left then is lost."""
        self._ending = True
        with suppress(queue.Full):  # then there is something to wake up for anyway
            self._waiting.put_nowait(None)
        self._thread.join(FLUSH)

    def _run(self) -> None:
        while not (self._ending and self._waiting.empty()):
            said = self._waiting.get()
            if said is not None:
                self._put(said)
            if self._dropped and self._waiting.empty():
                self._say_loss()

    def _say_loss(self) -> None:
        """Say how many were dropped, when nothing else comes to say it before."""
        self.acquire()
        try:
            lost = self._loss(datetime.now(UTC).timestamp())  # noqa: TID251 - a log's own clock
            self._dropped = 0
        finally:
            self.release()
        self._put(lost)

    def _put(self, said: _Said) -> None:
        self._write(self._line(said._replace(text=self._redact(said.text))) + "\n")


def _writer(file: TextIO | None) -> Callable[[str], None]:
    """Make what writes to a file; for stderr below Python's own buffer.

    That has a lock, which a write that hangs would keep from the process's last words.
    """
    stream = sys.stderr if file is None else file
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a test's own stderr

        def write(line: str) -> None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.write(line)
                stream.flush()

        return write
    stream.flush()
    return lambda line: _write_all(descriptor, line.encode(errors="backslashreplace"))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody else's terminal or pipe, which does not wait by itself
            select.select([], [descriptor], [], 1.0)
        except OSError:
            return  # nobody reads it any more


@contextmanager
def logging_to(
    file: TextIO | None = None,
    *,
    level: str = "info",
    as_json: bool = False,
    redact: Callable[[str], str] = str,
    room: int = _ROOM,
) -> Iterator[None]:
    """Log to a file (default stderr) for as long as this lasts.

    What was logged is then written, as far as that is possible within `FLUSH`.

    Args:
        file: Where to.
        level: The least that is logged.
        as_json: Whether lines are JSON objects.
        redact: Takes secrets out of a text; called in a thread.
        room: Lines that may wait to be written; what comes beyond is dropped and counted.
    """
    handler = _Handler(_writer(file), as_json=as_json, redact=redact, room=room)
    handler.setLevel(level.upper())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)  # Python's own would be written by whoever meets them
    handler.begin()
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        root.setLevel(before)
        handler.end()
