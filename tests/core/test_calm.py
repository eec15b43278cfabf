"""Ranges of marks in which nothing has to be judged: what they promise, and when they end."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.bounds import SPANS, Bounds, Ranges, Unproved
from monitor.core.calm import PATIENCE, WIDTHS, Calm
from monitor.core.events import BracketsRead, Event, Totals
from monitor.core.freshness import MARKS
from monitor.core.judging import Judge, Watch, look
from monitor.core.language.truth import UNKNOWN, Interval
from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import METRICS, View, metrics_of
from monitor.core.notices import Notice
from monitor.core.rules import Rule, Severity
from monitor.core.verdicts import Verdicts
from tests.core.tiers import Exchange, by_steps, exchanges, table
from tests.core.worlds import World, at, change, level, marks, money, near, poll, position, rule

D = Decimal


def judgements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the account of each watch that is judged."""
    seen: list[str] = []
    judged = Verdicts._judge

    def spy(self: Verdicts, watch: Watch, *more: object) -> None:
        seen.append(watch.account.name)
        judged(self, watch, *more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Verdicts, "_judge", spy)
    return seen


def ticked(world: World, *prices: str, start: int = 2) -> None:
    """Tell a mark of BTCUSDT each second."""
    for seconds, price in enumerate(prices, start):
        world.tell(seconds, marks(seconds, BTCUSDT=price))


# ---------------------------------------------------------------- what is left alone


def test_small_moves_far_from_every_threshold_are_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(near("liquidation_distance < 5%"))
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    seen = judgements(monkeypatch)
    ticked(world, "62010", "61500", "62900", "61000", start=3)
    assert seen == []
    assert world.read("unrealized_pnl", "BTCUSDT").value == 100, "figures are of the last mark"
    assert world.read("margin_balance").value == 1100
    ticked(world, "60000", start=7)
    assert seen == ["main"], "2 % are the widest range"


def test_what_comes_near_is_told_at_its_very_tick() -> None:
    world = World(near("liquidation_distance < 10%"))
    world.tell(1, poll(1, position()))
    ticked(world, "61000", "60500", "60400", "60100", "60001", "60000", "59999", "60000.01")
    assert world.story == ["8s fired warning", "9s resolved warning recovered"]


def test_an_alert_that_stands_and_stays_is_left_alone_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(near("liquidation_distance < 20%", off=3, band="0.1"))
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    seen = judgements(monkeypatch)
    ticked(world, "61900", "62100", "61800", start=3)
    assert seen == []
    ticked(world, "70000", start=6)
    world.tell(20)
    assert world.story == ["1s fired warning", "9s resolved warning recovered"]


def test_other_accounts_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(near("liquidation_distance < 5%"), accounts=("main", "sub"))
    far, close = position(), position(liq="58500")
    world.tell(1, poll(1, far), poll(1, close, account="sub"))
    ticked(world, "62000")
    seen = judgements(monkeypatch)
    ticked(world, "61990", start=3)
    assert seen == []
    assert world.account.calm
    ticked(world, "61000", start=4)
    assert seen == ["sub"], "its ranges are narrower"


# ---------------------------------------------------------------- what ends it


@pytest.mark.parametrize("what", ["poll", "event", "brackets"])
def test_whatever_touches_the_account_ends_the_ranges(what: str) -> None:
    world = World(near("liquidation_distance < 5% or margin_ratio > 50%"))
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    assert world.account.calm
    steep = BracketsRead("main", {"BTCUSDT": table((10**9, "0.3"))})
    events: dict[str, Event] = {
        "poll": poll(3, position(liq="61000")),
        "event": change(3, money("300")),
        "brackets": steep,
    }
    world.tell(3, events[what])
    assert not world.account.calm
    assert world.story == ["3s fired warning"]


def test_an_age_is_judged_when_it_is_due() -> None:
    world = World(near("mark_age > 20s and notional > 0"), stale_after=100)
    world.tell(1, poll(1, position()))
    ticked(world, "62000", "62001", "62002")
    assert world.account.calm
    world.tell(24.5)
    assert world.story == ["24.001s fired warning"], "20 s and a moment after the last mark"
    world.tell(30, marks(30, BTCUSDT="62003"))
    assert world.story == ["24.001s fired warning", "30s resolved warning recovered"]


def test_an_age_that_is_not_due_yet_disturbs_nobody() -> None:
    world = World(near("mark_age >= 20s"), stale_after=100)
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    assert world.account.calm
    world.tell(23)
    assert world.story == ["22s fired warning"]


