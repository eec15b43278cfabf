"""What brings a position farther from its liquidation, in numbers.

Margin to add, computed from the formula that liquidation prices are carried on by; size to close,
found by trying. Either is tried out on the account before it is told: no number is given of which
the figures that run live do not say that it is enough.

Closing is reduce-only, at the mark, without fees or slippage. What a cross position realizes goes
to its pool. An isolated position gives back the margin of the part that is closed, as at the
exchange, so that closing a part of it hardly moves its liquidation price.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Final

from monitor.core.events import Now
from monitor.core.liquidation import ZERO, backing
from monitor.core.metrics import METRICS
from monitor.core.portfolio import Account
from monitor.core.positions import Balance, Holding, Position
from monitor.core.supposing import Subject

_CENT: Final = Decimal("0.01")
_FINEST: Final = Decimal("1e-8")
_GRID: Final = 64
"""Sizes that are tried, evenly spread, where closing nearly all of it is not enough."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What brings a position to a distance; of None it is not known, or does not help."""

    margin: Decimal | None
    """To add, rounded up; in `asset`."""
    asset: str
    """Of the margin; USD for a pool in multi-assets mode."""
    to_pool: bool
    """Whether it is added to the pool, as cross margin is, or to the position."""
    margin_distance: Decimal | None
    """The `liquidation_distance` that it then has."""
    size: Decimal | None
    """To close, in base units, unsigned, rounded up to the step."""
    size_distance: Decimal | None
    """Likewise."""


def remedy(subject: Subject, target: Decimal, now: Now, step: Decimal | None) -> Remedy | None:
    """Find what brings a position to a distance from its liquidation.

    Args:
        subject: The position.
        target: A `liquidation_distance` above 0, below 1.
        now: The instant at which figures are computed.
        step: What its size goes in steps of; None: the digits of its size.

    Returns:
        None where it is as far away already, or its distance is unknown.
    """
    trial = _Trial(subject, target, now)
    distance = trial.distance()
    if distance is None or distance >= target:
        return None
    position = trial.position
    margin, margin_distance = trial.margin()
    size, size_distance = trial.size(step or _last_digit(position.quantity))
    return Remedy(
        margin,
        subject.account.pool_of(position) if position.cross else position.margin_asset,
        position.cross,
        margin_distance,
        size,
        size_distance,
    )


def _last_digit(value: Decimal) -> Decimal:
    exponent = value.normalize().as_tuple().exponent
    return Decimal(1).scaleb(min(0, exponent if isinstance(exponent, int) else 0))


class _Trial:
    """One position, and what is tried on it."""

    def __init__(self, subject: Subject, target: Decimal, now: Now) -> None:
        if subject.holding is None:
            raise ValueError("only a position has a distance to liquidation")
        self._subject, self._target, self._now = subject, target, now
        self._account: Account = subject.account
        self._holding: Holding = subject.holding
        self.position: Position = subject.holding.position

    def distance(self) -> Decimal | None:
        """Compute how far it is from liquidation; None is unknown."""
        view = self._subject.sight(self._now).view
        figure = view.figure("liquidation_distance", METRICS["liquidation_distance"].compute)
        return figure if isinstance(figure, Decimal) else None

    def _reached(self) -> Decimal | None:
        """Give the distance if it is far enough."""
        distance = self.distance()
        return distance if distance is not None and distance >= self._target else None

    # ---------------------------------------------------------------- margin

    def margin(self) -> tuple[Decimal | None, Decimal | None]:
        """Find the margin to add, and the distance that it gives."""
        need = self._margin_needed()
        if need is None:
            return None, None
        asset = self._account.pool_of(self.position)
        step = _CENT if "USD" in asset else _FINEST
        amount = need.quantize(step, ROUND_CEILING)
        with self._adding(amount):
            distance = self._reached()
        return (None, None) if distance is None else (amount, distance)

    def _margin_needed(self) -> Decimal | None:
        """Compute what is missing for the price to lie where the distance is the target."""
        account, position, mark = self._account, self.position, self._holding.mark_price
        legs, carried = account.legs(position), account.liquidation(position)
        price, slope = carried or (None, ZERO)
        if mark is None or legs is None or price is None:
            return None
        wanted = mark * (1 - self._target if slope < 0 else 1 + self._target)
        missing = backing(wanted, legs) - backing(price, legs)
        if not account.multi_assets or not position.cross:
            return missing
        worth = account.prices.get(position.margin_asset)
        return None if worth is None else missing * worth

    @contextmanager
    def _adding(self, amount: Decimal) -> Iterator[None]:
        account, position = self._account, self.position
        if not position.cross:
            with self._being(replace(position, isolated_wallet=position.isolated_wallet + amount)):
                yield
        elif account.multi_assets:
            totals = account.totals
            assert totals is not None  # noqa: S101 - else its distance is unknown
            wallet, cross = totals.wallet + amount, totals.cross_wallet + amount
            account.totals = replace(totals, wallet=wallet, cross_wallet=cross)
            account.forget_pools()
            try:
                yield
            finally:
                account.totals = totals
                account.forget_pools()
        else:
            with self._paying(amount):
                yield

    # ---------------------------------------------------------------- size

    def size(self, step: Decimal) -> tuple[Decimal | None, Decimal | None]:
        """Find the size to close, and the distance that it gives; less than all of it."""
        most = int((abs(self.position.quantity) - _FINEST) / step)
        spread = sorted({most * part // _GRID for part in range(1, _GRID)} - {0})
        if most > 0 and self._distance_without(most * step) is not None:
            spread = [most]
        short = 0
        for enough in spread:
            if self._distance_without(enough * step) is not None:
                break
            short = enough
        else:
            return None, None
        while enough - short > 1:
            middle = (enough + short) // 2
            if self._distance_without(middle * step) is None:
                short = middle
            else:
                enough = middle
        return enough * step, self._distance_without(enough * step)

    def _distance_without(self, size: Decimal) -> Decimal | None:
        """Give the distance with a part of it closed, if that is far enough."""
        position, mark = self.position, self._holding.mark_price
        if mark is None or position.entry_price is None:
            return None
        closed = size if position.quantity > 0 else -size
        rest = position.quantity - closed
        wallet = position.isolated_wallet * rest / position.quantity
        realized = closed * (mark - position.entry_price)
        with (
            self._being(replace(position, quantity=rest, isolated_wallet=wallet)),
            self._paying(realized),
        ):
            return self._reached()

    # ---------------------------------------------------------------- trying

    @contextmanager
    def _being(self, position: Position) -> Iterator[None]:
        """Let the position be another for a while."""
        self._put(position)
        try:
            yield
        finally:
            self._put(self.position)

    def _put(self, position: Position) -> None:
        self._holding.position = position
        self._holding.refigure()
        self._account.forget_pools()

    @contextmanager
    def _paying(self, amount: Decimal) -> Iterator[None]:
        """Let the cross wallet of the margin asset hold more for a while."""
        balances, asset = self._account.balances, self.position.margin_asset
        before = balances.get(asset)
        held = before or Balance(asset, ZERO, ZERO, self.position.data_at)
        wallet, cross = held.wallet + amount, held.cross_wallet + amount
        balances[asset] = replace(held, wallet=wallet, cross_wallet=cross)
        self._account.forget_pools()
        try:
            yield
        finally:
            if before is None:
                del balances[asset]
            else:
                balances[asset] = before
            self._account.forget_pools()
