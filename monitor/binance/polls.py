"""An account's polls: asked when they are due and paid for, each told as one event.

    timetable ─ due ─▶ pay ─▶ ask, one in flight ─▶ PollAnswered
                        └─ no weight for extras: they are bought in the background, and polled then

The questions of a poll are asked in parallel. An answer that does not arrive is None in the event,
and the event is not complete; nobody may take it for "no position".

The two base requests go with the polls of all accounts; what is asked beside them, and polls
that events ask for ahead of time, take what the others leave.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import trio

from monitor.binance import translate_polls, wire_api
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import Rank
from monitor.binance.gate import limit_status
from monitor.binance.pace import NOTABLE
from monitor.binance.surroundings import Surroundings
from monitor.binance.timetable import (
    BALANCE,
    POSITION_V1,
    POSITION_V2,
    STATUS_V1,
    STATUS_V2,
    Plan,
    Timetable,
)
from monitor.binance.ws_api import WEIGHTS
from monitor.core.events import PollAnswered, SettingRow, StatusRow
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected

_PATIENCE = 3.0  # seconds, before scale, that the first poll waits for the user data socket
_RETRIES = 3
_RETRY_AFTER = 0.2  # seconds, doubling (docs/protocol.md §7.3)

_READERS: dict[str, Callable[[str, object, list[str]], Any]] = {
    POSITION_V2: wire_api.read_positions,
    POSITION_V1: wire_api.read_positions,
    STATUS_V2: wire_api.read_status,
    STATUS_V1: wire_api.read_status,
    BALANCE: wire_api.read_balances,
}
_INSTEAD = {
    POSITION_V2: "account.position (v1) is asked instead",
    STATUS_V2: "account.status (v1) is asked instead",
    POSITION_V1: "leverage and margin type are taken from account.status (v1), or inferred",
    STATUS_V1: "the asset mode stays as it was last known",
    BALANCE: "assets are those that the status lists",
}
# An unknown error, internal, no answer or a timeout behind them, overload: worth another try.
_MOMENTARY = frozenset({-1000, -1001, -1006, -1007, -1008})
# … and what else says "not now": maintenance, the clock.
_PASSING = _MOMENTARY | {-1016, -1021, -1022}


@dataclass(slots=True)
class _Result:
    """What came of a poll."""

    answers: dict[str, Any] = field(default_factory=dict)
    lost: bool = False


class Polls:
    """Polls one account, for as long as it runs.

    Args:
        interval_s: Seconds between two polls that nobody asked for, while the weight budget allows.
        line: Where to ask.
        around: What the account's parts share.
        handed_over: How many user events of the account have been handed over so far.
        answered: Takes what a poll brought.
        paced: Told in milliseconds how far apart polls are from now on, when that changes notably.
        subscribed: Set when the first attempt at a user data socket has ended: what happens
            between the first poll and the subscription would be seen by neither.
    """

    def __init__(
        self,
        *,
        interval_s: float,
        line: ApiLine,
        around: Surroundings,
        handed_over: Callable[[], int],
        answered: Callable[[PollAnswered], None],
        paced: Callable[[int], None],
        subscribed: trio.Event,
    ) -> None:
        self._line = line
        self._around = around
        self._handed_over = handed_over
        self._answered = answered
        self._paced = paced
        self._subscribed = subscribed
        self._changed = trio.Event()
        self._buying = trio.Event()
        self._bought: Plan | None = None
        self._running = False
        self._share = around.budget.join(round(interval_s * 1000), self._on_pace)
        self._table = Timetable(self._share)
        self._told_every = self._share.every
        self._session = 0
        self._complaints: dict[str, str] = {}
        self._spoilt: set[tuple[str, str]] = set()  # methods, and their fields kept aside

    def want(self, ticks: int, *, full: bool = False, urgent: bool = False) -> None:
        """Ask for a poll; what waits already is merged into one.

        Args:
            ticks: When, on the `Now.ticks` face. At or before now: as soon as the last poll is
                2 s old. Later: at that instant.
            full: Whether it shall ask for settings and asset mode too.
            urgent: Not to wait for the 2 s, nor for other accounts' polls.
        """
        self._table.want(ticks, self._around.now().ticks, full=full, urgent=urgent)
        self._changed.set()

    async def run(self) -> NoReturn:
        """Poll; until cancelled."""
        self._running = True
        self._tell_pace()
        await self._line.ready()
        with trio.move_on_after(_PATIENCE * self._around.scale):
            await self._subscribed.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._buy)
            while True:
                await self._wait_due()
                await self._line.ready()
                plan = await self._pay()
                if plan is not None:
                    await self._poll(plan)

    # When

    async def _wait_due(self) -> None:
        """Wait until the next poll is due, by the interval or because it was asked for."""
        await trio.lowlevel.checkpoint()
        while self._bought is None:
            early = not self._buying.is_set()
            wait = self._table.due(early=early) - self._around.now().ticks
            if wait <= 0:
                break
            self._changed = trio.Event()
            with trio.move_on_after(wait / 1000):
                await self._changed.wait()

    def _on_pace(self) -> None:
        if self._running:
            self._changed.set()
            self._tell_pace()

    def _tell_pace(self) -> None:
        if not self._around.budget.heard:
            return  # the pace rests on the documented limit; the exchange's own is soon told
        share, told = self._share, self._told_every
        every = share.interval if share.stretch >= NOTABLE else share.every
        small = told / NOTABLE < every < told * NOTABLE and every != share.every
        if every != told and not small:
            self._told_every = every
            self._paced(every)

    # The weight

    async def _pay(self) -> Plan | None:
        """Take the weight of the poll that is due, and say what was paid for.

        None: nothing could be, or the connection went away meanwhile.
        """
        self._note_session()
        plan, self._bought = self._bought, None
        if plan is None and self._must(self._ticks):
            plan = await self._pay_base()
        elif plan is None:
            # Only asked for, ahead of its time: it takes what others leave, or is bought.
            plan = self._table.plan(self._ticks)
            if not self._around.budget.try_take(plan.weight, rank=Rank.EXTRA):
                self._buying.set()
                return None
        if not self._line.standing:
            self._around.budget.give_back(plan.weight)
            return None
        return plan

    async def _pay_base(self) -> Plan:
        """Wait for the weight of a regular or urgent poll; extras come along if they can."""
        budget, table = self._around.budget, self._table
        base = table.plan(self._ticks, extras=False)
        rank = Rank.URGENT if table.urgent(self._ticks) else Rank.POLL
        await budget.take(base.weight, rank=rank, needed_at=table.needed_at)
        plan = table.plan(self._ticks)
        more = plan.weight - base.weight
        if more <= 0 or budget.try_take(more, rank=Rank.EXTRA):
            return plan
        self._buying.set()
        return base

    async def _buy(self) -> NoReturn:
        """Wait in the background for weight that was not there, and have it polled for."""
        budget = self._around.budget
        while True:
            await self._buying.wait()
            plan = self._table.plan(self._ticks)
            await budget.take(plan.weight, rank=Rank.EXTRA)
            self._buying = trio.Event()
            if self._line.standing and self._table.wants_more(self._ticks):
                self._bought = plan
            else:
                budget.give_back(plan.weight)
            self._changed.set()

    def _must(self, ticks: int) -> bool:
        return self._table.regular <= ticks or self._table.urgent(ticks)

    @property
    def _ticks(self) -> int:
        return self._around.now().ticks

    def _note_session(self) -> None:
        if self._line.sessions != self._session:
            self._session = self._line.sessions
            self._table.begin_session()

    # How

    async def _poll(self, plan: Plan) -> None:
        sent, after = self._around.now(), self._handed_over()
        self._table.sent(plan, sent.ticks)
        result = _Result()
        async with trio.open_nursery() as nursery:
            for method in plan.methods:
                nursery.start_soon(self._ask, method, result)
        self._table.came(plan, sent.ticks, set(result.answers), lost=result.lost)
        if result.answers:
            event = self._event(plan, sent.utc, after, result.answers)
            if event.positions is not None:
                self._share.holding = any(row.quantity for row in event.positions)
                self._tell_pace()
            self._answered(event)

    async def _ask(self, method: str, result: _Result) -> None:
        """Ask one thing of a poll; what goes wrong with it concerns no other."""
        answer: object = None
        try:
            answer = await self._call(method)
            spoilt: list[str] = []
            result.answers[method] = _READERS[method](method, answer, spoilt)
            self._keep_spoilt(method, answer, spoilt)
        except KeyRejected:
            pass  # the line has told, and will not be ready until the key is served again
        except ExchangeRefused as refused:
            self._on_refused(method, refused)
        except FrameGarbled as fault:
            text = json.dumps(answer, ensure_ascii=False)
            self._around.quarantine.keep(f"{self._around.name} {method}", text, str(fault))
            self._complain(method, str(fault))
        except ConnectionLost as lost:
            result.lost = True
            self._complain(method, str(lost))
        else:
            self._complaints.pop(method, None)

    def _keep_spoilt(self, method: str, answer: object, spoilt: list[str]) -> None:
        """Keep an answer with numbers that cannot be read, once for each of them."""
        new = [name for name in spoilt if (method, name) not in self._spoilt]
        if new:
            self._spoilt.update((method, name) for name in new)
            why = f"{', '.join(new)} cannot be read, and is taken for unknown"
            text = json.dumps(answer, ensure_ascii=False)
            self._around.quarantine.keep(f"{self._around.name} {method}", text, why)

    async def _call(self, method: str) -> object:
        """Call a method whose weight is paid; again where that may help and there is weight.

        The jitter keeps many accounts that were refused together apart.
        """
        attempt = 0
        while True:
            try:
                return await self._line.call(method, signed=True, rank=Rank.POLL, paid=True)
            except ExchangeRefused as refused:
                if attempt == _RETRIES or not _is_momentary(refused):
                    raise
                fault = refused
            await trio.sleep(_RETRY_AFTER * 2**attempt * self._around.rng.uniform(0.5, 1.5))
            if not self._around.budget.try_take(WEIGHTS[method], rank=Rank.EXTRA):
                raise fault
            attempt += 1

    def _on_refused(self, method: str, refused: ExchangeRefused) -> None:
        if not _is_final(refused):
            self._complain(method, str(refused))
        elif self._table.refuse(method):
            self._around.log.warning("%s: %s; %s", self._around.name, refused, _INSTEAD[method])
            self.want(self._around.now().ticks)

    def _complain(self, method: str, why: str) -> None:
        """Say what is missing from a poll: once, and then at debug until it is answered again."""
        level = "debug" if self._complaints.get(method) == why else "warning"
        self._complaints[method] = why
        getattr(self._around.log, level)("%s: poll without %s: %s", self._around.name, method, why)

    def _event(self, plan: Plan, at: int, after: int, got: dict[str, Any]) -> PollAnswered:
        rows, old_rows = got.get(POSITION_V2), got.get(POSITION_V1)
        old_status = got.get(STATUS_V1)
        status = got.get(STATUS_V2)
        positions = None if rows is None else translate_polls.position_rows(rows)
        beside: list[tuple[StatusRow, ...]] = []
        if POSITION_V2 not in plan.methods and old_rows is not None:
            positions = translate_polls.position_rows_v1(old_rows, old_status)
        elif old_rows is not None:
            beside.append(translate_polls.held_rows(old_rows))
        if STATUS_V2 not in plan.methods:
            status = old_status
        elif old_status is not None:
            beside.append(translate_polls.listed_rows(old_status))
        return PollAnswered(
            account=self._around.name,
            at=at,
            after=after,
            complete=all(method in got for method in plan.methods),
            positions=positions,
            settings=self._settings(plan, rows, old_rows, old_status),
            assets=status and translate_polls.asset_rows(status, got.get(BALANCE, ())),
            listed=status and translate_polls.listed_rows(status),
            beside=tuple(beside),
            totals=status and translate_polls.totals(status),
            multi_assets=old_status and old_status.multi_assets,
        )

    def _settings(
        self,
        plan: Plan,
        rows: list[wire_api.Position] | None,
        old_rows: list[wire_api.Position] | None,
        old_status: wire_api.AccountStatus | None,
    ) -> tuple[SettingRow, ...] | None:
        if old_rows is not None:
            return translate_polls.setting_rows(old_rows)
        if not (plan.full and self._table.is_refused(POSITION_V1)):
            return None
        if old_status is not None:
            return translate_polls.status_settings(old_status)
        return None if rows is None else translate_polls.inferred_settings(rows)


def _is_momentary(refused: ExchangeRefused) -> bool:
    """Tell what may work a moment later: reading twice does no harm."""
    if limit_status(refused.status, refused.code, refused.message) is not None:
        return False
    return refused.code in _MOMENTARY or refused.status in {408, 500, 502, 503, 504}


def _is_final(refused: ExchangeRefused) -> bool:
    """Tell a method that is not there from a bad moment."""
    if limit_status(refused.status, refused.code, refused.message) is not None:
        return False
    if refused.code in _PASSING or refused.code == 0:
        return False
    return refused.status == 0 or (400 <= refused.status < 500 and refused.status != 408)
