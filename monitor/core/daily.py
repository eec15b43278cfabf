"""The daily message: that we are still here, what we see, and what is left to be told.

Facts are kept with the notice as plain text: `up` (milliseconds), `positions`, `nearest`, `firing`
(how many alerts, by level), and one for each account (`account:NAME`), for each channel that has
yet to hear something (`waiting:NAME`) or lets nothing through (`failing:NAME`) and for each silence
(`silence:NUMBER`: its end in unix milliseconds, and its options).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo

from monitor.core.events import Now, StillHere
from monitor.core.formats import clock_after, ratio, span
from monitor.core.happenings import Happening
from monitor.core.introduction import held, nearest
from monitor.core.notices import Silence, Target
from monitor.core.portfolio import Account
from monitor.core.rules import STILL_HERE, Severity

_ACCOUNT, _WAITING, _FAILING, _SILENCE = "account:", "waiting:", "failing:", "silence:"

_SHOWN = 20
"""So many accounts have a line."""


def still_here(
    accounts: Iterable[Account],
    firing: Iterable[Severity],
    silences: Iterable[Silence],
    event: StillHere,
    now: Now,
) -> Happening:
    """Say what there is to be said today.

    Args:
        accounts: All of them.
        firing: The levels of the alerts that fire.
        silences: Those that stand.
        event: That it is time, and what the engine does not know.
        now: The moment.
    """
    watched = list(accounts)
    details = {
        "up": str(event.up),
        "positions": str(sum(len(account.holdings) for account in watched)),
        "nearest": _nearest(watched, now),
        "firing": _count(firing),
    }
    details |= {f"{_ACCOUNT}{each.name}": _said(each, now) for each in watched}
    details |= {f"{_WAITING}{name}": str(many) for name, many in event.waiting.items() if many}
    details |= {f"{_FAILING}{name}": "" for name in event.failing}
    details |= {f"{_SILENCE}{one.number}": f"{one.ends} {one}" for one in silences}
    return Happening(STILL_HERE, Target(""), details, Severity.INFO)


def _said(account: Account, now: Now) -> str:
    if not account.first_poll_done:
        return "not seen yet"
    fresh = account.stale_since is None
    return held(account, now) if fresh else f"no fresh numbers; last seen: {held(account, now)}"


def _nearest(accounts: Iterable[Account], now: Now) -> str:
    """Name the position that is nearest to its liquidation; "" where none is known."""
    found = [(near, account.name) for account in accounts if (near := nearest(account, now))]
    if not found:
        return ""
    (distance, position), name = min(found, key=lambda one: one[0][0])
    if not math.isfinite(distance):
        return ""
    return f"{position.symbol} {position.side} ({name}) {ratio(distance)} from liquidation"


def _count(levels: Iterable[Severity]) -> str:
    listed = list(levels)
    counted = {level: listed.count(level) for level in sorted(set(listed), reverse=True)}
    return ", ".join(f"{many} {level.word}" for level, many in counted.items())


# ---------------------------------------------------------------- in words


def accounts_in(details: Mapping[str, str]) -> list[str]:
    """Name the accounts that a daily message is about."""
    return list(_of(details, _ACCOUNT))


def in_short(details: Mapping[str, str]) -> str:
    """Say it in a few words, for a title."""
    nearest_of_all = details.get("nearest")
    return f"still here{f', nearest {nearest_of_all}' if nearest_of_all else ''}"


def in_full(details: Mapping[str, str], at: int, zone: tzinfo) -> Iterator[str]:
    """Say it in lines.

    Args:
        details: Facts of the notice.
        at: When it was so, unix milliseconds.
        zone: Of the times.
    """
    if "up" not in details:
        yield "the program is still here"
        return
    accounts = _of(details, _ACCOUNT)
    firing = f"firing: {details['firing']}" if details.get("firing") else "nothing fires"
    watched = f"{_many(len(accounts), 'account')}, {_many(int(details['positions']), 'position')}"
    yield f"watching for {span(int(details['up']))}: {watched}; {firing}"
    for name, said in list(accounts.items())[:_SHOWN]:
        yield f"{name}: {said}"
    if len(accounts) > _SHOWN:
        yield f"and {_many(len(accounts) - _SHOWN, 'more account')}"
    yield _delivered(_of(details, _WAITING), _of(details, _FAILING))
    for number, silence in _of(details, _SILENCE).items():
        ends, _, options = silence.partition(" ")
        yield f"silence {number} until {clock_after(int(ends), at, zone)}: {options}"


def _delivered(waiting: Mapping[str, str], failing: Mapping[str, str]) -> str:
    if not waiting and not failing:
        return "every notice was delivered"
    listed = [
        f"{waiting.get(name, '0')} for {name}{' (nothing gets through)' if name in failing else ''}"
        for name in dict.fromkeys([*waiting, *failing])
    ]
    return f"not delivered yet: {', '.join(listed)}"


def _of(details: Mapping[str, str], kind: str) -> dict[str, str]:
    return {
        name.removeprefix(kind): value for name, value in details.items() if name.startswith(kind)
    }


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
