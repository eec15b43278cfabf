"""What survives: a round trip, a second life, a full disk, a corrupt file, and kill -9."""

import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices import (
    AlertRecord,
    Changes,
    Delivery,
    Grade,
    Notice,
    Reading,
    Saved,
    Silence,
    SwitchRecord,
    Target,
    TimerRecord,
    Told,
    WindowRecord,
)
from monitor.core.rules import Severity
from monitor.core.windows import Row
from monitor.errors import CommitFailed, StoreUnusable
from monitor.store import Store, Undelivered
from monitor.store.folder import MIGRATIONS
from monitor.store.records import notice_facts, read_notice

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

UTC = 1_767_322_800_000
TARGET = Target("main", "BTCUSDT", "BOTH", "long")


POOL = Target("main", asset="USDT")


def bucket(number: int, value: str | None = "100.50", *, hole: bool = False) -> Row:
    return Row(number, UTC + number, (value, "1", None, value), value, hole, 3, 5)


def window(
    metric: str, first: int, *rows: Row, span: int = 3_600_000, target: Target = TARGET
) -> WindowRecord:
    return WindowRecord(target, metric, span, first, rows)


def told(number: int, *channels: str) -> Changes:
    """A notice, and who is to hear it."""
    deliveries = tuple(Delivery(number, channel) for channel in channels or ("phone",))
    return Changes(notices=(receiver.notice(number),), deliveries=deliveries)


@asynccontextmanager
async def life(data_dir: Path, **options: Any) -> AsyncIterator[Store]:
    """One life of the program: a store with its writer running, closed at the end."""
    store = Store.open(data_dir, utc=UTC, **options)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            nursery.cancel_scope.cancel()
    finally:
        await store.aclose()


def copied(data_dir: Path) -> Path:
    """Copy a folder as a crash at this instant would leave it."""
    crashed = data_dir / "crashed"
    crashed.mkdir()
    for file in (*data_dir.glob("marginwatch.db*"), data_dir / "lock"):
        (crashed / file.name).write_bytes(file.read_bytes())
    return crashed


def rows(data_dir: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(data_dir / "marginwatch.db")) as database:
        return database.execute(query).fetchall()


# ------------------------------------------------------------------ round trips

TEXT = st.text(st.characters(), max_size=8)
NUMBERS = st.decimals(allow_nan=False)
INSTANTS = st.integers(-(2**62), 2**62)
READINGS = st.builds(
    Reading,
    st.sampled_from(Grade),
    st.none() | NUMBERS | TEXT | st.integers(),
    st.none() | INSTANTS,
)
NOTICES = st.builds(
    Notice,
    number=st.integers(1, 2**62),
    at=INSTANTS,
    kind=TEXT,
    severity=st.sampled_from(Severity),
    rule=TEXT,
    target=st.builds(Target, TEXT, TEXT, TEXT, TEXT, TEXT),
    previous=st.none() | st.sampled_from(Severity),
    reason=st.none() | TEXT,
    happening=st.none() | TEXT,
    count=st.none() | st.integers(),
    since=st.none() | INSTANTS,
    data_age=st.none() | INSTANTS,
    condition=st.none() | TEXT,
    values=st.dictionaries(TEXT, READINGS, max_size=3),
    details=st.dictionaries(TEXT, TEXT, max_size=3),
)


@given(NOTICES)
def test_a_notice_comes_back_exactly(notice: Notice) -> None:
    again = read_notice(notice.number, notice.at, notice_facts(notice))
    assert again == notice
    # Decimal("1.0") == 1 == Decimal("1"): equality alone would let digits and types get lost.
    assert repr(again) == repr(notice)


def test_facts_are_readable_json() -> None:
    notice = receiver.notice(7, values={"roi": Reading(Grade.AGED, Decimal("-0.50"), 48)})
    assert json.loads(notice_facts(notice)) == {
        "kind": "fired",
        "severity": 2,
        "rule": "r",
        "target": ["main", "BTCUSDT", "", "", ""],
        "values": {"roi": ["aged", {"decimal": "-0.50"}, 48]},
        "details": {},
    }


ON = SwitchRecord(Severity.WARNING, "on", 0, 1000)
OFF = SwitchRecord(Severity.WARNING, "off", 0, 1000)


