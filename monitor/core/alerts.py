"""The life of an alert.

An alert is one rule on one target. Each severity of the rule has a debounced switch; the alert's
level is the highest switch that is on or falling.

    switch    seen                              becomes
    ──────    ────                              ───────
    off       raw true                          rising; on at once if its on-delay is 0
    rising    relaxed false                     off
    rising    raw true, the on-delay passed     on
    rising    anything else, unknown too        rising; the time counts all the same
    on        relaxed false                     falling; off at once if its off-delay is 0
    on        relaxed true or unknown           on
    falling   relaxed true                      on
    falling   relaxed false for the off-delay   off
    falling   unknown                           falling; the time does not count meanwhile
    any       target closed, turned or gone     off at once

`raw` is the condition of this severity or a higher one, with aged numbers as they stand; `relaxed`
has the dead band and takes aged for unknown. So doubt may raise, and never clears.

A rule that was edited may leave a switch on that its new condition would not: the first time that
the new raw is seen false on fresh numbers, such a switch goes off at once.

Rules of this file: `step` says nothing twice while the truth stands still and no delay has passed;
an alert knows the next instant at which it would change by time alone (`due`), and never reads a
clock. Who is told what is `routing.py`.
"""

from collections.abc import Sequence
from enum import Enum

from monitor.core.events import Now
from monitor.core.freshness import FORGET_AFTER
from monitor.core.language.truth import Truth
from monitor.core.notices import AlertRecord, SwitchRecord, Target
from monitor.core.rules import Level, Rule, Severity

TRUE, FALSE = Truth.TRUE, Truth.FALSE


class State(Enum):
    """Of a switch."""

    OFF = "off"
    RISING = "rising"
    ON = "on"
    FALLING = "falling"


class Switch:
    """One severity of an alert.

    `passed` milliseconds of the present delay are behind it, plus those since `since` (ticks);
    `since` is None while the time does not count.
    """

    __slots__ = ("edited", "level", "passed", "since", "state")

    def __init__(self, level: Level) -> None:
        self.level = level
        self.state = State.OFF
        self.passed = 0
        self.since: int | None = None
        self.edited = False
        """Whether it is on by an older condition, and the new one has not been seen yet."""

    def step(self, raw: Truth, relaxed: Truth, ticks: int) -> None:
        """Move by what is seen at an instant."""
        if self.edited and raw is not Truth.UNKNOWN and relaxed is not Truth.UNKNOWN:
            self.edited = False
            if raw is FALSE:
                self._enter(State.OFF, ticks)
                return
        if self.state is State.OFF:
            if raw is TRUE:
                self._enter(State.RISING, ticks)
                self._rise(raw, ticks)
        elif self.state is State.RISING:
            if relaxed is FALSE:
                self._enter(State.OFF, ticks)
            else:
                self._rise(raw, ticks)
        elif self.state is State.ON:
            if relaxed is FALSE:
                self._enter(State.FALLING, ticks)
                self._fall(ticks)
        elif relaxed is TRUE:
            self._enter(State.ON, ticks)
        elif relaxed is FALSE:
            self._fall(ticks)
        else:
            self.passed = self.elapsed(ticks)
            self.since = None

    def _enter(self, state: State, ticks: int) -> None:
        self.state = state
        self.passed = 0
        self.since = ticks if state in {State.RISING, State.FALLING} else None

    def _rise(self, raw: Truth, ticks: int) -> None:
        if raw is TRUE and self.elapsed(ticks) >= self.level.on_delay:
            self._enter(State.ON, ticks)

    def _fall(self, ticks: int) -> None:
        if self.since is None:
            self.since = ticks
        if self.elapsed(ticks) >= self.level.off_delay:
            self._enter(State.OFF, ticks)

    def elapsed(self, ticks: int) -> int:
        """Tell how much of the present delay has passed."""
        return self.passed + (ticks - self.since if self.since is not None else 0)

    def due(self, ticks: int) -> int | None:
        """Tell when the present delay will have passed, if that is still to come."""
        if self.since is None:
            return None
        delay = (
            self.level.on_delay if self.state is State.RISING else self.level.off_delay
        ) - self.passed
        return self.since + delay if self.since + delay > ticks else None

    @property
    def firing(self) -> bool:
        """Whether it counts for the level."""
        return self.state in {State.ON, State.FALLING}


