"""Answers to account polls, exactly as the exchange words them.

Source: docs/protocol.md §6. v1 lists every symbol the exchange has, v2 only what is held.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from monitor.sim.account import Account, Pool, Position
from monitor.sim.amounts import ZERO, money, plain, quantised

Row = dict[str, Any]


def position_v1(account: Account, symbols: Iterable[str]) -> list[Row]:
    """Word `account.position`: a row for each symbol and side, held or not."""
    pools = _pools(account)
    return [
        _position_v1(account, _shown(account, symbol, side), pools.get((symbol, side)))
        for symbol in symbols
        for side in account.sides()
    ]


def position_v2(account: Account, symbols: Iterable[str]) -> list[Row]:
    """Word `v2/account.position`: symbols with a position; in hedge mode both sides of each."""
    pools = _pools(account)
    shown = _in_use(account)
    return [
        _position_v2(account, _shown(account, symbol, side), pools.get((symbol, side)))
        for symbol in symbols
        if symbol in shown
        for side in account.sides()
    ]


def status_v1(account: Account, symbols: Iterable[str]) -> Row:
    """Word `account.status`, with the mode flag and every symbol's leverage."""
    assets = _assets(account)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
        **_totals(account, assets),
        "assets": [row | {"marginAvailable": True} for row in _with_times(account, assets)],
        "positions": [
            _status_position_v1(account, _shown(account, symbol, side))
            for symbol in symbols
            for side in account.sides()
        ],
    }


def status_v2(account: Account, symbols: Iterable[str]) -> Row:
    """Word `v2/account.status`: totals, assets, held positions."""
    assets = _assets(account)
    shown = _in_use(account)
    return {
        **_totals(account, assets),
        "assets": _with_times(account, assets),
        "positions": [
            _status_position_v2(account, _shown(account, symbol, side))
            for symbol in symbols
            if symbol in shown
            for side in account.sides()
        ],
    }


def balance(account: Account) -> list[Row]:
    """Word `account.balance`; v1 and v2 are alike."""
    assets = _assets(account)
    return [
        {
            "accountAlias": "SgsR",
            "asset": asset,
            "balance": money(numbers["walletBalance"]),
            "crossWalletBalance": money(numbers["crossWalletBalance"]),
            "crossUnPnl": money(numbers["crossUnPnl"]),
            "availableBalance": money(numbers["availableBalance"]),
            "maxWithdrawAmount": money(numbers["maxWithdrawAmount"]),
            "marginAvailable": True,
            "updateTime": account.wallet_updated[asset],
        }
        for asset, numbers in assets.items()
    ]


def _in_use(account: Account) -> set[str]:
    """Symbols with a position or a resting order."""
    return {p.symbol for p in account.held()} | {order.symbol for order in account.orders}


def _pools(account: Account) -> dict[tuple[str, str], Pool]:
    """Every held position's pool, computed once for all rows."""
    return {(p.symbol, p.side): pool for pool in account.pools() for p in pool.positions}


def _shown(account: Account, symbol: str, side: str) -> Position:
    """A side as polls show it, without making it the account's."""
    return account.positions.get((symbol, side)) or Position(symbol, side)


def _price_or_none(price: Decimal | None) -> str:
    return "0" if price is None else money(price)


def _margins(account: Account, position: Position) -> Row:
    """Word what a position and its resting orders bind."""
    own, resting = account.initial_margin(position), ZERO
    bids = asks = ZERO
    if account.orders:
        resting = account.order_margin(position.symbol, position.side)
        orders = [
            o for o in account.orders if (o.symbol, o.side) == (position.symbol, position.side)
        ]
        bids = sum((o.notional for o in orders if o.quantity > 0), ZERO)
        asks = sum((o.notional for o in orders if o.quantity < 0), ZERO)
    return {
        "initialMargin": plain(own + resting),
        "positionInitialMargin": plain(own),
        "openOrderInitialMargin": plain(resting),
        "bidNotional": plain(bids),
        "askNotional": plain(asks),
    }


