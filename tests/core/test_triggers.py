"""Where levels turn: at the answer they do, in the real engine, and nowhere nearer."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.events import BracketsRead, PollAnswered, PositionRow, Totals
from monitor.core.freshness import MARKS
from monitor.core.judging import Judge
from monitor.core.language.truth import Interval
from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import METRICS
from monitor.core.one_mark import DIGITS, MONOTONE, OneMark
from monitor.core.rules import Globs, Rule, Severity
from monitor.core.supposing import marks_of, subjects_of, supposing
from monitor.core.triggers import (
    FARTHEST,
    Answer,
    Trigger,
    symbols_of,
    tick_of,
    triggers_of,
)
from tests.core.tiers import Exchange, exchanges, table
from tests.core.worlds import World, at, change, level, marks, money, near, poll, position, rule

D = Decimal
NONE, INFO, WARNING, CRITICAL = Severity
TENTH = {"BTCUSDT": D("0.1"), "ETHUSDT": D("0.01")}


def found(world: World, *rules: Rule, ticks: dict[str, Decimal] | None = None) -> list[Trigger]:
    """Find every trigger of main, one second after the epoch."""
    judges = [Judge(each) for each in rules]
    return [
        trigger
        for subject in subjects_of(world.account)
        for trigger in triggers_of(subject, judges, at(1), TENTH if ticks is None else ticks)
    ]


def worded(triggers: Iterable[Trigger]) -> list[str]:
    """Write triggers as "near warning BTCUSDT: 59999.9 never"."""
    return [
        f"{one.rule} {one.severity.word}{' on' if one.on else ''} {one.symbol}: "
        + " ".join(
            each.value if isinstance(each, Answer) else f"{each.normalize():f}"
            for each in (one.below, one.above)
        )
        for one in triggers
    ]


def held(*rows: object, wallet: str = "1000", cross: str | None = None) -> World:
    """Make a world that was polled once."""
    world = World()
    world.tell(1, poll(1, *rows, wallet=wallet, cross=cross))  # type: ignore[arg-type]  # rows
    return world


ISOLATED = position(iw="600")
"""0.1 BTC long at 60000, mark 62000, liquidated at 54000."""


# ---------------------------------------------------------------- by hand


def test_levels_of_a_long() -> None:
    levels = rule(
        "distance",
        level(INFO, "liquidation_distance < 20%", band="0.1"),
        level(WARNING, "liquidation_distance < 10%", band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", band="0.1"),
    )
    # 54000 / 0.9 is 60000, where the distance is 10 % and not below it; 54000 / 0.95 = 56842.1052…
    # 20 % holds already; it clears where 22 % is passed: 54000 / 0.78 = 69230.7692…
    assert worded(found(held(ISOLATED), levels)) == [
        "distance warning BTCUSDT: 59999.9 never",
        "distance critical BTCUSDT: 56842.1 never",
        "distance info on BTCUSDT: never 69230.8",
    ]


def test_levels_of_a_short() -> None:
    short = position(quantity="-0.1", mark="58000", liq="66000", iw="600")
    levels = near("liquidation_distance <= 10%")
    # 66000 / 1.1 = 60000, where it is 10 %.
    assert worded(found(held(short), levels)) == ["near warning BTCUSDT: never 60000"]


def test_both_ways_and_the_nearest_first() -> None:
    rules = (
        near("mark_price < 61000 or mark_price > 62345.67"),
        rule("far", level(INFO, "unrealized_pnl > 5000")),
    )
    assert worded(found(held(ISOLATED), *rules)) == [
        "near warning BTCUSDT: 60999.9 62345.7",
        "far info BTCUSDT: never 110000.1",
    ]


def test_a_region_narrower_than_a_tick_stands_with_all_its_digits() -> None:
    world = held(ISOLATED)
    narrow = near("57310.05 < mark_price < 57310.06")
    assert worded(found(world, narrow)) == ["near warning BTCUSDT: 57310.05999999 never"]
    single = near("mark_price == 57310.12345678")
    assert worded(found(world, single)) == ["near warning BTCUSDT: 57310.12345678 never"]


def test_a_region_between_two_others_is_not_passed_over() -> None:
    """PnL from −500 to −499.99 and from −1000 on: the narrow one is nearer."""
    text = "-500 <= unrealized_pnl <= -499.99 or unrealized_pnl < -1000"
    assert worded(found(held(ISOLATED), near(text))) == ["near warning BTCUSDT: 55000.1 never"]


def test_what_does_not_move_and_what_nobody_knows() -> None:
    world = World()
    world.tell(1, poll(1, ISOLATED, leverage=None))
    rules = (
        rule("adl", level(INFO, 'adl >= 3 and side == "long"')),
        rule("old", level(INFO, "mark_age > 30s")),
        rule("lever", level(INFO, "leverage > 10x and liquidation_distance < 5%")),
        rule("never", level(INFO, "liquidation_distance > 100%")),
        rule("always", level(INFO, "mark_price > 0")),
        rule("shown", level(INFO, "leverage > 10x or mark_price < 50000")),
    )
    assert worded(found(world, *rules)) == [
        "shown info BTCUSDT: 49999.9 unknown",
        "adl info BTCUSDT: not by price not by price",
        "old info BTCUSDT: not by price not by price",
        "lever info BTCUSDT: unknown never",
        "never info BTCUSDT: never never",
        "always info on BTCUSDT: never never",
    ]


def test_nothing_is_known_of_the_past() -> None:
    past = near("drop(equity, 1h) > 10% and notional > 0")
    assert worded(found(held(ISOLATED), past)) == ["near warning BTCUSDT: unknown unknown"]


def test_without_a_mark_nothing_is_known() -> None:
    row = position(iw="600")
    world = held(row)
    world.account.holdings["BTCUSDT", "BOTH"].mark_price = None
    triggers = found(world, near())
    assert worded(triggers) == ["near warning BTCUSDT: unknown unknown"]
    assert triggers[0].mark is None
    assert triggers[0].distance == D("Infinity")


def test_a_rule_at_a_time_and_with_few_looks_it_is_the_same_or_unknown() -> None:
    world = held(position(), position("ETHUSDT", "-2", "3000", mark="3000", liq="3500"))
    judges = [Judge(near()), Judge(near("margin_ratio > 10%"))]
    for subject in subjects_of(world.account):
        whole = triggers_of(subject, judges, at(1), TENTH)
        parts = {
            most: [
                trigger
                for symbol in symbols_of(subject)
                for judge in subject.rules(judges)
                for trigger in triggers_of(subject, [judge], at(1), TENTH, only=symbol, most=most)
            ]
            for most in (100, 3)
        }
        assert sorted(worded(parts[100])) == sorted(worded(whole))
        for few, enough in zip(parts[3], parts[100], strict=True):
            assert few.below in {enough.below, Answer.UNKNOWN}
            assert few.above in {enough.above, Answer.UNKNOWN}
            assert not isinstance(few.below, Decimal)


def test_what_takes_too_long_to_prove_is_unknown_and_not_never() -> None:
    triggers = found(held(ISOLATED), near("abs(mark_price - mark_price) > 0"))
    assert worded(triggers) == ["near warning BTCUSDT: unknown unknown"]


def test_a_pool_by_each_of_its_symbols() -> None:
    """Ratio 10 %: maintenance 24.8 + 24 of 1000 + 200 now."""
    world = held(position(), position("ETHUSDT", "-2", "3000", mark="3000", liq="3500"))
    pool = near("margin_ratio > 10%")
    # BTC: 0.0004 m + 24 = 0.1 (1000 + 0.1 m − 6000); ETH: 24.8 + 0.008 m = 0.1 (1200 + 6000 − 2 m)
    assert worded(found(world, pool)) == [
        "near warning ETHUSDT: never 3342.31",
        "near warning BTCUSDT: 54583.3 never",
    ]


def test_isolated_positions_move_what_is_theirs_alone() -> None:
    world = held(position(), position("ETHUSDT", "-2", "3000", mark="3000", iw="500"), cross="500")
    rules = near("margin_ratio > 10%"), rule("poor", level(INFO, "equity < 900"))
    assert worded(found(world, *rules)) == [
        "poor info BTCUSDT: 58999.9 never",
        "poor info ETHUSDT: never 3150.01",
        "near warning BTCUSDT: 57291.6 never",
        "near warning ETHUSDT: not by price not by price",
    ]


def test_both_legs_of_a_symbol_move_together() -> None:
    legs = (
        position(quantity="0.3", side="LONG", liq="40000"),
        position(quantity="-0.1", entry="62000", side="SHORT", liq="40000"),
    )
    world = held(*legs)
    poor = rule("poor", level(INFO, "equity < 1400"))
    # 1000 + 0.3 (m − 60000) − 0.1 (m − 62000) = 1400
    assert worded(found(world, poor)) == ["poor info BTCUSDT: 60999.9 never"]
    room = found(world, rule("room", level(INFO, "margin_balance < 1400 and notional > 0")))
    assert [(one.target.position_side, one.below) for one in room] == [
        ("LONG", D("60999.9")),
        ("SHORT", D("60999.9")),
    ]


def test_maintenance_steps_up_from_bracket_to_bracket() -> None:
    """Up to 10000 of notional 1 %, beyond it 10 %: 0.1 · m − 900."""
    world = World()
    tiers = table((10_000, "0.01"), (9_000_000, "0.1"))
    world.tell(0.5, BracketsRead("main", {"BTCUSDT": tiers}))
    short = position(quantity="-1", entry="9000", mark="9000", liq="0", rate="0.01", iw="3000")
    world.tell(1, poll(1, short, wallet="3000", cross="0"))
    rules = near("position_margin_ratio > 20%"), rule("need", level(INFO, "notional > 10000"))
    # 0.1 m − 900 = 0.2 (3000 + 9000 − m)
    assert worded(found(world, *rules, ticks={"BTCUSDT": D("0.5")})) == [
        "need info BTCUSDT: never 10000.5",
        "near warning BTCUSDT: never 11000.5",
    ]


def test_what_turns_back_at_a_border_is_seen() -> None:
    """Maintenance falls behind the balance up to 200, and overtakes it beyond."""
    world = World()
    tiers = table((200, "0.01"), (9_000_000, "0.5"))
    world.tell(0.5, BracketsRead("main", {"BTCUSDT": tiers}))
    row = position(quantity="1", entry="100", mark="100", liq="50.5", rate="0.01", iw="50")
    world.tell(1, poll(1, row, wallet="50", cross="0"))
    # 0.01 m < 0.015 (m − 50) beyond 150; at ten times the mark the ratio is 42 %.
    thin = near("position_margin_ratio < 1.5%")
    ticks = {"BTCUSDT": D("0.01")}
    assert worded(found(world, thin, ticks=ticks)) == ["near warning BTCUSDT: never 150.01"]


def test_a_level_is_on_with_any_higher_one() -> None:
    """Whatever was meant: so it is judged live."""
    odd = rule("odd", level(INFO, "mark_price < 50000"), level(WARNING, "mark_price < 60000"))
    assert worded(found(held(ISOLATED), odd)) == [
        "odd warning BTCUSDT: 59999.9 never",
        "odd info BTCUSDT: 59999.9 never",
    ]


def test_what_is_unknown_here_may_be_known_there() -> None:
    """Nothing put behind it, and profit: what part of nothing is left, nobody can say."""
    world = held(position(), cross="-100")
    empty = near("margin_room <= 0%")
    # −100 + 0.1 (m − 60000) = 0.0004 m
    assert worded(found(world, empty)) == ["near warning BTCUSDT: 61244.9 unknown"]


@pytest.mark.parametrize(
    ("row", "text", "answer"),
    [
        # Liquidated at 54216.867…: 600 + 0.1 (m − 60000) = 0.0004 m.
        (position(iw="600"), "margin_room <= 0%", "near warning BTCUSDT: 54216.8 never"),
        (
            position(iw="600", mark="53000"),
            "margin_room <= 0%",
            "near warning on BTCUSDT: never 54216.9",
        ),
        (position(iw="600"), "margin_room < 0%", "near warning BTCUSDT: never never"),
        (
            position(iw="600", mark="53000"),
            "margin_room == 0% and mark_price > 1",
            "near warning on BTCUSDT: 1 54216.9",
        ),
        (position(iw="600"), "notional <= 0", "near warning BTCUSDT: never never"),
        # Beyond 54000 it has no balance left, and stays so.
        (
            position(iw="600", mark="53000"),
            "effective_leverage > 100x",
            "near warning on BTCUSDT: never 54545.5",
        ),
    ],
)
def test_what_has_a_floor_or_no_end_is_known_where_it_lies_on_it(
    row: PositionRow, text: str, answer: str
) -> None:
    assert worded(found(held(row), near(text))) == [answer]


def test_a_liquidation_price_is_not_moved_by_its_own_mark() -> None:
    both = position(liq="54000"), position("ETHUSDT", "-2", "3000", mark="3000", liq="3500")
    rules = (
        rule("above", level(INFO, "liquidation_price > 54000")),
        rule("below", level(INFO, "liquidation_price >= 54000")),
    )
    answers = "not by price not by price"
    assert worded(found(held(position()), *rules)) == [
        f"above info BTCUSDT: {answers}",
        f"below info on BTCUSDT: {answers}",
    ]
    assert worded(found(held(*both), *rules))[:2] == [
        f"above info BTCUSDT: {answers}",
        f"below info on BTCUSDT: {answers}",
    ]


def test_where_money_is_used_up_at_every_price_the_bracket_decides() -> None:
    """How far beyond liquidation a mark is goes by the bracket in which it lies."""
    world = World()
    tiers = table((10_000, "0.004"), (9_000_000, "0.1"))
    world.tell(0.5, BracketsRead("main", {"BTCUSDT": tiers}))
    legs = (
        position(quantity="1", entry="9000", mark="9000", liq="6622.516", side="LONG"),
        position(quantity="-0.98", entry="9000", mark="9000", liq="6622.516", side="SHORT"),
    )
    world.tell(1, poll(1, *legs, wallet="100"))
    world.tell(1, change(1, money("10")))
    # 10 + 0.02 (m − 9000) − 1.98 · 0.004 m is most at 10000, and below 0 there, too.
    above, _ = found(world, rule("above", level(INFO, "liquidation_price > 10000")), ticks={})
    assert (above.on, above.below, above.above) == (True, Answer.NEVER, D(10001))


def test_a_mark_that_is_tried_out_is_as_fresh_as_if_it_had_just_been_told() -> None:
    """The mark that is known is 40 s old and raises nothing."""
    world = held(ISOLATED)
    answers = triggers_of(
        next(subjects_of(world.account)), [Judge(near("mark_price < 61000"))], at(41), TENTH
    )
    assert worded(answers) == ["near warning BTCUSDT: 60999.9 never"]
    assert world.account.holdings["BTCUSDT", "BOTH"].mark_at == at(1).ticks


def test_multi_assets_mode() -> None:
    world = World()
    totals = Totals(D(2000), D(2000), D(200), D(200), D("24.8"))
    told = poll(1, position(), wallet="2000")
    fields = {name: getattr(told, name) for name in PollAnswered.__slots__}
    world.tell(1, PollAnswered(**fields | {"totals": totals, "multi_assets": True}))
    # 0.0004 m = 0.1 (2000 + 0.1 m − 6000)
    assert worded(found(world, near("margin_ratio > 10%"))) == [
        "near warning BTCUSDT: 41666.6 never"
    ]


def test_only_rules_that_are_meant() -> None:
    world = held(ISOLATED)
    rules = (
        near(symbols=Globs(["!BTC*"])),
        near(accounts=Globs(["other"])),
        near("stale_for > 0s"),
    )
    assert found(world, *rules) == []


def test_nothing_is_left_changed() -> None:
    world = held(position(), position("ETHUSDT", "-2", "3000", mark="3000", liq="3500"))
    before = [world.read(name, "BTCUSDT") for name in METRICS if name != "adl"]
    found(world, near(), near("margin_ratio > 10%"))
    assert [world.read(name, "BTCUSDT") for name in METRICS if name != "adl"] == before
    assert marks_of(world.account) == {"BTCUSDT": 62000, "ETHUSDT": 3000}


@pytest.mark.parametrize(
    ("mark", "tick"),
    [("62000", "1"), ("62000.50000000", "0.1"), ("0.00012340", "0.0000001"), ("1E+3", "1")],
)
def test_the_tick_where_the_exchange_does_not_say(mark: str, tick: str) -> None:
    assert tick_of(D(mark)) == D(tick)


# ---------------------------------------------------------------- what it rests on


def test_every_metric_that_moves_is_known_to_be_monotone() -> None:
    """A new metric that rests on marks belongs there, or its rules are "unknown"."""
    moving = {name for name, one in METRICS.items() if int(one.rests | one.rests_cross) & MARKS}
    assert moving == MONOTONE


NUMBERS = [name for name in sorted(MONOTONE) if METRICS[name].unit is not Unit.TEXT]
ALL_AT_ONCE = rule("all", level(INFO, " or ".join(f"{n} / {n} > 200%" for n in NUMBERS)))
parts = st.integers(0, 10_000).map(lambda whole: D(whole) / 10_000)


def told(exchange: Exchange, *rules: Rule) -> World:
    """Make a world that knows what an exchange says."""
    world = World(*rules)
    cross = exchange.wallet
    isolated = sum((one.wallet for one in exchange.held), D(0))
    world.tell(0.5, BracketsRead("main", exchange.tables))
    rows = [exchange.row(one) for one in exchange.held]
    world.tell(1, poll(1, *rows, wallet=str(cross + isolated), cross=str(cross)))
    return world


@settings(deadline=None)
@given(exchanges(), st.lists(parts, min_size=3, max_size=3), st.sampled_from([-1, 1]))
def test_metrics_lie_between_their_ends(exchange: Exchange, at_: list[D], way: int) -> None:
    world = told(exchange)
    judge = Judge(ALL_AT_ONCE)
    for subject in subjects_of(world.account):
        if subject.scope is not Scope.POSITION:
            continue
        symbol = subject.target.symbol
        with supposing(world.account, {}, at(1)):
            one = OneMark(subject, symbol, (judge,), at(1))
            mark = int(exchange.marks[symbol].scaleb(DIGITS))
            last = FARTHEST * mark if way > 0 else 1
            borders = [b for b in one.borders() if min(mark, last) < b < max(mark, last)]
            points = sorted({mark, last, *borders, *(b + 1 for b in borders)})
            low, high = points[:2] if len(points) < 4 else points[-2:]
            low, *inside, high = sorted([low, *(low + int((high - low) * p) for p in at_), high])
            ends = one._at(low), one._at(high)
            for metric in judge.metrics:
                value = one._value(metric, *ends, relaxed=False)
                for place in inside:
                    figure = one._at(place)[metric.name]
                    if isinstance(value, Interval) and isinstance(figure, Decimal):
                        assert value.lo <= figure <= value.hi, metric.name
                    elif not isinstance(value, Interval):
                        assert figure == value or figure is None, metric.name


# ---------------------------------------------------------------- in the real engine

RULES = (
    rule(
        "distance",
        level(INFO, "liquidation_distance < 20%", band="0.1"),
        level(WARNING, "liquidation_distance < 10%", band="0.1"),
        level(CRITICAL, "liquidation_distance <= 5%", band="0.1"),
    ),
    rule(
        "room",
        level(WARNING, "margin_room < 50%", band="0.2"),
        level(CRITICAL, "margin_room <= 0%"),
    ),
    rule("narrow", level(INFO, "97.001 < mark_price < 97.0011 or 102 < mark_price < 102.005")),
    rule("loss", level(INFO, "unrealized_pnl < -100 or roi > 50%"), level(WARNING, "roi < -100%")),
    rule("share", level(INFO, "unrealized_pnl / notional < -5%", band="0.5")),
    rule(
        "use",
        level(INFO, "effective_leverage > 5x"),
        level(CRITICAL, "position_margin_ratio > 80%"),
    ),
    rule(
        "ratio", level(INFO, "margin_ratio > 1%", band="0.1"), level(WARNING, "margin_ratio > 40%")
    ),
    rule(
        "poor", level(INFO, "equity < 1000 or account_leverage > 3x"), level(WARNING, "equity < 0")
    ),
    rule("big", level(INFO, "total_notional > 3000 and maintenance_margin > 20")),
    rule("liq", level(INFO, "liquidation_price > 90 and abs(unrealized_pnl) > 50")),
)


def level_at(exchange: Exchange, one: Trigger, price: D) -> Severity:
    """Move the mark there in an engine of its own, and tell the level of the alert."""
    judged = next(each for each in RULES if each.name == one.rule)
    world = told(exchange, judged)
    world.tell(2, marks(2, **{one.symbol: f"{price:f}"}))
    watch = next(each for each in world.engine.watches() if each.target == one.target)
    return Severity.NONE if watch.alert is None else watch.alert.level


def turned(exchange: Exchange, one: Trigger, price: D) -> bool:
    """Tell whether the level is there what it is not now."""
    return (level_at(exchange, one, price) >= one.severity) is not one.on


TICK = D("0.01")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_moved_to_the_answer_it_turns_and_nowhere_nearer(data: st.DataObject) -> None:
    exchange = data.draw(exchanges())
    judge = Judge(data.draw(st.sampled_from(RULES)))
    world = told(exchange)
    subject = data.draw(st.sampled_from(list(subjects_of(world.account))))
    assume(subject.rules([judge]))
    for one in triggers_of(subject, [judge], at(1), dict.fromkeys(exchange.marks, TICK)):
        mark = exchange.marks[one.symbol]
        for way, answer in ((-1, one.below), (1, one.above)):
            if isinstance(answer, Decimal):
                assert turned(exchange, one, answer)
                step = TICK if answer % TICK == 0 else D(1).scaleb(-DIGITS)
                before = answer - way * step
                nearest = max(before, mark) if way > 0 else min(before, mark)
                assert not turned(exchange, one, nearest)
                last = nearest
            elif answer is Answer.UNKNOWN:
                continue  # it promises nothing
            else:
                last = mark * FARTHEST if way > 0 else D(1).scaleb(-DIGITS)
            between = mark + (last - mark) * data.draw(parts)
            assert not turned(exchange, one, between.quantize(D(1).scaleb(-DIGITS)))


def test_an_answer_takes_about_fifty_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    moved = OneMark._move

    def spy(self: OneMark, mark: int) -> None:
        looks.append(mark)
        moved(self, mark)

    monkeypatch.setattr(OneMark, "_move", spy)
    rules = [each for each in RULES if each.name != "narrow"]
    world = held(*(position(f"S{number}USDT", iw="600") for number in range(5)))
    answers = found(world, *rules, ticks={})
    assert len(answers) == 80
    assert len(looks) < 80 * 2 * 50
