"""How balances, settings and the asset mode are merged, by the rules of `merging.py`."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.core import rows
from monitor.core.events import AccountChanged, AssetRow, BalanceRow, PollAnswered, SettingRow
from monitor.core.liquidation import ZERO
from monitor.core.pools import worth
from monitor.core.portfolio import Account
from monitor.core.positions import KeyState

if TYPE_CHECKING:
    from monitor.core.merging import Touched

NOTABLE = Decimal(1)
"""USD of assets besides USDT by which totals of the two asset modes differ for certain."""


def merge_balance(account: Account, row: BalanceRow, event: AccountChanged, at: int) -> None:
    """Merge one asset of an event."""
    state = account.asset_keys.setdefault(row.asset, KeyState())
    if state.take(event.time, event.seq):
        before = account.balances.get(row.asset)
        account.balances[row.asset] = rows.balance_from_event(row, before, at)


def merge_assets(
    account: Account, poll: PollAnswered, at: int, drifted: dict[str, str], *, compare: bool
) -> bool:
    """Merge the assets of a poll; returns whether another poll is needed."""
    again = False
    for row in poll.assets or ():
        state = account.asset_keys.setdefault(row.asset, KeyState())
        before = account.balances.get(row.asset)
        if before is not None and state.seq > poll.after:
            account.balances[row.asset] = replace(before, available=row.available, polled_at=at)
            again = True
            continue
        differs = before is not None and abs(before.wallet - row.wallet) > rows.DUST
        older = differs and row.updated < state.changed_at
        if older and not state.contradicted:
            state.contradicted = again = True
            continue
        state.believe(row.updated, older=older)
        if compare and before is not None and differs:
            drifted[row.asset] = f"{row.asset} wallet {before.wallet} → {row.wallet}"
        account.balances[row.asset] = rows.balance_from_poll(row, at)
    return again


def doubt_mode(account: Account, poll: PollAnswered) -> bool:
    """Look whether a poll's totals are of the other asset mode; tells whether the mode is asked.

    Polls tell the mode rarely, and an event of its switch may be lost. Totals of the other mode
    must not be taken for what they are not. Where a poll that tells the mode shows such totals
    all the same, they are believed from then on.
    """
    if poll.totals is None or poll.assets is None or account.mode_key.seq > poll.after:
        return False
    odd = _of_other_mode(account, poll.totals.wallet, poll.assets)
    before = account.mode_doubted
    if poll.multi_assets is not None:
        account.odd_totals, account.mode_doubted = odd, False
    elif not odd:
        account.odd_totals = account.mode_doubted = False
    else:
        account.mode_doubted = not account.odd_totals
    return account.mode_doubted and not before


def _of_other_mode(account: Account, wallet: Decimal, assets: Sequence[AssetRow]) -> bool:
    """Tell whether a total of wallets is of USDT alone, or of more, against the mode we know.

    Totals are of USDT alone without multi-assets mode (docs/protocol.md §6.4).
    """
    alone = sum((row.wallet for row in assets if row.asset == "USDT"), ZERO)
    others = [row for row in assets if row.asset != "USDT" and row.wallet]
    if abs(wallet - alone) > rows.DUST:
        return not account.multi_assets
    worths = [worth(abs(row.wallet), account.prices.get(row.asset)) for row in others]
    return account.multi_assets and any(usd is None or usd >= NOTABLE for usd in worths)


def merge_totals(account: Account, poll: PollAnswered, at: int) -> None:
    """Keep the USD totals of multi-assets mode, and what they were true with."""
    totals = poll.totals
    if totals is None or not account.multi_assets or account.mode_key.seq > poll.after:
        return
    if account.mode_doubted:
        return
    account.totals, account.totals_at = totals, at
    account.totals_wallets = {
        name: (balance.wallet, balance.cross_wallet) for name, balance in account.balances.items()
    }
    for asset in poll.assets or ():
        # An event may have overtaken this answer: the totals were true with its own wallets.
        account.totals_wallets[asset.asset] = asset.wallet, asset.cross_wallet
    of_all = of_cross = ZERO
    for row in poll.positions or ():
        holding = account.holdings.get((row.symbol, row.position_side))
        before = holding.position if holding is not None else None
        price = account.prices.get(rows.margin_asset(account, row, before))
        pnl = worth(row.unrealized_pnl, price) if row.quantity else ZERO
        if pnl is None:
            account.totals_corrections = ZERO, ZERO
            return
        of_all += pnl
        of_cross += pnl if rows.margin_type(row) == "cross" else ZERO
    if poll.positions is not None:
        account.totals_corrections = (
            totals.unrealized_pnl - of_all,
            totals.cross_unrealized_pnl - of_cross,
        )


def merge_settings(
    account: Account, poll: PollAnswered, at: int, touched: "Touched", *, compare: bool
) -> bool:
    """Merge the settings of a poll; returns whether they have to be asked for again.

    A setting that an event told is contradicted by two answers, not by one: the settings of all
    symbols are a heavy answer, and an old one would change it to and fro.
    """
    again = False
    held = {symbol for symbol, _ in account.holdings}
    for row in poll.settings or ():
        before = account.settings.leverages.get(row.symbol)
        again |= _merge_leverage(account, row, poll, at, touched)
        after = account.settings.leverages.get(row.symbol)
        if compare and row.symbol in held and before is not None and before != after:
            said = f"{row.symbol} leverage {before} → {after}"
            touched.drifted[row.symbol] = said
        again |= _merge_margin_type(account, row, poll, touched)
    return again


def _merge_leverage(
    account: Account, row: SettingRow, poll: PollAnswered, at: int, touched: "Touched"
) -> bool:
    if row.leverage is None:
        return False
    before = account.settings.leverages.get(row.symbol)
    state = account.settings.leverage_keys.get(row.symbol)
    if state is not None and not _believed(state, poll, same=before == row.leverage):
        return True
    if before is not None and before != row.leverage:
        touched.settings.append((row.symbol, "leverage", str(before), str(row.leverage)))
    account.settings.leverages[row.symbol] = row.leverage
    account.settings.leverage_at[row.symbol] = at
    return False


def _merge_margin_type(
    account: Account, row: SettingRow, poll: PollAnswered, touched: "Touched"
) -> bool:
    if row.margin_type is None:
        return False
    before = account.settings.margin_types.get(row.symbol)
    state = account.settings.margin_keys.get(row.symbol)
    if state is not None and not _believed(state, poll, same=before == row.margin_type):
        return True
    if before is not None and before != row.margin_type:
        touched.settings.append((row.symbol, "margin_type", before, row.margin_type))
    account.settings.margin_types[row.symbol] = row.margin_type
    return False


def _believed(state: KeyState, poll: PollAnswered, *, same: bool) -> bool:
    """Tell whether a poll's setting counts against what an event told of it."""
    if state.seq > poll.after:
        return False
    state.contradicted = not same and not state.contradicted
    return not state.contradicted


def take_margin_type(account: Account, symbol: str, word: str, event: AccountChanged) -> None:
    """Take the margin type that an event's row shows; it is the symbol's, held or not."""
    if account.settings.margin_keys.setdefault(symbol, KeyState()).take(event.time, event.seq):
        account.settings.margin_types[symbol] = word


def merge_mode(account: Account, poll: PollAnswered) -> bool:
    """Merge the asset mode of a poll; returns whether another poll is needed."""
    if poll.multi_assets is None:
        return False
    if account.mode_key.seq > poll.after:
        return True
    switch_mode(account, multi_assets=poll.multi_assets)
    return False


def switch_mode(account: Account, *, multi_assets: bool) -> None:
    """Take over the asset mode; what rests on the other mode is forgotten."""
    if account.multi_assets != multi_assets:
        account.multi_assets = multi_assets
        account.totals = None
        account.totals_wallets = {}
        account.totals_corrections = ZERO, ZERO
        account.mode_doubted = account.odd_totals = False
        account.bases.clear()
        account.standing.clear()
        account.forget_pools()
