"""One look at an account: its clock, one poll, the user data socket, what its key may do.

    budget ─▶ WebSocket API ─▶ clock ─┬─▶ poll
                                      ├─▶ listen key ─▶ user data socket, opened and left
                                      ├─▶ market socket, left at the first mark price
                                      └─▶ key permissions, where the network tells them

Nothing is tried twice, so that the first cause is the one that is told. The listen key is left
alone: to stop it would cut off every other program on the account.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import trio

from monitor.binance import translate_polls, wire_api, wire_market
from monitor.binance.budget import HANDSHAKE, Budget, Rank
from monitor.binance.ends import Cause, LinkLost, leaf
from monitor.binance.link import Dial, open_socket
from monitor.binance.permissions import TIME_PATH, Permissions, read_permissions
from monitor.binance.rest import Rest
from monitor.binance.server_clock import ServerClock
from monitor.binance.signing import Signer
from monitor.binance.timetable import POSITION_V1, POSITION_V2, STATUS_V1, STATUS_V2
from monitor.binance.words import plain_words
from monitor.binance.ws_api import WEIGHTS, AnswerMissing, ApiSocket
from monitor.core.events import Now, PollAnswered
from monitor.errors import (
    ConnectionLost,
    ExchangeRefused,
    FrameGarbled,
    KeyRejected,
    MonitorError,
)
from monitor.quarantine import Quarantine

DEADLINE = 14.0
"""Seconds for all of it, before scale; waiting for weight left out."""

_METHODS = (POSITION_V2, STATUS_V2, POSITION_V1, STATUS_V1)

_START_KEY = "userDataStream.start"

COST = HANDSHAKE + 1 + sum(WEIGHTS[method] for method in _METHODS) + 1
"""Weight of a look: the handshake, the clock, the poll, the listen key."""

LIQUID = "BTCUSDT"
"""A symbol that every network has, for a first mark price."""

FIRST_PRICE = 5.0
"""Seconds, before scale, in which one that is asked for each second has come."""

_FAULTS = (ConnectionLost, ExchangeRefused, FrameGarbled)
_FELL = (ConnectionLost, AnswerMissing)


@dataclass(slots=True)
class Seen:
    """What one look found; None is what it did not get to."""

    offset: int | None = None
    """The exchange's clock minus ours, milliseconds."""
    poll: PollAnswered | None = None
    permissions: Permissions | None = None
    permissions_fault: MonitorError | None = None
    """Why the permissions are not known though the network tells them."""
    faults: list[MonitorError] = field(default_factory=list)
    """Why it cannot be watched; the first is the cause."""


