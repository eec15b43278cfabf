"""Maintenance tiers and asset prices: what the exchange's reference data says, taken over."""

from monitor.core.events import AssetPricesRead, BracketsRead
from monitor.core.merging import Portfolio, Touched
from monitor.core.portfolio import Account


def take_brackets(account: Account, event: BracketsRead, touched: Touched) -> None:
    """Take over an account's maintenance tiers."""
    account.brackets.update(event.brackets)
    account.forget_pools()
    touched.accounts[account] = None


def take_prices(portfolio: Portfolio, event: AssetPricesRead, touched: Touched) -> None:
    """Take over what margin assets are worth, for every account."""
    for account in portfolio.accounts.values():
        account.prices.update(event.prices)
        if account.multi_assets:
            account.forget_pools()
            touched.accounts[account] = None
