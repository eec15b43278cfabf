"""What stands now: the alerts that fire, what silences them, and who was told what."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.events import Now
from monitor.core.formats import Style, phrase
from monitor.core.judging import Watch, look, reading
from monitor.core.lookback import metric_named, names_in
from monitor.core.message import instant
from monitor.core.notices import AlertRecord, Saved, Silence, Target, Told
from monitor.core.rules import Severity


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that fires."""

    rule: str
    target: Target
    level: Severity
    highest: Severity
    """The highest level since it fired."""
    since: int | None
    """Unix milliseconds."""
    silences: tuple[int, ...]
    """The numbers of the silences that cover it."""
    told: Mapping[str, Severity]
    """The level that each channel heard last; channels that heard nothing are left out."""
    said: str = ""
    """The numbers that its condition reads, in words; "" where they are not at hand."""

    def facts(self) -> dict[str, Any]:
        """Write it for JSON."""
        target = self.target
        return {
            "rule": self.rule,
            "account": target.account or None,
            "symbol": target.symbol or None,
            "position_side": target.position_side or None,
            "side": target.side or None,
            "asset": target.asset or None,
            "severity": self.level.word,
            "highest": self.highest.word,
            "since": None if self.since is None else instant(self.since),
            "silences": list(self.silences),
            "told": {channel: level.word for channel, level in self.told.items()},
            "numbers": self.said or None,
        }


def silence_facts(silence: Silence) -> dict[str, Any]:
    """Write a silence for JSON."""
    return {
        "number": silence.number,
        "begins": instant(silence.begins),
        "ends": instant(silence.ends),
        "rules": list(silence.rules),
        "accounts": list(silence.accounts),
        "symbols": list(silence.symbols),
        "options": str(silence),
    }


def by_alert(told: Iterable[Told]) -> dict[tuple[str, Target], dict[str, Severity]]:
    """Sort what channels heard by alert."""
    found: dict[tuple[str, Target], dict[str, Severity]] = {}
    for entry in told:
        found.setdefault((entry.rule, entry.target), {})[entry.channel] = entry.level
    return found


def in_force(silences: Iterable[Silence], utc: int) -> list[Silence]:
    """List the silences that are not over at an instant, unix milliseconds."""
    return [silence for silence in silences if not silence.over and silence.ends > utc]


def kept(saved: Saved, utc: int) -> list[Standing]:
    """List what an earlier run left standing."""
    silences, told = in_force(saved.silences, utc), by_alert(saved.told)
    return sorted(
        (
            standing(record, told.get((record.rule, record.target), {}), silences)
            for record in saved.alerts
            if record.level is not Severity.NONE
        ),
        key=_worst_first,
    )


def standing(
    record: AlertRecord,
    told: Mapping[str, Severity],
    silences: Iterable[Silence],
    said: str = "",
) -> Standing:
    """Put together what is to be said of an alert."""
    covering = tuple(one.number for one in silences if one.covers(record.rule, record.target))
    return Standing(
        record.rule,
        record.target,
        record.level,
        record.highest,
        record.since,
        covering,
        told,
        said,
    )


def _worst_first(one: Standing) -> tuple[int, str, Target]:
    return -one.level, one.rule, one.target


def live(
    watches: Iterable[Watch],
    restored: Iterable[AlertRecord],
    told: Iterable[Told],
    silences: Iterable[Silence],
    *,
    now: Now,
    forget_after: int,
) -> list[Standing]:
    """List what stands in a running engine, with the numbers of this moment.

    Args:
        watches: All of them.
        restored: Alerts of an earlier run whose target was not seen yet.
        told: What channels heard.
        silences: Those in force.
        now: The moment.
        forget_after: Milliseconds from which a number is not believed at all.
    """
    heard, hushed = by_alert(told), list(silences)
    found = [
        standing(record, heard.get((record.rule, record.target), {}), hushed, said)
        for record, said in (
            *((record, "") for record in restored),
            *_of_watches(watches, now, forget_after),
        )
        if record.level is not Severity.NONE
    ]
    return sorted(found, key=_worst_first)


def _of_watches(
    watches: Iterable[Watch], now: Now, forget_after: int
) -> Iterator[tuple[AlertRecord, str]]:
    for watch in watches:
        alert = watch.alert
        if alert is not None and alert.level is not Severity.NONE:
            yield alert.record(now), _numbers(watch, now, forget_after)


def _numbers(watch: Watch, now: Now, forget_after: int) -> str:
    """Say what the conditions of a watch read."""
    sight = look(watch.view(now), forget_after)
    names = dict.fromkeys(
        name for level in watch.judge.rule.levels for name in names_in(level.condition.text)
    )
    values = {name: reading(sight, metric_named(name)) for name in names}
    style = Style.of(values)
    return ", ".join(phrase(name, value, style) for name, value in values.items())
