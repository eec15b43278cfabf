"""The heartbeat stops when something ails the watch, and goes on when that is over."""

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.app import Service
from monitor.core.outcome import Outcome
from monitor.notify import Sent
from tests.binance.webhosts import WebHost, reply
from tests.house.town import Town
from tests.receiver import inline

CALM = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'
BEATING = '[heartbeat]\nurl = "https://beats.test/s3cret-beat?id=1"\nevery = "10s"\n'
CHANNELS = (
    '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9"\ngroup_wait = "0s"\n'
    '[[channel]]\nname = "desk"\nurl = "json://127.0.0.1:8"\nrules = ["blind"]\n'
)
"""Of these, only the first takes criticals."""


@asynccontextmanager
async def beating(town: Town) -> AsyncIterator[tuple[WebHost, Service]]:
    """Live beside a server that hears beats."""
    town.channels += BEATING
    async with trio.open_nursery() as nursery:
        web = WebHost(nursery, reply("OK"))

        async def dial(url: str) -> trio.abc.Stream:
            return await (web.dial(url) if "beats.test" in url else town.exchange.dial(url))

        town.dial = dial
        async with town.exists(), town.life() as service:
            yield web, service
        nursery.cancel_scope.cancel("the story is over")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the heartbeat."""
    return [text for text in caplog.messages if "heartbeat" in text]


def beats(web: WebHost, begin: float, end: float) -> int:
    return len([one for one in web.asked if begin <= one.at < end])


def goes_on(web: WebHost, begin: float, end: float) -> bool:
    """Tell whether beats come as often as they should, a lost moment allowed for."""
    return abs(beats(web, begin, end) - (end - begin) / 10) <= 1


GOES_ON = "the heartbeat goes on: all is well again"


async def test_it_beats_while_all_is_well_and_with_it_ends(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM)
    async with beating(town) as (web, _):
        await town.until(305)
    await trio.sleep(100)
    times = [one.at for one in web.asked]
    assert times[0] < 5
    assert all(9 < late - early < 11 for early, late in itertools.pairwise(times))
    assert 30 <= len(times) <= 31
    assert {one.head for one in web.asked} == {
        (
            "GET /s3cret-beat?id=1 HTTP/1.1\r\nHost: beats.test\r\nUser-Agent: marginwatch\r\n"
            "Connection: close\r\n\r\n"
        )
    }
    assert said(caplog) == []


async def test_it_stops_while_an_account_is_blind(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault = '[[fault]]\nat = "60s"\nwhat = "error"\nfor = "120s"\n'
    town = Town(tmp_path, CALM + fault)
    async with beating(town) as (web, _):
        await town.until(300)
    assert goes_on(web, 0, 80)
    assert beats(web, 95, 180) == 0
    assert goes_on(web, 215, 300)
    assert said(caplog) == ["the heartbeat is held back: no fresh numbers of main", GOES_ON]


async def test_it_stops_while_the_engine_is_stuck(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM)
    async with beating(town) as (web, service):
        await town.until(60)
        follow, release = service._follow, trio.Event()

        async def stuck(outcome: Outcome) -> None:
            await release.wait()
            await follow(outcome)

        service._follow = stuck  # type: ignore[method-assign]  # the fault of this story
        await town.until(120)
        release.set()
        await town.until(200)
    assert goes_on(web, 0, 60)
    assert beats(web, 75, 120) == 0
    assert goes_on(web, 135, 200)
    (held, on) = said(caplog)
    assert held.startswith("the heartbeat is held back: the engine has not moved for 1")
    assert on == GOES_ON


async def test_it_stops_while_the_store_cannot_be_written(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = False

    async def disk(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if full and call.__name__ == "_transact":
            await trio.lowlevel.checkpoint()
            raise sqlite3.OperationalError("database or disk is full")
        return await inline(call, *args, **options)

    town = Town(tmp_path, CALM, in_thread=disk)
    async with beating(town) as (web, _):
        await town.until(60)
        full = True
        await town.until(240)
        full = False
        await town.until(300)
    assert goes_on(web, 0, 60)
    assert beats(web, 130, 240) == 0  # that we were alive is written once a minute
    assert goes_on(web, 250, 300)
    assert said(caplog) == ["the heartbeat is held back: the store cannot be written", GOES_ON]


async def test_it_stops_while_the_only_channel_for_criticals_fails(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answers(seconds: float, channel: str, _message: object) -> Sent:
        fails = channel == "phone" and seconds < 700
        return Sent("refused", "503") if fails else Sent("sent")

    near = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"], ["20s", "58000"]]\n'
    town = Town(tmp_path, near, channels=CHANNELS, answers=answers)
    async with beating(town) as (web, _):
        await town.until(1200)
    assert goes_on(web, 0, 300)
    assert beats(web, 400, 700) == 0
    assert goes_on(web, 1010, 1200)
    assert said(caplog) == [
        (
            "the heartbeat is held back: nothing gets through to phone, and no other channel takes "
            "criticals"
        ),
        GOES_ON,
    ]


async def test_a_channel_that_fails_beside_another_stops_nothing(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answers(_seconds: float, channel: str, _message: object) -> Sent:
        return Sent("refused", "503") if channel == "phone" else Sent("sent")

    near = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"], ["20s", "58000"]]\n'
    channels = CHANNELS.replace('["blind"]', '["distance"]')
    town = Town(tmp_path, near, channels=channels, answers=answers)
    async with beating(town) as (web, service):
        await town.until(600)
        assert service.outbox.failing == {"phone"}
    assert goes_on(web, 0, 600)
    assert said(caplog) == []
