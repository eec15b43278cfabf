"""Leaving alone what cannot have changed: ranges of marks in which all judgements stay the same.

Each second moves all marks a little, and hardly ever does that change a judgement. So once a tick
was judged, ranges are looked for, one around the mark of each position of an account, of which
this can be proved:

    While every mark stays in its range, and nothing else of the account is touched or due, no
    condition of a rule becomes true, and where an alert stands its conditions stay as they are.

Until a mark leaves its range, a tick then only takes the marks. Anything else that has the account
judged (a poll, an event, a number that ages, a delay that passes) ends the ranges first.

The proof computes each metric as an interval (`bounds.py`) and has each condition judge intervals:
a set of truths without `true`, or of one alone, is the proof (`language/truth.py`). An account of
which something has no bounds is never calm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from monitor.core.bounds import Bounds, Ranges, Unproved
from monitor.core.events import Now
from monitor.core.freshness import NEVER
from monitor.core.judging import Watch, look
from monitor.core.language.truth import Truth
from monitor.core.portfolio import Account
from monitor.core.positions import Holding

WIDTHS = (Decimal("0.02"), Decimal("0.005"), Decimal("0.001"))
"""Parts of a mark by which it may move either way: the widest that can be proved is taken."""

PAUSE, PATIENCE = 4, 32
"""Ticks without an attempt after one that was in vain: at first, and at the most."""

WORTH = 8_000
"""Milliseconds that ranges have to last: finding them costs as much as some ticks judged."""

_ONE = (Truth.TRUE, Truth.FALSE, Truth.UNKNOWN)


@dataclass(slots=True)
class _Attempts:
    """How the search went at an account so far."""

    width: int = 0
    """Place in `WIDTHS` to begin at."""
    pause: int = PAUSE
    left: int = 0
    """Ticks to let pass before the next attempt."""
    found_at: int = NEVER
    """When ranges were last found, in ticks of the clock."""


class Calm:
    """Looks for the ranges of accounts."""

    def __init__(self, forget_after: int) -> None:
        self._forget_after = forget_after
        self._attempts: dict[Account, _Attempts] = {}

    def seek(self, account: Account, watches: Iterable[Watch], now: Now) -> None:
        """Set the ranges of an account that a tick has just been judged of, if there are any."""
        attempts = self._attempts.setdefault(account, _Attempts())
        if attempts.left:
            attempts.left -= 1
            return
        lasted = now.ticks - attempts.found_at >= WORTH
        if lasted and attempts.found_at != NEVER:
            attempts.pause = PAUSE
        if lasted and self._found(account, list(watches), now, attempts):
            account.calm = True
            attempts.found_at = now.ticks
            return
        attempts.found_at = NEVER
        attempts.left, attempts.pause = attempts.pause, min(PATIENCE, attempts.pause * 2)

    def _found(
        self, account: Account, watches: Sequence[Watch], now: Now, attempts: _Attempts
    ) -> bool:
        """Look for the widest ranges, beginning a little wider than the last."""
        if account.staged:
            return False  # figures that are stated move as they like
        if account.stale_since is not None or not account.first_poll_done:
            return False
        for place in range(attempts.width, len(WIDTHS)):
            if self._proved(account, watches, now, WIDTHS[place]):
                attempts.width = max(0, place - 1)
                return True
        return False

    def _proved(self, account: Account, watches: Sequence[Watch], now: Now, width: Decimal) -> bool:
        """Set ranges of this width, and tell whether they are proved."""
        targets: dict[tuple[Holding | None, str], Bounds] = {}
        try:
            ranges = Ranges(account, width)
            for watch in watches:
                key = watch.holding, watch.asset
                target = targets.get(key)
                if target is None:
                    sight = look(watch.view(now), self._forget_after)
                    target = targets[key] = Bounds(ranges, sight)
                if not _stays(watch, target):
                    return False
        except Unproved:
            return False
        return True


def _stays(watch: Watch, target: Bounds) -> bool:
    """Tell whether judging the watch again would change nothing anywhere in the ranges."""
    judge, alert = watch.judge, watch.alert
    values = [target.value(metric, judge) for metric in judge.metrics]
    if alert is None:
        return not any(
            condition.possible(*[values[place] for place in places]) & Truth.TRUE
            for condition, places, _, _ in judge.levels
        )
    sight = target.sight
    if sight.aged & judge.rests_of(cross=sight.cross):
        return False
    return all(
        condition.possible(*[values[place] for place in places]) in _ONE
        and relaxed.possible(*[values[place] for place in relaxed_places]) in _ONE
        for condition, places, relaxed, relaxed_places in judge.levels
    )
