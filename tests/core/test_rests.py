"""What each metric rests on: changing anything else does not change it."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from monitor.core.freshness import Rest
from monitor.core.language.units import Scope
from monitor.core.metrics import View, metrics_of
from monitor.core.pools import Pool
from monitor.core.portfolio import Account
from tests.core.worlds import World, at, poll, position

D = Decimal

BTC = position("BTCUSDT", "0.1", "60000", mark="62000", liq="40000")
ETH = position("ETHUSDT", "-2", "3000", mark="2900", liq="3200", iw="600", rate="0.01")


def _position(**new: object) -> Callable[[Account], None]:
    def apply(account: Account) -> None:
        holding = account.holdings["BTCUSDT", "BOTH"]
        holding.position = replace(holding.position, **new)  # type: ignore[arg-type]  # fields
        holding.refigure()
        account.forget_pools()

    return apply


def _mark(symbol: str) -> Callable[[Account], None]:
    def apply(account: Account) -> None:
        account.holdings[symbol, "BOTH"].move(D(777), 1000)
        account.forget_pools()

    return apply


def _other(**new: object) -> Callable[[Account], None]:
    def apply(account: Account) -> None:
        for key in (("XRPUSDT", "BOTH"), ("ETHUSDT", "BOTH")):
            holding = account.holdings[key]
            holding.position = replace(holding.position, **new)  # type: ignore[arg-type]  # fields
            holding.refigure()
        account.forget_pools()

    return apply


def _balance(**new: object) -> Callable[[Account], None]:
    def apply(account: Account) -> None:
        account.balances["USDT"] = replace(account.balances["USDT"], **new)  # type: ignore[arg-type]
        account.forget_pools()

    return apply


def _leverage(account: Account) -> None:
    account.settings.leverages["BTCUSDT"] = 3


def _basis(account: Account) -> None:
    for group, basis in account.bases.items():
        account.bases[group] = replace(basis, k=basis.k - 10)


OWN = Rest.DATA | Rest.POOL_DATA
INPUTS: dict[str, tuple[Rest, Callable[[Account], None]]] = {
    "own quantity": (OWN, _position(quantity=D("0.2"))),
    "own entry": (OWN, _position(entry_price=D(50000))),
    "own break-even": (OWN, _position(break_even_price=D(50000))),
    "own isolated wallet": (OWN, _position(isolated_wallet=D(7))),
    "own rate": (Rest.POLL | Rest.RATES, _position(rate=D("0.02"))),
    "own adl": (Rest.POLL, _position(adl=4)),
    "own basis": (Rest.POLL, _basis),
    "own mark": (Rest.OWN_MARK | Rest.CROSS_MARKS | Rest.ALL_MARKS, _mark("BTCUSDT")),
    "a cross mark": (Rest.CROSS_MARKS | Rest.ALL_MARKS, _mark("XRPUSDT")),
    "an isolated mark": (Rest.ALL_MARKS, _mark("ETHUSDT")),
    "others' quantities": (Rest.POOL_DATA, _other(quantity=D(-3))),
    "others' rates": (Rest.RATES, _other(rate=D("0.03"))),
    "the wallet": (Rest.POOL_DATA, _balance(wallet=D(1))),
    "the cross wallet": (Rest.POOL_DATA, _balance(cross_wallet=D(1))),
    "what is available": (Rest.POLL, _balance(available=D(1))),
    "the setting": (Rest.SETTING, _leverage),
}
"""What may be changed, and the inputs it belongs to: a metric resting on none of them stands."""


def three(*, isolated: bool) -> World:
    world = World()
    own = replace(BTC, margin_type="isolated", isolated_wallet=D(300)) if isolated else BTC
    xrp = position("XRPUSDT", "-100", "2", mark="1.9", liq="9", rate="0.02")
    world.tell(1, poll(1, own, ETH, xrp, wallet="1600", cross="1000", leverage=20))
    return world


def moved_by(changed: str, kind: str) -> tuple[set[str], set[str]]:
    """The metrics that a change moves, and those that rest on what changed."""
    belongs, apply = INPUTS[changed]
    world = three(isolated=kind == "isolated")
    holding = None if kind == "pool" else world.account.holdings["BTCUSDT", "BOTH"]
    scope = Scope.POOL if kind == "pool" else Scope.POSITION

    def compute() -> dict[str, object]:
        view = View(world.account, at(1), holding=holding, asset="USDT")
        return {metric.name: metric.compute(view) for metric in metrics_of(scope)}

    before = compute()
    apply(world.account)
    moved = {name for name, figure in compute().items() if figure != before[name]}
    resting = {
        metric.name
        for metric in metrics_of(scope)
        if (metric.rests_cross if kind == "cross" else metric.rests) & belongs
    }
    return moved, resting


KINDS = ("cross", "isolated", "pool")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", INPUTS)
def test_what_a_metric_does_not_rest_on_does_not_change_it(changed: str, kind: str) -> None:
    moved, resting = moved_by(changed, kind)
    assert moved <= resting


@pytest.mark.parametrize("changed", INPUTS)
def test_each_of_these_changes_moves_something(changed: str) -> None:
    assert any(moved_by(changed, kind)[0] for kind in KINDS)


def test_a_pool_with_an_unknown_symbol_still_tells_what_the_others_of_it_are() -> None:
    pool = Pool("USDT")
    pool.symbols = {"A": None, "B": (D(3), D(1))}
    pool.cross_pnl = None
    assert pool.others("A") == 2
    assert pool.others("B") is None
