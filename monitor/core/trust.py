"""Whether an account's user stream may be trusted.

A socket that is open, pinged and silent looks like a quiet account. The only proof is in the
polls: what a poll changed has to be told by an event, before it or within a few seconds after it.
A change that nobody told makes the stream suspect: it is told, and the stream is rebuilt.

Differences are expected, and prove nothing, from the loss of a stream until the first complete
poll after it stands again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

EXPLAIN_WITHIN = 5_000
"""Milliseconds that an event has to explain what a poll changed."""
REBUILD_EVERY = 60_000
"""At most one rebuild in so many milliseconds."""
DRIFT_EVERY = 600_000
"""At most one suspicion over a balance or leverage in so many milliseconds."""


@dataclass(slots=True)
class Trust:
    """What is known about one account's user stream; instants are ticks."""

    standing: bool = False
    gap: bool = True
    """Whether the next complete poll may differ without proving anything."""
    fell_at: int | None = None
    """Since when no socket stands; None while one does."""
    waiting: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    """By key: deadline, what changed in words, whether it is only a balance or leverage."""
    suspected_at: int | None = None
    drifted_at: int | None = None

    def stood(self) -> None:
        """A socket stands: what was missed meanwhile comes with the next poll."""
        self.standing = True
        self.fell_at = None
        self.gap = True
        self.waiting.clear()

    def fell(self, ticks: int) -> None:
        """No socket stands any more."""
        self.standing = False
        self.fell_at = ticks if self.fell_at is None else self.fell_at
        self.gap = True
        self.waiting.clear()

    def explained(self, keys: Iterable[str]) -> None:
        """An event told of these keys."""
        for key in keys:
            self.waiting.pop(key, None)

    def polled(
        self,
        unexplained: dict[str, str],
        drifted: dict[str, str],
        ticks: int,
        *,
        complete: bool,
    ) -> None:
        """Take what a poll changed: each change waits for its event."""
        if not self.gap:
            for key, said in unexplained.items():
                self.waiting.setdefault(key, (ticks + EXPLAIN_WITHIN, said, False))
            for key, said in drifted.items():
                self.waiting.setdefault(key, (ticks + EXPLAIN_WITHIN, said, True))
        if complete and self.standing:
            self.gap = False

    def due(self) -> int | None:
        """Tell when the next change will have waited long enough."""
        return min((deadline for deadline, _, _ in self.waiting.values()), default=None)

    def suspect(self, ticks: int) -> str | None:
        """Judge what has waited long enough; returns why the stream is suspect, or None."""
        late = {key: said for key, said in self.waiting.items() if said[0] <= ticks}
        for key in late:
            del self.waiting[key]
        moved = [said for _, said, drift in late.values() if not drift]
        drifts = [said for _, said, drift in late.values() if drift]
        if not moved and drifts:
            if self.drifted_at is not None and ticks - self.drifted_at < DRIFT_EVERY:
                return None
            self.drifted_at = ticks
        why = moved or drifts
        if not why or (self.suspected_at is not None and ticks - self.suspected_at < REBUILD_EVERY):
            return None
        self.suspected_at = ticks
        self.gap = True
        return "; ".join(why)
