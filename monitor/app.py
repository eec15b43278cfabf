"""The service: wiring and shutdown.

    house ................. everything; ends when all below has ended
    ├─ store .............. writes what is appended
    ├─ outbox ............. one sender per channel
    ├─ judge .............. the one consumer: event → engine → commit → outbox
    └─ sources ............ cancelled by `stop`
       ├─ account ......... one per account: requests, user stream, polls
       ├─ marks ........... the mark price socket
       └─ mark carrier .... newest marks → the channel, one batch at a time

Stopping needs no flags. The sources are cancelled, their channel closes, the judge finishes what
is in it, each channel gets one more attempt, and what is left waits in the store.
"""

import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import trio

from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.binance.marks import MarkStream
from monitor.binance.usdm import UsdmAccount
from monitor.config import Config
from monitor.core.engine import Engine
from monitor.core.events import (
    ClockJumped,
    Event,
    KeyWasRejected,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PollWanted,
    Remark,
    Woke,
)
from monitor.core.freshness import FORGET_AFTER
from monitor.core.message import Message, compose
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Notice
from monitor.core.portfolio import Account
from monitor.core.routing import Channel
from monitor.core.rules import Rule
from monitor.core.telling import Outcome
from monitor.errors import CommitFailed
from monitor.feed import Latest
from monitor.notify import Sent
from monitor.outbox import Outbox, OutboxChannel
from monitor.quarantine import Quarantine
from monitor.store import Store

BACKLOG = 1024
"""Events waiting for the engine. Full: the link drops its socket and polls everything anew, since
an account event may not be lost and a blocked reader stops answering pings."""

JUMP = 5_000
"""Milliseconds by which two clocks may drift apart before it counts as a sleep or a step."""

INTRODUCE_AFTER = 5.0
"""Seconds after which an account that has not answered is said not to have."""

Compose = Callable[[Notice, int], Message]
"""Makes the message of a notice for an attempt, counted from 1."""


def real_now() -> Now:
    """Read both faces of the real clock; the one place that does.

    CLOCK_BOOTTIME counts a suspend, which the monotonic clock does not.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Now(time.clock_gettime_ns(clock) // 1_000_000, time.time_ns() // 1_000_000)


def story_clock(start_utc: int) -> Callable[[], Now]:
    """Make a clock that follows Trio's, for demos and tests.

    Args:
        start_utc: Unix milliseconds at the moment of this call.
    """
    began = round(trio.current_time() * 1000)

    def now() -> Now:
        ticks = round(trio.current_time() * 1000)
        return Now(ticks, start_utc + ticks - began)

    return now


class ClockWatch:
    """Notices that the machine slept, or that somebody set its clock.

    Asleep, `ticks` go on and Trio's clock stands still. A step moves utc away from ticks.
    """

    def __init__(self, now: Now) -> None:
        self._begin(now)

    def _begin(self, now: Now) -> None:
        self._asleep = now.ticks - round(trio.current_time() * 1000)
        self._ahead = now.utc - now.ticks

    def jumped(self, now: Now) -> str | None:
        """Tell what happened since the last call, in words; None: nothing."""
        asleep = now.ticks - round(trio.current_time() * 1000) - self._asleep
        ahead = now.utc - now.ticks - self._ahead
        if max(asleep, abs(ahead)) <= JUMP:
            return None
        self._begin(now)
        if asleep > JUMP:
            return f"the machine slept for {asleep / 1000:.0f} s"
        return f"the machine's clock was set by {ahead / 1000:+.0f} s"


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors to the world, so that tests and the demo can put others in."""

    dial: Dial
    now: Callable[[], Now] = real_now
    rng: random.Random = random.Random()  # noqa: RUF009, S311 - jitter; shared on purpose
    scale: float = 1.0
    """Multiplies every guard of real work; the speed of a story."""


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """A batch of marks on its way to the judge."""

    marks: dict[str, Mark]
    taken: trio.Event


