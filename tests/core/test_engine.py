"""The engine: events in, notices out, in time.

The stories of docs/semantics.md §2, §4 and §5.
"""

from dataclasses import replace
from decimal import Decimal

from monitor.core.engine import Engine
from monitor.core.events import (
    AssetRow,
    Woke,
)
from monitor.core.notices import AlertRecord, Delivery, Grade, SwitchRecord, Target, Told
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Rule, Severity
from tests.core.worlds import (
    CLOSE,
    EPOCH,
    FAR,
    World,
    at,
    change,
    filled,
    level,
    marks,
    money,
    near,
    poll,
    position,
    rule,
)

D = Decimal

NONE, INFO, WARNING, CRITICAL = Severity
TARGET = Target("main", "BTCUSDT", "BOTH", "long")


def distance_rule(**more: object) -> Rule:
    return rule(
        "liquidation-distance",
        level(INFO, "liquidation_distance < 20%", on=15, off=60, band="0.1"),
        level(WARNING, "liquidation_distance < 10%", on=15, off=60, band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", off=60, band="0.1"),
        **more,
    )


BLIND = rule("blind", level(CRITICAL, "stale_for > 0s", on=10))


# ---------------------------------------------------------------- levels and delays


def test_levels_rise_with_their_delays_and_ease_when_the_keep_time_has_passed() -> None:
    """The example of docs/semantics.md §5."""
    world = World(distance_rule())
    prices = ["62000", "59500", "59400", "59300", "59200", "56000"] + ["62000"] * 15
    for step, price in enumerate(prices):
        seconds = 5 * step
        world.tell(seconds, poll(seconds, position(mark=price, iw="600")))

    assert world.story == [
        "15s fired info",
        "20s escalated warning",
        "25s escalated critical",
        "90s eased info recovered",
    ]
    eased = world.notices[-1]
    assert (eased.previous, eased.since, eased.number) == (CRITICAL, EPOCH + 15_000, 4)
    assert eased.condition == "liquidation_distance < 5%", "the condition of the level it left"
    assert eased.values["liquidation_distance"].grade is Grade.FRESH


def test_a_fired_notice_carries_what_a_reader_needs() -> None:
    world = World(near())
    outcome = world.tell(1, poll(1, CLOSE))
    (notice,) = outcome.notices
    assert (notice.number, notice.at, notice.kind, notice.severity) == (
        1,
        at(1).utc,
        "fired",
        WARNING,
    )
    assert (notice.rule, notice.target, notice.previous) == ("near", TARGET, NONE)
    assert (notice.reason, notice.happening, notice.count) == (None, None, None)
    assert (notice.since, notice.data_age) == (at(1).utc, 0)
    assert notice.condition == "liquidation_distance < 10%"
    assert notice.values["mark_price"].value == 55000
    assert notice.values["wallet_balance"].value == 1000
    assert "data_age" in notice.values
    assert outcome.deliveries == [Delivery(1, "phone")]
    assert outcome.told == [Told("near", TARGET, "phone", WARNING, WARNING)]
    assert outcome.changes.notices == (notice,)
    record = AlertRecord(
        "near",
        TARGET,
        (SwitchRecord(WARNING, "on", 0, at(1).utc),),
        WARNING,
        WARNING,
        at(1).utc,
        at(1).utc,
    )
    assert outcome.changes.alerts == (record,)
    assert bool(outcome.changes)


def test_a_dead_band_holds_an_alert_until_the_threshold_is_passed_by_it() -> None:
    world = World(near("liquidation_distance < 10%", band="0.1"))
    for seconds, price in ((1, "59900"), (2, "60500"), (3, "60674"), (4, "60675")):
        world.tell(seconds, poll(seconds, position(mark=price)))
    # 54000 / (1 − 11 %) = 60674.16
    assert world.story == ["1s fired warning", "4s resolved warning recovered"]


def test_delays_pass_between_events_at_their_own_instants() -> None:
    world = World(near(on=15, off=20))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, marks(2, BTCUSDT="55001"))
    outcome = world.engine.on(Woke(), at(29))  # slept through 16 s
    assert [(notice.at, notice.kind) for notice in outcome.notices] == [(at(16).utc, "fired")]


