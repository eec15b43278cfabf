"""The silences that stand: for a while nobody is told of what they cover.

It is judged and kept all the same; what a channel missed it is told at the end (`owing.py`).
"""

from collections.abc import Iterable, Iterator

from monitor.core.events import SilenceWanted
from monitor.core.notices import Silence, Target


def begun(wanted: SilenceWanted, number: int, utc: int) -> Silence:
    """Make the silence that somebody wants, from an instant (unix milliseconds) on."""
    return Silence(
        number,
        begins=utc,
        ends=utc + wanted.lasts,
        rules=wanted.rules,
        accounts=wanted.accounts,
        symbols=wanted.symbols,
    )


class Silences:
    """Those that stand."""

    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._standing = {one.number: one for one in silences if not one.over}

    def __iter__(self) -> Iterator[Silence]:
        yield from self._standing.values()

    def add(self, silence: Silence) -> None:
        """Let a silence begin."""
        self._standing[silence.number] = silence

    def take(self, number: int) -> Silence | None:
        """Let a silence end; None where none of that number stands."""
        return self._standing.pop(number, None)

    def over(self, rule: str, target: Target) -> tuple[int, ...]:
        """List the numbers of those that cover a rule on a target."""
        if not self._standing:
            return ()
        return tuple(one.number for one in self if one.covers(rule, target))
