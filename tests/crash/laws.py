"""The promise of delivery, judged by what phones received and what the last life left on disk.

lost         every number of a delivery that is not dead was received, and a phone that hears
             of everything was meant to receive every notice
invented     a number that was received is on disk
twice used   a number stands for one fact, in every life and on every phone
unmarked     a number that a phone received before says so when it comes again
overtaken    of one alert, numbers arrive in order; only one refused five times is passed by
untrue       what a phone heard last of an alert is the level that the alert has
"""

import json
import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.phones import Receipt

REFUSALS = 5
"""So many, and a notice is set aside."""

LEAST = 1
"""The severity of which a phone hears everything."""
OWN_FAULTS = "marginwatch"
"""The rule on the program itself: that a channel fails is told to the others."""

Alert = tuple[str, tuple[str, ...]]
"""Rule and target."""


class Fact(NamedTuple):
    """A notice on disk."""

    at: int
    text: str

    @property
    def facts(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.text)
        return read

    @property
    def alert(self) -> Alert | None:
        """The alert that it is about; None: a happening, which has none."""
        facts = self.facts
        if facts["kind"] == "happened":
            return None
        return facts["rule"], tuple(facts["target"])

    @property
    def level(self) -> int:
        """The alert's level after it."""
        facts = self.facts
        return 0 if facts["kind"] == "resolved" else int(facts["severity"])


class Delivery(NamedTuple):
    """A row of `deliveries`."""

    number: int
    channel: str
    state: str
    why: str


@dataclass
class Left:
    """What lives left on disk.

    Args:
        facts: Every notice, by number.
        deliveries: As the last life left them.
        levels: Of every alert that has one.
    """

    facts: dict[int, Fact] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    levels: dict[Alert, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    """Numbers whose fact was another in an earlier life."""

    def read(self, data_dir: Path) -> None:
        """Read a copy of the database, between two lives: reading it in place would mend it."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "marginwatch.db"
            for suffix in ("", "-wal"):
                path = data_dir / f"marginwatch.db{suffix}"
                if path.exists():
                    shutil.copy(path, f"{copy}{suffix}")
            with closing(sqlite3.connect(copy)) as database:
                self._read(database)

    def _read(self, database: sqlite3.Connection) -> None:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "notices" not in tables:
            return  # killed before its first table
        rows = database.execute("SELECT number, at, facts FROM notices ORDER BY number")
        facts = {number: Fact(at, text) for number, at, text in rows}
        for number, before in self.facts.items():
            if facts.get(number) != before:
                self.changed.append(f"#{number} was {before}, is {facts.get(number)}")
        self.facts |= facts
        sql = "SELECT number, channel, state, coalesce(last_error, '') FROM deliveries"
        self.deliveries = [Delivery(*row) for row in database.execute(sql)]
        self.levels = {
            (rule, tuple(json.loads(target))): level
            for rule, target, level in database.execute("SELECT rule, target, level FROM alerts")
            if level
        }


def broken(left: Left, receipts: Sequence[Receipt], least: Mapping[str, int]) -> list[str]:
    """List every breach of the promise.

    Args:
        left: What is on disk after the last life.
        receipts: What phones received, in order.
        least: The channels, each with the lowest level of which it hears anew.
    """
    faults = list(_lost(left, receipts, least))
    faults += _twice_used(left, receipts)
    for channel in least:
        got = [receipt for receipt in receipts if receipt.channel == channel]
        faults += [f"{channel}: {fault}" for fault in _unmarked(got)]
        faults += [f"{channel}: {fault}" for fault in _overtaken(left, got)]
        faults += [f"{channel}: {fault}" for fault in _untrue(left, got, least[channel])]
    return faults


def _lost(left: Left, receipts: Sequence[Receipt], least: Mapping[str, int]) -> Iterator[str]:
    heard = {(mark.number, got.channel) for got in receipts for mark in got.marks}
    for number, channel, state, why in left.deliveries:
        # A reminder that a newer one replaced is the only thing that nobody needs to hear.
        if state == "dead" and not why.startswith("superseded by"):
            yield f"{channel}: lost: #{number} is dead: {why}"
        elif state == "pending":
            yield f"{channel}: lost: #{number} still waits"
        elif state == "sent" and (number, channel) not in heard:
            yield f"{channel}: lost: #{number} was not received"
    meant = {(number, channel) for number, channel, *_ in left.deliveries}
    for number, fact in left.facts.items():
        for channel in least:
            everything = least[channel] == LEAST and fact.facts["rule"] != OWN_FAULTS
            if everything and (number, channel) not in meant:
                yield f"{channel}: lost: #{number} is meant for others alone"
    for number, channel in sorted(heard - meant):
        yield f"{channel}: invented: #{number} is not on disk"


def _twice_used(left: Left, receipts: Sequence[Receipt]) -> Iterator[str]:
    for fault in left.changed:
        yield f"twice used: {fault}"
    titles: dict[int, str] = {}
    for got in receipts:
        if len(got.marks) == 1:
            title = titles.setdefault(got.marks[0].number, got.title)
            if title != got.title:
                yield f"twice used: #{got.marks[0].number} is {title!r} and {got.title!r}"
        elif not got.marks:
            yield f"{got.channel}: a message without a number: {got.title!r}"


def _unmarked(got: Sequence[Receipt]) -> Iterator[str]:
    last: dict[int, int] = {}
    for receipt in got:
        for number, attempt in receipt.marks:
            before = last.get(number)
            if before is not None and attempt <= max(1, before):
                yield f"unmarked: #{number} comes as attempt {attempt} after attempt {before}"
            last[number] = attempt


def _overtaken(left: Left, got: Sequence[Receipt]) -> Iterator[str]:
    refusals: Counter[int] = Counter()
    newest: dict[Alert, int] = {}
    taken: set[int] = set()
    for receipt in got:
        for number, _ in receipt.marks:
            alert = left.facts[number].alert if number in left.facts else None
            if receipt.answer != "ok":
                refusals[number] += 1
            elif alert is not None and number not in taken:
                taken.add(number)
                if number < newest.get(alert, 0) and refusals[number] < REFUSALS:
                    yield f"overtaken: #{number} of {alert} comes after #{newest[alert]}"
                newest[alert] = max(number, newest.get(alert, 0))


def _untrue(left: Left, got: Sequence[Receipt], least: int) -> Iterator[str]:
    told: dict[Alert, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for receipt in got:
        for number, _ in receipt.marks:
            fact = left.facts.get(number)
            if fact is not None and fact.alert is not None:
                told[fact.alert] = max(told[fact.alert], (number, fact.level))
    for alert in sorted({*told, *left.levels}):
        (number, level), true = told[alert], left.levels.get(alert, 0)
        if level != true and not (level == 0 and true < least):
            yield f"untrue: {alert} is at level {true}, #{number} told {level}"
