"""The answer of `why` in words: the verdict first, then what it rests on, then who was told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from monitor.cli.accounts import exact_price, table
from monitor.cli.recalling import lines_of
from monitor.core.blindness import why as reasons
from monitor.core.formats import clock, clock_after, ratio, span
from monitor.store.history import Told

Facts = Mapping[str, Any]


def as_text(facts: Facts | None, told: Sequence[Told], now: int, zone: tzinfo) -> Iterator[str]:
    """Write the answer.

    Args:
        facts: What a service, or the store, says; None: the target is not there, and only what was
            told of it is left.
        told: The latest notices.
        now: Unix milliseconds.
        zone: Of the times.
    """
    if facts is not None:
        words = _Words(now, zone)
        yield from words.verdict(facts)
        yield from _marks(facts)
        yield from _numbers(facts)
        for level in reversed(facts["levels"]):
            yield ""
            yield from words.level(level)
        yield ""
        yield from words.silences(facts)
        yield from words.reminder(facts)
        yield from words.channels(facts)
        yield ""
    yield "latest notices" if told else "nothing was told of it"
    for one in told:
        yield from lines_of(one, now, zone)


def _marks(facts: Facts) -> Iterator[str]:
    """Say where the marks are that decide."""
    marks = {
        one["symbol"]: _price(one["mark"])
        for level in facts["levels"]
        for one in level["triggers"]
        if one["mark"] is not None
    }
    if marks:
        yield f"mark price {', '.join(f'{symbol} {mark}' for symbol, mark in marks.items())}"


def _numbers(facts: Facts) -> Iterator[str]:
    if not facts["values"]:
        return
    rows = []
    for value in facts["values"].values():
        age = "" if value["age"] is None else span(round(value["age"] * 1000))
        origin = " and ".join(value["from"])
        if value["estimate"]:
            origin = f"{origin}, carried on since the poll"
        rows.append([value["text"], value["grade"], age, origin])
    yield ""
    yield from table(["NUMBER", "GRADE", "AGE", "FROM"], rows, 4)


class _Words:
    """Sentences with times in them."""

    def __init__(self, now: int, zone: tzinfo) -> None:
        self._now, self._zone = now, zone

    def _time(self, text: str) -> str:
        return clock_after(_ms(text), self._now, self._zone)

    # ------------------------------------------------------------ the verdict

    def verdict(self, facts: Facts) -> Iterator[str]:
        """Say whether it fires, and what keeps it from being judged."""
        names = (facts["account"], facts["symbol"], facts["side"], facts["asset"])
        about = "/".join(filter(None, names))
        yield f"{facts['rule']} on {about}: {self._state(facts)}"
        yield f"as of {clock(_ms(facts['at']), self._zone)}"
        if facts["not_judged"]:
            judged = "" if facts["running"] is False else "not judged now: "
            yield f"{judged}{facts['not_judged']}"
        if facts["fresh"] is False:
            missing = reasons(facts["missing"], _ms(facts["at"]), self._zone)
            yield f"{facts['account']} is not fresh{f': {missing}' if missing else ''}"
        if facts["fresh"] is False and facts["levels"] and facts["scope"] != "account":
            yield "numbers that are not fresh may raise an alarm, never end one"
        if facts["not_searched"]:
            yield f"prices of {', '.join(facts['not_searched'])} were not searched: it takes long"

    def _state(self, facts: Facts) -> str:
        if facts["on"]:
            return f"fires when this happens: {', '.join(facts['on'])}"
        alert = facts["alert"]
        if alert is None or alert["severity"] == "none":
            rising = [one for one in facts["levels"] if one["switch"]["state"] == "rising"]
            return (
                f"not yet {rising[-1]['severity']}: its delay runs" if rising else "does not fire"
            )
        since = ""
        if alert["since"] is not None:
            passed = span(max(0, self._now - _ms(alert["since"])))
            since = f" since {self._time(alert['since'])}, for {passed}"
        same = alert["highest"] == alert["severity"]
        worst = "" if same else f", at worst {alert['highest']}"
        return f"{alert['severity'].upper()}{since}{worst}"

    # ------------------------------------------------------------ levels

    def level(self, level: Facts) -> Iterator[str]:
        """Say what a level's condition is, what of it is true, and what its switch does."""
        holds = "" if level["holds"] is None else f": {level['holds']}"
        if level["holds"] != level["raw"]:
            holds += f", but a higher level is {level['raw']}"
        yield f"{level['severity']}: {level['condition']}{holds}"
        parts = level["parts"]
        if len(parts) > 1:
            width = max(len(part["text"]) for part in parts)
            for part in parts:
                yield f"    {part['text']:<{width}}  {part['raw']}"
        yield f"  {self._switch(level)}"
        bands = [f"{part['text']} → {part['dead_band']}" for part in parts if part["dead_band"]]
        if bands and level["switch"]["state"] != "off":
            inside = level["raw"] == "false" and level["relaxed"] == "true"
            verb = "inside" if inside else "ends beyond"
            yield f"  {verb} its dead band: {'; '.join(bands)}"
        yield from _turns(level)

    def _switch(self, level: Facts) -> str:
        switch, state = level["switch"], level["switch"]["state"]
        left = "" if switch["left"] is None else span(round(switch["left"] * 1000))
        if state == "off":
            return {
                "unknown": "off: nobody can tell, so it is not seen true",
                "true": "off",
            }.get(level["raw"], "off")
        if state == "on":
            doubt = level["relaxed"] == "unknown"
            return "on: it cannot be seen false, so it stays on" if doubt else "on"
        since = self._time(switch["since"])
        if state == "rising":
            long = f"for {_seconds(switch['for'])}"
            if level["raw"] is None:
                return f"rising since {since} ({long})"
            if level["raw"] != "true":
                soon = f"in {left} at the earliest" if switch["left"] else "its time is over"
                return f"rising since {since}: {soon}, fires when it is seen true ({long})"
            return f"true since {since}: fires in {left} if it still holds ({long})"
        long = f"keep_firing_for {_seconds(switch['keep_firing_for'])}"
        if level["raw"] is None:
            return f"falling since {since} ({long})"
        if not switch["counts"]:
            return f"no longer true, but nobody can tell now: {left} of {long} are still to pass"
        return f"no longer true since {since}: clears in {left} if that lasts ({long})"

    # ------------------------------------------------------------ who is told

    def silences(self, facts: Facts) -> Iterator[str]:
        """Name the silences that cover it."""
        for one in facts["silences"]:
            until = self._time(one["ends"])
            yield f"silence {one['number']} until {until}: nobody is told ({one['options']})"
        if not facts["silences"]:
            yield "no silence covers it"

    def reminder(self, facts: Facts) -> Iterator[str]:
        """Say when the next reminder is due, of an alert that fires."""
        alert = facts["alert"]
        if alert is None or alert["severity"] == "none":
            return
        if alert["reminder"] is None:
            yield f"no reminder is due: {alert['no_reminder']}"
        else:
            left = span(max(0, _ms(alert["reminder"]) - self._now))
            yield f"reminder at {self._time(alert['reminder'])}, in {left}"

    def channels(self, facts: Facts) -> Iterator[str]:
        """Say of each channel what it heard last, what it would hear, and what is in its way."""
        if not facts["channels"]:
            yield "no channel is configured"
            return
        rows = [
            [one["name"], one["told"] or "nothing", _takes(one["takes"]), self._in_its_way(one)]
            for one in facts["channels"]
        ]
        yield ""
        yield from table(["CHANNEL", "HEARD LAST", "TAKES", ""], rows, 4)

    def _in_its_way(self, channel: Facts) -> str:
        found = []
        if channel["failing"]:
            found.append("nothing gets through to it")
        if channel["waiting"]:
            found.append(f"{channel['waiting']} not delivered yet")
        if channel["quiet_until"] and (channel["told"] or None in channel["takes"].values()):
            until = self._time(channel["quiet_until"])
            found.append(f"quiet until {until} for what is not critical")
        return "; ".join(found)


