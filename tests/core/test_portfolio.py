"""Accounts, pools and how old what they rest on is."""

from decimal import Decimal

from monitor.core.events import ClockJumped, PollsPaced, PollWanted
from monitor.core.notices import Grade, Reading
from tests.core.worlds import World, change, filled, marks, money, poll, position

D = Decimal

CROSS = position(quantity="0.1", entry="60000", mark="62000", liq="40000")
ISOLATED = position("ETHUSDT", "-2", "3000", mark="2900", liq="3200", iw="600", rate="0.01")


def test_an_isolated_position_is_part_of_no_pools_balance_but_of_its_totals() -> None:
    world = World()
    world.tell(1, poll(1, CROSS, ISOLATED, wallet="1600", cross="1000"))
    figures = {
        name: world.read(name).value
        for name in (
            "wallet_balance",
            "total_unrealized_pnl",
            "equity",
            "total_notional",
            "margin_balance",
            "maintenance_margin",
            "position_count",
        )
    }
    assert figures == {
        "wallet_balance": 1600,
        "total_unrealized_pnl": 400,
        "equity": 2000,
        "total_notional": 12000,
        "margin_balance": 1200,
        "maintenance_margin": D("24.8"),
        "position_count": 2,
    }


def test_pools_are_kept_for_a_position_or_a_wallet() -> None:
    world = World()
    world.tell(1, poll(1, position("BTCUSDC", liq="0"), wallet="0"))
    world.tell(2, change(2, filled("ETHUSDC", "1", "3000", asset="USDC"), money("0", asset="BNB")))
    world.tell(3, change(3, money("5", asset="BNB"), seq=2))
    assert sorted(world.account.pool_assets()) == ["BNB", "USDC", "USDT"]
    world.tell(4, poll(4, wallet="0", after=2))
    world.tell(5, poll(5, wallet="0", after=2))
    assert sorted(world.account.pool_assets()) == ["BNB"]


def test_a_sum_with_an_unknown_term_is_unknown() -> None:
    """A position that only an event has told of has no maintenance rate yet."""
    world = World()
    world.tell(1, poll(1, CROSS), marks(1, ETHUSDT="3000"))
    world.tell(2, change(2, filled("ETHUSDT", "1", "3000")))
    assert world.read("maintenance_margin").grade is Grade.UNKNOWN
    assert world.read("liquidation_distance", "BTCUSDT").grade is Grade.UNKNOWN
    assert world.read("margin_balance") == Reading(Grade.FRESH, D(1200), 1_000)
    world.tell(3, poll(3, CROSS, position("ETHUSDT", "1", "3000", mark="3000"), after=1))
    assert world.read("maintenance_margin").value == D("36.8")


def test_an_account_is_fresh_while_its_last_complete_poll_and_all_its_marks_are() -> None:
    world = World()
    assert world.account.stale_since == 0
    world.tell(1, poll(1, CROSS))
    assert world.account.stale_since is None
    world.tell(20, marks(20, BTCUSDT="61000"))
    world.tell(31)
    assert world.account.stale_since == 31_000, "the poll is 30 s old"
    world.tell(32, poll(32, CROSS))
    assert world.account.stale_since is None
    world.tell(40, change(40, filled("ETHUSDT", "1", "3000")))
    assert world.account.stale_since == 40_000, "ETHUSDT has no mark yet"
    world.tell(41, marks(41, ETHUSDT="3000"))
    assert world.account.stale_since is None


def test_the_age_of_a_number_counts_from_the_exchanges_time_and_never_from_the_future() -> None:
    world = World()
    world.tell(1, poll(1, CROSS))
    world.tell(2, marks(1.5, BTCUSDT="61000"))
    assert world.read("mark_price", "BTCUSDT") == Reading(Grade.FRESH, D(61000), 500)
    world.tell(3, marks(4, BTCUSDT="61500"))
    assert world.read("mark_price", "BTCUSDT") == Reading(Grade.FRESH, D(61500), 0)


def test_polls_at_a_longer_interval_stretch_the_limit() -> None:
    world = World()
    world.tell(1, poll(1, CROSS), PollsPaced("main", 20_000))
    world.tell(59, marks(59, BTCUSDT="62000"))
    assert world.account.stale_since is None
    world.tell(61)
    assert world.account.stale_since == 61_000
    world.tell(62, PollsPaced("main", 5_000), poll(62, CROSS))
    world.tell(92)
    assert world.account.stale_since == 92_000


def test_after_a_jump_of_the_clock_everything_is_aged_until_it_is_polled_again() -> None:
    world = World()
    world.tell(1, poll(1, CROSS))
    outcome = world.tell(2, ClockJumped())
    assert outcome.requests == [PollWanted("main", 2_000)]
    assert world.account.stale_since == 2_000
    for name in ("quantity", "mark_price", "liquidation_distance"):
        assert world.read(name, "BTCUSDT").grade is Grade.AGED
    assert world.read("margin_ratio").grade is Grade.AGED
    world.tell(3, poll(3, CROSS))
    assert world.account.stale_since is None
    assert world.read("liquidation_distance", "BTCUSDT").grade is Grade.FRESH
