"""The real dial against the simulator over TCP, on the real clock: one pass through everything."""

import logging
import random

import trio

from monitor.binance.link import make_dial
from monitor.binance.marks import MarkStream
from monitor.binance.signing import Signer
from monitor.binance.usdm import UsdmAccount
from monitor.core.events import Event, Mark, Now, PollAnswered, UserStreamStood
from monitor.feed import Latest
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import KEY, SCENARIO, SECRET, START


async def test_an_account_and_its_prices_over_tcp() -> None:
    story = SCENARIO.replace('mark_interval = "1h"', 'mark_interval = "100ms"')
    exchange = Exchange(parse_scenario(story, "test"))
    begun = trio.current_time()
    log = logging.getLogger("test.loopback")
    told: list[Event] = []
    latest: Latest[str, Mark] = Latest()
    polled = trio.Event()

    def emit(event: Event) -> None:
        told.append(event)
        if sum(isinstance(one, PollAnswered) for one in told) >= 2:
            polled.set()

    def now() -> Now:
        ticks = round((trio.current_time() - begun) * 1000)
        return Now(ticks, START + ticks)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(exchange.run)
            port = await nursery.start(exchange.listen, 0)
            quarantine = Quarantine(None, redact=str, now=now)
            account = UsdmAccount(
                name="main",
                signer=Signer(KEY, SECRET),
                ws_api=f"ws://127.0.0.1:{port}/ws-fapi/v1",
                streams=f"ws://127.0.0.1:{port}",
                rest=f"http://127.0.0.1:{port}",
                poll_interval=0.2,
                dial=make_dial(),
                emit=emit,
                now=now,
                quarantine=quarantine,
                rng=random.Random(7),
                log=log,
            )
            marks = MarkStream(
                streams=f"ws://127.0.0.1:{port}",
                dial=make_dial(),
                latest=latest,
                now=now,
                offset=lambda: account.offset,
                quarantine=quarantine,
                rng=random.Random(7),
                log=log,
            )
            await nursery.start(account.run)
            await nursery.start(marks.run)
            marks.hold(frozenset({"BTCUSDT"}))
            taken = await latest.take()
            await polled.wait()
            nursery.cancel_scope.cancel()
    assert list(taken) == ["BTCUSDT"]
    polls = [event for event in told if isinstance(event, PollAnswered)]
    assert [poll.complete for poll in polls[:2]] == [True, True]
    assert UserStreamStood("main") in told
    assert quarantine.counts == {}
