"""What happened to an account, from its messages and polls, each thing once.

- Positions, leverage and margin type: changes of a value, in the order of the exchange's stamps
  (`past.py`). A poll tells what no event told; the event that comes late tells it no second time.
- Money: a message is a fact of its own, known by its stamp, asset, symbol and wallet.
- What was held is kept across restarts, so that what closed or opened while we were away is told.

It is asked before events are applied, since an amount may follow from the wallet known before, and
after polls are, since what a poll proves is decided in `merging.py`.
"""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal

from monitor.core.events import (
    AccountChanged,
    BalanceRow,
    LeverageChanged,
    Now,
    PollAnswered,
    PollWanted,
    PositionRow,
)
from monitor.core.happenings import Happening, Known, Timers
from monitor.core.merging import ASK_AGAIN, Touched, ticks_of
from monitor.core.notices import Target, TimerRecord
from monitor.core.past import UNKNOWN, Past, Step, Value
from monitor.core.portfolio import Account
from monitor.core.positions import Position

_DEPOSITS = frozenset({"DEPOSIT", "ADMIN_DEPOSIT", "COIN_SWAP_DEPOSIT"})
_WITHDRAWALS = frozenset({"WITHDRAW", "ADMIN_WITHDRAW", "COIN_SWAP_WITHDRAW"})


class Chronicle:
    """What happened to one account.

    Args:
        account: Whose; its beliefs are read, never changed.
        known: What happened already, of all accounts.
        kept: What an earlier run held of it (`TimerRecord.body`); None: it is new to us.
    """

    def __init__(self, account: Account, known: Known, kept: str | None) -> None:
        self._account = account
        self._known = known
        self._kept = kept
        held = {} if kept is None else json.loads(kept)
        self._sides = {tuple(name.split("/")): Past(side) for name, side in held.items()}
        self._settings: dict[tuple[str, str], Past] = {}
        self._unconfirmed: dict[tuple[str, ...], int | None] = dict.fromkeys(self._sides)
        """Held by an earlier run and not seen since; since which poll (ticks) it is missing."""
        self._changed = False
        """Whether what is held is another set than was written last."""
        self._skew = 0
        """The exchange's stamps minus our clock, by the last event."""

    # ------------------------------------------------------------ events

    def changed(self, event: AccountChanged, now: Now, timers: Timers) -> list[Happening]:
        """Tell what an ACCOUNT_UPDATE tells, that is not yet applied."""
        self._skew = event.time - event.at
        found = [
            happening
            for which, happening in _money(self._account, event)
            if self._known.first(which, now, timers)
        ]
        for row in event.positions:
            found += self._row_told(row, event.time)
            if row.margin_type is not None:
                value = Value(event.time, row.margin_type, event.reason == "MARGIN_TYPE_CHANGE")
                found += self._setting("margin_type", row.symbol, value)
        self._keep(now, timers)
        return found

    def leverage(self, event: LeverageChanged) -> list[Happening]:
        """Tell a new leverage setting, that is not yet applied."""
        self._skew = event.time - event.at
        value = Value(event.time, str(event.leverage), sure=True)
        return list(self._setting("leverage", event.symbol, value))

    def _row_told(self, row: PositionRow, time: int) -> Iterator[Happening]:
        key = row.symbol, row.position_side
        value = Value(time, _side(row.quantity))
        holding = self._account.holdings.get(key)
        for step in self._past(key).put(value):
            before = (
                holding.position if holding and holding.position.side == step.label[1] else None
            )
            details = _details(row if step.after == value and step.came else before)
            yield self._came_or_left(key, step, details)

    # ------------------------------------------------------------ polls

    def polled(
        self, poll: PollAnswered, now: Now, touched: Touched, timers: Timers, *, complete: bool
    ) -> list[Happening]:
        """Tell what a poll found, that is applied already.

        Args:
            poll: The answers.
            now: The instant.
            touched: What the poll changed.
            timers: Where what must survive a restart is written.
            complete: Whether the poll counts as complete.
        """
        found = list(self._settings_polled(poll, touched))
        if self._kept is not None:
            found += self._positions_polled(poll, touched)
            proves = complete and self._account.named_at == ticks_of(poll.at, now)
            found += self._missed(poll, now, touched, proves=proves)
        elif complete:
            self._kept, self._changed = "", True  # from here on, what opens is news
            for key, holding in self._account.holdings.items():
                self._sides.setdefault(key, Past(holding.position.side))
        self._keep(now, timers)
        return found

    def _settings_polled(self, poll: PollAnswered, touched: Touched) -> Iterator[Happening]:
        for symbol, name, before, after in touched.settings:
            past = self._settings.setdefault((name, symbol), Past(before))
            time = max(past.last.time + 1, poll.at + self._skew)
            yield from self._setting(name, symbol, Value(time, after), poll.at)

    def _positions_polled(self, poll: PollAnswered, touched: Touched) -> Iterator[Happening]:
        holdings = self._account.holdings
        closed = {holding.position.key: holding.position for holding in touched.closed}
        there = {(row.symbol, row.position_side) for row in poll.positions or () if row.quantity}
        for key in [*closed, *(key for key in holdings if key in there and key not in closed)]:
            held = holdings[key].position if key in holdings else None
            yield from self._found(key, held, closed.get(key), poll.at)

    def _missed(
        self, poll: PollAnswered, now: Now, touched: Touched, *, proves: bool
    ) -> Iterator[Happening]:
        """Look for what an earlier run held: twice missing from both answers, and it closed.

        A poll that proves nothing may still name it.
        """
        account, asked = self._account, False
        for key in list(self._unconfirmed):
            since = self._unconfirmed[key]
            if key in account.holdings or not self._sides[key].last.value:
                del self._unconfirmed[key]
            elif key in account.named:
                self._unconfirmed[key] = None
            elif not proves:
                continue
            elif since is None:
                self._unconfirmed[key] = account.named_at
                asked = True
            elif account.named_at > since:
                del self._unconfirmed[key]
                yield from self._found(key, None, None, poll.at)
        if asked:
            touched.polls.append(PollWanted(account.name, now.ticks + ASK_AGAIN))

    def _found(
        self, key: tuple[str, ...], held: Position | None, before: Position | None, polled_at: int
    ) -> Iterator[Happening]:
        """Put in what a poll shows of one position."""
        past = self._past(key)
        state = self._account.keys.get((key[0], key[1]))
        time = max(past.last.time + 1, state.changed_at if state is not None else 0)
        side = held.side if held is not None else ""
        if side == past.last.value:
            return
        for step in past.put(Value(time, side)):
            details = _details(held if step.came else before)
            details["seen_by_poll_at"] = str(polled_at)
            yield self._came_or_left(key, step, details)

    # ------------------------------------------------------------ both

    def _past(self, key: tuple[str, ...]) -> Past:
        """Give the sides of a position; of what is not held we know so after a first poll."""
        past = self._sides.get(key)
        if past is None:
            past = self._sides[key] = Past(UNKNOWN if self._kept is None else "")
        return past

    def _came_or_left(self, key: tuple[str, ...], step: Step, details: dict[str, str]) -> Happening:
        self._changed = True
        side = step.label[1]
        kind = "position_opened" if step.came else "position_closed"
        return Happening(kind, Target(self._account.name, key[0], key[1], side), details)

    def _setting(
        self, name: str, symbol: str, value: Value, polled_at: int | None = None
    ) -> Iterator[Happening]:
        past = self._settings.get((name, symbol))
        if past is None:
            believed = self._believed(name, symbol)
            past = self._settings[name, symbol] = Past(believed)
        for step in past.put(value):
            if not step.came:
                continue
            details = {name: step.after.value}
            if step.before.value != UNKNOWN:
                details["before"] = step.before.value
            if polled_at is not None:
                details["seen_by_poll_at"] = str(polled_at)
            yield Happening(f"{name}_changed", Target(self._account.name, symbol), details)

    def _believed(self, name: str, symbol: str) -> str:
        account = self._account
        beliefs = (
            account.settings.leverages if name == "leverage" else account.settings.margin_types
        )
        return str(beliefs.get(symbol, UNKNOWN))

    # ------------------------------------------------------------ across restarts

    def _keep(self, now: Now, timers: Timers) -> None:
        """Write down what is held, where that is another set than was written last."""
        if self._kept is None or not self._changed:
            return
        self._changed = False
        held = {
            "/".join(key): past.last.value
            for key, past in sorted(self._sides.items())
            if past.last.value not in {"", UNKNOWN}
        }
        body = json.dumps(held)
        if body != self._kept:
            self._kept = body
            name = self._account.name
            timers["held", name] = TimerRecord("held", name, now.utc, 0, body)


