"""Questions and answers: the correlation by table, the calls against a hand-made socket."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.budget import Budget, Rank
from monitor.binance.server_clock import Measure, ServerClock
from monitor.binance.signing import Signer
from monitor.binance.words import plain_words
from monitor.binance.ws_api import Answer, AnswerMissing, ApiSocket, Requests, SessionOver
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected
from monitor.quarantine import Quarantine
from tests.binance.harness import KEY, SECRET, START, now

LIMITS = [
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 2400,
        "count": 20,
    }
]


def ok(number: object, result: object) -> str:
    return json.dumps({"id": number, "status": 200, "result": result, "rateLimits": LIMITS})


def no(number: object, code: int, *, status: int = 400, message: str = "no", **data: int) -> str:
    error: dict[str, Any] = {"code": code, "msg": message}
    return json.dumps(
        {"id": number, "status": status, "error": error | ({"data": data} if data else {})}
    )


def said(answers: list[Answer | SessionOver]) -> list[tuple[object, ...]]:
    """Answers as plain tuples; exceptions have no equality of their own."""
    return [
        (one.id, one.method, one.result, type(one.error), str(one.error or ""))
        if isinstance(one, Answer)
        else (type(one.error), str(one.error))
        for one in answers
    ]


# ------------------------------------------------------------------ Requests


def test_a_question_is_written() -> None:
    assert Requests().request("time", {"b": 1, "a": "x"}) == (
        1,
        '{"id":1,"method":"time","params":{"b":1,"a":"x"}}',
    )


def asked(*methods: str) -> Requests:
    requests = Requests()
    for method in methods:
        requests.request(method, {})
    return requests


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ok(2, [7]), [(2, "b", [7], type(None), "")], id="out of order"),
        pytest.param(ok(1, None), [(1, "a", None, type(None), "")], id="a result that is null"),
        pytest.param(ok(9, 1), [], id="an id that nobody has"),
        pytest.param(ok("1", 1), [], id="an id of another kind"),
        pytest.param(
            no(1, -1102),
            [
                (
                    1,
                    "a",
                    None,
                    ExchangeRefused,
                    "a: the exchange refused with -1102 (status 400): no",
                )
            ],
            id="a refusal",
        ),
        pytest.param(
            no(1, -2014, status=401),
            [(1, "a", None, KeyRejected, "a: the exchange refused with -2014 (status 401): no")],
            id="a key of no shape",
        ),
        pytest.param(
            no(None, -2015, status=401),
            [(KeyRejected, "session: the exchange refused with -2015 (status 401): no")],
            id="the end of the session",
        ),
        pytest.param(
            '{"event": {"e": "serverShutdown", "E": 1770123456789}}',
            [],
            id="a shutdown, which ends nothing yet",
        ),
        pytest.param(
            '{"id": 1, "status": 200}',
            [(1, "a", None, FrameGarbled, "a: neither `result` nor `error` is there")],
            id="neither",
        ),
        pytest.param('{"id": null}', [], id="nothing at all"),
    ],
)
def test_a_frame_is_matched(text: str, expected: list[tuple[object, ...]]) -> None:
    assert said(asked("a", "b").receive(text)) == expected


@pytest.mark.parametrize("data", ["soon", [], {"retryAfter": "soon"}, {"retryAfter": -1}])
def test_odd_details_do_not_hide_a_ban(data: object) -> None:
    error = {"code": -1003, "msg": "IP banned until 1767225720000.", "data": data}
    text = json.dumps({"id": 1, "status": 418, "error": error})
    (answer,) = asked("a").receive(text)
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, ExchangeRefused)
    assert (answer.error.code, answer.error.retry_at) == (-1003, 1767225720000)


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"id": {}}', '{"id": 1, "error": 7}'])
def test_a_frame_that_is_no_answer_is_garbled(text: str) -> None:
    requests = asked("a")
    with pytest.raises(FrameGarbled, match=r"^API answer: "):
        requests.receive(text)
    assert requests.pending == 1


@pytest.mark.parametrize(
    ("text", "shuts_down"),
    [
        ('{"event": {"e": "serverShutdown", "E": 1770123456789}}', True),
        ('{"e": "serverShutdown", "E": 1770123456789}', True),
        ('{"stream": "x", "data": {"e": "serverShutdown", "E": 1770123456789}}', True),
        ('{"event": {"e": "somethingElse"}}', False),
        ('{"stream": "x", "data": {"e": "somethingElse"}}', False),
        ('{"event": "serverShutdown"}', False),
    ],
)
def test_server_shutdown_is_known_raw_and_wrapped_and_nothing_else_is_one(
    text: str, *, shuts_down: bool
) -> None:
    requests = asked("a")
    assert requests.receive(text) == []
    assert (requests.shuts_down, requests.pending) == (shuts_down, 1)


def test_an_answer_counts_once_and_a_forgotten_one_never() -> None:
    requests = asked("a", "b")
    assert len(requests.receive(ok(1, 0))) == 1
    assert requests.receive(ok(1, 0)) == []
    requests.forget(2)
    assert requests.receive(ok(2, 0)) == []


def test_the_weight_is_the_last_answers() -> None:
    requests = asked("a", "b")
    requests.receive(ok(1, 0))
    assert requests.weight == (20, 2400)
    requests.receive(no(2, -1000))
    assert requests.weight is None


def test_a_shutdown_is_remembered() -> None:
    requests = asked("a")
    assert not requests.shuts_down
    requests.receive('{"event": {"e": "serverShutdown", "E": 1770123456789}}')
    assert (requests.shuts_down, requests.pending) == (True, 1)


def test_a_lost_socket_ends_every_question() -> None:
    requests = asked("a", "b")
    requests.receive(ok(1, 0))
    assert said(list(requests.lost())) == [
        (2, "b", None, ConnectionLost, "b: the socket went away")
    ]
    assert requests.pending == 0


@pytest.mark.parametrize(
    ("text", "retry_at"),
    [
        (no(1, -1003, status=418, retryAfter=1659146400000), 1659146400000),
        (
            no(
                1,
                -1003,
                message="Way too many requests; IP(1.2.3.4) banned until 1615183669840. Please",
            ),
            1615183669840,
        ),
        (no(1, -1003, status=429), None),
    ],
)
def test_the_end_of_a_ban_is_found(text: str, retry_at: int | None) -> None:
    (answer,) = asked("a").receive(text)
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, ExchangeRefused)
    assert answer.error.retry_at == retry_at


# ------------------------------------------------------------------ ApiSocket


class Wire:
    """The socket's far end: what was asked, and what is answered."""

    name = "main API"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answer, self._answers = trio.open_memory_channel[str](100)
        self.skew = 0
        self.time_refused = ""
        """What `time` is refused with, if it is; `ID` stands for the question's id."""

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        question = json.loads(text)
        self.asked.append(question)
        if question["method"] == "time" and self.time_refused:
            self.say(self.time_refused.replace('"ID"', str(question["id"])))
        elif question["method"] == "time":
            self.say(ok(question["id"], {"serverTime": now().utc + self.skew}))

    async def receive(self) -> str:
        return await self._answers.receive()

    def say(self, text: str) -> None:
        self._answer.send_nowait(text)


