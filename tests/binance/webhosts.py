"""A web server over memory streams that answers what it is told to."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import trio
import trio.testing

from tests.binance.peers import read_request


class Asked(NamedTuple):
    """One request."""

    at: float
    head: str

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0]

    @property
    def target(self) -> str:
        return self.line.split()[1]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name:
                return value
        return None


def reply(
    body: object,
    status: int = 200,
    *,
    headers: Sequence[str] = (),
    kind: str = "application/json",
) -> bytes:
    """Word an HTTP answer; a text is sent as it is, anything else as JSON."""
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


class WebHost:
    """Gives the answers to come, one a connection; the last one again and again.

    Args:
        nursery: Where its connections live.
        script: Answers; a number is seconds to wait before hanging up without one.
    """

    def __init__(self, nursery: trio.Nursery, *script: bytes | float) -> None:
        self._nursery = nursery
        self._script = list(script)
        self.asked: list[Asked] = []
        self.dialled: list[str] = []
        self.open = 0

    async def dial(self, url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dialled.append(url)
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._serve, theirs)
        return ours

    async def _serve(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        try:
            head = (await read_request(stream)).decode()
            self.asked.append(Asked(round(trio.current_time(), 3), head))
            answer: Any = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            if isinstance(answer, bytes):
                await stream.send_all(answer)
                await stream.receive_some()  # until the other side drops it
            else:
                await trio.sleep(answer)
        except trio.BrokenResourceError:
            pass
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)
