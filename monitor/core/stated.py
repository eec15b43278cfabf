"""Figures that stand as somebody gives them, over any computation: what rule tests are made of.

Nothing is stated of an account that is watched. Of a staged one (`staging.py`), a stated figure is
taken wherever it would be computed, by what is computed from it too.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from monitor.core.figures import Figure


class Stated(NamedTuple):
    """What stands of one target now."""

    figures: Mapping[str, "Figure"]
    """By metric; None is unknown, ABSENT has no meaning."""
    doubts: Mapping[str, int]
    """Metrics that count as aged: bits of `Rest`, a mark's among them where it is why."""
    seen: Mapping[str, int] = MappingProxyType({})
    """When each of these was last fresh, in ticks."""


NOTHING = Stated(MappingProxyType({}), MappingProxyType({}))
