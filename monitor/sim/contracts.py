"""Symbols as the exchange describes them: `exchangeInfo`, brackets, `!contractInfo`.

Source: docs/protocol.md §8.2 and §8.3. Numbers in brackets are JSON numbers; `notionalCoef` is left
out, as for accounts without one.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from monitor.sim.amounts import ZERO, plain
from monitor.sim.brackets import Listing, Tier

_ONBOARD, _FOREVER = 1_569_398_400_000, 4_133_404_800_000
_ORDER_TYPES = [
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]  # fmt: skip


def _floors(tiers: tuple[Tier, ...]) -> Iterator[tuple[int, Decimal, Tier, int]]:
    """Number the tiers, each with its floor and the least leverage that leads into it."""
    caps = [ZERO, *(tier.cap for tier in tiers)]
    leverages = [*(tier.max_leverage for tier in tiers), 0]
    for number, (floor, tier) in enumerate(zip(caps, tiers, strict=False), 1):
        yield number, floor, tier, leverages[number] + 1


def _number(value: Decimal) -> int | float:
    """A JSON number: whole where it is, else the nearest double, which spells it alike."""
    return int(value) if value == value.to_integral_value() else float(value)


def brackets(symbol: str, listing: Listing) -> dict[str, Any]:
    """Word a row of `GET /fapi/v1/leverageBracket`."""
    rows = [
        {
            "bracket": number,
            "initialLeverage": tier.max_leverage,
            "notionalCap": _number(tier.cap),
            "notionalFloor": _number(floor),
            "maintMarginRatio": _number(tier.rate),
            "cum": _number(tier.amount),
        }
        for number, floor, tier, _ in _floors(listing.tiers(symbol))
    ]
    return {"symbol": symbol, "brackets": rows}


def contract_info(
    symbol: str, now: int, tiers: tuple[Tier, ...] = (), *, ended: bool = False
) -> dict[str, Any]:
    """Word a `contractInfo` event.

    Args:
        symbol: Whose.
        now: Exchange ms.
        tiers: Those that changed; told only then.
        ended: The symbol trades no more.
    """
    payload: dict[str, Any] = {
        "e": "contractInfo",
        "E": now,
        "s": symbol,
        "ps": symbol,
        "ct": "PERPETUAL",
        "dt": now if ended else _FOREVER,
        "ot": _ONBOARD,
        "cs": "SETTLING" if ended else "TRADING",
    }
    if tiers:
        payload["bks"] = [
            {
                "bs": number,
                "bnf": _number(floor),
                "bnc": _number(tier.cap),
                "mmr": _number(tier.rate),
                "cf": _number(tier.amount),
                "mi": least,
                "ma": tier.max_leverage,
            }
            for number, floor, tier, least in _floors(tiers)
        ]
    return payload


def exchange_info(symbols: Iterable[str], listing: Listing, limit: int, now: int) -> dict[str, Any]:
    """Word `GET /fapi/v1/exchangeInfo`."""
    listed = list(symbols)
    assets = sorted({"USDT", "USDC", *map(listing.asset, listed)})
    return {
        "exchangeFilters": [],
        "rateLimits": [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, limit),
            _limit("ORDERS", "MINUTE", 1, 1200),
            _limit("ORDERS", "SECOND", 10, 300),
        ],
        "serverTime": now,
        "futuresType": "U_MARGINED",
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in assets
        ],
        "symbols": [_symbol(symbol, listing) for symbol in listed],
        "timezone": "UTC",
    }


def _limit(kind: str, interval: str, count: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}


def _symbol(symbol: str, listing: Listing) -> dict[str, Any]:
    asset = listing.asset(symbol)
    base = symbol.removesuffix(asset)
    quote = asset if base != symbol else "USDT"
    tick = plain(listing.tick(symbol))
    decimals = len(tick.partition(".")[2])
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _FOREVER,
        "onboardDate": _ONBOARD,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.removesuffix(quote),
        "quoteAsset": quote,
        "marginAsset": asset,
        "pricePrecision": decimals,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _filters(tick),
        "orderTypes": _ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(tick: str) -> list[dict[str, Any]]:
    size = {"minQty": "0.001", "stepSize": "0.001"}
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "maxQty": "1000000", **size},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": "1000000", **size},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ]
