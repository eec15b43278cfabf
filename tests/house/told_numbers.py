"""Whether a number that was told, or a level that was raised, is borne out by the truth."""

from collections.abc import Iterator, Sequence
from math import inf

from monitor.core.notices import Grade, Notice, Target
from tests.house.simulation import Kept
from tests.house.story_rules import RULES, Rule, Step
from tests.house.truth import Figures
from tests.house.truth import Target as Key

LEVEL = {"none": 0, "info": 1, "warning": 2, "critical": 3}


def surely(rule: Rule, step: Step, value: float, *, band: float = 0.0) -> bool:
    """Tell whether a condition holds, beyond what an estimate may be off."""
    bound = step.threshold
    if band:
        bound += abs(bound) * band * (1 if rule.below else -1)
    margin = abs(step.threshold) * 0.03
    return value < bound - margin if rule.below else value > bound + margin


def surely_clear(rule: Rule, step: Step, value: float) -> bool:
    """Tell whether a condition does not hold, not even with its dead band."""
    bound = step.threshold + abs(step.threshold) * rule.band * (1 if rule.below else -1)
    margin = abs(step.threshold) * 0.03
    return value > bound + margin if rule.below else value < bound - margin


def unjustified(kept: Kept, past: Sequence[Figures]) -> Iterator[str]:
    """Find a level that no truth of the last while would have raised."""
    rule = next(rule for rule in RULES if rule.name == kept.notice.rule)
    steps = [s for s in rule.steps if LEVEL[s.severity] >= kept.notice.severity.value]
    values = [figures[rule.metric] for figures in past if rule.metric in figures]
    flat = Rule(rule.name, rule.metric, below=rule.below, steps=rule.steps)  # no dead band
    if values and all(surely_clear(flat, steps[0], value) for value in values):
        yield f"(b) {name_of(kept)}: {rule.metric} was {values[0]:.4f} … {values[-1]:.4f}"


_EXACT = ("quantity", "entry_price", "mark_price", "leverage", "wallet_balance")
_NEAR = {
    "notional": (0.0, 0.001),
    "unrealized_pnl": (0.5, 0.02),
    "liquidation_distance": (0.01, 0.1),
    "margin_room": (0.02, 0.1),
    "margin_ratio": (0.01, 0.1),
    "margin_balance": (0.5, 0.1),
    "maintenance_margin": (0.1, 0.02),
    "total_notional": (0.5, 0.02),
    "total_unrealized_pnl": (1.0, 0.1),
}
"""By how much an estimate may be off, and by which part of itself: marks of several symbols come
in frames of their own, so that a pool is seen for a moment at the new mark of one alone."""


def untrue(kept: Kept, past: Sequence[Figures], *, changed: bool) -> Iterator[str]:
    """Find numbers graded fresh that nothing of the last while bears out."""
    for name, reading in kept.notice.values.items():
        if reading.grade is not Grade.FRESH or reading.value is None:
            continue
        known = [figures[name] for figures in past if name in figures]
        if not known or name not in {*_EXACT, *_NEAR}:
            continue
        value = float(reading.value)
        low, high = min(known), max(known)
        if value == inf and high == inf:
            continue  # no price at which it is liquidated
        if name == "mark_price" and changed:
            continue  # the target may have come or gone; the truth of it has gaps
        if name in _EXACT:
            true = any(abs(value - one) <= 1e-6 * max(1.0, abs(one)) for one in known)
        elif changed:
            continue  # made of numbers from before and after: no single truth to compare with
        else:
            off, part = _NEAR[name]
            near = off + part * max(abs(low), abs(high)) if high < inf else inf
            true = low - near <= value <= high + near
        if not true:
            yield f"(b) {name_of(kept)}: {name} is told as {value:g}, was {low:g} … {high:g}"


def is_fresh(notice: Notice) -> bool:
    """Tell whether the number that decided was graded fresh."""
    rule = next(rule for rule in RULES if rule.name == notice.rule)
    reading = notice.values.get(rule.metric)
    return reading is not None and reading.grade is Grade.FRESH


def level_after(notice: Notice) -> int:
    """Tell the level after a notice that eased or resolved."""
    return 0 if notice.kind == "resolved" else notice.severity.value


def key_of(target: Target) -> Key:
    """Name a target as the truth does."""
    return tuple(part for part in target if part)


def name_of(kept: Kept) -> str:
    """Word a notice for whoever reads a failure."""
    notice = kept.notice
    what = f"#{notice.number} {notice.kind} {notice.severity.word} {notice.rule}"
    return f"{what} {notice.target} at {kept.at:.1f}"
