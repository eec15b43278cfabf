"""The service: its life and its shutdown; `wiring` makes its parts.

    house ................. everything; ends when all below has ended
    ├─ store .............. writes what is appended
    ├─ outbox ............. one sender per channel
    ├─ charts ............. pictures, behind the texts of criticals
    ├─ judge .............. the one consumer: event → engine → commit → outbox
    └─ sources ............ cancelled by `stop`
       ├─ account ......... one per account: requests, user stream, polls, reference data
       ├─ marks ........... the mark price socket
       ├─ bulletin ........ says in the log how each account stands
       ├─ heart ........... beats while all is well, for whoever misses it
       ├─ daily ........... once a day: that we are still here
       ├─ asset prices .... while an account is in multi-assets mode
       ├─ history ......... is kept to its length
       └─ mark carrier .... newest marks → the inbox, one batch at a time

Stopping needs no flags. The sources are cancelled, the inbox closes, the judge finishes what is in
it, each channel gets one more attempt, and what is left waits in the store.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

import trio

from monitor.app.bulletin import Bulletin
from monitor.app.charts import SendPicture
from monitor.app.clock import ClockWatch, real_now, story_clock
from monitor.app.daily import Daily
from monitor.app.heartbeat import Heart
from monitor.app.inbox import Asked, Inbox, Marks, Post, Reload
from monitor.app.keeping import Keeping
from monitor.app.measuring import Histogram
from monitor.app.vitals import Vitals
from monitor.app.watching import watch
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
    make_charts,
    make_engine,
    make_marks,
    make_outbox,
    outbox_channels,
)
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
    StoreReplaced,
    Woke,
)
from monitor.core.introduction import introduction
from monitor.core.message import Message
from monitor.core.notices import Notice
from monitor.core.outcome import Outcome
from monitor.core.rules import Rule
from monitor.core.standing import Standing
from monitor.feed import Latest
from monitor.quarantine import Quarantine
from monitor.store import Store

__all__ = ["Compose", "Doors", "Send", "Service", "introduction", "real_now", "story_clock"]

CLOCK_LOOK = 2.0
"""Seconds, before scale, after which the clocks are looked at though nothing happens: a machine
that slept wakes to silent sockets, and Trio's clock does not know how long that was."""


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
        picture: Sends a picture to a channel, by name; None: there are no charts.
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
        picture: SendPicture | None = None,
    ) -> None:
        self.log = LOG
        self.quarantine = quarantine
        self.started = doors.now().utc
        """Unix milliseconds."""
        self.turns = Histogram()
        """How long the engine takes for each event."""
        self._rules = {rule.name: rule for rule in rules}
        self._channels = config.channels
        self._zone = config.timezone
        self._room = room
        self._keep_history = config.keep_history
        self._doors = doors
        self._store = store
        self._hear = hear
        self._wake_at: int | None = None
        self._sources = trio.CancelScope()
        self._inbox = Inbox()
        self._keeping = Keeping(store, tell=self._inbox.put, log=LOG)
        self._latest: Latest[str, Mark] = Latest()
        saved = store.saved()
        self.engine = make_engine(config, rules, saved, doors)
        words = wrap(self.compose) if wrap is not None else self.compose
        self._charts = make_charts(
            config,
            doors,
            accounts=self.engine.portfolio.accounts,
            rule=lambda name: self._rules.get(name),  # noqa: PLW0108 - others after a reload
            send=picture,
            leisure=lambda *of: self.outbox.leisure(*of),  # noqa: PLW0108 - made below
        )
        self.outbox = make_outbox(
            config,
            store,
            doors,
            send=send,
            compose=words,
            room=room,
            tell=self._inbox.put,
            heard=self._charts.heard,
            saved=saved,
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
        self._asset_prices = make_asset_prices(
            config,
            doors,
            take=lambda prices: self._inbox.put(AssetPricesRead(prices)),
            budget=self.budget,
        )
        self.accounts = {
            account.name: make_account(
                account,
                config,
                doors,
                emit=self._inbox.emit,
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
                self._inbox.put(StoreReplaced(remark.text))
        async with trio.open_nursery() as house:
            await house.start(self._store.run)
            await house.start(self._charts.run)
            await house.start(self.outbox.run)
            judged = trio.Event()
            house.start_soon(self._judge, judged)
            async with self._inbox.entrance:
                with self._sources:
                    async with trio.open_nursery() as sources:
                        for account in self.accounts.values():
                            sources.start_soon(watch, account, self.log)
                        sources.start_soon(self._heart.run)
                        sources.start_soon(self._daily.run)
                        sources.start_soon(self._marks.run)
                        sources.start_soon(self._asset_prices.run)
                        sources.start_soon(self._inbox.carry, self._latest)
                        sources.start_soon(self._bulletin.run)
                        sources.start_soon(
                            self._keeping.forget, self._doors.now, self._keep_history
                        )
                        task_status.started()
            await judged.wait()
            await self.outbox.drain()
            house.cancel_scope.cancel("everything that could be sent has been")

    def stop(self, why: str) -> None:
        """Let the sources go; `run` ends when everything behind them has finished."""
        self._sources.cancel(why)

    async def reload(self, config: Config, rules: Sequence[Rule]) -> None:
        """Go on by the rules and channels of another configuration; its other keys are ignored.

        Returns when what follows from them is committed, or when the service is ending.
        """
        await self._inbox.reload(config, rules)

    async def tell(self, event: Event) -> Outcome | None:
        """Tell the engine an event, and return what came of it once that is committed.

        None where the service is ending. See `store_failing` for whether it is on disk.
        """
        return await self._inbox.ask(event)

    def now(self) -> Now:
        """Tell the time by the service's own clock."""
        return self._doors.now()

    def standing(self) -> list[Standing]:
        """List the alerts that fire, the worst first."""
        return self.engine.standing(self._doors.now())

    @property
    def doors(self) -> Doors:
        """The world that it lives in."""
        return self._doors

    @property
    def rules(self) -> Mapping[str, Rule]:
        """All rules, by name; another mapping when others are taken."""
        return self._rules

    @property
    def zone(self) -> tzinfo:
        """Of the times that people read."""
        return self._zone

    @property
    def store_failing(self) -> bool:
        """Whether the last commit failed: what is new is in memory only."""
        return self._keeping.failing

    def refuse_reload(self, faults: str) -> None:
        """Tell that edited files are not taken, because of these faults."""
        self._inbox.put(ReloadRefused(faults))

    # ------------------------------------------------------------ the one consumer

    async def _judge(self, judged: trio.Event) -> None:
        """Take events until their channel closes; wake the engine when it asked for it."""
        clock = ClockWatch(self._doors.now())
        look = CLOCK_LOOK * self._doors.scale
        await self._follow(self.engine.on(Woke(), self._doors.now()))
        async with self._inbox.exit:
            while True:
                event: Post = Woke()
                try:
                    with trio.move_on_after(min(self._until_wake(), look)) as waited:
                        event = await self._inbox.exit.receive()
                except trio.EndOfChannel:
                    break
                if isinstance(event, Marks):
                    event.taken.set()
                    self._charts.note(event.marks)
                    event = MarksChanged(event.marks)
                elif isinstance(event, Reload):
                    await self._take_reload(event)
                    event = Woke()
                elif isinstance(event, Asked):
                    await self._take_asked(event)
                    event = Woke()
                jump = clock.jumped(self._doors.now())
                if jump is not None:
                    await self._begin_anew(jump)
                if not (waited.cancelled_caught and self._until_wake() > 0):
                    await self._judge_one(event)
                while self._inbox.late:
                    await self._judge_one(self._inbox.late.pop(0))
                self.vitals.turned()
        await self._follow(self.engine.on(Stopping(), self._doors.now()))
        judged.set()

    async def _take_reload(self, order: Reload) -> None:
        """Go on by other rules and channels, all of it between two events."""
        config = order.config
        before = {channel.name: channel.url for channel in self._channels}
        moved = [each.name for each in config.channels if before.get(each.name) != each.url]
        self._rules = {rule.name: rule for rule in order.rules}
        self._channels = config.channels
        edition = Edition(order.rules, channels_of(config))
        outcome = self.engine.on(edition, self._doors.now())
        self.outbox.replace(outbox_channels(config), anew=moved)
        self._charts.replace(config.channels)
        self.vitals.take(config, order.rules)
        self._heart.take(config.heartbeat)
        self._daily.take(config.heartbeat)
        await self._follow(outcome)
        order.taken.set()

    async def _take_asked(self, asked: Asked) -> None:
        asked.outcome = self.engine.on(asked.event, self._doors.now())
        await self._follow(asked.outcome)
        asked.done.set()

    async def _judge_one(self, event: Event) -> None:
        begun = time.perf_counter()
        outcome = self.engine.on(event, self._doors.now())
        self.turns.add(time.perf_counter() - begun)
        await self._follow(outcome)
        if isinstance(event, PollAnswered | KeyWasRejected):
            self._bulletin.note(event)

    def _greet(self) -> None:
        up = self._doors.now().ticks - self._begun
        self._inbox.put(StillHere(up, self.outbox.waiting, tuple(sorted(self.outbox.failing))))

    def _on_ban(self, until: int, message: str) -> None:
        self._inbox.put(AddressBanned(until, message))

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
            await self._keeping.commit(changes)
        for notice in outcome.notices:
            self._log_notice(notice)
            self._hear(notice)
            self._charts.keep(notice)
        self.outbox.add(outcome.notices, outcome.deliveries)

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
