"""What a value was over time, whatever order its changes are told in.

An exchange's messages may come twice, late, or one before the other. State takes the newest and
drops the rest, but what happened happened: a position that opened and closed was open, also where
the two arrive the other way round. So the recent values of a thing are kept in the order of their
stamps, and a value that is put in between tells those changes that were not told before it.

    was told   flat ─────────────────▶ long          came long
    put in     flat ─▶ short ────────▶ long          left short, came short: these are new

Each change is told exactly once, in whatever order its values are put, as long as fewer than
`REMEMBERED` younger ones are known (a property test holds this).
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

REMEMBERED = 16
"""Values that are kept of one thing; a value older than all of them tells nothing any more."""

UNKNOWN = "?"
"""A value that nobody told yet: coming from it is no change, unless the message itself says so."""


class Value(NamedTuple):
    """A value from an instant on."""

    time: int
    """The exchange's own stamp."""
    value: str
    """"" where there is nothing: no position."""
    sure: bool = False
    """Whether the message says that this is a change, whatever was known before."""


class Step(NamedTuple):
    """One change: something was left for something else, or came after something else."""

    came: bool
    """Whether `after` came; else `before` was left."""
    before: Value
    after: Value

    @property
    def label(self) -> tuple[bool, str]:
        """What of it is told: that this value came, or was left."""
        return self.came, self.after.value if self.came else self.before.value


class Past:
    """The recent values of one thing, such as the side of a position, by their stamps.

    Args:
        base: What it was before all that is put.
    """

    __slots__ = ("_values",)

    def __init__(self, base: str) -> None:
        self._values = [Value(0, base)]

    @property
    def last(self) -> Value:
        """What it is now."""
        return self._values[-1]

    def put(self, value: Value) -> list[Step]:
        """Put in a value; returns the changes that this tells for the first time."""
        values = self._values
        known = any(each.time == value.time and each.value == value.value for each in values[1:])
        if known or value.time < values[0].time:
            return []
        place = bisect_right(values, value.time, key=lambda each: each.time)
        before, after = values[place - 1], values[place : place + 1]
        told = [step.label for each in after for step in _steps(before, each)]
        steps = list(_steps(before, value))
        for each in after:
            steps += _steps(value, each)
        values.insert(place, value)
        if len(values) > REMEMBERED + 1:
            del values[0]
        return [step for step in steps if not _taken(told, step.label)]


def _taken(told: list[tuple[bool, str]], label: tuple[bool, str]) -> bool:
    """Tell whether a change was told already; each counts once."""
    if label not in told:
        return False
    told.remove(label)
    return True


def _steps(before: Value, after: Value) -> Iterator[Step]:
    """List what is left and what comes between two values that follow each other."""
    if before.value == after.value:
        return
    if before.value not in {"", UNKNOWN}:
        yield Step(came=False, before=before, after=after)
    if after.value not in {"", UNKNOWN} and (before.value != UNKNOWN or after.sure):
        yield Step(came=True, before=before, after=after)
