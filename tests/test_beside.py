"""`alerts`, `silence`, `unsilence`, `history`: without a service, and beside one that is killed."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.core.notices import (
    AlertRecord,
    Changes,
    Delivery,
    Notice,
    SwitchRecord,
    Target,
    TimerRecord,
    Told,
)
from monitor.core.rules import Severity
from monitor.store import Store
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver
from tests.test_processes import configure, start

UTC = 1_767_322_800_000
LONG = Target("main", "BTCUSDT", "BOTH", "long")
CONFIG = """
data_dir = "data"
timezone = "UTC"
[[account]]
name = "main"
api_key = "${NOT_SET}"
api_secret = "${NOT_SET}"
[[channel]]
name = "phone"
url = "${NOT_SET}"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.setattr("monitor.cli.standing.real_now", lambda: _Instant)
    monkeypatch.setattr("monitor.cli.recalling.real_now", lambda: _Instant)
    yield tmp_path


class _Instant:
    utc = UTC
    ticks = 0


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="marginwatch", standalone_mode=True)


def notice(number: int, kind: str, severity: Severity, **more: Any) -> Notice:
    facts: dict[str, Any] = {
        "rule": "loss",
        "target": LONG,
        "since": UTC - 60_000,
        "previous": Severity.NONE,
    }
    return Notice(number, UTC - 60_000, kind, severity, **(facts | more))


@pytest.fixture
def lived(folder: Path) -> Path:
    """A folder in which a service ran, and told something."""
    on = SwitchRecord(Severity.WARNING, "on", 0, UTC)
    store = Store.open(folder / "data", utc=UTC)
    store.keep(
        Changes(
            alerts=(
                AlertRecord(
                    "loss", LONG, (on,), Severity.WARNING, Severity.CRITICAL, UTC - 60_000, None
                ),
            ),
            notices=(
                notice(7, "fired", Severity.WARNING),
                notice(8, "escalated", Severity.CRITICAL, previous=Severity.WARNING),
                notice(9, "reminder", Severity.CRITICAL),
                notice(10, "fired", Severity.INFO, rule="room"),
            ),
            deliveries=(
                Delivery(7, "mail"),
                Delivery(7, "phone"),
                Delivery(8, "phone"),
                Delivery(9, "phone"),
            ),
            told=(Told("loss", LONG, "phone", Severity.WARNING),),
            timers=(TimerRecord("failing", "phone", UTC, 0, ""),),
        )
    )

    async def deliver() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await store.attempted([(7, 1)], "mail", UTC - 58_000)
            await store.answered([(7, 1)], "mail", "sent", UTC - 57_000)
            await store.attempted([(7, 1), (8, 1)], "phone", UTC - 58_000)
            await store.answered([(7, 1), (8, 1)], "phone", "refused", UTC - 57_000, "HTTP 500")
            await store.attempted([(7, 2)], "phone", UTC - 50_000)
            await store.answered([(7, 2)], "phone", "sent", UTC - 49_000)
            await store.died(9, "phone", UTC, "superseded by #12")
            nursery.cancel_scope.cancel()
        await store.aclose()

    trio.run(deliver)
    return folder


# ---------------------------------------------------------------- without a service


def test_what_the_last_run_left_standing(lived: Path) -> None:
    result = run("alerts")
    assert result.output.splitlines() == [
        "1 alert firing",
        "SEVERITY  RULE  TARGET             SINCE                     TOLD           NUMBERS",
        "WARNING   loss  main/BTCUSDT/long  2026-01-02T02:59:00.000Z  phone warning",
        "",
        "not delivered yet: 1 for phone (failing)",
        "",
        "no service runs: this is how the last one left it",
    ]
    assert result.exit_code == 0


def test_where_nothing_ever_ran(folder: Path) -> None:
    assert run("alerts").output.splitlines() == [
        "no alert is firing",
        "",
        "no service runs: this is how the last one left it",
    ]
    assert run("history").output == "nothing was told in the last 24h\n"


def test_a_corrupt_database_is_not_shown_as_if_all_were_well(lived: Path) -> None:
    """The command that finds it says so, and the next run still tells every channel."""
    path = lived / "data" / "marginwatch.db"
    path.write_bytes(b"no database " * 1000)
    result = run("alerts")
    assert result.stdout.splitlines()[0] == "no alert is firing"
    assert result.stderr.startswith(f"{path} was corrupt (file is not a database); it is kept as")
    store = Store.open(lived / "data", utc=UTC)
    assert [remark.counter for remark in store.remarks] == ["store_replaced"]
    trio.run(store.aclose)


