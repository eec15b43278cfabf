"""An account's polls: when one is due, what it asks, and what came of it as one event.

    due ◀─ every poll_interval ┐
        ◀─ want(…), merged ────┴─▶ one in flight, at most one waiting

A poll asks for positions and status in parallel. A *full* one adds the settings of all symbols, a
*mode* one what tells the asset mode. An answer that does not arrive is None in the event, and the
event is not complete; nobody may take it for "no position".

When the exchange refuses a method (not for limits, not for the key), this session goes on without
it: v2 is replaced by v1, v1's settings are inferred from v2's rows.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import trio

from monitor.binance import translate, wire_api
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import limit_status
from monitor.binance.surroundings import Surroundings
from monitor.core.events import PollAnswered, SettingRow
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected

_SPACING = 2000  # ms between a poll and one that was asked for
_FULL_EVERY = 60_000  # ms
_MODE_EVERY = 300_000  # ms
# ms; not at the next poll: one that asks for it and fails is not complete, and an account whose
# polls all fail so would be taken for blind though its positions are known.
_AGAIN_AFTER = 30_000
_PATIENCE = 3.0  # seconds, before scale, that the first poll waits for the user data socket

_POSITION_V2 = "v2/account.position"
_STATUS_V2 = "v2/account.status"
_POSITION_V1 = "account.position"
_STATUS_V1 = "account.status"
_BALANCE = "account.balance"

_READERS: dict[str, Callable[[str, object], Any]] = {
    _POSITION_V2: wire_api.read_positions,
    _POSITION_V1: wire_api.read_positions,
    _STATUS_V2: wire_api.read_status,
    _STATUS_V1: wire_api.read_status,
    _BALANCE: wire_api.read_balances,
}
_INSTEAD = {
    _POSITION_V2: "account.position (v1) is asked instead",
    _STATUS_V2: "account.status (v1) is asked instead",
    _POSITION_V1: "leverage and margin type are inferred from the margins of positions held",
    _STATUS_V1: "the asset mode stays as it was last known",
    _BALANCE: "assets are those that the status lists",
}
# Codes that say "not now": an unknown error, internal, timeout, overload, maintenance, the clock.
_PASSING = frozenset({-1000, -1001, -1006, -1007, -1008, -1016, -1021, -1022})


@dataclass(slots=True)
class _Wish:
    """What was asked for and has not begun."""

    ticks: int
    """The instant that was named; a poll sent then or later fulfils it."""
    due: int
    full: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one poll asks."""

    full: bool
    mode: bool
    methods: tuple[str, ...]


@dataclass(slots=True)
class _Result:
    """What came of it."""

    answers: dict[str, Any] = field(default_factory=dict)
    lost: bool = False