def test_ages_below_a_literal_are_never_calm() -> None:
    """A mark may make them true again at any time."""
    world = World(near("mark_age < 5s and liquidation_distance < 10%"))
    world.tell(1, poll(1, position(mark="59000")))
    assert world.story == ["1s fired warning"]
    world.tell(8)
    assert world.story[1:] == ["6s resolved warning recovered"]
    world.tell(9, marks(9, BTCUSDT="59000"))
    assert world.story[2:] == ["9s fired warning"]


def test_stale_accounts_are_judged_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(near("liquidation_distance < 5%"))
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    world.tell(40)
    assert world.account.stale_since is not None
    seen = judgements(monkeypatch)
    ticked(world, "62001", "62002", start=41)
    assert not world.account.calm
    assert seen == ["main", "main"]


# ---------------------------------------------------------------- looking for ranges


@pytest.mark.parametrize(
    ("threshold", "width"),
    [
        pytest.param("10%", WIDTHS[0], id="far"),
        pytest.param("12%", WIDTHS[1], id="nearer"),
        pytest.param("12.8%", WIDTHS[2], id="near"),
    ],
)
def test_ranges_are_as_wide_as_can_be_proved(threshold: str, width: D) -> None:
    world = World(near(f"liquidation_distance < {threshold}"))
    world.tell(1, poll(1, position()))
    ticked(world, "62000")
    holding = world.account.holdings["BTCUSDT", "BOTH"]
    assert (holding.low, holding.high) == (62000 * (1 - width), 62000 * (1 + width))
    assert world.account.calm


def test_where_none_is_found_attempts_become_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []
    proved = Calm._proved

    def spy(self: Calm, account: object, watches: object, now: object, width: D) -> bool:
        if width == WIDTHS[0]:
            attempts.append(now.ticks // 1000)  # type: ignore[attr-defined]
        return proved(self, account, watches, now, width)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Calm, "_proved", spy)
    world = World(near("liquidation_distance < 12.903%"), stale_after=1000)
    world.tell(1, poll(1, position()))
    ticked(world, *["62000"] * 120)
    assert attempts == [2, 7, 16, 33, 66, 99]
    assert attempts[-1] - attempts[-2] == PATIENCE + 1


def test_ranges_that_do_not_last_are_not_looked_for_each_time() -> None:
    """Finding them costs as much as some ticks judged."""
    world = World(near("liquidation_distance < 1%"))
    world.tell(1, poll(1, position()))
    calm = []
    for seconds in range(2, 26):
        ticked(world, "62000" if seconds % 2 else "66000", start=seconds)
        calm.append(world.account.calm)
    # Found at once, lost at the next tick; then again after 4, 8 ... ticks.
    found = [seconds for seconds, so in enumerate(calm, 2) if so]
    assert found == [2, 8, 18]


# ---------------------------------------------------------------- the bounds


def test_every_metric_that_moves_is_bounded() -> None:
    moving = {
        metric.name
        for metric in METRICS.values()
        if int(metric.rests | metric.rests_cross) & MARKS and metric.unit is not Unit.DURATION
    }
    assert set(SPANS) == moving


def test_a_price_that_may_come_into_another_bracket_has_no_bounds() -> None:
    """2 % of ETHUSDT are 120 USDT, behind a price that lies 1 USDT above the border."""
    world = World()
    tiers = table((D("5400.1"), "0.004"), (100_000, "0.5"))
    long = position(mark="60000", liq="54002")
    long = replace(long, maintenance_margin=by_steps(tiers, D(6000)))
    eth = position("ETHUSDT", "-2", "3000", mark="3000", liq="3400")
    world.tell(1, BracketsRead("main", {"BTCUSDT": tiers}), poll(1, long, eth))
    target = target_of(world, "BTCUSDT")
    judge = Judge(near("liquidation_distance < 5%"))
    with pytest.raises(Unproved):
        target.value(METRICS["liquidation_distance"], judge)


def target_of(world: World, symbol: str) -> Bounds:
    holding = world.account.holdings[symbol, "BOTH"]
    view = View(world.account, at(1), holding=holding)
    return Bounds(Ranges(world.account, WIDTHS[0]), look(view, 600_000))


