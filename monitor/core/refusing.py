"""Accounts that our formulas of margin do not fit.

In portfolio margin positions stand on collateral that these answers do not show, and the exchange
gives no liquidation price. Judged by what they do show, such an account is liquidated over and
over (docs/protocol.md §9.1).
"""

from dataclasses import replace
from decimal import Decimal

from monitor.core.events import Now, PollAnswered, Remark
from monitor.core.merging import Touched
from monitor.core.portfolio import Account

SURE_AFTER = 10_000
"""Milliseconds for which polls have to look so. A hedged pair has no liquidation price either, and
looks so in the second in which it is liquidated."""

PORTFOLIO_MARGIN = (
    "the exchange asks for more margin than the account shows and names no liquidation price: this "
    "is portfolio margin, which cannot be judged here; the account is not watched"
)


def looks_like_portfolio_margin(poll: PollAnswered) -> bool:
    """Tell whether positions stand on money that the answers of a poll do not show.

    So it is where every position is cross and has no liquidation price, although the maintenance
    margin is above the margin balance, with which the exchange would be liquidating.
    """
    held = [row for row in poll.positions or () if row.quantity]
    if not poll.complete or not held:
        return False
    if any(row.liquidation_price != 0 or row.isolated_wallet for row in held):
        return False
    totals = poll.totals
    if totals is not None:
        shown = totals.cross_wallet + totals.cross_unrealized_pnl
        return totals.maintenance_margin > shown
    needed = sum((row.maintenance_margin or Decimal(0) for row in held), Decimal(0))
    shown = sum((row.cross_wallet for row in poll.assets or ()), Decimal(0))
    shown += sum((row.unrealized_pnl or Decimal(0) for row in held), Decimal(0))
    return needed > shown


def refuse(account: Account, why: str, touched: Touched) -> None:
    """Believe nothing more of an account that we cannot judge; said once."""
    if not account.refused:
        touched.remarks.append(Remark("error", f"{account.name}: {why}", "accounts_refused"))
    account.refused = why
    account.first_poll_done = False
    touched.accounts[account] = None


class Scrutiny:
    """Looks at polls before they are believed."""

    def __init__(self) -> None:
        self._resembling: dict[str, int] = {}
        """Accounts whose polls look like portfolio margin, and since when (ticks)."""

    def looked_at(
        self, account: Account, poll: PollAnswered, now: Now, touched: Touched
    ) -> PollAnswered:
        """Take the polls of an account that cannot be watched for incomplete: it is not seen."""
        name = account.name
        if account.refused:
            return replace(poll, complete=False)
        if not looks_like_portfolio_margin(poll):
            self._resembling.pop(name, None)
            return poll
        if now.ticks - self._resembling.setdefault(name, now.ticks) >= SURE_AFTER:
            refuse(account, PORTFOLIO_MARGIN, touched)
        return replace(poll, complete=False)
