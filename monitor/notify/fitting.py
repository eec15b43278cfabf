"""Title and text → what a service takes in one request.

A title begins with severity and target, a text ends with the notice's number and whether it was
sent before: those stay. Of the text, the end of what stands above its last line goes, and how much
that was is said. Apprise is told not to cut, nor to split: a repeat would repeat what got there.

How much a service takes is `body_maxlen` of its plug-in, but where that misleads: see `_SERVICES`.
How it counts: most count UTF-16 units, or characters, of which there are never more.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from monitor.core.message import LONGEST_TITLE, Message

_LONGEST_FOOTER = 1500
"""A last line that is longer is no footer."""


def fitted(service: Any, message: Message) -> Message:
    """Cut a message to what the service takes in one request, and escape what it would eat."""
    limits = _limits(service)
    title, body = _clean(message.title.replace("\n", " ")), _clean(message.body)
    room = limits.body
    if limits.title > 0:
        title = _cut(title, limits.title, limits.cost)
    if limits.above:
        title = _cut(title, limits.body // 2, limits.cost)
        room -= _length(title, limits.cost) + _LINE_END
    body = _cut_above_footer(body, room, limits.cost)
    return Message(limits.escape(title), limits.escape(body))


def room(service: Any) -> int:
    """Count the UTF-16 units of text that fit below any title.

    Whether a title goes into the text depends on the service; where it does, the longest is
    taken off. What some services count more than once is allowed for as far as our texts have it:
    line ends, a few marks, for ntfy signs and names beyond ASCII.
    """
    limits = _limits(service)
    body = limits.body * 2 // 3 if limits.cost is _bytes else limits.body
    if not limits.above:
        return body
    title = min(LONGEST_TITLE, limits.title or LONGEST_TITLE, body // 2)
    return body - title - _LINE_END - (_LINES if limits.cost("\n") > 1 else 0)


_LINE_END = 2  # Apprise puts "\r\n" between a title and a text
_LINES = 100  # more than a message of ours has


# ------------------------------------------------------------------ what each service takes


def _units(char: str) -> int:
    """Count as services that count most do: an emoji is two."""
    return 2 if char > "\uffff" else 1


def _with_returns(char: str) -> int:
    """Telegram: Apprise sends "\\r\\n". Entities count as the characters that they stand for."""
    return 2 if char == "\n" else _units(char)


def _entities(char: str) -> int:
    """Slack: Apprise sends `&amp;`, and Slack cuts what it received at 40,000 characters."""
    return {"&": 5, "<": 4, ">": 4}.get(char) or _units(char)


def _escaped(char: str) -> int:
    """Discord: a backslash of ours counts."""
    return 2 if char in "\\*_~`|" else _units(char)


def _bytes(char: str) -> int:
    """ntfy: bytes of UTF-8, or half of those of its JSON, in which Apprise writes "–" as six."""
    return max(len(char.encode()), (len(json.dumps(char)) - 1) // 2)


_MARKUP = re.compile(r"(https?://\S+)|([\\*~`|]|(?<!\w)_|_(?!\w))")


def _without_markup(text: str) -> str:
    r"""Write what Discord would take for bold or code as characters: `\*`; links stay as they are.

    `_` within a word is no markup there, so `margin_room` stays readable everywhere.
    """
    return _MARKUP.sub(lambda found: found[1] or f"\\{found[2]}", text)


class _Kind(NamedTuple):
    """How a service differs from what its plug-in says."""

    cost: Callable[[str], int] = _units
    escape: Callable[[str], str] = str
    most: int | None = None
    """Its text may have so many; None: `body_maxlen` of its plug-in."""


_SERVICES = {
    "Telegram": _Kind(_with_returns),
    "Slack": _Kind(_entities),
    "Discord": _Kind(_escaped, _without_markup),
    # A server makes a file of what has more than 4,096 bytes, and Apprise of what has more than
    # 8,000 as JSON: the phone then shows neither text nor number. Twice this, with the topic, fits.
    "ntfy": _Kind(_bytes, most=3_800),
}
_SLACK_BLOCK = 3_000  # characters; a longer one is refused
_SLACK_HEADER = 150


class _Limits(NamedTuple):
    body: int
    title: int
    """0: it has no title of its own."""
    above: bool
    """Whether the title counts as part of the text."""
    cost: Callable[[str], int]
    escape: Callable[[str], str]


def _limits(service: Any) -> _Limits:
    kind = _SERVICES.get(str(service.service_name), _Kind())
    body, title = kind.most or service.body_maxlen, service.title_maxlen
    escape = kind.escape
    if service.resolve_format("text").value != "text":
        escape = str  # the URL asks for a markup, into which Apprise translates
    if getattr(service, "use_blocks", False):  # Slack, where the URL asks for it
        body, title = min(body, _SLACK_BLOCK), min(title, _SLACK_HEADER)
    above = title <= 0 or service.overflow_amalgamate_title
    return _Limits(body, max(title, 0), above, kind.cost, escape)


# ------------------------------------------------------------------ cutting

_CONTROLS = {code: " " for code in (*range(32), 127) if chr(code) not in "\t\n"}


def _clean(text: str) -> str:
    """Take out what cannot be sent: half an emoji, and control characters.

    Marks that turn the direction of writing stay: symbols may need them, and they end with a line.
    """
    return text.encode("utf-8", "replace").decode().translate(_CONTROLS)


def _cut_above_footer(body: str, limit: int, cost: Callable[[str], int]) -> str:
    if _length(body, cost) <= limit:
        return body
    above, _, footer = body.rpartition("\n")
    below = _length(footer, cost)
    left = limit - below - _length("\n… 1,000,000 more characters\n", cost)
    if not above or below > _LONGEST_FOOTER or left < 0:
        return _cut(body, limit, cost)
    kept = _first(above, left, cost)
    return f"{kept}\n… {len(above) - len(kept):,} more characters\n{footer}"


def _cut(text: str, limit: int, cost: Callable[[str], int]) -> str:
    if _length(text, cost) <= limit:
        return text
    return f"{_first(text, limit - cost('…'), cost)}…"


def _length(text: str, cost: Callable[[str], int]) -> int:
    return sum(map(cost, text))


def _first(text: str, limit: int, cost: Callable[[str], int]) -> str:
    """Keep as many characters from the beginning as fit."""
    used = 0
    for index, char in enumerate(text):
        used += cost(char)
        if used > limit:
            return text[:index]
    return text
