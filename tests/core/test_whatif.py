"""The account after a shock, by hand and against the real engine."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.events import BracketsRead, PollAnswered, PositionRow, Totals
from monitor.core.judging import Judge
from monitor.core.notices import Target
from monitor.core.rules import Severity
from monitor.core.whatif import Liquidated, Standing, Twice, aftermath, read_shocks, shocked
from monitor.errors import OperatorError
from tests.core.tiers import Exchange, Own, exchanges
from tests.core.worlds import World, at, level, marks, near, poll, position, rule

D = Decimal
NONE, INFO, WARNING, CRITICAL = Severity
HELD = ("BTCUSDT", "BTCUSDC", "ETHUSDT")


# ---------------------------------------------------------------- shocks


@pytest.mark.parametrize(
    ("texts", "moves"),
    [
        pytest.param(["BTCUSDT=-10%"], {"BTCUSDT": "-0.1"}, id="one symbol"),
        pytest.param(
            ["BTCUSDT=-10%", "*=-5%"],
            {"BTCUSDT": "-0.1", "BTCUSDC": "-0.05", "ETHUSDT": "-0.05"},
            id="a name goes above a glob that comes later",
        ),
        pytest.param(
            ["BTC*=-10%", "*=-5%", "BTC???C=+2.5%"],
            {"BTCUSDT": "-0.1", "BTCUSDC": "0.025", "ETHUSDT": "-0.05"},
            id="a glob with more letters goes above one with fewer",
        ),
        pytest.param(
            ["BTC*=1%", "ETH*=2%", "BTC*=3%"],
            {"BTCUSDT": "0.03", "BTCUSDC": "0.03", "ETHUSDT": "0.02"},
            id="of equals the last",
        ),
        pytest.param(["ETHUSDT = +900 %"], {"ETHUSDT": "9"}, id="the most"),
        pytest.param(["ETHUSDT=-99.9%"], {"ETHUSDT": "-0.999"}, id="the least"),
    ],
)
def test_shocks(texts: list[str], moves: dict[str, str]) -> None:
    assert shocked(read_shocks(texts), HELD) == {name: D(part) for name, part in moves.items()}


HINT = "(write a symbol or a glob, and how far it moves: BTCUSDT=-10%)"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("BTCUSDT", f"--shock BTCUSDT: is no shock {HINT}"),
        ("BTCUSDT=-10", f"--shock BTCUSDT=-10: is no shock {HINT}"),
        ("BTCUSDT=--10%", f"--shock BTCUSDT=--10%: is no shock {HINT}"),
        ("BTCUSDT=nan%", f"--shock BTCUSDT=nan%: is no shock {HINT}"),
        ("=5%", '--shock =5%: names no symbol (every symbol is "*")'),
        ("!BTC*=5%", '--shock !BTC*=5%: names no symbol (every symbol is "*")'),
        ("*=-100%", "--shock *=-100%: a mark moves by more than -100% and up to +900%"),
        ("*=900.1%", "--shock *=900.1%: a mark moves by more than -100% and up to +900%"),
    ],
)
def test_what_is_no_shock(text: str, fault: str) -> None:
    with pytest.raises(OperatorError) as raised:
        read_shocks([text])
    assert str(raised.value) == fault


def test_all_faults_at_once() -> None:
    with pytest.raises(OperatorError) as raised:
        read_shocks(["a", "*=5%", "*=-200%"])
    assert str(raised.value).count("\n") == 1


def test_a_shock_that_meets_nothing() -> None:
    with pytest.raises(OperatorError) as raised:
        shocked(read_shocks(["*=1%", "DOGE*=-5%"]), HELD)
    assert str(raised.value) == (
        "--shock DOGE*=-5%: no position held matches DOGE*\nheld are BTCUSDC, BTCUSDT, ETHUSDT"
    )
    assert shocked(read_shocks(["DOGE*=-5%"]), []) == {}


# ---------------------------------------------------------------- afterwards


def held(*rows: PositionRow, cross: str = "1000") -> World:
    world = World()
    world.tell(1, poll(1, *rows, wallet="5000", cross=cross))
    return world


RULES = (
    near("liquidation_distance < 20%"),
    rule("ratio", level(INFO, "margin_ratio > 3%"), level(CRITICAL, "margin_ratio > 50%", on=60)),
    rule("blind", level(WARNING, "stale_for > 0s")),
    rule("set", level(INFO, "leverage > 10x")),
)
JUDGES = [Judge(each) for each in RULES]
BTC = Target("main", "BTCUSDT", "BOTH", "long")
ETH = Target("main", "ETHUSDT", "BOTH", "long")
SOL = Target("main", "SOLUSDT", "BOTH", "long")
USDT = Target("main", asset="USDT")


def test_figures_and_alerts_before_and_after() -> None:
    world = held(position())
    found = aftermath(world.account, {"BTCUSDT": D("-0.1")}, JUDGES, at(1))
    assert found.marks == {"BTCUSDT": Twice(D(62000), D(55800))}
    (part,) = found.positions
    assert part.target == BTC
    assert part.figures["unrealized_pnl"] == Twice(D(200), D(-420))
    assert part.figures["liquidation_distance"] == Twice(D(8000) / D(62000), D(1800) / D(55800))
    (pool,) = found.pools
    assert pool.target == USDT
    assert pool.figures["equity"] == Twice(D(5200), D(4580))
    assert pool.figures["margin_balance"] == Twice(D(1200), D(580))
    assert pool.figures["margin_ratio"] == Twice(D("24.8") / D(1200), D("22.32") / D(580))
    assert found.liquidated == ()
    assert found.alerts == (
        Standing(BTC, "near", WARNING, WARNING, doubt=False),
        Standing(USDT, "ratio", NONE, INFO, doubt=False),
    )
    assert world.account.holdings["BTCUSDT", "BOTH"].mark_price == 62000


def test_what_is_liquidated_in_order() -> None:
    """Isolated ones by themselves; the pool with all of its positions, the largest loss first."""
    world = held(
        position("ETHUSDT", "1", "3000", mark="3000", liq="2500"),
        position(mark="60000"),
        position("SOLUSDT", "10", "100", mark="100", liq="90", iw="104"),
    )
    found = aftermath(
        world.account, dict.fromkeys(HELD, D("-0.2")) | {"SOLUSDT": D("-0.3")}, [], at(1)
    )
    sol, pool = found.liquidated
    # 104 + 10 (m − 100) = 0.04 m: at 89.96, a third of the way of 30 % is 10 %.
    assert sol.asset == ""
    assert sol.positions == (SOL,)
    assert D("0.3346") < sol.way < D("0.3348")
    assert D("89.95") < sol.marks["SOLUSDT"] <= D("89.9598393574")
    # 1000 + 0.1 x + y = 0.0004 (60000 + x) + 0.004 (3000 + y), x = −12000 t, y = −600 t
    assert pool.asset == "USDT"
    assert pool.positions == (BTC, ETH)
    assert D("0.537") < pool.way < D("0.538")
    assert set(pool.marks) == {"BTCUSDT", "ETHUSDT"}


def test_already_being_liquidated() -> None:
    world = held(position(mark="50000", liq="54000", iw="600"), cross="400")
    found = aftermath(world.account, {"BTCUSDT": D("0.5")}, [], at(1))
    assert found.liquidated == (Liquidated("", D(0), (BTC,), {"BTCUSDT": D(50000)}, D(0)),)


def test_what_nobody_knows() -> None:
    world = held(position(), position("ETHUSDT", "1", "3000", mark="3000", iw="600"))
    world.account.holdings["BTCUSDT", "BOTH"].mark_price = None
    world.account.moved = True
    found = aftermath(world.account, {"ETHUSDT": D("-0.1")}, JUDGES, at(1))
    assert found.unknown == (USDT,)
    assert found.marks == {"ETHUSDT": Twice(D(3000), D(2700))}
    assert [str(one) for one in found.alerts if one.doubt] == [
        str(Standing(BTC, "near", NONE, NONE, doubt=True)),
        str(Standing(USDT, "ratio", NONE, NONE, doubt=True)),
    ]


def test_an_isolated_position_loses_its_margin_and_no_more() -> None:
    """It is gone from its pool, which keeps what is not its own."""
    world = held(
        position("ETHUSDT", "1", "3000", mark="3000", liq="2500"),
        position("SOLUSDT", "10", "100", mark="100", liq="90", iw="104"),
    )
    rules = rule("few", level(INFO, "position_count < 2")), near("liquidation_distance < 0%")
    shock = {"SOLUSDT": D("-0.5"), "ETHUSDT": D("-0.1")}
    found = aftermath(world.account, shock, [Judge(each) for each in rules], at(1))
    (gone,) = found.liquidated
    assert (gone.positions, gone.lost) == ((SOL,), D(104))
    # Of 5000 there are 104 less, and 300 on ETH; its 500 beyond liquidation are not his.
    (pool,) = found.pools
    assert pool.figures["equity"] == Twice(D(5000), D(4596))
    assert pool.figures["total_unrealized_pnl"] == Twice(D(0), D(-300))
    assert pool.figures["margin_balance"] == Twice(D(1000), D(700))
    # What is liquidated is shown as if it were held: how far it went, and its alerts.
    sol = next(part for part in found.positions if part.target == SOL)
    assert sol.figures["unrealized_pnl"] == Twice(D(0), D(-500))
    assert found.alerts == (
        Standing(SOL, "near", NONE, WARNING, doubt=False),
        Standing(USDT, "few", NONE, INFO, doubt=False),
    )
    assert len(world.account.holdings) == 2
    assert world.read("equity").value == 5000


def test_a_pool_loses_its_balance_and_no_more() -> None:
    world = held(
        position("ETHUSDT", "2", "3000", mark="3000", liq="2600"),
        position("SOLUSDT", "10", "100", mark="100", liq="90", iw="104"),
    )
    found = aftermath(world.account, {"ETHUSDT": D("-0.5")}, JUDGES, at(1))
    (gone,) = found.liquidated
    assert (gone.asset, gone.lost) == ("USDT", D(1000))
    (pool,) = found.pools
    # 3000 of PnL on a balance of 1000: isolated margin and what is not in futures are left.
    assert pool.figures["equity"] == Twice(D(5000), D(4000))
    assert pool.figures["margin_balance"] == Twice(D(1000), D(0))
    assert pool.figures["margin_ratio"] == Twice(D("0.024"), D("Infinity"))
    assert Standing(USDT, "ratio", NONE, CRITICAL, doubt=False) in found.alerts


def test_a_pool_in_dollars_loses_its_balance_and_no_more() -> None:
    world = World()
    totals = Totals(D(999), D(999), D(0), D(0), D(24))
    answer = poll(1, position("ETHUSDT", "2", "3000", mark="3000", liq="2600"))
    fields = {name: getattr(answer, name) for name in PollAnswered.__slots__}
    world.tell(1, PollAnswered(**fields | {"totals": totals, "multi_assets": True}))
    found = aftermath(world.account, {"ETHUSDT": D("-0.5")}, [], at(1))
    (gone,) = found.liquidated
    assert (gone.asset, gone.lost) == ("USD", D(999))
    (pool,) = found.pools
    assert pool.figures["equity"] == Twice(D(999), D(0))
    assert world.account.totals == totals


def test_two_that_go_at_nearly_the_same_mark_are_in_order() -> None:
    """One dollar of 60000 apart, after a two-hundredth of the way."""
    world = held(
        position(mark="60000", liq="59001", iw="100", side="SHORT", quantity="-0.1"),
        position(mark="60000", liq="59000", iw="330.9", side="LONG"),
        position("ETHUSDT", mark="60000", liq="59001", iw="330.8"),
    )
    found = aftermath(world.account, dict.fromkeys(HELD, D("-0.99")), [], at(1))
    assert [body.positions[0].symbol for body in found.liquidated] == ["ETHUSDT", "BTCUSDT"]


# ---------------------------------------------------------------- in the real engine

shares = st.integers(-90, 300).map(lambda whole: D(whole) / 100)
LEVELS = (
    rule(
        "distance",
        level(INFO, "liquidation_distance < 20%"),
        level(CRITICAL, "liquidation_distance < 5%"),
    ),
    rule("loss", level(WARNING, "unrealized_pnl < -100")),
    rule("ratio", level(INFO, "margin_ratio > 10%"), level(CRITICAL, "margin_ratio >= 100%")),
    rule("gone", level(CRITICAL, "position_margin_ratio >= 100%")),
)


def told(exchange: Exchange) -> World:
    world = World(*LEVELS)
    isolated = sum((one.wallet for one in exchange.held), D(0))
    world.tell(0.5, BracketsRead("main", exchange.tables))
    rows = [exchange.row(one) for one in exchange.held]
    whole = str(exchange.wallet + isolated)
    world.tell(1, poll(1, *rows, wallet=whole, cross=str(exchange.wallet)))
    return world


def levels(world: World) -> dict[tuple[str, str], Severity]:
    return {
        (watch.judge.rule.name, str(watch.target)): watch.alert.level
        for watch in world.engine.watches()
        if watch.alert is not None and watch.alert.level
    }


@settings(deadline=None, max_examples=60)
@given(exchanges(), shares, shares)
def test_told_the_marks_the_engine_says_the_same(exchange: Exchange, one: D, other: D) -> None:
    changes = {"AAAUSDT": one, "BBBUSDT": other}
    assume(any(changes.values()))
    world = told(exchange)
    judges = [Judge(each) for each in LEVELS]
    found = aftermath(world.account, changes, judges, at(1))
    now = {(each.rule, str(each.target)): each.before for each in found.alerts if each.before}
    assert now == levels(world)
    # Without a dead band and delays a level that stands is one whose condition holds.
    prices = {name: f"{exchange.marks[name] * (1 + part):f}" for name, part in changes.items()}
    world.tell(2, marks(2, **prices))
    then = {(each.rule, str(each.target)): each.after for each in found.alerts if each.after}
    assert then == levels(world)
    for each in found.positions:
        side = each.target.position_side
        said = world.read("unrealized_pnl", each.target.symbol, side).value
        assert each.figures["unrealized_pnl"].after == said
    gone = {str(target) for body in found.liquidated for target in body.positions}
    # What is above 100 % at the end is liquidated; beside it only what is above 100 % already.
    alight = {target for rule_, target in (*now, *then) if rule_ == "gone"}
    assert gone == alight
    assert [body.way for body in found.liquidated] == sorted(b.way for b in found.liquidated)


# ---------------------------------------------------------------- against an exchange of its own


class Body:
    """What is liquidated together, by the exchange's own sums."""

    def __init__(self, exchange: Exchange, held: Sequence[Own], wallet: D) -> None:
        self.exchange, self.held, self.wallet = exchange, held, wallet

    def money(self, marks_: dict[str, D]) -> D:
        """Compute its margin balance."""
        gains = [one.quantity * (marks_[one.symbol] - one.entry) for one in self.held]
        return self.wallet + sum(gains, D(0))

    def left(self, marks_: dict[str, D]) -> D:
        """Compute what is left of it above its maintenance margin."""
        left = [self.exchange.leg(one).left(marks_[one.symbol]) for one in self.held]
        return self.wallet + sum(left, D(0))

    def way(self, marks_: Callable[[D], dict[str, D]]) -> D | None:
        """Find how much of a shock it takes; by halves, since money left is concave."""
        before, after = D(0), D(1)
        if self.left(marks_(before)) <= 0:
            return before
        if self.left(marks_(after)) > 0:
            return None
        for _ in range(60):
            middle = (before + after) / 2
            before, after = (before, middle) if self.left(marks_(middle)) <= 0 else (middle, after)
        return after


