"""Which figures are aged because one that they are computed from is.

A figure that is given is as good as it was given; any other is as good as the worst of its parts.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from monitor.core.freshness import Rest
from monitor.core.language.units import Scope
from monitor.core.metrics import METRICS
from monitor.ruletest.model import Subject, Track

_BALANCE = ("isolated:isolated_margin", "cross:pool:margin_balance")
_NEED = ("isolated:maintenance", "cross:pool:maintenance_margin")

PARTS: dict[str, tuple[str, ...]] = {
    "break_even_price": ("entry_price",),
    "notional": ("quantity", "mark_price"),
    "unrealized_pnl": ("quantity", "entry_price", "mark_price"),
    "maintenance": ("notional", "maintenance_rate"),
    "isolated_margin": ("isolated_wallet", "unrealized_pnl"),
    "liquidation_price": (
        "quantity",
        "entry_price",
        "maintenance_rate",
        "isolated:isolated_wallet",
        "cross:pool:cross_wallet",
        "cross:others:unrealized_pnl",
        "cross:others:maintenance",
    ),
    "liquidation_distance": ("liquidation_price", "mark_price"),
    "margin_room": (*_BALANCE, *_NEED, "isolated:isolated_wallet", "cross:pool:cross_wallet"),
    "effective_leverage": ("notional", *_BALANCE),
    "roi": ("unrealized_pnl", "leverage", "notional"),
    "position_margin_ratio": (*_NEED, *_BALANCE),
    "cross_wallet": ("wallet_balance", "all:isolated:isolated_wallet"),
    "total_unrealized_pnl": ("all:unrealized_pnl",),
    "total_notional": ("all:notional",),
    "equity": ("wallet_balance", "total_unrealized_pnl"),
    "margin_balance": ("cross_wallet", "all:cross:unrealized_pnl"),
    "maintenance_margin": ("all:cross:maintenance",),
    "margin_ratio": ("maintenance_margin", "margin_balance"),
    "account_leverage": ("total_notional", "equity"),
}
"""What each figure is computed from. `isolated:` and `cross:` count for such positions alone;
`pool:` is the position's pool, `others:` the pool's positions in other symbols, `all:` in any."""


class Parts:
    """Finds what figures are computed from, among the subjects of one account."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = [each for each in subjects if each.scope is not Scope.ACCOUNT]
        self._positions = [each for each in subjects if each.scope is Scope.POSITION]
        self._pools = {each.asset: each for each in subjects if each.scope is Scope.POOL}

    def giver(self, subject: Subject, name: str) -> Subject | None:
        """Find whose table or series gives a figure; a symbol has one mark for all."""
        if name in subject.tracks:
            return subject
        if name != "mark_price":
            return None
        same = (each for each in self._positions if each.symbol == subject.symbol)
        return next((each for each in same if name in each.tracks), None)

    def of(self, subject: Subject, name: str) -> Iterator[tuple[Subject, str]]:
        """List what a figure is computed from where it is not given."""
        for part in PARTS.get(name, ()):
            *ways, other = part.split(":")
            found: Iterable[Subject] = [subject]
            for way in ways:
                found = self._gone(way, subject, found)
            yield from ((each, other) for each in found)

    def _gone(self, way: str, subject: Subject, found: Iterable[Subject]) -> Iterable[Subject]:
        beside = [each for each in self._positions if each.asset == subject.asset]
        match way:
            case "all":
                return beside
            case "others":
                others = (each for each in beside if each.symbol != subject.symbol)
                return [each for each in others if each.margin_type == "cross"]
            case "pool":
                pool = self._pools.get(subject.asset)
                return [pool for _ in found] if pool is not None else []
            case _:
                return [each for each in found if each.margin_type == way]


class Doubt(NamedTuple):
    """Why a figure is aged."""

    bits: int
    """Of `Rest`: whether its mark is, or its data."""
    seen: int
    """The step at which the oldest of its parts was last fresh."""


class Doubts:
    """Finds them, in one account at one step."""

    def __init__(self, subjects: Sequence[Subject], step: int) -> None:
        self._parts = Parts(subjects)
        self._step = step
        self._any = any(
            (cell := each.at(name, step)) is not None and cell.aged
            for each in subjects
            for name in each.tracks
        )

    def of(self, subject: Subject) -> dict[str, Doubt]:
        """List what is aged of a position or pool."""
        if not self._any:
            return {}
        names = (name for name, metric in METRICS.items() if metric.scope is subject.scope)
        found = ((name, self._doubt(subject, name)) for name in names)
        return {name: doubt for name, doubt in found if doubt is not None}

    def _doubt(self, subject: Subject, name: str) -> Doubt | None:
        giver = self._parts.giver(subject, name)
        if giver is not None:
            seen = _last_fresh(giver.tracks[name], self._step)
            bits = Rest.OWN_MARK if name == "mark_price" else Rest.DATA
            return None if seen == self._step else Doubt(int(bits), seen)
        parts = (self._doubt(other, part) for other, part in self._parts.of(subject, name))
        aged = [each for each in parts if each is not None]
        if not aged:
            return None
        return Doubt(reduce(or_, (each.bits for each in aged)), min(each.seen for each in aged))


def _last_fresh(track: Track, step: int) -> int:
    """Find the last step at which a figure was not aged; the first value never is."""
    if not track[min(step, len(track) - 1)].aged:
        return step
    return max(at for at, cell in enumerate(track[: step + 1]) if not cell.aged)