def test_a_silence_and_its_end(lived: Path) -> None:
    result = run("silence", "--rule", "lo*", "--symbol", "BTC*", "--for", "2h")
    assert result.stdout.splitlines() == [
        "silence 1 until 2026-01-02T05:00:00.000Z: --rule 'lo*' --symbol 'BTC*'",
        "covers 1 firing alert:",
        "SEVERITY  RULE  TARGET             SINCE                     TOLD           NUMBERS",
        "WARNING   loss  main/BTCUSDT/long  2026-01-02T02:59:00.000Z  phone warning",
    ]
    assert result.stderr == "no service runs; the silence counts from now on all the same\n"
    listed = run("alerts").output.splitlines()
    assert listed[2].split() == [
        "WARNING",
        "loss",
        "main/BTCUSDT/long",
        "2026-01-02T02:59:00.000Z",
        "silence",
        "1",
    ]
    assert listed[4:7] == [
        "1 silence",
        "NUMBER  UNTIL                     COVERS",
        "1       2026-01-02T05:00:00.000Z  --rule 'lo*' --symbol 'BTC*'",
    ]
    ended = run("unsilence", "1")
    assert (ended.exit_code, ended.output.splitlines()) == (
        0,
        [
            "silence 1 is over: --rule 'lo*' --symbol 'BTC*'",
            "no service runs: what its channels missed is told when one does",
        ],
    )
    again = run("unsilence", "1")
    assert (again.exit_code, again.stderr) == (1, "no silence 1 stands; none stands\n")
    second = run("silence", "--all", "--for", "30m")
    assert second.stdout.startswith("silence 2 until 2026-01-02T03:30:00.000Z: --all\n")


def test_in_json(lived: Path) -> None:
    begun = json.loads(run("silence", "--account", "sub", "--for", "90m", "--json").stdout)
    assert begun == {
        "silence": {
            "number": 1,
            "begins": "2026-01-02T03:00:00.000Z",
            "ends": "2026-01-02T04:30:00.000Z",
            "rules": [],
            "accounts": ["sub"],
            "symbols": [],
            "options": "--account 'sub'",
        },
        "covers": [],
    }
    listed = json.loads(run("alerts", "--json").stdout)
    assert list(listed) == ["running", "alerts", "silences", "waiting", "failing"]
    assert (listed["running"], listed["waiting"]) == (False, {"phone": 1})
    assert json.loads(run("unsilence", "1", "--json").stdout)["silence"]["number"] == 1
    gone = run("unsilence", "1", "--json")
    assert (json.loads(gone.stdout), gone.exit_code) == ({"none": 1, "standing": []}, 1)


def test_an_account_that_nobody_knows_is_told(folder: Path) -> None:
    result = run("silence", "--account", "mian", "--account", "m*", "--for", "1h")
    assert "no account is called mian; there are: main\n" in result.stderr
    assert result.exit_code == 0


def test_a_rule_that_nobody_knows_is_told(folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "r.toml").write_text('[[rule]]\nname = "room"\nwarning = "roi < 0%"\n')
    result = run("silence", "--rule", "rom", "--rule", "room", "--rule", "l*", "--for", "1h")
    assert result.stderr.splitlines() == [
        "no service runs; the silence counts from now on all the same",
        "no rule is called rom; there are: room",
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--for", "1h"], "a silence needs --rule, --account or --symbol, or --all for everything"),
        (
            ["--for", "1h", "--all", "--rule", "x"],
            "--all is everything: leave out --rule, --account and --symbol",
        ),
        (["--all", "--for", "2"], '--for 2: "2" has no unit. Write one like 2h or 30m.'),
        (["--all", "--for", "10ms"], "--for 10ms: is out of range, from 1s to 366d"),
        (["--all", "--for", "400d"], "--for 400d: is out of range, from 1s to 366d"),
        (
            ["--rule", "x[", "--for", "1h"],
            (
                "--rule 'x[': this glob has a [ that no ] closes (write \"[[]\" for the character "
                "itself)"
            ),
        ),
        (
            ["--symbol", "", "--for", "1h"],
            "--symbol '': an empty glob matches nothing (write \"*\" for everything)",
        ),
    ],
)
def test_a_silence_that_cannot_be_meant(folder: Path, args: list[str], told: str) -> None:
    result = run("silence", *args)
    assert (result.exit_code, result.stderr) == (2, f"{told}\n")
    assert not (folder / "data").exists()


