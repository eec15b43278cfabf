"""Several faults of one condition: each is told, but for those that follow from another.

A part whose fault is noted ends with `NotedError`. Parts beside it are still checked; what needs
the broken part, such as the unit of a sum, is not.
"""

from collections.abc import Callable
from typing import TypeVar

from monitor.errors import ConditionError

_T = TypeVar("_T")


class NotedError(Exception):
    """A part is wrong, and its fault is noted."""


class Faults:
    """Collects the faults of one condition."""

    def __init__(self) -> None:
        self._found: list[ConditionError] = []

    def attempt(self, step: Callable[[], _T]) -> _T | None:
        """Check one part; None where it is wrong."""
        try:
            return step()
        except ConditionError as exc:
            self._found.append(exc)
        except NotedError:
            pass
        return None

    def every(self, *steps: Callable[[], _T]) -> list[_T]:
        """Check several parts, all of them whatever is wrong with one.

        Raises:
            NotedError: A part is wrong.
        """
        results = [self.attempt(step) for step in steps]
        good = [result for result in results if result is not None]
        if len(good) < len(results):
            raise NotedError
        return good

    def tell(self) -> None:
        """Raise the first fault by column, which carries the others; nothing where none is."""
        if self._found:
            first, *more = sorted(self._found, key=lambda fault: fault.column)
            first.more = tuple(more)
            raise first
