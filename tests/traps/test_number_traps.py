"""Traps of docs/protocol.md §0 and §11 about numbers: what a message says, and what it does not."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from trio.testing import MockClock

from monitor.binance import translate, translate_polls, wire, wire_api
from monitor.core.notices import Grade, Reading
from tests.binance import messages
from tests.binance.harness import do, fault
from tests.core.worlds import World, change, filled, money, poll, position
from tests.house.town import HEAD, Town
from tests.traps.scenes import (
    BUY,
    CALM,
    HAPPENINGS,
    account,
    metric,
    number,
    quantities,
)

D = Decimal
HELD = ("BTCUSDT", "BOTH")
SLOW = fault("late", "5s", for_="1h", by="900ms")
"""An event asks for a poll; half a second after it, what is known is from the event."""
CROSS = HEAD.replace('margin_type = "isolated"', 'margin_type = "cross"')
EVERYTHING = HAPPENINGS.replace('"banned",', '"banned", "deposit", "withdrawal", "funding",')


def position_table(symbol: str, side: str, quantity: str, entry: str, **more: object) -> str:
    """Word another position of a town's account."""
    rows = {"symbol": symbol, "side": side, "quantity": quantity, "entry_price": entry} | more
    return "\n[[account.position]]\n" + "\n".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in rows.items()
    )


def path(symbol: str, *points: tuple[str, str]) -> str:
    """Word the way a mark goes."""
    words = ", ".join(f'["{at}", "{price}"]' for at, price in points)
    return f'\n[[price]]\nsymbol = "{symbol}"\npoints = [{words}]\n'


def true_price(town: Town, symbol: str = "BTCUSDT", side: str = "BOTH") -> Decimal:
    """The liquidation price as the exchange has it at this instant."""
    there = town.exchange.market.accounts["main"]
    (held,) = [one for one in there.held() if (one.symbol, one.side) == (symbol, side)]
    price = there.liquidation_price(held)
    assert price is not None
    return round(price, 8)


# ------------------------------------------------------------------ §0


