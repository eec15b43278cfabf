"""How a connection ends, or never begins: its cause, and one sentence without a secret.

The sentence is for the log. What a program does about it goes by the type and by `cause`:

    ConnectionLost
    ├─ LinkLost          could not be made, or broke; `cause` says where it stopped
    └─ TryLater
       └─ UpgradeRefused the other side answered the upgrade with something else
"""

import re
import socket
import ssl
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar, overload
from urllib.parse import parse_qsl, urlsplit

import trio_websocket

from monitor.binance.budget import Budget
from monitor.binance.gate import banned_until, limit_status
from monitor.core.events import Now
from monitor.errors import ConnectionLost
from monitor.feed import TryLater

Fault = TypeVar("Fault", bound=BaseException)

_ABNORMAL = 1006
_TOO_LARGE = 1009
# What the library closes with when it cannot read a frame.
_MALFORMED = frozenset({1002, 1003, 1007})

_HTTP = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")
_RETRY_AFTER = re.compile(rb"^retry-after: *([0-9]{1,6}) *\r$", re.IGNORECASE | re.MULTILINE)
_PAGE = re.compile(rb"^content-type: *text/html", re.IGNORECASE | re.MULTILINE)

# Seconds to stay away after an upgrade refused with this status, where the answer does not say.
_STAY_AWAY = {418: 120.0, 429: 60.0, 403: 60.0, 451: 300.0}
# … and at most, whatever it says: the longest ban that Binance documents; and for anybody else's
# word (a proxy's, a maintenance page's) not so long that nobody looks whether it is over.
_LONGEST_LIMIT = 3 * 86_400.0
_LONGEST = 300.0


class Cause(StrEnum):
    """Where a connection stopped, by the first thing that went wrong."""

    NAME = "name"
    """Its host has no address: DNS."""
    REFUSED = "refused"
    """Nothing listens there, or a firewall says no."""
    UNREACHABLE = "unreachable"
    """No way to it, or its machine does not answer."""
    TIMED_OUT = "timed out"
    CERTIFICATE = "certificate"
    """It shows a certificate that nobody trusted has signed, or that is not its own."""
    TLS = "tls"
    NO_WEBSOCKET = "no websocket"
    """Something answers, but not as a WebSocket does."""
    BROKEN = "broken"
    """It stood, or nearly, and broke off."""


class LinkLost(ConnectionLost):
    """A connection that could not be made, or broke.

    Args:
        text: Which one, and why.
        cause: Where it stopped.
    """

    def __init__(self, text: str, cause: Cause) -> None:
        super().__init__(text)
        self.cause = cause


class UpgradeRefused(TryLater):
    """The other side answered the upgrade with something else.

    Args:
        text: Which socket, and the status.
        status: The HTTP status.
        seconds: How long to stay away, by `Retry-After` or by the status; 0: as after any loss.
        retry_at: Unix milliseconds by the exchange's clock, where the body tells the end of a ban.
        page: Whether it answered with a web page, as proxies and captive portals do.
    """

    def __init__(
        self, text: str, *, status: int, seconds: float, retry_at: int | None, page: bool = False
    ) -> None:
        super().__init__(text, seconds)
        self.status = status
        self.retry_at = retry_at
        self.page = page


def note_limits(refused: UpgradeRefused, budget: Budget, *, now: Now, offset: int) -> None:
    """Close the budget's gate where a socket was refused for limits.

    Args:
        refused: How it was refused.
        budget: Whose gate.
        now: Our clock.
        offset: The exchange's clock minus ours, milliseconds.
    """
    status = limit_status(refused.status, 0, "")
    retry_at = refused.retry_at
    if retry_at is not None:
        status = HTTPStatus.IM_A_TEAPOT  # the body tells the end of a ban, whatever its status
    elif refused.seconds:
        retry_at = now.utc + offset + round(refused.seconds * 1000)
    if status is not None:
        budget.refused(status, retry_at=retry_at, offset=offset, message=str(refused))


