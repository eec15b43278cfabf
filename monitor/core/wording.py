"""How many, and which: the small words that every sentence of ours shares."""

from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """Write "1 rule" or "2 rules"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def among(names: Sequence[str], shown: int = 3, between: str = ", ") -> str:
    """Write a few names of many: "a, b, c and 4 more"."""
    rest = len(names) - shown
    return between.join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
