"""The WebSocket API and REST, over memory streams in virtual time."""

import hashlib
import hmac
import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import (
    TurnedAwayError,
    Visitor,
    fetch,
    open_exchange,
    signed,
)

START = 1_767_225_600_000
API = "/ws-fapi/v1"
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


def story(more: str = "", top: str = "") -> Scenario:
    return parse_scenario(f"{top}\n{STORY}\n{more}", "test")


def limits(count: int, limit: int = 2400) -> list[dict[str, Any]]:
    return [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": limit,
            "count": count,
        }
    ]


AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
OUTSIDE = "Timestamp for this request is outside of the recvWindow."

# The envelope


async def test_a_poll_whole(autojump_clock: MockClock) -> None:
    scenario = story()
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        params = signed(scenario.account[0], START, symbol="BTCUSDT", recvWindow=5000)
        answer = await api.ask("v2/account.position", **params)
        assert answer == {
            "id": 1,
            "status": 200,
            "result": [
                {
                    "symbol": "BTCUSDT",
                    "positionSide": "BOTH",
                    "positionAmt": "0.1",
                    "entryPrice": "60000",
                    "breakEvenPrice": "60000",
                    "markPrice": "60000.00000000",
                    "unRealizedProfit": "0.00000000",
                    "liquidationPrice": "54216.86746988",
                    "isolatedMargin": "600",
                    "notional": "6000",
                    "marginAsset": "USDT",
                    "isolatedWallet": "600",
                    "initialMargin": "600",
                    "maintMargin": "24",
                    "positionInitialMargin": "600",
                    "openOrderInitialMargin": "0",
                    "adl": 2,
                    "bidNotional": "0",
                    "askNotional": "0",
                    "updateTime": START,
                }
            ],
            "rateLimits": limits(10),
        }
        assert exchange.requests == {"v2/account.position": 1}


async def test_weights(autojump_clock: MockClock) -> None:
    """5 a handshake, 10 for v1, 5 for v2, 1 for the rest; a new minute begins at zero."""
    scenario = story()
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        params = signed(scenario.account[0], START)
        counts = []
        for method in (
            "time",
            "ping",
            "userDataStream.start",
            "userDataStream.ping",
            "account.position",
            "account.status",
            "account.balance",
            "v2/account.position",
            "v2/account.status",
            "v2/account.balance",
        ):
            answer = await api.ask(method, **params)
            assert answer["status"] == 200
            counts.append(answer["rateLimits"][0]["count"])
        assert counts == [6, 7, 8, 9, 19, 29, 39, 44, 49, 54]
        assert (await fetch(exchange, "GET", "/fapi/v1/time"))[1]["x-mbx-used-weight-1m"] == "55"
        await trio.sleep(60)
        assert (await api.ask("ping"))["rateLimits"] == limits(1)