def alert(*switches: SwitchRecord, since: int | None = 5) -> AlertRecord:
    level = Severity.WARNING if since else Severity.NONE
    return AlertRecord("r", TARGET, switches, level, Severity.CRITICAL, since, since)


async def test_everything_comes_back_in_the_next_life(tmp_path: Path) -> None:
    changes = Changes(
        alerts=(alert(ON, OFF),),
        notices=(receiver.notice(41), receiver.notice(42)),
        deliveries=(
            Delivery(42, "mail"),
            Delivery(42, "phone", urgent=True),
            Delivery(41, "phone"),
        ),
        told=(Told("r", TARGET, "phone", Severity.WARNING, Severity.CRITICAL),),
        timers=(TimerRecord("fresh", "main", 1000, 7, "body"),),
        silences=(
            Silence(1, UTC, UTC + 5, ("a*", "!ab"), ("main",), ("BTC*",)),
            Silence(2, UTC, UTC + 1, over=True),
            Silence(7, UTC, UTC + 9),
        ),
        windows=(
            window("equity", 0, bucket(0), bucket(1, "1E-8", hole=True), target=POOL),
            window("mark_price", 7, bucket(7), bucket(8, None)),
        ),
    )
    async with life(tmp_path) as store:
        assert store.saved() == Saved()
        await store.commit(changes)
        await store.commit(Changes())
        await store.attempted([(41, 1)], "phone", UTC)
        await store.answered([(42, 1)], "mail", "sent", UTC)
    async with life(tmp_path) as store:
        assert store.saved() == Saved(
            changes.alerts,
            changes.told,
            changes.timers,
            43,
            changes.windows,
            (changes.silences[0], changes.silences[2]),
            8,
        )
        assert store.undelivered() == [
            Undelivered(receiver.notice(41), "phone", 1),
            Undelivered(receiver.notice(42), "phone", 0, urgent=True),
        ]
        assert store.remarks == ()
    query = "SELECT number, channel, state, attempts, tried_at, last_error, done_at FROM deliveries"
    assert rows(tmp_path, query) == [
        (41, "phone", "pending", 1, UTC, None, None),
        (42, "mail", "sent", 0, None, None, UTC),
        (42, "phone", "pending", 0, None, None, None),
    ]


async def test_every_attempt_is_kept_with_its_answer(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(1, "a", "b"))
        await store.commit(told(2, "a"))
        await store.attempted([(1, 1), (2, 1)], "a", UTC)
        await store.answered([(1, 1), (2, 1)], "a", "refused", UTC + 5, "HTTP 500")
        await store.attempted([(1, 2)], "a", UTC + 10)
        await store.answered([(1, 2)], "a", "sent", UTC + 12)
        await store.attempted([(1, 1)], "b", UTC)
        await store.died(1, "b", UTC + 99, "given up")
    attempts = "SELECT number, channel, attempt, at, status, answer, answered FROM attempts"
    assert rows(tmp_path, attempts) == [
        (1, "a", 1, UTC, "refused", "HTTP 500", UTC + 5),
        (1, "a", 2, UTC + 10, "sent", "", UTC + 12),
        (1, "b", 1, UTC, None, None, None),
        (2, "a", 1, UTC, "refused", "HTTP 500", UTC + 5),
    ]
    deliveries = "SELECT number, channel, state, attempts, done_at, last_error FROM deliveries"
    assert rows(tmp_path, deliveries) == [
        (1, "a", "sent", 2, UTC + 12, None),
        (1, "b", "dead", 1, UTC + 99, "given up"),
        (2, "a", "pending", 1, None, None),
    ]


