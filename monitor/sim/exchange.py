"""The simulated exchange: one story, told over any number of connections.

    Agenda ─▶ ticks, deeds, faults, key expiries ─▶ Market ─┬▶ user events ─▶ Teller ─▶ sockets
                                                            └▶ news, marks, indexes ─▶ sockets
    connections ─▶ Front ─▶ Desk

Everything happens in Trio's one thread, and nothing between a tick's prices and the frames that
tell of them waits, so there are no locks and one order of events.
"""

import errno
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import trio
import trio.testing

from monitor.errors import PortInUse
from monitor.sim import chance
from monitor.sim.amounts import compact
from monitor.sim.clock import Agenda, Clock, Rank
from monitor.sim.desk import Desk
from monitor.sim.events import listen_key_expired
from monitor.sim.faults import Faults, concerns
from monitor.sim.front import API_PATH, Front
from monitor.sim.listen_keys import ListenKey
from monitor.sim.manners import Manners
from monitor.sim.market import Market
from monitor.sim.marks import MarkFrames
from monitor.sim.server import FAREWELL
from monitor.sim.story import AccountTable, Scenario
from monitor.sim.story_deeds import (
    Do,
    ExpireKey,
    ListingDeed,
    MarketDeed,
    RestoreKey,
    RevokeKey,
    Send,
    SendMarket,
    ServerShutdown,
)
from monitor.sim.story_faults import Drop, Fault, Huge
from monitor.sim.story_values import At
from monitor.sim.streams import StreamSession
from monitor.sim.teller import Teller

_HUGE = 2 << 20
_INDEX_EVERY_MS = 1000


