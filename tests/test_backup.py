"""`backup`: a whole copy, beside a service or without one, and nothing half."""

import os
import signal
import sqlite3
import stat as modes
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.core.notices import Changes, Delivery, Notice, Target
from monitor.core.rules import Severity
from monitor.errors import BackupFailed
from monitor.store import Store
from monitor.store import backup as backing
from monitor.store.backup import AHEAD, Copied, back_up
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver
from tests.test_beside import CONFIG, ask
from tests.test_processes import configure, start

UTC = 1_767_322_800_000


def told(*numbers: int) -> Changes:
    """Notices of some size, on their way to a phone."""
    details = {"why": "x" * 3000}
    return Changes(
        notices=tuple(
            Notice(number, UTC, "happened", Severity.INFO, "moved", Target("main"), details=details)
            for number in numbers
        ),
        deliveries=tuple(Delivery(number, "phone") for number in numbers),
    )


def numbers(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as database:
        return [number for (number,) in database.execute("SELECT number FROM notices")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of a service that told a thousand things."""
    store = Store.open(tmp_path / "data", utc=UTC)
    store.keep(told(*range(1, 1001)))
    yield store
    trio.run(store.aclose)


def test_commits_go_on_and_the_copy_is_of_one_instant(store: Store, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def commit(done: int, of: int) -> None:
        seen.append((done, of))
        store.keep(told(1000 + len(seen)))

    file = tmp_path / "copy.db"
    copied = back_up(tmp_path / "data", file, commit)
    assert len(seen) > 2
    assert seen[-1] == (copied.size, copied.size)
    assert copied == Copied(file.stat().st_size, 1000, 1000)
    assert numbers(file) == list(range(1, 1001))
    assert numbers(tmp_path / "data" / "marginwatch.db")[-1] == 1000 + len(seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]
    assert modes.S_IMODE(file.stat().st_mode) == 0o600


def test_what_goes_on_from_a_copy_uses_no_number_again(store: Store, tmp_path: Path) -> None:
    back_up(tmp_path / "data", tmp_path / "copy.db")
    restored = tmp_path / "restored"
    restored.mkdir()
    (tmp_path / "copy.db").rename(restored / "marginwatch.db")
    again = Store.open(restored, utc=UTC)
    assert again.saved().next_number == 1001 + AHEAD
    assert len(again.undelivered()) == 1000
    assert not again.remarks
    trio.run(again.aclose)


def test_a_copy_before_the_first_notice(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data", utc=UTC)
    trio.run(store.aclose)
    copied = back_up(tmp_path / "data", tmp_path / "copy.db")
    assert (copied.notices, copied.last) == (0, 0)
    again = Store.open(tmp_path / "data", utc=UTC)
    assert again.saved().next_number == 1, "the original is as it was"
    trio.run(again.aclose)


def test_what_is_there_is_never_overwritten(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("mine")
    with pytest.raises(BackupFailed, match=r"copy\.db exists; a backup overwrites nothing"):
        back_up(tmp_path / "data", file)
    late = tmp_path / "late.db"

    def come_between(_done: int, _of: int) -> None:
        late.write_text("mine")

    with pytest.raises(BackupFailed, match=r"late\.db is not written: File exists"):
        back_up(tmp_path / "data", late, come_between)
    dangling = tmp_path / "dangling.db"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackupFailed, match="exists"):
        back_up(tmp_path / "data", dangling)
    assert (file.read_text(), late.read_text()) == ("mine", "mine")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["copy.db", "dangling.db", "data", "late.db"]


def test_what_a_killed_backup_left_is_in_nobodys_way(store: Store, tmp_path: Path) -> None:
    for name in ("copy.db.part", "copy.db.part-journal", "copy.db.part-wal"):
        (tmp_path / name).write_bytes(b"half" * 1000)
        (tmp_path / name).chmod(0o644)
    back_up(tmp_path / "data", tmp_path / "copy.db")
    assert len(numbers(tmp_path / "copy.db")) == 1000
    assert modes.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]


def test_two_at_once(store: Store, tmp_path: Path) -> None:
    refused = []

    def another(_done: int, _of: int) -> None:
        with pytest.raises(BackupFailed) as caught:
            back_up(tmp_path / "data", tmp_path / "copy.db")
        refused.append(str(caught.value))

    back_up(tmp_path / "data", tmp_path / "copy.db", another)
    assert set(refused) == {f"another backup is writing {tmp_path / 'copy.db.part'}."}
    assert len(numbers(tmp_path / "copy.db")) == 1000


def test_broken_off(store: Store, tmp_path: Path) -> None:
    def stop(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "data", tmp_path / "copy.db", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_damaged_store_is_not_copied(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data", utc=UTC)
    store.keep(told(*range(1, 200)))
    trio.run(store.aclose)
    path = tmp_path / "data" / "marginwatch.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100_000] + b"\xff" * 200_000 + whole[300_000:])
    with pytest.raises(BackupFailed, match=r"copy\.db is not written: .*(damaged|malformed)"):
        back_up(tmp_path / "data", tmp_path / "copy.db")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]
    assert len(path.read_bytes()) == len(whole), "nothing was set aside"


def test_a_service_that_is_only_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is locked, and its database has no log yet that one could read along."""
    store = Store.open(tmp_path / "data", utc=UTC)
    store.keep(told(1))
    tries = []
    real = backing._open

    def late(path: Path, mode: str) -> sqlite3.Connection:
        tries.append(mode)
        if len(tries) < 3:
            raise sqlite3.OperationalError("unable to open database file")
        return real(path, mode)

    monkeypatch.setattr(backing, "_open", late)
    assert back_up(tmp_path / "data", tmp_path / "copy.db").notices == 1
    assert tries == ["ro", "ro", "ro"]
    trio.run(store.aclose)


# ---------------------------------------------------------------- the command


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["backup", *args], prog_name="marginwatch")


def test_the_command_without_a_service(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monitor.cli.copying.QUIET", 0.0)
    (tmp_path / "config.toml").write_text(CONFIG)
    result = run("copy.db")
    size = (tmp_path / "copy.db").stat().st_size / 2**20
    assert result.stdout == f"copy.db: {size:.1f} MiB, 1000 notices, the last #1000; checked\n"
    assert result.stderr.splitlines()[-1] == f"{size:.1f} MiB of {size:.1f} MiB"
    assert result.exit_code == 0
    again = run("copy.db")
    assert (again.exit_code, again.stderr) == (
        2,
        f"{tmp_path / 'copy.db'} exists; a backup overwrites nothing. Name another file.\n",
    )
    nowhere = run("nowhere/copy.db")
    assert (nowhere.exit_code, nowhere.stderr) == (
        2,
        f"{tmp_path / 'nowhere/copy.db.part'} cannot be written: No such file or directory.\n",
    )


def test_where_nothing_ever_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    result = run("copy.db")
    assert (result.exit_code, result.stderr) == (
        2,
        f"there is nothing to back up: no service ever ran in {tmp_path / 'data'}.\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("command", [["backup", "copy.db"], ["history"]])
def test_whose_folder_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """As somebody else than the service's user."""

    data = tmp_path / "data"
    stat, open_ = Path.stat, os.open

    def refuse(path: object) -> None:
        if Path(str(path)).parent == data:
            raise PermissionError(13, "Permission denied", str(path))

    def refused_stat(path: Path, **more: bool) -> os.stat_result:
        refuse(path)
        return stat(path, **more)

    def refused_open(path: str, *args: int, **more: int) -> int:
        refuse(path)
        return open_(path, *args, **more)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    data.mkdir()
    monkeypatch.setattr(Path, "stat", refused_stat)
    monkeypatch.setattr(os, "open", refused_open)
    result = CliRunner().invoke(main, command, prog_name="marginwatch")
    assert result.exit_code == 2
    assert "Permission denied.\n" in result.stderr
    assert str(tmp_path / "data") in result.stderr


def test_a_service_goes_on_from_a_copy_made_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    rules = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'
    log = folder / "log"
    assert COMMAND
    with Receiver() as phone, simulator() as account:
        config = configure(folder, account, phone.url, rules)
        process = start(config, log)
        wait_for(lambda: len(phone.got) >= 1)
        wait_for(lambda: ": sent " in ask(config, "history").stdout)
        made = ask(config, "backup", str(tmp_path / "copy.db"))
        assert (made.returncode, made.stderr) == (0, "")
        assert ", 1 notice, the last #1; checked" in made.stdout
        process.send_signal(signal.SIGKILL)
        process.wait()
        for each in (folder / "data").iterdir():
            each.unlink()
        (tmp_path / "copy.db").rename(folder / "data" / "marginwatch.db")
        process = start(config, log)
        wait_for(lambda: '"running": true' in ask(config, "alerts", "--json").stdout)
        assert "phone warning" in ask(config, "alerts").stdout
        assert len(phone.got) == 1, "what it had heard is not told again"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
