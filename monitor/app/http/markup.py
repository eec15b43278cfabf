"""HTML that cannot be broken by what stands in it: whatever is not markup already is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Final

_EMPTY: Final = frozenset({"meta", "link", "rect", "line", "circle"})
"""Elements without an inside."""


class Html(str):
    """A text that is markup. Nothing else may be put into a page as it is."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str | None) -> Html:
    """Make an element; texts inside and attributes are escaped.

    Args:
        name: Of the element.
        inside: What stands in it: markup as it is, and texts.
        attributes: `class_` is `class`, `data_level` is `data-level`; None leaves one out.
    """
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(inside)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Put parts beside each other: markup as it is, texts escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
