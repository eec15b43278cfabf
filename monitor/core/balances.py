"""How balances, settings and the asset mode are merged, by the rules of `merging.py`."""

from dataclasses import replace

from monitor.core import rows
from monitor.core.events import AccountChanged, BalanceRow, PollAnswered
from monitor.core.liquidation import ZERO
from monitor.core.pools import worth
from monitor.core.portfolio import Account
from monitor.core.positions import KeyState


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
        if differs and row.updated < state.changed_at and not state.contradicted:
            state.contradicted = again = True
            continue
        state.contradicted = False
        state.changed_at = max(state.changed_at, row.updated)
        if compare and before is not None and differs:
            drifted[row.asset] = f"{row.asset} wallet {before.wallet} → {row.wallet}"
        account.balances[row.asset] = rows.balance_from_poll(row, at)
    return again


def denies_itself(account: Account, poll: PollAnswered) -> bool:
    """Tell whether a poll lists no position while balances say that there are some.

    Maintenance margin is asked for positions alone, not for orders. And an answer without a single
    asset, for an account that has money, is no answer. An exchange that answers so has lost half
    of what it knows, and an empty answer must not be an all-clear.
    """
    if poll.positions is None or poll.listed is None or poll.assets is None:
        return False
    if any(row.quantity for row in poll.positions) or any(row.quantity for row in poll.listed):
        return False
    if not poll.assets:
        return any(balance.wallet for balance in account.balances.values())
    return any(asset.maintenance_margin for asset in poll.assets)


def merge_totals(account: Account, poll: PollAnswered, at: int) -> None:
    """Keep the USD totals of multi-assets mode, and what they were true with."""
    totals = poll.totals
    if totals is None or not account.multi_assets:
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
        price = account.prices.get(rows.margin_asset(account, row, None))
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
    account: Account, poll: PollAnswered, drifted: dict[str, str], *, compare: bool
) -> bool:
    """Merge the settings of a poll; returns whether another poll is needed."""
    again = False
    held = {symbol for symbol, _ in account.holdings}
    for row in poll.settings or ():
        if row.leverage is None:
            continue
        state = account.leverage_keys.get(row.symbol)
        if state is not None and state.seq > poll.after:
            again = True
            continue
        before = account.leverages.get(row.symbol)
        if compare and row.symbol in held and before is not None and before != row.leverage:
            drifted[row.symbol] = f"{row.symbol} leverage {before} → {row.leverage}"
        account.leverages[row.symbol] = row.leverage
    return again


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
        account.bases.clear()
        account.forget_pools()