def _takes(takes: Mapping[str, str | None]) -> str:
    """Write which levels a channel takes, and why not the others."""
    taken = [level for level, refusal in takes.items() if refusal is None]
    why: dict[str, list[str]] = {}
    for level, refusal in takes.items():
        if refusal is not None:
            why.setdefault(refusal, []).append(level)
    refused = [f"not {', '.join(levels)}: {refusal}" for refusal, levels in why.items()]
    if not taken:
        return f"nothing: {'; '.join(why)}" if len(why) == 1 else "; ".join(refused)
    return "; ".join([", ".join(taken), *refused])


def _turns(level: Facts) -> Iterator[str]:
    """Say at which marks a level would turn."""
    found, stands = level["triggers"], level["switch"]["state"] in {"on", "falling"}
    if not found or (stands and level["raw"] == "unknown"):
        return  # any fresh mark would settle what is unknown of one that stands
    verb = "fires"
    if found[0]["on"]:
        verb = "clears"
    elif stands:
        verb = "is true again"
    places = [
        f"{one['symbol']} {sign} {_price(one[side])} ({_change(one[f'{side}_change'])})"
        for one in found
        for sign, side in (("≤", "below"), ("≥", "above"))
        if one[f"{side}_change"] is not None
    ]
    if places:
        yield f"  {verb} at {' or '.join(places)}"
        return
    answers = {one[side] for one in found for side in ("below", "above")}
    if "unknown" in answers:
        yield f"  nobody can tell at which price it {verb}"
    elif answers == {"not by price"}:
        yield f"  no price decides whether it {verb}"
    else:
        yield f"  at no price in reach it {verb}"


def _price(text: str) -> str:
    try:
        return exact_price(Decimal(text), None)
    except InvalidOperation:
        return text


def _change(text: str) -> str:
    return ratio(Decimal(text), signed=True)


def _seconds(seconds: float) -> str:
    return span(round(seconds * 1000))


def _ms(text: str) -> int:
    """Read an instant as JSON has it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
