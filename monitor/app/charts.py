"""A picture behind each critical: after its text, and never in the way of any.

    notice made ─▶ scene kept ─ text got through ─▶ waits ─ channel idle ─▶ drawn ─▶ sent
                       └ a minute ─▶ forgotten        └ a critical waits, or a minute ─▶ dropped

- A picture is no notice: it has no number, nothing of it is kept, it is sent once or not at all. A
  restart forgets it.
- It goes out beside the channel's texts, by a sender of its own (`Senders.picture`): one that hangs
  delays pictures alone. It begins only when no text is due there, and counts after the texts to
  `max_per_minute`.
- Of a position only the newest picture waits, and a few of all positions.
- It is drawn in a thread, and not waited for longer than `PATIENCE`: the loop goes on meanwhile.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

import trio

from monitor.app.drawing import drawn
from monitor.config import Channel
from monitor.core.charting import (
    Scene,
    chart_of,
    holding_of,
    is_drawn,
    judge_of,
    levels_of,
    scene_of,
    twin_of,
)
from monitor.core.events import Mark, Now
from monitor.core.notices import Notice
from monitor.core.plotting import plot
from monitor.core.portfolio import Account
from monitor.core.rules import Rule
from monitor.core.saying import where
from monitor.core.trails import Trails
from monitor.notify import InThread, Sent
from monitor.outbox import Leisure

SendPicture = Callable[[str, str, bytes], Awaitable[Sent]]
"""Sends a picture (a PNG) under a caption to a channel, by name."""

LATEST = 60.0
"""Seconds after its notice, before scale, in which a picture has to be sent."""

PATIENCE = 10.0
"""Seconds, before scale, that a drawing may take."""

SPACED = 3.0
"""Seconds between two pictures of a channel: a service's patience belongs to texts."""

LOOK = 0.25
"""Seconds between two looks at whether a channel is idle."""

MOST = 5
"""Pictures that wait in a channel."""

MINUTE = 60.0


@dataclass(slots=True, eq=False)
class _Order:
    """A picture that may be wanted."""

    notice: Notice
    scene: Scene
    deadline: float
    """Trio's time."""
    made: dict[str, bytes] = field(default_factory=dict)
    """By theme, what was drawn already: several channels may want it."""


@dataclass(slots=True, eq=False)
class _Easel:
    """The pictures of one channel."""

    theme: str
    waiting: deque[_Order] = field(default_factory=deque)
    begun: deque[float] = field(default_factory=deque)
    not_before: float = 0.0
    busy: bool = False
    """Whether a task works on what waits."""
    answer: str = ""
    """Why the last picture was not taken; "" where it was."""


