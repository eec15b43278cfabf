"""When the exchange may be asked at all: its limits count per address, not per account.

    take(weight, rank) ── by rank, then who waited longest ──▶ gate open? ─▶ room in this minute?

What goes out is counted in the exchange's own minutes; what its answers tell beyond that is
others' on this address. Three bounds hold for a minute:

    ours    at most `max_share` of the limit, always: it is the operator's word
    total   below 80 % of the limit, others' included
    total   below 95 %, for a poll that an account with a position would otherwise miss

A 429 or 418 closes the gate until it says; every request and every dial passes it first, because
a reconnect costs weight too and one during a ban lengthens it.
"""

import bisect
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import trio

from monitor.binance.gate import BANNED, Gate
from monitor.binance.pace import NOTABLE, Pace, Share
from monitor.core.events import Now

HANDSHAKE = 5
"""Weight of opening a socket of the WebSocket API."""

_MINUTE = 60_000
_ALL = 0.8  # of the limit, for everybody on this address
_ALL_AT_NEED = 0.95
_REGULAR = 0.85  # of our room, for what is regular; connections and what events ask need the rest
_EDGE = 500  # ms around the turn of a minute in which a request may be counted in either
_JITTER = 5000  # ms by which the accounts' measures of one clock may differ
_OVERDUE = 5 * _MINUTE  # after which even the lowest goes with the polls, one a minute
_LOW_CHANCE = 1.0  # seconds after which a low rank looks again


class Rank(IntEnum):
    """Who goes first when not everything may be asked at once."""

    URGENT = 0
    """A poll after a forced order or margin call, and what makes a connection."""
    POLL = 1
    """The positions and status of an account."""
    REFERENCE = 2
    """Brackets, asset prices: they cost next to nothing, and estimates rest on them."""
    EXTRA = 3
    """The settings of all symbols, the asset mode; a poll that an event asks for."""
    PAST = 4
    """Forced orders of the past: the dearest of all, and news by then in any case."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The budget at one instant, for people."""

    used_by_us: int
    """Weight in the running minute."""
    used_total: int
    """Of this address, as far as answers told."""
    limit: int
    """Per minute, by the last answer that told."""
    share: int
    """The most that we use of it now; less than configured for some minutes after a 429."""
    stretch: float
    """Polls are rarer by this factor than configured; 1: they are not."""
    interval: int | None
    """Milliseconds between two polls of an account; None without accounts."""
    closed_for: float
    """Seconds until a request may be made; 0 while it may."""
    banned: bool
    waiting: int
    """Requests that wait for weight."""


@dataclass(eq=False, slots=True)
class _Waiter:
    number: int
    weight: int
    rank: Rank
    since: int
    needed_at: int | None
    served: trio.Event = field(default_factory=trio.Event)


def _place(waiter: _Waiter) -> tuple[int, int]:
    return (waiter.rank, waiter.number)


