"""Symbols, assets and accounts that a test names and that nobody has: slips of the pen.

Which symbols exist is open (docs/semantics.md §4), so only what looks like a slip is refused: what
can be written on no exchange, and what is one letter away from what is known. A test that names a
position by a slip would otherwise be about nothing, and pass.
"""

import re
from collections.abc import Iterable

from monitor.core.language.globs import is_glob
from monitor.core.slips import asset_meant, slip, symbol_meant
from monitor.toml_positions.values import Wrong, shown

_ACCOUNT = re.compile(r"[A-Za-z0-9._-]+")


def symbol_fault(symbol: str) -> Wrong | None:
    """Tell what is wrong with a symbol, if anything is."""
    wrong = _code_fault(symbol, "symbol", "BTCUSDT")
    if wrong is not None:
        return wrong
    better = symbol_meant(symbol)
    if not better:
        return None
    return Wrong(f"{shown(symbol)} ends in no quote asset", f'did you mean "{better}"?')


def asset_fault(asset: str, of_test: Iterable[str] = ()) -> Wrong | None:
    """Tell what is wrong with a margin asset, if anything is.

    Args:
        asset: As it is written.
        of_test: The assets that the test speaks of elsewhere.
    """
    wrong = _code_fault(asset, "asset", "USDT")
    better = "" if wrong is not None else asset_meant(asset, of_test)
    if better:
        return Wrong(f"no asset is called {shown(asset)}", f'did you mean "{better}"?')
    return wrong


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
