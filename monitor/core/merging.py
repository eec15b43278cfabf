"""How events and polls become beliefs.

Rules of this file:

- Rows hold absolute values of what changed: merged by key; rows that are missing stay as they are.
- An event older than the last one applied to its key is dropped; an equal one is applied (several
  fills in a millisecond, or two sockets telling the same).
- A poll may be older than an event that arrived while it was under way. `seq` tells: such a row
  gives everything but quantity, entry, margin type and isolated wallet, and another poll is asked.
- A row that shows an older state than an event did is asked again; the second answer is believed.
- Only two complete polls in a row close a position. Nothing else that is merely missing does.

It does not judge, tell anyone, or keep time: `apply` returns what it touched and what it wants.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from monitor.core.events import (
    AccountChanged,
    AssetModeChanged,
    AssetRow,
    BalanceRow,
    LeverageChanged,
    Mark,
    Now,
    PollAnswered,
    PollWanted,
    PositionRow,
    Remark,
)
from monitor.core.freshness import NEVER
from monitor.core.liquidation import (
    ZERO,
    backing,
    backing_from_parts,
    distance,
    liquidation_price,
    slope,
)
from monitor.core.portfolio import (
    Account,
    Balance,
    Basis,
    Holding,
    Key,
    KeyState,
    Position,
)

ASK_AGAIN = 1_000
"""Milliseconds after which a doubtful answer is asked for again."""

NEAR = Decimal("0.5")
"""An exchange that says "no liquidation price" while ours is nearer than this is not believed."""

DUST = Decimal("0.000001")
"""Balances that differ by less are equal."""


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
    """Balances and leverages that a poll changed and no event told, by asset or symbol."""


def ticks_of(at: int, now: Now) -> int:
    """Place an instant of our utc clock on the face that durations use; never after now."""
    return now.ticks - max(0, now.utc - at)


class Portfolio:
    """All accounts, and the mark prices."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.marks: dict[str, tuple[Decimal, int]] = {}
        """Per symbol its price, and when it was true (ticks)."""
        self.by_symbol: dict[str, dict[Holding, None]] = {}

    # ------------------------------------------------------------ marks

    def move_marks(self, marks: Iterable[tuple[str, Mark]], now: Now, touched: Touched) -> None:
        """Take mark prices that are newer than what is known."""
        for symbol, (price, at) in marks:
            self.move_mark(symbol, price, ticks_of(at, now), touched)

    def move_mark(self, symbol: str, price: Decimal, at: int, touched: Touched) -> None:
        """Take one mark price, true at `at` (ticks), if it is newer than what is known."""
        known = self.marks.get(symbol)
        if price <= 0 or (known is not None and at < known[1]):
            return
        self.marks[symbol] = (price, at)
        for holding in self.by_symbol.get(symbol, ()):
            holding.move(price, at)
            account = holding.account
            asset = account.pool_of(holding.position)
            account.forget_pool(asset)
            touched.holdings[holding] = None
            touched.pools[account, asset] = None

    # ------------------------------------------------------------ events

    def change(self, account: Account, event: AccountChanged, at: int, touched: Touched) -> None:
        """Apply an ACCOUNT_UPDATE: all its rows at once."""
        for balance in event.balances:
            _merge_balance(account, balance, event, at)
        for row in event.positions:
            self._merge_event_row(account, row, event, at, touched)
        account.forget_pools()
        touched.accounts[account] = None

    def _merge_event_row(
        self, account: Account, row: PositionRow, event: AccountChanged, at: int, touched: Touched
    ) -> None:
        key = row.symbol, row.position_side
        state = account.keys.setdefault(key, KeyState())
        if event.time < state.changed_at:
            return
        state.changed_at, state.seq, state.contradicted = event.time, event.seq, False
        if row.margin_type is not None:
            account.margin_types[row.symbol] = row.margin_type
        if not row.quantity:
            self._close(account, key, touched)
            return
        before = account.holdings.get(key)
        position = _from_event(account, row, before.position if before else None, at)
        self._put(account, position, at, touched)
        if account.group_of(position) not in account.bases and position.rate is not None:
            # The margin type changed: the money behind it is another, the rate is not.
            account.forget_pools()
            basis = account.base_from_parts(position)
            if basis is not None:
                account.bases[account.group_of(position)] = basis

    def set_leverage(self, account: Account, event: LeverageChanged, touched: Touched) -> None:
        """Apply a new leverage setting."""
        account.leverages[event.symbol] = event.leverage
        touched.accounts[account] = None

    def set_mode(self, account: Account, event: AssetModeChanged, touched: Touched) -> None:
        """Apply multi-assets mode; the USD totals are unknown until the next poll."""
        _switch_mode(account, multi_assets=event.multi_assets)
        touched.accounts[account] = None

    # ------------------------------------------------------------ polls

    def answer(
        self, account: Account, poll: PollAnswered, at: int, now_ticks: int, touched: Touched
    ) -> None:
        """Apply all that one poll answered.

        Args:
            account: Whose poll it is.
            poll: The answers.
            at: When it was sent, in ticks.
            now_ticks: Now; what has to be asked again is asked a little after it.
            touched: Where everything that follows is noted.
        """
        again = False
        known_before = account.first_poll_done
        if poll.multi_assets is not None:
            _switch_mode(account, multi_assets=poll.multi_assets)
        if poll.assets is not None:
            again |= _merge_assets(account, poll, at, touched, compare=known_before)
        if poll.settings is not None:
            _merge_settings(account, poll, touched, compare=known_before)
        if poll.positions is not None:
            for row in poll.positions:
                again |= self._merge_poll_row(account, row, poll, at, touched, compare=known_before)
            again |= self._find_gone(account, poll, touched, compare=known_before)
        if poll.complete:
            account.polled_at = max(account.polled_at, at)
            account.first_poll_done = True
        account.forget_pools()
        self._rebase(account, poll, touched)
        account.forget_pools()
        touched.accounts[account] = None
        if again:
            touched.polls.append(PollWanted(account.name, now_ticks + ASK_AGAIN))

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
        if row.mark_price:
            self.move_mark(row.symbol, row.mark_price, at, touched)
        key = row.symbol, row.position_side
        state = account.keys.setdefault(key, KeyState())
        before = account.holdings.get(key)
        if state.seq > poll.after:
            # An event overtook this answer: its own four figures stand, the rest is news.
            if before is not None and row.quantity:
                self._put(account, _with_polled(before.position, row, at), at, touched)
            return True
        quantity = before.position.quantity if before else ZERO
        if row.updated < state.changed_at and row.quantity != quantity and not state.contradicted:
            state.contradicted = True
            return True
        state.contradicted = False
        state.changed_at = max(state.changed_at, row.updated)
        if not row.quantity:
            return False  # gone or never there: `_find_gone` decides
        position = _from_poll(account, row, before.position if before else None, at)
        if compare:
            said = _difference(before.position if before else None, position)
            if said:
                touched.unexplained["/".join(key)] = f"{row.symbol} {position.side}: {said}"
        self._put(account, position, at, touched)
        return False

    def _find_gone(
        self, account: Account, poll: PollAnswered, touched: Touched, *, compare: bool
    ) -> bool:
        """Doubt, and at the second time close, what a complete poll no longer lists."""
        if not poll.complete or poll.positions is None or poll.listed is None:
            return False
        there = {(row.symbol, row.position_side) for row in poll.positions if row.quantity}
        listed = {(row.symbol, row.position_side) for row in poll.listed if row.quantity}
        again = False
        for key, holding in list(account.holdings.items()):
            if key in there or account.keys[key].seq > poll.after:
                continue
            position = holding.position
            if position.doubted and key not in listed:
                if compare:
                    touched.unexplained["/".join(key)] = f"{position.symbol} {position.side}: gone"
                self._close(account, key, touched)
                continue
            if position.doubted:
                continue  # the status answer still lists it: asked again with the usual polls
            again = True
            holding.position = replace(position, doubted=True)
            touched.holdings[holding] = None
            touched.remarks.append(
                Remark(
                    "warning",
                    f"{account.name}: {position.symbol} {position.side} is missing from a poll; "
                    "asking again before believing that it is closed",
                    "doubted_positions",
                )
            )
        return again

    def _rebase(self, account: Account, poll: PollAnswered, touched: Touched) -> None:
        """Compare our liquidation prices with the exchange's, and take its figures over."""
        sums = _polled_sums(account, poll)
        for row in poll.positions or ():
            holding = account.holdings.get((row.symbol, row.position_side))
            if holding is None or row.liquidation_price is None or not row.quantity:
                continue
            if account.keys[row.symbol, row.position_side].seq > poll.after:
                continue  # the figure belongs to a quantity that an event has replaced
            position = holding.position
            wallet, others = account.money_behind(position)
            of_pool = sums.get(account.pool_of(position))
            if position.cross and of_pool is not None:
                others = sum((part for name, part in of_pool if name != row.symbol), ZERO)
            _take_liquidation_price(
                account, holding, row.liquidation_price, (wallet, others), touched
            )

    # ------------------------------------------------------------ positions come and go

    def _put(self, account: Account, position: Position, at: int, touched: Touched) -> None:
        key = position.key
        holding = account.holdings.get(key)
        if holding is not None and holding.position.side != position.side:
            self._close(account, key, touched)
            holding = None
        if holding is None:
            holding = account.holdings[key] = Holding(account, position, at)
            self.by_symbol.setdefault(position.symbol, {})[holding] = None
            mark = self.marks.get(position.symbol)
            if mark is not None:
                holding.mark_price, holding.mark_at = mark
            touched.opened.append(holding)
            if position.symbol not in account.leverages:
                touched.polls.append(PollWanted(account.name, at, full=True))
        elif holding.position.margin_type != position.margin_type:
            account.bases.pop(account.group_of(holding.position), None)
        holding.position = position
        holding.refigure()
        touched.holdings[holding] = None

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
        group = account.group_of(position)
        if not position.cross or not any(
            other.position.cross
            for (symbol, _), other in account.holdings.items()
            if symbol == position.symbol
        ):
            account.bases.pop(group, None)
        touched.closed.append(holding)

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols of all positions held."""
        return frozenset(self.by_symbol)


# ---------------------------------------------------------------- rows into beliefs


def _margin_asset(account: Account, row: PositionRow, before: Position | None) -> str:
    """Tell a row's margin asset; messages that leave it out are told by the symbol's end."""
    if row.margin_asset:
        return row.margin_asset
    if before is not None:
        return before.margin_asset
    known = [*account.balances, "USDT", "USDC", "BUSD"]
    fits = [asset for asset in known if row.symbol.endswith(asset)]
    return max(fits, key=len, default="USDT")


def _entry(row: PositionRow) -> Decimal | None:
    """Entry price 0 with a quantity is unknown."""
    return row.entry_price or None


def _from_event(account: Account, row: PositionRow, before: Position | None, at: int) -> Position:
    if before is not None and (before.quantity > 0) != (row.quantity > 0):
        before = None
    margin_type = row.margin_type or (before.margin_type if before else "cross")
    refilled = before is None or before.quantity != row.quantity
    break_even = row.break_even_price
    if break_even is None and not refilled and before is not None:
        break_even = before.break_even_price
    isolated = row.isolated_wallet
    if isolated is None:
        isolated = before.isolated_wallet if before else ZERO
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=row.quantity,
        entry_price=_entry(row),
        margin_type=margin_type,
        isolated_wallet=isolated,
        margin_asset=_margin_asset(account, row, before),
        data_at=at,
        break_even_price=break_even,
        exchange_pnl=row.unrealized_pnl,
        adl=before.adl if before else None,
        rate=before.rate if before else None,
        amount=before.amount if before else ZERO,
        polled_at=before.polled_at if before else NEVER,
    )


def _from_poll(account: Account, row: PositionRow, before: Position | None, at: int) -> Position:
    if before is not None and (before.quantity > 0) != (row.quantity > 0):
        before = None
    isolated = row.isolated_wallet
    if isolated is None:
        isolated = before.isolated_wallet if before else ZERO
    margin_type = row.margin_type
    if margin_type is None:
        # v2 rows do not say; a held position is isolated iff it has a wallet of its own.
        margin_type = "isolated" if isolated else "cross"
    position = Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=row.quantity,
        entry_price=_entry(row),
        margin_type=margin_type,
        isolated_wallet=isolated,
        margin_asset=_margin_asset(account, row, before),
        data_at=at,
        rate=before.rate if before else None,
        amount=before.amount if before else ZERO,
    )
    return _with_polled(position, row, at)


def _with_polled(position: Position, row: PositionRow, at: int) -> Position:
    """Take the figures that only polls bring."""
    rate = position.rate
    if row.maintenance_margin is not None and row.notional:
        rate = row.maintenance_margin / abs(row.notional)
    return replace(
        position,
        break_even_price=row.break_even_price or position.break_even_price,
        exchange_pnl=row.unrealized_pnl,
        adl=row.adl if row.adl is not None else position.adl,
        rate=rate,
        polled_at=at,
        doubted=False,
    )


def _merge_balance(account: Account, row: BalanceRow, event: AccountChanged, at: int) -> None:
    state = account.asset_keys.setdefault(row.asset, KeyState())
    if event.time < state.changed_at:
        return
    state.changed_at, state.seq = event.time, event.seq
    before = account.balances.get(row.asset)
    account.balances[row.asset] = Balance(
        asset=row.asset,
        wallet=row.wallet,
        cross_wallet=row.cross_wallet,
        data_at=at,
        available=before.available if before else None,
        polled_at=before.polled_at if before else NEVER,
    )


def _merge_assets(
    account: Account, poll: PollAnswered, at: int, touched: Touched, *, compare: bool
) -> bool:
    again = False
    for row in poll.assets or ():
        state = account.asset_keys.setdefault(row.asset, KeyState())
        before = account.balances.get(row.asset)
        if before is not None and state.seq > poll.after:
            account.balances[row.asset] = replace(before, available=row.available, polled_at=at)
            again = True
            continue
        if compare and before is not None and abs(before.wallet - row.wallet) > DUST:
            touched.drifted[row.asset] = f"{row.asset} wallet {before.wallet} → {row.wallet}"
        account.balances[row.asset] = _balance(row, at)
    if poll.totals is not None and account.multi_assets:
        account.totals = poll.totals
        account.totals_wallets = {
            name: (balance.wallet, balance.cross_wallet)
            for name, balance in account.balances.items()
        }
    return again


def _balance(row: AssetRow, at: int) -> Balance:
    return Balance(
        asset=row.asset,
        wallet=row.wallet,
        cross_wallet=row.cross_wallet,
        data_at=at,
        available=row.available,
        polled_at=at,
    )


def _merge_settings(
    account: Account, poll: PollAnswered, touched: Touched, *, compare: bool
) -> None:
    for row in poll.settings or ():
        if row.leverage is not None:
            before = account.leverages.get(row.symbol)
            held = any(symbol == row.symbol for symbol, _ in account.holdings)
            if compare and held and before is not None and before != row.leverage:
                touched.drifted[row.symbol] = f"{row.symbol} leverage {before} → {row.leverage}"
            account.leverages[row.symbol] = row.leverage
        if row.margin_type is not None:
            account.margin_types[row.symbol] = row.margin_type


def _switch_mode(account: Account, *, multi_assets: bool) -> None:
    if account.multi_assets != multi_assets:
        account.multi_assets = multi_assets
        account.totals = None
        account.totals_wallets = {}
        account.bases.clear()
        account.forget_pools()


def _difference(before: Position | None, after: Position) -> str:
    """Say how a poll differs from what events told, "" where it does not."""
    if before is None:
        return f"opened, {after.quantity}"
    if before.quantity != after.quantity:
        return f"quantity {before.quantity} → {after.quantity}"
    old, new = before.entry_price, after.entry_price
    if old is not None and new is not None and not _same_price(old, new):
        return f"entry price {old} → {new}"
    if before.margin_type != after.margin_type:
        return f"margin type {before.margin_type} → {after.margin_type}"
    return ""


def _same_price(one: Decimal, other: Decimal) -> bool:
    """Compare two prices to the shorter of their precisions."""
    digits = max(_exponent(one), _exponent(other))
    step = Decimal(1).scaleb(digits)
    return abs(one - other) <= step


def _exponent(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _polled_sums(
    account: Account, poll: PollAnswered
) -> dict[str, list[tuple[str, Decimal]] | None]:
    """Collect per pool what each cross row adds to the others: uPnL − maintenance at the poll.

    The exchange's liquidation price was true with these; marks may have moved since. None for a
    pool in which a row leaves one of the two out.
    """
    sums: dict[str, list[tuple[str, Decimal]] | None] = {}
    for row in poll.positions or ():
        holding = account.holdings.get((row.symbol, row.position_side))
        if holding is None or not row.quantity or not holding.position.cross:
            continue
        of_pool = sums.setdefault(account.pool_of(holding.position), [])
        if row.unrealized_pnl is None or row.maintenance_margin is None or of_pool is None:
            sums[account.pool_of(holding.position)] = None
        else:
            of_pool.append((row.symbol, row.unrealized_pnl - row.maintenance_margin))
    return sums


def _take_liquidation_price(
    account: Account,
    holding: Holding,
    said: Decimal,
    behind: tuple[Decimal | None, Decimal | None],
    touched: Touched,
) -> None:
    """Make the exchange's figure the basis of ours, and compare the two."""
    position = holding.position
    group = account.group_of(position)
    own = account.liquidation(position)
    legs = [leg.position.leg for leg in account.legs(position)]
    known = [leg for leg in legs if leg is not None]
    wallet, others = behind
    if wallet is None or others is None or len(known) < len(legs):
        account.bases.pop(group, None)
        return
    if said > 0:
        if own is not None and not _close_to(own[0], said):
            touched.remarks.append(
                Remark(
                    "debug",
                    f"{account.name}: {position.symbol} {position.side}: liquidation price "
                    f"carried on to {own[0]}, the exchange says {said}",
                    "liquidation_estimates_off",
                )
            )
        account.bases[group] = Basis(backing(said, known), wallet, others)
        return
    basis = Basis(backing_from_parts(wallet, others, known), wallet, others)
    mark = holding.mark_price
    if mark is not None:
        price = liquidation_price(basis.k, known)
        if distance(mark, price, slope(known)) < NEAR:
            touched.remarks.append(
                Remark(
                    "warning",
                    f"{account.name}: {position.symbol} {position.side}: the exchange says that "
                    f"there is no liquidation price, our own estimate is {price}; it counts as "
                    "unknown",
                    "liquidation_prices_doubted",
                )
            )
            account.bases.pop(group, None)
            return
    account.bases[group] = basis


def _close_to(one: Decimal | None, other: Decimal) -> bool:
    """Whether two liquidation prices agree to one part in ten thousand."""
    return one is not None and abs(one - other) <= other / 10_000
