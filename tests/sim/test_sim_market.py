"""Prices, margin calls and liquidation, without any wire."""

from decimal import Decimal

import pytest

from monitor.sim.market import Market
from monitor.sim.scenario import SCENARIOS, load_scenario, parse_scenario
from tests.sim.markets import ISOLATED, START, W2, account_of, do, market_of, numbers

# Margin calls and liquidation


def test_a_margin_call_once_per_crossing() -> None:
    """80 % of an isolated 10x long at 60000 is reached at 54271.36."""
    market = market_of(
        ISOLATED, (0, "54300"), (1, "54271"), (2, "54260"), (3, "54300"), (4, "54270")
    )
    told = [(ms, event) for ms in range(0, 5000, 1000) for event in market.tick(ms, START + ms)]
    assert [(ms, event.type) for ms, event in told] == [
        (1000, "MARGIN_CALL"),
        (4000, "MARGIN_CALL"),
    ]
    assert told[0][1].payload == {
        "e": "MARGIN_CALL",
        "E": START + 1000,
        "p": [
            {
                "s": "BTCUSDT",
                "ps": "BOTH",
                "pa": "0.1",
                "mt": "ISOLATED",
                "iw": "600",
                "mp": "54271",
                "up": "-572.9",
                "mm": "21.7084",
            }
        ],
    }


def test_a_liquidation_in_full() -> None:
    market = market_of(ISOLATED, (0, "54230"), (1, "54216"))
    market.tick(0, START)
    lite, order_update, account_update = market.tick(1000, START + 1000)
    client_id = lite.payload["c"]
    assert client_id.startswith("autoclose-")
    assert client_id.removeprefix("autoclose-").isdecimal()
    order_id, trade_id, now = lite.payload["i"], lite.payload["t"], START + 1000
    assert lite.payload == {
        "e": "TRADE_LITE",
        "E": now,
        "T": now,
        "s": "BTCUSDT",
        "q": "0.1",
        "p": "54000",  # bankruptcy: 60000 − 600 / 0.1
        "m": False,
        "c": client_id,
        "S": "SELL",
        "L": "54216",
        "l": "0.1",
        "t": trade_id,
        "i": order_id,
    }
    assert order_update.payload == {
        "e": "ORDER_TRADE_UPDATE",
        "T": now,
        "E": now,
        "o": {
            "s": "BTCUSDT",
            "c": client_id,
            "S": "SELL",
            "o": "LIMIT",
            "f": "IOC",
            "q": "0.1",
            "p": "54000",
            "ap": "54216",
            "sp": "0",
            "x": "CALCULATED",
            "X": "FILLED",
            "i": order_id,
            "l": "0.1",
            "z": "0.1",
            "L": "54216",
            "n": "2.7108",
            "N": "USDT",
            "T": now,
            "t": trade_id,
            "b": "0",
            "a": "0",
            "m": False,
            "R": True,
            "wt": "CONTRACT_PRICE",
            "ot": "LIMIT",
            "ps": "BOTH",
            "cp": False,
            "rp": "-578.4",
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": 0,
            "er": "0",
        },
    }
    left = "418.8892"  # 1000 − 578.4 − 2.7108
    assert account_update.payload == {
        "e": "ACCOUNT_UPDATE",
        "T": now,
        "E": now,
        "a": {
            "B": [{"a": "USDT", "wb": left, "cw": left, "bc": "0"}],
            "P": [
                {
                    "s": "BTCUSDT",
                    "pa": "0",
                    "ep": "0",
                    "cr": "-578.4",
                    "up": "0",
                    "mt": "isolated",
                    "iw": "0",
                    "ps": "BOTH",
                    "ma": "USDT",
                    "bep": "0",
                }
            ],
            "m": "ORDER",
        },
    }
    assert market.tick(2000, START + 2000) == []


def test_an_isolated_loss_ends_with_its_wallet() -> None:
    """The price falls through bankruptcy in one tick: the insurance fund pays the rest."""
    market = market_of(ISOLATED, (0, "60000"), (1, "50000"))
    told = market.tick(1000, START + 1000)
    assert [event.type for event in told] == [
        "MARGIN_CALL",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]
    assert numbers(market) == ("0", "0", "0", "-1000", "400", "400")


