"""The status page: facts → markup. Its frame, style and script are files beside this one.

Parts have an id each, under which the script puts what comes later. No style stands in an element
and no script in the page, since its policy allows neither; bars are drawn with plain SVG.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from importlib.resources import files

from monitor.app.http.markup import Html, join, tag
from monitor.app.http.seen import Bar, Price, Seen
from monitor.core.formats import clock, span
from monitor.core.notices import Silence
from monitor.core.rules import Severity
from monitor.core.standing import Standing

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but what this server gives, and nothing written into the page itself."""

MOST_ALERTS = 100
"""Shown of those that fire, the worst."""

_HOLE = re.compile(r"\{\{([a-z]+)\}\}")
"""Where something is put into the frame: {{state}}."""

_WIDTH = 1000
"""Of a bar, in its own units."""


def asset(name: str) -> bytes:
    """Read a file of the page: frame, style, script or icon."""
    return files(__package__).joinpath(name).read_bytes()


def whole(frame: str, title: str, parts: Mapping[str, Html], accounts: Iterable[str]) -> str:
    """Put a page together.

    Args:
        frame: `page.html`.
        title: Of the page.
        parts: By their ids.
        accounts: The ids of the parts of accounts, in their order.
    """
    sections = [tag("section", parts.get(name, ""), id=name, class_="account") for name in accounts]
    filled = {"title": join([title]), "accounts": join(sections)}
    filled |= {
        name: parts.get(name, Html()) for name in ("state", "firing", "delivery", "silences")
    }
    return _HOLE.sub(lambda hole: filled[hole[1]], frame)


def title(standing: Sequence[Standing], ailments: Sequence[str]) -> str:
    """Say in the title of a window what matters most."""
    for level in (Severity.CRITICAL, Severity.WARNING, Severity.INFO):
        count = sum(one.level is level for one in standing)
        if count:
            return f"({count} {level.word}) Marginwatch"
    return "(unwell) Marginwatch" if ailments else "Marginwatch"


# ---------------------------------------------------------------- what is so at all


def state(ailments: Sequence[str], utc: int, zone: tzinfo) -> Html:
    """Say whether the watch is well, and of when that is."""
    said = [tag("li", text) for text in ailments]
    if said:
        verdict = tag("p", _badge("critical", "the watch is not well"), class_="verdict")
        verdict = join([verdict, tag("ul", *said, class_="ailments")])
    else:
        verdict = tag("p", _badge("fine", "the watch is well"), class_="verdict")
    return join([verdict, tag("p", "as of ", tag("time", clock(utc, zone)), class_="asof")])


def firing(standing: Sequence[Standing], utc: int, zone: tzinfo) -> Html:
    """List the alerts that fire, and why."""
    if not standing:
        return tag("p", "Nothing fires.", class_="nothing")
    alerts = tag("ul", *(_alert(one, utc, zone) for one in standing[:MOST_ALERTS]), class_="alerts")
    more = len(standing) - MOST_ALERTS
    if more <= 0:
        return alerts
    return join(
        [alerts, tag("p", f"and {more} more: marginwatch alerts lists them", class_="more")]
    )


def _alert(one: Standing, utc: int, zone: tzinfo) -> Html:
    told = ", ".join(f"{name} ({level.word})" for name, level in one.told.items())
    facts = [f"told to {told}" if told else "told to nobody so far"]
    if one.since is not None:
        facts.insert(0, f"since {_time(one.since, utc, zone)}, {span(max(0, utc - one.since))} ago")
    if one.silences:
        facts.append(f"silenced by {', '.join(f'#{number}' for number in one.silences)}")
    return tag(
        "li",
        tag(
            "p",
            _badge(one.level.word, one.level.word),
            " ",
            tag("strong", one.rule),
            " ",
            tag("span", str(one.target), class_="target"),
        ),
        tag("p", one.said, class_="why") if one.said else Html(),
        tag("p", " · ".join(facts), class_="facts"),
        data_level=one.level.word,
    )


def delivery(waiting: Mapping[str, int], failing: Iterable[str]) -> Html:
    """List the channels, and what each has yet to hear."""
    if not waiting:
        return tag("p", "No channels.", class_="nothing")
    bad = frozenset(failing)
    rows = [
        tag(
            "li",
            tag("span", name, class_="name"),
            " ",
            _badge("critical", "nothing gets through") if name in bad else "",
            " ",
            tag("span", f"{count} waiting" if count else "nothing waits", class_="count"),
        )
        for name, count in waiting.items()
    ]
    return tag("ul", *rows, class_="rows")


def silences(found: Sequence[Silence], utc: int, zone: tzinfo) -> Html:
    """List what is silenced, and until when."""
    if not found:
        return tag("p", "None.", class_="nothing")
    rows = [
        tag(
            "li",
            tag("span", f"#{one.number} {one}", class_="name"),
            " ",
            tag("span", f"until {_time(one.ends, utc, zone)}", class_="count"),
        )
        for one in found
    ]
    return tag("ul", *rows, class_="rows")