def _side(quantity: Decimal) -> str:
    if not quantity:
        return ""
    return "long" if quantity > 0 else "short"


def _details(position: PositionRow | Position | None) -> dict[str, str]:
    """Say how much was opened or closed, as far as that is known."""
    if position is None or not position.quantity:
        return {}
    details = {"quantity": f"{abs(position.quantity):f}"}
    if position.entry_price:
        details["entry_price"] = f"{position.entry_price:f}"
    return details


# ------------------------------------------------------------ money


def _money(account: Account, event: AccountChanged) -> Iterator[tuple[tuple[str, ...], Happening]]:
    """List deposits, withdrawals and fundings, each with what it is known by.

    The wallet is part of it: fundings of several symbols may share stamp and asset.
    """
    rows = [row for row in event.balances if row.change is None or row.change]
    symbol = event.symbol or _only(row.symbol for row in event.positions)
    for row in rows or event.balances:
        amount = _amount(account, row, event)
        kind = _money_kind(event.reason, amount)
        if kind is None:
            continue
        details = {}
        if amount is not None:
            details["amount"] = f"{amount if kind == 'funding' else abs(amount):f}"
        if kind == "funding" and symbol:
            details["symbol"] = symbol
        details["wallet"] = f"{row.wallet:f}"
        which = kind, account.name, str(event.time), row.asset, event.symbol, str(row.wallet)
        yield which, Happening(kind, Target(account.name, asset=row.asset), details)


def _money_kind(reason: str, amount: Decimal | None) -> str | None:
    if reason in _DEPOSITS:
        return "deposit"
    if reason in _WITHDRAWALS:
        return "withdrawal"
    if reason == "ASSET_TRANSFER" and amount is not None:
        return "deposit" if amount > 0 else "withdrawal"
    return "funding" if reason == "FUNDING_FEE" else None


def _amount(account: Account, row: BalanceRow, event: AccountChanged) -> Decimal | None:
    """Tell what came or went; None where the message does not say and the wallet proves nothing."""
    if row.change:
        return row.change
    before, state = account.balances.get(row.asset), account.asset_keys.get(row.asset)
    if before is None or (state is not None and event.time < state.changed_at):
        return None
    return row.wallet - before.wallet or None


def _only(symbols: Iterable[str]) -> str:
    found = set(symbols)
    return found.pop() if len(found) == 1 else ""
