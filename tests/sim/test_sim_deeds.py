"""What somebody does to an account, and what the exchange tells of it."""

from typing import Any

from monitor.sim import answers
from monitor.sim.events import UserEvent
from monitor.sim.scenario import parse_scenario
from tests.sim.markets import HEDGE, ISOLATED, START, W2, account_of, do, market_of, numbers


def body(event: UserEvent) -> Any:
    return event.payload["a"]


# Deeds


def test_deposit() -> None:
    market = market_of(ISOLATED)
    assert do(market, 'what = "deposit"\namount = "100"') == [
        UserEvent(
            "main",
            {
                "e": "ACCOUNT_UPDATE",
                "T": START + 1000,
                "E": START + 1000,
                "a": {
                    "B": [{"a": "USDT", "wb": "1100", "cw": "500", "bc": "100"}],
                    "P": [],
                    "m": "DEPOSIT",
                },
            },
        )
    ]


def test_withdrawal_takes_no_more_than_is_free() -> None:
    market = market_of(ISOLATED)
    (told,) = do(market, 'what = "withdrawal"\namount = "400"')
    assert body(told) == {
        "B": [{"a": "USDT", "wb": "600", "cw": "0", "bc": "-400"}],
        "P": [],
        "m": "WITHDRAW",
    }
    assert do(market, 'what = "withdrawal"\namount = "1"') == []
    assert market.refused == ["main: withdrawal: only 0 USDT can be taken out"]


def order(side: str, quantity: str, more: str = "") -> str:
    return f'what = "order"\nsymbol = "BTCUSDT"\nside = "{side}"\nquantity = "{quantity}"\n{more}'


def test_an_order_enlarges() -> None:
    market = market_of(ISOLATED, (0, "62000"))
    told = do(market, order("buy", "0.05"))
    assert [event.type for event in told] == ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]
    entry = "60666.66666667"  # (0.1 · 60000 + 0.05 · 62000) / 0.15
    assert numbers(market) == ("0.15", entry, "910", "0", "998.45", "88.45")
    trade = told[1].payload["o"]
    assert {key: trade[key] for key in "SoxXqzlLnNapRps" if key in trade} == {
        "S": "BUY",
        "o": "MARKET",
        "x": "TRADE",
        "X": "FILLED",
        "q": "0.05",
        "z": "0.05",
        "l": "0.05",
        "L": "62000",
        "n": "1.55",
        "N": "USDT",
        "a": "0",
        "p": "0",
        "R": False,
        "s": "BTCUSDT",
    }


def test_an_order_reduces() -> None:
    market = market_of(ISOLATED, (0, "62000"))
    told = do(market, order("sell", "0.04"))
    assert numbers(market) == ("0.06", "60000", "360", "80", "1078.76", "718.76")
    assert told[1].payload["o"]["rp"] == "80"
    assert body(told[2])["P"] == [
        {
            "s": "BTCUSDT",
            "pa": "0.06",
            "ep": "60000",
            "cr": "80",
            "up": "120",
            "mt": "isolated",
            "iw": "360",
            "ps": "BOTH",
            "ma": "USDT",
            "bep": "60030",
        }
    ]


def test_an_order_turns_around() -> None:
    market = market_of(ISOLATED, (0, "62000"))
    do(market, order("sell", "0.15"))
    # 0.1 closed with 200 profit, 0.05 opened short at 62000 with a tenth of its notional
    assert numbers(market) == ("-0.05", "62000", "310", "200", "1195.35", "885.35")


def test_an_order_closes_and_the_row_leaves_v2() -> None:
    market = market_of(ISOLATED, (0, "62000"))
    do(market, order("sell", "0.1"))
    assert numbers(market) == ("0", "0", "0", "200", "1196.9", "1196.9")
    assert answers.position_v2(account_of(market), market.symbols) == []


def test_an_order_that_margin_does_not_allow() -> None:
    market = market_of(ISOLATED)
    assert do(market, order("buy", "1")) == []
    assert market.refused == ["main: order: margin is insufficient: 6000 is needed"]
    assert numbers(market) == ("0.1", "60000", "600", "0", "1000", "400")