async def _no_rest() -> int:
    await trio.lowlevel.checkpoint()
    raise ConnectionLost("main REST: refused")


@asynccontextmanager
async def api(
    quarantine: Quarantine | None = None, over_rest: Measure | None = None
) -> AsyncGenerator[tuple[ApiSocket, Wire]]:
    wire = Wire()
    socket = ApiSocket(
        wire,  # type: ignore[arg-type]  # as much of a Socket as is used
        signer=Signer(KEY, SECRET),
        now=now,
        budget=Budget(now=now),
        quarantine=quarantine or Quarantine(None, redact=str, now=now),
        clock=ServerClock(over_rest or _no_rest, name="main", log=logging.getLogger("test.api")),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(socket.run)  # noqa: ASYNC113 - it has nothing to report that it started
        yield socket, wire
        nursery.cancel_scope.cancel()


async def answered(wire: Wire, *texts: str) -> None:
    """Answer the questions in turn, once each was asked; `ID` stands for its id."""
    seen = 0
    for text in texts:
        while True:
            fresh = [one for one in wire.asked[seen:] if one["method"] != "time"]
            if fresh:
                break
            await trio.sleep(0.1)
        seen = wire.asked.index(fresh[0]) + 1
        wire.say(text.replace('"ID"', str(fresh[0]["id"])))


async def call(
    socket: ApiSocket, wire: Wire, *texts: str, signed: bool = True
) -> object | BaseException:
    """Call once, with these answers."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answered, wire, *texts)
        try:
            result = await socket.call("v2/account.status", signed=signed)
        except Exception as error:  # noqa: BLE001  the outcome is what is looked at
            result = error
        nursery.cancel_scope.cancel()
    return result


async def test_a_signed_call_goes_out_signed_by_the_exchanges_clock(
    autojump_clock: MockClock,
) -> None:
    async with api() as (socket, wire):
        wire.skew = 3000
        assert await socket.measure_clock() == 3000
        assert await call(socket, wire, ok("ID", {"a": 1})) == {"a": 1}
    signer = Signer(KEY, SECRET)
    assert wire.asked == [
        {"id": 1, "method": "time", "params": {}},
        {
            "id": 2,
            "method": "v2/account.status",
            "params": signer.signed({}, timestamp=START + 3000, recv_window=5000),
        },
    ]


async def test_answers_out_of_order_find_their_calls(autojump_clock: MockClock) -> None:
    results: dict[str, object] = {}

    async def ask(socket: ApiSocket, method: str) -> None:
        results[method] = await socket.call(method, signed=False)

    async with api() as (socket, wire), trio.open_nursery() as nursery:
        nursery.start_soon(ask, socket, "a")
        nursery.start_soon(ask, socket, "b")
        await trio.sleep(1)
        for one in reversed(wire.asked):
            wire.say(ok(one["id"], one["method"]))
    assert results == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    ("answers", "outcome", "questions"),
    [
        pytest.param(
            [no("ID", -1021), ok("ID", 7)], 7, ["v2", "time", "v2"], id="a clock that ran away"
        ),
        pytest.param(
            [no("ID", -1021)] * 2,
            (ExchangeRefused, -1021),
            ["v2", "time", "v2"],
            id="… and stays away",
        ),
        pytest.param(
            [no("ID", -1022), ok("ID", 7)], 7, ["v2", "time", "v2"], id="a signature refused once"
        ),
        pytest.param(
            [no("ID", -1022)] * 2, (KeyRejected, -1022), ["v2", "time", "v2"], id="… and twice"
        ),
        pytest.param(
            [no("ID", -2015, status=401)], (KeyRejected, -2015), ["v2"], id="a key refused"
        ),
        pytest.param(
            [no("ID", -1001, status=500)], (ExchangeRefused, -1001), ["v2"], id="an internal error"
        ),
        pytest.param(
            [no(None, -2015, status=401)], (KeyRejected, -2015), ["v2"], id="the end of the session"
        ),
    ],
)
async def test_refusals_end_as_they_should(
    answers: list[str], outcome: object, questions: list[str], autojump_clock: MockClock
) -> None:
    got: object = None
    asked: list[dict[str, Any]] = []
    try:
        async with api() as (socket, wire):
            asked = wire.asked
            got = await call(socket, wire, *answers)
    except* ConnectionLost:
        pass  # the end of the session ends the socket too
    if isinstance(got, ExchangeRefused):
        got = (type(got), got.code)
    assert got == outcome
    assert [one["method"].partition("/")[0] for one in asked] == questions


async def test_a_ban_lets_no_request_out(autojump_clock: MockClock) -> None:
    async with api() as (socket, wire):
        text = no("ID", -1003, status=418, retryAfter=START + 600_000)
        assert isinstance(await call(socket, wire, text), ExchangeRefused)
        again = await call(socket, wire)
        assert str(again) == (
            "v2/account.status: the exchange refused with 0 (status 0): "
            "not asked: limits forbid it for 600 s"
        )
        assert len(wire.asked) == 1
        await trio.sleep(600)
        assert await call(socket, wire, ok("ID", 1), ok("ID", 1)) == 1


async def test_every_request_is_paid_for_by_its_weight(autojump_clock: MockClock) -> None:
    async with api() as (socket, wire):
        await socket.measure_clock()
        await call(socket, wire, ok("ID", 1))
        assert socket._budget.state.used_by_us == 1 + 5
        await socket._budget.take(1194)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answered, wire, ok("ID", 1), ok("ID", 2))
            assert await socket.call("account.position", signed=True, paid=True) == 2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answered, wire, *(ok("ID", n) for n in (1, 2, 3)))
            assert await socket.call("account.position", signed=True, rank=Rank.POLL) == 3
        assert trio.current_time() >= 60
        # Signed when it goes out, not when it began to wait.
        assert wire.asked[-1]["params"]["timestamp"] == START + 60_000


async def test_waiting_for_weight_does_not_spoil_the_clock(autojump_clock: MockClock) -> None:
    async with api() as (socket, _wire):
        await socket._budget.take(1200)
        assert await socket.measure_clock() == 0
        assert trio.current_time() == 60


async def test_one_missing_answer_is_not_the_end(autojump_clock: MockClock) -> None:
    async with api() as (socket, wire):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chatter, wire)
            with pytest.raises(AnswerMissing) as caught:
                await socket.call("v2/account.status", signed=True)
        assert str(caught.value) == "main API: no answer to v2/account.status for 10 s"
        assert trio.current_time() == 10
        assert isinstance(await socket.measure_clock(), int)


async def chatter(wire: Wire) -> None:
    await trio.sleep(5)
    wire.say(ok(99, None))


async def test_a_deaf_socket_is_lost(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesGroup(ConnectionLost)) as caught:
        async with api() as (socket, _wire):
            with pytest.raises(AnswerMissing):
                await socket.call("v2/account.status", signed=True)
            await trio.sleep_forever()
    (inner,) = caught.value.exceptions
    assert str(inner.exceptions[0]) == "main API: no answer for 10 s"
    assert trio.current_time() == 10


async def test_a_frame_that_is_no_answer_is_kept_aside(autojump_clock: MockClock) -> None:
    quarantine = Quarantine(None, redact=str, now=now)
    async with api(quarantine) as (socket, wire):
        wire.say("{half")
        assert await call(socket, wire, ok("ID", 1)) == 1
    assert quarantine.counts == {"main API": 1}


async def test_the_key_is_taken_out_of_binances_words(autojump_clock: MockClock) -> None:
    async with api() as (socket, wire):
        error = await call(socket, wire, no("ID", -2014, message=f"bad key {KEY}"))
    assert isinstance(error, KeyRejected)
    assert error.message == "bad key …"
    assert KEY not in repr(error)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param(f"bad key {KEY}", "bad key …", id="our key"),
        pytest.param(
            "no: symbol=BTCUSDT&timestamp=1&signature=0123abcd&recvWindow=5000",
            "no: symbol=BTCUSDT&timestamp=1&signature=…&recvWindow=5000",
            id="a signature in a query",
        ),
        pytest.param(
            '{"apiKey":"abc","listenKey": "pqia91ma19a5s61c","x":1}',
            '{"apiKey":"…","listenKey": "…","x":1}',
            id="keys in JSON",
        ),
        pytest.param(f"stream {'aB3' * 20} expired", "stream … expired", id="a long word"),
        pytest.param("one\ntwo\x1b[31m", "one\\ntwo\\x1b[31m", id="control characters"),
        pytest.param("so " * 200, "so " * 99 + "so…", id="without end"),
        pytest.param(
            "Way too many requests; IP(1.2.3.4) banned until 1615183669840.",
            "Way too many requests; IP(1.2.3.4) banned until 1615183669840.",
            id="everything else",
        ),
    ],
)
def test_words_of_the_exchange_show_no_secret(said: str, kept: str) -> None:
    assert plain_words(said, KEY) == kept


async def test_an_error_that_quotes_the_query_shows_no_signature(
    autojump_clock: MockClock,
) -> None:
    async with api() as (socket, wire):
        error = await call(socket, wire, no("ID", -1102, message="got signature=0123abcd&a=1"))
    assert str(error) == (
        "v2/account.status: the exchange refused with -1102 (status 400): got signature=…&a=1"
    )


# ------------------------------------------------------------------ the clock, over REST


async def test_where_time_is_refused_the_clock_is_asked_for_over_rest_ever_after(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    offsets = iter([40_000, 40_001])

    async def over_rest() -> int:
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        return next(offsets)

    async with api(over_rest=over_rest) as (socket, wire):
        wire.time_refused = no("ID", -1100, message="Illegal method")
        assert [await socket.measure_clock(), await socket.measure_clock()] == [40_000, 40_001]
        assert socket.offset == 40_001
    assert [one["method"] for one in wire.asked] == ["time"]
    assert caplog.messages == [
        (
            "main: time: the exchange refused with -1100 (status 400): Illegal method; the "
            "exchange's clock is asked for over REST"
        )
    ]


@pytest.mark.parametrize(
    ("refused", "methods"),
    [
        pytest.param(no("ID", -1100), ["time", "time"], id="the method"),
        pytest.param(no("ID", -1008, status=503), ["time", "time"], id="a bad moment"),
    ],
)
async def test_a_clock_that_neither_tells_is_asked_for_again(
    refused: str, methods: list[str], autojump_clock: MockClock
) -> None:
    async with api() as (socket, wire):
        wire.time_refused = refused
        for _ in range(2):
            with pytest.raises(ExchangeRefused, match=r"^time: .*over REST: main REST: refused"):
                await socket.measure_clock()
    assert [one["method"] for one in wire.asked] == methods


async def test_a_refused_time_is_not_taken_for_a_refusal_of_what_was_asked(
    autojump_clock: MockClock,
) -> None:
    async with api() as (socket, wire):
        wire.time_refused = no("ID", -1100)
        assert await call(socket, wire, no("ID", -1021), ok("ID", 7)) == 7
    async with api() as (socket, wire):
        wire.time_refused = no("ID", -1100)
        error = await call(socket, wire, no("ID", -1021), no("ID", -1021))
    assert isinstance(error, ExchangeRefused)
    assert (error.method, error.code) == ("v2/account.status", -1021)