class Service:
    """One run of the monitor.

    Args:
        config: Accounts, channels, intervals.
        rules: All rules.
        store: Open; closed by whoever opened it.
        send: Sends a message to a channel, by name.
        doors: The world.
        quarantine: Takes frames that cannot be read.
        wrap: Turns what makes messages for people into what makes other ones.
        hear: Told of every notice as it is made, also of those that no channel takes.
    """

    def __init__(
        self,
        config: Config,
        rules: Sequence[Rule],
        *,
        store: Store,
        send: Callable[[str, Message], Awaitable[Sent]],
        doors: Doors,
        quarantine: Quarantine,
        wrap: Callable[[Compose], Compose] | None = None,
        hear: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        self.log = logging.getLogger("marginwatch")
        self._rules = {rule.name: rule for rule in rules}
        self._zone = config.timezone
        self._doors = doors
        self._store = store
        self._hear = hear
        self._store_failing = False
        self.engine = Engine(
            rules,
            channels_of(config),
            [(account.name, account.venue) for account in config.accounts],
            now=doors.now(),
            stale_after=round(config.stale_after * doors.scale),
            saved=store.saved(),
            forget_after=round(FORGET_AFTER * doors.scale),
        )
        self.outbox = Outbox(
            [
                OutboxChannel(channel.name, channel.group_wait / 1000, config.give_up_after / 1000)
                for channel in config.channels
            ],
            store=store,
            send=send,
            compose=wrap(self.compose) if wrap is not None else self.compose,
            now=doors.now,
            rng=doors.rng,
            log=self.log,
            scale=doors.scale,
        )
        self.outbox.restore(store.undelivered())
        self._to_engine, self._events = trio.open_memory_channel[Event | _Marks](BACKLOG)
        self._latest: Latest[str, Mark] = Latest()
        self._sources = trio.CancelScope()
        self._wake_at: int | None = None
        budget = Budget(now=doors.now)  # the exchange counts weight per address: one for all
        self._unheard = {account.name: "it has not answered yet" for account in config.accounts}
        self.accounts = {
            account.name: UsdmAccount(
                name=account.name,
                api_key=account.api_key.get_secret_value(),
                api_secret=account.api_secret.get_secret_value(),
                ws_api=account.endpoints.ws_api,
                streams=account.endpoints.streams,
                poll_interval=config.poll_interval / 1000,
                dial=doors.dial,
                emit=self._to_engine.send_nowait,
                now=doors.now,
                quarantine=quarantine,
                scale=doors.scale,
                rng=doors.rng,
                log=self.log,
                budget=budget,
            )
            for account in config.accounts
        }
        first = next(iter(self.accounts.values()))
        self._marks = MarkStream(
            streams=config.accounts[0].endpoints.streams,
            latest=self._latest,
            dial=doors.dial,
            now=doors.now,
            offset=lambda: first.offset,
            quarantine=quarantine,
            scale=doors.scale,
            rng=doors.rng,
            log=self.log,
            budget=budget,
        )

    def compose(self, notice: Notice, attempt: int) -> Message:
        """Make the text of a notice, as it is true now."""
        return compose(
            notice,
            self._rules.get(notice.rule),
            now_utc=self._doors.now().utc,
            zone=self._zone,
            attempt=attempt,
        )

    # ------------------------------------------------------------ life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until `stop`, then finish what was begun."""
        for remark in self._store.remarks:
            self._say(remark)
        async with trio.open_nursery() as house:
            await house.start(self._store.run)
            await house.start(self.outbox.run)
            judged = trio.Event()
            house.start_soon(self._judge, judged)
            async with self._to_engine:
                with self._sources:
                    async with trio.open_nursery() as sources:
                        for account in self.accounts.values():
                            await sources.start(account.run)
                        sources.start_soon(self._marks.run)
                        sources.start_soon(self._carry_marks)
                        sources.start_soon(self._introduce_the_silent)
                        task_status.started()
            await judged.wait()
            await self.outbox.drain()
            house.cancel_scope.cancel("everything that could be sent has been")

    def stop(self, why: str) -> None:
        """Let the sources go; `run` ends when everything behind them has finished."""
        self._sources.cancel(why)

    # ------------------------------------------------------------ the one consumer

    async def _judge(self, judged: trio.Event) -> None:
        """Take events until their channel closes; wake the engine when it asked for it."""
        clock = ClockWatch(self._doors.now())
        await self._follow(self.engine.on(Woke(), self._doors.now()))
        async with self._events:
            while True:
                event: Event | _Marks = Woke()
                try:
                    with trio.move_on_after(self._until_wake()):
                        event = await self._events.receive()
                except trio.EndOfChannel:
                    break
                if isinstance(event, _Marks):
                    event.taken.set()
                    event = MarksChanged(event.marks)
                jump = clock.jumped(self._doors.now())
                if jump is not None:
                    await self._begin_anew(jump)
                await self._follow(self.engine.on(event, self._doors.now()))
                if isinstance(event, PollAnswered | KeyWasRejected):
                    self._introduce(event)
        judged.set()

    async def _begin_anew(self, why: str) -> None:
        """Believe nothing as fresh, and no socket, until everything has been asked again."""
        self.log.warning("%s; every socket is rebuilt", why)
        for account in self.accounts.values():
            account.rebuild(why)
        self._marks.rebuild(why)
        await self._follow(self.engine.on(ClockJumped(), self._doors.now()))

    def _until_wake(self) -> float:
        if self._wake_at is None:
            return math.inf
        return max(0.0, (self._wake_at - self._doors.now().ticks) / 1000)

    async def _follow(self, outcome: Outcome) -> None:
        """Do what a turn of the engine asks for: polls first, then the disk, then the channels."""
        self._wake_at = outcome.wake_at
        for request in outcome.requests:
            account = self.accounts[request.account]
            if isinstance(request, PollWanted):
                account.want_poll(request.ticks, full=request.full, urgent=request.urgent)
            else:
                account.distrust(request.why)
        if outcome.symbols is not None:
            self._marks.hold(outcome.symbols)
        for remark in outcome.remarks:
            self._say(remark)
        changes = outcome.changes
        if changes:
            await self._commit(outcome)
        for notice in outcome.notices:
            self._log_notice(notice)
            self._hear(notice)
        self.outbox.add(outcome.notices, outcome.deliveries)

    async def _commit(self, outcome: Outcome) -> None:
        try:
            await self._store.commit(outcome.changes)
        except CommitFailed as exc:
            if not self._store_failing:
                self.log.error("store failing: %s", exc)  # noqa: TRY400 - its text says it all
            self._store_failing = True
        else:
            if self._store_failing:
                self.log.warning("the store works again; everything is written")
            self._store_failing = False

    async def _carry_marks(self) -> None:
        """Hand the newest marks to the judge; the next batch when it has taken this one."""
        while True:
            batch = _Marks(await self._latest.take(), trio.Event())
            await self._to_engine.send(batch)
            await batch.taken.wait()

    # ------------------------------------------------------------ what the log hears

    def _say(self, remark: Remark) -> None:
        self.log.log(logging.getLevelNamesMapping()[remark.level.upper()], "%s", remark.text)

    def _log_notice(self, notice: Notice) -> None:
        what = notice.happening or notice.rule
        self.log.info(
            "#%d %s %s: %s %s",
            notice.number,
            notice.kind,
            notice.severity.word,
            what,
            notice.target,
        )

    def _introduce(self, event: PollAnswered | KeyWasRejected) -> None:
        """Say once what an account holds, or why that cannot be said."""
        if event.account not in self._unheard:
            return
        if isinstance(event, KeyWasRejected):
            self._unheard[event.account] = f"the exchange rejects its key: {event.message}"
            return
        account = self.engine.portfolio.accounts[event.account]
        if account.first_poll_done:
            del self._unheard[event.account]
            self.log.info("%s", introduction(account, self._doors.now()))

    async def _introduce_the_silent(self) -> None:
        await trio.sleep(INTRODUCE_AFTER * self._doors.scale)
        for name, why in self._unheard.items():
            self.log.warning("%s: cannot be watched yet: %s; trying on", name, why)


def channels_of(config: Config) -> list[Channel]:
    """Tell the routing what it has to know of the configured channels."""
    return [
        Channel(
            name=channel.name,
            min_severity=channel.min_severity,
            accounts=channel.accounts,
            rules=channel.rules,
            send_resolved=channel.send_resolved,
            send_reminders=channel.send_reminders,
        )
        for channel in config.channels
    ]


def introduction(account: Account, now: Now) -> str:
    """Say what an account holds: "main: 4 positions, nearest BTCUSDT long 12.3 % from …"."""
    count = len(account.holdings)
    if not count:
        return f"{account.name}: no positions"
    said = f"{account.name}: {count} position{'' if count == 1 else 's'}"
    distance = METRICS["liquidation_distance"].compute
    found = []
    for holding in account.holdings.values():
        figure = distance(View(account, now, holding=holding))
        if isinstance(figure, Decimal):
            found.append((figure, f"{holding.position.symbol} {holding.position.side}"))
    nearest = min(found, default=None)
    if nearest is None:
        return f"{said}, their distance to liquidation is not known yet"
    if not math.isfinite(nearest[0]):
        return f"{said}, none can be liquidated"
    return f"{said}, nearest {nearest[1]} {nearest[0] * 100:.1f} % from liquidation"
