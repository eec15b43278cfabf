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
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from random import Random
from typing import Protocol

import trio

from monitor.core.events import Now
from monitor.core.message import Message
from monitor.core.notices import Delivery, Notice
from monitor.errors import CommitFailed
from monitor.notify import Sent
from monitor.outbox.box import FAILING, GONE, Box, Closed, Item, OutboxChannel
from monitor.store import Undelivered

__all__ = ["Keeper", "Outbox", "OutboxChannel"]


class Keeper(Protocol):
    """The store's part in a delivery; both raise CommitFailed when it is kept only in memory."""

    async def attempted(self, number: int, channel: str, attempt: int, at: int) -> None:
        """Keep that a send begins."""

    async def settled(
        self, number: int, channel: str, state: str, at: int, error: str | None = None
    ) -> None:
        """Keep that a delivery is over."""


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
        self._boxes = {channel.name: Box(channel, rng) for channel in channels}
        self._rng = rng
        self._store = store
        self._send = send
        self._compose = compose
        self._now = now
        self._log = log
        self._scale = scale
        self._orphans: list[Closed] = []
        self._scope = trio.CancelScope()
        self._senders: trio.Nursery | None = None
        """Where the senders of channels run; None: nothing is sent."""

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

    def replace(self, channels: Sequence[OutboxChannel], anew: Collection[str] = ()) -> None:
        """Have these channels from now on, known by name.

        What waits for a channel that is gone is given up; what is under way to it ends by itself.

        Args:
            channels: All channels that exist.
            anew: Of those, the ones that lead elsewhere now: they are tried at once.
        """
        wanted = {channel.name: channel for channel in channels}
        for name in [name for name in self._boxes if name not in wanted]:
            self._boxes.pop(name).dismiss()
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

    def _put(self, notice: Notice, channel: str, attempts: int) -> None:
        box = self._boxes.get(channel)
        if box is None:
            self._orphans.append(Closed(notice.number, channel, GONE))
            return
        now = trio.current_time()
        age = max(0.0, (self._now().utc - notice.at) / 1000)
        box.put(Item(notice, attempts, now + box.channel.give_up_after - age), now)

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
            item, instant = box.next(trio.current_time())
            if item is not None:
                await self._attempt(box, item)
            elif box.drained is not None:
                box.drained.set()
                return
            else:
                with trio.move_on_at(instant):
                    await box.wake.wait()

    async def _attempt(self, box: Box, item: Item) -> None:
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
            # The first failure is news; what follows it is not, until 5 min have passed.
            level = logging.WARNING if box.failures == 1 else logging.DEBUG
            text = "channel %s: #%d %s: %s; it is tried again"
            self._log.log(level, text, name, item.number, sent.status, sent.detail)
            if item.aside_until and not aside:
                text = "channel %s: #%d is refused while others get through; last answer: %s"
                self._log.warning(text, name, item.number, sent.detail)

    async def _settle(self, number: int, channel: str, state: str, error: str | None) -> None:
        try:
            await self._store.settled(number, channel, state, self._now().utc, error)
        except CommitFailed:
            self._log.debug("the outcome of #%d for %s is kept in memory", number, channel)

    async def _keep_closed(self, closed: list[Closed]) -> None:
        while closed:
            ended = closed.pop(0)
            await self._settle(ended.number, ended.channel, "dead", ended.error)

    def _note(self, box: Box) -> None:
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
