"""What the exchange does in more than one way, each way as a client meets it."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import HungUpError, TurnedAwayError, Visitor, fetch, open_exchange, read

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
"""


def story(more: str = "", top: str = "", account: str = "") -> Scenario:
    text = STORY.replace("balances", f"{account}\nbalances")
    return parse_scenario(f"{top}\n{text}\n{more}", "test")


def do(at: str, what: str, more: str = "") -> str:
    return f'[[do]]\nat = "{at}"\nwhat = "{what}"\n{more}\n'


async def key_of(exchange: Exchange) -> str:
    return str((await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"])


async def user_of(exchange: Exchange) -> Visitor:
    return await Visitor.visit(exchange, f"/private/ws?listenKey={await key_of(exchange)}")


async def told(scenario: Scenario, seconds: float = 10) -> list[Any]:
    async with open_exchange(scenario) as exchange:
        return await (await user_of(exchange)).receive_all(seconds)


# The end of a listen key


@pytest.mark.parametrize(
    ("quirks", "times", "event"),
    [
        ("", 1, {"E": START + 2000, "listenKey": "KEY"}),
        ('expiry_told = "twice"', 2, {"E": START + 2000, "listenKey": "KEY"}),
        ('expiry_told = "never"', 0, {}),
        ('expiry_time = "text"', 1, {"E": str(START + 2000), "listenKey": "KEY"}),
        ("expiry_names_key = false", 1, {"E": START + 2000}),
    ],
)
async def test_how_the_end_of_a_key_is_told(
    autojump_clock: MockClock, quirks: str, times: int, event: dict[str, Any]
) -> None:
    async with open_exchange(story(f"[quirks]\n{quirks}\n{do('2s', 'expire_key')}")) as exchange:
        key = await key_of(exchange)
        raw = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        wrapped = await Visitor.visit(exchange, f"/private/stream?listenKey={key}")
        whole = {"e": "listenKeyExpired"} | event
        whole |= {"listenKey": key} if "listenKey" in event else {}
        assert await raw.receive_all(5) == [whole] * times
        assert await wrapped.receive_all(0.1) == [{"stream": key, "data": whole}] * times


async def test_somebody_elses_key_ends(autojump_clock: MockClock) -> None:
    """The account's own goes on."""
    deeds = do("2s", "expire_key", 'key = "theirs"') + do("3s", "deposit", 'amount = "1"')
    frames = await told(story(deeds))
    assert frames[0] == {"e": "listenKeyExpired", "E": START + 2000, "listenKey": "theirs"}
    assert [frame["e"] for frame in frames] == ["listenKeyExpired", "ACCOUNT_UPDATE"]


async def test_a_short_listen_key_life(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top='listen_key_life = "30s"')) as exchange:
        user = await user_of(exchange)
        await trio.sleep(20)
        status, _, _ = await fetch(exchange, "PUT", "/fapi/v1/listenKey", "demo-key")
        assert status == 200
        assert (await user.receive_json())["E"] == START + 50_000
        status, _, body = await fetch(exchange, "PUT", "/fapi/v1/listenKey", "demo-key")
        assert (status, body["code"]) == (400, -1125)


# Connections


async def test_a_short_connection_life(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top='connection_life = "1m"')) as exchange:
        for target in ("/market/ws", "/ws-fapi/v1"):
            before = trio.current_time()
            visitor = await Visitor.visit(exchange, target)
            with pytest.raises(HungUpError) as caught:
                await visitor.receive()
            assert (caught.value.code, trio.current_time() - before) == (1001, 60)