async def test_ids_are_echoed_as_they_came(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        api = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        echoed = []
        for request_id in (7, "a-b", None):
            await api.send(json.dumps({"id": request_id, "method": "ping"}))
            echoed.append(await api.receive_json())
        assert echoed == [
            {"id": request_id, "status": 200, "result": {}} for request_id in (7, "a-b", None)
        ]


async def test_a_request_may_ask_for_its_limits(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        hidden = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        assert (await hidden.ask("ping", returnRateLimits=True))["rateLimits"] == limits(6)
        shown = await Visitor.visit(exchange, API)
        assert "rateLimits" not in await shown.ask("ping", returnRateLimits=False)


async def test_time_goes_with_the_story(autojump_clock: MockClock) -> None:
    async with open_exchange(story(), start_ms=5_000_000) as exchange:
        api = await Visitor.visit(exchange, API)
        assert (await api.ask("time"))["result"] == {"serverTime": 5_000_000}
        await trio.sleep(12.345)
        assert (await api.ask("time"))["result"] == {"serverTime": 5_012_345}


NOT_THIS_KEY = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
POLL = "v2/account.position"


async def test_refusals(autojump_clock: MockClock) -> None:
    scenario = story()
    account = scenario.account[0]
    good = signed(account, START)
    no_key = "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed."
    no_signature = "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."
    bad_signature = {"code": -1022, "msg": "Signature for this request is not valid."}
    unsigned = {name: value for name, value in good.items() if name != "apiKey"}
    rows: list[tuple[str, dict[str, Any], int, dict[str, Any]]] = [
        ("order.place", good, 400, {
            "code": -1099, "msg": "Not found, unauthenticated, or unauthorized."}),
        (POLL, unsigned, 400, {"code": -1102, "msg": no_key}),
        (POLL, good | {"apiKey": "no such"}, 401, {
            "code": -2014, "msg": "API-key format invalid."}),
        (POLL, good | {"apiKey": "unknown"}, 401, NOT_THIS_KEY),
        (POLL, good | {"signature": ""}, 400, {"code": -1102, "msg": no_signature}),
        (POLL, good | {"signature": "0" * 64}, 400, bad_signature),
        (POLL, good | {"symbol": "BTCUSDT"}, 400, bad_signature),
        (POLL, signed(account, START - 5001), 400, {"code": -1021, "msg": OUTSIDE}),
        (POLL, signed(account, START + 1000), 400, {"code": -1021, "msg": AHEAD}),
        (POLL, signed(account, START, symbol="NOUSDT"), 400, {
            "code": -1121, "msg": "Invalid symbol."}),
        ("userDataStream.ping", good, 400, {
            "code": -1125, "msg": "This listenKey does not exist."}),
    ]  # fmt: skip
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        for number, (method, params, status, error) in enumerate(rows, 1):
            answer = await api.ask(method, **params)
            assert answer == {"id": number, "status": status, "error": error}, (method, params)


async def test_a_wide_window_is_honoured(autojump_clock: MockClock) -> None:
    """recvWindow is taken as sent; fapi documents no maximum (docs/protocol.md §3.5)."""
    scenario = story()
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, API)
        params = signed(scenario.account[0], START - 150_000, recvWindow=150_000)
        assert (await api.ask(POLL, **params))["status"] == 200


@pytest.mark.parametrize("text", ["not json", "[]", '{"id":1}', '{"id":1,"method":"x","params":3}'])
async def test_frames_that_are_no_requests(autojump_clock: MockClock, text: str) -> None:
    async with open_exchange(story()) as exchange:
        api = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        await api.send(text)
        answer = await api.receive_json()
        assert (answer["status"], answer["error"]["code"]) in {(400, -1100), (400, -1102)}
        assert (await api.ask("ping"))["status"] == 200


async def test_a_client_may_sign_by_other_means(autojump_clock: MockClock) -> None:
    """The signature is checked over what was sent, in any order, also booleans as `true`."""
    async with open_exchange(story()) as exchange:
        api = await Visitor.visit(exchange, API)
        payload = f"apiKey=demo-key&returnRateLimits=true&timestamp={START}"
        signature = hmac.new(b"demo-secret", payload.encode(), hashlib.sha256).hexdigest()
        answer = await api.ask(
            POLL,
            timestamp=START,
            signature=signature,
            returnRateLimits=True,
            apiKey="demo-key",
        )
        assert answer["status"] == 200


async def test_too_much_weight_is_429_and_then_a_ban(autojump_clock: MockClock) -> None:
    async with open_exchange(story(top="weight_limit = 10")) as exchange:
        api = await Visitor.visit(exchange, API)
        for _ in range(5):
            assert (await api.ask("ping"))["status"] == 200
        answers = [await api.ask("ping") for _ in range(21)]
        assert answers[0] == {
            "id": 6,
            "status": 429,
            "error": {
                "code": -1003,
                "msg": "Too many requests; current limit is 10 requests per minute. "
                "Please use the websocket for live updates to avoid polling the API.",
            },
            "rateLimits": limits(11, 10),
        }
        until = START + 120_000
        assert answers[20]["status"] == 418
        assert answers[20]["error"] == {
            "code": -1003,
            "msg": f"Way too many requests; IP banned until {until}. "
            "Please use the websocket for live updates to avoid bans.",
            "data": {"serverTime": START, "retryAfter": until},
        }
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, API)
        assert caught.value.status == 418
        status, headers, body = await fetch(exchange, "GET", "/fapi/v1/time")
        assert (status, headers["retry-after"], body["code"]) == (418, "120", -1003)
        await trio.sleep(120)
        assert (await api.ask("ping"))["status"] == 200


async def test_a_revoked_key(autojump_clock: MockClock) -> None:
    """The session's next request is answered with `id: null`; later ones as any wrong key."""
    scenario = story('[[do]]\nat = "1s"\nwhat = "revoke_key"\n')
    params = signed(scenario.account[0], START)
    async with open_exchange(scenario) as exchange:
        api = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        assert (await api.ask(POLL, **params))["status"] == 200
        await trio.sleep(1.5)
        assert [await api.ask(POLL, **params), await api.ask(POLL, **params)] == [
            {"id": None, "status": 401, "error": NOT_THIS_KEY},
            {"id": 3, "status": 401, "error": NOT_THIS_KEY},
        ]
        fresh = await Visitor.visit(exchange, f"{API}?returnRateLimits=false")
        assert await fresh.ask(POLL, **params) == {
            "id": 1,
            "status": 401,
            "error": NOT_THIS_KEY,
        }


