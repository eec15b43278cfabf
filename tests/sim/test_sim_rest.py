"""REST, signed and not, over memory streams in virtual time."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.keys import hmac_signature
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import Visitor, fetch, open_exchange, query, read, signed

START = 1_767_225_600_000
STORY = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
"""
THREE_TIERS = """
[[bracket]]
symbol = "BTCUSDT"
tiers = [["50000", 125, "0.004"], ["600000", 100, "0.005"], ["3000000", 75, "0.0065"]]
"""


def story(more: str = "", top: str = "") -> Scenario:
    return parse_scenario(f"{top}\n{STORY}\n{more}", "test")


# What the account holds


async def test_rest_and_the_websocket_api_answer_alike(autojump_clock: MockClock) -> None:
    scenario = story()
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, "/ws-fapi/v1")
        for path, method in (
            ("/fapi/v2/account", "account.status"),
            ("/fapi/v3/account", "v2/account.status"),
            ("/fapi/v2/balance", "account.balance"),
            ("/fapi/v3/balance", "v2/account.balance"),
            ("/fapi/v2/positionRisk", "account.position"),
            ("/fapi/v3/positionRisk", "v2/account.position"),
        ):
            over_ws = await api.ask(method, **signed(scenario.account[0], START))
            assert await read(exchange, path) == over_ws["result"]


async def test_settings_and_modes(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        assert await read(exchange, "/fapi/v1/accountConfig") == {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }
        assert await read(exchange, "/fapi/v1/symbolConfig", symbol="BTCUSDT") == [
            {
                "symbol": "BTCUSDT",
                "marginType": "ISOLATED",
                "isAutoAddMargin": False,
                "leverage": 10,
                "maxNotionalValue": "230000000",
            }
        ]
        every = await read(exchange, "/fapi/v1/symbolConfig")
        assert [(row["symbol"], row["leverage"]) for row in every] == [
            ("BTCUSDC", 20),
            ("BTCUSDT", 10),
            ("ETHUSDT", 20),
            ("SOLUSDT", 20),
        ]
        assert await read(exchange, "/fapi/v1/positionSide/dual") == {"dualSidePosition": False}
        assert await read(exchange, "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}
        assert await read(exchange, "/fapi/v1/adlQuantile") == [
            {"symbol": "BTCUSDT", "adlQuantile": {"LONG": 2, "SHORT": 2, "BOTH": 2}}
        ]


@pytest.mark.parametrize("lone", ["object", "list"])
async def test_leverage_brackets(autojump_clock: MockClock, lone: str) -> None:
    row = {
        "symbol": "BTCUSDT",
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": 125,
                "notionalCap": 50000,
                "notionalFloor": 0,
                "maintMarginRatio": 0.004,
                "cum": 0,
            },
            {
                "bracket": 2,
                "initialLeverage": 100,
                "notionalCap": 600000,
                "notionalFloor": 50000,
                "maintMarginRatio": 0.005,
                "cum": 50,
            },
            {
                "bracket": 3,
                "initialLeverage": 75,
                "notionalCap": 3000000,
                "notionalFloor": 600000,
                "maintMarginRatio": 0.0065,
                "cum": 950,
            },
        ],
    }
    async with open_exchange(story(f'{THREE_TIERS}[quirks]\nlone_bracket = "{lone}"')) as exchange:
        one = await read(exchange, "/fapi/v1/leverageBracket", symbol="BTCUSDT")
        assert one == (row if lone == "object" else [row])
        every = await read(exchange, "/fapi/v1/leverageBracket")
        assert [each["symbol"] for each in every] == ["BTCUSDC", "BTCUSDT", "ETHUSDT", "SOLUSDT"]
        assert every[1] == row


FORCED = """
[[do]]
at = "10s"
what = "liquidate"
[[do]]
at = "20s"
what = "order"
symbol = "ETHUSDT"
side = "sell"
quantity = "0.1"
[[do]]
at = "30s"
what = "adl"
"""


