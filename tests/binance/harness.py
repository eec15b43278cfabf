"""A watched account against the simulator, in virtual time."""

import json
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from monitor.binance.link import Dial
from monitor.binance.signing import Signer
from monitor.binance.usdm import UsdmAccount
from monitor.core.events import BracketsRead, Event, Now, PollAnswered
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario

START = 1767225600000  # 2026-01-01T00:00:00Z, the scenarios' own start
KEY = "key-that-nobody-may-see"
SECRET = "secret-that-nobody-may-see"

SCENARIO = f"""
length = "30h"
mark_interval = "1h"
[[account]]
name = "main"
api_key = "{KEY}"
api_secret = "{SECRET}"
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
points = [["0s", "60000"]]
"""


def now() -> Now:
    """Both faces of our clock, from Trio's."""
    ticks = round(trio.current_time() * 1000)
    return Now(ticks, START + ticks)


@dataclass
class Watch:
    """An account, the exchange it is on, and what it has told: (seconds, event)."""

    account: UsdmAccount
    exchange: Exchange
    quarantine: Quarantine
    told: list[tuple[float, Event]] = field(default_factory=list)
    dialled: list[tuple[float, str]] = field(default_factory=list)
    """(seconds, path without its query) of each dial of a socket."""
    full: bool = False
    """While true, the engine's backlog takes nothing."""

    def take(self, event: Event) -> None:
        if self.full:
            raise trio.WouldBlock
        self.told.append((round(trio.current_time(), 3), event))

    def of(self, *kinds: type) -> list[tuple[float, Event]]:
        return [(at, event) for at, event in self.told if isinstance(event, kinds)]

    def names(self) -> list[tuple[float, str]]:
        """When which kind of event was told, polls and reference data left out."""
        return [
            (at, type(event).__name__)
            for at, event in self.told
            if not isinstance(event, PollAnswered | BracketsRead)
        ]

    def polls(self) -> list[tuple[float, PollAnswered]]:
        return [(at, event) for at, event in self.told if isinstance(event, PollAnswered)]


@asynccontextmanager
async def watched(
    story: str = "",
    *,
    base: str = SCENARIO,
    dial: Callable[[Exchange], Dial] | None = None,
    secret: str = SECRET,
    poll_interval: float = 10,
    clock: Callable[[], Now] = now,
    seen_until: int | None = None,
    sapi: str | None = None,
) -> AsyncGenerator[Watch]:
    """Run an exchange and a watched account beside it."""
    exchange = Exchange(parse_scenario(base + story, "test"))
    reach = dial(exchange) if dial is not None else exchange.dial

    async def noted(url: str) -> trio.abc.Stream:
        if url.startswith("ws"):
            path = url.partition("?")[0].removeprefix("ws://sim")
            watch.dialled.append((round(trio.current_time(), 3), path))
        return await reach(url)

    quarantine = Quarantine(None, redact=str, now=now)
    account = UsdmAccount(
        name="main",
        signer=Signer(KEY, secret),
        ws_api="ws://sim/ws-fapi/v1",
        streams="ws://sim",
        rest="http://sim",
        poll_interval=poll_interval,
        dial=noted,
        emit=lambda event: watch.take(event),  # noqa: PLW0108  `watch` comes later
        now=clock,
        quarantine=quarantine,
        rng=random.Random(7),
        log=logging.getLogger("test.link"),
        seen_until=seen_until,
        sapi=sapi,
    )
    watch = Watch(account, exchange, quarantine)
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        await nursery.start(account.run)
        yield watch
        nursery.cancel_scope.cancel()


async def until(seconds: float) -> None:
    await trio.sleep_until(seconds)


def times(watch: Watch) -> list[float]:
    return [at for at, _ in watch.polls()]


def fault(what: str, at: str, **keys: object) -> str:
    rows = [f'at = "{at}"', f'what = "{what}"']
    rows += [f"{key.rstrip('_')} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n[[fault]]\n" + "\n".join(rows)


def do(what: str, at: str, **keys: object) -> str:
    return fault(what, at, **keys).replace("[[fault]]", "[[do]]")
