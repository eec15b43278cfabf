"""When an account's next poll is due, and what it asks; decisions alone, no I/O.

    due ◀─ every share.interval ┐
        ◀─ want(…), merged ─────┴─▶ plan

A poll asks for positions and status. A *full* one adds the settings of all symbols, a *mode* one
what tells the asset mode. Everything regular is as much rarer as the weight budget has stretched
the interval.

When the exchange refuses a method (not for limits, not for the key), this session goes on without
it: v2 is replaced by v1, v1's settings by its status, or they are inferred from v2's rows.
"""

from dataclasses import dataclass

from monitor.binance.pace import Share
from monitor.binance.ws_api import WEIGHTS

POSITION_V2 = "v2/account.position"
STATUS_V2 = "v2/account.status"
POSITION_V1 = "account.position"
STATUS_V1 = "account.status"
BALANCE = "account.balance"

_SPACING = 2000  # ms between a poll and one that was asked for
_FULL_EVERY = 60_000  # ms
_MODE_EVERY = 300_000  # ms
# ms; not at the next poll: one that asks for it and fails is not complete, and an account whose
# polls all fail so would be taken for blind though its positions are known.
_AGAIN_AFTER = 30_000


@dataclass(slots=True)
class _Wish:
    """What was asked for and has not begun."""

    ticks: int
    """The instant that was named; a poll sent then or later fulfils it."""
    due: int
    full: bool
    urgent: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What one poll asks."""

    full: bool
    mode: bool
    methods: tuple[str, ...]

    @property
    def weight(self) -> int:
        """What it costs."""
        return sum(WEIGHTS[method] for method in self.methods)


class Timetable:
    """The polls of one account.

    Args:
        share: Its part of the weight budget.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._wish: _Wish | None = None
        self._full_asked = False
        self._sent: int | None = None  # ticks, of the last poll
        self._last_full: int | None = None
        self._last_mode: int | None = None
        self._full_losses = 0
        self._refused: set[str] = set()

    # When

    def want(self, ticks: int, now: int, *, full: bool, urgent: bool) -> None:
        """Ask for a poll; see `Polls.want`."""
        due = ticks
        if ticks <= now and not urgent and self._sent is not None:
            due = self._sent + _SPACING
        wish = self._wish
        if wish is None:
            self._wish = _Wish(ticks, due, full, urgent)
        else:
            wish.ticks, wish.due = min(ticks, wish.ticks), min(due, wish.due)
            wish.full, wish.urgent = wish.full or full, wish.urgent or urgent

    @property
    def regular(self) -> int:
        """The instant of the next poll that nobody asked for."""
        return 0 if self._sent is None else self._sent + self._share.interval

    def due(self, *, early: bool) -> int:
        """Tell the instant of the next poll.

        Args:
            early: Whether one that is only asked for may come before its regular time.
        """
        wish = self._wish
        if wish is None or not (early or wish.urgent):
            return self.regular
        return min(self.regular, wish.due)

    def urgent(self, now: int) -> bool:
        """Whether a poll is due that goes before everything else."""
        return self._wish is not None and self._wish.urgent and self._wish.due <= now

    @property
    def needed_at(self) -> int | None:
        """The instant from which others' use of the address is no reason to wait."""
        after = self._share.needed_after
        return None if after is None else (self._sent or 0) + after

    # What

    def plan(self, now: int, *, extras: bool = True) -> Plan:
        """Decide what to ask now.

        Args:
            now: `Now.ticks`.
            extras: Whether settings and mode may be asked for, should they be due.
        """
        stretch = self._share.stretch
        asked = self._full_asked or (self._wish is not None and self._wish.full and self._met(now))
        full = _is_due(self._last_full, now, _FULL_EVERY * stretch)
        # Where the large answer costs the connection twice in a row (it may outgrow the largest
        # frame one day), it must not cost every poll: then the minute alone decides.
        full = extras and (full or (asked and self._full_losses < 2))
        mode = extras and (asked or _is_due(self._last_mode, now, _MODE_EVERY * stretch))
        return Plan(full, mode, self._methods(full=full, mode=mode))

    def wants_more(self, now: int) -> bool:
        """Whether something is asked for or due beyond the regular polls."""
        waits = self._wish is not None and self._wish.due <= now
        return waits or self.plan(now).weight > self.plan(now, extras=False).weight

    def _met(self, now: int) -> bool:
        """Whether a poll sent now fulfils the wish; one for later means to see how it is then."""
        return self._wish is not None and self._wish.ticks <= now

    def _methods(self, *, full: bool, mode: bool) -> tuple[str, ...]:
        wanted = [
            self._unless_refused(POSITION_V2, POSITION_V1),
            self._unless_refused(STATUS_V2, STATUS_V1),
        ]
        if full:
            wanted.append(self._unless_refused(POSITION_V1, STATUS_V1))
        if mode:
            wanted += [STATUS_V1, BALANCE]
        base = set(wanted[:2])
        kept = [method for method in wanted if method in base or method not in self._refused]
        return tuple(dict.fromkeys(kept))

    def _unless_refused(self, method: str, instead: str) -> str:
        return instead if method in self._refused and instead not in self._refused else method

    # What came of it

    def sent(self, plan: Plan, now: int) -> None:
        """Take note that this is asked now, and take the wish that it fulfils."""
        self._sent = now
        if self._wish is not None and self._met(now):
            # What there was no weight for stays asked for.
            self._full_asked = self._full_asked or self._wish.full
            self._wish = None
        if plan.mode:
            self._full_asked = False

    def came(self, plan: Plan, sent: int, got: set[str], *, lost: bool) -> None:
        """Take note of what arrived.

        Args:
            plan: What was asked.
            sent: When (`Now.ticks`).
            got: The methods that were answered.
            lost: Whether an answer is missing because the connection was lost.
        """
        stretch = self._share.stretch
        again = round(_AGAIN_AFTER * stretch)
        if plan.full and (POSITION_V1 in got or POSITION_V1 in self._refused):
            self._last_full, self._full_losses = sent, 0
        elif plan.full:
            self._full_losses += lost
            self._last_full = sent - round(_FULL_EVERY * stretch) + again
        if plan.mode:
            known = STATUS_V1 in got or STATUS_V1 in self._refused
            self._last_mode = sent if known else sent - round(_MODE_EVERY * stretch) + again

    # Methods that this session refuses

    def refuse(self, method: str) -> bool:
        """Take note that a method is not there; whether that is news."""
        news = method not in self._refused
        self._refused.add(method)
        return news

    def is_refused(self, method: str) -> bool:
        """Whether this session does not know a method."""
        return method in self._refused

    def begin_session(self) -> None:
        """Ask everything again: another server may know what the last one refused."""
        self._refused.clear()


def _is_due(last: int | None, now: int, every: float) -> bool:
    return last is None or now - last >= every