async def test_force_orders(autojump_clock: MockClock) -> None:
    """Own ones only, oldest first; by kind, by symbol, by time."""
    async with open_exchange(story(FORCED)) as exchange:
        await trio.sleep(40)
        both = await read(exchange, "/fapi/v1/forceOrders")
        first, second = both
        order_id, client_id = first.pop("orderId"), first.pop("clientOrderId")
        assert isinstance(order_id, int)
        assert client_id.startswith(f"autoclose-{START + 10_000}")
        assert first == {
            "symbol": "BTCUSDT",
            "pair": "BTCUSDT",
            "status": "FILLED",
            "price": "54000",
            "avgPrice": "60000",
            "origQty": "0.1",
            "executedQty": "0.1",
            "cumQuote": "6000",
            "cumBase": "0",
            "timeInForce": "IOC",
            "type": "LIMIT",
            "reduceOnly": False,
            "closePosition": False,
            "side": "SELL",
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "origType": "LIMIT",
            "time": START + 10_000,
            "updateTime": START + 10_000,
        }
        assert second["clientOrderId"].startswith("adl_autoclose")
        assert (second["symbol"], second["side"]) == ("ETHUSDT", "BUY")

        async def times(**params: Any) -> list[int]:
            rows = await read(exchange, "/fapi/v1/forceOrders", **params)
            return [row["time"] - START for row in rows]

        assert await times(symbol="ETHUSDT") == [30_000]
        assert await times(autoCloseType="LIQUIDATION") == [10_000]
        assert await times(autoCloseType="ADL") == [30_000]
        assert await times(startTime=START + 10_001) == [30_000]
        assert await times(endTime=START + 29_999) == [10_000]
        assert await times(limit=1) == [30_000]


async def test_permissions(autojump_clock: MockClock) -> None:
    """A key for reading, unless the story says otherwise; no futures weight is counted."""
    flags = "permissions = { enableFutures = true, ipRestrict = false }\n"
    text = STORY.replace("balances", f"{flags}balances")
    async with open_exchange(parse_scenario(text, "test")) as exchange:
        account = exchange.scenario.account[0]
        target = query(account, START, "/sapi/v1/account/apiRestrictions")
        status, headers, body = await fetch(exchange, "GET", target, account.api_key)
        assert (status, headers["x-mbx-used-weight-1m"]) == (200, "0")
        assert body == {
            "ipRestrict": False,
            "createTime": START,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": True,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": False,
            "enablePortfolioMarginTrading": False,
        }


# The market


async def test_exchange_info(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top="weight_limit = 6000")) as exchange:
        _, _, body = await fetch(exchange, "GET", "/fapi/v1/exchangeInfo")
        assert body["rateLimits"][0] == {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 6000,
        }
        told = [
            (s["symbol"], s["baseAsset"], s["quoteAsset"], s["marginAsset"], s["pricePrecision"])
            for s in body["symbols"]
        ]
        assert told == [
            ("BTCUSDC", "BTC", "USDC", "USDC", 1),
            ("BTCUSDT", "BTC", "USDT", "USDT", 1),
            ("ETHUSDT", "ETH", "USDT", "USDT", 2),
            ("SOLUSDT", "SOL", "USDT", "USDT", 2),
        ]
        assert body["symbols"][1]["filters"][0] == {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.1",
            "maxPrice": "10000000",
            "tickSize": "0.1",
        }


async def test_collateral_prices(autojump_clock: MockClock) -> None:
    asset = '[[asset]]\nname = "BTC"\npoints = [["0s", "50000"]]\nhaircut = "5%"\n'
    async with open_exchange(story(asset)) as exchange:
        _, _, row = await fetch(exchange, "GET", "/fapi/v1/assetIndex?symbol=BTCUSD")
        assert row == {
            "symbol": "BTCUSD",
            "time": START,
            "index": "50000.00000000",
            "bidBuffer": "0.05000000",
            "askBuffer": "0.05000000",
            "bidRate": "47500.00000000",
            "askRate": "52500.00000000",
            "autoExchangeBidBuffer": "0.05000000",
            "autoExchangeAskBuffer": "0.05000000",
            "autoExchangeBidRate": "47500.00000000",
            "autoExchangeAskRate": "52500.00000000",
        }
        _, _, every = await fetch(exchange, "GET", "/fapi/v1/assetIndex")
        assert [each["symbol"] for each in every if each["index"] == "1.00000000"] == [
            "BNFCRUSD",
            "BUSDUSD",
            "FDUSDUSD",
            "USD1USD",
            "USDCUSD",
            "USDTUSD",
        ]


# Keys, signatures, times, weights


async def refused(target: str, api_key: str = "demo-key", method: str = "GET") -> tuple[int, Any]:
    async with open_exchange(story()) as exchange:
        status, _, body = await fetch(exchange, method, target, api_key)
        return status, body


async def test_refusals(autojump_clock: MockClock) -> None:
    account = story().account[0]
    good = query(account, START, "/fapi/v1/accountConfig")
    assert await refused(good, "nobody") == (
        401,
        {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    )
    assert await refused(good, "a key!") == (
        401,
        {"code": -2014, "msg": "API-key format invalid."},
    )
    assert await refused(f"{good}0") == (
        400,
        {"code": -1022, "msg": "Signature for this request is not valid."},
    )
    assert await refused(query(account, START - 5001, "/fapi/v1/accountConfig")) == (
        400,
        {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."},
    )
    assert await refused(query(account, START + 1000, "/fapi/v1/accountConfig")) == (
        400,
        {
            "code": -1021,
            "msg": "Timestamp for this request was 1000ms ahead of the server's time.",
        },
    )
    assert await refused(query(account, START, "/fapi/v1/leverageBracket", symbol="NOPE")) == (
        400,
        {"code": -1121, "msg": "Invalid symbol."},
    )
    assert await refused(f"/fapi/v1/accountConfig?timestamp={START}") == (
        400,
        {
            "code": -1102,
            "msg": "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.",
        },
    )
    assert await refused("/fapi/v1/listenKey", method="PUT") == (
        400,
        {"code": -1125, "msg": "This listenKey does not exist."},
    )


async def test_a_signature_covers_query_and_body_as_sent(autojump_clock: MockClock) -> None:
    """In the order sent, nothing between them; `signature` in either (docs/protocol.md §3.3)."""
    async with open_exchange(story()) as exchange:
        text = f"symbol=BTCUSDT&timestamp={START}recvWindow=5000"
        signature = hmac_signature(text, "demo-secret")
        path = f"/fapi/v1/symbolConfig?symbol=BTCUSDT&timestamp={START}"
        for target, body in (
            (path, f"recvWindow=5000&signature={signature}"),
            (f"{path}&signature={signature}", "recvWindow=5000"),
        ):
            status, _, _ = await fetch(exchange, "GET", target, "demo-key", body.encode())
            assert status == 200


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("/fapi/v1/ping", {}, 1),
        ("/fapi/v1/exchangeInfo", {}, 1),
        ("/fapi/v1/premiumIndex", {}, 10),
        ("/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}, 1),
        ("/fapi/v1/assetIndex", {}, 10),
        ("/fapi/v2/positionRisk", {}, 10),
        ("/fapi/v3/positionRisk", {}, 5),
        ("/fapi/v3/account", {}, 5),
        ("/fapi/v1/accountConfig", {}, 5),
        ("/fapi/v1/symbolConfig", {}, 5),
        ("/fapi/v1/leverageBracket", {}, 1),
        ("/fapi/v1/adlQuantile", {}, 5),
        ("/fapi/v1/forceOrders", {}, 50),
        ("/fapi/v1/forceOrders", {"symbol": "BTCUSDT"}, 20),
        ("/fapi/v1/positionSide/dual", {}, 30),
        ("/fapi/v1/multiAssetsMargin", {}, 30),
    ],
)
async def test_weights(
    autojump_clock: MockClock, path: str, params: dict[str, str], weight: int
) -> None:
    async with open_exchange(story()) as exchange:
        target = query(exchange.scenario.account[0], START, path, **params)
        status, headers, _ = await fetch(exchange, "GET", target, "demo-key")
        assert (status, headers["x-mbx-used-weight-1m"]) == (200, str(weight))
