"""Modes of an account: multi-assets, portfolio margin, resting orders; in virtual time."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import Visitor, fetch, open_exchange, read, signed

START = 1_767_225_600_000
STORY = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
multi_assets = true
balances = { USDT = "1000", BTC = "0.1" }
[[account.position]]
symbol = "ETHUSDT"
side = "long"
quantity = "10"
entry_price = "3000"
[[asset]]
name = "BTC"
points = [["0s", "60000"]]
haircut = "5%"
"""


def story(more: str = "") -> Scenario:
    return parse_scenario(f"{STORY}\n{more}", "test")


def do(at: str, what: str, more: str = "") -> str:
    return f'[[do]]\nat = "{at}"\nwhat = "{what}"\n{more}\n'


async def user_of(exchange: Exchange) -> Visitor:
    key = (await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"]
    return await Visitor.visit(exchange, f"/private/ws?listenKey={key}")


# Multi-assets mode


async def test_totals_in_usd(autojump_clock: MockClock) -> None:
    """Wallets at their bid, a debt at its ask; margins and profits at the index."""
    price = '[[price]]\nsymbol = "ETHUSDT"\npoints = [["0s", "2900"]]\n'
    async with open_exchange(story(price)) as exchange:
        body = await read(exchange, "/fapi/v3/account")
        assert {key: body[key] for key in body if key not in {"assets", "positions"}} == {
            "totalInitialMargin": "1450.00000000",
            "totalMaintMargin": "116.00000000",
            "totalWalletBalance": "6700.00000000",
            "totalUnrealizedProfit": "-1000.00000000",
            "totalMarginBalance": "5700.00000000",
            "totalPositionInitialMargin": "1450.00000000",
            "totalOpenOrderInitialMargin": "0.00000000",
            "totalCrossWalletBalance": "6700.00000000",
            "totalCrossUnPnl": "-1000.00000000",
            "availableBalance": "4250.00000000",
            "maxWithdrawAmount": "6000.00000000",
        }
        (row,) = await read(exchange, "/fapi/v3/positionRisk")
        # (6700 − 30000) / (10 · 0.004 − 10)
        assert row["liquidationPrice"] == "2339.35742972"


async def test_liquidation_on_the_whole_of_the_collateral(autojump_clock: MockClock) -> None:
    """At the totals' ratio of 100 % (docs/protocol.md §9.1), by a fall of the collateral itself."""
    fall = STORY.replace('[["0s", "60000"]]', '[["0s", "60000"], ["590s", "1000"]]')
    price = '[[price]]\nsymbol = "ETHUSDT"\npoints = [["0s", "2900"]]\n'
    async with open_exchange(parse_scenario(fall + price, "test")) as exchange:
        api = await Visitor.visit(exchange, "/ws-fapi/v1")
        user = await user_of(exchange)

        async def ratio() -> float:
            params = signed(exchange.scenario.account[0], exchange.clock.now())
            result = (await api.ask("v2/account.status", **params))["result"]
            balance = float(result["totalCrossWalletBalance"]) + float(result["totalCrossUnPnl"])
            return float(result["totalMaintMargin"]) / balance

        call = await user.receive_json()
        assert call["e"] == "MARGIN_CALL"
        # 0.1 BTC at 95 % is worth 145: 116 / 145 = 0.8
        assert 0.8 <= await ratio() < 0.9
        frames = [await user.receive_json() for _ in range(3)]
        assert [frame["e"] for frame in frames] == [
            "TRADE_LITE",
            "ORDER_TRADE_UPDATE",
            "ACCOUNT_UPDATE",
        ]
        assert await ratio() == 0
        account = exchange.market.accounts["main"]
        assert account.wallets["USDT"] < 0 < account.wallets["BTC"]
        assert account.cross_pool("USDT").balance >= 0


async def test_switching_the_asset_mode(autojump_clock: MockClock) -> None:
    deeds = do("2s", "asset_mode", "multi_assets = false") + do(
        "4s", "asset_mode", "multi_assets = true"
    )
    async with open_exchange(story(deeds)) as exchange:
        user = await user_of(exchange)
        assert (await read(exchange, "/fapi/v1/accountConfig"))["multiAssetsMargin"] is True
        event = {"e": "ACCOUNT_CONFIG_UPDATE", "T": START + 2000, "E": START + 2000}
        assert await user.receive_json() == event | {"ai": {"j": False}}
        assert (await read(exchange, "/fapi/v1/accountConfig"))["multiAssetsMargin"] is False
        body = await read(exchange, "/fapi/v3/account")
        assert body["totalWalletBalance"] == "1000.00000000"
        assert (await user.receive_json())["ai"] == {"j": True}
        body = await read(exchange, "/fapi/v3/account")
        assert body["totalWalletBalance"] == "6700.00000000"


async def test_what_the_modes_refuse(autojump_clock: MockClock) -> None:
    deeds = (
        do("1s", "margin_type", 'symbol = "ETHUSDT"\nmargin_type = "isolated"')
        + do("2s", "position_mode", "hedge = true")
        + do("3s", "asset_mode", "multi_assets = false")
        + do("4s", "margin_type", 'symbol = "ETHUSDT"\nmargin_type = "isolated"')
        + do("5s", "asset_mode", "multi_assets = true")
        + do("6s", "adl")
        + do("7s", "position_mode", "hedge = true")
    )
    text = STORY.replace('USDT = "1000"', 'USDT = "5000"') + deeds
    async with open_exchange(parse_scenario(text, "test")) as exchange:
        await trio.sleep(8)
        assert exchange.market.refused == [
            "main: margin_type: there is no isolated margin in multi-assets mode",
            "main: position_mode: the position mode cannot change while anything is held",
            "main: asset_mode: there is no isolated margin in multi-assets mode",
        ]
        assert (await read(exchange, "/fapi/v1/positionSide/dual")) == {"dualSidePosition": True}


async def test_auto_exchange(autojump_clock: MockClock) -> None:
    """At the bid of what is given."""
    deeds = do("2s", "auto_exchange", 'asset = "BTC"\namount = "0.01"')
    async with open_exchange(story(deeds)) as exchange:
        frame = await (await user_of(exchange)).receive_json()
        assert frame["a"] == {
            "B": [
                {"a": "BTC", "wb": "0.09", "cw": "0.09", "bc": "-0.01"},
                {"a": "USDT", "wb": "1570", "cw": "1570", "bc": "570"},
            ],
            "P": [],
            "m": "AUTO_EXCHANGE",
        }


# Portfolio margin


async def test_a_portfolio_margin_account(autojump_clock: MockClock) -> None:
    """No liquidation prices, more maintenance than balance, nothing liquidated; and it says so."""
    text = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
portfolio_margin = true
balances = { USDT = "10" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "1"
entry_price = "60000"
[[do]]
at = "2s"
what = "funding"
symbol = "BTCUSDT"
rate = "0.01%"
"""
    async with open_exchange(parse_scenario(text, "test")) as exchange:
        frames = await (await user_of(exchange)).receive_all(30)
        assert [(frame["e"], frame["fs"]) for frame in frames] == [("ACCOUNT_UPDATE", "UM")]
        (row,) = await read(exchange, "/fapi/v3/positionRisk")
        assert (row["liquidationPrice"], row["maintMargin"]) == ("0", "250")
        flags = await read(exchange, "/sapi/v1/account/apiRestrictions")
        assert flags["enablePortfolioMarginTrading"] is True


# Resting orders


async def test_a_symbol_with_an_order_alone(autojump_clock: MockClock) -> None:
    """Polls list it with nothing held, and its margin is bound; no ACCOUNT_UPDATE tells of it."""
    order = 'symbol = "SOLUSDT"\nside = "buy"\nquantity = "10"\nprice = "100"'
    deeds = do("2s", "open_order", order) + do("9s", "cancel_orders", 'symbol = "SOLUSDT"')
    text = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
"""
    async with open_exchange(parse_scenario(text + deeds, "test")) as exchange:
        user = await user_of(exchange)

        async def numbers() -> tuple[list[Any], str, str]:
            rows = await read(exchange, "/fapi/v3/positionRisk")
            body = await read(exchange, "/fapi/v3/account")
            return rows, body["totalOpenOrderInitialMargin"], body["availableBalance"]

        before: tuple[list[Any], str, str] = ([], "0.00000000", "1000.00000000")
        assert await numbers() == before
        frames = await user.receive_all(5)
        assert [(f["e"], f["o"]["x"], f["o"]["X"], f["o"]["o"]) for f in frames] == [
            ("ORDER_TRADE_UPDATE", "NEW", "NEW", "LIMIT")
        ]
        rows, bound, free = await numbers()
        assert (bound, free) == ("50.00000000", "950.00000000")
        assert rows == [
            {
                "symbol": "SOLUSDT",
                "positionSide": "BOTH",
                "positionAmt": "0",
                "entryPrice": "0",
                "breakEvenPrice": "0",
                "markPrice": "150.00000000",
                "unRealizedProfit": "0.00000000",
                "liquidationPrice": "0",
                "isolatedMargin": "0",
                "notional": "0",
                "marginAsset": "USDT",
                "isolatedWallet": "0",
                "initialMargin": "50",
                "maintMargin": "0",
                "positionInitialMargin": "0",
                "openOrderInitialMargin": "50",
                "adl": 0,
                "bidNotional": "1000",
                "askNotional": "0",
                "updateTime": 0,
            }
        ]
        status = await read(exchange, "/fapi/v1/openOrders")
        assert [(o["symbol"], o["origQty"], o["price"]) for o in status] == [
            ("SOLUSDT", "10", "100")
        ]
        await trio.sleep(5)
        assert await numbers() == before


# Many accounts


@pytest.mark.parametrize("count", [50])
async def test_many_accounts(autojump_clock: MockClock, count: int) -> None:
    """Each hears of its own, whoever else is there."""
    accounts = "".join(
        f'[[account]]\nname = "a{n}"\napi_key = "k{n}"\napi_secret = "s{n}"\n'
        f'balances = {{ USDT = "1000" }}\n'
        for n in range(count)
    )
    deeds = "".join(
        do("5s", "deposit", f'account = "a{n}"\namount = "{n + 1}"') for n in range(count)
    )
    async with open_exchange(
        parse_scenario(f'length = "1m"\n{accounts}{deeds}', "test")
    ) as exchange:
        users = []
        for n in range(count):
            _, _, body = await fetch(exchange, "POST", "/fapi/v1/listenKey", f"k{n}")
            users.append(
                await Visitor.visit(exchange, f"/private/ws?listenKey={body['listenKey']}")
            )
        await trio.sleep(6)
        told = [await user.receive_all(0.01) for user in users]
        assert [[f["a"]["B"][0]["bc"] for f in frames] for frames in told] == [
            [str(n + 1)] for n in range(count)
        ]
