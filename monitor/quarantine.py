"""Frames that nobody could read, kept for whoever mends the reader: bounded, private, never fatal.

One JSON line per frame: when, where from, why, and the beginning of its text with the secrets
taken out. The file is readable by its owner alone and is cut to its newer half when it is full.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from monitor.core.events import Now

_log = logging.getLogger(__name__)

_KEPT = 4096
"""Characters of a frame that are kept."""


class Quarantine:
    """Keeps unreadable frames and counts them; no disk trouble ever reaches the caller.

    Args:
        folder: Where `quarantine.jsonl` is written; None: frames are counted only.
        redact: Takes the secrets out of a text.
        now: Our clock; the lines carry its utc face.
        limit_bytes: How large the file may grow.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        redact: Callable[[str], str],
        now: Callable[[], Now],
        limit_bytes: int = 1 << 20,
    ) -> None:
        self._path = folder / "quarantine.jsonl" if folder is not None else None
        self._redact = redact
        self._now = now
        self._limit = limit_bytes
        self._complained = False
        self.counts: Counter[str] = Counter()
        """How many frames were kept or dropped, by source."""

    @property
    def path(self) -> Path | None:
        """The file, whether it exists yet or not."""
        return self._path

    def keep(self, source: str, text: str, why: str) -> None:
        """Keep a frame.

        Args:
            source: Which socket or request it came from.
            text: The frame; the first 4 KiB are kept.
            why: What is wrong with it, from `FrameGarbled`.
        """
        self.counts[source] += 1
        if self._path is None:
            return
        # Redacted before it is cut: a secret that straddles the cut would stand there in part.
        # Twice the length is enough for that and spares the search through a huge frame.
        kept = self._redact(text[: 2 * _KEPT])[:_KEPT]
        row = {"at": self._now().utc, "source": source, "why": self._redact(why), "text": kept}
        line = json.dumps(row).encode() + b"\n"
        try:
            self._make_room(self._path, len(line))
            _append(self._path, line)
        except OSError as fault:
            self._complain(fault)

    def _make_room(self, path: Path, needed: int) -> None:
        """Drop the oldest half of the lines when the new one does not fit."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return
        if size + needed <= self._limit:
            return
        old = path.read_bytes()
        newer = old[len(old) // 2 :]
        start = newer.find(b"\n") + 1  # the first of them is a torn line
        spare = path.with_suffix(".new")
        spare.unlink(missing_ok=True)
        _append(spare, newer[start:])
        spare.replace(path)

    def _complain(self, fault: OSError) -> None:
        if not self._complained:
            self._complained = True
            _log.warning(
                "%s: unreadable frames are counted but not kept: %s",
                self._path,
                fault.strerror or fault,
            )


def _append(path: Path, data: bytes) -> None:
    """Write at the end of a file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(data)
