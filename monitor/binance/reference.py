"""Reference data over REST: maintenance tiers, asset prices, forced orders, key permissions.

Each class does one job for as long as it runs. None of it is urgent: it asks by the lowest ranks of
the weight budget, tries again with growing pauses, says once what is missing, and disturbs nobody.
"""

import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import NoReturn

import trio

from monitor.binance import translate_reference, wire_reference
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import Rank
from monitor.binance.permissions import PORTFOLIO_MARGIN, read_permissions
from monitor.binance.rest import Rest
from monitor.binance.surroundings import Surroundings
from monitor.binance.wire_reference import ForcedOrder
from monitor.core.events import Bracket
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled

_DAY = 86_400.0
_FIRST_PAUSE = 60.0
_LONGEST_PAUSE = 3600.0
_SETTLE = 10.0  # seconds from word of changed tiers to asking: they change in bursts
_FEW = 3  # symbols that are asked for one by one; for more the table of all is one request
_PRICES_EVERY = 300.0
_FARTHEST = 7 * 86_400_000  # ms that forced orders are looked for in the past
_ORDERS_WEIGHT = 50
_MOST_ORDERS = 100
_ALL_PRICES_WEIGHT = 10

_TROUBLE = (ExchangeRefused, FrameGarbled, ConnectionLost)


async def until_done(
    once: Callable[[], Awaitable[None]], *, what: str, rng: random.Random, log: logging.Logger
) -> None:
    """Try until it succeeds, with pauses from a minute to an hour; said once.

    Args:
        once: One attempt.
        what: What is missing meanwhile, for the log.
        rng: Where the jitter comes from.
        log: Where that is told.
    """
    pause = _FIRST_PAUSE
    level = logging.WARNING
    while True:
        try:
            await once()
        except _TROUBLE as fault:
            log.log(level, "%s: not read yet: %s", what, fault)
            level = logging.DEBUG
        else:
            if level == logging.DEBUG:
                log.info("%s: read at last", what)
            return
        await trio.sleep(rng.uniform(pause / 2, pause))
        pause = min(2 * pause, _LONGEST_PAUSE)


