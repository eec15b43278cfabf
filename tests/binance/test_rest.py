"""One GET, one answer, in virtual time."""

import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.budget import Budget, Rank
from monitor.binance.ends import Cause, LinkLost
from monitor.binance.rest import HttpRefused, Rest
from monitor.binance.signing import Signer
from monitor.core.events import Now
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected
from monitor.fetch import LARGEST
from tests.binance.harness import KEY, SECRET, START, now
from tests.binance.webhosts import WebHost, reply

PAGE = reply("<html>Sign in</html>", kind="text/html")
CLOCK = reply(
    {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400
)
SIGNATURE = reply({"code": -1022, "msg": "Signature for this request is not valid."}, 400)


class NotedBudget(Budget):
    """A budget that keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__(now=now)
        self.taken: list[tuple[int, Rank]] = []
        self.refusals: list[tuple[int, int | None, int, str]] = []

    async def take(
        self, weight: int, *, rank: Rank = Rank.POLL, needed_at: int | None = None
    ) -> None:
        self.taken.append((weight, rank))
        await super().take(weight, rank=rank, needed_at=needed_at)

    def refused(
        self, status: int, *, retry_at: int | None, offset: int, message: str = ""
    ) -> float:
        self.refusals.append((status, retry_at, offset, message))
        return super().refused(status, retry_at=retry_at, offset=offset, message=message)


@asynccontextmanager
async def host(*script: bytes | float) -> AsyncGenerator[tuple[WebHost, Rest, NotedBudget]]:
    async with trio.open_nursery() as nursery:
        web, budget = WebHost(nursery, *script), NotedBudget()
        rest = Rest(
            "http://rest.test",
            name="main REST",
            signer=Signer(KEY, SECRET),
            dial=web.dial,
            now=now,
            budget=budget,
            offset=lambda: 250,
        )
        yield web, rest, budget
        nursery.cancel_scope.cancel()


async def ended(rest: Rest, *, signed: bool = False) -> Exception:
    """Ask, and give the exception in which it ends."""
    with pytest.raises((ConnectionLost, ExchangeRefused, FrameGarbled)) as caught:
        await rest.get("/fapi/v1/x", {"symbol": "BTCUSDT"}, signed=signed)
    assert KEY not in str(caught.value)
    assert "signature" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("key", ["…", "clé", "two\nlines", " spaced "])
async def test_a_key_that_no_header_can_hold_is_rejected_unasked(
    key: str, autojump_clock: MockClock
) -> None:
    async with host(reply({})) as (web, _, _):
        rest = Rest(
            "http://rest.test",
            name="main REST",
            signer=Signer(key, SECRET),
            dial=web.dial,
            now=now,
            budget=None,
        )
        with pytest.raises(KeyRejected) as caught:
            await rest.get("/fapi/v1/x", signed=True)
    assert caught.value.code == -2014
    assert key not in str(caught.value)


async def test_a_public_request_names_no_key_and_keeps_numbers_exact(
    autojump_clock: MockClock,
) -> None:
    body = '{"rate": 0.0065, "cum": 50, "text": "1.10", "small": 1e-8}'
    headers = ["X-MBX-USED-WEIGHT-1M: 57"]
    async with host(reply(body, headers=headers)) as (web, rest, budget):
        answer = await rest.get("/fapi/v1/x", {"b": 2, "a": "币"}, weight=20, rank=Rank.EXTRA)
    assert answer == {"rate": "0.0065", "cum": 50, "text": "1.10", "small": "1e-8"}
    assert web.dialled == ["http://rest.test"]
    assert web.asked[0].head == (
        "GET /fapi/v1/x?b=2&a=%E5%B8%81 HTTP/1.1\r\n"
        "Host: rest.test\r\nAccept: application/json\r\nUser-Agent: marginwatch\r\n"
        "Connection: close\r\n\r\n"
    )
    assert budget.taken == [(20, Rank.EXTRA)]
    assert budget.used_weight == 57


async def test_a_signed_request_has_the_signature_last_and_the_exchanges_time(
    autojump_clock: MockClock,
) -> None:
    async with host(reply([])) as (web, rest, _):
        await trio.sleep(3)
        assert await rest.get("/fapi/v1/x", {"symbol": "BTCUSDT"}, signed=True) == []
    payload = f"symbol=BTCUSDT&recvWindow=5000&timestamp={START + 3250}"
    signature = Signer(KEY, SECRET).sign(payload)
    assert web.asked[0].target == f"/fapi/v1/x?{payload}&signature={signature}"
    assert web.asked[0].header("x-mbx-apikey") == KEY


async def test_a_base_with_a_path_and_a_port_keeps_them(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        web = WebHost(nursery, reply({}))
        base = "http://rest.test:8080/api"
        rest = Rest(base, name="x", signer=None, dial=web.dial, now=now, budget=None)
        await rest.get("/fapi/v1/x")
        nursery.cancel_scope.cancel()
    assert web.asked[0].target == "/api/fapi/v1/x"
    assert web.asked[0].header("host") == "rest.test:8080"


@pytest.mark.parametrize("first", [CLOCK, SIGNATURE], ids=["clock", "signature"])
async def test_a_clock_that_ran_away_is_measured_anew_and_asked_once_more(
    first: bytes, autojump_clock: MockClock
) -> None:
    ahead = reply({"serverTime": START + 60_000})
    async with host(first, ahead, reply({"fine": True})) as (web, rest, budget):
        assert await rest.get("/fapi/v1/x", signed=True, rank=Rank.EXTRA) == {"fine": True}
    stamps = [dict(parse_qsl(urlsplit(one.target).query)).get("timestamp") for one in web.asked]
    assert stamps == [str(START + 250), None, str(START + 60_000)]
    assert [one.target.partition("?")[0] for one in web.asked] == [
        "/fapi/v1/x",
        "/fapi/v1/time",
        "/fapi/v1/x",
    ]
    assert budget.taken == [(1, Rank.EXTRA)] * 3


async def test_a_second_refusal_of_the_clock_is_the_answer(autojump_clock: MockClock) -> None:
    time = reply({"serverTime": START})
    async with host(CLOCK, time, CLOCK) as (web, rest, _):
        fault = await ended(rest, signed=True)
    assert type(fault) is ExchangeRefused
    assert str(fault) == (
        "GET /fapi/v1/x: the exchange refused with -1021 (status 400): "
        "Timestamp for this request is outside of the recvWindow."
    )
    assert len(web.asked) == 3


async def test_a_signature_that_is_refused_twice_rejects_the_key(
    autojump_clock: MockClock,
) -> None:
    async with host(SIGNATURE, reply({"serverTime": START}), SIGNATURE) as (_, rest, _):
        fault = await ended(rest, signed=True)
    assert type(fault) is KeyRejected
    assert fault.code == -1022


REFUSALS = [
    pytest.param(
        reply({"code": -2015, "msg": f"Invalid API-key {KEY}, IP, or permissions."}, 401),
        KeyRejected,
        "GET /fapi/v1/x: the exchange refused with -2015 (status 401): "
        "Invalid API-key …, IP, or permissions.",
        id="key",
    ),
    pytest.param(
        reply({"code": -1121, "msg": "Invalid symbol."}, 400),
        ExchangeRefused,
        "GET /fapi/v1/x: the exchange refused with -1121 (status 400): Invalid symbol.",
        id="symbol",
    ),
    pytest.param(
        reply({"code": -1008, "msg": "Overload"}, 503),
        ExchangeRefused,
        "GET /fapi/v1/x: the exchange refused with -1008 (status 503): Overload",
        id="overload",
    ),
    pytest.param(
        reply("<html>Forbidden</html>", 403, kind="text/html"),
        HttpRefused,
        "main REST (rest.test): GET /fapi/v1/x was refused with HTTP 403",
        id="WAF",
    ),
    pytest.param(
        reply("", 302, headers=["Location: http://portal.test/?token=1"]),
        HttpRefused,
        "main REST (rest.test): GET /fapi/v1/x was refused with HTTP 302",
        id="redirect",
    ),
    pytest.param(
        reply({"code": "x", "msg": []}, 500),
        HttpRefused,
        "main REST (rest.test): GET /fapi/v1/x was refused with HTTP 500",
        id="error in no known shape",
    ),
    pytest.param(PAGE, FrameGarbled, "GET /fapi/v1/x: is not JSON", id="page"),
    pytest.param(reply("[NaN]"), FrameGarbled, "GET /fapi/v1/x: is not JSON", id="NaN"),
    pytest.param(reply("[" * 100_000), FrameGarbled, "GET /fapi/v1/x: is not JSON", id="deep"),
    pytest.param(
        reply(" " * (LARGEST + 1)),
        FrameGarbled,
        "GET /fapi/v1/x: an answer over 8 MiB",
        id="too large",
    ),
    pytest.param(
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        LinkLost,
        "main REST (rest.test): its answer is not HTTP",
        id="not HTTP",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        LinkLost,
        "main REST (rest.test): no answer to GET /fapi/v1/x for 10 s",
        id="an answer without an end",
    ),
    pytest.param(
        60.0,
        LinkLost,
        "main REST (rest.test): no answer to GET /fapi/v1/x for 10 s",
        id="silence",
    ),
    pytest.param(1.0, LinkLost, "main REST (rest.test): its answer is not HTTP", id="hung up"),
]


@pytest.mark.parametrize(("answer", "kind", "text"), REFUSALS)
async def test_what_a_bad_answer_becomes(
    answer: bytes | float, kind: type[Exception], text: str, autojump_clock: MockClock
) -> None:
    async with host(answer) as (web, rest, _):
        fault = await ended(rest, signed=True)
        await trio.testing.wait_all_tasks_blocked()
    assert (type(fault), str(fault)) == (kind, text)
    assert len(web.asked) == 1
    assert trio.current_time() <= 10.001


TOO_MUCH = "Way too many requests; IP(1.2.3.4) banned until {}. Please use the websocket."


@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        pytest.param(
            reply({"code": -1003, "msg": TOO_MUCH.format(START + 90_000)}, 418),
            (418, START + 90_000, 250, TOO_MUCH.format(START + 90_000)),
            id="banned until",
        ),
        pytest.param(
            reply({"code": -1003, "msg": "Banned.", "data": {"retryAfter": START + 70_000}}, 418),
            (418, START + 70_000, 250, "Banned."),
            id="retryAfter",
        ),
        pytest.param(
            reply("slow down", 429, headers=["Retry-After: 7"]),
            (429, START + 7_250, 250, ""),
            id="Retry-After",
        ),
        pytest.param(
            reply({"code": -1003, "msg": "Too many requests; current limit is 2400."}, 429),
            (429, None, 250, "Too many requests; current limit is 2400."),
            id="nothing told",
        ),
    ],
)
async def test_limits_close_the_budgets_gate(
    answer: bytes, noted: tuple[int, int | None, int, str], autojump_clock: MockClock
) -> None:
    async with host(answer) as (_, rest, budget):
        fault = await ended(rest)
    assert isinstance(fault, ExchangeRefused)
    assert budget.refusals == [noted]
    assert budget.closed_for > 0


async def test_a_cancelled_request_leaves_nothing_behind_and_the_next_one_works(
    autojump_clock: MockClock,
) -> None:
    async with host(60.0, reply({"fine": True})) as (web, rest, _):
        with trio.move_on_after(0.5) as patience:
            await rest.get("/fapi/v1/x")
        assert patience.cancelled_caught
        await trio.sleep(60)
        assert web.open == 0
        assert await rest.get("/fapi/v1/x") == {"fine": True}


async def test_time_in_the_queue_for_weight_does_not_count_against_the_deadline(
    autojump_clock: MockClock,
) -> None:
    async with host(reply({"fine": True})) as (web, rest, budget):
        budget.refused(418, retry_at=START + 45_000, offset=0)
        assert await rest.get("/fapi/v1/x") == {"fine": True}
    assert [one.at for one in web.asked] == [45.0]


async def test_a_scale_stretches_the_deadline(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        web = WebHost(nursery, 600.0)
        rest = Rest(
            "http://rest.test",
            name="x",
            signer=None,
            dial=web.dial,
            now=now,
            budget=None,
            scale=4,
        )
        with pytest.raises(LinkLost) as caught:
            await rest.get("/fapi/v1/x")
        nursery.cancel_scope.cancel()
    assert str(caught.value) == "x (rest.test): no answer to GET /fapi/v1/x for 40 s"
    assert trio.current_time() == pytest.approx(40)


DIALS = [
    pytest.param(
        socket.gaierror(-2, "Name or service not known"),
        Cause.NAME,
        "its name has no address: Name or service not known",
        id="name",
    ),
    pytest.param(
        ConnectionRefusedError(111, "Connection refused"),
        Cause.REFUSED,
        "Connection refused",
        id="refused",
    ),
    pytest.param(
        ssl.SSLCertVerificationError(1, "self-signed certificate"),
        Cause.CERTIFICATE,
        "its certificate is not trusted: self-signed certificate",
        id="certificate",
    ),
    pytest.param(trio.BrokenResourceError("gone"), Cause.BROKEN, "gone", id="broken"),
]


@pytest.mark.parametrize(("fault", "cause", "text"), DIALS)
async def test_a_connection_that_cannot_be_made_is_lost_with_its_cause(
    fault: Exception, cause: Cause, text: str, autojump_clock: MockClock
) -> None:
    if isinstance(fault, ssl.SSLCertVerificationError):
        fault.verify_message = str(fault.strerror)  # as OpenSSL sets it

    async def dial(_: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise fault

    rest = Rest("https://rest.test", name="x", signer=None, dial=dial, now=now, budget=None)
    with pytest.raises(LinkLost) as caught:
        await rest.get("/fapi/v1/x")
    assert (caught.value.cause, str(caught.value)) == (cause, f"x (rest.test): {text}")


def test_its_repr_shows_the_host_alone() -> None:
    def clock() -> Now:
        return Now(0, 0)

    async def dial(url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise OSError(url)

    signer = Signer(KEY, SECRET)
    rest = Rest("https://h.test/p", name="main", signer=signer, dial=dial, now=clock, budget=None)
    assert repr(rest) == "Rest('main (h.test)')"