class Alert:
    """One rule on one target."""

    __slots__ = (
        "dropped",
        "highest",
        "noticed",
        "rule",
        "since",
        "switches",
        "target",
        "waits_for_fresh",
    )

    def __init__(self, rule: Rule, target: Target) -> None:
        self.rule = rule
        self.target = target
        self.switches = tuple(Switch(level) for level in rule.levels)
        self.highest = Severity.NONE
        self.since: int | None = None
        """The utc instant of its *fired*."""
        self.noticed: Now | None = None
        """The instant of its last notice; reminders count from it."""
        self.waits_for_fresh = False
        """After a restart: no reminder before its numbers have been seen fresh."""
        self.dropped = False
        """Whether the last step put a switch off because its condition was edited."""

    @property
    def level(self) -> Severity:
        """The highest switch that is on or falling."""
        for switch in reversed(self.switches):
            if switch.firing:
                return switch.level.severity
        return Severity.NONE

    @property
    def idle(self) -> bool:
        """Whether every switch is off."""
        return all(switch.state is State.OFF for switch in self.switches)

    def step(self, raws: Sequence[Truth], relaxeds: Sequence[Truth], now: Now) -> bool:
        """Move every switch by what is seen now.

        Args:
            raws: Per switch, by rising severity: its condition or a higher one, as it stands.
            relaxeds: Likewise with the dead band, aged taken for unknown.
            now: The instant.

        Returns:
            Whether anything changed that has to survive a restart.
        """
        changed = self.dropped = False
        for switch, raw, relaxed in zip(self.switches, raws, relaxeds, strict=True):
            state, passed, since = switch.state, switch.passed, switch.since
            edited = switch.edited
            switch.step(raw, relaxed, now.ticks)
            self.dropped |= edited and not switch.edited and switch.state is State.OFF
            changed |= (state, passed, since) != (switch.state, switch.passed, switch.since)
        return changed

    def clear(self) -> None:
        """Put every switch off: the target is gone."""
        self.switches = tuple(Switch(switch.level) for switch in self.switches)

    def due(self, ticks: int) -> int | None:
        """Tell the next instant at which a delay passes; None where no delay runs."""
        dues = [due for switch in self.switches if (due := switch.due(ticks)) is not None]
        return min(dues, default=None)

    def record(self, now: Now) -> AlertRecord:
        """Write down what must survive a restart."""
        return AlertRecord(
            rule=self.rule.name,
            target=self.target,
            switches=tuple(
                SwitchRecord(
                    switch.level.severity, switch.state.value, switch.elapsed(now.ticks), now.utc
                )
                for switch in self.switches
            ),
            level=self.level,
            highest=self.highest,
            since=self.since,
            noticed=self.noticed.utc if self.noticed is not None else None,
        )

    def restore(
        self,
        record: AlertRecord,
        now: Now,
        down_since: int,
        edited: Severity = Severity.NONE,
    ) -> None:
        """Take up the state of an earlier run.

        The time that we were down counts for rising, not for falling. After a long time down, or
        under a condition that was edited meanwhile, rising begins anew.

        Args:
            record: What was kept.
            now: The instant of the restart.
            down_since: The last utc instant at which the earlier run was known to be alive.
            edited: The highest severity with another condition than before; its own switch and
                all below it see another `raw`.
        """
        self.highest, self.since = record.highest, record.since
        self.waits_for_fresh = True
        if record.noticed is not None:
            self.noticed = Now(now.ticks - max(0, now.utc - record.noticed), record.noticed)
        kept = {switch.severity: switch for switch in record.switches}
        for switch in self.switches:
            saved = kept.get(switch.level.severity)
            if saved is None:
                continue
            state = State(saved.state)
            anew = switch.level.severity <= edited
            if state is State.RISING:
                if anew or now.utc - down_since > FORGET_AFTER:
                    continue
                switch.passed = saved.elapsed + max(0, now.utc - saved.saved)
                switch.since = now.ticks
            elif state is State.FALLING:
                switch.passed = saved.elapsed
            switch.state = state
            switch.edited = anew and switch.firing

    def succeed(self, older: "Alert", edited: Severity) -> None:
        """Go on where the same alert stands under an earlier version of its rule.

        Args:
            older: That alert.
            edited: As for `restore`.
        """
        self.highest, self.since, self.noticed = older.highest, older.since, older.noticed
        self.waits_for_fresh = older.waits_for_fresh
        former = {switch.level.severity: switch for switch in older.switches}
        for switch in self.switches:
            before = former.get(switch.level.severity)
            anew = switch.level.severity <= edited
            if before is None or (anew and before.state is State.RISING):
                continue
            switch.state, switch.passed, switch.since = before.state, before.passed, before.since
            switch.edited = switch.firing and (anew or before.edited)
