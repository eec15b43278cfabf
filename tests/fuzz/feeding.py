"""Tampered frames through the whole house: sockets, wire, translation, engine, store, messages.

The simulated exchange sends a batch of them on every socket, and tampers with its own answers to
polls. Nothing may come out of the monitor; what it believes stays sound at every moment; and when
the exchange speaks plainly again, what is believed is exactly what is true.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import trio
from trio.testing import MockClock

from monitor.core.portfolio import Account
from monitor.sim.server import Peer
from tests.binance import messages
from tests.fuzz.mutator import Mutator
from tests.house.simulation import seeded_scheduler
from tests.house.town import Town

_EVERY = 0.1
"""Seconds between two handfuls of frames."""
_HANDFUL = 10
"""Frames on each socket; ten handfuls a second."""
_REBUILT = 90_000
"""Milliseconds of plain speech before a poll counts as good: the longest back-off, and a minute
for what only the minute's poll can show."""
_PATIENCE = 1_300.0
"""Seconds that such a poll is waited for: a lie about the weight used makes polls rare for long."""

_PAYLOADS = Path(__file__).parent.parent / "payloads"

_STORY = """
seed = 7
start = "2026-01-02T03:00:00Z"
length = "2h"
weight_limit = 1000000
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "5000", USDC = "300" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
[[account.position]]
symbol = "ETHUSDT"
side = "short"
quantity = "1.5"
entry_price = "3000"
leverage = 20
[[account.position]]
symbol = "BTCUSDC"
side = "long"
quantity = "0.01"
entry_price = "60000"
leverage = 20
[[price]]
symbol = "ETHUSDT"
points = [["0s", "3000"], ["40s", "3010"]]
[[do]]
at = "5s"
what = "deposit"
amount = "10"
[[do]]
at = "8s"
what = "order"
symbol = "SOLUSDT"
side = "buy"
quantity = "2"
[[do]]
at = "11s"
what = "leverage"
symbol = "BTCUSDT"
leverage = 20
[[do]]
at = "14s"
what = "funding"
symbol = "BTCUSDT"
rate = "0.01%"
"""


def corpus() -> list[str]:
    """Collect good frames: Binance's own examples, as documented and as captured."""
    found = [value for name, value in vars(messages).items() if name.isupper()]
    frames = [text for value in found for text in ([value] if isinstance(value, str) else value)]
    for path in sorted(_PAYLOADS.glob("*.json")):
        payload = json.loads(path.read_text(encoding="utf-8"))
        frames.append(json.dumps(payload))
        if isinstance(payload, dict):
            frames += [json.dumps(part) for part in payload.values() if isinstance(part, dict)]
    return frames


def feed_many(batch: int, frames: int) -> list[str]:
    """Feed one house a batch of tampered frames.

    Args:
        batch: Which; it seeds everything.
        frames: How many, at least.

    Returns:
        What was found to be wrong.
    """
    with tempfile.TemporaryDirectory() as folder, seeded_scheduler(batch):
        fuzz = _Fuzz(batch, Path(folder), frames)
        clock = MockClock(autojump_threshold=0)
        return trio.run(fuzz.run, clock=clock)


