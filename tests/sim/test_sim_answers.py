"""Polls whole, and the vectors of docs/protocol.md §9.7 through an account."""

from decimal import Decimal

from monitor.sim import answers
from tests.sim.markets import HEDGE, ISOLATED, START, W2, account_of, market_of

# Vectors of docs/protocol.md §9.7, through an account


def test_worked_example_w2_through_an_account() -> None:
    market = market_of(W2)
    account = account_of(market)
    (pool,) = account.pools()
    assert round(pool.ratio * 100, 6) == Decimal("8.057143")
    rows = {row["symbol"]: row for row in answers.position_v2(account, market.symbols)}
    assert [rows[s]["liquidationPrice"] for s in ("BTCUSDT", "ETHUSDT")] == [
        "45765.82914573",
        "3741.03585657",
    ]
    assert [rows[s]["maintMargin"] for s in ("BTCUSDT", "ETHUSDT")] == ["440", "124"]
    assert [rows[s]["unRealizedProfit"] for s in ("BTCUSDT", "ETHUSDT")] == [
        "-2000.00000000",
        "-1000.00000000",
    ]


def test_worked_example_w3_both_sides_share_one_liquidation_price() -> None:
    market = market_of(HEDGE)
    rows = answers.position_v2(account_of(market), market.symbols)
    assert [(row["positionSide"], row["liquidationPrice"]) for row in rows] == [
        ("LONG", "44396.76930843"),
        ("SHORT", "44396.76930843"),
    ]


def test_an_overcollateralised_long_has_no_liquidation_price() -> None:
    market = market_of(W2.replace('"10000"', '"200000"'))
    rows = answers.position_v2(account_of(market), ["BTCUSDT"])
    assert rows[0]["liquidationPrice"] == "0"


# Polls, whole


def test_position_v2_whole() -> None:
    market = market_of(ISOLATED, (0, "60000"), (10, "59000"))
    market.tick(5000, START + 5000)
    assert answers.position_v2(account_of(market), market.symbols) == [
        {
            "symbol": "BTCUSDT",
            "positionSide": "BOTH",
            "positionAmt": "0.1",
            "entryPrice": "60000",
            "breakEvenPrice": "60000",
            "markPrice": "59500.00000000",
            "unRealizedProfit": "-50.00000000",
            "liquidationPrice": "54216.86746988",
            "isolatedMargin": "550",
            "notional": "5950",
            "marginAsset": "USDT",
            "isolatedWallet": "600",
            "initialMargin": "595",
            "maintMargin": "23.8",
            "positionInitialMargin": "595",
            "openOrderInitialMargin": "0",
            "adl": 2,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": START,
        }
    ]


def test_position_v1_lists_every_symbol() -> None:
    market = market_of(ISOLATED, (0, "59500"))
    rows = answers.position_v1(account_of(market), market.symbols)
    assert [(row["symbol"], row["positionAmt"]) for row in rows] == [
        ("BTCUSDC", "0"),
        ("BTCUSDT", "0.1"),
        ("ETHUSDT", "0"),
        ("SOLUSDT", "0"),
    ]
    assert rows[1] == {
        "symbol": "BTCUSDT",
        "positionAmt": "0.1",
        "entryPrice": "60000",
        "breakEvenPrice": "60000",
        "markPrice": "59500.00000000",
        "unRealizedProfit": "-50.00000000",
        "liquidationPrice": "54216.86746988",
        "leverage": "10",
        "maxNotionalValue": "230000000",
        "marginType": "isolated",
        "isolatedMargin": "550.00000000",
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notional": "5950",
        "isolatedWallet": "600",
        "updateTime": START,
    }