# Listen keys


async def test_the_life_of_a_listen_key(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:

        async def renewed(verb: str) -> Any:
            return (await fetch(exchange, verb, "/fapi/v1/listenKey", "demo-key"))[2]

        key = (await renewed("POST"))["listenKey"]
        assert len(key) == 64
        assert key.isalnum()
        user = await Visitor.visit(exchange, f"/private/ws?listenKey={key}")
        assert await user.receive_all(3500) == []
        assert await renewed("POST") == {"listenKey": key}  # the same, and sixty minutes more
        assert await user.receive_all(3500) == []
        assert await renewed("PUT") == {"listenKey": key}
        assert await user.receive_all(3599.9) == []
        assert await user.receive_json() == {
            "e": "listenKeyExpired",
            "E": START + 10_600_000,
            "listenKey": key,
        }
        assert await renewed("PUT") == {"code": -1125, "msg": "This listenKey does not exist."}
        assert (await renewed("POST"))["listenKey"] != key
        assert await user.receive_all(300) == []  # open, pinged, silent
        assert len(user.pings) > 50


async def test_stop_ends_the_key_for_everybody(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        api = await Visitor.visit(exchange, API)
        key = (await api.ask("userDataStream.start", apiKey="demo-key"))["result"]["listenKey"]
        sockets = [await Visitor.visit(exchange, f"/private/ws?listenKey={key}") for _ in range(2)]
        assert (await api.ask("userDataStream.stop", apiKey="demo-key"))["result"] == {}
        for socket in sockets:
            assert (await socket.receive_json())["e"] == "listenKeyExpired"


# REST


async def test_rest(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        assert await fetch(exchange, "GET", "/fapi/v1/time") == (
            200,
            {
                "content-type": "application/json",
                "content-length": "28",
                "x-mbx-used-weight-1m": "1",
            },
            {"serverTime": START},
        )
        _, _, one = await fetch(exchange, "GET", "/fapi/v1/premiumIndex?symbol=BTCUSDT")
        assert one == {
            "symbol": "BTCUSDT",
            "markPrice": "60000.00000000",
            "indexPrice": "60000.00000000",
            "estimatedSettlePrice": "60000.00000000",
            "lastFundingRate": "0.00010000",
            "interestRate": "0.00010000",
            "nextFundingTime": START + 8 * 3_600_000,
            "time": START,
        }
        _, _, every = await fetch(exchange, "GET", "/fapi/v1/premiumIndex")
        assert [row["symbol"] for row in every] == ["BTCUSDC", "BTCUSDT", "ETHUSDT", "SOLUSDT"]
        status, _, body = await fetch(exchange, "GET", "/fapi/v1/premiumIndex?symbol=NO")
        assert (status, body) == (400, {"code": -1121, "msg": "Invalid symbol."})
        status, _, body = await fetch(exchange, "GET", "/fapi/v1/order")
        assert (status, body["code"]) == (404, -1099)


async def test_listen_keys_over_rest(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        target = "/fapi/v1/listenKey"
        status, _, made = await fetch(exchange, "POST", target, "demo-key")
        assert status == 200
        assert await fetch(exchange, "PUT", target, "demo-key") == (
            200,
            {
                "content-type": "application/json",
                "content-length": "80",
                "x-mbx-used-weight-1m": "2",
            },
            made,
        )
        assert (await fetch(exchange, "DELETE", target, "demo-key"))[2] == {}
        assert (await fetch(exchange, "PUT", target, "demo-key"))[2]["code"] == -1125
        assert (await fetch(exchange, "PUT", target, "wrong"))[::2] == (401, NOT_THIS_KEY)
        assert (await fetch(exchange, "PUT", target))[2]["code"] == -1102


async def test_an_address_that_is_not_there(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, "/nowhere")
        assert caught.value.status == 404


async def test_what_is_not_http_is_hung_up_on(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        stream = await exchange.dial("ws://sim/market/ws")
        await stream.send_all(b"\x16\x03\x01 hello\r\n\r\n")
        assert await stream.receive_some(100) == b""


async def test_nobody_is_home_when_the_story_is_over(autojump_clock: MockClock) -> None:
    async with open_exchange(story()) as exchange:
        pass
    with pytest.raises(ConnectionRefusedError):
        await Visitor.visit(exchange, API)
