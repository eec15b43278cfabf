"""Undelivered notices → messages → outcome: one sender per channel, nothing lost on the way.

    add() ─▶ waiting ──group_wait, or a critical──▶ due ──▶ sending ─▶ sent
                │ quiet hours hold what is not urgent ▲         │ refused, unknown
                │                                     └─ back-off of the channel
                │                due ──5 refusals while others get through──▶ aside (every 5 min)
                └─ any ──give_up_after──▶ dead

- What is due goes in one message, one message under way per channel; a channel that hangs or
  refuses delays no other. The text is made at the send: what is late or attempted before says so.
- In a message a critical goes first, preceded by what waits of its own alert, then the rest by
  number. The order within an alert stands; only a notice set aside is overtaken. Two messages with
  criticals are half a second apart, so that a storm of them is a few messages.
- `max_per_minute` counts messages and holds back those without a critical.
- A digest that is refused three times is taken apart: one notice, then, with each success, twice
  as many. So the notice at fault, if there is one, comes to stand alone.
- A notice that is refused alone may be at fault itself, or the whole channel may be. To learn
  which, notices of other alerts are tried next; when they get through and the first is refused five
  times in all, it is set aside. While nobody else gets through, nothing is concluded.
- An attempt is kept before it is made. A store that fails holds up nothing: we send from memory.
- Own faults (a channel that fails, notices given up) are told to the engine, but for those about
  notices of own faults: one would breed the next.
- Not here: who is told what, and what is urgent (`core.routing`).
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from random import Random
from typing import Protocol

import trio

from monitor.core.digest import Tried, most
from monitor.core.events import ChannelFailed, ChannelRecovered, NoticesDied, Now, OwnFault
from monitor.core.message import Message
from monitor.core.notices import Delivery, Notice
from monitor.core.rules import OWN_FAULTS
from monitor.core.wording import among
from monitor.errors import CommitFailed
from monitor.notify import Sent
from monitor.outbox.box import FAILING, GONE, UNTRIED, Box, Closed, Item, OutboxChannel
from monitor.outbox.leisure import Leisure, leisure_of
from monitor.store import Undelivered

__all__ = ["Keeper", "Leisure", "Outbox", "OutboxChannel"]

_FEW = 8
"""So many numbers of notices are worth naming in a line of the log."""


class Keeper(Protocol):
    """The store's part in a delivery; all raise CommitFailed when it is kept only in memory."""

    async def attempted(self, tries: Sequence[tuple[int, int]], channel: str, at: int) -> None:
        """Keep that a message with these notices, each for the n-th time, begins to be sent."""

    async def answered(
        self,
        tries: Sequence[tuple[int, int]],
        channel: str,
        status: str,
        at: int,
        answer: str = "",
    ) -> None:
        """Keep what became of it; `sent` ends the deliveries."""

    async def died(self, number: int, channel: str, at: int, why: str) -> None:
        """Keep that a delivery is given up."""


