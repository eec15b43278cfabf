"""Apprise at arm's length: one `Notifier` per channel, in threads of its own.

    send(message) ─▶ thread: Apprise.notify ─▶ sent | refused | unknown     within the deadline
                       └ still out at the deadline ─▶ unknown               it may yet arrive

- Only Apprise's status SUCCESS is a success. A refusal is an answer that says no, a redirect, which
  is not followed, or no connection. What may have arrived is unknown: a time-out, an answer that
  breaks off, a server that takes the message and closes. docs/reference/delivery.md has a table.
- A thread that outlives the deadline keeps the channel's one token: the next send waits for it,
  so that a channel never has two messages under way. After `abandon_after_s` it is given up: its
  sockets are shut down, and the channel goes on with a fresh object and a fresh token. Trio's
  threads are daemons: one that hangs for ever does not keep the program from ending.
- Channel URLs are secrets. Nothing that leaves this room holds one, or a part of one.
- Not here: when to send, and whether to try again (`outbox`).

`service` makes the object that sends, `fitting` cuts texts, `exchange` notes what was answered, as
`tap` sees it below Apprise.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import trio

from monitor.core.message import Message
from monitor.errors import ConfigError
from monitor.notify.exchange import TOO_MANY_REQUESTS, Exchange, wait_in_words, watching
from monitor.notify.fitting import fitted, room
from monitor.notify.service import (
    Console,
    attached,
    load,
    on_console,
    service_name,
    takes_pictures,
)

__all__ = [
    "Console",
    "InThread",
    "Notifier",
    "Sent",
    "check_url",
    "on_console",
    "without_pictures",
]

InThread = Callable[..., Awaitable[Any]]
"""As `trio.to_thread.run_sync`; tests in virtual time pass one that stays on the loop."""

_SAFE_ROOM = 2000
"""Characters that most services take; assumed until the service is known."""


class Sent(NamedTuple):
    """What became of one message."""

    status: Literal["sent", "refused", "unknown"]
    """unknown: it may have arrived."""
    detail: str = ""
    """The service's answer in a few words, without secrets; "" when sent."""
    retry_after: float | None = None
    """Seconds that the service asks us to wait."""


class Notifier:
    """One channel.

    Args:
        name: The channel's name, for messages.
        url: Any Apprise URL, or `console://`; a secret.
        in_thread: How a blocking call is made.
        redact: Takes known secrets out of a text.
        console: Where `console://` writes. It is handed to the service object after Apprise made
            it, so that no registry of open files lives in this module.
        deadline_s: After this time a send counts as unknown.
        abandon_after_s: After this time, from its beginning, a send that hangs is given up.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        in_thread: InThread = trio.to_thread.run_sync,
        redact: Callable[[str], str] = str,
        console: Console | None = None,
        deadline_s: float = 15.0,
        abandon_after_s: float = 60.0,
    ) -> None:
        self.name = name
        self._url = url
        self._in_thread = in_thread
        self._redact = redact
        self._console = console
        self._deadline = deadline_s
        self._abandon_after = abandon_after_s
        self._apprise: Any = None
        self._limiter = trio.CapacityLimiter(1)
        self._began = 0.0
        self._exchange = Exchange()

    @property
    def room(self) -> int:
        """How many characters (UTF-16 units) of text fit into a message, below the longest title.

        What has no more, title included, is not cut.
        """
        return _SAFE_ROOM if self._apprise is None else room(self._apprise[0])

    @property
    def takes_pictures(self) -> bool:
        """Whether the service takes a picture beside a text; False until it is known."""
        return self._apprise is not None and takes_pictures(self._apprise)

    def __repr__(self) -> str:
        return f"<Notifier {self.name}>"

    async def load(self) -> None:
        """Make the service object; in a thread, since the first one costs half a second.

        Raises:
            ConfigError: Apprise does not take the URL.
        """
        loaded = await self._in_thread(load, self._url, self._console)
        if isinstance(loaded, str):
            raise ConfigError(
                f'channel "{self.name}": {loaded}\n'
                "Compare its url with https://github.com/caronc/apprise/wiki"
                " (the url itself is not shown, it is a secret)."
            )
        self._apprise = loaded

    async def send(self, message: Message, picture: bytes | None = None) -> Sent:
        """Send one message as one request; never raises.

        Args:
            message: Title and text.
            picture: A PNG to go with it; some services need a request more for it. A file that
                cannot be had costs the text too, so a text that matters goes without.
        """
        await self._wait_for_the_last()
        try:
            if self._apprise is None:
                await self.load()
        except ConfigError as exc:
            return Sent("refused", str(exc))
        self._began = trio.current_time()
        self._exchange = Exchange()
        with trio.move_on_after(self._deadline):
            sent: Sent = await self._in_thread(
                self._notify,
                self._apprise,
                message,
                self._exchange,
                picture,
                abandon_on_cancel=True,
                limiter=self._limiter,
            )
            return sent
        return Sent("unknown", f"no answer within {self._deadline:g} s")

    async def _wait_for_the_last(self) -> None:
        """Let a send that outlived its deadline end; give it up when it takes too long."""
        if not self._limiter.borrowed_tokens:
            return
        with trio.move_on_at(self._began + self._abandon_after):
            async with self._limiter:
                return
        self._exchange.cut()
        self._limiter = trio.CapacityLimiter(1)
        self._apprise = None  # a service object may not be safe to use from a second thread

    def _notify(
        self, service: Any, message: Message, exchange: Exchange, picture: bytes | None
    ) -> Sent:
        """Run in the thread."""
        try:
            text = fitted(service[0], message)
            with watching(exchange), attached(picture) as attach:
                result = service.notify(
                    title=text.title, body=text.body, body_format="text", attach=attach
                )
            lines = [entry.message for entry in result.logs()]
        except Exception as exc:  # noqa: BLE001 - a plug-in's bug costs one attempt, not the monitor
            return Sent("unknown", f"Apprise failed with {type(exc).__name__}")
        if result.status.name == "SUCCESS":
            return Sent("sent")
        wait = exchange.wait if exchange.wait is not None else wait_in_words(lines)
        is_unknown = exchange.lost or result.status.name == "TIMEOUT"
        detail = self._masked(lines[-1] if lines else result.status.name)
        if exchange.fault:
            detail = f"{detail} ({exchange.fault})"
        elif exchange.limited and wait is not None:
            detail = f"too many requests (HTTP {TOO_MANY_REQUESTS}); it asks to wait {wait:g} s"
        return Sent("unknown" if is_unknown else "refused", detail, wait)

    def _masked(self, text: str) -> str:
        text = self._redact(text)
        for part in sorted(_secrets(self._url), key=len, reverse=True):
            text = text.replace(part, "***")
        return " ".join(text.split())[:200]  # a service's answer can be a page of HTML


def check_url(url: str) -> str | None:
    """Say what is wrong with a channel's URL, in a sentence without the URL; None: nothing is."""
    loaded = load(url, None)
    return loaded if isinstance(loaded, str) else None


def without_pictures(url: str) -> str | None:
    """Name the service of a URL if it takes no pictures; None: it does, or the URL is wrong."""
    loaded = load(url, None)
    return None if isinstance(loaded, str) or takes_pictures(loaded) else service_name(loaded)


def _secrets(url: str) -> set[str]:
    """List the parts of a URL that may be secrets: all but its schema, its port, short words."""
    rest = url.partition("://")[2]
    parts = {rest, *re.split(r"[/@?&=,]|:(?!\d+$)", rest)}
    parts |= {unquote(part) for part in parts}
    return {part for part in parts if len(part) > 5}
