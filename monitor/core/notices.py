"""What leaves the engine: notices, who is to hear them, and what must survive a restart.

Facts only. Text is made from them when a message is sent (`message.py`), so that a message read
late says what is true then. Instants are unix milliseconds UTC, durations milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from monitor.core.rules import OWN_FAULTS, Globs, Severity
from monitor.core.windows import Row


class Target(NamedTuple):
    """What an alert is about; fields that its scope does not have are "".

    A position: account, symbol, position side, side (and its margin asset for information is a
    value, not part of the identity). A symbol's setting: account, symbol. A pool: account, asset.
    An account: account alone. The process as a whole: nothing at all.
    """

    account: str
    """"" for the process as a whole."""
    symbol: str = ""
    position_side: str = ""
    """BOTH, LONG or SHORT."""
    side: str = ""
    """long or short."""
    asset: str = ""

    def __str__(self) -> str:
        """Write it as the commands take it: ACCOUNT/SYMBOL/SIDE, ACCOUNT/ASSET or ACCOUNT."""
        return "/".join(filter(None, (self.account, self.symbol, self.side, self.asset)))


class Grade(Enum):
    """How far a number may be trusted."""

    FRESH = "fresh"
    AGED = "aged"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    """The metric has no meaning for this target."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric as it was when something was decided.

    Args:
        grade: How far it may be trusted.
        value: Decimal, text, or whole milliseconds for a duration; the last known one where the
            grade is UNKNOWN and there was one.
        age: Milliseconds since the number was true; None where it has no age.
    """

    grade: Grade
    value: Decimal | str | int | None = None
    age: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a human is to hear."""

    number: int
    """Never used twice in one data_dir."""
    at: int
    """When the level changed, or the happening was known."""
    kind: str
    """fired, escalated, eased, resolved, reminder or happened."""
    severity: Severity
    """The level after it; of resolved, the highest level that the alert had."""
    rule: str
    target: Target
    previous: Severity | None = None
    """The level before it; None for a happening."""
    reason: str | None = None
    """Of eased and resolved: recovered, position_closed, pool_gone, rule_changed, ..."""
    happening: str | None = None
    count: int | None = None
    """Of happened: how many it sums up, this one included."""
    since: int | None = None
    """The `at` of the alert's *fired*; None for a happening."""
    data_age: int | None = None
    """Age of the oldest number that decided, in milliseconds."""
    condition: str | None = None
    """The text of the condition of this level, for the reader of the message."""
    values: Mapping[str, Reading] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    """Of happened: what the exchange said (quantity, price, code, ...). Of an account's level: what
    is missing while the account is not fresh (`blindness.py`)."""

    @property
    def level(self) -> Severity:
        """The level that its alert has now; of a happening, how bad it is."""
        return Severity.NONE if self.kind == "resolved" else self.severity

    @property
    def critical(self) -> bool:
        """Whether it is critical news: an all-clear is not, whatever the alert was."""
        return self.level is Severity.CRITICAL


class Delivery(NamedTuple):
    """One notice for one channel."""

    number: int
    channel: str
    urgent: bool = False
    """Whether quiet hours do not hold it: it is critical, or about what this channel was told as
    critical."""


class Told(NamedTuple):
    """What level of an alert a channel heard last; NONE: nothing, or its end."""

    rule: str
    target: Target
    channel: str
    level: Severity
    highest: Severity = Severity.NONE
    """The highest that it heard since the alert fired."""


_globs = lru_cache(maxsize=256)(Globs)
"""Compiled once: as a silence begins or ends it is held against every rule on every target."""


@dataclass(frozen=True, slots=True)
class Silence:
    """For a while nobody is told of some rules, accounts or symbols.

    It names them by globs; what it does not name it does not look at. A silence of symbols covers
    what has a symbol. The program's own faults cannot be silenced. Instants are unix milliseconds.
    """

    number: int
    begins: int
    ends: int
    rules: tuple[str, ...] = ()
    """Globs, as for a channel; empty: whatever the rule."""
    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    over: bool = False
    """Whether it has ended, by time or by hand."""

    def covers(self, rule: str, target: Target) -> bool:
        """Tell whether it is about this rule on this target, whatever the time."""
        return (
            rule != OWN_FAULTS.name
            and _globs(self.rules).match(rule)
            and _globs(self.accounts).match(target.account)
            and (
                not self.symbols
                or (target.symbol != "" and _globs(self.symbols).match(target.symbol))
            )
        )

    def __str__(self) -> str:
        """Write it as the options that make it."""
        named = {"rule": self.rules, "account": self.accounts, "symbol": self.symbols}
        words = [f"--{option} '{glob}'" for option, globs in named.items() for glob in globs]
        return " ".join(words) or "--all"


class SwitchRecord(NamedTuple):
    """One severity's switch of an alert, as kept."""

    severity: Severity
    state: str
    """off, rising, on or falling."""
    elapsed: int
    """Milliseconds of its delay that had passed when it was kept."""
    saved: int
    """When it was kept."""


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert, as kept; one without a switch that is not off is dropped from the store."""

    rule: str
    target: Target
    switches: tuple[SwitchRecord, ...]
    level: Severity
    highest: Severity
    """The highest level since it fired."""
    since: int | None
    noticed: int | None
    """The `at` of its last notice; reminders count from it."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return all(switch.state == "off" for switch in self.switches)


class WindowRecord(NamedTuple):
    """What is new in a window over a metric's past, as kept; without rows: forget it.

    The instants of its rows are unix milliseconds.
    """

    target: Target
    metric: str
    span: int
    """The window, in milliseconds."""
    first: int = 0
    """Rows of a lower number are over."""
    rows: tuple[Row, ...] = ()


class TimerRecord(NamedTuple):
    """A small thing to remember under a name, kept as (utc when saved, elapsed); None: forget it.

    Kinds: `fresh` (key: account; when it was last fresh, or first started), `cooldown` (key: rule,
    happening and target; body: how many happenings wait to be summed up), `alive` (when we last
    were), `known` (key: what happened already, by what the exchange said of it), `rule` (key: rule;
    body: its conditions), `held` (key: account; body: the side of each position that was held),
    `banned` (body: until when this address was banned), `failing` (key: channel; it was told that
    nothing gets through), `owed` (key: rule and target; body: what
    became of an alert while a silence covered it).
    """

    kind: str
    key: str
    saved: int
    elapsed: int
    body: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one turn of the engine wants kept, all of it in one transaction."""

    alerts: tuple[AlertRecord, ...] = ()
    notices: tuple[Notice, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    told: tuple[Told, ...] = ()
    timers: tuple[TimerRecord, ...] = ()
    windows: tuple[WindowRecord, ...] = ()
    silences: tuple[Silence, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.alerts
            or self.notices
            or self.deliveries
            or self.told
            or self.timers
            or self.windows
            or self.silences
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """What an earlier run left behind."""

    alerts: tuple[AlertRecord, ...] = ()
    told: tuple[Told, ...] = ()
    timers: tuple[TimerRecord, ...] = ()
    next_number: int = 1
    windows: tuple[WindowRecord, ...] = ()
    """Each with all its rows, by rising number."""
    silences: tuple[Silence, ...] = ()
    """Those that are not over, or whose time came while nothing ran."""
    next_silence: int = 1