async def test_what_is_old_is_forgotten_but_for_what_somebody_has_yet_to_hear(
    tmp_path: Path,
) -> None:
    async with life(tmp_path) as store:
        for number in range(1, 31):
            notice = receiver.notice(number, at=UTC + number)
            deliveries = (Delivery(number, "a"), Delivery(number, "b"))
            await store.commit(Changes(notices=(notice,), deliveries=deliveries))
            await store.attempted([(number, 1)], "a", UTC)
            await store.answered([(number, 1)], "a", "sent", UTC)
            if number != 5:
                await store.died(number, "b", UTC, "given up")
        await store.commit(
            Changes(
                silences=(
                    Silence(1, UTC, UTC + 5, over=True),
                    Silence(2, UTC, UTC + 50, over=True),
                    Silence(3, UTC, UTC + 5),
                )
            )
        )
        store.PIECE = 7
        assert await store.forget(UTC + 21) == 19
        assert await store.forget(UTC + 21) == 0
        assert store.saved().next_number == 31
        assert (store.saved().silences, store.saved().next_silence) == (
            (Silence(3, UTC, UTC + 5),),
            4,
        )
    left = [5, *range(21, 31)]
    for table, each in (("notices", 1), ("deliveries", 2), ("attempts", 1)):
        numbers = [number for (number,) in rows(tmp_path, f"SELECT number FROM {table}")]  # noqa: S608 - fixed names
        assert sorted(numbers) == sorted(left * each)
    assert rows(tmp_path, "SELECT number FROM silences") == [(2,), (3,)]


async def test_what_cannot_be_forgotten_is_a_failed_commit(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(1))
        await store.answered([(1, 1)], "phone", "sent", UTC)
        store._database.execute("DROP TABLE attempts")
        with pytest.raises(CommitFailed, match="no such table: attempts"):
            await store.forget(UTC)
        store._backlog.clear()


async def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(
            Changes(
                alerts=(alert(ON),),
                told=(Told("r", TARGET, "phone", Severity.WARNING),),
                timers=(TimerRecord("fresh", "main", 1000, 7, "body"),),
                windows=(window("equity", 0, bucket(0)),),
            )
        )
        await store.commit(
            Changes(
                alerts=(alert(OFF, since=None),),
                told=(Told("r", TARGET, "phone", Severity.NONE),),
                timers=(TimerRecord("fresh", "main", 1000, 7, None),),
                windows=(window("equity", 0),),
            )
        )
        assert store.saved() == Saved()