def test_data_of_an_instant_comes_before_timers_due_at_it() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(16, poll(16, FAR))
    assert world.story == []


def test_a_delay_passes_with_data_of_its_very_instant() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(16, poll(16, CLOSE))
    assert world.story == ["16s fired warning"]


# ---------------------------------------------------------------- doubt


def test_aged_numbers_raise_and_never_resolve() -> None:
    world = World(near())
    world.tell(1, poll(1, FAR))
    world.tell(40, marks(40, BTCUSDT="55000"))
    world.tell(41, marks(41, BTCUSDT="62000"))
    assert world.story == ["40s fired warning"]
    assert world.notices[0].data_age == 39_000
    assert world.notices[0].values["liquidation_distance"].grade is Grade.AGED
    world.tell(42, poll(42, FAR))
    assert world.story == ["40s fired warning", "42s resolved warning recovered"]


def test_unknown_neither_raises_nor_resolves() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.sleep(700)
    world.tell(700, marks(700, BTCUSDT="62000"))
    world.tell(701, marks(701, BTCUSDT="55000"))
    assert world.story == ["1s fired warning"]
    world.tell(702, marks(702, BTCUSDT="62000"))
    assert world.story == ["1s fired warning"]
    world.tell(702, poll(702, FAR))
    assert world.story == ["1s fired warning", "702s resolved warning recovered"]


def test_an_old_mark_raises_nothing() -> None:
    world = World(near("notional > 5000"))
    world.tell(1, poll(1, position(quantity="0.01")))
    world.tell(40, change(40, filled(quantity="0.1")))
    assert world.story == [], "62000 is 39 s old"
    world.tell(41, marks(41, BTCUSDT="62000"))
    assert world.story == ["41s fired warning"]


def test_falling_waits_while_nothing_is_known() -> None:
    world = World(near(off=20))
    world.tell(1, poll(1, CLOSE))
    world.tell(5, poll(5, FAR))  # falling since 5 s; aged from 35 s, but that is after its time
    world.tell(15, poll(15, replace(FAR, liquidation_price=D(0)), wallet="1000"))
    # "none" is not believed while our own estimate is near: unknown from here on
    world.tell(60, poll(60, FAR))
    world.sleep(200)
    assert world.story == ["1s fired warning", "70s resolved warning recovered"]


def test_nothing_is_judged_before_the_first_complete_poll() -> None:
    world = World(near(), BLIND)
    world.tell(1, replace(poll(1, CLOSE), complete=False))
    world.tell(2, change(2, filled()), marks(2, BTCUSDT="55000"))
    assert world.story == []
    world.tell(3, poll(3, CLOSE, after=1))
    assert world.story == ["3s fired warning"]


def test_an_alert_on_a_position_that_turns_round_ends_and_another_begins() -> None:
    world = World(near("notional > 0"))
    world.tell(1, poll(1, FAR))
    world.tell(2, change(2, filled(quantity="-0.1")))
    assert world.story == [
        "1s fired warning",
        "2s resolved warning position_closed",
        "2s fired warning",
    ]
    assert [notice.target.side for notice in world.notices] == ["long", "long", "short"]


def test_a_closed_position_resolves_at_once_whatever_the_keep_time() -> None:
    world = World(near(off=3600, on=0))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, change(2, filled(quantity="0", entry="0")))
    assert world.story == ["1s fired warning", "2s resolved warning position_closed"]
    assert world.saved().alerts == ()
    world.tell(3, change(3, filled(), seq=2))
    world.tell(4, poll(4, CLOSE, after=2))
    assert world.story[2:] == ["4s fired warning"]


def test_a_position_that_opens_and_closes_within_one_event_was_never_there() -> None:
    world = World(near("notional > 0"))
    world.tell(1, poll(1))
    outcome = world.tell(2, change(2, filled(), filled(quantity="0", entry="0")))
    assert world.story == []
    assert outcome.symbols is None
    assert world.account.holdings == {}


def test_rising_is_dropped_when_the_position_closes() -> None:
    world = World(near(on=15))
    world.tell(1, poll(1, CLOSE))
    world.tell(2, change(2, filled(quantity="0", entry="0")))
    world.sleep(100)
    assert world.story == []
    assert world.saved().alerts == ()


