"""`whatif`: each account after a shock."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from monitor.cli.accounts import (
    Read,
    as_json,
    exact_price,
    head_of,
    keys_of,
    name_of,
    table,
)
from monitor.core.formats import Style, in_cell, money, ratio
from monitor.core.language.units import Scope
from monitor.core.message import json_value
from monitor.core.metrics import Figure
from monitor.core.notices import Grade, Reading
from monitor.core.portfolio import Account
from monitor.core.rules import Severity
from monitor.core.supposing import marks_of
from monitor.core.whatif import (
    POOL_FIGURES,
    POSITION_FIGURES,
    Aftermath,
    Liquidated,
    Part,
    Shock,
    Standing,
    Twice,
    aftermath,
    shocked,
)
from monitor.oneshot import Looked

_TITLES = {
    "unrealized_pnl": "UPNL",
    "position_margin_ratio": "MARGIN RATIO",
    "liquidation_distance": "DISTANCE",
    "total_unrealized_pnl": "UPNL",
    "equity": "EQUITY",
    "margin_balance": "MARGIN BALANCE",
    "margin_ratio": "MARGIN RATIO",
}


class Shocks:
    """The answer of `whatif`.

    Args:
        read: The accounts.
        shocks: How marks move.

    Raises:
        OperatorError: A shock is meant for no symbol that any of the accounts holds.
    """

    def __init__(self, read: Read, shocks: Sequence[Shock]) -> None:
        self._read = read
        held = [symbol for _, account in read.accounts for symbol in marks_of(account)]
        self._changes = shocked(shocks, held)
        self._found = {
            one.name: aftermath(account, self._changes, read.judges, one.now)
            for one, account in read.accounts
        }

    # ---------------------------------------------------------------- as text

    def as_text(self) -> str:
        """Write each account after the shock."""
        return "\n\n".join("\n".join(self._account(one)) for one in self._read.looked)

    def _account(self, one: Looked) -> Iterator[str]:
        found = self._found.get(one.name)
        if one.account is None or found is None:
            yield f"{one.name}: could not be read"
        elif not one.account.holdings:
            yield f"{one.name}: no positions"
        else:
            yield f"{one.name}: {self._moves(found)}"
            yield from self._positions(found, one.account)
            yield from _pools(found)
            yield from self._liquidated(found, one.account)
            yield from _alerts(found)

    def _moves(self, found: Aftermath) -> str:
        moved = [
            f"{symbol} {ratio(self._changes[symbol], signed=True)}"
            for symbol in found.marks
            if symbol in self._changes
        ]
        still = len(moved) < len(found.marks)
        others = "; the others stay where they are" if moved and still else ""
        return f"after {', '.join(moved)}{others}" if moved else "no mark of it moves"

    def _positions(self, found: Aftermath, account: Account) -> Iterator[str]:
        rows = []
        for part in found.positions:
            key = part.target.symbol, part.target.position_side
            asset = account.holdings[key].position.margin_asset
            mark = found.marks.get(part.target.symbol)
            style = Style(asset, Scope.POSITION, self._read.digits(part.target.symbol))
            cells = [
                "unknown" if mark is None else _arrow("mark_price", mark, style),
                *(_arrow(name, part.figures[name], style) for name in POSITION_FIGURES),
            ]
            rows.append([name_of(part.target), *cells])
        yield from table(
            ["POSITION", "MARK", *(_TITLES[name] for name in POSITION_FIGURES)], rows, 1
        )

    def _liquidated(self, found: Aftermath, account: Account) -> Iterator[str]:
        yield ""
        for target in found.unknown:
            yield f"nobody can tell whether {name_of(target)} is liquidated: a number is missing"
        if not found.liquidated:
            yield "nothing else is liquidated" if found.unknown else "nothing is liquidated"
            return
        yield "liquidated, in this order:"
        for number, one in enumerate(found.liquidated, 1):
            yield f"  {number}. {self._body(one, account)}"

    def _body(self, one: Liquidated, account: Account) -> str:
        names = ", ".join(name_of(target) for target in one.positions)
        marks = ", ".join(
            f"{symbol} {exact_price(self._cut(symbol, mark), self._read.digits(symbol))}"
            for symbol, mark in one.marks.items()
        )
        when = f"after {ratio(one.way)} of the move, at {marks}" if one.way else "already now"
        what = f"the {one.asset} pool: {names}" if one.asset else f"{names} (isolated)"
        first = one.positions[0]
        asset = (
            one.asset or account.holdings[first.symbol, first.position_side].position.margin_asset
        )
        return f"{what}, {when}; the {money(one.lost, asset)} {asset} behind it are lost"

    def _cut(self, symbol: str, mark: Decimal) -> Decimal:
        """Leave out digits that a symbol's prices do not have, farther on the way."""
        digits = self._read.digits(symbol)
        rounding = ROUND_FLOOR if self._changes.get(symbol, 0) < 0 else ROUND_CEILING
        return mark if digits is None else mark.quantize(Decimal(1).scaleb(-digits), rounding)

    # ---------------------------------------------------------------- as JSON

    def as_json(self) -> str:
        """Write the same as one JSON document."""
        shocks = {symbol: f"{change:f}" for symbol, change in self._changes.items()}
        accounts = [self._account_as_json(one) for one in self._read.looked]
        return as_json({"shocks": shocks, "accounts": accounts})

    def _account_as_json(self, one: Looked) -> dict[str, Any]:
        found = self._found.get(one.name)
        head = head_of(one)
        if found is None:
            keys = ("marks", "positions", "pools", "liquidated", "unknown", "alerts")
            return head | dict.fromkeys(keys)
        return head | {
            "marks": {name: _pair("mark_price", twice) for name, twice in found.marks.items()},
            "positions": [_part_as_json(part) for part in found.positions],
            "pools": [_part_as_json(part) for part in found.pools],
            "liquidated": [_liquidated_as_json(body) for body in found.liquidated],
            "unknown": [keys_of(target) for target in found.unknown],
            "alerts": [_standing_as_json(standing) for standing in found.alerts],
        }


