"""Whether an account's user stream may be trusted.

A socket that is open, pinged and silent looks like a quiet account. The only proof is in the
polls: what a poll changed has to be told by an event, before it or within a few seconds after it.
A change that nobody told makes the stream suspect: it is told, and the stream is rebuilt.

Differences are expected, and prove nothing, from the loss of a stream (or from a suspicion) until
the first complete poll that was sent after it stands again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

EXPLAIN_WITHIN = 5_000
"""Milliseconds that an event has to explain what a poll changed."""
REBUILD_EVERY = 60_000
"""At most one rebuild in so many milliseconds."""
DRIFT_EVERY = 600_000
"""At most one suspicion over a balance or leverage in so many milliseconds."""


class Change(NamedTuple):
    """What a poll changed and no event has told yet."""

    deadline: int
    said: str
    """What changed, in words."""
    drift: bool
    """Whether it is only a balance or a leverage."""


class Verdict(NamedTuple):
    """What follows from changes that waited long enough."""

    why: str | None
    """Why the stream is suspect; None where it is not, or not yet."""
    drifts: tuple[str, ...]
    """Balances and leverages that were taken over unexplained."""


@dataclass(slots=True)
class Trust:
    """What is known about one account's user stream; instants are ticks."""

    standing: bool = False
    gap_since: int | None = None
    """The first complete poll sent from here on ends a time in which differences prove nothing."""
    gap: bool = True
    waiting: dict[str, Change] = field(default_factory=dict)
    suspected_at: int | None = None
    drifted_at: int | None = None

    def stood(self, ticks: int) -> None:
        """A socket stands: what was missed meanwhile comes with the next poll."""
        self.standing = True
        self._doubt(ticks)

    def fell(self, ticks: int) -> None:
        """No socket stands any more."""
        self.standing = False
        self._doubt(ticks)

    def _doubt(self, ticks: int) -> None:
        self.gap, self.gap_since = True, ticks
        self.waiting.clear()

    def explained(self, keys: Iterable[str]) -> None:
        """An event told of these keys."""
        for key in keys:
            self.waiting.pop(key, None)

    def polled(
        self,
        unexplained: Mapping[str, str],
        drifted: Mapping[str, str],
        *,
        sent: int,
        ticks: int,
        complete: bool,
    ) -> None:
        """Take what a poll changed: each change waits for its event."""
        if not self.gap:
            for key, said in unexplained.items():
                if key not in self.waiting or self.waiting[key].drift:
                    self.waiting[key] = Change(ticks + EXPLAIN_WITHIN, said, drift=False)
            for key, said in drifted.items():
                self.waiting.setdefault(key, Change(ticks + EXPLAIN_WITHIN, said, drift=True))
        elif complete and self.standing and self.gap_since is not None and sent >= self.gap_since:
            self.gap = False

    def due(self) -> int | None:
        """Tell when the next change will have waited long enough."""
        return min((change.deadline for change in self.waiting.values()), default=None)

    def suspect(self, ticks: int) -> Verdict:
        """Judge what has waited long enough.

        Within a minute of the last rebuild a change waits on, and is judged at its end.
        """
        late = {key: change for key, change in self.waiting.items() if change.deadline <= ticks}
        for key in late:
            del self.waiting[key]
        drifts = tuple(change.said for change in late.values() if change.drift)
        moved = {key: change for key, change in late.items() if not change.drift}
        if moved and self.suspected_at is not None and ticks - self.suspected_at < REBUILD_EVERY:
            again = self.suspected_at + REBUILD_EVERY
            self.waiting |= {key: change._replace(deadline=again) for key, change in moved.items()}
            moved = {}
        why = [change.said for change in moved.values()]
        if not why and drifts and self._may_drift(ticks):
            self.drifted_at = ticks
            why = list(drifts)
        if not why:
            return Verdict(None, drifts)
        self.suspected_at = ticks
        self._doubt(ticks)
        return Verdict("; ".join(why), drifts)

    def _may_drift(self, ticks: int) -> bool:
        drifted_at, suspected_at = self.drifted_at, self.suspected_at
        return (drifted_at is None or ticks - drifted_at >= DRIFT_EVERY) and (
            suspected_at is None or ticks - suspected_at >= REBUILD_EVERY
        )
