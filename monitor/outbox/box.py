"""What waits in one channel, and what is sent next: decisions only, nothing here awaits.

The rules are in the preface of the outbox.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import NamedTuple

import trio

from monitor.core.notices import Notice, Target
from monitor.core.quiet import QuietHours
from monitor.core.rules import OWN_FAULTS
from monitor.notify import Sent

# Seconds, but for the numbers of refusals.
LONGEST = 300.0  # the back-off of a channel reaches at most
LONGEST_CRITICAL = 5.0  # likewise, while a critical waits
REFUSALS = 5  # so many, while others get through, and a notice is set aside
APART = 3  # so many refusals of digests, and they are taken apart
ASIDE = 300.0  # between two tries of a notice that was set aside
FAILING = 300.0  # without a success, and a channel is said to be failing
OUTAGE = 60.0  # without a success, and refusals were the channel's fault
SPACED = 0.5  # between two messages with criticals: what comes in between goes in one
MINUTE = 60.0

GONE = "this channel no longer exists"
UNTRIED = "never attempted"

Alert = tuple[str, Target]
"""What order is kept within: the name of a rule, and its target."""


class OutboxChannel(NamedTuple):
    """What the outbox has to know of a channel; durations in seconds."""

    name: str
    group_wait: float = 2.0
    give_up_after: float = 86_400.0
    max_per_minute: int | None = None
    """Messages without a critical; None: as many as there are."""
    quiet_hours: QuietHours | None = None


@dataclass(eq=False, slots=True)
class Item:
    """A notice that waits in one channel."""

    notice: Notice
    attempts: int
    expires: float
    """When it is given up; trio's time, as all times here."""
    urgent: bool = False
    """Whether quiet hours do not hold it."""
    due: bool = False
    refusals: int = 0
    """How often it was refused in a message of its own."""
    doubted_since: float = inf
    """When that was for the first time."""
    alone: bool = False
    """Whether it goes into no digest: it may be what is refused."""
    aside_until: float = 0.0
    """0: not set aside."""
    error: str = ""
    """Why the last attempt of this run failed; "": there was none yet."""

    @property
    def number(self) -> int:
        """Its notice's number."""
        return self.notice.number

    @property
    def alert(self) -> Alert:
        """The alert it is about: order is kept within it."""
        return self.notice.rule, self.notice.target

    @property
    def critical(self) -> bool:
        """Whether it makes everything due."""
        return self.notice.critical

    @property
    def news(self) -> tuple[object, ...] | None:
        """What a later notice of the same news makes worthless; None: each counts."""
        notice = self.notice
        if notice.kind == "reminder":
            return ("reminder", *self.alert)
        if notice.rule == OWN_FAULTS.name:
            return (notice.happening, notice.details.get("channel"))
        return None


class Closed(NamedTuple):
    """A delivery that ends unsent, to be kept as dead."""

    number: int
    channel: str
    error: str


