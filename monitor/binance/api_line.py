"""An account's line to the WebSocket API: kept connected, its clock measured, its key watched.

    ready() ── connected, gate open, key served ──▶ call(…)
                                      ▲   │ KeyRejected: told once, nobody else calls
                                      │   ▼
              served again ◀── asked every 5 min, every 30 min after the first hour

Nothing but the probe uses a rejected key; the socket stays up meanwhile.
"""

from collections.abc import Callable
from functools import partial
from typing import NoReturn

import trio

from monitor.binance.advice import advice, with_advice
from monitor.binance.budget import HANDSHAKE, Rank
from monitor.binance.ends import leaf, note_limits
from monitor.binance.gate import limit_status
from monitor.binance.link import Socket, UpgradeRefused, keep_pinging, open_socket
from monitor.binance.server_clock import Measure, ServerClock
from monitor.binance.signing import Params, Signer
from monitor.binance.surroundings import PING_EVERY, Surroundings
from monitor.binance.turns import Turn, take_turns
from monitor.binance.ws_api import DEADLINE, ApiSocket
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled, KeyRejected
from monitor.feed import keep_connected

_CLOCK_EVERY = 600.0  # seconds; a machine's clock may drift by some ms in that time
_PROBE_EVERY = 300.0
_PROBE_LATER = 1800.0
_FIRST_HOUR = 3600.0


