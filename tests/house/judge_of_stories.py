"""Whether what was told is what had to be told: the promises of docs/design.md, held against truth.

    (a) what held for its `for` while the monitor could see is told in time; so is its end
    (b) no number is told as fresh that was not true
    (c) nothing is resolved on aged or unknown
    (d) every notice with a delivery arrives, a repeat carries its mark, no number is used twice
    (e) blindness is told within `stale_after` + 15 s of the last moment it could see

Whatever the faults of a story do not excuse (`sight`) is judged. Times are seconds of the story.
"""

from collections import Counter
from collections.abc import Iterator
from math import inf

from monitor.core.notices import Grade
from tests.house.sight import (
    BY_POLL,
    REBUILT,
    RECONNECTED,
    Window,
    common,
    merged,
    sight_of,
    touches,
)
from tests.house.simulation import Kept, Story
from tests.house.story_maker import QUIET
from tests.house.story_rules import GROUP_WAIT, RULES, STALE_AFTER, Rule, Step
from tests.house.told_numbers import (
    LEVEL,
    is_fresh,
    key_of,
    level_after,
    name_of,
    surely,
    surely_clear,
    unjustified,
    untrue,
)
from tests.house.truth import Target as Key

PROMISED = 1.0
"""Seconds from the instant due to the commit, and again from there to the channel."""
SETTLING = 5.0
"""After a change of data: the poll that it asks for, 2 s after the last, and its answer."""
FORCED = {"liquidation", "adl", "margin_call"}
AT_ONCE = FORCED | {"deposit", "withdrawal", "funding"}
"""Happenings that the user data stream always tells."""
SETTINGS_CHANGED = {"leverage_changed", "margin_type_changed"}
ONCE = AT_ONCE | SETTINGS_CHANGED
"""Happenings whose truth is counted."""
BLIND_WITHIN = STALE_AFTER + 15.0
SLACK = 5.0


def judge(story: Story) -> list[str]:
    """Find every promise that the story broke, in words; none, if all is well."""
    judge_ = _Judge(story)
    return [
        *judge_.told_in_time(),
        *judge_.told_true(),
        *judge_.resolved_on_fresh(),
        *judge_.delivered(),
        *judge_.blindness(),
        *judge_.happenings(),
    ]


