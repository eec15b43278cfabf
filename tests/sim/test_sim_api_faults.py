"""Answers that are late, overtaken, unwelcome, or not the exchange's at all."""

import pytest
import trio
from trio.testing import MockClock

from monitor.sim.exchange import Exchange
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import TurnedAwayError, Visitor, fetch, open_exchange, signed

START = 1_767_225_600_000
API = "/ws-fapi/v1?returnRateLimits=false"
MARKS = "/market/ws/btcusdt@markPrice@1s"
STORY = """
length = "10m"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
[[do]]
at = "6s"
what = "deposit"
amount = "1"
"""


def story(fault: str, top: str = "") -> Scenario:
    return parse_scenario(f"{top}\n{STORY}\n[[fault]]\n{fault}", "test")


async def wallet(api: Visitor, exchange: Exchange) -> tuple[str, float]:
    """Poll; gives the wallet balance and the second in which it came."""
    params = signed(exchange.scenario.account[0], exchange.clock.now())
    answer = await api.ask("v2/account.balance", **params)
    return answer["result"][0]["balance"], trio.current_time()


@pytest.mark.parametrize(("old", "told"), [("true", "1000.00000000"), ("false", "1001.00000000")])
async def test_a_late_answer(autojump_clock: MockClock, old: str, told: str) -> None:
    """Asked before a deposit and answered after it, it may know of it or not."""
    fault = f'what = "late"\nat = "0s"\nfor = "20s"\nby = "4s"\nold = {old}'
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(4)
        assert await wallet(api, exchange) == (told, 8)
        _, _, body = await fetch(exchange, "GET", "/fapi/v1/time")
        asked, answered = START + 8000, START + 12_000
        assert body == {"serverTime": asked if old == "true" else answered}
        assert trio.current_time() == 12
        await trio.sleep(8)
        assert await wallet(api, exchange) == ("1001.00000000", 20)


async def test_one_method_is_late(autojump_clock: MockClock) -> None:
    """So that the two polls of a reader come from different moments, in the other order."""
    fault = (
        'what = "late"\nat = "0s"\nfor = "20s"\nby = "4s"\nold = false\n'
        'method = "v2/account.position"'
    )
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        params = signed(exchange.scenario.account[0], START)
        for number, method in enumerate(("v2/account.position", "v2/account.balance")):
            text = f'{{"id":{number},"method":"{method}","params":'
            await api.send(text + str(params).replace("'", '"') + "}")
        assert [(await api.receive_json())["id"], trio.current_time()] == [1, 0]
        assert [(await api.receive_json())["id"], trio.current_time()] == [0, 4]


async def test_answers_overtake_each_other(autojump_clock: MockClock) -> None:
    fault = 'what = "late"\nat = "0s"\nfor = "20s"\nby = "4s"\nshuffle = true'

    async def order() -> list[int]:
        async with open_exchange(story(fault)) as exchange:
            api = await Visitor.visit(exchange, API)
            for number in range(8):
                await api.send(f'{{"id":{number},"method":"time"}}')
            return [(await api.receive_json())["id"] for _ in range(8)]

    first, second = await order(), await order()
    assert first == second  # the seed says so
    assert sorted(first) == list(range(8)) != first


async def test_mute(autojump_clock: MockClock) -> None:
    """Open, pinged, answering pings, and nothing else."""
    fault = 'what = "mute"\nat = "2s"\nfor = "8m"'
    async with open_exchange(story(fault)) as exchange:
        api, marks = await Visitor.visit(exchange, API), await Visitor.visit(exchange, MARKS)
        assert len(await marks.receive_all(1.5)) == 1
        await api.send('{"id":1,"method":"time"}')
        assert (await api.receive_json())["status"] == 200
        assert len(await marks.receive_all(1)) == 1  # of the tick just before
        assert await marks.receive_all(400) == []
        assert len(marks.pings) == 2
        await api.send('{"id":2,"method":"time"}')
        assert await api.receive_all(10) == []
        await trio.sleep(100)
        assert len(await marks.receive_all(1.5)) > 0