def test_status_v2_whole() -> None:
    market = market_of(ISOLATED, (0, "59500"))
    usdt = {
        "walletBalance": "1000.00000000",
        "unrealizedProfit": "-50.00000000",
        "marginBalance": "950.00000000",
        "maintMargin": "23.80000000",
        "initialMargin": "595.00000000",
        "positionInitialMargin": "595.00000000",
        "openOrderInitialMargin": "0.00000000",
        "crossWalletBalance": "400.00000000",
        "crossUnPnl": "0.00000000",
        "availableBalance": "400.00000000",
        "maxWithdrawAmount": "400.00000000",
    }
    nothing = dict.fromkeys(usdt, "0.00000000")
    assert answers.status_v2(account_of(market), market.symbols) == {
        "totalInitialMargin": "595.00000000",
        "totalMaintMargin": "23.80000000",
        "totalWalletBalance": "1000.00000000",
        "totalUnrealizedProfit": "-50.00000000",
        "totalMarginBalance": "950.00000000",
        "totalPositionInitialMargin": "595.00000000",
        "totalOpenOrderInitialMargin": "0.00000000",
        "totalCrossWalletBalance": "400.00000000",
        "totalCrossUnPnl": "0.00000000",
        "availableBalance": "400.00000000",
        "maxWithdrawAmount": "400.00000000",
        "assets": [
            {"asset": "USDT", **usdt, "updateTime": START},
            {"asset": "USDC", **nothing, "updateTime": START},
        ],
        "positions": [
            {
                "symbol": "BTCUSDT",
                "positionSide": "BOTH",
                "positionAmt": "0.1",
                "unrealizedProfit": "-50.00000000",
                "isolatedMargin": "550.00000000",
                "notional": "5950",
                "isolatedWallet": "600",
                "initialMargin": "595",
                "maintMargin": "23.8",
                "updateTime": START,
            }
        ],
    }


def test_status_v1_carries_the_mode_and_every_symbols_leverage() -> None:
    market = market_of(ISOLATED, (0, "59500"))
    status = answers.status_v1(account_of(market), market.symbols)
    assert (status["multiAssetsMargin"], status["canTrade"]) == (False, True)
    assert status["assets"][0]["marginAvailable"] is True
    assert [(row["symbol"], row["leverage"], row["isolated"]) for row in status["positions"]] == [
        ("BTCUSDC", "20", False),
        ("BTCUSDT", "10", True),
        ("ETHUSDT", "20", False),
        ("SOLUSDT", "20", False),
    ]
    assert status["positions"][1] == {
        "symbol": "BTCUSDT",
        "initialMargin": "595",
        "maintMargin": "23.8",
        "unrealizedProfit": "-50.00000000",
        "positionInitialMargin": "595",
        "openOrderInitialMargin": "0",
        "leverage": "10",
        "isolated": True,
        "entryPrice": "60000",
        "breakEvenPrice": "60000",
        "maxNotional": "230000000",
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": "BOTH",
        "positionAmt": "0.1",
        "updateTime": START,
    }


def test_balance_whole() -> None:
    market = market_of(ISOLATED)
    assert answers.balance(account_of(market))[0] == {
        "accountAlias": "SgsR",
        "asset": "USDT",
        "balance": "1000.00000000",
        "crossWalletBalance": "400.00000000",
        "crossUnPnl": "0.00000000",
        "availableBalance": "400.00000000",
        "maxWithdrawAmount": "400.00000000",
        "marginAvailable": True,
        "updateTime": START,
    }


def test_multi_assets_share_one_pool() -> None:
    text = W2.replace('{ USDT = "10000" }', '{ USDT = "4000", USDC = "6000" }').replace(
        'name = "main"', 'name = "main"\nmulti_assets = true'
    )
    market = market_of(text)
    (pool,) = account_of(market).pools()
    assert round(pool.ratio * 100, 6) == Decimal("8.057143")
    status = answers.status_v2(account_of(market), market.symbols)
    assert status["totalMarginBalance"] == "7000.00000000"
    available = "550.00000000"  # 7000 less initial margins of 98000/20 and 31000/20
    assert [row["availableBalance"] for row in status["assets"]] == [available, available]
