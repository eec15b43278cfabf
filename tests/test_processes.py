"""Real processes, real sockets, real Apprise; SIGKILL is in tests/crash."""

import json
import signal
import subprocess
from pathlib import Path
from unittest.mock import Mock, call

import pytest
import trio
import trio.testing

from monitor.cli import serving
from monitor.errors import StoreInUse
from monitor.store import Store
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver, inline, numbers_in

# The mark crosses 60,000 every 300 ms, so that a notice is always on its way somewhere.
ZIGZAG = (
    """
seed = 3
length = "10m"
mark_interval = "50ms"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "10000" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 5
[[price]]
symbol = "BTCUSDT"
points = [
"""
    + "\n".join(f'["{300 * step}ms", "{60_050 if step % 2 else 59_950}"],' for step in range(2000))
    + "\n]\n"
)

FLIPPING = """
[[rule]]
name = "flip"
warning = "mark_price > 60000"
repeat = "never"
"""


def configure(folder: Path, account: str, url: str, rules: str) -> Path:
    """Write what a user would write, around the table that `simulate` printed."""
    (folder / "rules").mkdir()
    (folder / "rules" / "all.toml").write_text(rules)
    path = folder / "config.toml"
    path.write_text(
        'data_dir = "data"\ntimezone = "UTC"\n'
        f'{account}\n[[channel]]\nname = "phone"\nurl = "{url}"\ngroup_wait = "0s"\n'
        "max_per_minute = 600\n"
    )
    path.chmod(0o600)
    return path


