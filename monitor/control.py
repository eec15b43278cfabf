"""The local socket beside a running service: one question, one answer, a JSON line each.

    command ──{"do": "silence", ...}──▶ data_dir/control.sock ──▶ service
            ◀──{"silence": {...}, ...}──        (mode 0600, 3 s)

Who may open the socket may do what the service's user may do; its folder is private. A question
that is no JSON, too long or too slow costs its own connection and nothing else. What can be asked
is `app/desk.py`.
"""

import json
import os
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from monitor.errors import NoAnswer

NAME = "control.sock"
PATIENCE = 3.0
"""Seconds for a question and its answer, on either side."""
LONGEST = 65_536
"""Bytes of a question."""

Answer = dict[str, Any]
Answers = Callable[[Mapping[str, Any]], Awaitable[Answer]]
"""Answers a question; what it raises is a bug."""


@contextmanager
def _address(data_dir: Path) -> Generator[str]:
    """Give the socket's path in a form that is short however deep the folder is."""
    folder = os.open(data_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


async def serve(
    data_dir: Path,
    answers: Answers,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer questions until cancelled; the folder has to be locked by this process.

    Args:
        data_dir: Where the socket stands; one that a crash left behind is replaced.
        answers: Answers a question.
        task_status: Told when questions are answered.
    """
    path = data_dir / NAME
    path.unlink(missing_ok=True)
    server = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _address(data_dir) as address:
        await server.bind(address)
    path.chmod(0o600)  # its folder is private already
    server.listen(16)

    async def handle(stream: trio.SocketStream) -> None:
        with suppress(OSError, trio.BrokenResourceError), trio.move_on_after(PATIENCE):
            async with stream:
                await _converse(stream, answers)

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, handle, [trio.SocketListener(server)])
            task_status.started()
    finally:
        path.unlink(missing_ok=True)


async def _converse(stream: trio.SocketStream, answers: Answers) -> None:
    asked = bytearray()
    while b"\n" not in asked and len(asked) <= LONGEST:
        piece = await stream.receive_some(LONGEST)
        if not piece:
            break
        asked += piece
    line, end, _ = bytes(asked).partition(b"\n")
    try:
        question = json.loads(line) if end and len(line) <= LONGEST else None
    except (ValueError, RecursionError):
        question = None
    if isinstance(question, dict):
        answer = await answers(question)
    else:
        answer = {"error": "a question is one JSON object on a line"}
    await stream.send_all(json.dumps(answer).encode() + b"\n")


def ask(data_dir: Path, question: Mapping[str, Any]) -> Answer | None:
    """Ask the service of a folder; blocks.

    Returns:
        Its answer; None where no service listens.

    Raises:
        NoAnswer: One listens and does not answer in time, or not as it should.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
        client.settimeout(PATIENCE)
        try:
            with _address(data_dir) as address:
                client.connect(address)
        except OSError:  # no folder, no socket, or one that a crash left behind
            return None
        try:
            client.sendall(json.dumps(dict(question)).encode() + b"\n")
            with client.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        except (OSError, ValueError) as exc:
            raise NoAnswer(
                f"the service of data_dir {data_dir} does not answer within {PATIENCE:g} s.\n"
                "It may be busy or hung: look at its log, and try again."
            ) from exc
    if not isinstance(answer, dict):
        raise NoAnswer(f"what listens in {data_dir} is no marginwatch of this version.")
    return answer
