"""What a rule is, once its file has been read.

A rule speaks of conditions by severity (`levels`) or of happenings (`on`), never of both. It has
one scope: the narrowest thing that any of its conditions names. Nothing here knows of files;
`rulefile` makes these, `engine` judges by them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from fnmatch import translate

from monitor.core.language.compile import Condition
from monitor.core.language.units import Scope


class Severity(IntEnum):
    """How bad; the numbers order them. NONE is the level of an alert that is not firing."""

    NONE = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The word used in files, messages and JSON."""
        return self.name.lower()


SEVERITIES = {level.word: level for level in Severity if level is not Severity.NONE}

HAPPENINGS: dict[str, Scope] = {
    "liquidation": Scope.POSITION,
    "adl": Scope.POSITION,
    "margin_call": Scope.POSITION,
    "position_opened": Scope.POSITION,
    "position_closed": Scope.POSITION,
    "leverage_changed": Scope.POSITION,
    "margin_type_changed": Scope.POSITION,
    "deposit": Scope.POOL,
    "withdrawal": Scope.POOL,
    "funding": Scope.POOL,
    "stream_lost": Scope.ACCOUNT,
    "key_rejected": Scope.ACCOUNT,
    "banned": Scope.ANY,
}
"""What `on = [...]` may name, and what it is of: POSITION where there is a symbol (of leverage and
margin type held or not), POOL of an asset, ANY of this program as a whole."""


class Globs:
    """A list of globs, `!` in front of one takes away: the last match wins.

    A list of only `!` globs starts from everything; an empty list is everything.
    """

    __slots__ = ("_steps", "patterns")

    def __init__(self, patterns: Sequence[str] = ("*",)) -> None:
        self.patterns = tuple(patterns)
        self._steps = tuple(
            (not pattern.startswith("!"), re.compile(translate(pattern.removeprefix("!"))))
            for pattern in self.patterns
        )

    def match(self, name: str) -> bool:
        """Tell whether `name` is meant; case counts."""
        verdict = not any(takes for takes, _ in self._steps)
        for takes, pattern in self._steps:
            if pattern.match(name):
                verdict = takes
        return verdict

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Globs) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)!r})"


@dataclass(frozen=True, slots=True)
class Level:
    """One severity of a rule: its condition and its two delays."""

    severity: Severity
    condition: Condition
    relaxed: Condition
    """The same with the dead band; raw true implies relaxed true or unknown."""
    on_delay: int = 0
    """`for`, in milliseconds."""
    off_delay: int = 0
    """`keep_firing_for`, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]`."""

    name: str
    scope: Scope
    levels: tuple[Level, ...] = ()
    """By rising severity; empty for a rule about happenings."""
    on: tuple[str, ...] = ()
    """Happenings; empty for a rule with conditions."""
    severity: Severity = Severity.NONE
    """Of happenings; NONE for a rule with conditions."""
    cooldown: int = 60_000
    """Of happenings, in milliseconds."""
    hysteresis: Decimal = Decimal(0)
    """A ratio: 0.1 is 10 %."""
    symbols: Globs = field(default_factory=Globs)
    accounts: Globs = field(default_factory=Globs)
    channels: tuple[str, ...] | None = None
    """Names of channels; None is every channel that takes the severity."""
    repeat: int | None = None
    """Milliseconds between reminders; None is never."""
    message: str | None = None
    """A template over the metrics; None is the default text."""
    runbook: str | None = None


STILL_HERE = "still_here"
"""The daily message: a happening of the built-in rule that is no fault."""

OWN_FAULTS = Rule(
    "marginwatch",
    Scope.ANY,
    on=(
        "channel_failing",
        "channel_recovered",
        "notices_dead",
        "polls_stretched",
        "reload_refused",
        STILL_HERE,
        "store_failing",
        "store_replaced",
    ),
    severity=Severity.WARNING,
    cooldown=600_000,
)
"""The program's own faults, and the daily message. Its name is reserved; faults go to every
channel, whatever its filters."""