class Polls:
    """Polls one account, for as long as it runs.

    Args:
        interval_s: Seconds between two polls that nobody asked for.
        line: Where to ask.
        around: What the account's parts share.
        handed_over: How many user events of the account have been handed over so far.
        answered: Takes what a poll brought.
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
        subscribed: trio.Event,
    ) -> None:
        self._interval = round(interval_s * 1000)
        self._line = line
        self._around = around
        self._handed_over = handed_over
        self._answered = answered
        self._subscribed = subscribed
        self._wish: _Wish | None = None
        self._changed = trio.Event()
        self._sent: int | None = None  # ticks, of the last poll
        self._last_full: int | None = None
        self._last_mode: int | None = None
        self._full_losses = 0
        self._refused: set[str] = set()
        self._session = 0
        self._complaints: dict[str, str] = {}

    def want(self, ticks: int, *, full: bool = False, urgent: bool = False) -> None:
        """Ask for a poll; what waits already is merged into one.

        Args:
            ticks: When, on the `Now.ticks` face. At or before now: as soon as the last poll is
                2 s old. Later: at that instant.
            full: Whether it shall ask for settings and asset mode too.
            urgent: Not to wait for the 2 s.
        """
        due, now = ticks, self._around.now().ticks
        if ticks <= now and not urgent and self._sent is not None:
            due = self._sent + _SPACING
        wish = self._wish
        if wish is None:
            self._wish = _Wish(ticks, due, full)
        else:
            wish.ticks, wish.due = min(ticks, wish.ticks), min(due, wish.due)
            wish.full = wish.full or full
        self._changed.set()

    async def run(self) -> NoReturn:
        """Poll; until cancelled."""
        await self._line.ready()
        with trio.move_on_after(_PATIENCE * self._around.scale):
            await self._subscribed.wait()
        while True:
            await self._wait_due()
            await self._line.ready()
            await self._poll(self._next_plan())

    # When

    async def _wait_due(self) -> None:
        """Wait until the next poll is due, by the interval or because it was asked for."""
        await trio.lowlevel.checkpoint()
        while (wait := self._due() - self._around.now().ticks) > 0:
            self._changed = trio.Event()
            with trio.move_on_after(wait / 1000):
                await self._changed.wait()

    def _due(self) -> int:
        regular = 0 if self._sent is None else self._sent + self._interval
        return regular if self._wish is None else min(regular, self._wish.due)

    # What

    def _next_plan(self) -> _Plan:
        """Decide what to ask now, and take the wish that this fulfils."""
        now = self._around.now().ticks
        if self._line.sessions != self._session:
            self._session = self._line.sessions
            self._refused.clear()  # another server may know what this one refused
        wish = None
        # A wish for later stays: the engine means to see how things are then.
        if self._wish is not None and self._wish.ticks <= now:
            wish, self._wish = self._wish, None
        asked = wish is not None and wish.full
        full = _is_due(self._last_full, now, _FULL_EVERY)
        # Where the large answer costs the connection twice in a row (it may outgrow the largest
        # frame one day), it must not cost every poll: then the minute alone decides.
        full = full or (asked and self._full_losses < 2)
        mode = asked or _is_due(self._last_mode, now, _MODE_EVERY)
        return _Plan(full, mode, self._methods(full=full, mode=mode))

    def _methods(self, *, full: bool, mode: bool) -> tuple[str, ...]:
        wanted = [
            self._unless_refused(_POSITION_V2, _POSITION_V1),
            self._unless_refused(_STATUS_V2, _STATUS_V1),
        ]
        if full:
            wanted.append(_POSITION_V1)
        if mode:
            wanted += [_STATUS_V1, _BALANCE]
        base = set(wanted[:2])
        kept = [method for method in wanted if method in base or method not in self._refused]
        return tuple(dict.fromkeys(kept))

    def _unless_refused(self, method: str, instead: str) -> str:
        return instead if method in self._refused and instead not in self._refused else method

    # How

    async def _poll(self, plan: _Plan) -> None:
        sent, after = self._around.now(), self._handed_over()
        self._sent = sent.ticks
        result = _Result()
        async with trio.open_nursery() as nursery:
            for method in plan.methods:
                nursery.start_soon(self._ask, method, result)
        self._remember(plan, sent.ticks, result)
        if result.answers:
            self._answered(self._event(plan, sent.utc, after, result.answers))

    async def _ask(self, method: str, result: _Result) -> None:
        """Ask one thing of a poll; what goes wrong with it concerns no other."""
        answer: object = None
        try:
            answer = await self._line.call(method, signed=True)
            result.answers[method] = _READERS[method](method, answer)
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

    def _on_refused(self, method: str, refused: ExchangeRefused) -> None:
        if not _is_final(refused):
            self._complain(method, str(refused))
        elif method not in self._refused:
            self._refused.add(method)
            self._around.log.warning("%s: %s; %s", self._around.name, refused, _INSTEAD[method])
            self.want(self._around.now().ticks)

    def _complain(self, method: str, why: str) -> None:
        """Say what is missing from a poll: once, and then at debug until it is answered again."""
        level = "debug" if self._complaints.get(method) == why else "warning"
        self._complaints[method] = why
        getattr(self._around.log, level)("%s: poll without %s: %s", self._around.name, method, why)

    def _remember(self, plan: _Plan, ticks: int, result: _Result) -> None:
        got = result.answers
        if plan.full and (_POSITION_V1 in got or _POSITION_V1 in self._refused):
            self._last_full, self._full_losses = ticks, 0
        elif plan.full:
            self._full_losses += result.lost
            self._last_full = ticks - _FULL_EVERY + _AGAIN_AFTER
        if plan.mode:
            known = _STATUS_V1 in got or _STATUS_V1 in self._refused
            self._last_mode = ticks if known else ticks - _MODE_EVERY + _AGAIN_AFTER

    def _event(self, plan: _Plan, at: int, after: int, got: dict[str, Any]) -> PollAnswered:
        rows, old_rows = got.get(_POSITION_V2), got.get(_POSITION_V1)
        old_status = got.get(_STATUS_V1)
        status = got.get(_STATUS_V2)
        positions = None if rows is None else translate.position_rows(rows)
        if _POSITION_V2 not in plan.methods and old_rows is not None:
            positions = translate.position_rows_v1(old_rows, old_status)
        if _STATUS_V2 not in plan.methods:
            status = old_status
        return PollAnswered(
            account=self._around.name,
            at=at,
            after=after,
            complete=all(method in got for method in plan.methods),
            positions=positions,
            settings=self._settings(plan, rows, old_rows),
            assets=status and translate.asset_rows(status, got.get(_BALANCE, ())),
            listed=status and translate.listed_rows(status),
            totals=status and translate.totals(status),
            multi_assets=old_status and old_status.multi_assets,
        )

    def _settings(
        self,
        plan: _Plan,
        rows: list[wire_api.Position] | None,
        old_rows: list[wire_api.Position] | None,
    ) -> tuple[SettingRow, ...] | None:
        if old_rows is not None:
            return translate.setting_rows(old_rows)
        if plan.full and _POSITION_V1 in self._refused and rows is not None:
            return translate.inferred_settings(rows)
        return None


def _is_due(last: int | None, now: int, every: int) -> bool:
    return last is None or now - last >= every


def _is_final(refused: ExchangeRefused) -> bool:
    """Tell a method that is not there from a bad moment."""
    if limit_status(refused.status, refused.code, refused.message) is not None:
        return False
    if refused.code in _PASSING or refused.code == 0:
        return False
    return refused.status == 0 or (400 <= refused.status < 500 and refused.status != 408)