async def test_trap_0_4_a_mark_that_moves_is_told_by_no_user_event(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The alarm comes from the marks alone, in the second in which 8 % is passed."""
    town = Town(tmp_path, path("BTCUSDT", ("0s", "60000"), ("2m", "57000")))
    async with town.exists(), town.life():
        await town.until(100)
    assert town.exchange.happened == []
    assert town.story == ["43.0 fired warning distance"]


async def test_trap_0_4_an_account_update_has_no_leverage_mark_or_liquidation_price(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What it leaves out stays as it was known, or is carried on: never 0, never forgotten."""
    town = Town(tmp_path, CALM + SLOW + do("order", "63s", **BUY), head=CROSS)
    async with town.exists(), town.life():
        await town.until(62.5)
        assert number(town, "liquidation_price") == true_price(town) == D("44176.70682731")
        await town.until(63.5)
        assert number(town, "quantity") == D("0.2")
        assert number(town, "leverage") == 10
        assert number(town, "mark_price") == 60000
        assert number(town, "liquidation_price") == true_price(town)
    assert town.story == []


async def test_trap_0_5_v2_polls_have_no_settings_and_rows_of_open_orders_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Leverage and margin type come from v1; a row of quantity 0 opens and closes nothing."""
    resting = do(
        "open_order", "21s", symbol="ETHUSDT", side="buy", quantity="0.1", price="2000"
    ) + do("cancel_orders", "81s", symbol="ETHUSDT")
    town = Town(tmp_path, CALM + path("ETHUSDT", ("0s", "3000")) + resting, rules=EVERYTHING)
    async with town.exists(), town.life():
        for seconds in (5, 65, 200):
            await town.until(seconds)
            assert quantities(town) == {HELD: "0.1"}
            assert number(town, "leverage") == 10
            assert metric(town, "margin_type").value == "isolated"
    assert town.story == []


async def test_trap_0_6_a_liquidation_price_of_0_means_none(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A long that 10,000 USDT stand behind: infinitely far from liquidation, not 100 %, not 0."""
    town = Town(tmp_path, CALM, head=CROSS.replace('"1600"', '"10000"'))
    async with town.exists(), town.life():
        await town.until(100)
        assert metric(town, "liquidation_price") == Reading(Grade.ABSENT)
        assert metric(town, "liquidation_distance").value == D("Infinity")
    assert town.story == []


async def test_trap_0_6_none_becomes_a_price_when_the_money_goes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The alarm is given at the withdrawal, before any poll answers."""
    story = CALM + SLOW + do("withdrawal", "63s", amount="9700")
    town = Town(tmp_path, story, head=CROSS.replace('"1600"', '"10000"'))
    async with town.exists(), town.life():
        await town.until(63.5)
        assert number(town, "liquidation_price") == true_price(town) > 57000
    assert town.story == ["63.0 fired warning distance"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param("", id="v1 of positions says isolated"),
        pytest.param(
            fault("error", "0s", for_="1h", method="account.position", code=-1099, status=400),
            id="v1 of the status says true",
        ),
    ],
)
async def test_trap_0_7_a_margin_type_has_three_spellings(
    settings: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Told apart by none of them: nothing changes while nobody changes it, and then once."""
    story = CALM + settings + do("margin_call", "30s") + do("order", "63s", **BUY)
    story += do("margin_type", "300s", symbol="BTCUSDT", margin_type="cross")
    town = Town(tmp_path, story, rules=EVERYTHING)
    async with town.exists(), town.life():
        await town.until(299)
        assert metric(town, "margin_type").value == "isolated"
        await town.until(301)
        assert metric(town, "margin_type").value == "cross"
        await town.until(500)
    assert town.story == [
        "30.0 happened critical margin_call",
        "300.0 happened critical margin_type_changed",
    ]


def test_trap_0_7_every_spelling_is_read() -> None:
    words: list[str | bool] = ["cross", "CROSSED", "crossed", "CROSS", False]
    assert {translate.margin_type(word) for word in words} == {"cross"}
    assert {translate.margin_type(word) for word in ("isolated", "ISOLATED", True)} == {"isolated"}
    assert translate.margin_type("PORTFOLIO") is None


async def test_trap_0_9_unknown_reasons_types_and_fields_cost_nothing(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strange = fault("strange", "10s", for_="1h")
    strange += do("order", "63s", **BUY) + do("deposit", "65s", amount="7", reason="AIRDROP")
    town = Town(tmp_path, CALM + strange)
    async with town.exists(), town.life() as service:
        await town.until(63.5)
        assert quantities(town) == {HELD: "0.2"}
        await town.until(65.5)
        wallet = account(service).balances["USDT"].wallet
        assert wallet == town.exchange.market.accounts["main"].wallets["USDT"]
        await town.until(200)
    assert town.story == []
    assert caplog.text.count("events of a new type: 'FUTURE_UPDATE'") == 1


def test_trap_0_10_amounts_are_texts_and_stay_exact() -> None:
    frame = (
        '{"e":"ACCOUNT_UPDATE","E":"1564745798939","T":1564745798938,"a":{"m":"ORDER","B":['
        '{"a":"USDT","wb":"122624.123456780000000001","cw":0.1}],"P":[]}}'
    )
    (event,) = translate.user_events(wire.parse_user(frame), account="main", offset=39, seq=1)
    world = World()
    world.tell(1, event)
    balance = world.account.balances["USDT"]
    assert (balance.wallet, balance.cross_wallet) == (D("122624.123456780000000001"), D("0.1"))
    assert (event.at, event.time) == (1564745798900, 1564745798938)  # type: ignore[union-attr]  # one of an account


# ------------------------------------------------------------------ §11


def test_trap_11_12_a_price_of_0_beside_a_position_that_has_one_is_not_believed() -> None:
    """Neither "safe" nor a number: unknown, which ends no alarm."""
    world = World()
    for seconds in (1, 11):
        world.tell(seconds, poll(seconds, position(liq="0"), wallet="1000"))
        assert world.read("liquidation_price", "BTCUSDT") == Reading(Grade.UNKNOWN, None, 0)
        assert world.read("liquidation_distance", "BTCUSDT").grade is Grade.UNKNOWN


async def test_trap_11_13_a_cross_price_moves_with_other_positions_funding_and_transfers(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Carried on between polls, it is what the exchange answers at the next one."""
    head = CROSS + position_table("ETHUSDT", "short", "1.5", "3000", leverage=5)
    story = CALM + SLOW + path("ETHUSDT", ("0s", "3000"), ("1m", "3000"), ("2m", "3200"))
    story += do("funding", "91s", symbol="BTCUSDT", rate="1%")
    story += do("withdrawal", "101s", amount="50")
    story += do("order", "111s", symbol="ETHUSDT", side="buy", quantity="0.5")
    town = Town(tmp_path, story, head=head)
    seen: list[Decimal] = []
    async with town.exists(), town.life():
        for seconds in (59.5, 68.5, 88.5, 91.5, 101.5, 111.5):
            await town.until(seconds)
            seen.append(number(town, "liquidation_price"))
            assert abs(seen[-1] - true_price(town)) < D("0.000001"), seconds
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)


HEDGE = HEAD.replace('balances = { USDT = "1600" }', 'balances = { USDT = "5000" }\nhedge = true')
HEDGE += position_table("BTCUSDT", "short", "0.05", "61000", margin_type="isolated", leverage=10)
LONG, SHORT = ("BTCUSDT", "LONG"), ("BTCUSDT", "SHORT")


async def test_trap_11_19_both_rows_of_0_in_hedge_mode_close_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    sell = BUY | {"side": "sell", "quantity": "0.04", "position_side": "LONG"}
    town = Town(tmp_path, CALM + do("order", "63s", **sell), head=HEDGE, rules=EVERYTHING)
    async with town.exists(), town.life():
        await town.until(62)
        assert quantities(town) == {LONG: "0.1", SHORT: "-0.05"}
        await town.until(63.5)
        assert quantities(town) == {LONG: "0.06", SHORT: "-0.05"}
        await town.until(200)
    assert town.story == []


def test_trap_11_20_cross_legs_of_a_hedge_share_one_liquidation_price() -> None:
    """Worked example W3 (docs/protocol.md §9.7): 44396.76930843 for both, by a fall."""
    world = World()
    legs = [
        position(quantity="3", entry="50000", mark="50000", side="LONG", liq="0", rate="0.005"),
        position(quantity="-1", entry="52000", mark="50000", side="SHORT", liq="0", rate="0.004"),
    ]
    legs[0] = replace(legs[0], maintenance_margin=D(700))  # 150000 × 0.005 − 50
    legs[1] = replace(legs[1], maintenance_margin=D(200))  # 50000 × 0.004
    told = [replace(leg, liquidation_price=D("44396.76930843")) for leg in legs]
    world.tell(1, poll(1, *told, wallet="10000"))
    world.tell(2, change(2, money("10500"), reason="DEPOSIT"))
    prices = {world.read("liquidation_price", "BTCUSDT", side).value for side in ("LONG", "SHORT")}
    (price,) = prices
    assert isinstance(price, D)
    assert price < D("44396.76930843")
    for side in ("LONG", "SHORT"):
        distance = world.read("liquidation_distance", "BTCUSDT", side).value
        assert isinstance(distance, D)
        assert distance == (50000 - price) / 50000


async def test_trap_11_21_the_same_symbol_stands_twice_in_hedge_mode(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Each leg has an alert of its own; the end of the one is not the other's."""
    story = path("BTCUSDT", ("0s", "60000"), ("1m", "55500"), ("2m", "55500"), ("4m", "65000"))
    sell = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.1", "position_side": "LONG"}
    town = Town(tmp_path, story + do("order", "90s", **sell), head=HEDGE)
    async with town.exists(), town.life():
        await town.until(300)
    told = [
        (line, notice.target.position_side)
        for line, notice in zip(town.story, town.heard, strict=True)
    ]
    assert told == [
        ("15.0 fired warning distance", "LONG"),
        ("47.0 escalated critical distance", "LONG"),
        ("90.0 resolved critical distance position_closed", "LONG"),
        ("201.0 fired warning distance", "SHORT"),
        ("231.0 escalated critical distance", "SHORT"),
    ]


@pytest.mark.parametrize(
    ("head", "key"), [(HEAD, HELD), (HEDGE, SHORT)], ids=["by its sign", "by its position side"]
)
async def test_trap_11_22_which_way_a_position_gains(
    head: str, key: tuple[str, str], autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A short has a negative quantity, its price above the mark, and loses when the mark rises."""
    one_way = head.replace('side = "long"', 'side = "short"') if key is HELD else head
    town = Town(tmp_path, path("BTCUSDT", ("0s", "60000"), ("1m", "61200")), head=one_way)
    async with town.exists(), town.life():
        await town.until(70)
        side = key[1]
        assert number(town, "quantity", side=side) < 0
        assert metric(town, "side", side=side).value == "short"
        assert number(town, "liquidation_price", side=side) > 61200
        assert number(town, "notional", side=side) > 0
        assert number(town, "unrealized_pnl", side=side) < 0


def test_trap_11_23_a_short_has_a_negative_notional_and_a_positive_margin() -> None:
    """The recorded COMPUSDT row: −49.72 notional, 0.49 maintenance, 2.49 initial margin."""
    rows = wire_api.read_positions(
        "v2/account.position", wire.parse_json("poll", messages.POSITIONS_V2)
    )
    row = next(row for row in translate_polls.position_rows(rows) if row.symbol == "COMPUSDT")
    assert row.notional == D("-49.72023376")
    world = World()
    world.tell(1, poll(1, row, leverage=None, wallet="1000"))
    assert world.read("notional", "COMPUSDT", "SHORT").value == D("49.72023376")
    assert world.read("maintenance_margin").grade is Grade.FRESH
    settings = {one.symbol: one.leverage for one in translate_polls.inferred_settings(rows)}
    assert settings == {"ADAUSDT": 20, "COMPUSDT": 20}


@pytest.mark.parametrize("word", ['"false"', "false", '"true"'])
def test_trap_11_24_auto_add_margin_is_a_text_here_and_a_boolean_there(word: str) -> None:
    text = messages.POSITIONS_V1.replace('"isAutoAddMargin": "false"', f'"isAutoAddMargin": {word}')
    rows = wire_api.read_positions("account.position", wire.parse_json("poll", text))
    held = translate_polls.position_rows(rows)[0]
    assert (held.symbol, held.quantity, held.margin_type) == ("BTCUSDT", D("0.001"), "cross")


async def test_trap_11_25_leverage_is_a_text_in_polls_and_an_integer_in_events(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """One number: told once when it changes, and not again when a poll says it as a text."""
    story = CALM + do("leverage", "63s", symbol="BTCUSDT", leverage=20)
    town = Town(tmp_path, story, rules=EVERYTHING)
    async with town.exists(), town.life():
        await town.until(62)
        assert number(town, "leverage") == 10
        await town.until(63.5)
        assert number(town, "leverage") == 20
        await town.until(400)
        assert number(town, "leverage") == 20
    assert town.story == ["63.0 happened critical leverage_changed"]


async def test_trap_11_26_a_polled_liquidation_price_is_wrong_after_a_fill(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Bought at 62,000 in cross: by the polled price it would look 7 % safer than it is."""
    story = path("BTCUSDT", ("0s", "60000"), ("1m", "60000"), ("70s", "62000"))
    story += SLOW + do("order", "78s", **BUY | {"quantity": "0.15"})
    town = Town(tmp_path, story, head=CROSS.replace('"1600"', '"2200"'))
    async with town.exists(), town.life():
        await town.until(77.5)
        before = number(town, "liquidation_price")
        await town.until(78.5)
        after = number(town, "liquidation_price")
        assert after == true_price(town) > before * D("1.2")
        assert number(town, "quantity") == D("0.25")


def test_trap_11_26_a_fill_of_another_margin_type_forgets_the_price() -> None:
    world = World()
    world.tell(1, poll(1, position()))
    world.tell(2, change(2, filled(quantity="0.2", mt="isolated", iw="620"), money("1000", "380")))
    price = world.read("liquidation_price", "BTCUSDT").value
    assert isinstance(price, D)
    assert price != 54000
