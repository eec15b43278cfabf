"""The log: without secrets, and in nobody's way."""

import fcntl
import io
import json
import logging
import os
import re
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
import trio
from click.testing import CliRunner

from monitor.cli import logs, main
from monitor.cli.logs import logging_to
from tests.processes import COMMAND, simulator, wait_for
from tests.receiver import Receiver
from tests.test_processes import FLIPPING, ZIGZAG, configure

LOG = logging.getLogger("marginwatch")
SECRETS = ("key-4711", 'pass"word\\4711', "line-1-4711\nline-2-4711")


def redact(text: str) -> str:
    """Do what the real one does; which forms that one knows is tested beside the configuration."""
    for secret in SECRETS:
        for form in (secret, repr(secret)[1:-1]):
            text = text.replace(form, "[secret]")
    return text


@contextmanager
def pipe(size: int = 4096) -> Iterator[tuple[int, TextIO]]:
    """A pipe that holds little: (its end to read, a file to write to)."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
    file = os.fdopen(writing, "w")
    try:
        yield reading, file
    finally:
        os.close(reading)  # a thread that hangs in a write then ends
        file.close()


def everything(reading: int, until: str) -> str:
    """Read until a line has been seen."""
    text = ""
    while until not in text:
        text += os.read(reading, 65_536).decode()
    return text


# What a line is ------------------------------------------------------------------------------


def test_text_and_json() -> None:
    lines = {}
    for as_json in (False, True):
        file = io.StringIO()
        with logging_to(file, as_json=as_json):
            LOG.info("%s: %d positions", "main", 4)
            LOG.debug("not at this level")
            logging.getLogger("monitor.quarantine").warning("two\nlines")
        lines[as_json] = file.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info    main: 4 positions\n"
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d warning two\nlines\n",
        lines[False],
    )
    first, second = map(json.loads, lines[True].splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("at"))
    assert first == {"level": "info", "logger": "marginwatch", "text": "main: 4 positions"}
    assert (second["logger"], second["text"]) == ("monitor.quarantine", "two\nlines")


def test_what_was_there_before_is_there_again() -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:], warnings.showwarning, threading.active_count()
    with logging_to(io.StringIO(), level="debug"):
        assert root.level == logging.DEBUG
    assert (root.level, root.handlers, warnings.showwarning, threading.active_count()) == before


class Repeats:
    """Whose text is made late."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_gets_out_by_whatever_way(
    secret: str,
    as_json: bool,  # noqa: FBT001 - a column
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's do not bear all of this
    file = io.StringIO()
    stranger = logging.getLogger("stranger.library")
    with logging_to(file, level="debug", as_json=as_json, redact=redact):
        LOG.info("in the message: " + secret)  # noqa: G003 - as careless as can be
        LOG.info("as an argument: %s %r", secret, Repeats(secret).text.partition("x")[0][:0])
        LOG.info("as an object: %s", Repeats(secret))
        LOG.info("as an extra", extra={"url": secret})
        LOG.info("with arguments that do not fit: %d", secret)
        LOG.info(f"as {secret} %d", "in a message that they do not fit")  # noqa: G004 - likewise
        stranger.warning("a library's: %s", secret)
        stranger.info("its gossip: %s", secret)
        try:
            int(secret)
        except ValueError:
            LOG.exception("in a traceback")
    written = file.getvalue()
    assert "4711" not in written
    assert written.count("[secret]") >= 6
    assert "Traceback (most recent call last)" in written
    assert "its gossip" not in written
    if as_json:
        assert len([json.loads(line) for line in written.splitlines()]) == 8


def test_a_record_says_what_was_so_when_it_was_made() -> None:
    file = io.StringIO()
    changing = ["before"]
    with logging_to(file):
        LOG.info("%s", changing)
        changing[0] = "after"
    assert "['before']" in file.getvalue()


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "httpcore2.http11", "trio-websocket"])
def test_libraries_are_quiet_even_where_somebody_made_them_talk(name: str) -> None:
    library = logging.getLogger(name)
    before, propagates = library.level, library.propagate
    file = io.StringIO()
    try:
        library.propagate = True
        with logging_to(file, level="debug"):
            library.setLevel(logging.DEBUG)
            library.debug("GET /bot-token")
            library.info("GET /bot-token")
            LOG.debug("ours")
    finally:
        library.setLevel(before)
        library.propagate = propagates
    assert file.getvalue().endswith("debug   ours\n")
    assert "token" not in file.getvalue()