async def test_a_window_goes_on_and_drops_what_is_over(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(Changes(windows=(window("roi", 0, *map(bucket, (0, 1, 2))),)))
        later = window("roi", 1, bucket(2, "5"), bucket(3))
        other = window("roi", 0, bucket(0), span=60_000)
        await store.commit(Changes(windows=(later, other)))
        assert store.saved().windows == (
            other,
            window("roi", 1, bucket(1), bucket(2, "5"), bucket(3)),
        )


async def test_the_first_schema_is_brought_to_the_present_one(tmp_path: Path) -> None:
    """What an older program wrote, in its own columns, is read by this one."""
    async with life(tmp_path, migrations=MIGRATIONS[:1]):
        """An empty store of that time."""
    told_then = ("r", json.dumps(TARGET), "phone", Severity.WARNING.value)
    with closing(sqlite3.connect(tmp_path / "marginwatch.db")) as database:
        facts = notice_facts(receiver.notice(1))
        database.execute("INSERT INTO notices VALUES (1, 0, ?)", (facts,))
        database.execute(
            "INSERT INTO deliveries VALUES (1, 'phone', 'pending', 2, NULL, NULL, NULL)"
        )
        database.execute("INSERT INTO told VALUES (?, ?, ?, ?)", told_then)
        database.execute("INSERT INTO meta VALUES ('next_number', 2)")
        database.commit()
    async with life(tmp_path) as store:
        assert store.undelivered() == [Undelivered(receiver.notice(1), "phone", 2)]
        saved = store.saved()
        assert saved.told == (Told("r", TARGET, "phone", Severity.WARNING),)
        assert (saved.next_number, saved.silences, saved.next_silence) == (2, (), 1)
        await store.commit(Changes(windows=(window("roi", 0, bucket(0)),)))
        assert store.saved().windows == (window("roi", 0, bucket(0)),)
    assert rows(tmp_path, "PRAGMA user_version") == [(len(MIGRATIONS),)]


async def test_a_dry_run_begins_empty(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(1))
        with pytest.raises(StoreUnusable, match="in use"):
            Store.open(tmp_path, utc=UTC, anew=True)
        assert len(store.undelivered()) == 1
    async with life(tmp_path, anew=True) as store:
        assert (store.saved(), store.undelivered(), store.remarks) == (Saved(), [], ())


async def test_a_number_is_never_used_twice_even_when_its_notice_is_deleted(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(9))
    with closing(sqlite3.connect(tmp_path / "marginwatch.db")) as database:
        database.execute("DELETE FROM notices")
        database.commit()
    async with life(tmp_path) as store:
        assert store.saved().next_number == 10


async def test_entries_may_be_written_twice(tmp_path: Path) -> None:
    """A commit may report a fault and have happened all the same."""
    async with life(tmp_path) as store:
        await store.commit(told(1))
        await store.attempted([(1, 2)], "phone", UTC)
        await store.attempted([(1, 1)], "phone", UTC)
        await store.died(1, "phone", UTC, "why")
        await store.commit(told(1))
        assert store.undelivered() == []
    assert rows(tmp_path, "SELECT attempts, state, last_error FROM deliveries") == [
        (2, "dead", "why")
    ]


# ------------------------------------------------------------------ the folder


async def test_the_folder_and_the_file_are_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "data"
    async with life(data_dir) as store:
        await store.commit(told(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
        assert modes == dict.fromkeys(
            ("lock", "marginwatch.db", "marginwatch.db-wal", "marginwatch.db-shm"), 0o600
        )
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        pragmas = {
            name: store._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "user_version")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "user_version": len(MIGRATIONS),
        }
    assert sorted(path.name for path in data_dir.iterdir()) == ["lock", "marginwatch.db"]


async def test_the_second_process_is_told(tmp_path: Path) -> None:
    async with life(tmp_path):
        with pytest.raises(StoreUnusable) as caught:
            Store.open(tmp_path, utc=UTC)
    assert str(caught.value) == (
        f"data_dir {tmp_path} is in use by another marginwatch (pid {os.getpid()}).\n"
        "Stop that one first, or give this one a data_dir of its own."
    )
    async with life(tmp_path):
        """The lock is free again."""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data_dir, why in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "file" / "below", "Not a directory"),
    ):
        with pytest.raises(StoreUnusable) as caught:
            Store.open(data_dir, utc=UTC)
        assert str(caught.value) == (
            f"data_dir {data_dir} cannot be used: {why}.\n"
            "Name a folder in the configuration that this user may write to."
        )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnusable, match="Permission denied"):
        Store.open(tmp_path, utc=UTC)


def test_a_database_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "marginwatch.db").mkdir()
    with pytest.raises(StoreUnusable, match="Is a directory"):
        Store.open(tmp_path, utc=UTC)


# ------------------------------------------------------------------ schemas


async def test_a_migration_keeps_what_is_there(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(1))
    newer = (*MIGRATIONS, "ALTER TABLE notices ADD COLUMN extra TEXT NOT NULL DEFAULT 'x'")
    async with life(tmp_path, migrations=newer) as store:
        assert [pending.notice.number for pending in store.undelivered()] == [1]
    assert rows(tmp_path, "SELECT extra FROM notices") == [("x",)]
    assert rows(tmp_path, "PRAGMA user_version") == [(len(newer),)]


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(1))
    broken = (*MIGRATIONS, "CREATE TABLE half (x INTEGER) STRICT; DROP TABLE nonsense")
    with pytest.raises(StoreUnusable, match="no such table: nonsense"):
        Store.open(tmp_path, utc=UTC, migrations=broken)
    assert rows(tmp_path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert rows(tmp_path, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    async with life(tmp_path):
        """The version before works on."""


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    newer = (*MIGRATIONS, "CREATE TABLE more (x INTEGER) STRICT")
    trio.run(Store.open(tmp_path, utc=UTC, migrations=newer).aclose)
    path = tmp_path / "marginwatch.db"
    before = path.read_bytes()
    with pytest.raises(StoreUnusable) as caught:
        Store.open(tmp_path, utc=UTC)
    assert str(caught.value) == (
        f"{path} was written by a newer marginwatch (schema {len(newer)}, this one knows"
        f" {len(MIGRATIONS)}); nothing was touched.\n"
        "Run the newer version, or give this one a data_dir of its own."
    )
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "marginwatch.db"]


# ------------------------------------------------------------------ corruption


def garbled_header(path: Path) -> None:
    path.write_bytes(b"not a database at all, only text. " * 200)


def garbled_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        pytest.param(garbled_header, UTC // 1000, id="nothing readable"),
        pytest.param(garbled_pages, 8, id="numbers readable"),
    ],
)
async def test_a_corrupt_database_is_set_aside_and_begun_anew(
    tmp_path: Path, damage: Callable[[Path], None], number: int
) -> None:
    async with life(tmp_path) as store:
        await store.commit(told(7))
    damage(tmp_path / "marginwatch.db")
    async with life(tmp_path) as store:
        assert store.saved() == Saved(next_number=number)
        (remark,) = store.remarks
        assert remark.counter == "store_replaced"
        assert f"kept as marginwatch.db.corrupt-{UTC}, numbers go on from {number}" in remark.text
        await store.commit(told(number))
    async with life(tmp_path) as store:
        assert store.saved().next_number == number + 1
    assert (tmp_path / f"marginwatch.db.corrupt-{UTC}").exists()