class Brackets:
    """The maintenance tiers of the symbols that an account holds: its own tables, not the market's.

    Read when a symbol turns up, once a day, and when the exchange says that they changed.

    Args:
        rest: The account's door to REST.
        line: Tells when the key is served.
        around: What the account's parts share.
        take: Takes tiers, by symbol.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        line: ApiLine,
        around: Surroundings,
        take: Callable[[Mapping[str, tuple[Bracket, ...]]], None],
    ) -> None:
        self._rest = rest
        self._line = line
        self._around = around
        self._take = take
        self._held: frozenset[str] = frozenset()
        self._read_at: dict[str, float] = {}
        self._changed = trio.Event()
        self._settled = 0.0
        self._adjusted = False

    def hold(self, symbols: frozenset[str]) -> None:
        """Say which symbols the account holds from now on."""
        if symbols != self._held:
            self._held = symbols
            self._read_at = {one: at for one, at in self._read_at.items() if one in symbols}
            self._changed.set()

    def invalidate(self, symbol: str) -> None:
        """Say that the tiers of a symbol changed."""
        if self._read_at.pop(symbol, None) is not None:
            # Not every account of a process in the same second.
            wait = self._around.rng.uniform(_SETTLE, 2 * _SETTLE)
            self._settled = trio.current_time() + wait
            self._changed.set()

    async def run(self) -> NoReturn:
        """Keep them; until cancelled."""
        what = f"{self._around.name} brackets"
        while True:
            self._changed = trio.Event()
            if self._missing():
                await trio.sleep_until(self._settled)
                await until_done(self._read, what=what, rng=self._around.rng, log=self._around.log)
                continue
            oldest = min(self._read_at.values(), default=trio.current_time())
            with trio.move_on_at(oldest + _DAY):
                await self._changed.wait()

    def _missing(self) -> frozenset[str]:
        """The symbols held whose tiers were never read, or not for a day."""
        since = trio.current_time() - _DAY
        return frozenset(one for one in self._held if self._read_at.get(one, -math.inf) <= since)

    async def _read(self) -> None:
        await self._line.ready()
        symbols = self._missing()
        few = len(symbols) <= _FEW
        for params in [{"symbol": one} for one in sorted(symbols)] if few else [{}]:
            path = "/fapi/v1/leverageBracket"
            answer = await self._rest.get(path, params, signed=True)
            asked = frozenset(params.values()) or symbols
            self._take(self._tables(answer, asked))
            # One without a table, or with a broken one, is not asked for again before tomorrow.
            self._read_at |= dict.fromkeys(asked & self._held, trio.current_time())

    def _tables(self, answer: object, symbols: frozenset[str]) -> dict[str, tuple[Bracket, ...]]:
        """Read the tables of these symbols; a broken one must not cost the others."""
        found: dict[str, tuple[Bracket, ...]] = {}
        for row in wire_reference.bracket_rows(answer, symbols):
            try:
                symbol = wire_reference.read_bracket_row(row)
                found[symbol.symbol] = translate_reference.tiers(symbol)
            except FrameGarbled as fault:
                self._around.log.warning("%s: %s", self._around.name, fault)
                continue
            self._remark(symbol)
        return found

    def _remark(self, symbol: wire_reference.SymbolBrackets) -> None:
        if symbol.coefficient is not None and not self._adjusted:
            self._adjusted = True
            self._around.log.info(
                "%s: the brackets of this account are adjusted (notionalCoef %.20s of %s)",
                self._around.name,
                symbol.coefficient,
                symbol.symbol,
            )


class ForcedOrders:
    """The account's forced orders that no stream told, looked for whenever a stream stands anew.

    Args:
        rest: The account's door to REST.
        line: Tells when the key is served.
        around: What the account's parts share.
        take: Takes orders, and when they were read by our clock.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        line: ApiLine,
        around: Surroundings,
        take: Callable[[list[ForcedOrder], int], None],
    ) -> None:
        self._rest = rest
        self._line = line
        self._around = around
        self._take = take
        self._wanted: int | None = None
        self._asked = trio.Event()

    def look(self, since: int) -> None:
        """Look once.

        Args:
            since: Unix milliseconds by the exchange's clock; not farther back than a week.
        """
        self._wanted = since if self._wanted is None else min(since, self._wanted)
        self._asked.set()

    async def run(self) -> NoReturn:
        """Look when asked to; until cancelled."""
        what = f"{self._around.name} forced orders"
        while True:
            await self._asked.wait()
            await until_done(self._read, what=what, rng=self._around.rng, log=self._around.log)

    async def _read(self) -> None:
        await self._line.ready()
        self._asked = trio.Event()
        server = self._around.now().utc + self._line.offset
        asked_for = server if self._wanted is None else self._wanted
        params = {"startTime": max(asked_for, server - _FARTHEST), "limit": _MOST_ORDERS}
        answer = await self._rest.get(
            "/fapi/v1/forceOrders", params, signed=True, weight=_ORDERS_WEIGHT, rank=Rank.PAST
        )
        # Not the instant before it: the weight may have been waited for.
        self._take(wire_reference.read_forced_orders(answer), self._around.now().utc)
        # A stream that fell and stood while this was under way has asked for one more look.
        if not self._asked.is_set():
            self._wanted = None


class AssetPrices:
    """What margin assets are worth in USD, while some account is in multi-assets mode.

    Args:
        rest: A door to REST; nothing is signed.
        take: Takes the prices, USD per unit of each asset.
        rng: Where the jitter comes from.
        log: Where trouble is told.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        take: Callable[[Mapping[str, Decimal]], None],
        rng: random.Random,
        log: logging.Logger,
    ) -> None:
        self._rest = rest
        self._take = take
        self._rng = rng
        self._log = log
        self._users: set[str] = set()
        self._wanted = trio.Event()

    def use(self, account: str, *, multi_assets: bool) -> None:
        """Say whether an account needs them from now on."""
        if not multi_assets:
            self._users.discard(account)
        elif account not in self._users:
            self._users.add(account)
            self._wanted.set()

    async def run(self) -> NoReturn:
        """Read them every five minutes while anybody needs them; until cancelled."""
        while True:
            await self._wanted.wait()
            if not self._users:
                self._wanted = trio.Event()
                continue
            await until_done(self._read, what="asset prices", rng=self._rng, log=self._log)
            await trio.sleep(_PRICES_EVERY)

    async def _read(self) -> None:
        answer = await self._rest.get("/fapi/v1/assetIndex", weight=_ALL_PRICES_WEIGHT)
        rows = wire_reference.read_asset_indexes(answer)
        self._take(translate_reference.asset_prices(rows))


async def find_portfolio_margin(
    sapi: Rest, *, around: Surroundings, refuse: Callable[[str], None]
) -> None:
    """Find out whether an account is in portfolio margin, which is not known here.

    Asked until it is answered: what such an account shows looks like any other's, and is wrong.

    Args:
        sapi: The door to the key's permissions.
        around: What the account's parts share.
        refuse: Called with a sentence if it is.
    """

    async def ask() -> None:
        permissions = await read_permissions(sapi)
        if permissions.portfolio_margin:
            refuse(PORTFOLIO_MARGIN)

    what = f"{around.name} key permissions"
    await until_done(ask, what=what, rng=around.rng, log=around.log)
