"""Silences as they come and go: from when on nobody is told, and what is told when that is over.

A silence begins with its order and ends by its time or by hand. At its end each channel is told the
difference between what it heard last and what is: an alert that fired meanwhile with its true
begin, the end of one that it knows, and nothing where nothing differs. After a restart a standing
alert is settled once its numbers have been seen fresh. Reminders wait meanwhile; their time begins
anew at the end.
"""

from collections.abc import Iterable
from dataclasses import replace

from monitor.core.agenda import REST, Agenda
from monitor.core.events import Now, SilenceLifted, SilenceWanted
from monitor.core.judging import Watch, look
from monitor.core.notices import Saved, Silence, Target
from monitor.core.outcome import Outcome
from monitor.core.rules import Severity
from monitor.core.silences import begun
from monitor.core.telling import Teller
from monitor.core.watching import Watching


class Silencing:
    """Begins and ends silences.

    Args:
        teller: Keeps those that stand, and tells what is owed.
        watching: Where alerts are.
        agenda: Where the ends of silences wait.
        forget_after: Milliseconds from which a number is not believed at all.
        saved: What an earlier run left behind.
        now: The instant at which the watch begins.
        outcome: Takes what follows from silences whose time came while nothing ran.
    """

    def __init__(
        self,
        teller: Teller,
        watching: Watching,
        agenda: Agenda,
        *,
        forget_after: int,
        saved: Saved,
        now: Now,
        outcome: Outcome,
    ) -> None:
        self._teller = teller
        self._watching = watching
        self._agenda = agenda
        self._forget_after = forget_after
        self._next_number = saved.next_silence
        for silence in list(teller.silences):
            if silence.ends <= now.utc:
                self._drop(silence.number, now, outcome)
            else:
                self._plan(silence, now)
        self._settle(now, outcome)

    def begin(self, wanted: SilenceWanted, now: Now, outcome: Outcome) -> None:
        """Let a silence begin; it is the last in the outcome's list."""
        silence = begun(wanted, self._next_number, now.utc)
        self._next_number += 1
        self._teller.silences.add(silence)
        outcome.silences.append(silence)
        self._plan(silence, now)
        for watch in self._covered([silence]):
            self._teller.plan_reminder(watch, now)

    def lift(self, lifted: SilenceLifted, now: Now, outcome: Outcome) -> None:
        """End a silence by hand; one that is over already stays so."""
        self._agenda.put(("silence", lifted.number), None, REST)
        self.end(lifted.number, now, outcome)

    def end(self, number: int, now: Now, outcome: Outcome) -> None:
        """End a silence, and tell what was missed."""
        ended = self._drop(number, now, outcome)
        if ended is None:
            return
        self._settle(now, outcome)
        for watch in self._covered([ended]):
            alert = watch.alert
            if alert is not None and alert.level is not Severity.NONE:
                alert.noticed = now
                outcome.alerts[alert.rule.name, alert.target] = alert.record(now)
                self._teller.plan_reminder(watch, now)

    def _plan(self, silence: Silence, now: Now) -> None:
        ticks = now.ticks + silence.ends - now.utc
        self._agenda.put(("silence", silence.number), ticks, REST)

    def _drop(self, number: int, now: Now, outcome: Outcome) -> Silence | None:
        silence = self._teller.silences.take(number)
        if silence is not None:
            ends = min(silence.ends, now.utc)
            outcome.silences.append(replace(silence, ends=ends, over=True))
        return silence

    def _covered(self, silences: Iterable[Silence]) -> list[Watch]:
        """List the watches that these silences are about."""
        chosen = list(silences)
        return [
            watch
            for watch in self._watching.all()
            if any(one.covers(watch.judge.rule.name, watch.target) for one in chosen)
        ]

    def _settle(self, now: Now, outcome: Outcome) -> None:
        """Tell what is owed of every alert that no silence covers any more."""
        owed = [alert for alert in self._teller.owing if not self._teller.silences.over(*alert)]
        if not owed:
            return
        watches = {(watch.judge.rule.name, watch.target): watch for watch in self._watching.all()}
        for alert in owed:
            self._settle_one(alert, watches.get(alert), now, outcome)

    def _settle_one(
        self, alert: tuple[str, Target], watch: Watch | None, now: Now, outcome: Outcome
    ) -> None:
        standing = watch.alert if watch is not None else self._watching.restored(*alert)
        if standing is None or standing.level is Severity.NONE:
            self._teller.settle_end(*alert, now, outcome)
        elif watch is not None and not standing.waits_for_fresh:
            self._teller.settle(watch, look(watch.view(now), self._forget_after), outcome)
