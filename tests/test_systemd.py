"""What a service manager hears, over real datagram sockets, and the unit file that ships."""

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import tomli
import trio
from trio.testing import MockClock

from monitor.app.systemd import Manager, keep_told
from monitor.config import shipped
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver
from tests.test_processes import configure

LOG = logging.getLogger("marginwatch")
RULES = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\n'


class Ear:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Take what has come; gives all that ever came."""
        with suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(65_536).decode())
        return self.heard

    async def listen_for(self, seconds: int) -> None:
        """Take what comes; the kernel keeps some ten messages for who does not."""
        for _ in range(seconds):
            await trio.sleep(1)
            self.listen()

    def count(self, message: str) -> int:
        return self.listen().count(message)


@contextmanager
def ear(address: str) -> Iterator[Ear]:
    it = Ear(address)
    try:
        yield it
    finally:
        it.socket.close()


def abstract(name: str) -> str:
    """Name an abstract socket of this test alone; the first character as systemd writes it."""
    return f"@marginwatch-{os.getpid()}-{name}"


# The socket ----------------------------------------------------------------------------------


def test_a_path_and_an_abstract_name_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a path of its own length would not fit into an address
    with ear("notify") as by_path, ear(f"\0{abstract('x')[1:]}") as by_name:
        assert not Manager({"NOTIFY_SOCKET": "notify"}, 1).tell("relative: nobody's address")
        short = Path(f"/tmp/mw-{os.getpid()}")  # noqa: S108 - likewise
        short.symlink_to(tmp_path)
        try:
            assert Manager({"NOTIFY_SOCKET": f"{short}/notify"}, 1).tell("READY=1")
        finally:
            short.unlink()
        assert Manager({"NOTIFY_SOCKET": abstract("x")}, 1).tell("READY=1\nSTATUS=é")
        assert by_path.listen() == ["READY=1"]
        assert by_name.listen() == ["READY=1\nSTATUS=é"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-4711", "vsock:2:9", "x" * 200])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    manager = Manager({"NOTIFY_SOCKET": address} if address else {}, 1)
    assert not manager.tell("READY=1")
    assert manager.listens == (address[:1] in {"/", "@"} and address != "")


def test_a_manager_that_does_not_read_holds_up_nobody() -> None:
    with ear(f"\0{abstract('full')[1:]}") as it:
        manager = Manager({"NOTIFY_SOCKET": abstract("full")}, 1)
        taken = [manager.tell(str(number)) for number in range(5000)]
        assert taken[0]
        assert not taken[-1]
        assert len(it.listen()) == sum(taken)
        assert manager.tell("now")


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
        ({"WATCHDOG_USEC": "0"}, 0.0),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(environ: dict[str, str], every: float) -> None:
    assert Manager({"NOTIFY_SOCKET": "@x", **environ}, 42).feed_every == every
    assert Manager(environ, 42).feed_every == 0.0


# What is told --------------------------------------------------------------------------------


async def test_it_is_fed_at_half_its_time_and_only_while_all_is_well(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ails: list[str] = []
    with ear(f"\0{abstract('fed')[1:]}") as it:
        environ = {"NOTIFY_SOCKET": abstract("fed"), "WATCHDOG_USEC": "20000000"}
        async with trio.open_nursery() as nursery:
            told = partial(
                keep_told,
                Manager(environ, 1),
                ask=lambda: ails,
                status=lambda: "\n".join(["well", *ails]),
                log=LOG,
            )
            nursery.start_soon(told)
            await it.listen_for(95)
            assert it.heard == ["READY=1", *it.heard[1:]]
            assert sorted(it.heard[1:]) == ["STATUS=well", *["WATCHDOG=1"] * 10]
            ails.append("no fresh numbers of main")
            await it.listen_for(100)
            assert it.heard[12:] == ["STATUS=well no fresh numbers of main"]
            ails.clear()
            await it.listen_for(5)
            # How it stands is said every ten seconds, which may be now.
            assert [one for one in it.heard[13:] if one != "STATUS=well"] == ["WATCHDOG=1"]
            nursery.cancel_scope.cancel("the test is over")
    assert caplog.messages == [
        "feeding the watchdog is held back: no fresh numbers of main",
        "feeding the watchdog goes on: all is well again",
    ]


async def test_a_manager_that_is_deaf_at_first_hears_that_we_are_ready(
    autojump_clock: MockClock,
) -> None:
    environ = {"NOTIFY_SOCKET": abstract("late"), "WATCHDOG_USEC": "20000000"}
    async with trio.open_nursery() as nursery:
        told = partial(keep_told, Manager(environ, 1), ask=list, status=lambda: "", log=LOG)
        nursery.start_soon(told)
        await trio.sleep(7.5)
        with ear(f"\0{abstract('late')[1:]}") as it:
            await trio.sleep(2)
            assert it.listen()[0] == "READY=1"
            assert "WATCHDOG=1" in it.heard
        nursery.cancel_scope.cancel("the test is over")


async def test_without_a_manager_there_is_nothing_to_do() -> None:
    with trio.fail_after(1):
        await keep_told(Manager({}, 1), ask=list, status=str, log=LOG)


# The program ---------------------------------------------------------------------------------


def test_a_stopped_process_does_not_feed_its_watchdog(tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": abstract("run"), "WATCHDOG_USEC": "400000"}
    with ear(f"\0{abstract('run')[1:]}") as it, Receiver() as phone, simulator() as account:
        config = configure(tmp_path, account, phone.url, RULES)
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, "run", "-c", str(config)], stderr=log, env=os.environ | environ
            )
        try:
            wait_for(lambda: it.count("WATCHDOG=1") >= 3, 60)
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: _is_stopped(process.pid))
            before = it.count("WATCHDOG=1")
            process_time_to_feed()
            assert it.count("WATCHDOG=1") == before
            process.send_signal(signal.SIGCONT)
            wait_for(lambda: it.count("WATCHDOG=1") > before)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
        heard = [message for message in it.listen() if message != "WATCHDOG=1"]
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1\nSTATUS=finishing what was begun"
    assert heard[1] == "STATUS=no fresh numbers of main (1 account, 0 positions)"


def test_a_blind_process_does_not_feed_its_watchdog(tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": abstract("blind"), "WATCHDOG_USEC": "400000"}
    with ear(f"\0{abstract('blind')[1:]}") as it, Receiver() as phone:
        with simulator() as account:
            config = configure(tmp_path, account, phone.url, RULES)
            short = 'poll_interval = "1s"\nstale_after = "2s"\n'
            config.write_text(short + config.read_text())
            with (tmp_path / "log").open("wb") as log:
                process = subprocess.Popen(
                    [*COMMAND, "run", "-c", str(config)], stderr=log, env=os.environ | environ
                )
            try:
                wait_for(lambda: it.count("WATCHDOG=1") >= 3, 60)
            except BaseException:
                process.kill()
                raise
        try:
            text = (tmp_path / "log").read_text
            held = "feeding the watchdog is held back: no fresh numbers of main"
            wait_for(lambda: held in text(), 60)
            before = it.count("WATCHDOG=1")
            process_time_to_feed()
            assert it.count("WATCHDOG=1") == before
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


def process_time_to_feed() -> None:
    """Wait for as long as several meals take."""
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(["sleep", "1"], check=True, timeout=5)  # noqa: S607 - as in any shell


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# The files that ship -------------------------------------------------------------------------

UNIT = shipped("contrib/marginwatch.service")


def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's own way
    parser.read_string(UNIT.read_text())
    return parser


def test_the_unit_says_what_the_program_does() -> None:
    service = unit()["Service"]
    expected = {
        "Type": "notify",
        "Restart": "always",
        "DynamicUser": "yes",
        "StateDirectory": "marginwatch",
        "TimeoutStopSec": "30",
        "LimitCORE": "0",
        "ExecStart": "/opt/marginwatch/.venv/bin/marginwatch run -c /etc/marginwatch/config.toml",
    }
    assert {key: service[key] for key in expected} == expected
    assert "WatchdogSec" in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # What it starts is not installed where the tests run.
    text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    (tmp_path / "marginwatch.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "marginwatch.service")],  # noqa: S607 - likewise
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_in_contrib_ships(root: Path) -> None:
    build = tomli.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["force-include"]["contrib"] == "monitor/_shipped/contrib"
    assert "/contrib" in build["sdist"]["include"]
    assert sorted(path.name for path in UNIT.parent.iterdir()) == [
        "Containerfile",
        "marginwatch.service",
    ]


def test_the_guide_says_how_long_a_hang_may_last(root: Path) -> None:
    text = (root / "docs" / "how-to.md").read_text()
    assert f"WatchdogSec={unit()['Service']['WatchdogSec']}" in text
    for name in re.findall(r"^LoadCredential=(\w+):", UNIT.read_text(), re.MULTILINE):
        assert f"${{credential:{name}}}" in text