class Exchange:
    """A small Binance.

    Args:
        scenario: Its story.
        start_ms: Unix ms UTC at which the story begins; default the scenario's `start`. For
            clients that go by the machine's clock, give that.
    """

    def __init__(self, scenario: Scenario, *, start_ms: int | None = None) -> None:
        if start_ms is None:
            start_ms = round(scenario.start.timestamp() * 1000)
        self.scenario = chance.drawn(scenario)
        self.clock = Clock(start_ms)
        self.market = Market(self.scenario, start_ms)
        "The truth: accounts by name, marks by symbol."
        self.finished = trio.Event()
        "Set when `length` has passed."
        self._faults = Faults(self.clock)
        self._desk = Desk(
            self.scenario,
            self.market,
            self.clock,
            self._faults,
            key_changed=self._on_key_changed,
            key_ended=self._on_key_ended,
        )
        self._agenda = Agenda()
        quirks = scenario.quirks
        self._frames = MarkFrames(coin_margined=quirks.coin_margined, split=quirks.split_marks)
        self._ticks = 0
        self._indexed_at = 0
        self._front = Front(
            self.scenario,
            self.clock,
            self._agenda,
            self._faults,
            self._desk,
            subscribed=self._on_subscribed,
        )
        self._teller = Teller(
            self.clock,
            self._faults,
            self._agenda,
            self._desk.listen_keys,
            self._front.peers,
            Manners(quirks, [each.name for each in scenario.account if each.portfolio_margin]),
        )
        self._seen: set[str] = set()
        # Its own nursery, kept because `dial` needs a task for the far end of what it hands out.
        self._nursery: trio.Nursery | None = None

    @property
    def requests(self) -> Counter[str]:
        """How often each method was asked: `v2/account.position`, `GET /fapi/v1/time`."""
        return self._desk.requests

    @property
    def happened(self) -> list[tuple[int, str, str]]:
        """Every user event: exchange ms, account, type; told to anybody or not."""
        return self._teller.happened

    @property
    def sent(self) -> list[tuple[int, str, str]]:
        """Those that went to at least one socket; twice where they were sent twice."""
        return self._teller.sent

    # The story

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Begin the story and tell it; until cancelled, also beyond its end."""
        self.clock.begin()
        self._enter_story()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._agenda.run, self.clock)
                task_status.started()
        finally:
            self._nursery = None

    def _enter_story(self) -> None:
        self._agenda.add(self.scenario.mark_interval, Rank.TICK, self._tick)
        self._agenda.add(self.scenario.length, Rank.END, self.finished.set)
        self._desk.remember()
        for fault in self.scenario.fault:
            self._enter(fault.at, Rank.FAULT, partial(self._break, fault))
        for deed in self.scenario.do:
            self._enter(deed.at, Rank.DEED, partial(self._do, deed))

    def _enter(self, at: At, rank: Rank, call: Callable[[], None]) -> None:
        if not at.after_subscribe:
            self._agenda.add(at.ms, rank, call)

    def _tick(self) -> None:
        """Move the marks, settle the accounts, tell of both; enter the next tick."""
        self._ticks += 1
        story_ms = self._ticks * self.scenario.mark_interval
        now = self._faults.server_time()
        self._agenda.add(story_ms + self.scenario.mark_interval, Rank.TICK, self._tick)
        self._teller.tell(self.market.tick(story_ms, now))
        self._desk.remember()
        self._tell_news()
        self._push_marks(story_ms, now)
        self._push_indexes(story_ms, now)

    def _market_sessions(self) -> list[StreamSession]:
        return [s for s in self._front.peers.values() if s and s.wanted.route == "market"]

    def _push_marks(self, story_ms: int, now: int) -> None:
        sessions = self._market_sessions()
        marks = {symbol: self.market.marks[symbol] for symbol in self.market.symbols}
        frames = self._frames.at(story_ms, marks, now, wanted=bool(sessions))
        for session in sessions:
            for name in list(session.wanted.names):
                for text in frames.get(name, ()):
                    session.push(name, text)

    def _push_indexes(self, story_ms: int, now: int) -> None:
        """Tell what assets are worth, once a second (docs/protocol.md §8.6)."""
        turn = story_ms // _INDEX_EVERY_MS
        sessions = [
            session
            for session in self._market_sessions()
            if any(
                "@assetIndex" in name or name == "!assetIndex@arr" for name in session.wanted.names
            )
        ]
        if turn == self._indexed_at or not sessions:
            return
        self._indexed_at = turn
        rows = self.market.indexes.rows(now)
        frames = {f"{name.lower()}@assetIndex": compact(row) for name, row in rows.items()}
        frames["!assetIndex@arr"] = compact(list(rows.values()))
        for session in sessions:
            for name in list(session.wanted.names):
                if name in frames:
                    session.push(name, frames[name])

    def _tell_news(self) -> None:
        news, self.market.news = self.market.news, []
        for names, payload in news:
            self._teller.tell_market(names, payload)

    def _do(self, deed: Do) -> None:
        if isinstance(deed, MarketDeed | ListingDeed):
            self._teller.tell(self.market.do(deed, self._faults.server_time()))
            self._desk.remember()
            self._tell_news()
            return
        account = deed.account or self.scenario.account[0].name
        match deed:
            case ExpireKey():
                self._expire_key(account, deed.key)
            case RevokeKey():
                self._desk.key_ring.revoke(account)
            case RestoreKey():
                self._desk.key_ring.restore(account)
            case ServerShutdown():
                self._shut_down(deed)
            case Send():
                self._teller.send_raw(account, deed.frame)
            case SendMarket():
                self._teller.send_raw_market(deed.frame)

    def _expire_key(self, account: str, strange: str | None) -> None:
        if strange is not None:
            event = listen_key_expired(account, strange, self._faults.server_time())
            self._teller.tell([event])
        elif (key := self._desk.listen_keys.end(account)) is not None:
            self._on_key_ended(key)

    def _shut_down(self, deed: ServerShutdown) -> None:
        """Announce the end of a server to its sockets, and end them later (§2)."""
        text = compact({"event": {"e": "serverShutdown", "E": self._faults.server_time()}})
        at = self.clock.story_ms() + deed.closes_after
        for peer in list(self._front.peers):
            mine = deed.account is None or deed.account in peer.accounts
            if mine and deed.where in {None, peer.where}:
                peer.send(text)
                self._agenda.add(at, Rank.DEED, partial(peer.close, 1001))
                self._agenda.add(at + round(FAREWELL * 1000), Rank.DEED, peer.cut)

    def _break(self, fault: Fault) -> None:
        self._faults.begin(fault)
        for peer in list(self._front.peers):
            if concerns(fault, peer.where, peer.accounts):
                if isinstance(fault, Drop):
                    peer.cut()
                elif isinstance(fault, Huge):
                    peer.send(json.dumps({"e": "HUGE", "pad": "x" * _HUGE}))

    # Listen keys

    def _on_key_changed(self, key: ListenKey) -> None:
        def expire() -> None:
            if key.expires <= self.clock.now() and self._desk.listen_keys.owner(key.text):
                self._desk.listen_keys.end(key.account)
                self._on_key_ended(key)

        self._agenda.add(key.expires - self.clock.start_ms, Rank.EXPIRY, expire)

    def _on_key_ended(self, key: ListenKey) -> None:
        """Tell the key's sockets; they stay open, and silent (docs/protocol.md §4.4)."""
        event = listen_key_expired(key.account, key.text, self._faults.server_time())
        self._teller.tell([event], key.text)

    def _on_subscribed(self, session: StreamSession) -> None:
        """Note whose sockets these are; the first one starts what waits for the subscription."""
        if session.wanted.route != "private":
            return
        for name in session.wanted.names:
            account = self._desk.listen_keys.owner(name)
            if account is None:
                continue
            session.peer.accounts.add(account)
            if account not in self._seen:
                self._seen.add(account)
                self._enter_after_subscription(account)

    def _enter_after_subscription(self, account: str) -> None:
        only = self.scenario.account[0].name
        now = self.clock.story_ms()
        for fault in self.scenario.fault:
            if fault.at.after_subscribe and (fault.account or only) == account:
                at = now + fault.at.ms
                self._agenda.add(at, Rank.FAULT, partial(self._break, fault))
        for deed in self.scenario.do:
            if deed.at.after_subscribe and (deed.account or only) == account:
                self._agenda.add(now + deed.at.ms, Rank.DEED, partial(self._do, deed))

    # Connections

    async def dial(self, url: str) -> trio.abc.Stream:
        """Connect in memory, as `trio.open_tcp_stream` would over TCP.

        Args:
            url: Where to; scheme and host are not looked at.

        Raises:
            ConnectionRefusedError: The story is not running, or a fault refuses.
        """
        await trio.lowlevel.checkpoint()
        if self._nursery is None or self._front.refuses_to_connect(url):
            host = urlsplit(url).hostname
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host}: refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.serve, ours)
        return theirs

    async def listen(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve over TCP; until cancelled. Tells the port when it listens.

        Raises:
            PortInUse: Another program listens there.
        """
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            raise PortInUse(
                f"port {port} on {host} is taken by another program; "
                "choose another with --port, or leave it out for a free one"
            ) from exc
        bound: int = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self.serve, listeners)
            task_status.started(bound)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection, HTTP and what it is upgraded to; closes the stream."""
        await self._front.serve(stream)


def account_table(account: AccountTable, host: str, port: int) -> str:
    """Word the `[[account]]` table that a configuration needs to watch a simulated account.

    Args:
        account: As the scenario has it.
        host: Where the simulator listens.
        port: Its one port.
    """

    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string

    here = f"{host}:{port}"
    signs_with = f"api_secret = {text(account.api_secret)}"
    if account.public_key:
        signs_with = 'private_key = "${file:key.pem}"  # the one that belongs to its public key'
    return (
        "[[account]]\n"
        f"name = {text(account.name)}\n"
        f"venue = {text(account.venue)}\n"
        'network = "mainnet"\n'
        f"api_key = {text(account.api_key)}\n"
        f"{signs_with}\n"
        f'endpoints = {{ ws_api = "ws://{here}{API_PATH}", streams = "ws://{here}", '
        f'rest = "http://{here}", sapi = "http://{here}" }}\n'
    )
