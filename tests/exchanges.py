"""Exchanges in a thread of their own, for commands that run a loop themselves: the simulator, and
servers that are none."""

import queue
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trio

from monitor.app import real_now
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario


@contextmanager
def simulated(scenario: str, *, ahead: int = 0) -> Iterator[int]:
    """Run a simulated exchange in real time; gives its port.

    Args:
        scenario: Its text.
        ahead: Milliseconds that its clock is ahead of ours.
    """
    began: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.Event]] = queue.Queue()

    async def serve() -> None:
        exchange = Exchange(parse_scenario(scenario, "test"), start_ms=real_now().utc + ahead)
        over = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(exchange.run)
            port = await nursery.start(exchange.listen, 0)
            began.put((port, trio.lowlevel.current_trio_token(), over))
            await over.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    port, token, over = began.get(timeout=10)
    try:
        yield port
    finally:
        token.run_sync_soon(over.set)
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Keep quiet: clients that hang up are what is tested."""


@contextmanager
def answering(status: int, body: str, *, kind: str = "text/html") -> Iterator[int]:
    """Run a web server that answers everything alike; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with _running(_Server(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def under_tls(context: ssl.SSLContext) -> Iterator[int]:
    """Run a server that greets by TLS and has nothing to say; gives its port."""
    with _Server(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with _running(server) as port:
            yield port


@contextmanager
def _running(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
    yield port
