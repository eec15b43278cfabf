"""An account's user data socket: its listen key, its replacements, its end.

    ready ─▶ userDataStream.start ─▶ /private/ws?listenKey=… ─▶ stands ─┬─▶ lost: back off ──┐
      ▲                                                                 └─▶ renew(): at once ─┤
      └───────────────────────────────────────────────────────────────────────────────────────┘
    after 23 h, or when the server shuts down: a second socket is opened before the first is left
    (`turns`); what both bring while both are read is handed over once

A socket that opens proves nothing: a made-up listen key gets a healthy one too (docs/protocol.md
§1.4). So it counts as good at its first event, or when it has answered a ping. The key is never
stopped: that would end the stream of every other program on the account.
"""

from collections.abc import Callable
from functools import partial
from typing import NoReturn
from urllib.parse import quote

import trio

from monitor.binance import wire, wire_api
from monitor.binance.advice import advice
from monitor.binance.api_line import ApiLine
from monitor.binance.codes import NO_LISTEN_KEY
from monitor.binance.ends import leaf
from monitor.binance.link import Socket, UpgradeRefused, keep_pinging, open_socket
from monitor.binance.surroundings import PING_EVERY, Surroundings
from monitor.binance.turns import Turn, take_turns
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected
from monitor.feed import keep_connected

_KEEP_ALIVE = 20 * 60.0  # seconds; a key lives for 60 minutes, so two may fail
_KEEP_ALIVE_SOON = 30.0
_OVERLAP = 5.0  # seconds, before scale, that the old socket is read beside the new one
_EXPIRED = "the listen key expired"


