"""The heartbeat: a GET to somebody who misses it when it stops.

    well? ──no──▶ held back, looked at every second
      │ yes
      ▼
    GET ─▶ 2xx: heard · anything else, redirects too: failed, and the next beat comes as usual

The dead cannot report their death, so each beat is a promise: this program sees, judges, keeps and
can tell. `vitals` says when that is so. A beat is a connection of its own under one deadline; a
server that hangs costs nobody else anything. Failures are said once, and that they are over.
"""

import logging
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import trio

from monitor.app.vitals import until_well
from monitor.binance.ends import reason_of
from monitor.binance.link import Dial
from monitor.config import Heartbeat
from monitor.fetch import NotHttpError, TooLargeError, get

DEADLINE = 10.0
"""Seconds for dial, request and answer together, before scale."""

LARGEST = 1 << 20
"""Bytes of an answer, which nobody reads."""


class Heart:
    """Beats while all is well, if a heartbeat is configured.

    Args:
        config: Where to and how often; None: not at all.
        ask: Tells what is not well, a sentence each.
        dial: Makes the stream, TLS included.
        log: Where trouble is said; no part of the url ever is.
        scale: Multiplies the deadline.
    """

    def __init__(
        self,
        config: Heartbeat | None,
        *,
        ask: Callable[[], Sequence[str]],
        dial: Dial,
        log: logging.Logger,
        scale: float = 1.0,
    ) -> None:
        self._config = config
        self._ask = ask
        self._dial = dial
        self._log = log
        self._scale = scale
        self._changed = trio.Event()
        self._failing = False

    def take(self, config: Heartbeat | None) -> None:
        """Go on by another configuration, beginning with a beat; one like the last is nothing."""
        if config != self._config:
            self._config, self._failing = config, False
            self._changed.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            changed = self._changed = trio.Event()
            config = self._config
            if config is None or config.url is None:
                await changed.wait()
                continue
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat_by, config.url.get_secret_value(), config.every)
                await changed.wait()
                nursery.cancel_scope.cancel("another heartbeat is configured")

    async def _beat_by(self, url: str, every: int) -> None:
        while True:
            await until_well("the heartbeat", self._ask, self._log, self._scale)
            due = trio.current_time() + every / 1000
            try:
                await self._beat(url)
            except Exception:  # noqa: BLE001 - a bug here must not end the watch
                self._note("a bug, please report it", bug=True)
            await trio.sleep_until(max(due, trio.current_time()))

    async def _beat(self, url: str) -> None:
        """Make one beat, and note what came of it."""
        why = f"no answer for {DEADLINE * self._scale:g} s"
        with trio.move_on_after(DEADLINE * self._scale):
            try:
                status = await self._status_of(url)
            except TooLargeError:
                why = "its answer goes on and on"
            except NotHttpError:
                why = "its answer is not HTTP"
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as fault:
                why = reason_of(fault)
            else:
                # A redirect is not followed: whoever redirects has not counted this beat.
                why = "" if 200 <= status < 300 else f"answered with HTTP {status}"
        self._note(why)

    async def _status_of(self, url: str) -> int:
        parts = urlsplit(url)
        headers = [("Host", parts.netloc), ("User-Agent", "marginwatch"), ("Connection", "close")]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        stream = await self._dial(url)
        try:
            return (await get(stream, target, headers, largest=LARGEST)).status
        finally:
            await trio.aclose_forcefully(stream)

    def _note(self, why: str, *, bug: bool = False) -> None:
        """Say once that beats fail, and once that they are heard again."""
        if why and not self._failing:
            self._log.warning("the heartbeat is not heard: %s", why, exc_info=bug)
        elif self._failing and not why:
            self._log.info("the heartbeat is heard again")
        self._failing = bool(why)
