"""One monitor beside one exchange, in virtual time: real link, engine and SQLite, real frames.

Only threads and the services behind Apprise are played: SQLite runs on the loop (`inline`), and a
fake `send` notes what a phone would have got. Deterministic: Trio's scheduler is seeded.
"""

import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from monitor.app import Doors, Send, Service, story_clock
from monitor.app.charts import SendPicture
from monitor.binance.link import Dial
from monitor.config import load_config
from monitor.core.events import Now
from monitor.core.message import Message
from monitor.core.notices import Notice
from monitor.notify import Sent
from monitor.quarantine import Quarantine
from monitor.rulefile import parse_rules
from monitor.sim.exchange import Exchange, account_table
from monitor.sim.scenario import parse_scenario
from monitor.store import InThread, Store
from tests.receiver import inline

START = 1_767_322_800_000
"""2026-01-02T03:00:00Z, the `start` of every scenario here."""

HEAD = """
seed = 7
start = "2026-01-02T03:00:00Z"
length = "2h"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1600" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
"""

RULES = """
[[rule]]
name = "distance"
warning = "liquidation_distance < 8%"
critical = "liquidation_distance < 4%"
hysteresis = "10%"
repeat = "never"
[[rule]]
name = "blind"
warning = "stale_for > 0s"
for = "10s"
repeat = "never"
[[rule]]
name = "events"
on = ["liquidation", "adl", "margin_call", "stream_lost", "key_rejected"]
severity = "critical"
"""


@dataclass
class Town:
    """An exchange, and what the lives of a monitor beside it told."""

    folder: Path
    scenario: str
    rules: str = RULES
    channels: str = '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9"\ngroup_wait = "0s"\n'
    settings: str = ""
    head: str = HEAD
    """The part of the scenario that every story here shares."""
    data_dir: str = "data"
    in_thread: InThread = inline
    picture: SendPicture | None = None
    send: Send | None = None
    """Takes what is sent; default: `answers` decides, and `sent` keeps what got through."""
    answers: Callable[[float, str, Message], Sent] = lambda *_: Sent("sent")
    dial: Dial | None = None
    """Makes connections; default: all of them to the exchange."""
    sent: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds of the story, channel, title) of every message that got through."""
    heard: list[Notice] = field(default_factory=list)

    slept: int = 0
    """Milliseconds by which the monitor's clocks went on while Trio's stood still."""

    def __post_init__(self) -> None:
        self.exchange = Exchange(parse_scenario(self.head + self.scenario, "town.toml"))
        self.service: Service | None = None

    @property
    def seconds(self) -> float:
        """Where the story is."""
        return (self.exchange.clock.now() - START) / 1000

    async def until(self, seconds: float) -> None:
        """Wait for an instant of the story."""
        await trio.sleep(seconds - self.seconds)

    def open(self) -> tuple[Service, Store]:
        """Begin a life of the monitor; the instant comes from the exchange's clock."""
        tables = "\n".join(
            account_table(account, "127.0.0.1", 1) for account in self.exchange.scenario.account
        )
        path = self.folder / "config.toml"
        settings = f'data_dir = "{self.data_dir}"\ntimezone = "UTC"\n{self.settings}'
        path.write_text(f"{settings}\n{tables}\n{self.channels}")
        path.chmod(0o600)
        config = load_config(path)
        story = story_clock(self.exchange.clock.now())

        def now() -> Now:
            return Now(story().ticks + self.slept, story().utc + self.slept)

        store = Store.open(config.data_dir, utc=now().utc, in_thread=self.in_thread)
        service = Service(
            config,
            parse_rules(self.rules, "rules.toml", repeat=config.repeat),
            store=store,
            send=self.send or self._send,
            doors=Doors(
                dial=self.dial or self.exchange.dial,
                now=now,
                rng=random.Random(1),
                in_thread=inline,
            ),
            quarantine=Quarantine(config.data_dir, redact=str, now=now),
            hear=self.heard.append,
            picture=self.picture,
        )
        return service, store

    async def _send(self, channel: str, message: Message) -> Sent:
        await trio.lowlevel.checkpoint()
        sent = self.answers(self.seconds, channel, message)
        if sent.status == "sent":
            self.sent.append((round(self.seconds, 1), channel, message.title))
        return sent

    @asynccontextmanager
    async def exists(self) -> AsyncIterator["Town"]:
        """Run the exchange, without a monitor yet."""
        with trio.fail_after(4 * 3600):
            async with trio.open_nursery() as nursery:
                await nursery.start(self.exchange.run)
                yield self
                nursery.cancel_scope.cancel("the story is over")

    @asynccontextmanager
    async def life(self, *, crash: bool = False) -> AsyncIterator[Service]:
        """Run one life of the monitor; it ends by a stop, or as a crash does."""
        service, store = self.open()
        self.service = service
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            yield service
            if crash:
                nursery.cancel_scope.cancel("crash")
            else:
                service.stop("the test ends it")
        await store.aclose()

    @property
    def story(self) -> list[str]:
        """Everything told, each as "120.0 fired warning distance BTCUSDT"."""
        return [
            f"{(notice.at - START) / 1000:.1f} {notice.kind} {notice.severity.word} "
            f"{notice.happening or notice.rule}" + (f" {notice.reason}" if notice.reason else "")
            for notice in self.heard
        ]


logging.getLogger("marginwatch").setLevel(logging.DEBUG)