@dataclass(eq=False, slots=True)
class Box:
    """What waits in one channel, and how the channel fares: decisions, no awaiting."""

    channel: OutboxChannel
    rng: Random
    waiting: dict[int, Item] = field(default_factory=dict)
    closed: list[Closed] = field(default_factory=list)
    under_way: frozenset[int] = frozenset()
    wake: trio.Event = field(default_factory=trio.Event)

    group_due: float = inf
    """When the notices that arrived since the last time become due."""
    failures: int = 0
    failing_since: float | None = None
    announced: bool = False
    """Whether it was told that this channel fails."""
    answer: str = ""
    """What the service said last when it did not take a message."""
    back_off: float = 0.0
    failed_at: float = 0.0
    not_before: float = 0.0
    """What the service asked for; a critical respects it too."""
    begun: deque[float] = field(default_factory=deque)
    """When the messages of the last minute were begun."""
    critical_begun: float = -inf
    size: float = inf
    """How many notices a message may have: 1 after digests were refused, and more with each
    message that gets through, since the one at fault is still in there."""
    digests_refused: int = 0
    doubted: Alert | None = None
    """The alert whose notice was refused last: others are tried next."""
    succeeded_at: float = -inf
    gone: bool = False
    """Whether the channel was taken out."""
    drained: trio.Event | None = None
    """Set when the last round is over; None before it begins."""
    tried: set[int] = field(default_factory=set)
    """Numbers of the last round."""
    held: set[Alert] = field(default_factory=set)
    """Alerts whose notice was refused in the last round: later ones would overtake it."""

    # -------------------------------------------------------------- what waits

    def put(self, item: Item, now: float) -> None:
        """Take a notice in; one that is known already stays as it is."""
        if item.number in self.waiting:
            return
        self.waiting[item.number] = item
        self._supersede(item)
        if item.critical:
            self.back_off = 0.0  # tried at once, whatever the channel did before
            self.group_due = now
        self.group_due = min(self.group_due, now + self.channel.group_wait)
        self.wake.set()

    def _supersede(self, item: Item) -> None:
        """Of the same news keep the newest, and what is under way."""
        if item.news is None:
            return
        same = sorted((i for i in self.waiting.values() if i.news == item.news), key=_number)
        for old in same[:-1]:
            if old.number not in self.under_way:
                self.close(old, f"superseded by #{same[-1].number}")

    def close(self, item: Item, error: str) -> None:
        """Drop a notice unsent."""
        del self.waiting[item.number]
        self.closed.append(Closed(item.number, self.channel.name, error))

    def dismiss(self) -> None:
        """Drop all that waits, but for what is under way: there is no such channel any more."""
        self.gone = True
        for item in list(self.waiting.values()):
            if item.number not in self.under_way:
                self.close(item, GONE)
        self.wake.set()

    def begin_anew(self) -> None:
        """Forget what the channel refused, and when it wanted to be asked again."""
        self.back_off = self.not_before = 0.0
        self.size, self.digests_refused = inf, 0
        for item in self.waiting.values():
            item.aside_until, item.refusals = 0.0, 0
            item.alone, item.doubted_since = False, inf
        self.wake.set()

    def expire(self, now: float) -> list[Item]:
        """Drop and return the notices that became too old.

        None before it was attempted once in this run, unless the channel is known to fail: what
        quiet hours hold, or a stop of the program held, is not yet refused by anybody.
        """
        waiting = self.waiting.values()
        old = [i for i in waiting if i.expires <= now and (i.error or self.announced)]
        for item in old:
            hours = self.channel.give_up_after / 3600
            self.close(item, f"given up after {hours:g} h: {item.error or UNTRIED}")
        return old

    # -------------------------------------------------------------- what is next

    def next(self, now: float, utc: int, capacity: int) -> tuple[list[Item], float]:
        """Choose what goes into a message now; or nothing, and when to ask again.

        Args:
            now: Trio's time.
            utc: Unix milliseconds, for quiet hours.
            capacity: How many notices a message to this channel can name.
        """
        if now >= self.group_due or self.drained is not None:
            self.group_due = inf
            for item in self.waiting.values():
                item.due = True
        free, quiet_until = self.free(now, utc)
        if self.drained is not None:
            return self._last_round(free, now, capacity), inf
        due = [item for item in free if item.due and not item.aside_until]
        ready = self._ready(due, now)
        if due and now >= ready:
            return self._batch(due, capacity), now
        aside = [item for item in free if item.aside_until]
        oldest = min(aside, key=lambda item: item.aside_until, default=None)
        if oldest is not None and not due and now >= max(oldest.aside_until, self.not_before):
            return [oldest], now
        instants = [item.expires for item in self.waiting.values() if item.expires > now]
        instants += [item.aside_until for item in aside if item.aside_until > now]
        instants += [ready] if due else []
        instants += [self.not_before] if self.not_before > now else []
        if self.waiting and self.failing_since is not None and not self.announced:
            instants.append(self.failing_since + FAILING)
        return [], min([self.group_due, quiet_until, *instants])

    def free(self, now: float, utc: int) -> tuple[list[Item], float]:
        """List what no quiet hours hold, and tell when to look at the clock again."""
        quiet = self.channel.quiet_hours
        until = quiet.until(utc) if quiet is not None else None
        if until is None:
            return list(self.waiting.values()), inf
        urgent = {item.alert for item in self.waiting.values() if item.urgent}
        free = [item for item in self.waiting.values() if item.alert in urgent]
        # Within a minute: trio's clock does not know of a machine that sleeps, or is set.
        wait = min(MINUTE, (until - utc) / 1000)
        return free, now + wait if len(free) < len(self.waiting) else inf

    def _ready(self, due: Sequence[Item], now: float) -> float:
        wait = self.back_off
        if any(item.critical for item in due):
            wait = min(wait, LONGEST_CRITICAL)
            spaced = self.critical_begun + SPACED
        else:
            spaced = self.room_at(now)
        return max(self.failed_at + wait, self.not_before, spaced)

    def room_at(self, now: float) -> float:
        """Tell when `max_per_minute` allows another message."""
        most = self.channel.max_per_minute
        while self.begun and self.begun[0] <= now - MINUTE:
            self.begun.popleft()
        if most is None or len(self.begun) < most:
            return -inf
        return self.begun[-most] + MINUTE

    def _batch(self, due: Iterable[Item], capacity: int) -> list[Item]:
        """Put a message together: criticals first, each behind what waits of its own alert."""
        doubted, self.doubted = self.doubted, None
        chains: dict[Alert, list[Item]] = {}
        for item in sorted(due, key=_number):
            chains.setdefault(item.alert, []).append(item)
        probing = doubted in chains and len(chains) > 1
        if probing and doubted is not None:
            del chains[doubted]  # the others show whether the channel is at fault, or the notice
        order = sorted(chains.values(), key=_suspicion if probing else _urgency)
        first = order[0][0]
        if first.alone or min(self.size, capacity) <= 1:
            return [first]
        chosen = [list(_before_doubts(chain)) for chain in order]
        urgent = [item for chain in chosen if any(i.critical for i in chain) for item in chain]
        named = {item.number for item in urgent}
        rest = [item for chain in chosen for item in chain if item.number not in named]
        return [*urgent, *sorted(rest, key=_number)][: int(min(self.size, capacity))]

    def _last_round(self, free: Sequence[Item], now: float, capacity: int) -> list[Item]:
        if now < self.not_before:
            return []
        untried = (item for item in free if item.number not in self.tried)
        rest = [i for i in untried if i.alert not in self.held and i.aside_until <= now]
        return self._batch(rest, capacity) if rest else []

    def begin_last_round(self) -> trio.Event:
        """From now on give each notice one more attempt; the event tells when that is done."""
        self.drained = trio.Event()
        self.tried.clear()  # what is under way began before; it may have one more
        self.held.clear()
        self.wake.set()
        return self.drained

    # -------------------------------------------------------------- what came of it

    def begin(self, items: Sequence[Item], now: float) -> None:
        """Count a message that is about to be sent."""
        self.under_way = frozenset(item.number for item in items)
        self.begun.append(now)
        if any(item.critical for item in items):
            self.critical_begun = now
        for item in items:
            item.attempts += 1
        if self.drained is not None:
            self.tried |= self.under_way

    def succeeded(self, items: Sequence[Item], now: float) -> None:
        """Count a message that got through."""
        self.under_way = frozenset()
        for item in items:
            self.waiting.pop(item.number, None)
        if self.failing_since is not None and now - self.failing_since >= OUTAGE:
            for item in self.waiting.values():
                item.alone = False
        self.failures, self.back_off, self.not_before = 0, 0.0, 0.0
        self.failing_since = None
        self.succeeded_at = now
        self.digests_refused = 0
        self.size = self.size * 2 if self.size < len(self.waiting) else inf

    def failed(self, items: Sequence[Item], sent: Sent, now: float) -> None:
        """Count a message that did not; back off, take digests apart, or set a notice aside."""
        self.under_way = frozenset()
        self.answer = sent.detail
        for item in items:
            item.error = sent.detail
            self._supersede(item)
            if item.number in self.tried:
                self.held.add(item.alert)
        if sent.retry_after is not None:
            self.not_before = now + sent.retry_after
        if len(items) == 1 and self._is_at_fault(items[0], now):
            return
        if len(items) > 1 and sent.retry_after is None:  # else it came too soon, that is all
            self.digests_refused += 1
            if self.digests_refused >= APART or self.size < inf:
                self.size = 1
        self.failures += 1
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.failed_at = now
        # Full jitter: many monitors that lost one service must not come back in step.
        self.back_off = self.rng.uniform(0, min(LONGEST, 2.0 ** min(self.failures - 1, 30)))

    def _is_at_fault(self, item: Item, now: float) -> bool:
        """Count a refusal of one notice; set it aside where it is at fault, not the channel."""
        item.refusals += 1
        item.alone = True
        item.doubted_since = min(item.doubted_since, now)
        others = item.doubted_since < self.succeeded_at > now - FAILING
        if item.aside_until or (others and item.refusals >= REFUSALS):
            item.aside_until = now + ASIDE
            return True
        # A critical is tried again before others are, unless there is a reason to doubt it.
        trusted = item.critical and self.size == inf and item.refusals < REFUSALS - 1
        self.doubted = None if trusted else item.alert
        return False


def _number(item: Item) -> int:
    return item.number


def _urgency(chain: Sequence[Item]) -> tuple[bool, int]:
    critical = min((item.number for item in chain if item.critical), default=None)
    return critical is None, chain[0].number if critical is None else critical


def _suspicion(chain: Sequence[Item]) -> tuple[bool, int, int]:
    """Order what is tried in place of a doubted notice: the least doubtful first."""
    head = chain[0]
    return not any(i.critical for i in chain) or head.alone, head.refusals, head.number


def _before_doubts(chain: Iterable[Item]) -> Iterable[Item]:
    """Take of an alert what may go before the first notice that has to go alone."""
    for item in chain:
        if item.alone:
            return
        yield item
