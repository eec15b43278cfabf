"""Undelivered notices → messages → outcome: one sender per channel, nothing lost on the way.

    add() ─▶ waiting ──group_wait, or a critical──▶ due ──▶ sending ─▶ sent
                                                     ▲         │ refused, unknown
                                                     └─ back-off of the channel
                                 due ──5 refusals while others get through──▶ aside (every 5 min)
                                 any ──give_up_after──▶ dead

- One notice per message, one message under way per channel; a channel that hangs or refuses delays
  no other. The text is made at the send: what is late or attempted before says so.
- Which goes first: a critical, preceded by what waits of its own alert; else the lowest number.
  The order within an alert stands; only a notice set aside is overtaken.
- A notice that is refused again and again may be at fault itself, or the whole channel may be. To
  learn which, a notice of another alert is tried in between: when that one gets through and the
  first is then refused once more, it is set aside. While nobody else waits, nothing is concluded.
- An attempt is kept before it is made. A store that fails holds up nothing: we send from memory.
- Not here: who is told what (`core.routing`), digests, rate limits, quiet hours.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import NamedTuple, Protocol

import trio

from monitor.core.events import Now
from monitor.core.message import Message
from monitor.core.notices import Delivery, Notice, Target
from monitor.core.rules import Severity
from monitor.errors import CommitFailed
from monitor.notify import Sent
from monitor.store import Undelivered

# Seconds, but for the third.
LONGEST = 300.0  # the back-off of a channel reaches at most
LONGEST_CRITICAL = 5.0  # likewise, while a critical waits
REFUSALS = 5  # so many, while others get through, and a notice is set aside
ASIDE = 300.0  # between two tries of a notice that was set aside
FAILING = 300.0  # without a success, and a channel is said to be failing


class Keeper(Protocol):
    """The store's part in a delivery; both raise CommitFailed when it is kept only in memory."""

    async def attempted(self, number: int, channel: str, attempt: int, at: int) -> None:
        """Keep that a send begins."""

    async def settled(
        self, number: int, channel: str, state: str, at: int, error: str | None = None
    ) -> None:
        """Keep that a delivery is over."""


class OutboxChannel(NamedTuple):
    """What the outbox has to know of a channel; durations in seconds."""

    name: str
    group_wait: float = 2.0
    give_up_after: float = 86_400.0


@dataclass(eq=False, slots=True)
class _Item:
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
        return self.notice.number

    @property
    def alert(self) -> tuple[str, Target]:
        return self.notice.rule, self.notice.target

    @property
    def critical(self) -> bool:
        # The severity of a resolved is that of the past: an all-clear is not urgent.
        return self.notice.severity is Severity.CRITICAL and self.notice.kind != "resolved"

    @property
    def suspect(self) -> bool:
        """Whether one more refusal is the last, if others get through."""
        return self.refusals >= REFUSALS - 1


class _Closed(NamedTuple):
    """A delivery that ends unsent, to be kept as dead."""

    number: int
    channel: str
    error: str


@dataclass(eq=False, slots=True)
class _Box:
    """What waits in one channel, and how the channel fares: decisions, no awaiting."""

    channel: OutboxChannel
    rng: Random
    waiting: dict[int, _Item] = field(default_factory=dict)
    closed: list[_Closed] = field(default_factory=list)
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
    drained: trio.Event | None = None
    """Set when the last round is over; None before it begins."""
    tried: set[int] = field(default_factory=set)
    """Numbers of the last round."""
    held: set[tuple[str, Target]] = field(default_factory=set)
    """Alerts whose notice was refused in the last round: later ones would overtake it."""

    # -------------------------------------------------------------- what waits

    def put(self, item: _Item, now: float) -> None:
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

    def _supersede(self, item: _Item) -> None:
        """Of the reminders of its alert keep the newest, and one that is under way."""
        same = [i for i in self.waiting.values() if i.alert == item.alert]
        reminders = sorted((i for i in same if i.notice.kind == "reminder"), key=_number)
        for old in reminders[:-1]:
            if old.number != self.under_way:
                self.close(old, f"superseded by #{reminders[-1].number}")

    def close(self, item: _Item, error: str) -> None:
        """Drop a notice unsent."""
        del self.waiting[item.number]
        self.closed.append(_Closed(item.number, self.channel.name, error))

    def expire(self, now: float) -> list[_Item]:
        """Drop and return the notices that became too old."""
        old = [item for item in self.waiting.values() if item.expires <= now]
        for item in old:
            hours = self.channel.give_up_after / 3600
            self.close(item, f"given up after {hours:g} h: {item.error}")
        return old

    # -------------------------------------------------------------- what is next

    def next(self, now: float) -> tuple[_Item | None, float]:
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

    def _ready(self, due: Sequence[_Item]) -> float:
        wait = self.back_off
        if any(item.critical for item in due):
            wait = min(wait, LONGEST_CRITICAL)
        return max(self.failed_at + wait, self.not_before)

    def _first(self, due: Sequence[_Item]) -> _Item:
        doubted, self.doubted = self.doubted, None
        heads: dict[tuple[str, Target], _Item] = {}
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

    def _last_round(self, now: float) -> _Item | None:
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

    def succeeded(self, item: _Item) -> None:
        """Count a message that got through."""
        self.waiting.pop(item.number, None)
        self.failures, self.back_off, self.not_before = 0, 0.0, 0.0
        self.failing_since = None
        self.healthy = True

    def failed(self, item: _Item, sent: Sent, now: float) -> None:
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


def _number(item: _Item) -> int:
    return item.number


