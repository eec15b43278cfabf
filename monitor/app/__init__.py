"""The service: its life and its shutdown; `wiring` makes its parts.

    house ................. everything; ends when all below has ended
    ├─ store .............. writes what is appended
    ├─ outbox ............. one sender per channel
    ├─ judge .............. the one consumer: event → engine → commit → outbox
    └─ sources ............ cancelled by `stop`
       ├─ account ......... one per account: requests, user stream, polls, reference data
       ├─ marks ........... the mark price socket
       ├─ bulletin ........ says in the log how each account stands
       ├─ heart ........... beats while all is well, for whoever misses it
       ├─ daily ........... once a day: that we are still here
       ├─ asset prices .... while an account is in multi-assets mode
       └─ mark carrier .... newest marks → the channel, one batch at a time

Stopping needs no flags. The sources are cancelled, their channel closes, the judge finishes what
is in it, each channel gets one more attempt, and what is left waits in the store.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from monitor.app.bulletin import Bulletin
from monitor.app.clock import ClockWatch, real_now, story_clock
from monitor.app.daily import Daily
from monitor.app.heartbeat import Heart
from monitor.app.vitals import Vitals
from monitor.app.wiring import (
    LOG,
    ROOM,
    Compose,
    Doors,
    Send,
    banned_until,
    channels_of,
    last_seen,
    make_account,
    make_asset_prices,
    make_budget,
    make_engine,
    make_marks,
    make_outbox,
    outbox_channels,
)
from monitor.binance.usdm import UsdmAccount
from monitor.config import Config
from monitor.core.digest import Tried, compose_all
from monitor.core.earlier import Edition
from monitor.core.events import (
    AddressBanned,
    AssetPricesRead,
    ClockJumped,
    Event,
    KeyWasRejected,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PollWanted,
    ReloadRefused,
    Remark,
    StillHere,
    Stopping,
    StoreFailed,
    StoreReplaced,
    Woke,
)
from monitor.core.introduction import introduction
from monitor.core.message import Message
from monitor.core.notices import Notice
from monitor.core.outcome import Outcome
from monitor.core.rules import Rule
from monitor.core.standing import Standing
from monitor.errors import CommitFailed
from monitor.feed import Latest
from monitor.quarantine import Quarantine
from monitor.store import Store

__all__ = ["Compose", "Doors", "Send", "Service", "introduction", "real_now", "story_clock"]

BACKLOG = 1024
"""Events waiting for the engine. Full: the link drops its socket and polls everything anew, since
an account event may not be lost and a blocked reader stops answering pings."""

CLOCK_LOOK = 2.0
"""Seconds, before scale, after which the clocks are looked at though nothing happens: a machine
that slept wakes to silent sockets, and Trio's clock does not know how long that was."""

RESTART_AFTER = 300.0
"""The longest pause, seconds, before an account's watch that a bug has ended begins anew."""

