"""Every exception raised on purpose, named by who must act.

    MonitorError
    ├─ OperatorError            the operator changes something     → exit 2, no traceback
    │  ├─ ConfigError           … config.toml, or what it points to
    │  │  └─ KeyUnusable        … a key that requests should be signed with
    │  ├─ RuleFileError         … rule files; carries every fault of every file
    │  ├─ RuleTestError         … rule tests; carries every fault of every file
    │  ├─ ScenarioError         … a scenario file
    │  ├─ PortInUse             … another program listens there
    │  ├─ AddressUnusable       … an address to listen on that this machine does not have
    │  ├─ StoreUnusable         … data_dir is unreadable, full or from a newer version
    │  │  └─ StoreInUse         … another process has it
    │  ├─ BackupFailed          … where a backup goes, or what it is of
    │  └─ NoAnswer              … a running service does not answer a command
    ├─ ConditionError           a rule's condition is wrong; `rulefile` adds the place
    ├─ ExchangeRefused          the exchange answered with an error code
    │  └─ KeyRejected           … that says: not with this key
    ├─ FrameGarbled             a frame lacks its documented shape → quarantine, go on
    ├─ ConnectionLost           a link died                        → reconnect
    ├─ Discreet                 carries another, in whose words there may be secrets
    └─ CommitFailed             the disk said no                   → send from memory, try again

A message says what happened, where, and what to do, in one to three lines, without secrets.
"""

from collections.abc import Callable


class MonitorError(Exception):
    """Every exception that this program raises on purpose."""


class Discreet(MonitorError):
    """Its cause is what happened; the words of that are shown only through `redact`.

    Args:
        redact: Takes secrets out of a text.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("an error whose words may hold secrets")
        self.redact = redact


class OperatorError(MonitorError):
    """Something that the person who runs the program has to change; ends in exit code 2."""


class ConfigError(OperatorError):
    """The configuration cannot be used; the text holds every fault, one to three lines each."""


class KeyUnusable(ConfigError):
    """Nothing can be signed with what an account is given as its key; no part of it is told.

    Args:
        problem: What it is, as the end of a sentence: "is a public key".
        hint: A way out, or "".
        entry: The key of `[[account]]` that has to be changed.
    """

    def __init__(self, problem: str, hint: str = "", *, entry: str = "private_key") -> None:
        super().__init__(f"{entry} {problem}" + (f" ({hint})" if hint else ""))
        self.problem = problem
        self.hint = hint
        self.entry = entry


class RuleFileError(OperatorError):
    """Rule files cannot be used; the text holds every fault of every file."""


class RuleTestError(OperatorError):
    """Rule tests cannot be run; the text holds every fault of every file."""


class ScenarioError(OperatorError):
    """A scenario file cannot be used."""


class PortInUse(OperatorError):
    """A port that was asked for is taken."""


class AddressUnusable(OperatorError):
    """An address that was asked for cannot be listened on."""


class StoreUnusable(OperatorError):
    """The data directory or the database in it cannot be used."""


class StoreInUse(StoreUnusable):
    """Another process has the data directory."""


class BackupFailed(OperatorError):
    """A backup cannot be made; nothing is left of it."""


class NoAnswer(OperatorError):
    """A service runs, and does not answer what a command asks it."""


class ConditionError(MonitorError):
    """A condition of a rule is wrong.

    Args:
        problem: What is wrong, one sentence without a full stop.
        column: Where in the condition's text, in characters from 1; one past the last character
            when the text ended too early.
        hint: A way out ("did you mean 5%?"), or "" where there is none to offer.
    """

    def __init__(self, problem: str, column: int, hint: str = "") -> None:
        super().__init__(f"column {column}: {problem}" + (f" ({hint})" if hint else ""))
        self.problem = problem
        self.column = column
        self.hint = hint
        self.more: tuple[ConditionError, ...] = ()
        """Further faults of the same condition, by column; none of them has more."""


class ExchangeRefused(MonitorError):
    """The exchange answered a request with an error.

    Args:
        method: The request that was refused.
        status: The status in the answer's envelope; 0 where it had none.
        code: Binance's error code, negative by their convention; 0 where it had none.
        message: Binance's own words.
        retry_at: Unix milliseconds UTC before which no request may be made, or None.
    """

    def __init__(
        self, method: str, status: int, code: int, message: str, retry_at: int | None = None
    ) -> None:
        super().__init__(f"{method}: the exchange refused with {code} (status {status}): {message}")
        self.method = method
        self.status = status
        self.code = code
        self.message = message
        self.retry_at = retry_at


class KeyRejected(ExchangeRefused):
    """The exchange will not serve this API key: unknown, revoked, wrong address or permission."""


class FrameGarbled(MonitorError):
    """A frame from the exchange cannot be read; the text says what is missing, without the frame.

    Args:
        what: Which message, and what is wrong with it.
    """


class ConnectionLost(MonitorError):
    """A connection died, could not be made, or went silent; the text says which and why."""


class CommitFailed(MonitorError):
    """A transaction could not be written; nothing of it is in the database."""
