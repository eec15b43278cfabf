"""Symbols that change, end, or are called otherwise; what the market streams tell beside marks."""

from decimal import Decimal
from typing import Any

import trio
from trio.testing import MockClock

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import Visitor, fetch, open_exchange, read

START = 1_767_225_600_000
STORY = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
[[account.position]]
symbol = "SOLUSDT"
side = "long"
quantity = "10"
entry_price = "150"
leverage = 10
"""


def story(more: str = "") -> Scenario:
    return parse_scenario(f"{STORY}\n{more}", "test")


def do(at: str, what: str, more: str = "") -> str:
    return f'[[do]]\nat = "{at}"\nwhat = "{what}"\n{more}\n'


async def user_of(exchange: Exchange) -> Visitor:
    key = (await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"]
    return await Visitor.visit(exchange, f"/private/ws?listenKey={key}")


TIERS = 'symbol = "SOLUSDT"\ntiers = [["1000", 50, "0.01"], ["50000", 10, "0.05"]]'


async def test_other_brackets(autojump_clock: MockClock) -> None:
    """Told on `!contractInfo`; in force for polls at once."""
    async with open_exchange(story(do("2s", "brackets", TIERS))) as exchange:
        news = await Visitor.visit(exchange, "/market/ws/!contractInfo")
        assert (await read(exchange, "/fapi/v3/positionRisk"))[0]["maintMargin"] == "7.5"
        assert await news.receive_json() == {
            "e": "contractInfo",
            "E": START + 2000,
            "s": "SOLUSDT",
            "ps": "SOLUSDT",
            "ct": "PERPETUAL",
            "dt": 4133404800000,
            "ot": 1569398400000,
            "cs": "TRADING",
            "bks": [
                {"bs": 1, "bnf": 0, "bnc": 1000, "mmr": 0.01, "cf": 0, "mi": 11, "ma": 50},
                {"bs": 2, "bnf": 1000, "bnc": 50000, "mmr": 0.05, "cf": 40, "mi": 1, "ma": 10},
            ],
        }
        (row,) = await read(exchange, "/fapi/v3/positionRisk")
        assert row["maintMargin"] == "35"  # 1500 · 0.05 − 40
        table = await read(exchange, "/fapi/v1/leverageBracket", symbol="SOLUSDT")
        assert [b["maintMarginRatio"] for b in table["brackets"]] == [0.01, 0.05]


async def test_a_delisting(autojump_clock: MockClock) -> None:
    """No more marks, in no list; orders are taken back, the position is settled."""
    order = 'symbol = "SOLUSDT"\nside = "buy"\nquantity = "1"\nprice = "100"'
    deeds = do("1500ms", "open_order", order) + do("2500ms", "delist", 'symbol = "SOLUSDT"')
    async with open_exchange(story(deeds)) as exchange:
        user = await user_of(exchange)
        news = await Visitor.visit(exchange, "/market/ws/!contractInfo")
        marks = await Visitor.visit(exchange, "/market/ws/solusdt@markPrice@1s")
        every = await Visitor.visit(exchange, "/market/ws/!markPrice@arr@1s")
        assert len(await marks.receive_all(10)) == 2
        arrays = await every.receive_all(0.1)
        assert ["SOLUSDT" in [row["s"] for row in rows] for rows in arrays] == [True] * 2 + [
            False
        ] * 8
        (contract,) = await news.receive_all(0.1)
        assert (contract["s"], contract["cs"], contract["dt"]) == (
            "SOLUSDT",
            "SETTLING",
            START + 2500,
        )
        frames = await user.receive_all(0.1)
        assert [(f["e"], f.get("o", {}).get("X")) for f in frames] == [
            ("ORDER_TRADE_UPDATE", "NEW"),
            ("ORDER_TRADE_UPDATE", "CANCELED"),
            ("TRADE_LITE", None),
            ("ORDER_TRADE_UPDATE", "FILLED"),
            ("ACCOUNT_UPDATE", None),
        ]
        assert frames[2]["c"].startswith("settlement_autoclose-")
        assert [(r["s"], r["pa"]) for r in frames[4]["a"]["P"]] == [("SOLUSDT", "0")]
        assert await read(exchange, "/fapi/v3/positionRisk") == []
        _, _, info = await fetch(exchange, "GET", "/fapi/v1/exchangeInfo")
        assert "SOLUSDT" not in [s["symbol"] for s in info["symbols"]]
        status, _, body = await fetch(exchange, "GET", "/fapi/v1/premiumIndex?symbol=SOLUSDT")
        assert (status, body["code"]) == (400, -1121)


async def test_a_delisting_that_settles_later(autojump_clock: MockClock) -> None:
    deeds = do("2s", "delist", 'symbol = "SOLUSDT"\nsettle = false')
    deeds += do("20s", "delist", 'symbol = "SOLUSDT"')
    async with open_exchange(story(deeds)) as exchange:
        news = await Visitor.visit(exchange, "/market/ws/!contractInfo")
        account = exchange.market.accounts["main"]
        await trio.sleep(10)
        assert [(p.symbol, p.amount) for p in account.held()] == [("SOLUSDT", Decimal(10))]
        await trio.sleep(15)
        assert account.held() == []
        assert len(await news.receive_all(0.1)) == 1


# Forced orders of everybody


async def test_the_largest_forced_order_of_a_second(autojump_clock: MockClock) -> None:
    """Own ones too, without saying whose; one per symbol and second."""
    deeds = "".join(
        do(at, "force_order", f'symbol = "{symbol}"\nside = "{side}"\nquantity = "{quantity}"')
        for at, symbol, side, quantity in (
            ("1100ms", "BTCUSDT", "sell", "1"),
            ("1200ms", "BTCUSDT", "buy", "3"),
            ("1300ms", "BTCUSDT", "sell", "2"),
            ("1400ms", "ETHUSDT", "sell", "5"),
        )
    ) + do("3500ms", "liquidate")
    async with open_exchange(story(deeds)) as exchange:
        every = await Visitor.visit(exchange, "/market/ws/!forceOrder@arr")
        eth = await Visitor.visit(exchange, "/market/stream?streams=ethusdt@forceOrder")

        def orders(frames: list[Any]) -> list[tuple[int, str, str, str]]:
            return [(f["E"] - START, f["o"]["s"], f["o"]["S"], f["o"]["q"]) for f in frames]

        assert orders(await every.receive_all(6)) == [
            (2000, "BTCUSDT", "BUY", "3"),
            (2000, "ETHUSDT", "SELL", "5"),
            (4000, "SOLUSDT", "SELL", "10"),
        ]
        assert await eth.receive_json() == {
            "stream": "ethusdt@forceOrder",
            "data": {
                "e": "forceOrder",
                "E": START + 2000,
                "o": {
                    "s": "ETHUSDT",
                    "S": "SELL",
                    "o": "LIMIT",
                    "f": "IOC",
                    "q": "5",
                    "p": "3000",
                    "ap": "3000",
                    "X": "FILLED",
                    "l": "5",
                    "z": "5",
                    "T": START + 1400,
                },
            },
        }


# Collateral


async def test_asset_index_streams(autojump_clock: MockClock) -> None:
    asset = '[[asset]]\nname = "BTC"\npoints = [["0s", "50000"], ["10s", "40000"]]\nhaircut = "5%"'
    async with open_exchange(story(asset)) as exchange:
        every = await Visitor.visit(exchange, "/market/ws/!assetIndex@arr")
        btc = await Visitor.visit(exchange, "/market/ws/btcusd@assetIndex")
        assert await btc.receive_json() == {
            "e": "assetIndexUpdate",
            "E": START + 1000,
            "s": "BTCUSD",
            "i": "49000.00000000",
            "b": "0.05000000",
            "a": "0.05000000",
            "B": "46550.00000000",
            "A": "51450.00000000",
            "q": "0.05000000",
            "g": "0.05000000",
            "Q": "46550.00000000",
            "G": "51450.00000000",
        }
        arrays = await every.receive_all(2.5)
        assert [{row["s"]: row["i"] for row in rows}["BTCUSD"] for rows in arrays] == [
            "49000.00000000",
            "48000.00000000",
            "47000.00000000",
        ]


# Names and margin assets


async def test_a_symbol_in_chinese(autojump_clock: MockClock) -> None:
    more = '[[price]]\nsymbol = "币安人生USDT"\npoints = [["0s", "0.2"]]\n' + do(
        "2s", "order", 'symbol = "币安人生USDT"\nside = "buy"\nquantity = "100"'
    )
    async with open_exchange(story(more)) as exchange:
        user = await user_of(exchange)
        name = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@markPrice@1s"
        marks = await Visitor.visit(exchange, f"/market/ws/{name}")
        frames = await user.receive_all(5)
        assert [row["s"] for row in frames[-1]["a"]["P"]] == ["币安人生USDT"]
        assert "币安人生USDT".encode() in user.received  # as it is, not escaped
        assert (await marks.receive_json())["s"] == "币安人生USDT"
        rows = await read(exchange, "/fapi/v3/positionRisk", symbol="币安人生USDT")
        assert [(row["symbol"], row["positionAmt"]) for row in rows] == [("币安人生USDT", "100")]


async def test_a_symbol_margined_in_credits(autojump_clock: MockClock) -> None:
    """BNFCR, as for accounts in the EU: its own wallet, its own pool."""
    text = (
        STORY.replace('USDT = "1000"', 'BNFCR = "500"')
        + '[[price]]\nsymbol = "SOLUSDT"\npoints = [["0s", "150"]]\nmargin_asset = "BNFCR"\n'
        + do("2s", "funding", 'symbol = "SOLUSDT"\nrate = "0.1%"')
    )
    async with open_exchange(parse_scenario(text, "test")) as exchange:
        user = await user_of(exchange)
        (frame,) = await user.receive_all(5)
        assert frame["a"]["B"] == [{"a": "BNFCR", "wb": "498.5", "cw": "498.5", "bc": "-1.5"}]
        (row,) = await read(exchange, "/fapi/v3/positionRisk")
        assert (row["marginAsset"], row["liquidationPrice"]) == ("BNFCR", "100.65326633")