def test_the_history(lived: Path) -> None:
    assert run("history").output.splitlines() == [
        "#7 02:59:00 fired warning · loss · BTCUSDT long (main)",
        "    mail: sent 2026-01-02 02:59:03 UTC",
        "    phone: sent 2026-01-02 02:59:11 UTC after 2 attempts; last answer: HTTP 500",
        "#8 02:59:00 escalated to critical · loss · BTCUSDT long (main)",
        "    phone: waits, 1 attempt; last answer: HTTP 500",
        "#9 02:59:00 still critical · loss · BTCUSDT long (main)",
        "    phone: given up after 0 attempts: superseded by #12",
        "#10 02:59:00 fired info · room · BTCUSDT long (main)",
        "    told to nobody",
    ]
    assert run("history", "--since", "30s").output == "nothing was told in the last 30s\n"
    assert run("history", "--channel", "desk").output == (
        "nothing was told for channel desk in the last 24h\n"
    )
    assert run("history", "--channel", "mail").output.splitlines() == [
        "#7 02:59:00 fired warning · loss · BTCUSDT long (main)",
        "    mail: sent 2026-01-02 02:59:03 UTC",
    ]
    wrong = run("history", "--since", "yesterday")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("--since yesterday: ")


def test_a_row_of_the_history_that_cannot_be_read(lived: Path) -> None:
    """It was told long ago, so no start reads it: that is no bug, and no reason to begin anew."""
    with closing(sqlite3.connect(lived / "data" / "marginwatch.db")) as database, database:
        database.execute("UPDATE notices SET facts = '{' WHERE number = 10")
    result = run("history")
    assert result.exit_code == 2
    assert result.stderr == (
        "the row of #10 cannot be read: the database was damaged.\n"
        "Ask for what came after it, with --since.\n"
    )
    assert run("alerts").stdout.startswith("1 alert firing")


def test_the_history_in_json(lived: Path) -> None:
    lines = [json.loads(line) for line in run("history", "--json").stdout.splitlines()]
    assert [line["id"] for line in lines] == [7, 8, 9, 10]
    assert not {"attempt", "title", "body"} & lines[0].keys()
    assert lines[0]["deliveries"][1] == {
        "channel": "phone",
        "state": "sent",
        "done": "2026-01-02T02:59:11.000Z",
        "error": None,
        "attempts": [
            {
                "attempt": 1,
                "at": "2026-01-02T02:59:02.000Z",
                "status": "refused",
                "answer": "HTTP 500",
                "answered": "2026-01-02T02:59:03.000Z",
            },
            {
                "attempt": 2,
                "at": "2026-01-02T02:59:10.000Z",
                "status": "sent",
                "answer": None,
                "answered": "2026-01-02T02:59:11.000Z",
            },
        ],
    }
    assert lines[3]["deliveries"] == []


def test_a_folder_that_somebody_holds_and_who_does_not_answer(
    lived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.cli.asking.STARTING", 0.2)
    store = Store.open(lived / "data", utc=UTC)
    result = run("alerts")
    assert (result.exit_code, result.stderr) == (
        2,
        (
            f"data_dir {lived / 'data'} is in use by another marginwatch (pid {os.getpid()}).\n"
            "Stop that one first, or give this one a data_dir of its own.\n"
        ),
    )
    assert run("history").output.count("\n") == 9, "what was told can be read all the same"
    trio.run(store.aclose)


# ---------------------------------------------------------------- beside a service


def ask(config: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args, "-c", str(config)], capture_output=True, text=True, check=False
    )


def test_a_silence_survives_kill_nine(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    rules = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\nrepeat = "1s"\n'
    log = folder / "log"
    with Receiver() as phone, simulator() as account:
        config = configure(folder, account, phone.url, rules)
        process = start(config, log)
        wait_for(lambda: len(phone.got) >= 1)
        begun = ask(config, "silence", "--rule", "long", "--for", "1h")
        assert begun.stdout.splitlines()[1] == "covers 1 firing alert:"
        assert (begun.stderr, begun.returncode) == ("", 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = len(phone.got)
        process = start(config, log)
        wait_for(lambda: json.loads(ask(config, "alerts", "--json").stdout)["running"])
        standing = json.loads(ask(config, "alerts", "--json").stdout)
        assert [one["silences"] for one in standing["alerts"]] == [[1]]
        assert ask(config, "history", "--since", "1h").stdout.startswith("#1 ")
        assert len(phone.got) == before, "no reminder while it is silent"
        ended = ask(config, "unsilence", "1")
        assert ended.stdout.splitlines()[1] == "what its channels missed is told now"
        wait_for(lambda: len(phone.got) > before)  # a reminder, a second after the end
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
