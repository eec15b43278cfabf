"""The service's log: stderr, text or JSON lines, without a secret in any of them.

Lines are made and written in a thread of their own: a stderr that nobody empties must not hold up
the watch. What finds no room in the queue is dropped, and how much is said once there is room.
"""

import json
import logging
import queue
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

_ROOM = 10_000  # lines; a few MB, and hours of a quiet service

_NOISY = (
    "apprise",
    "charset_normalizer",
    "httpcore2",
    "markdown",
    "requests",
    "trio-websocket",
    "urllib3",
)
"""Libraries whose debug lines would show URLs with keys in them."""


class _Lines(logging.Formatter):
    """One record, one line; whatever it holds, secrets are taken out of the finished line."""

    def __init__(self, *, as_json: bool, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._as_json = as_json
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if self._as_json:
            line = json.dumps(
                {
                    "at": at.replace("+00:00", "Z"),
                    "level": record.levelname.lower(),
                    "logger": record.name,
                    "text": text,
                },
                ensure_ascii=False,
            )
        else:
            line = f"{at[:19].replace('T', ' ')} {record.levelname.lower():<7} {text}"
        return self._redact(line)


class _Queue(QueueHandler):
    """Hands records over without ever waiting, and counts those for which there is no room."""

    def __init__(self, records: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the record as it is: it stays in this process."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put the record into the queue, if there is room."""
        try:
            if self.dropped:
                text = f"{self.dropped} log lines were dropped: stderr was not read"
                note = logging.LogRecord(record.name, logging.WARNING, "", 0, text, None, None)
                self.queue.put_nowait(note)
                self.dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


@contextmanager
def logging_to(
    file: TextIO | None = None,
    *,
    level: str = "info",
    as_json: bool = False,
    redact: Callable[[str], str] = str,
) -> Iterator[None]:
    """Log to a file (default stderr) for as long as this lasts; what was logged is then written."""
    stream = logging.StreamHandler(file or sys.stderr)
    stream.setFormatter(_Lines(as_json=as_json, redact=redact))
    records: queue.Queue[logging.LogRecord] = queue.Queue(_ROOM)
    handler = _Queue(records)
    listener = QueueListener(records, stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        listener.stop()