def _position_v1(account: Account, position: Position, pool: Pool | None) -> Row:
    setting = account.setting_of(position.symbol)
    return {
        "symbol": position.symbol,
        "positionAmt": plain(position.amount),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "markPrice": money(account.marks[position.symbol]),
        "unRealizedProfit": money(account.unrealized(position)),
        "liquidationPrice": _price_or_none(account.liquidation_price(position, pool)),
        "leverage": str(setting.leverage),
        "maxNotionalValue": plain(account.listing.max_notional(position.symbol, setting.leverage)),
        "marginType": "isolated" if setting.isolated else "cross",
        "isolatedMargin": money(account.isolated_margin(position)),
        "isAutoAddMargin": "false",
        "positionSide": position.side,
        "notional": plain(account.notional(position)),
        "isolatedWallet": plain(position.isolated_wallet),
        "updateTime": position.updated,
    }


def _position_v2(account: Account, position: Position, pool: Pool | None) -> Row:
    margins = _margins(account, position)
    return {
        "symbol": position.symbol,
        "positionSide": position.side,
        "positionAmt": plain(position.amount),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "markPrice": money(account.marks[position.symbol]),
        "unRealizedProfit": money(account.unrealized(position)),
        "liquidationPrice": _price_or_none(account.liquidation_price(position, pool)),
        "isolatedMargin": plain(account.isolated_margin(position)),
        "notional": plain(account.notional(position)),
        "marginAsset": account.asset_of(position),
        "isolatedWallet": plain(position.isolated_wallet),
        "initialMargin": margins["initialMargin"],
        "maintMargin": plain(account.maintenance(position)),
        "positionInitialMargin": margins["positionInitialMargin"],
        "openOrderInitialMargin": margins["openOrderInitialMargin"],
        "adl": 2 if position.amount else 0,
        "bidNotional": margins["bidNotional"],
        "askNotional": margins["askNotional"],
        "updateTime": position.updated,
    }


def _status_position_v1(account: Account, position: Position) -> Row:
    setting = account.setting_of(position.symbol)
    margins = _margins(account, position)
    return {
        "symbol": position.symbol,
        "initialMargin": margins["initialMargin"],
        "maintMargin": plain(account.maintenance(position)),
        "unrealizedProfit": money(account.unrealized(position)),
        "positionInitialMargin": margins["positionInitialMargin"],
        "openOrderInitialMargin": margins["openOrderInitialMargin"],
        "leverage": str(setting.leverage),
        "isolated": setting.isolated,
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "maxNotional": plain(account.listing.max_notional(position.symbol, setting.leverage)),
        "bidNotional": margins["bidNotional"],
        "askNotional": margins["askNotional"],
        "positionSide": position.side,
        "positionAmt": plain(position.amount),
        "updateTime": position.updated,
    }


def _status_position_v2(account: Account, position: Position) -> Row:
    return {
        "symbol": position.symbol,
        "positionSide": position.side,
        "positionAmt": plain(position.amount),
        "unrealizedProfit": money(account.unrealized(position)),
        "isolatedMargin": money(account.isolated_margin(position)),
        "notional": plain(account.notional(position)),
        "isolatedWallet": plain(position.isolated_wallet),
        "initialMargin": _margins(account, position)["initialMargin"],
        "maintMargin": plain(account.maintenance(position)),
        "updateTime": position.updated,
    }


def _assets(account: Account) -> dict[str, dict[str, Decimal]]:
    """Compute every asset's numbers; what is available counts cross positions only."""
    found = {asset: _asset(account, asset) for asset in account.wallets}
    if account.multi_assets:
        shared = max(ZERO, _free_usd(account, found))
        for asset, numbers in found.items():
            bid = account.indexes.bid(asset)
            numbers["availableBalance"] = quantised(shared / bid) if bid else ZERO
    return found


