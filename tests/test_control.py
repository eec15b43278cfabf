"""The local socket: one question, one answer, whoever asks and however badly."""

import json
import socket
import stat
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from monitor import control
from monitor.errors import NoAnswer


async def echo(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer with what was asked; slowly, if that is asked for."""
    await trio.sleep(question.get("slow", 0))
    return {"asked": dict(question)}


async def ask(folder: Path, question: Mapping[str, Any]) -> control.Answer | None:
    return await trio.to_thread.run_sync(control.ask, folder, question)


def say(folder: Path, text: bytes) -> bytes:
    """Say something by hand, and read until the other side is done."""
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(10)
        client.connect(str(folder / control.NAME))
        client.sendall(text)
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
    return answer


async def test_a_question_is_answered(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, tmp_path, echo)
        path = tmp_path / control.NAME
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        question = {"do": "silence", "rules": ["é🐋"]}
        assert await ask(tmp_path, question) == {"asked": question}
        nursery.cancel_scope.cancel()
    assert not path.exists()


def test_where_nobody_listens_nobody_answers(tmp_path: Path) -> None:
    assert control.ask(tmp_path, {}) is None
    assert control.ask(tmp_path / "none", {}) is None
    with closing(socket.socket(socket.AF_UNIX)) as crashed:
        crashed.bind(str(tmp_path / control.NAME))
    assert control.ask(tmp_path, {}) is None


async def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as crashed:
        crashed.bind(str(tmp_path / control.NAME))
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, tmp_path, echo)
        assert await ask(tmp_path, {"do": "x"}) == {"asked": {"do": "x"}}
        nursery.cancel_scope.cancel()


async def test_a_folder_may_be_deeper_than_a_socket_address_is_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, deep, echo)
        assert await ask(deep, {"do": "x"}) == {"asked": {"do": "x"}}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\n", id="nothing"),
        pytest.param(b"what stands?\n", id="no JSON"),
        pytest.param(b"[1]\n", id="no object"),
        pytest.param(b"\xff\xfe\n", id="no text"),
        pytest.param(b"[" * 60_000 + b"\n", id="deep"),
        pytest.param(b'{"do": "' + b"x" * 70_000 + b'"}\n', id="long"),
    ],
)
async def test_what_is_no_question_is_told_so_and_harms_nobody(tmp_path: Path, text: bytes) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, tmp_path, echo)
        answer = await trio.to_thread.run_sync(say, tmp_path, text)
        assert json.loads(answer) == {"error": "a question is one JSON object on a line"}
        assert await ask(tmp_path, {"do": "x"}) == {"asked": {"do": "x"}}
        nursery.cancel_scope.cancel()


async def test_a_slow_answer_is_given_up_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.3)
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, tmp_path, echo)
        with pytest.raises(NoAnswer) as caught:
            await ask(tmp_path, {"slow": 60})
        assert str(caught.value) == (
            f"the service of data_dir {tmp_path} does not answer within 0.3 s.\n"
            "It may be busy or hung: look at its log, and try again."
        )
        assert await ask(tmp_path, {"do": "x"}) == {"asked": {"do": "x"}}
        nursery.cancel_scope.cancel()


async def test_who_says_nothing_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.2)
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, tmp_path, echo)
        assert await trio.to_thread.run_sync(say, tmp_path, b'{"do": ') == b""
        nursery.cancel_scope.cancel()
