"""The dead band: a checked condition -> the condition that has to be false before an alarm ends.

Law: raw true => relaxed true or unknown, for every input. It holds because the checked tree has no
`not` in it, so that a comparison made easier makes the whole easier.
"""

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Final

from monitor.core.language import spans
from monitor.core.language.tree import (
    Checked,
    Comparison,
    Constant,
    Joined,
    Relaxed,
    Value,
    words_of,
)
from monitor.core.language.units import Unit

TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

# Below this a band drowns in the 28 digits of Decimal, which could round it inwards.
_LEAST_BAND: Final = Decimal("1E-20")


def turned(comparison: Comparison) -> Comparison:
    """Write the threshold, the side without metrics, on the right: `5% > d` is `d < 5%`."""
    if words_of(comparison.left) or not words_of(comparison.right):
        return comparison
    left, right = comparison.columns
    return replace(
        comparison,
        operator=TURNED[comparison.operator],
        left=comparison.right,
        right=comparison.left,
        columns=(right, left),
    )


def relaxed(tree: Checked, band: Decimal) -> Checked:
    """Move each threshold outwards by `band` parts of itself; a band of 0 leaves it as it is."""
    if band < _LEAST_BAND:
        return tree
    match tree:
        case Joined(operator, parts):
            return Joined(operator, tuple(relaxed(part, band) for part in parts))
        case Comparison():
            return _relaxed_comparison(turned(tree), band)
        case _:  # Membership, Matching
            return tree


def _relaxed_comparison(comparison: Comparison, band: Decimal) -> Comparison:
    if comparison.unit is Unit.TEXT or comparison.operator in {"==", "!="}:
        return comparison
    upwards = comparison.operator in {"<", "<="}
    return replace(comparison, right=_moved(comparison.right, band, upwards=upwards))


def _moved(threshold: Value, band: Decimal, *, upwards: bool) -> Value:
    if not isinstance(threshold, Constant):
        return Relaxed(threshold, upwards, band)
    t = threshold.value
    if isinstance(t, Decimal):
        return Constant(spans.raised(t, band) if upwards else spans.lowered(t, band))
    # An age, in ms: rounded so that the band never shrinks.
    width = int((Decimal(t) * band).to_integral_value(ROUND_CEILING))
    return Constant(int(t) + width if upwards else int(t) - width)