class Outbox:
    """Everything that channels have yet to hear.

    Args:
        channels: All channels that exist.
        store: Where attempts and outcomes are kept.
        send: Sends a message to a channel, by name; never raises, ends in bounded time.
        compose: Makes one message of notices, each with its attempt counted from 1, for a channel.
        room: Tells how many characters a message to a channel may have.
        now: Tells the time.
        rng: For the jitter of back-offs.
        log: For own faults; nothing with a URL is ever handed to it.
        tell: Hears of own faults.
        heard: Told which notices got through to a channel, by name, at once when they did.
        scale: How much longer than usual the last round may take (demo: its speed).
    """

    def __init__(
        self,
        channels: Sequence[OutboxChannel],
        *,
        store: Keeper,
        send: Callable[[str, Message], Awaitable[Sent]],
        compose: Callable[[Sequence[Tried], str], Message],
        room: Callable[[str], int],
        now: Callable[[], Now],
        rng: Random,
        log: logging.Logger,
        tell: Callable[[OwnFault], None] = lambda _: None,
        heard: Callable[[str, Sequence[Notice]], None] = lambda *_: None,
        scale: float = 1.0,
    ) -> None:
        self._boxes = {channel.name: Box(channel, rng) for channel in channels}
        self._rng = rng
        self._store = store
        self._send = send
        self._compose = compose
        self._room = room
        self._tell = tell
        self._heard = heard
        self._now = now
        self._log = log
        self._scale = scale
        self._orphans: list[Closed] = []
        self._scope = trio.CancelScope()
        self._senders: trio.Nursery | None = None
        """Where the senders of channels run; None: nothing is sent."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How many notices, by channel and by what came of an attempt (`sent`, `refused`,
        `unknown`) or of all of them (`dead`: given up); since this began."""

    @property
    def failing(self) -> frozenset[str]:
        """The channels that let nothing through for five minutes or more."""
        return frozenset(name for name, box in self._boxes.items() if box.announced)

    @property
    def waiting(self) -> dict[str, int]:
        """How many notices each channel has yet to hear."""
        return {name: len(box.waiting) for name, box in self._boxes.items()}

    def quiet_until(self, utc: int) -> dict[str, int]:
        """Tell which channels' quiet hours hold what is not urgent, and until when (unix ms)."""
        found = {}
        for name, box in self._boxes.items():
            hours = box.channel.quiet_hours
            until = None if hours is None else hours.until(utc)
            if until is not None:
                found[name] = until
        return found

    def leisure(self, channel: str, begun: int) -> Leisure:
        """Tell whether a channel has time for what is no notice.

        Args:
            channel: Its name.
            begun: How many such things were begun there within the last minute.
        """
        box = self._boxes.get(channel)
        if box is None:
            return Leisure.NONE
        return leisure_of(box, trio.current_time(), self._now().utc, begun)

    def add(self, notices: Sequence[Notice], deliveries: Sequence[Delivery]) -> None:
        """Take in what was committed, or what could not be: then it is sent from memory."""
        by_number = {notice.number: notice for notice in notices}
        for number, channel, urgent in deliveries:
            self._put(by_number[number], channel, 0, urgent=urgent)

    def restore(self, undelivered: Iterable[Undelivered], failing: Collection[str] = ()) -> None:
        """Take in what an earlier run left, before `run`; it is late, so it is due at once.

        Args:
            undelivered: What waited.
            failing: Channels of which it was told that nothing gets through. One that nothing
                waits for counts as any other: only a message could show that it works again.
        """
        for pending in undelivered:
            self._put(pending.notice, pending.channel, pending.attempts, urgent=pending.urgent)
        for channel in dict.fromkeys(closed.channel for closed in self._orphans):
            mine = [closed.number for closed in self._orphans if closed.channel == channel]
            self._say_gone(channel, mine)
        for name, box in self._boxes.items():
            if box.waiting:
                box.group_due = trio.current_time()
                if name in failing:
                    box.failing_since, box.announced = box.group_due, True

    def replace(self, channels: Sequence[OutboxChannel], anew: Collection[str] = ()) -> None:
        """Have these channels from now on, known by name.

        What waits for a channel that is gone is given up; what is under way to it ends by itself.

        Args:
            channels: All channels that exist.
            anew: Of those, the ones that lead elsewhere now: they are tried at once.
        """
        wanted = {channel.name: channel for channel in channels}
        for name in [name for name in self._boxes if name not in wanted]:
            gone = self._boxes.pop(name)
            self._say_gone(name, sorted(gone.waiting.keys() - gone.under_way))
            gone.dismiss()
        for name, channel in wanted.items():
            box = self._boxes.get(name)
            if box is None:
                self._boxes[name] = box = Box(channel, self._rng)
                if self._senders is not None:
                    self._senders.start_soon(self._serve, box, name=f"send to {name}")
                continue
            box.channel = channel
            if name in anew:
                box.begin_anew()

    def _say_gone(self, channel: str, numbers: Sequence[int]) -> None:
        if numbers:
            text = "channel %s no longer exists: given up is what it had yet to hear: %s"
            self._log.warning(text, channel, _numbered(numbers))

    def _put(self, notice: Notice, channel: str, attempts: int, *, urgent: bool) -> None:
        box = self._boxes.get(channel)
        if box is None:
            self._orphans.append(Closed(notice.number, channel, GONE))
            return
        now = trio.current_time()
        age = max(0.0, (self._now().utc - notice.at) / 1000)
        expires = now + box.channel.give_up_after - age
        box.put(Item(notice, attempts, expires, urgent=urgent), now)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send until `drain` is over, or until cancelled."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._senders = nursery
                nursery.start_soon(self._keep_closed, self._orphans)
                for box in self._boxes.values():
                    nursery.start_soon(self._serve, box, name=f"send to {box.channel.name}")
                task_status.started()
                await trio.sleep_forever()  # channels may come later, where there is none yet
        self._senders = None

    async def drain(self, seconds: float = 10.0) -> None:
        """Give each notice one more attempt, all channels at once; the rest waits in the store.

        Args:
            seconds: How long this may take in all, before `scale`.
        """
        if self._senders is None:
            await trio.lowlevel.checkpoint()
            return
        rounds = [box.begin_last_round() for box in self._boxes.values()]
        with trio.move_on_after(seconds * self._scale):
            for over in rounds:
                await over.wait()
        self._scope.cancel("the last round is over")

    # -------------------------------------------------------------- one channel

    async def _serve(self, box: Box) -> None:
        while True:
            if box.gone:
                box.dismiss()  # what was under way, too
            self._note(box)
            await self._keep_closed(box.closed)
            if box.gone:
                return
            box.wake = trio.Event()
            waiting = [Tried(item.notice, item.attempts + 1) for item in box.waiting.values()]
            capacity = most(self._room(box.channel.name), waiting)
            items, instant = box.next(trio.current_time(), self._now().utc, capacity)
            if items:
                await self._attempt(box, items)
            elif box.drained is not None:
                box.drained.set()
                return
            else:
                with trio.move_on_at(instant):
                    await box.wake.wait()

    async def _attempt(self, box: Box, items: Sequence[Item]) -> None:
        name = box.channel.name
        box.begin(items, trio.current_time())
        tries = [(item.number, item.attempts) for item in items]
        try:
            await self._store.attempted(tries, name, self._now().utc)
        except CommitFailed:
            self._log.debug("attempts of %s are kept in memory", _named(items))
        sent = await self._send(name, self._message(items, name))
        self.outcomes[name, sent.status] += len(items)
        if sent.status == "sent":
            box.succeeded(items, trio.current_time())
            self._heard(name, [item.notice for item in items])
        else:
            aside = [item for item in items if item.aside_until]
            box.failed(items, sent, trio.current_time())
            # The first failure is news; what follows it is not, until 5 min have passed.
            level = logging.WARNING if box.failures == 1 else logging.DEBUG
            text = "channel %s: %s %s: %s; it is tried again"
            self._log.log(level, text, name, _named(items), sent.status, sent.detail)
            for item in items:
                if item.aside_until and item not in aside:
                    text = "channel %s: #%d is refused while others get through; last answer: %s"
                    self._log.warning(text, name, item.number, sent.detail)
        try:
            await self._store.answered(tries, name, sent.status, self._now().utc, sent.detail)
        except CommitFailed:
            self._log.debug("the outcome of %s for %s is kept in memory", _named(items), name)

    def _message(self, items: Sequence[Item], channel: str) -> Message:
        try:
            return self._compose([Tried(item.notice, item.attempts) for item in items], channel)
        except Exception:  # noqa: BLE001 - a text that cannot be made must not end every other
            self._log.exception("%s cannot be put into words; this is a bug", _named(items))
        title, *more = [
            f"#{item.number}{f' (attempt {item.attempts})' if item.attempts > 1 else ''}"
            f" {item.notice.kind}: {item.notice.target}"
            for item in items
        ]
        return Message(title, "\n".join(more) or "the log says more")

    async def _keep_closed(self, closed: list[Closed]) -> None:
        while closed:
            number, channel, why = closed.pop(0)
            try:
                await self._store.died(number, channel, self._now().utc, why)
            except CommitFailed:
                self._log.debug("the end of #%d for %s is kept in memory", number, channel)

    def _note(self, box: Box) -> None:
        """Tell what became of a channel or of notices, once per change."""
        now, name = trio.current_time(), box.channel.name
        dead = box.expire(now)
        self.outcomes[name, "dead"] += len(dead)
        for item in dead:
            self._log.error(
                "channel %s: #%d is given up: %s", name, item.number, item.error or UNTRIED
            )
        # A fault about the notice of a fault would breed another.
        numbers = tuple(item.number for item in dead if item.notice.rule != OWN_FAULTS.name)
        if numbers:
            self._tell(NoticesDied(name, numbers, dead[-1].error or UNTRIED))
        since = box.failing_since
        if since is None and box.announced:
            box.announced = False
            self._log.warning("channel %s: messages get through again", name)
            self._tell(ChannelRecovered(name))
        elif since is not None and box.waiting and not box.announced and now >= since + FAILING:
            box.announced = True
            text = "channel %s: nothing got through for 5 min; %d wait; last answer: %s"
            self._log.error(text, name, len(box.waiting), box.answer)
            self._tell(ChannelFailed(name, len(box.waiting), box.answer))


def _named(items: Sequence[Item]) -> str:
    return _numbered([item.number for item in items])


def _numbered(numbers: Sequence[int]) -> str:
    """Name notices by their numbers, the first few of them."""
    return among([f"#{number}" for number in numbers], _FEW, between=" ")
