"""Symbols, assets and accounts that a test names and that nobody has: slips of the pen.

Which symbols exist is open (semantics §4), so only what looks like a slip is refused: what can be
written on no exchange, and what is one letter away from what is known. A test that names a position
by a slip would otherwise be about nothing, and pass.
"""

import re
from collections.abc import Iterable

from monitor.core.language.globs import is_glob
from monitor.toml_positions.values import Wrong, shown

QUOTES = ("USDT", "USDC", "USD1", "FDUSD", "BUSD", "USDE", "BTC", "ETH", "BNB")
"""What symbols of USDⓈ-M end in."""
ASSETS = frozenset({*QUOTES, "USD", "BFUSD", "BNFCR", "LDUSDT", "SOL", "XRP", "ETC"})
"""Margin assets that are no slips of each other."""

_DELIVERY = re.compile(r"_(?:PERP|[0-9]{6})$")
_ACCOUNT = re.compile(r"[A-Za-z0-9._-]+")
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
        return not (name + other)[-1].isdigit() and len(name) != len(other)
    rest, others = name[at:], other[at:]
    if len(name) == len(other):
        if rest[2:] == others[2:] and rest[:2] == others[1::-1]:
            return True
        return rest[1:] == others[1:] and not (rest[0] + others[0]).isdigit()
    longer, shorter = (rest, others) if len(rest) > len(others) else (others, rest)
    return longer[1:] == shorter and not longer[0].isdigit()


def symbol_fault(symbol: str) -> Wrong | None:
    """Tell what is wrong with a symbol, if anything is."""
    wrong = _code_fault(symbol, "symbol", "BTCUSDT")
    if wrong is not None:
        return wrong
    pair = _DELIVERY.sub("", symbol)
    if pair.endswith(QUOTES) or (pair != symbol and pair.endswith("USD")):
        return None
    for length in (5, 4, 3):
        end = pair[-length:]
        quote = next(
            (each for each in QUOTES[:2] if len(pair) > length and _slipped(end, each)), ""
        )
        if quote:
            better = pair[:-length] + quote + symbol[len(pair) :]
            return Wrong(f"no symbol ends in {end}", f'did you mean "{better}"?')
    return None


def asset_fault(asset: str, of_test: Iterable[str] = ()) -> Wrong | None:
    """Tell what is wrong with a margin asset, if anything is.

    Args:
        asset: As it is written.
        of_test: The assets that the test speaks of elsewhere.
    """
    wrong = _code_fault(asset, "asset", "USDT")
    if wrong is not None or asset in ASSETS:
        return wrong
    better = slip(asset, [*of_test, *sorted(ASSETS)])
    return (
        Wrong(f"no asset is called {shown(asset)}", f'did you mean "{better}"?') if better else None
    )


def account_fault(name: str, others: Iterable[str]) -> Wrong | None:
    """Tell what is wrong with the name of an account that nothing else speaks of.

    Args:
        name: As it is written.
        others: The accounts that the test speaks of elsewhere, and the default.
    """
    if not _ACCOUNT.fullmatch(name):
        problem = f"{shown(name)} is no name: letters, digits, dashes, dots, underscores"
        return Wrong(problem, "name it as the configuration does")
    better = slip(name, others)
    if not better:
        return None
    hint = f'did you mean "{better}"? An account of its own has a [[test.account]]'
    return Wrong(f"there is no account called {shown(name)}", hint)


def _code_fault(text: str, noun: str, example: str) -> Wrong | None:
    if is_glob(text) or text.startswith("!"):
        return Wrong(f"{shown(text)} is a glob, and here one {noun} is meant", f'write "{example}"')
    bad = re.search(r"[^\w.-]|[a-z]", text)
    if bad is None:
        return None
    better = re.sub(r"[^\w.-]", "", text).upper()
    hint = f'did you mean "{better}"?' if better else f'write one like "{example}"'
    return Wrong(f"no {noun} is {shown(text)}: they are in capitals, in one piece", hint)