TIDY_EVERY = 6 * 3600.0
"""Seconds between two looks for notices that are older than `keep_history`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """A batch of marks on its way to the judge."""

    marks: dict[str, Mark]
    taken: trio.Event


@dataclass(slots=True, eq=False)
class _Asked:
    """An event whose outcome somebody waits for, on its way to the judge."""

    event: Event
    done: trio.Event
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Reload:
    """Other rules and channels on their way to the judge."""

    config: Config
    rules: Sequence[Rule]
    taken: trio.Event


_Told = Event | _Marks | _Reload | _Asked
"""What the judge takes."""


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
        room: Tells how many characters a message to a channel, by name, may have.
    """

    def __init__(
        self,
        config: Config,
        rules: Sequence[Rule],
        *,
        store: Store,
        send: Send,
        doors: Doors,
        quarantine: Quarantine,
        wrap: Callable[[Compose], Compose] | None = None,
        hear: Callable[[Notice], None] = lambda _: None,
        room: Callable[[str], int] = lambda _: ROOM,
    ) -> None:
        self.log = LOG
        self._rules = {rule.name: rule for rule in rules}
        self._channels = config.channels
        self._zone = config.timezone
        self._room = room
        self._keep_history = config.keep_history
        self._doors = doors
        self._store = store
        self._hear = hear
        self._store_failing = False
        self._wake_at: int | None = None
        self._sources = trio.CancelScope()
        self._to_engine, self._events = trio.open_memory_channel[_Told](BACKLOG)
        self._latest: Latest[str, Mark] = Latest()
        self._late: list[Event] = []
        saved = store.saved()
        self.engine = make_engine(config, rules, saved, doors)
        words = wrap(self.compose) if wrap is not None else self.compose
        self.outbox = make_outbox(
            config, store, doors, send=send, compose=words, room=room, tell=self._tell, saved=saved
        )
        self.vitals = Vitals(
            config,
            rules,
            accounts=self.engine.portfolio.accounts,
            store=store,
            outbox=self.outbox,
            doors=doors,
        )
        self._heart = Heart(
            config.heartbeat,
            ask=self.vitals.ailments,
            dial=doors.dial,
            log=LOG,
            scale=doors.scale,
        )
        self._begun = doors.now().ticks
        self._daily = Daily(config.heartbeat, config.timezone, now=doors.now, call=self._greet)
        # The exchange counts weight per address: one budget for all.
        self.budget = make_budget(config, doors, on_ban=self._on_ban)
        self.budget.resume_ban(banned_until(saved))
        emit = self._to_engine.send_nowait
        self._asset_prices = make_asset_prices(
            config,
            doors,
            take=lambda prices: self._tell(AssetPricesRead(prices)),
            budget=self.budget,
        )
        self.accounts = {
            account.name: make_account(
                account,
                config,
                doors,
                emit=emit,
                quarantine=quarantine,
                budget=self.budget,
                prices=self._asset_prices,
                seen_until=last_seen(saved, account.name),
            )
            for account in config.accounts
        }
        self._bulletin = Bulletin(
            self.engine.portfolio.accounts,
            trouble=lambda name: self.accounts[name].trouble,
            now=doors.now,
            log=LOG,
            scale=doors.scale,
        )
        first = next(iter(self.accounts.values()))
        self._marks = make_marks(
            config,
            doors,
            latest=self._latest,
            offset=lambda: first.offset,
            quarantine=quarantine,
            budget=self.budget,
            on_brackets=self._on_brackets,
        )

    def compose(self, tried: Sequence[Tried], channel: str) -> Message:
        """Make the text of notices, as it is true now."""
        return compose_all(
            tried,
            self._rules,
            now_utc=self._doors.now().utc,
            zone=self._zone,
            room=self._room(channel),
        )

    # ------------------------------------------------------------ life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until `stop`, then finish what was begun."""
        for remark in self._store.remarks:
            self._say(remark)
            if remark.counter == "store_replaced":
                self._tell(StoreReplaced(remark.text))
        async with trio.open_nursery() as house:
            await house.start(self._store.run)
            await house.start(self.outbox.run)
            judged = trio.Event()
            house.start_soon(self._judge, judged)
            async with self._to_engine:
                with self._sources:
                    async with trio.open_nursery() as sources:
                        for account in self.accounts.values():
                            sources.start_soon(self._watch_account, account)
                        sources.start_soon(self._heart.run)
                        sources.start_soon(self._daily.run)
                        sources.start_soon(self._marks.run)
                        sources.start_soon(self._asset_prices.run)
                        sources.start_soon(self._carry_marks)
                        sources.start_soon(self._bulletin.run)
                        sources.start_soon(self._forget_what_is_old)
                        task_status.started()
            await judged.wait()
            await self.outbox.drain()
            house.cancel_scope.cancel("everything that could be sent has been")

    async def _watch_account(self, account: UsdmAccount) -> None:
        """Watch an account; a bug in its part ends neither the others nor the process."""
        crashes = 0
        while True:
            begun = trio.current_time()
            try:
                await account.run()
            except Exception:
                if trio.current_time() - begun > RESTART_AFTER:
                    crashes = 0  # it watched for a while: another bug, or a rare one
                pause = min(RESTART_AFTER, 2.0**crashes)
                crashes += 1
                self.log.exception(
                    "%s: a bug has ended its watch, please report it; beginning anew in %.0f s",
                    account.name,
                    pause,
                )
            await trio.sleep(pause)

    def stop(self, why: str) -> None:
        """Let the sources go; `run` ends when everything behind them has finished."""
        self._sources.cancel(why)

    async def reload(self, config: Config, rules: Sequence[Rule]) -> None:
        """Go on by the rules and channels of another configuration; its other keys are ignored.

        Returns when what follows from them is committed, or when the service is ending.
        """
        order = _Reload(config, rules, trio.Event())
        try:
            await self._to_engine.send(order)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return
        await order.taken.wait()

    async def tell(self, event: Event) -> Outcome | None:
        """Tell the engine an event, and return what came of it once that is committed.

        None where the service is ending. See `store_failing` for whether it is on disk.
        """
        asked = _Asked(event, trio.Event())
        try:
            await self._to_engine.send(asked)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return None
        await asked.done.wait()
        return asked.outcome

    def now(self) -> Now:
        """Tell the time by the service's own clock."""
        return self._doors.now()

    def standing(self) -> list[Standing]:
        """List the alerts that fire, the worst first."""
        return self.engine.standing(self._doors.now())

    @property
    def store_failing(self) -> bool:
        """Whether the last commit failed: what is new is in memory only."""
        return self._store_failing

    def refuse_reload(self, faults: str) -> None:
        """Tell that edited files are not taken, because of these faults."""
        self._tell(ReloadRefused(faults))

    # ------------------------------------------------------------ the one consumer

    async def _judge(self, judged: trio.Event) -> None:
        """Take events until their channel closes; wake the engine when it asked for it."""
        clock = ClockWatch(self._doors.now())
        look = CLOCK_LOOK * self._doors.scale
        await self._follow(self.engine.on(Woke(), self._doors.now()))
        async with self._events:
            while True:
                event: _Told = Woke()
                try:
                    with trio.move_on_after(min(self._until_wake(), look)) as waited:
                        event = await self._events.receive()
                except trio.EndOfChannel:
                    break
                if isinstance(event, _Marks):
                    event.taken.set()
                    event = MarksChanged(event.marks)
                elif isinstance(event, _Reload):
                    await self._take_reload(event)
                    event = Woke()
                elif isinstance(event, _Asked):
                    await self._take_asked(event)
                    event = Woke()
                jump = clock.jumped(self._doors.now())
                if jump is not None:
                    await self._begin_anew(jump)
                if not (waited.cancelled_caught and self._until_wake() > 0):
                    await self._judge_one(event)
                while self._late:
                    await self._judge_one(self._late.pop(0))
                self.vitals.turned()
        await self._follow(self.engine.on(Stopping(), self._doors.now()))
        judged.set()

    async def _take_reload(self, order: _Reload) -> None:
        """Go on by other rules and channels, all of it between two events."""
        config = order.config
        before = {channel.name: channel.url for channel in self._channels}
        moved = [each.name for each in config.channels if before.get(each.name) != each.url]
        self._rules = {rule.name: rule for rule in order.rules}
        self._channels = config.channels
        edition = Edition(order.rules, channels_of(config))
        outcome = self.engine.on(edition, self._doors.now())
        self.outbox.replace(outbox_channels(config), anew=moved)
        self.vitals.take(config, order.rules)
        self._heart.take(config.heartbeat)
        self._daily.take(config.heartbeat)
        await self._follow(outcome)
        order.taken.set()

    async def _take_asked(self, asked: _Asked) -> None:
        asked.outcome = self.engine.on(asked.event, self._doors.now())
        await self._follow(asked.outcome)
        asked.done.set()

    async def _judge_one(self, event: Event) -> None:
        await self._follow(self.engine.on(event, self._doors.now()))
        if isinstance(event, PollAnswered | KeyWasRejected):
            self._bulletin.note(event)

    def _tell(self, event: Event) -> None:
        """Hand over an event of no account; with a full backlog, behind the next that is judged."""
        try:
            self._to_engine.send_nowait(event)
        except trio.WouldBlock:
            self._late.append(event)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            pass  # the service is ending: what it has to say of itself is in the log

    def _greet(self) -> None:
        up = self._doors.now().ticks - self._begun
        self._tell(StillHere(up, self.outbox.waiting, tuple(sorted(self.outbox.failing))))

    def _on_ban(self, until: int, message: str) -> None:
        self._tell(AddressBanned(until, message))

    def _on_brackets(self, symbol: str) -> None:
        for account in self.accounts.values():
            account.brackets_changed(symbol)

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
                self._tell(StoreFailed(str(exc)))
            self._store_failing = True
        else:
            if self._store_failing:
                self.log.warning("the store works again; everything is written")
            self._store_failing = False

    async def _forget_what_is_old(self) -> None:
        """Keep the history to its length; looked at now, and then every few hours."""
        while True:
            try:
                deleted = await self._store.forget(self._doors.now().utc - self._keep_history)
            except CommitFailed as exc:
                self.log.debug("the history was not shortened: %s", exc)
            else:
                if deleted:
                    self.log.info("%d notices are older than keep_history, forgotten", deleted)
            await trio.sleep(TIDY_EVERY)

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
