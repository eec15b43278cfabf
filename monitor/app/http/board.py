"""What the status page shows, made anew once a second while somebody watches, and else not at all.

    watchers ─▶ somebody? ─┬─▶ round: state, alerts, each account ─▶ parts that changed ─▶ watchers
                           └─▶ search: trigger prices of each account, every 10 s (`seeking.py`)

A round rests between positions (`sparing.py`), so what it shows may be a moment apart. Whoever
takes parts slowly gets the newest ones next time: nothing is queued for anybody.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import trio

from monitor.app import Service
from monitor.app.http import page, seen
from monitor.app.http.markup import Html
from monitor.app.http.seeking import Seeker, is_gone
from monitor.app.http.sparing import Sparing
from monitor.core.notices import Target
from monitor.core.portfolio import Account
from monitor.core.rules import Severity
from monitor.core.supposing import Subject, subjects_of

EVERY = 1.0
"""Seconds, before scale, between two rounds."""

GLIMPSE = 15.0
"""Seconds, before scale, that somebody counts as watching who asked for the page once."""

MOST_ACCOUNTS = 50
MOST_POSITIONS = 40
"""Shown of all accounts, and of each the positions that are nearest to liquidation."""


class Part(NamedTuple):
    """A piece of the page."""

    round: int
    """In which it became what it is."""
    html: Html


class Board:
    """The parts of the page.

    Args:
        service: What is shown.
        redact: Takes secrets out of what others said.
    """

    def __init__(self, service: Service, redact: Callable[[str], str]) -> None:
        self._service = service
        self._redact = redact
        self._scale = service.doors.scale
        self._seeker = Seeker(service.doors.now, self._scale)
        self._sparing = Sparing(self._scale)
        self._making = trio.Lock()
        self._made_at = -trio.current_time() - GLIMPSE
        self._watchers = 0
        self._glimpsed_until = 0.0
        self._somebody = trio.Event()
        self.parts: dict[str, Part] = {}
        self.title = "Marginwatch"
        self.round = 0
        """The last that was made."""
        self.made = trio.Event()
        """Set, and replaced, when a round is made."""

    # ------------------------------------------------------------ who watches

    @contextmanager
    def watched(self) -> Generator[None]:
        """Keep the parts new for as long as this lasts."""
        self._watchers += 1
        self._somebody.set()
        try:
            yield
        finally:
            self._watchers -= 1

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks on."""
        return self._watchers > 0 or trio.current_time() < self._glimpsed_until

    async def glimpse(self) -> Mapping[str, Part]:
        """Give the parts as they are now, for whoever looks once."""
        self._glimpsed_until = trio.current_time() + GLIMPSE * self._scale
        self._somebody.set()
        async with self._making:
            if trio.current_time() - self._made_at >= EVERY * self._scale:
                await self._make()
        return self.parts

    # ------------------------------------------------------------ rounds

    async def run(self) -> None:
        """Make rounds and searches while somebody watches; until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._search)
            while True:
                await self._wait_watched()
                async with self._making:
                    await self._make()
                await trio.sleep(EVERY * self._scale)

    async def _wait_watched(self) -> None:
        while not self.is_watched:
            if self._somebody.is_set():  # several wait here, for one event
                self._somebody = trio.Event()
            await self._somebody.wait()

    async def _search(self) -> None:
        while True:
            await self._wait_watched()
            for account in self._shown():
                if self.is_watched and self._seeker.is_due(account.name):
                    await self._seeker.seek(account, self._subjects(account), self._service.rules)
            await trio.sleep(EVERY * self._scale)

    def _shown(self) -> list[Account]:
        return list(self._service.engine.portfolio.accounts.values())[:MOST_ACCOUNTS]

    @property
    def accounts(self) -> list[str]:
        """The ids of the parts of accounts, in their order."""
        return [f"account-{number}" for number in range(len(self._shown()))]

    async def _make(self) -> None:
        """Make a round: whatever is not as it was is a new part."""
        service, zone = self._service, self._service.zone
        self._sparing.begin()
        now = service.doors.now()
        standing = service.standing()
        ailments = [self._redact(each) for each in service.vitals.ailments()]
        levels, outbox = seen.levels(standing), service.outbox
        made = {
            "state": page.state(ailments, now.utc, zone),
            "firing": page.firing(standing, now.utc, zone),
            "delivery": page.delivery(outbox.waiting, outbox.failing),
            "silences": page.silences(service.engine.silences, now.utc, zone),
        }
        await self._sparing.rest()
        for name, account in zip(self.accounts, self._shown(), strict=True):
            made[name] = await self._account(account, levels)
        # All at once: who gets parts in the middle of a round would miss the rest of it.
        self.round += 1
        self.title = page.title(standing, ailments)
        for name, html in made.items():
            if name not in self.parts or self.parts[name].html != html:
                self.parts[name] = Part(self.round, html)
        self._made_at = trio.current_time()
        self.made.set()
        self.made = trio.Event()

    async def _account(self, account: Account, levels: Mapping[Target, Severity]) -> Html:
        now, zone = self._service.doors.now, self._service.zone
        found = self._seeker.found(account.name)
        positions, pools = [], []
        for subject in self._subjects(account):
            if is_gone(subject):
                continue
            if subject.holding is None:
                pools.append(seen.pool(subject, now(), levels, found))
            else:
                positions.append(seen.position(subject, now(), levels, found))
            await self._sparing.rest()
        link = self._service.accounts[account.name].trouble
        return page.account(
            account.name,
            self._redact(seen.trouble_of(account, now(), zone, link)),
            seen.nearest_words(account, now()),
            pools,
            positions,
            max(0, len(account.holdings) - MOST_POSITIONS),
        )

    def _subjects(self, account: Account) -> list[Subject]:
        """List what to show: the positions that are nearest to liquidation, and the pools."""
        now = self._service.doors.now()
        subjects = list(subjects_of(account))
        held = sorted(
            (each for each in subjects if each.holding is not None),
            key=lambda each: seen.distance_of(each, now),
        )
        pools = [each for each in subjects if each.holding is None and each.asset]
        return [*held[:MOST_POSITIONS], *pools]