def test_gone_from_one_poll_keeps_the_alert_and_from_two_resolves_it() -> None:
    world = World(near())
    world.tell(1, poll(1, CLOSE))
    world.tell(11, poll(11))
    assert world.story == ["1s fired warning"]
    world.tell(12, poll(12))
    assert world.story == ["1s fired warning", "12s resolved warning position_closed"]


def test_between_two_polls_without_it_a_position_still_raises() -> None:
    world = World(near())
    world.tell(1, poll(1, FAR))
    world.tell(11, poll(11))
    world.tell(11.5, marks(11.5, BTCUSDT="55000"))
    assert world.story == ["11.5s fired warning"]


def test_a_pool_that_is_gone_resolves_its_alerts() -> None:
    world = World(rule("poor", level(WARNING, "equity < 500")))
    world.tell(1, poll(1, wallet="400"))
    world.tell(2, change(2, money("0")))
    assert world.story == ["1s fired warning", "2s resolved warning pool_gone"]
    assert world.notices[0].target == Target("main", asset="USDT")


def test_accounts_are_apart() -> None:
    """All but the marks, which are the market's."""
    world = World(near(), accounts=("main", "sub"))
    world.tell(1, poll(1, CLOSE), poll(1, position(mark="55000", liq="20000"), account="sub"))
    world.tell(2, poll(2, CLOSE, account="sub"))
    assert [(notice.at, notice.target.account) for notice in world.notices] == [
        (at(1).utc, "main"),
        (at(2).utc, "sub"),
    ]


def test_a_rule_speaks_only_of_its_accounts_and_symbols() -> None:
    world = World(
        near("notional > 0", accounts=Globs(["sub"]), symbols=Globs(["!ETH*"])),
        accounts=("main", "sub"),
    )
    eth = position("ETHUSDT", "1", "3000", mark="3000", liq="2000")
    world.tell(1, poll(1, FAR, eth), poll(1, FAR, eth, account="sub"))
    assert [str(notice.target) for notice in world.notices] == ["sub/BTCUSDT/long"]


# ---------------------------------------------------------------- channels


def test_told_is_kept_across_restarts() -> None:
    channels = (Channel("phone", CRITICAL), Channel("desk"))
    two = rule(
        "near",
        level(WARNING, "liquidation_distance < 10%"),
        level(CRITICAL, "liquidation_distance < 5%"),
    )
    world = World(two, channels=channels)
    world.tell(1, poll(1, CLOSE))
    world.tell(2, poll(2, position(mark="58000")))
    again = World(two, channels=channels, saved=world.saved(), start=20)
    again.tell(21, poll(21, FAR))
    assert world.heard == {"phone": [1, 2], "desk": [1, 2]}
    assert again.heard == {"phone": [3], "desk": [3]}
    assert again.saved().told == ()


def test_without_channels_nothing_is_delivered() -> None:
    world = World(near(), channels=())
    world.tell(1, poll(1, CLOSE))
    assert world.story == ["1s fired warning"]
    assert world.heard == {}
    assert world.saved().told == ()


# ---------------------------------------------------------------- what it asks for


def test_the_symbols_held_are_told_when_they_change() -> None:
    world = World()
    assert world.tell(1, poll(1, FAR)).symbols == frozenset({"BTCUSDT"})
    assert world.tell(2, poll(2, FAR)).symbols is None
    assert world.tell(3, change(3, filled(quantity="0"))).symbols == frozenset()


def test_an_engine_may_be_given_another_time_to_forget() -> None:
    engine = Engine([], [], [("main", "v")], now=at(0), stale_after=30_000, forget_after=60_000)
    engine.on(poll(0, FAR), at(0))
    assert engine.on(Woke(), at(30)).wake_at == 60_000


def test_assets_without_an_answer_leave_pools_as_they_were() -> None:
    world = World(rule("poor", level(WARNING, "equity < 500")))
    world.tell(1, poll(1, wallet="400"))
    world.tell(2, replace(poll(2), assets=None, complete=False))
    world.tell(3, replace(poll(3), assets=(AssetRow("BNB", D(1), D(1)),)))
    assert world.story == ["1s fired warning", "3s fired warning"]
    assert [notice.target.asset for notice in world.notices] == ["USDT", "BNB"]
