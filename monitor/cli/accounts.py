"""What `positions` and `whatif` share: accounts read once, rules, tables."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from monitor.app import real_now
from monitor.binance.link import make_dial
from monitor.binance.once import Contract
from monitor.cli.loading import rules_of
from monitor.cli.logs import logging_to
from monitor.config import find_config, load_config, redactor
from monitor.core.formats import Style, amount, in_cell
from monitor.core.judging import Judge, Sight, reading
from monitor.core.language.units import Scope
from monitor.core.message import json_value
from monitor.core.metrics import METRICS
from monitor.core.notices import Target
from monitor.core.portfolio import Account
from monitor.oneshot import Looked, read_accounts
from monitor.rulefile import find_rule_files

_LOG = logging.getLogger("marginwatch")


@dataclass(frozen=True)
class Read:
    """Every account of a configuration, read once, and the rules to judge them by."""

    looked: list[Looked]
    contracts: dict[str, Contract]
    judges: tuple[Judge, ...]

    @property
    def all_were_read(self) -> bool:
        """Whether there is an answer for each of them."""
        return all(one.account is not None for one in self.looked)

    @property
    def accounts(self) -> list[tuple[Looked, Account]]:
        """Those that could be read."""
        return [(one, one.account) for one in self.looked if one.account is not None]

    def style(self, symbol: str, asset: str, mark: Decimal | None = None) -> Style:
        """Tell how the prices of a symbol are written."""
        return Style(asset, Scope.POSITION, self.digits(symbol), mark)

    def digits(self, symbol: str) -> int | None:
        """Tell how many digits after the point a symbol's prices have; None where not known."""
        contract = self.contracts.get(symbol)
        if contract is None or contract.tick is None:
            return None
        exponent = contract.tick.normalize().as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else None


def read(path: Path | None, patterns: Sequence[str]) -> Read:
    """Read the accounts of a configuration; who is waited for is said on stderr.

    Args:
        path: The configuration; None for the usual places.
        patterns: Rule files in place of its own, from the working directory.

    Raises:
        OperatorError: With every fault of the configuration or the rules.
    """
    config = load_config(find_config(path), need_channels=False)
    rules = rules_of(config, find_rule_files(patterns) if patterns else None)
    redact = redactor(config)

    def tell(text: str) -> None:
        click.echo(redact(text), err=True)

    with logging_to(level="error", redact=redact):
        looked, contracts = trio.run(
            partial(read_accounts, config, dial=make_dial(), now=real_now, tell=tell, log=_LOG)
        )
    looked = [_redacted(one, redact) for one in looked]
    for one in looked:
        for text in (*one.faults, *(f"{one.name}: {missing}" for missing in one.missing)):
            click.echo(text, err=True)
    return Read(looked, contracts, tuple(Judge(rule) for rule in rules if rule.levels))


def _redacted(one: Looked, redact: Callable[[str], str]) -> Looked:
    """Take secrets out of what others said, should one ever quote what it was asked."""
    faults, missing = (tuple(map(redact, texts)) for texts in (one.faults, one.missing))
    return replace(one, faults=faults, missing=missing)


def as_json(document: object) -> str:
    """Write one JSON document."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def head_of(one: Looked) -> dict[str, Any]:
    """Word for JSON which account it is, and what went wrong with it."""
    return {
        "name": one.name,
        "network": one.network,
        "faults": list(one.faults),
        "missing": list(one.missing),
    }


# ---------------------------------------------------------------- words


def name_of(target: Target) -> str:
    """Name a target within its account: "BTCUSDT long", "USDT pool"."""
    if target.symbol:
        return f"{target.symbol} {target.side}"
    return f"{target.asset} pool" if target.asset else "account"


def keys_of(target: Target) -> dict[str, str | None]:
    """Name a target as JSON does."""
    return {
        "symbol": target.symbol or None,
        "position_side": target.position_side or None,
        "side": target.side or None,
        "asset": target.asset or None,
    }


def said(sight: Sight, name: str, style: Style) -> str:
    """Write a metric in a cell."""
    return in_cell(name, reading(sight, METRICS[name]), style)


def worded(sight: Sight, name: str) -> Any:
    """Write a metric as JSON does."""
    return json_value(name, reading(sight, METRICS[name]))


def exact_price(price: Decimal, digits: int | None) -> str:
    """Write a price with every digit that it has, and as many as the symbol's prices have."""
    text = amount(price)
    whole, _, fraction = text.partition(".")
    fraction = fraction.ljust(digits or 0, "0")
    return f"{whole}.{fraction}" if fraction else whole


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Lay out a table.

    Args:
        titles: Of the columns.
        rows: Their cells.
        left: How many columns, from the left, are words; the others are numbers.
    """
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
