"""Slips of the pen: names one letter away from what is known, symbols that end in no quote asset.

Which symbols and assets exist is open (docs/semantics.md §4), so that only what looks like a slip
is told. Digits are no slips: `swing1` and `swing2` are two.
"""

import re
from collections.abc import Iterable

QUOTES = ("USDT", "USDC", "USD1", "FDUSD", "BUSD", "USDE", "BTC", "ETH", "BNB")
"""What symbols of USDⓈ-M end in."""
ASSETS = frozenset({*QUOTES, "USD", "BFUSD", "BNFCR", "LDUSDT", "SOL", "XRP", "ETC"})
"""Margin assets that are no slips of each other."""

_DELIVERY = re.compile(r"_(?:PERP|[0-9]{6})$")
_SHORTEST = 4
"""Shorter names resemble too many others."""


def slip(name: str, known: Iterable[str]) -> str:
    """Find the known name that a name is one slip away from; "" where there is none.

    A slip is one letter too many, too few, another or in its neighbour's place, or the wrong case.
    Digits are no slips: `swing1` and `swing2` are two.
    """
    known = list(dict.fromkeys(known))
    if name in known:
        return ""
    for each in known:
        if name.casefold() == each.casefold():
            return each
    if len(name) < _SHORTEST:
        return ""
    return next((each for each in known if len(each) >= _SHORTEST and _slipped(name, each)), "")


def _slipped(name: str, other: str) -> bool:
    """Tell whether one edit of letters makes one of the other."""
    if abs(len(name) - len(other)) > 1:
        return False
    at = next(
        (at for at, pair in enumerate(zip(name, other, strict=False)) if len({*pair}) > 1), None
    )
    if at is None:  # one is the beginning of the other
        return not max(name, other, key=len)[-1].isdigit()
    rest, others = name[at:], other[at:]
    if len(name) == len(other):
        if rest[2:] == others[2:] and rest[:2] == others[1::-1]:
            return True
        return rest[1:] == others[1:] and not (rest[0] + others[0]).isdigit()
    longer, shorter = (rest, others) if len(rest) > len(others) else (others, rest)
    return longer[1:] == shorter and not longer[0].isdigit()


def symbol_meant(symbol: str) -> str:
    """Give the symbol that one was meant to be which ends in a misspelt quote asset; "" if none.

    Args:
        symbol: A symbol, or a glob over symbols.
    """
    pair = _DELIVERY.sub("", symbol)
    if pair.endswith(QUOTES) or (pair != symbol and pair.endswith("USD")):
        return ""
    for length in (5, 4, 3):
        end = pair[-length:]
        whole = len(pair) > length and end.isalnum()
        quote = next((each for each in QUOTES[:2] if whole and _slipped(end, each)), "")
        if quote:
            return pair[:-length] + quote + symbol[len(pair) :]
    return ""


def asset_meant(asset: str, others: Iterable[str] = ()) -> str:
    """Give the asset that an unknown one was meant to be; "" if none."""
    return "" if asset in ASSETS or not asset.isalnum() else slip(asset, [*others, *sorted(ASSETS)])