class Glance:
    """Looks at one account once.

    Args:
        name: The account, as configured.
        signer: Names its key, and signs.
        ws_api: URL of the WebSocket API.
        streams: Base URL of the streams.
        rest: Base URL of REST, for the clock where the WebSocket API does not tell it.
        sapi: Base URL of the key permissions; None where the network has none.
        dial: Makes streams for sockets.
        now: Our clock.
        budget: The gate before every request.
        stream: Whether the user data socket is tried too.
        market: Whether the market socket is tried too: one serves all accounts of a network.
        scale: Multiplies every deadline.
    """

    def __init__(
        self,
        *,
        name: str,
        signer: Signer,
        ws_api: str,
        streams: str,
        rest: str,
        sapi: str | None,
        dial: Dial,
        now: Callable[[], Now],
        budget: Budget,
        stream: bool = True,
        market: bool = False,
        scale: float = 1.0,
    ) -> None:
        self._name = name
        self._signer = signer
        self._ws_api = ws_api
        self._streams = streams
        self._rest = rest
        self._sapi = sapi
        self._dial = dial
        self._now = now
        self._budget = budget
        self._stream = stream
        self._market = market
        self._scale = scale
        self._seen = Seen()

    async def look(self) -> Seen:
        """Look; whatever goes wrong is in what was seen.

        Returns:
            After `DEADLINE` at the latest, waiting for weight left out.
        """
        seen = self._seen
        # Everything at once: a look that has begun is not to wait between two of its requests.
        await self._budget.take(COST)
        with trio.move_on_after(DEADLINE * self._scale) as patience:
            try:
                await self._connect()
            except* _FAULTS as group:
                # What waited on the socket fell with it, and knows less of why.
                seen.faults = [one for one in seen.faults if type(one) not in _FELL]
                seen.faults.append(leaf(group))
        if patience.cancelled_caught and not seen.faults:
            seen.faults.append(self._late())
        seen.faults = _causes(seen.faults)
        return seen

    def _late(self) -> LinkLost:
        what = f"{self._name}: not all was answered within {DEADLINE * self._scale:g} s"
        return LinkLost(what, Cause.TIMED_OUT)

    async def _connect(self) -> None:
        async with open_socket(
            self._ws_api, dial=self._dial, deadline_s=10 * self._scale, name=f"{self._name} API"
        ) as socket:
            api = ApiSocket(
                socket,
                signer=self._signer,
                now=self._now,
                budget=self._budget,
                quarantine=Quarantine(None, redact=str, now=self._now),
                scale=self._scale,
                clock=self._server_clock(),
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(api.run)
                await self._ask_everything(api)
                nursery.cancel_scope.cancel("everything was seen")

    def _server_clock(self) -> ServerClock:
        door = self._door(self._rest, "REST", 0, budget=self._budget, time_path="/fapi/v1/time")
        measure = partial(door.measure_clock, rank=Rank.URGENT)
        return ServerClock(measure, name=self._name, log=logging.getLogger("marginwatch"))

    def _door(
        self, base: str, what: str, offset: int, *, budget: Budget | None, time_path: str
    ) -> Rest:
        return Rest(
            base,
            name=f"{self._name} {what}",
            signer=self._signer,
            dial=self._dial,
            now=self._now,
            budget=budget,
            offset=lambda: offset,
            scale=self._scale,
            time_path=time_path,
        )

    async def _ask_everything(self, api: ApiSocket) -> None:
        self._seen.offset = await api.measure_clock(paid=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._poll, api)
            if self._stream:
                nursery.start_soon(self._open_stream, api)
            if self._market:
                nursery.start_soon(self._wait_for_a_price)
            if self._sapi is not None:
                nursery.start_soon(self._read_permissions, self._sapi, api.offset)

    # Its parts; what goes wrong with one stops no other

    async def _poll(self, api: ApiSocket) -> None:
        """Ask for positions and status, in both versions, as a poll at a start does."""
        sent = self._now().utc
        got: dict[str, Any] = {}
        faults: dict[str, MonitorError] = {}

        async def ask(method: str) -> None:
            read = wire_api.read_positions if "position" in method else wire_api.read_status
            try:
                got[method] = read(method, await api.call(method, signed=True, paid=True))
            except _FAULTS as fault:
                faults[method] = fault

        async with trio.open_nursery() as nursery:
            for method in _METHODS:
                nursery.start_soon(ask, method)
        # The old version does where the new one is refused.
        pairs = ((POSITION_V2, POSITION_V1), (STATUS_V2, STATUS_V1))
        lost = [faults[new] for new, old in pairs if new in faults and old in faults]
        self._seen.faults[:0] = lost
        if not lost:
            self._seen.poll = _event(self._name, sent, got)

    async def _open_stream(self, api: ApiSocket) -> None:
        """Open the user data socket, and leave it."""
        try:
            answer = await api.call(_START_KEY, signed=False, paid=True)
            key = wire_api.read_listen_key(_START_KEY, answer)
            if not key:
                raise FrameGarbled(f"{_START_KEY}: the answer holds no listen key")
            url = f"{self._streams}/private/ws?listenKey={quote(key, safe='')}"
            name = f"{self._name} user data"
            async with open_socket(url, dial=self._dial, deadline_s=10 * self._scale, name=name):
                pass
        except _FAULTS as fault:
            self._seen.faults.append(fault)

    async def _wait_for_a_price(self) -> None:
        """Open the market socket, and leave it when it has brought a mark price."""
        name = f"{self._name} mark prices"
        url = f"{self._streams}/market/ws"
        patience = FIRST_PRICE * self._scale
        question = {"method": "SUBSCRIBE", "params": [f"{LIQUID.lower()}@markPrice@1s"], "id": 1}
        try:
            async with open_socket(
                url, dial=self._dial, deadline_s=10 * self._scale, name=name
            ) as socket:
                await socket.send(json.dumps(question))
                with trio.move_on_after(patience) as waited:
                    while not _is_price(await socket.receive()):
                        pass
                if waited.cancelled_caught:
                    what = f"{name}: no price of {LIQUID} for {patience:g} s after SUBSCRIBE"
                    raise LinkLost(what, Cause.NO_WEBSOCKET)
        except _FAULTS as fault:
            self._seen.faults.append(fault)

    async def _read_permissions(self, sapi: str, offset: int) -> None:
        rest = self._door(sapi, "permissions", offset, budget=None, time_path=TIME_PATH)
        try:
            self._seen.permissions = await read_permissions(rest)
        except _FAULTS as fault:
            self._seen.permissions_fault = fault


def _is_price(text: str) -> bool:
    """Tell a mark price from what else comes on a market socket.

    Raises:
        ExchangeRefused: The subscription was refused.
        FrameGarbled: It is nothing that comes there.
    """
    message = wire_market.parse_market(text)
    if isinstance(message, wire_market.ControlAnswer):
        code = message.code if message.error is None else message.error.code
        words = message.message if message.error is None else message.error.message
        if code is not None:
            raise ExchangeRefused("SUBSCRIBE", 0, code, plain_words(words))
    return isinstance(message, list)


def _event(account: str, sent: int, got: dict[str, Any]) -> PollAnswered:
    """Make a poll's event of what was answered; of each, one version at least is there."""
    rows, old_rows = got.get(POSITION_V2), got.get(POSITION_V1, ())
    old_status: wire_api.AccountStatus | None = got.get(STATUS_V1)
    status: wire_api.AccountStatus = got[STATUS_V2 if STATUS_V2 in got else STATUS_V1]
    beside = [] if old_status is None else [translate_polls.listed_rows(old_status)]
    if POSITION_V1 in got:
        beside.append(translate_polls.held_rows(old_rows))
    if rows is None:
        positions = translate_polls.position_rows_v1(old_rows, old_status)
    else:
        positions = translate_polls.position_rows(rows)
    settings = translate_polls.setting_rows(old_rows) or translate_polls.inferred_settings(
        rows or ()
    )
    return PollAnswered(
        account=account,
        at=sent,
        after=0,
        complete=True,
        positions=positions,
        settings=settings,
        assets=translate_polls.asset_rows(status),
        listed=translate_polls.listed_rows(status),
        totals=translate_polls.totals(status),
        multi_assets=None if old_status is None else old_status.multi_assets,
        beside=tuple(beside),
    )


def _causes(faults: list[MonitorError]) -> list[MonitorError]:
    """Put what the exchange said before what fell with it, and each code once.

    A key that is not served is refused by everything that is asked; once is enough to know.
    """
    kinds = (KeyRejected, ExchangeRefused, FrameGarbled, ConnectionLost)
    causes: dict[object, MonitorError] = {}
    for kind in kinds:
        for fault in faults:
            if isinstance(fault, kind):
                causes.setdefault(
                    fault.code if isinstance(fault, ExchangeRefused) else fault, fault
                )
    return list(causes.values())
