"""Whole stories on the wire: virtual time first, then the real clock over TCP."""

import json
from typing import Any

import pytest
import tomli
import trio
import trio_websocket
from trio.testing import MockClock

from monitor.errors import PortInUse
from monitor.sim.exchange import Exchange, account_table
from monitor.sim.scenario import SCENARIOS, Scenario, load_scenario, parse_scenario
from tests.sim.visitor import TurnedAwayError, Visitor, fetch, open_exchange, signed

SHORT = """
seed = {seed}
length = "20s"
mark_interval = "{interval}"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = {{ USDT = "1000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10s", "54000"]]
noise = "0.01%"
"""


def short(seed: int = 1, interval: str = "1s", more: str = "") -> Scenario:
    return parse_scenario(SHORT.format(seed=seed, interval=interval) + more, "test")


async def key_of(exchange: Exchange) -> str:
    return str((await fetch(exchange, "POST", "/fapi/v1/listenKey", "demo-key"))[2]["listenKey"])


async def test_a_crash_as_a_client_sees_it(autojump_clock: MockClock) -> None:
    async with open_exchange(load_scenario(SCENARIOS / "crash.toml")) as exchange:
        user = await Visitor.visit(exchange, f"/private/ws?listenKey={await key_of(exchange)}")
        frames = await user.receive_all(780.5)
        began = exchange.clock.start_ms
        assert [((f["E"] - began) // 1000, f["e"]) for f in frames] == [
            (90, "ACCOUNT_UPDATE"),
            (711, "MARGIN_CALL"),
            (720, "TRADE_LITE"),
            (720, "ORDER_TRADE_UPDATE"),
            (720, "ACCOUNT_UPDATE"),
        ]
        assert exchange.finished.is_set()
        api = await Visitor.visit(exchange, "/ws-fapi/v1")
        params = signed(exchange.scenario.account[0], exchange.clock.now())
        rows = (await api.ask("v2/account.position", **params))["result"]
        assert [row["symbol"] for row in rows] == ["ETHUSDT"]
        wallet = frames[-1]["a"]["B"][0]["wb"]
        balance = (await api.ask("v2/account.balance", **params))["result"][0]["balance"]
        assert balance == wallet


async def recorded(seed: int) -> tuple[str, bytes, bytes]:
    """Live through a story, and keep every byte that came.

    Not as far as the ping at three minutes, which falls on a tick: what different tasks do in one
    instant is in the order of Trio's scheduler.
    """
    async with open_exchange(short(seed)) as exchange:
        key = await key_of(exchange)
        user = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        marks = await Visitor.visit(exchange, "/market/stream?streams=btcusdt@markPrice@1s")
        await marks.receive_all(150.5)
        await user.receive_all(0.5)
        return key, user.received, marks.received


async def test_the_same_seed_gives_the_same_bytes(autojump_clock: MockClock) -> None:
    first, again, other = await recorded(1), await recorded(1), await recorded(2)
    assert len(first[1]) > 1000
    assert len(first[2]) > 30_000
    assert first == again
    assert [one != two for one, two in zip(first, other, strict=True)] == [True, True, True]


async def test_faults_do_not_disturb_the_noise(autojump_clock: MockClock) -> None:
    fault = '[[fault]]\nat = "1s"\nfor = "5s"\nwhat = "lose"\n'
    deed = '[[do]]\nat = "2s"\nwhat = "deposit"\namount = "1"\n'
    seen = []
    for more in ("", fault + deed):
        async with open_exchange(short(more=more)) as exchange:
            marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
            seen.append([frame["p"] for frame in await marks.receive_all(10.5)])
    assert seen[0] == seen[1]


async def test_n_times_as_fast() -> None:
    """On a clock that goes thirty times as fast, the story does too; `E` is the story's."""
    clock = MockClock(rate=30.0)

    async def main() -> list[int]:
        async with open_exchange(short()) as exchange:
            marks = await Visitor.visit(exchange, "/market/ws/btcusdt@markPrice@1s")
            frames = [await marks.receive_json() for _ in range(20)]
            return [frame["E"] - exchange.clock.start_ms for frame in frames]

    times = await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
    assert times == sorted(times)
    assert 20_000 <= times[-1] < 80_000  # late where the machine is, never early


# The real clock, TCP, and a client that is not ours


async def ask(ws: trio_websocket.WebSocketConnection, method: str, **params: Any) -> Any:
    await ws.send_message(json.dumps({"id": method, "method": method, "params": params}))
    return json.loads(await ws.get_message())


async def test_over_tcp_with_trio_websocket() -> None:
    deed = '[[do]]\nat = "subscribe+0.1s"\nwhat = "deposit"\namount = "100"\n'
    scenario = short(interval="50ms", more=deed)
    async with open_exchange(scenario, within=20) as exchange, trio.open_nursery() as nursery:
        port = await nursery.start(exchange.listen)
        base = f"ws://127.0.0.1:{port}"
        async with trio_websocket.open_websocket_url(f"{base}/ws-fapi/v1") as api:
            key = (await ask(api, "userDataStream.start", apiKey="demo-key"))["result"]
            params = signed(scenario.account[0], exchange.clock.now())
            rows = (await ask(api, "v2/account.position", **params))["result"]
            assert [row["symbol"] for row in rows] == ["BTCUSDT"]
            assert (await ask(api, "nothing"))["error"]["code"] == -1099
            await api.ping(b"are you there")
            user_url = f"{base}/private/ws?listenKey={key['listenKey']}"
            marks_url = f"{base}/market/ws/btcusdt@markPrice@1s"
            async with trio_websocket.open_websocket_url(user_url) as user:
                assert json.loads(await user.get_message())["a"]["m"] == "DEPOSIT"
                async with trio_websocket.open_websocket_url(marks_url) as marks:
                    assert json.loads(await marks.get_message())["e"] == "markPriceUpdate"
        nursery.cancel_scope.cancel()


async def test_faults_over_tcp() -> None:
    faults = (
        '[[fault]]\nat = "subscribe+0.1s"\nwhat = "drop"\nwhere = "private"\n'
        '[[fault]]\nat = "subscribe+0.1s"\nfor = "1m"\nwhat = "refuse"\nwhere = "market"\n'
        '[[fault]]\nat = "subscribe+0.1s"\nfor = "1m"\nwhat = "refuse"\nwhere = "api"\n'
        "status = 502\n"
    )
    async with (
        open_exchange(short(more=faults), within=20) as exchange,
        trio.open_nursery() as nursery,
    ):
        port = await nursery.start(exchange.listen)
        target = f"/private/ws?listenKey={await key_of(exchange)}"
        # A stream of our own: trio-websocket leaves its socket open when it is cut.
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            user = await trio_websocket.wrap_client_stream(nursery, stream, "sim", target)
            with pytest.raises(trio_websocket.ConnectionClosed):
                await user.get_message()
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            with pytest.raises(TurnedAwayError) as caught:
                await Visitor(stream, "/ws-fapi/v1").shake_hands()
        assert caught.value.status == 502
        request = b"GET /market/ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request)
            assert await stream.receive_some(100) == b""
        nursery.cancel_scope.cancel()


async def test_a_taken_port() -> None:
    async with open_exchange(short(), within=20) as exchange, trio.open_nursery() as nursery:
        port = await nursery.start(exchange.listen)
        with pytest.raises(PortInUse) as caught:
            await exchange.listen(port)
        assert str(caught.value) == (
            f"port {port} on 127.0.0.1 is taken by another program; "
            "choose another with --port, or leave it out for a free one"
        )
        nursery.cancel_scope.cancel()


def test_the_account_table() -> None:
    account = short().account[0]
    text = account_table(account, "127.0.0.1", 9000)
    assert text == (
        "[[account]]\n"
        'name = "main"\n'
        'venue = "binance-usdm"\n'
        'network = "mainnet"\n'
        'api_key = "demo-key"\n'
        'api_secret = "demo-secret"\n'
        'endpoints = { ws_api = "ws://127.0.0.1:9000/ws-fapi/v1", '
        'streams = "ws://127.0.0.1:9000", rest = "http://127.0.0.1:9000", '
        'sapi = "http://127.0.0.1:9000" }\n'
    )
    assert tomli.loads(text)["account"][0]["endpoints"]["rest"] == "http://127.0.0.1:9000"
