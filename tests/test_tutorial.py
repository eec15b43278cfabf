"""docs/tutorial.md, word by word: its files are written, its commands run, its output compared.

What a newcomer sees is compared but for what differs each time: numbers, and the width of columns.
"…" stands for anything, alone in a line for any lines. The story is told in full in virtual time;
beside real processes it is cut short, so that the first alert comes within seconds.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner
from trio.testing import MockClock

from monitor.cli import main
from scripts.documents.pages import DOCS, Block, blocks
from tests.conftest import ROOT
from tests.house.town import Town
from tests.processes import wait_for

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

TUTORIAL = DOCS / "tutorial.md"
CRASH = ROOT / "monitor" / "sim" / "scenarios" / "crash.toml"


def of_language(language: str) -> list[str]:
    """List the tutorial's blocks of a language."""
    found = (block for block in blocks(TUTORIAL) if block.language == language)
    return [textwrap.dedent(block.text) for block in found]


def console(command: str) -> list[Block]:
    """List what the tutorial shows of a command, in order."""
    found = []
    for block in of_language("console"):
        for said in re.split(r"^(?=\$ )", block, flags=re.MULTILINE)[1:]:
            line, _, output = said.partition("\n")
            if line.removeprefix("$ ").startswith(command):
                found.append(Block(TUTORIAL.name, line.removeprefix("$ "), output))
    assert found, f"the tutorial never runs {command}"
    return found


