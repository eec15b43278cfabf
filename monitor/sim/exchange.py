"""The simulated exchange: one story, told over any number of connections.

    Agenda ─▶ ticks, deeds, faults, key expiries ─▶ Market ─▶ user events ─▶ faults ─▶ sockets
    stream ─▶ serve ─┬─ REST ──────────────▶ rest.answer    ┐
                     ├─ /ws-fapi/v1 ───────▶ ws_api.answer  ├─ Desk: keys, weight, polls
                     └─ /private, /market ─▶ StreamSession  ┘

Everything happens in Trio's one thread, and nothing between a tick's prices and the frames that
tell of them waits, so there are no locks and one order of events.
"""

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import parse_qs, urlsplit

import trio
import trio.testing

from monitor.errors import PortInUse
from monitor.sim import rest, ws_api
from monitor.sim.clock import Agenda, Clock, Rank
from monitor.sim.desk import Desk
from monitor.sim.events import listen_key_expired
from monitor.sim.faults import Faults, concerns
from monitor.sim.listen_keys import ListenKey
from monitor.sim.market import Market
from monitor.sim.marks import MarkFrames
from monitor.sim.rest import HttpAnswer, HttpRequest
from monitor.sim.server import HttpConnection, Peer
from monitor.sim.story import (
    AccountTable,
    At,
    Do,
    Drop,
    ExpireKey,
    Fault,
    Garble,
    Huge,
    Refuse,
    RevokeKey,
    Scenario,
    Send,
    Stall,
    Where,
)
from monitor.sim.streams import MESSAGES_PER_SECOND, StreamSession, Subscription, subscription
from monitor.sim.teller import Teller
from monitor.sim.weight import HANDSHAKE_WEIGHT, RefusedRequestError