class Charts:
    """The pictures of a service.

    Args:
        channels: All channels that exist.
        accounts: What is watched, by name.
        rule: Gives a rule by its name; None where it is gone.
        send: Sends a picture; None: there are none.
        leisure: Whether a channel has time, by its name and how many pictures it had this minute.
        now: Tells the time.
        zone: Of the clock in the picture.
        log: For what was drawn and not sent.
        in_thread: How a blocking call is made.
        scale: Multiplies what is a guard of real work.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        accounts: Mapping[str, Account],
        rule: Callable[[str], Rule | None],
        send: SendPicture | None,
        leisure: Callable[[str, int], Leisure],
        now: Callable[[], Now],
        zone: tzinfo,
        log: logging.Logger,
        in_thread: InThread = trio.to_thread.run_sync,
        scale: float = 1.0,
    ) -> None:
        self._accounts = accounts
        self._rule = rule
        self._send = send
        self._leisure = leisure
        self._now = now
        self._zone = zone
        self._log = log
        self._in_thread = in_thread
        self._scale = scale
        self._trails = Trails()
        self._orders: dict[int, _Order] = {}
        self._easels: dict[str, _Easel] = {}
        self._pencil = trio.CapacityLimiter(1)
        self._drawing = trio.Lock()
        self._painters: trio.Nursery | None = None
        self.replace(channels)

    # -------------------------------------------------------------- what is told

    def replace(self, channels: Sequence[Channel]) -> None:
        """Have these channels from now on."""
        wanted = {each.name: each.charts for each in channels if each.charts}
        for name in [name for name in self._easels if name not in wanted]:
            self._easels.pop(name).waiting.clear()
        for name, theme in wanted.items():
            self._easels.setdefault(name, _Easel(theme)).theme = theme

    def note(self, marks: Mapping[str, Mark]) -> None:
        """Take the newest marks; without a channel that has charts, nothing is kept."""
        if self._easels and self._send is not None:
            self._trails.note(marks, self._now().utc)

    def keep(self, notice: Notice) -> None:
        """Keep what a picture of a notice that was just made would need."""
        account = self._accounts.get(notice.target.account)
        if not self._easels or self._send is None or account is None or not is_drawn(notice):
            return
        now = trio.current_time()
        for number in [n for n, order in self._orders.items() if order.deadline <= now]:
            del self._orders[number]
        scene = scene_of(account, notice, self._now())
        self._orders[notice.number] = _Order(notice, scene, now + LATEST * self._scale)

    def heard(self, channel: str, notices: Sequence[Notice]) -> None:
        """Take that the texts of these notices got through to a channel."""
        easel = self._easels.get(channel)
        if easel is None or self._painters is None:
            return
        for notice in notices:
            order = self._orders.get(notice.number)
            if order is None:
                continue
            others = [one for one in easel.waiting if one.notice.target != notice.target]
            easel.waiting = deque([*others, order], maxlen=MOST)
        if easel.waiting and not easel.busy:
            easel.busy = True
            self._painters.start_soon(self._work, channel, easel, name=f"charts for {channel}")

    # -------------------------------------------------------------- what is done

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send pictures until cancelled."""
        async with trio.open_nursery() as nursery:
            self._painters = nursery
            task_status.started()
            await trio.sleep_forever()

    async def _work(self, channel: str, easel: _Easel) -> None:
        """Send what waits in a channel; ends when nothing does."""
        while easel.waiting:
            order = easel.waiting.popleft()
            with trio.move_on_at(order.deadline):
                try:
                    await self._one(channel, easel, order)
                except Exception:  # noqa: BLE001 - an extra: whatever is wrong with it ends no watch
                    self._log.exception("channel %s: a chart is dropped; this is a bug", channel)
        easel.busy = False

    async def _one(self, channel: str, easel: _Easel, order: _Order) -> None:
        if self._send is None or not await self._idle(channel, easel):
            return
        picture = await self._drawn(order, easel.theme)
        # Drawing took a while: a text may have come.
        if picture is None or not await self._idle(channel, easel):
            return
        easel.begun.append(trio.current_time())
        caption = f"{where(order.notice.target)}: the last hour"
        sent = await self._send(channel, caption, picture)
        answer = "" if sent.status == "sent" else f"{sent.status}: {sent.detail}"
        if answer:
            easel.not_before = trio.current_time() + (sent.retry_after or 0.0)
            # The same once more is no news: a service may take no pictures at all.
            level = logging.DEBUG if answer == easel.answer else logging.WARNING
            self._log.log(level, "channel %s: a chart is dropped: %s", channel, answer)
        easel.answer = answer

    async def _idle(self, channel: str, easel: _Easel) -> bool:
        """Wait until a channel has time; no: something more urgent waits there."""
        while True:
            now = trio.current_time()
            while easel.begun and easel.begun[0] <= now - MINUTE:
                easel.begun.popleft()
            leisure = self._leisure(channel, len(easel.begun))
            if leisure is Leisure.NONE:
                self._log.debug("channel %s: a chart is dropped: a critical waits", channel)
                return False
            ready = max(easel.not_before, easel.begun[-1] + SPACED if easel.begun else 0.0)
            if leisure is Leisure.FREE and now >= ready:
                return True
            await trio.sleep(LOOK)

    async def _drawn(self, order: _Order, theme: str) -> bytes | None:
        """Draw an order, once for all channels of a theme."""
        async with self._drawing:
            if theme not in order.made:
                with trio.move_on_after(PATIENCE * self._scale) as patience:
                    made = await self._in_thread(
                        self._prepared(order, theme), abandon_on_cancel=True, limiter=self._pencil
                    )
                    if made is not None:
                        order.made[theme] = made
                if patience.cancelled_caught:
                    self._log.warning("a chart took too long to draw, and is dropped")
            return order.made.get(theme)

    def _prepared(self, order: _Order, theme: str) -> Callable[[], bytes | None]:
        """Take from the live account what the drawing needs; the rest is done in the thread."""
        notice, now = order.notice, self._now()
        account = self._accounts[notice.target.account]
        held = holding_of(account, notice) is not None
        judge = judge_of(self._rule(notice.rule)) if held else None
        twin = None if judge is None else twin_of(account, judge)
        trail = self._trails.last_hour(notice.target.symbol, now.utc)
        scene = scene_of(account, notice, now) if held else order.scene
        if not held and trail:  # its mark, and how far that was, are of an earlier instant
            scene = replace(scene, mark=None, distance=None)

        def draw() -> bytes | None:
            found = [] if twin is None or judge is None else levels_of(twin, notice, judge, now)
            title = where(notice.target)
            chart = chart_of(title, scene, trail, found, utc=now.utc, zone=self._zone)
            return None if chart is None else drawn(plot(chart), theme)

        return draw
