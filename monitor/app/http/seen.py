"""What is shown of an account, in words and in places on a bar; no markup here.

The bar of a position is the way of its mark to the liquidation price:

    liquidation ├────────╂──────┼───────────┤ where it began, or the mark if that is farther
                      trigger  mark
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from monitor.app.http.seeking import Found
from monitor.core.blindness import gaps, why
from monitor.core.events import Now
from monitor.core.formats import Style, amount, in_cell, price, ratio
from monitor.core.introduction import nearest
from monitor.core.judging import Sight, reading
from monitor.core.language.units import Scope
from monitor.core.metrics import METRICS, View
from monitor.core.notices import Grade, Reading, Target
from monitor.core.portfolio import Account
from monitor.core.rules import Severity
from monitor.core.standing import Standing
from monitor.core.supposing import Subject
from monitor.core.triggers import Answer, Trigger

MOST_PRICES = 4
"""Of a position or pool, so many trigger prices that lie ahead are shown, the nearest."""

_POSITION = {
    "liquidation": "liquidation_price",
    "mark": "mark_price",
    "entry": "entry_price",
    "quantity": "quantity",
    "notional": "notional",
    "unrealized PnL": "unrealized_pnl",
    "margin room": "margin_room",
    "ADL place": "adl",
}
_POOL = {
    "margin balance": "margin_balance",
    "maintenance": "maintenance_margin",
    "equity": "equity",
    "available": "available_balance",
    "unrealized PnL": "total_unrealized_pnl",
}


@dataclass(frozen=True, slots=True)
class Price:
    """Where a level would fire, or would clear where it is on."""

    rule: str
    severity: Severity
    on: bool
    words: str
    place: float | None = None
    """On the bar, 0 to 1; None: not on it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A position on the way to its liquidation price; places are 0 (there) to 1."""

    mark: float
    entry: float | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is shown of a position or a pool."""

    title: str
    notes: tuple[str, ...]
    """Side, margin type, leverage."""
    level: Severity
    """The worst that fires about it."""
    headline: str
    """Its distance from liquidation, or its margin ratio, in words."""
    doubted: bool
    """Whether the headline is aged or unknown."""
    numbers: Mapping[str, str]
    bar: Bar | None
    prices: tuple[Price, ...] | None
    """None: nobody has looked for them yet."""
    unproved: int
    """Levels of which no price was found in the time that was given."""


def levels(standing: Sequence[Standing]) -> dict[Target, Severity]:
    """Tell the worst level that fires about each target."""
    found: dict[Target, Severity] = {}
    for one in standing:
        found[one.target] = max(one.level, found.get(one.target, Severity.NONE))
    return found


def trouble_of(account: Account, now: Now, zone: tzinfo, link: str) -> str:
    """Say why an account is not fresh; "" where it is.

    Args:
        account: Which.
        now: The instant.
        zone: Of times in the text.
        link: What stands in the way of its connections; "" where nothing does.
    """
    if account.stale_since is None:
        return ""
    reasons = why(gaps(account, now), now.utc, zone)
    return "; ".join(filter(None, [reasons, link])) or "its numbers are being asked for"


def nearest_words(account: Account, now: Now) -> str:
    """Say how many positions there are, and how near the nearest is."""
    count = len(account.holdings)
    if not count:
        return "no positions"
    said = f"{count} position{'' if count == 1 else 's'}"
    found = nearest(account, now)
    if found is None or not found[0].is_finite():
        return said
    return f"{said}, nearest {found[1].symbol} {found[1].side} {ratio(found[0])} from liquidation"


def distance_of(subject: Subject, now: Now) -> Decimal:
    """Tell how far a position is from liquidation, for sorting; what is unknown comes first."""
    view = View(subject.account, now, holding=subject.holding)
    figure = METRICS["liquidation_distance"].compute(view)
    return figure if isinstance(figure, Decimal) else Decimal(-1)


def position(
    subject: Subject, now: Now, fired: Mapping[Target, Severity], found: Found | None
) -> Seen:
    """Show a position."""
    holding = subject.holding
    assert holding is not None  # noqa: S101 - only positions are asked for; for the type checker
    own, sight = holding.position, subject.sight(now)
    style = Style(own.margin_asset, Scope.POSITION, None, holding.mark_price)
    distance = _read(sight, "liquidation_distance")
    numbers = {title: _cell(sight, name, style) for title, name in _POSITION.items()}
    numbers["quantity"] = amount(abs(own.quantity))
    liquidation = _read(sight, "liquidation_price")
    way = _Way.of(liquidation.value, holding.mark_price, own.entry_price)
    if liquidation.grade in {Grade.ABSENT, Grade.UNKNOWN}:
        way = None
    prices, unproved = _prices(subject.target, found, way, holding.mark_price)
    leverage = _cell(sight, "leverage", style)
    notes = [own.side, own.margin_type, *([leverage] if leverage != "unknown" else [])]
    if own.position_side != "BOTH":
        notes.append("hedge mode")
    return Seen(
        title=own.symbol,
        notes=tuple(notes),
        level=fired.get(subject.target, Severity.NONE),
        headline=_headline(distance, liquidation, style),
        doubted=distance.grade is not Grade.FRESH,
        numbers=numbers,
        bar=None if way is None else way.bar,
        prices=prices,
        unproved=unproved,
    )


