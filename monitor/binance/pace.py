"""How far apart polls have to be, so that all accounts together fit into the weight they may use.

    interval = configured interval × stretch        stretch = max(1, demand / room)

One stretch for all, so that nobody is polled at another's expense. Only where *others* on this
address leave little, accounts that hold positions share what is kept for them alone.
"""

from collections.abc import Callable

POLL_WEIGHT = 10
"""Of the two requests of a poll, positions and status."""

EXTRA_PER_MINUTE = 14
"""Weight that the settings of all symbols (each minute) and the asset mode (each five) add."""

SLOWEST = 600_000
"""Milliseconds, the longest interval that is ever promised: numbers older than that are unknown
anyway. More accounts than that allows are too many for one address, and some stay blind."""

NOTABLE = 1.1
"""A change by less than this factor is none: the pace shall not flutter."""


class Share:
    """What one account needs of the weight, and how often it may be polled now.

    Args:
        pace: All shares together.
        every: Milliseconds between two polls while there is enough for everybody.
        changed: Called when the pace changed.
    """

    def __init__(self, pace: "Pace", every: int, changed: Callable[[], None]) -> None:
        self._pace = pace
        self.every = every
        self.changed = changed
        self.holding = True
        """Whether the account holds a position; until that is known, it may."""

    @property
    def demand(self) -> float:
        """Weight a minute, unstretched."""
        return POLL_WEIGHT * 60_000 / self.every + EXTRA_PER_MINUTE

    @property
    def stretch(self) -> float:
        """The factor by which everything regular is rarer than configured; 1 and up."""
        return self._pace.stretch_of(self)

    @property
    def interval(self) -> int:
        """Milliseconds between two polls now."""
        return round(self.every * self.stretch)

    @property
    def needed_after(self) -> int | None:
        """Milliseconds after a poll at which the next must not wait for others' sake any more."""
        return self._pace.needed_every if self.holding else None


class Pace:
    """The stretch of all accounts of an address.

    It grows at once, shrinks when a whole minute has had the room, and ignores changes of less than
    a tenth. It holds nothing of what was before: who was crowded out is polled as ever a minute or
    two after the crowd has gone.

    Args:
        needed_every: Milliseconds, how often an account that holds a position is polled at least
            while others use the address.
    """

    def __init__(self, needed_every: int) -> None:
        self.needed_every = needed_every
        self._shares: list[Share] = []
        self._stretch = 1.0
        self._kept = 0.0
        self._held = 0.0  # demand of the accounts that hold positions
        self.planned = 0.0
        """Weight a minute that the polls' two requests will need at this stretch."""

    def join(self, every: int, changed: Callable[[], None]) -> Share:
        """Add an account; `fit` has to follow."""
        share = Share(self, every, changed)
        self._shares.append(share)
        return share

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return len(self._shares)

    @property
    def interval(self) -> int | None:
        """Milliseconds between two polls of the account that is polled least; None: no account."""
        return max((share.interval for share in self._shares), default=None)

    @property
    def stretch(self) -> float:
        """The factor by which everything regular is rarer than configured; 1 and up."""
        return self._stretch

    def fit(self, room: float, kept: float, *, exactly: bool = False, later: bool = False) -> None:
        """Find the stretch at which polls fit.

        Args:
            room: Weight a minute for all.
            kept: Weight a minute beyond that, for accounts with positions alone.
            exactly: Whether to take it as it comes, since the accounts changed.
            later: Whether a minute has gone by, so that the stretch may shrink.
        """
        demand = sum(share.demand for share in self._shares)
        fitting = min(max(1.0, demand / max(room, 1.0)), self._longest)
        before = (self._stretch, self._kept)
        if (
            exactly
            or fitting > self._stretch * NOTABLE
            or (later and (fitting < self._stretch / NOTABLE or fitting == 1.0))
        ):
            self._stretch = fitting
        self._kept = max(0.0, kept)
        self._held = sum(share.demand for share in self._shares if share.holding)
        self.planned = sum(POLL_WEIGHT * 60_000 / share.interval for share in self._shares)
        if (self._stretch, self._kept) != before:
            self.tell()

    @property
    def _longest(self) -> float:
        """The stretch beyond which no account is polled more rarely; see `SLOWEST`."""
        return max([1.0, *(SLOWEST / share.every for share in self._shares)])

    def tell(self) -> None:
        """Call every account that has joined."""
        for share in self._shares:
            share.changed()

    def stretch_of(self, share: Share) -> float:
        """Tell the stretch of one account; see `Share.stretch`."""
        stretch = self._stretch
        if share.holding and self._kept and stretch > 1:
            enough = self.needed_every / share.every
            shared = self._held / (self._held / stretch + self._kept)
            stretch = max(min(stretch, enough), shared, 1.0)
        return min(stretch, max(1.0, SLOWEST / share.every))