class Budget:
    """The weight of one address, shared by everything that asks from it.

    Args:
        now: Our clock, both faces.
        max_share: The most that we use of the limit, 0 to 1.
        stale_after: Milliseconds from which numbers are aged; accounts that hold a position are
            polled twice in that time though others use much.
        on_ban: Told once of each ban: when it ends (our clock, unix milliseconds), and Binance's
            words.
        log: Where the pace, refusals and bans are told.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Now],
        max_share: float = 0.5,
        stale_after: int = 30_000,
        on_ban: Callable[[int, str], None] = lambda _until, _message: None,
        log: logging.Logger | None = None,
    ) -> None:
        self._now = now
        self._max_share = max_share
        self._log = log or logging.getLogger("marginwatch")
        self._gate = Gate(now, on_ban, self._log)
        self._pace = Pace(stale_after // 2)
        self._numbers = itertools.count()
        self._waiting: list[_Waiter] = []
        # The running minute
        self._minute = -1
        self._spent = 0
        self._edge = (-1, 0)  # the last half second in which something was spent, and how much
        self._carried = 0  # spent at the very end of the last minute, maybe counted in this one
        self._others = 0
        self._others_before = 0.0
        self._told = False
        self._slowed = False
        self._care = 1.0  # of our share; less for some minutes after a 429
        # What was said of the pace: when, and which interval
        self._said_at = -_MINUTE
        self._said_stretch = 1.0
        self.offset = 0
        """The exchange's clock minus ours, milliseconds, as somebody measured it last."""
        self.used_weight = 0
        """Of this address in the running minute, by the last answer that told."""
        self.weight_limit = 2400
        """Per minute; 2400 is the documented one, the answers tell the present one."""
        self.heard = False
        """Whether an answer has told the limit yet."""

    # ------------------------------------------------------------ the gate

    @property
    def closed_for(self) -> float:
        """Seconds until a request may be made; 0 while it may."""
        return self._gate.closed_for

    async def wait_open(self) -> None:
        """Wait until a request may be made."""
        await trio.lowlevel.checkpoint()
        # A clock is waited for, and the instant may move away meanwhile: no event tells of either.
        while (seconds := self.closed_for) > 0:  # noqa: ASYNC110  (see the comment above)
            await trio.sleep(seconds)

    def refused(
        self, status: int, *, retry_at: int | None, offset: int, message: str = ""
    ) -> float:
        """Close the gate after a 429 or 418; after a 429 less is used for some minutes.

        Args:
            status: Which of them.
            retry_at: Unix milliseconds by the exchange's clock before which it wants no request,
                where it told.
            offset: The exchange's clock minus ours, milliseconds.
            message: Binance's words.

        Returns:
            Seconds until the gate opens.
        """
        self._turn()
        self._gate.close(status, retry_at=retry_at, offset=offset, message=message)
        if status != BANNED and not self._slowed:
            self._slowed = True
            self._care = max(0.25, self._care * 0.7)
        return self.closed_for

    def resume_ban(self, until: int) -> None:
        """Keep to a ban that an earlier run was told of: until when, our clock, unix ms."""
        self._gate.resume(until)

    # ------------------------------------------------------------ weight

    async def take(
        self, weight: int, *, rank: Rank = Rank.POLL, needed_at: int | None = None
    ) -> None:
        """Wait until a request of this weight may be made, and count it as made.

        Args:
            weight: As documented for the request.
            rank: Lower ranks are served first, within a rank who waited longest.
            needed_at: The instant (`Now.ticks`) from which others' use is no reason to wait.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        since = self._now().ticks
        waiter = _Waiter(next(self._numbers), weight, rank, since, needed_at)
        bisect.insort(self._waiting, waiter, key=_place)
        try:
            self._serve()
            while not waiter.served.is_set():
                with trio.move_on_after(self._until_chance(waiter)):
                    await waiter.served.wait()
                self._serve()
            await trio.lowlevel.cancel_shielded_checkpoint()
        except trio.Cancelled:
            if waiter.served.is_set():
                self.give_back(weight)
            else:
                self._waiting.remove(waiter)
            raise

    def try_take(self, weight: int, *, rank: Rank) -> bool:
        """Take weight if it is there at this instant and nobody waits who goes first."""
        self._turn()
        ahead = any(waiter.rank <= rank for waiter in self._waiting)
        if ahead or self.closed_for > 0 or not self._fits(weight, low=rank > Rank.POLL):
            return False
        self._spend(weight)
        return True

    def give_back(self, weight: int) -> None:
        """Return weight that was taken and not used."""
        self._spent = max(0, self._spent - weight)
        self._serve()

    def counted(self, used: int, limit: int | None = None, *, asked_at: int | None = None) -> None:
        """Take note of the weight that an answer told.

        Args:
            used: The count of the address in the running minute.
            limit: Per minute; None where the answer does not tell.
            asked_at: When the request was sent (`Now.ticks`): an answer to a request of the last
                minute may tell the last minute's count.
        """
        self._turn()
        now = self._now()
        if limit is not None and limit > 0:
            self._note_limit(limit)
        since = (now.utc + self.offset) % _MINUTE  # ms since the minute began
        if asked_at is not None and now.ticks - asked_at > since:
            return
        self.used_weight = used
        if since < _EDGE:
            return  # by the exchange's own clock it may be the last minute's
        self._told = True
        # One garbled count must not keep us from asking: nobody uses more than there is.
        others = min(used, self.weight_limit) - self._spent - self._carried
        if others > self._others:
            self._others = others
            self._fit()
        self._serve()

    def _note_limit(self, limit: int) -> None:
        first, self.heard = not self.heard, True
        if limit != self.weight_limit:
            self.weight_limit = limit
            self._fit(exactly=True)
        if first:
            self._pace.tell()
            self._say_pace()

    def _turn(self) -> None:
        """Begin a new minute of the exchange's, if one has begun."""
        now = self._now()
        server = now.utc + self.offset
        self._gate.look()
        minute = server // _MINUTE
        if minute == self._minute or (server + _JITTER) // _MINUTE == self._minute == minute + 1:
            return  # the same; or the last one once more, by another account's measure
        begun = minute * _MINUTE // _EDGE
        self._carried = self._edge[1] if self._edge[0] == begun - 1 else 0
        # Nothing told is not "no others": what was known before fades, and is not forgotten.
        self._others_before = self._others if self._told else self._others_before / 2
        self._minute = minute
        self._spent = self._others = self.used_weight = 0
        self._told = self._slowed = False
        self._care = min(1.0, self._care + 0.1)
        self._fit(later=True)
        self._promote()

    def _spend(self, weight: int) -> None:
        slot = (self._now().utc + self.offset) // _EDGE
        self._edge = (slot, weight + (self._edge[1] if self._edge[0] == slot else 0))
        self._spent += weight

    @property
    def _cap(self) -> float:
        """The most that we use in a minute."""
        return self.weight_limit * self._max_share * self._care

    def _room(self, *, at_need: bool = False) -> float:
        """Tell what we may use in this minute, what others use left out; may be negative."""
        others = max(self._others, self._others_before)
        bound = _ALL_AT_NEED if at_need else _ALL
        return min(self._cap, self.weight_limit * bound - others)

    def _fits(self, weight: int, *, low: bool, at_need: bool = False) -> bool:
        room = self._room(at_need=at_need)
        if low:
            # The polls of this minute come first, those that are still to come too.
            to_come = 1 - (self._now().utc + self.offset) % _MINUTE / _MINUTE
            room -= self._pace.planned * to_come
        # Something heavier than a whole share gets a minute of its own.
        return self._spent + self._carried + min(weight, self._cap) <= room

    def _serve(self) -> None:
        """Let go whoever may: by rank, then by who waited longest."""
        if not self._waiting or self.closed_for > 0:
            return
        self._turn()
        ticks = self._now().ticks
        blocked = False
        for waiter in tuple(self._waiting):
            low = waiter.rank > Rank.POLL
            need = waiter.needed_at is not None and ticks >= waiter.needed_at
            if (blocked and not need) or not self._fits(waiter.weight, low=low, at_need=need):
                if low:
                    return  # nobody behind it is needed
                blocked = True
                continue
            self._waiting.remove(waiter)
            self._spend(waiter.weight)
            waiter.served.set()

    def _promote(self) -> None:
        """Let one that was passed over for minutes go with the polls: none waits for ever."""
        low = (one for one in self._waiting if one.rank > Rank.POLL)
        oldest = min(low, key=lambda one: one.since, default=None)
        if oldest is not None and self._now().ticks - oldest.since >= _OVERDUE:
            self._waiting.remove(oldest)
            oldest.rank = Rank.POLL
            bisect.insort(self._waiting, oldest, key=_place)

    def _until_chance(self, waiter: _Waiter) -> float:
        """Seconds after which it is worth to look again, should nobody call."""
        if (closed := self.closed_for) > 0:
            return closed
        now = self._now()
        seconds = (_MINUTE - (now.utc + self.offset) % _MINUTE) / 1000
        if waiter.rank > Rank.POLL:
            # Who stands behind others is served when one of them looks: it need not look so often.
            seconds = min(seconds, _LOW_CHANCE * (self._waiting.index(waiter) + 1))
        if waiter.needed_at is not None and waiter.needed_at > now.ticks:
            seconds = min(seconds, (waiter.needed_at - now.ticks) / 1000)
        return seconds

    # ------------------------------------------------------------ the pace

    def join(self, every: int, changed: Callable[[], None]) -> Share:
        """Enter an account whose polls are wanted every so many milliseconds.

        Args:
            every: That interval.
            changed: Called when the pace changes.

        Returns:
            Its share, which tells the interval that is possible.
        """
        share = self._pace.join(every, changed)
        self._fit(exactly=True)
        return share

    def _fit(self, *, exactly: bool = False, later: bool = False) -> None:
        room = self._room()
        kept = self._room(at_need=True) - max(room, 0)
        self._pace.fit(_REGULAR * room, _REGULAR * kept, exactly=exactly, later=later)
        if later:
            self._say_pace()

    def _say_pace(self) -> None:
        """Log the pace when it changed, at most once a minute."""
        ticks, stretch = self._now().ticks, self._pace.stretch
        changed = max(stretch, self._said_stretch) >= NOTABLE * min(stretch, self._said_stretch)
        if not (changed and self.heard) or ticks - self._said_at < _MINUTE:
            return
        self._said_at, self._said_stretch = ticks, stretch
        self._log.info(
            "the weight budget allows a poll every %.0f s "
            "(accounts: %d; our share: %.0f of %d a minute; others use %.0f)",
            (self._pace.interval or 0) / 1000,
            self._pace.accounts,
            self._cap,
            self.weight_limit,
            max(self._others, self._others_before),
        )

    # ------------------------------------------------------------ for people

    @property
    def state(self) -> BudgetState:
        """The budget at this instant."""
        self._turn()
        return BudgetState(
            used_by_us=self._spent,
            used_total=max(self.used_weight, self._spent),
            limit=self.weight_limit,
            share=round(self._cap),
            stretch=round(self._pace.stretch, 2),
            interval=self._pace.interval,
            closed_for=self.closed_for,
            banned=self._gate.banned,
            waiting=len(self._waiting),
        )

    @property
    def trouble(self) -> str:
        """Why requests wait, for the log; "" while they do not."""
        if (seconds := self.closed_for) > 0:
            word = "banned this address" if self._gate.banned else "asked to slow down"
            return f"the exchange {word}; nothing is asked for {seconds:.0f} s"
        return "it waits for the weight budget" if self._waiting else ""
