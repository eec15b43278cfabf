"""The instants at which something has to be looked at again, in order."""

from heapq import heappop, heappush

EXPIRE, JUDGE, REST = 0, 1, 2
"""Ranks: what turns stale comes before what is judged because of it, and that before all else."""


class Agenda:
    """Keys with at most one instant each; setting a key anew replaces its instant.

    Keys due at the same instant come in the order of their rank, then of being set.
    """

    __slots__ = ("_heap", "_set", "_standing")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, tuple[object, ...]]] = []
        self._standing: dict[tuple[object, ...], tuple[int, int]] = {}
        self._set = 0

    def put(self, key: tuple[object, ...], ticks: int | None, rank: int) -> None:
        """Put a key at an instant; None takes it off."""
        standing = self._standing.get(key)
        if ticks is None:
            if standing is not None:
                del self._standing[key]
            return
        if standing is not None and standing[0] == ticks:
            return
        self._set += 1
        self._standing[key] = (ticks, self._set)
        heappush(self._heap, (ticks, rank, self._set, key))

    def at(self, key: tuple[object, ...]) -> int | None:
        """Tell the instant of a key; None where it has none."""
        standing = self._standing.get(key)
        return None if standing is None else standing[0]

    def next(self) -> int | None:
        """Tell the earliest instant."""
        self._drop_replaced()
        return self._heap[0][0] if self._heap else None

    def pop(self, ticks: int, rank: int | None = None) -> tuple[object, ...] | None:
        """Take the first key that is due, of this rank if one is given; None where there is none.

        Args:
            ticks: Keys at this instant or before it are due.
            rank: Only the head of the agenda is looked at: ranks come in order within an instant.
        """
        self._drop_replaced()
        if not self._heap or self._heap[0][0] > ticks:
            return None
        if rank is not None and self._heap[0][1] != rank:
            return None
        key = heappop(self._heap)[3]
        del self._standing[key]
        return key

    def _drop_replaced(self) -> None:
        heap = self._heap
        while heap:
            ticks, _, number, key = heap[0]
            if self._standing.get(key) == (ticks, number):
                return
            heappop(heap)