@pytest.mark.parametrize("data", ["true", "false"])
async def test_too_many_requests(autojump_clock: MockClock, data: str) -> None:
    """429 for a while, to handshakes too, with or without the time to come back."""
    fault = f'what = "ban"\nstatus = 429\nat = "2s"\nfor = "10s"\ndata = {data}'
    async with open_exchange(story(fault)) as exchange:
        api = await Visitor.visit(exchange, API)
        await trio.sleep(3)
        message = (
            "Too many requests; current limit is 2400 requests per minute. "
            "Please use the websocket for live updates to avoid polling the API."
        )
        error = {"code": -1003, "msg": message}
        times = {"data": {"serverTime": START + 3000, "retryAfter": START + 60_000}}
        answer = await api.ask("time")
        assert (answer["status"], answer["error"]) == (
            429,
            error | times if data == "true" else error,
        )
        status, headers, body = await fetch(exchange, "GET", "/fapi/v1/time")
        assert (status, body) == (429, error)
        assert headers.get("retry-after") == ("57" if data == "true" else None)
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, API)
        assert caught.value.status == 429
        await trio.sleep(10)
        assert (await api.ask("time"))["status"] == 200


@pytest.mark.parametrize(
    ("told", "with_data"),
    [("bans", [False, True]), ("always", [True, True]), ("never", [False] * 2)],
)
async def test_which_refusals_say_when_to_come_back(
    autojump_clock: MockClock, told: str, with_data: list[bool]
) -> None:
    """Of the limit itself: 429 first, 418 after twenty more."""
    text = f'weight_limit = 10\n{STORY}[quirks]\nretry_after = "{told}"\n'
    async with open_exchange(parse_scenario(text, "test")) as exchange:
        api = await Visitor.visit(exchange, API)
        answers = [await api.ask("time") for _ in range(30)]
        first = next(a for a in answers if a["status"] == 429)
        last = answers[-1]
        assert last["status"] == 418
        assert ["data" in first["error"], "data" in last["error"]] == with_data


@pytest.mark.parametrize("status", [403, 404, 451, 503])
async def test_a_handshake_is_answered_by_a_status(autojump_clock: MockClock, status: int) -> None:
    fault = f'what = "refuse"\nat = "0s"\nfor = "10s"\nstatus = {status}'
    async with open_exchange(story(fault)) as exchange:
        await trio.sleep(1)
        for target in (API, MARKS, "/private/ws?listenKey=k"):
            with pytest.raises(TurnedAwayError) as caught:
                await Visitor.visit(exchange, target)
            assert caught.value.status == status


async def test_a_proxys_page(autojump_clock: MockClock) -> None:
    """HTML with status 200, to requests and handshakes alike."""
    fault = 'what = "refuse"\nat = "0s"\nfor = "10s"\npage = true'
    async with open_exchange(story(fault)) as exchange:
        await trio.sleep(1)
        with pytest.raises(TurnedAwayError) as caught:
            await Visitor.visit(exchange, API)
        assert caught.value.status == 200
        status, headers, body = await fetch(exchange, "GET", "/fapi/v1/time")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert body == (
            "<html><head><title>Blocked</title></head>"
            "<body>This page is not the exchange.</body></html>"
        )


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (503, -1000, "Unknown error, please check your request or try again later."),
        (503, -1000, "Service Unavailable."),
        (
            503,
            -1008,
            (
                "Request throttled by system-level protection. Reduce-only/close-position orders "
                "are exempt. Please try again."
            ),
        ),
        (408, -1007, "Timeout waiting for response from backend server."),
    ],
)
async def test_its_own_troubles(
    autojump_clock: MockClock, status: int, code: int, message: str
) -> None:
    """One poll of two fails, or one call of REST; the others are answered."""
    for method in ("v2/account.position", "GET /fapi/v1/premiumIndex"):
        fault = (
            f'what = "error"\nat = "0s"\nfor = "10s"\nstatus = {status}\ncode = {code}\n'
            f'message = "{message}"\nmethod = "{method}"'
        )
        async with open_exchange(story(fault)) as exchange:
            api = await Visitor.visit(exchange, API)
            await trio.sleep(1)
            params = signed(exchange.scenario.account[0], exchange.clock.now())
            assert (await api.ask("v2/account.status", **params))["status"] == 200
            answer = await api.ask("v2/account.position", **params)
            over_rest = await fetch(exchange, "GET", "/fapi/v1/premiumIndex")
            error = {"code": code, "msg": message}
            if method.startswith("GET"):
                assert (answer["status"], over_rest[0], over_rest[2]) == (200, status, error)
            else:
                assert (answer["status"], answer["error"], over_rest[0]) == (status, error, 200)
