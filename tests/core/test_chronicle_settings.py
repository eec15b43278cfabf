"""Leverage, margin type and money: each change told once, by event or by poll."""

from dataclasses import replace

import pytest

from monitor.core.events import (
    PollWanted,
)
from monitor.core.notices import Target
from tests.core.chronicles import begun, configured, leverage, told
from tests.core.worlds import (
    FAR,
    change,
    filled,
    money,
    poll,
)

# ---------------------------------------------------------------- leverage and margin type


def test_a_leverage_is_told_by_event_or_by_poll_and_once() -> None:
    world = begun()
    world.tell(2, configured(2, 10))
    world.tell(3, leverage(3, 20))
    world.tell(4, configured(4, 20, after=1))
    world.tell(60, configured(60, 25, after=1))
    world.tell(61, configured(61, 25, after=1))
    world.tell(62, leverage(62, 25, seq=2, at_=59))
    assert told(world) == [
        "3s leverage_changed main/ETHUSDT leverage=20 before=10",
        "61s leverage_changed main/ETHUSDT leverage=25 before=20 polled=61s",
    ]
    assert world.notices[0].target == Target("main", "ETHUSDT")


def test_the_leverage_of_a_symbol_unknown_so_far() -> None:
    world = begun()
    world.tell(2, leverage(2, 20), leverage(2, 20))
    world.tell(3, configured(3, 20, after=1))
    assert told(world) == ["2s leverage_changed main/ETHUSDT leverage=20"]


def test_two_changes_of_leverage_that_come_the_other_way_round() -> None:
    world = begun()
    world.tell(2, configured(2, 10))
    world.tell(5, leverage(4, 30, seq=1))
    world.tell(6, leverage(3, 20, seq=2))
    assert told(world) == [
        "5s leverage_changed main/ETHUSDT leverage=30 before=10",
        "6s leverage_changed main/ETHUSDT leverage=20 before=10",
    ]
    assert world.account.settings.leverages["ETHUSDT"] == 30


def test_an_old_answer_does_not_change_a_leverage_to_and_fro() -> None:
    world = begun()
    world.tell(2, configured(2, 10))
    world.tell(3, leverage(3, 20))
    outcome = world.tell(3.2, configured(3.1, 10, after=1))
    assert outcome.requests == [PollWanted("main", 4_200, full=True)]
    world.tell(4.2, configured(4.2, 20, after=1))
    assert told(world) == ["3s leverage_changed main/ETHUSDT leverage=20 before=10"]


def test_margin_types_of_symbols_held_or_not() -> None:
    world = begun()
    world.tell(2, configured(2, 10, "cross"))
    world.tell(60, configured(60, 10, "isolated"))
    flat = filled("ETHUSDT", "0", "0", mt="cross")
    world.tell(
        70, change(70, flat, replace(flat, position_side="LONG"), reason="MARGIN_TYPE_CHANGE")
    )
    world.tell(71, configured(71, 10, "cross", after=1))
    world.tell(80, change(80, filled(), seq=2))
    world.tell(81, change(81, filled(mt="isolated", iw="600"), seq=3, reason="MARGIN_TYPE_CHANGE"))
    assert told(world) == [
        "60s margin_type_changed main/ETHUSDT margin_type=isolated before=cross polled=60s",
        "70s margin_type_changed main/ETHUSDT margin_type=cross before=isolated",
        "80s position_opened main/BTCUSDT/long quantity=0.1 entry_price=60000",
        "81s margin_type_changed main/BTCUSDT margin_type=isolated before=cross",
    ]


def test_a_row_without_a_margin_type_has_that_of_its_symbol() -> None:
    world = begun()
    world.tell(2, configured(2, 10, "isolated"))
    world.tell(3, change(3, filled("ETHUSDT", "1", "3000", mt=None, iw="100")))
    assert world.read("margin_type", "ETHUSDT").value == "isolated"
    world.tell(4, change(4, filled("ETHUSDT", "-1", "3000", mt=None, iw="100"), seq=2))
    assert world.read("margin_type", "ETHUSDT").value == "isolated", "also when it turns round"


