"""Answers to account polls, exactly as the exchange words them.

Source: docs/protocol.md §6. v1 lists every symbol the exchange has, v2 only what is held.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from monitor.sim.account import Account, Position
from monitor.sim.amounts import ZERO, money, plain

Row = dict[str, Any]


def position_v1(account: Account, symbols: Iterable[str]) -> list[Row]:
    """Word `account.position`: a row for each symbol and side, held or not."""
    return [
        _position_v1(account, _shown(account, symbol, side))
        for symbol in symbols
        for side in account.sides()
    ]


def position_v2(account: Account, symbols: Iterable[str]) -> list[Row]:
    """Word `v2/account.position`: symbols with a position; in hedge mode both sides of each."""
    held = {position.symbol for position in account.held()}
    return [
        _position_v2(account, _shown(account, symbol, side))
        for symbol in symbols
        if symbol in held
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
    held = {position.symbol for position in account.held()}
    return {
        **_totals(account, assets),
        "assets": _with_times(account, assets),
        "positions": [
            _status_position_v2(account, _shown(account, symbol, side))
            for symbol in symbols
            if symbol in held
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


def _shown(account: Account, symbol: str, side: str) -> Position:
    """A side as polls show it, without making it the account's."""
    return account.positions.get((symbol, side)) or Position(symbol, side)


def _price_or_none(price: Decimal | None) -> str:
    return "0" if price is None else money(price)


def _position_v1(account: Account, position: Position) -> Row:
    setting = account.setting_of(position.symbol)
    return {
        "symbol": position.symbol,
        "positionAmt": plain(position.amount),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "markPrice": money(account.marks[position.symbol]),
        "unRealizedProfit": money(account.unrealized(position)),
        "liquidationPrice": _price_or_none(account.liquidation_price(position)),
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


def _position_v2(account: Account, position: Position) -> Row:
    initial = plain(account.initial_margin(position))
    return {
        "symbol": position.symbol,
        "positionSide": position.side,
        "positionAmt": plain(position.amount),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "markPrice": money(account.marks[position.symbol]),
        "unRealizedProfit": money(account.unrealized(position)),
        "liquidationPrice": _price_or_none(account.liquidation_price(position)),
        "isolatedMargin": plain(account.isolated_margin(position)),
        "notional": plain(account.notional(position)),
        "marginAsset": account.asset_of(position),
        "isolatedWallet": plain(position.isolated_wallet),
        "initialMargin": initial,
        "maintMargin": plain(account.maintenance(position)),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "adl": 2 if position.amount else 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated,
    }


def _status_position_v1(account: Account, position: Position) -> Row:
    setting = account.setting_of(position.symbol)
    initial = plain(account.initial_margin(position))
    return {
        "symbol": position.symbol,
        "initialMargin": initial,
        "maintMargin": plain(account.maintenance(position)),
        "unrealizedProfit": money(account.unrealized(position)),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "leverage": str(setting.leverage),
        "isolated": setting.isolated,
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.break_even),
        "maxNotional": plain(account.listing.max_notional(position.symbol, setting.leverage)),
        "bidNotional": "0",
        "askNotional": "0",
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
        "initialMargin": plain(account.initial_margin(position)),
        "maintMargin": plain(account.maintenance(position)),
        "updateTime": position.updated,
    }


def _assets(account: Account) -> dict[str, dict[str, Decimal]]:
    """Compute every asset's numbers; what is available counts cross positions only."""
    found: dict[str, dict[str, Decimal]] = {}
    for asset, wallet in account.wallets.items():
        members = [p for p in account.held() if account.asset_of(p) == asset]
        cross = account.cross_positions(asset)
        pnl = sum((account.unrealized(p) for p in members), ZERO)
        initial = sum((account.initial_margin(p) for p in members), ZERO)
        cross_pnl = sum((account.unrealized(p) for p in cross), ZERO)
        bound = sum((account.initial_margin(p) for p in cross), ZERO)
        free = max(ZERO, account.cross_wallet(asset) + cross_pnl - bound)
        found[asset] = {
            "walletBalance": wallet,
            "unrealizedProfit": pnl,
            "marginBalance": wallet + pnl,
            "maintMargin": sum((account.maintenance(p) for p in members), ZERO),
            "initialMargin": initial,
            "positionInitialMargin": initial,
            "openOrderInitialMargin": ZERO,
            "crossWalletBalance": account.cross_wallet(asset),
            "crossUnPnl": cross_pnl,
            "availableBalance": free,
            "maxWithdrawAmount": max(ZERO, min(free, account.cross_wallet(asset))),
        }
    if account.multi_assets:
        bound = sum((account.initial_margin(p) for p in account.cross_positions()), ZERO)
        shared = max(ZERO, account.cross_pool("USDT").balance - bound)
        for numbers in found.values():
            numbers["availableBalance"] = shared
    return found


def _with_times(account: Account, assets: Mapping[str, Mapping[str, Decimal]]) -> list[Row]:
    return [
        {"asset": asset}
        | {key: money(number) for key, number in numbers.items()}
        | {"updateTime": account.wallet_updated[asset]}
        for asset, numbers in assets.items()
    ]


def _totals(account: Account, assets: Mapping[str, Mapping[str, Decimal]]) -> Row:
    """Sum up: USDT alone in single-asset mode, everything at 1 USD in multi-assets mode (§6.4)."""
    summed = list(assets.values()) if account.multi_assets else [assets["USDT"]]

    def total(key: str) -> str:
        return money(sum((numbers[key] for numbers in summed), ZERO))

    return {
        "totalInitialMargin": total("initialMargin"),
        "totalMaintMargin": total("maintMargin"),
        "totalWalletBalance": total("walletBalance"),
        "totalUnrealizedProfit": total("unrealizedProfit"),
        "totalMarginBalance": total("marginBalance"),
        "totalPositionInitialMargin": total("positionInitialMargin"),
        "totalOpenOrderInitialMargin": total("openOrderInitialMargin"),
        "totalCrossWalletBalance": total("crossWalletBalance"),
        "totalCrossUnPnl": total("crossUnPnl"),
        "availableBalance": money(assets["USDT"]["availableBalance"]),
        "maxWithdrawAmount": total("maxWithdrawAmount"),
    }
