"""Why an account is not fresh: what is missing, as facts of a notice, and in words.

Facts are kept with the notice as plain text: `refused`, `key` (what the exchange said),
`contradiction` (what its answers do not agree on), and in unix
milliseconds `banned_until`, `polled_at` (the last complete poll) and `mark:SYMBOL`; "" where there
never was any.
"""

from collections.abc import Iterator, Mapping
from datetime import tzinfo

from monitor.core.events import Now
from monitor.core.formats import clock, span
from monitor.core.freshness import NEVER
from monitor.core.portfolio import Account

_MARK = "mark:"
_NAMED = 3
"""So many symbols are named, the oldest marks first."""


def gaps(account: Account, now: Now) -> dict[str, str]:
    """Collect what is missing of an account; nothing while it is fresh."""
    if account.stale_since is None:
        return {}
    facts = {}
    if account.refused:
        facts["refused"] = account.refused
    if account.key_refusal:
        facts["key"] = account.key_refusal
    if account.banned_until > now.utc:
        facts["banned_until"] = str(account.banned_until)
    if account.contradiction:
        facts["contradiction"] = account.contradiction
    oldest = now.ticks - account.limit
    if not account.first_poll_done:
        facts["polled_at"] = ""
    elif account.polled_at <= oldest:
        facts["polled_at"] = _utc(account.polled_at, now)
    old = [holding for holding in account.holdings.values() if holding.mark_at <= oldest]
    for holding in sorted(old, key=lambda holding: holding.mark_at):
        facts.setdefault(f"{_MARK}{holding.position.symbol}", _utc(holding.mark_at, now))
    return facts


def _utc(ticks: int, now: Now) -> str:
    return "" if ticks == NEVER else str(now.utc - (now.ticks - ticks))


def why(facts: Mapping[str, str], at: int, zone: tzinfo) -> str:
    """Say what is missing, as it was at an instant; "" where nothing is.

    Args:
        facts: From `gaps`.
        at: Unix milliseconds.
        zone: Of the times in the text.
    """
    return "; ".join(_reasons(facts, at, zone))


def _reasons(facts: Mapping[str, str], at: int, zone: tzinfo) -> Iterator[str]:
    if "refused" in facts:
        yield facts["refused"]
    if "key" in facts:
        yield f"the exchange rejects the API key: {facts['key'].rstrip('.')}"
    if "banned_until" in facts:
        until = clock(int(facts["banned_until"]), zone)
        yield f"the exchange bans this machine's address until {until}"
    if "contradiction" in facts:
        yield f"the exchange's answers contradict each other: {facts['contradiction']}"
    polled = facts.get("polled_at")
    if polled == "":
        yield "no poll has been complete since the program began to watch"
    elif polled is not None:
        yield f"no complete poll for {span(at - int(polled))}"
    marks = {name.removeprefix(_MARK): at_ for name, at_ in facts.items() if name.startswith(_MARK)}
    if marks:
        yield f"no mark price of {', '.join(_aged(marks, at))}"


def _aged(marks: Mapping[str, str], at: int) -> Iterator[str]:
    for symbol, seen in list(marks.items())[:_NAMED]:
        yield f"{symbol} for {span(at - int(seen))}" if seen else f"{symbol} so far"
    if len(marks) > _NAMED:
        yield f"and {len(marks) - _NAMED} more"
