"""Apprise itself: one service object from a URL, tamed; and the plug-in behind `console://`.

The only module that imports Apprise, and it does so late: the first use costs half a second.
"""

import logging
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from monitor.core.message import Message

_LOADING = threading.Lock()
"""Apprise's first load fills tables of the whole process; two at once would meet in them."""


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


def on_console(message: Message) -> str:
    """Write a message for a terminal: its title, and its text indented by two."""
    if not message.title:
        return message.body
    return "\n".join([message.title, *(f"  {line}".rstrip() for line in message.body.splitlines())])


def load(url: str, console: Console | None) -> Any:
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

    from monitor.notify import tap

    _hush()
    tap.install()
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


def takes_pictures(loaded: Any) -> bool:
    """Tell whether a service takes a picture beside a text.

    Slack's plug-in says so whatever the URL; its webhooks take text alone.
    """
    service = loaded[0]
    is_webhook = service.service_name == "Slack" and service.mode != "bot"
    return bool(service.attachment_support) and not is_webhook


def service_name(loaded: Any) -> str:
    """Name the service, as Apprise does."""
    return str(loaded[0].service_name)


@contextmanager
def attached(picture: bytes | None) -> Iterator[Any]:
    """Hold a PNG as Apprise wants it; None: hold nothing.

    In a file, since some plug-ins ask for its path: nobody else can read it, and it is gone
    afterwards.
    """
    if picture is None:
        yield None
        return
    from apprise.attachment.file import AttachFile

    hold: Any = AttachFile  # without annotations
    with tempfile.NamedTemporaryFile(prefix="marginwatch-", suffix=".png") as file:
        file.write(picture)
        file.flush()
        yield hold(path=file.name, name="chart.png", mimetype="image/png")


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
    service.throttle = _never_wait  # some sleep as long as a service's header tells them
    service.redirects = False
    service.retry = 0  # a repeat of ours says that it is one
    service.optional = False  # an optional service "succeeds" whatever happens
    service.overflow_mode = type(service.overflow_mode).UPSTREAM  # one message, one request
    if service.service_name == _CONSOLE:
        service.console = console


def _never_wait(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for a plug-in's pauses: when to send is the outbox's decision."""


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
