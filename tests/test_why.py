"""`why` on the command line: without a service, and beside one."""

import json
import signal
import subprocess
from collections.abc import Iterator
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
    Silence,
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
min_severity = "warning"
"""
RULES = """
[[rule]]
name = "loss"
info = "roi < -20%"
warning = "roi < -50%"
for = { warning = "15s" }
[[rule]]
name = "moved"
on = ["deposit"]
severity = "info"
[[rule]]
name = "blind"
warning = "stale_for > 0s"
"""


class _Instant:
    utc = UTC
    ticks = 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.toml").write_text(RULES)
    monkeypatch.setattr("monitor.cli.explaining.real_now", lambda: _Instant)
    yield tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["why", *args], prog_name="marginwatch", standalone_mode=True)


def notice(number: int, kind: str, severity: Severity, **more: Any) -> Notice:
    facts: dict[str, Any] = {"rule": "loss", "target": LONG, "previous": Severity.NONE}
    return Notice(number, UTC - 60_000, kind, severity, **(facts | more))


@pytest.fixture
def lived(folder: Path) -> Path:
    """A folder in which a service ran, and told something."""
    switches = (
        SwitchRecord(Severity.INFO, "on", 0, UTC - 10_000),
        SwitchRecord(Severity.WARNING, "rising", 5_000, UTC - 10_000),
    )
    money = Target("main", asset="USDT")
    store = Store.open(folder / "data", utc=UTC)
    store.keep(
        Changes(
            alerts=(
                AlertRecord(
                    "loss", LONG, switches, Severity.INFO, Severity.WARNING, UTC - 60_000, None
                ),
            ),
            notices=(
                notice(7, "fired", Severity.WARNING),
                notice(8, "eased", Severity.INFO, previous=Severity.WARNING, reason="recovered"),
                notice(
                    9, "happened", Severity.INFO, rule="moved", target=money, happening="deposit"
                ),
                notice(
                    10, "fired", Severity.INFO, target=Target("main", "ETHUSDT", "BOTH", "long")
                ),
                notice(11, "fired", Severity.INFO, target=Target("other", *LONG[1:])),
            ),
            deliveries=(Delivery(7, "phone"), Delivery(8, "phone")),
            told=(Told("loss", LONG, "phone", Severity.WARNING),),
            silences=(Silence(1, UTC - 5_000, UTC + 600_000, rules=("loss",)),),
            timers=(TimerRecord("held", "main", UTC, 0, '{"SOLUSDT/BOTH": "short"}'),),
        )
    )

    async def deliver() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await store.attempted([(7, 1)], "phone", UTC - 58_000)
            await store.answered([(7, 1)], "phone", "sent", UTC - 57_000)
            nursery.cancel_scope.cancel()
        await store.aclose()

    trio.run(deliver)
    return folder


def test_what_the_last_run_left(lived: Path) -> None:
    result = run("loss", "main/BTCUSDT")
    assert result.output.splitlines() == [
        "loss on main/BTCUSDT/long: INFO since 02:59:00, for 60 s, at worst warning",
        "as of 2026-01-02 03:00:00 UTC",
        "no service runs: this is how the last one left it",
        "",
        "warning: roi < -50%",
        "  rising since 02:59:45 (for 15 s)",
        "",
        "info: roi < -20%",
        "  on",
        "",
        "silence 1 until 03:10:00: nobody is told (--rule 'loss')",
        "no reminder is due: no service runs: this is how the last one left it",
        "",
        "CHANNEL  HEARD LAST  TAKES",
        "phone    warning     warning; not info: its min_severity is warning  1 not delivered yet",
        "",
        "latest notices",
        "#7 02:59:00 fired warning · loss · BTCUSDT long (main)",
        "    phone: sent 2026-01-02 02:59:03 UTC",
        "#8 02:59:00 eased to info · loss · BTCUSDT long (main)",
        "    phone: waits, never attempted",
    ]
    assert result.exit_code == 0


def test_what_never_fired(lived: Path) -> None:
    result = run("loss", "main/SOLUSDT")
    assert result.output.splitlines()[0] == "loss on main/SOLUSDT/short: does not fire"
    assert result.output.splitlines()[-1] == "nothing was told of it"
    assert result.exit_code == 0
    assert run("blind", "main").output.startswith("blind on main: does not fire\n")
    moved = run("moved", "main/USDT").output.splitlines()
    assert moved[0] == "moved on main/USDT: fires when this happens: deposit"
    assert moved[-2] == "#9 02:59:00 info · moved · deposit, USDT (main)"


def test_a_position_that_is_gone(lived: Path) -> None:
    result = run("loss", "main/ETHUSDT/long")
    assert result.stderr.splitlines() == [
        "main has no ETHUSDT/long now",
        "there are: main/BTCUSDT/long, main/SOLUSDT/short",
    ]
    assert result.stdout.splitlines() == [
        "latest notices",
        "#10 02:59:00 fired info · loss · ETHUSDT long (main)",
        "    told to nobody",
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (
            ["los", "main"],
            1,
            "no rule is called los\nthere are: blind, loss, moved\n",
        ),
        (
            ["blnd", "main"],
            1,
            "no rule is called blnd; did you mean blind?\nthere are: blind, loss, moved\n",
        ),
        (
            ["loss", "mian/BTCUSDT"],
            1,
            "no account is called mian; did you mean main?\nthere are: main\n",
        ),
        (
            ["loss", "main/BTCUSD"],
            1,
            (
                "main has no BTCUSD now; did you mean main/BTCUSDT/long?\n"
                "there are: main/BTCUSDT/long, main/SOLUSDT/short\n"
            ),
        ),
        (
            ["loss", "main"],
            1,
            (
                "the rule loss is about positions (ACCOUNT/SYMBOL[/SIDE]), main is not\n"
                "there are: main/BTCUSDT/long, main/SOLUSDT/short\n"
            ),
        ),
        (
            ["marginwatch", "main"],
            1,
            (
                "the rule marginwatch is about the program as a whole: `marginwatch history` lists "
                "what it told\n"
            ),
        ),
        (
            ["loss", "main/BTCUSDT/up"],
            2,
            (
                "main/BTCUSDT/up: is no target: write ACCOUNT, ACCOUNT/ASSET or "
                "ACCOUNT/SYMBOL[/SIDE], as in main/BTCUSDT/long\n"
            ),
        ),
    ],
)
def test_what_is_not_there(lived: Path, args: list[str], code: int, told: str) -> None:
    result = run(*args)
    assert (result.exit_code, result.stderr, result.stdout) == (code, told, "")


def test_in_json(lived: Path) -> None:
    answer = json.loads(run("loss", "main/BTCUSDT", "--json").stdout)
    assert (answer["running"], answer["unknown"], answer["rule"]) == (False, None, "loss")
    assert answer["levels"][1]["switch"] == {
        "state": "rising",
        "since": "2026-01-02T02:59:45.000Z",
        "for": 15,
        "keep_firing_for": 0,
        "left": 10,
        "counts": False,
    }
    assert [one["id"] for one in answer["notices"]] == [7, 8]
    assert answer["notices"][0]["deliveries"][0]["state"] == "sent"
    gone = run("loss", "main/XRPUSDT", "--json")
    assert gone.exit_code == 1
    assert json.loads(gone.stdout)["unknown"]["what"] == "target"


def test_rules_with_faults_leave_what_the_store_knows(lived: Path) -> None:
    (lived / "rules" / "all.toml").write_text('[[rule]]\nname = "loss"\nwarning = "rio < 5"\n')
    result = run("loss", "main/BTCUSDT")
    assert result.stderr.startswith("the rules have faults (see `marginwatch check`): ")
    assert result.stdout.startswith("loss on main/BTCUSDT/long: INFO since 02:59:00")
    assert "phone    warning" in result.stdout
    assert result.exit_code == 0


def test_where_nothing_ever_ran(folder: Path) -> None:
    result = run("loss", "main/BTCUSDT")
    assert (result.exit_code, result.stderr) == (1, "main has no BTCUSDT now\n")


# ---------------------------------------------------------------- beside a service


def ask(config: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "why", *args, "-c", str(config)], capture_output=True, text=True, check=False
    )


def test_beside_a_service(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    rules = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'
    log = folder / "log"
    with Receiver() as phone, simulator() as account:
        config = configure(folder, account, phone.url, rules)
        process = start(config, log)
        wait_for(lambda: len(phone.got) >= 1)
        answer = ask(config, "long", "main/BTCUSDT")
        assert (answer.stderr, answer.returncode) == ("", 0)
        lines = answer.stdout.splitlines()
        assert lines[0].startswith("long on main/BTCUSDT/long: WARNING since ")
        assert "warning: quantity > 0: true" in lines
        assert any(line.startswith("#1 ") and "fired warning" in line for line in lines)
        wrong = ask(config, "long", "main/BTCUSD")
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert wrong.stderr.startswith("main has no BTCUSD now; did you mean main/BTCUSDT/long?\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
