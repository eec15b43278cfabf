"""The status page, `/metrics` and `/healthz`: `[http] listen`.

    door.py ..... connections: h11, limits, deadlines
    site.py ..... paths → answers
    gauges.py, exposition.py ............... /metrics
    board.py, seen.py, page.py, markup.py .. the page;  page.html, page.css, page.js, icon.svg
    seeking.py, sparing.py ................. trigger prices, without holding up the watch

It looks and never touches: nothing here tells the engine anything, and nothing waits for it. A bug
in it ends neither the watch nor a message; it begins anew.
"""

import errno
import logging
from collections.abc import Callable, Sequence

import trio

from monitor.app import Service
from monitor.app.http.door import Door
from monitor.app.http.site import Site
from monitor.config import Listen
from monitor.errors import AddressUnusable, PortInUse

AGAIN_AFTER = 30.0
"""Seconds after which it begins anew where a bug ended it."""


async def listen(where: Listen) -> list[trio.SocketListener]:
    """Open what connections come to.

    Raises:
        PortInUse: Another program listens there.
        AddressUnusable: There is no such address on this machine, or it may not be used.
    """
    try:
        return await trio.open_tcp_listeners(where.port, host=where.host)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"[http] listen: another program listens on {where} already.\n"
                "Choose another port, or end that program."
            ) from None
        raise AddressUnusable(
            f"[http] listen: {where} cannot be listened on: {exc.strerror or exc}.\n"
            "Write an address of this machine and a port above 1023."
        ) from None


async def run(
    service: Service,
    listeners: Sequence[trio.SocketListener],
    where: Listen,
    *,
    redact: Callable[[str], str],
    log: logging.Logger,
) -> None:
    """Answer whoever asks; until cancelled. Closes the listeners.

    Args:
        service: What is asked about.
        listeners: From `listen`.
        where: What they listen on.
        redact: Takes secrets out of a text.
        log: Of the service.
    """
    log.info("status page: http://%s/", where)
    if not where.loopback:
        log.warning(
            "http: %s is no loopback address, and nobody is asked for a password: "
            "whoever reaches it sees accounts and positions",
            where,
        )
    site = Site(service, redact)
    door = Door(site.answer, any_host=not where.loopback, log=log, scale=service.doors.scale)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, door.serve, list(listeners))
        while True:
            try:
                await site.board.run()
            except Exception:
                log.exception("http: a bug has ended the status page, please report it")
            await trio.sleep(AGAIN_AFTER * service.doors.scale)
