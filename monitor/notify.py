"""Apprise at arm's length: one `Notifier` per channel, in threads of its own.

    send(message) ─▶ thread: Apprise.notify ─▶ sent | refused          within the deadline
                       └ still out at the deadline ─▶ unknown          it may yet arrive

- Only Apprise's status SUCCESS is a success. A redirect is not followed, so it is a refusal; a
  server that takes the message and closes without an answer is a refusal too, though received.
- A thread that outlives the deadline keeps the channel's one token: the next send waits for it,
  so that a channel never has two messages under way. After `abandon_after_s` it is given up, and
  the channel goes on with a fresh object and a fresh token. Trio's threads are daemons: one that
  hangs for ever does not keep the program from ending.
- Channel URLs are secrets. Nothing that leaves this module holds one, or a part of one.
- Not here: when to send, and whether to try again (`outbox`).

The only module that imports Apprise, and it does so late: the first use costs half a second.
"""

import logging
import re
import threading
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, TextIO
from urllib.parse import unquote

import trio

from monitor.core.message import Message
from monitor.errors import ConfigError

InThread = Callable[..., Awaitable[Any]]
"""As `trio.to_thread.run_sync`; tests in virtual time pass one that stays on the loop."""

_RETRY_AFTER = re.compile(r"retry[ _-]after\D{0,3}(\d+)", re.IGNORECASE)


_LOADING = threading.Lock()
"""Apprise's first load fills tables of the whole process; two at once would meet in them."""


class Sent(NamedTuple):
    """What became of one message."""

    status: Literal["sent", "refused", "unknown"]
    """unknown: it may have arrived."""
    detail: str = ""
    """The service's answer in a few words, without secrets; "" when sent."""
    retry_after: float | None = None
    """Seconds that the service asks us to wait."""


