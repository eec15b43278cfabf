"""The exchange's doors: every connection, from its first byte to its last.

stream ─▶ serve ─┬─ REST ──────────────▶ rest.answer    ┐
                 ├─ /ws-fapi/v1 ───────▶ ws_api.answer  ├─ Desk: keys, weight, polls
                 └─ /private, /market ─▶ StreamSession  ┘
"""

import random
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import parse_qs, urlsplit

import trio

from monitor.sim import rest, ws_api
from monitor.sim.clock import Agenda, Clock, Rank
from monitor.sim.desk import Desk
from monitor.sim.faults import Faults
from monitor.sim.rest import HttpAnswer, HttpRequest
from monitor.sim.server import HttpConnection, Peer
from monitor.sim.story import Scenario
from monitor.sim.story_faults import Garble, Late, Mute, Refuse, Stall
from monitor.sim.story_values import Where
from monitor.sim.streams import MESSAGES_PER_SECOND, StreamSession, Subscription, subscription
from monitor.sim.weight import HANDSHAKE_WEIGHT, RefusedRequestError

API_PATH = "/ws-fapi/v1"


class Front:
    """Serves connections, and does to them what the faults say.

    Args:
        scenario: The story.
        clock: Its time.
        agenda: Where late answers wait.
        faults: What is broken.
        desk: Who answers.
        subscribed: Called with every stream session that asks for more.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        agenda: Agenda,
        faults: Faults,
        desk: Desk,
        *,
        subscribed: Callable[[StreamSession], None],
    ) -> None:
        self.peers: dict[Peer, StreamSession | None] = {}
        "Every WebSocket with its stream session; None for the API's."
        self._quirks = scenario.quirks
        self._life = scenario.connection_life / 1000
        self._clock = clock
        self._agenda = agenda
        self._faults = faults
        self._desk = desk
        self._subscribed = subscribed
        self._random = random.Random(f"{scenario.seed}/late")

    async def wait_out_stall(self, peer: Peer) -> None:
        """Return when no stall holds this connection's bytes."""
        await self._wait_out_stall(peer.where, peer.accounts)

    async def _wait_out_stall(self, where: Where, accounts: Iterable[str] = ()) -> None:
        ends = self._faults.ends(Stall, where, set(accounts))
        if ends is not None:
            await trio.sleep_until(self._clock.deadline(ends))
            await self._wait_out_stall(where, accounts)  # another may have begun meanwhile

    def spoil(self, peer: Peer, text: str) -> str | None:
        """Break a frame's JSON, or hold it back, where a fault says so."""
        if self._faults.active(Mute, peer.where, peer.accounts):
            return None
        garbled = self._faults.active(Garble, peer.where, peer.accounts)
        return text[: len(text) // 2] if garbled else text

    def refuses_to_connect(self, url: str) -> bool:
        """Tell whether a connection is not even taken."""
        target = urlsplit(url)
        refusal = self._refusal(_where(target.path), target.query)
        return refusal is not None and refusal.status is None and not refusal.page

    def _refusal(self, where: Where, query: str = "") -> Refuse | None:
        """Find a fault that refuses new connections; a listen key tells whose it would be."""
        keys = parse_qs(query).get("listenKey", [])
        owners = {self._desk.listen_keys.owner(key) or "" for key in keys}
        return self._faults.active(Refuse, where, owners)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection, HTTP and what it is upgraded to; closes the stream."""
        try:
            if self._clock.running:
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
                if refusal.status is not None or refusal.page:
                    await http.answer(rest.turned_away(refusal.status or 200, page=refusal.page))
                return
            if request.header(b"upgrade").lower() == "websocket":
                await self._upgrade(http, request, stream)
                return
            await self._answer(http, request)

    async def _answer(self, http: HttpConnection, request: HttpRequest) -> None:
        """Answer over REST, in time or late; a key in the header tells whose request it is."""
        found = self._desk.key_ring.account_of(request.header(b"x-mbx-apikey"))
        wait, old = self._lateness(request.name, {found.name} if found else set())
        answer = rest.answer(request, self._desk) if old else None
        await trio.sleep(wait / 1000)
        await http.answer(answer or rest.answer(request, self._desk))

    def _lateness(self, method: str, accounts: set[str]) -> tuple[int, bool]:
        """Tell how late an answer is, in ms, and whether it is of the moment of the question."""
        for fault in self._faults.all(Late, "api", accounts):
            if fault.method in {None, method}:
                part = self._random.randint(0, fault.by) if fault.shuffle else fault.by
                return part, fault.old
        return 0, True

    async def _upgrade(
        self, http: HttpConnection, request: HttpRequest, stream: trio.abc.Stream
    ) -> None:
        """Make a WebSocket of a connection and serve it to its end."""
        is_api = request.path == API_PATH
        wanted = subscription(request.target)
        try:
            if is_api:
                self._desk.meter.charge(HANDSHAKE_WEIGHT)
        except RefusedRequestError as exc:
            await http.answer(rest.refusal(exc, self._desk))
            return
        if (status := self._wrong(wanted, is_api=is_api)) is not None:
            await http.answer(HttpAnswer(status, b"{}"))
            return
        connection = http.upgraded(request)
        if connection is None:
            await http.answer(HttpAnswer(400, b"{}"))
            return
        limit = None if is_api else MESSAGES_PER_SECOND
        peer = Peer(stream, connection, _where(request.path), self, limit, self._life)
        # Known before the client hears that it is connected, so that it misses nothing.
        on_text = self._receptionist(peer, request, wanted)
        try:
            await http.accept()
            await peer.run(on_text)
        finally:
            del self.peers[peer]

    def _wrong(self, wanted: Subscription | None, *, is_api: bool) -> int | None:
        """Tell the HTTP status for an address that leads nowhere; None where it leads on."""
        if wanted is None:
            return None if is_api else 404
        if wanted.route != "private":
            return None
        strangers = [name for name in wanted.names if self._desk.listen_keys.owner(name) is None]
        if strangers and self._quirks.unknown_key == "refused":
            return 400
        return None

    def _receptionist(
        self, peer: Peer, request: HttpRequest, wanted: Subscription | None
    ) -> Callable[[str], None]:
        """Enter a new socket, and say who reads its messages."""
        if wanted is not None:
            if wanted.route == "private" and self._quirks.key_in_path == "silent":
                for name in wanted.path_names:
                    del wanted.names[name]
            session = StreamSession(peer, wanted, self._subscribed)
            self.peers[peer] = session
            self._subscribed(session)
            return session.on_text
        self.peers[peer] = None
        hide = ("returnRateLimits", "false") in request.query
        api = ws_api.ApiSession(
            connected=self._desk.server_time(),
            return_rate_limits=not hide,
            accounts=peer.accounts,
        )
        return partial(self._on_request, peer, api)

    def _on_request(self, peer: Peer, api: ws_api.ApiSession, text: str) -> None:
        """Answer a frame of the WebSocket API, in time or late."""
        wait, old = self._lateness(ws_api.method_of(text), api.accounts)
        if old:
            answered = ws_api.answer(text, api, self._desk)
            answer = partial(peer.send, answered)
        else:
            answer = partial(self._answer_now, peer, api, text)
        if wait:
            self._agenda.add(self._clock.story_ms() + wait, Rank.LATE, answer)
        else:
            answer()

    def _answer_now(self, peer: Peer, api: ws_api.ApiSession, text: str) -> None:
        peer.send(ws_api.answer(text, api, self._desk))


def _where(path: str) -> Where:
    """Tell which side of the exchange a path belongs to."""
    wanted = subscription(path)
    return "api" if wanted is None else wanted.where