def like(expected: str) -> re.Pattern[str]:
    """Make a pattern of what is shown."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
            continue
        words = (
            re.sub(r"\\?[\d.,]*\d", r"[\\d.,]+", re.escape(word)).replace("…", r"[^\n]*")
            for word in line.split()
        )
        lines.append(r"[ ]*" + r"[ ]+".join(words) + r"[ ]*\n")
    return re.compile("".join(lines) + r"\s*")


def test_what_is_shown_is_compared_but_for_what_differs() -> None:
    shown = "SINCE  TOLD\n2026-11-30T14:05:28.789Z  3.0 % …\n…\n1 fault in 1 file\n"
    assert like(shown).fullmatch(
        "SINCE     TOLD\n2027-01-02T03:04:05.000Z 12,345 % of it\na\nb\n1 fault in 1 file\n"
    )
    assert not like(shown).fullmatch("SINCE TOLD\n2027-01-02T03:04:05.000Z 3 %\n1 fault\n")
    assert not like("a\nb\n").fullmatch("a\n")


class Newcomer:
    """Somebody who follows the tutorial in a folder of his own, on ports that are free here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"8000": str(free_port()), "9000": str(free_port())}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environ = {**os.environ, "PATH": path, "TZ": "UTC", "HOME": str(folder)}
        self.environ.pop("MARGINWATCH_CONFIG", None)

    def here(self, text: str) -> str:
        """Put the ports of this machine in place of the tutorial's."""
        for shown, ours in self.ports.items():
            text = re.sub(rf"\b{shown}\b", ours, text)
        return text

    def write(self, name: str, text: str) -> None:
        """Write a file as the tutorial has it."""
        (self.folder / name).write_text(self.here(text))

    def does(self, shown: Block) -> None:
        """Run a command, and compare what it says with what the tutorial shows."""
        done = subprocess.run(
            shlex.split(self.here(shown.language)),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        assert like(shown.text).fullmatch(done.stdout), f"$ {shown.language}\n{done.stdout}"

    @contextmanager
    def goes_on(self, command: str) -> Iterator["Terminal"]:
        """Leave a command running in a terminal."""
        with Terminal(self, command) as terminal:
            yield terminal


class Terminal:
    """A command that goes on, and what it has said so far; ended by Ctrl-C."""

    def __init__(self, newcomer: Newcomer, command: str) -> None:
        words = shlex.split(newcomer.here(command))
        self._process = subprocess.Popen(
            [sys.executable, "-u", *words[1:]] if words[0] == "python3" else words,
            cwd=newcomer.folder,
            env=newcomer.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line

    def shows(self, expected: str, seconds: float = 60) -> None:
        """Wait until it has said something."""
        with suppress(AssertionError):
            wait_for(lambda: bool(like(expected).search(self.said)), seconds)
        assert like(expected).search(self.said), self.said

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        finally:
            self._process.kill()  # does nothing to one that has ended
            self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def listens(port: str) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 1):
        return True
    return False


def shortened() -> str:
    """Tell the crash from a moment before the first alert."""
    story = CRASH.read_text(encoding="utf-8").replace('at = "1m30s"', 'at = "subscribe+2s"')
    fallen = '"0s", "57800"],["3m", "57700"],'
    return re.sub(r'"0s", "60010"\],.*?"9m"', f'{fallen}["9m"', story, count=1, flags=re.DOTALL)


def test_each_command_says_what_the_tutorial_shows(tmp_path: Path) -> None:
    me = Newcomer(tmp_path)
    config, _phone = of_language("toml")
    heard, deposit, alert = of_language("text")
    right, wrong = console("marginwatch check")
    (simulate,) = (line for line in of_language("sh") if "simulate" in line)

    me.does(*console("marginwatch init"))
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    me.write("config.toml", config)
    me.does(right)
    me.write("config.toml", f'stale_afer = "30s"\n{config}')
    me.does(wrong)
    me.write("config.toml", config)

    me.write("receiver.py", *of_language("python"))
    me.write("story.toml", shortened())
    with me.goes_on("python3 receiver.py") as one:
        wait_for(lambda: listens(me.ports["8000"]))
        me.does(console("marginwatch notify")[0])
        one.shows(heard)
        with me.goes_on(f"{simulate} story.toml") as two:
            two.shows("[[account]]\n")
            wait_for(lambda: two.said.endswith("\n\n"))
            endpoints = r"(?m)^endpoints = .*$"
            assert re.findall(endpoints, two.said) == re.findall(endpoints, me.here(config))
            with me.goes_on("marginwatch run") as three:
                (watches,) = console("marginwatch run")
                three.shows(watches.text)
                one.shows(deposit)
                one.shows(alert)
                me.does(*console("marginwatch positions"))
                for command in ("alerts", "why", "silence", "unsilence", "history"):
                    me.does(*console(f"marginwatch {command}"))


async def test_the_story_goes_as_the_table_says(autojump_clock: MockClock, tmp_path: Path) -> None:
    """In virtual time: the shipped rules, a channel with its defaults, the whole crash."""
    files = (path for path in (ROOT / "rules").glob("*.toml") if ".test." not in path.name)
    town = Town(
        tmp_path,
        CRASH.read_text(encoding="utf-8"),
        rules="\n".join(path.read_text(encoding="utf-8") for path in sorted(files)),
        channels='[[channel]]\nname = "desk"\nurl = "json://127.0.0.1:9"\n',
        head="",
    )
    async with town.exists(), town.life():
        await town.until(12.9 * 60)
    told = [
        (f"{int(seconds) // 60} min {int(seconds) % 60:02d} s", title)
        for seconds, _, title in town.sent
    ]
    rows = re.findall(r"^\| (\d+ min \d\d s) \| `(.*?)` \|", TUTORIAL.read_text(), re.MULTILINE)
    assert rows == told


# ---------------------------------------------------------------- Telegram, played on this machine


@pytest.fixture
def telegram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["receiver.Receiver"]:  # type: ignore[name-defined]  # imported by name, see above
    """Stand in for Telegram, beside the configuration and the environment of the last chapter."""
    desk, phone = of_language("toml")
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text(f"{desk}\n{phone}")
    monkeypatch.chdir(tmp_path)
    (commands,) = (text for text in of_language("sh") if "TELEGRAM" in text)
    for name, value in re.findall(r"^export (\w+)=(\S+)$", commands, re.MULTILINE):
        monkeypatch.setenv(name, value)
    plugin = import_module("apprise.plugins.telegram").NotifyTelegram
    with receiver.Receiver() as made:
        monkeypatch.setattr(plugin, "notify_url", f"http://127.0.0.1:{made.port}/bot")
        yield made


def says(shown: Block) -> str:
    """Run a command in this process."""
    result = CliRunner().invoke(main, shlex.split(shown.language)[1:], prog_name="marginwatch")
    return result.output


def test_a_message_goes_to_the_bot_and_the_chat_that_the_tutorial_names(telegram: object) -> None:
    (asked,) = console("marginwatch notify --channel phone")
    assert says(asked) == asked.text
    assert telegram.paths == ["/bot123456789:abcdefg_hijklmnop/sendMessage"]  # type: ignore[attr-defined]  # as above
    (got,) = telegram.got  # type: ignore[attr-defined]  # as above
    assert got["chat_id"] == 987654321
    assert "Can you hear me?" in got["text"]


@pytest.mark.parametrize(
    ("status", "words"), [("401", "Unauthorized"), ("400", "Bad Request: chat not found")]
)
def test_what_telegram_says_of_a_mistake_is_shown(
    telegram: object, status: str, words: str
) -> None:
    telegram.script = [status]  # type: ignore[attr-defined]  # as above
    telegram.body = f'{{"ok": false, "error_code": {status}, "description": "{words}"}}'  # type: ignore[attr-defined]  # as above
    (asked,) = console("marginwatch notify --channel phone")
    said = says(asked)
    assert said.startswith("phone: refused")
    assert words in said
    assert words.removeprefix("Bad Request: ") in TUTORIAL.read_text()
    assert "abcdefg_hijklmnop" not in said