class Console:
    """A place for lines that several channels may share, one message at a time.

    Args:
        file: Where to write; flushed after each message.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write a whole message; OSError or ValueError when nobody reads any more."""
        with self._lock:
            self._file.write(text)
            self._file.flush()


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

    def __repr__(self) -> str:
        return f"<Notifier {self.name}>"

    @property
    def room(self) -> int:
        """How many characters title and text of a message may have together."""
        return 2000 if self._apprise is None else int(self._apprise[0].body_maxlen)

    async def load(self) -> None:
        """Make the service object; in a thread, since the first one costs half a second.

        Raises:
            ConfigError: Apprise does not take the URL.
        """
        loaded = await self._in_thread(_load, self._url, self._console)
        if isinstance(loaded, str):
            raise ConfigError(
                f'channel "{self.name}": {loaded}\n'
                "Compare its url with https://github.com/caronc/apprise/wiki"
                " (the url itself is not shown, it is a secret)."
            )
        self._apprise = loaded

    async def send(self, message: Message) -> Sent:
        """Send one message as one request; never raises."""
        await self._wait_for_the_last()
        try:
            if self._apprise is None:
                await self.load()
        except ConfigError as exc:
            return Sent("refused", str(exc))
        self._began = trio.current_time()
        with trio.move_on_after(self._deadline):
            sent: Sent = await self._in_thread(
                self._notify, message, abandon_on_cancel=True, limiter=self._limiter
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
        self._limiter = trio.CapacityLimiter(1)
        self._apprise = None  # a service object may not be safe to use from a second thread

    def _notify(self, message: Message) -> Sent:
        """Run in the thread."""
        try:
            result = self._apprise.notify(**_fitted(self._apprise[0], message), body_format="text")
            lines = [entry.message for entry in result.logs()]
        except Exception as exc:  # noqa: BLE001 - a plug-in's bug costs one attempt, not the monitor
            return Sent("unknown", f"Apprise failed with {type(exc).__name__}")
        if result.status.name == "SUCCESS":
            return Sent("sent")
        wait = next((float(found[1]) for found in map(_RETRY_AFTER.search, lines) if found), None)
        status: Literal["refused", "unknown"] = (
            "unknown" if result.status.name == "TIMEOUT" else "refused"
        )
        return Sent(status, self._masked(lines[-1] if lines else result.status.name), wait)

    def _masked(self, text: str) -> str:
        text = self._redact(text)
        for part in sorted(_secrets(self._url), key=len, reverse=True):
            text = text.replace(part, "***")
        return " ".join(text.split())[:200]  # a service's answer can be a page of HTML


def on_console(message: Message) -> str:
    """Write a message for a terminal: its title, and its text indented by two."""
    if not message.title:
        return message.body
    return "\n".join([message.title, *(f"  {line}".rstrip() for line in message.body.splitlines())])


def check_url(url: str) -> str | None:
    """Say what is wrong with a channel's URL, in a sentence without the URL; None: nothing is."""
    loaded = _load(url, None)
    return loaded if isinstance(loaded, str) else None


# ------------------------------------------------------------------ what runs in the thread


def _load(url: str, console: Console | None) -> Any:
    """Make an Apprise object with one service, or return what is wrong with the URL."""
    with _LOADING, warnings.catch_warnings():
        # A plug-in imports a module that Python 3.13 lacks; Apprise knows, nobody else needs to.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _load_alone(url, console)


def _load_alone(url: str, console: Console | None) -> Any:
    # Late: importing Apprise costs 80 ms and 25 MiB that no other command needs.
    import apprise
    from apprise.manager_plugins import NotificationManager
    from apprise.plugins.base import NotifyBase

    _hush()
    new_manager: Any = NotificationManager  # one for the process; without annotations
    _register_console(new_manager(), NotifyBase)
    asset = apprise.AppriseAsset(
        app_id="Marginwatch",
        app_desc="Marginwatch",
        service_timeout=0,  # else Apprise sends in a pool that hung sends starve
        http_redirects=False,  # else a POST becomes a GET, its text is lost, and it "succeeded"
        async_mode=False,
    )
    loaded = apprise.Apprise(asset=asset)
    if not _quietly(lambda: loaded.add(url)):
        return "Apprise does not take its url."
    if len(loaded) != 1:
        return f"its url names {len(loaded)} services; write a [[channel]] for each."
    _tame(loaded[0], console)
    return loaded


def _hush() -> None:
    """Keep the loggers of Apprise and what it uses to themselves.

    Below WARNING they log tokens; at WARNING whole URLs at times, and a line for every attempt.
    What matters of it is in the result of a send, and goes out with its secrets taken out.
    """
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # else warnings go to stderr


def _quietly(add: Callable[[], bool]) -> bool:
    """Add a service while this thread logs nothing: Apprise's complaints may quote the URL."""
    logger = logging.getLogger("apprise")
    thread = threading.get_ident()

    def others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(others)
    try:
        return add()
    finally:
        logger.removeFilter(others)


def _tame(service: Any, console: Console | None) -> None:
    """Take from a service what a URL may have asked for and what would break our promises."""
    service.request_rate_per_sec = 0  # some sleep 5.5 s between two messages
    service.redirects = False
    service.retry = 0  # a repeat of ours says that it is one
    service.optional = False  # an optional service "succeeds" whatever happens
    service.overflow_mode = type(service.overflow_mode).UPSTREAM  # one message, one request
    if service.service_name == _CONSOLE:
        service.console = console


_CONSOLE = "Marginwatch console"


class _ConsoleLines:
    """What makes an Apprise plug-in a console: lines as they are; under a title, indented by two.

    Mixed into Apprise's base class once that is imported.
    """

    service_name = _CONSOLE
    protocol = "console"
    templates = ("{schema}://",)
    body_maxlen = 1_000_000
    console: Console | None = None
    logger: logging.Logger

    def url(self, *_args: Any, **_kwargs: Any) -> str:
        return "console://"

    @staticmethod
    def parse_url(url: str, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        return {"schema": url.partition(":")[0]}

    def send(self, body: str, title: str = "", **_kwargs: Any) -> bool:
        if self.console is None:
            self.logger.warning("no console is at hand")
            return False
        try:
            self.console.write(f"{on_console(Message(title, body))}\n")
        except (OSError, ValueError):  # ValueError: the file was closed
            self.logger.warning("nobody reads this console any more")
            return False
        return True


def _register_console(schemas: Any, base: Any) -> None:
    """Teach Apprise the schema `console://`, so that demo and dry run pass through it too."""
    if "console" not in schemas.schemas():
        schemas.add(type("NotifyConsole", (_ConsoleLines, base), {}))


_LONGEST_FOOTER = 300
"""A last line that is longer is no footer."""


def _fitted(service: Any, message: Message) -> dict[str, str]:
    """Cut a message to what the service takes in one request.

    A title begins with severity and target, a text ends with the notice's number and whether it
    was sent before: those stay. Of the text, the end of what stands above its last line goes.
    """
    title, body = message.title, message.body
    room = service.body_maxlen
    if service.title_maxlen > 0:
        title = _cut(title, service.title_maxlen)
    if service.title_maxlen <= 0 or service.overflow_amalgamate_title:
        title = _cut(title, room // 2)
        room -= _length(title) + 2  # Apprise puts it above the text, with a line end
    return {"title": title, "body": _cut_above_footer(body, room)}


def _cut_above_footer(body: str, limit: int) -> str:
    if _length(body) <= limit:
        return body
    above, _, footer = body.rpartition("\n")
    if not above or len(footer) > min(_LONGEST_FOOTER, limit // 2):
        return _cut(body, limit)
    room = limit - _length(footer) - len("\n… 1,000,000 more characters\n")
    kept = _first(above, room)
    return f"{kept}\n… {len(above) - len(kept):,} more characters\n{footer}"


def _cut(text: str, limit: int) -> str:
    return text if _length(text) <= limit else f"{_first(text, limit - 1)}…"


def _length(text: str) -> int:
    """Count as services that count most do: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _first(text: str, length: int) -> str:
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def _secrets(url: str) -> set[str]:
    """List the parts of a URL that may be secrets: all but its schema, its port, short words."""
    rest = url.partition("://")[2]
    parts = {rest, *re.split(r"[/@?&=,]|:(?!\d+$)", rest)}
    parts |= {unquote(part) for part in parts}
    return {part for part in parts if len(part) > 5}