async def test_server_shutdown(autojump_clock: MockClock) -> None:
    """Announced on one side's sockets, which are closed later; new ones live on."""
    deed = do("2s", "server_shutdown", 'where = "private"\ncloses_after = "30s"')
    async with open_exchange(story(deed)) as exchange:
        user = await user_of(exchange)
        api = await Visitor.visit(exchange, "/ws-fapi/v1")
        assert await user.receive_json() == {"event": {"e": "serverShutdown", "E": START + 2000}}
        younger = await user_of(exchange)
        with pytest.raises(HungUpError) as caught:
            await user.receive()
        assert (caught.value.code, trio.current_time()) == (1001, 32)
        await trio.sleep(60)
        assert (await api.ask("time"))["status"] == 200
        assert await younger.receive_all(1) == []


async def test_unknown_keys_may_be_refused(autojump_clock: MockClock) -> None:
    async with open_exchange(story('[quirks]\nunknown_key = "refused"')) as exchange:
        key = await key_of(exchange)
        await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        await Visitor.visit(exchange, f"/private/ws/{key}")
        for target in ("/private/ws?listenKey=made-up", "/private/ws/made-up"):
            with pytest.raises(TurnedAwayError) as caught:
                await Visitor.visit(exchange, target)
            assert caught.value.status == 400
        await Visitor.visit(exchange, "/private/ws")


async def test_a_key_in_the_path_may_be_silent(autojump_clock: MockClock) -> None:
    deeds = do("2s", "deposit", 'amount = "1"')
    async with open_exchange(story(f'[quirks]\nkey_in_path = "silent"\n{deeds}')) as exchange:
        key = await key_of(exchange)
        in_path = await Visitor.visit(exchange, f"/private/ws/{key}")
        in_query = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        assert len(await in_query.receive_all(5)) == 1
        assert await in_path.receive_all(1) == []


async def test_the_sdks_way_in(autojump_clock: MockClock) -> None:
    """Binance's SDK subscribes to the key as to a stream, with a text for an id."""
    async with open_exchange(story(do("2s", "deposit", 'amount = "1"'))) as exchange:
        key = await key_of(exchange)
        user = await Visitor.visit(exchange, "/private/stream")
        await user.send(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": "7bd1-22"}))
        assert await user.receive_json() == {"result": None, "id": "7bd1-22"}
        frame = await user.receive_json()
        assert (frame["stream"], frame["data"]["e"]) == (key, "ACCOUNT_UPDATE")


# Fields of user events

ADL = do("2s", "adl")


@pytest.mark.parametrize(
    ("quirks", "missing"),
    [
        ("all", set()),
        ("no bep", {"bep"}),
        ("no ma", {"ma"}),
        ("no mt", {"mt"}),
        ("documented", {"ma"}),
    ],
)
async def test_fields_that_position_rows_leave_out(
    autojump_clock: MockClock, quirks: str, missing: set[str]
) -> None:
    frames = await told(story(f'[quirks]\nrow_fields = "{quirks}"\n{ADL}'))
    every = {"s", "pa", "ep", "cr", "up", "mt", "iw", "ps", "ma", "bep"}
    assert set(frames[-1]["a"]["P"][0]) == every - missing


@pytest.mark.parametrize("kept", ["list", "missing"])
async def test_an_update_about_no_position(autojump_clock: MockClock, kept: str) -> None:
    deeds = do("2s", "funding", 'symbol = "BTCUSDT"\nrate = "0.01%"')
    (frame,) = await told(story(f'[quirks]\nfunding_positions = "{kept}"\n{deeds}'))
    rows: dict[str, list[Any]] = {"P": []} if kept == "list" else {}
    assert frame["a"] == {
        "B": [{"a": "USDT", "wb": "999.4", "cw": "999.4", "bc": "-0.6"}],
        **rows,
        "m": "FUNDING_FEE",
        "S": "BTCUSDT",
    }


@pytest.mark.parametrize(("kept", "sides"), [("true", ["BOTH", "LONG"]), ("false", ["LONG"])])
async def test_zero_rows_in_hedge_mode(
    autojump_clock: MockClock, kept: str, sides: list[str]
) -> None:
    frames = await told(story(f"[quirks]\nhedge_both_rows = {kept}\n{ADL}", account="hedge = true"))
    assert [row["ps"] for row in frames[-1]["a"]["P"]] == sides


async def test_forced_orders_in_other_words(autojump_clock: MockClock) -> None:
    """NEW first, and the type LIQUIDATION."""
    quirks = '[quirks]\nforced_type = "LIQUIDATION"\nforced_new = true\n'
    frames = await told(story(quirks + do("2s", "liquidate")))
    types = [frame["e"] for frame in frames]
    assert types == ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]
    before, after = frames[1]["o"], frames[2]["o"]
    assert [(o["o"], o["ot"], o["x"], o["X"], o["z"]) for o in (before, after)] == [
        ("LIQUIDATION", "LIQUIDATION", "CALCULATED", "NEW", "0"),
        ("LIQUIDATION", "LIQUIDATION", "CALCULATED", "FILLED", "0.1"),
    ]
    assert before["c"] == after["c"] == frames[0]["c"]


