"""A case → what the engine is told, instant by instant; and what it told in return.

Positions, polls and marks are told as the link would tell them; everything else stands as given
(`core/staging.py`). Nothing is told where nothing changed: timers fire at instants of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from monitor.core.engine import Engine
from monitor.core.events import (
    AccountChanged,
    Bracket,
    BracketsRead,
    Event,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PositionRow,
    StatusRow,
    UserStreamStood,
    Woke,
)
from monitor.core.figures import Figure
from monitor.core.language.units import Scope
from monitor.core.liquidation import INFINITE, ZERO
from monitor.core.notices import Notice
from monitor.core.staging import Staged, What
from monitor.core.stated import Stated
from monitor.ruletest.doubts import Doubt, Doubts
from monitor.ruletest.model import Case, Subject

EPOCH = 1_767_225_600_000  # 2026-01-01T00:00:00Z
"""The utc instant of 0s."""

_STALE_AFTER = 30_000
"""The default of the configuration: how long a figure that is looked back at may be unknown."""
_FOREVER = 100 * 365 * 86_400_000
"""Milliseconds after which something would be forgotten."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A position as it was last told."""

    quantity: Decimal
    entry_price: Decimal
    isolated_wallet: Decimal


class Stage:
    """Plays one case.

    Args:
        case: The test.
        judge_all: As for the engine.
    """

    def __init__(self, case: Case, *, judge_all: bool = False) -> None:
        self.case = case
        self.engine = Engine(
            case.rules,
            (),
            [(account.name, account.venue) for account in case.accounts.values()],
            now=Now(0, EPOCH),
            stale_after=_STALE_AFTER,
            forget_after=_FOREVER,
            judge_all=judge_all,
            staged=True,
        )
        self._seqs = count(1)
        self._rows: dict[str, _Row] = {}
        self._rates: dict[tuple[str, str], Figure] = {}
        self._polled: set[str] = set()
        self._told = 0
        """How many of the case's happenings have been told."""
        self._left = self._instants()

    def play(self, until: int | None = None) -> list[Notice]:
        """Tell everything up to an instant, or to the end; gives what came of it meanwhile."""
        end = self.case.end if until is None else until
        notices: list[Notice] = []
        while self._left and self._left[0] <= end:
            at = self._left.pop(0)
            notices += self.engine.on(self._at(at), _now(at)).notices
        notices += self.engine.on(Woke(), _now(end)).notices
        return notices

    # When ------------------------------------------------------------------------------------

    def _instants(self) -> list[int]:
        """List the instants at which something is told."""
        case = self.case
        found = {0, *(told.at for told in case.happenings)}
        found |= {account.first_poll for account in case.accounts.values() if account.first_poll}
        for subject in case.subjects:
            for track in subject.tracks.values():
                for step in range(1, len(track)):
                    if track[step] != track[step - 1]:
                        found.add(step * case.every)
        return sorted(at for at in found if at <= case.end)

    def _step(self, at: int) -> int:
        return at // self.case.every if self.case.every else 0

    # What ------------------------------------------------------------------------------------

    def _at(self, at: int) -> Staged:
        """Collect all that is told at an instant."""
        case, step = self.case, self._step(at)
        on_step = at == 0 or (case.every and not at % case.every)
        marks, unmarked, moved = self._marks(step, first=at == 0) if on_step else ({}, (), set())
        events: list[Event] = []
        stated: dict[str, Mapping[What, Stated]] = {}
        for name in case.accounts:
            if at == 0:
                events.append(UserStreamStood(name))
            if on_step and (at == 0 or name in moved or self._changed(name, step)):
                stated[name] = self._stated(name, step)
                events += self._rates_of(name, step)
            events += self._positions(name, step, at)
        if marks:
            events.append(MarksChanged({name: Mark(m, EPOCH + at) for name, m in marks.items()}))
        begin = self._told
        while self._told < len(case.happenings) and case.happenings[self._told].at <= at:
            self._told += 1
        happenings = tuple(told.happening for told in case.happenings[begin : self._told])
        return Staged(tuple(events), stated, tuple(unmarked), happenings)

    def _of(self, account: str) -> list[Subject]:
        return [subject for subject in self.case.subjects if subject.account == account]

    def _changed(self, account: str, step: int) -> bool:
        """Tell whether something other than marks is another than at the step before."""
        return any(
            step < len(track) and track[step] != track[step - 1]
            for subject in self._of(account)
            for name, track in subject.tracks.items()
            if name != "mark_price"
        )

    def _marks(self, step: int, *, first: bool) -> tuple[dict[str, Decimal], list[str], set[str]]:
        """Find the marks that moved, those not known any more, and whose doubts changed."""
        marks: dict[str, Decimal] = {}
        unmarked: list[str] = []
        concerned: set[str] = set()
        for subject in self.case.of(Scope.POSITION):
            cell, before = subject.at("mark_price", step), subject.at("mark_price", step - 1)
            if cell is None or (cell == before and not first):
                continue
            if isinstance(cell.figure, Decimal):
                marks[subject.symbol] = cell.figure
            else:
                unmarked.append(subject.symbol)
            if first or cell.aged or (before is not None and before.aged):
                same = (s.account for s in self.case.subjects if s.symbol == subject.symbol)
                concerned.update(same)
        return marks, unmarked, concerned

    # Positions -------------------------------------------------------------------------------

    def _positions(self, name: str, step: int, at: int) -> Iterator[Event]:
        """Tell the first complete poll, and then what changed of the positions since."""
        account = self.case.accounts[name]
        if account.first_poll is None or at < account.first_poll:
            return
        changed = []
        for subject in self._of(name):
            if subject.scope is Scope.POSITION:
                row = _row(subject, step)
                if self._rows.get(subject.id) != row:
                    self._rows[subject.id] = row
                    changed.append(_position_row(subject, row))
        if name not in self._polled:
            self._polled.add(name)
            held = tuple(row for row in changed if row.quantity)
            yield PollAnswered(
                name,
                EPOCH + at,
                0,
                complete=True,
                positions=held,
                assets=(),
                listed=tuple(
                    StatusRow(row.symbol, row.position_side, row.quantity) for row in held
                ),
                multi_assets=False,
            )
        elif changed:
            time = EPOCH + at
            seq = next(self._seqs)
            yield AccountChanged(name, time, time, seq, "ORDER", positions=tuple(changed))

    def _rates_of(self, name: str, step: int) -> Iterator[Event]:
        brackets: dict[str, tuple[Bracket, ...]] = {}
        for subject in self._of(name):
            cell = subject.at("maintenance_rate", step)
            if cell is None or self._rates.get((name, subject.symbol), ZERO) == cell.figure:
                continue
            rate = self._rates[name, subject.symbol] = cell.figure
            brackets[subject.symbol] = (
                (Bracket(ZERO, INFINITE, rate, ZERO),) if isinstance(rate, Decimal) else ()
            )
        if brackets:
            yield BracketsRead(name, brackets)

    # What stands -----------------------------------------------------------------------------

    def _stated(self, name: str, step: int) -> dict[What, Stated]:
        """Collect the figures that stand from a step on."""
        subjects = self._of(name)
        doubts = Doubts(subjects, step)
        stated: dict[What, Stated] = {}
        for subject in subjects:
            figures: dict[str, Figure] = {
                figure: cell.figure
                for figure in subject.tracks
                if (cell := subject.at(figure, step)) is not None
            }
            match subject.scope:
                case Scope.POSITION:
                    key = subject.symbol, subject.position_side
                    stated[key] = self._graded(_completed(subject, figures), doubts.of(subject))
                case Scope.POOL:
                    figures = _with_cross_wallet(subject, figures, subjects, step)
                    aged = doubts.of(subject)
                    if figures or aged or subject.declared:
                        stated[subject.asset] = self._graded(figures, aged)
                case _:
                    ages = {"stale_for": 0, "data_age": 0}
                    stated[""] = Stated(ages | figures, {})
        return stated

    def _graded(self, figures: Mapping[str, Figure], doubts: Mapping[str, Doubt]) -> Stated:
        """Say of what is aged why, and since when."""
        return Stated(
            figures,
            {name: doubt.bits for name, doubt in doubts.items()},
            {name: doubt.seen * self.case.every for name, doubt in doubts.items()},
        )