class _Judge:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._plan = story.plan
        self._end = story.length
        self._sights = {name: sight_of(story, name) for name in story.plan.accounts}
        self._told: dict[tuple[str, Key], list[tuple[float, int, Kept]]] = {}
        for kept in story.kept.values():
            notice = kept.notice
            if notice.kind != "happened":
                level = 0 if notice.kind == "resolved" else notice.severity.value
                key = notice.rule, key_of(notice.target)
                self._told.setdefault(key, []).append((kept.committed, level, kept))
        self._slow = [Window(disk.at, disk.end + 8) for disk in story.plan.disks]

    def _level(self, rule: str, key: Key, instant: float) -> int:
        """Tell the level that was told last, of what was on disk before an instant."""
        level = 0
        for committed, told, _ in self._told.get((rule, key), ()):
            if committed < instant:
                level = told
        return level

    # ------------------------------------------------------------ (a)

    def told_in_time(self) -> Iterator[str]:
        for rule in RULES:
            for key in self._story.truth.targets():
                if (len(key) == 2) is rule.pool:
                    for step in rule.steps:
                        yield from self._step_in_time(rule, step, key)

    def _step_in_time(self, rule: Rule, step: Step, key: Key) -> Iterator[str]:
        """Follow one severity of one alert: it must be on, and off, when it must."""
        sight = self._sights[key[0]]
        holds: float | None = None
        clear: float | None = None
        for start, end, figures in self._story.truth.spans(self._end):
            value = figures.get(key, {}).get(rule.metric)
            if value is None or not surely(rule, step, value):
                holds = None
            elif holds is None:
                holds = start
            if value is None or not surely_clear(rule, step, value):
                clear = None
            elif clear is None:
                clear = start
            seeing = sight.seeing_since(end)
            if seeing is None or touches(self._slow, end - 4, end):
                continue
            level = self._level(rule.name, key, end)
            name = f"{rule.name} {step.severity} {'/'.join(key)}"
            if holds is not None and level < LEVEL[step.severity]:
                due = self._due(key[0], max(holds, seeing), step.on, end)
                if end > due:
                    yield (
                        f"(a) {name}: {rule.metric} is {value:.4f} and beyond {step.threshold:g} "
                        f"since {holds:.1f}, seen since {seeing:.1f}: to be told by {due:.1f}, "
                        f"is not at {end:.1f}"
                    )
                    return
            if clear is not None and level >= LEVEL[step.severity]:
                due = self._due(key[0], max(clear, seeing), rule.off, end)
                if end > due + SLACK:
                    yield (
                        f"(a) {name}: {rule.metric} is {value:.4f} and clear of "
                        f"{step.threshold:g} since {clear:.1f}, seen since {seeing:.1f}: still "
                        f"told as firing at {end:.1f}"
                    )
                    return

    def _due(self, account: str, since: float, delay: float, until: float) -> float:
        """Tell by when it has to be on disk."""
        changed = self._story.truth.changed.get(account, ())
        latency = 0.0
        if any(since - 15 <= at <= until for at in changed):
            latency = SETTLING
        if self._sights[account].degraded(since - 20, until):
            latency = BY_POLL
        return since + latency + delay + PROMISED

    # ------------------------------------------------------------ (b)

    def told_true(self) -> Iterator[str]:
        for kept in self._story.kept.values():
            notice = kept.notice
            if not notice.values or notice.kind == "happened" or notice.rule == "blind":
                continue
            since = kept.at - self._lookback(kept.at, notice.target.account)
            key = key_of(notice.target)
            truths = self._story.truth.between(since, kept.at)
            past = [figures[key] for figures in truths if key in figures]
            if not past:
                # What is said to be old may be gone by now; it raises alarms all the same.
                held = notice.values.get("quantity") or notice.values.get("wallet_balance")
                if notice.kind != "resolved" and held is not None and held.grade is Grade.FRESH:
                    yield f"(b) {name_of(kept)}: there was no such target"
                continue
            changes = self._story.truth.changed.get(notice.target.account, ())
            changed = len(past) < len(truths) or any(since <= at <= kept.at for at in changes)
            yield from untrue(kept, past, changed=changed)
            if notice.kind in {"fired", "escalated"} and is_fresh(notice):
                yield from unjustified(kept, past)

    def _lookback(self, at: float, account: str) -> float:
        """Tell how old a number may be that still counts as fresh."""
        most = STALE_AFTER + SLACK
        for fault in self._plan.faults:
            if fault.what in {"revert_stale", "delay", "skew", "reorder"} and (
                fault.account in {"", account} and fault.at <= at <= fault.end + most
            ):
                most += abs(fault.by) + BY_POLL
        return most

    # ------------------------------------------------------------ (c)

    def resolved_on_fresh(self) -> Iterator[str]:
        rules = {rule.name: rule for rule in RULES}
        for kept in self._story.kept.values():
            notice = kept.notice
            if notice.kind not in {"resolved", "eased"} or notice.rule not in rules:
                continue
            rule = rules[notice.rule]
            if notice.reason == "recovered":
                yield from self._recovered(kept, rule)
            elif notice.reason == "position_closed":
                since = kept.at - self._lookback(kept.at, notice.target.account) - SLACK
                key = key_of(notice.target)
                if all(key in figures for figures in self._story.truth.between(since, kept.at)):
                    yield f"(c) {name_of(kept)}: the position was there all the time"

    def _recovered(self, kept: Kept, rule: Rule) -> Iterator[str]:
        notice = kept.notice
        reading = notice.values.get(rule.metric)
        if reading is None or reading.grade not in {Grade.FRESH, Grade.ABSENT}:
            yield f"(c) {name_of(kept)}: decided on {reading}"
        sight = self._sights[notice.target.account]
        blind = common(sight.no_poll, sight.no_mark if rule.marks else sight.no_event)
        for window in blind:
            if window.start + STALE_AFTER + PROMISED < kept.at <= window.end:
                yield f"(c) {name_of(kept)}: nothing could be seen since {window.start:.1f}"
        steps = [s for s in rule.steps if LEVEL[s.severity] > level_after(notice)]
        since = kept.at - self._lookback(kept.at, notice.target.account)
        past = self._story.truth.between(since, kept.at)
        key = key_of(notice.target)
        values = [f[key][rule.metric] for f in past if rule.metric in f.get(key, ())]
        if values and all(surely(rule, steps[0], value, band=rule.band) for value in values):
            yield f"(c) {name_of(kept)}: {rule.metric} was {values[0]:.4f} … {values[-1]:.4f}"

    # ------------------------------------------------------------ (d)

    def delivered(self) -> Iterator[str]:
        story = self._story
        arrived = {(send.number, send.channel) for send in story.sends if send.arrived}
        for number, channel, state, error in story.deliveries:
            name = f"(d) #{number} for {channel}"
            if state == "sent" and (number, channel) not in arrived:
                yield f"{name}: counted as sent and never arrived"
            elif state == "pending":
                yield f"{name}: still waits at the end"
            elif state == "dead" and not error.startswith("superseded by"):
                yield f"{name}: given up: {error}"
        known = {(number, channel) for number, channel, _, _ in story.deliveries}
        attempts: dict[tuple[int, str], int] = {}
        unkept: set[tuple[int, str]] = set()
        titles: dict[int, str] = {}
        for send in story.sends:
            key = send.number, send.channel
            name = f"(d) #{send.number} for {send.channel} at {send.at:.1f}"
            if key not in known:
                yield f"{name}: nobody was to hear it"
            if send.attempt <= attempts.get(key, 0) and key not in unkept:
                yield f"{name}: attempt {send.attempt} after attempt {attempts[key]}"
            attempts[key] = send.attempt
            if touches(self._slow, send.at - 4, send.at):
                unkept.add(key)  # a disk that failed to keep an attempt cannot tell of it later
            if send.title and titles.setdefault(send.number, send.title) != send.title:
                yield f"{name}: {titles[send.number]!r} and {send.title!r} have one number"
        yield from self._handed_over()

    def _handed_over(self) -> Iterator[str]:
        """Hold the second half of the promise: a second after the commit, plus group_wait."""
        first: dict[tuple[int, str], float] = {}
        for send in self._story.sends:
            first.setdefault((send.number, send.channel), send.at)
        for number, channel, _, _ in self._story.deliveries:
            committed = self._story.kept[number].committed
            due = committed + GROUP_WAIT[channel] + PROMISED
            if first.get((number, channel), inf) <= due or due > self._end - 1:
                continue
            outages = [o for o in self._plan.outages if o.channel == channel]
            ill = any(o.at - 20 <= due and committed <= o.end + 330 for o in outages)
            alive = any(begin <= committed and due < end for begin, end in self._story.lives)
            if alive and not ill and not touches(self._slow, committed - 4, due):
                yield (
                    f"(d) #{number} for {channel}: on disk at {committed:.1f}, first tried at "
                    f"{first.get((number, channel), inf):.1f}"
                )

    # ------------------------------------------------------------ (e)

    def blindness(self) -> Iterator[str]:
        for account, sight in self._sights.items():
            for window in merged(sight.no_poll):
                due = window.start + BLIND_WITHIN
                alive = any(b <= window.start and due < e for b, e in self._story.lives)
                if due > window.end or not alive or touches(self._slow, due - 5, due):
                    continue
                if self._level("blind", (account,), due) == 0:
                    yield (
                        f"(e) {account}: no poll can be answered from {window.start:.1f} to "
                        f"{window.end:.1f}, and no blindness is told by {due:.1f}"
                    )
            if sight.seeing_since(self._end - 1) is not None and self._end > QUIET + REBUILT:
                since = sight.seeing_since(self._end - 1) or 0.0
                if self._end > since + 20 and self._level("blind", (account,), self._end):
                    yield f"(e) {account}: told as blind at the end, though it sees"

    # ------------------------------------------------------------ happenings

    def happenings(self) -> Iterator[str]:
        """Hold that what happens is told, and no more often than it did."""
        happened = self._story.truth.happened
        counts = Counter((kind, account, what) for _, kind, account, what in happened)
        told: Counter[tuple[str, str, str]] = Counter()
        for kept in self._story.kept.values():
            if kept.notice.happening in ONCE:
                told[_happening(kept)] += kept.notice.count or 1
        reverted = any(fault.what == "revert_stale" for fault in self._plan.faults)
        for key, count in told.items():
            # A poll that tells of a setting as it was has it change back and forth.
            if count > counts[key] and not (reverted and key[0] in SETTINGS_CHANGED):
                yield f"(b) {' '.join(key)}: told {count} times, happened {counts[key]} times"
        for at, kind, account, what in happened:
            # Where every reason is a strange one, nobody can tell a deposit from another change.
            strange = any(f.what == "strange" and f.at <= at <= f.end for f in self._plan.faults)
            plain = kind in FORCED or not strange
            if kind in AT_ONCE and plain and self._could_hear(account, at):
                yield from self._heard_of(at, kind, account, what)

    def _could_hear(self, account: str, at: float) -> bool:
        sight = self._sights[account]
        calm = not touches(sight.private, at - 1, at + 2) and not touches(
            self._slow, at - 4, at + 2
        )
        alive = any(b + RECONNECTED <= at and at + 2 < e for b, e in self._story.lives)
        return calm and alive and not touches(sight.api, at - 1, at + 2)

    def _heard_of(self, at: float, kind: str, account: str, what: str) -> Iterator[str]:
        for kept in self._story.kept.values():
            # Told, or summed up when the cooldown of an earlier one ends.
            in_time = at - 60 <= kept.at and kept.committed <= at + PROMISED
            if in_time and _happening(kept) == (kind, account, what):
                return
        yield f"(a) {kind} of {account}/{what} at {at:.1f} is not told within a second"


def _happening(kept: Kept) -> tuple[str, str, str]:
    notice = kept.notice
    return (
        notice.happening or "",
        notice.target.account,
        notice.target.symbol or notice.target.asset,
    )