def told(world: World, exchange: Exchange, *, multi: bool) -> None:
    rows = [exchange.row(own) for own in exchange.held]
    answer = poll(1, *rows, wallet=str(exchange.wallet))
    if multi:
        pnl = sum((row.unrealized_pnl or D(0) for row in rows), D(0))
        totals = Totals(exchange.wallet, exchange.wallet, pnl, pnl, D(0), D(0))
        answer = replace(answer, multi_assets=True, totals=totals)
    world.tell(0.5, BracketsRead("main", exchange.tables))
    world.tell(1, answer)


@given(
    exchanges(),
    st.booleans(),
    st.sampled_from(WIDTHS),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4),
)
@settings(max_examples=150)
def test_in_its_ranges_every_metric_keeps_to_its_bounds(
    exchange: Exchange,
    multi: bool,  # noqa: FBT001 - drawn
    width: D,
    moves: list[tuple[int, int]],
) -> None:
    world = World()
    told(world, exchange, multi=multi)
    account = world.account
    judge = Judge(near("mark_age > 20s"))
    try:
        ranges = Ranges(account, width)
        views = [View(account, at(1), holding=each) for each in account.holdings.values()]
        views.append(View(account, at(1), asset="USD" if multi else "USDT"))
        bounds = []
        for view in views:
            target = Bounds(ranges, look(view, 600_000))
            scope = Scope.POOL if view.holding is None else Scope.POSITION
            names = [each for each in metrics_of(scope) if each.name in SPANS]
            bounds.append({each.name: target.value(each, judge) for each in names})
    except Unproved:
        assume(False)
    held = {each.position.symbol: (each.low, each.high) for each in account.holdings.values()}
    for second, move in enumerate(moves, 2):
        prices = {
            symbol: str(low + (high - low) * D(part) / 4)
            for (symbol, (low, high)), part in zip(held.items(), move, strict=True)
        }
        world.tell(second, marks(second, **prices))
        for view, bound in zip(views, bounds, strict=True):
            now = View(account, at(second), holding=view.holding, asset=view.asset)
            for name, value in bound.items():
                figure = METRICS[name].compute(now)
                if isinstance(value, Interval):
                    assert isinstance(figure, D) or (figure is None and value.doubt)
                    assert figure is None or value.lo <= figure <= value.hi, name
                else:
                    assert figure == (None if value is UNKNOWN else value), name


RULES: tuple[Rule, ...] = (
    rule(
        "distance",
        level(Severity.INFO, "liquidation_distance < 20%", on=2, off=3, band="0.02"),
        level(Severity.WARNING, "liquidation_distance < 10%", off=2, band="0.02"),
    ),
    rule("room", level(Severity.INFO, "margin_room < 50% or roi < -20%", band="0.02")),
    rule("size", level(Severity.INFO, "notional > 1000 and mark_price < 101", on=1)),
    rule("ratio", level(Severity.WARNING, "margin_ratio > 5%", off=2, band="0.02")),
    rule("equity", level(Severity.INFO, "equity < 1000 or account_leverage > 3x")),
    rule("leverage", level(Severity.INFO, "effective_leverage > 2x and mark_age < 3s", off=1)),
    rule("loss", level(Severity.INFO, "abs(unrealized_pnl) > 5% * wallet_balance")),
)


@given(
    exchanges(),
    st.booleans(),
    st.lists(st.tuples(st.integers(-12, 12), st.integers(-12, 12)), min_size=30, max_size=60),
)
@settings(max_examples=40)
def test_calm_or_not_the_same_is_told(
    exchange: Exchange,
    multi: bool,  # noqa: FBT001 - drawn
    moves: list[tuple[int, int]],
) -> None:
    """Half a minute or more of small moves, with every rule and every tick judged, or not."""
    stories = []
    for judge_all in (False, True):
        world = World(*RULES, judge_all=judge_all)
        told(world, exchange, multi=multi)
        prices = dict(exchange.marks)
        for second, move in enumerate(moves, 2):
            for symbol, thousandths in zip(prices, move, strict=True):
                prices[symbol] *= 1 + D(thousandths) / 1000
            texts = {symbol: str(round(price, 4)) for symbol, price in prices.items()}
            world.tell(second, marks(second, **texts))
        stories.append([*map(line, world.notices)])
    assert stories[0] == stories[1]


def line(notice: Notice) -> str:
    kind = f"{notice.kind} {notice.severity.word} {notice.reason}"
    return f"{notice.at} {notice.rule} {notice.target} {kind} {notice.values}"
