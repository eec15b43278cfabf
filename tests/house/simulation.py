"""One seed's story, lived: real link, engine, SQLite and outbox against the simulated exchange.

Virtual time, on a scheduler that is seeded, so that a seed always tells the same story. A crash
copies the folder at the named point, drops whatever that life would still have done, and lets the
next life begin on the copy.
"""

import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import trio
from trio.testing import MockClock

from monitor.core.message import Message
from monitor.core.notices import Notice
from monitor.notify import Sent
from monitor.store.records import read_notice
from tests.house import story_maker, story_rules
from tests.house.story_maker import CrashPoint, End, Plan
from tests.house.town import START, Town
from tests.house.truth import Truth

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

_PATIENCE = 90.0
"""Seconds that a crash waits for its point before it happens anyway."""


class Send(NamedTuple):
    """One message handed to a channel."""

    at: float
    channel: str
    number: int
    attempt: int
    arrived: bool
    title: str
    """Of a message about this alone; "" of one among several."""


class Kept(NamedTuple):
    """A notice on disk."""

    committed: float
    """Seconds at which it was there."""
    notice: Notice

    @property
    def at(self) -> float:
        """Seconds at which the level changed, or the happening was known."""
        return (self.notice.at - START) / 1000


@dataclass
class Story:
    """What came of a seed."""

    plan: Plan
    truth: Truth
    length: float
    kept: dict[int, Kept] = field(default_factory=dict)
    """Every notice that the last life's store holds, by number."""
    deliveries: list[tuple[int, str, str, str]] = field(default_factory=list)
    """(number, channel, state, last error) in that store."""
    sends: list[Send] = field(default_factory=list)
    lives: list[tuple[float, float]] = field(default_factory=list)
    """(begin, end), seconds."""
    crashes: list[tuple[float, str]] = field(default_factory=list)

    @property
    def log(self) -> list[str]:
        """Everything that left the house and was kept in it, a line each."""
        rows = [(kept.committed, _worded(kept)) for kept in self.kept.values()]
        for send in self.sends:
            text = f"#{send.number} to {send.channel}, attempt {send.attempt}"
            rows.append((send.at, f"{text}, {'arrived' if send.arrived else 'lost'}"))
        rows += [(begin, f"a life, until {end:.3f}") for begin, end in self.lives]
        rows += [(at, f"crash {how}") for at, how in self.crashes]
        rows += [(at, " ".join(what)) for at, *what in self.truth.happened]
        asked = sorted(self.truth.exchange.requests.items())
        rows += [(self.length, f"{method}: {count} times") for method, count in asked]
        return [f"{at:9.3f} {text}" for at, text in sorted(rows)]


def _worded(kept: Kept) -> str:
    notice = kept.notice
    what = f"{notice.kind} {notice.severity.word} {notice.happening or notice.rule}"
    text = f"#{notice.number} {what} {notice.target} {notice.reason or ''} at {kept.at:.3f}"
    return f"{text} × {notice.count}" if notice.count else text


def live(seed: int, folder: Path, *, minutes: float = 20) -> Story:
    """Live the story of a seed from its beginning to its end.

    Args:
        seed: Which.
        folder: An empty one, for the monitor's data.
        minutes: How much of it.
    """
    plan = story_maker.plan_of(seed)
    with seeded_scheduler(seed):
        lives = _Lives(plan, folder, min(minutes * 60, story_maker.LENGTH))
        return trio.run(lives.run, clock=MockClock(autojump_threshold=0))


@contextmanager
def seeded_scheduler(seed: int) -> Generator[None]:
    """Let the order of runnable tasks be the seed's; Trio has no public switch for it."""
    run: Any = trio._core._run
    before = run._r, run._ALLOW_DETERMINISTIC_SCHEDULING
    run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = Random(seed), True
    try:
        yield
    finally:
        run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = before