ROTTEN = {
    "alerts": "UPDATE alerts SET switches = replace(switches, '[', '{')",
    "an alert's state": "UPDATE alerts SET switches = replace(switches, 'on', 'oN')",
    "told": "UPDATE told SET target = replace(target, ',', ';')",
    "a text that is none": "UPDATE told SET channel = CAST(x'ff' AS TEXT)",
    "a level that is none": "UPDATE told SET level = 9",
    "timers": "UPDATE timers SET key = replace(key, ']', '}')",
    "windows": "UPDATE windows SET body = replace(body, '100.50', '1x0.50')",
    "silences": "UPDATE silences SET globs = '[]'",
    "a notice": "UPDATE notices SET facts = replace(facts, 'target', 'tarGet')",
}
"""What a flipped bit may leave: no check of SQLite's finds it."""


@pytest.mark.parametrize("damage", ROTTEN.values(), ids=ROTTEN)
async def test_a_row_that_nobody_can_read_is_corruption_too(tmp_path: Path, damage: str) -> None:
    on = SwitchRecord(Severity.WARNING, "on", 0, UTC)
    everything = Changes(
        alerts=(AlertRecord("r", TARGET, (on,), Severity.WARNING, Severity.WARNING, UTC, UTC),),
        told=(Told("r", TARGET, "phone", Severity.WARNING, Severity.WARNING),),
        timers=(TimerRecord("known", '["deposit","main"]', UTC, 0, ""),),
        windows=(window("notional", 0, bucket(0)),),
        silences=(Silence(1, UTC, UTC + 1, ("r",)),),
    )
    async with life(tmp_path) as store:
        await store.commit(everything)
        await store.commit(told(7))
    with closing(sqlite3.connect(tmp_path / "marginwatch.db")) as database, database:
        assert database.execute(damage).rowcount == 1
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    async with life(tmp_path) as store:
        assert store.saved() == Saved(next_number=8)
        assert store.undelivered() == []
        (remark,) = store.remarks
    assert (remark.counter, "a row cannot be read" in remark.text) == ("store_replaced", True)


async def test_a_replacement_is_told_again_until_its_notice_is_kept(tmp_path: Path) -> None:
    """Whoever finds the corruption may be a command, or be killed before anybody was told."""
    async with life(tmp_path) as store:
        await store.commit(told(7))
    garbled_header(tmp_path / "marginwatch.db")
    remarks = []
    for _ in range(3):
        async with life(tmp_path) as store:
            remarks.append(store.remarks)
    assert [[remark.counter for remark in found] for found in remarks] == [["store_replaced"]] * 3
    assert remarks[1][0].text.endswith(f"was corrupt; it is kept as marginwatch.db.corrupt-{UTC}")
    notice = receiver.notice(8, "marginwatch", kind="happened", happening="store_replaced")
    async with life(tmp_path) as store:
        await store.commit(Changes(notices=(notice,)))
    async with life(tmp_path) as store:
        assert store.remarks == ()


