"""`positions`: what is held, at which mark each level turns, and what brings more room."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from monitor.cli.accounts import (
    Read,
    as_json,
    exact_price,
    head_of,
    keys_of,
    name_of,
    said,
    table,
    worded,
)
from monitor.core.events import Now
from monitor.core.formats import Style, amount, ratio
from monitor.core.portfolio import Account
from monitor.core.remedies import Remedy, remedy
from monitor.core.rules import Severity
from monitor.core.supposing import Subject, subjects_of
from monitor.core.triggers import Answer, Trigger, triggers_of
from monitor.core.wording import count
from monitor.errors import OperatorError
from monitor.oneshot import Looked

_COLUMNS = {
    "QUANTITY": "quantity",
    "ENTRY": "entry_price",
    "MARK": "mark_price",
    "LIQUIDATION": "liquidation_price",
    "DISTANCE": "liquidation_distance",
    "ROOM": "margin_room",
    "LEVERAGE": "leverage",
    "UPNL": "unrealized_pnl",
}
_POOL_COLUMNS = {
    "WALLET": "wallet_balance",
    "EQUITY": "equity",
    "MARGIN BALANCE": "margin_balance",
    "MAINTENANCE": "maintenance_margin",
    "MARGIN RATIO": "margin_ratio",
}


def read_target(text: str) -> Decimal:
    """Read a distance such as "10%", as a part.

    Raises:
        OperatorError: It is none.
    """
    number = text.strip().removesuffix("%")
    if number == text.strip() or not re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?", number):
        raise OperatorError(f"--target {text}: is no percentage below 100 (write 10%)")
    part = Decimal(number) / 100
    if not part:
        raise OperatorError(f"--target {text}: has to be above 0%")
    return part


class Positions:
    """The answer of `positions`.

    Args:
        read: The accounts.
        target: The distance from liquidation that margin or size should bring, a part.
    """

    def __init__(self, read: Read, target: Decimal) -> None:
        self._read = read
        self._target = target
        self._ticks = {
            symbol: contract.tick
            for symbol, contract in read.contracts.items()
            if contract.tick is not None
        }

    def _triggers(self, subject: Subject, now: Now) -> list[Trigger]:
        return triggers_of(subject, self._read.judges, now, self._ticks)

    def _remedy(self, subject: Subject, now: Now) -> Remedy | None:
        contract = self._read.contracts.get(subject.target.symbol)
        step = None if contract is None else contract.step
        return remedy(subject, self._target, now, step)

    # ---------------------------------------------------------------- as text

    def as_text(self) -> str:
        """Write a table for each account, and for each target its rules."""
        blocks = ["\n".join(self._account(one)) for one in self._read.looked]
        return "\n\n".join(blocks)

    def _account(self, one: Looked) -> Iterator[str]:
        if one.account is None:
            yield f"{one.name}: could not be read"
            return
        subjects = list(subjects_of(one.account))
        held = [subject for subject in subjects if subject.holding is not None]
        pools = [subject for subject in subjects if subject.asset and held]
        yield f"{one.name}: {count(len(held), 'position') if held else 'no positions'}"
        if held:
            titles = ["SYMBOL", "SIDE", "MARGIN", *_COLUMNS]
            yield from table(titles, [self._row(each, one.now) for each in held], 3)
        if pools:
            yield from table(["POOL", *_POOL_COLUMNS], [_pool(each, one.now) for each in pools], 1)
        for subject in (*held, *pools):
            yield from self._rules(subject, one.now)

    def _row(self, subject: Subject, now: Now) -> list[str]:
        assert subject.holding is not None  # noqa: S101 - only positions are asked for
        sight, position = subject.sight(now), subject.holding.position
        mark = subject.holding.mark_price
        style = self._read.style(position.symbol, position.margin_asset, mark)
        cells = {title: said(sight, name, style) for title, name in _COLUMNS.items()}
        cells["QUANTITY"] = amount(abs(position.quantity))
        cells["UPNL"] += f" {position.margin_asset}"
        return [position.symbol, position.side, position.margin_type, *cells.values()]

    def _rules(self, subject: Subject, now: Now) -> Iterator[str]:
        lines = [self._line(group) for group in _by_level(self._triggers(subject, now))]
        todo = self._todo(subject, now)
        if lines or todo:
            yield ""
            yield name_of(subject.target)
            widths = [max((len(line[at]) for line in lines), default=0) for at in (0, 1)]
            for severity, rule, text in lines:
                yield f"  {severity:<{widths[0]}}  {rule:<{widths[1]}}  {text}"
            yield from todo

    def _line(self, group: list[Trigger]) -> tuple[str, str, str]:
        """Write one level; of a pool, the marks of all its symbols."""
        first = group[0]
        places = [text for trigger in group for text in self._places(trigger)]
        if places:
            text = f"at {' or '.join(places)}{_doubt(group)}"
        else:
            answers = {each for one in group for each in (one.below, one.above)}
            text = next(each.value for each in _WORST_FIRST if each in answers)
        if first.on:
            text = f"on, clears {text}"
        return first.severity.word, first.rule, text

    def _places(self, trigger: Trigger) -> Iterator[str]:
        for sign, price in (("≤", trigger.below), ("≥", trigger.above)):
            if isinstance(price, Decimal) and trigger.mark is not None:
                shown = exact_price(price, self._read.digits(trigger.symbol))
                change = ratio(price / trigger.mark - 1, signed=True)
                yield f"{trigger.symbol} {sign} {shown} ({change})"

    def _todo(self, subject: Subject, now: Now) -> list[str]:
        found = self._remedy(subject, now) if subject.holding is not None else None
        if found is None:
            return []
        ways = []
        if found.margin is not None:
            where = "pool" if found.to_pool else "position"
            # Never written rounded: what is short of it is not enough.
            margin = exact_price(found.margin, 2)
            ways.append(f"add {margin} {found.asset} to the {where}")
        if found.size is not None:
            ways.append(f"close {amount(found.size)} (reduce-only, at the mark, fees left out)")
        elif found.margin is not None:
            ways.append("close it: closing a part of it does not get there")
        text = ", or ".join(ways) or "unknown"
        return [f"  to be {ratio(self._target)} from liquidation: {text}"]

    # ---------------------------------------------------------------- as JSON

    def as_json(self) -> str:
        """Write the same as one JSON document."""
        accounts = [self._account_as_json(one, one.account) for one in self._read.looked]
        return as_json({"target": f"{self._target:f}", "accounts": accounts})

    def _account_as_json(self, one: Looked, account: Account | None) -> dict[str, Any]:
        head = head_of(one)
        if account is None:
            return head | {"positions": None, "pools": None}
        subjects = list(subjects_of(account))
        held = [subject for subject in subjects if subject.holding is not None]
        pools = [subject for subject in subjects if subject.asset]
        return head | {
            "positions": [self._position_as_json(each, one.now) for each in held],
            "pools": [self._pool_as_json(each, one.now) for each in pools],
        }

    def _position_as_json(self, subject: Subject, now: Now) -> dict[str, Any]:
        sight, found = subject.sight(now), self._remedy(subject, now)
        names = ("margin_type", *_COLUMNS.values())
        return {
            **keys_of(subject.target),
            "asset": worded(sight, "asset"),
            **{name: worded(sight, name) for name in names},
            "triggers": [each.facts() for each in self._triggers(subject, now)],
            "remedy": None if found is None else _remedy_as_json(found),
        }

    def _pool_as_json(self, subject: Subject, now: Now) -> dict[str, Any]:
        sight = subject.sight(now)
        return {
            "asset": subject.asset,
            **{name: worded(sight, name) for name in _POOL_COLUMNS.values()},
            "triggers": [each.facts() for each in self._triggers(subject, now)],
        }


_WORST_FIRST = (Answer.UNKNOWN, Answer.NEVER, Answer.NOT_BY_PRICE)


def _doubt(group: Iterable[Trigger]) -> str:
    """Name the sides of which nothing can be said, beside those that have a price."""
    sides = [
        f"{one.symbol} {where}"
        for one in group
        for where, answer in (("below", one.below), ("above", one.above))
        if answer is Answer.UNKNOWN
    ]
    return f"; unknown: {', '.join(sides)}" if sides else ""


def _pool(subject: Subject, now: Now) -> list[str]:
    sight = subject.sight(now)
    return [
        subject.asset,
        *(said(sight, name, Style(subject.asset)) for name in _POOL_COLUMNS.values()),
    ]


def _by_level(triggers: Iterable[Trigger]) -> list[list[Trigger]]:
    """Put together what is of one level, in the order in which they were found first."""
    found: dict[tuple[str, Severity], list[Trigger]] = {}
    for trigger in triggers:
        found.setdefault((trigger.rule, trigger.severity), []).append(trigger)
    return list(found.values())


def _remedy_as_json(found: Remedy) -> dict[str, Any]:
    return {
        "margin": _number(found.margin),
        "asset": found.asset,
        "to": "pool" if found.to_pool else "position",
        "margin_distance": _number(found.margin_distance),
        "size": _number(found.size),
        "size_distance": _number(found.size_distance),
    }


def _number(value: Decimal | None) -> str | None:
    if value is None:
        return None
    return f"{value:f}" if value.is_finite() else "infinite"
