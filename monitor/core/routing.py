"""Who is told what.

For each alert and channel we keep the level that the channel heard last (`told`; NONE at first).
A channel takes an alert when its globs and the rule's channels match and the level reaches its
`min_severity`. From then on it hears every change of that alert's level and its end, also below
`min_severity`. `send_resolved = false` leaves out the end; told becomes NONE all the same.
Told moves in the commit that creates the delivery. Happenings leave told alone.

While a silence covers an alert nobody is told, and told stands still. When it ends each channel is
told the difference between what it heard last and what is (`behind`, `settle`).

A delivery is urgent, and no quiet hours hold it, where the notice is critical or the channel was
told of its alert as critical.

What is of no account, such as a ban, no filter of accounts holds back. The program's own faults go
to every channel, whatever its filters, but for the channel that they are about. The daily message
names every account, and goes to the channels that take info of all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.core.daily import accounts_in
from monitor.core.notices import Delivery, Notice, Silence, Target, Told
from monitor.core.rules import OWN_FAULTS, STILL_HERE, Globs, Rule, Severity
from monitor.core.silences import Silences


@dataclass(frozen=True, slots=True)
class Channel:
    """What routing knows of a channel."""

    name: str
    min_severity: Severity = Severity.INFO
    accounts: Globs = field(default_factory=Globs)
    rules: Globs = field(default_factory=Globs)
    send_resolved: bool = True
    send_reminders: bool = True

    def takes(self, rule: Rule, account: str, severity: Severity) -> bool:
        """Tell whether something new of this rule, account and severity is for this channel."""
        return not self.refusal(rule, account, severity)

    def refusal(self, rule: Rule, account: str, severity: Severity) -> str:
        """Say why something new of a rule, account and severity is not for it; "": it is."""
        if rule.channels is not None and self.name not in rule.channels:
            return "the rule names other channels"
        if not self.rules.match(rule.name):
            return "its rules leave this one out"
        if account and not self.accounts.match(account):
            return "its accounts leave this one out"
        if severity < self.min_severity:
            return f"its min_severity is {self.min_severity.word}"
        return ""


def critical_channels(
    channels: Iterable[Channel], rules: Iterable[Rule], accounts: Iterable[str]
) -> frozenset[str]:
    """Name the channels that would be told of something critical.

    Where no rule has a critical level, every channel counts: it takes what there is.
    """
    channels, accounts = tuple(channels), tuple(accounts)
    critical = [
        rule
        for rule in rules
        if rule is not OWN_FAULTS
        and Severity.CRITICAL in {rule.severity, *(level.severity for level in rule.levels)}
    ]
    if not critical:
        return frozenset(channel.name for channel in channels)
    return frozenset(
        channel.name
        for channel in channels
        if any(
            channel.takes(rule, account, Severity.CRITICAL)
            for rule in critical
            for account in accounts
            if rule.accounts.match(account)
        )
    )


class Heard(NamedTuple):
    """What a channel was told of an alert."""

    last: Severity = Severity.NONE
    highest: Severity = Severity.NONE


class Routed(NamedTuple):
    """Who hears a notice."""

    deliveries: list[Delivery]
    told: list[Told]
    withheld: bool = False
    """Whether a silence keeps it from everybody."""


class Router:
    """Decides deliveries, and keeps what each channel was told."""

    def __init__(
        self,
        channels: Sequence[Channel],
        told: Iterable[Told] = (),
        silences: Iterable[Silence] = (),
    ) -> None:
        self._channels = tuple(channels)
        self.silences = Silences(silences)
        self._told: dict[tuple[str, Target], dict[str, Heard]] = {}
        for rule, target, channel, level, highest in told:
            if level is not Severity.NONE:
                heard = self._told.setdefault((rule, target), {})
                heard[channel] = Heard(level, max(level, highest))
        self.void = self.replace(channels)
        """What an earlier run told to channels that are gone; to be forgotten."""

    def replace(self, channels: Sequence[Channel]) -> list[Told]:
        """Have these channels from now on, known by name: what one that is gone heard is void.

        So a channel that comes back later begins like any new one.
        """
        self._channels = tuple(channels)
        known = {channel.name for channel in channels}
        void = []
        for (rule, target), heard in self._told.items():
            for name in [name for name in heard if name not in known]:
                del heard[name]
                void.append(Told(rule, target, name, Severity.NONE))
        return void

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All that there are."""
        return self._channels

    def told(self, rule: str, target: Target, channel: str) -> Severity:
        """Tell the level of an alert that a channel heard last."""
        return self._heard(rule, target, channel).last

    def all_told(self) -> list[Told]:
        """List what every channel heard last of every alert."""
        return [
            Told(*alert, channel, *heard)
            for alert, channels in self._told.items()
            for channel, heard in channels.items()
        ]

    def _heard(self, rule: str, target: Target, channel: str) -> Heard:
        return self._told.get((rule, target), {}).get(channel, Heard())

    def critical_channels(self, rules: Iterable[Rule], accounts: Iterable[str]) -> frozenset[str]:
        """Name the channels that would be told of something critical."""
        return critical_channels(self._channels, rules, accounts)

    # -------------------------------------------------------------- one notice

    def route(self, notice: Notice, rule: Rule | None) -> Routed:
        """Decide which channels a notice goes to.

        Args:
            notice: What is to be heard.
            rule: Its rule; None when that rule is gone, and only its end is left to tell.
        """
        if self.silences.over(notice.rule, notice.target):
            return Routed([], [], withheld=True)
        if notice.kind == "happened":
            return Routed([self._deliver(notice, name) for name in self._hearers(notice, rule)], [])
        if notice.kind == "reminder":
            told = [
                channel.name
                for channel in self._channels
                if channel.send_reminders
                and self.told(notice.rule, notice.target, channel.name) is not Severity.NONE
            ]
            return Routed([self._deliver(notice, name) for name in told], [])
        behind = self.behind(notice.rule, notice.target, notice.level, rule)
        return self.settle(notice, [channel for channel, _ in behind])

    def _hearers(self, notice: Notice, rule: Rule | None) -> list[str]:
        """Name the channels that hear of a happening."""
        if rule is OWN_FAULTS and notice.happening == STILL_HERE:
            return [channel.name for channel in self._channels if _takes_all(channel, notice)]
        if rule is OWN_FAULTS:
            about = notice.details.get("channel")
            return [channel.name for channel in self._channels if channel.name != about]
        return [
            channel.name
            for channel in self._channels
            if rule is not None and channel.takes(rule, notice.target.account, notice.severity)
        ]

    def behind(
        self, rule: str, target: Target, level: Severity, known: Rule | None
    ) -> list[tuple[Channel, Severity]]:
        """Find the channels that heard another level of an alert than the one that is.

        Args:
            rule: The name of the alert's rule.
            target: What the alert is about.
            level: What is; NONE: it is over.
            known: The rule; None when it is gone.

        Returns:
            Each with what it heard last.
        """
        found = []
        for channel in self._channels:
            last = self.told(rule, target, channel.name)
            if last is level:
                continue
            new = known is not None and channel.takes(known, target.account, level)
            if last is not Severity.NONE or new:
                found.append((channel, last))
        return found

    def settle(self, notice: Notice, channels: Iterable[Channel]) -> Routed:
        """Tell these channels of a level or an end, and keep that they know."""
        level, alert = notice.level, (notice.rule, notice.target)
        heard = self._told.setdefault(alert, {})
        deliveries: list[Delivery] = []
        told: list[Told] = []
        for channel in channels:
            name = channel.name
            if level is not Severity.NONE or channel.send_resolved:
                deliveries.append(self._deliver(notice, name))
            if level is Severity.NONE:
                heard.pop(name, None)
                told.append(Told(*alert, name, level))
                continue
            heard[name] = Heard(level, max(level, heard.get(name, Heard()).highest))
            told.append(Told(*alert, name, *heard[name]))
        if not heard:
            del self._told[alert]
        return Routed(deliveries, told)

    def _deliver(self, notice: Notice, channel: str) -> Delivery:
        heard = self._heard(notice.rule, notice.target, channel)
        urgent = notice.critical or heard.highest is Severity.CRITICAL
        return Delivery(notice.number, channel, urgent=urgent)


def _takes_all(channel: Channel, notice: Notice) -> bool:
    """Tell whether a channel is for all that the daily message says."""
    accounts = accounts_in(notice.details)
    return all(channel.takes(OWN_FAULTS, name, notice.severity) for name in accounts)