def start(config: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `marginwatch run`; its log is added to a file."""
    with log.open("ab") as stderr:
        return subprocess.Popen([*COMMAND, "run", "-c", str(config)], stderr=stderr)


def numbers(messages: list[str]) -> list[tuple[int, int]]:
    """Read numbers and attempts out of the messages."""
    return [each for text in messages for each in numbers_in(text)]


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(15)


def test_two_processes_joined_by_the_table_that_the_first_prints(
    tmp_path: Path, root: Path
) -> None:
    scenario = tmp_path / "fall.toml"
    scenario.write_text(
        (root / "monitor/sim/scenarios/crash.toml")
        .read_text()
        .replace('9m", "55430', '2m5s", "55430')
    )
    rules = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'
    log = tmp_path / "log"
    with Receiver(["500", "500"]) as phone, simulator() as account:
        process = start(configure(tmp_path, account, phone.url, rules), log)
        wait_for(lambda: len(phone.got) == 3)
        assert stop(process) == 0

    assert [got["title"] for got in phone.got] == ["WARNING: BTCUSDT long (main): long"] * 3
    assert numbers(phone.messages) == [(1, 1), (1, 2), (1, 3)]
    text = log.read_text()
    assert "main: 2 positions, nearest BTCUSDT long 9." in text
    assert "received SIGTERM: finishing; once more ends at once" in text
    assert "demo-secret" not in text
    assert "demo-key" not in text
    assert phone.url not in text


def test_refused_twice_and_once_closed_without_an_answer_all_is_delivered_in_order(
    tmp_path: Path,
) -> None:
    (tmp_path / "zigzag.toml").write_text(ZIGZAG)
    script = ["ok", "500", "ok", "500", "ok", "close"]
    with Receiver(script) as phone, simulator(tmp_path / "zigzag.toml") as account:
        process = start(configure(tmp_path, account, phone.url, FLIPPING), tmp_path / "log")
        wait_for(lambda: len(phone.got) >= 12)
        assert stop(process) == 0

    got = numbers(phone.messages)
    # Each of the three that were not acknowledged comes again, marked, before anything newer.
    assert got[:9] == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (6, 1)]
    assert [number for number, attempt in got if attempt == 1] == list(
        range(1, max(number for number, _ in got) + 1)
    )


def test_a_second_service_on_the_same_data_dir_is_told(tmp_path: Path) -> None:
    with Receiver() as phone, simulator() as account:
        config = configure(tmp_path, account, phone.url, FLIPPING)
        first = start(config, tmp_path / "log")
        wait_for((tmp_path / "data" / "marginwatch.db").exists)
        second = subprocess.run(
            [*COMMAND, "run", "-c", str(config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
        dry = subprocess.Popen(
            [*COMMAND, "run", "--dry-run", "--json", "-c", str(config)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert dry.stdout is not None
        line = json.loads(dry.stdout.readline())
        dry.send_signal(signal.SIGTERM)
        assert dry.wait(15) == 0
        dry.stdout.close()
        assert stop(first) == 0

    assert second.returncode == 2
    assert "Traceback" not in second.stderr
    assert second.stderr == (
        f"data_dir {tmp_path}/data is in use by another marginwatch (pid {first.pid}).\n"
        "Stop that one first, or give this one a data_dir of its own.\n"
    )
    assert (line["kind"], line["severity"], line["rule"]) == ("fired", "warning", "flip")


async def test_a_signal_that_comes_twice_is_one_and_a_second_one_ends_at_once(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout`, terminals and supervisors send to a process and to its group."""
    ends: list[float] = []
    service, manager = Mock(), Mock()
    monkeypatch.setattr("os._exit", lambda _: ends.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        await nursery.start(serving._stop_on_signal, service, Mock(), manager)
        for pause in (0.05, 1, 1):
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep(pause)
        nursery.cancel_scope.cancel()
    assert service.stop.mock_calls == [call("received SIGTERM")]
    assert ends == [1.05]


async def test_a_command_beside_it_keeps_no_service_from_starting(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def let_go(store: Store, seconds: float) -> None:
        await trio.sleep(seconds)
        await store.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(let_go, Store.open(tmp_path, utc=0, in_thread=inline), 1.5)
        store = await serving.open_store(tmp_path)
        assert trio.current_time() == pytest.approx(1.5, abs=0.11)
        with pytest.raises(StoreInUse):
            await serving.open_store(tmp_path)
    await store.aclose()


def test_a_hang_up_reads_the_files_anew_and_never_ends_the_watch(tmp_path: Path) -> None:
    """SIGHUP is also what a closed terminal sends."""
    log, rules = tmp_path / "log", tmp_path / "rules" / "all.toml"
    with Receiver() as phone, simulator() as account:
        long = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'
        process = start(configure(tmp_path, account, phone.url, long), log)
        wait_for(lambda: len(phone.got) == 1)
        rules.write_text(long.replace("quantity", "quanity"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(phone.got) == 2)
        rules.write_text(long + long.replace("long", "big"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(phone.got) == 3)
        assert stop(process) == 0

    assert [got["title"] for got in phone.got] == [
        "WARNING: BTCUSDT long (main): long",
        "WARNING: marginwatch: reload refused",
        "WARNING: BTCUSDT long (main): big",
    ]
    text = log.read_text()
    assert "received SIGHUP: reading the files anew" in text
    assert "no metric is called `quanity`" in text
    assert "reloaded: 2 rules, 1 channel; rule big added" in text
    assert "Traceback" not in text


KEYS = [
    "id",
    "at",
    "kind",
    "severity",
    "previous",
    "reason",
    "happening",
    "count",
    "rule",
    "account",
    "symbol",
    "position_side",
    "side",
    "asset",
    "since",
    "data_age",
    "attempt",
    "title",
    "body",
    "values",
]


def test_the_demo_tells_the_crash_from_first_warning_to_liquidation() -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--json", "--speed", "100"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    *lines, summary = [json.loads(line) for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert [list(line) for line in lines] == [KEYS] * len(lines)
    assert [line["id"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["attempt"] for line in lines} == {1}
    told = [
        (line["kind"], line["severity"], line["reason"] or line["happening"])
        for line in lines
        if line["symbol"] == "BTCUSDT" and line["rule"] in {"margin-room", "forced-close"}
    ]
    assert told == [
        ("fired", "info", None),
        ("escalated", "warning", None),
        ("escalated", "critical", None),
        ("happened", "critical", "liquidation"),
        ("resolved", "critical", "position_closed"),
    ]
    assert {line["symbol"] or line["asset"] for line in lines} == {"BTCUSDT", "USDT"}
    by_kind = {(line["kind"], line["severity"]): line["at"] for line in reversed(lines)}
    happened = [line["at"] for line in lines if line["happening"] == "liquidation"]
    assert {key: summary[key] for key in list(summary)[:4]} == {
        "kind": "summary",
        "first_warning_at": by_kind["escalated", "warning"],
        "first_critical_at": by_kind["escalated", "critical"],
        "liquidation_at": happened[0],
    }
    assert list(summary)[4:] == ["warning_to_liquidation", "critical_to_liquidation", "notices"]
    assert summary["notices"] == len(lines)
    assert summary["warning_to_liquidation"] > summary["critical_to_liquidation"] > 120