def _reading(figure: Figure) -> Reading:
    if figure is None:
        return Reading(Grade.UNKNOWN)
    if not isinstance(figure, (Decimal, str, int)):
        return Reading(Grade.ABSENT)
    return Reading(Grade.FRESH, figure)


def _arrow(name: str, twice: Twice, style: Style) -> str:
    before, after = (in_cell(name, _reading(each), style) for each in (twice.before, twice.after))
    return f"{before} → {after}"


def _pair(name: str, twice: Twice) -> dict[str, Any]:
    return {
        "before": json_value(name, _reading(twice.before)),
        "after": json_value(name, _reading(twice.after)),
    }


def _pools(found: Aftermath) -> Iterator[str]:
    rows = []
    for part in found.pools:
        style = Style(part.target.asset, Scope.POOL)
        cells = (_arrow(name, part.figures[name], style) for name in POOL_FIGURES)
        rows.append([part.target.asset, *cells])
    yield from table(["POOL", *(_TITLES[name] for name in POOL_FIGURES)], rows, 1)


def _alerts(found: Aftermath) -> Iterator[str]:
    yield ""
    if not found.alerts:
        yield "no alert would stand"
        return
    yield "alerts, delays left out:"
    rows = [_alert(standing) for standing in found.alerts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'  '.join(cells)}".rstrip()


def _alert(standing: Standing) -> tuple[str, str, str, str]:
    before = standing.before.word if standing.before else "none"
    after = standing.after.word if standing.after else "none"
    if standing.doubt:
        after += " or more"
    change = "as now" if standing.before is standing.after else f"now {before}"
    return after, standing.rule, name_of(standing.target), change


def _part_as_json(part: Part) -> dict[str, Any]:
    figures: Mapping[str, Twice] = part.figures
    return keys_of(part.target) | {name: _pair(name, twice) for name, twice in figures.items()}


def _liquidated_as_json(body: Liquidated) -> dict[str, Any]:
    return {
        "asset": body.asset or None,
        "way": f"{body.way.quantize(Decimal('1e-6')).normalize():f}",
        "marks": {symbol: f"{mark.normalize():f}" for symbol, mark in body.marks.items()},
        "positions": [keys_of(target) for target in body.positions],
        "lost": f"{body.lost:f}",
    }


def _standing_as_json(standing: Standing) -> dict[str, Any]:
    return keys_of(standing.target) | {
        "rule": standing.rule,
        "before": _word(standing.before),
        "after": _word(standing.after),
        "doubt": standing.doubt,
    }


def _word(severity: Severity) -> str | None:
    return severity.word if severity else None
