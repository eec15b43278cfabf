"""Who is told what.

For each alert and channel we keep the level that the channel heard last (`told`; NONE at first).
A channel takes an alert when its globs and the rule's channels match and the level reaches its
`min_severity`. From then on it hears every change of that alert's level and its end, also below
`min_severity`. `send_resolved = false` leaves out the end; told becomes NONE all the same.
Told moves in the commit that creates the delivery. Happenings leave told alone.

What is of no account, such as a ban, no filter of accounts holds back. The program's own faults go
to every channel, whatever its filters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from monitor.core.notices import Delivery, Notice, Target, Told
from monitor.core.rules import OWN_FAULTS, Globs, Rule, Severity


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
        return (
            severity >= self.min_severity
            and (not account or self.accounts.match(account))
            and self.rules.match(rule.name)
            and (rule.channels is None or self.name in rule.channels)
        )


class Router:
    """Decides deliveries, and keeps what each channel was told."""

    def __init__(self, channels: Sequence[Channel], told: Iterable[Told] = ()) -> None:
        self._channels = tuple(channels)
        self._told: dict[tuple[str, Target], dict[str, Severity]] = {}
        for rule, target, channel, level in told:
            if level is not Severity.NONE:
                self._told.setdefault((rule, target), {})[channel] = level
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

    def told(self, rule: str, target: Target, channel: str) -> Severity:
        """Tell the level of an alert that a channel heard last."""
        return self._told.get((rule, target), {}).get(channel, Severity.NONE)

    def route(self, notice: Notice, rule: Rule | None) -> tuple[list[Delivery], list[Told]]:
        """Decide which channels a notice goes to.

        Args:
            notice: What is to be heard.
            rule: Its rule; None when that rule is gone, and only its end is left to tell.
        """
        if notice.kind == "happened":
            account, severity = notice.target.account, notice.severity
            return [
                Delivery(notice.number, channel.name)
                for channel in self._channels
                if rule is OWN_FAULTS
                or (rule is not None and channel.takes(rule, account, severity))
            ], []
        if notice.kind == "reminder":
            return [
                Delivery(notice.number, channel.name)
                for channel in self._channels
                if channel.send_reminders
                and self.told(notice.rule, notice.target, channel.name) is not Severity.NONE
            ], []
        return self._level_changed(notice, rule)

    def _level_changed(
        self, notice: Notice, rule: Rule | None
    ) -> tuple[list[Delivery], list[Told]]:
        level = Severity.NONE if notice.kind == "resolved" else notice.severity
        heard = self._told.setdefault((notice.rule, notice.target), {})
        deliveries: list[Delivery] = []
        told: list[Told] = []
        for channel in self._channels:
            last = heard.get(channel.name, Severity.NONE)
            if last is Severity.NONE:
                new = rule is not None and channel.takes(rule, notice.target.account, level)
                if not new or level is Severity.NONE:
                    continue
                deliveries.append(Delivery(notice.number, channel.name))
            elif level is not Severity.NONE or channel.send_resolved:
                deliveries.append(Delivery(notice.number, channel.name))
            heard[channel.name] = level
            told.append(Told(notice.rule, notice.target, channel.name, level))
        if level is Severity.NONE:
            del self._told[notice.rule, notice.target]
        return deliveries, told