class Outbox:
    """Everything that channels have yet to hear.

    Args:
        channels: All channels that exist.
        store: Where attempts and outcomes are kept.
        send: Sends a message to a channel, by name; never raises, ends in bounded time.
        compose: Makes the message of a notice for an attempt, counted from 1.
        now: Tells the time.
        rng: For the jitter of back-offs.
        log: For own faults; nothing with a URL is ever handed to it.
        scale: How much longer than usual the last round may take (demo: its speed).
    """

    def __init__(
        self,
        channels: Sequence[OutboxChannel],
        *,
        store: Keeper,
        send: Callable[[str, Message], Awaitable[Sent]],
        compose: Callable[[Notice, int], Message],
        now: Callable[[], Now],
        rng: Random,
        log: logging.Logger,
        scale: float = 1.0,
    ) -> None:
        self._boxes = {channel.name: _Box(channel, rng) for channel in channels}
        self._store = store
        self._send = send
        self._compose = compose
        self._now = now
        self._log = log
        self._scale = scale
        self._orphans: list[_Closed] = []
        self._scope = trio.CancelScope()
        self._running = False

    @property
    def failing(self) -> frozenset[str]:
        """The channels that let nothing through for five minutes or more."""
        return frozenset(name for name, box in self._boxes.items() if box.announced)

    @property
    def waiting(self) -> dict[str, int]:
        """How many notices each channel has yet to hear."""
        return {name: len(box.waiting) for name, box in self._boxes.items()}

    def add(self, notices: Sequence[Notice], deliveries: Sequence[Delivery]) -> None:
        """Take in what was committed, or what could not be: then it is sent from memory."""
        by_number = {notice.number: notice for notice in notices}
        for number, channel in deliveries:
            self._put(by_number[number], channel, 0)

    def restore(self, undelivered: Iterable[Undelivered]) -> None:
        """Take in what an earlier run left, before `run`; it is late, so it is due at once."""
        for pending in undelivered:
            self._put(pending.notice, pending.channel, pending.attempts)
        for box in self._boxes.values():
            if box.waiting:
                box.group_due = trio.current_time()

    def _put(self, notice: Notice, channel: str, attempts: int) -> None:
        box = self._boxes.get(channel)
        if box is None:
            self._orphans.append(_Closed(notice.number, channel, "this channel no longer exists"))
            return
        now = trio.current_time()
        age = max(0.0, (self._now().utc - notice.at) / 1000)
        box.put(_Item(notice, attempts, now + box.channel.give_up_after - age), now)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send until `drain` is over, or until cancelled."""
        self._running = True
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_closed, self._orphans)
                for box in self._boxes.values():
                    nursery.start_soon(self._serve, box, name=f"send to {box.channel.name}")
                task_status.started()
        self._running = False

    async def drain(self, seconds: float = 10.0) -> None:
        """Give each notice one more attempt, all channels at once; the rest waits in the store.

        Args:
            seconds: How long this may take in all, before `scale`.
        """
        if not self._running:
            await trio.lowlevel.checkpoint()
            return
        rounds = [box.begin_last_round() for box in self._boxes.values()]
        with trio.move_on_after(seconds * self._scale):
            for over in rounds:
                await over.wait()
        self._scope.cancel("the last round is over")

    # -------------------------------------------------------------- one channel

    async def _serve(self, box: _Box) -> None:
        while True:
            self._note(box)
            await self._keep_closed(box.closed)
            box.wake = trio.Event()
            item, instant = box.next(trio.current_time())
            if item is not None:
                await self._attempt(box, item)
            elif box.drained is not None:
                box.drained.set()
                return
            else:
                with trio.move_on_at(instant):
                    await box.wake.wait()

    async def _attempt(self, box: _Box, item: _Item) -> None:
        name = box.channel.name
        item.attempts += 1
        box.under_way = item.number
        if box.drained is not None:
            box.tried.add(item.number)
        try:
            await self._store.attempted(item.number, name, item.attempts, self._now().utc)
        except CommitFailed:
            self._log.debug("attempt %d of #%d is kept in memory", item.attempts, item.number)
        try:
            message = self._compose(item.notice, item.attempts)
        except Exception:  # noqa: BLE001 - a text that cannot be made must not end every other
            self._log.exception("#%d cannot be put into words; this is a bug", item.number)
            message = Message(f"#{item.number} {item.notice.kind}", f"{item.notice.target}")
        sent = await self._send(name, message)
        box.under_way = None
        if sent.status == "sent":
            box.succeeded(item)
            await self._settle(item.number, name, "sent", None)
        else:
            aside = bool(item.aside_until)
            box.failed(item, sent, trio.current_time())
            self._log.debug("%s: #%d %s: %s", name, item.number, sent.status, sent.detail)
            if item.aside_until and not aside:
                text = "channel %s: #%d is refused while others get through; last answer: %s"
                self._log.warning(text, name, item.number, sent.detail)

    async def _settle(self, number: int, channel: str, state: str, error: str | None) -> None:
        try:
            await self._store.settled(number, channel, state, self._now().utc, error)
        except CommitFailed:
            self._log.debug("the outcome of #%d for %s is kept in memory", number, channel)

    async def _keep_closed(self, closed: list[_Closed]) -> None:
        while closed:
            ended = closed.pop(0)
            await self._settle(ended.number, ended.channel, "dead", ended.error)

    def _note(self, box: _Box) -> None:
        """Log what became of a channel or a notice, once per change."""
        now, name = trio.current_time(), box.channel.name
        for item in box.expire(now):
            self._log.error("channel %s: #%d is given up: %s", name, item.number, item.error)
        since = box.failing_since
        if since is None and box.announced:
            box.announced = False
            self._log.warning("channel %s: messages get through again", name)
        elif since is not None and box.waiting and not box.announced and now >= since + FAILING:
            box.announced = True
            text = "channel %s: nothing got through for 5 min; %d wait; last answer: %s"
            self._log.error(text, name, len(box.waiting), box.answer)
