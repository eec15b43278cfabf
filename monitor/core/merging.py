"""How events and polls become beliefs.

Rules of this file:

- Rows hold absolute values of what changed: merged by key; rows that are missing stay as they are.
- An event older than the last one applied to its key is dropped; an equal one is applied (several
  fills in a millisecond, or two sockets telling the same).
- A poll may be older than an event that arrived while it was under way. `seq` tells: such a row
  gives everything but quantity, entry, margin type and isolated wallet, and another poll is asked.
- A row that shows an older state than an event did is asked again; the second answer is believed.
- A poll whose answers contradict each other about what is held is not complete. What they show is
  taken, doubted where they differ (`contradictions.py`).
- Only two complete polls in a row, both without it in all answers, close a position. Nothing else
  that is merely missing does.

It does not judge, tell anyone, or keep time: `apply` returns what it touched and what it wants.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from monitor.core import balances, rows
from monitor.core.carrying import rebase
from monitor.core.contradictions import Contradiction, contradiction, named
from monitor.core.events import (
    AccountChanged,
    AssetModeChanged,
    LeverageChanged,
    Mark,
    Now,
    PollAnswered,
    PollWanted,
    PositionRow,
    Remark,
)
from monitor.core.freshness import NEVER
from monitor.core.liquidation import ZERO
from monitor.core.portfolio import Account
from monitor.core.positions import Holding, Key, KeyState, Position

ASK_AGAIN = 1_000
"""Milliseconds after which a doubtful answer is asked for again."""

STREAM_LEADS = 3_000
"""Milliseconds for which a streamed mark is believed over a polled one. The stream tells every
second and stamps its marks; a polled mark has no stamp, is as old as the exchange's cache, and two
sources in turn would make an alert flutter."""


@dataclass(slots=True)
class Touched:
    """What an event touched, in the order it did, and what it wants."""

    holdings: dict[Holding, None] = field(default_factory=dict)
    pools: dict[tuple[Account, str], None] = field(default_factory=dict)
    accounts: dict[Account, None] = field(default_factory=dict)
    closed: list[Holding] = field(default_factory=list)
    opened: list[Holding] = field(default_factory=list)
    polls: list[PollWanted] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    unexplained: dict[str, str] = field(default_factory=dict)
    """What a poll changed and no event told, by key, in words: quantity, entry, margin type."""
    drifted: dict[str, str] = field(default_factory=dict)
    """Balances and leverages that a poll changed and no event told, by key."""
    settings: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Settings that a poll changed: symbol, `leverage` or `margin_type`, before, after."""


def ticks_of(at: int, now: Now) -> int:
    """Place an instant of our utc clock on the face that durations use; never after now."""
    return now.ticks - max(0, now.utc - at)