def _time(at: int, utc: int, zone: tzinfo) -> str:
    """Write an instant: the time alone on the day of another."""
    moment, today = (datetime.fromtimestamp(each / 1000, zone) for each in (at, utc))
    return f"{moment:%H:%M:%S}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M}"


# ---------------------------------------------------------------- accounts


def account(
    name: str,
    trouble: str,
    said: str,
    pools: Sequence[Seen],
    positions: Sequence[Seen],
    more: int,
) -> Html:
    """Show an account.

    Args:
        name: As configured.
        trouble: Why it is not fresh; "" where it is.
        said: What it holds, in words.
        pools: Of it.
        positions: Those that are shown, the nearest first.
        more: How many are not.
    """
    head = [
        tag("h2", name),
        _badge("critical", "not fresh") if trouble else _badge("fine", "fresh"),
        tag("p", said, class_="held"),
    ]
    parts = [tag("header", *head)]
    if trouble:
        parts.append(tag("p", trouble, class_="trouble"))
    if positions:
        parts.append(tag("ul", *map(_card, positions), class_="cards"))
    if more:
        parts.append(tag("p", f"and {more} more, farther from liquidation", class_="more"))
    if pools:
        parts.append(tag("ul", *map(_card, pools), class_="cards pools"))
    return join(parts)


def _card(seen: Seen) -> Html:
    """Show a position or a pool."""
    level = seen.level.word
    notes = [
        tag("span", note, class_=f"note {note if note in {'long', 'short'} else ''}".strip())
        for note in seen.notes
    ]
    head = tag("h3", seen.title, " ", *notes)
    badge = _badge(level, level) if seen.level else Html()
    parts = [
        tag("header", head, badge),
        tag("p", seen.headline, class_="headline doubted" if seen.doubted else "headline"),
    ]
    if seen.bar is not None:
        parts.append(_bar(seen, seen.bar))
        ends = [
            tag("span", f"liquidation {seen.numbers['liquidation']}"),
            tag("span", f"mark {seen.numbers['mark']}"),
        ]
        parts.append(tag("p", *ends, class_="ends"))
    numbers = [
        tag("div", tag("dt", name), tag("dd", text))
        for name, text in seen.numbers.items()
        if text != "none" and not (seen.bar and name in {"liquidation", "mark"})
    ]
    parts += [tag("dl", *numbers), _price_list(seen)]
    return tag("li", *parts, class_="card", data_level=level)


def _price_list(seen: Seen) -> Html:
    if seen.prices is None:
        return tag("p", "looking for trigger prices …", class_="looking")
    parts = []
    for caption, on in (("fires at a mark", False), ("clears at a mark", True)):
        rows = [_price_row(one) for one in seen.prices if one.on is on]
        if rows:
            parts.append(tag("h4", caption))
            parts.append(tag("ul", *rows))
    if seen.unproved:
        levels = f"{seen.unproved} level{'' if seen.unproved == 1 else 's'}"
        text = f"of {levels} no price was found so quickly: marginwatch positions looks longer"
        parts.append(tag("p", text, class_="looking"))
    if not parts:
        parts.append(tag("p", "no mark would change any level", class_="looking"))
    return tag("div", *parts, class_="prices")


def _price_row(one: Price) -> Html:
    return tag(
        "li",
        _badge(one.severity.word, one.severity.word),
        " ",
        tag("span", one.rule, class_="rule"),
        " ",
        tag("span", one.words, class_="price"),
    )


def _bar(seen: Seen, bar: Bar) -> Html:
    """Draw how much of the way to liquidation is left, and what lies on it."""
    marks = [
        _line(one.place, f"tick {one.severity.word}", f"{one.severity.word} {one.rule} {one.words}")
        for one in seen.prices or ()
        if one.place is not None
    ]
    if bar.entry is not None:
        marks.insert(0, _line(bar.entry, "entry", "entry price"))
    return tag(
        "svg",
        tag("rect", class_="rail", x="0", y="8", width=str(_WIDTH), height="16", rx="4"),
        tag("rect", class_="room", x="0", y="8", width=f"{_WIDTH * bar.mark:.1f}", height="16"),
        *marks,
        _line(bar.mark, "mark", "mark price"),
        class_="bar aged" if seen.doubted else "bar",
        viewBox=f"-4 0 {_WIDTH + 8} 32",
        preserveAspectRatio="none",
        role="img",
        aria_label=seen.headline,
        data_level=seen.level.word,
    )


def _line(place: float, class_: str, words: str) -> Html:
    at = f"{_WIDTH * place:.1f}"
    return tag("line", x1=at, x2=at, y1="2", y2="30", class_=class_, aria_label=words)


def _badge(kind: str, words: str) -> Html:
    return tag("span", words, class_=f"badge {kind}")
