"""Many accounts on one address: who is polled how often, and whose trouble is whose."""

import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.budget import Budget
from monitor.binance.signing import Signer
from monitor.binance.usdm import UsdmAccount
from monitor.core.events import Event, KeyWasRejected, PollAnswered, PollsPaced
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import START, fault, now, until

MINUTE = 60


def town(accounts: int, *, limit: int = 2400) -> str:
    """A scenario with so many accounts, each holding one position."""
    head = f'length = "30h"\nmark_interval = "1h"\nweight_limit = {limit}\n'
    tables = [
        f"""
[[account]]
name = "a{number}"
api_key = "key-that-nobody-may-see-{number}"
api_secret = "secret-that-nobody-may-see-{number}"
balances = {{ USDT = "1000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
"""
        for number in range(accounts)
    ]
    price = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'
    return head + "".join(tables) + price


@dataclass
class Crowd:
    """Watched accounts on one exchange, and what was told of each: (seconds, event)."""

    exchange: Exchange
    budget: Budget
    accounts: list[UsdmAccount]
    told: list[tuple[float, Event]] = field(default_factory=list)
    bans: list[tuple[float, int]] = field(default_factory=list)
    dialled: list[float] = field(default_factory=list)

    def polls(self, since: float = 0) -> dict[str, list[float]]:
        """When each account's complete polls were told."""
        found: dict[str, list[float]] = {account.name: [] for account in self.accounts}
        for at, event in self.told:
            if isinstance(event, PollAnswered) and event.complete and at >= since:
                found[event.account].append(at)
        return found

    def paces(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {account.name: [] for account in self.accounts}
        for _, event in self.told:
            if isinstance(event, PollsPaced):
                found[event.account].append(event.every)
        return found


@asynccontextmanager
async def watching(
    story: str, accounts: int, *, wrong: frozenset[int] = frozenset(), max_share: float = 0.5
) -> AsyncGenerator[Crowd]:
    """Run an exchange and watch its accounts; those `wrong` have a wrong secret."""
    exchange = Exchange(parse_scenario(story, "test"))
    told: list[tuple[float, Event]] = []
    bans: list[tuple[float, int]] = []
    dialled: list[float] = []
    budget = Budget(
        now=now,
        max_share=max_share,
        on_ban=lambda ends, _: bans.append((trio.current_time(), ends)),
        log=logging.getLogger("test.budget"),
    )

    async def dial(url: str) -> trio.abc.Stream:
        dialled.append(trio.current_time())
        return await exchange.dial(url)

    def account(number: int) -> UsdmAccount:
        secret = "wrong" if number in wrong else f"secret-that-nobody-may-see-{number}"
        return UsdmAccount(
            name=f"a{number}",
            signer=Signer(f"key-that-nobody-may-see-{number}", secret),
            ws_api="ws://sim/ws-fapi/v1",
            streams="ws://sim",
            rest="http://sim",
            poll_interval=10,
            dial=dial,
            emit=lambda event: told.append((trio.current_time(), event)),
            now=now,
            quarantine=Quarantine(None, redact=str, now=now),
            rng=random.Random(number),
            log=logging.getLogger("test.link"),
            budget=budget,
        )

    crowd = Crowd(exchange, budget, [account(n) for n in range(accounts)], told, bans, dialled)
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        for one in crowd.accounts:
            await nursery.start(one.run)
        yield crowd
        nursery.cancel_scope.cancel()


def widest(times: list[float]) -> float:
    return max(b - a for a, b in pairwise(times))


@pytest.fixture(autouse=True)
def _quiet_library(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of sockets' debug lines cost more than the sockets."""
    for name in ("trio-websocket", "httpcore2.http11", "httpcore2.connection", "httpx2"):
        caplog.set_level(logging.WARNING, logger=name)
    caplog.handler.setLevel(logging.DEBUG)


async def test_two_hundred_accounts_and_enough_weight(autojump_clock: MockClock) -> None:
    async with watching(town(200, limit=100_000), 200) as crowd:
        await until(61)
        assert crowd.budget.state.stretch == 1
    assert crowd.polls() == {f"a{n}": [0, 10, 20, 30, 40, 50, 60] for n in range(200)}
    assert crowd.paces() == {f"a{n}": [] for n in range(200)}


async def test_two_hundred_accounts_share_the_real_limit(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(town(200), 200) as crowd:
        await until(2 * MINUTE + 1)
        # Everybody has been seen once before most are asked for their settings.
        assert all(crowd.polls().values())
        await until(24 * MINUTE)
        state = crowd.budget.state
    assert (state.stretch, state.interval, state.limit, state.share) == (14.51, 145_098, 2400, 1200)
    assert crowd.paces() == {f"a{n}": [145_098] for n in range(200)}
    polls = crowd.polls()
    counts = [len([at for at in times if at >= 2 * MINUTE]) for times in polls.values()]
    assert max(counts) <= 1.5 * min(counts)
    # Fresh is what is younger than three intervals; and what was promised is kept but for waits
    # for the next minute.
    assert max(widest(times) for times in polls.values()) < 145.1 + MINUTE
    settings = {
        one.account for _, one in crowd.told if isinstance(one, PollAnswered) and one.settings
    }
    assert len(settings) == 200
    assert "slow down" not in caplog.text
    assert "banned" not in caplog.text
    paced = [line for line in caplog.messages if line.startswith("the weight budget")]
    assert paced[0] == (
        "the weight budget allows a poll every 145 s "
        "(accounts: 200; our share: 1200 of 2400 a minute; others use 0)"
    )
    assert len(paced) == 1


async def test_accounts_that_wait_say_what_for(autojump_clock: MockClock) -> None:
    async with watching(town(10, limit=100), 10) as crowd:
        await until(5)
        troubles = {account.name: account.trouble for account in crowd.accounts}
    assert troubles["a9"] == "it waits for the weight budget"


async def test_a_bad_key_is_its_accounts_own_trouble(autojump_clock: MockClock) -> None:
    async with watching(town(3), 3, wrong=frozenset({1})) as crowd:
        await until(239)
    regular = [10.0 * n for n in range(24)]
    assert crowd.polls() == {"a0": regular, "a1": [], "a2": regular}
    assert [(at, one) for at, one in crowd.told if isinstance(one, KeyWasRejected)] == [
        (0, KeyWasRejected("a1", -1022, "Signature for this request is not valid."))
    ]


async def test_a_ban_is_told_once_and_kept_by_all(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    # Dropped in the middle, so that everybody wants to reconnect.
    story = town(5) + fault("ban", "65s", for_="5m") + fault("drop", "90s")
    async with watching(story, 5) as crowd:
        await until(80)
        asked, dialled = crowd.exchange.requests.total(), len(crowd.dialled)
        await until(364)
        assert (crowd.exchange.requests.total(), len(crowd.dialled)) == (asked, dialled)
        await until(400)
    assert crowd.bans == [(70, START + 365_000)]
    assert all(times[-1] > 370 for times in crowd.polls().values())
    (said,) = [line for line in caplog.messages if "banned this address" in line]
    assert said == (
        "the exchange banned this address; nothing is asked for 295 s: Way too many requests; IP "
        f"banned until {START + 365_000}. Please use the websocket for live updates to avoid bans."
    )
