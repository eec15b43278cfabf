"""An account after a shock: what its figures would be, what would be liquidated, what would stand.

All marks move at once and together: half of the shock has each symbol half of its way. The
exchange liquidates where maintenance margin has reached the margin balance. Maintenance rises ever
faster with a position's notional and the balance follows marks in straight lines, so on the way of
a shock that is passed once at most: who is above it at the end is liquidated, in the order in which
they passed it. An isolated position goes by itself; a cross pool takes all its positions along, the
largest loss first.

What is liquidated has lost all that stood behind it and no more: its isolated wallet, or the
margin balance of its pool. The rest of the account is shown without it; what is liquidated is shown
as if it were still held, since its figures and alerts say how far it went. Simple on purpose: no
slippage of what remains, no rescue by an order or by margin added. Delays of rules are ignored.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from monitor.core.events import Now
from monitor.core.judging import Judge, Sight
from monitor.core.language.truth import Truth
from monitor.core.metrics import METRICS, Figure
from monitor.core.notices import Target
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.rules import Globs, Severity
from monitor.core.supposing import Subject, bereft, judged, marks_of, subjects_of, supposing
from monitor.core.wording import among
from monitor.errors import OperatorError

MOST: Final = Decimal(9)
"""The largest shock: nine times its price more."""

_SHOCK: Final = re.compile(r"(?P<glob>[^=]*)=(?P<way>[+-]?[0-9]+(?:\.[0-9]+)?)%")
_LEAST: Final = Decimal("1e-8")
"""The digits that marks have at most."""

_STEPS: Final = 1 << 40
"""Parts of the way to which the instant of a liquidation is found."""


# ---------------------------------------------------------------- shocks


@dataclass(frozen=True, slots=True)
class Shock:
    """How far the marks of some symbols move."""

    text: str
    pattern: str
    change: Decimal
    """A part of the mark; −0.1 is 10 % down."""

    def match(self, symbol: str) -> bool:
        """Tell whether it is meant for a symbol."""
        return Globs([self.pattern]).match(symbol)

    @property
    def letters(self) -> int:
        """How exactly it names its symbols, by its letters; a full name goes above all globs."""
        wild = sum(self.pattern.count(mark) for mark in "*?[")
        return len(self.pattern) - wild if wild else 1_000


def read_shocks(texts: Sequence[str]) -> tuple[Shock, ...]:
    """Read shocks such as `BTCUSDT=-10%` and `*=-5%`.

    Raises:
        OperatorError: With every one that is none.
    """
    found, faults = [], []
    for text in texts:
        try:
            found.append(_read(text))
        except OperatorError as fault:
            faults.append(str(fault))
    if faults:
        raise OperatorError("\n".join(faults))
    return tuple(found)


def _read(text: str) -> Shock:
    matched = _SHOCK.fullmatch(text.replace(" ", ""))
    if matched is None:
        hint = "write a symbol or a glob, and how far it moves: BTCUSDT=-10%"
        raise OperatorError(f"--shock {text}: is no shock ({hint})")
    pattern, change = matched["glob"], Decimal(matched["way"]) / 100
    if not pattern or pattern.startswith("!"):
        raise OperatorError(f'--shock {text}: names no symbol (every symbol is "*")')
    if not -1 < change <= MOST:
        raise OperatorError(f"--shock {text}: a mark moves by more than -100% and up to +900%")
    return Shock(text, pattern, change)


def shocked(shocks: Sequence[Shock], symbols: Iterable[str]) -> dict[str, Decimal]:
    """Tell how far each symbol moves: by the shock that names it most exactly, else the last.

    Raises:
        OperatorError: A shock is meant for no symbol that is held.
    """
    held = sorted(set(symbols))
    idle = [shock for shock in shocks if not any(map(shock.match, held))]
    if idle and held:
        lines = [f"--shock {one.text}: no position held matches {one.pattern}" for one in idle]
        raise OperatorError("\n".join([*lines, f"held are {among(held, 10)}"]))
    found = {}
    for symbol in held:
        meant = [shock for shock in shocks if shock.match(symbol)]
        if meant:
            found[symbol] = max(reversed(meant), key=lambda one: one.letters).change
    return found


# ---------------------------------------------------------------- afterwards


@dataclass(frozen=True, slots=True)
class Twice:
    """A figure before and after; None is unknown."""

    before: Figure
    after: Figure


@dataclass(frozen=True, slots=True)
class Part:
    """A position or a pool."""

    target: Target
    figures: Mapping[str, Twice]
    """By metric."""


@dataclass(frozen=True, slots=True)
class Liquidated:
    """What would be liquidated together."""

    asset: str
    """Of the cross pool; "" for an isolated position."""
    way: Decimal
    """How much of the shock it takes: 0 is now, 1 all of it."""
    positions: tuple[Target, ...]
    """The largest loss first."""
    marks: Mapping[str, Decimal]
    """Of its symbols at that moment."""
    lost: Decimal
    """What stands behind it before the shock, in the money of its pool: all of it is lost."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that would stand, or that stands now."""

    target: Target
    rule: str
    before: Severity
    after: Severity
    doubt: bool
    """Whether a level that is higher than `after` cannot be judged."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """One account after a shock."""

    marks: Mapping[str, Twice]
    """By symbol held."""
    positions: tuple[Part, ...]
    pools: tuple[Part, ...]
    liquidated: tuple[Liquidated, ...]
    unknown: tuple[Target, ...]
    """Of which nobody can tell whether they are liquidated."""
    alerts: tuple[Standing, ...]


POSITION_FIGURES: Final = ("unrealized_pnl", "position_margin_ratio", "liquidation_distance")
POOL_FIGURES: Final = ("total_unrealized_pnl", "equity", "margin_balance", "margin_ratio")


def aftermath(
    account: Account, changes: Mapping[str, Decimal], judges: Sequence[Judge], now: Now
) -> Aftermath:
    """Compute an account after a shock.

    Args:
        account: The account; its marks are put back.
        changes: By symbol, the part of its mark by which it moves; others stay.
        judges: The rules.
        now: The instant at which ages are taken.
    """
    way = _Way(account, changes)
    subjects = list(subjects_of(account))
    before = [_Looked(subject, judges, now) for subject in subjects]
    bodies = list(_bodies(account))
    liquidated = sorted(_liquidated(bodies, way, now), key=lambda one: one[1].way)
    with supposing(account, way.marks(_STEPS), now):
        after = _after(subjects, [body for body, _ in liquidated], judges, now)
    pairs = list(zip(before, after, strict=True))
    return Aftermath(
        {symbol: Twice(mark, way.at(symbol, _STEPS)) for symbol, mark in marks_of(account).items()},
        tuple(_part(*pair) for pair in pairs if pair[0].subject.holding is not None),
        tuple(_part(*pair) for pair in pairs if pair[0].subject.asset),
        tuple(one for _, one in liquidated),
        tuple(_unknown(bodies, way, now)),
        tuple(standing for pair in pairs for standing in _standing(*pair)),
    )


def _after(
    subjects: Sequence[Subject], liquidated: Sequence["_Body"], judges: Sequence[Judge], now: Now
) -> list["_Looked"]:
    """Look at each target: what is liquidated as if it were held, and what is left without it."""
    account = subjects[-1].account
    pools = [body.subject.asset for body in liquidated if body.subject.asset]
    alone = [body.subject.holding for body in liquidated if body.subject.holding]
    gone = {member.target for body in liquidated for member in body.members}
    held = {
        subject.target: _Looked(subject, judges, now)
        for subject in subjects
        if subject.target in gone
    }
    with bereft(account, alone, pools):
        return [held.get(subject.target) or _Looked(subject, judges, now) for subject in subjects]


class _Way:
    """The marks on the way of a shock."""

    def __init__(self, account: Account, changes: Mapping[str, Decimal]) -> None:
        self.account = account
        self._from = marks_of(account)
        self._changes = changes

    def at(self, symbol: str, step: int) -> Decimal:
        """Give a mark so many steps on the way, in the digits of marks, away from where it is."""
        change = self._changes.get(symbol, Decimal(0))
        mark = self._from[symbol] * (1 + change * step / _STEPS)
        rounding = ROUND_FLOOR if change < 0 else ROUND_CEILING
        return max(_LEAST, mark.quantize(_LEAST, rounding)) if change else mark

    def marks(self, step: int) -> dict[str, Decimal]:
        """Give every mark that is known."""
        return {symbol: self.at(symbol, step) for symbol in self._from}


@dataclass
class _Looked:
    """A target as it was once: figures and levels."""

    subject: Subject
    judges: Sequence[Judge]
    now: Now
    figures: dict[str, Figure] = field(default_factory=dict)
    levels: dict[str, tuple[Severity, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sight = self.subject.sight(self.now)
        names: tuple[str, ...] = ()
        if self.subject.holding is not None:
            names = POSITION_FIGURES
        elif self.subject.asset:
            names = POOL_FIGURES
        self.figures = {name: _figure(sight, name) for name in names}
        for judge in self.subject.rules(self.judges):
            self.levels[judge.rule.name] = _level(judge, sight)


def _figure(sight: Sight, name: str) -> Figure:
    return sight.view.figure(name, METRICS[name].compute)


def _level(judge: Judge, sight: Sight) -> tuple[Severity, bool]:
    """Give the highest level that is true, and whether a higher one cannot be judged."""
    doubt = False
    found = zip(judge.rule.levels, judged(judge, sight), strict=True)
    for level, truth in reversed(list(found)):
        if truth is Truth.TRUE:
            return level.severity, doubt
        doubt |= truth is Truth.UNKNOWN
    return Severity.NONE, doubt


def _part(before: _Looked, after: _Looked) -> Part:
    figures = {name: Twice(one, after.figures[name]) for name, one in before.figures.items()}
    return Part(before.subject.target, figures)


def _standing(before: _Looked, after: _Looked) -> Iterator[Standing]:
    for rule, (severity, doubt) in after.levels.items():
        earlier = before.levels[rule][0]
        if severity or earlier or doubt:
            yield Standing(before.subject.target, rule, earlier, severity, doubt)


# ---------------------------------------------------------------- liquidation


@dataclass(frozen=True, slots=True)
class _Body:
    """What is liquidated together."""

    subject: Subject
    """An isolated position, or a pool."""
    members: tuple[Subject, ...]

    def ratio(self, now: Now) -> Decimal | None:
        """Compute maintenance margin / margin balance; None is unknown."""
        name = "margin_ratio" if self.subject.asset else "position_margin_ratio"
        figure = _figure(self.subject.sight(now), name)
        return figure if isinstance(figure, Decimal) else None

    def balance(self, now: Now) -> Decimal:
        """Compute its margin balance; nothing where none is left."""
        name = "margin_balance" if self.subject.asset else "isolated_margin"
        figure = _figure(self.subject.sight(now), name)
        return max(figure, Decimal(0)) if isinstance(figure, Decimal) else Decimal(0)


def _bodies(account: Account) -> Iterator[_Body]:
    crossed: dict[str, list[Subject]] = {}
    for subject in subjects_of(account):
        holding = subject.holding
        if holding is None:
            if subject.asset in crossed:
                yield _Body(subject, tuple(crossed[subject.asset]))
        elif holding.position.cross:
            crossed.setdefault(account.pool_of(holding.position), []).append(subject)
        else:
            yield _Body(subject, (subject,))


def _liquidated(bodies: Iterable[_Body], way: _Way, now: Now) -> Iterator[tuple[_Body, Liquidated]]:
    for body in bodies:
        step = _first_step(body, way, now)
        if step is None:
            continue
        marks = way.marks(step)
        with supposing(way.account, marks, now):
            members = sorted(body.members, key=_gain)
        targets = tuple(member.target for member in members)
        symbols = dict.fromkeys(target.symbol for target in targets)
        passed = {symbol: marks[symbol] for symbol in symbols if symbol in marks}
        part = Decimal(step) / _STEPS
        yield body, Liquidated(body.subject.asset, part, targets, passed, body.balance(now))


def _gain(subject: Subject) -> Decimal:
    holding: Holding | None = subject.holding
    pnl = None if holding is None else holding.pnl
    return Decimal(0) if pnl is None else pnl


def _first_step(body: _Body, way: _Way, now: Now) -> int | None:
    """Find the first step at which a body is liquidated; None where it is not."""
    if _gone(body, way, now, 0):
        return 0
    if not _gone(body, way, now, _STEPS):
        return None
    before, after = 0, _STEPS
    while after - before > 1:
        middle = (before + after) // 2
        if _gone(body, way, now, middle):
            after = middle
        else:
            before = middle
    return after


def _gone(body: _Body, way: _Way, now: Now, step: int) -> bool:
    with supposing(way.account, way.marks(step), now):
        ratio = body.ratio(now)
    return ratio is not None and ratio >= 1


def _unknown(bodies: Iterable[_Body], way: _Way, now: Now) -> Iterator[Target]:
    with supposing(way.account, way.marks(_STEPS), now):
        yield from [body.subject.target for body in bodies if body.ratio(now) is None]
