"""The simulated accounts that several tests begin with, and how they are moved and read."""

from monitor.sim.account import Account
from monitor.sim.events import UserEvent
from monitor.sim.market import Market
from monitor.sim.scenario import parse_scenario
from monitor.sim.story_deeds import MarketDeed

START = 1_767_322_800_000
ACCOUNT = """
length = "10m"
[[account]]
name = "main"
api_key = "k"
api_secret = "s"
"""
ISOLATED = f"""{ACCOUNT}
balances = {{ USDT = "1000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
"""
W2 = f"""{ACCOUNT}
balances = {{ USDT = "10000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "2"
entry_price = "50000"
[[account.position]]
symbol = "ETHUSDT"
side = "short"
quantity = "10"
entry_price = "3000"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "49000"]]
[[price]]
symbol = "ETHUSDT"
points = [["0s", "3100"]]
"""
HEDGE = f"""{ACCOUNT}
hedge = true
balances = {{ USDT = "10000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "3"
entry_price = "50000"
[[account.position]]
symbol = "BTCUSDT"
side = "short"
quantity = "1"
entry_price = "52000"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "50000"]]
"""


def market_of(text: str, *points: tuple[int, str], symbol: str = "BTCUSDT") -> Market:
    if points:
        path = ", ".join(f'["{at}s", "{price}"]' for at, price in points)
        text += f'[[price]]\nsymbol = "{symbol}"\npoints = [{path}]\n'
    return Market(parse_scenario(text, "test"), START)


def do(market: Market, text: str) -> list[UserEvent]:
    """Do what a [[do]] table says, one second into the story."""
    deeds = parse_scenario(f'{ACCOUNT}[[do]]\nat = "1s"\n{text}', "do").do
    deed: MarketDeed = deeds[0]  # type: ignore[assignment]  # only deeds of the market are given
    return market.do(deed, START + 1000)


def account_of(market: Market) -> Account:
    return market.accounts["main"]


def numbers(market: Market, symbol: str = "BTCUSDT", side: str = "BOTH") -> tuple[str, ...]:
    account = account_of(market)
    position = account.positions[symbol, side]
    return tuple(
        format(number.normalize(), "f")
        for number in (
            position.amount,
            position.entry,
            position.isolated_wallet,
            position.realized,
            account.wallets["USDT"],
            account.cross_wallet("USDT"),
        )
    )