class _Fuzz:
    def __init__(self, batch: int, folder: Path, frames: int) -> None:
        self._frames = frames
        self._fed = 0
        self._tampering = True
        self._rng = Random(f"frames/{batch}")
        self._mutator = Mutator(self._rng, corpus())
        self._peers: dict[str, Peer] = {}
        self._town = Town(
            folder, _STORY, head="", settings='poll_interval = "1s"\nstale_after = "30s"\n'
        )

    async def run(self) -> list[str]:
        """Tamper, then speak plainly; watch what is believed."""
        town = self._town
        faults: list[str] = []
        with self._tampered():
            async with town.exists(), town.life() as service:
                await trio.sleep(1)
                account = service.engine.portfolio.accounts["main"]
                while self._fed < self._frames and not faults:
                    await trio.sleep(_EVERY)
                    self._feed()
                    faults += unsound(account)
                self._tampering = False
                await self._polled_plainly(account)
                faults += self._wrong(account)
        return faults

    async def _polled_plainly(self, account: Account) -> None:
        """Wait until everything has been rebuilt that was lost, and all has been asked twice."""
        plain = self._town.exchange.clock.story_ms() + _REBUILT
        with trio.move_on_after(_PATIENCE):
            while account.polled_at < plain:  # noqa: ASYNC110 - the engine tells nobody of a poll
                await trio.sleep(1)
        await trio.sleep(5)  # what contradicts an event is believed the second time it is said

    def _wrong(self, account: Account) -> list[str]:
        truth, believed = self._truth(), beliefs(account)
        return [
            f"{name}: {truth.get(name)} is believed to be {believed.get(name)}"
            for name in sorted({*truth, *believed})
            if truth.get(name) != believed.get(name)
        ]

    @contextmanager
    def _tampered(self) -> Iterator[None]:
        """Stand between the exchange and its sockets."""
        send, run = Peer.send, Peer.run

        async def noted(peer: Peer, on_text: Callable[[str], None]) -> None:
            self._peers[peer.where] = peer
            await run(peer, on_text)

        def tampered(peer: Peer, text: str) -> None:
            if self._tampering and peer.where == "api":
                # The first answer with its id counts: the true one comes last, if at all.
                for _ in range(self._rng.choice((0, 0, 1, 3))):
                    self._fed += 1
                    send(peer, self._mutator.tamper(text))
                if self._rng.random() < 0.1:
                    return
            send(peer, text)

        self._send = send
        with mock.patch.object(Peer, "send", tampered), mock.patch.object(Peer, "run", noted):
            yield

    def _feed(self) -> None:
        for peer in self._peers.values():
            for _ in range(_HANDFUL if peer.where != "api" else 1):
                self._fed += 1
                self._send(peer, self._mutator.frame())

    def _truth(self) -> dict[str, object]:
        """What is so at the exchange, in the words of `beliefs`."""
        account = self._town.exchange.market.accounts["main"]
        found: dict[str, object] = {}
        for held in account.held():
            found[f"{held.symbol}/{held.side}"] = (
                held.amount,
                held.entry,
                "isolated" if account.is_isolated(held) else "cross",
                held.isolated_wallet,
                account.marks[held.symbol],
                account.setting_of(held.symbol).leverage,
            )
        for asset, wallet in account.wallets.items():
            if wallet:
                found[asset] = (wallet, account.cross_wallet(asset))
        found["multi-assets"] = account.multi_assets
        return found


def beliefs(account: Account) -> dict[str, object]:
    """What the monitor takes for true."""
    found: dict[str, object] = {}
    for key, holding in account.holdings.items():
        position = holding.position
        found["/".join(key)] = (
            position.quantity,
            position.entry_price,
            position.margin_type,
            position.isolated_wallet,
            holding.mark_price,
            account.settings.leverages.get(position.symbol),
        )
    for asset, balance in account.balances.items():
        # What no poll names any more ages and is unknown one day; it is not taken for gone.
        if balance.wallet and balance.data_at >= account.polled_at - 10_000:
            found[asset] = (balance.wallet, balance.cross_wallet)
    found["multi-assets"] = account.multi_assets
    return found


def unsound(account: Account) -> list[str]:
    """Find what no portfolio may be, whatever it was told."""
    faults = []
    for key, holding in account.holdings.items():
        position = holding.position
        if key != position.key or position.quantity == 0:
            faults.append(f"{key}: {position}")
        if holding.mark_price is not None and holding.mark_price <= 0:
            faults.append(f"{key}: a mark of {holding.mark_price}")
        numbers = (position.quantity, position.entry_price, position.isolated_wallet)
        figures = (holding.mark_price, holding.pnl, holding.notional, holding.maintenance)
        faults += _not_finite("/".join(key), (*numbers, position.rate, *figures))
        carried = account.liquidation(position)
        if carried is not None:
            faults += _not_finite("/".join(key), carried)
    for asset, balance in account.balances.items():
        faults += _not_finite(asset, (balance.wallet, balance.cross_wallet, balance.available))
        if asset != balance.asset:
            faults.append(f"{asset}: {balance}")
    return faults


def _not_finite(name: str, numbers: Any) -> list[str]:
    known = [number for number in numbers if isinstance(number, Decimal)]
    return [f"{name}: {number}" for number in known if not number.is_finite()]
