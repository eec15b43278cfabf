"""Each kind of fault, as a client meets it; memory streams, virtual time."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import (
    HungUpError,
    TurnedAwayError,
    Visitor,
    fetch,
    open_exchange,
    signed,
)

START = 1_767_225_600_000
API = "/ws-fapi/v1?returnRateLimits=false"
MARKS = "/market/ws/btcusdt@markPrice@1s"
POLL = "v2/account.position"
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
DEPOSITS = "".join(
    f'[[do]]\nat = "{at}"\nwhat = "deposit"\namount = "{amount}"\n'
    for at, amount in (("5s", "1"), ("15s", "2"))
)


def story(fault: str, more: str = DEPOSITS) -> Scenario:
    return parse_scenario(f"{STORY}\n{more}\n[[fault]]\n{fault}", "test")


async def user_of(exchange: Exchange) -> Visitor:
    key = (await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"]
    return await Visitor.visit(exchange, f"/private/ws?listenKey={key}")


async def poll(api: Visitor, exchange: Exchange, method: str = POLL) -> Any:
    params = signed(exchange.scenario.account[0], exchange.clock.now())
    return await api.ask(method, **params)


def deposits(frames: list[Any]) -> list[tuple[int, str]]:
    return [(frame["E"] - START, frame["a"]["B"][0]["bc"]) for frame in frames]


async def test_drop(autojump_clock: MockClock) -> None:
    async with open_exchange(story('what = "drop"\nat = "2s"\nwhere = "private"')) as exchange:
        user, marks = await user_of(exchange), await Visitor.visit(exchange, MARKS)
        with pytest.raises(HungUpError) as caught:
            await user.receive()
        assert (caught.value.code, trio.current_time()) == (1006, 2)
        assert len(await marks.receive_all(5.5)) == 7  # the other side is not touched
        assert deposits(await (await user_of(exchange)).receive_all(10)) == [(15_000, "2")]


async def test_stall(autojump_clock: MockClock) -> None:
    """Nothing comes out while it lasts; what was held back comes when it is over."""
    fault = 'what = "stall"\nat = "2s"\nfor = "10s"'
    async with open_exchange(story(fault)) as exchange:
        user = await user_of(exchange)
        api, marks = await Visitor.visit(exchange, API), await Visitor.visit(exchange, MARKS)
        await trio.sleep(2.5)
        assert len(await marks.receive_all(9)) == 1  # from before
        with trio.move_on_after(0.4) as no_answer:
            await poll(api, exchange)
        assert no_answer.cancelled_caught
        stream = await exchange.dial("ws://sim/market/ws")  # connects, and nothing is said
        with trio.move_on_after(0.05) as no_handshake:
            await Visitor(stream, "/market/ws").shake_hands()
        assert no_handshake.cancelled_caught
        assert deposits([await user.receive_json()]) == [(5_000, "1")]
        assert trio.current_time() == 12
        assert (await api.receive_json())["status"] == 200
        assert len(await marks.receive_all(0.5)) == 11


async def test_refuse(autojump_clock: MockClock) -> None:
    fault = 'what = "refuse"\nat = "2s"\nfor = "10s"\nwhere = "private"'
    async with open_exchange(story(fault)) as exchange:
        await trio.sleep(3)
        with pytest.raises(ConnectionRefusedError):
            await exchange.dial("ws://sim/private/ws?listenKey=k")
        await Visitor.visit(exchange, API)
        await trio.sleep(10)
        await user_of(exchange)


async def test_refuse_with_a_status(autojump_clock: MockClock) -> None:
    fault = 'what = "refuse"\nat = "2s"\nfor = "10s"\nwhere = "api"\nstatus = 503'
    async with open_exchange(story(fault)) as exchange:
        await trio.sleep(3)
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, API)
        assert caught.value.status == 503
        assert (await fetch(exchange, "GET", "/fapi/v1/time"))[0] == 503


async def test_lose(autojump_clock: MockClock) -> None:
    """The state changes all the same; only the telling is lost."""
    fault = 'what = "lose"\nat = "2s"\nfor = "10s"'
    async with open_exchange(story(fault)) as exchange:
        user = await user_of(exchange)
        assert deposits(await user.receive_all(20)) == [(15_000, "2")]
        assert exchange.market.accounts["main"].wallets["USDT"] == 1003
        assert [row[2] for row in exchange.happened] == ["ACCOUNT_UPDATE", "ACCOUNT_UPDATE"]
        assert len(exchange.sent) == 1


async def test_lose_one_type(autojump_clock: MockClock) -> None:
    more = '[[do]]\nat = "5s"\nwhat = "adl"\n'
    fault = 'what = "lose"\nat = "2s"\nfor = "10s"\nevent = "TRADE_LITE"'
    async with open_exchange(story(fault, more)) as exchange:
        user = await user_of(exchange)
        kinds = [frame["e"] for frame in await user.receive_all(10)]
        assert kinds == ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]


async def test_duplicate(autojump_clock: MockClock) -> None:
    async with open_exchange(story('what = "duplicate"\nat = "2s"\nfor = "10s"')) as exchange:
        user = await user_of(exchange)
        told = [(5_000, "1"), (5_000, "1"), (15_000, "2")]
        assert deposits(await user.receive_all(20)) == told
        assert [ms - START for ms, _, _ in exchange.sent] == [ms for ms, _ in told]


async def test_reorder(autojump_clock: MockClock) -> None:
    more = '[[do]]\nat = "5s"\nwhat = "adl"\n'
    async with open_exchange(story('what = "reorder"\nat = "2s"\nfor = "9s"', more)) as exchange:
        user = await user_of(exchange)
        kinds = [frame["e"] for frame in await user.receive_all(10)]
        assert kinds == ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE"]


async def test_delay(autojump_clock: MockClock) -> None:
    fault = 'what = "delay"\nat = "2s"\nfor = "10s"\nby = "3s"'
    async with open_exchange(story(fault)) as exchange:
        user = await user_of(exchange)
        assert deposits([await user.receive_json()]) == [(5_000, "1")]  # its own time is kept
        assert trio.current_time() == 8
        assert deposits([await user.receive_json()]) == [(15_000, "2")]
        assert trio.current_time() == 15


async def test_garble(autojump_clock: MockClock) -> None:
    fault = 'what = "garble"\nat = "2s"\nfor = "10s"\nwhere = "private"'
    async with open_exchange(story(fault)) as exchange:
        user, api = await user_of(exchange), await Visitor.visit(exchange, API)
        text = await user.receive()
        assert text.startswith('{"e":"ACCOUNT_UPDATE"')
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert (await poll(api, exchange))["status"] == 200
        assert deposits([await user.receive_json()]) == [(15_000, "2")]


async def test_huge(autojump_clock: MockClock) -> None:
    async with open_exchange(story('what = "huge"\nat = "2s"\nwhere = "market"')) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws")
        assert len(await marks.receive()) > 2 << 20


async def test_empty(autojump_clock: MockClock) -> None:
    async with open_exchange(story('what = "empty"\nat = "2s"\nfor = "10s"')) as exchange:
        api = await Visitor.visit(exchange, API)
        assert len((await poll(api, exchange))["result"]) == 1
        await trio.sleep(3)
        assert (await poll(api, exchange))["result"] == []
        status = (await poll(api, exchange, "v2/account.status"))["result"]
        assert status["positions"] == []
        assert status["totalWalletBalance"] == "1000.00000000"
        await trio.sleep(10)
        assert len((await poll(api, exchange))["result"]) == 1


async def test_error(autojump_clock: MockClock) -> None:
    fault = (
        'what = "error"\nat = "2s"\nfor = "10s"\ncode = -1099\nstatus = 404\n'
        'message = "Gone."\nmethod = "v2/account.position"'
    )
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(3)
        assert await poll(api, exchange) == {
            "id": 1,
            "status": 404,
            "error": {"code": -1099, "msg": "Gone."},
        }
        assert (await poll(api, exchange, "account.position"))["status"] == 200
        assert (await api.ask("time"))["status"] == 200


async def test_error_of_every_poll(autojump_clock: MockClock) -> None:
    async with open_exchange(story('what = "error"\nat = "2s"\nfor = "10s"')) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(3)
        for method in (POLL, "account.status", "v2/account.balance"):
            assert (await poll(api, exchange, method))["error"] == {
                "code": -1001,
                "msg": "Internal error; unable to process your request. Please try again.",
            }
        assert (await api.ask("userDataStream.start", apiKey="demo-key"))["status"] == 200


@pytest.mark.parametrize("data", [True, False])
async def test_ban(autojump_clock: MockClock, data: bool) -> None:  # noqa: FBT001  # a table's cell
    fault = f'what = "ban"\nat = "2s"\nfor = "3m"\ndata = {str(data).lower()}'
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(3)
        until = START + 182_000
        error = {
            "code": -1003,
            "msg": f"Way too many requests; IP banned until {until}. "
            "Please use the websocket for live updates to avoid bans.",
        }
        if data:
            error["data"] = {"serverTime": START + 3000, "retryAfter": until}
        assert await api.ask("time") == {"id": 1, "status": 418, "error": error}
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, API)
        assert caught.value.status == 418
        await Visitor.visit(exchange, MARKS)  # streams have no weight
        await trio.sleep(180)
        assert (await api.ask("time"))["status"] == 200


async def test_skew(autojump_clock: MockClock) -> None:
    fault = 'what = "skew"\nat = "2s"\nfor = "10s"\nby = "-7s"'
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(3)
        assert (await api.ask("time"))["result"] == {"serverTime": START - 4000}
        assert (await poll(api, exchange))["error"]["code"] == -1021
        await trio.sleep(10)
        assert (await poll(api, exchange))["status"] == 200


async def test_a_skewed_clock_dates_everything(autojump_clock: MockClock) -> None:
    """What a clock that is off shows, it shows everywhere: events, mark prices, rows of polls."""
    fault = 'what = "skew"\nat = "4500ms"\nfor = "2s"\nby = "6s"'
    async with open_exchange(story(fault)) as exchange:
        user, api = await user_of(exchange), await Visitor.visit(exchange, API)
        marks = await Visitor.visit(exchange, MARKS)
        ticks = [tick["E"] - START for tick in await marks.receive_all(7.5)]
        assert ticks == [1000, 2000, 3000, 4000, 11_000, 12_000, 7000]
        told = [(event["E"] - START, event["T"] - START) for event in await user.receive_all(20)]
        assert told == [(11_000, 11_000), (15_000, 15_000)]
        row = (await poll(api, exchange, "account.balance"))["result"][0]
        assert row["updateTime"] - START == 15_000


async def test_revert_stale(autojump_clock: MockClock) -> None:
    """Polls show the wallet, and the marks, of eight seconds ago."""
    path = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"], ["1m", "59400"]]\n'
    fault = 'what = "revert_stale"\nat = "6s"\nfor = "4s"\nby = "4s"'
    async with open_exchange(story(fault, DEPOSITS + path)) as exchange:
        api = await Visitor.visit(exchange, API)
        seen = []
        for _ in range(11):
            rows = (await poll(api, exchange))["result"]
            status = (await poll(api, exchange, "v2/account.status"))["result"]
            seen.append((rows[0]["markPrice"][:5], status["totalWalletBalance"][:4]))
            await trio.sleep(1)
        assert seen == [
            ("60000", "1000"),
            ("59990", "1000"),
            ("59980", "1000"),
            ("59970", "1000"),
            ("59960", "1000"),
            ("59950", "1001"),
            ("59980", "1000"),
            ("59970", "1000"),
            ("59960", "1000"),
            ("59950", "1001"),
            ("59900", "1001"),
        ]


async def test_a_fault_after_the_subscription(autojump_clock: MockClock) -> None:
    fault = 'what = "drop"\nat = "subscribe+1500ms"\nwhere = "private"'
    async with open_exchange(story(fault)) as exchange:
        await trio.sleep(40)
        with pytest.raises(HungUpError):
            await (await user_of(exchange)).receive()
        assert trio.current_time() == 41.5
        assert await (await user_of(exchange)).receive_all(60) == []  # only the first time


async def test_a_fault_of_one_account(autojump_clock: MockClock) -> None:
    more = '[[account]]\nname = "other"\napi_key = "other-key"\napi_secret = "s"\n'
    fault = 'what = "drop"\nat = "2s"\naccount = "other"'
    async with open_exchange(story(fault, more)) as exchange:
        user = await user_of(exchange)
        target = "/fapi/v1/listenKey"
        key = (await fetch(exchange, "POST", target, "other-key"))[2]["listenKey"]
        others = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        marks = await Visitor.visit(exchange, MARKS)
        api = await Visitor.visit(exchange, API)
        await api.ask("userDataStream.start", apiKey="other-key")
        assert await user.receive_all(5) == []
        assert len(await marks.receive_all(1)) > 1
        for cut in (others, api):
            with pytest.raises(HungUpError):
                await cut.receive()