class Portfolio:
    """All accounts, and the mark prices."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.marks: dict[str, Mark] = {}
        """Per symbol its price, and when it was true (here in ticks)."""
        self.streamed: dict[str, int] = {}
        """When the last streamed mark of each symbol was true, in ticks."""
        self.by_symbol: dict[str, dict[Holding, None]] = {}
        self._skews: dict[str, int] = {}
        """Per account: the exchange's stamps minus our clock, by the last event."""

    # ------------------------------------------------------------ marks

    def move_marks(self, marks: Iterable[tuple[str, Mark]], now: Now, touched: Touched) -> None:
        """Take mark prices that are newer than what is known."""
        for symbol, (price, at) in marks:
            mark = Mark(price, ticks_of(at, now))
            self.streamed[symbol] = mark.at
            self.move_mark(symbol, mark, touched)

    def move_mark(self, symbol: str, mark: Mark, touched: Touched) -> None:
        """Take one mark price (`at` in ticks), if it is newer than what is known."""
        known = self.marks.get(symbol)
        if mark.price <= 0 or (known is not None and mark.at < known.at):
            return
        self.marks[symbol] = mark
        price, at = mark
        for holding in self.by_symbol.get(symbol, ()):
            # As `Holding.move`, whose call would cost as much as all the rest.
            holding.mark_price = price
            holding.mark_at = at
            account = holding.account
            account.moved = True
            if account.calm and holding.low <= price <= holding.high:
                continue
            if account.calm:
                account.calm = False
                moved: Iterable[Holding] = account.holdings.values()
            else:
                moved = (holding,)
            for each in moved:
                touched.holdings[each] = None
                touched.pools[account, account.pool_of(each.position)] = None

    def age_marks(self, instant: int) -> None:
        """Let every mark be as old as an instant at least."""
        for symbol, mark in self.marks.items():
            self.marks[symbol] = mark._replace(at=min(mark.at, instant))

    # ------------------------------------------------------------ events

    def change(self, account: Account, event: AccountChanged, at: int, touched: Touched) -> None:
        """Apply an ACCOUNT_UPDATE: all its rows at once."""
        self._skews[account.name] = event.time - event.at
        for balance in event.balances:
            balances.merge_balance(account, balance, event, at)
        for row in event.positions:
            self._merge_event_row(account, row, event, at, touched)
        account.forget_pools()
        touched.accounts[account] = None

    def _merge_event_row(
        self, account: Account, row: PositionRow, event: AccountChanged, at: int, touched: Touched
    ) -> None:
        key = row.symbol, row.position_side
        if row.margin_type is not None:
            balances.take_margin_type(account, row.symbol, row.margin_type, event)
        state = account.keys.setdefault(key, KeyState())
        if not state.take(event.time, event.seq):
            return
        if not row.quantity:
            self._close(account, key, touched)
            return
        before = account.holdings.get(key)
        position = rows.from_event(account, row, event, before.position if before else None, at)
        account.standing.pop(account.group_of(position), None)
        self._put(account, position, at, touched)
        if account.group_of(position) not in account.bases and position.rate is not None:
            # The margin type changed: the money behind it is another, the rate is not.
            account.forget_pools()
            basis = account.base_from_parts(position)
            if basis is not None:
                account.bases[account.group_of(position)] = basis

    def set_leverage(
        self, account: Account, event: LeverageChanged, at: int, touched: Touched
    ) -> None:
        """Apply a new leverage setting."""
        state = account.settings.leverage_keys.setdefault(event.symbol, KeyState())
        if state.take(event.time, event.seq):
            account.settings.leverages[event.symbol] = event.leverage
            account.settings.leverage_at[event.symbol] = at
            touched.accounts[account] = None

    def set_mode(self, account: Account, event: AssetModeChanged, touched: Touched) -> None:
        """Apply multi-assets mode; the USD totals are unknown until the next poll."""
        if account.mode_key.take(event.time, event.seq):
            balances.switch_mode(account, multi_assets=event.multi_assets)
            touched.accounts[account] = None

    # ------------------------------------------------------------ polls

    def answer(
        self, account: Account, poll: PollAnswered, at: int, now_ticks: int, touched: Touched
    ) -> bool:
        """Apply all that one poll answered.

        Args:
            account: Whose poll it is.
            poll: The answers.
            at: When it was sent, in ticks.
            now_ticks: Now; what has to be asked again is asked a little after it.
            touched: Where everything that follows is noted.

        Returns:
            Whether it counts as complete.
        """
        whole, against = poll.complete, contradiction(account, poll)
        if against is not None:
            poll = replace(poll, complete=False)
        compare = account.first_poll_done
        again = balances.merge_mode(account, poll)
        again |= balances.merge_assets(account, poll, at, touched.drifted, compare=compare)
        doubtful = balances.merge_settings(account, poll, at, touched, compare=compare)
        for row in poll.positions or ():
            again |= self._merge_poll_row(account, row, poll, at, touched, compare=compare)
        again |= self._find_gone(account, poll, at, touched)
        if whole:
            again |= self._weigh(account, poll, against, touched)
        if poll.complete:
            account.polled_at = max(account.polled_at, at)
            account.first_poll_done = True
        if balances.doubt_mode(account, poll):
            text = f"{account.name}: a poll's totals are of another asset mode than told; asking"
            touched.remarks.append(Remark("warning", text, "modes_doubted"))
            touched.polls.append(PollWanted(account.name, now_ticks, full=True))
        balances.merge_totals(account, poll, at)
        account.forget_pools()
        touched.remarks.extend(rebase(account, poll))
        account.forget_pools()
        touched.accounts[account] = None
        if again or doubtful:
            touched.polls.append(PollWanted(account.name, now_ticks + ASK_AGAIN, full=doubtful))
        return poll.complete

    def _merge_poll_row(
        self,
        account: Account,
        row: PositionRow,
        poll: PollAnswered,
        at: int,
        touched: Touched,
        *,
        compare: bool,
    ) -> bool:
        """Merge one row of a held symbol; returns whether another poll is needed."""
        if row.mark_price and at - self.streamed.get(row.symbol, NEVER) >= STREAM_LEADS:
            self.move_mark(row.symbol, Mark(row.mark_price, at), touched)
        key = row.symbol, row.position_side
        state = account.keys.setdefault(key, KeyState())
        holding = account.holdings.get(key)
        before = holding.position if holding else None
        if state.seq > poll.after:
            # An event overtook this answer: its own four figures stand, the rest is news.
            if before is not None and row.quantity:
                self._put(account, rows.with_polled(before, row, at), at, touched)
            return True
        quantity = before.quantity if before else ZERO
        older = row.updated < state.changed_at and row.quantity != quantity
        if older and not state.contradicted:
            state.contradicted = True
            self._doubt(holding, touched)
            return True
        state.believe(row.updated, older=older)
        rows.confirm_leverage(account, row, at)
        if not row.quantity:
            return False  # gone or never there: `_find_gone` decides
        position = rows.from_poll(account, row, before, at)
        if compare:
            _note_difference(before, position, touched)
        self._put(account, position, at, touched)
        return False

    def _find_gone(self, account: Account, poll: PollAnswered, at: int, touched: Touched) -> bool:
        """Doubt, and at the second time close, what a complete poll no longer names."""
        if not poll.complete or poll.positions is None or poll.listed is None:
            return False
        account.named, account.named_at = named(poll), at
        again = False
        for key, holding in list(account.holdings.items()):
            state = account.keys[key]
            if key in account.named or state.seq > poll.after:
                state.gone = False
            elif state.gone:
                position = holding.position
                said = f"{position.symbol} {position.side}: gone"
                touched.unexplained["/".join(key)] = said
                self._close(account, key, touched)
                if account.name in self._skews:
                    # What events tell of the time before the first of the two answers is over.
                    past = poll.at - ASK_AGAIN + self._skews[account.name]
                    state.changed_at = max(state.changed_at, past)
            else:
                state.gone = again = True
                self._doubt(holding, touched)
        return again

    def _weigh(
        self, account: Account, poll: PollAnswered, against: Contradiction | None, touched: Touched
    ) -> bool:
        """Take what a poll's answers do not agree on; returns whether to ask again, once."""
        before, account.contradiction = account.contradiction, against.said if against else ""
        disputed = against.keys if against else frozenset()
        account.unseen = disputed.difference(account.holdings)
        if against is None:
            if before:
                text = f"{account.name}: the answers of a poll agree again"
                touched.remarks.append(Remark("info", text))
            return False
        account.named |= named(poll)
        for key in named(poll) & account.keys.keys():
            account.keys[key].gone = False
        for key in disputed & account.holdings.keys():
            holding = account.holdings[key]
            holding.position = replace(holding.position, doubted=True)
            touched.holdings[holding] = None
        text = f"{account.name}: a poll is not believed, its answers contradict each other: "
        level = "debug" if before else "warning"
        touched.remarks.append(Remark(level, text + against.said, "polls_doubted"))
        return not before

    def _doubt(self, holding: Holding | None, touched: Touched) -> bool:
        """Take what a poll says otherwise for aged; returns whether that is new."""
        if holding is None or holding.position.doubted:
            return False
        position = holding.position = replace(holding.position, doubted=True)
        touched.holdings[holding] = None
        text = (
            f"{holding.account.name}: a poll does not show {position.symbol} {position.side} as "
            "it was told; asking again before believing it"
        )
        touched.remarks.append(Remark("warning", text, "doubted_positions"))
        return True

    # ------------------------------------------------------------ positions come and go

    def _put(self, account: Account, position: Position, at: int, touched: Touched) -> None:
        key = position.key
        account.keys[key].gone = False
        holding = account.holdings.get(key)
        if holding is not None and holding.position.side != position.side:
            self._close(account, key, touched)
            holding = None
        if holding is None:
            holding = self._open(account, position, at, touched)
        elif holding.position.margin_type != position.margin_type:
            account.bases.pop(account.group_of(holding.position), None)
        holding.position = position
        holding.refigure()
        touched.holdings[holding] = None

    def _open(self, account: Account, position: Position, at: int, touched: Touched) -> Holding:
        holding = account.holdings[position.key] = account.new_holding(position, at)
        self.by_symbol.setdefault(position.symbol, {})[holding] = None
        mark = self.marks.get(position.symbol)
        if mark is not None:
            holding.mark_price, holding.mark_at = mark
        touched.opened.append(holding)
        if position.symbol not in account.settings.leverages:
            touched.polls.append(PollWanted(account.name, at, full=True))
        return holding

    def _close(self, account: Account, key: Key, touched: Touched) -> None:
        holding = account.holdings.pop(key, None)
        if holding is None:
            return
        position = holding.position
        at_symbol = self.by_symbol[position.symbol]
        del at_symbol[holding]
        if not at_symbol:
            del self.by_symbol[position.symbol]
        touched.holdings.pop(holding, None)
        account.keys[key].gone = account.keys[key].contradicted = False
        group = account.group_of(position)
        if not any(
            account.group_of(other.position) == group for other in account.holdings.values()
        ):
            account.bases.pop(group, None)
            account.implausible.discard(group)
        touched.closed.append(holding)

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols of all positions held."""
        return frozenset(self.by_symbol)


def _note_difference(before: Position | None, after: Position, touched: Touched) -> None:
    """Note what a poll changed and no event told, yet."""
    key, name = "/".join(after.key), f"{after.symbol} {after.side}"
    if said := rows.moved(before, after):
        touched.unexplained[key] = f"{name}: {said}"
    elif said := rows.drifted(before, after):
        touched.drifted[key] = f"{name}: {said}"
