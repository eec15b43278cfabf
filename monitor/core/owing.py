"""What channels are owed: alerts whose changes a silence kept from everybody.

An alert is owed from the first change that nobody was told of until somebody is told how it stands,
or until it is known that nobody has to be. It survives a restart as a timer record.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monitor.core.events import Now
from monitor.core.notices import Notice, Target, TimerRecord
from monitor.core.rules import Severity

Timers = dict[tuple[str, str], TimerRecord]
"""What a turn wants remembered, by kind and key."""


class Owed(NamedTuple):
    """The last thing about an alert that nobody was told."""

    since: int | None
    """The `at` of its *fired*, unix milliseconds."""
    severity: Severity
    """As its notice had it: of an end, the highest level that the alert had."""
    reason: str | None


class Owing:
    """Every alert that is owed, by rule and target."""

    def __init__(self, records: Iterable[TimerRecord] = ()) -> None:
        self._owed: dict[tuple[str, Target], Owed] = {}
        for record in records:
            if record.kind == "owed" and record.body is not None:
                rule, *target = json.loads(record.key)
                since, severity, reason = json.loads(record.body)
                self._owed[rule, Target(*target)] = Owed(since, Severity(severity), reason)

    def __iter__(self) -> Iterator[tuple[str, Target]]:
        yield from list(self._owed)

    def __contains__(self, alert: object) -> bool:
        return alert in self._owed

    def note(self, notice: Notice, now: Now, timers: Timers) -> None:
        """Keep that nobody was told of this change."""
        owed = Owed(notice.since, notice.severity, notice.reason)
        self._owed[notice.rule, notice.target] = owed
        key = _key(notice.rule, notice.target)
        timers["owed", key] = TimerRecord("owed", key, now.utc, 0, json.dumps(owed))

    def take(self, rule: str, target: Target, now: Now, timers: Timers) -> Owed | None:
        """Forget what is owed of an alert, because it is told now; None where nothing is."""
        owed = self._owed.pop((rule, target), None)
        if owed is not None:
            key = _key(rule, target)
            timers["owed", key] = TimerRecord("owed", key, now.utc, 0, None)
        return owed


def _key(rule: str, target: Target) -> str:
    return json.dumps([rule, *target])