class ApiLine:
    """One account's requests, over whatever socket stands at the moment.

    Args:
        url: The WebSocket API.
        signer: Signs, and names the key.
        around: What the account's parts share.
        over_rest: Measures the exchange's clock where the WebSocket API does not tell it.
        on_connected: Called when a socket stands after an earlier one was lost.
        on_rejected: Called when the key is refused after it was served, or for the first time.
        on_accepted: Called when it is served again.
    """

    def __init__(
        self,
        url: str,
        *,
        signer: Signer,
        around: Surroundings,
        over_rest: Measure,
        on_connected: Callable[[], None],
        on_rejected: Callable[[KeyRejected], None],
        on_accepted: Callable[[], None],
    ) -> None:
        self._url = url
        self._signer = signer
        self._around = around
        self._on_connected = on_connected
        self._on_rejected = on_rejected
        self._on_accepted = on_accepted
        self._name = f"{around.name} API"
        self._clock = ServerClock(over_rest, name=self._name, log=around.log)
        self._socket: ApiSocket | None = None
        self._up = trio.Event()
        self._sessions = 0
        self._served = trio.Event()
        self._served.set()
        self._rejected = trio.Event()
        self._rebuild = trio.Event()
        self._rebuild_why = ""
        self._offset = 0
        self.trouble = ""
        """Why the last socket was lost or never stood; "" while one does its work."""

    @property
    def offset(self) -> int:
        """The exchange's clock minus ours, milliseconds; 0 until it is measured."""
        return self._offset if self._socket is None else self._socket.offset

    @property
    def sessions(self) -> int:
        """How many sockets have stood so far, planned replacements not counted."""
        return self._sessions

    async def run(self) -> NoReturn:
        """Keep the line; until cancelled."""
        around = self._around
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_key)
            await keep_connected(
                self._once, rng=around.rng, name=self._name, log=around.log, advise=advice
            )

    def rebuild(self, why: str) -> None:
        """Give the present socket up for a new one, which measures the clock anew."""
        self._rebuild_why = why
        self._rebuild.set()

    async def ready(self) -> None:
        """Wait until requests may be made: connected, gate open, key served."""
        await self._around.budget.wait_open()
        while not (self._served.is_set() and self._up.is_set()):
            await self._served.wait()
            await self._up.wait()
            await self._around.budget.wait_open()

    @property
    def standing(self) -> bool:
        """Whether a request could be made at this instant, the budget aside."""
        return self._served.is_set() and self._up.is_set()

    async def call(
        self,
        method: str,
        params: Params | None = None,
        *,
        signed: bool,
        rank: Rank = Rank.URGENT,
        paid: bool = False,
    ) -> object:
        """Ask over the socket that stands; see `ApiSocket.call`.

        Raises:
            ExchangeRefused: The exchange said no.
            KeyRejected: … to this key; `ready` waits from now on until it is served again.
            FrameGarbled: The answer cannot be read.
            ConnectionLost: There will be no answer, or no socket stands.
        """
        if self._socket is None:
            raise ConnectionLost(f"{self._name}: is not connected")
        try:
            return await self._socket.call(method, params, signed=signed, rank=rank, paid=paid)
        except KeyRejected as refusal:
            self._reject(refusal)
            raise

    # One socket

    async def _once(self, good: Callable[[], None]) -> None:
        """Have a socket, and its replacements, until one is lost."""
        around = self._around
        self._rebuild = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_when_told)
                await take_turns(
                    partial(self._serve, good),
                    stands=self._on_stood,
                    replaced=lambda: None,  # nothing was missed meanwhile
                    overlap=DEADLINE * around.scale,  # what was asked there is answered there
                    rng=around.rng,
                    name=self._name,
                    log=around.log,
                )
        except* ConnectionLost as group:
            self.trouble = str(leaf(group))
            raise

    async def _serve(
        self, good: Callable[[], None], turn: Turn, stands: Callable[[], None]
    ) -> None:
        """Open one socket and use it to its end; it `stands` when its clock has been measured."""
        around = self._around
        await around.budget.take(HANDSHAKE, rank=Rank.URGENT)
        try:
            async with open_socket(
                self._url, dial=around.dial, deadline_s=around.dial_deadline, name=self._name
            ) as socket:
                await self._use(socket, turn, good, stands)
        except UpgradeRefused as refused:
            self.note_limits(refused)
            raise

    async def _use(
        self,
        socket: Socket,
        turn: Turn,
        good: Callable[[], None],
        stands: Callable[[], None],
    ) -> None:
        around = self._around
        api = ApiSocket(
            socket,
            signer=self._signer,
            now=around.now,
            budget=around.budget,
            quarantine=around.quarantine,
            scale=around.scale,
            offset=self.offset,
            clock=self._clock,
        )
        turn.ending = api.ending
        async with trio.open_nursery() as nursery:
            nursery.start_soon(api.run)
            await self._measure(api)
            self.trouble = ""
            good()
            self._socket = api
            self._up.set()
            stands()
            try:
                await self._look_after(socket, api)
            finally:
                if self._socket is api:
                    # The best guess until the next socket has measured it.
                    self._offset = api.offset
                    self._socket, self._up = None, trio.Event()

    def _on_stood(self) -> None:
        self._sessions += 1
        if self._sessions > 1:
            self._on_connected()

    async def _look_after(self, socket: Socket, api: ApiSocket) -> NoReturn:
        """Ping, and measure the clock now and then; until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ping, socket)
            while True:
                await trio.sleep(_CLOCK_EVERY)
                await self._measure(api)

    async def _ping(self, socket: Socket) -> NoReturn:
        await keep_pinging(socket, every_s=PING_EVERY, deadline_s=self._around.ping_deadline)

    async def _end_when_told(self) -> NoReturn:
        await self._rebuild.wait()
        raise ConnectionLost(f"{self._name}: {self._rebuild_why}")

    async def _measure(self, api: ApiSocket) -> None:
        """Measure the clock; a server that will not tell leaves the offset as it was."""
        try:
            await api.measure_clock()
        except (ExchangeRefused, FrameGarbled) as fault:
            if isinstance(fault, ExchangeRefused) and self._limited(fault):
                raise ConnectionLost(f"{self._name}: {fault}") from fault
            self._around.log.warning(
                "%s: the exchange's clock is unknown, ours is used: %s", self._name, fault
            )

    def _limited(self, fault: ExchangeRefused) -> bool:
        about_limits = limit_status(fault.status, fault.code, fault.message) is not None
        return about_limits or self._around.budget.closed_for > 0

    def note_limits(self, refused: UpgradeRefused) -> None:
        """Close the budget's gate where a socket was refused for limits."""
        around = self._around
        note_limits(refused, around.budget, now=around.now(), offset=self.offset)

    # The key

    def _reject(self, refusal: KeyRejected) -> None:
        if self._served.is_set():
            self._served = trio.Event()
            self._around.log.error("%s: %s", self._name, with_advice(refusal))
            self._on_rejected(refusal)
            self._rejected.set()

    async def _watch_key(self) -> NoReturn:
        """Ask now and then whether a rejected key is served again; until cancelled."""
        while True:
            await self._rejected.wait()
            since = trio.current_time()
            pause = _PROBE_EVERY
            served = False
            while not served:
                await trio.sleep(pause)
                served = await self._probe()
                later = trio.current_time() - since >= _FIRST_HOUR
                pause = _PROBE_LATER if later else _PROBE_EVERY
            self._rejected = trio.Event()
            self._served.set()
            self._around.log.info("%s: the key is served again", self._name)
            self._on_accepted()

    async def _probe(self) -> bool:
        """Ask the two things that an account needs: a listen key, and something signed."""
        await self._up.wait()
        await self._around.budget.wait_open()
        try:
            await self.call("userDataStream.start", signed=False)
            await self.call("v2/account.status", signed=True)
        except KeyRejected:
            return False
        except ExchangeRefused as refused:
            # Refused for another reason than the key: that is an answer to a key it knows.
            return not self._limited(refused)
        except (ConnectionLost, FrameGarbled):
            return False
        return True