API_PATH = "/ws-fapi/v1"
_HUGE = 2 << 20


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
        self.scenario = scenario
        self.clock = Clock(start_ms)
        self.market = Market(scenario, start_ms)
        "The truth: accounts by name, marks by symbol."
        self.finished = trio.Event()
        "Set when `length` has passed."
        self._faults = Faults(self.clock)
        self._desk = Desk(
            scenario,
            self.market,
            self.clock,
            self._faults,
            key_changed=self._on_key_changed,
            key_ended=self._on_key_ended,
        )
        self._agenda = Agenda()
        self._frames = MarkFrames()
        self._ticks = 0
        self._peers: dict[Peer, StreamSession | None] = {}
        self._teller = Teller(
            self.clock, self._faults, self._agenda, self._desk.listen_keys, self._peers
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
        now = self.clock.now()
        self._agenda.add(story_ms + self.scenario.mark_interval, Rank.TICK, self._tick)
        self._teller.tell(self.market.tick(story_ms, now))
        self._desk.remember()
        sessions = [s for s in self._peers.values() if s and s.wanted.route == "market"]
        marks = self.market.marks
        frames = self._frames.at(story_ms, marks, now, wanted=bool(sessions))
        for session in sessions:
            for name in session.wanted.names:
                if name in frames:
                    session.push(name, frames[name])

    def _do(self, deed: Do) -> None:
        account = deed.account or self.scenario.account[0].name
        match deed:
            case ExpireKey():
                if (key := self._desk.listen_keys.end(account)) is not None:
                    self._on_key_ended(key)
            case RevokeKey():
                self._desk.key_ring.revoke(account)
            case Send():
                self._teller.send_raw(account, deed.frame)
            case _:
                self._teller.tell(self.market.do(deed, self.clock.now()))
                self._desk.remember()

    def _break(self, fault: Fault) -> None:
        self._faults.begin(fault)
        for peer in list(self._peers):
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
        event = listen_key_expired(key.account, key.text, self.clock.now())
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

    async def wait_out_stall(self, peer: Peer) -> None:
        """Return when no stall holds this connection's bytes."""
        await self._wait_out_stall(peer.where, peer.accounts)

    async def _wait_out_stall(self, where: Where, accounts: Iterable[str] = ()) -> None:
        ends = self._faults.ends(Stall, where, set(accounts))
        if ends is not None:
            await trio.sleep_until(self.clock.deadline(ends))
            await self._wait_out_stall(where, accounts)  # another may have begun meanwhile

    def spoil(self, peer: Peer, text: str) -> str:
        """Break a frame's JSON where a fault says so."""
        garbled = self._faults.active(Garble, peer.where, peer.accounts)
        return text[: len(text) // 2] if garbled else text

    async def dial(self, url: str) -> trio.abc.Stream:
        """Connect in memory, as `trio.open_tcp_stream` would over TCP.

        Args:
            url: Where to; scheme and host are not looked at.

        Raises:
            ConnectionRefusedError: The story is not running, or a fault refuses.
        """
        await trio.lowlevel.checkpoint()
        target = urlsplit(url)
        where = _where(target.path)
        refusal = self._refusal(where, target.query)
        if self._nursery is None or (refusal is not None and refusal.status is None):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{target.hostname}: refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.serve, ours)
        return theirs

    def _refusal(self, where: Where, query: str = "") -> Refuse | None:
        """Find a fault that refuses new connections; a listen key tells whose it would be."""
        keys = parse_qs(query).get("listenKey", [])
        owners = {self._desk.listen_keys.owner(key) or "" for key in keys}
        return self._faults.active(Refuse, where, owners)

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
        try:
            if self.clock.running:
                await self._converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away in the middle of an answer
        finally:
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.abc.Stream) -> None:
        http = HttpConnection(stream)
        while (request := await http.next_request()) is not None:
            where = _where(request.path)
            await self._wait_out_stall(where)
            refusal = self._refusal(where, urlsplit(request.target).query)
            if refusal is not None:
                if refusal.status is not None:
                    await http.answer(HttpAnswer(refusal.status, b"{}"))
                return
            if request.header(b"upgrade").lower() == "websocket":
                await self._upgrade(http, request, stream)
                return
            await http.answer(rest.answer(request, self._desk))

    async def _upgrade(
        self, http: HttpConnection, request: HttpRequest, stream: trio.abc.Stream
    ) -> None:
        """Make a WebSocket of a connection and serve it to its end."""
        is_api = request.path == API_PATH
        wanted = subscription(request.target)
        if not is_api and wanted is None:
            await http.answer(HttpAnswer(404, b"{}"))
            return
        try:
            if is_api:
                self._desk.meter.charge(HANDSHAKE_WEIGHT)
        except RefusedRequestError as exc:
            await http.answer(rest.refusal(exc, self._desk))
            return
        connection = http.upgraded(request)
        if connection is None:
            await http.answer(HttpAnswer(400, b"{}"))
            return
        limit = None if is_api else MESSAGES_PER_SECOND
        peer = Peer(stream, connection, _where(request.path), self, limit)
        # Known before the client hears that it is connected, so that it misses nothing.
        on_text = self._receptionist(peer, request, wanted)
        try:
            await http.accept()
            await peer.run(on_text)
        finally:
            del self._peers[peer]

    def _receptionist(
        self, peer: Peer, request: HttpRequest, wanted: Subscription | None
    ) -> Callable[[str], None]:
        """Enter a new socket, and say who reads its messages."""
        if wanted is not None:
            session = StreamSession(peer, wanted, self._on_subscribed)
            self._peers[peer] = session
            self._on_subscribed(session)
            return session.on_text
        self._peers[peer] = None
        hide = ("returnRateLimits", "false") in request.query
        api = ws_api.ApiSession(return_rate_limits=not hide, accounts=peer.accounts)
        return lambda text: peer.send(ws_api.answer(text, api, self._desk))


def _where(path: str) -> Where:
    """Tell which side of the exchange a path belongs to."""
    wanted = subscription(path)
    return "api" if wanted is None else wanted.where


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
    return (
        "[[account]]\n"
        f"name = {text(account.name)}\n"
        f"venue = {text(account.venue)}\n"
        'network = "mainnet"\n'
        f"api_key = {text(account.api_key)}\n"
        f"api_secret = {text(account.api_secret)}\n"
        f'endpoints = {{ ws_api = "ws://{here}{API_PATH}", streams = "ws://{here}", '
        f'rest = "http://{here}", sapi = "http://{here}" }}\n'
    )