async def test_strange_words(autojump_clock: MockClock) -> None:
    """Unknown types, reasons and fields; what is known in them stays true."""
    fault = '[[fault]]\nat = "1s"\nfor = "5s"\nwhat = "strange"\n'
    deeds = do("2s", "deposit", 'amount = "1"') + do("7s", "deposit", 'amount = "2"')
    frames = await told(story(fault + deeds))
    assert [frame["e"] for frame in frames] == ["FUTURE_UPDATE", "ACCOUNT_UPDATE", "ACCOUNT_UPDATE"]
    assert frames[1] == {
        "e": "ACCOUNT_UPDATE",
        "T": START + 2000,
        "E": START + 2000,
        "a": {
            "B": [{"a": "USDT", "wb": "1001", "cw": "1001", "bc": "1"}],
            "P": [],
            "m": "DEPOSIT_V2",
        },
        "fs": "UM",
        "st": 1,
        "zz": {"deep": [None, 1.5]},
    }
    assert set(frames[2]) == {"e", "T", "E", "a"}


async def test_reasons_are_free(autojump_clock: MockClock) -> None:
    deeds = do("2s", "deposit", 'amount = "1"\nreason = "COIN_SWAP_DEPOSIT"') + do(
        "3s", "withdrawal", 'amount = "2"\nreason = "NEVER_HEARD_OF"'
    )
    frames = await told(story(deeds))
    assert [(f["a"]["m"], f["a"]["B"][0]["bc"]) for f in frames] == [
        ("COIN_SWAP_DEPOSIT", "1"),
        ("NEVER_HEARD_OF", "-2"),
    ]


async def test_pnl_in_the_old_spelling(autojump_clock: MockClock) -> None:
    async with open_exchange(story('[quirks]\npnl_spelling = "unrealizedProfit"')) as exchange:
        (row,) = await read(exchange, "/fapi/v3/positionRisk")
        assert "unRealizedProfit" not in row
        assert row["unrealizedProfit"] == "0.00000000"


# Marks


async def test_a_coin_margined_stranger_in_the_array(autojump_clock: MockClock) -> None:
    async with open_exchange(story("[quirks]\ncoin_margined = true")) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws/!markPrice@arr@1s")
        rows = await marks.receive_json()
        assert [(row["s"], row["st"]) for row in rows] == [
            ("BTCUSDC", 1),
            ("BTCUSDT", 1),
            ("ETHUSDT", 1),
            ("SOLUSDT", 1),
            ("BTCUSD_PERP", 2),
        ]


async def test_an_array_in_two(autojump_clock: MockClock) -> None:
    async with open_exchange(story("[quirks]\nsplit_marks = true")) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws/!markPrice@arr@1s")
        arrays = await marks.receive_all(1.5)
        assert [[row["s"] for row in rows] for rows in arrays] == [
            ["BTCUSDC", "BTCUSDT"],
            ["ETHUSDT", "SOLUSDT"],
        ]