def test_a_warning_of_python_is_a_line_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(file, redact=redact):
            warnings.warn("old: key-4711", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old: [secret]" in file.getvalue()


# Where nobody reads --------------------------------------------------------------------------


def test_what_finds_no_room_is_counted_and_said_when_there_is_some() -> None:
    with pipe() as (reading, file), logging_to(file, room=50):
        began = time.monotonic()
        for number in range(3000):
            LOG.info("line %04d", number)
        took = time.monotonic() - began
        text = ""
        while sum(accounted_for(text)) < 3000:  # all of them, without another line to say it
            text += os.read(reading, 65_536).decode()
    written, lost = accounted_for(text)
    assert written + lost == 3000
    assert lost > 2000
    assert took < 5


def accounted_for(text: str) -> tuple[int, int]:
    """Count the lines that were written, and those that are said to be dropped."""
    said = re.findall(r"warning (\d+) log lines were dropped: stderr was not read\n", text)
    return len(re.findall(r" line \d{4}\n", text)), sum(map(int, said))


def test_what_is_dropped_is_said_before_what_comes_after_it() -> None:
    with pipe() as (reading, file), logging_to(file, room=50):
        for number in range(1000):
            LOG.info("line %04d", number)
        text = ""
        while sum(accounted_for(text)) < 1000:
            text += os.read(reading, 65_536).decode()
        assert re.search(r" were dropped: stderr was not read\n$", text)
        LOG.info("late")
        assert re.fullmatch(r"\S+ \S+ info    late\n", everything(reading, " late\n"))


def test_the_end_waits_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH", 0.2)
    with pipe() as (_, file):
        with logging_to(file, room=50):
            for number in range(1000):
                LOG.info("line %04d", number)
            began = time.monotonic()
        assert time.monotonic() - began < 5


def test_what_waits_at_the_end_is_written() -> None:
    with pipe() as (reading, file):
        texts: list[str] = []
        reader = threading.Thread(target=lambda: texts.append(everything(reading, "line 0999")))
        with logging_to(file):
            for number in range(1000):
                LOG.info("line %04d", number)
            reader.start()
        reader.join(10)
    assert texts[0].count("\n") == 1000


def test_a_reader_who_goes_away_ends_nothing() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file, logging_to(file):
        LOG.info("one")
        os.close(reading)
        LOG.info("two")
        LOG.info("three")
    with logging_to(file):  # closed
        LOG.info("four")


def test_a_terminal_that_does_not_wait_is_waited_for() -> None:
    with pipe() as (reading, file):
        os.set_blocking(file.fileno(), False)
        with logging_to(file):
            for number in range(1000):
                LOG.info("line %04d", number)
            text = everything(reading, "line 0999\n")
    assert text.count("\n") == 1000


def test_a_log_that_nobody_reads_keeps_nothing_from_being_delivered(tmp_path: Path) -> None:
    """The pipe is full from the start."""
    (tmp_path / "zigzag.toml").write_text(ZIGZAG)
    with (
        pipe() as (reading, file),
        Receiver() as phone,
        simulator(tmp_path / "zigzag.toml") as account,
    ):
        config = configure(tmp_path, account, phone.url, FLIPPING)
        file.write("x" * 4096)
        file.flush()
        process = subprocess.Popen([*COMMAND, "run", "-c", str(config)], stderr=file)
        try:
            wait_for(lambda: len(phone.got) > 5, 60)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(25) == 0
            took = time.monotonic() - began
        finally:
            process.kill()
            process.wait()
        assert os.read(reading, 65_536) == b"x" * 4096
    assert took < 20  # deliveries have 10 s to end, what waits for the log has 3


# Last words ----------------------------------------------------------------------------------


def test_a_bug_is_told_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.toml").write_text('[[rule]]\nname = "r"\ninfo = "roi < 0%"\n')
    path.write_text(
        '[[account]]\nname = "main"\napi_key = "key-4711"\napi_secret = "secret-4711"\n'
        '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9/x"\n'
    )
    path.chmod(0o600)

    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("key-4711 by secret-4711")

    monkeypatch.setattr(trio, "run", bug)
    result = CliRunner().invoke(main, ["run", "-c", str(path)])
    assert result.exit_code == 3
    assert "ZeroDivisionError: [secret] by [secret]\nThis is a bug, please report it." in (
        result.stderr
    )
    assert "4711" not in result.output