class UserStream:
    """Keeps one user data socket for an account.

    Args:
        streams: Base URL of the streams.
        line: Where the listen key comes from.
        around: What the account's parts share.
        on_message: Takes each readable event but those about the socket itself; may raise
            `ConnectionLost` to have the socket rebuilt.
        on_open: Called whenever a socket has been opened, a replacement too.
        on_stood: Called when one stands after a time without.
        on_fell: Called with the reason when none stands any more.
    """

    def __init__(
        self,
        streams: str,
        *,
        line: ApiLine,
        around: Surroundings,
        on_message: Callable[[wire.UserMessage], None],
        on_open: Callable[[], None],
        on_stood: Callable[[], None],
        on_fell: Callable[[str], None],
    ) -> None:
        self._streams = streams
        self._line = line
        self._around = around
        self._on_message = on_message
        self._on_open = on_open
        self._on_stood = on_stood
        self._on_fell = on_fell
        self._name = f"{around.name} user data"
        self._key = ""
        self._standing = False
        self._renewal = trio.Event()
        self._renewal_why = ""
        self._ahead: dict[str, int] = {}
        self._unknown: set[str] = set()
        self.tried = trio.Event()
        """Set when the first attempt to open a socket has ended, well or not."""
        self.stood = 0
        """How often one stood after a time without."""

    async def run(self) -> NoReturn:
        """Keep the socket; until cancelled."""
        around = self._around
        await keep_connected(
            self._once, rng=around.rng, name=self._name, log=around.log, advise=advice
        )

    def renew(self, why: str) -> None:
        """Take a new key and a new socket; one that is being opened may be on the old key."""
        if not self._renewal.is_set():
            if self._standing:
                self._around.log.info("%s: a new listen key and socket: %s", self._name, why)
            self._renewal_why = why
            self._renewal.set()

    async def _once(self, good: Callable[[], None]) -> None:
        await self._line.ready()
        try:
            await self._live(good)
            self.fall(self._renewal_why)
        except* KeyRejected:
            # The line has taken note, and is not ready until the key is served again.
            self.fall("the key was rejected")
        except* ConnectionLost as group:
            self.fall(str(leaf(group)))
            raise
        finally:
            self.tried.set()

    async def _live(self, good: Callable[[], None]) -> None:
        """Have a socket, and its replacements, until one is lost or to be renewed."""
        around = self._around
        self._renewal = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_when_renewed, nursery.cancel_scope)
            nursery.start_soon(self._keep_key)
            await take_turns(
                partial(self._serve, good),
                stands=self._stand,
                replaced=self._on_open,
                overlap=_OVERLAP * around.scale,
                rng=around.rng,
                name=self._name,
                log=around.log,
            )

    async def _end_when_renewed(self, scope: trio.CancelScope) -> None:
        await self._renewal.wait()
        scope.cancel("a new listen key is wanted")

    def _stand(self) -> None:
        self._standing = True
        self.stood += 1
        self._on_stood()
        self._on_open()
        self.tried.set()

    def fall(self, why: str) -> None:
        """Say that no socket stands any more, if one did."""
        if self._standing:
            self._standing = False
            self._on_fell(why)

    # One socket

    async def _serve(
        self, good: Callable[[], None], turn: Turn, stands: Callable[[], None]
    ) -> None:
        """Open a socket on a key and read it; `stands` is called when it is open."""
        around = self._around
        key = await self._start_key()
        url = f"{self._streams}/private/ws?listenKey={quote(key, safe='')}"
        try:
            async with open_socket(
                url, dial=around.dial, deadline_s=around.dial_deadline, name=self._name
            ) as socket:
                self._key = key
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._ping, socket, good)
                    stands()
                    while True:
                        self._take(await socket.receive(), key, turn, good)
        except UpgradeRefused as refused:
            self._line.note_limits(refused)
            raise

    async def _ping(self, socket: Socket, good: Callable[[], None]) -> NoReturn:
        deadline = self._around.ping_deadline
        await keep_pinging(socket, every_s=PING_EVERY, deadline_s=deadline, on_answer=good)

    def _take(self, text: str, key: str, turn: Turn, good: Callable[[], None]) -> None:
        """Read one frame; what cannot be read is kept aside, and the stream goes on."""
        if self._is_twin(text, turn):
            return
        try:
            message = wire.parse_user(text)
        except FrameGarbled as fault:
            spared = wire.without_keys(text).replace(key, "…")
            self._around.quarantine.keep(self._name, spared, str(fault))
            return
        match message:
            case wire.ListenKeyExpired():
                # It may come twice, and on a socket that is being left, for another key.
                if key == self._key and message.listen_key in {None, key}:
                    self.renew(_EXPIRED)
            case wire.ServerShutdown():
                turn.ending.set()
            case wire.OtherEvent():
                self._remark(message.type_)
            case _:
                good()
                self._on_message(message)

    def _is_twin(self, text: str, turn: Turn) -> bool:
        """Tell whether the other socket has brought this frame already, while two are read."""
        if turn.before is None and turn.after is None:
            self._ahead.clear()
            return False
        # How often the newer socket has brought it more than the older one.
        ahead = self._ahead.get(text, 0)
        step = 1 if turn.before is not None else -1
        self._ahead[text] = ahead + step
        return ahead * step < 0

    def _remark(self, kind: str) -> None:
        if kind not in self._unknown and len(self._unknown) < 100:
            self._unknown.add(kind)
            self._around.log.info("%s: events of a new type: %.60r", self._name, kind)

    # The key

    async def _start_key(self) -> str:
        """Ask for the account's listen key: a new one, or the one that lives.

        Raises:
            KeyRejected: The API key is refused.
            ConnectionLost: None is to be had at the moment.
        """
        method = "userDataStream.start"
        try:
            key = wire_api.read_listen_key(method, await self._line.call(method, signed=False))
        except KeyRejected:
            raise
        except (ExchangeRefused, FrameGarbled) as fault:
            raise ConnectionLost(f"{self._name}: no listen key: {fault}") from fault
        if not key:
            raise ConnectionLost(f"{self._name}: no listen key: the answer holds none")
        return key

    async def _keep_key(self) -> NoReturn:
        """Keep the key alive; until cancelled."""
        pause = _KEEP_ALIVE
        while True:
            await trio.sleep(pause)
            await self._line.ready()
            pause = _KEEP_ALIVE if await self._prolong_key() else _KEEP_ALIVE_SOON

    async def _prolong_key(self) -> bool:
        """Prolong the key once; a failure is tried again soon, a dead key is renewed."""
        method = "userDataStream.ping"
        try:
            key = wire_api.read_listen_key(method, await self._line.call(method, signed=False))
        except (ExchangeRefused, FrameGarbled, ConnectionLost) as fault:
            if isinstance(fault, ExchangeRefused) and fault.code == NO_LISTEN_KEY:
                self.renew("the listen key does not exist any more")
                return True
            self._around.log.warning("%s: keep-alive failed: %s", self._name, fault)
            return False
        if key and key != self._key:
            self.renew("the account has another listen key by now")
        return True