class End:
    """How one connection ends: the words for it, and what its owner saw.

    Args:
        name: Which connection.
        url: Where to; of it only the host is ever shown.
    """

    def __init__(self, name: str, url: str) -> None:
        parts = urlsplit(url)
        self.name = name
        self._where = f"{name} ({parts.hostname})"
        # The other side's words may quote what it was asked.
        self._secrets = [value for _, value in parse_qsl(parts.query) if len(value) >= 8]
        self._fault = ""
        self.head = b""
        """The first bytes of the other side's answer to the upgrade."""

    def blame(self, fault: BaseException) -> None:
        """Remember what the library stumbled over."""
        self._fault = f"the connection broke: {reason_of(fault)}"

    def because(self, why: str, cause: Cause = Cause.BROKEN) -> LinkLost:
        """Make the loss of this connection, without the secrets of its URL."""
        return LinkLost(f"{self._where}: {self._spared(why)}", cause)

    def lost(self, reason: trio_websocket.CloseReason | None) -> LinkLost:
        """Say why an open connection is no more, from the reason of its close."""
        if self._fault:
            return self.because(self._fault)
        if reason is None or reason.code == _ABNORMAL:
            return self.because("the connection broke off (closed 1006)")
        if reason.code == _TOO_LARGE and (reason.reason or "").startswith("Exceeded maximum"):
            return self.because("a frame over 1 MiB")
        said = f", {reason.reason[:80]!r}" if reason.reason else ""
        if reason.code in _MALFORMED:
            return self.because(f"a malformed frame ({reason.code}{said})")
        return self.because(f"closed by the other side ({reason.code}{said})")

    def not_made(self, fault: BaseException) -> LinkLost:
        """Say why no connection could be made, from what the attempt raised."""
        return self.because(reason_of(fault), cause_of(fault))

    def timed_out(self, seconds: float) -> ConnectionLost:
        """Say that opening took too long; a refusal whose body never ends has its status."""
        if (answer := _HTTP.match(self.head)) is not None and answer[1] != b"101":
            return self.refused()
        return self.because(f"timed out after {seconds:g} s while connecting", Cause.TIMED_OUT)

    def refused(self) -> ConnectionLost:
        """Say what was answered instead of an upgrade."""
        answer = _HTTP.match(self.head)
        if answer is None or answer[1] == b"101":
            return self.because("its answer is not a WebSocket's", Cause.NO_WEBSOCKET)
        status = int(answer[1])
        asked = _RETRY_AFTER.search(self.head)
        longest = _LONGEST if limit_status(status, 0, "") is None else _LONGEST_LIMIT
        page = status < 400 and _PAGE.search(self.head) is not None
        what = (
            f"a web page (HTTP {status}) for an answer" if page else f"refused with HTTP {status}"
        )
        return UpgradeRefused(
            f"{self._where}: {what}",
            status=status,
            seconds=min(float(asked[1]), longest) if asked else _STAY_AWAY.get(status, 0.0),
            retry_at=banned_until(self.head.decode(errors="replace")),
            page=page,
        )

    def _spared(self, why: str) -> str:
        for secret in self._secrets:
            why = why.replace(secret, "…")
        return why


def reason_of(fault: BaseException) -> str:
    """The true cause of an I/O error, in its own words; a certificate's before a broken stream."""
    cause = fault.__cause__
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {fault.verify_message}"
    if isinstance(fault, ssl.SSLError):
        return f"TLS failed: {getattr(fault, 'reason', None) or fault.strerror or fault}"
    if isinstance(fault, socket.gaierror):
        return f"its name has no address: {fault.strerror or fault}"
    if isinstance(cause, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(reason_of(inner) for inner in cause.exceptions))
    if isinstance(cause, OSError):
        return reason_of(cause)
    if isinstance(fault, OSError):
        return fault.strerror or str(fault) or type(fault).__name__
    return str(fault) or "the connection broke off"


def cause_of(fault: BaseException) -> Cause:
    """Where an I/O error stopped a connection; as `reason_of` looks for it."""
    inner = fault.__cause__
    for kind, cause in _CAUSES.items():
        if isinstance(fault, kind):
            return cause
    if isinstance(inner, BaseExceptionGroup):
        return cause_of(inner.exceptions[0])
    if isinstance(inner, OSError):
        return cause_of(inner)
    return Cause.UNREACHABLE if isinstance(fault, OSError) else Cause.BROKEN


# The first that fits: some of them are of each other's kind.
_CAUSES: dict[type[BaseException], Cause] = {
    ssl.SSLCertVerificationError: Cause.CERTIFICATE,
    ssl.SSLError: Cause.TLS,
    socket.gaierror: Cause.NAME,
    ConnectionRefusedError: Cause.REFUSED,
    ConnectionResetError: Cause.BROKEN,
    BrokenPipeError: Cause.BROKEN,
    TimeoutError: Cause.TIMED_OUT,
}


@overload
def leaf(fault: BaseExceptionGroup[Fault]) -> Fault: ...
@overload
def leaf(fault: BaseException) -> BaseException: ...
def leaf(fault: BaseException) -> BaseException:
    """The exception inside groups of one; of several the first: what waited on it fell with it."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault
