"""What waits in one channel, and what is sent next: decisions only, nothing here awaits.

The rules are in the preface of the outbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import NamedTuple

import trio

from monitor.core.notices import Notice, Target
from monitor.core.rules import Severity
from monitor.notify import Sent

# Seconds, but for the third.
LONGEST = 300.0  # the back-off of a channel reaches at most
LONGEST_CRITICAL = 5.0  # likewise, while a critical waits
REFUSALS = 5  # so many, while others get through, and a notice is set aside
ASIDE = 300.0  # between two tries of a notice that was set aside
FAILING = 300.0  # without a success, and a channel is said to be failing

GONE = "this channel no longer exists"


class OutboxChannel(NamedTuple):
    """What the outbox has to know of a channel; durations in seconds."""

    name: str
    group_wait: float = 2.0
    give_up_after: float = 86_400.0


@dataclass(eq=False, slots=True)
class Item:
    """A notice that waits in one channel."""

    notice: Notice
    attempts: int
    expires: float
    """When it is given up; trio's time, as all times here."""
    due: bool = False
    refusals: int = 0
    aside_until: float = 0.0
    """0: not set aside."""
    error: str = "never attempted"

    @property
    def number(self) -> int:
        """Its notice's number."""
        return self.notice.number

    @property
    def alert(self) -> tuple[str, Target]:
        """The alert it is about: order is kept within it."""
        return self.notice.rule, self.notice.target

    @property
    def critical(self) -> bool:
        """Whether it makes everything due."""
        # The severity of a resolved is that of the past: an all-clear is not urgent.
        return self.notice.severity is Severity.CRITICAL and self.notice.kind != "resolved"

    @property
    def suspect(self) -> bool:
        """Whether one more refusal is the last, if others get through."""
        return self.refusals >= REFUSALS - 1


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
    under_way: int | None = None
    wake: trio.Event = field(default_factory=trio.Event)

    group_due: float = inf
    """When the notices that arrived since the last time become due."""
    failures: int = 0
    failing_since: float | None = None
    announced: bool = False
    """Whether the log says that this channel fails."""
    answer: str = ""
    """What the service said last when it did not take a message."""
    back_off: float = 0.0
    failed_at: float = 0.0
    not_before: float = 0.0
    """What the service asked for; a critical respects it too."""
    doubted: tuple[str, Target] | None = None
    """The alert whose notice was refused so often that another's is tried next."""
    healthy: bool = False
    """Whether the last attempt got through."""
    gone: bool = False
    """Whether the channel was taken out."""
    drained: trio.Event | None = None
    """Set when the last round is over; None before it begins."""
    tried: set[int] = field(default_factory=set)
    """Numbers of the last round."""
    held: set[tuple[str, Target]] = field(default_factory=set)
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
        """Of the reminders of its alert keep the newest, and one that is under way."""
        same = [i for i in self.waiting.values() if i.alert == item.alert]
        reminders = sorted((i for i in same if i.notice.kind == "reminder"), key=_number)
        for old in reminders[:-1]:
            if old.number != self.under_way:
                self.close(old, f"superseded by #{reminders[-1].number}")

    def close(self, item: Item, error: str) -> None:
        """Drop a notice unsent."""
        del self.waiting[item.number]
        self.closed.append(Closed(item.number, self.channel.name, error))

    def dismiss(self) -> None:
        """Drop all that waits, but for what is under way: there is no such channel any more."""
        self.gone = True
        for item in list(self.waiting.values()):
            if item.number != self.under_way:
                self.close(item, GONE)
        self.wake.set()

    def begin_anew(self) -> None:
        """Forget what the channel refused, and when it wanted to be asked again."""
        self.back_off = self.not_before = 0.0
        for item in self.waiting.values():
            item.aside_until, item.refusals = 0.0, 0
        self.wake.set()

    def expire(self, now: float) -> list[Item]:
        """Drop and return the notices that became too old."""
        old = [item for item in self.waiting.values() if item.expires <= now]
        for item in old:
            hours = self.channel.give_up_after / 3600
            self.close(item, f"given up after {hours:g} h: {item.error}")
        return old

    # -------------------------------------------------------------- what is next

    def next(self, now: float) -> tuple[Item | None, float]:
        """Choose what to send now; or None, and when to ask again unless something arrives."""
        if now >= self.group_due or self.drained is not None:
            self.group_due = inf
            for item in self.waiting.values():
                item.due = True
        if self.drained is not None:
            return self._last_round(now), inf
        due = [item for item in self.waiting.values() if item.due and not item.aside_until]
        ready = self._ready(due)
        if due and now >= ready:
            return self._first(due), now
        aside = [item for item in self.waiting.values() if item.aside_until]
        oldest = min(aside, key=lambda item: item.aside_until, default=None)
        if oldest is not None and not due and now >= max(oldest.aside_until, self.not_before):
            return oldest, now
        instants = [item.expires for item in self.waiting.values()]
        instants += [item.aside_until for item in aside if item.aside_until > now]
        instants += [ready] if due else []
        instants += [self.not_before] if self.not_before > now else []
        if self.waiting and self.failing_since is not None and not self.announced:
            instants.append(self.failing_since + FAILING)
        return None, min([self.group_due, *instants])

    def _ready(self, due: Sequence[Item]) -> float:
        wait = self.back_off
        if any(item.critical for item in due):
            wait = min(wait, LONGEST_CRITICAL)
        return max(self.failed_at + wait, self.not_before)

    def _first(self, due: Sequence[Item]) -> Item:
        doubted, self.doubted = self.doubted, None
        heads: dict[tuple[str, Target], Item] = {}
        for item in sorted(due, key=_number):
            heads.setdefault(item.alert, item)
        if doubted in heads and len(heads) > 1:
            # A probe: an alert with a critical if it is not doubtful too, else the least refused.
            del heads[doubted]
            urgent = {item.alert for item in due if item.critical}
            return min(
                heads.values(),
                key=lambda i: (i.alert not in urgent or i.suspect, i.refusals, i.number),
            )
        critical = min((i for i in due if i.critical), key=_number, default=None)
        return heads[critical.alert] if critical else min(heads.values(), key=_number)

    def _last_round(self, now: float) -> Item | None:
        if now < self.not_before:
            return None
        untried = (i for i in self.waiting.values() if i.number not in self.tried)
        rest = [i for i in untried if i.alert not in self.held and i.aside_until <= now]
        return self._first(rest) if rest else None

    def begin_last_round(self) -> trio.Event:
        """From now on give each notice one more attempt; the event tells when that is done."""
        self.drained = trio.Event()
        self.tried.clear()  # what is under way began before; it may have one more
        self.held.clear()
        self.wake.set()
        return self.drained

    # -------------------------------------------------------------- what came of it

    def succeeded(self, item: Item) -> None:
        """Count a message that got through."""
        self.waiting.pop(item.number, None)
        self.failures, self.back_off, self.not_before = 0, 0.0, 0.0
        self.failing_since = None
        self.healthy = True

    def failed(self, item: Item, sent: Sent, now: float) -> None:
        """Count a message that did not; back off, or set it aside."""
        item.refusals += 1
        item.error = self.answer = sent.detail
        self._supersede(item)
        if item.number in self.tried:
            self.held.add(item.alert)
        if sent.retry_after is not None:
            self.not_before = now + sent.retry_after
        if item.aside_until or (self.healthy and item.refusals >= REFUSALS):
            item.aside_until = now + ASIDE
            return  # the notice is at fault, not the channel
        self.doubted = item.alert if item.suspect else None
        self.healthy = False
        self.failures += 1
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.failed_at = now
        # Full jitter: many monitors that lost one service must not come back in step.
        self.back_off = self.rng.uniform(0, min(LONGEST, 2.0 ** min(self.failures - 1, 30)))


def _number(item: Item) -> int:
    return item.number
