"""How each figure of the metric table is computed: pure functions of a view.

A `View` is one target at one instant. None is unknown, ABSENT has no meaning for the target;
infinite is a Decimal.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from monitor.core.events import Now
from monitor.core.freshness import NEVER
from monitor.core.language.truth import ABSENT, Missing
from monitor.core.language.units import Scope
from monitor.core.liquidation import ZERO, distance
from monitor.core.pools import Pool, worth
from monitor.core.portfolio import Account
from monitor.core.positions import Holding
from monitor.core.stated import NOTHING
from monitor.core.windows import Window

INFINITE = Decimal("Infinity")

Figure = Decimal | str | int | Missing | None


class View:
    """One target at one instant: what metrics are computed from."""

    __slots__ = (
        "_figures",
        "_pool",
        "_stated",
        "account",
        "asset",
        "doubts",
        "gaps",
        "holding",
        "now",
    )

    def __init__(
        self, account: Account, now: Now, *, holding: Holding | None = None, asset: str = ""
    ) -> None:
        self.account = account
        self.now = now
        self.holding = holding
        self.asset = account.pool_of(holding.position) if holding is not None else asset
        self._pool: Pool | None = None
        self._figures: dict[str, Figure] = {}
        self.gaps = False
        """Whether a figure that was asked for is unknown, has no meaning, or is doubted."""
        self._stated = account.stated(holding, self.asset) if account.staged else None
        self.doubts = (self._stated or NOTHING).doubts
        """Figures that count as aged whatever they rest on, as bits of `Rest`."""

    @property
    def seen(self) -> Mapping[str, int]:
        """When figures that count as aged by themselves were last fresh, in ticks."""
        return (self._stated or NOTHING).seen

    def figure(self, name: str, compute: "Callable[[View], Figure]") -> Figure:
        """Compute a metric, once for all the rules that read it."""
        figures = self._figures
        if name in figures:
            return figures[name]
        stated = self._stated
        if stated is None:
            figure = compute(self)
        else:
            figure = stated.figures[name] if name in stated.figures else compute(self)
            self.gaps |= name in self.doubts
        figures[name] = figure
        if figure is None or figure is ABSENT:
            self.gaps = True
        return figure

    def doubt(self, name: str, bits: int) -> None:
        """Let a figure count as aged, whatever it rests on."""
        self.doubts = {**self.doubts, name: bits}
        self.gaps = True

    def window(self, scope: Scope, name: str, span: int) -> Window | None:
        """Give the window over a metric's past; None where none is kept."""
        of: Holding | str | None = self.holding if scope is Scope.POSITION else self.asset
        return self.account.windows.get(of, {}).get((name, span))

    @property
    def held(self) -> Holding:
        """The position; only metrics of position scope may ask."""
        if self.holding is None:
            raise AssertionError("a position metric was asked of a target without a position")
        return self.holding

    @property
    def pool(self) -> Pool:
        """The pool of the position, or the target itself."""
        pool = self._pool
        if pool is None:
            pool = self._pool = self.account.pool(self.asset)
        return pool


def settled(part: Decimal | None, behind: Decimal | None) -> Decimal | None:
    """Divide a need by the balance under it: nothing needed is 0, a balance ≤ 0 infinite."""
    if part is None or behind is None:
        return None
    if part <= 0:
        return ZERO
    return part / behind if behind > 0 else INFINITE


def balance_behind(view: View) -> Decimal | None:
    """Margin balance that a position stands on: its own if isolated, else its pool's."""
    holding = view.held
    if holding.position.cross:
        return view.pool.margin_balance
    return holding.isolated_margin


def maintenance_on(view: View) -> Decimal | None:
    """Maintenance margin of what a position stands on."""
    holding = view.held
    return view.pool.cross_maintenance if holding.position.cross else holding.maintenance


def asset(view: View) -> Figure:
    """Name the margin asset of a position, or the pool."""
    return view.asset if view.holding is None else view.holding.position.margin_asset


def liquidation_price(view: View) -> Figure:
    """Carry the liquidation price on; none is 0 where a fall liquidates, else infinite."""
    position = view.held.position
    carried = view.account.liquidation(position)
    if carried is None:
        return None
    price, slope = carried
    if price is not None:
        return price
    falls = slope < 0 if slope else position.quantity > 0
    return ZERO if falls else INFINITE


def liquidation_distance(view: View) -> Figure:
    """Compute the part of the mark price that it must move until liquidation."""
    holding = view.held
    carried = view.account.liquidation(holding.position)
    if carried is None or holding.mark_price is None:
        return None
    return distance(holding.mark_price, *carried)


def margin_room(view: View) -> Figure:
    """Compute the part of the money put behind a position that is left before liquidation.

    Nothing left is 0. A wallet of nothing or less has no parts: then it is unknown, which never
    clears an alarm, as a division by money ≤ 0 is in conditions.
    """
    position = view.held.position
    balance, maintenance = balance_behind(view), maintenance_on(view)
    wallet = view.pool.cross_wallet if position.cross else position.isolated_wallet
    if balance is None or maintenance is None or wallet is None:
        return None
    left = balance - maintenance
    if left <= 0:
        return ZERO
    return left / wallet if wallet > 0 else None


def effective_leverage(view: View) -> Figure:
    """Compute notional / the margin balance behind the position."""
    account, holding = view.account, view.held
    notional = holding.notional
    if account.multi_assets and holding.position.cross:
        notional = worth(notional, account.prices.get(holding.position.margin_asset))
    return settled(notional, balance_behind(view))


def roi(view: View) -> Figure:
    """Compute unrealized PnL × leverage / notional."""
    holding = view.held
    setting = view.figure("leverage", leverage)
    if not isinstance(setting, Decimal) or holding.pnl is None or not holding.notional:
        return None
    return holding.pnl * setting / holding.notional


def isolated_margin(view: View) -> Figure:
    """Compute isolated wallet + unrealized PnL; a cross position has none."""
    holding = view.held
    if holding.position.cross:
        return ABSENT
    return holding.isolated_margin


def leverage(view: View) -> Figure:
    """Give the leverage setting of the symbol."""
    setting = view.account.settings.leverages.get(view.held.position.symbol)
    return None if setting is None else Decimal(setting)


def adl(view: View) -> Figure:
    """Give the place in the auto-deleveraging queue."""
    place = view.held.position.adl
    return None if place is None else Decimal(place)


def equity(view: View) -> Decimal | None:
    """Compute wallet balance + unrealized PnL of everything in the asset."""
    return view.pool.equity


def account_leverage(view: View) -> Figure:
    """Compute total notional / equity."""
    return settled(view.pool.total_notional, view.pool.equity)


# ---------------------------------------------------------------- ages


def mark_since(view: View) -> int:
    """Tell the instant (ticks) that `mark_age` counts from; without a mark, the opening."""
    holding = view.held
    return holding.mark_at if holding.mark_at != NEVER else holding.opened_at


def mark_age(view: View) -> Figure:
    """Tell the age of the position's mark."""
    return max(0, view.now.ticks - mark_since(view))


def data_age(view: View) -> Figure:
    """Tell the age of the account's last complete poll or oldest mark."""
    return max(0, view.now.ticks - view.account.data_since())


def stale_for(view: View) -> Figure:
    """Tell how long the account has not been fresh."""
    since = view.account.stale_since
    return 0 if since is None else max(0, view.now.ticks - since)