async def test_a_corrupt_database_keeps_its_log(tmp_path: Path) -> None:
    """Rows that were committed but not yet copied stand only in the -wal file."""
    async with life(tmp_path) as store:
        await store.commit(told(1))
        data_dir = copied(tmp_path)
    wal = (data_dir / "marginwatch.db-wal").read_bytes()
    assert wal
    garbled_header(data_dir / "marginwatch.db")
    async with life(data_dir):
        """Begun anew."""
    assert (data_dir / f"marginwatch.db.corrupt-{UTC}-wal").read_bytes() == wal


# ------------------------------------------------------------------ a disk in trouble


def fill_the_disk(store: Store) -> None:
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")


def free_the_disk(store: Store) -> None:
    store._database.execute("PRAGMA max_page_count = 1000000")


BIG = {"text": "x" * 20_000}


async def test_a_full_disk_fails_the_commit_and_loses_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with life(tmp_path, in_thread=receiver.inline) as store:
        fill_the_disk(store)
        big = Changes(notices=(receiver.notice(1, details=BIG),), deliveries=(Delivery(1, "a"),))
        with pytest.raises(CommitFailed) as caught:
            await store.commit(big)
        assert str(caught.value) == (
            f"{tmp_path / 'marginwatch.db'}: cannot be written: database or disk is full."
            " It is tried again; meanwhile messages are sent from memory."
        )
        with pytest.raises(CommitFailed):
            await store.attempted([(1, 1)], "a", UTC)
        with pytest.raises(CommitFailed):
            await store.answered([(1, 1)], "a", "sent", UTC)
        assert store.failing
        free_the_disk(store)
        await store.commit(told(2))
        assert not store.failing
        assert [pending.notice.number for pending in store.undelivered()] == [2]
        assert rows(tmp_path, "SELECT state, attempts FROM deliveries WHERE number = 1") == [
            ("sent", 1)
        ]


async def test_a_failing_disk_is_tried_every_five_seconds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    tries = []

    async def in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        tries.append(trio.current_time())
        return await receiver.inline(call, *args, **options)

    async with life(tmp_path, in_thread=in_thread) as store:
        fill_the_disk(store)
        with pytest.raises(CommitFailed):
            await store.commit(Changes(notices=(receiver.notice(1, details=BIG),)))
        await trio.sleep(12)
        free_the_disk(store)
        await trio.sleep(4)
        assert tries == [0, 5, 10, 15]
        assert not store.failing
        await trio.sleep(100)
        assert len(tries) == 4


