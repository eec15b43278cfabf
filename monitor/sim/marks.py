"""Mark price frames.

Source: docs/protocol.md §8.1: `<symbol>@markPrice` every 3 s, `@1s` every second,
`!markPrice@arr[@1s]` all symbols in one array. Index and average are the mark itself.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from monitor.sim.amounts import compact, money

FUNDING_RATE = "0.00010000"
_FUNDING_EVERY_MS = 8 * 60 * 60 * 1000
_COIN_MARGINED = Decimal(60000)
_PERIODS = {"@1s": 1000, "": 3000}


def next_funding(now: int) -> int:
    """Exchange ms of the next funding time: every eight hours, UTC."""
    return (now // _FUNDING_EVERY_MS + 1) * _FUNDING_EVERY_MS


class MarkFrames:
    """Says at each tick what every mark price stream sends.

    Args:
        coin_margined: Whether the array has a coin-margined symbol too (§1.5).
        split: Whether the array comes in two, as with symbols of other kinds (§8.1).
    """

    def __init__(self, *, coin_margined: bool = False, split: bool = False) -> None:
        self._coin_margined = coin_margined
        self._split = split
        self._sent: dict[str, int] = {}

    def at(
        self, story_ms: int, marks: Mapping[str, Decimal], now: int, *, wanted: bool = True
    ) -> dict[str, list[str]]:
        """Word the frames of a tick.

        Args:
            story_ms: Milliseconds since the story began; says which streams are due.
            marks: Symbol → mark.
            now: Exchange ms.
            wanted: Whether anybody listens; where not, nothing is worded.

        Returns:
            Stream name → the frames' texts, of the streams that are due.
        """
        due = [suffix for suffix, period in _PERIODS.items() if self._due(suffix, story_ms, period)]
        if not due or not wanted:
            return {}
        texts = {symbol: compact(_update(symbol, mark, now)) for symbol, mark in marks.items()}
        every = self._arrays(list(texts.values()), now)
        frames: dict[str, list[str]] = {}
        for suffix in due:
            frames |= {f"{s.lower()}@markPrice{suffix}": [text] for s, text in texts.items()}
            frames[f"!markPrice@arr{suffix}"] = every
        return frames

    def _arrays(self, texts: list[str], now: int) -> list[str]:
        """Word `!markPrice@arr`."""
        if self._coin_margined:
            texts = [*texts, compact(_update("BTCUSD_PERP", _COIN_MARGINED, now) | {"st": 2})]
        half = len(texts) // 2 if self._split else 0
        parts = [texts[:half], texts[half:]]
        return [f"[{','.join(part)}]" for part in parts if part]

    def _due(self, suffix: str, story_ms: int, period: int) -> bool:
        """Tell whether a new period has begun since the last frame."""
        turn = story_ms // period
        if self._sent.get(suffix) == turn:
            return False
        self._sent[suffix] = turn
        return True


def _update(symbol: str, mark: Decimal, now: int) -> dict[str, Any]:
    price = money(mark)
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": symbol,
        "p": price,
        "ap": price,
        "i": price,
        "P": price,
        "r": FUNDING_RATE,
        "T": next_funding(now),
        "st": 1,
    }
