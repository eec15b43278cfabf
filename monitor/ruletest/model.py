"""What a `*.test.toml` file says, once it has been read: instants are milliseconds since 0s."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.core.happenings import Happening
from monitor.core.language.units import Scope
from monitor.core.notices import Target
from monitor.core.rules import Rule, Severity
from monitor.ruletest.series import Cell

Track = tuple[Cell, ...]
"""A figure step by step; the last value holds to the end."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A position, a pool or an account of a test."""

    scope: Scope
    id: str
    """What series and expectations call it."""
    account: str
    tracks: Mapping[str, Track]
    symbol: str = ""
    position_side: str = ""
    margin_type: str = ""
    asset: str = ""
    side: str = ""
    """`long` or `short`; "" where the sign of the quantity tells it."""
    declared: bool = True
    """False for a pool or account that only follows from the others."""

    def at(self, name: str, step: int) -> Cell | None:
        """Give a figure's value at a step; None where nothing is given of it."""
        track = self.tracks.get(name)
        return None if track is None else track[min(step, len(track) - 1)]

    def is_target(self, target: Target) -> bool:
        """Tell whether a notice's target is this one, whichever way it was turned."""
        if target.account != self.account:
            return False
        if self.scope is Scope.POSITION:
            same = target.symbol == self.symbol
            return same and target.position_side in {self.position_side, ""}
        return (target.symbol, target.asset) == ("", self.asset)


class Told(NamedTuple):
    """A happening, and when."""

    at: int
    happening: Happening


@dataclass(frozen=True, slots=True)
class Expected:
    """One `[[test.expect]]`; None: not said."""

    line: int
    at: int
    kind: str
    severity: Severity
    rule: str | None = None
    id: str | None = None
    account: str | None = None
    reason: str | None = None
    happening: str | None = None
    count: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a test."""

    name: str
    venue: str
    first_poll: int | None = 0
    """When its first complete poll comes; None: never."""


@dataclass(frozen=True, slots=True)
class Case:
    """One `[[test]]`."""

    file: str
    line: int
    name: str
    rules: tuple[Rule, ...]
    every: int
    end: int
    """The last instant; what is due at it still happens."""
    accounts: Mapping[str, Account]
    subjects: tuple[Subject, ...] = ()
    happenings: tuple[Told, ...] = ()
    expected: tuple[Expected, ...] = ()

    def of(self, scope: Scope) -> list[Subject]:
        """List its positions, pools or accounts."""
        return [subject for subject in self.subjects if subject.scope is scope]


@dataclass(slots=True)
class TestFile:
    """One `*.test.toml` file."""

    name: str
    rule_file: str
    rules: tuple[Rule, ...] = ()
    """All of the rule file beside it."""
    cases: list[Case] = field(default_factory=list)