def test_hedge_mode_tells_a_zero_both_row_first() -> None:
    market = market_of(HEDGE)
    deeds = parse_scenario(
        f'{HEDGE}[[do]]\nat = "1s"\n{order("sell", "1", chr(10))}position_side = "LONG"\n', "do"
    ).do
    told = market.do(deeds[0], START + 1000)  # type: ignore[arg-type]  # an order
    rows = body(told[2])["P"]
    assert [(row["ps"], row["pa"], row["ep"]) for row in rows] == [
        ("BOTH", "0", "0"),
        ("LONG", "2", "50000"),
    ]
    assert told[1].payload["o"]["ps"] == "LONG"


def test_leverage() -> None:
    market = market_of(ISOLATED)
    told = do(market, 'what = "leverage"\nsymbol = "BTCUSDT"\nleverage = 25')
    assert [event.payload for event in told] == [
        {
            "e": "ACCOUNT_CONFIG_UPDATE",
            "T": START + 1000,
            "E": START + 1000,
            "ac": {"s": "BTCUSDT", "l": 25},
        }
    ]
    assert (
        do(
            market,
            'what = "leverage"\nsymbol = "DOGEUSDT"\nleverage = 60'.replace(
                "DOGEUSDT", "SOLUSDT"
            ).replace("60", "101"),
        )
        == []
    )
    assert market.refused == ["main: leverage: SOLUSDT allows 100"]


def test_margin_type() -> None:
    market = market_of(ISOLATED)
    (told,) = do(market, 'what = "margin_type"\nsymbol = "BTCUSDT"\nmargin_type = "cross"')
    assert body(told)["m"] == "MARGIN_TYPE_CHANGE"
    assert body(told)["B"] == [{"a": "USDT", "wb": "1000", "cw": "1000", "bc": "0"}]
    assert [(row["mt"], row["iw"], row["pa"]) for row in body(told)["P"]] == [("cross", "0", "0.1")]


def test_margin_transfer() -> None:
    market = market_of(ISOLATED)
    transfer = 'what = "margin_transfer"\nsymbol = "BTCUSDT"\namount = "{}"'
    (told,) = do(market, transfer.format("150"))
    assert body(told)["m"] == "MARGIN_TRANSFER"
    assert body(told)["B"] == [{"a": "USDT", "wb": "1000", "cw": "250", "bc": "0"}]
    assert [row["iw"] for row in body(told)["P"]] == ["750"]
    assert do(market, transfer.format("251")) == []
    assert market.refused == ["main: margin_transfer: there is not so much margin to move"]


def test_funding_of_an_isolated_and_of_a_cross_position() -> None:
    funding = 'what = "funding"\nsymbol = "{}"\nrate = "0.01%"'
    market = market_of(ISOLATED)
    (told,) = do(market, funding.format("BTCUSDT"))
    assert (body(told)["m"], body(told)["S"]) == ("FUNDING_FEE", "BTCUSDT")
    assert body(told)["B"] == [{"a": "USDT", "wb": "999.4", "cw": "400", "bc": "-0.6"}]
    assert [row["iw"] for row in body(told)["P"]] == ["599.4"]
    (told,) = do(market_of(W2), funding.format("ETHUSDT"))  # a short is paid
    assert body(told)["B"] == [{"a": "USDT", "wb": "10003.1", "cw": "10003.1", "bc": "3.1"}]
    assert body(told)["P"] == []


def test_adl() -> None:
    market = market_of(ISOLATED, (0, "62000"))
    told = do(market, 'what = "adl"')
    assert [event.type for event in told] == ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]
    assert told[0].payload["c"].startswith("adl_autoclose_")
    assert numbers(market) == ("0", "0", "0", "200", "1196.9", "1196.9")
    assert do(market, 'what = "adl"') == []
    assert market.refused == ["main: adl: no position is held"]


def test_a_forced_margin_call() -> None:
    (told,) = do(market_of(W2), 'what = "margin_call"\nsymbol = "ETHUSDT"')
    assert told.payload["cw"] == "10000"
    assert [row["s"] for row in told.payload["p"]] == ["BTCUSDT", "ETHUSDT"]
    assert {row["mt"] for row in told.payload["p"]} == {"CROSSED"}
