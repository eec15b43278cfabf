"""One HTTP GET over a stream that somebody else has made: one request, one whole answer.

TLS, deadlines and whom to dial are the caller's business, so that this runs over the memory streams
of tests too. Each request has a connection of its own, so that a cancelled one leaves nothing
behind. Redirects are not followed, cookies are not kept; nothing here is logged, since URLs and
headers hold secrets.

The only room that imports httpcore2.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpcore2
import trio

LARGEST = 8 << 20
"""Bytes of an answer; the largest that we ask for is about a megabyte."""


class TooLargeError(Exception):
    """An answer goes on and on."""


class NotHttpError(Exception):
    """What was answered is not HTTP."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """An HTTP answer, whole."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def whole_number(self, header: bytes) -> int | None:
        """Read a header that holds a number; None where it is missing or holds something else."""
        for name, value in self.headers:
            if name.lower() == header and value.isdigit() and len(value) <= 9:
                return int(value)
        return None


async def get(
    stream: trio.abc.Stream,
    target: str,
    headers: list[tuple[str, str]],
    *,
    largest: int = LARGEST,
) -> Reply:
    """Send one GET over a fresh stream and read the answer to its end; the stream is then spent.

    Args:
        stream: Connected, with TLS where that is wanted; the caller drops it.
        target: Path and query, percent-encoded.
        headers: All of them, `Host` and `Connection: close` too.
        largest: Bytes of the answer's body that are read at most.

    Raises:
        TooLargeError: The body is larger.
        NotHttpError: The answer is not HTTP.
        trio.BrokenResourceError: The connection broke off; an OSError may be its cause.
    """
    # To httpcore everything is plain HTTP to one origin: where to and TLS are the caller's.
    url = httpcore2.URL(scheme=b"http", host=b"elsewhere", port=80, target=target.encode())
    connection = httpcore2.AsyncHTTP11Connection(origin=url.origin, stream=_Carrier(stream))
    request = httpcore2.Request("GET", url, headers=headers)
    body = bytearray()
    try:
        response = await connection.handle_async_request(request)
        try:
            async with aclosing(response.aiter_stream()) as parts:
                async for part in parts:
                    body += part
                    if len(body) > largest:
                        raise TooLargeError
        finally:
            await response.aclose()  # drops the stream, without waiting for anything
    except httpcore2.ProtocolError as fault:
        raise NotHttpError(str(fault)) from fault
    return Reply(response.status, response.headers, bytes(body))


class _Carrier(httpcore2.AsyncNetworkStream):
    """A Trio stream as httpcore wants it; deadlines are set around it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109  httpcore's own signature
        return bytes(await self._stream.receive_some(max_bytes))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  likewise
        try:
            await self._stream.send_all(buffer)
        except trio.BrokenResourceError as fault:
            # httpcore then looks whether an answer came before the other side hung up.
            raise httpcore2.WriteError from fault

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)