def _asset(account: Account, asset: str) -> dict[str, Decimal]:
    members = [p for p in account.held() if account.asset_of(p) == asset]
    cross = [p for p in members if not account.is_isolated(p)]
    cross_wallet = account.cross_wallet(asset)
    pnl = sum((account.unrealized(p) for p in members), ZERO)
    initial = sum((account.initial_margin(p) for p in members), ZERO)
    resting = _order_margin(account, asset)
    cross_pnl = sum((account.unrealized(p) for p in cross), ZERO)
    bound = sum((account.initial_margin(p) for p in cross), ZERO)
    free = max(ZERO, cross_wallet + cross_pnl - bound - resting)
    return {
        "walletBalance": account.wallets[asset],
        "unrealizedProfit": pnl,
        "marginBalance": account.wallets[asset] + pnl,
        "maintMargin": sum((account.maintenance(p) for p in members), ZERO),
        "initialMargin": initial + resting,
        "positionInitialMargin": initial,
        "openOrderInitialMargin": resting,
        "crossWalletBalance": cross_wallet,
        "crossUnPnl": cross_pnl,
        "availableBalance": free,
        "maxWithdrawAmount": max(ZERO, min(free, cross_wallet)),
    }


def _order_margin(account: Account, asset: str) -> Decimal:
    symbols = {o.symbol for o in account.orders if account.listing.asset(o.symbol) == asset}
    return sum((account.order_margin(symbol) for symbol in symbols), ZERO)


def _free_usd(account: Account, assets: Mapping[str, Mapping[str, Decimal]]) -> Decimal:
    """What the one pool of multi-assets mode has beyond its initial margin, USD."""
    bound = sum((n["initialMargin"] * account.rate(asset) for asset, n in assets.items()), ZERO)
    return account.cross_pool("USDT").balance - bound


def _with_times(account: Account, assets: Mapping[str, Mapping[str, Decimal]]) -> list[Row]:
    return [
        {"asset": asset}
        | {key: money(number) for key, number in numbers.items()}
        | {"updateTime": account.wallet_updated[asset]}
        for asset, numbers in assets.items()
    ]


def _totals(account: Account, assets: Mapping[str, Mapping[str, Decimal]]) -> Row:
    """Sum up: USDT alone in single-asset mode, all in USD in multi-assets mode (§6.4)."""
    own = assets if account.multi_assets else {"USDT": assets["USDT"]}

    def total(key: str) -> str:
        return money(sum((n[key] * account.rate(asset) for asset, n in own.items()), ZERO))

    def wallets(key: str, pnl: str | None = None) -> str:
        counted = (_counted(account, asset, numbers[key]) for asset, numbers in own.items())
        profits = (n[pnl] * account.rate(asset) for asset, n in own.items() if pnl)
        return money(sum(counted, ZERO) + sum(profits, ZERO))

    return {
        "totalInitialMargin": total("initialMargin"),
        "totalMaintMargin": total("maintMargin"),
        "totalWalletBalance": wallets("walletBalance"),
        "totalUnrealizedProfit": total("unrealizedProfit"),
        "totalMarginBalance": wallets("walletBalance", "unrealizedProfit"),
        "totalPositionInitialMargin": total("positionInitialMargin"),
        "totalOpenOrderInitialMargin": total("openOrderInitialMargin"),
        "totalCrossWalletBalance": wallets("crossWalletBalance"),
        "totalCrossUnPnl": total("crossUnPnl"),
        "availableBalance": money(
            max(ZERO, _free_usd(account, assets))
            if account.multi_assets
            else assets["USDT"]["availableBalance"]
        ),
        "maxWithdrawAmount": total("maxWithdrawAmount"),
    }


def _counted(account: Account, asset: str, amount: Decimal) -> Decimal:
    """What a wallet counts in a total: itself, or USD at the bid or ask rate."""
    return account.indexes.value(asset, amount) if account.multi_assets else amount