async def test_the_end_tells_what_the_disk_would_not_take(tmp_path: Path) -> None:
    store = Store.open(tmp_path, utc=UTC)
    fill_the_disk(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        with pytest.raises(CommitFailed):
            await store.commit(Changes(notices=(receiver.notice(1, details=BIG),)))
        nursery.cancel_scope.cancel()
    assert await store.aclose() == 1


async def test_numbers_sent_from_memory_are_not_used_again(tmp_path: Path) -> None:
    """The channel has heard #5, the disk has not: a life after a crash must not hand it out."""
    async with life(tmp_path) as store:
        await store.commit(told(4))
        fill_the_disk(store)
        with pytest.raises(CommitFailed):
            await store.commit(Changes(notices=(receiver.notice(5, details=BIG),)))
        crashed = copied(tmp_path)
        free_the_disk(store)
    async with life(crashed) as store:
        assert store.saved().next_number == 6
    async with life(crashed) as store:
        assert store.saved().next_number == 6


async def test_what_was_sent_from_memory_is_not_sent_again_as_if_for_the_first_time(
    tmp_path: Path,
) -> None:
    """#1 and #2 waited when the disk filled; #1 was attempted then, and the program was killed."""

    def attempts(store: Store) -> list[int]:
        return [pending.attempts for pending in store.undelivered()]

    async with life(tmp_path) as store:
        await store.commit(told(1))
        await store.commit(told(2))
        fill_the_disk(store)
        with pytest.raises(CommitFailed):
            await store.commit(Changes(notices=(receiver.notice(5, details=BIG),)))
        with pytest.raises(CommitFailed):
            await store.attempted([(1, 1)], "phone", UTC)
        crashed = copied(tmp_path)
        free_the_disk(store)
    async with life(tmp_path) as store:
        assert attempts(store) == [1, 0], "the disk worked again before the end: all is known"
    async with life(crashed) as store:
        assert attempts(store) == [1, 1], "either may have arrived"
        await store.commit(told(6))
        again = copied(crashed)
    async with life(again) as store:
        assert attempts(store) == [1, 1, 0]
        assert store.saved().next_number == 7


async def test_a_disk_that_hangs_fails_the_commit_after_two_seconds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        with trio.CancelScope(shield=True):  # as a thread that is not abandoned
            await trio.sleep(30 if trio.current_time() < 30 else 0)
        return call(*args)

    async with life(tmp_path, in_thread=in_thread) as store:
        with pytest.raises(CommitFailed, match="it takes longer than 2 s"):
            await store.commit(told(1))
        assert (trio.current_time(), store.failing) == (2, True)
        with pytest.raises(CommitFailed):
            await store.commit(told(2))
        assert trio.current_time() == 2, "a disk that hangs is waited for once"
        await trio.sleep(29)
        assert not store.failing
        await store.commit(told(3))
        assert [pending.notice.number for pending in store.undelivered()] == [1, 2, 3]


async def test_patience_goes_with_the_scale(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store = Store.open(tmp_path, utc=UTC, in_thread=receiver.inline, scale=30)
    with pytest.raises(CommitFailed, match="it takes longer than 60 s"):
        await store.commit(told(1))  # nobody runs the writer
    assert trio.current_time() == 60
    await store.aclose()


# ------------------------------------------------------------------ writing


async def test_a_backlog_is_one_transaction(tmp_path: Path) -> None:
    batches = []

    async def in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        batches.append(len(args[0]) if args else None)
        return await trio.to_thread.run_sync(call, *args, **options)

    async with life(tmp_path, in_thread=in_thread) as store, trio.open_nursery() as nursery:
        for number in range(1, 51):
            nursery.start_soon(store.commit, told(number))
    assert len(batches) <= 4, batches
    async with life(tmp_path) as store:
        assert len(store.undelivered()) == 50


async def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    store = Store.open(tmp_path, utc=UTC)
    with trio.move_on_after(0):
        await store.commit(told(1))
    await store.aclose()
    async with life(tmp_path) as store:
        assert [pending.notice.number for pending in store.undelivered()] == [1]


async def test_a_write_once_begun_ends(tmp_path: Path) -> None:
    async def in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        assert not (call.__name__ == "_transact" and options.get("abandon_on_cancel"))

        def slow() -> Any:
            time.sleep(0.1)  # noqa: TID251 - a slow disk, in a thread
            return call(*args)

        return await trio.to_thread.run_sync(slow, **options)

    store = Store.open(tmp_path, utc=UTC, in_thread=in_thread)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        nursery.start_soon(store.commit, told(1))
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert [pending.notice.number for pending in store.undelivered()] == [1]
    await store.aclose()


KILLED = """
    import sys, trio
    from pathlib import Path
    from monitor.core.notices import Changes, Delivery, Notice, Target
    from monitor.core.rules import Severity
    from monitor.store import Store

    async def write(store, first):
        for number in range(first, 10**9, 4):
            notice = Notice(number, 0, "fired", Severity.INFO, "r", Target("main"))
            delivery = Delivery(number, "phone")
            await store.commit(Changes(notices=(notice,), deliveries=(delivery,)))
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()

    async def main():
        store = Store.open(Path(sys.argv[1]), utc=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            start = store.saved().next_number
            for offset in range(4):
                nursery.start_soon(write, store, start + offset)

    trio.run(main)
"""


def test_what_was_acknowledged_survives_kill_nine(tmp_path: Path) -> None:
    rng = random.Random(20260102)
    acknowledged: set[int] = set()
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]  # it writes
            time.sleep(rng.uniform(0, 0.1))  # noqa: TID251 - another process runs meanwhile
            process.kill()
            lines += process.stdout.read().splitlines(keepends=True)
        numbers = {int(line) for line in lines if line.endswith(b"\n")}
        assert not numbers & acknowledged, "a number was used twice"
        acknowledged |= numbers
    store = Store.open(tmp_path, utc=UTC)
    kept = {pending.notice.number for pending in store.undelivered()}
    trio.run(store.aclose)
    assert len(acknowledged) > 100
    assert acknowledged <= kept
