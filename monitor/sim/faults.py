"""Which faults are on."""

from collections.abc import Collection
from typing import TypeVar

from monitor.sim.clock import Clock
from monitor.sim.story_faults import Fault, Skew
from monitor.sim.story_values import Where

F = TypeVar("F", bound=Fault)


class Faults:
    """The faults whose window is open.

    Args:
        clock: The story's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: list[tuple[int, Fault]] = []

    def server_time(self) -> int:
        """Exchange ms as the exchange tells it: a clock that is off dates everything it sends."""
        return self.told_at(self._clock.story_ms())

    def told_at(self, story_ms: int) -> int:
        """Word a moment of the story as the exchange tells it now."""
        skew = self.active(Skew, "api")
        return self._clock.start_ms + story_ms + (skew.by if skew else 0)

    def begin(self, fault: Fault) -> None:
        """Open a fault's window now; a fault without one is over at once."""
        now = self._clock.story_ms()
        self._open = [(end, other) for end, other in self._open if end > now]
        self._open.append((now + getattr(fault, "lasts", 0), fault))

    def active(
        self, kind: type[F], where: Where | None = None, accounts: Collection[str] = ()
    ) -> F | None:
        """Find an open fault of a kind.

        Args:
            kind: Which.
            where: The side that asks; None where the kind has only one.
            accounts: Whom the asking connection has shown itself to belong to.
        """
        return next((fault for fault, _ in self._matching(kind, where, accounts)), None)

    def all(self, kind: type[F], where: Where | None, accounts: Collection[str]) -> list[F]:
        """Find every open fault of a kind, in the order in which they began."""
        return [fault for fault, _ in self._matching(kind, where, accounts)]

    def ends(
        self, kind: type[F], where: Where | None = None, accounts: Collection[str] = ()
    ) -> int | None:
        """Tell when the last open fault of a kind ends, story ms; None where none is open."""
        ends = [end for _, end in self._matching(kind, where, accounts)]
        return max(ends, default=None)

    def _matching(
        self, kind: type[F], where: Where | None, accounts: Collection[str]
    ) -> list[tuple[F, int]]:
        now = self._clock.story_ms()
        return [
            (fault, end)
            for end, fault in self._open
            if end > now and isinstance(fault, kind) and concerns(fault, where, accounts)
        ]


def concerns(fault: Fault, where: Where | None, accounts: Collection[str]) -> bool:
    """Tell whether a fault is meant for a side and for one of these accounts."""
    here = where is None or fault.where in {None, where}
    return here and (fault.account is None or fault.account in accounts)