def pool(subject: Subject, now: Now, fired: Mapping[Target, Severity], found: Found | None) -> Seen:
    """Show a pool."""
    sight, style = subject.sight(now), Style(subject.asset, Scope.POOL)
    shown = _read(sight, "margin_ratio")
    prices, unproved = _prices(subject.target, found, None, None)
    return Seen(
        title=f"{subject.asset} pool",
        notes=(),
        level=fired.get(subject.target, Severity.NONE),
        headline=f"margin ratio {in_cell('margin_ratio', shown, style)}",
        doubted=shown.grade is not Grade.FRESH,
        numbers={title: _cell(sight, name, style) for title, name in _POOL.items()},
        bar=None,
        prices=prices,
        unproved=unproved,
    )


def _read(sight: Sight, name: str) -> Reading:
    return reading(sight, METRICS[name])


def _cell(sight: Sight, name: str, style: Style) -> str:
    return in_cell(name, _read(sight, name), style)


def _headline(distance: Reading, liquidation: Reading, style: Style) -> str:
    if liquidation.grade is Grade.ABSENT:
        return "no liquidation price"
    if distance.value is None:
        return "distance unknown"
    return f"{in_cell('liquidation_distance', distance, style)} from liquidation"


# ---------------------------------------------------------------- prices and their places


@dataclass(frozen=True, slots=True)
class _Way:
    """From the liquidation price (0) to where the position is or was farthest from it (1)."""

    liquidation: Decimal
    reach: Decimal
    """Signed: towards the mark."""
    mark: Decimal
    entry: Decimal | None

    @classmethod
    def of(cls, liquidation: object, mark: Decimal | None, entry: Decimal | None) -> "_Way | None":
        """Make it; None where a price is missing, or the mark stands at the liquidation price."""
        if not isinstance(liquidation, Decimal) or not liquidation.is_finite() or mark is None:
            return None
        ways = [each - liquidation for each in (mark, entry) if each is not None]
        reach = max(ways, key=abs)
        return cls(liquidation, reach, mark, entry) if reach else None

    def place(self, at: Decimal) -> float | None:
        """Tell where a price lies; None: not on the way."""
        place = (at - self.liquidation) / self.reach
        return float(place) if 0 <= place <= 1 else None

    @property
    def bar(self) -> Bar:
        """The mark and the entry price on it."""
        entry = None if self.entry is None else self.place(self.entry)
        return Bar(self.place(self.mark) or 0.0, entry)


def _prices(
    target: Target, found: Found | None, way: _Way | None, mark: Decimal | None
) -> tuple[tuple[Price, ...] | None, int]:
    """Choose what to show of trigger prices: all of what is on, and the nearest of the rest."""
    if found is None or target not in found.by_target:
        return None, 0
    triggers = found.by_target[target]
    shown = [
        _price(trigger, at, way, mark)
        for trigger in sorted(triggers, key=lambda one: one.distance)
        for at in _ahead(trigger)
    ]
    coming = [each for each in shown if not each.on]
    on = [each for each in shown if each.on]
    unproved = sum(Answer.UNKNOWN in {one.below, one.above} and not _ahead(one) for one in triggers)
    return (*coming[:MOST_PRICES], *on), unproved


def _ahead(trigger: Trigger) -> list[Decimal]:
    """List the prices of a trigger, the nearer first."""
    prices = [each for each in (trigger.below, trigger.above) if isinstance(each, Decimal)]
    mark = trigger.mark
    return prices if mark is None else sorted(prices, key=lambda each: abs(each - mark))


def _price(trigger: Trigger, at: Decimal, way: _Way | None, mark: Decimal | None) -> Price:
    mark = trigger.mark if mark is None else mark
    below = at is trigger.below
    sign = "≤" if below else "≥"
    change = ""
    if mark:
        # Since it was looked for the mark has moved.
        reached = mark <= at if below else mark >= at
        change = " (reached)" if reached else f" ({ratio(at / mark - 1, signed=True)})"
    symbol = f"{trigger.symbol} " if trigger.target.asset else ""
    words = f"{symbol}{sign} {price(at, Style(reference=mark))}{change}"
    place = None if way is None else way.place(at)
    return Price(trigger.rule, trigger.severity, trigger.on, words, place)