def test_a_cross_pool_closes_the_largest_first_until_it_is_healthy() -> None:
    text = W2.replace('["0s", "49000"]', '["0s", "49000"], ["1s", "45700"]')
    market = market_of(text)
    told = market.tick(1000, START + 1000)
    assert [event.type for event in told] == [
        "MARGIN_CALL",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]
    assert told[0].payload["cw"] == "10000"
    assert told[1].payload["s"] == "BTCUSDT"
    # The pool's 400 are used up 200 below the mark of 45700.
    assert told[1].payload["p"] == "45500"
    account = account_of(market)
    assert account.positions["ETHUSDT", "BOTH"].amount == -10
    assert account.wallets["USDT"] == Decimal(10000) - 8600 - Decimal("45.7")
    assert account.pools()[0].ratio < 1


def test_a_cross_pool_that_lost_everything_ends_at_zero() -> None:
    text = W2.replace('["0s", "49000"]', '["0s", "49000"], ["1s", "30000"]')
    market = market_of(text)
    told = market.tick(1000, START + 1000)
    closed = [event.payload["s"] for event in told if event.type == "TRADE_LITE"]
    assert closed == ["BTCUSDT", "ETHUSDT"]
    account = account_of(market)
    assert account.held() == []
    assert account.wallets["USDT"] == 0


def test_a_withdrawal_may_be_the_end_of_a_position() -> None:
    market = market_of(W2)
    told = do(market, 'what = "withdrawal"\namount = "6500"')
    assert [event.type for event in told][:3] == ["ACCOUNT_UPDATE", "MARGIN_CALL", "TRADE_LITE"]


# Prices


def test_marks_lie_on_the_line() -> None:
    market = market_of(ISOLATED, (10, "60000"), (20, "59000"))
    found = []
    for ms in (0, 10_000, 12_500, 20_000, 99_000):
        market.tick(ms, START + ms)
        found.append(str(market.marks["BTCUSDT"]))
    assert found == [
        "60000.00000000",
        "60000.00000000",
        "59750.00000000",
        "59000.00000000",
        "59000.00000000",
    ]


def marks(seed: int, extra: str = "") -> list[Decimal]:
    text = f"seed = {seed}\n{ISOLATED}" + (
        '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\nnoise = "0.02%"\n' + extra
    )
    market = Market(parse_scenario(text, "test"), START)
    found = []
    for ms in range(0, 60_000, 1000):
        market.tick(ms, START + ms)
        found.append(market.marks["BTCUSDT"])
    return found


def test_noise_is_seeded_small_and_each_symbols_own() -> None:
    found = marks(1)
    assert all(abs(mark - 60000) <= 12 for mark in found)
    assert len(set(found)) > 50
    assert found == marks(1)
    assert found != marks(2)
    other = '[[price]]\nsymbol = "ETHUSDT"\npoints = [["0s", "3000"]]\nnoise = "1%"\n'
    assert found == marks(1, other)


def test_the_crash_goes_down_its_stairs_once() -> None:
    market = Market(load_scenario(SCENARIOS / "crash.toml"), START)
    account = account_of(market)
    position = account.positions["BTCUSDT", "BOTH"]
    room, crossings, told = Decimal(1), [], []
    for second in range(1, 781):
        told += [(second, e.type) for e in market.tick(second * 1000, START + second * 1000)]
        if not position.amount:
            continue
        before, pool = room, account.pool_of(position)
        room = (pool.balance - pool.maintenance) / 600
        crossings += [
            (second, level)
            for level in ("0.6", "0.4", "0.2")
            if (before < Decimal(level)) != (room < Decimal(level))
        ]
    assert crossings == [(243, "0.6"), (362, "0.4"), (542, "0.2")]
    assert told == [
        (711, "MARGIN_CALL"),
        (720, "TRADE_LITE"),
        (720, "ORDER_TRADE_UPDATE"),
        (720, "ACCOUNT_UPDATE"),
    ]
    assert [p.symbol for p in account.held()] == ["ETHUSDT"]
    assert account.pools()[0].ratio < Decimal("0.01")


@pytest.mark.parametrize("seconds", [range(1, 7201, 10)])
def test_the_calm_stays_calm(seconds: range) -> None:
    market = Market(load_scenario(SCENARIOS / "calm.toml"), START)
    for second in seconds:
        assert market.tick(second * 1000, START + second * 1000) == []
        assert all(pool.ratio < Decimal("0.1") for pool in account_of(market).pools())
