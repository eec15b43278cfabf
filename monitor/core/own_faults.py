"""The program's own faults, as happenings of the built-in rule `marginwatch`.

They are warnings; critical is what leaves nobody to be woken: no channel that takes criticals gets
through, or the store fails. A fault of a channel goes to every other channel. It stays open until
the channel recovers or is taken out, and is not told again meanwhile, but for once in a next run
if it lasts; the outbox announces none for a notice of this rule, so that one fault never breeds
another.
"""

from collections.abc import Iterable

from monitor.core.events import (
    ChannelFailed,
    ChannelRecovered,
    NoticesDied,
    Now,
    StoreFailed,
    StoreReplaced,
)
from monitor.core.happenings import Happening
from monitor.core.notices import Target, TimerRecord
from monitor.core.outcome import Outcome
from monitor.core.rules import Severity
from monitor.core.telling import Teller

_PROCESS = Target("")


class OwnFaults:
    """Tells what is wrong with channels and with the store.

    Args:
        teller: Who makes notices of it.
        accounts: The names of all accounts.
        saved: What an earlier run left behind.
    """

    def __init__(
        self, teller: Teller, accounts: Iterable[str], saved: Iterable[TimerRecord]
    ) -> None:
        self._teller = teller
        self._accounts = tuple(accounts)
        self._failing = failing_channels(saved)
        self._told: set[str] = set()
        """Those that were told as failing in this run."""

    def keep(self, channels: Iterable[str], now: Now, outcome: Outcome) -> None:
        """Have only these channels: one that is gone, and comes back, begins without a fault."""
        for name in sorted(self._failing.difference(channels)):
            self._recovered(name, now, outcome)

    def _recovered(self, channel: str, now: Now, outcome: Outcome) -> None:
        self._failing.discard(channel)
        self._told.discard(channel)
        outcome.timers["failing", channel] = TimerRecord("failing", channel, now.utc, 0, None)

    def of_channel(
        self, event: ChannelFailed | ChannelRecovered | NoticesDied, now: Now, outcome: Outcome
    ) -> None:
        """Tell that a channel fails, works again, or that notices never reached it."""
        name = event.channel
        match event:
            case ChannelFailed():
                if name in self._told:
                    return
                self._failing.add(name)
                self._told.add(name)
                outcome.timers["failing", name] = TimerRecord("failing", name, now.utc, 0, "")
                details = {"channel": name, "waiting": str(event.waiting), "why": event.why}
                self._tell("channel_failing", details, now, outcome)
            case ChannelRecovered():
                if name in self._failing:
                    self._recovered(name, now, outcome)
                    self._tell("channel_recovered", {"channel": name}, now, outcome)
            case NoticesDied():
                # Without the "#": in a message that would mean that these numbers arrived with it.
                numbers = " ".join(map(str, event.numbers))
                details = {"channel": name, "numbers": numbers, "why": event.why}
                self._tell("notices_dead", details, now, outcome)

    def of_store(self, event: StoreFailed | StoreReplaced, now: Now, outcome: Outcome) -> None:
        """Tell that the store cannot be written, or was lost and begun anew."""
        if isinstance(event, StoreFailed):
            self._tell("store_failing", {"why": event.why}, now, outcome, Severity.CRITICAL)
        else:
            self._tell("store_replaced", {"why": event.why}, now, outcome)

    def _tell(
        self,
        kind: str,
        details: dict[str, str],
        now: Now,
        outcome: Outcome,
        severity: Severity | None = None,
    ) -> None:
        wakes = self._teller.critical_channels(self._accounts) - self._failing
        if severity is None and not wakes:
            severity = Severity.CRITICAL
        self._teller.happen(Happening(kind, _PROCESS, details, severity), now, outcome)


def failing_channels(saved: Iterable[TimerRecord]) -> set[str]:
    """Name the channels of which an earlier run told that nothing gets through."""
    return {record.key for record in saved if record.kind == "failing"}
