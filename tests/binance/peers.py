"""The server's side of a WebSocket, by hand: for what no library would send."""

import base64
import hashlib
import re

import trio


async def read_request(stream: trio.abc.Stream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = await stream.receive_some()
        if not part:
            raise trio.BrokenResourceError("who connected has hung up without a question")
        head += part
    return head


async def upgrade(stream: trio.abc.Stream) -> bytes:
    """Answer the upgrade as a server should."""
    head = await read_request(stream)
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
    assert found is not None
    digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324  RFC 6455's
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    return head


def frame(opcode: int, payload: bytes) -> bytes:
    """A server's frame: final, unmasked."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + payload