@settings(deadline=None, max_examples=100)
@given(exchanges(), shares, shares)
def test_an_exchange_liquidates_the_same_in_the_same_order(
    exchange: Exchange, one: D, other: D
) -> None:
    changes = {"AAAUSDT": one, "BBBUSDT": other}

    def marks_at(part: D) -> dict[str, D]:
        return {name: mark * (1 + changes[name] * part) for name, mark in exchange.marks.items()}

    bodies = [Body(exchange, [each], each.wallet) for each in exchange.held if each.wallet]
    crossed = [each for each in exchange.held if not each.wallet]
    bodies += [Body(exchange, crossed, exchange.wallet)]
    ways = [(way, body) for body in bodies if body.held and (way := body.way(marks_at)) is not None]
    ways.sort(key=lambda each: each[0])
    found = aftermath(told(exchange).account, changes, [], at(1))
    assert [
        {(target.symbol, target.position_side) for target in each.positions}
        for each in found.liquidated
    ] == [{(each.symbol, each.side) for each in body.held} for _, body in ways]
    for each, (way, body) in zip(found.liquidated, ways, strict=True):
        assert abs(each.way - way) < D("1e-6")
        assert each.lost == max(D(0), body.money(exchange.marks))
        # It is so at the marks that are named.
        assert body.left(marks_at(way) | dict(each.marks)) <= D("1e-20")
    gone = [body for _, body in ways]
    (pool,) = found.pools
    assert pool.figures["equity"].after == sum(
        (body.money(marks_at(D(1))) for body in bodies if body not in gone), D(0)
    )
