"""Stream sockets, over memory streams in virtual time."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from monitor.sim.server import QUEUE_FRAMES
from tests.sim.visitor import HungUpError, Visitor, fetch, open_exchange

START = 1_767_225_600_000
STORY = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10s", "59000"]]
[[do]]
at = "subscribe+0.2s"
what = "deposit"
amount = "100"
[[do]]
at = "subscribe+0.4s"
what = "leverage"
symbol = "BTCUSDT"
leverage = 5
"""


def story(more: str = "", top: str = "") -> Scenario:
    return parse_scenario(f"{top}\n{STORY}\n{more}", "test")


async def key_of(exchange: Exchange) -> str:
    return str((await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"])


def kinds(frames: list[Any]) -> list[str]:
    return [frame["e"] for frame in frames]


# User data


@pytest.mark.parametrize("path", ["/private/ws?listenKey={}", "/private/ws/{}"])
async def test_user_events_raw(autojump_clock: MockClock, path: str) -> None:
    async with open_exchange(story()) as exchange:
        await trio.sleep(3)
        key = await key_of(exchange)
        user = await Visitor.visit(exchange, path.format(key))
        assert await user.receive_json() == {
            "e": "ACCOUNT_UPDATE",
            "T": START + 3200,
            "E": START + 3200,
            "a": {
                "B": [{"a": "USDT", "wb": "1100", "cw": "1100", "bc": "100"}],
                "P": [],
                "m": "DEPOSIT",
            },
        }
        assert kinds(await user.receive_all(10)) == ["ACCOUNT_CONFIG_UPDATE"]
        told = [
            (START + 3200, "main", "ACCOUNT_UPDATE"),
            (START + 3400, "main", "ACCOUNT_CONFIG_UPDATE"),
        ]
        assert exchange.happened == told
        assert exchange.sent == told


async def test_user_events_wrapped(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        key = await key_of(exchange)
        user = await Visitor.visit(exchange, f"/private/stream?listenKey={key}")
        frames = await user.receive_all(1)
        assert [frame["stream"] for frame in frames] == [key, key]
        assert kinds([f["data"] for f in frames]) == ["ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE"]


async def test_user_events_by_subscribe(autojump_clock: MockClock) -> None:
    """The way of the official SDK: `/private/stream`, then SUBSCRIBE with the key."""
    async with open_exchange(story()) as exchange:
        key = await key_of(exchange)
        user = await Visitor.visit(exchange, "/private/stream")
        await user.send(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": 1}))
        assert await user.receive_json() == {"result": None, "id": 1}
        assert [frame["stream"] for frame in await user.receive_all(1)] == [key, key]


async def test_events_is_an_exhaustive_filter(autojump_clock: MockClock) -> None:
    async with open_exchange(story('[[do]]\nat = "5s"\nwhat = "expire_key"')) as exchange:
        key = await key_of(exchange)
        wanted = "ACCOUNT_CONFIG_UPDATE/MARGIN_CALL"
        some = await Visitor.visit(exchange, f"/private/ws?listenKey={key}&events={wanted}")
        every = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        assert kinds(await some.receive_all(10)) == ["ACCOUNT_CONFIG_UPDATE"]
        assert kinds(await every.receive_all(1)) == [
            "ACCOUNT_UPDATE",
            "ACCOUNT_CONFIG_UPDATE",
            "listenKeyExpired",
        ]


@pytest.mark.parametrize(
    "path", ["/private/ws?listenKey=bogus", "/ws/{}", "/stream?streams={}", "/public/ws/{}"]
)
async def test_sockets_that_are_open_and_silent(autojump_clock: MockClock, path: str) -> None:
    """A made-up key, and a good one on a legacy or a wrong address: a healthy socket, no frames."""
    async with open_exchange(
        story('[[do]]\nat = "1s"\nwhat = "deposit"\namount = "1"')
    ) as exchange:
        user = await Visitor.visit(exchange, path.format(await key_of(exchange)))
        assert await user.receive_all(400) == []
        assert len(user.pings) == 2
        assert exchange.happened == [(START + 1000, "main", "ACCOUNT_UPDATE")]
        assert exchange.sent == []


async def test_raw_frames(autojump_clock: MockClock) -> None:
    more = """[[do]]\nat = "2s"\nwhat = "send"\nframe = '{"e":"NEW_THING","x":[]}'"""
    async with open_exchange(story(more)) as exchange:
        user = await Visitor.visit(exchange, f"/private/ws?listenKey={await key_of(exchange)}")
        frames = await user.receive_all(3)
        assert frames[-1] == {"e": "NEW_THING", "x": []}


async def test_accounts_are_told_apart(autojump_clock: MockClock) -> None:
    more = """
[[account]]
name = "other"
api_key = "other-key"
api_secret = "other-secret"
"""
    text = STORY.replace('what = "deposit"', 'what = "deposit"\naccount = "main"').replace(
        'what = "leverage"', 'what = "leverage"\naccount = "other"'
    )
    async with open_exchange(parse_scenario(text + more, "test")) as exchange:
        mine = await Visitor.visit(exchange, f"/private/ws?listenKey={await key_of(exchange)}")
        key = (await fetch(exchange, "POST", "/fapi/v1/listenKey", "other-key"))[2]["listenKey"]
        others = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        assert kinds(await mine.receive_all(1)) == ["ACCOUNT_UPDATE"]
        assert kinds(await others.receive_all(1)) == ["ACCOUNT_CONFIG_UPDATE"]


# Marks


async def test_marks_every_second(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
        assert await marks.receive_json() == {
            "e": "markPriceUpdate",
            "E": START + 1000,
            "s": "BTCUSDT",
            "p": "59900.00000000",
            "ap": "59900.00000000",
            "i": "59900.00000000",
            "P": "59900.00000000",
            "r": "0.00010000",
            "T": START + 8 * 3_600_000,
            "st": 1,
        }
        frames = await marks.receive_all(5.5)
        assert [(frame["E"] - START, frame["p"]) for frame in frames] == [
            (2000, "59800.00000000"),
            (3000, "59700.00000000"),
            (4000, "59600.00000000"),
            (5000, "59500.00000000"),
            (6000, "59400.00000000"),
        ]


async def test_marks_every_three_seconds(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice")
        assert [f["E"] - START for f in await marks.receive_all(10)] == [1000, 3000, 6000, 9000]


async def test_ticks_faster_than_the_stream(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top='mark_interval = "250ms"')) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
        assert [f["E"] - START for f in await marks.receive_all(3.9)] == [250, 1000, 2000, 3000]


async def test_all_marks_in_one_array(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        marks = await Visitor.visit(exchange, "/market/stream?streams=!markPrice@arr@1s")
        frame = await marks.receive_json()
        assert frame["stream"] == "!markPrice@arr@1s"
        assert [(row["s"], row["p"]) for row in frame["data"]] == [
            ("BTCUSDC", "60000.00000000"),
            ("BTCUSDT", "59900.00000000"),
            ("ETHUSDT", "3000.00000000"),
            ("SOLUSDT", "150.00000000"),
        ]


async def test_subscribing_to_marks(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws")

        async def control(**message: Any) -> Any:
            await marks.send(json.dumps(message))
            return await marks.receive_json()

        names = ["btcusdt@markPrice@1s", "ethusdt@markPrice@1s"]
        assert await control(method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
        assert await control(method="LIST_SUBSCRIPTIONS", id=2) == {"result": names, "id": 2}
        assert [frame["s"] for frame in await marks.receive_all(1.5)] == ["BTCUSDT", "ETHUSDT"]
        await control(method="UNSUBSCRIBE", params=names[:1], id=3)
        assert await control(method="SET_PROPERTY", params=["combined", True], id=4) == {
            "result": None,
            "id": 4,
        }
        assert await control(method="GET_PROPERTY", params=["combined"], id=5) == {
            "result": True,
            "id": 5,
        }
        assert [frame["stream"] for frame in await marks.receive_all(1.5)] == names[1:]


METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{", 3, "Invalid JSON: expected value at line 1 column 2"),
        ('{"id":1}', 2, "Invalid request: missing field `method` at line 1 column 8"),
        (
            '{"method":"LISTEN","id":1}',
            2,
            (
                f"Invalid request: unknown variant LISTEN, expected one of {METHODS}"
                " at line 1 column 25"
            ),
        ),
        (
            '{"method":"SUBSCRIBE","params":[],"id":null}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"SUBSCRIBE","params":[],"id":-1}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}',
            2,
            "Invalid request: too many parameters",
        ),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0, "Unknown property"),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}',
            1,
            "Invalid value type: expected Boolean",
        ),
    ],
)
async def test_control_messages_that_are_wrong(
    autojump_clock: MockClock, text: str, code: int, message: str
) -> None:
    async with open_exchange(story()) as exchange:
        marks = await Visitor.visit(exchange, "/market/ws")
        await marks.send(text)
        assert await marks.receive_json() == {"code": code, "msg": message}


# The life of a connection


async def test_pings_every_three_minutes(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        idle = await Visitor.visit(exchange, "/market/ws")
        assert await idle.receive_all(900.5) == []
        assert idle.pings == [b"180000", b"360000", b"540000", b"720000", b"900000"]


async def test_who_does_not_answer_pings_is_cut(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        dead = await Visitor.visit(exchange, "/market/ws")
        dead.answers_pings = False
        began = trio.current_time()
        with pytest.raises(HungUpError) as caught:
            await dead.receive()
        assert (caught.value.code, trio.current_time() - began) == (1006, 600)


async def test_pongs_that_nobody_asked_for_do_not_help(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        dead = await Visitor.visit(exchange, "/market/ws")
        dead.answers_pings = False
        began = trio.current_time()
        with pytest.raises(HungUpError):
            while True:
                await dead.pong(b"")
                await dead.receive_all(60)
        assert trio.current_time() - began == 600


async def test_a_day_is_the_end(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top='mark_interval = "1m"')) as exchange:
        old = await Visitor.visit(exchange, "/market/ws")
        began = trio.current_time()
        with pytest.raises(HungUpError) as caught:
            await old.receive()
        assert (caught.value.code, trio.current_time() - began) == (1001, 86_400)


async def test_too_many_messages_cut_the_socket(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        calm = await Visitor.visit(exchange, "/market/ws")
        loud = await Visitor.visit(exchange, "/market/ws")
        for number in range(30):
            await calm.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            await trio.sleep(0.101)
        assert len(await calm.receive_all(1)) == 30
        for number in range(11):
            await loud.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        with pytest.raises(HungUpError) as caught:
            for _ in range(12):
                await loud.receive()
        assert caught.value.code == 1006


async def test_a_client_that_reads_nothing_delays_nobody(autojump_clock: MockClock) -> None:
    """Its queue fills, it is cut; the others hear every second on the second."""
    streams = "/".join(f"{s}@markPrice@1s" for s in ("btcusdt", "ethusdt", "solusdt", "btcusdc"))
    async with open_exchange(story()) as exchange:
        ours, theirs = lockstep_stream_pair()  # holds a write until it is read, as a full socket
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.serve, ours)
            slow = Visitor(theirs, f"/market/ws/{streams}")
            await slow.shake_hands()
            quick = await Visitor.visit(exchange, f"/market/ws/{streams}")
            seconds = QUEUE_FRAMES // 4 + 5
            frames = await quick.receive_all(seconds + 0.5)
            assert [f["E"] - START for f in frames[::4]] == [
                1000 * second for second in range(1, seconds + 1)
            ]
            with pytest.raises(HungUpError):
                while True:
                    await slow.receive()


async def test_a_client_that_goes_away_is_forgotten(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        gone = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
        await gone.receive()
        await gone.aclose()
        await trio.sleep(2)
        assert exchange._front.peers == {}


async def test_the_story_ends_and_the_market_stands_still(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        await trio.sleep(599)
        assert not exchange.finished.is_set()
        await exchange.finished.wait()
        assert trio.current_time() == 600
        marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
        assert {frame["p"] for frame in await marks.receive_all(5)} == {"59000.00000000"}
