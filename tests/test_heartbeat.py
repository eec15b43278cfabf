"""What a beat is on real sockets, and what counts as heard; each reason why none is made."""

import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import time
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from pydantic import SecretStr
from trio.testing import MockClock

from monitor.app.heartbeat import Heart
from monitor.app.vitals import Signs, ailments, patience, until_well
from monitor.binance.link import make_dial
from monitor.cli.serving import with_console
from monitor.config import Heartbeat, load_config
from monitor.core.portfolio import Account
from monitor.core.routing import Channel, critical_channels
from monitor.core.rules import Globs, Severity
from monitor.rulefile import parse_rules

LOG = logging.getLogger("marginwatch")
SECRET = "s3cret-beat-4711"
FAST = 0.03
"""Of the ten seconds of a beat: 0.3 s."""


def answer(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Length: 0", *headers, "", ""]
    return "\r\n".join(lines).encode()


OK = answer(200)


class Hearer:
    """A real server on loopback; each answer to come is for one connection, then all is 200.

    An answer of None hangs, an empty one hangs up.
    """

    def __init__(
        self, script: Sequence[bytes | None] = (), tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = list(script)
        self.tls = tls
        self.heads: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve; gives its address."""
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1")
            (listener,) = await nursery.start(serve)
            port = listener.socket.getsockname()[1]
            yield f"http{'s' if self.tls else ''}://127.0.0.1:{port}"
            nursery.cancel_scope.cancel("the test is over")

    async def _serve(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # by who does not trust us, or has given up
            await self._answer(
                stream if self.tls is None else trio.SSLStream(stream, self.tls, server_side=True)
            )

    async def _answer(self, stream: trio.abc.Stream) -> None:
        head = await stream.receive_some()
        self.heads.append(bytes(head).decode())
        said = self.script.pop(0) if self.script else OK
        if said is None:
            await stream.receive_some()
        elif said:
            await stream.send_all(said)


@asynccontextmanager
async def heart(
    url: str, every: float = 0.02, *, ask: Sequence[str] = (), scale: float = FAST
) -> AsyncIterator[Heart]:
    """Beat to a path of an address that is a secret."""
    config = Heartbeat.model_construct(url=SecretStr(f"{url}/{SECRET}"), every=round(every * 1000))
    it = Heart(config, ask=lambda: ask, dial=make_dial(), log=LOG, scale=scale)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.run)  # noqa: ASYNC113 - it may begin whenever it likes
            yield it
            nursery.cancel_scope.cancel("the test is over")


async def until(hearer: Hearer, count: int) -> None:
    while len(hearer.heads) < count:  # noqa: ASYNC110 - another task's list has no event
        await trio.sleep(0.005)


async def something(caplog: pytest.LogCaptureFixture) -> None:
    while not said(caplog):  # noqa: ASYNC110 - likewise
        await trio.sleep(0.005)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert SECRET not in caplog.text
    return [record.getMessage() for record in caplog.records if record.name == LOG.name]


FAILURES = [
    (answer(302, "Location: /elsewhere"), "answered with HTTP 302"),
    (answer(301, "Location: https://127.0.0.1:1/"), "answered with HTTP 301"),
    (answer(404), "answered with HTTP 404"),
    (answer(500), "answered with HTTP 500"),
    (answer(304), "answered with HTTP 304"),
    (b"", "its answer is not HTTP"),
    (b"220 mail.example ESMTP\r\n", "its answer is not HTTP"),
    (None, "no answer for 0.3 s"),
    (b"HTTP/1.1 200 OK\r\nX-Slow: ", "its answer is not HTTP"),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + bytes(1 << 21),
        "its answer goes on and on",
    ),
]


@pytest.mark.parametrize(("failure", "why"), FAILURES, ids=[why for _, why in FAILURES])
async def test_what_is_not_heard_is_said_once_and_so_is_its_end(
    failure: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hearer = Hearer([OK, failure, failure, OK])
    async with hearer.serving() as url, heart(url):
        await until(hearer, 6)
    assert {head.partition("\r\n")[0] for head in hearer.heads} == {f"GET /{SECRET} HTTP/1.1"}
    assert said(caplog) == [
        f"the heartbeat is not heard: {why}",
        "the heartbeat is heard again",
    ]


async def test_any_2xx_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hearer = Hearer([answer(201), answer(204), answer(299)])
    async with hearer.serving() as url, heart(url):
        await until(hearer, 4)
    assert said(caplog) == []


async def test_nobody_who_listens_is_a_failure_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with heart("http://127.0.0.1:1"):
        await something(caplog)
        await trio.sleep(0.1)
    (line,) = said(caplog)
    assert line.startswith("the heartbeat is not heard: ")
    assert line.endswith(": Connection refused")


async def test_a_server_is_believed_only_with_a_certificate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    hearer = Hearer(tls=context)

    def trusting() -> ssl.SSLContext:
        ours = ssl.create_default_context()
        authority.configure_trust(ours)
        return ours

    async with hearer.serving() as url:
        async with heart(url, scale=0.2):
            await something(caplog)
        assert hearer.heads == []
        async with heart(url, scale=0.2) as it:
            it._dial = make_dial(trusting)
            await until(hearer, 2)
    (line,) = said(caplog)
    assert line == (
        "the heartbeat is not heard: its certificate is not trusted: unable to get local issuer "
        "certificate"
    )


async def test_a_bug_in_it_is_said_and_it_beats_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hearer = Hearer()
    async with hearer.serving() as url, heart(url) as it:
        whole, failed = it._dial, 0

        async def broken(address: str) -> trio.abc.Stream:
            nonlocal failed
            failed += 1
            if failed <= 2:
                raise ZeroDivisionError(address)
            return await whole(address)

        await until(hearer, 1)
        it._dial = broken
        await until(hearer, 3)
    texts = [record.getMessage() for record in caplog.records if record.name == LOG.name]
    assert texts == [
        "the heartbeat is not heard: a bug, please report it",
        "the heartbeat is heard again",
    ]


async def test_another_address_is_asked_at_once_though_the_first_hangs() -> None:
    first, second = Hearer([None]), Hearer()
    async with first.serving() as url, second.serving() as other, heart(url, scale=1) as it:
        await until(first, 1)
        it.take(Heartbeat.model_construct(url=SecretStr(other), every=60_000))
        await until(second, 1)
        assert second.heads[0].startswith("GET / HTTP/1.1\r\n")
        it.take(None)
        await trio.sleep(0.1)
    assert (len(first.heads), len(second.heads)) == (1, 1)


async def test_without_a_configuration_it_waits_for_one() -> None:
    hearer = Hearer()
    async with hearer.serving() as url:
        it = Heart(None, ask=list, dial=make_dial(), log=LOG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.run)
            await trio.testing.wait_all_tasks_blocked()
            it.take(Heartbeat.model_construct(url=SecretStr(url), every=60_000))
            with trio.fail_after(5):
                await until(hearer, 1)
            nursery.cancel_scope.cancel("the test is over")


def test_a_dry_run_makes_no_beats(tmp_path: Path) -> None:
    """They would hide that the service beside it is gone."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[[account]]\nname = "main"\napi_key = "k"\napi_secret = "s"\n'
        '[heartbeat]\nurl = "https://beats.test/x"\n'
    )
    path.chmod(0o600)
    config = load_config(path, need_channels=False)
    assert config.heartbeat is not None
    assert with_console(config).heartbeat is None
    path.write_text(f'{path.read_text()}daily = "08:00"\n')
    daily = with_console(load_config(path, need_channels=False)).heartbeat
    assert daily is not None
    assert (daily.url, daily.daily) == (None, time(8)), "its own message is on its console"


# Why it is held back -------------------------------------------------------------------------


def signs(**more: object) -> Signs:
    """What can be seen of a watch that is well, but for what a test says."""
    accounts = [Account(name, "binance-usdm", 30_000, 0) for name in "abcde"]
    for account in accounts:
        account.stale_since = None
    usual: dict[str, object] = {
        "accounts": accounts,
        "idle": 59_999,
        "patience": 60_000,
        "store_failing": False,
        "critical_channels": {"phone", "desk"},
        "failing_channels": {"desk", "other"},
    }
    return Signs(**usual | more)  # type: ignore[arg-type]  # by name, a test says what differs


def blind(*names: str) -> list[Account]:
    accounts = [Account(name, "binance-usdm", 30_000, 0) for name in "abcde"]
    for account in accounts:
        account.stale_since = 7 if account.name in names else None
    return accounts


@pytest.mark.parametrize(
    ("differs", "told"),
    [
        ({}, []),
        ({"accounts": []}, []),
        ({"accounts": blind("b")}, ["no fresh numbers of b"]),
        ({"accounts": blind(*"abcde")}, ["no fresh numbers of a, b, c and 2 more"]),
        ({"idle": 60_000}, ["the engine has not moved for 60 s"]),
        ({"store_failing": True}, ["the store cannot be written"]),
        (
            {"failing_channels": {"desk", "phone"}},
            ["nothing gets through to desk, phone, and no other channel takes criticals"],
        ),
        ({"critical_channels": set()}, ["no channel takes criticals"]),
    ],
)
def test_each_reason_is_a_sentence(differs: dict[str, object], told: list[str]) -> None:
    found = signs(**differs)
    assert ailments(found) == told
    without = [each for each in told if "channel" not in each]
    assert ailments(found, channels=False) == without


def test_all_reasons_are_told() -> None:
    found = signs(accounts=blind("a", "e"), idle=90_400, store_failing=True, failing_channels={"x"})
    assert ailments(found) == [
        "no fresh numbers of a, e",
        "the engine has not moved for 90 s",
        "the store cannot be written",
    ]


def test_the_engine_may_rest_for_a_beat_and_never_for_less_than_it_takes_a_look() -> None:
    assert patience(None, 1) == 60_000
    assert patience(600_000, 1) == 600_000
    assert patience(1_000, 1) == 5_000
    assert patience(1_000, 30) == 150_000


RULES = parse_rules(
    '[[rule]]\nname = "near"\ncritical = "margin_room < 20%"\naccounts = ["main"]\n'
    '[[rule]]\nname = "far"\ninfo = "margin_room < 60%"\n'
    '[[rule]]\nname = "forced"\non = ["liquidation"]\nseverity = "critical"\n'
    'channels = ["desk"]\naccounts = ["*", "!main"]\n'
)


@pytest.mark.parametrize(
    ("channel", "takes"),
    [
        (Channel("phone"), True),
        (Channel("phone", Severity.CRITICAL), True),
        (Channel("phone", rules=Globs(["far"])), False),
        (Channel("phone", rules=Globs(["forced"])), False),
        (Channel("desk", rules=Globs(["forced"])), True),
        (Channel("phone", accounts=Globs(["hedge"])), False),
        (Channel("desk", accounts=Globs(["hedge"])), True),
        (Channel("desk", accounts=Globs(["nobody"])), False),
    ],
)
def test_a_channel_counts_if_something_critical_may_come_to_it(
    channel: Channel,
    takes: bool,  # noqa: FBT001 - a column of the table
) -> None:
    found = critical_channels([channel], RULES, ["main", "hedge"])
    assert found == ({channel.name} if takes else set())


def test_where_nothing_is_critical_every_channel_counts() -> None:
    far = [rule for rule in RULES if rule.name == "far"]
    channels = [Channel("phone"), Channel("desk", rules=Globs(["x"]))]
    assert critical_channels(channels, far, ["main"]) == {"phone", "desk"}
    assert critical_channels([], RULES, ["main"]) == frozenset()


@pytest.mark.parametrize(
    ("ails", "waits", "lines"),
    [
        (0.0, 0.0, []),
        (4.5, 5.0, []),
        (
            7.5,
            8.0,
            ["the beat is held back: a; b", "the beat goes on: all is well again"],
        ),
    ],
)
async def test_what_is_over_soon_is_not_worth_a_line(
    ails: float,
    waits: float,
    lines: list[str],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    begun = trio.current_time()
    ask = lambda: ["a", "b"] if trio.current_time() < begun + ails else []  # noqa: E731
    await until_well("the beat", ask, LOG, 1)
    assert trio.current_time() - begun == waits
    assert said(caplog) == lines
