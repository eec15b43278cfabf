"""What could be seen of an account, and when: told from the faults of a story alone.

Each fault excuses its own part of the link while it lasts, and for as long after it as that part
may take to be rebuilt. Times are seconds of the story.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.house.simulation import Story
from tests.house.story_maker import Fault
from tests.house.story_rules import POLL_INTERVAL

REBUILT = 80.0
"""A link may take this long after an outage: the longest back-off, a dial, a full poll."""
RECONNECTED = 12.0
"""A single lost connection may take this long: a first back-off, a dial, a full poll."""
BY_POLL = POLL_INTERVAL + 6.0
"""What only polls can show is seen after this long: one of them, and its second opinion."""


class Window(NamedTuple):
    """From when to when."""

    start: float
    end: float


@dataclass(frozen=True)
class Sight:
    """When one account could be seen, told from the faults alone."""

    api: tuple[Window, ...]
    """Windows in which polls may fail."""
    private: tuple[Window, ...]
    """Windows in which user events may be missing."""
    market: tuple[Window, ...]
    dead: tuple[Window, ...]
    """No monitor, or one that has just begun."""
    no_poll: tuple[Window, ...]
    """Windows in which no poll can possibly be answered."""
    no_mark: tuple[Window, ...]
    """Windows in which no streamed mark can possibly arrive."""
    no_event: tuple[Window, ...]

    def seeing_since(self, instant: float) -> float | None:
        """Tell since when polls worked and the monitor was there; None where it is not so."""
        since = 0.0
        for window in (*self.api, *self.dead):
            if window.start <= instant < window.end:
                return None
            if window.end <= instant:
                since = max(since, window.end)
        return since

    def degraded(self, start: float, end: float) -> bool:
        """Tell whether something could be seen by polls alone."""
        return touches(self.private, start, end) or touches(self.market, start, end)


def sight_of(story: Story, account: str) -> Sight:
    """Tell what could be seen of an account in a story."""
    faults = [f for f in story.plan.faults if f.account in {"", account} or _for_all(f)]
    paths: dict[str, list[Window]] = {"api": [], "private": [], "market": []}
    surely: dict[str, list[Window]] = {"api": [], "private": [], "market": []}
    for fault in faults:
        for path in _touched(fault):
            paths[path].append(Window(fault.at - 0.5, fault.end + _excuse(fault)))
        for path in _cut(fault, account):
            surely[path].append(Window(fault.at, fault.end))
    paths["private"] += [
        Window(deed.at - 0.5, deed.at + RECONNECTED)
        for deed in story.plan.deeds
        if deed.what in {"expire_key", "server_shutdown"} and deed.account == account
    ]
    lives = story.lives
    begins = [0.0, *(end for _, end in lives)]
    dead = [
        Window(end, begin + RECONNECTED) for end, (begin, _) in zip(begins, lives, strict=False)
    ]
    return Sight(
        api=tuple(sorted(paths["api"])),
        private=tuple(sorted(paths["private"])),
        market=tuple(sorted(paths["market"])),
        dead=tuple(dead),
        no_poll=tuple(surely["api"]),
        no_mark=tuple(surely["market"]),
        no_event=tuple(surely["private"]),
    )


# ---------------------------------------------------------------- faults


def _for_all(fault: Fault) -> bool:
    """Tell whether a fault meant for one account concerns the whole address."""
    return "429" in fault.more


def _touched(fault: Fault) -> Sequence[str]:
    """Name the paths that a fault may disturb."""
    if fault.what in {"duplicate", "strange"}:
        return ()
    if fault.what == "skew":
        return ("api", "private", "market")
    return (fault.where,)


def _excuse(fault: Fault) -> float:
    """Tell how long after its end a path may still be disturbed, seconds."""
    if fault.what in {"drop", "huge"}:
        return RECONNECTED
    if fault.what in {"lose", "reorder", "revert_stale", "empty", "delay"}:
        return fault.by + BY_POLL
    return REBUILT


def _cut(fault: Fault, account: str) -> Sequence[str]:
    """Name the paths through which certainly nothing comes while a fault lasts."""
    mine = fault.account in {"", account}
    if fault.where == "market" and fault.account:
        return ()  # the market's sockets belong to nobody
    if mine and fault.what in {"stall", "garble", "mute"}:
        return (fault.where,)
    if fault.what == "ban" or (mine and fault.what == "error"):
        return ("api",)
    return ()


# ---------------------------------------------------------------- windows and words


def touches(windows: Sequence[Window], start: float, end: float) -> bool:
    """Tell whether a window touches a stretch of time."""
    return any(window.start <= end and start < window.end for window in windows)


def merged(windows: Sequence[Window]) -> list[Window]:
    """Join windows that touch."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return found


def common(one: Sequence[Window], other: Sequence[Window]) -> list[Window]:
    """Tell when both are."""
    pairs = [(a, b) for a in merged(one) for b in merged(other)]
    both = [Window(max(a.start, b.start), min(a.end, b.end)) for a, b in pairs]
    return [window for window in both if window.start < window.end]
