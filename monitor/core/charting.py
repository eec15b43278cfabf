"""What stands in the picture of a position: its marks, its prices, and where its rule turns.

A notice is remembered with what was true when it was made (`Scene`), and drawn a moment later, when
its text got through. Then the rule's thresholds are looked for as prices (`triggers.py`), which may
take a while: on a twin of the account, so that a thread may do it while the engine goes on.
"""

from collections.abc import Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.formats import Style, price, ratio
from monitor.core.judging import Judge
from monitor.core.liquidation import INFINITE
from monitor.core.metrics import METRICS, Figure, View
from monitor.core.notices import Notice
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.rules import Rule, Severity
from monitor.core.supposing import Subject
from monitor.core.trails import Sample
from monitor.core.triggers import Trigger, triggers_of

KINDS = frozenset({"fired", "escalated", "happened"})
"""What is new and may be critical; what eases, ends or is told again has no picture."""


_LOOKS = 1_000
"""Marks that are looked at for one line; what is not found by then has none."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A position as it was when something critical was told of it; None: unknown, or none."""

    mark: Decimal | None = None
    entry: Decimal | None = None
    liquidation: Decimal | None = None
    distance: Decimal | None = None
    """Of the mark from liquidation, a part of the mark; 0 or less: it is reached."""
    endless: bool = False
    """Whether it is known that there is no liquidation price."""


@dataclass(frozen=True, slots=True)
class Level:
    """One price that a picture has a line at."""

    price: Decimal
    word: str
    """What it is: liquidation, entry, or a severity."""
    below: bool | None = None
    """Whether it is below this price that the level holds, or that liquidation is due; None: an
    entry is a price alone."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that a picture shows."""

    title: str
    remark: str
    """How far liquidation is, in words."""
    marks: tuple[Sample, ...]
    """The last of them is now; there is at least one."""
    levels: tuple[Level, ...]
    zone: tzinfo

    @property
    def now(self) -> Sample:
        """Where the mark stands."""
        return self.marks[-1]


def is_drawn(notice: Notice) -> bool:
    """Tell whether a notice has a picture: it is critical, new, and about a position."""
    return (
        notice.severity is Severity.CRITICAL and notice.kind in KINDS and bool(notice.target.side)
    )


def holding_of(account: Account, notice: Notice) -> Holding | None:
    """Find the position that a notice is about; None: it is not held any more."""
    target = notice.target
    holding = account.holdings.get((target.symbol, target.position_side))
    return holding if holding is not None and holding.position.side == target.side else None


def scene_of(account: Account, notice: Notice, now: Now) -> Scene:
    """Look at the position of a notice."""
    holding = holding_of(account, notice)
    if holding is None:
        return Scene()
    view = View(account, now, holding=holding)
    mark, entry, liquidation, distance = (
        view.figure(name, METRICS[name].compute) for name in _FIGURES
    )
    return Scene(
        _price(mark),
        _price(entry),
        _price(liquidation),
        distance if isinstance(distance, Decimal) and distance.is_finite() else None,
        endless=distance == INFINITE,
    )


_FIGURES = ("mark_price", "entry_price", "liquidation_price", "liquidation_distance")


def _price(figure: Figure) -> Decimal | None:
    """Take a figure for a price that a line can be drawn at; no liquidation price is 0 there."""
    return figure if isinstance(figure, Decimal) and figure.is_finite() and figure > 0 else None


def twin_of(account: Account, judge: Judge) -> Account:
    """Copy an account so far that marks can be tried out on the copy, from another thread.

    Args:
        account: What is copied; rows and tiers, which never change in place, are shared.
        judge: The rule that the copy will be judged by.
    """
    twin = copy(account)
    for name, value in vars(account).items():
        if isinstance(value, dict | set):
            setattr(twin, name, value.copy())
    twin.settings = deepcopy(account.settings)
    twin.holdings = {}
    for key, holding in account.holdings.items():
        other = twin.holdings[key] = copy(holding)
        other.account = twin
    twin.windows = {}
    for owner, windows in account.windows.items() if judge.looking_back else ():
        if not isinstance(owner, Holding):
            twin.windows[owner] = deepcopy(windows)
        elif owner.position.key in twin.holdings:
            twin.windows[twin.holdings[owner.position.key]] = deepcopy(windows)
    twin.forget_pools()
    return twin


def levels_of(account: Account, notice: Notice, judge: Judge, now: Now) -> list[Level]:
    """Find the prices at which the levels of a notice's rule turn: fire, or clear if they are on.

    Args:
        account: The account, or a twin of it; its marks are in disorder meanwhile.
        notice: What was told, of a position.
        judge: Its rule.
        now: The instant at which ages are taken.
    """
    holding = holding_of(account, notice)
    if holding is None:
        return []
    subject = Subject(account, notice.target, holding)
    return [
        each for one in triggers_of(subject, [judge], now, {}, most=_LOOKS) for each in _turns(one)
    ]


def _turns(trigger: Trigger) -> Iterator[Level]:
    for turn, is_under in ((trigger.below, True), (trigger.above, False)):
        if isinstance(turn, Decimal):
            # What is on holds from here to the mark; what is off, from here away from it.
            yield Level(turn, trigger.severity.word, below=is_under is not trigger.on)


def chart_of(
    title: str,
    scene: Scene,
    trail: Sequence[Sample],
    levels: Sequence[Level],
    *,
    utc: int,
    zone: tzinfo,
) -> Chart | None:
    """Put a picture together; None: there is no mark to show.

    Args:
        title: What it is of.
        scene: The position.
        trail: Its marks of the last hour, the oldest first.
        levels: Where its rule turns.
        utc: When it is drawn, unix milliseconds.
        zone: Of its clock.
    """
    marks = list(trail)
    if scene.mark is not None:
        marks = [*(each for each in marks if each.at < utc), Sample(utc, scene.mark)]
    if not marks:
        return None
    now = marks[-1].price
    lines = list(levels)
    if scene.entry is not None:
        lines.insert(0, Level(scene.entry, "entry"))
    if scene.liquidation is not None:
        reached = scene.distance is not None and scene.distance <= 0
        lines.insert(
            0, Level(scene.liquidation, "liquidation", (scene.liquidation <= now) != reached)
        )
    return Chart(title, _remark(scene, now), tuple(marks), tuple(lines), zone)


def _remark(scene: Scene, mark: Decimal) -> str:
    """Say where the mark is, and how far from liquidation."""
    style = Style(reference=mark)
    said = f"mark {price(mark, style)}"
    if scene.liquidation is None:
        why = "no liquidation price" if scene.endless else "liquidation price unknown"
        return f"{said} · {why}"
    said += f" · liquidation {price(scene.liquidation, style)}"
    if scene.distance is None:
        return said
    return f"{said}, {f'{ratio(scene.distance)} away' if scene.distance > 0 else 'reached'}"


def judge_of(rule: Rule | None) -> Judge | None:
    """Prepare a rule; None: it has no levels, or is gone."""
    return Judge(rule) if rule is not None and rule.levels else None