class _Lives:
    """One life of the monitor after another, beside one exchange."""

    def __init__(self, plan: Plan, folder: Path, length: float) -> None:
        self._folder = folder
        self.town = Town(
            folder,
            plan.scenario,
            head="",
            rules=story_rules.RULE_FILE,
            channels=story_rules.CHANNELS,
            settings=story_rules.SETTINGS,
        )
        self.rng = Random(f"house/{plan.seed}")
        self.story = Story(plan, Truth(self.town.exchange), length)
        self.committed: dict[int, float] = {}
        """Seconds at which a notice was on disk first, by number; of the running life's disk."""

    async def run(self) -> Story:
        """Live them all."""
        town, story = self.town, self.story
        ends = [end for end in story.plan.ends if end.at < story.length]
        folder = "life-0"
        async with town.exists():
            for count, end in enumerate([*ends, End(story.length, "stop", 0)], 1):
                if town.seconds >= story.length:
                    break
                life = _Life(self, end, self._folder / folder, self._folder / f"life-{count}")
                began = town.seconds
                await life.run()
                story.lives.append((began, town.seconds))
                if life.crashed:
                    folder = life.copy.name
                    story.crashes.append((town.seconds, end.how))
                await trio.sleep(end.down)
        self._read(self._folder / folder / "marginwatch.db")
        return story

    def _read(self, path: Path) -> None:
        """Read what the last life left on disk."""
        with closing(sqlite3.connect(path)) as database:
            for row in database.execute("SELECT number, at, facts FROM notices ORDER BY number"):
                committed = self.committed.get(row[0], inf)
                self.story.kept[row[0]] = Kept(committed, read_notice(*row))
            sql = "SELECT number, channel, state, coalesce(last_error, '') FROM deliveries"
            self.story.deliveries = sorted(database.execute(sql))


class _Life:
    """One life, from its opening to its end."""

    def __init__(self, lives: _Lives, end: End, folder: Path, copy: Path) -> None:
        self._lives, self._end, self._folder = lives, end, folder
        self._plan = lives.story.plan
        self.copy = copy
        self.crashed = False
        self._armed = False
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Live it."""
        town = self._lives.town
        town.data_dir, town.in_thread, town.send = self._folder.name, self._in_thread, self._send
        service, store = town.open()
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(service.run)
                await town.until(max(self._end.at, town.seconds))
                if self._end.how == "stop":
                    service.stop("the story says so")
                else:
                    self._armed = True
                    await trio.sleep(0 if self._end.how == "anywhere" else _PATIENCE)
                    await self._crash()
        await store.aclose()

    async def _crash(self) -> None:
        """Die: what is on disk now is all that is left."""
        if not self.crashed:
            shutil.copytree(self._folder, self.copy, ignore=shutil.ignore_patterns("*-shm"))
            self.crashed = True
            self._scope.cancel("crash")
        await trio.sleep_forever()

    async def _at(self, point: CrashPoint) -> None:
        if self._armed and self._end.how == point:
            await self._crash()

    async def _in_thread(self, call: Callable[..., Any], *args: Any, **_options: Any) -> Any:
        """Stand in for the store's thread: a disk that may be slow, and points to die at."""
        await trio.lowlevel.checkpoint()
        if call.__name__ != "_transact" or self.crashed:
            return call(*args)  # the last write; of a life that crashed it goes nowhere
        now = self._lives.town.seconds
        await trio.sleep(
            max((d.seconds for d in self._plan.disks if d.at <= now < d.end), default=0)
        )
        told = [entry.number for entry in args[0] if entry.number]
        if told:
            await self._at("before commit")
        answer = call(*args)
        for number in range(1, max(told, default=0) + 1):
            self._lives.committed.setdefault(number, self._lives.town.seconds)
        if told:
            await self._at("after commit")
        return answer

    async def _send(self, channel: str, message: Message) -> Sent:
        """Stand in for the services: take, refuse, or leave in doubt."""
        lives, began = self._lives, self._lives.town.seconds
        found = receiver.numbers_in(message.body)
        assert found, f"a message without a number: {message.body!r}"
        ways = [o.how for o in self._plan.outages if o.channel == channel and o.at <= began < o.end]
        how = ways[0] if ways else "well"
        arrived = how in {"well", "slow"} or (how == "unknown" and lives.rng.random() < 0.5)
        title = message.title if len(found) == 1 else ""
        sends = [Send(began, channel, number, attempt, arrived, title) for number, attempt in found]
        if self._armed and self._end.how == "during send":
            after_all = arrived and lives.rng.random() < 0.5
            lives.story.sends += [send._replace(arrived=after_all) for send in sends]
            await self._crash()
        await trio.sleep({"well": 0.05, "slow": 6.0, "unknown": 15.0, "refused": 0.2}[how])
        lives.story.sends += sends
        if arrived:
            await self._at("after send")
        if how == "refused":
            return Sent("refused", "503")
        return Sent("unknown", "no answer") if how == "unknown" else Sent("sent")