# ---------------------------------------------------------------- money


@pytest.mark.parametrize(
    ("reason", "bc", "kind"),
    [
        ("DEPOSIT", "100", "deposit"),
        ("ADMIN_DEPOSIT", "100", "deposit"),
        ("COIN_SWAP_DEPOSIT", "100", "deposit"),
        ("ASSET_TRANSFER", "100", "deposit"),
        ("WITHDRAW", "-100", "withdrawal"),
        ("ADMIN_WITHDRAW", "-100", "withdrawal"),
        ("COIN_SWAP_WITHDRAW", "-100", "withdrawal"),
        ("ASSET_TRANSFER", "-100", "withdrawal"),
    ],
)
def test_deposits_and_withdrawals_by_their_reason(reason: str, bc: str, kind: str) -> None:
    world = begun()
    world.tell(2, change(2, money("1100", bc=bc), reason=reason))
    assert told(world) == [f"2s {kind} main/USDT amount=100 wallet=1100"]
    assert world.notices[0].target == Target("main", asset="USDT")


@pytest.mark.parametrize(
    "reason", ["ORDER", "WITHDRAW_REJECT", "ADJUSTMENT", "AUTO_EXCHANGE", "NEW"]
)
def test_other_reasons_are_no_deposits(reason: str) -> None:
    world = begun()
    world.tell(2, change(2, money("1100", bc="100"), reason=reason))
    assert told(world) == []


def test_an_amount_that_the_message_does_not_say_follows_from_the_wallet() -> None:
    world = begun()
    world.tell(2, change(2, money("1100"), reason="DEPOSIT"))
    world.tell(3, change(3, money("1050"), seq=2, reason="ASSET_TRANSFER"))
    world.tell(4, change(4, money("5", asset="BNB"), seq=3, reason="DEPOSIT"))
    world.tell(5, poll(5, wallet="1150", after=3))
    world.tell(5.5, poll(5.5, wallet="1150", after=3))
    world.tell(6, change(6, money("1150"), seq=4, reason="DEPOSIT"))
    assert told(world) == [
        "2s deposit main/USDT amount=100 wallet=1100",
        "3s withdrawal main/USDT amount=50 wallet=1050",
        "4s deposit main/BNB wallet=5",
        "6s deposit main/USDT wallet=1150",
    ]


def test_an_asset_that_a_deposit_lists_and_leaves_alone_is_not_its() -> None:
    world = begun()
    world.tell(
        2, change(2, money("1100", bc="100"), money("5", asset="BNB", bc="0"), reason="DEPOSIT")
    )
    assert told(world) == ["2s deposit main/USDT amount=100 wallet=1100"]


def test_a_deposit_that_comes_late_and_twice_is_told_once() -> None:
    world = begun()
    late = change(2, money("1100", bc="100"), reason="DEPOSIT", seq=2)
    world.tell(4, change(3, money("1050", bc="-50"), reason="WITHDRAW", seq=1))
    world.tell(5, late, replace(late, seq=3))
    assert told(world) == [
        "4s withdrawal main/USDT amount=50 wallet=1050",
        "5s deposit main/USDT amount=100 wallet=1100",
    ]
    assert world.account.balances["USDT"].wallet == 1050


def test_fundings_of_two_symbols_in_one_instant_are_two() -> None:
    world = begun(FAR)
    first = change(2, money("999.86", bc="-0.14"), reason="FUNDING_FEE", symbol="BTCUSDT")
    second = change(2, money("999.96", bc="0.1"), reason="FUNDING_FEE", symbol="ETHUSDT", seq=2)
    unsaid = change(2, money("999.9"), filled("SOLUSDT", "0"), reason="FUNDING_FEE", seq=3)
    world.tell(2, first, second, unsaid, first, second, unsaid)
    assert told(world) == [
        "2s funding main/USDT amount=-0.14 symbol=BTCUSDT wallet=999.86",
        "2s funding main/USDT amount=0.1 symbol=ETHUSDT wallet=999.96",
        "2s funding main/USDT amount=-0.06 symbol=SOLUSDT wallet=999.9",
    ]