def _now(at: int) -> Now:
    return Now(at, EPOCH + at)


def _number(subject: Subject, name: str, step: int) -> Decimal | None:
    cell = subject.at(name, step)
    return cell.figure if cell is not None and isinstance(cell.figure, Decimal) else None


def _row(subject: Subject, step: int) -> _Row:
    """Make a position's row; of an unknown quantity only its sign is meant."""
    quantity = _number(subject, "quantity", step)
    if quantity is None:
        quantity = Decimal(-1 if subject.side == "short" else 1)
    entry = _number(subject, "entry_price", step) or ZERO
    return _Row(quantity, entry, _number(subject, "isolated_wallet", step) or ZERO)


def _position_row(subject: Subject, row: _Row) -> PositionRow:
    return PositionRow(
        symbol=subject.symbol,
        position_side=subject.position_side,
        quantity=row.quantity,
        entry_price=row.entry_price,
        margin_type=subject.margin_type,
        isolated_wallet=row.isolated_wallet,
        margin_asset=subject.asset,
    )


def _completed(subject: Subject, figures: dict[str, Figure]) -> dict[str, Figure]:
    """Add what is unknown because nothing is given that it could be computed from."""
    # Told as the row of the position, which carries the sign, and as marks, which move alone.
    quantity = figures.pop("quantity", None)
    figures.pop("mark_price", None)
    unknown = []
    if quantity is None:
        unknown += ["quantity", "notional", "unrealized_pnl", "maintenance"]
    if subject.margin_type == "isolated" and figures.get("isolated_wallet") is None:
        unknown += ["isolated_wallet", "isolated_margin", "margin_room"]
    figures.setdefault("break_even_price", figures.get("entry_price"))
    figures.setdefault("mark_age", 0)
    return dict.fromkeys(unknown) | figures


def _with_cross_wallet(
    pool: Subject, figures: dict[str, Figure], subjects: list[Subject], step: int
) -> dict[str, Figure]:
    """Add the cross wallet: what the wallets of isolated positions leave of the balance."""
    wallet = figures.get("wallet_balance")
    if "cross_wallet" in figures or "wallet_balance" not in figures:
        return figures
    left = wallet if isinstance(wallet, Decimal) else None
    for subject in subjects:
        if subject.asset != pool.asset or subject.margin_type != "isolated":
            continue
        if not _row(subject, step).quantity:
            continue
        own = _number(subject, "isolated_wallet", step)
        left = None if left is None or own is None else left - own
    return figures | {"cross_wallet": left}
